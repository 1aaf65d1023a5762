//! The calls, their responses, and what the oracle says about them.

use std::collections::BTreeMap;

use cee_eligibility::{ApplicationId, Reason};
use cee_oracle::feed::{Entry, Feeds};
use cee_oracle::linear::Specification;
use cee_oracle::{Asking, By, HistoryRow, Imported, InTheWay, KeyGiven, Oracle};

/// The identity of an application: the call that registers it, or the `Idempotency-Key` of several such calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The call with this number in its group.
    Call(usize),
    /// The calls of this operator under this key.
    Named(u32, usize),
}

impl Origin {
    /// Its UUID in the oracle.
    pub fn id(self) -> ApplicationId {
        let number = match self {
            Self::Call(number) => number as u128,
            Self::Named(operator, key) => 1 << 64 | u128::from(operator) << 32 | key as u128,
        };
        ApplicationId::new(uuid::Uuid::from_u128(number))
    }
}

/// A call.
#[derive(Clone, Debug)]
pub enum Call {
    /// An application; if it is short, on this journey of its operator.
    Register { asking: Asking, journey: Option<usize>, origin: Origin },
    /// A simulation's read of one of a driver's keys.
    Look { asking: Asking, by: By },
    /// A simulation's read of all of them.
    LookAtAll { asking: Asking },
    /// A row of history, in the batch of this number.
    Import { row: HistoryRow, batch: u32, line: usize },
    /// Fetches an application, as its own operator or another.
    Find { application: ApplicationId, operator: u32 },
    /// Deletes an application, as its own operator or another.
    Delete { application: ApplicationId, operator: u32 },
    /// Gives an application a key, as its own operator or another.
    GiveKey { application: ApplicationId, operator: u32, key: usize },
    /// Gives a row of history a key.
    GiveKeyToHistory { row: HistoryRow, key: usize },
    /// Reads an operator's feed of changes to its end.
    ReadFeed { operator: u32 },
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// An application or history blocks it.
    Person(Reason),
    /// The journey carries another application.
    JourneyUsed,
}

/// A response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// 201, and the application's UUID.
    Registered(ApplicationId),
    /// 410: the application of the same `Idempotency-Key` was deleted.
    Gone,
    /// 409, also of a simulation: date, reason, and the UUID if the response holds it.
    InTheWay { millis: i64, why: Why, uuid: Option<ApplicationId> },
    /// Nothing blocks the driver.
    Nothing,
    /// The application exists (200), or existed until now (204).
    There,
    /// 404.
    NotThere,
    /// A row: written by this call.
    Done,
    /// Already written.
    AlreadyDone,
    /// The application does not exist.
    Unknown,
    /// The application or row has another key.
    HasAnother,
    /// With the key it would be a second application of the same person.
    Second,
    /// All that this reader has read of the feed since its group began.
    Feed(Vec<Entry>),
}

/// The state after the calls of one group, and how strictly responses are judged.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct State {
    pub oracle: Oracle,
    /// The applications granted under an `Idempotency-Key`.
    named: BTreeMap<(u32, usize), ApplicationId>,
    /// The operators' feeds of changes: the deletes, in their order.
    feeds: Feeds,
    /// Whether the run is without faults.
    exact: bool,
}

impl State {
    pub fn new(exact: bool) -> Self {
        Self { oracle: Oracle::default(), named: BTreeMap::new(), feeds: Feeds::default(), exact }
    }

    /// Whether the response names one of these: the last of them, if the run is without faults.
    fn is_told(&self, found: &[InTheWay], operator: u32, seen: &Seen) -> bool {
        let candidates = if self.exact { &found[found.len().saturating_sub(1)..] } else { found };
        candidates.iter().any(|one| Self::is(one, Why::Person(one.reason), operator, seen))
    }

    /// A response never holds another operator's UUID; it holds the caller's own, unless that application is deleted during the
    /// call.
    fn is(one: &InTheWay, because: Why, operator: u32, seen: &Seen) -> bool {
        let Seen::InTheWay { millis, why, uuid } = seen else { return false };
        let told_only_to_its_own = one.operator == operator || uuid.is_none();
        *millis == one.millis && *why == because && told_only_to_its_own && (uuid.is_none() || *uuid == one.uuid)
    }

