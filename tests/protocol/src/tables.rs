//! The tables as the protocol uses them: items, conditional writes, and transactions.
//!
//! Written from `docs/adr/0002` and the expressions in `src/`, without shared code: a mistake in shared code would not be found.

use std::collections::{BTreeMap, BTreeSet};

/// A day. Years are days in the model too, because only order and distance matter.
pub(crate) type Date = i8;

/// A driver's keys: each has an item in the table of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ClaimKey {
    Truncated(u8),
    Licence(u8),
    Identity(u8),
}

/// A driver as one call describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Driver {
    pub(crate) licence: u8,
    pub(crate) truncated: u8,
    /// The caller's identity key.
    pub(crate) key: Option<u8>,
    /// The journey's own identity key, if the caller sends another key or no key.
    pub(crate) journey: Option<u8>,
}

/// The identity keys of one driver: the caller's and the journey's.
pub(crate) type Keys = [Option<u8>; 2];

fn share_key(some: Keys, others: Keys) -> bool {
    some.iter().any(|key| key.is_some() && others.contains(key))
}

/// The exception of rule 3: both sides have an identity key, and they share no key.
pub(crate) fn keys_differ(some: Keys, others: Keys) -> bool {
    some != Keys::default() && others != Keys::default() && !share_key(some, others)
}

impl Driver {
    /// `ClaimKeys::claims`.
    pub(crate) fn claims(self) -> Vec<ClaimKey> {
        let mut claims = vec![ClaimKey::Truncated(self.truncated), ClaimKey::Licence(self.licence)];
        claims.extend(self.keys().into_iter().flatten().map(ClaimKey::Identity));
        claims
    }

    pub(crate) const fn keys(self) -> Keys {
        [self.key, self.journey]
    }

    /// The contract's three rules.
    pub(crate) fn is_same_person(self, other: Self) -> bool {
        self.licence == other.licence
            || share_key(self.keys(), other.keys())
            || (self.truncated == other.truncated && !keys_differ(self.keys(), other.keys()))
    }
}

/// An application's UUID. Each invocation of the register function generates one, so no two invocations have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Uuid {
    pub(crate) client: u8,
    pub(crate) invocation: u8,
}

/// A registered application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Application {
    pub(crate) operator: u8,
    pub(crate) driver: Driver,
    pub(crate) date: Date,
    /// The law under which it was granted. No table stores it, but the invariants need it.
    pub(crate) law: u8,
}

/// The name of a record on a claim item: `a#`, `h#`, `c#`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Record {
    Application(Uuid),
    History { operator: u8, date: Date },
    Copy { operator: u8, date: Date },
}

/// The content of a record. The tag of a specific application is its `k#` attribute.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Entry {
    pub(crate) operator: u8,
    pub(crate) date: Date,
    pub(crate) tags: Keys,
    /// The rows that brought a specific application.
    pub(crate) rows: Vec<u8>,
}

impl Entry {
    pub(crate) fn has_tag(&self) -> bool {
        self.tags != Keys::default()
    }
}

/// The kind of a latest date: `sd`, `sdk`, `sp`, `spk`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Latest {
    Standardized,
    StandardizedWithKey,
    Specific,
    SpecificWithKey,
}

/// The four latest dates of an item.
pub(crate) type LatestDates = [Option<Date>; 4];

/// A claim item. Its stamp is in [`Seen`]: each write sets a new stamp, so it only matters whether the item was written since a call read
/// it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Item {
    pub(crate) records: BTreeMap<Record, Entry>,
    pub(crate) latest: LatestDates,
}

impl Item {
    pub(crate) fn latest(&self, which: Latest) -> Option<Date> {
        self.latest[which as usize]
    }

    /// The latest dates of the records.
    pub(crate) fn latest_of_records(&self) -> LatestDates {
        let mut latest = LatestDates::default();
        for (record, entry) in &self.records {
            let which = match (record, entry.has_tag()) {
                (Record::Application(_), false) => Latest::Standardized,
                (Record::Application(_), true) => Latest::StandardizedWithKey,
                (_, false) => Latest::Specific,
                (_, true) => Latest::SpecificWithKey,
            };
            let latest = &mut latest[which as usize];
            *latest = (*latest).max(Some(entry.date));
        }
        latest
    }

