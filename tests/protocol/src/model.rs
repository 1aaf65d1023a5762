//! The claim protocol as a state machine: calls in progress, each one request at a time, and everything that can happen to them.
//!
//! Other calls cannot see what a function does between two requests, so that is one step with the next request. A request and its
//! response are one step too, unless there is a mishap in between. So a 201 counts as sent from the earliest possible moment, which is
//! the strictest for the invariants. A call that never continues is a crash. Every state in which a call has not continued is checked.

pub(crate) mod properties;

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Model, Property};

use crate::tables::{
    Application, ClaimKey, Condition, Date, Driver, Entry, Item, Keys, Latest, Record, Rewrite, Seen, Tables, Uuid,
    Write, keys_differ,
};

/// A fault that is put into the protocol. The checker must find it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A registration without the condition on `sd`.
    DropStandardized,
    /// A registration without the conditions on `sdk` and `spk`, which apply if the caller sends no identity key.
    DropWithKey,
    /// A registration without the conditions on `sp` and `spk`.
    DropSpecific,
    /// `attribute_not_exists` instead of dates and cut-offs.
    NotExistsOnly,
    /// The stored date is the end of the window under the law of that time.
    StoredExpiry,
    /// A registration sends each write by itself.
    SplitTransaction,
    ForgetTruncated,
    ForgetLicence,
    ForgetIdentity,
    /// With two identity keys, only the caller's is claimed.
    ForgetJourneyKey,
    /// A delete leaves the claim on the journey's own identity key.
    DeleteForgetsJourneyKey,
    /// A key that is given replaces the journey's own key in the record on the truncated identity.
    GivenKeyAlone,
    /// A delete writes even if the item has changed since it was read.
    DeleteWithoutStamp,
    /// A delete does not change the latest dates.
    DeleteKeepsLatest,
    /// A key is given without a check whether another application has it.
    GiveKeyUnchecked,
    /// A call treats its own record as a blocking application.
    OwnRecordUnknown,
    /// A call that gives a key does not see that another call has given it, and does not read the application again.
    OwnKeyUnknown,
    /// A key is refused without a second read of the application.
    KeyRefusedAtOnce,
    /// A call that gives a key forgets that one of its tries may have been written.
    KeyDenied,
    /// A key is given to the marker that a deleted application has left.
    KeyToName,
    /// A key is refused while a try to give it may still be written.
    KeyNotCalledOff,
}

/// The remedies of the code against late requests, each of which can be switched off: the revived and the refused application of
/// `docs/protocol.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// A delete starts again if an item that it read lacks its application's record.
    WholeDelete,
    /// A registration with a try of unknown outcome takes its application's UUID before it reports a refusal.
    CallOff,
    /// A deleted application's UUID stays taken.
    KeepName,
}

/// One call of one operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    /// `name`: its `Idempotency-Key`.
    Register {
        driver: Driver,
        date: Date,
        name: Option<u8>,
    },
    Import {
        truncated: u8,
        date: Date,
    },
    /// A delete of any application that this operator knows.
    Delete,
    /// A key for any application that this operator knows.
    GiveKey {
        key: u8,
    },
    GiveHistoryKey {
        truncated: u8,
        date: Date,
        key: u8,
    },
}

/// The response of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Created(How),
    /// 409, with the keys by which it was blocked (truncated identity, licence, identity key), and whether the reported application is
    /// history.
    Blocked {
        by: [bool; 3],
        history: bool,
    },
    Imported,
    Deleted,
    Given,
    /// Another application within the window has the identity key.
    KeyBlocked,
    /// It had a key.
    HasKey,
    /// 404
    Unknown,
    /// 500: the outcome of a try is unknown and can no longer be found out.
    NotKnown,
    /// 500: conditions failed without a reason.
    Unexplained,
}

/// How a call learned that it is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum How {
    Written,
    /// A second request found its own record.
    OwnRecord,
    /// A second request found its own application, or the marker that it left when it was deleted.
    OwnName,
    /// A try was written before it was called off.
    Late,
    /// The `Idempotency-Key` has a record.
    Remembered,
}

/// An item as it was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Read {
    key: ClaimKey,
    item: Option<Item>,
    /// The item was written after this read.
    stale: bool,
    /// A ghost variable: the application that was to get a key was gone at this read, or had a key.
    late: bool,
}

impl Read {
    fn seen(&self) -> Seen {
        match (&self.item, self.stale) {
            (None, _) => Seen::Absent,
            (Some(_), false) => Seen::Fresh,
            (Some(_), true) => Seen::Stale,
        }
    }

