//! The registry as the contract describes it: a list of applications in memory, which each call searches completely.
//!
//! It is written from the contract and shares no rule with the code under test: it computes years by itself, and knows no tables and no
//! claims. A test compares the store with it step by step (`shared/registry/tests/store/model.rs`). Another test checks that some order
//! of the calls explains every response of the service ([`linear`]). What an operator reads about its own applications is in [`feed`].
//!
//! Names, phones, licences and identity keys are numbers here, which the tests translate. [`typed`] writes a value in any of the forms
//! that the contract reads as equal.

use std::collections::BTreeSet;

use cee_eligibility::{ApplicationId, JourneyType, Reason};
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};

pub mod feed;
pub mod linear;
pub mod typed;

/// The maximum number of rows that a specific application lists.
const MOST_ROWS: usize = 4;

/// The maximum number of history dates of an operator for one driver and journey type.
const MOST_DATES: usize = 20;

/// The maximum number of live applications of an operator for one name, truncated phone and journey type.
const MOST_GRANTED: usize = 20;

/// The maximum number of rows that brought equal dates under one identity key.
const MOST_ROWS_OF_KEY: usize = 20;

/// A driver as a call describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Driver {
    /// The three letters of the name.
    pub name: usize,
    /// The phone without its last two digits.
    pub phone: usize,
    /// The licence, if the call has one.
    pub license: Option<usize>,
    /// The identity key, if the call has one.
    pub key: Option<usize>,
    /// The journey's own identity key, if it has one. Only a short application has a journey.
    pub journey_key: Option<usize>,
}

impl Driver {
    fn keys(&self) -> Vec<usize> {
        self.key.into_iter().chain(self.journey_key).collect()
    }
}

/// One application.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Record {
    /// The journey type.
    pub journey_type: JourneyType,
    /// The driver's name.
    pub name: usize,
    /// The driver's phone.
    pub phone: usize,
    /// The licence of a granted application.
    pub license: Option<usize>,
    /// The identity key, if one was sent or given later.
    pub key: Option<usize>,
    /// The journey's own identity key, for a granted short application.
    pub journey_key: Option<usize>,
    /// Its date, in milliseconds since 1970.
    pub millis: i64,
    /// The operator that sent it.
    pub operator: u32,
    /// The number of the journey among its operator's journeys, for a granted short application.
    pub journey: Option<usize>,
    /// The UUID of a granted application. `None`: a specific application.
    pub uuid: Option<ApplicationId>,
    /// The rows (file and line) that brought a specific application.
    pub rows: Vec<(u32, usize)>,
    /// Whether more rows brought it than are listed.
    pub more: bool,
    /// Whether another key came for a specific application too.
    pub ambiguous: bool,
}

impl Record {
    /// The known identity keys of its driver.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<usize> {
        self.key.into_iter().chain(self.journey_key).collect()
    }

    /// The keys by which it is compared on its truncated identity. None if it may cover several drivers.
    fn compared_keys(&self) -> BTreeSet<usize> {
        let mut files: Vec<u32> = self.rows.iter().map(|row| row.0).collect();
        files.sort_unstable();
        let several = self.ambiguous || files.windows(2).any(|pair| pair[0] == pair[1]);
        if several { BTreeSet::new() } else { self.keys() }
    }

    /// Whether it belongs to the same person by this key.
    fn is_met_by(&self, driver: &Driver, by: By) -> bool {
        let both = |one: Option<usize>, other: Option<usize>| one.is_some() && one == other;
        match by {
            By::License => both(self.license, driver.license),
            By::IdentityKey => driver.keys().iter().any(|key| self.keys().contains(key)),
            By::TruncatedIdentity => {
                let (compared, sent) = (self.compared_keys(), driver.keys());
                (self.name, self.phone) == (driver.name, driver.phone)
                    && (compared.is_empty() || sent.is_empty() || sent.iter().any(|key| compared.contains(key)))
            }
        }
    }

    /// Whether it blocks a new application of this date.
    fn blocks(&self, new_millis: i64) -> bool {
        let (standardized, specific, floor) = match self.journey_type {
            JourneyType::Short => (5, 3, millis("2020-01-01T00:00:00+01:00")),
            JourneyType::Long => (12, 10, millis("2015-01-01T00:00:00+01:00")),
        };
        match self.uuid {
            Some(_) => self.millis >= years_before(new_millis, standardized),
            None => self.millis >= years_before(new_millis, specific) && self.millis >= floor,
        }
    }

    fn in_the_way(&self) -> InTheWay {
        let reason = if self.uuid.is_some() { Reason::Duplicate } else { Reason::History };
        InTheWay { millis: self.millis, reason, operator: self.operator, uuid: self.uuid }
    }
}

