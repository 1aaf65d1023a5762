//! The registry as the contract tells it: a list of applications in memory, all of which are looked at each time.
//!
//! It is written from the contract and shares no rule with what it judges: it counts years by itself, and knows neither
//! tables nor claims. The store is compared with it step by step (`shared/registry/tests/store/model.rs`), the service by whether
//! some order of the calls explains every answer ([`linear`]).
//!
//! Names, phones, licences and identity keys are numbers here: which is which is for the test to say. [`typed`] writes one in any
//! of the forms that the contract reads as the same.

use std::collections::BTreeSet;

use cee_eligibility::{ApplicationId, JourneyType, Reason};
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};

pub mod linear;
pub mod typed;

/// Of one specific application, how many rows are remembered that brought it.
const MOST_ROWS: usize = 4;

/// How many dates of one driver and journey type an operator has in the history at most.
const MOST_DATES: usize = 20;

/// How many live applications an operator has at most for one name, truncated phone and journey type.
const MOST_GRANTED: usize = 20;

/// How many rows may have brought the dates that are equal under one identity key.
const MOST_ROWS_OF_KEY: usize = 20;

/// What a call says of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Driver {
    /// The three letters of the name.
    pub name: usize,
    /// The phone less two digits.
    pub phone: usize,
    /// The licence, where it is sent.
    pub license: Option<usize>,
    /// The identity key, where it is sent.
    pub key: Option<usize>,
    /// The own identity key of the journey, where it has one. Only a short application has a journey.
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
    /// Which certificate.
    pub journey_type: JourneyType,
    /// Whose, by name and phone.
    pub name: usize,
    /// Likewise.
    pub phone: usize,
    /// The licence, of a granted one.
    pub license: Option<usize>,
    /// The identity key, where one was sent or given.
    pub key: Option<usize>,
    /// The journey's own identity key, of a granted short one.
    pub journey_key: Option<usize>,
    /// Its date, in milliseconds since 1970.
    pub millis: i64,
    /// Who sent it.
    pub operator: u32,
    /// The journey, by its number among its operator's, of a granted short one.
    pub journey: Option<usize>,
    /// Its name, of a granted one. `None`: a specific one.
    pub uuid: Option<ApplicationId>,
    /// Of a specific one, the rows that brought it: file and line.
    pub rows: Vec<(u32, usize)>,
    /// Whether there were more of them than are remembered.
    pub more: bool,
    /// Of a specific one: whether another key came for it, too.
    pub ambiguous: bool,
}

impl Record {
    /// The identity keys that are known of its driver.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<usize> {
        self.key.into_iter().chain(self.journey_key).collect()
    }

    /// The keys by which it is told apart on its truncated identity: not where it may stand for several drivers.
    fn compared_keys(&self) -> BTreeSet<usize> {
        let mut files: Vec<u32> = self.rows.iter().map(|row| row.0).collect();
        files.sort_unstable();
        let several = self.ambiguous || files.windows(2).any(|pair| pair[0] == pair[1]);
        if several { BTreeSet::new() } else { self.keys() }
    }

    /// Whether it is the same person by this key.
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

    /// Whether it stands in the way of a new application of this date.
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

/// What the same person is known by.
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

/// Who asks for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asking {
    /// Which certificate.
    pub journey_type: JourneyType,
    /// For whom.
    pub driver: Driver,
    /// The date of the new application, in milliseconds since 1970.
    pub millis: i64,
    /// Who asks.
    pub operator: u32,
}

/// An application that stands in the way of a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InTheWay {
    /// Its date.
    pub millis: i64,
    /// Why it stands in the way.
    pub reason: Reason,
    /// Whose it is.
    pub operator: u32,
    /// Its name, of a granted one.
    pub uuid: Option<ApplicationId>,
}

/// A row of history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HistoryRow {
    /// Which certificate.
    pub journey_type: JourneyType,
    /// Whose, by name and phone.
    pub name: usize,
    /// Likewise.
    pub phone: usize,
    /// The date, in milliseconds since 1970.
    pub millis: i64,
    /// Who sends it.
    pub operator: u32,
}

impl HistoryRow {
    fn is(&self, record: &Record) -> bool {
        (record.uuid, record.journey_type, record.name, record.phone, record.millis, record.operator)
            == (None, self.journey_type, self.name, self.phone, self.millis, self.operator)
    }
}

/// What comes of a row of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Imported {
    /// It counts from now on. These granted applications contradict it.
    New(Vec<ApplicationId>),
    /// Its operator sent it before.
    Known,
    /// Its operator has as many dates of the driver as there may be.
    TooMany,
}

/// What comes of giving an identity key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyGiven {
    /// It is given. These granted applications contradict what is known now.
    Given(Vec<ApplicationId>),
    /// It had this very key.
    AlreadyHas,
    /// This operator has no such application.
    Unknown,
    /// It has another key.
    HasAnother,
    /// With this key it would be the second of the same person.
    Blocked(InTheWay),
    /// The operator has as many dates under this key as there may be, or too many rows brought this one.
    TooMany,
}

/// All applications there are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Oracle(Vec<Record>);

impl Oracle {
    /// All of them, in an order that does not depend on how they came about.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.0
    }

    /// What stands in the way by these keys, the one that a refusal names last.
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

    /// The application that a journey carries.
    #[must_use]
    pub fn carried(&self, operator: u32, journey: usize) -> Option<InTheWay> {
        let carries = |record: &&Record| record.operator == operator && record.journey == Some(journey);
        self.0.iter().find(carries).map(Record::in_the_way)
    }

    /// Grants an application. Whether it may be granted is asked before.
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

    /// The granted applications that a row of history would have blocked, of those that are the same person.
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

    /// Whether an operator has as many live applications for this name and phone as there may be. Asked where nothing is in the
    /// way.
    #[must_use]
    pub fn is_full(&self, asking: &Asking) -> bool {
        let Asking { journey_type, driver: Driver { name, phone, .. }, operator, .. } = *asking;
        let same = |r: &&Record| (r.journey_type, r.name, r.phone, r.operator) == (journey_type, name, phone, operator);
        self.0.iter().filter(|record| record.uuid.is_some()).filter(same).count() >= MOST_GRANTED
    }

    /// Imports a row, which is this line of this file.
    pub fn import(&mut self, row: &HistoryRow, file: u32, line: usize) -> Imported {
        if let Some(known) = self.0.iter_mut().find(|record| row.is(record)) {
            match known.rows.len() < MOST_ROWS {
                true => known.rows.push((file, line)),
                // An undo of a file that is remembered takes what is not.
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

    /// Deletes an application, and says whether this operator has it.
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
        // The journey's own key is none that the operator gave.
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

    /// Takes back what an operator's file brought: how many applications go, and how many stay.
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

/// A moment of an earlier year, at the same time of the same day; 29 February counts back to 28 February.
///
/// # Panics
/// For years that no test reaches.
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
/// Where it is not RFC 3339.
#[must_use]
#[allow(clippy::expect_used)]
pub fn millis(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).expect("RFC 3339").timestamp_millis()
}