    /// `KeyGiver::call_off_changes`: the item as it was read, with a new stamp.
    fn touched(&self) -> Write {
        let item = self.item.clone().unwrap_or_default();
        Write::Rewrite(Rewrite {
            key: self.key,
            seen: Some(self.seen()),
            set: Vec::new(),
            remove: Vec::new(),
            latest: Some(item.latest_of_records()),
            delete: item.records.is_empty(),
        })
    }
}

/// A request in progress, and how its sender interprets a response.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    client: u8,
    writes: Vec<Write>,
    sender: Sender,
}

/// The state that the sending code keeps with its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sender {
    /// The law at the beginning of the call, and `LatestWithKey::Keep`.
    Register {
        law: u8,
        keep: bool,
    },
    Import {
        newest: bool,
    },
    Rewrite,
    /// A registration that is to be refused, with this response.
    CallOff {
        refusal: Answered,
    },
    /// A key that is to be refused.
    CallOffChanges,
}

/// The progress of a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// The next request is its first.
    Begin,
    /// The next request is its write.
    Ready(Sender),
    /// It has read an application and some of its items.
    Reading {
        application: Option<Application>,
        reads: Vec<Read>,
    },
    /// The next request is this one, made from the items that were read.
    Sending(Request),
    /// The outcome of its request is unknown.
    Unsure(Request),
    /// The first `done` writes of a split transaction are written: a seeded fault.
    Split {
        request: Request,
        done: u8,
    },
    Done(Answer),
}

/// A call in progress.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Client {
    pub(crate) operator: u8,
    pub(crate) call: Call,
    /// How often the operator has sent the call before, because there was no response.
    invocation: u8,
    /// The application that the call is about.
    target: Option<Uuid>,
    /// Whether a try of a delete, a key or a registration may have been written or may still be.
    perhaps: bool,
    place: Place,
}

impl Client {
    pub(crate) fn new(operator: u8, call: Call) -> Self {
        let place = Place::Begin;
        Self { operator, call, invocation: 0, target: None, perhaps: false, place }
    }

    /// The call continues without knowing the outcome of its request.
    fn unsure(&mut self) {
        self.perhaps |= matches!(self.call, Call::Delete | Call::GiveKey { .. } | Call::Register { .. });
    }
}

/// The windows of a law, in days: for standardized and for specific applications.
const LAWS: [(Date, Date); 2] = [(2, 1), (3, 2)];

/// Violations that the ghost variables have seen, which a state alone does not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Wrong {
    /// Granted although a standardized application blocked it under the law of the call.
    doubled: bool,
    /// Granted although history blocked it.
    against_history: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    tables: Tables,
    clients: Vec<Client>,
    /// Requests whose sender no longer waits. They may be written at any moment, or never.
    late: Vec<Request>,
    law: u8,
    /// The number of mishaps that may still happen.
    mishaps: u8,
    /// Every 201 that was sent, with its content.
    sent: BTreeMap<Uuid, Application>,
    /// The applications that their operators know, from a 201 or from their own 409.
    told: BTreeSet<Uuid>,
    wrong: Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The call sends its next request and gets the response.
    Step(usize),
    /// The call chooses this application and reads it.
    Choose(usize, Uuid),
    /// The request is written and its response is lost.
    LoseAnswer(usize),
    /// The request takes longer than its sender waits.
    Delay(usize),
    /// A late request is written.
    Arrive(usize),
    /// The same request is sent again: a single conditional write by the SDK, a transaction by the loop of a registration.
    Resend(usize),
    /// The SDK got a contention error or gave up, and the function retries.
    TryAgain(usize),
    /// The function crashed, or its response was lost, and the operator sends the call again.
    CallAgain(usize),
    /// The windows have another length from now on.
    ChangeLaw,
}

/// The scope of an exploration: some concurrent calls, and what may happen to them.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) starts: Vec<Vec<Client>>,
    pub(crate) mishaps: u8,
    pub(crate) law_changes: bool,
    pub(crate) fault: Option<Fault>,
    /// The remedies against late requests.
    pub(crate) remedies: &'static [Remedy],
    /// Whether to continue from states in which a deleted application has come back.
    pub(crate) revived: bool,
    /// The examples that must occur.
    pub(crate) examples: &'static [&'static str],
}

impl Protocol {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn mended(&self, remedy: Remedy) -> bool {
        self.remedies.contains(&remedy)
    }

