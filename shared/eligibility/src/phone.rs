//! Phones: every way to write a number becomes one form, or is refused. Two forms of one number would be two drivers.
//!
//! One function (`phone/number.rs`) reads all of them, whole ([`Phone`]) and without their last two digits ([`PhoneTrunc`]), so that a
//! truncated number is always the beginning of the whole one:
//!
//! 1. Separators are left out (`is_separator`); `00` is read as `+`; a number that begins with one 0 is French.
//! 2. The country code must exist. A trunk prefix behind it (`+33 (0)6…`) is left out if the country has one.
//! 3. The number of digits behind it must be that of a mobile number of the country. A number that fits only as a whole number is
//!    not read as a truncated one. In some countries ([`PhoneTrunc::AMBIGUOUS`]) lengths do not distinguish the two.
//! 4. Numbers of the French plan get the country code of the territory that their beginning belongs to, under whichever of its
//!    country codes they are written: `0692…`, `+33692…` and `+262692…` are one number.
//!
//! Lengths, prefixes and ranges are those of libphonenumber (`phone/plan.rs`). It leaves an overseas number written under +33 as it
//! is; moving it is this registry's rule. `tests/phones` compares the two.

mod country;
mod number;
mod plan;

use std::fmt;

pub use self::number::Lost;
use self::number::{CUT, DIALLED_SAINT_PIERRE, Form, MAX_LENGTH, MOST_DIGITS, Number, is_separator, territory};
use crate::error::{FieldError, NormaliseError};

/// A phone number in E.164 less its last two digits. Personal data.
///
/// ```
/// use cee_eligibility::{FieldError, PhoneTrunc};
/// for text in ["+336010203", "06010203", "06 01 02 03", "06.01.02.03", "0033 6 01 02 03", "+33 (0)6-01-02-03"] {
///     assert_eq!(PhoneTrunc::parse(text).unwrap().as_str(), "+336010203", "{text}");
/// }
/// for text in ["+2626920102", "06920102", "+336920102"] {
///     assert_eq!(PhoneTrunc::parse(text).unwrap().as_str(), "+2626920102", "{text}");
/// }
/// assert_eq!(PhoneTrunc::parse("06 01 02 03 04"), Err(FieldError::PhoneWhole));
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(align(8))]
pub struct PhoneTrunc(
    /// The length, `+` and the digits, then zeros: no allocation for each row of a history.
    [u8; 16],
);

impl fmt::Debug for PhoneTrunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneTrunc(…)")
    }
}

/// [`is_separator`], any number of times, as a regular expression.
macro_rules! gap {
    () => {
        r"[ \t./()\-\u00a0\u2009\u2010-\u2013\u202f]*"
    };
}

/// The last seven digits of a truncated French number, of which the first is not 0.
macro_rules! seven_digits {
    () => {
        concat!("[1-9](", gap!(), "[0-9]){6}", gap!(), "$")
    };
}

impl PhoneTrunc {
    /// The normal form of a phone number, as a regular expression: for each country code the lengths of its mobile numbers, less
    /// two.
    pub const PATTERN: &str = plan::PATTERN;

    /// The published forms that [`parse`](Self::parse) accepts, as regular expressions: E.164, and a French number with separators,
    /// international and national. All texts that match are accepted. Numbers of other countries are also accepted with separators,
    /// `00` and a trunk prefix: a regular expression for that takes thousands of characters.
    pub const PATTERNS: [&str; 3] = [
        Self::PATTERN,
        concat!(
            "^",
            gap!(),
            r"(\+|0",
            gap!(),
            "0)",
            gap!(),
            "3",
            gap!(),
            "3",
            gap!(),
            "(0",
            gap!(),
            ")?",
            seven_digits!()
        ),
        concat!("^", gap!(), "0", gap!(), seven_digits!()),
    ];

    /// The length of the longest notation in characters: longer than any phone number written with separators.
    pub const MAX_LENGTH: usize = MAX_LENGTH;

