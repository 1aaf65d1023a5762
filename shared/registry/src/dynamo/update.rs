//! Conditional updates whose caller wants the item.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::{UpdateItemError, UpdateItemOutput};

use crate::dynamo::error::{StoreError, is_transient};
use crate::dynamo::item::Item;
use crate::dynamo::retry::{Backoff, Deadline};

/// The result of a conditional update, with the attributes that the request asks for.
pub(crate) enum Updated {
    Done(Option<Item>),
    /// The condition did not hold.
    Lost(Option<Item>),
}

/// Sends a conditional update. One request.
pub(crate) async fn updated(update: UpdateItemFluentBuilder) -> Result<Updated, StoreError> {
    result(update.send().await)
}

/// Sends a conditional update, and retries it if it collides or its outcome is unknown. So if the condition does not hold, an earlier try
/// may have been written.
pub(crate) async fn updated_until(deadline: Deadline, update: UpdateItemFluentBuilder) -> Result<Updated, StoreError> {
    let mut backoff = Backoff::until(deadline);
    loop {
        match update.clone().send().await {
            Err(error) if is_transient(&error) => backoff.pause().await?,
            sent => return result(sent),
        }
    }
}

fn result(sent: Result<UpdateItemOutput, SdkError<UpdateItemError, HttpResponse>>) -> Result<Updated, StoreError> {
    match sent {
        Ok(answer) => Ok(Updated::Done(answer.attributes)),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(lost)) => Ok(Updated::Lost(lost.item.clone())),
            _ => Err(StoreError::request("UpdateItem", &error)),
        },
    }
}