/// The ways in which two applications belong to the same person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Name and phone, unless both sides have identity keys that differ.
    TruncatedIdentity,
    /// The licence.
    License,
    /// The identity key.
    IdentityKey,
}

impl By {
    /// All three.
    pub const ALL: [Self; 3] = [Self::TruncatedIdentity, Self::License, Self::IdentityKey];
}

/// A request for a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asking {
    /// The journey type.
    pub journey_type: JourneyType,
    /// The driver.
    pub driver: Driver,
    /// The date of the new application, in milliseconds since 1970.
    pub millis: i64,
    /// The operator that sends the request.
    pub operator: u32,
}

/// A blocking application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InTheWay {
    /// The application's date.
    pub millis: i64,
    /// Why it blocks.
    pub reason: Reason,
    /// The operator of the blocking application.
    pub operator: u32,
    /// The UUID of a granted application.
    pub uuid: Option<ApplicationId>,
}

/// A row of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HistoryRow {
    /// The journey type.
    pub journey_type: JourneyType,
    /// The driver's name.
    pub name: usize,
    /// The driver's phone.
    pub phone: usize,
    /// The date, in milliseconds since 1970.
    pub millis: i64,
    /// The operator that sends it.
    pub operator: u32,
}

impl HistoryRow {
    fn is(&self, record: &Record) -> bool {
        (record.uuid, record.journey_type, record.name, record.phone, record.millis, record.operator)
            == (None, self.journey_type, self.name, self.phone, self.millis, self.operator)
    }
}

/// The result of a row of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It counts from now on. It contradicts these granted applications.
    New(Vec<ApplicationId>),
    /// The operator has sent the row before.
    Known,
    /// Its operator has the maximum number of dates for the driver.
    TooMany,
}

/// The result of giving an identity key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyGiven {
    /// The key was given. The new knowledge contradicts these granted applications.
    Given(Vec<ApplicationId>),
    /// It had this key before.
    AlreadyHas,
    /// This operator has no such application.
    Unknown,
    /// It has another key.
    HasAnother,
    /// With this key it would be the second application of the same person.
    Blocked(InTheWay),
    /// The operator has the maximum number of dates under this key, or too many rows brought this date.
    TooMany,
}

/// All applications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Oracle(Vec<Record>);

