//! Which requests get which fault.

use std::fmt::Debug;

use fastrand::Rng;
use hyper::body::Bytes;

/// A fault of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The table is throttled, with the code of an on-demand or of a provisioned table.
    Throttled,
    /// One item is throttled: a transaction is cancelled because of it alone, a batch of reads comes back without it. A request for one
    /// item is throttled as a whole.
    ItemThrottled,
    /// Another transaction holds one of the items.
    Conflict,
    /// Another transaction holds one item of a transaction that is cancelled because of the conditions of other items. Nothing happens
    /// if it is not cancelled.
    ConflictAmong,
    /// A transaction is carried out, and the answer says that one with the same token is still in progress. DynamoDB never gives
    /// this answer to a client without tokens: here it is one more answer that leaves the outcome unknown.
    InProgress,
    /// DynamoDB fails inside, and nothing is carried out.
    Failure,
    /// DynamoDB fails inside, and the request is carried out.
    FailureAfter,
    /// DynamoDB is unavailable.
    Unavailable,
    /// The front end of DynamoDB fails, with a code of its own, and the request is carried out.
    InternalFailure,
    /// The front end of DynamoDB is unavailable, with a code of its own, and nothing is carried out.
    UnavailableException,
    /// The request took too long, as DynamoDB says, and is carried out.
    RequestTimeout,
    /// A gateway stops waiting, and answers without a code. The request is carried out.
    GatewayTimeout,
    /// Another region writes the item, and nothing is carried out.
    ReplicatedWriteConflict,
    /// The request is carried out, and only half of the answer arrives.
    HalfAnswer,
    /// The connection breaks before the request arrives.
    Reset,
    /// The request is carried out, and the connection breaks before the answer.
    AnswerLost,
    /// Request and answer are delayed a little.
    Slow,
    /// The request is carried out, and no answer comes for longer than a client waits.
    Silence,
    /// The request is delayed for longer than a client waits, and then carried out.
    Late,
}

impl Fault {
    /// All faults, with the share of each in percent. A client waits seconds for an answer that does not come: those are the rarest.
    pub const ALL: [(Self, u32); 19] = [
        (Self::Throttled, 12),
        (Self::ItemThrottled, 12),
        (Self::Conflict, 14),
        (Self::ConflictAmong, 11),
        (Self::InProgress, 3),
        (Self::Failure, 5),
        (Self::FailureAfter, 4),
        (Self::Unavailable, 3),
        (Self::InternalFailure, 3),
        (Self::UnavailableException, 3),
        (Self::RequestTimeout, 3),
        (Self::GatewayTimeout, 3),
        (Self::ReplicatedWriteConflict, 3),
        (Self::HalfAnswer, 4),
        (Self::Reset, 6),
        (Self::AnswerLost, 5),
        (Self::Slow, 4),
        (Self::Silence, 1),
        (Self::Late, 1),
    ];

    /// A fault at random, by these shares.
    #[must_use]
    pub fn any(random: &mut Rng) -> Self {
        let all: u32 = Self::ALL.iter().map(|(_, often)| often).sum();
        let mut drawn = random.u32(..all);
        for (fault, often) in Self::ALL {
            match drawn.checked_sub(often) {
                Some(left) => drawn = left,
                None => return fault,
            }
        }
        Self::Slow
    }

    /// The fault for an operation that cannot have the drawn fault.
    pub(super) fn on(self, operation: &str) -> Self {
        let transaction = operation == "TransactWriteItems";
        let writes = transaction || matches!(operation, "UpdateItem" | "PutItem" | "DeleteItem");
        match self {
            Self::ItemThrottled if !transaction && operation != "BatchGetItem" => Self::Throttled,
            Self::ConflictAmong | Self::InProgress if !transaction => Self::Slow,
            Self::Conflict | Self::Late | Self::ReplicatedWriteConflict if !writes => Self::Slow,
            fault => fault,
        }
    }
}

/// A request in the proxy.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Its number, from 0.
    pub number: u64,
    /// `UpdateItem`, for example.
    pub operation: &'a str,
    /// Its body, as it was sent: it may hold personal data.
    pub body: &'a Bytes,
}

/// Which requests fail, and how.
pub trait Plan: Debug + Send + Sync + 'static {
    /// The fault of this request, if any. The details (which item, how long) are drawn from `random`.
    fn fault(&self, call: &Call<'_>, random: &mut Rng) -> Option<Fault>;

    /// The seed of the generators.
    fn seed(&self) -> u64;

    /// Whether to ask DynamoDB for the capacity of each request without a fault, for [`Plan::took`].
    fn meters(&self) -> bool {
        false
    }

    /// The capacity units of this request, of all tables together; `None` if DynamoDB refused it, because it then reports none.
    fn took(&self, _call: &Call<'_>, _units: Option<f64>) {}
}

/// A share of the requests fails, drawn from a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seeded {
    /// Another seed makes other requests fail.
    pub seed: u64,
    /// The share, in percent.
    pub percent: u32,
}

impl Plan for Seeded {
    fn fault(&self, _: &Call<'_>, random: &mut Rng) -> Option<Fault> {
        (random.u32(..100) < self.percent).then(|| Fault::any(random))
    }

    fn seed(&self) -> u64 {
        self.seed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn seed_repeats_faults_at_configured_rates() {
        let plan = Seeded { seed: 11, percent: 30 };
        let body = Bytes::new();
        let draw = |number: u64| {
            let mut random = Rng::with_seed(plan.seed() + number);
            plan.fault(&Call { number, operation: "GetItem", body: &body }, &mut random)
        };
        let (mut happened, requests) = (BTreeMap::<Fault, u32>::new(), 100_000);
        for number in 0..requests {
            assert_eq!(draw(number), draw(number));
            if let Some(fault) = draw(number) {
                *happened.entry(fault).or_default() += 1;
            }
        }
        for (fault, often) in Fault::ALL {
            let (had, should) = (happened[&fault], often * 300);
            assert!(had.abs_diff(should) * 5 < should.max(500), "{fault:?}: {had} times, {should} expected");
        }
    }
}
