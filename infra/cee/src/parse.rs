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
    fn import_id_is_read_in_either_case() {
        let id = "0123456789abcdef0123456789abcdef";
        assert_eq!(import(&id.to_uppercase()), import(id));
        assert!(import(id).is_ok());
        assert!(import("0123456789abcdef").is_err());
    }
}