    /// `Registrar::transaction` and `Registrar::claim_update`.
    fn register(&self, client: u8, state: &Client, law: u8, keep: bool) -> Vec<Write> {
        let Call::Register { driver, date, name } = state.call else { return Vec::new() };
        let uuid = Uuid { client, invocation: state.invocation };
        let operator = state.operator;
        let (standardized, specific) = LAWS[usize::from(law)];
        let (standardized, specific) = (date - standardized, date - specific);
        let free_of = |which, cutoff| match self.fault {
            Some(Fault::NotExistsOnly) => Condition::Missing(which),
            // The stored value is one day before the first day that is free again.
            Some(Fault::StoredExpiry) => Condition::Free(which, date),
            _ => Condition::Free(which, cutoff),
        };
        let mut writes = Vec::new();
        for key in driver.claims() {
            let forgotten = match key {
                ClaimKey::Truncated(_) => Fault::ForgetTruncated,
                ClaimKey::Licence(_) => Fault::ForgetLicence,
                ClaimKey::Identity(_) => Fault::ForgetIdentity,
            };
            let of_journey = driver.journey.map(ClaimKey::Identity) == Some(key);
            if self.has(forgotten) || of_journey && self.has(Fault::ForgetJourneyKey) {
                continue;
            }
            let mut conditions = vec![free_of(Latest::Standardized, standardized), free_of(Latest::Specific, specific)];
            let truncated = matches!(key, ClaimKey::Truncated(_));
            let latest = match (truncated, driver.keys() != Keys::default()) {
                (true, true) if keep => {
                    conditions.push(Condition::Above(Latest::StandardizedWithKey, date));
                    None
                }
                (true, true) => {
                    conditions.push(Condition::AtMost(Latest::StandardizedWithKey, date));
                    Some(Latest::StandardizedWithKey)
                }
                (true, false) => {
                    conditions.push(free_of(Latest::StandardizedWithKey, standardized));
                    conditions.push(free_of(Latest::SpecificWithKey, specific));
                    Some(Latest::Standardized)
                }
                (false, _) => Some(Latest::Standardized),
            };
            conditions.retain(|condition| {
                let (Condition::Free(which, _) | Condition::Missing(which)) = condition else { return true };
                let dropped: &[Latest] = match self.fault {
                    Some(Fault::DropStandardized) => &[Latest::Standardized],
                    Some(Fault::DropWithKey) => &[Latest::StandardizedWithKey, Latest::SpecificWithKey],
                    Some(Fault::DropSpecific) => &[Latest::Specific, Latest::SpecificWithKey],
                    _ => &[],
                };
                !dropped.contains(which)
            });
            let stored = if self.has(Fault::StoredExpiry) { date + LAWS[usize::from(law)].0 } else { date };
            let latest = latest.map(|which| (which, stored));
            let tags = if truncated { driver.keys() } else { Keys::default() };
            let entry = Entry { operator, date, tags, rows: Vec::new() };
            writes.push(Write::Claim { key, uuid, entry, conditions, latest });
        }
        writes.push(Write::Put { uuid, application: Application { operator, driver, date, law } });
        writes.extend(name.map(|name| Write::Remember { name, uuid }));
        writes
    }

    /// `Registering::decode`. `Err`: try with the other update.
    fn decode(&self, tables: &Tables, state: &Client, request: &Request, lost: &[bool]) -> Result<Answered, bool> {
        let (Call::Register { driver, date, .. }, Sender::Register { law, keep }) = (state.call, request.sender) else {
            return Ok(Answered::only(Answer::Unexplained));
        };
        let (standardized, specific) = LAWS[usize::from(law)];
        let nothing = Item::default();
        let mut fitting = keep;
        let mut by = [false; 3];
        // (date, is a duplicate, is the operator's own, its UUID)
        let mut latest: Option<(Date, bool, bool, Option<Uuid>)> = None;
        for (write, _) in request.writes.iter().zip(lost).filter(|(_, lost)| **lost) {
            let Write::Claim { key, uuid, .. } = write else { continue };
            let item = tables.claims.get(key).unwrap_or(&nothing);
            if item.records.contains_key(&Record::Application(*uuid)) && !self.has(Fault::OwnRecordUnknown) {
                return Ok(Answered::created(How::OwnRecord, *uuid));
            }
            let (kind, tags) = match key {
                ClaimKey::Truncated(_) => (0, driver.keys()),
                ClaimKey::Licence(_) => (1, Keys::default()),
                ClaimKey::Identity(_) => (2, Keys::default()),
            };
            for (record, entry) in item.same_person(tags) {
                let (window, name) = match record {
                    Record::Application(uuid) => (standardized, Some(uuid)),
                    Record::History { .. } | Record::Copy { .. } => (specific, None),
                };
                if entry.date >= date - window {
                    by[kind] = true;
                    latest = latest.max(Some((entry.date, name.is_some(), entry.operator == state.operator, name)));
                }
            }
            if kind == 0 && driver.keys() != Keys::default() {
                fitting = item.latest(Latest::StandardizedWithKey).is_some_and(|known| known > date);
            }
        }
        for (write, _) in request.writes.iter().zip(lost).filter(|(_, lost)| **lost) {
            if let Write::Put { uuid, .. } = write
                && tables.has_been(uuid)
                && !self.has(Fault::OwnRecordUnknown)
            {
                return Ok(Answered::created(How::OwnName, *uuid));
            }
            if let Write::Remember { name, .. } = write
                && let Some(uuid) = tables.answers.get(name)
            {
                return Ok(Answered::created(How::Remembered, *uuid));
            }
        }
        if let Some((_, duplicate, its_own, name)) = latest {
            let itself = Uuid { client: request.client, invocation: state.invocation };
            if name == Some(itself) {
                return Ok(Answered::only(Answer::Unexplained));
            }
            let told = name.filter(|_| its_own);
            return Ok(Answered { answer: Answer::Blocked { by, history: !duplicate }, sent: None, told });
        }
        if fitting != keep {
            return Err(fitting);
        }
        Ok(Answered::only(Answer::Unexplained))
    }

