//! Truncated phones, and the forms that spreadsheets turn them into.

use cee_eligibility::PhoneTrunc;
use cee_eligibility::phone::Lost;

use crate::context::Context;
use crate::fault::Fault;
use crate::repair::Repair;
use crate::strip::bare;

/// A truncated phone in any form of the contract, or one that a spreadsheet treated as a number, if only one reading is possible.
#[inline(always)]
pub(crate) fn phone(text: &str, context: &mut Context) -> Result<PhoneTrunc, Fault> {
    let text = bare(text, &mut context.repairs)?;
    match PhoneTrunc::parse(text) {
        Ok(phone) => Ok(phone),
        // A phone that a spreadsheet treated as a number no longer begins with `+` or 0.
        Err(_) if text.starts_with(|c: char| matches!(c, '1'..='9')) => repaired(text, context),
        Err(error) => Err(error.into()),
    }
}

#[cold]
fn repaired(text: &str, context: &mut Context) -> Result<PhoneTrunc, Fault> {
    let (phone, lost) = PhoneTrunc::repair(text)?;
    context.repairs.insert(match lost {
        Lost::Zero => Repair::PhoneLostZero,
        Lost::Plus => Repair::PhoneLostPlus,
    });
    Ok(phone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::Midnights;
    use crate::repair::Repairs;
    use cee_eligibility::{FieldError, Instant};

    fn read(text: &str) -> Result<(String, Repairs), Fault> {
        let now = Instant::from_millis(0).unwrap();
        let mut context = Context {
            now,
            rules: cee_eligibility::Rules::default(),
            repairs: Repairs::NONE,
            midnights: Midnights::default(),
            month_first: false,
        };
        phone(text, &mut context).map(|phone| (phone.as_str().to_owned(), context.repairs))
    }

    #[test]
    fn phone_is_read_with_repairs() {
        use Repair::{PhoneLostPlus, PhoneLostZero, SurroundingSpaces, TextGuard};
        let table: [(&str, &str, &[Repair]); 26] = [
            ("+336010203", "+336010203", &[]),
            ("06010203", "+336010203", &[]),
            ("06 01 02 03", "+336010203", &[]),
            ("06.01.02.03", "+336010203", &[]),
            ("+33-6010203", "+336010203", &[]),
            ("+33 (0)6 01 02 03", "+336010203", &[]),
            ("00336010203", "+336010203", &[]),
            ("06920102", "+2626920102", &[]),
            ("+336920102", "+2626920102", &[]),
            ("+689401234", "+689401234", &[]),
            ("+6877512", "+6877512", &[]),
            ("+33 6 01 02 03", "+336010203", &[]),
            ("6010203", "+336010203", &[PhoneLostZero]),
            ("6\u{a0}010\u{202f}203", "+336010203", &[PhoneLostZero]),
            ("6920102", "+2626920102", &[PhoneLostZero]),
            ("5081234", "+5081234", &[PhoneLostZero]),
            ("6010203.0", "+336010203", &[PhoneLostZero]),
            ("336010203", "+336010203", &[PhoneLostPlus]),
            ("336010203.0", "+336010203", &[PhoneLostPlus]),
            ("33 6 01 02 03", "+336010203", &[PhoneLostPlus]),
            ("2626920102", "+2626920102", &[PhoneLostPlus]),
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
    fn invalid_phone_is_rejected_with_fault() {
        let field = Fault::Field;
        let table = [
            ("", Fault::Empty),
            ("  ", Fault::Empty),
            ("'", Fault::Empty),
            ("3.36E+08", field(FieldError::PhoneRounded)),
            ("689401234", field(FieldError::PhoneAmbiguous)),
            ("6877512", field(FieldError::PhoneAmbiguous)),
            ("33601020304", field(FieldError::PhoneWhole)),
            ("0601020304", field(FieldError::PhoneWhole)),
            ("06 01 02 03 04", field(FieldError::PhoneWhole)),
            ("0601020", field(FieldError::PhoneLength)),
            ("+1234567", field(FieldError::PhoneLength)),
            ("+9991234567", field(FieldError::PhoneCountry)),
            ("+336010203\u{200b}", field(FieldError::PhoneInvisible('\u{200b}'))),
            ("601020", field(FieldError::PhoneTrunc)),
            ("6010203.5", field(FieldError::PhoneTrunc)),
            ("inconnu", field(FieldError::PhoneTrunc)),
            ("E", field(FieldError::PhoneTrunc)),
            ("#N/A", field(FieldError::PhoneTrunc)),
            ("٦٠١٠٢٠٣", field(FieldError::PhoneTrunc)),
        ];
        for (text, expected) in table {
            assert_eq!(read(text), Err(expected), "{text}");
        }
    }
}
