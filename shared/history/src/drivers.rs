//! The rows of a list of drivers, about whom an operator asks what `simulate` answers about one.

use cee_eligibility::{DrivingLicense, Identity, IdentityKeys, JourneyType, TruncatedIdentity};

use crate::answers::COLUMNS;
use crate::cells::Cells;
use crate::column::Field;
use crate::context::Context;
use crate::fault::Fault;
use crate::history::{any_journey_type, is_journey_type, last_name};
use crate::journeys::identity_key;
use crate::phone::phone;
use crate::row::{Row, WordColumn};
use crate::strip::{trim, unguard_any};

/// A driver that an operator asks about: the fields of `simulate`. Personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverRow {
    /// The journey type of the certificate.
    pub journey_type: JourneyType,
    /// The driver.
    pub identity: Identity,
}

impl Row for DriverRow {
    // The columns of the answers are skipped, so that the answers can be asked again as they are. A history file has a column
    // `datetime`, too: it can be sent as a list of drivers.
    const FIELDS: &'static [Field] = &[
        Field::required("journey_type"),
        Field::required("last_name_trunc"),
        Field::required("phone_trunc"),
        Field::optional("driving_license"),
        Field::optional("identity_key"),
        Field::answer(COLUMNS[0]),
        Field::answer(COLUMNS[1]),
        Field::answer(COLUMNS[2]),
        Field::answer(COLUMNS[3]),
        Field::answer(COLUMNS[4]),
        Field::answer(COLUMNS[5]),
        Field::answer(COLUMNS[6]),
    ];
    const WORD: Option<WordColumn> = Some((0, is_journey_type));

    fn read(cells: &mut Cells<'_>) -> Option<Self> {
        let journey_type = cells.read(0, |text, context| {
            let journey_type = any_journey_type(text, context)?;
            Ok(context.rules.check_simulate_open(journey_type)?)
        });
        let last_name_trunc = cells.read(1, last_name);
        let phone_trunc = cells.read(2, phone);
        let driving_license = cells.read(3, driving_license);
        let key = cells.read(4, identity_key);
        Some(Self {
            journey_type: journey_type?,
            identity: Identity {
                truncated: TruncatedIdentity { last_name_trunc: last_name_trunc?, phone_trunc: phone_trunc? },
                driving_license: driving_license?,
                identity_keys: IdentityKeys::of_caller(key?),
            },
        })
    }
}

/// A licence, read as the calls read it; an empty cell is none.
fn driving_license(text: &str, context: &mut Context) -> Result<Option<DrivingLicense>, Fault> {
    let text = trim(text, &mut context.repairs);
    let text = unguard_any(text, &mut context.repairs);
    match trim(text, &mut context.repairs) {
        "" => Ok(None),
        license => Ok(Some(DrivingLicense::parse(license)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dates, FileError, FileRefusal, Line, Reader, Repair, survey};
    use cee_eligibility::{Instant, Rules};

    fn read(file: &str, rules: &Rules) -> Vec<Line<DriverRow>> {
        let verdict = survey::<DriverRow>(file.as_bytes(), Dates::Unconfirmed).unwrap();
        let now = Instant::parse("2024-05-01T00:00:00Z").unwrap();
        let mut reader = Reader::<DriverRow>::new(&verdict, now).unwrap().under(rules);
        let mut lines = Vec::new();
        reader.push(file.as_bytes(), |line| lines.push(line));
        reader.finish(|line| lines.push(line));
        lines
    }

    #[test]
    fn row_is_read_with_the_repairs_of_history_files() {
        let key = "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30";
        let file = format!(
            "identity_key;driving_license;phone_trunc;last_name_trunc;journey_type\n\
             {key};=\"051227308989\";6010203;TO;Short\n;;+336010203;D H;long\n"
        );
        let lines = read(&file, &Rules::default());
        let [Line::Row { row: first, repairs, .. }, Line::Row { row: second, .. }] = &lines[..] else {
            panic!("{lines:?}")
        };
        let Identity { truncated, driving_license, identity_keys } = &first.identity;
        assert_eq!((truncated.last_name_trunc.as_str(), truncated.phone_trunc.as_str()), ("TO ", "+336010203"));
        assert_eq!(driving_license.as_ref().map(|license| license.as_str()), Some("051227308989"));
        assert_eq!(identity_keys.callers().map(|key| key.to_hex()), Some(key.to_owned()));
        for repair in [Repair::TextGuard, Repair::PhoneLostZero, Repair::NamePadded, Repair::LetterCase] {
            assert!(repairs.contains(repair), "{repair:?}");
        }
        assert_eq!(second.journey_type, JourneyType::Long);
        assert_eq!((&second.identity.driving_license, second.identity.identity_keys.callers()), (&None, None));
    }

    #[test]
    fn optional_columns_may_be_missing_and_answers_are_skipped() {
        let file = "journey_type,last_name_trunc,phone_trunc,outcome,datetime,reason\n\
                    short,DUP,+336010203,history,2021-02-15T00:00:00.000Z,\nshort,DUP,+336010203\n";
        let lines = read(file, &Rules::default());
        assert!(matches!(&lines[..], [Line::Row { .. }, Line::Row { .. }]), "{lines:?}");
        // A history file, as it is.
        let lines = read(
            "journey_type,last_name_trunc,phone_trunc,datetime\nshort,DUP,+336010203,2021-02-15\n",
            &Rules::default(),
        );
        assert!(matches!(&lines[..], [Line::Row { .. }]), "{lines:?}");
        let unknown = survey::<DriverRow>(b"journey_type,last_name_trunc,phone_trunc,name\n", Dates::Unconfirmed);
        assert!(matches!(unknown, Err(FileRefusal::Header(FileError::Columns { .. }))), "{unknown:?}");
    }

    #[test]
    fn row_of_a_closed_journey_type_is_rejected() {
        let mut rules = Rules::default();
        rules.short.open.simulate = false;
        rules.long.open.import = false;
        let file = "journey_type,last_name_trunc,phone_trunc\nshort,DUP,+336010203\nlong,DUP,+336010203\n";
        let lines = read(file, &rules);
        let [Line::Rejected(rejected), Line::Row { .. }] = &lines[..] else { panic!("{lines:?}") };
        assert!(rejected.reason.contains("is closed"), "{rejected:?}");
    }

    #[test]
    fn every_fault_of_a_row_is_reported() {
        let file = "journey_type,last_name_trunc,phone_trunc,driving_license,identity_key\nx,dup,0601020304,?,x\n";
        let lines = read(file, &Rules::default());
        let [Line::Rejected(rejected)] = &lines[..] else { panic!("{lines:?}") };
        for name in ["last_name_trunc", "phone_trunc", "driving_license", "identity_key"] {
            assert!(rejected.reason.contains(name), "{name}: {rejected:?}");
        }
    }
}
