//! How the digits of a number are read, whole or without its last two, and how its country is found.

use super::country::{Plan, width};
use super::plan::{OVERSEAS, PLANS};
use crate::character::is_invisible;
use crate::error::FieldError;

/// For the first three digits behind the `+` the place in [`PLANS`]: no country code is the beginning of another.
pub(super) static INDEX: [u8; 1000] = {
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

/// The country codes of the French plan: the mainland's, then the overseas ones.
pub(super) const FRENCH: [u16; 6] = [33, 262, 508, 590, 594, 596];

/// Saint-Pierre-et-Miquelon: its numbers have six digits and are dialled `0508…` in France.
pub(super) const SAINT_PIERRE: u16 = 508;

/// The digits that France dials behind the 0 before a number of [`SAINT_PIERRE`].
pub(super) const DIALLED_SAINT_PIERRE: &[u8] = b"508";

/// The number of digits that are cut off before a number is sent.
pub(super) const CUT: usize = 2;

/// The most digits of a number in E.164.
pub(super) const MOST_DIGITS: usize = 15;

/// The most digits that a number is typed with: "00" and a trunk prefix of two digits besides its own. More digits are two numbers
/// in one cell.
const MOST_TYPED: usize = 19;

/// In characters: longer than any phone number written with separators.
pub(super) const MAX_LENGTH: usize = 64;

/// The separators that people and phones write between the digits of a number. Also brackets, so `(0)` is a 0.
#[inline]
pub(super) const fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '\t' | '.' | '-' | '/' | '(' | ')' | '\u{a0}' | '\u{2009}' | '\u{2010}'..='\u{2013}' | '\u{202f}')
}

/// A number in E.164, or the beginning of one: at most fifteen digits without their `+`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Number {
    pub(super) digits: [u8; MOST_DIGITS],
    pub(super) length: usize,
}

impl Number {
    pub(super) fn new(code: u16, national: &[u8]) -> Self {
        let code_digits = [code / 100, code / 10 % 10, code % 10].map(|digit| b'0' + digit as u8);
        let code_digits = code_digits.iter().skip(3 - width(code));
        Self::of(code_digits.chain(national).copied())
    }

    pub(super) fn of(all: impl Iterator<Item = u8>) -> Self {
        let mut number = Self { digits: [0; MOST_DIGITS], length: 0 };
        // Fifteen places are enough: `generate.py` checks it of each plan.
        for (place, digit) in number.digits.iter_mut().zip(all) {
            *place = digit;
            number.length += 1;
        }
        number
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }
}

/// Whether a number is written whole or less its last two digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
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
    pub(super) fn read(self, text: &str) -> Result<Number, FieldError> {
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
    pub(super) fn repair(self, text: &str) -> Result<(Number, Lost), FieldError> {
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
pub(super) static MAY_BE_OVERSEAS: [bool; 1000] = {
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
pub(super) fn territory(national: &[u8]) -> u16 {
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
