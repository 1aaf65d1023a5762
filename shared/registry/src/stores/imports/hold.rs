//! Working on an import: one invocation at a time.
//!
//! An invocation that takes an import gets a *fence*, a number that only grows, and a lease that ends by itself. Every later write
//! carries the fence as its condition: an invocation that was frozen, and wakes up after another has taken over, can write nothing
//! any more.

use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{Instant, OperatorId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dynamo::error::{StoreError, is_contention, is_transient, met};
use crate::dynamo::item::{Item, date, instant, integer, number, text};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::records::ids::ImportId;
use crate::records::import::{
    FileOutcome, ImportRecord, ImportState, UndoRefusal, Wishes, Work, corrupt, key, later, record, stored,
    undo_refusal, value, working,
};
use crate::stores::imports::table::Imports;

/// How long an invocation may be silent before another takes over. It writes a checkpoint far more often.
pub const LEASE: Duration = Duration::from_secs(120);

/// For how long a checkpoint or an end that collides is tried again.
const PATIENCE: Duration = Duration::from_secs(20);

/// The longest that an invocation lives, whatever it does: Lambda's own limit.
const LONGEST_INVOCATION: Duration = Duration::from_secs(900);

/// An invocation's hold on an import. Whoever lost it can write nothing with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    record: ImportRecord,
    fence: i64,
    started_at: Instant,
    work: Work,
    /// Until when the invocation that this one took over from may still be alive, if it did.
    haunted_until: Option<Instant>,
    wishes: Wishes,
}

impl Hold {
    /// When the import, or its undoing, was first begun, whoever works on it now.
    #[must_use]
    pub const fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Which hold it is: every later one on the same import has a greater number.
    #[must_use]
    pub const fn fence(&self) -> i64 {
        self.fence
    }

    /// Which import it is.
    #[must_use]
    pub const fn record(&self) -> &ImportRecord {
        &self.record
    }

    /// What the operator said of the file when it asked for a place for it.
    #[must_use]
    pub const fn wishes(&self) -> Wishes {
        self.wishes
    }

    fn of(item: &Item, record: ImportRecord, work: Work, machine_now: Instant) -> Result<Self, StoreError> {
        let started_at = work.started_at();
        // Whoever had it before has not let it go: it may be frozen, and wake up.
        let silent = work == Work::Import && integer(item, "taken_from").is_some_and(|until| until > 0);
        Ok(Self {
            record,
            fence: integer(item, "fence").ok_or(corrupt("fence"))?,
            started_at: instant(item, started_at).ok_or(corrupt(started_at))?,
            work,
            haunted_until: silent.then(|| later(machine_now, LONGEST_INVOCATION)).flatten(),
            wishes: Wishes::of(item),
        })
    }
}

fn leased_until(machine_now: Instant) -> AttributeValue {
    let lease = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
    number(machine_now.millis().saturating_add(lease))
}

/// What [`Imports::begin`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun<C, R> {
    /// It is the caller's to work on, from this checkpoint on if there is one.
    Yours(Hold, Option<C>),
    /// Another invocation works on it.
    Held,
    /// It has ended with this report. There is nothing left to do but to see that the report can be read.
    Ended(R),
}

/// What [`Imports::begin_undo`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoBegun<U, R> {
    /// It is the caller's to work on, from this checkpoint on if there is one. The report is the one that the import ended
    /// with.
    Yours(Hold, Option<U>, R),
    /// Another invocation works on it.
    Held,
    /// It was undone before, with this report.
    Ended(R),
    /// It cannot be undone now.
    Refused(UndoRefusal),
}

