//! The judge: whether an order of the calls explains a group's responses, and whether the tables agree.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{ApplicationId, Identity, IdentityKeys, JourneyType};
use cee_oracle::feed::Entry;
use cee_oracle::linear::{Recorded, explain};
use cee_oracle::{Asking, Oracle};
use cee_registry::{ClaimKeys, Tables};

use super::calls::{Call, Origin, Seen, State, Why};
use super::drive::{Done, Group, History};

/// The content of the tables for one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Granted applications: operator, name, phone, date.
    granted: Vec<(u32, usize, usize, i64)>,
    /// Specific applications: operator, name, phone, date.
    specific: Vec<(u32, usize, usize, i64)>,
}

impl Held {
    fn of(oracle: &Oracle) -> Self {
        let mut held = Self::default();
        for record in oracle.records() {
            let list = if record.uuid.is_some() { &mut held.granted } else { &mut held.specific };
            list.push((record.operator, record.name, record.phone, record.millis));
        }
        held.sorted()
    }

    fn sorted(mut self) -> Self {
        self.granted.sort_unstable();
        self.specific.sort_unstable();
        self
    }
}

/// Whether some order of its calls explains the responses of a group, and leaves the content of the tables, if that is known.
///
/// # Errors
/// The responses that cannot be explained. They contain no personal data: the drivers are made up.
pub fn check(done: &Done, exact: bool, held: Option<&Held>) -> Result<(), String> {
    if let Some(wrong) = done.wrong.first() {
        return Err(wrong.clone());
    }
    let history = renamed(&done.history).map_err(|what| format!("group {}: {what}", done.group.number))?;
    let fits = |state: &State| held.is_none_or(|held| Held::of(&state.oracle) == *held);
    explain(&State::new(exact), &history, fits).map_err(|order| {
        let mut text = format!("group {}: no order of these calls explains what was seen", done.group.number);
        if let Some(held) = held {
            text.push_str(&format!(", and that in the end there is {held:?}"));
        }
        text.push_str("\nas far as an order could be found:");
        for number in &order {
            text.push_str(&format!("\n  {:?}", history[*number]));
        }
        text.push_str("\nand then one of:");
        for (_, call) in history.iter().enumerate().filter(|(number, _)| !order.contains(number)) {
            text.push_str(&format!("\n  {call:?}"));
        }
        text
    })
}

/// The kinds of responses that a run must have, each at least once: a kind that never occurs is not judged. The kinds that are left
/// out occur a few times in three thousand calls, and in some runs perhaps never.
const EACH: [&str; 17] = [
    "register: 201",
    "register: 409",
    "register: 409, for its journey",
    "simulate: 200",
    "simulate: 409",
    "import: done",
    "import: done before",
    "find: 200",
    "find: 404",
    "delete: 204",
    "delete: 404",
    "key: done",
    "key: done before",
    "key: unknown",
    "key: another",
    "changes: 200",
    "changes: 200, none",
];

/// The kind of a response, for the count.
const fn kind(call: &Call, seen: &Seen) -> &'static str {
    match (call, seen) {
        (Call::Register { .. }, Seen::Registered(_)) => "register: 201",
        (Call::Register { .. }, Seen::InTheWay { why: Why::JourneyUsed, .. }) => "register: 409, for its journey",
        (Call::Register { .. }, Seen::Gone) => "register: 410",
        (Call::Register { .. }, _) => "register: 409",
        (Call::Look { .. }, _) => "simulate: 200",
        (Call::LookAtAll { .. }, _) => "simulate: 409",
        (Call::Import { .. }, Seen::Done) => "import: done",
        (Call::Import { .. }, _) => "import: done before",
        (Call::Find { .. }, Seen::There) => "find: 200",
        (Call::Find { .. }, _) => "find: 404",
        (Call::Delete { .. }, Seen::There) => "delete: 204",
        (Call::Delete { .. }, _) => "delete: 404",
        (Call::GiveKey { .. }, Seen::Done) => "key: done",
        (Call::GiveKey { .. }, Seen::AlreadyDone) => "key: done before",
        (Call::GiveKey { .. }, Seen::HasAnother) => "key: another",
        (Call::GiveKey { .. }, Seen::Second) => "key: second",
        (Call::GiveKey { .. }, _) => "key: unknown",
        (Call::GiveKeyToHistory { .. }, Seen::Done) => "key for history: done",
        (Call::GiveKeyToHistory { .. }, Seen::AlreadyDone) => "key for history: done before",
        (Call::GiveKeyToHistory { .. }, Seen::HasAnother) => "key for history: another",
        (Call::GiveKeyToHistory { .. }, _) => "key for history: unknown",
        (Call::ReadFeed { .. }, Seen::Feed(entries)) if entries.is_empty() => "changes: 200, none",
        (Call::ReadFeed { .. }, _) => "changes: 200",
    }
}

/// The result of a run, for all its groups. Explaining every response proves nothing about a service that does not respond, because
/// anything explains a missing response.
#[derive(Debug, Default)]
pub struct Tally {
    pub calls: u64,
    answers: BTreeMap<&'static str, u64>,
    /// The call, and what came in place of a response.
    unanswered: BTreeMap<String, u64>,
}

