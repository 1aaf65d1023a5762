//! Driving licence numbers: many spellings, one canonical form.
//!
//! The registry compares licences byte by byte, so a licence is canonical or refused. Reading normalises as follows:
//!
//! 1. Full-width characters (`Ｂ`, `７`) become their ASCII characters.
//! 2. A letter and its accent become one character (Unicode NFC).
//! 3. Separators are dropped: spaces, no-break ones too, hyphens and dashes, and `. / \ _ , : ' ’ ( ) *`.
//! 4. Letters become capitals.
//! 5. Any other character is refused by its name: letters of other scripts, which look like Latin ones, letters with two spellings
//!    (`ß`, `Æ`, `ı`), invisible characters.
//!
//! A licence whose first characters are `99` and a hyphen is foreign and keeps its `99-`. Only a foreign licence may have
//! letters with accents. Limits are counted on the canonical form.
//!
//! Why separators within a foreign licence are dropped too: `docs/adr/0031-licences.md`.

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;

use crate::character::CharacterName;
use crate::error::FieldError;

/// A driving licence number in its canonical form. Personal data.
///
/// ```
/// use cee_eligibility::DrivingLicense;
/// let canonical = |text| DrivingLicense::parse(text).map(|license| license.as_str().to_owned());
/// assert_eq!(canonical("051227308989").as_deref(), Ok("051227308989"));
/// assert_eq!(canonical("13 aa 00002").as_deref(), Ok("13AA00002"));
/// assert_eq!(canonical("99-DE/B072RRE2I55").as_deref(), Ok("99-DEB072RRE2I55"));
/// assert_eq!(canonical("99 – de b072.rre2i55 ").as_deref(), Ok("99-DEB072RRE2I55"));
/// let refused = canonical("99-D\u{415}/B072").unwrap_err();
/// assert!(refused.to_string().contains("U+0415 (a Cyrillic letter)"));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DrivingLicense(String);

impl fmt::Debug for DrivingLicense {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DrivingLicense(…)")
    }
}

/// Any number of separators, as a regular expression. The characters beyond ASCII are those of `part` below, and full-width
/// ones.
macro_rules! gap {
    () => {
        concat!(
            r"[ \u00a0\u2000-\u200a\u202f\u205f\u3000\-\u2010-\u2015\u2212./\\_,:'()*\u2019",
            r"\uff07-\uff0a\uff0c-\uff0f\uff1a\uff3c\uff3f]*"
        )
    };
}

/// A letter without an accent, or a digit. U+212A is a K by another code.
macro_rules! part {
    () => {
        r"[A-Za-z0-9\u212a\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]"
    };
}

macro_rules! digit {
    () => {
        r"[0-9\uff10-\uff19]"
    };
}

macro_rules! nine {
    () => {
        r"[9\uff19]"
    };
}

macro_rules! hyphen {
    () => {
        r"[\-\u2010-\u2015\u2212\uff0d]"
    };
}

/// The meaning of one character for [`parse`](DrivingLicense::parse).
enum Part {
    /// A capital or a digit.
    Kept(char),
    /// A separator that makes `99` the mark of a foreign licence.
    Hyphen,
    Separator,
}

impl DrivingLicense {
    /// The canonical forms, as regular expressions. One number may fit several (the contract says `anyOf`). The last one is
    /// a foreign licence: capitals, also with accents, and digits.
    pub const PATTERNS: [&str; 4] = [
        "^[0-9]{12}$",
        "^[A-Z0-9]{1,15}[0-9]{4}$",
        "^[A-Z0-9]{1,15}$",
        r"^99-[A-Z0-9\u00c0-\u024f\u1e00-\u1eff]{1,61}$",
    ];

    /// The spellings that [`parse`](Self::parse) reads, as regular expressions, up to [`MAX_LENGTH`](Self::MAX_LENGTH):
    /// letters and digits with separators, then four digits or not; and a foreign licence without accents. Letters with
    /// accents are read too, which no pattern names. [`FieldError::ForeignLicense`] refuses some texts that fit the first two.
    pub const SPELLINGS: [&str; 3] = [
        concat!("^", gap!(), "(", part!(), gap!(), "){1,15}(", digit!(), gap!(), "){4}$"),
        concat!("^", gap!(), "(", part!(), gap!(), "){1,15}$"),
        concat!("^", gap!(), nine!(), gap!(), nine!(), gap!(), hyphen!(), gap!(), "(", part!(), gap!(), "){1,61}$"),
    ];

