//! A made-up national history: any number of rows, always the same ones, and the expected result of each row.
//!
//! Each row is computed from its number alone, so that a file of any size needs no memory and every machine makes the same file.
//! Among the rows are repeats, drivers who come again with another date, drivers of other operators, and damaged rows of the kinds
//! that spreadsheets make.

use std::io::{self, Write};

use cee_eligibility::{
    FieldError, Instant, JourneyType, LastName, LastNameTrunc, OperatorId, PhoneTrunc, TruncatedIdentity,
};
use chrono::{Days, NaiveDate};

/// Last names as they are written in France and its overseas territories. No two begin with the same three letters.
const NAMES: [&str; 54] = [
    "Martin",
    "Bernard",
    "Lefèvre",
    "Dubois",
    "Durand",
    "Moreau",
    "Simon",
    "Laurent",
    "Hérault",
    "Michel",
    "García",
    "Thomas",
    "Roux",
    "Vincent",
    "Fournier",
    "Girard",
    "André",
    "Mercier",
    "Blanc",
    "Guérin",
    "Boyer",
    "Faure",
    "Noël",
    "Perrin",
    "Çelik",
    "Petit",
    "Lopez",
    "Fontaine",
    "Chevalier",
    "Robin",
    "Masson",
    "Sánchez",
    "Gérard",
    "Nguyễn",
    "Ébrard",
    "Œuvrard",
    "D'Hérug de l'Hérault",
    "L'Hôpital",
    "Le Goff",
    "De La Tour",
    "N'Diaye",
    "Ng",
    "To",
    "Payet",
    "Hoarau",
    "Grondin",
    "Rivière",
    "Técher",
    "Zitoun",
    "Ünal",
    "Kaïd",
    "Yılmaz",
    "Quéré",
    "O'Connor",
];

/// The beginnings of overseas mobile numbers; four digits of the truncated number vary.
const OVERSEAS: [&str; 6] = ["+262692", "+262693", "+590690", "+594694", "+596696", "+596697"];

/// The beginnings of mainland mobile numbers that are not overseas numbers; five digits of the truncated number vary.
const MAINLAND: [&str; 17] = [
    "+3360", "+3361", "+3362", "+3364", "+3365", "+3366", "+3367", "+3368", "+3371", "+3372", "+3373", "+3374",
    "+3375", "+3376", "+3377", "+3378", "+3379",
];

/// The number of truncated mobile numbers on the mainland, and together with those overseas.
const METROPOLITAN: u64 = 100_000 * MAINLAND.len() as u64;
const PHONES: u64 = METROPOLITAN + 10_000 * OVERSEAS.len() as u64;

/// Has no common divisor with [`PHONES`]: multiplied by it, each driver below that number has a phone of its own.
const STRIDE: u64 = 1_299_709;

/// The expected result of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It is imported.
    Fresh,
    /// It is imported: a driver of an earlier row, with another date.
    Again,
    /// It is already known: an earlier row, possibly written in another way.
    Repeat,
    /// It is rejected.
    Damaged,
}

/// The expected report on a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// Rows.
    pub read: u64,
    /// Rows that add something.
    pub imported: u64,
    /// Rows that repeat another.
    pub already_known: u64,
    /// Damaged rows.
    pub rejected: u64,
}

/// An application from before the scheme. Made up, and treated as personal data all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Application {
    /// The journey type.
    pub journey_type: JourneyType,
    /// The driver.
    pub identity: TruncatedIdentity,
    /// The day of commitment: midnight in Paris.
    pub day: NaiveDate,
}

/// The history of one operator.
#[derive(Clone, Copy, Debug)]
pub struct History {
    seed: u64,
    operator: OperatorId,
}

/// A pseudorandom number for each number (the end of `SplitMix64`).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

impl History {
    /// An operator's history under this seed.
    #[must_use]
    pub const fn new(seed: u64, operator: OperatorId) -> Self {
        Self { seed, operator }
    }

    const fn dice(self, row: u64, what: u64) -> u64 {
        mix(mix(self.seed) ^ mix(row) ^ mix(what << 32 | self.operator.get() as u64))
    }