    /// The writes of a call that has read everything it needs, or its response without a write.
    fn rewrite(&self, client: &Client, application: Option<Application>, reads: &[Read]) -> Result<Vec<Write>, Answer> {
        let change = |read: &Read, set: Vec<(Record, Entry)>, remove: Vec<Record>| {
            let mut after = read.item.clone().unwrap_or_default();
            after.records.extend(set.iter().cloned());
            after.records.retain(|record, _| !remove.contains(record));
            let seen = read.seen();
            let is_delete = client.call == Call::Delete;
            Write::Rewrite(Rewrite {
                key: read.key,
                seen: (!(is_delete && self.has(Fault::DeleteWithoutStamp))).then_some(seen),
                set,
                remove,
                latest: (!(is_delete && self.has(Fault::DeleteKeepsLatest))).then(|| after.latest_of_records()),
                delete: after.records.is_empty(),
            })
        };
        let nothing = Item::default();
        match (client.call, application, client.target, reads) {
            (Call::Delete, Some(application), Some(uuid), _) => {
                let record = Record::Application(uuid);
                let holds = |read: &&Read| read.item.as_ref().is_some_and(|item| item.records.contains_key(&record));
                if self.mended(Remedy::WholeDelete) && !reads.iter().all(|read| holds(&read)) {
                    return Err(Answer::Unknown);
                }
                let left = application.driver.journey.filter(|_| self.has(Fault::DeleteForgetsJourneyKey));
                let goes = |read: &&Read| left.map(ClaimKey::Identity) != Some(read.key);
                let mut writes: Vec<_> = reads
                    .iter()
                    .filter(holds)
                    .filter(goes)
                    .map(|read| change(read, Vec::new(), vec![record]))
                    .collect();
                let (with_key, leaves_name) = (application.driver.key.is_some(), self.mended(Remedy::KeepName));
                writes.push(Write::Archive { uuid, with_key, leaves_name });
                Ok(writes)
            }
            (Call::GiveKey { key }, Some(application), Some(uuid), [here, there]) => {
                let Application { operator, date, .. } = application;
                let there_item = there.item.as_ref().unwrap_or(&nothing);
                let record = Record::Application(uuid);
                let its_own = there_item.records.contains_key(&record);
                if its_own && !self.has(Fault::OwnKeyUnknown) {
                    return Err(Answer::Unknown);
                }
                // Such calls and a change of the law are not explored together.
                let blocks = |(record, entry): (Record, &Entry)| {
                    matches!(record, Record::Application(_)) && entry.date >= date - LAWS[0].0
                };
                if there_item.same_person(Keys::default()).any(blocks) && !self.has(Fault::GiveKeyUnchecked) {
                    // A refusal must not be caused by the driver's own application, nor by an application that was registered after the
                    // own one was gone.
                    let is_wrong = its_own || there.late;
                    return Err(if is_wrong { Answer::Unexplained } else { Answer::KeyBlocked });
                }
                let entry = |tags| Entry { operator, date, tags, rows: Vec::new() };
                let journey = application.driver.journey.filter(|_| !self.has(Fault::GivenKeyAlone));
                Ok(vec![
                    change(here, vec![(record, entry([Some(key), journey]))], Vec::new()),
                    change(there, vec![(record, entry(Keys::default()))], Vec::new()),
                    Write::Fill { uuid, key, or_to_name: self.has(Fault::KeyToName) },
                ])
            }
            (Call::GiveHistoryKey { date, key, .. }, _, _, [here, there]) => {
                let operator = client.operator;
                let record = Record::History { operator, date };
                let found = here.item.as_ref().and_then(|item| item.records.get(&record)).ok_or(Answer::Unknown)?;
                if found.has_tag() {
                    return Err(Answer::HasKey);
                }
                let there_item = there.item.as_ref().unwrap_or(&nothing);
                let copy = Record::Copy { operator, date };
                let mut rows = there_item.records.get(&copy).map_or(Vec::new(), |copy| copy.rows.clone());
                rows.extend(found.rows.iter().filter(|row| !rows.contains(row)).copied().collect::<Vec<_>>());
                let entry = |tags, rows| Entry { operator, date, tags, rows };
                Ok(vec![
                    change(here, vec![(record, entry([Some(key), None], found.rows.clone()))], Vec::new()),
                    change(there, vec![(copy, entry(Keys::default(), rows))], Vec::new()),
                ])
            }
            _ => Err(Answer::Unknown),
        }
    }

