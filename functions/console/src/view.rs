//! The context of every page: its language, its address and the signed-in operator.

use cee_edge::Call;
use cee_eligibility::Language;
use http::{HeaderMap, Method};

use crate::session;
use crate::words::Text;

/// The field of a form that shows that it is one of the session's pages.
pub(crate) const FORM_TOKEN: &str = "form";

/// The field with the number of a form that creates something: sent twice, it creates one thing.
pub(crate) const FORM_NUMBER: &str = "form_number";

/// The frame of a page around its content.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The language of the page.
    pub(crate) language: Language,
    /// Whether the address chose the language: then it is kept.
    pub(crate) is_chosen_now: bool,
    /// The same page in the other language: a query, so no path of a call can lead the link to another path or host. Or one of our own
    /// addresses, see [`Self::switch_to`].
    pub(crate) other_language: String,
    /// The signed-in operator.
    pub(crate) signed_in: Option<SignedIn>,
    /// The address of the bucket, of a page that sends a file there.
    pub(crate) bucket: Option<String>,
}

/// The signed-in operator.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    /// The operator's name, as the registry's team wrote it.
    pub(crate) operator: String,
    /// The token of the session's forms.
    pub(crate) form_token: String,
}

impl View {
    /// The view of a call in which nobody has signed in yet. The language is that of the address, of an earlier choice, or the one that the
    /// browser prefers.
    pub(crate) fn of(call: &Call) -> Self {
        let query = call.query();
        // The values of a form that was sent with POST are not in the address: the switch leads to the empty form.
        let pairs = query.pairs().filter(|_| call.request().method() != Method::POST).collect();
        Self::new(pairs, call.request().headers(), call.language())
    }

    fn new(query: Vec<(&str, &str)>, headers: &HeaderMap, preferred: Language) -> Self {
        let named = query.iter().find(|(name, _)| *name == "lang");
        let named = named.and_then(|(_, value)| Language::parse(value).ok());
        let language = named.or_else(|| session::chosen_language(headers)).unwrap_or(preferred);
        let mut link = form_urlencoded::Serializer::new(String::new());
        let kept = query.into_iter().filter(|(name, _)| *name != "lang");
        link.extend_pairs(kept).append_pair("lang", language.choose("fr", "en"));
        let other_language = format!("?{}", link.finish());
        Self { language, is_chosen_now: named.is_some(), other_language, signed_in: None, bucket: None }
    }

    /// Lets the switch of languages lead to this address of ours. For the page after a form that was sent: its own address shows another one.
    pub(crate) fn switch_to(&mut self, address: &str) {
        let before = if address.contains('?') { '&' } else { '?' };
        self.other_language = format!("{address}{before}lang={}", self.language.choose("fr", "en"));
    }

    /// A text in the page's language.
    pub(crate) const fn t(&self, text: Text) -> &'static str {
        text.to(self.language)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use http::header::COOKIE;

    fn view(query: &[(&str, &str)], cookie: &'static str) -> View {
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_static(cookie))]);
        View::new(query.to_vec(), &headers, Language::English)
    }

    #[test]
    fn address_then_cookie_then_browser_choose_the_language() {
        assert_eq!(view(&[], "").language, Language::English);
        assert_eq!(view(&[], "__Host-language=fr").language, Language::French);
        let chosen = view(&[("lang", "en")], "__Host-language=fr");
        assert_eq!((chosen.language, chosen.is_chosen_now), (Language::English, true));
        let nonsense = view(&[("lang", "xx")], "__Host-language=fr");
        assert_eq!((nonsense.language, nonsense.is_chosen_now), (Language::French, false));
    }

    #[test]
    fn switch_keeps_the_page_and_its_query() {
        for (query, link) in [
            (&[][..], "?lang=fr"),
            (&[("uuid", "a&b"), ("lang", "en")], "?uuid=a%26b&lang=fr"),
            (&[("//evil.example", "\t/evil.example")], "?%2F%2Fevil.example=%09%2Fevil.example&lang=fr"),
        ] {
            assert_eq!(view(query, "").other_language, link);
        }
    }
}