    /// The expected result of a row, counted from 0: 0.5 % are damaged, 2 % repeats, 3 % drivers who come again.
    #[must_use]
    pub const fn kind(self, row: u64) -> Kind {
        match self.dice(row, 1) % 1000 {
            _ if row == 0 => Kind::Fresh,
            0..5 => Kind::Damaged,
            5..25 => Kind::Repeat,
            25..55 => Kind::Again,
            _ => Kind::Fresh,
        }
    }

    /// The nearest new row before this one, or this one.
    fn fresh_from(self, mut row: u64) -> u64 {
        while self.kind(row) != Kind::Fresh {
            row -= 1;
        }
        row
    }

    /// The content of a row; for a damaged row, before the damage.
    ///
    /// # Errors
    /// A [`FieldError`] if this module is wrong.
    pub fn application(self, row: u64) -> Result<Application, FieldError> {
        match self.kind(row) {
            Kind::Fresh | Kind::Damaged => {
                // Operators share a part of their drivers: each begins half a million drivers further on.
                let driver = row + u64::from(self.operator.get() - 1) * 500_000;
                let phone = driver.wrapping_mul(STRIDE) % PHONES;
                // Drivers with the same phone have different names: no two drivers are the same.
                let name = (mix(phone) + driver / PHONES) % NAMES.len() as u64;
                let first = NaiveDate::from_ymd_opt(2012, 1, 15).unwrap_or_default();
                Ok(Application {
                    journey_type: if self.dice(row, 2).is_multiple_of(3) {
                        JourneyType::Long
                    } else {
                        JourneyType::Short
                    },
                    identity: TruncatedIdentity {
                        last_name_trunc: name_trunc(name)?,
                        phone_trunc: PhoneTrunc::parse(&phone_trunc(phone))?,
                    },
                    day: first + Days::new(self.dice(row, 3) % 3900),
                })
            }
            Kind::Repeat => self.application(self.fresh_from(self.dice(row, 4) % row)),
            Kind::Again => {
                let fresh = self.fresh_from(row);
                let application = self.application(fresh)?;
                // The date moves by as many days as there are rows between: no two rows are equal.
                let days = Days::new(row - fresh);
                let day = if row.is_multiple_of(2) { application.day + days } else { application.day - days };
                Ok(Application { day, ..application })
            }
        }
    }

    /// The expected report on the first `rows` rows.
    #[must_use]
    pub fn expected(self, rows: u64) -> Expected {
        let mut expected = Expected { read: rows, ..Expected::default() };
        for row in 0..rows {
            match self.kind(row) {
                Kind::Fresh | Kind::Again => expected.imported += 1,
                Kind::Repeat => expected.already_known += 1,
                Kind::Damaged => expected.rejected += 1,
            }
        }
        expected
    }

    /// Writes the first `rows` rows as a file with this operator's habits: a spreadsheet's, a program's, a database's.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(self, rows: u64, out: &mut impl Write) -> io::Result<()> {
        let (bom, separator, end) = match self.operator.get() % 3 {
            1 => ("\u{feff}", ';', "\r\n"),
            2 => ("", ',', "\n"),
            _ => ("", '\t', "\n"),
        };
        let header = ["journey_type", "last_name_trunc", "phone_trunc", "datetime"];
        write!(out, "{bom}{}{end}", header.join(&separator.to_string()))?;
        for row in 0..rows {
            let application = self.application(row).map_err(io::Error::other)?;
            let damage = (self.kind(row) == Kind::Damaged).then(|| self.dice(row, 5) % 8);
            let style = self.dice(row, 6) % 10;
            let name = application.identity.last_name_trunc.as_str();
            let phone = application.identity.phone_trunc.as_str();
            let name = match damage {
                Some(0) => "HÉR",
                Some(1) => "mar",
                Some(2) => "D-H",
                // Excel trims it.
                None if style == 0 => name.trim_end(),
                _ => name,
            };
            let phone = match (damage, phone.strip_prefix("+33")) {
                (Some(3), _) => "3,36E+08".to_owned(),
                (Some(4), _) => format!("{phone}O"),
                (None, Some(national)) if style < 2 => format!("0{national}"),
                // Excel turns it into a number. If two readings were possible, the row would be rejected.
                (None, Some(national)) if style == 2 && PhoneTrunc::repair(national).is_ok() => national.to_owned(),
                _ => phone.to_owned(),
            };
            let day = match (damage, style) {
                (Some(5), _) => "31/02/2021".to_owned(),
                (Some(6), _) => "########".to_owned(),
                (_, 0..5) => application.day.format("%d/%m/%Y").to_string(),
                (_, 5..9) => application.day.format("%Y-%m-%d").to_string(),
                _ => application.day.and_hms_opt(0, 0, 0).map_or_else(String::new, |moment| {
                    Instant::paris_midnight(application.day)
                        .map_or_else(|_| moment.to_string(), |moment| moment.to_string())
                }),
            };
            let journey_type = application.journey_type;
            match damage {
                Some(7) => write!(out, "{journey_type}{separator}{name}{separator}{phone}{end}")?,
                _ => write!(out, "{journey_type}{separator}{name}{separator}{phone}{separator}{day}{end}")?,
            }
        }
        Ok(())
    }
}

