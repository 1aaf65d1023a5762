//! Truncated phones, and what spreadsheets make of them.

use std::borrow::Cow;

use cee_eligibility::PhoneTrunc;
use cee_eligibility::fields::FieldError;

use crate::cells::{CellError, Context, bare};
use crate::repair::Repair;

/// Numbers whose `+` can be put back: how they begin and how many digits they then have, less the last two.
///
/// A number without `+` or leading 0 has two possible readings where it has 9 digits, for so many has a whole French
/// number that lost its 0 (689…, 324… and 417… may be Polynesia, Belgium and Switzerland, or a French mobile or
/// landline), and 7 digits are a truncated French one that lost its 0. So only longer numbers can be told, and of those
/// with 9 digits only `33…`, which in France would be a landline of a block that is not given to drivers' phones.
/// New Caledonia (687), Saint-Pierre (508) and Wallis (681) have 6 digits: less two they are too short for the
/// contract's pattern with or without `+`.
const COUNTRIES: [(&str, usize); 9] = [
    ("33", 9),    // France
    ("262", 10),  // Réunion, Mayotte
    ("590", 10),  // Guadeloupe, Saint-Martin, Saint-Barthélemy
    ("594", 10),  // French Guiana
    ("596", 10),  // Martinique
    ("3526", 10), // Luxembourg, mobile
    ("3776", 10), // Monaco, mobile
    ("393", 10),  // Italy, mobile
    ("447", 10),  // United Kingdom, mobile
];

/// A truncated phone in any form of the contract, or one that a spreadsheet took for a number, where only one reading is
/// possible.
#[inline(always)]
pub(crate) fn phone(text: &str, context: &mut Context) -> Result<PhoneTrunc, CellError> {
    let text = bare(text, &mut context.repairs)?;
    // Every form of the contract begins with + or 0.
    if !text.starts_with(|c: char| matches!(c, '1'..='9'))
        && let Ok(phone) = PhoneTrunc::parse(text)
    {
        return Ok(phone);
    }
    repaired(text, context)
}

#[cold]
fn repaired(text: &str, context: &mut Context) -> Result<PhoneTrunc, CellError> {
    // Room for 15 digits, the most that a whole number has, after what may be put back.
    let mut room = [0; 3 + 15];
    room[..3].copy_from_slice(b"+33");
    let mut end = 3;
    let ascii = if text.is_ascii() { Cow::Borrowed(text) } else { text.replace(['\u{a0}', '\u{202f}'], " ").into() };
    // Dots are not left out here: "262692010.0" is what a number column of another program looks like.
    for byte in ascii.bytes().filter(|b| *b != b' ') {
        match room.get_mut(end) {
            Some(place) if byte.is_ascii_digit() => *place = byte,
            _ if is_rounded(text) => return Err(CellError::PhoneRounded),
            _ => return Err(FieldError::PhoneTrunc.into()),
        }
        end += 1;
    }
    let digits = &room[3..end];
    let (start, repair) = match (digits, digits.len()) {
        ([b'0', ..], 10) => return Err(CellError::PhoneWhole),
        ([b'0', ..], _) => return Err(FieldError::PhoneTrunc.into()),
        (_, 7) => (0, Repair::PhoneLostZero),
        _ if is_foreseen(digits) => {
            room[2] = b'+';
            (2, Repair::PhoneLostPlus)
        }
        (_, 8..=12) => return Err(CellError::PhoneAmbiguous),
        _ => return Err(FieldError::PhoneTrunc.into()),
    };
    context.repairs.insert(repair);
    let whole = std::str::from_utf8(&room[start..end]).map_err(|_| FieldError::PhoneTrunc)?;
    Ok(PhoneTrunc::parse(whole)?)
}

/// Whether these digits are a number of [`COUNTRIES`]. No national number begins with 0 after its country code.
fn is_foreseen(digits: &[u8]) -> bool {
    COUNTRIES.iter().any(|(code, length)| {
        digits.len() == *length && digits.strip_prefix(code.as_bytes()).is_some_and(|rest| !rest.starts_with(b"0"))
    })
}

