//! Values of the command line.

use cee_eligibility::{Instant, Month, OperatorId, Siret, Week};
use cee_registry::{AccessKey, ImportId};
use cee_tokens::Scope;

use crate::statistics::groups;

/// The longest name of an operator, in characters.
const LONGEST_NAME: usize = 100;

pub(crate) fn operator(text: &str) -> Result<OperatorId, String> {
    OperatorId::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn siret(text: &str) -> Result<Siret, String> {
    Siret::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn access_key(text: &str) -> Result<AccessKey, String> {
    AccessKey::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn name(text: &str) -> Result<String, String> {
    let fits = (1..=LONGEST_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let trimmed = text.trim() == text;
    let expected = "must have 1 to 100 characters, none of them a control character, and no space at either end";
    if fits && trimmed { Ok(text.to_owned()) } else { Err(expected.to_owned()) }
}

/// Why a driver is erased. A record without a reason would be worth nothing later.
pub(crate) fn reason(text: &str) -> Result<String, String> {
    let fits = !text.trim().is_empty() && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err("say why, in one line and without personal data".to_owned()) }
}

/// The name of a table of DynamoDB.
pub(crate) fn table(text: &str) -> Result<String, String> {
    let fits = (3..=255).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    if fits { Ok(text.to_owned()) } else { Err("a table's name has 3 to 255 of A-Z, a-z, 0-9, _, - and .".to_owned()) }
}

/// Origins of pages as browsers write them, with commas between: those that the template's parameter ApiOrigins takes. Any other text would
/// be the origin of no page.
pub(crate) fn origins(text: &str) -> Result<String, String> {
    let is_origin = |origin: &str| {
        let Some(host) = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://")) else {
            return false;
        };
        let (name, port) = host.split_once(':').unwrap_or((host, "0"));
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
        let is_port = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
        !name.is_empty() && name.bytes().all(is_name) && is_port
    };
    if text.is_empty() || text.split(',').all(is_origin) {
        return Ok(text.to_owned());
    }
    Err("an origin is written as http://localhost:5173, without a path, and several with commas between".to_owned())
}

pub(crate) fn import(text: &str) -> Result<ImportId, String> {
    ImportId::parse(&text.to_ascii_lowercase()).ok_or_else(|| "an import ID has 32 hexadecimal digits".to_owned())
}

pub(crate) fn scope(text: &str) -> Result<Scope, String> {
    let known = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
    known.ok_or_else(|| format!("the scopes are {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

pub(crate) fn moment(text: &str) -> Result<Instant, String> {
    Instant::parse(text).map_err(|error| error.to_string())
}

pub(crate) fn week(text: &str) -> Result<Week, String> {
    Week::parse(text).ok_or_else(|| "a week is written as in ISO 8601: 2026-W48".to_owned())
}

pub(crate) fn month(text: &str) -> Result<Month, String> {
    Month::parse(text).ok_or_else(|| "a month is written as 2026-11".to_owned())
}

/// A group of outcomes.
pub(crate) fn group(text: &str) -> Result<String, String> {
    let groups = groups();
    let known = groups.contains(&text).then(|| text.to_owned());
    known.ok_or_else(|| format!("the outcomes are {}", groups.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operator_name_with_bad_length_or_outer_space_is_rejected() {
        for good in ["A", "Bon Voisinage", &"é".repeat(100)] {
            assert_eq!(name(good).as_deref(), Ok(good));
        }
        for bad in ["", " A", "A ", "A\tB", &"a".repeat(101)] {
            assert!(name(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn reason_says_something_and_table_has_a_name_of_dynamodb() {
        assert_eq!(reason("request 7").as_deref(), Ok("request 7"));
        for bad in ["", " ", "\u{a0}", "a\nb"] {
            assert!(reason(bad).is_err(), "{bad:?}");
        }
        for good in ["cee-prod-claims-20260501T000000Z", "a.b", &"x".repeat(255)] {
            assert_eq!(table(good).as_deref(), Ok(good));
        }
        for bad in ["", "ab", "a b c", "../claims", "claims\u{e9}", &"x".repeat(256)] {
            assert!(table(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn origin_is_written_as_a_browser_writes_it() {
        for good in ["", "http://localhost:5173", "https://app.example,http://127.0.0.1:80"] {
            assert_eq!(origins(good).as_deref(), Ok(good));
        }
        for bad in [
            "localhost:5173",
            "http://localhost:5173/",
            "http://",
            "http://:80",
            "http://Localhost",
            "http://a:123456",
            "http://a:",
            "http://a:+1",
            "http://a, http://b",
            ",",
            "*",
            "null",
        ] {
            assert!(origins(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn import_id_is_read_in_either_case() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(import(&id.to_uppercase()), import(id));
        assert!(import(id).is_ok());
        assert!(import("0123456789abcdef").is_err());
    }
}
