//! The two languages of messages for people. Programs read neither: names, types and codes are the same in both.

use crate::error::FieldError;

/// A language. English is the default, as everywhere in the interface.
///
/// ```
/// use cee_eligibility::Language;
/// assert_eq!(Language::parse("fr"), Ok(Language::French));
/// assert!(Language::parse("FR").is_err());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// English, `en`.
    #[default]
    English,
    /// French, `fr`.
    French,
}

/// Words that only an English text has: none of them is also French, as `date`, `file` and `an` are.
const ENGLISH: &[&str] = &[
    "about", "again", "already", "also", "and", "another", "any", "are", "be", "because", "been", "before", "begin",
    "begins", "body", "by", "call", "calls", "can", "cell", "check", "choose", "closed", "column", "country", "day",
    "days", "delete", "deleted", "digits", "download", "driver", "each", "earlier", "empty", "end", "error", "every",
    "exactly", "field", "fields", "for", "from", "give", "given", "has", "have", "header", "holds", "in", "is", "it",
    "its", "journey", "keep", "key", "keys", "known", "last", "later", "leave", "letter", "line", "list", "must",
    "name", "needs", "never", "new", "no", "not", "of", "only", "operator", "other", "phone", "please", "read",
    "registry", "row", "rows", "same", "search", "send", "sign", "since", "so", "space", "string", "team", "than",
    "that", "the", "then", "there", "these", "they", "this", "time", "to", "token", "too", "twice", "unknown", "until",
    "upload", "was", "when", "where", "whole", "with", "without", "wrong", "year", "you", "your",
];

impl Language {
    /// Both languages.
    pub const ALL: [Self; 2] = [Self::English, Self::French];

    /// Reads `en` or `fr`.
    ///
    /// # Errors
    /// [`FieldError::Language`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        Self::ALL.into_iter().find(|language| language.as_str() == text).ok_or(FieldError::Language)
    }

    /// `en` or `fr`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::French => "fr",
        }
    }

    /// What belongs to this language, such as a text, of what there is in both.
    #[must_use]
    pub const fn choose<T: Copy>(self, english: T, french: T) -> T {
        match self {
            Self::English => english,
            Self::French => french,
        }
    }

    /// The first English word in a French text, for the tests of the crates that have French texts. What stands in « » or between
    /// backticks is quoted, a word with another character than letters (`operator_journey_id`, `Retry-After`) is a name, and one in
    /// capitals (`TO`) is a value: these stay as they are.
    ///
    /// ```
    /// use cee_eligibility::Language;
    /// assert_eq!(Language::english_left_in("le fichier « short » (in2csv), import_id"), None);
    /// assert_eq!(Language::english_left_in("le registre, the registry"), Some("the"));
    /// ```
    #[must_use]
    pub fn english_left_in(french: &str) -> Option<&str> {
        let mut quoted = false;
        french.split_inclusive(['«', '»', '`']).find_map(|part| {
            let was_quoted = quoted;
            match part.chars().last() {
                Some('«') => quoted = true,
                Some('»') => quoted = false,
                Some('`') => quoted = !quoted,
                _ => {}
            }
            let words = part.split(|c: char| c.is_whitespace() || matches!(c, '\'' | '’' | '«' | '»' | '`'));
            let words = words.map(|word| word.trim_matches(|c: char| c.is_ascii_punctuation() && c != '-' && c != '_'));
            let mut words = words.filter(|_| !was_quoted);
            words.find(|word| word.chars().any(char::is_lowercase) && ENGLISH.contains(&word.to_lowercase().as_str()))
        })
    }

    /// The first place in a French text without its no-break space: French has one before `:`, `;`, `!`, `?` and `»`, and after `«`. For
    /// the tests of the crates that have French texts. What is in « » or between backticks is quoted and stays as it is.
    ///
    /// ```
    /// use cee_eligibility::Language;
    /// assert_eq!(Language::loose_punctuation_in("le fichier\u{a0}: «\u{a0}a : b\u{a0}», à 09:30"), None);
    /// assert_eq!(Language::loose_punctuation_in("le fichier : vide"), Some(" :"));
    /// ```
    #[must_use]
    pub fn loose_punctuation_in(french: &str) -> Option<&str> {
        let is_bound = |character: char| matches!(character, '\u{a0}' | '\u{202f}');
        let (mut quoted, mut before, mut start) = (false, None, 0);
        for (at, character) in french.char_indices() {
            let is_loose = match (before, character) {
                (Some('«'), next) => !is_bound(next),
                (Some(last), '»') => !is_bound(last),
                (Some(' '), ':' | ';' | '!' | '?') => !quoted,
                _ => false,
            };
            if is_loose {
                return french.get(start..at + character.len_utf8());
            }
            match character {
                '«' => quoted = true,
                '»' => quoted = false,
                '`' => quoted = !quoted,
                _ => {}
            }
            (before, start) = (Some(character), at);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_language_has_one_word() {
        assert_eq!(Language::ALL.map(Language::as_str), ["en", "fr"]);
        for language in Language::ALL {
            assert_eq!(Language::parse(language.as_str()), Ok(language));
        }
        assert!(Language::parse("de").is_err() && Language::parse("").is_err());
    }

    #[test]
    fn punctuation_without_its_no_break_space_is_found_unless_it_is_quoted() {
        for (text, found) in [
            ("", None),
            ("vide\u{a0}: non\u{202f}; oui\u{a0}?", None),
            ("à 09:30, https://exemple.fr/?a=b", None),
            ("«\u{a0}Content-Type : a\u{a0}» et `a ; b`", None),
            ("vide : non", Some(" :")),
            ("« a\u{a0}»", Some("« ")),
            ("«\u{a0}a »", Some(" »")),
            ("«\u{a0}a\u{a0}» ; b", Some(" ;")),
            ("est-il éligible ?", Some(" ?")),
        ] {
            assert_eq!(Language::loose_punctuation_in(text), found, "{text}");
        }
    }

    #[test]
    fn an_english_word_in_a_french_text_is_found_unless_it_is_quoted() {
        for (text, found) in [
            ("", None),
            ("le numéro d'un conducteur", None),
            ("must être", Some("must")),
            ("l'opérateur (The registry)", Some("The")),
            ("doit être « the » ou `the key`, et rien d'autre", None),
            ("« the » puis the", Some("the")),
            ("`the` puis key", Some("key")),
            ("Idempotency-Key et start_datetime", None),
            ("TO et une espace", None),
            ("mot de passe :not", Some("not")),
        ] {
            assert_eq!(Language::english_left_in(text), found, "{text}");
        }
    }
}
