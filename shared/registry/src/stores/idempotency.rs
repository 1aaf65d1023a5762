//! The table of idempotency records ([`crate::records::idempotency`]).

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use cee_eligibility::Instant;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::PK;
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::built_put;
use crate::records::idempotency::{FORGOTTEN_AT, IdempotencyRecord, Replay, RequestKey};

/// The table of idempotency records.
#[derive(Clone, Debug)]
pub(crate) struct IdempotencyRecords {
    pub(crate) table: Table,
}

impl IdempotencyRecords {
    pub(crate) fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.idempotency, PK) }
    }

    /// The result of looking up a request's key at this moment. One request.
    pub(crate) async fn find(&self, request: &RequestKey, now: Instant) -> Result<Option<Replay>, StoreError> {
        let item = self.table.get(request.pk()).await?;
        item.map_or(Ok(None), |item| Replay::at(&item, request, now))
    }

    /// The write of a transaction that adds a record, unless its key has a record that has not expired.
    pub(crate) fn add(&self, record: &IdempotencyRecord) -> Result<TransactWriteItem, StoreError> {
        let put = self
            .table
            .put_in_transaction(record.to_item())
            .condition_expression(format!("attribute_not_exists({PK}) OR {FORGOTTEN_AT} <= :now"))
            .expression_attribute_values(":now", record.now())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        built_put(put)
    }

    /// Removes a record.
    pub(crate) async fn remove(&self, pk: AttributeValue) -> Result<(), StoreError> {
        let delete = self.table.delete(pk).send().await;
        delete.map(drop).map_err(|error| StoreError::request("DeleteItem", &error))
    }
}
