//! A batch of rows as an import: noted before its first row is written, so that whatever becomes of the call, the rows that it has
//! written can be taken back.
//!
//! ```text
//! (nothing) ──► failed, "the call was not answered" ──► completed
//! ```
//!
//! A function that is stopped in the middle leaves the first note. It says what is true then, and an undo takes it as it takes any
//! import that has ended. While the call may still write rows, `haunted_until` keeps an undo from it.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::Instant;
use serde::Serialize;

use crate::dynamo::error::{StoreError, is_transient, met};
use crate::dynamo::item::{date, number};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::records::import::{ImportRecord, ImportState, corrupt, key, later, stored};
use crate::stores::imports::table::Imports;

/// For how long after its beginning a call may still write a row: several times as long as an invocation lives.
const BATCH_WRITES: Duration = Duration::from_secs(60);

impl Imports {
    /// Notes a batch before its first row is written, with the report that stays where the call is never answered.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer: no row may be written then.
    pub async fn begin_batch(
        &self,
        batch: &ImportRecord,
        unanswered: &impl Serialize,
        now: Instant,
        machine_now: Instant,
    ) -> Result<(), StoreError> {
        let mut item = key(batch.operator, batch.id);
        let until = later(machine_now, BATCH_WRITES).ok_or(corrupt("a moment"))?;
        item.extend([
            ("key".to_owned(), AttributeValue::S(batch.key.clone())),
            ("state".to_owned(), AttributeValue::S(ImportState::Failed.as_str().to_owned())),
            ("created_at".to_owned(), date(now)),
            ("started_at".to_owned(), date(now)),
            ("fence".to_owned(), number(0)),
            ("haunted_until".to_owned(), date(until)),
            ("report".to_owned(), stored(unanswered)?),
        ]);
        let put = self.db.put_item().table_name(&self.table).set_item(Some(item));
        let sent = put.condition_expression("attribute_not_exists(import_id)").send().await;
        // It may be there by a try whose answer was lost: no other call has this import's UUID.
        met("PutItem", sent).map(drop)
    }

    /// Notes what came of a batch. Its call writes no row from now on.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time; what [`Self::begin_batch`] noted stays then.
    pub async fn end_batch(
        &self,
        batch: &ImportRecord,
        report: &impl Serialize,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        let state = |state: ImportState| AttributeValue::S(state.as_str().to_owned());
        let update = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(batch.operator, batch.id)))
            .update_expression("SET #state = :completed, report = :report REMOVE haunted_until")
            .condition_expression("fence = :zero AND #state = :failed")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":completed", state(ImportState::Completed))
            .expression_attribute_values(":failed", state(ImportState::Failed))
            .expression_attribute_values(":report", stored(report)?)
            .expression_attribute_values(":zero", number(0));
        let mut backoff = Backoff::until(deadline);
        loop {
            let Err(error) = update.clone().send().await else { return Ok(()) };
            match error.as_service_error() {
                // By a try whose answer was lost; or it is taken back already, and that stays.
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => return Ok(()),
                _ if is_transient(&error) => backoff.pause().await?,
                _ => return Err(StoreError::request("UpdateItem", &error)),
            }
        }
    }
}