    /// The country codes of which some whole numbers are as long as other numbers are without their last two digits. There both
    /// readings are possible, and a number is taken as truncated.
    pub const AMBIGUOUS: [u16; 16] = [27, 31, 43, 62, 64, 95, 220, 231, 243, 252, 354, 358, 381, 423, 677, 690];

    /// Reads a truncated number in any notation, and normalises it to [`PATTERN`](Self::PATTERN).
    ///
    /// # Errors
    /// - [`FieldError::PhoneCountry`], [`FieldError::PhoneLength`]: there is no such number.
    /// - [`FieldError::PhoneWhole`]: only a whole number has this length.
    /// - [`FieldError::PhoneInvisible`]: it holds an invisible character.
    /// - [`FieldError::PhoneTrunc`]: anything else.
    #[inline]
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        match Self::plain(text.as_bytes()) {
            Some(phone) => Ok(phone),
            None => Self::any(text),
        }
    }

    /// The canonical form that an earlier version made, as it was stored: numbering plans change, and a claim is released under the
    /// phone that it was made under.
    ///
    /// ```
    /// use cee_eligibility::PhoneTrunc;
    /// // Today's plan moves one of these overseas, and refuses the other.
    /// for text in ["+336920102", "+3361234567"] {
    ///     assert_eq!(PhoneTrunc::from_stored(text).unwrap().as_str(), text);
    /// }
    /// ```
    ///
    /// # Errors
    /// [`FieldError::PhoneTrunc`]: not `+` and digits, of which the first is not 0.
    pub fn from_stored(text: &str) -> Result<Self, FieldError> {
        let digits = text.strip_prefix('+').map(str::as_bytes).unwrap_or_default();
        let fits = (1..=MOST_DIGITS - CUT).contains(&digits.len()) && digits[0] != b'0';
        if !fits || !digits.iter().all(u8::is_ascii_digit) {
            return Err(FieldError::PhoneTrunc);
        }
        let mut number = Number { digits: [0; MOST_DIGITS], length: digits.len() };
        number.digits.iter_mut().zip(digits).for_each(|(place, digit)| *place = *digit);
        Ok(Self::of(number))
    }

    #[inline(never)]
    fn any(text: &str) -> Result<Self, FieldError> {
        Form::Truncated.read(text).map(Self::of)
    }

    /// The fast path, for nearly every row of a history: a French number without separators, eight digits at once.
    #[inline]
    fn plain(text: &[u8]) -> Option<Self> {
        const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
        const HIGH: u64 = u64::from_le_bytes([0xf0; 8]);
        const SIX: u64 = u64::from_le_bytes([6; 8]);
        // The second 3 of "+33", or the 0, and seven digits.
        let digits: &[u8; 8] = match text {
            [b'+', b'3', digits @ ..] => digits.try_into().ok().filter(|digits: &&[u8; 8]| digits[0] == b'3')?,
            digits => digits.try_into().ok().filter(|digits: &&[u8; 8]| digits[0] == b'0')?,
        };
        let word = u64::from_le_bytes(*digits);
        let only_digits = word & HIGH == ZEROS && word.wrapping_add(SIX) & HIGH == ZEROS;
        let national = &digits[1..];
        if !only_digits || national.starts_with(b"0") || national.starts_with(DIALLED_SAINT_PIERRE) {
            return None;
        }
        match territory(national) {
            33 => {
                let seven = u128::from(word >> 8) << 32;
                Some(Self((seven + u128::from(u32::from_le_bytes([10, b'+', b'3', b'3']))).to_le_bytes()))
            }
            code => Some(Self::of(Number::new(code, national))),
        }
    }

    /// Reads a truncated number that lost its `+` or its leading 0 in a spreadsheet, if only one reading is possible.
    ///
    /// ```
    /// use cee_eligibility::{FieldError, PhoneTrunc, phone::Lost};
    /// assert_eq!(PhoneTrunc::repair("336010203"), Ok((PhoneTrunc::parse("+336010203").unwrap(), Lost::Plus)));
    /// assert_eq!(PhoneTrunc::repair("6010203.0"), Ok((PhoneTrunc::parse("06010203").unwrap(), Lost::Zero)));
    /// // 06 87 75 12, or +687 75 12 of New Caledonia.
    /// assert_eq!(PhoneTrunc::repair("6877512"), Err(FieldError::PhoneAmbiguous));
    /// ```
    ///
    /// # Errors
    /// As of [`parse`](Self::parse); [`FieldError::PhoneAmbiguous`], [`FieldError::PhoneRounded`].
    #[cold]
    pub fn repair(text: &str) -> Result<(Self, Lost), FieldError> {
        Form::Truncated.repair(text).map(|(number, lost)| (Self::of(number), lost))
    }

    fn of(number: Number) -> Self {
        let mut bytes = [0; 16];
        // A truncated number has thirteen digits at most.
        bytes[0] = number.length.min(14) as u8 + 1;
        bytes[1] = b'+';
        bytes.iter_mut().skip(2).zip(number.as_bytes()).for_each(|(place, digit)| *place = *digit);
        Self(bytes)
    }

    /// `+` and the digits, for storage and for responses to the driver's own operator only.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Digits, always.
        let [length, bytes @ ..] = &self.0;
        std::str::from_utf8(bytes.get(..usize::from(*length)).unwrap_or_default()).unwrap_or_default()
    }
}

