//! The claim protocol as a state machine: calls on their way, each one request at a time, and all that can befall them.
//!
//! What a function does between two requests nobody else can see, so it is one step with the request after it. A request
//! and its answer are one step too, unless something goes wrong in between; so a 201 counts as sent from the earliest
//! moment it can be, which is the hardest for the invariants. A call that stands still for ever is a crash: every state in
//! which it has not gone on is looked at.

pub(crate) mod properties;

use std::collections::{BTreeMap, BTreeSet};

use stateright::{Model, Property};

use crate::tables::{
    Application, ClaimKey, Condition, Date, Driver, Entry, Item, Keys, Latest, Record, Rewrite, Seen, Tables, Uuid,
    Write, keys_differ,
};

/// A mistake put into the protocol, which the checker must find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A register's condition on `sd` is left out.
    DropStandardized,
    /// The conditions on `sdk` and `spk`, for whoever sends no identity key.
    DropWithKey,
    /// Those on `sp` and `spk`.
    DropSpecific,
    /// `attribute_not_exists` in place of dates and cut-offs.
    NotExistsOnly,
    /// The end of the window is stored in place of the date, as the law stood at that time.
    StoredExpiry,
    /// Each write of a register by itself.
    SplitTransaction,
    ForgetTruncated,
    ForgetLicence,
    ForgetIdentity,
    /// Of two identity keys the caller's alone is claimed.
    ForgetJourneyKey,
    /// A delete leaves the claim on the journey's own identity key.
    DeleteForgetsJourneyKey,
    /// A key that is given takes the place of the journey's own in the record on the truncated identity.
    GivenKeyAlone,
    /// A delete writes whatever was written since it read.
    DeleteWithoutStamp,
    /// A delete leaves the latest dates as they are.
    DeleteKeepsLatest,
    /// A key is given without a look at who has it.
    GiveKeyUnchecked,
    /// A call whose own record is in the way takes it for another's.
    OwnRecordUnknown,
    /// A call that gives a key does not see that another has given it meanwhile, nor takes another look.
    OwnKeyUnknown,
    /// A key is refused without another look at the application.
    KeyRefusedAtOnce,
    /// A call that gives a key forgets that a try of it may have been carried out.
    KeyDenied,
    /// A key is given to the name that a deleted application has left.
    KeyToName,
    /// A key is refused while a try to give it may yet be carried out.
    KeyNotCalledOff,
}

/// What the code has against a late request, each of which can be taken away: the revived and the refused application of
/// `docs/protocol.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// A delete begins anew where an item that it read lacks its application's record.
    WholeDelete,
    /// A register that does not know what became of a try takes its application's name before it tells a refusal.
    CallOff,
    /// A deleted application's name stays taken.
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
    /// Of any application that this operator was told of.
    Delete,
    /// To any application that this operator was told of.
    GiveKey {
        key: u8,
    },
    GiveHistoryKey {
        truncated: u8,
        date: Date,
        key: u8,
    },
}

/// How a call ended, for its operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Answer {
    Created(How),
    /// 409. By which of its keys: truncated identity, licence, identity key; and whether history is the blocker named.
    Blocked {
        by: [bool; 3],
        history: bool,
    },
    Imported,
    Deleted,
    Given,
    /// The identity key belongs to another application within its window.
    KeyBlocked,
    /// It had a key.
    HasKey,
    /// 404
    Unknown,
    /// 500: what became of a try is not known, and cannot be seen any more.
    NotKnown,
    /// 500: conditions did not hold, and nothing says why.
    Unexplained,
}

/// How a call knows that it is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum How {
    Written,
    /// A second request met its own record.
    OwnRecord,
    /// A second request met its own application, or the name that it left when it was deleted.
    OwnName,
    /// A try was carried out before it was called off.
    Late,
    /// The `Idempotency-Key` is remembered.
    Remembered,
}

/// An item as it was read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Read {
    key: ClaimKey,
    item: Option<Item>,
    /// Somebody has written it since.
    stale: bool,
    /// A ghost: the application that is to be given a key was gone by then, or had one.
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

    /// `KeyGiver::call_off_changes`: the item as it was read, with another stamp.
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

/// A request on its way, and what its sender makes of an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    client: u8,
    writes: Vec<Write>,
    sender: Sender,
}

/// What the code that sent a request remembers of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Sender {
    /// Under which law it began, and `LatestWithKey::Keep`.
    Register {
        law: u8,
        keep: bool,
    },
    Import {
        newest: bool,
    },
    Rewrite,
    /// A register that is to be refused, with this answer.
    CallOff {
        refusal: Answered,
    },
    /// A key that is to be refused.
    CallOffChanges,
}

/// Where a call is.
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
    /// The next request is this one, made from what it has read.
    Sending(Request),
    /// Nobody knows what became of its request.
    Unsure(Request),
    /// So many writes of a split transaction are done: a seeded fault.
    Split {
        request: Request,
        done: u8,
    },
    Done(Answer),
}

/// A call on its way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Client {
    pub(crate) operator: u8,
    pub(crate) call: Call,
    /// How often the operator has called before, because no answer came.
    invocation: u8,
    /// The application it speaks of.
    target: Option<Uuid>,
    /// A delete that may have happened, or a register that may have or may yet.
    perhaps: bool,
    place: Place,
}

impl Client {
    pub(crate) fn new(operator: u8, call: Call) -> Self {
        let place = Place::Begin;
        Self { operator, call, invocation: 0, target: None, perhaps: false, place }
    }

    /// It goes on without knowing what became of its request.
    fn unsure(&mut self) {
        self.perhaps |= matches!(self.call, Call::Delete | Call::GiveKey { .. } | Call::Register { .. });
    }
}

