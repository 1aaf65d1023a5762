//! Conditional updates whose caller wants the item.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::Item;

/// The result of a conditional update, with the attributes that the request asks for.
pub(crate) enum Updated {
    Done(Option<Item>),
    /// The condition did not hold. Nothing was written.
    Lost(Option<Item>),
}

/// Sends a conditional update. One request.
pub(crate) async fn updated(update: UpdateItemFluentBuilder) -> Result<Updated, StoreError> {
    match update.send().await {
        Ok(answer) => Ok(Updated::Done(answer.attributes)),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(lost)) => Ok(Updated::Lost(lost.item.clone())),
            _ => Err(StoreError::request("UpdateItem", &error)),
        },
    }
}