    /// The claim items that a call reads, one after the other, because `BatchGetItem` is not a snapshot.
    fn reads(call: Call, application: Option<Application>) -> Vec<ClaimKey> {
        match (call, application) {
            (Call::Delete, Some(application)) => application.driver.claims(),
            (Call::GiveKey { key }, Some(application)) => {
                vec![ClaimKey::Truncated(application.driver.truncated), ClaimKey::Identity(key)]
            }
            (Call::GiveHistoryKey { truncated, key, .. }, _) => {
                vec![ClaimKey::Truncated(truncated), ClaimKey::Identity(key)]
            }
            _ => Vec::new(),
        }
    }

    /// The next write of a call, if a write is its next step, or its response without a write.
    fn next_write(&self, state: &State, number: usize) -> Option<Result<Request, Answer>> {
        let client = &state.clients[number];
        let name = u8::try_from(number).unwrap_or(u8::MAX);
        let request = |writes, sender| Request { client: name, writes, sender };
        match &client.place {
            Place::Ready(sender @ Sender::Register { law, keep }) => {
                Some(Ok(request(self.register(name, client, *law, *keep), *sender)))
            }
            Place::Ready(sender @ Sender::Import { newest }) => {
                let Call::Import { truncated, date } = client.call else { return None };
                let (key, operator, newest) = (ClaimKey::Truncated(truncated), client.operator, *newest);
                Some(Ok(request(vec![Write::Import { key, operator, date, row: name, newest }], *sender)))
            }
            // `Applications::call_off`
            Place::Ready(sender @ Sender::CallOff { .. }) => {
                let uuid = Uuid { client: name, invocation: client.invocation };
                Some(Ok(request(vec![Write::CallOff { uuid }], *sender)))
            }
            Place::Sending(request) => Some(Ok(request.clone())),
            Place::Reading { application, reads } if reads.len() == Self::reads(client.call, *application).len() => {
                let writes = self.rewrite(client, *application, reads);
                Some(writes.map(|writes| request(writes, Sender::Rewrite)))
            }
            _ => None,
        }
    }

    /// Carries a request out, and updates the stamps of the other calls and the ghost variables.
    fn carry_out(state: &mut State, request: &Request) -> Result<(), Vec<bool>> {
        let before = state.tables.clone();
        state.tables.transact(&request.writes)?;
        state.wrote(&before, &request.writes);
        Ok(())
    }

    /// The call gets this response to its request.
    fn answer(&self, state: &mut State, number: usize, request: &Request, outcome: Result<(), Vec<bool>>) {
        let client = &state.clients[number];
        let answered = match (outcome, request.sender) {
            (Ok(()), Sender::Register { .. }) => {
                let own = Uuid { client: request.client, invocation: client.invocation };
                Answered::created(How::Written, own)
            }
            (Ok(()), Sender::CallOff { refusal }) => refusal,
            (Err(_), Sender::CallOff { .. }) => {
                let own = Uuid { client: request.client, invocation: client.invocation };
                Answered::created(How::Late, own)
            }
            (Ok(()), Sender::Import { .. }) => Answered::only(Answer::Imported),
            (Ok(()), Sender::Rewrite) if client.call == Call::Delete => Answered::only(Answer::Deleted),
            (Ok(()), Sender::Rewrite) => Answered::only(Answer::Given),
            (Ok(()), Sender::CallOffChanges) => Answered::only(Answer::KeyBlocked),
            (Err(lost), Sender::Register { law, .. }) => match self.decode(&state.tables, client, request, &lost) {
                Ok(refusal) if refusal.is_refusal() && client.perhaps && self.mended(Remedy::CallOff) => {
                    state.clients[number].place = Place::Ready(Sender::CallOff { refusal });
                    return;
                }
                Ok(answered) => answered,
                Err(keep) => {
                    state.clients[number].place = Place::Ready(Sender::Register { law, keep });
                    return;
                }
            },
            (Err(_), Sender::Import { newest }) => {
                let Call::Import { truncated, date } = client.call else { return };
                let item = state.tables.claims.get(&ClaimKey::Truncated(truncated));
                let record = Record::History { operator: client.operator, date };
                let found = item.and_then(|item| item.records.get(&record));
                let listed = found.is_some_and(|found| found.rows.contains(&request.client) || found.has_tag());
                let latest = item.and_then(|item| item.latest(Latest::Specific));
                let fitting = latest.is_none_or(|known| known <= date);
                if listed {
                    Answered::only(Answer::Imported)
                } else if fitting == newest {
                    Answered::only(Answer::Unexplained)
                } else {
                    state.clients[number].place = Place::Ready(Sender::Import { newest: fitting });
                    return;
                }
            }
            (Err(_), Sender::Rewrite | Sender::CallOffChanges) => {
                state.clients[number].place = Place::Begin;
                return;
            }
        };
        state.answered(number, answered);
    }

