//! The name of a character that a field must not hold, for an error message: people see what they typed, and not that one letter of
//! it is Cyrillic or that a space has no width.

use std::fmt;

/// Whether a character is invisible and not even a space. Text copied from a web page or a telephone may contain it.
pub(crate) const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Shows a character by its code point, and its kind if the character does not show it.
///
/// ```
/// use cee_eligibility::character::CharacterName;
/// assert_eq!(CharacterName('\u{410}').to_string(), "U+0410 (a Cyrillic letter)");
/// assert_eq!(CharacterName('\u{200b}').to_string(), "U+200B (an invisible character)");
/// assert_eq!(CharacterName('?').to_string(), "U+003F");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CharacterName(pub char);

impl CharacterName {
    /// The kind in English and in French.
    fn kind(self) -> Option<(&'static str, &'static str)> {
        Some(match self.0 {
            c if c.is_control() => ("a control character", "un caractère de contrôle"),
            c if is_invisible(c) => ("an invisible character", "un caractère invisible"),
            '\u{300}'..='\u{36f}' => ("an accent of its own", "un accent isolé"),
            '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => ("a Greek letter", "une lettre grecque"),
            '\u{400}'..='\u{52f}' => ("a Cyrillic letter", "une lettre cyrillique"),
            '\u{531}'..='\u{588}' => ("an Armenian letter", "une lettre arménienne"),
            '\u{13a0}'..='\u{13fd}' => ("a Cherokee letter", "une lettre cherokee"),
            _ => return None,
        })
    }

    /// The same in French.
    pub(crate) fn french(self) -> String {
        let code = format!("U+{:04X}", u32::from(self.0));
        self.kind().map_or(code.clone(), |(_, kind)| format!("{code} ({kind})"))
    }
}

impl fmt::Display for CharacterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "U+{:04X}", u32::from(self.0))?;
        self.kind().map_or(Ok(()), |(kind, _)| write!(f, " ({kind})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_named_by_code_point_and_kind() {
        let table = [
            ('\0', "U+0000 (a control character)"),
            ('\u{85}', "U+0085 (a control character)"),
            ('\u{ad}', "U+00AD (an invisible character)"),
            ('\u{202a}', "U+202A (an invisible character)"),
            ('\u{e0041}', "U+E0041 (an invisible character)"),
            ('\u{301}', "U+0301 (an accent of its own)"),
            ('Α', "U+0391 (a Greek letter)"),
            ('Ἀ', "U+1F08 (a Greek letter)"),
            ('Ѕ', "U+0405 (a Cyrillic letter)"),
            ('Օ', "U+0555 (an Armenian letter)"),
            ('Ꭺ', "U+13AA (a Cherokee letter)"),
            ('ß', "U+00DF"),
            ('李', "U+674E"),
        ];
        for (character, name) in table {
            assert_eq!(CharacterName(character).to_string(), name);
        }
    }
}
