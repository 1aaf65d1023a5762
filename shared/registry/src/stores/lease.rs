//! The lease on an import or an export: one invocation at a time works on it, and only that one can write its item.

use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::Instant;

use crate::dynamo::error::{StoreError, is_contention, is_transient};
use crate::dynamo::item::{Item, number};
use crate::dynamo::retry::{Backoff, Deadline};

/// How long an invocation may go without a checkpoint before another takes over. It writes checkpoints far more often. Source:
/// docs/adr/0009.
pub const LEASE: Duration = Duration::from_secs(120);

/// How long a checkpoint or an end that collides is retried.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a write with a lease failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// Another invocation has taken over, or the work has ended.
    #[error("another invocation has taken the work over")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The end of a lease that is taken or renewed now.
pub(crate) fn leased_until(machine_now: Instant) -> AttributeValue {
    let lease = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
    number(machine_now.millis().saturating_add(lease))
}

/// Sends an update whose condition is that the lease was not lost, and which returns the item if it was. `has_ended` says whether such an
/// item shows that an earlier try of this update was written, and only its response lost.
///
/// # Errors
/// [`HoldError::Lost`] if another invocation has taken over: nothing was written, and this invocation must write nothing more.
pub(crate) async fn write_held(
    update: UpdateItemFluentBuilder,
    has_ended: impl Fn(&Item) -> bool,
) -> Result<(), HoldError> {
    // The SDK does not retry a request that collides, and giving up would repeat all rows since the last checkpoint.
    let mut backoff = Backoff::until(Deadline::after(PATIENCE));
    loop {
        let Err(error) = update.clone().send().await else { return Ok(()) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(lost)) if lost.item().is_some_and(&has_ended) => {
                return Ok(());
            }
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => return Err(HoldError::Lost),
            _ if is_transient(&error) => {
                if !error.code().is_some_and(is_contention) {
                    backoff.note(StoreError::request("UpdateItem", &error));
                }
                backoff.pause().await?;
            }
            _ => return Err(HoldError::Store(StoreError::request("UpdateItem", &error))),
        }
    }
}
