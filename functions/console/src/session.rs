//! Cookies and forms: who is signed in, and whether a form comes from one of our pages.
//!
//! - The cookie of a session has the prefix `__Host-`, so no other host can set it, and scripts cannot read it (`HttpOnly`). A browser sends
//!   it over TLS alone (`Secure`), and never with a request that another site caused (`SameSite=Strict`).
//! - Each sign-in makes a new id: a session that somebody else knew before is not the one that was signed in to.
//! - A form is accepted from our own pages alone. The browser says where it comes from (`Sec-Fetch-Site`, `Origin`), and a form of a session
//!   also holds a token that only a page of this session knows.

use cee_eligibility::Language;
use cee_registry::SessionId;
use http::header::{COOKIE, HOST, ORIGIN};
use http::{HeaderMap, HeaderValue};

/// How long a session lasts. Source: docs/console.md, "Sessions".
pub(crate) const LASTS_SECONDS: i64 = 30 * 60;

/// The parameter of the form for signing in that says that a form was lost with its session.
pub(crate) const ENDED: &str = "session-ended";

/// Where a form leads that was sent after the end of its session.
pub(crate) const SIGN_IN_AGAIN: &str = "/console/sign-in?session-ended=yes";

const SESSION: &str = "__Host-session";
const LANGUAGE: &str = "__Host-language";

/// The value of a cookie. `None` if there is none, or more than one: of two, nobody can tell which one is ours.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut values = pairs.filter(|(n, _)| *n == name).map(|(_, value)| value);
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// The id of the browser's session, if it sends one.
pub(crate) fn session_id(headers: &HeaderMap) -> Option<SessionId> {
    cookie(headers, SESSION).and_then(SessionId::parse)
}

/// The language that was chosen with the switch.
pub(crate) fn chosen_language(headers: &HeaderMap) -> Option<Language> {
    cookie(headers, LANGUAGE).and_then(|text| Language::parse(text).ok())
}

fn set(name: &str, value: &str, same_site: &str, seconds: i64) -> Option<HeaderValue> {
    let cookie = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite={same_site}; Max-Age={seconds}");
    HeaderValue::from_str(&cookie).ok()
}

/// The cookie that begins a session.
pub(crate) fn begin(id: &SessionId) -> Option<HeaderValue> {
    set(SESSION, id.reveal(), "Strict", LASTS_SECONDS)
}

/// The cookie that removes the one of a session.
pub(crate) fn end() -> Option<HeaderValue> {
    set(SESSION, "", "Strict", 0)
}

/// The cookie that keeps a language for a year.
pub(crate) fn keep_language(language: Language) -> Option<HeaderValue> {
    set(LANGUAGE, language.as_str(), "Lax", 365 * 24 * 60 * 60)
}

/// Whether a form was sent by a page of this host. Every browser since 2020 says so in one of two headers.
pub(crate) fn is_own_form(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = text(ORIGIN.as_str()).and_then(|origin| origin.split_once("://")).map(|(_, host)| host);
    origin.is_some_and(|origin| text(HOST.as_str()).is_some_and(|host| origin.eq_ignore_ascii_case(host)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn session_cookie_has_every_flag() {
        let id = SessionId::generate().unwrap();
        let cookie = begin(&id).unwrap();
        let expected =
            format!("__Host-session={}; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=1800", id.reveal());
        assert_eq!(cookie, expected.as_str());
        // The prefix is worth something only with `Secure` and `Path=/`, and without a domain.
        assert!(!expected.contains("Domain"));
        assert_eq!(end().unwrap(), "__Host-session=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0");
    }

    #[test]
    fn session_is_read_from_its_cookie_alone() {
        let id = SessionId::generate().unwrap();
        let own = format!("__Host-session={}", id.reveal());
        assert_eq!(session_id(&headers(&[("cookie", &own)])), Some(id.clone()));
        assert_eq!(session_id(&headers(&[("cookie", &format!("a=b; {own}; c=d"))])), Some(id.clone()));
        assert_eq!(session_id(&headers(&[("cookie", "a=b"), ("cookie", &own)])), Some(id.clone()));
        for none in
            ["", "a=b", "__Host-session=", "__Host-session=abc", &own.replace("__Host-", ""), &format!("{own}; {own}")]
        {
            assert_eq!(session_id(&headers(&[("cookie", none)])), None, "{none}");
        }
    }

    #[test]
    fn language_is_kept_and_read() {
        let cookie = keep_language(Language::French).unwrap();
        let pair = cookie.to_str().unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(chosen_language(&headers(&[("cookie", &pair)])), Some(Language::French));
        assert_eq!(chosen_language(&headers(&[("cookie", "__Host-language=de")])), None);
    }

    #[test]
    fn form_of_another_site_is_not_ours() {
        let host = ("host", "registry.example:3000");
        for (pairs, is_own) in [
            (&[host, ("sec-fetch-site", "same-origin")][..], true),
            (&[host, ("sec-fetch-site", "same-site")], false),
            (&[host, ("sec-fetch-site", "cross-site"), ("origin", "https://registry.example:3000")], false),
            (&[host, ("sec-fetch-site", "none")], false),
            (&[host, ("origin", "https://registry.example:3000")], true),
            (&[host, ("origin", "https://Registry.example:3000")], true),
            (&[host, ("origin", "https://registry.example")], false),
            (&[host, ("origin", "https://evil.example")], false),
            (&[host, ("origin", "null")], false),
            (&[host], false),
            (&[("origin", "https://registry.example:3000")], false),
        ] {
            assert_eq!(is_own_form(&headers(pairs)), is_own, "{pairs:?}");
        }
    }
}
