//! The lease on an import: one invocation at a time works on it.
//!
//! An invocation that takes an import gets a *fence*, a number that only grows, and a lease that expires. Every later write has the fence
//! in its condition. So a stale writer, an invocation that was frozen and continues after another took over, cannot write any more.
//!
//! A *hold* is what the invocation has in hand: the import, its fence and the operator's options.

use std::time::Duration;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{Instant, OperatorId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dynamo::error::{StoreError, met};
use crate::dynamo::item::{Item, date, instant, integer, number, text};
use crate::dynamo::update::{Updated, updated};
use crate::records::ids::ImportId;
use crate::records::import::{
    FileOutcome, ImportRecord, ImportState, ImportStatus, STALE_WRITER_UNTIL, UndoRefusal, Wishes, Work, corrupt,
    given_up_before, later, record, status, stored, undo_refusal, value, working,
};
use crate::stores::imports::table::Imports;
use crate::stores::lease::{HoldError, leased_until, write_held};

/// The longest lifetime of an invocation: Lambda's limit.
const LONGEST_INVOCATION: Duration = Duration::from_secs(900);

/// The condition that an import has ended, and that no stale writer may still write to it: [`undo_refusal`] as an expression.
const HAS_ENDED: &str =
    "#state IN (:completed, :failed) AND (attribute_not_exists(haunted_until) OR haunted_until < :machine_now)";

/// The condition on which an invocation takes the import of its event.
const MAY_BEGIN: &str = "attribute_not_exists(#state) OR #state = :awaiting \
                         OR (#state = :running AND (leased_until < :machine_now OR worker = :worker))";

/// The condition on which an invocation takes an import that was given up.
const WAS_GIVEN_UP: &str =
    "#state = :running AND seen_at < :given_up AND (leased_until < :machine_now OR worker = :worker)";

/// An invocation's hold on an import. An invocation that lost its hold can write nothing with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    record: ImportRecord,
    fence: i64,
    started_at: Instant,
    work: Work,
    /// If this invocation took over from another: until when the other may still be running as a stale writer. The item has an attribute
    /// of this name, and an undo waits for its end.
    stale_writer_until: Option<Instant>,
    wishes: Wishes,
}

impl Hold {
    /// When the import, or its undo, was first begun, by any invocation.
    #[must_use]
    pub const fn started_at(&self) -> Instant {
        self.started_at
    }

    /// The fence. Every later hold on the same import has a greater fence.
    #[must_use]
    pub const fn fence(&self) -> i64 {
        self.fence
    }

    /// The import.
    #[must_use]
    pub const fn record(&self) -> &ImportRecord {
        &self.record
    }

    /// The operator's options for the file.
    #[must_use]
    pub const fn wishes(&self) -> Wishes {
        self.wishes
    }

    fn of(item: &Item, record: ImportRecord, work: Work, machine_now: Instant) -> Result<Self, StoreError> {
        let started_at = work.started_at();
        // The previous invocation has not given its lease back: it may be frozen and continue as a stale writer.
        let silent = work == Work::Import && integer(item, "taken_from").is_some_and(|until| until > 0);
        Ok(Self {
            record,
            fence: integer(item, "fence").ok_or(corrupt("fence"))?,
            started_at: instant(item, started_at).ok_or(corrupt(started_at))?,
            work,
            stale_writer_until: silent.then(|| later(machine_now, LONGEST_INVOCATION)).flatten(),
            wishes: Wishes::of(item),
        })
    }
}

/// The result of [`Imports::begin`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun<C, R> {
    /// The caller holds it, and continues from this checkpoint if there is one.
    Yours(Hold, Option<C>),
    /// Another invocation holds it.
    Held,
    /// It has ended with this report. The caller only has to make sure that the report can be read.
    Ended(R),
}

/// The result of [`Imports::begin_undo`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoBegun<U, R> {
    /// The caller holds it, and continues from this checkpoint if there is one. The report is the import's report.
    Yours(Hold, Option<U>, R),
    /// Another invocation holds it.
    Held,
    /// It was undone before, with this report.
    Ended(R),
    /// It cannot be undone now.
    Refused(UndoRefusal),
}