    /// The first request of a call that reads first.
    fn read_first(&self, state: &mut State, number: usize) {
        let client = &state.clients[number];
        let place = match (client.call, client.target) {
            (Call::Register { name: Some(name), .. }, _) if state.tables.answers.contains_key(&name) => {
                let uuid = state.tables.answers[&name];
                return state.answered(number, Answered::created(How::Remembered, uuid));
            }
            (Call::Register { .. }, _) => Place::Ready(Sender::Register { law: state.law, keep: false }),
            (Call::Import { .. }, _) => Place::Ready(Sender::Import { newest: true }),
            (Call::GiveHistoryKey { .. }, _) => Place::Reading { application: None, reads: Vec::new() },
            (Call::Delete | Call::GiveKey { .. }, Some(uuid)) => {
                let application = state.tables.applications.get(&uuid).copied();
                let is_full = |driver: Driver| match client.call {
                    Call::GiveKey { key } => driver.key.is_some() || driver.journey == Some(key),
                    _ => false,
                };
                match application {
                    None if client.perhaps && client.call == Call::Delete => Place::Done(Answer::Deleted),
                    None if client.perhaps && !self.has(Fault::KeyDenied) => Place::Done(Answer::NotKnown),
                    None => Place::Done(Answer::Unknown),
                    Some(Application { driver, .. }) if is_full(driver) => Place::Done(Answer::HasKey),
                    Some(_) => Place::Reading { application, reads: Vec::new() },
                }
            }
            (Call::Delete | Call::GiveKey { .. }, None) => return,
        };
        state.clients[number].place = place;
    }

    fn step(&self, state: &mut State, number: usize) {
        match self.next_write(state, number) {
            Some(Ok(request))
                if self.has(Fault::SplitTransaction) && matches!(request.sender, Sender::Register { .. }) =>
            {
                self.split(state, number, request, 0);
            }
            Some(Ok(request)) => {
                let outcome = Self::carry_out(state, &request);
                self.answer(state, number, &request, outcome);
            }
            Some(Err(answer)) if self.starts_again(state, number, answer) => {
                state.clients[number].place = Place::Begin;
            }
            Some(Err(Answer::KeyBlocked)) if state.clients[number].perhaps && !self.has(Fault::KeyNotCalledOff) => {
                let client = &mut state.clients[number];
                let Place::Reading { reads, .. } = &client.place else { return };
                let (writes, name) = (vec![reads[0].touched()], u8::try_from(number).unwrap_or(u8::MAX));
                client.place = Place::Sending(Request { client: name, writes, sender: Sender::CallOffChanges });
            }
            Some(Err(answer)) => state.answered(number, Answered::only(answer)),
            None => match state.clients[number].place.clone() {
                Place::Begin => self.read_first(state, number),
                Place::Reading { application, mut reads } => {
                    let key = Self::reads(state.clients[number].call, application)[reads.len()];
                    let is_late = matches!(state.clients[number].call, Call::GiveKey { .. })
                        && reads.len() == 1
                        && !state.lacks_key(number);
                    let item = state.tables.claims.get(&key).cloned();
                    reads.push(Read { key, item, stale: false, late: is_late });
                    state.clients[number].place = Place::Reading { application, reads };
                }
                Place::Split { request, done } => self.split(state, number, request, done),
                _ => {}
            },
        }
    }

    /// Whether a call sees that its reads were not of one moment: a delete by a missing record, a key that is to be refused by its own
    /// record or by a second read of the application.
    fn starts_again(&self, state: &State, number: usize, answer: Answer) -> bool {
        match (state.clients[number].call, answer) {
            (Call::Delete | Call::GiveKey { .. }, Answer::Unknown) => true,
            (Call::GiveKey { .. }, Answer::KeyBlocked | Answer::Unexplained) => {
                !self.has(Fault::KeyRefusedAtOnce) && !self.has(Fault::OwnKeyUnknown) && !state.lacks_key(number)
            }
            _ => false,
        }
    }

