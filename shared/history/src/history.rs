//! The rows of a history file.

use cee_eligibility::{FieldError, Instant, JourneyType, LastNameTrunc, TruncatedIdentity};

use crate::cells::Cells;
use crate::column::Field;
use crate::context::Context;
use crate::date;
use crate::fault::Fault;
use crate::phone::phone;
use crate::repair::{Repair, Repairs};
use crate::row::{Row, WordColumn};
use crate::strip::{bare, unguard};

/// A driver's application from before the scheme, as an operator's history file says it. Personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryRow {
    /// The journey type of the certificate.
    pub journey_type: JourneyType,
    /// The driver.
    pub identity: TruncatedIdentity,
    /// The day of commitment.
    pub datetime: Instant,
}

impl Row for HistoryRow {
    const FIELDS: &'static [Field] = &[
        Field::required("journey_type"),
        Field::required("last_name_trunc"),
        Field::required("phone_trunc"),
        Field::required("datetime"),
    ];
    const DATE: Option<usize> = Some(3);
    const WORD: Option<WordColumn> = Some((0, is_journey_type));

    fn read(cells: &mut Cells<'_>) -> Option<Self> {
        // Every cell is read before any fault ends the row: all faults are reported at once.
        let journey_type = cells.read(0, journey_type);
        let last_name_trunc = cells.read(1, last_name);
        let phone_trunc = cells.read(2, phone);
        let datetime = cells.read(3, |text, context| date::history(text, context, journey_type));
        Some(Self {
            journey_type: journey_type?,
            identity: TruncatedIdentity { last_name_trunc: last_name_trunc?, phone_trunc: phone_trunc? },
            datetime: datetime?,
        })
    }
}

/// Whether a cell names the journey type of its row, in any case.
pub(crate) fn is_journey_type(text: &str) -> bool {
    let mut repairs = Repairs::NONE;
    bare(text, &mut repairs)
        .is_ok_and(|text| JourneyType::ALL.iter().any(|kind| kind.as_str().eq_ignore_ascii_case(text)))
}

#[inline(always)]
fn journey_type(text: &str, context: &mut Context) -> Result<JourneyType, Fault> {
    let journey_type = any_journey_type(text, context)?;
    Ok(context.rules.check_import_open(journey_type)?)
}

/// A journey type, whether it is open or not.
#[inline(always)]
pub(crate) fn any_journey_type(text: &str, context: &mut Context) -> Result<JourneyType, Fault> {
    let text = bare(text, &mut context.repairs)?;
    Ok(JourneyType::parse(text).or_else(|fault| {
        let same = |word: &JourneyType| word.as_str().eq_ignore_ascii_case(text);
        context.repairs.insert(Repair::LetterCase);
        JourneyType::ALL.into_iter().find(same).ok_or(fault)
    })?)
}

/// A name's spaces are significant. But a spreadsheet may have cut off the trailing spaces of a name of one or two letters, and a
/// database may have padded a value to more than three characters with trailing spaces: both are repaired, because the rule that
/// made the name pads at the end only, and to three. A name that begins with a space is ambiguous: ` TO` is `TO` with its padding
/// on the wrong side, or `TOM` truncated before it was trimmed.
#[inline(always)]
pub(crate) fn last_name(text: &str, context: &mut Context) -> Result<LastNameTrunc, Fault> {
    LastNameTrunc::parse(text).or_else(|_| spoilt_name(text, context))
}

