//! The table of deleted and erased applications.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::Item;
use crate::dynamo::read::{batch_get, page};
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;

/// The table of deleted and erased applications.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    db: Client,
    table: String,
}

impl Archive {
    pub(crate) fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.archive.clone() }
    }

    /// The part of a transaction that puts an item here.
    pub(crate) fn add(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        let put = Put::builder().table_name(&self.table).set_item(Some(item)).build();
        let put = put.map_err(|_| StoreError::Corrupt { table: "archive", what: "a put" })?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Puts an item here in place of what is kept of the same application.
    pub(crate) async fn replace(&self, item: Item) -> Result<(), StoreError> {
        let put = self.db.put_item().table_name(&self.table).set_item(Some(item)).send().await;
        put.map(drop).map_err(|error| StoreError::request("PutItem", &error))
    }

    /// The items of these UUIDs: one request, at most a hundred.
    pub(crate) async fn items<'a>(
        &self,
        uuids: impl IntoIterator<Item = &'a str>,
        deadline: Deadline,
    ) -> Result<Vec<Item>, StoreError> {
        batch_get(&self.db, &self.table, "uuid", uuids, deadline).await
    }

    /// Some items after a UUID, and the UUID after which more come: one request.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        most: i32,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        page(&self.db, &self.table, "uuid", after, most, deadline).await
    }

    /// A reading of the whole table.
    pub(crate) fn scan(&self) -> ScanFluentBuilder {
        self.db.scan().table_name(&self.table)
    }
}