/// The windows of a law, in days: those of standardized and of specific applications.
const LAWS: [(Date, Date); 2] = [(2, 1), (3, 2)];

/// What the ghosts of a state have seen go wrong: it cannot be read off a state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Wrong {
    /// Granted although a standardized application blocks it, under the law of its own call.
    doubled: bool,
    /// Granted although history blocks it.
    against_history: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct State {
    tables: Tables,
    clients: Vec<Client>,
    /// Requests whose sender waits no more: they may be carried out at any moment, or never.
    late: Vec<Request>,
    law: u8,
    /// How many more mishaps there may be.
    mishaps: u8,
    /// Every 201 that was sent, with what it said.
    sent: BTreeMap<Uuid, Application>,
    /// Which applications their operators have heard of, by a 201 or by their own 409.
    told: BTreeSet<Uuid>,
    wrong: Wrong,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The call's next request, and its answer.
    Step(usize),
    /// The call chooses this application and reads it.
    Choose(usize, Uuid),
    /// The request is carried out and its answer lost.
    LoseAnswer(usize),
    /// The request is on its way longer than its sender waits.
    Delay(usize),
    /// A late request is carried out.
    Arrive(usize),
    /// The same request is sent again: by the SDK one conditional write, by a register's loop its transaction.
    Resend(usize),
    /// The SDK got an answer of contention or gave up; the function tries again.
    TryAgain(usize),
    /// The function has crashed, or its answer was lost; the operator calls again.
    CallAgain(usize),
    /// The windows are another length from now on.
    ChangeLaw,
}

/// What is explored: some calls at once, and what may befall them.
#[derive(Clone, Debug)]
pub(crate) struct Protocol {
    pub(crate) starts: Vec<Vec<Client>>,
    pub(crate) mishaps: u8,
    pub(crate) law_changes: bool,
    pub(crate) fault: Option<Fault>,
    /// What is done against late requests.
    pub(crate) remedies: &'static [Remedy],
    /// Whether states are gone on from in which a deleted application has come back.
    pub(crate) revived: bool,
    /// What must be seen to happen.
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
            // What is stored is the first day that is free again, less one.
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

    /// `Registering::decode`. `Err`: try with the other of the two updates.
    fn decode(&self, tables: &Tables, state: &Client, request: &Request, lost: &[bool]) -> Result<Answered, bool> {
        let (Call::Register { driver, date, .. }, Sender::Register { law, keep }) = (state.call, request.sender) else {
            return Ok(Answered::only(Answer::Unexplained));
        };
        let (standardized, specific) = LAWS[usize::from(law)];
        let nothing = Item::default();
        let mut fitting = keep;
        let mut by = [false; 3];
        // (date, is a duplicate, is one's own, its name)
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

    /// What a call that has read all it needs writes, or what it answers without.
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
                    // Nobody is refused because of himself, nor because of what came when his own was gone.
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

    /// The claim items that a call reads, one after the other: `BatchGetItem` is no snapshot.
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

    /// The write that a call sends next, if that is its next step; or what it answers without one.
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

    /// Carries a request out, and lets the others' stamps and the ghosts know.
    fn carry_out(state: &mut State, request: &Request) -> Result<(), Vec<bool>> {
        let before = state.tables.clone();
        state.tables.transact(&request.writes)?;
        state.wrote(&before, &request.writes);
        Ok(())
    }

    /// The call gets this answer to its request.
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

    /// A call's first request, of those that read first.
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
            Some(Err(answer)) if self.begins_anew(state, number, answer) => {
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

    /// What a call has read was not there at one moment, and it sees that: a delete by what it lacks, a key that is to be
    /// refused by its own record or by another look at the application.
    fn begins_anew(&self, state: &State, number: usize, answer: Answer) -> bool {
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

    /// Where a call begins: with its write, where it reads nothing before.
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

/// An answer, and what it tells the operator.
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

    /// Of a register: that this very call has written nothing.
    const fn is_refusal(self) -> bool {
        matches!(self.answer, Answer::Blocked { .. } | Answer::Created(How::Remembered))
    }
}

impl State {
    fn answered(&mut self, number: usize, answered: Answered) {
        let Answered { answer, sent, told } = answered;
        if let Some(uuid) = sent {
            let stored = self.tables.applications.get(&uuid).or(self.tables.archive.get(&uuid)).copied();
            // What the answer says comes from the call, not from the tables.
            let client = &self.clients[usize::from(uuid.client)];
            if let Call::Register { driver, date, .. } = client.call {
                let law = stored.map_or(self.law, |stored| stored.law);
                self.sent.insert(uuid, Application { operator: client.operator, driver, date, law });
            }
        }
        self.told.extend(told);
        let client = &mut self.clients[number];
        // Nothing follows that would ask.
        client.perhaps &= client.call == Call::Delete;
        client.place = Place::Done(answer);
    }

    /// After these writes: stamps have changed, and something may have been granted that must not be.
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

    /// Whether the application that a call speaks of is there, without a key of its caller's.
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

    /// Live applications, two at a time, of one person.
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
                    // Without the condition's answer, what was not carried out is as if it had never been sent.
                    Self::carry_out(&mut state, &request).ok()?;
                }
            }
            Action::Arrive(place) => {
                let request = state.late.remove(place);
                // Nobody waits for its answer.
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
        // So that states that go on alike are one.
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
    /// Who calls what.
    pub(crate) fn calls(&self) -> Vec<(u8, Call)> {
        self.clients.iter().map(|client| (client.operator, client.call)).collect()
    }
}