impl Tally {
    pub fn add(&mut self, done: &Done) {
        self.calls += done.history.len() as u64;
        for recorded in &done.history {
            if let Some((_, seen)) = &recorded.ended {
                *self.answers.entry(kind(&recorded.call, seen)).or_default() += 1;
            }
        }
        for what in &done.unanswered {
            *self.unanswered.entry(what.clone()).or_default() += 1;
        }
    }

    /// Whether enough calls were answered, and of each kind, for this percentage of failed requests to DynamoDB.
    ///
    /// # Errors
    /// The missing kinds.
    pub fn check(&self, faults: u32) -> Result<(), String> {
        // A fifth of the requests' share: each request is retried, and of a million calls at 5 % eighty had no response. A service
        // that never answers one kind of call is far above it.
        let unanswered: u64 = self.unanswered.values().sum();
        if unanswered * 500 > self.calls * u64::from(faults) {
            return Err(format!("too many calls without an answer while {faults} % of the requests go wrong\n{self}"));
        }
        match EACH.into_iter().find(|kind| !self.answers.contains_key(kind)) {
            Some(kind) => Err(format!("never answered: {kind}\n{self}")),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let told = self.answers.iter().map(|(kind, times)| format!("{times} × {kind}")).collect::<Vec<_>>();
        let untold = self.unanswered.iter().map(|(what, times)| format!("{times} × {what}")).collect::<Vec<_>>();
        write!(f, "{}\n{} without an answer", told.join("; "), self.unanswered.values().sum::<u64>())?;
        if untold.is_empty() { Ok(()) } else { write!(f, ": {}", untold.join("; ")) }
    }
}

/// The same history with the oracle's UUIDs for applications in place of the service's.
fn renamed(history: &History) -> Result<History, String> {
    let mut names: HashMap<ApplicationId, Origin> = HashMap::new();
    let mut taken: HashMap<Origin, ApplicationId> = HashMap::new();
    for recorded in history {
        if let (Call::Register { origin, .. }, Some((_, Seen::Registered(uuid)))) = (&recorded.call, &recorded.ended) {
            let known = (*names.entry(*uuid).or_insert(*origin), *taken.entry(*origin).or_insert(*uuid));
            if known != (*origin, *uuid) {
                return Err(format!("{origin:?} and {:?} have names of one another", known.0));
            }
        }
    }
    // If a 201 was lost, a refusal may name its application.
    for recorded in history {
        let (Call::Register { asking: Asking { operator, .. }, .. }
        | Call::LookAtAll { asking: Asking { operator, .. } }) = &recorded.call
        else {
            continue;
        };
        let Some((_, Seen::InTheWay { millis, uuid: Some(uuid), .. })) = &recorded.ended else { continue };
        if names.contains_key(uuid) {
            continue;
        }
        let mut origins: Vec<Origin> = history
            .iter()
            .filter_map(|other| match &other.call {
                Call::Register { asking, origin, .. } if (asking.operator, asking.millis) == (*operator, *millis) => {
                    Some(*origin)
                }
                _ => None,
            })
            .filter(|origin| !taken.contains_key(origin))
            .collect();
        origins.sort_unstable();
        origins.dedup();
        match origins.as_slice() {
            [] => return Err(format!("{uuid} blocks and was never requested")),
            [origin] => {
                names.insert(*uuid, *origin);
                taken.insert(*origin, *uuid);
            }
            // It is unknown which of them it is: the UUID is not compared.
            _ => {}
        }
    }
    let of = |uuid: &ApplicationId| names.get(uuid).map(|origin| origin.id());
    Ok(history
        .iter()
        .map(|Recorded { call, began, ended }| {
            let mut call = call.clone();
            if let Call::Find { application, .. }
            | Call::Delete { application, .. }
            | Call::GiveKey { application, .. } = &mut call
            {
                *application = of(application).unwrap_or(*application);
            }
            let ended = ended.clone().map(|(at, seen)| {
                let seen = match seen {
                    Seen::InTheWay { millis, why, uuid } => {
                        Seen::InTheWay { millis, why, uuid: uuid.as_ref().and_then(of) }
                    }
                    // The feed is the operator's, and holds what other groups did, too.
                    Seen::Feed(entries) => {
                        let own = |Entry { uuid, kind }: Entry| Some(Entry { uuid: of(&uuid)?, kind });
                        Seen::Feed(entries.into_iter().filter_map(own).collect())
                    }
                    other => other,
                };
                (at, seen)
            });
            Recorded { call, began: *began, ended }
        })
        .collect())
}

/// A walk through the list of an operator's applications, or the rows of an export of them.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What it is.
    pub what: &'static str,
    pub operator: u32,
    /// When its first request was sent, and when all of it had been received.
    pub began: u64,
    pub ended: u64,
    pub uuids: Vec<ApplicationId>,
}

