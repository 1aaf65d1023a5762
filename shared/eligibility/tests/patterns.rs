//! The published patterns match the accepted texts: each field's `parse` and its pattern agree on every text, both those that fit
//! and those that almost fit.

// A test stops at the first surprise; Clippy sees only the functions marked as tests as such.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use cee_eligibility::fields::FileName;
use cee_eligibility::{
    ApplicationId, DrivingLicense, FieldError, IdentityKey, LastNameTrunc, OperatorJourneyId, PhoneTrunc,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::string::string_regex;
use regex::Regex;

/// Characters on the edges of the patterns' classes.
const EDGES: [char; 26] = [
    'A', 'Z', 'a', 'f', 'g', '0', '9', ' ', '.', '+', '-', '/', '\\', '@', '[', '`', ':', '\0', '\u{1f}', '\u{7f}',
    '\u{9f}', '\u{a0}', '\u{202f}', '\n', 'é', '😀',
];

/// A change to a text: at a place, leave out, put in or put over a character.
type Change = (Index, u8, char);

fn changed(text: &str, changes: &[Change]) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for (place, kind, character) in changes {
        let at = place.index(characters.len() + 1);
        match (kind, characters.get_mut(at)) {
            (0, Some(_)) => drop(characters.remove(at)),
            (1, Some(there)) => *there = *character,
            _ => characters.insert(at, *character),
        }
    }
    characters.into_iter().collect()
}

/// Texts that fit one of the patterns, the same with up to two changes, and any text at all.
fn texts(patterns: &'static [&'static str]) -> impl Strategy<Value = String> {
    let fitting = patterns.iter().map(|pattern| {
        let body = pattern.strip_prefix('^').and_then(|body| body.strip_suffix('$')).expect("anchored");
        string_regex(body).expect("a pattern").boxed()
    });
    let change = (any::<Index>(), 0..3_u8, prop_oneof![proptest::sample::select(&EDGES[..]), any::<char>()]);
    prop_oneof![
        8 => (proptest::strategy::Union::new(fitting), vec(change, 0..3)).prop_map(|(text, changes)| changed(&text, &changes)),
        1 => vec(proptest::sample::select(&EDGES[..]), 0..80).prop_map(String::from_iter),
        1 => any::<String>(),
    ]
}

/// Whether a text matches the published pattern.
fn published(text: &str, patterns: &[&str], max_length: usize) -> bool {
    text.chars().count() <= max_length && patterns.iter().any(|pattern| Regex::new(pattern).unwrap().is_match(text))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn last_name_pattern_matches_parser(text in texts(&[LastNameTrunc::PATTERN])) {
        prop_assert_eq!(LastNameTrunc::parse(&text).is_ok(), published(&text, &[LastNameTrunc::PATTERN], 3));
    }

    #[test]
    fn phone_patterns_match_parser(text in texts(&PhoneTrunc::PATTERNS)) {
        let read = PhoneTrunc::parse(&text);
        // Numbers of other countries: more spellings are accepted than published. French numbers: every accepted spelling is
        // published.
        if published(&text, &PhoneTrunc::PATTERNS, PhoneTrunc::MAX_LENGTH) {
            prop_assert!(read.is_ok());
        }
        if let Ok(phone) = read {
            prop_assert!(published(phone.as_str(), &[PhoneTrunc::PATTERN], 14));
            let typed: String = text.chars().filter(|c| "+0123456789".contains(*c)).collect();
            if typed.starts_with("+33") || typed.starts_with("0033") || !typed.starts_with(['+']) && !typed.starts_with("00") {
                prop_assert!(published(&text, &PhoneTrunc::PATTERNS[1..], PhoneTrunc::MAX_LENGTH));
            }
        }
    }

    /// Every published form is read, and every text that is read matches a pattern or has an accent.
    #[test]
    fn licence_spellings_match_parser(text in texts(&DrivingLicense::SPELLINGS)) {
        let fits = published(&text, &DrivingLicense::SPELLINGS, DrivingLicense::MAX_LENGTH);
        match DrivingLicense::parse(&text) {
            Ok(license) => {
                prop_assert!(published(license.as_str(), &DrivingLicense::PATTERNS, 64));
                prop_assert!(fits || !license.as_str().is_ascii());
                let foreign = published(&text, &DrivingLicense::SPELLINGS[2..], DrivingLicense::MAX_LENGTH);
                prop_assert!(!license.as_str().is_ascii() || license.as_str().starts_with("99-") == foreign);
            }
            Err(error) => prop_assert!(!fits || error == FieldError::ForeignLicense, "{text:?}"),
        }
    }

    /// A canonical form matches the published pattern and is read unchanged.
    #[test]
    fn canonical_licence_patterns_match_parser(text in texts(&DrivingLicense::PATTERNS[..3])) {
        if published(&text, &DrivingLicense::PATTERNS[..3], 64) {
            prop_assert!(published(&text, &DrivingLicense::SPELLINGS, DrivingLicense::MAX_LENGTH));
            prop_assert!(DrivingLicense::parse(&text).is_ok_and(|license| license.as_str() == text));
        }
    }

    #[test]
    fn identity_key_pattern_matches_parser(text in texts(&[IdentityKey::PATTERN])) {
        prop_assert_eq!(IdentityKey::parse(&text).is_ok(), published(&text, &[IdentityKey::PATTERN], 64));
    }

    #[test]
    fn journey_id_pattern_matches_parser(text in texts(&[OperatorJourneyId::PATTERN]), times in 1..80_usize) {
        let text = text.repeat(times);
        let fits = published(&text, &[OperatorJourneyId::PATTERN], OperatorJourneyId::MAX_LENGTH);
        prop_assert_eq!(OperatorJourneyId::parse(&text).is_ok(), fits);
    }

    /// JSON Schema counts characters; the description says that a name is limited in bytes.
    #[test]
    fn file_name_pattern_matches_parser(text in texts(&[FileName::PATTERN]), times in 1..30_usize) {
        let text = text.repeat(times);
        let fits = text.len() <= FileName::MAX_LENGTH && published(&text, &[FileName::PATTERN], FileName::MAX_LENGTH);
        prop_assert_eq!(FileName::parse(&text).is_ok(), fits);
    }

    #[test]
    fn application_id_pattern_matches_parser(text in texts(&[ApplicationId::PATTERN])) {
        prop_assert_eq!(ApplicationId::parse(&text).is_some(), published(&text, &[ApplicationId::PATTERN], 36));
    }
}
