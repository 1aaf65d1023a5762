//! Imports of files: which were begun, and how they ended.

use std::fmt;

use aws_lc_rs::digest;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{Instant, OperatorId};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::claim_item::Item;
use crate::tables::Tables;

/// The name of one import: of one version of one object on S3. The same version always has the same name, so an event
/// delivered twice is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImportId([u8; 16]);

impl ImportId {
    /// The import of this version of an object. Where a bucket keeps no versions, `version` is the object's ETag.
    #[must_use]
    pub fn of_object(bucket: &str, key: &str, version: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [bucket, key, version] {
            context.update(part.as_bytes());
            // No part holds a NUL: two different triples never make the same bytes.
            context.update(b"\0");
        }
        let mut id = [0; 16];
        id.copy_from_slice(&context.finish().as_ref()[..16]);
        Self(id)
    }

    /// The import of this name.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ImportId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// What is known of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRecord {
    /// Its name.
    pub id: ImportId,
    /// Whose file it is; `None` for the registry's own journeys files.
    pub operator: Option<OperatorId>,
    /// The object's key.
    pub key: String,
    /// When it was begun.
    pub started_at: Instant,
}

impl ImportRecord {
    /// The primary key of its item.
    fn item_key(&self) -> Item {
        Item::from([
            ("operator_id".to_owned(), AttributeValue::N(self.operator.map_or(0, OperatorId::get).to_string())),
            ("import_id".to_owned(), AttributeValue::S(self.id.to_string())),
        ])
    }
}

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOutcome {
    /// It was read to its end. Rows may have been rejected.
    Completed,
    /// It was refused whole.
    Failed,
}

impl FileOutcome {
    /// `completed` or `failed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// What [`Imports::begin`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// Nobody has begun this import before.
    New,
    /// Somebody has begun it and not said how it ended: they crashed, or are still at it.
    Again,
    /// It has ended; there is nothing left to do.
    Ended(FileOutcome),
}

#[derive(Serialize, Deserialize)]
struct Stored {
    /// 0 for the registry's own files.
    operator_id: u32,
    import_id: String,
    key: String,
    state: String,
    started_at: i64,
}

const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "imports", what }
}

/// The table of imports.
#[derive(Clone, Debug)]
pub struct Imports {
    db: Client,
    table: String,
}

impl Imports {
    /// The imports in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.imports.clone() }
    }

    /// Notes that an import begins, and says whether it had begun or ended before.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer; may be repeated.
    pub async fn begin(&self, import: &ImportRecord) -> Result<Begun, StoreError> {
        let stored = Stored {
            operator_id: import.operator.map_or(0, OperatorId::get),
            import_id: import.id.to_string(),
            key: import.key.clone(),
            state: "running".to_owned(),
            started_at: import.started_at.millis(),
        };
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(stored).map_err(|_| corrupt("an item"))?;
        let sent = self
            .db
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(import_id)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(_) => return Ok(Begun::New),
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(known)) => {
                let state = known.item().and_then(|item| item.get("state")?.as_s().ok()).map(String::as_str);
                match state {
                    Some("running") => Ok(Begun::Again),
                    Some("completed") => Ok(Begun::Ended(FileOutcome::Completed)),
                    Some("failed") => Ok(Begun::Ended(FileOutcome::Failed)),
                    _ => Err(corrupt("state")),
                }
            }
            _ => Err(StoreError::request("PutItem", &error)),
        }
    }

    /// When an import was begun, by whoever began it first: what is done again must not depend on when.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer, or nobody has begun it.
    pub async fn begun_at(&self, import: &ImportRecord) -> Result<Instant, StoreError> {
        let answer = self
            .db
            .get_item()
            .table_name(&self.table)
            .set_key(Some(import.item_key()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::request("GetItem", &error))?;
        let item = answer.item.ok_or(corrupt("an import that nobody has begun"))?;
        let stored: Stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
            .map_err(|_| corrupt("a missing or mistyped attribute"))?;
        Instant::from_millis(stored.started_at).ok_or(corrupt("started_at"))
    }

    /// Notes how an import ended, and its report.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer; may be repeated.
    pub async fn end(
        &self,
        import: &ImportRecord,
        outcome: FileOutcome,
        ended_at: Instant,
        report: &impl Serialize,
    ) -> Result<(), StoreError> {
        let report: AttributeValue =
            serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(report).map_err(|_| corrupt("a report"))?;
        self.db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(import.item_key()))
            .update_expression("SET #state = :state, ended_at = :ended_at, report = :report")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", AttributeValue::S(outcome.as_str().to_owned()))
            .expression_attribute_values(":ended_at", AttributeValue::N(ended_at.millis().to_string()))
            .expression_attribute_values(":report", report)
            .send()
            .await
            .map_err(|error| StoreError::request("UpdateItem", &error))?;
        Ok(())
    }
}