    /// The records that belong to the same person as a driver with these tags.
    pub(crate) fn same_person(&self, tags: Keys) -> impl Iterator<Item = (Record, &Entry)> {
        self.records
            .iter()
            .filter(move |(_, entry)| !keys_differ(tags, entry.tags))
            .map(|(record, entry)| (*record, entry))
    }
}

/// The stamp of a rewrite compared with the stamp of the item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Seen {
    /// There was no item.
    Absent,
    /// The item has not been written since.
    Fresh,
    /// The item has been written since.
    Stale,
}

/// A part of a condition on the latest dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Condition {
    /// `attribute_not_exists(date) OR date < :cutoff`
    Free(Latest, Date),
    /// `attribute_not_exists(date)`
    Missing(Latest),
    /// `attribute_not_exists(date) OR date <= :at`
    AtMost(Latest, Date),
    /// `date > :at`
    Above(Latest, Date),
}

impl Condition {
    fn holds(self, item: &Item) -> bool {
        match self {
            Self::Free(which, cutoff) => item.latest(which).is_none_or(|date| date < cutoff),
            Self::Missing(which) => item.latest(which).is_none(),
            Self::AtMost(which, at) => item.latest(which).is_none_or(|date| date <= at),
            Self::Above(which, at) => item.latest(which).is_some_and(|date| date > at),
        }
    }
}

/// A change of an item since it was read: `records/rewrite.rs`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rewrite {
    pub(crate) key: ClaimKey,
    /// `None`: no condition, which is a seeded fault.
    pub(crate) seen: Option<Seen>,
    pub(crate) set: Vec<(Record, Entry)>,
    pub(crate) remove: Vec<Record>,
    /// `None`: the dates do not change, which is a seeded fault.
    pub(crate) latest: Option<LatestDates>,
    /// The item would be empty.
    pub(crate) delete: bool,
}

/// One write, with its condition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Write {
    /// `Registrar::claim_update`
    Claim { key: ClaimKey, uuid: Uuid, entry: Entry, conditions: Vec<Condition>, latest: Option<(Latest, Date)> },
    /// `HistoryWriter::import_history`
    Import { key: ClaimKey, operator: u8, date: Date, row: u8, newest: bool },
    /// `Change::in_transaction`
    Rewrite(Rewrite),
    /// `Applications::add`
    Put { uuid: Uuid, application: Application },
    /// `Applications::take_out`
    Archive { uuid: Uuid, with_key: bool, leaves_name: bool },
    /// `Applications::fill_key`
    Fill { uuid: Uuid, key: u8, or_to_name: bool },
    /// `IdempotencyRecords::add`
    Remember { name: u8, uuid: Uuid },
    /// The put of `Applications::call_off`. If it finds its own marker, it need not write again.
    CallOff { uuid: Uuid },
}

/// The four tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tables {
    pub(crate) claims: BTreeMap<ClaimKey, Item>,
    pub(crate) applications: BTreeMap<Uuid, Application>,
    /// UUIDs in the table of applications that can no longer be registered: `NameTaken::CalledOff`.
    pub(crate) called_off: BTreeSet<Uuid>,
    /// `NameTaken::Archived`.
    pub(crate) archived: BTreeSet<Uuid>,
    pub(crate) archive: BTreeMap<Uuid, Application>,
    /// The idempotency records: the application of the stored response, by `Idempotency-Key`.
    pub(crate) answers: BTreeMap<u8, Uuid>,
}

impl Tables {
    /// Writes all or nothing. If nothing, returns which conditions failed. `ALL_OLD` returns the items at this moment.
    pub(crate) fn transact(&mut self, writes: &[Write]) -> Result<(), Vec<bool>> {
        let lost: Vec<bool> = writes.iter().map(|write| !self.condition_holds(write)).collect();
        if lost.contains(&true) {
            return Err(lost);
        }
        writes.iter().for_each(|write| self.write(write));
        Ok(())
    }