/// What the calls of all groups say of one application.
#[derive(Clone, Copy, Debug)]
struct Life {
    operator: u32,
    /// When the first 201 was received.
    registered: u64,
    /// When the first call to delete it was sent.
    may_be_gone: u64,
    /// When the first response to such a call was received.
    is_gone: u64,
}

/// Whether a list, or an export, holds each application once that existed from its beginning to its end, none that did not exist during it,
/// and none of another operator. The local index follows its table at once.
///
/// # Errors
/// What it should not hold, or lacks.
pub fn check_listed(all: &[Done], listed: &Listed) -> Result<(), String> {
    let Listed { what, operator, began, ended, uuids } = listed;
    let (mut lives, mut lost): (HashMap<ApplicationId, Life>, usize) = (HashMap::new(), 0);
    let calls = || all.iter().flat_map(|done| &done.history);
    for Recorded { call, ended, .. } in calls() {
        let Call::Register { asking: Asking { operator: by, .. }, .. } = call else { continue };
        match ended {
            Some((at, Seen::Registered(uuid))) => {
                let new = Life { operator: *by, registered: *at, may_be_gone: u64::MAX, is_gone: u64::MAX };
                let life = lives.entry(*uuid).or_insert(new);
                life.registered = life.registered.min(*at);
            }
            // It may have been registered, under a name that nobody has heard.
            None if by == operator => lost += 1,
            _ => {}
        }
    }
    for Recorded { call, began, ended } in calls() {
        let Call::Delete { application, operator: by } = call else { continue };
        let Some(life) = lives.get_mut(application).filter(|life| life.operator == *by) else { continue };
        life.may_be_gone = life.may_be_gone.min(*began);
        if let Some((at, Seen::There)) = ended {
            life.is_gone = life.is_gone.min(*at);
        }
    }
    let wrong = |uuid: &ApplicationId, why: &str| Err(format!("{what} of operator {operator}: {uuid} {why}"));
    let (mut held, mut unknown) = (BTreeSet::new(), 0);
    for uuid in uuids {
        if !held.insert(*uuid) {
            return wrong(uuid, "is in it twice");
        }
        match lives.get(uuid) {
            None => unknown += 1,
            Some(life) if life.operator != *operator => return wrong(uuid, "is another operator's"),
            Some(life) if life.is_gone < *began => return wrong(uuid, "was deleted before"),
            Some(_) => {}
        }
    }
    if unknown > lost {
        return Err(format!(
            "{what} of operator {operator}: {unknown} applications that nobody has registered, {lost} lost"
        ));
    }
    let throughout = |life: &Life| life.operator == *operator && life.registered < *began && *ended < life.may_be_gone;
    for (uuid, life) in &lives {
        if throughout(life) && !held.contains(uuid) {
            return wrong(uuid, &format!("is not in it, from {began} to {ended}: {life:?}"));
        }
    }
    Ok(())
}

/// The content of the tables for each of these groups. No call may write at the same time.
pub async fn held(
    db: &Client,
    tables: &Tables,
    keys: &ClaimKeys,
    groups: impl IntoIterator<Item = Group>,
) -> HashMap<Group, Held> {
    let mut whose = HashMap::new();
    let mut held: HashMap<Group, Held> = HashMap::new();
    for group in groups {
        held.insert(group, Held::default());
        for (name, phone, truncated) in group.truncated() {
            let identity = Identity { truncated, driving_license: None, identity_keys: IdentityKeys::default() };
            let claim = keys.claims(group.journey_type(), &identity).swap_remove(0);
            whose.insert(claim.key, (group, name, phone));
        }
    }
    let number = |value: &AttributeValue| value.as_n().unwrap().parse::<i64>().unwrap();
    let mut pages = db.scan().table_name(&tables.claims).into_paginator().items().send();
    while let Some(item) = pages.next().await.transpose().unwrap() {
        let Some((group, name, phone)) = whose.get(item["pk"].as_s().unwrap()) else { continue };
        for attribute in item.keys() {
            if let Some((operator, millis)) = attribute.strip_prefix("h#").and_then(|rest| rest.split_once('#')) {
                let specific = (operator.parse().unwrap(), *name, *phone, millis.parse().unwrap());
                held.get_mut(group).unwrap().specific.push(specific);
            }
        }
    }
    // The table of applications also holds UUIDs of deleted or called-off applications.
    let applications = db.scan().table_name(&tables.applications).filter_expression("attribute_not_exists(name_taken)");
    let mut pages = applications.into_paginator().items().send();
    while let Some(item) = pages.next().await.transpose().unwrap() {
        let Some((group, phone)) = Group::of_phone(item["phone_trunc"].as_s().unwrap()) else { continue };
        let name = Group::of_name(item["last_name_trunc"].as_s().unwrap()).unwrap();
        let operator = u32::try_from(number(&item["operator_id"])).unwrap();
        let journey_type = JourneyType::parse(item["journey_type"].as_s().unwrap()).unwrap();
        let held = held.entry(group).or_default();
        assert_eq!(journey_type, group.journey_type());
        held.granted.push((operator, name, phone, number(&item["datetime"])));
    }
    held.into_iter().map(|(group, held)| (group, held.sorted())).collect()
}
