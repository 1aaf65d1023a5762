//! Reading imports: one, an operator's, those that are worked on.

use std::collections::{HashMap, HashSet};
use std::fmt;

use aws_sdk_dynamodb::types::Select;
use cee_eligibility::{Instant, OperatorId};
use serde::de::DeserializeOwned;

use crate::dynamo::error::{StoreError, is_transient};
use crate::dynamo::item::{Item, instant, integer, number};
use crate::dynamo::read::{batch_get_keys, page_after};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::tables::{BY_CREATION, WORKING};
use crate::records::ids::ImportId;
use crate::records::import::{ImportState, ImportStatus, Work, corrupt, is_forgotten, key, name, status, working};
use crate::stores::imports::table::Imports;

/// How many items DynamoDB gives in one batch.
const MOST_AT_ONCE: usize = 100;

/// How many imports are listed at once: each is one item of one batch.
pub const MOST_LISTED: usize = MOST_AT_ONCE;

/// Where a list of an operator's imports goes on. Which operator's it does not say.
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
    /// An operator's import of this name: one request. Another operator's cannot be asked for.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or holds something else.
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

    /// Since when the oldest import is worked on, or taken back, that has not ended; `None` where there is none. One that cannot be
    /// read is left out: the audit finds it.
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

    /// Those of these imports that there are, awaited ones and those that cannot be read included: one request for each hundred.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn known(
        &self,
        imports: &[(Option<OperatorId>, ImportId)],
        deadline: Deadline,
    ) -> Result<HashSet<(Option<OperatorId>, ImportId)>, StoreError> {
        let mut known = HashSet::new();
        for imports in imports.chunks(MOST_AT_ONCE) {
            let keys = imports.iter().map(|(operator, id)| key(*operator, *id)).collect();
            let items = batch_get_keys(&self.db, &self.table, keys, deadline).await?;
            known.extend(items.iter().filter_map(|item| name(item).ok()));
        }
        Ok(known)
    }

    /// Some of an operator's imports, the latest first, and where the list goes on: two requests. At most [`MOST_LISTED`]; fewer where
    /// places were forgotten. An import of this very moment may be missing still, for an index follows its table.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time, or holds something else.
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
        for item in batch_get_keys(&self.db, &self.table, keys, deadline).await? {
            if !is_forgotten(&item, machine_now) {
                found.insert(name(&item)?.1, status(&item)?);
            }
        }
        Ok((ids.iter().filter_map(|id| found.remove(id)).collect(), next))
    }

    /// Whether an operator has an import: one request.
    pub(crate) async fn has_any(&self, operator: OperatorId, deadline: Deadline) -> Result<bool, StoreError> {
        let query = self
            .db
            .query()
            .table_name(&self.table)
            .key_condition_expression("operator_id = :operator")
            .expression_attribute_values(":operator", number(i64::from(operator.get())))
            .consistent_read(true)
            .select(Select::Count)
            .limit(1);
        let mut backoff = Backoff::until(deadline);
        loop {
            match query.clone().send().await {
                Ok(found) => return Ok(found.count > 0),
                Err(error) if is_transient(&error) => backoff.pause().await?,
                Err(error) => return Err(StoreError::request("Query", &error)),
            }
        }
    }

    /// Some items after the import of this name (its operator's number, 0 for the registry, and its UUID), and the name after which more
    /// come: one request, but where an item has no such name.
    pub(crate) async fn page(
        &self,
        after: Option<(u32, ImportId)>,
        most: i32,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<(u32, ImportId)>), StoreError> {
        let mut after = after.map(|(operator, id)| key(OperatorId::new(operator).ok(), id));
        let mut items = Vec::new();
        loop {
            let (more, last) = page_after(&self.db, &self.table, after, most, deadline).await?;
            items.extend(more);
            let Some(last) = last else { return Ok((items, None)) };
            if let Ok((operator, id)) = name(&last) {
                return Ok((items, Some((operator.map_or(0, OperatorId::get), id))));
            }
            // Nothing to come back to: what somebody has put there by hand may be anything, and the name is told.
            after = Some(last);
        }
    }
}
