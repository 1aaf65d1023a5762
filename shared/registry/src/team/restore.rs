//! Restores a table to an earlier moment.
//!
//! DynamoDB restores a table to a moment into a new table. This code copies the items back from there, so that functions, permissions,
//! alarms and template keep using the same table. Equal items are not written. Stop the functions that write before a restore: an item
//! that changes during the restore may end in either state.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{DeleteRequest, PutRequest, WriteRequest};

use crate::dynamo::error::{StoreError, is_transient};
use crate::dynamo::item::Item;
use crate::dynamo::read::{Consistency, batch_get_keys, page_after};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::records::pepper::{differ, is_check};

/// The number of items that are compared at a time: as many as one request reads by their keys.
const PART: i32 = 100;

/// The number of items that one request writes.
const MOST_WRITES: usize = 25;

/// How long one request may take, including its retries.
const PATIENCE: Duration = Duration::from_secs(60);

const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "any kind", what }
}

/// The differences between two tables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// Items that are equal in both.
    pub same: u64,
    /// Items that only the earlier table has.
    pub lost: u64,
    /// Items that differ.
    pub changed: u64,
    /// Items that only the later table has.
    pub added: u64,
}

impl Differences {
    /// Whether the tables are equal.
    #[must_use]
    pub const fn are_none(&self) -> bool {
        self.lost == 0 && self.changed == 0 && self.added == 0
    }
}

/// Compares a table with its earlier state in another table, item by item. With `write`, it makes the table equal to the earlier state:
/// it adds lost items, replaces changed items and removes added items. The call may be repeated and continues where it was stopped,
/// because equal items are only read.
///
/// # Errors
/// [`StoreError::Corrupt`] if the two tables have different keys, are the same table, or have different peppers.
/// [`StoreError::Request`] or [`StoreError::Busy`] if the tables do not answer: the items that were written before the error stay.
pub async fn restore(db: &Client, earlier: &str, table: &str, write: bool) -> Result<Differences, StoreError> {
    let names = key_names(db, table).await?;
    if earlier == table || names != key_names(db, earlier).await? {
        return Err(corrupt("the two tables are one, or have other keys"));
    }
    let written = write.then_some(table);
    let mut found = Differences::default();
    walk(db, [earlier, table], &names, written, |item, now| {
        match now {
            // A table must not mix the claims of two peppers: with either pepper, the claims of the other would not be found.
            Some(now) if is_check(&item) && differ(&item, &now) => {
                return Err(corrupt("the two tables were filled under two peppers"));
            }
            Some(_) if is_check(&item) => return Ok(None),
            Some(now) if now == item => {
                found.same += 1;
                return Ok(None);
            }
            Some(_) => found.changed += 1,
            None => found.lost += 1,
        }
        let put = PutRequest::builder().set_item(Some(item)).build().map_err(|_| corrupt("an item"))?;
        Ok(Some(WriteRequest::builder().put_request(put).build()))
    })
    .await?;
    walk(db, [table, earlier], &names, written, |item, then| {
        // The check value may have been written after the restored moment, so it stays.
        if then.is_some() || is_check(&item) {
            return Ok(None);
        }
        found.added += 1;
        let delete = DeleteRequest::builder().set_key(Some(key_of(&item, &names)));
        let delete = delete.build().map_err(|_| corrupt("a key"))?;
        Ok(Some(WriteRequest::builder().delete_request(delete).build()))
    })
    .await?;
    Ok(found)
}

/// Reads a table, looks up each of its items in another table, and sends the writes that `about` returns, if they are to be written.
async fn walk(
    db: &Client,
    [table, other]: [&str; 2],
    names: &[String],
    written: Option<&str>,
    mut about: impl FnMut(Item, Option<Item>) -> Result<Option<WriteRequest>, StoreError>,
) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let (items, last) = page_after(db, table, after, PART, Consistency::Strong, Deadline::after(PATIENCE)).await?;
        let mut others = beside(db, other, names, &items).await?;
        let mut requests = Vec::new();
        for item in items {
            let its = |other: &Item| names.iter().all(|name| other.get(name) == item.get(name));
            let found = others.iter().position(its).map(|place| others.swap_remove(place));
            requests.extend(about(item, found)?);
        }
        if let Some(written) = written {
            write_all(db, written, requests).await?;
        }
        after = last;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// The names of a table's key attributes.
async fn key_names(db: &Client, table: &str) -> Result<Vec<String>, StoreError> {
    let described = db.describe_table().table_name(table).send().await;
    let described = described.map_err(|error| StoreError::request("DescribeTable", &error))?;
    let schema = described.table.and_then(|table| table.key_schema).ok_or(corrupt("a table without a key"))?;
    Ok(schema.into_iter().map(|element| element.attribute_name).collect())
}

fn key_of(item: &Item, names: &[String]) -> Item {
    item.iter().filter(|(name, _)| names.contains(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The items of a table with the same keys as these items.
async fn beside(db: &Client, table: &str, names: &[String], items: &[Item]) -> Result<Vec<Item>, StoreError> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let keys = items.iter().map(|item| key_of(item, names)).collect();
    batch_get_keys(db, table, keys, Consistency::Strong, Deadline::after(PATIENCE)).await
}

async fn write_all(db: &Client, table: &str, requests: Vec<WriteRequest>) -> Result<(), StoreError> {
    for some in requests.chunks(MOST_WRITES) {
        let mut left = some.to_vec();
        let mut backoff = Backoff::until(Deadline::after(PATIENCE));
        loop {
            match db.batch_write_item().request_items(table, left.clone()).send().await {
                Ok(answer) => left = answer.unprocessed_items.unwrap_or_default().remove(table).unwrap_or_default(),
                Err(error) if is_transient(&error) => {}
                Err(error) => return Err(StoreError::request("BatchWriteItem", &error)),
            }
            if left.is_empty() {
                break;
            }
            backoff.pause().await?;
        }
    }
    Ok(())
}