#[cold]
fn spoilt_name(text: &str, context: &mut Context) -> Result<LastNameTrunc, Fault> {
    let text = unguard(text, &mut context.repairs);
    let padded = format!("{:<3}", text.replace(['\u{a0}', '\u{202f}'], " ").trim_end_matches(' '));
    if let Ok(name) = LastNameTrunc::parse(&padded) {
        // Within a guard the name may have been correct.
        if padded != text {
            context.repairs.insert(Repair::NamePadded);
        }
        return Ok(name);
    }
    let allowed = |text: &str| text.bytes().all(|b| b.is_ascii_uppercase() || b == b' ');
    match text.as_bytes() {
        [] => Err(Fault::NameEmpty),
        [b' '] | [b' ', _] | [b' ', _, _] if allowed(text) => Err(Fault::NameTrimmed),
        _ if text.contains(['-', '\'', '’']) => Err(Fault::NameHyphen),
        _ if !text.is_ascii() => Err(Fault::NameAccent),
        _ if text.contains(|c: char| c.is_ascii_lowercase()) => Err(Fault::NameLowerCase),
        _ if allowed(text) => Err(Fault::NameTooLong),
        _ => Err(FieldError::LastNameTrunc.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::day::Midnights;
    use cee_eligibility::Rules;

    fn context() -> Context {
        Context {
            now: Instant::from_millis(0).unwrap(),
            rules: Rules::default(),
            repairs: Repairs::NONE,
            midnights: Midnights::default(),
            month_first: false,
        }
    }

    #[test]
    fn last_name_is_read_with_repairs() {
        let table: [(&str, &str, &[Repair]); 15] = [
            ("DUP", "DUP", &[]),
            ("DUP ", "DUP", &[Repair::NamePadded]),
            ("TO  ", "TO ", &[Repair::NamePadded]),
            ("D H       ", "D H", &[Repair::NamePadded]),
            ("DU\u{a0}", "DU ", &[Repair::NamePadded]),
            ("D\u{a0}H", "D H", &[Repair::NamePadded]),
            ("L\u{202f}\u{a0} ", "L  ", &[Repair::NamePadded]),
            ("=\"TO\"", "TO ", &[Repair::TextGuard, Repair::NamePadded]),
            ("=\"TO  \"", "TO ", &[Repair::TextGuard, Repair::NamePadded]),
            ("D H", "D H", &[]),
            ("TO ", "TO ", &[]),
            ("TO", "TO ", &[Repair::NamePadded]),
            ("L", "L  ", &[Repair::NamePadded]),
            ("L ", "L  ", &[Repair::NamePadded]),
            ("=\"TO \"", "TO ", &[Repair::TextGuard]),
        ];
        for (text, expected, repairs) in table {
            let mut context = context();
            let name = last_name(text, &mut context).map(|name| name.as_str().to_owned());
            assert_eq!(name.as_deref(), Ok(expected), "{text:?}");
            assert_eq!(context.repairs, repairs.iter().copied().collect(), "{text:?}");
        }
    }

    #[test]
    fn invalid_last_name_is_rejected_with_fault() {
        let pattern = Fault::Field(FieldError::LastNameTrunc);
        let table = [
            ("", Fault::NameEmpty),
            (" ", Fault::NameTrimmed),
            ("  ", Fault::NameTrimmed),
            (" T", Fault::NameTrimmed),
            (" TO", Fault::NameTrimmed),
            ("  T", Fault::NameTrimmed),
            ("   ", Fault::NameTrimmed),
            ("=\" TO\"", Fault::NameTrimmed),
            (" to", Fault::NameLowerCase),
            ("dup", Fault::NameLowerCase),
            ("Dup", Fault::NameLowerCase),
            ("to", Fault::NameLowerCase),
            ("HÉR", Fault::NameAccent),
            ("Hér", Fault::NameAccent),
            ("\u{a0}DU", Fault::NameAccent),
            ("D-H", Fault::NameHyphen),
            ("D'H", Fault::NameHyphen),
            ("D’H", Fault::NameHyphen),
            ("'DUP", Fault::NameHyphen),
            ("DUPO", Fault::NameTooLong),
            (" DUP", Fault::NameTooLong),
            ("DUPO ", Fault::NameTooLong),
            ("DU1", pattern),
            ("D\"H", pattern),
            ("DU\0", pattern),
            ("D\t", pattern),
            ("=\"\"", pattern),
        ];
        for (text, expected) in table {
            assert_eq!(last_name(text, &mut context()), Err(expected), "{text:?}");
        }
    }

    #[test]
    fn journey_type_is_read_with_repairs() {
        use Repair::{LetterCase, SurroundingSpaces};
        let table: [(&str, JourneyType, &[Repair]); 5] = [
            ("short", JourneyType::Short, &[]),
            ("long", JourneyType::Long, &[]),
            ("Short", JourneyType::Short, &[LetterCase]),
            (" LONG", JourneyType::Long, &[SurroundingSpaces, LetterCase]),
            ("long\t", JourneyType::Long, &[SurroundingSpaces]),
        ];
        for (text, expected, repairs) in table {
            let mut context = context();
            assert_eq!(journey_type(text, &mut context), Ok(expected), "{text:?}");
            assert_eq!(context.repairs, repairs.iter().copied().collect(), "{text:?}");
        }
        let mut closed = context();
        closed.rules.short.open.import = false;
        let expected = Err(Fault::Field(FieldError::ImportClosed));
        assert_eq!(
            (journey_type("short", &mut closed), journey_type(" LONG", &mut closed)),
            (expected, Ok(JourneyType::Long))
        );
        assert_eq!(journey_type("", &mut context()), Err(Fault::Empty));
        for bad in ["courte", "shortt", "short long", "s", "ſhort"] {
            let expected = Err(Fault::Field(FieldError::JourneyType));
            assert_eq!(journey_type(bad, &mut context()), expected, "{bad}");
        }
    }
}