impl Oracle {
    /// All applications, in an order that does not depend on the order of the calls.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.0
    }

    /// The applications that block by these keys. The last one is the one that a refusal reports.
    #[must_use]
    pub fn in_the_way(&self, asking: &Asking, by: &[By]) -> Vec<InTheWay> {
        let mut found: Vec<InTheWay> = self
            .0
            .iter()
            .filter(|record| record.journey_type == asking.journey_type && record.blocks(asking.millis))
            .filter(|record| by.iter().any(|by| record.is_met_by(&asking.driver, *by)))
            .map(Record::in_the_way)
            .collect();
        found.sort_by_key(|r| (r.millis, r.uuid.is_some(), r.operator == asking.operator, r.uuid, r.operator));
        found
    }

    /// The application that uses a journey.
    #[must_use]
    pub fn carried(&self, operator: u32, journey: usize) -> Option<InTheWay> {
        let carries = |record: &&Record| record.operator == operator && record.journey == Some(journey);
        self.0.iter().find(carries).map(Record::in_the_way)
    }

    /// Grants an application. The caller has checked that it may be granted.
    pub fn grant(&mut self, asking: &Asking, journey: Option<usize>, uuid: ApplicationId) {
        let Asking { journey_type, driver: Driver { name, phone, license, key, journey_key }, millis, operator } =
            *asking;
        self.add(Record {
            journey_type,
            name,
            phone,
            license,
            key,
            journey_key,
            millis,
            operator,
            journey,
            uuid: Some(uuid),
            rows: Vec::new(),
            more: false,
            ambiguous: false,
        });
    }

    fn add(&mut self, record: Record) {
        let place = self.0.partition_point(|other| *other < record);
        self.0.insert(place, record);
    }

    /// The granted applications of the same person that a row of history would have blocked.
    fn contradicted(&self, row: &HistoryRow, same: impl Fn(&Record) -> bool) -> Vec<ApplicationId> {
        let history = Record { uuid: None, ..self.specific(row, (0, 0)) };
        let mut named: Vec<ApplicationId> = self
            .0
            .iter()
            .filter(|record| record.journey_type == row.journey_type && same(record))
            .filter(|record| history.blocks(record.millis))
            .filter_map(|record| record.uuid)
            .collect();
        named.sort();
        named
    }

    fn specific(&self, row: &HistoryRow, source: (u32, usize)) -> Record {
        let HistoryRow { journey_type, name, phone, millis, operator } = *row;
        Record {
            journey_type,
            name,
            phone,
            license: None,
            key: None,
            journey_key: None,
            millis,
            operator,
            journey: None,
            uuid: None,
            rows: vec![source],
            more: false,
            ambiguous: false,
        }
    }

    /// Whether an operator has the maximum number of live applications for this name and phone. Callers ask only if nothing blocks.
    #[must_use]
    pub fn is_full(&self, asking: &Asking) -> bool {
        let Asking { journey_type, driver: Driver { name, phone, .. }, operator, .. } = *asking;
        let same = |r: &&Record| (r.journey_type, r.name, r.phone, r.operator) == (journey_type, name, phone, operator);
        self.0.iter().filter(|record| record.uuid.is_some()).filter(same).count() >= MOST_GRANTED
    }

    /// Imports a row from this line of this file.
    pub fn import(&mut self, row: &HistoryRow, file: u32, line: usize) -> Imported {
        if let Some(known) = self.0.iter_mut().find(|record| row.is(record)) {
            match known.rows.len() < MOST_ROWS {
                true => known.rows.push((file, line)),
                // If the file is listed, an undo of the file removes the rows that are not listed too.
                false => known.more |= !known.rows.iter().any(|row| row.0 == file),
            }
            self.0.sort();
            return Imported::Known;
        }
        let dates = self.0.iter().filter(|record| HistoryRow { millis: record.millis, ..*row }.is(record)).count();
        if dates >= MOST_DATES {
            return Imported::TooMany;
        }
        self.add(self.specific(row, (file, line)));
        Imported::New(self.contradicted(row, |record| (record.name, record.phone) == (row.name, row.phone)))
    }

    /// A granted application.
    #[must_use]
    pub fn granted(&self, uuid: ApplicationId) -> Option<&Record> {
        self.0.iter().find(|record| record.uuid == Some(uuid))
    }

    /// Deletes an application. Returns whether this operator has it.
    pub fn delete(&mut self, uuid: ApplicationId, operator: u32) -> bool {
        let before = self.0.len();
        self.0.retain(|record| record.uuid != Some(uuid) || record.operator != operator);
        self.0.len() < before
    }

    /// Gives a granted application an identity key.
    pub fn give_key(&mut self, uuid: ApplicationId, operator: u32, key: usize) -> KeyGiven {
        let Some(place) = self.0.iter().position(|r| r.uuid == Some(uuid) && r.operator == operator) else {
            return KeyGiven::Unknown;
        };
        let application = self.0[place].clone();
        if application.keys().contains(&key) {
            return KeyGiven::AlreadyHas;
        }
        // The journey's own key does not count as given by the operator.
        if application.key.is_some() {
            return KeyGiven::HasAnother;
        }
        let on_key = |record: &&Record| {
            record.journey_type == application.journey_type
                && record.keys().contains(&key)
                && record.blocks(application.millis)
        };
        let granted = self.0.iter().filter(|record| record.uuid.is_some()).filter(on_key);
        if let Some(first) = granted.max_by_key(|r| (r.millis, r.operator == operator, r.uuid, r.operator)) {
            return KeyGiven::Blocked(first.in_the_way());
        }
        let late = self.0.iter().filter(|record| record.uuid.is_none()).any(|record| on_key(&record));
        self.0[place].key = Some(key);
        self.0.sort();
        KeyGiven::Given(if late { vec![uuid] } else { Vec::new() })
    }

    /// Gives a specific application an identity key.
    pub fn give_key_to_history(&mut self, row: &HistoryRow, key: usize) -> KeyGiven {
        let contradicted = self.contradicted(row, |record| record.keys().contains(&key));
        let of_key = |r: &&Record| {
            (r.uuid, r.journey_type, r.operator, r.key) == (None, row.journey_type, row.operator, Some(key))
        };
        let dates: BTreeSet<i64> = self.0.iter().filter(of_key).map(|record| record.millis).collect();
        let same_date = |r: &&Record| of_key(r) && r.millis == row.millis || row.is(r);
        let same: Vec<&Record> = self.0.iter().filter(same_date).collect();
        let rows = same.iter().map(|record| record.rows.len()).sum::<usize>()
            + usize::from(same.iter().any(|record| record.more));
        let too_many = !dates.contains(&row.millis) && dates.len() >= MOST_DATES || rows > MOST_ROWS_OF_KEY;
        let Some(known) = self.0.iter_mut().find(|record| row.is(record)) else { return KeyGiven::Unknown };
        let given = match known.key {
            Some(other) if other == key => KeyGiven::AlreadyHas,
            Some(_) => {
                known.ambiguous = true;
                KeyGiven::HasAnother
            }
            None if too_many => return KeyGiven::TooMany,
            None => {
                known.key = Some(key);
                KeyGiven::Given(contradicted)
            }
        };
        self.0.sort();
        given
    }

    /// Undoes an operator's file. Returns how many applications were removed, and how many stay.
    pub fn undo(&mut self, operator: u32, file: u32) -> (u64, u64) {
        let (mut removed, mut kept) = (0, 0);
        self.0.retain_mut(|record| {
            let listed = record.rows.iter().any(|row| row.0 == file);
            if record.uuid.is_some() || record.operator != operator || !listed {
                return true;
            }
            record.rows.retain(|row| row.0 != file);
            let stays = record.more || !record.rows.is_empty();
            (removed, kept) = if stays { (removed, kept + 1) } else { (removed + 1, kept) };
            stays
        });
        self.0.sort();
        (removed, kept)
    }
}

/// The same time of the same day in an earlier year; 29 February becomes 28 February.
///
/// # Panics
/// For years beyond the tests.
#[must_use]
#[allow(clippy::expect_used)]
pub fn years_before(millis: i64, years: i32) -> i64 {
    let moment = DateTime::<Utc>::from_timestamp_millis(millis).expect("a year of this era");
    let day = moment.date_naive();
    let year = day.year() - years;
    let earlier = NaiveDate::from_ymd_opt(year, day.month(), day.day())
        .or_else(|| NaiveDate::from_ymd_opt(year, 2, 28))
        .expect("a year of this era");
    earlier.and_time(moment.time()).and_utc().timestamp_millis()
}

/// A moment in milliseconds since 1970.
///
/// # Panics
/// If the text is not RFC 3339.
#[must_use]
#[allow(clippy::expect_used)]
pub fn millis(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).expect("RFC 3339").timestamp_millis()
}
