//! Reads of several items: by their keys, or a table page by page.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::KeysAndAttributes;

use crate::dynamo::error::{StoreError, is_transient};
use crate::dynamo::item::Item;
use crate::dynamo::retry::{Backoff, Deadline};

/// Which writes a read must see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// Every write that was answered before.
    Strong,
    /// Perhaps not those of the last second. Half the price.
    Eventual,
}

/// How many items DynamoDB returns for one request.
const AT_ONCE: usize = 100;

/// The existing items with these keys. One request for each hundred keys if DynamoDB returns all of them at once.
pub(crate) async fn batch_get_keys(
    db: &Client,
    table: &str,
    wanted: Vec<Item>,
    consistency: Consistency,
    deadline: Deadline,
) -> Result<Vec<Item>, StoreError> {
    let mut found = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(AT_ONCE) {
        let mut left = some.to_vec();
        let mut backoff = Backoff::until(deadline);
        loop {
            let request = KeysAndAttributes::builder()
                .set_keys(Some(left.clone()))
                .consistent_read(consistency == Consistency::Strong)
                .build()
                .map_err(|_| StoreError::Corrupt { table: "any kind", what: "a key" })?;
            let answer = match db.batch_get_item().request_items(table, request).send().await {
                Ok(answer) => answer,
                // The client that imports rows does not retry, so this function does.
                Err(error) if is_transient(&error) => {
                    backoff.pause().await?;
                    continue;
                }
                Err(error) => return Err(StoreError::request("BatchGetItem", &error)),
            };
            found.extend(answer.responses.unwrap_or_default().remove(table).unwrap_or_default());
            let unprocessed = answer.unprocessed_keys.unwrap_or_default().remove(table);
            left = unprocessed.map(|unprocessed| unprocessed.keys).unwrap_or_default();
            if left.is_empty() {
                break;
            }
            backoff.pause().await?;
        }
    }
    Ok(found)
}

/// The next page of a table after a key, and the key after which to continue. One request.
pub(crate) async fn page_after(
    db: &Client,
    table: &str,
    after: Option<Item>,
    most: i32,
    consistency: Consistency,
    deadline: Deadline,
) -> Result<(Vec<Item>, Option<Item>), StoreError> {
    let scan = db.scan().table_name(table).limit(most).set_exclusive_start_key(after);
    let scan = scan.consistent_read(consistency == Consistency::Strong);
    let mut backoff = Backoff::until(deadline);
    loop {
        match scan.clone().send().await {
            Ok(page) => return Ok((page.items.unwrap_or_default(), page.last_evaluated_key)),
            Err(error) if is_transient(&error) => backoff.pause().await?,
            Err(error) => return Err(StoreError::request("Scan", &error)),
        }
    }
}

/// As [`page_after`], but returns the key as `name` reads it. One request, or more if `name` cannot read the key of a page's last item.
pub(crate) async fn named_page<T>(
    db: &Client,
    table: &str,
    mut after: Option<Item>,
    most: i32,
    consistency: Consistency,
    deadline: Deadline,
    name: impl Fn(&Item) -> Option<T>,
) -> Result<(Vec<Item>, Option<T>), StoreError> {
    let mut items = Vec::new();
    loop {
        let (more, last) = page_after(db, table, after, most, consistency, deadline).await?;
        items.extend(more);
        let Some(last) = last else { return Ok((items, None)) };
        if let Some(name) = name(&last) {
            return Ok((items, Some(name)));
        }
        // A person has written the item, and its key may contain anything.
        after = Some(last);
    }
}

/// Sends a query, and retries it after transient errors.
pub(crate) async fn query(query: QueryFluentBuilder, deadline: Deadline) -> Result<QueryOutput, StoreError> {
    let mut backoff = Backoff::until(deadline);
    loop {
        match query.clone().send().await {
            Ok(answer) => return Ok(answer),
            Err(error) if is_transient(&error) => backoff.pause().await?,
            Err(error) => return Err(StoreError::request("Query", &error)),
        }
    }
}

/// Reads a whole table page by page.
pub(crate) async fn each(
    scan: ScanFluentBuilder,
    mut look: impl FnMut(Item) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut items = scan.consistent_read(true).into_paginator().items().send();
    while let Some(item) = items.next().await {
        look(item.map_err(|error| StoreError::request("Scan", &error))?)?;
    }
    Ok(())
}
