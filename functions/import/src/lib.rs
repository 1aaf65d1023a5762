//! The import function: turns CSV files on S3 into history and journeys, answers lists of drivers, and undoes imports.
//!
//! The way of a file: [`ImportFunction::handle`] (an event), `import` (its id), `import_in_slot` (a slot of its operator), then
//! `file::import` (the lease, the end), `file::run` (what refuses the whole file), `file::survey` and `file::rows` (the two readings),
//! [`workers::lanes`] (who writes which row), [`workers::rows`] (one row), and [`HistoryWriter`] (its request).
//!
//! | to find | look in |
//! |---|---|
//! | the owner and the version of a file | [`event`] |
//! | the steps of an import from first byte to report, and what refuses the whole file | `file` |
//! | the survey; how rows are read; checkpoints; the end | `file::survey`, `file::rows`, `file::checkpoint`, `file::ending` |
//! | why never two rows of one driver are written at once | [`workers::lanes`] |
//! | how many rows are written at once | [`workers::pace`] |
//! | how a row is written | [`workers::rows`] |
//! | the lists beside the report, and how an object is put | [`cee_service::objects`] |
//! | how an import is undone, which a note on S3 requests | `undo` |
//! | how a file replaces an import | `replace` |
//! | how a list of drivers is answered, and how many an operator may ask about | `drivers` |
//! | settings, stores, time, errors | `context` |
//!
//! Two things are called worker: in `worker: &str` the invocation, by its request id, which is also the name on a lease; and in
//! [`workers`] a task that writes rows. A *turn* is the minute for which an invocation reads new rows (docs/adr/0043).
//!
//! A panic of a row rejects that row, any other panic fails its event: `file::rows`, [`ImportFunction::handle`].
//!
//! Everything here may happen again: S3 delivers an event at least once, and Lambda retries a failed one. A row keeps its place in
//! its file as its id, so a row imported again is recognised and counted as before, and an import that has ended does not start
//! again.

mod context;
mod drivers;
mod file;
mod replace;
mod s3;
mod undo;
pub mod workers;

use std::panic::AssertUnwindSafe;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cee_eligibility::{Instant, OperatorId};
use cee_registry::{
    Applications, Claimed, DriverQuota, HistoryRemover, HistoryWriter, ImportId, ImportSlot, ImportSlots, Imports,
    JourneyFollower, Journeys, Operators, PepperCheck, Simulator,
};
use cee_service::aws::Aws;
use cee_service::clock::{machine_now, time_left};
use cee_service::metrics::Numbers;
use cee_service::objects::get;
use cee_service::{CheckedPepper, Environment, SettingError, telemetry, trap};
use futures_util::FutureExt as _;
use lambda_runtime::LambdaEvent;
use tracing::Instrument as _;

pub use crate::context::ImportError;
use crate::context::{Budget, Context, NAME};
use crate::event::{Event, File, Owner, Record, Subject};
pub use crate::s3::event;

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &[
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "CHANGES_TABLE",
    "JOURNEYS_TABLE",
    "IMPORTS_TABLE",
    "OPERATORS_TABLE",
    "LIMITS_TABLE",
];

/// How long an invocation without a slot waits before it puts the work back into the queue. Short, so that it delays no other work.
const ASIDE: Duration = Duration::from_millis(500);

/// A slot of an operator; `None` inside if slots are not counted, or the file is the registry's.
struct TakenSlot<'a>(Option<(&'a ImportSlots, ImportSlot)>);

impl TakenSlot<'_> {
    /// Releases the slot.
    async fn release(self) {
        if let Some((slots, slot)) = self.0
            && let Err(error) = slots.give_back(&slot, machine_now()).await
        {
            tracing::warn!(%error, "a slot is free again only when this invocation would have been over");
        }
    }
}

/// The import function.
#[derive(Clone, Debug)]
pub struct ImportFunction(Arc<Context>);