/// `3.36E+08`, as spreadsheets write a long number in a narrow column.
fn is_rounded(text: &str) -> bool {
    let Some((number, power)) = text.split_once(['E', 'e']) else { return false };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    digits(whole) && digits(fraction) && digits(power.trim_start_matches('+'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::date::Midnights;
    use crate::repair::Repairs;
    use cee_eligibility::Instant;

    fn read(text: &str) -> Result<(String, Repairs), CellError> {
        let now = Instant::from_millis(0).unwrap();
        let mut context = Context { now, repairs: Repairs::NONE, midnights: Midnights::default() };
        phone(text, &mut context).map(|phone| (phone.as_str().to_owned(), context.repairs))
    }

    #[test]
    fn accepted() {
        use Repair::{PhoneLostPlus, PhoneLostZero, SurroundingSpaces, TextGuard};
        let table: [(&str, &str, &[Repair]); 24] = [
            ("+336010203", "+336010203", &[]),
            ("06010203", "+336010203", &[]),
            ("06 01 02 03", "+336010203", &[]),
            ("06.01.02.03", "+336010203", &[]),
            ("00336010203", "+336010203", &[]),
            ("+689401234", "+689401234", &[]),
            ("+33 6 01 02 03", "+336010203", &[]),
            ("6010203", "+336010203", &[PhoneLostZero]),
            ("6 010 203", "+336010203", &[PhoneLostZero]),
            ("6\u{a0}010\u{202f}203", "+336010203", &[PhoneLostZero]),
            ("5081234", "+335081234", &[PhoneLostZero]),
            ("336010203", "+336010203", &[PhoneLostPlus]),
            ("33 6 01 02 03", "+336010203", &[PhoneLostPlus]),
            ("2626920102", "+2626920102", &[PhoneLostPlus]),
            ("5906900102", "+5906900102", &[PhoneLostPlus]),
            ("5946940102", "+5946940102", &[PhoneLostPlus]),
            ("5966960102", "+5966960102", &[PhoneLostPlus]),
            ("3526212345", "+3526212345", &[PhoneLostPlus]),
            ("3933312345", "+3933312345", &[PhoneLostPlus]),
            ("4479111234", "+4479111234", &[PhoneLostPlus]),
            (" 06010203 ", "+336010203", &[SurroundingSpaces]),
            ("=\"06010203\"", "+336010203", &[TextGuard]),
            ("'06010203", "+336010203", &[TextGuard]),
            ("'6010203", "+336010203", &[TextGuard, PhoneLostZero]),
        ];
        for (text, expected, repairs) in table {
            assert_eq!(read(text), Ok((expected.to_owned(), repairs.iter().copied().collect())), "{text}");
        }
    }

    #[test]
    fn refused() {
        let pattern = CellError::Field(FieldError::PhoneTrunc);
        let table = [
            ("", CellError::Empty),
            ("  ", CellError::Empty),
            ("'", CellError::Empty),
            ("3.36E+08", CellError::PhoneRounded),
            ("3,36E+08", CellError::PhoneRounded),
            ("3E+08", CellError::PhoneRounded),
            ("6,01e6", CellError::PhoneRounded),
            ("601020304", CellError::PhoneAmbiguous),
            ("701020304", CellError::PhoneAmbiguous),
            ("689401234", CellError::PhoneAmbiguous),
            ("687401234", CellError::PhoneAmbiguous),
            ("324701234", CellError::PhoneAmbiguous),
            ("417901234", CellError::PhoneAmbiguous),
            ("330601020", CellError::PhoneAmbiguous),
            ("60102030", CellError::PhoneAmbiguous),
            ("33601020304", CellError::PhoneAmbiguous),
            ("262692010203", CellError::PhoneAmbiguous),
            ("1234567890", CellError::PhoneAmbiguous),
            ("0601020304", CellError::PhoneWhole),
            ("06 01 02 03 04", CellError::PhoneWhole),
            ("601020", pattern),
            ("0601020", pattern),
            ("1234567890123", pattern),
            ("123456789012345678901234567890", pattern),
            ("262692010.0", pattern),
            ("336010203.0", pattern),
            ("6010203,0", pattern),
            ("+1234567", pattern),
            ("+33-6010203", pattern),
            ("inconnu", pattern),
            ("E", pattern),
            ("#N/A", pattern),
            ("٦٠١٠٢٠٣", pattern),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }
}