    /// The length of the longest spelling in characters, separators included.
    pub const MAX_LENGTH: usize = 128;

    /// The most letters and digits of a foreign licence, without its `99-`.
    const FOREIGN_LENGTH: usize = 61;

    /// Reads any spelling of a licence and keeps its canonical form, which matches one of [`PATTERNS`](Self::PATTERNS).
    ///
    /// # Errors
    /// [`FieldError::LicenseCharacter`] names a character that no licence has; [`FieldError::ForeignLicense`] if a foreign licence
    /// has no number or too long a number, or begins with `99` and a letter with another separator than a hyphen between them;
    /// [`FieldError::DrivingLicense`] if no form fits.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        // Not worth copying.
        if text.chars().nth(Self::MAX_LENGTH).is_some() {
            return Err(FieldError::DrivingLicense);
        }
        let mut kept = String::with_capacity(text.len());
        // Whether these stand between the second character and the third.
        let (mut separated, mut hyphen) = (false, false);
        for c in text.chars().map(ascii_capital).nfc() {
            let after_second = kept == "99";
            match part(c).ok_or(FieldError::LicenseCharacter(CharacterName(c)))? {
                Part::Kept(c) => kept.push(c),
                Part::Hyphen => hyphen |= after_second,
                Part::Separator => separated |= after_second,
            }
        }
        match kept.strip_prefix("99") {
            Some(number) if hyphen => {
                let fits = (1..=Self::FOREIGN_LENGTH).contains(&number.chars().count());
                if fits { Ok(Self(format!("99-{number}"))) } else { Err(FieldError::ForeignLicense) }
            }
            // A French licence of 1999 is all digits.
            Some(number) if separated && number.starts_with(|c: char| !c.is_ascii_digit()) => {
                Err(FieldError::ForeignLicense)
            }
            _ => Self::french(kept),
        }
    }

    /// The canonical form that an earlier version made, as it was stored: a claim is released under the licence that it was made
    /// under, even if [`parse`](Self::parse) has changed since.
    ///
    /// # Errors
    /// [`FieldError::DrivingLicense`]: empty, or longer than any canonical form.
    pub fn from_stored(text: &str) -> Result<Self, FieldError> {
        let fits = (1..="99-".len() + Self::FOREIGN_LENGTH).contains(&text.chars().count());
        if fits { Ok(Self(text.to_owned())) } else { Err(FieldError::DrivingLicense) }
    }

    fn french(number: String) -> Result<Self, FieldError> {
        if let Some(c) = number.chars().find(|c| !c.is_ascii()) {
            return Err(FieldError::LicenseCharacter(CharacterName(c)));
        }
        let fits = match number.len() {
            // Twelve digits are one of these too.
            1..=15 => true,
            16..=19 => number.bytes().rev().take(4).all(|b| b.is_ascii_digit()),
            _ => false,
        };
        if fits { Ok(Self(number)) } else { Err(FieldError::DrivingLicense) }
    }

    /// The canonical form, for storage and for the proof token only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The ASCII character, a capital, that an ASCII or full-width one stands for; any other as it is. Before accents are put
/// on letters: `i` and a dot have no character of their own, `I` and a dot have.
fn ascii_capital(c: char) -> char {
    let narrow = match c {
        '\u{3000}' => ' ',
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c => c,
    };
    narrow.to_ascii_uppercase()
}

/// The meaning of one character of a licence; `None` if no licence has it.
fn part(c: char) -> Option<Part> {
    match c {
        'A'..='Z' | '0'..='9' => Some(Part::Kept(c)),
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' => Some(Part::Hyphen),
        ' ' | '.' | '/' | '\\' | '_' | ',' | ':' | '\'' | '\u{2019}' | '(' | ')' | '*' => Some(Part::Separator),
        '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' => Some(Part::Separator),
        c => accented_capital(c).map(Part::Kept),
    }
}

