//! A table with a partition key and no sort key. It adds the table's name and key to each request.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::builders::DeleteItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::builders::{PutBuilder, UpdateBuilder};
use aws_sdk_dynamodb::types::{AttributeValue, Put, Update};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, text};
use crate::dynamo::read::{Consistency, batch_get_keys, page_after};
use crate::dynamo::retry::Deadline;

/// A table and its key attribute.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    db: Client,
    name: String,
    key: &'static str,
    consistency: Consistency,
}

impl Table {
    pub(crate) fn new(db: Client, name: &str, key: &'static str) -> Self {
        Self { db, name: name.to_owned(), key, consistency: Consistency::Strong }
    }

    /// The same table, whose reads may lack the writes of the last second and cost half.
    pub(crate) fn eventual(self) -> Self {
        let Self { db, name, key, consistency: _ } = self;
        Self { db, name, key, consistency: Consistency::Eventual }
    }

    pub(crate) const fn name(&self) -> &str {
        self.name.as_str()
    }

    /// The item with this key. This read is always consistent.
    pub(crate) async fn get(&self, key: AttributeValue) -> Result<Option<Item>, StoreError> {
        let get = self.db.get_item().table_name(&self.name).key(self.key, key).consistent_read(true);
        get.send().await.map(|answer| answer.item).map_err(|error| StoreError::request("GetItem", &error))
    }

    /// The existing items with these keys. One request for each hundred keys if DynamoDB returns all of them at once.
    pub(crate) async fn items<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a str>,
        deadline: Deadline,
    ) -> Result<Vec<Item>, StoreError> {
        let wanted = keys.into_iter().map(|key| self.key_of(key)).collect();
        batch_get_keys(&self.db, &self.name, wanted, self.consistency, deadline).await
    }

    /// The next page after a key, and the key after which to continue. One request.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        most: i32,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let after = after.map(|after| self.key_of(after));
        let (items, last) = page_after(&self.db, &self.name, after, most, self.consistency, deadline).await?;
        Ok((items, last.and_then(|last| text(&last, self.key).map(str::to_owned))))
    }

    fn key_of(&self, key: &str) -> Item {
        Item::from([(self.key.to_owned(), AttributeValue::S(key.to_owned()))])
    }

    /// A scan of the whole table.
    pub(crate) fn scan(&self) -> ScanFluentBuilder {
        self.db.scan().table_name(&self.name)
    }

    /// A query of one of the table's indexes.
    pub(crate) fn query(&self, index: &str) -> QueryFluentBuilder {
        self.db.query().table_name(&self.name).index_name(index)
    }

    pub(crate) fn put(&self, item: Item) -> PutItemFluentBuilder {
        self.db.put_item().table_name(&self.name).set_item(Some(item))
    }

    pub(crate) fn update(&self, key: AttributeValue) -> UpdateItemFluentBuilder {
        self.db.update_item().table_name(&self.name).key(self.key, key)
    }

    pub(crate) fn delete(&self, key: AttributeValue) -> DeleteItemFluentBuilder {
        self.db.delete_item().table_name(&self.name).key(self.key, key)
    }

    /// A put for a transaction.
    pub(crate) fn put_in_transaction(&self, item: Item) -> PutBuilder {
        Put::builder().table_name(&self.name).set_item(Some(item))
    }

    /// An update for a transaction.
    pub(crate) fn update_in_transaction(&self, key: AttributeValue) -> UpdateBuilder {
        Update::builder().table_name(&self.name).key(self.key, key)
    }
}
