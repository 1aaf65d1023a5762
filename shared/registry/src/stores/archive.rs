//! The table of deleted and erased applications ([`crate::records::archive`]).

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::Item;
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::built_put;

/// The table of deleted and erased applications.
#[derive(Clone, Debug)]
pub(crate) struct Archive {
    pub(crate) table: Table,
}

impl Archive {
    pub(crate) fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.archive, "uuid") }
    }

    /// The write of a transaction that adds an item to the archive.
    pub(crate) fn add(&self, item: Item) -> Result<TransactWriteItem, StoreError> {
        built_put(self.table.put_in_transaction(item))
    }

    /// Replaces the archived item of the same application.
    pub(crate) async fn replace(&self, item: Item) -> Result<(), StoreError> {
        let put = self.table.put(item).send().await;
        put.map(drop).map_err(|error| StoreError::request("PutItem", &error))
    }
}
