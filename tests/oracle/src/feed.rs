//! The feeds of changes and the lists of applications: what an operator reads about its own applications.
//!
//! A feed holds each new status and each delete, and nothing else: no registration, and no contradiction that history shows late. That is
//! another operator's data.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use cee_eligibility::{ApplicationId, JourneyStatus, JourneyType};

use crate::{Oracle, Record};

/// What happened to an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// Its journey got another status.
    Status {
        /// The status before.
        from: JourneyStatus,
        /// The status now.
        to: JourneyStatus,
    },
    /// Its operator deleted it.
    Deleted,
    /// The registry's team erased its driver.
    Erased,
}

/// An entry of a feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The application.
    pub uuid: ApplicationId,
    /// What happened to it.
    pub kind: EntryKind,
}

/// The statuses of applications, and the feed of each operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Feeds {
    /// The applications that have a journey: their operator and their status.
    statuses: BTreeMap<ApplicationId, (u32, JourneyStatus)>,
    entries: BTreeMap<u32, Vec<Entry>>,
    /// Those of which only a trace is left. They still block their driver.
    erased: Vec<ApplicationId>,
}

impl Feeds {
    /// An operator's feed from its beginning.
    #[must_use]
    pub fn of(&self, operator: u32) -> &[Entry] {
        self.entries.get(&operator).map(Vec::as_slice).unwrap_or_default()
    }

    /// The status of an application that has a journey and is neither deleted nor erased.
    #[must_use]
    pub fn status(&self, uuid: ApplicationId) -> Option<JourneyStatus> {
        self.statuses.get(&uuid).map(|(_, status)| *status)
    }

    /// Whether an operator has deleted an application.
    #[must_use]
    pub fn is_deleted(&self, uuid: ApplicationId) -> bool {
        let deleted = Entry { uuid, kind: EntryKind::Deleted };
        self.entries.values().any(|entries| entries.contains(&deleted))
    }

    /// Whether only a trace of an application is left.
    #[must_use]
    pub fn is_erased(&self, uuid: ApplicationId) -> bool {
        self.erased.contains(&uuid)
    }

    /// An application on a journey with this status is registered.
    pub fn registered(&mut self, uuid: ApplicationId, operator: u32, status: JourneyStatus) {
        self.statuses.insert(uuid, (operator, status));
    }

    /// A later file gives the journey of an application a status. Returns whether the application's status changes.
    pub fn follow(&mut self, uuid: ApplicationId, to: JourneyStatus) -> bool {
        let Some((operator, status)) = self.statuses.get_mut(&uuid) else { return false };
        let from = std::mem::replace(status, to);
        if from != to {
            let entry = Entry { uuid, kind: EntryKind::Status { from, to } };
            self.entries.entry(*operator).or_default().push(entry);
        }
        from != to
    }

    /// An operator deletes its application.
    pub fn deleted(&mut self, uuid: ApplicationId, operator: u32) {
        self.statuses.remove(&uuid);
        self.entries.entry(operator).or_default().push(Entry { uuid, kind: EntryKind::Deleted });
    }

    /// The team erases an operator's application.
    pub fn erased(&mut self, uuid: ApplicationId, operator: u32) {
        self.statuses.remove(&uuid);
        self.erased.push(uuid);
        self.entries.entry(operator).or_default().push(Entry { uuid, kind: EntryKind::Erased });
    }
}

/// What a list of an operator's applications, or an export of them, is limited to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The operator.
    pub operator: u32,
    /// One journey type.
    pub journey_type: Option<JourneyType>,
    /// One status of the journey.
    pub status: Option<JourneyStatus>,
    /// The first moment, in milliseconds since 1970.
    pub from: Option<i64>,
    /// The first moment after the last.
    pub to: Option<i64>,
}

/// The applications in a list, the latest date first. Those of one date are in no order.
#[must_use]
pub fn listed<'a>(oracle: &'a Oracle, feeds: &Feeds, listing: &Listing) -> Vec<&'a Record> {
    let is_shown = |record: &&Record| {
        let Some(uuid) = record.uuid.filter(|uuid| !feeds.is_erased(*uuid)) else { return false };
        record.operator == listing.operator
            && listing.journey_type.is_none_or(|journey_type| journey_type == record.journey_type)
            && listing.status.is_none_or(|status| feeds.status(uuid) == Some(status))
            && listing.from.is_none_or(|from| from <= record.millis)
            && listing.to.is_none_or(|to| record.millis < to)
    };
    let mut shown: Vec<&Record> = oracle.records().iter().filter(is_shown).collect();
    shown.sort_by_key(|record| (Reverse(record.millis), record.uuid));
    shown
}
