//! The table of exports: an operator requests one, invocations work on it one at a time, and it is listed until it is forgotten.

use std::collections::HashSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{Instant, OperatorId};

use crate::dynamo::error::{StoreError, met};
use crate::dynamo::item::{Item, date, integer, number, text};
use crate::dynamo::read::{Consistency, batch_get_keys, named_page};
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::dynamo::update::{Updated, updated};
use crate::records::export::{
    ExportProgress, ExportRecord, ExportState, ExportStatus, KEPT_DAYS, alive_until, corrupt, id, is_forgotten, key,
    name, progress, state, stored,
};
use crate::records::ids::ExportId;
use crate::stores::lease::{HoldError, leased_until, write_held};

/// How many exports of one operator may be in progress. Source: docs/adr/0054.
pub const MOST_EXPORTS: usize = 2;

/// How many exports one operator may request within 24 hours. Each request counts those of the day before it. Source: docs/adr/0054.
pub const MOST_EXPORTS_A_DAY: usize = 100;

/// The table of exports.
#[derive(Clone, Debug)]
pub struct Exports {
    db: Client,
    table: String,
}

/// An invocation's hold on an export. An invocation that lost its hold can write nothing with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportHold {
    record: ExportRecord,
    fence: i64,
}

impl ExportHold {
    /// The export.
    #[must_use]
    pub const fn record(&self) -> &ExportRecord {
        &self.record
    }

    /// The fence. Every later hold on the same export has a greater fence.
    #[must_use]
    pub const fn fence(&self) -> i64 {
        self.fence
    }
}

/// The result of [`Exports::add`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportAdded {
    /// The export is in progress.
    Done,
    /// It was not added: [`MOST_EXPORTS`] of its operator are in progress.
    TooManyInProgress,
    /// It was not added: its operator has requested [`MOST_EXPORTS_A_DAY`] within 24 hours.
    TooManyADay {
        /// From when on another may be added, by the machine's clock.
        until: Instant,
    },
}

/// The result of [`Exports::begin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExportBegun {
    /// The caller holds it, and continues from here.
    Yours(ExportHold, ExportProgress),
    /// Another invocation holds it.
    Held,
    /// It has ended, or there is no such export.
    Over,
}

