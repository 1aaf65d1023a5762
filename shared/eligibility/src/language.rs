//! The two languages in which a rejected row is explained.

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
}
