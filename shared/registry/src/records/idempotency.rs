//! First answers: what a caller was told, kept under the `Idempotency-Key` that it named, for a lost answer to be had again.
//!
//! A record is written in the transaction that writes the application, so that there is neither an application without its
//! answer nor an answer without its application; two calls with one key at the same moment are one. Only a success is kept:
//! a call that was refused wrote nothing and may be sent again under the same key.
//!
//! The key of a record is a keyed hash of the operator's number and the key that it chose: two operators that choose the same
//! never meet, and a key that holds a name shows nowhere. A record forgets itself: it counts until its time, whenever
//! DynamoDB's TTL removes it.

use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use cee_eligibility::{IdempotencyKey, Instant, OperatorId};

use crate::StoreError;
use crate::claim_item::{Item, PK, number, text};
use crate::claims::Claims;

/// What was asked for: a fingerprint of the body.
const ASKED: &str = "asked";
/// The body of the answer.
pub(crate) const ANSWER: &str = "answer";
/// From when on it is forgotten, in seconds since 1970, as DynamoDB's TTL wants it.
const FORGOTTEN_AT: &str = "forgotten_at";

/// One call of one operator, by the key that it named and the body that it sent.
#[derive(Clone, PartialEq, Eq)]
pub struct NamedCall {
    pk: String,
    asked: Vec<u8>,
}

impl std::fmt::Debug for NamedCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NamedCall(…)")
    }
}

/// The answer to a call, to be kept with what the call writes. Holds personal data: the proof token.
#[derive(Clone)]
pub struct FirstAnswer {
    /// The call.
    pub call: NamedCall,
    /// The body of its answer.
    pub answer: String,
    /// The moment of the call.
    pub now: Instant,
    /// Until when it is remembered.
    pub forgotten_at: Instant,
}

impl std::fmt::Debug for FirstAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FirstAnswer(…)")
    }
}

/// What is remembered of a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Remembered {
    /// The same call: this was the body of its answer.
    Answered(String),
    /// Another call.
    OtherCall,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Answered(_) => "Answered(…)",
            Self::OtherCall => "OtherCall",
        })
    }
}

impl Claims {
    /// A call by its key and by its body, which is to be written in one way only.
    #[must_use]
    pub fn named_call(&self, operator: OperatorId, key: &IdempotencyKey, body: &str) -> NamedCall {
        let operator = operator.get().to_be_bytes();
        NamedCall {
            pk: self.keys.hash(&[b"idempotency", &operator, key.as_str().as_bytes()]),
            asked: self.keys.digest(&[b"idempotent call", body.as_bytes()]).as_ref().to_vec(),
        }
    }

    /// What is remembered of a call's key at this moment: one request.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    pub async fn remembered(&self, call: &NamedCall, now: Instant) -> Result<Option<Remembered>, StoreError> {
        let get = self.db.get_item().table_name(&self.tables.idempotency).key(PK, AttributeValue::S(call.pk.clone()));
        let answer = get.consistent_read(true).send().await;
        let item = answer.map_err(|error| StoreError::request("GetItem", &error))?.item;
        match item {
            Some(item) if seconds(&item)? > now.millis().div_euclid(1000) => remembered(&item, call).map(Some),
            _ => Ok(None),
        }
    }
}

const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "idempotency", what }
}

fn seconds(item: &Item) -> Result<i64, StoreError> {
    let at = item.get(FORGOTTEN_AT).and_then(|at| at.as_n().ok()?.parse().ok());
    at.ok_or(corrupt("a time"))
}

/// What the record of a key says of a call.
pub(crate) fn remembered(item: &Item, call: &NamedCall) -> Result<Remembered, StoreError> {
    let asked = item.get(ASKED).and_then(|asked| asked.as_b().ok()).ok_or(corrupt("what was asked"))?;
    if asked.as_ref() != call.asked.as_slice() {
        return Ok(Remembered::OtherCall);
    }
    let answer = text(item, ANSWER).ok_or(corrupt("an answer"))?;
    Ok(Remembered::Answered(answer.to_owned()))
}

impl FirstAnswer {
    /// The part of a transaction that keeps it, unless the key is remembered already.
    pub(crate) fn put(&self, table: &str) -> Result<TransactWriteItem, StoreError> {
        let (now, forgotten_at) = (self.now.millis().div_euclid(1000), self.forgotten_at.millis().div_euclid(1000));
        let put = Put::builder()
            .table_name(table)
            .item(PK, AttributeValue::S(self.call.pk.clone()))
            .item(ASKED, AttributeValue::B(self.call.asked.clone().into()))
            .item(ANSWER, AttributeValue::S(self.answer.clone()))
            .item(FORGOTTEN_AT, number(forgotten_at))
            .condition_expression(format!("attribute_not_exists({PK}) OR {FORGOTTEN_AT} <= :now"))
            .expression_attribute_values(":now", number(now))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|_| corrupt("a put"))?;
        Ok(TransactWriteItem::builder().put(put).build())
    }
}
