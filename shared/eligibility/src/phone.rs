//! Phones: every way to write a number becomes one form, or is refused. Two forms of one number would be two drivers.
//!
//! One function reads all of them, whole ([`Phone`]) and without their last two digits ([`PhoneTrunc`]), so that a truncated number
//! is always the beginning of the whole one:
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

mod plan;

use std::fmt;

use crate::character::is_invisible;
use crate::error::{FieldError, NormaliseError};
use plan::{OVERSEAS, PLANS};

/// The numbers behind a country code.
#[derive(Clone, Copy, Debug)]
struct Plan {
    code: u16,
    /// Bit `n`: a mobile number may have `n` digits.
    lengths: u16,
    /// Whether a number may begin with 0, as in Italy.
    zero: bool,
    /// The prefixes dialled within the country before a number.
    trunks: &'static [Trunk],
}

#[derive(Clone, Copy, Debug)]
struct Trunk {
    digits: &'static [u8],
    /// No number begins like this. Otherwise it is left out only if the rest has the right length and the whole has not.
    always: bool,
}

const fn plan(code: u16, lengths: &[u8], zero: bool, trunks: &'static [Trunk]) -> Plan {
    let (mut bits, mut at) = (0, 0);
    while at < lengths.len() {
        bits |= 1 << lengths[at];
        at += 1;
    }
    Plan { code, lengths: bits, zero, trunks }
}

/// For the first three digits behind the `+` the place in [`PLANS`]: no country code is the beginning of another.
static INDEX: [u8; 1000] = {
    let mut index = [u8::MAX; 1000];
    let mut at = 0;
    while at < PLANS.len() {
        let code = PLANS[at].code;
        let places = 10_usize.pow(3 - width(code) as u32);
        let mut place = 0;
        while place < places {
            index[code as usize * places + place] = at as u8;
            place += 1;
        }
        at += 1;
    }
    index
};

/// The number of digits of a country code.
const fn width(code: u16) -> usize {
    match code {
        0..10 => 1,
        10..100 => 2,
        _ => 3,
    }
}

/// The country codes of the French plan: the mainland's, then the overseas ones.
const FRENCH: [u16; 6] = [33, 262, 508, 590, 594, 596];

/// Saint-Pierre-et-Miquelon: its numbers have six digits and are dialled `0508…` in France.
const SAINT_PIERRE: u16 = 508;

/// The digits that France dials behind the 0 before a number of [`SAINT_PIERRE`].
const DIALLED_SAINT_PIERRE: &[u8] = b"508";

/// The number of digits that are cut off before a number is sent.
const CUT: usize = 2;

/// The most digits of a number in E.164.
const MOST_DIGITS: usize = 15;

/// The most digits that a number is typed with: "00" and a trunk prefix of two digits besides its own. More digits are two numbers
/// in one cell.
const MOST_TYPED: usize = 19;

/// In characters: longer than any phone number written with separators.
const MAX_LENGTH: usize = 64;

/// The separators that people and phones write between the digits of a number. Also brackets, so `(0)` is a 0.
#[inline]
const fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '.' | '-' | '/' | '(' | ')' | '\u{a0}' | '\u{2009}' | '\u{2010}'..='\u{2013}' | '\u{202f}')
}

/// A number in E.164, or the beginning of one: at most fifteen digits without their `+`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Number {
    digits: [u8; MOST_DIGITS],
    length: usize,
}

impl Number {
    fn new(code: u16, national: &[u8]) -> Self {
        let code_digits = [code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + digit as u8);
        let code_digits = code_digits.iter().skip(3 - width(code));
        Self::of(code_digits.chain(national).copied())
    }

    fn of(all: impl Iterator<Item = u8>) -> Self {
        let mut number = Self { digits: [0; MOST_DIGITS], length: 0 };
        // Fifteen places are enough: `generate.py` checks it of each plan.
        for (place, digit) in number.digits.iter_mut().zip(all) {
            *place = digit;
            number.length += 1;
        }
        number
    }

    fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }
}

/// Whether a number is written whole or less its last two digits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Whole,
    Truncated,
}

impl Form {
    /// The number of missing digits.
    const fn missing(self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Truncated => CUT,
        }
    }

    /// The error for a text that is not a number at all.
    const fn refusal(self) -> FieldError {
        match self {
            Self::Whole => FieldError::Phone,
            Self::Truncated => FieldError::PhoneTrunc,
        }
    }

    /// Reads a number in any notation.
    fn read(self, text: &str) -> Result<Number, FieldError> {
        let mut room = [0; MOST_TYPED];
        let (mut length, mut plus) = (0, false);
        for (at, c) in text.chars().enumerate() {
            match c {
                _ if at == MAX_LENGTH => return Err(self.refusal()),
                '0'..='9' => {
                    *room.get_mut(length).ok_or(self.refusal())? = c as u8;
                    length += 1;
                }
                '+' if !plus && length == 0 => plus = true,
                _ if is_separator(c) => {}
                _ if c.is_control() || is_invisible(c) => return Err(FieldError::PhoneInvisible(c)),
                _ => return Err(self.refusal()),
            }
        }
        let digits = room.get(..length).unwrap_or_default();
        if plus { self.international(digits) } else { self.digits(digits) }
    }

    /// Reads the digits of a number without a `+`.
    fn digits(self, digits: &[u8]) -> Result<Number, FieldError> {
        match digits {
            [b'0', b'0', digits @ ..] => self.international(digits),
            [b'0', national @ ..] => self.french(national),
            _ => Err(self.refusal()),
        }
    }

    /// Reads a country code and the digits behind it.
    fn international(self, digits: &[u8]) -> Result<Number, FieldError> {
        let digit = |at: usize| digits.get(at).map_or(0, |digit| usize::from(digit - b'0'));
        let beginning = digit(0) * 100 + digit(1) * 10 + digit(2);
        let plan = INDEX.get(beginning).and_then(|at| PLANS.get(usize::from(*at))).ok_or(FieldError::PhoneCountry)?;
        let national = self.national(plan, digits.get(width(plan.code)..).ok_or(FieldError::PhoneLength)?)?;
        if !FRENCH.contains(&plan.code) || national.len() + self.missing() != 9 {
            return Ok(Number::new(plan.code, national));
        }
        self.french(national)
    }

    /// Leaves out the trunk prefix, and checks the length of the rest.
    fn national<'a>(self, plan: &Plan, typed: &'a [u8]) -> Result<&'a [u8], FieldError> {
        let fits = |digits: &[u8], missing: usize| {
            u32::try_from(digits.len() + missing)
                .is_ok_and(|length| plan.lengths.checked_shr(length).unwrap_or(0) & 1 == 1)
        };
        let trunk = plan.trunks.iter().find_map(|trunk| Some((trunk.always, typed.strip_prefix(trunk.digits)?)));
        let readings = match trunk {
            Some((true, rest)) => [Some(rest), None],
            Some((false, rest)) => [Some(typed), Some(rest)],
            None => [Some(typed), None],
        };
        let readings = || readings.into_iter().flatten().filter(|digits| plan.zero || !digits.starts_with(b"0"));
        match readings().find(|digits| fits(digits, self.missing())) {
            Some(digits) => Ok(digits),
            None if self == Self::Truncated && readings().any(|digits| fits(digits, 0)) => Err(FieldError::PhoneWhole),
            None => Err(FieldError::PhoneLength),
        }
    }

    /// Finds the territory of a number of the French plan, of which the 0 is left out.
    fn french(self, national: &[u8]) -> Result<Number, FieldError> {
        match national.len() + self.missing() {
            9 => match national.strip_prefix(DIALLED_SAINT_PIERRE) {
                Some([b'0', ..]) => Err(FieldError::PhoneLength),
                Some(rest) => Ok(Number::new(SAINT_PIERRE, rest)),
                None => Ok(Number::new(territory(national), national)),
            },
            11 if self == Self::Truncated => Err(FieldError::PhoneWhole),
            _ => Err(FieldError::PhoneLength),
        }
    }

    /// Reads a number that a spreadsheet turned into a numeric value: it dropped the `+` or the 0, and may have appended `.0`.
    fn repair(self, text: &str) -> Result<(Number, Lost), FieldError> {
        let plain = text.strip_suffix(".0").or_else(|| text.strip_suffix(",0"));
        let mut room = [0; MOST_DIGITS];
        let mut length = 0;
        // Dots are not left out here: they are a number's decimal point.
        for c in plain.unwrap_or(text).chars().filter(|c| plain.is_some() || !matches!(c, ' ' | '\u{a0}' | '\u{202f}'))
        {
            match room.get_mut(length) {
                Some(place) if c.is_ascii_digit() => *place = c as u8,
                _ if is_rounded(text) => return Err(FieldError::PhoneRounded),
                _ if c.is_control() || is_invisible(c) => return Err(FieldError::PhoneInvisible(c)),
                _ => return Err(self.refusal()),
            }
            length += 1;
        }
        let digits = room.get(..length).unwrap_or_default();
        if digits.starts_with(b"0") {
            // No spreadsheet leaves one.
            return Err(self.refusal());
        }
        // Nine digits that begin with 33 are a truncated French number that lost its +, rather than a landline that lost its 0.
        let lost_zero = match digits {
            [b'3', b'3', ..] if length == 9 => Err(FieldError::PhoneLength),
            _ => self.french(digits),
        };
        let lost_plus = self.international(digits);
        let is_whole = [lost_zero, lost_plus].contains(&Err(FieldError::PhoneWhole));
        match (lost_zero, lost_plus) {
            (Ok(number), Ok(other)) if number == other => Ok((number, Lost::Zero)),
            (Ok(number), Err(_)) if !is_whole => Ok((number, Lost::Zero)),
            (Err(_), Ok(number)) if !is_whole => Ok((number, Lost::Plus)),
            (Ok(_), _) | (_, Ok(_)) => Err(FieldError::PhoneAmbiguous),
            (Err(_), Err(_)) if is_whole => Err(FieldError::PhoneWhole),
            (Err(_), Err(_)) => Err(self.refusal()),
        }
    }
}