impl ImportFunction {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let aws = Aws::of_function(environment);
        let (db, rows) = (aws.dynamodb_patient(), aws.dynamodb_once());
        let keys = environment.claim_keys()?;
        let context = Context {
            bucket: environment.required("BUCKET")?,
            rules: environment.rules()?,
            clock: environment.clock()?,
            metrics: environment.metrics(),
            rows_per_invocation: environment.import_rows_per_invocation()?,
            turn: environment.import_turn()?,
            slots: environment.imports_per_operator()?.map(|slots| ImportSlots::new(db.clone(), &tables, slots)),
            quota: environment.drivers_per_day()?.map(|most| DriverQuota::new(db.clone(), &tables, most)),
            take_back_days: environment.take_back_days()?,
            s3: LazyLock::new(Box::new(move || aws.s3())),
            applications: Applications::new(db.clone(), &tables),
            writer: HistoryWriter::new(rows.clone(), &tables, keys.clone()),
            remover: HistoryRemover::new(rows.clone(), &tables),
            simulator: Simulator::new(rows.clone(), &tables, keys.clone()),
            journeys: Journeys::new(rows.clone(), &tables),
            follower: JourneyFollower::new(rows.clone(), &tables),
            status_changes: AtomicU64::new(0),
            imports: Imports::new(db.clone(), &tables),
            operators: Operators::new(db, &tables),
            pepper: CheckedPepper::at_start(PepperCheck::new(rows, &tables, keys)).await?,
        };
        Ok(Self(Arc::new(context)))
    }

    /// Imports every file that the event names.
    ///
    /// # Errors
    /// The first [`ImportError`]; the other files are still imported. The event may be handled again.
    pub async fn handle(&self, event: LambdaEvent<Event>) -> Result<(), ImportError> {
        let trace = event.context.xray_trace_id.as_deref().and_then(telemetry::trace_id);
        let span = telemetry::call(NAME, &event.context.request_id, trace);
        self.handle_all(event).instrument(span).await
    }

    async fn handle_all(&self, event: LambdaEvent<Event>) -> Result<(), ImportError> {
        let left = time_left(event.context.deadline());
        let budget = Budget::new(left, self.0.rows_per_invocation, self.0.turn);
        let until = machine_now().millis().saturating_add(i64::try_from(left.as_millis()).unwrap_or(0));
        let until = Instant::from_millis(until).unwrap_or_else(machine_now);
        let worker = &event.context.request_id;
        let mut failed = None;
        if event.payload.records.is_empty() {
            tracing::warn!("an event without records: a test event of S3, or none of its events");
        }
        for record in event.payload.records {
            // Caught here and not by the runtime, which would report the panic's message.
            let imported = AssertUnwindSafe(self.handle_one(record, (worker, until), budget)).catch_unwind().await;
            let imported = imported.unwrap_or(Err(ImportError::Panic));
            if let Err(error) = imported {
                tracing::error!(%error, "an import stopped");
                failed = failed.or(Some(error));
            }
        }
        // Writes the retries counted since an import last wrote its metrics.
        self.0.metrics.write(&Numbers::default(), NAME, worker);
        failed.map_or(Ok(()), Err)
    }

    async fn handle_one(
        &self,
        record: Record,
        (worker, until): (&str, Instant),
        budget: Budget,
    ) -> Result<(), ImportError> {
        match File::of(&record, &self.0.bucket) {
            Ok(Some(Subject::File(file))) => self.import(file, (worker, until), budget).await,
            Ok(Some(Subject::Continuation(note))) => self.go_on(&note, (worker, until), budget).await,
            Ok(Some(Subject::Undo(operator, import))) => {
                let Some(slot) = self.take_slot(operator, import, (worker, until)).await? else {
                    return undo::wake_next(&self.0, operator, import).await;
                };
                let undone = undo::undo(&self.0, operator, import, worker, budget).await;
                slot.release().await;
                undone
            }
            Ok(None) => Ok(()),
            // A retry would change nothing. The sender sees that no report appears.
            Err(what) => {
                tracing::warn!(what, "an event that names no file to import");
                Ok(())
            }
        }
    }

    async fn import(&self, mut file: File, whose: (&str, Instant), budget: Budget) -> Result<(), ImportError> {
        trap::spring("event", || file.key.clone());
        // If a call created an upload for it, the caller knows the import's id.
        if let Some((operator, awaited)) = file.awaited() {
            match self.0.imports.claim_upload(operator, awaited, &file.key, &file.name).await? {
                Claimed::Awaited => file.id = awaited,
                Claimed::Other => {}
                Claimed::Ignored => {
                    let operator_id = operator.get();
                    tracing::warn!(import_id = %awaited, operator_id, "a second file at one upload URL is not imported");
                    return Ok(());
                }
            }
        }
        self.import_in_slot(&file, whose, budget).await
    }

    /// Imports a file, or the next part of it, if a slot of its operator is free. Otherwise it goes to the end of the queue.
    async fn import_in_slot(
        &self,
        file: &File,
        (worker, until): (&str, Instant),
        budget: Budget,
    ) -> Result<(), ImportError> {
        let slot = match file.owner {
            Owner::Operator(operator) => match self.take_slot(operator, file.id, (worker, until)).await? {
                Some(slot) => slot,
                None => return file::wake_next(&self.0, file).await,
            },
            Owner::Registry => TakenSlot(None),
        };
        // On the heap: by far the largest of the futures around it.
        let imported = Box::pin(file::import(&self.0, file, worker, budget)).await;
        slot.release().await;
        imported
    }

    /// Takes a slot of an operator for work on one of its imports. `None`: no slot is free. Then it has waited a moment, and the
    /// caller puts the work at the end of the queue. It notes that the import waits, and releases the lease that an earlier attempt of
    /// this invocation may have left: the next worker has another name and would find the import leased.
    async fn take_slot(
        &self,
        operator: OperatorId,
        import: ImportId,
        (worker, until): (&str, Instant),
    ) -> Result<Option<TakenSlot<'_>>, ImportError> {
        let Some(slots) = &self.0.slots else { return Ok(Some(TakenSlot(None))) };
        match slots.take(operator, worker, until, machine_now()).await {
            Ok(Some(slot)) => Ok(Some(TakenSlot(Some((slots, slot))))),
            Ok(None) => {
                let operator_id = operator.get();
                tracing::info!(import_id = %import, operator_id, "an import waits for others of its operator");
                self.0.imports.wait(operator, import, worker, machine_now()).await?;
                tokio::time::sleep(ASIDE).await;
                Ok(None)
            }
            // Slots only make the order fair: if they cannot be counted, the work is done.
            Err(error) => {
                tracing::warn!(%error, "imports are not counted");
                Ok(Some(TakenSlot(None)))
            }
        }
    }

    /// Continues the import that a note names.
    async fn go_on(&self, note: &str, whose: (&str, Instant), budget: Budget) -> Result<(), ImportError> {
        let note = get(&self.0.s3, &self.0.bucket, note).await?;
        match File::from_note(&note) {
            Some(file) => self.import_in_slot(&file, whose, budget).await,
            None => Err(ImportError::Impossible("a note that cannot be read")),
        }
    }
}