    fn split(&self, state: &mut State, number: usize, request: Request, done: u8) {
        let write = &request.writes[usize::from(done)..=usize::from(done)];
        let before = state.tables.clone();
        if state.tables.transact(write).is_err() {
            let lost = (0..request.writes.len()).map(|other| other == usize::from(done)).collect();
            return self.answer(state, number, &request, Err(lost));
        }
        state.wrote(&before, write);
        if usize::from(done) + 1 == request.writes.len() {
            return self.answer(state, number, &request, Ok(()));
        }
        state.clients[number].place = Place::Split { request, done: done + 1 };
    }

    /// The start of a call: its write, if it reads nothing before.
    fn settle(&self, state: &mut State, number: usize) {
        let client = &state.clients[number];
        let reads_first = match client.call {
            Call::Register { name, .. } => name.is_some() || self.law_changes,
            Call::Import { .. } => false,
            _ => true,
        };
        if client.place == Place::Begin && !reads_first {
            self.read_first(state, number);
        }
    }
}

/// A response, and what the operator learns from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Answered {
    answer: Answer,
    sent: Option<Uuid>,
    told: Option<Uuid>,
}

impl Answered {
    const fn only(answer: Answer) -> Self {
        Self { answer, sent: None, told: None }
    }

    const fn created(how: How, uuid: Uuid) -> Self {
        Self { answer: Answer::Created(how), sent: Some(uuid), told: Some(uuid) }
    }

    /// Whether the response of a registration says that this call wrote nothing.
    const fn is_refusal(self) -> bool {
        matches!(self.answer, Answer::Blocked { .. } | Answer::Created(How::Remembered))
    }
}

impl State {
    fn answered(&mut self, number: usize, answered: Answered) {
        let Answered { answer, sent, told } = answered;
        if let Some(uuid) = sent {
            let stored = self.tables.applications.get(&uuid).or(self.tables.archive.get(&uuid)).copied();
            // The content of the response comes from the call and not from the tables.
            let client = &self.clients[usize::from(uuid.client)];
            if let Call::Register { driver, date, .. } = client.call {
                let law = stored.map_or(self.law, |stored| stored.law);
                self.sent.insert(uuid, Application { operator: client.operator, driver, date, law });
            }
        }
        self.told.extend(told);
        let client = &mut self.clients[number];
        // No later step reads it.
        client.perhaps &= client.call == Call::Delete;
        client.place = Place::Done(answer);
    }

    /// Updates stamps after these writes, and checks whether an application was granted that must not be.
    fn wrote(&mut self, before: &Tables, writes: &[Write]) {
        for key in writes.iter().filter_map(Write::claim_key) {
            for client in &mut self.clients {
                match &mut client.place {
                    Place::Reading { reads, .. } => {
                        reads.iter_mut().filter(|read| read.key == key).for_each(|read| read.stale = true);
                    }
                    Place::Sending(request) | Place::Unsure(request) => {
                        request.writes.iter_mut().for_each(|write| write.outdate(key))
                    }
                    _ => {}
                }
            }
            self.late.iter_mut().flat_map(|late| &mut late.writes).for_each(|write| write.outdate(key));
        }
        for write in writes {
            let Write::Put { application, .. } = write else { continue };
            let Application { driver, date, law, .. } = *application;
            let (standardized, specific) = LAWS[usize::from(law)];
            let doubles =
                |other: &Application| other.driver.is_same_person(driver) && other.date >= date - standardized;
            self.wrong.doubled |= before.applications.values().any(doubles);
            self.wrong.against_history |= before.claims.iter().any(|(key, item)| {
                item.records.iter().any(|(record, entry)| {
                    let same = match (record, key) {
                        (Record::History { .. }, ClaimKey::Truncated(truncated)) => {
                            *truncated == driver.truncated && !keys_differ(entry.tags, driver.keys())
                        }
                        (Record::Copy { .. }, ClaimKey::Identity(identity)) => driver.keys().contains(&Some(*identity)),
                        _ => false,
                    };
                    same && entry.date >= date - specific
                })
            });
        }
    }

    /// Whether the application that a call is about exists without a key of its caller.
    fn lacks_key(&self, number: usize) -> bool {
        let target = self.clients[number].target.and_then(|uuid| self.tables.applications.get(&uuid));
        target.is_some_and(|application| application.driver.key.is_none())
    }

    fn no_revived(&self) -> bool {
        self.tables.archive.keys().all(|uuid| !self.tables.applications.contains_key(uuid))
    }