/// The hold was lost: another invocation works on the import, or it has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// Another invocation has taken over.
    #[error("another invocation has taken the import over")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Imports {
    /// Takes an import to work on, unless another invocation does or it has ended.
    ///
    /// `worker` names the invocation: Lambda gives a retried one the name it had, so that it need not wait for the lease
    /// of its own earlier life. `machine_now` is the machine's clock, whatever the registry's says: a lease is real time.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; may be repeated.
    pub async fn begin<C: DeserializeOwned, R: DeserializeOwned>(
        &self,
        import: &ImportRecord,
        worker: &str,
        now: Instant,
        machine_now: Instant,
    ) -> Result<Begun<C, R>, StoreError> {
        let sent = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(import.operator, import.id)))
            .update_expression(
                "SET fence = if_not_exists(fence, :zero) + :one, worker = :worker, leased_until = :until, \
                 taken_from = if_not_exists(leased_until, :zero), #state = :running, #key = :key, working = :working, \
                 started_at = if_not_exists(started_at, :now), created_at = if_not_exists(created_at, :now) \
                 REMOVE expires_at, forgotten_at",
            )
            .condition_expression(
                "attribute_not_exists(#state) OR #state = :awaiting \
                 OR (#state = :running AND (leased_until < :machine_now OR worker = :worker))",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":worker", AttributeValue::S(worker.to_owned()))
            .expression_attribute_values(":until", leased_until(machine_now))
            .expression_attribute_values(":machine_now", date(machine_now))
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(":key", AttributeValue::S(import.key.clone()))
            .expression_attribute_values(":working", working())
            .expression_attribute_values(":running", AttributeValue::S(ImportState::Running.as_str().to_owned()))
            .expression_attribute_values(
                ":awaiting",
                AttributeValue::S(ImportState::AwaitingUpload.as_str().to_owned()),
            )
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(answer) => {
                let item = answer.attributes.ok_or(corrupt("an item"))?;
                let hold = Hold::of(&item, import.clone(), Work::Import, machine_now)?;
                return Ok(Begun::Yours(hold, value(&item, Work::Import.checkpoint())?));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                let item = lost.item().ok_or(corrupt("an item"))?;
                match ImportState::of(item)? {
                    ImportState::Completed | ImportState::Failed | ImportState::Undone => {
                        Ok(Begun::Ended(value(item, "report")?.ok_or(corrupt("report"))?))
                    }
                    ImportState::Running | ImportState::AwaitingUpload | ImportState::Undoing => Ok(Begun::Held),
                }
            }
            _ => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// Takes an import that has ended, to take back what it added. `worker` and the clocks as of [`Self::begin`].
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; may be repeated.
    pub async fn begin_undo<U: DeserializeOwned, R: DeserializeOwned>(
        &self,
        operator: OperatorId,
        id: ImportId,
        worker: &str,
        now: Instant,
        machine_now: Instant,
    ) -> Result<UndoBegun<U, R>, StoreError> {
        let state = |state: ImportState| AttributeValue::S(state.as_str().to_owned());
        let sent = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(Some(operator), id)))
            .update_expression(
                "SET fence = fence + :one, worker = :worker, leased_until = :until, #state = :undoing, working = :working, \
                 undo_started_at = if_not_exists(undo_started_at, :now)",
            )
            .condition_expression(
                "(#state IN (:completed, :failed) AND (attribute_not_exists(haunted_until) OR haunted_until < :machine_now)) \
                 OR (#state = :undoing AND (leased_until < :machine_now OR worker = :worker))",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":worker", AttributeValue::S(worker.to_owned()))
            .expression_attribute_values(":until", leased_until(machine_now))
            .expression_attribute_values(":machine_now", date(machine_now))
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(":working", working())
            .expression_attribute_values(":completed", state(ImportState::Completed))
            .expression_attribute_values(":failed", state(ImportState::Failed))
            .expression_attribute_values(":undoing", state(ImportState::Undoing))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let report = |item: &Item| value(item, "report")?.ok_or(corrupt("report"));
        let error = match sent {
            Ok(answer) => {
                let item = answer.attributes.ok_or(corrupt("an item"))?;
                let record = record(&item)?;
                let hold = Hold::of(&item, record, Work::Undo, machine_now)?;
                return Ok(UndoBegun::Yours(hold, value(&item, Work::Undo.checkpoint())?, report(&item)?));
            }
            Err(error) => error,
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(lost)) = error.as_service_error() else {
            return Err(StoreError::request("UpdateItem", &error));
        };
        let Some(item) = lost.item() else { return Ok(UndoBegun::Refused(UndoRefusal::Unknown)) };
        let state = ImportState::of(item)?;
        if let Some(refusal) = undo_refusal(state, instant(item, "haunted_until"), machine_now) {
            return Ok(UndoBegun::Refused(refusal));
        }
        Ok(match state {
            ImportState::Undone => UndoBegun::Ended(report(item)?),
            _ => UndoBegun::Held,
        })
    }

    /// Writes how far the work is, and holds the import for another while.
    ///
    /// # Errors
    /// [`HoldError::Lost`] if another invocation has taken over: nothing was written, and nothing may be from now on.
    pub async fn checkpoint(
        &self,
        hold: &Hold,
        checkpoint: &impl Serialize,
        machine_now: Instant,
    ) -> Result<(), HoldError> {
        let values = [(":checkpoint", stored(checkpoint)?), (":until", leased_until(machine_now))];
        let expression = format!("SET {} = :checkpoint, leased_until = :until", hold.work.checkpoint());
        self.write_held(hold, &expression, "", None, values).await
    }

    /// Lets go of an import that is not at its end: whoever comes next may take it at once.
    ///
    /// # Errors
    /// As of [`Self::checkpoint`].
    pub async fn release(&self, hold: &Hold) -> Result<(), HoldError> {
        self.write_held(hold, "SET leased_until = :zero", "", None, [(":zero", number(0))]).await
    }

    /// Ends the lease that an earlier try of this invocation holds on an import, if it holds one: an invocation of another name may take
    /// the import at once. As after any lease that ran out, that try may still be writing.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn let_go(&self, operator: OperatorId, id: ImportId, worker: &str) -> Result<(), StoreError> {
        let sent = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(Some(operator), id)))
            // Not 0, which says that the lease was given back and nobody writes any more.
            .update_expression("SET leased_until = :past")
            .condition_expression("worker = :worker AND attribute_exists(working) AND leased_until > :past")
            .expression_attribute_values(":past", number(1))
            .expression_attribute_values(":worker", AttributeValue::S(worker.to_owned()))
            .send()
            .await;
        met("UpdateItem", sent).map(drop)
    }

    /// Ends an import, with its report and what only the registry's team is told of it.
    ///
    /// # Errors
    /// As of [`Self::checkpoint`].
    pub async fn end(
        &self,
        hold: &Hold,
        outcome: FileOutcome,
        report: &impl Serialize,
        for_the_team: &impl Serialize,
    ) -> Result<(), HoldError> {
        let values = [
            (":state", AttributeValue::S(outcome.as_str().to_owned())),
            (":report", stored(report)?),
            (":for_the_team", stored(for_the_team)?),
        ];
        let expression = "SET #state = :state, report = :report, for_the_team = :for_the_team";
        let remove = format!("{}, working", hold.work.checkpoint());
        self.write_held(hold, expression, &remove, Some(outcome), values).await
    }

    async fn write_held<const N: usize>(
        &self,
        hold: &Hold,
        set: &str,
        remove: &str,
        ends: Option<FileOutcome>,
        values: [(&str, AttributeValue); N],
    ) -> Result<(), HoldError> {
        let mut expression = set.to_owned();
        if hold.haunted_until.is_some() {
            expression.push_str(", haunted_until = :haunted_until");
        }
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {remove}"));
        }
        let mut update = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(hold.record.operator, hold.record.id)))
            .update_expression(expression)
            .condition_expression("fence = :fence AND #held = :held")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_names("#held", "state")
            .expression_attribute_values(":held", AttributeValue::S(hold.work.state().as_str().to_owned()))
            .expression_attribute_values(":fence", number(hold.fence));
        if let Some(until) = hold.haunted_until {
            update = update.expression_attribute_values(":haunted_until", date(until));
        }
        if ends.is_some() {
            update = update.expression_attribute_names("#state", "state");
        }
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        // The SDK does not try again where a request collides, and giving up would have all rows since the last checkpoint
        // done again.
        let mut backoff = Backoff::until(Deadline::after(PATIENCE));
        loop {
            let Err(error) = update.clone().send().await else { return Ok(()) };
            match error.as_service_error() {
                // By a try whose answer was lost: a hold ends once, and nobody else has its fence.
                Some(UpdateItemError::ConditionalCheckFailedException(lost))
                    if ends.is_some()
                        && lost.item().is_some_and(|item| {
                            integer(item, "fence") == Some(hold.fence)
                                && text(item, "state") == ends.map(FileOutcome::as_str)
                        }) =>
                {
                    return Ok(());
                }
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => return Err(HoldError::Lost),
                _ if is_transient(&error) => {
                    if !error.code().is_some_and(is_contention) {
                        backoff.note(StoreError::request("UpdateItem", &error));
                    }
                    backoff.pause().await?;
                }
                _ => return Err(HoldError::Store(StoreError::request("UpdateItem", &error))),
            }
        }
    }
}