    fn condition_holds(&self, write: &Write) -> bool {
        let nothing = Item::default();
        let item = |key: &ClaimKey| self.claims.get(key).unwrap_or(&nothing);
        match write {
            Write::Claim { key, conditions, .. } => conditions.iter().all(|condition| condition.holds(item(key))),
            Write::Import { key, operator, date, row, newest } => {
                let item = item(key);
                let record = item.records.get(&Record::History { operator: *operator, date: *date });
                let unlisted = record.is_none_or(|record| !record.rows.contains(row) && !record.has_tag());
                let latest = if *newest {
                    Condition::AtMost(Latest::Specific, *date)
                } else {
                    Condition::Above(Latest::Specific, *date)
                };
                unlisted && latest.holds(item)
            }
            Write::Rewrite(rewrite) => match rewrite.seen {
                None | Some(Seen::Fresh) => true,
                Some(Seen::Absent) => !self.claims.contains_key(&rewrite.key),
                Some(Seen::Stale) => false,
            },
            Write::Put { uuid, .. } => !self.has_been(uuid) && !self.called_off.contains(uuid),
            Write::CallOff { uuid } => !self.has_been(uuid),
            Write::Archive { uuid, with_key, .. } => {
                self.applications.get(uuid).is_some_and(|application| application.driver.key.is_some() == *with_key)
            }
            Write::Fill { uuid, or_to_name, .. } => {
                let without_key =
                    self.applications.get(uuid).is_some_and(|application| application.driver.key.is_none());
                without_key || *or_to_name && self.archived.contains(uuid)
            }
            Write::Remember { name, .. } => !self.answers.contains_key(name),
        }
    }

    /// Whether the table of applications shows that this application was written.
    pub(crate) fn has_been(&self, uuid: &Uuid) -> bool {
        self.applications.contains_key(uuid) || self.archived.contains(uuid)
    }

    fn write(&mut self, write: &Write) {
        match write {
            Write::Claim { key, uuid, entry, latest, .. } => {
                let item = self.claims.entry(*key).or_default();
                item.records.insert(Record::Application(*uuid), entry.clone());
                if let Some((which, date)) = *latest {
                    item.latest[which as usize] = Some(date);
                }
            }
            Write::Import { key, operator, date, row, newest } => {
                let item = self.claims.entry(*key).or_default();
                let record = Record::History { operator: *operator, date: *date };
                let none = Entry { operator: *operator, date: *date, tags: Keys::default(), rows: Vec::new() };
                item.records.entry(record).or_insert(none).rows.push(*row);
                if *newest {
                    item.latest[Latest::Specific as usize] = Some(*date);
                }
            }
            Write::Rewrite(rewrite) if rewrite.delete => {
                self.claims.remove(&rewrite.key);
            }
            Write::Rewrite(rewrite) => {
                let item = self.claims.entry(rewrite.key).or_default();
                item.records.extend(rewrite.set.iter().cloned());
                item.records.retain(|record, _| !rewrite.remove.contains(record));
                item.latest = rewrite.latest.unwrap_or(item.latest);
            }
            Write::Put { uuid, application } => {
                self.applications.insert(*uuid, *application);
            }
            Write::Archive { uuid, leaves_name, .. } => {
                self.archived.extend(leaves_name.then_some(*uuid));
                let application = self.applications.remove(uuid);
                self.archive.extend(application.map(|application| (*uuid, application)));
            }
            Write::Fill { uuid, key, .. } => {
                if let Some(application) = self.applications.get_mut(uuid) {
                    application.driver.key = Some(*key);
                }
            }
            Write::Remember { name, uuid } => {
                self.answers.insert(*name, *uuid);
            }
            Write::CallOff { uuid } => {
                self.called_off.insert(*uuid);
            }
        }
    }
}

impl Write {
    /// The claim item that gets a new stamp.
    pub(crate) fn claim_key(&self) -> Option<ClaimKey> {
        match self {
            Self::Claim { key, .. } | Self::Import { key, .. } => Some(*key),
            Self::Rewrite(rewrite) => Some(rewrite.key),
            _ => None,
        }
    }

    /// Another call wrote this item.
    pub(crate) fn outdate(&mut self, key: ClaimKey) {
        if let Self::Rewrite(rewrite) = self
            && rewrite.key == key
            && rewrite.seen == Some(Seen::Fresh)
        {
            rewrite.seen = Some(Seen::Stale);
        }
    }
}