/// For the first three digits behind the 0, whether an overseas number may begin with them: most rows of a history are of the mainland.
static MAY_BE_OVERSEAS: [bool; 1000] = {
    let mut may_be = [false; 1000];
    let mut at = 0;
    while at < OVERSEAS.len() {
        let (first, last, _) = OVERSEAS[at];
        let mut three = first / 100;
        while three <= last / 100 {
            may_be[three as usize] = true;
            three += 1;
        }
        at += 1;
    }
    may_be
};

/// The country code of a number of the French plan: five digits determine it, and a truncated number has seven.
fn territory(national: &[u8]) -> u16 {
    let first =
        |digits: usize| national.iter().take(digits).fold(0, |number, digit| number * 10 + u32::from(digit - b'0'));
    if !MAY_BE_OVERSEAS.get(first(3) as usize).copied().unwrap_or_default() {
        return FRENCH[0];
    }
    let block = first(5);
    OVERSEAS.iter().find(|(from, to, _)| (*from..=*to).contains(&block)).map_or(FRENCH[0], |(.., code)| *code)
}

/// `3.36E+08`, as spreadsheets write a long number in a narrow column.
fn is_rounded(text: &str) -> bool {
    let Some((number, power)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    digits(whole) && digits(fraction) && digits(power.trim_start_matches('+'))
}

/// The characters that a spreadsheet dropped from a phone that it treated as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The leading 0 of the French national form.
    Zero,
    /// The `+`.
    Plus,
}

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