    fn live(&self) -> impl Iterator<Item = (Uuid, Application)> {
        self.tables.applications.iter().map(|(uuid, application)| (*uuid, *application))
    }

    /// Pairs of live applications of one person.
    fn pairs(&self) -> impl Iterator<Item = (Application, Application)> {
        let pairs = self
            .live()
            .flat_map(move |(one, a)| self.live().filter(move |(other, _)| one < *other).map(move |(_, b)| (a, b)));
        pairs.filter(|(a, b)| a.driver.is_same_person(b.driver))
    }

    fn has(&self, holds: impl Fn(Answer) -> bool) -> bool {
        self.clients.iter().any(|client| matches!(client.place, Place::Done(answer) if holds(answer)))
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let start = |clients: &Vec<Client>| {
            let mut state = State {
                tables: Tables::default(),
                clients: clients.clone(),
                late: Vec::new(),
                law: 0,
                mishaps: self.mishaps,
                sent: BTreeMap::new(),
                told: BTreeSet::new(),
                wrong: Wrong::default(),
            };
            (0..clients.len()).for_each(|number| self.settle(&mut state, number));
            state
        };
        self.starts.iter().map(start).collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, client) in state.clients.iter().enumerate() {
            match &client.place {
                Place::Done(_) => continue,
                Place::Unsure(_) => {
                    actions.extend([Action::Resend(number), Action::TryAgain(number), Action::CallAgain(number)]);
                    continue;
                }
                Place::Begin
                    if matches!(client.call, Call::Delete | Call::GiveKey { .. }) && client.target.is_none() =>
                {
                    let known = |uuid: &&Uuid| state.clients[usize::from(uuid.client)].operator == client.operator;
                    actions.extend(state.told.iter().filter(known).map(|uuid| Action::Choose(number, *uuid)));
                    continue;
                }
                Place::Begin | Place::Ready(_) | Place::Reading { .. } | Place::Sending(_) | Place::Split { .. } => {}
            }
            actions.push(Action::Step(number));
            if state.mishaps > 0 && self.fault != Some(Fault::SplitTransaction) {
                if let Some(Ok(_)) = self.next_write(state, number) {
                    actions.extend([Action::LoseAnswer(number), Action::Delay(number)]);
                }
                if client.place != Place::Begin {
                    actions.push(Action::CallAgain(number));
                }
            }
        }
        actions.extend((0..state.late.len()).map(Action::Arrive));
        if self.law_changes && state.law == 0 {
            actions.push(Action::ChangeLaw);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::Step(number) => self.step(&mut state, number),
            Action::Choose(number, uuid) => {
                state.clients[number].target = Some(uuid);
                self.read_first(&mut state, number);
            }
            Action::LoseAnswer(number) | Action::Delay(number) => {
                let Some(Ok(request)) = self.next_write(&state, number) else { return None };
                state.mishaps -= 1;
                state.clients[number].place = Place::Unsure(request.clone());
                if action == Action::Delay(number) {
                    state.late.push(request);
                } else {
                    // A request that failed its condition, with a lost response, is as if it had never been sent.
                    Self::carry_out(&mut state, &request).ok()?;
                }
            }
            Action::Arrive(place) => {
                let request = state.late.remove(place);
                // No call waits for its response.
                drop(Self::carry_out(&mut state, &request));
            }
            Action::Resend(number) => {
                let Place::Unsure(request) = state.clients[number].place.clone() else { return None };
                state.clients[number].unsure();
                let outcome = Self::carry_out(&mut state, &request);
                self.answer(&mut state, number, &request, outcome);
            }
            Action::TryAgain(number) => {
                let Place::Unsure(request) = state.clients[number].place.clone() else { return None };
                let client = &mut state.clients[number];
                client.unsure();
                client.place = match request.sender {
                    Sender::Rewrite | Sender::CallOffChanges => Place::Begin,
                    sender => Place::Ready(sender),
                };
            }
            Action::CallAgain(number) => {
                let client = &mut state.clients[number];
                if !matches!(client.place, Place::Unsure(_)) {
                    state.mishaps -= 1;
                }
                client.invocation += 1;
                client.perhaps = false;
                client.place = Place::Begin;
                self.settle(&mut state, number);
            }
            Action::ChangeLaw => state.law = 1,
        }
        // Sorted, so that equivalent states are equal.
        state.late.sort();
        Some(state)
    }

    fn within_boundary(&self, state: &State) -> bool {
        self.revived || state.no_revived()
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::of(self)
    }
}

impl State {
    /// The initial calls and their operators.
    pub(crate) fn calls(&self) -> Vec<(u8, Call)> {
        self.clients.iter().map(|client| (client.operator, client.call)).collect()
    }
}