    fn register(&self, asking: &Asking, journey: Option<usize>, origin: Origin, seen: Option<&Seen>) -> Option<Self> {
        let granted = matches!(seen, None | Some(Seen::Registered(_)));
        if let Origin::Named(operator, key) = origin
            && self.named.contains_key(&(operator, key))
        {
            let stands = self.oracle.granted(origin.id()).is_some();
            let told = match seen {
                None => true,
                Some(Seen::Registered(_)) => stands,
                Some(Seen::Gone) => !stands,
                Some(_) => false,
            };
            return told.then(|| self.clone());
        }
        let found = self.oracle.in_the_way(asking, &By::ALL);
        let carried = journey.and_then(|journey| self.oracle.carried(asking.operator, journey));
        if found.is_empty() && carried.is_none() {
            let mut after = self.clone();
            after.oracle.grant(asking, journey, origin.id());
            if let Origin::Named(operator, key) = origin {
                after.named.insert((operator, key), origin.id());
            }
            return granted.then_some(after);
        }
        let told = seen.is_none_or(|seen| {
            // A conflict may name the journey in place of a blocking application of the same person.
            let by_journey = found.is_empty() || !self.exact;
            self.is_told(&found, asking.operator, seen)
                || by_journey && carried.is_some_and(|one| Self::is(&one, Why::JourneyUsed, asking.operator, seen))
        });
        told.then(|| self.clone())
    }

    fn key_given(&self, after: Oracle, expected: &KeyGiven, seen: Option<&Seen>) -> Option<Self> {
        let fits = match (expected, seen) {
            (_, None) => true,
            (KeyGiven::Given(_), Some(Seen::Done))
            | (KeyGiven::AlreadyHas, Some(Seen::AlreadyDone))
            | (KeyGiven::Unknown, Some(Seen::Unknown))
            | (KeyGiven::HasAnother, Some(Seen::HasAnother))
            | (KeyGiven::Blocked(_), Some(Seen::Second)) => true,
            // By another call, or by this call's own first try, whose response may have been lost.
            (KeyGiven::AlreadyHas, Some(Seen::Done)) => true,
            _ => false,
        };
        fits.then(|| Self { oracle: after, ..self.clone() })
    }
}

impl Specification for State {
    type Call = Call;
    type Seen = Seen;

    fn after(&self, call: &Call, seen: Option<&Seen>) -> Option<Self> {
        match call {
            Call::Register { asking, journey, origin } => self.register(asking, *journey, *origin, seen),
            Call::Look { asking, by } => self.oracle.in_the_way(asking, &[*by]).is_empty().then(|| self.clone()),
            Call::LookAtAll { asking } => {
                let found = self.oracle.in_the_way(asking, &By::ALL);
                let told = seen.is_none_or(|seen| {
                    found.iter().any(|one| Self::is(one, Why::Person(one.reason), asking.operator, seen))
                });
                told.then(|| self.clone())
            }
            Call::Import { row, batch, line } => {
                let mut after = self.clone();
                // No driver here reaches the maximum number of dates.
                let expected = match after.oracle.import(row, *batch, *line) {
                    Imported::New(_) => Some(Seen::Done),
                    Imported::Known => Some(Seen::AlreadyDone),
                    Imported::TooMany => None,
                };
                let fits = seen.is_none() || seen == expected.as_ref();
                fits.then_some(after)
            }
            Call::Find { application, operator } => {
                let there = self.oracle.granted(*application).is_some_and(|record| record.operator == *operator);
                let expected = if there { Seen::There } else { Seen::NotThere };
                seen.is_none_or(|seen| *seen == expected).then(|| self.clone())
            }
            Call::Delete { application, operator } => {
                let own = |record: &cee_oracle::Record| record.operator == *operator;
                let was = self.oracle.granted(*application).map(own);
                let mut after = self.clone();
                if after.oracle.delete(*application, *operator) {
                    after.feeds.deleted(*application, *operator);
                }
                let again = was.is_none() && self.feeds.is_deleted(*application);
                let fits = match seen {
                    None => true,
                    Some(Seen::There) => was == Some(true) || again,
                    Some(Seen::NotThere) => was != Some(true),
                    Some(_) => false,
                };
                fits.then_some(after)
            }
            Call::GiveKey { application, operator, key } => {
                let mut after = self.oracle.clone();
                let expected = after.give_key(*application, *operator, *key);
                self.key_given(after, &expected, seen)
            }
            Call::GiveKeyToHistory { row, key } => {
                let mut after = self.oracle.clone();
                let expected = after.give_key_to_history(row, *key);
                self.key_given(after, &expected, seen)
            }
            Call::ReadFeed { operator } => {
                let told = match seen {
                    None => true,
                    Some(Seen::Feed(entries)) => entries == self.feeds.of(*operator),
                    Some(_) => false,
                };
                told.then(|| self.clone())
            }
        }
    }
}
