//! Reads of imports: a single one, those of an operator, those in progress.

use std::collections::{HashMap, HashSet};
use std::fmt;

use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::Select;
use cee_eligibility::{Instant, OperatorId};
use serde::de::DeserializeOwned;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, instant, integer, number};
use crate::dynamo::read::{Consistency, batch_get_keys, named_page, query};
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::{BY_CREATION, WORKING};
use crate::records::ids::ImportId;
use crate::records::import::{ImportState, ImportStatus, Work, corrupt, is_forgotten, key, name, status, working};
use crate::stores::imports::table::Imports;

/// How many items DynamoDB returns per batch.
const MOST_AT_ONCE: usize = 100;

/// How many imports a list returns at most: each is one item of one batch.
pub const MOST_LISTED: usize = MOST_AT_ONCE;

/// Where a list of an operator's imports continues. It does not contain the operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    created_at: i64,
    id: ImportId,
}

impl Cursor {
    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.split_at_checked(16)?;
        if !created_at.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let created_at = u64::from_str_radix(created_at, 16).ok()?.cast_signed();
        Some(Self { created_at, id: ImportId::parse(id)? })
    }

    fn of(key: &Item) -> Result<Self, StoreError> {
        let created_at = integer(key, "created_at").ok_or(corrupt("created_at"))?;
        Ok(Self { created_at, id: name(key)?.1 })
    }
}

impl fmt::Display for Cursor {
    /// 48 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{}", self.created_at, self.id)
    }
}

impl Imports {
    /// An operator's import with this UUID. One request. A call cannot find another operator's import.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if the item is malformed.
    pub async fn find<C: DeserializeOwned, R: DeserializeOwned, U: DeserializeOwned>(
        &self,
        operator: OperatorId,
        id: ImportId,
        machine_now: Instant,
    ) -> Result<Option<ImportStatus<C, R, U>>, StoreError> {
        let get = self.db.get_item().table_name(&self.table).set_key(Some(key(Some(operator), id)));
        let answer = get.consistent_read(true).send().await.map_err(|error| StoreError::request("GetItem", &error))?;
        let item = answer.item.filter(|item| !is_forgotten(item, machine_now));
        item.as_ref().map(status).transpose()
    }

    /// When the oldest import or undo in progress was begun; `None` if none is in progress. It skips items that it cannot read: the audit
    /// reports them.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn oldest_running(&self) -> Result<Option<Instant>, StoreError> {
        let mut items = self
            .db
            .query()
            .table_name(&self.table)
            .index_name(WORKING)
            .key_condition_expression("working = :working")
            .expression_attribute_values(":working", working())
            .into_paginator()
            .items()
            .send();
        let mut oldest = None;
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| StoreError::request("Query", &error))?;
            let work = ImportState::of(&item).ok().and_then(Work::of);
            let Some(started_at) = work.and_then(|work| instant(&item, work.started_at())) else { continue };
            oldest = Some(oldest.map_or(started_at, |oldest: Instant| oldest.min(started_at)));
        }
        Ok(oldest)
    }

    /// Which of these imports exist, including awaited uploads and items that cannot be read. One request per hundred.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn known(
        &self,
        imports: &[(Option<OperatorId>, ImportId)],
        deadline: Deadline,
    ) -> Result<HashSet<(Option<OperatorId>, ImportId)>, StoreError> {
        let mut known = HashSet::new();
        // A hundred at a time: only their names stay in memory.
        for imports in imports.chunks(MOST_AT_ONCE) {
            let keys = imports.iter().map(|(operator, id)| key(*operator, *id)).collect();
            let items = batch_get_keys(&self.db, &self.table, keys, Consistency::Strong, deadline).await?;
            known.extend(items.iter().filter_map(|item| name(item).ok()));
        }
        Ok(known)
    }

    /// Some of an operator's imports, newest first, and where the list continues. Two requests. At most [`MOST_LISTED`]; fewer if uploads
    /// have expired. An import that was just created may still be missing, because an index lags behind its table.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time, or if an item is malformed.
    pub async fn list<C: DeserializeOwned, R: DeserializeOwned, U: DeserializeOwned>(
        &self,
        operator: OperatorId,
        (after, most): (Option<Cursor>, usize),
        machine_now: Instant,
        deadline: Deadline,
    ) -> Result<(Vec<ImportStatus<C, R, U>>, Option<Cursor>), StoreError> {
        let after = after.map(|Cursor { created_at, id }| {
            let mut start = key(Some(operator), id);
            start.insert("created_at".to_owned(), number(created_at));
            start
        });
        let query = self
            .db
            .query()
            .table_name(&self.table)
            .index_name(BY_CREATION)
            .key_condition_expression("operator_id = :operator")
            .expression_attribute_values(":operator", number(i64::from(operator.get())))
            .scan_index_forward(false)
            .limit(i32::try_from(most.min(MOST_LISTED)).unwrap_or(1))
            .set_exclusive_start_key(after);
        let answer = query.send().await.map_err(|error| StoreError::request("Query", &error))?;
        let next = answer.last_evaluated_key.as_ref().map(Cursor::of).transpose()?;
        let ids = answer.items().iter().map(|item| Ok(name(item)?.1)).collect::<Result<Vec<_>, StoreError>>()?;
        if ids.is_empty() {
            return Ok((Vec::new(), next));
        }
        let keys = ids.iter().map(|id| key(Some(operator), *id)).collect();
        let mut found = HashMap::new();
        for item in batch_get_keys(&self.db, &self.table, keys, Consistency::Strong, deadline).await? {
            if !is_forgotten(&item, machine_now) {
                found.insert(name(&item)?.1, status(&item)?);
            }
        }
        Ok((ids.iter().filter_map(|id| found.remove(id)).collect(), next))
    }

    /// Whether an operator has an import. One request.
    pub(crate) async fn has_any(&self, operator: OperatorId, deadline: Deadline) -> Result<bool, StoreError> {
        let any = self
            .db
            .query()
            .table_name(&self.table)
            .key_condition_expression("operator_id = :operator")
            .expression_attribute_values(":operator", number(i64::from(operator.get())))
            .consistent_read(true)
            .select(Select::Count)
            .limit(1);
        Ok(query(any, deadline).await?.count > 0)
    }

    /// A scan of the whole table that returns each import's report, and when the import began.
    pub(crate) fn scan_of_reports(&self) -> ScanFluentBuilder {
        let scan = self.db.scan().table_name(&self.table);
        scan.projection_expression("operator_id, import_id, created_at, started_at, report")
    }

    /// The next page after an import (its operator's number, 0 for the registry, and its UUID), and the import after which to continue.
    /// One request, or more if the last item of a page has a key that is not an import's.
    pub(crate) async fn page(
        &self,
        after: Option<(u32, ImportId)>,
        most: i32,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<(u32, ImportId)>), StoreError> {
        let after = after.map(|(operator, id)| key(OperatorId::new(operator).ok(), id));
        let name = |last: &Item| name(last).ok().map(|(operator, id)| (operator.map_or(0, OperatorId::get), id));
        named_page(&self.db, &self.table, after, most, Consistency::Strong, deadline, name).await
    }
}
