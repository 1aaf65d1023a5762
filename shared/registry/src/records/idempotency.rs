//! Idempotency records: the stored response of a registration, under the `Idempotency-Key` of its request.
//!
//! A record is written in the transaction that writes the application, so an application and its response are written together or not at
//! all. If two requests with one key arrive at the same time, only one is written. Only the response of a successful request is stored: a
//! rejected request wrote nothing and may be sent again under the same key.
//!
//! The key of a record is a keyed hash of the operator's number and its `Idempotency-Key`. Two operators that choose the same key get two
//! records, and a key that contains a name never appears. A record counts until its expiry, even if DynamoDB's TTL removes it later.

use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{IdempotencyKey, Instant, OperatorId};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, integer, number, text};
use crate::records::claim_keys::ClaimKeys;

/// The fingerprint of the request's body.
const ASKED: &str = "asked";
/// The body of the response.
const ANSWER: &str = "answer";
/// When the record expires, in seconds since 1970, the format of DynamoDB's TTL.
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

/// The response to a request, stored together with what the request writes. Holds personal data: the proof token.
#[derive(Clone)]
pub struct IdempotencyRecord {
    /// The request.
    pub request: RequestKey,
    /// The body of the response.
    pub response: String,
    /// The date of the request.
    pub now: Instant,
    /// When the record expires.
    pub expires_at: Instant,
}

impl fmt::Debug for IdempotencyRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyRecord(…)")
    }
}

/// The result of looking up a request's key.
#[derive(Clone, PartialEq, Eq)]
pub enum Replay {
    /// The same request, and the body of its response.
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

const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "idempotency", what }
}

fn seconds(moment: Instant) -> i64 {
    moment.millis().div_euclid(1000)
}

/// The body of the response in a record.
pub(crate) fn response(item: &Item) -> Option<&str> {
    text(item, ANSWER)
}

impl RequestKey {
    /// `body` must be in canonical form.
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
    /// Compares a request with the record of its key.
    pub(crate) fn of(item: &Item, request: &RequestKey) -> Result<Self, StoreError> {
        let asked = item.get(ASKED).and_then(|asked| asked.as_b().ok()).ok_or(corrupt("what was asked"))?;
        if asked.as_ref() != request.asked.as_slice() {
            return Ok(Self::OtherRequest);
        }
        let response = response(item).ok_or(corrupt("an answer"))?;
        Ok(Self::Response(response.to_owned()))
    }

    /// As [`Self::of`], but `None` if the record has expired at this moment.
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

    /// The date of the request, for a condition that compares it with the expiry of a stored record.
    pub(crate) fn now(&self) -> AttributeValue {
        number(seconds(self.now))
    }
}