/// A driver's phone number in E.164. Personal data.
///
/// ```
/// use cee_eligibility::Phone;
/// for text in ["+33701020304", "07 01 02 03 04", "07.01.02.03.04", "0033 7 01 02 03 04", "+33 (0)7-01-02-03-04"] {
///     assert_eq!(Phone::parse(text).unwrap().as_str(), "+33701020304", "{text}");
/// }
/// assert_eq!(Phone::parse("0692 92 01 02").unwrap().as_str(), "+262692920102");
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

impl fmt::Debug for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Phone(…)")
    }
}

impl Phone {
    /// Reads a whole number in any notation, and normalises it to E.164.
    ///
    /// # Errors
    /// [`NormaliseError::Empty`], or as of [`PhoneTrunc::parse`].
    pub fn parse(text: &str) -> Result<Self, NormaliseError> {
        if text.chars().all(is_separator) {
            return Err(NormaliseError::Empty);
        }
        Ok(Self::of(Form::Whole.read(text)?))
    }

    /// Reads a whole number that lost its `+` or its leading 0 in a spreadsheet, if only one reading is possible.
    ///
    /// ```
    /// use cee_eligibility::{Phone, phone::Lost};
    /// assert_eq!(Phone::repair("33612345678"), Ok((Phone::parse("+33612345678").unwrap(), Lost::Plus)));
    /// assert_eq!(Phone::repair("612345678"), Ok((Phone::parse("0612345678").unwrap(), Lost::Zero)));
    /// ```
    ///
    /// # Errors
    /// As of [`parse`](Self::parse); [`FieldError::PhoneAmbiguous`], [`FieldError::PhoneRounded`].
    pub fn repair(text: &str) -> Result<(Self, Lost), NormaliseError> {
        if text.chars().all(is_separator) {
            return Err(NormaliseError::Empty);
        }
        let (number, lost) = Form::Whole.repair(text)?;
        Ok((Self::of(number), lost))
    }

    fn of(number: Number) -> Self {
        Self(number.as_bytes().iter().fold("+".to_owned(), |mut text, digit| {
            text.push(char::from(*digit));
            text
        }))
    }

    /// The number: `+` and its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The number less its last two digits.
    #[must_use]
    pub fn truncated(&self) -> PhoneTrunc {
        let digits = self.0.len().saturating_sub(1 + CUT);
        PhoneTrunc::of(Number::of(self.0.bytes().skip(1).take(digits)))
    }
}

#[cfg(test)]
mod tests;
