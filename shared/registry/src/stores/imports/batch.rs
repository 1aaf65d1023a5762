//! A batch of rows as an import. It is stored before its first row is written, so that its rows can be removed even if the call fails.
//!
//! ```text
//! (nothing) ──► failed, "the call was not answered" ──► completed
//! ```
//!
//! If the function is stopped before it ends, the first report stays. It is correct then, and the batch can be undone like any import
//! that has ended. While the call may still write rows, `haunted_until` prevents an undo.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::Instant;
use serde::Serialize;

use crate::dynamo::error::{StoreError, met};
use crate::dynamo::item::{date, number};
use crate::dynamo::retry::Deadline;
use crate::dynamo::update::updated_until;
use crate::records::import::{ImportRecord, ImportState, STALE_WRITER_UNTIL, corrupt, key, later, stored};
use crate::stores::imports::table::Imports;

/// For how long after its beginning a call may still write a row: several times the lifetime of an invocation.
const BATCH_WRITES: Duration = Duration::from_secs(60);

impl Imports {
    /// Stores a batch before its first row is written, with the report that stays if the call gets no response.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer. No row may be written then.
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
            ("state".to_owned(), ImportState::Failed.attribute()),
            ("created_at".to_owned(), date(now)),
            ("started_at".to_owned(), date(now)),
            ("fence".to_owned(), number(0)),
            (STALE_WRITER_UNTIL.to_owned(), date(until)),
            ("report".to_owned(), stored(unanswered)?),
        ]);
        let put = self.db.put_item().table_name(&self.table).set_item(Some(item));
        let sent = put.condition_expression("attribute_not_exists(import_id)").send().await;
        // A try whose response was lost may have stored it: no other call uses this import's UUID.
        met("PutItem", sent).map(drop)
    }

    /// Stores the result of a batch. Its call writes no row after this.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time. The report of [`Self::begin_batch`] stays then.
    pub async fn end_batch(
        &self,
        batch: &ImportRecord,
        report: &impl Serialize,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        let update = self
            .update(batch.operator, batch.id)
            .update_expression("SET #state = :completed, report = :report REMOVE haunted_until")
            .condition_expression("fence = :zero AND #state = :failed")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":completed", ImportState::Completed.attribute())
            .expression_attribute_values(":failed", ImportState::Failed.attribute())
            .expression_attribute_values(":report", stored(report)?)
            .expression_attribute_values(":zero", number(0));
        // If the condition does not hold, an earlier try has stored it, or an undo has begun, and its state stays.
        updated_until(deadline, update).await.map(drop)
    }
}