impl Exports {
    /// The exports in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.exports.clone() }
    }

    /// Adds an export, unless its operator has too many. `machine_now` is the time of the machine's clock, even if the registry's clock is
    /// pinned.
    ///
    /// It writes the export first and counts then. So of calls at the same moment the last to write counts all others: never are more than
    /// the limit added, and all may be refused.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer. An export that was written nevertheless counts as one in progress until it has failed.
    pub async fn add(&self, export: &ExportRecord, machine_now: Instant) -> Result<ExportAdded, StoreError> {
        let put = self.db.put_item().table_name(&self.table).set_item(Some(export.to_item(machine_now)));
        let sent = put.condition_expression("attribute_not_exists(export_id)").send().await;
        // If the condition does not hold, an earlier try has written it: no other export has its UUID.
        met("PutItem", sent)?;
        let added = self.counted(export.operator, machine_now).await;
        if added != Ok(ExportAdded::Done) {
            self.remove(export).await?;
        }
        added
    }

    /// Removes an export that nothing will work on, because its note could not be put: it would count as one in progress until it has
    /// failed. An invocation whose note was put nevertheless finds no export, and ends. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn remove(&self, export: &ExportRecord) -> Result<(), StoreError> {
        let delete = self.db.delete_item().table_name(&self.table).set_key(Some(key(export.operator, export.id)));
        delete.send().await.map(drop).map_err(|error| StoreError::request("DeleteItem", &error))
    }

    /// Whether an operator has too many exports, of which one was added just now. It reads those that were requested within a day, and so
    /// a number of items that the limit bounds. An export that takes longer than a day no longer counts as one in progress.
    async fn counted(&self, operator: OperatorId, machine_now: Instant) -> Result<ExportAdded, StoreError> {
        let since = machine_now.days_before(1);
        let mut items = self
            .db
            .query()
            .table_name(&self.table)
            .key_condition_expression("operator_id = :operator AND export_id >= :since")
            .projection_expression("export_id, #state, alive_until")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":operator", number(i64::from(operator.get())))
            .expression_attribute_values(":since", AttributeValue::S(ExportId::new(since, 0).to_string()))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let (mut requested, mut in_progress) = (Vec::new(), 0_usize);
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| StoreError::request("Query", &error))?;
            requested.push(id(&item)?);
            in_progress += usize::from(state(&item, machine_now)? == ExportState::Running);
        }
        if in_progress > MOST_EXPORTS {
            return Ok(ExportAdded::TooManyInProgress);
        }
        // The earliest comes first. Without this one, another may be added.
        let Some(earliest) = requested.iter().rev().nth(MOST_EXPORTS_A_DAY) else { return Ok(ExportAdded::Done) };
        let last = earliest.requested_at().unwrap_or(machine_now).days_after(1);
        Ok(ExportAdded::TooManyADay { until: Instant::from_millis(last.millis() + 1).unwrap_or(last) })
    }

    /// An operator's export with this UUID. One request. A call cannot find another operator's export.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if the item is malformed.
    pub async fn find(
        &self,
        operator: OperatorId,
        id: ExportId,
        machine_now: Instant,
    ) -> Result<Option<ExportStatus>, StoreError> {
        let get = self.db.get_item().table_name(&self.table).set_key(Some(key(operator, id))).consistent_read(true);
        let answer = get.send().await.map_err(|error| StoreError::request("GetItem", &error))?;
        let item = answer.item.filter(|item| !is_forgotten(item, machine_now));
        item.map(|item| ExportStatus::of(&item, machine_now)).transpose()
    }

    /// At most `most` of an operator's exports, the latest first, and the export after which the list continues. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if an item is malformed.
    pub async fn list(
        &self,
        operator: OperatorId,
        (after, most): (Option<ExportId>, usize),
        machine_now: Instant,
    ) -> Result<(Vec<ExportStatus>, Option<ExportId>), StoreError> {
        let query = self
            .db
            .query()
            .table_name(&self.table)
            .key_condition_expression("operator_id = :operator")
            .expression_attribute_values(":operator", number(i64::from(operator.get())))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(i32::try_from(most).unwrap_or(1))
            .set_exclusive_start_key(after.map(|after| key(operator, after)));
        let answer = query.send().await.map_err(|error| StoreError::request("Query", &error))?;
        let next = answer.last_evaluated_key.as_ref().map(id).transpose()?;
        let items = answer.items.unwrap_or_default();
        let known = items.iter().filter(|item| !is_forgotten(item, machine_now));
        Ok((known.map(|item| ExportStatus::of(item, machine_now)).collect::<Result<_, _>>()?, next))
    }

    /// Which of these exports exist, including forgotten ones and items that cannot be read. One request per hundred.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn known(
        &self,
        exports: &[(OperatorId, ExportId)],
        deadline: Deadline,
    ) -> Result<HashSet<(OperatorId, ExportId)>, StoreError> {
        let keys = exports.iter().map(|(operator, id)| key(*operator, *id)).collect();
        let items = batch_get_keys(&self.db, &self.table, keys, Consistency::Strong, deadline).await?;
        Ok(items.iter().filter_map(name).collect())
    }

    /// The next page of all operators' exports after an export, and the export after which to continue. One request, or more if the last
    /// item of a page has a key that is not an export's.
    pub(crate) async fn page(
        &self,
        after: Option<(OperatorId, ExportId)>,
        most: i32,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<(OperatorId, ExportId)>), StoreError> {
        let after = after.map(|(operator, id)| key(operator, id));
        named_page(&self.db, &self.table, after, most, Consistency::Strong, deadline, name).await
    }

    /// Takes the lease on an export, unless another invocation has it or the export has ended. `worker` and `machine_now` as for an import
    /// ([`Imports::begin`](crate::Imports::begin)).
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn begin(
        &self,
        operator: OperatorId,
        id: ExportId,
        worker: &str,
        machine_now: Instant,
    ) -> Result<ExportBegun, StoreError> {
        let update = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(operator, id)))
            .update_expression(
                "SET fence = if_not_exists(fence, :zero) + :one, worker = :worker, leased_until = :until, alive_until = :alive",
            )
            .condition_expression(
                "#state = :running \
                 AND (attribute_not_exists(leased_until) OR leased_until < :machine_now OR worker = :worker)",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":worker", AttributeValue::S(worker.to_owned()))
            .expression_attribute_values(":until", leased_until(machine_now))
            .expression_attribute_values(":alive", number(alive_until(machine_now)))
            .expression_attribute_values(":machine_now", date(machine_now))
            .expression_attribute_values(":running", running())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match updated(update).await? {
            Updated::Done(item) => {
                let item = item.ok_or(corrupt("an item"))?;
                let fence = integer(&item, "fence").ok_or(corrupt("fence"))?;
                let hold = ExportHold { record: ExportRecord::of(&item)?, fence };
                Ok(ExportBegun::Yours(hold, progress(&item)?))
            }
            Updated::Lost(item) => {
                let is_running = |item: &Item| text(item, "state") == Some(ExportState::Running.as_str());
                Ok(if item.as_ref().is_some_and(is_running) { ExportBegun::Held } else { ExportBegun::Over })
            }
        }
    }

    /// Writes a checkpoint and renews the lease.
    ///
    /// # Errors
    /// [`HoldError::Lost`] if another invocation has taken over: nothing was written, and this invocation must write nothing more.
    pub async fn checkpoint(
        &self,
        hold: &ExportHold,
        progress: &ExportProgress,
        machine_now: Instant,
    ) -> Result<(), HoldError> {
        let update = self
            .held(hold)
            .update_expression("SET progress = :progress, leased_until = :until, alive_until = :alive")
            .expression_attribute_values(":progress", stored(progress)?)
            .expression_attribute_values(":until", leased_until(machine_now))
            .expression_attribute_values(":alive", number(alive_until(machine_now)));
        write_held(update, |_| false).await
    }

    /// Releases an export before its end. Another invocation may take it at once.
    ///
    /// # Errors
    /// As in [`Self::checkpoint`].
    pub async fn release(&self, hold: &ExportHold) -> Result<(), HoldError> {
        let update = self.held(hold).update_expression("SET leased_until = :zero");
        write_held(update.expression_attribute_values(":zero", number(0)), |_| false).await
    }

    /// Ends an export: its file can be read. The clocks as in [`Self::add`].
    ///
    /// # Errors
    /// As in [`Self::checkpoint`].
    pub async fn end(
        &self,
        hold: &ExportHold,
        applications: u64,
        bytes: u64,
        (now, machine_now): (Instant, Instant),
    ) -> Result<(), HoldError> {
        let result = ExportProgress { applications, is_read: true, ..ExportProgress::default() };
        let update = self
            .held(hold)
            .update_expression(
                "SET #state = :ready, progress = :progress, bytes = :bytes, ended_at = :now, expires_at = :expires_at \
                 REMOVE leased_until, worker",
            )
            .expression_attribute_values(":ready", AttributeValue::S(ExportState::Ready.as_str().to_owned()))
            .expression_attribute_values(":progress", stored(&result)?)
            .expression_attribute_values(":bytes", number(i64::try_from(bytes).unwrap_or(i64::MAX)))
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(":expires_at", date(machine_now.days_after(KEPT_DAYS)));
        let fence = hold.fence;
        write_held(update, |item| {
            integer(item, "fence") == Some(fence) && text(item, "state") == Some(ExportState::Ready.as_str())
        })
        .await
    }

    /// An update of an export, on the condition that this hold was not lost.
    fn held(&self, hold: &ExportHold) -> UpdateItemFluentBuilder {
        self.db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(hold.record.operator, hold.record.id)))
            .condition_expression("fence = :fence AND #state = :running")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":fence", number(hold.fence))
            .expression_attribute_values(":running", running())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }
}

fn running() -> AttributeValue {
    AttributeValue::S(ExportState::Running.as_str().to_owned())
}
