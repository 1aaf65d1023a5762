//! The language of a response's texts: what the header `Accept-Language` prefers (RFC 9110), of the two that there are.

use cee_eligibility::Language;
use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use crate::accept::ranges;

/// The language that a client prefers. English for a client that names neither language, as a program does.
#[must_use]
pub fn accepted(headers: &HeaderMap) -> Language {
    let mut qualities = [None; Language::ALL.len()];
    let mut first = None;
    let mut of_others = None;
    for (range, quality) in ranges(headers, &ACCEPT_LANGUAGE) {
        // `fr-CA` is French enough, and so is `fr_FR`, as Java writes it.
        let primary = range.split(['-', '_']).next().unwrap_or_default();
        let named = Language::ALL.iter().position(|language| language.as_str().eq_ignore_ascii_case(primary));
        match named {
            Some(at) => {
                qualities[at] = qualities[at].max(Some(quality));
                first = first.or(Some(Language::ALL[at]));
            }
            None if primary == "*" => of_others = of_others.max(Some(quality)),
            None => {}
        }
    }
    let [english, french] = qualities.map(|quality| quality.or(of_others).unwrap_or(0));
    match english.cmp(&french) {
        std::cmp::Ordering::Greater => Language::English,
        std::cmp::Ordering::Less => Language::French,
        std::cmp::Ordering::Equal if french > 0 => first.unwrap_or_default(),
        std::cmp::Ordering::Equal => Language::English,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn preferred_language_is_chosen() {
        let table = [
            ("", Language::English),
            ("fr", Language::French),
            ("FR", Language::French),
            ("fr-CA", Language::French),
            ("fr_FR", Language::French),
            ("en_GB;q=0.9, fr_FR;q=0.8", Language::English),
            ("fr;", Language::French),
            ("en;q=0.5; , fr ; ;q=0.6", Language::French),
            ("fr-FR,fr;q=0.9,en-US;q=0.8,en;q=0.7", Language::French),
            ("en-GB,en;q=0.9,fr;q=0.8", Language::English),
            ("en;q=0.5, fr;q=0.6", Language::French),
            ("en ; q=0.5 , fr ; Q=0.6", Language::French),
            ("en;q=0.5,fr;q=0.5", Language::English),
            ("fr;q=0.5,en;q=0.5", Language::French),
            ("de, fr;q=0.1", Language::French),
            ("de", Language::English),
            ("*", Language::English),
            ("fr;q=0", Language::English),
            ("en;q=0, *", Language::French),
            ("fr;q=0.3, *;q=0.8", Language::English),
            ("fr;q=0.8, *;q=0.3", Language::French),
            ("fr-CA;q=0.2, fr;q=0.9, en;q=0.5", Language::French),
            // A quality that is not one drops its range.
            ("fr;q=2, en;q=0.1", Language::English),
            ("fr;q=NaN", Language::English),
            ("fr;q=-1", Language::English),
            ("fr;q", Language::English),
            ("frx", Language::English),
            ("français", Language::English),
        ];
        for (header, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_LANGUAGE, HeaderValue::from_bytes(header.as_bytes()).unwrap());
            assert_eq!(accepted(&headers), expected, "{header}");
        }
        assert_eq!(accepted(&HeaderMap::new()), Language::English);
    }

    #[test]
    fn second_line_of_the_header_counts() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_LANGUAGE, HeaderValue::from_static("en;q=0.1"));
        headers.append(ACCEPT_LANGUAGE, HeaderValue::from_static("fr"));
        assert_eq!(accepted(&headers), Language::French);
    }
}
