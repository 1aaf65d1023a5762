//! Idempotency records: the stored response of a registration, under the `Idempotency-Key` of its request.
//!
//! A record is written in the transaction that writes the application, so that there is neither an application without its
//! response nor a response without its application; of two requests with one key at the same moment, one counts. Only a success is
//! kept: a request that was refused wrote nothing and may be sent again under the same key.
//!
//! The key of a record is a keyed hash of the operator's number and its `Idempotency-Key`: two operators that choose the same
//! key get two records, and a key that holds a name shows nowhere. A record expires by itself: it counts until its time, whenever
//! DynamoDB's TTL removes it.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{IdempotencyKey, Instant, OperatorId};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, integer, number, text};
use crate::records::claim_keys::ClaimKeys;

/// What was asked for: a fingerprint of the body.
const ASKED: &str = "asked";
/// The body of the response.
const ANSWER: &str = "answer";
/// When the record expires, in seconds since 1970, as DynamoDB's TTL wants it.
pub(crate) const FORGOTTEN_AT: &str = "forgotten_at";

/// A request of one operator: its `Idempotency-Key` and its body, both hashed.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestKey {
    pk: String,
    asked: Vec<u8>,
}

impl fmt::Debug for RequestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestKey(…)")
    }
}

/// The response to a request, to be kept with what the request writes. Holds personal data: the proof token.
#[derive(Clone)]
pub struct IdempotencyRecord {
    /// The request.
    pub request: RequestKey,
    /// The body of the response.
    pub response: String,
    /// The moment of the request.
    pub now: Instant,
    /// When the record expires.
    pub expires_at: Instant,
}

impl fmt::Debug for IdempotencyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyRecord(…)")
    }
}

/// What the store holds under a request's key.
#[derive(Clone, PartialEq, Eq)]
pub enum Replay {
    /// The same request: this was the body of its response.
    Response(String),
    /// Another request.
    OtherRequest,
}

impl fmt::Debug for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Response(_) => "Response(…)",
            Self::OtherRequest => "OtherRequest",
        })
    }
}

pub(crate) const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "idempotency", what }
}

fn seconds(moment: Instant) -> i64 {
    moment.millis().div_euclid(1000)
}

/// The body of the response that a record holds.
pub(crate) fn response(item: &Item) -> Option<&str> {
    text(item, ANSWER)
}

impl RequestKey {
    /// `body` must be written in one way only.
    pub(crate) fn new(keys: &ClaimKeys, operator: OperatorId, key: &IdempotencyKey, body: &str) -> Self {
        let operator = operator.get().to_be_bytes();
        Self {
            pk: keys.hash(&[b"idempotency", &operator, key.as_str().as_bytes()]),
            asked: keys.digest(&[b"idempotent call", body.as_bytes()]).as_ref().to_vec(),
        }
    }

    /// The partition key of its record.
    pub(crate) fn pk(&self) -> AttributeValue {
        AttributeValue::S(self.pk.clone())
    }
}

impl Replay {
    /// What the record of a request's key says of the request.
    pub(crate) fn of(item: &Item, request: &RequestKey) -> Result<Self, StoreError> {
        let asked = item.get(ASKED).and_then(|asked| asked.as_b().ok()).ok_or(corrupt("what was asked"))?;
        if asked.as_ref() != request.asked.as_slice() {
            return Ok(Self::OtherRequest);
        }
        let response = response(item).ok_or(corrupt("an answer"))?;
        Ok(Self::Response(response.to_owned()))
    }

    /// The same, where the record has not expired at this moment.
    pub(crate) fn at(item: &Item, request: &RequestKey, now: Instant) -> Result<Option<Self>, StoreError> {
        let expires_at = integer(item, FORGOTTEN_AT).ok_or(corrupt("a time"))?;
        if expires_at > seconds(now) { Self::of(item, request).map(Some) } else { Ok(None) }
    }
}

impl IdempotencyRecord {
    pub(crate) fn to_item(&self) -> Item {
        let attributes = [
            (PK, self.request.pk()),
            (ASKED, AttributeValue::B(self.request.asked.clone().into())),
            (ANSWER, AttributeValue::S(self.response.clone())),
            (FORGOTTEN_AT, number(seconds(self.expires_at))),
        ];
        attributes.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// The moment of the request, as a condition compares it with the expiry of another record.
    pub(crate) fn now(&self) -> AttributeValue {
        number(seconds(self.now))
    }
}
