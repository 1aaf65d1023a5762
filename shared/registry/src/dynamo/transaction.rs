//! Transactions: DynamoDB writes all of a change or nothing.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeSerializationInterceptorContextMut;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{Builder, Config, ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::{BoxError, ProvideErrorMetadata as _};
use aws_sdk_dynamodb::operation::transact_write_items::{TransactWriteItemsError, TransactWriteItemsInput};
use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};

use crate::dynamo::error::{StoreError, is_contention, is_too_large, is_transient};

/// The result of a transaction.
pub(crate) enum Transacted {
    /// All items were written.
    Done,
    /// Nothing was written: an item had changed since it was read, or another write collided. The reason of each item. Empty if DynamoDB
    /// rejected the whole transaction without reasons.
    Lost(Vec<CancellationReason>),
    /// Nothing was written: an item would be larger than DynamoDB allows. A retry would fail in the same way.
    NoRoom,
    /// The transaction may have been written or may still be. This is its error.
    Unknown(StoreError),
}

/// The error for a removal that DynamoDB rejects as too large, which cannot happen: a removal makes no item larger.
pub(crate) const TOO_LARGE: StoreError = StoreError::Corrupt { table: "any kind", what: "an item that has no room" };

/// Client configuration without the SDK's retries, and without the token that only a retry needs.
#[must_use]
pub fn once() -> Builder {
    Config::builder().retry_config(RetryConfig::disabled()).interceptor(NoClientRequestToken)
}

/// Clears the `ClientRequestToken` that the SDK adds to each transaction. DynamoDB stores the tokens of the last ten minutes to recognise
/// a request that is sent again. This store sends each transaction once, so DynamoDB would never find the token again.
#[derive(Debug)]
struct NoClientRequestToken;

impl Intercept for NoClientRequestToken {
    fn name(&self) -> &'static str {
        "NoClientRequestToken"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(input) = context.input_mut().downcast_mut::<TransactWriteItemsInput>() {
            input.client_request_token = None;
        }
        Ok(())
    }
}

/// A put as a write of a transaction.
pub(crate) fn built_put(put: PutBuilder) -> Result<TransactWriteItem, StoreError> {
    let put = put.build().map_err(|_| StoreError::Corrupt { table: "any kind", what: "a put" })?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// An update as a write of a transaction.
pub(crate) fn built_update(update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    let update = update.build().map_err(|_| StoreError::Corrupt { table: "any kind", what: "an update" })?;
    Ok(TransactWriteItem::builder().update(update).build())
}

/// Writes all of a change or nothing.
///
/// The client sends it once. If it retried by itself, and the first try was written but its response lost, the second try would collide
/// with the first. The client would report only the collision, and the caller would not know that the change was written.
///
/// # Errors
/// [`StoreError::Request`] if DynamoDB rejects the request and a retry cannot succeed.
pub(crate) async fn transact(db: &Client, items: Vec<TransactWriteItem>) -> Result<Transacted, StoreError> {
    let send = db.transact_write_items().set_transact_items(Some(items)).customize().config_override(once());
    let error = match send.send().await {
        Ok(_) => return Ok(Transacted::Done),
        Err(error) => error,
    };
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            let reasons = cancelled.cancellation_reasons();
            let lost = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
            let too_large = |reason: &CancellationReason| is_too_large(reason.code(), reason.message());
            let expected = |reason: &CancellationReason| {
                lost(reason)
                    || too_large(reason)
                    || reason.code().is_none_or(|code| code == "None" || is_contention(code))
            };
            if reasons.iter().all(expected) {
                // If a condition did not hold, that is the reason to report.
                let no_room = reasons.iter().any(too_large) && !reasons.iter().any(lost);
                return Ok(if no_room { Transacted::NoRoom } else { Transacted::Lost(reasons.to_vec()) });
            }
            Err(StoreError::request("TransactWriteItems", &error))
        }
        _ if error.code().is_some_and(is_contention) => Ok(Transacted::Lost(Vec::new())),
        _ if is_transient(&error) => Ok(Transacted::Unknown(StoreError::request("TransactWriteItems", &error))),
        _ => Err(StoreError::request("TransactWriteItems", &error)),
    }
}

/// Whether the condition of this item of a transaction failed.
pub(crate) fn is_lost(reasons: &[CancellationReason], number: usize) -> bool {
    reasons.get(number).is_some_and(|reason| reason.code() == Some("ConditionalCheckFailed"))
}

/// Whether this item of a transaction would have been written: its condition held, and no other write collided with it.
pub(crate) fn is_fine(reasons: &[CancellationReason], number: usize) -> bool {
    reasons.get(number).is_some_and(|reason| reason.code().is_none_or(|code| code == "None"))
}
