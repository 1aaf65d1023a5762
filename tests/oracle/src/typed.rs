//! Writes a driver's data in any of the forms that the contract reads as equal.
//!
//! This code is written from the contract and parses nothing. A test sends the written forms to the registry, and the oracle gets the
//! driver that they mean.

use chrono::{DateTime, FixedOffset, SecondsFormat};
use fastrand::Rng;

/// Overseas France: the country code, and the first digits of the numbers, which the mainland dials after a 0.
pub const OVERSEAS: [(&str, &str); 7] = [
    ("262", "692"),
    ("262", "6391"),
    ("590", "690"),
    ("594", "694"),
    ("596", "696"),
    ("262", "70920"),
    ("508", "70841"),
];

/// Other countries: the country code, and the first digits of a mobile number after the trunk prefix 0.
pub const ABROAD: [(&str, &str); 2] = [("32", "470"), ("44", "7911")];

/// A truncated phone: its country code, and the digits that follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phone {
    country: &'static str,
    digits: String,
}

impl Phone {
    /// The phone of a driver on the mainland. `number` has at most six digits.
    #[must_use]
    pub fn mainland(number: u64) -> Self {
        Self { country: "33", digits: format!("6{number:06}") }
    }

    /// A phone with another country code than the mainland's: overseas, or in another country. `number` has at most two digits.
    #[must_use]
    pub fn elsewhere(place: usize, number: u64) -> Self {
        let places = OVERSEAS.len() + ABROAD.len();
        let (country, begin) = OVERSEAS.iter().chain(&ABROAD).nth(place % places).copied().unwrap_or(("33", "612"));
        let length = if country == "44" { 8 } else { 7 };
        Self { country, digits: format!("{begin}{number:0width$}", width = length - begin.len()) }
    }

    /// The phone of a driver in Germany.
    #[must_use]
    pub fn german(digits: String) -> Self {
        Self { country: "49", digits }
    }

    /// The canonical form.
    #[must_use]
    pub fn canonical(&self) -> String {
        format!("+{}{}", self.country, self.digits)
    }

    /// Any of the accepted forms.
    pub fn typed(&self, random: &mut Rng) -> String {
        let is_french = self.country == "33" || OVERSEAS.iter().any(|(country, _)| *country == self.country);
        let international = |country: &str, random: &mut Rng| {
            let plus = ["+", "00"][random.usize(..2)];
            let trunk = ["", "", "0", "(0)"][random.usize(..4)];
            format!("{plus}{country} {trunk}{}", grouped(&self.digits, random))
        };
        match random.u8(..4) {
            0 => self.canonical(),
            // The form for calls within France.
            1 if is_french => format!("0{}", grouped(&self.digits, random)),
            2 if is_french => international("33", random),
            _ => international(self.country, random),
        }
    }
}

/// The digits with separators between some of them.
fn grouped(digits: &str, random: &mut Rng) -> String {
    let separator = ["", "", " ", ".", "-", "/", "\u{a0}", "\u{202f}"][random.usize(..8)];
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && random.bool() {
            text.push_str(separator);
        }
        text.push(digit);
    }
    text
}

/// A driving licence in any of the accepted forms: small letters, full-width characters, separators. `canonical` does not begin with
/// `99`, unless it is foreign.
pub fn license(canonical: &str, random: &mut Rng) -> String {
    let (mark, number) = canonical.strip_prefix("99-").map_or(("", canonical), |number| ("99-", number));
    let mut text = [" ", "", ""][random.usize(..3)].to_owned() + mark;
    for (place, character) in number.chars().enumerate() {
        if place > 0 && random.u8(..4) == 0 {
            text.push_str([" ", "-", ".", "/", "\u{a0}"][random.usize(..5)]);
        }
        text.push(match random.u8(..6) {
            0 | 1 => character.to_ascii_lowercase(),
            // The full-width forms have the same order as ASCII.
            2 => char::from_u32(u32::from(character) + 0xfee0).unwrap_or(character),
            _ => character,
        });
    }
    text + ["", "", " "][random.usize(..3)]
}

/// A moment with any offset, which may contain a colon.
pub fn instant(millis: i64, random: &mut Rng) -> String {
    let utc = DateTime::from_timestamp_millis(millis).unwrap_or_default();
    if random.bool() {
        return utc.to_rfc3339_opts(SecondsFormat::Millis, true);
    }
    let seconds = [0, 3_600, 7_200, -12_600, 20_700][random.usize(..5)];
    let Some(offset) = FixedOffset::east_opt(seconds) else { return utc.to_rfc3339() };
    let format = ["%Y-%m-%dT%H:%M:%S%.3f%:z", "%Y-%m-%dT%H:%M:%S%.3f%z"][random.usize(..2)];
    utc.with_timezone(&offset).format(format).to_string()
}

/// A UUID or another hexadecimal text, with each letter in upper or lower case.
pub fn case(text: &str, random: &mut Rng) -> String {
    text.chars().map(|c| if random.bool() { c.to_ascii_uppercase() } else { c }).collect()
}