fn name_trunc(number: u64) -> Result<LastNameTrunc, FieldError> {
    let name = NAMES.get(usize::try_from(number).unwrap_or(0)).copied().unwrap_or("Martin");
    LastName::parse(name).map(|name| name.truncated()).map_err(|_| FieldError::LastNameTrunc)
}

fn phone_trunc(number: u64) -> String {
    let prefix = |prefixes: &[&'static str], number: u64| {
        prefixes.get(usize::try_from(number).unwrap_or(0)).copied().unwrap_or("+262692")
    };
    match number.checked_sub(METROPOLITAN) {
        None => format!("{}{:05}", prefix(&MAINLAND, number / 100_000), number % 100_000),
        Some(overseas) => format!("{}{:04}", prefix(&OVERSEAS, overseas / 10_000), overseas % 10_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn history(operator: u32) -> History {
        History::new(7, OperatorId::new(operator).unwrap())
    }

    #[test]
    fn names_differ_in_their_first_letters() {
        let names: HashSet<String> =
            (0..NAMES.len() as u64).map(|name| name_trunc(name).unwrap().as_str().to_owned()).collect();
        assert_eq!(names.len(), NAMES.len());
    }

    #[test]
    fn phones_are_distinct_and_canonical() {
        let mut seen = vec![false; PHONES as usize];
        for driver in 0..PHONES {
            assert!(!std::mem::replace(&mut seen[(driver * STRIDE % PHONES) as usize], true));
        }
        assert_eq!(phone_trunc(0), "+336000000");
        assert_eq!(phone_trunc(METROPOLITAN - 1), "+337999999");
        assert_eq!(phone_trunc(PHONES - 1), "+5966979999");
        // Written in canonical form: two texts are two phones.
        for number in (0..PHONES).step_by(97) {
            assert_eq!(PhoneTrunc::parse(&phone_trunc(number)).unwrap().as_str(), phone_trunc(number));
        }
    }

    /// Compares the expected result of each row with a set that remembers every row.
    #[test]
    fn row_kinds_match_expected_results() {
        let mut seen = HashSet::new();
        let mut counted = Expected::default();
        for row in 0..50_000 {
            let history = history(1);
            let Application { journey_type, identity, day } = history.application(row).unwrap();
            let kind = history.kind(row);
            counted.read += 1;
            if kind == Kind::Damaged {
                counted.rejected += 1;
            } else if seen.insert((journey_type, identity, day)) {
                assert!(matches!(kind, Kind::Fresh | Kind::Again), "row {row}");
                counted.imported += 1;
            } else {
                assert_eq!(kind, Kind::Repeat, "row {row}");
                counted.already_known += 1;
            }
        }
        assert_eq!(history(1).expected(50_000), counted);
        assert!(counted.rejected > 200 && counted.already_known > 800, "{counted:?}");
        let drivers = |operator| -> HashSet<TruncatedIdentity> {
            (0..600_000).step_by(7).map(|row| history(operator).application(row).unwrap().identity).collect()
        };
        assert!(drivers(1).intersection(&drivers(2)).count() > 100, "operators share drivers");
    }
}