impl Imports {
    /// Takes the lease on an import, unless another invocation has it or the import has ended.
    ///
    /// `worker` is the invocation's ID. Lambda gives a retried invocation the same ID, so the retry need not wait for the lease of its
    /// own earlier try. `machine_now` is the time of the machine's clock, even if the registry's clock is pinned, because a lease is real
    /// time.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn begin<C: DeserializeOwned, R: DeserializeOwned>(
        &self,
        import: &ImportRecord,
        worker: &str,
        now: Instant,
        machine_now: Instant,
    ) -> Result<Begun<C, R>, StoreError> {
        self.take(import, worker, (now, machine_now), false).await
    }

    /// Takes the lease on a running import that was given up: nothing has had it in hand for [`GIVEN_UP_AFTER`](crate::GIVEN_UP_AFTER).
    /// So no invocation works on it, and no event of it is left but in the dead-letter queue. The caller ends it. Otherwise as
    /// [`Self::begin`], but [`Begun::Held`] also if it was not given up.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn begin_given_up<C: DeserializeOwned, R: DeserializeOwned>(
        &self,
        import: &ImportRecord,
        worker: &str,
        now: Instant,
        machine_now: Instant,
    ) -> Result<Begun<C, R>, StoreError> {
        self.take(import, worker, (now, machine_now), true).await
    }

    async fn take<C: DeserializeOwned, R: DeserializeOwned>(
        &self,
        import: &ImportRecord,
        worker: &str,
        (now, machine_now): (Instant, Instant),
        given_up: bool,
    ) -> Result<Begun<C, R>, StoreError> {
        // If the caller does not come to the end of an import that was given up, the import is still one.
        let seen = if given_up { "" } else { ", seen_at = :machine_now" };
        let update = self
            .update(import.operator, import.id)
            .update_expression(format!(
                "SET fence = if_not_exists(fence, :zero) + :one, worker = :worker, leased_until = :until, \
                 taken_from = if_not_exists(leased_until, :zero), #state = :running, #key = :key, working = :working, \
                 started_at = if_not_exists(started_at, :now), created_at = if_not_exists(created_at, :now){seen} \
                 REMOVE expires_at, forgotten_at"
            ))
            .condition_expression(if given_up { WAS_GIVEN_UP } else { MAY_BEGIN })
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
            .expression_attribute_values(":running", ImportState::Running.attribute())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = if given_up {
            update.expression_attribute_values(":given_up", number(given_up_before(machine_now)))
        } else {
            update.expression_attribute_values(":awaiting", ImportState::AwaitingUpload.attribute())
        };
        match updated(update).await? {
            Updated::Done(item) => {
                let item = item.ok_or(corrupt("an item"))?;
                let mut hold = Hold::of(&item, import.clone(), Work::Import, machine_now)?;
                // The invocation that had the lease ended hours ago.
                hold.stale_writer_until = hold.stale_writer_until.filter(|_| !given_up);
                Ok(Begun::Yours(hold, value(&item, Work::Import.checkpoint())?))
            }
            Updated::Lost(item) => {
                let item = item.ok_or(corrupt("an item"))?;
                match ImportState::of(&item)? {
                    ImportState::Completed | ImportState::Failed | ImportState::Undone => {
                        Ok(Begun::Ended(value(&item, "report")?.ok_or(corrupt("report"))?))
                    }
                    ImportState::Running | ImportState::AwaitingUpload | ImportState::Undoing => Ok(Begun::Held),
                }
            }
        }
    }

    /// Takes the lease on an import that has ended, to undo it. `worker` and the clocks as in [`Self::begin`].
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn begin_undo<U: DeserializeOwned, R: DeserializeOwned>(
        &self,
        operator: OperatorId,
        id: ImportId,
        worker: &str,
        now: Instant,
        machine_now: Instant,
    ) -> Result<UndoBegun<U, R>, StoreError> {
        let update = self
            .undo(operator, id, (now, machine_now))
            .update_expression(
                "SET fence = fence + :one, worker = :worker, leased_until = :until, #state = :undoing, working = :working, \
                 undo_started_at = if_not_exists(undo_started_at, :now)",
            )
            .condition_expression(format!(
                "({HAS_ENDED}) OR (#state = :undoing AND (leased_until < :machine_now OR worker = :worker))"
            ))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":worker", AttributeValue::S(worker.to_owned()))
            .expression_attribute_values(":until", leased_until(machine_now));
        let report = |item: &Item| value(item, "report")?.ok_or(corrupt("report"));
        let item = match updated(update).await? {
            Updated::Done(item) => {
                let item = item.ok_or(corrupt("an item"))?;
                let record = record(&item)?;
                let hold = Hold::of(&item, record, Work::Undo, machine_now)?;
                return Ok(UndoBegun::Yours(hold, value(&item, Work::Undo.checkpoint())?, report(&item)?));
            }
            Updated::Lost(item) => item,
        };
        let Some(item) = item else { return Ok(UndoBegun::Refused(UndoRefusal::Unknown)) };
        let state = ImportState::of(&item)?;
        if let Some(refusal) = undo_refusal(state, instant(&item, STALE_WRITER_UNTIL), machine_now) {
            return Ok(UndoBegun::Refused(refusal));
        }
        Ok(match state {
            ImportState::Undone => UndoBegun::Ended(report(&item)?),
            _ => UndoBegun::Held,
        })
    }

    /// Notes that an import that has ended is to be undone: from now on it is `undoing`, and any invocation may take it. Returns the import
    /// as it is then. An import whose undo has begun or ended stays as it is, and so does one that cannot be undone now; `None`: there is no
    /// such import. The clocks as in [`Self::begin`]. The call may be repeated. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if the item is malformed.
    pub async fn request_undo<C: DeserializeOwned, R: DeserializeOwned, U: DeserializeOwned>(
        &self,
        operator: OperatorId,
        id: ImportId,
        now: Instant,
        machine_now: Instant,
    ) -> Result<Option<ImportStatus<C, R, U>>, StoreError> {
        let update = self
            .undo(operator, id, (now, machine_now))
            // As an invocation leaves it that had no time left: without a lease.
            .update_expression(
                "SET #state = :undoing, working = :working, leased_until = :zero, \
                 undo_started_at = if_not_exists(undo_started_at, :now)",
            )
            .condition_expression(HAS_ENDED)
            .expression_attribute_values(":zero", number(0));
        let (Updated::Done(item) | Updated::Lost(item)) = updated(update).await?;
        item.as_ref().map(status).transpose()
    }

    /// An update that begins an undo, without its expressions but with their values.
    fn undo(
        &self,
        operator: OperatorId,
        id: ImportId,
        (now, machine_now): (Instant, Instant),
    ) -> UpdateItemFluentBuilder {
        self.update(Some(operator), id)
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":machine_now", date(machine_now))
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(":working", working())
            .expression_attribute_values(":completed", ImportState::Completed.attribute())
            .expression_attribute_values(":failed", ImportState::Failed.attribute())
            .expression_attribute_values(":undoing", ImportState::Undoing.attribute())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// Writes a checkpoint and renews the lease.
    ///
    /// # Errors
    /// [`HoldError::Lost`] if another invocation has taken over: nothing was written, and this invocation must write nothing more.
    pub async fn checkpoint(
        &self,
        hold: &Hold,
        checkpoint: &impl Serialize,
        machine_now: Instant,
    ) -> Result<(), HoldError> {
        let values = [(":checkpoint", stored(checkpoint)?), (":until", leased_until(machine_now))];
        let expression = format!("SET {} = :checkpoint, leased_until = :until", hold.work.checkpoint());
        self.write(hold, &expression, "", None, values).await
    }

    /// Releases an import before its end. Another invocation may take it at once.
    ///
    /// # Errors
    /// As in [`Self::checkpoint`].
    pub async fn release(&self, hold: &Hold) -> Result<(), HoldError> {
        self.write(hold, "SET leased_until = :zero", "", None, [(":zero", number(0))]).await
    }

    /// Notes that an import or an undo waits for its turn, if it was begun. Ends the lease that an earlier try of this invocation holds on
    /// it, if any: another invocation may then take it at once. As after any lease that expired, the earlier try may still be writing. One
    /// request, or two if the earlier try had the import last.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn wait(
        &self,
        operator: OperatorId,
        id: ImportId,
        worker: &str,
        machine_now: Instant,
    ) -> Result<(), StoreError> {
        let update = self
            .update(Some(operator), id)
            .update_expression("SET seen_at = :machine_now")
            .condition_expression("attribute_exists(working)")
            .expression_attribute_values(":machine_now", date(machine_now))
            .return_values(ReturnValue::AllNew);
        let Updated::Done(item) = updated(update).await? else { return Ok(()) };
        if text(&item.unwrap_or_default(), "worker") != Some(worker) {
            return Ok(());
        }
        let sent = self
            .update(Some(operator), id)
            // Not 0, because 0 means that the lease was given back and its holder writes no more.
            .update_expression("SET leased_until = :past")
            .condition_expression("worker = :worker AND attribute_exists(working) AND leased_until > :past")
            .expression_attribute_values(":past", number(1))
            .expression_attribute_values(":worker", AttributeValue::S(worker.to_owned()))
            .send()
            .await;
        met("UpdateItem", sent).map(drop)
    }

    /// Ends an import, with its report and the data that only the registry's team may see.
    ///
    /// # Errors
    /// As in [`Self::checkpoint`].
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
        self.write(hold, expression, &remove, Some(outcome), values).await
    }

    async fn write<const N: usize>(
        &self,
        hold: &Hold,
        set: &str,
        remove: &str,
        ends: Option<FileOutcome>,
        values: [(&str, AttributeValue); N],
    ) -> Result<(), HoldError> {
        let mut expression = set.to_owned();
        if hold.stale_writer_until.is_some() {
            expression.push_str(", haunted_until = :haunted_until");
        }
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {remove}"));
        }
        let mut update = self
            .update(hold.record.operator, hold.record.id)
            .update_expression(expression)
            .condition_expression("fence = :fence AND #held = :held")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_names("#held", "state")
            .expression_attribute_values(":held", hold.work.state().attribute())
            .expression_attribute_values(":fence", number(hold.fence));
        if let Some(until) = hold.stale_writer_until {
            update = update.expression_attribute_values(":haunted_until", date(until));
        }
        if ends.is_some() {
            update = update.expression_attribute_names("#state", "state");
        }
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        // A hold ends an import once, and no other invocation has its fence.
        let has_ended = |item: &Item| {
            integer(item, "fence") == Some(hold.fence)
                && ends.is_some()
                && text(item, "state") == ends.map(FileOutcome::as_str)
        };
        write_held(update, has_ended).await
    }
}