/// The capital of a Latin letter with an accent. `None` for everything else, and for the few small letters whose capital has
/// several characters (`ǰ`): the first of them is a letter without an accent.
fn accented_capital(c: char) -> Option<char> {
    let capital = c.to_uppercase().next()?;
    let letter = std::iter::once(capital).nfd().next()?;
    // `ı` and `ſ` have the capitals of `i` and `s`.
    (letter.is_ascii_uppercase() && !capital.is_ascii()).then_some(capital)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::sample::select;

    fn canonical(text: &str) -> Result<String, FieldError> {
        DrivingLicense::parse(text).map(|license| license.as_str().to_owned())
    }

    #[test]
    fn canonical_licence_stays_unchanged() {
        let foreign = format!("99-{}", "É".repeat(61));
        let longest = "ABCDEFGHIJKLMNO1234";
        for good in ["051227308989", "A", "99", "A12345678901234", longest, "99-X", "99-99DE", "99DE1", &foreign] {
            assert_eq!(canonical(good).as_deref(), Ok(good));
        }
    }

    #[test]
    fn stored_licence_is_read_unchanged() {
        let longest = format!("99-{}", "É".repeat(61));
        for text in ["051227308989", "a b", "99-X", &longest] {
            assert_eq!(DrivingLicense::from_stored(text).unwrap().as_str(), text);
        }
        for text in ["", &format!("{longest}X")] {
            assert_eq!(DrivingLicense::from_stored(text), Err(FieldError::DrivingLicense), "{text}");
        }
    }

    #[test]
    fn spellings_of_one_licence_give_one_form() {
        let table: [(&str, &[&str]); 4] = [
            (
                "99-DEB072RRE2I55",
                &[
                    "99-DE/B072RRE2I55",
                    "99-de/b072rre2i55",
                    " 99-DE/B072RRE2I55 ",
                    "99 - DE B072 RRE2 I55",
                    "99\u{2011}DE\u{a0}B072\u{202f}RRE2\u{2009}I55",
                    "99–DE_B072.RRE2,I55",
                    "９９－ＤＥ／Ｂ０７２ｒｒｅ２ｉ５５",
                    "99\u{3000}−DE\\B072:RRE2(I55)",
                    "99-DE\u{205f}B072\u{200a}RRE2\u{2000}I55",
                    "9-9-DE'B072’RRE2*I55",
                    "(99) / - DEB072RRE2I55",
                ],
            ),
            (
                "13AA00002",
                &["13aa00002", "13 AA 00002", "13-aa-00002", "13\u{a0}AA.00002", "１３ＡＡ００００２", "/13AA00002-"],
            ),
            ("990512300123", &["99 05 12 300123", "99/05/12/300123", "990512300123 "]),
            ("99-ÅÉ1", &["99-ÅÉ1", "99-åé1", "99-A\u{30a}E\u{301}1", "99-\u{212b} e\u{301}1", "99-ａ\u{30a}é1"]),
        ];
        for (expected, spellings) in table {
            for spelling in spellings {
                assert_eq!(canonical(spelling).as_deref(), Ok(expected), "{spelling}");
            }
        }
        // Turkish capitals and small letters.
        assert_eq!(canonical("99-İ").as_deref(), Ok("99-İ"));
        assert_eq!(canonical("99-i\u{307}").as_deref(), Ok("99-İ"));
        assert_eq!(canonical("99-ÿ").as_deref(), Ok("99-Ÿ"));
    }

    #[test]
    fn other_characters_are_refused_by_name() {
        let table = [
            // Look like A, E, O, H, A, O.
            ("99-DE/\u{410}072", "U+0410 (a Cyrillic letter)"),
            ("99-d\u{435}/b072", "U+0435 (a Cyrillic letter)"),
            ("13AA0000\u{41e}", "U+041E (a Cyrillic letter)"),
            ("99-\u{397}1", "U+0397 (a Greek letter)"),
            ("\u{391}1", "U+0391 (a Greek letter)"),
            ("99-\u{555}", "U+0555 (an Armenian letter)"),
            ("99-\u{439}", "U+0439 (a Cyrillic letter)"),
            ("99-李", "U+674E"),
            ("99-\u{664}", "U+0664"),
            // Letters with two spellings, or whose capital is another letter's.
            ("99-ß", "U+00DF"),
            ("99-ẞ", "U+1E9E"),
            ("99-æ", "U+00E6"),
            ("99-Ø", "U+00D8"),
            ("99-ı", "U+0131"),
            ("99-ſ", "U+017F"),
            ("99-ŉ", "U+0149"),
            ("99-ǰ", "U+01F0"),
            ("99-ﬁ", "U+FB01"),
            ("99-²", "U+00B2"),
            ("99-Ⅷ", "U+2167"),
            ("99-𝐀", "U+1D400"),
            // Invisible.
            ("99-DE\u{200b}/B072", "U+200B (an invisible character)"),
            ("\u{feff}99-DE/B072", "U+FEFF (an invisible character)"),
            ("051227308989\u{ad}", "U+00AD (an invisible character)"),
            ("051227308989\t", "U+0009 (a control character)"),
            ("05122730898\u{fe0f}9", "U+FE0F (an invisible character)"),
            // Accents of no letter.
            ("99-\u{301}A", "U+0301 (an accent of its own)"),
            ("99-1\u{301}", "U+0301 (an accent of its own)"),
            // A licence that is not foreign has no accents.
            ("É1", "U+00C9"),
            ("99é1", "U+00C9"),
            ("05122730898?", "U+003F"),
            ("051227308989；", "U+003B"),
            ("1^2", "U+005E"),
        ];
        for (text, name) in table {
            let refused = canonical(text).unwrap_err();
            assert!(matches!(refused, FieldError::LicenseCharacter(_)), "{text:?}: {refused}");
            assert!(refused.to_string().contains(&format!("the character {name}, ")), "{text:?}: {refused}");
        }
    }

    #[test]
    fn licence_length_counts_canonical_form() {
        let spaced = |text: &str| text.chars().map(|c| format!("{c} ")).collect::<String>();
        assert!(canonical(&spaced("ABCDEFGHIJKLMNO1234")).is_ok());
        assert!(canonical(&format!("99-{}", spaced(&"X".repeat(61)))).is_ok());
        assert!(canonical(&format!("99-{}", "e\u{301}".repeat(61))).is_ok(), "an accent is not a character by itself");
        let exactly = format!("{:>width$}", "A1", width = DrivingLicense::MAX_LENGTH);
        assert_eq!(canonical(&exactly).as_deref(), Ok("A1"));
        for bad in [
            "",
            " ",
            "-/-",
            "ABCDEFGHIJKLMNOP",
            "ABCDEFGHIJKLMNO123",
            "ABCDEFGHIJKLMNO12345",
            "ABCDEFGHIJKLMNOP1234",
            "ABCDEFGHIJKLMNOX234",
            &spaced("ABCDEFGHIJKLMNOP"),
            &format!(" {exactly}"),
        ] {
            assert_eq!(canonical(bad), Err(FieldError::DrivingLicense), "{bad:?}");
        }
        for bad in ["99-", "99 - ", &format!("99-{}", "X".repeat(62)), &format!("99-{}", "É".repeat(62))] {
            assert_eq!(canonical(bad), Err(FieldError::ForeignLicense), "{bad:?}");
        }
    }

    /// `99` and a letter with a space between them may be a foreign licence that lost its hyphen, or an invalid one: the code must
    /// not guess. All digits are a French licence of 1999. Anything in between is not a licence in the sense of the contract.
    #[test]
    fn foreign_licence_without_its_hyphen_is_refused() {
        for bad in ["99 DE/B072", "99/DE B072", "99.d", "9 9 DE", "99 É"] {
            assert_eq!(canonical(bad), Err(FieldError::ForeignLicense), "{bad}");
        }
        for (text, expected) in [
            ("99 1", "991"),
            ("99 ", "99"),
            ("99D E/B072", "99DEB072"),
            ("9 9D", "99D"),
            ("98-DE", "98DE"),
            ("199-DE", "199DE"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    /// The table of `docs/normalisation.md`.
    #[test]
    fn documented_spellings_have_the_documented_form() {
        let page = include_str!("../../../docs/normalisation.md");
        let table = page.split("| sent | canonical form |\n|---|---|\n").nth(1).unwrap().split("\n\n").next().unwrap();
        for line in table.lines() {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let (sent, expected) = (cells[1].trim_matches('`'), cells[2]);
            match expected.strip_prefix("refused: ") {
                Some("a hyphen after `99`") => assert_eq!(canonical(sent), Err(FieldError::ForeignLicense)),
                Some(named) => {
                    let said = canonical(sent).unwrap_err().to_string();
                    assert!(said.contains(named.trim_matches('`')), "{sent}: {said}");
                }
                None => assert_eq!(canonical(sent).as_deref(), Ok(expected.trim_matches('`')), "{sent}"),
            }
        }
        assert_eq!(table.lines().count(), 12);
    }

    /// Every character there is, in every form that Unicode has of it: one canonical form, or refused.
    #[test]
    fn no_character_has_two_canonical_forms() {
        let mut kept = 0;
        for c in '\0'..=char::MAX {
            let text = format!("99-A{c}B");
            let Ok(license) = canonical(&text) else { continue };
            kept += 1;
            assert_eq!(canonical(&license).as_deref(), Ok(license.as_str()), "{c:?}");
            let others: [String; 6] = [
                text.nfc().collect(),
                text.nfd().collect(),
                text.nfkc().collect(),
                text.nfkd().collect(),
                text.to_lowercase(),
                text.to_uppercase(),
            ];
            for other in others {
                assert!(canonical(&other).is_ok_and(|other| other == license), "{c:?} is written {other:?} too");
            }
        }
        assert!(kept > 600, "{kept}");
    }

    /// A licence in its canonical form: all four patterns of the contract.
    fn licences() -> impl Strategy<Value = String> {
        prop_oneof!["[0-9]{12}", "[A-Z0-9]{1,15}[0-9]{4}", "[A-Z0-9]{1,15}", "99-[A-Z0-9ÀÉÎÕÜŠŻẠ]{1,61}"]
    }

    /// The same licence as a person may type it: small letters, full-width ones, accents apart, separators.
    fn typed(licence: &str, choices: &[(u8, &'static str)]) -> String {
        let mut typed = String::new();
        let foreign = licence.starts_with("99-");
        for (place, (c, (form, separators))) in licence.chars().zip(choices.iter().cycle()).enumerate() {
            // A hyphen after 99 makes a licence foreign, and a space before a letter could have been one.
            if foreign || place != 2 || !licence.starts_with("99") {
                typed.push_str(separators);
            }
            match form {
                0 => typed.extend(c.to_lowercase()),
                1 => typed.extend(std::iter::once(c).nfd()),
                2 => typed.extend(c.to_lowercase().nfd()),
                3 if c.is_ascii_graphic() => typed.extend(char::from_u32(u32::from(c) + 0xfee0)),
                _ => typed.push(c),
            }
        }
        typed
    }

    const SEPARATORS: [&str; 12] =
        ["", "", "", " ", "-", ".", "/", "\u{a0}", "\u{202f}", "\u{2011}", " – ", "\u{3000}"];

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_spelling_gives_canonical_form(
            licence in licences(),
            choices in proptest::collection::vec((0..6_u8, select(&SEPARATORS[..])), 1..8),
        ) {
            let typed = typed(&licence, &choices);
            prop_assume!(typed.chars().count() <= DrivingLicense::MAX_LENGTH);
            prop_assert_eq!(canonical(&typed), Ok(licence));
        }

        /// A character that cannot be seen, or looks like another, anywhere in it: refused by its name.
        #[test]
        fn any_spelling_with_a_foreign_character_is_refused(
            licence in licences(),
            place in any::<proptest::sample::Index>(),
            c in select(&['\u{200b}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}', '\u{202e}', '\u{34f}', 'А', 'Α', 'Օ', 'ꓮ'][..]),
        ) {
            let mut typed: Vec<char> = licence.chars().collect();
            typed.insert(place.index(typed.len() + 1), c);
            let refused = canonical(&String::from_iter(typed));
            prop_assert_eq!(refused, Err(FieldError::LicenseCharacter(CharacterName(c))));
        }

        #[test]
        fn any_text_is_rejected_or_canonical_after_one_pass(text in "\\PC{0,20}|99-\\PC{0,20}|[0-9A-Za-z /.-]{0,24}") {
            if let Ok(license) = canonical(&text) {
                prop_assert_eq!(canonical(&license), Ok(license));
            }
        }
    }
}
