//! How many calls each operator makes: counted in slices, so that counting costs far less than a request a call.
//!
//! Time is cut into windows. Whoever answers calls takes a slice of a window's calls at once, and asks again when it is used.
//! One item counts an operator's window; it forgets itself.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::OperatorId;

use crate::StoreError;
use crate::claim_item::{PK, number};
use crate::tables::Tables;

/// How long a window is, in seconds: what an operator saves up in it, it may use at one moment.
pub const WINDOW: i64 = 10;

/// The table that counts calls.
#[derive(Clone, Debug)]
pub struct Limits {
    db: Client,
    table: String,
}

impl Limits {
    /// The counts in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.limits.clone() }
    }

    /// Takes a slice of an operator's calls in a window (so many times [`WINDOW`] since 1970). `false`: the window's calls are
    /// used up. One request.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    pub async fn take(&self, operator: OperatorId, window: i64, slice: u32, most: u32) -> Result<bool, StoreError> {
        let sent = self
            .db
            .update_item()
            .table_name(&self.table)
            .key(PK, AttributeValue::S(format!("{operator}#{window}")))
            .update_expression("ADD taken :slice SET forgotten_at = :forgotten")
            .condition_expression("attribute_not_exists(taken) OR taken < :most")
            .expression_attribute_values(":slice", number(i64::from(slice)))
            .expression_attribute_values(":most", number(i64::from(most)))
            .expression_attribute_values(":forgotten", number((window + 2).saturating_mul(WINDOW)))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(StoreError::request("UpdateItem", &error)),
            },
        }
    }
}
