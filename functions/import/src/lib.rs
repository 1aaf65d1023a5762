//! The import function: CSV files that are dropped on S3, into history and journeys.
//!
//! | to find | look in |
//! |---|---|
//! | whose file it is, and which version of it | [`event`] |
//! | how it is read, and what refuses it whole | [`run`] |
//! | why never two rows of one driver are written at once | [`lanes`] |
//! | how many rows are written at once | [`pace`] |
//! | what becomes of a row | [`rows`] |
//! | the report and the lists beside it | [`report`] |
//! | how an import is taken back | [`undo`] |
//! | how a file replaces an import | [`replace`] |
//!
//! A panic of a row rejects that row, a panic of anything else fails that event: [`run`], [`ImportFunction::handle`].
//!
//! Everything here may happen again: S3 delivers an event at least once, Lambda tries a failed one anew. A row names its
//! place in its file for ever, so that a row imported again is recognised and counted as before, and an import that has
//! ended is not begun again.

pub mod event;
pub mod lanes;
pub mod pace;
pub mod replace;
pub mod report;
pub mod rows;
pub mod run;
pub mod undo;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use cee_eligibility::{Instant, OperatorId, Rules};
use cee_registry::{
    Applications, Claimed, Deadline, HistoryRemover, HistoryWriter, HoldError, ImportId, ImportSlot, ImportSlots,
    Imports, Journeys, Operators, PepperCheck, StoreError,
};
use cee_service::aws::Aws;
use cee_service::clock::{machine_now, time_left};
use cee_service::metrics::Numbers;
use cee_service::{CheckedPepper, Clock, Environment, Metrics, PepperError, SettingError, telemetry, trap};
use futures_util::FutureExt as _;
use lambda_runtime::{Diagnostic, LambdaEvent};
use tokio::time::Instant as Moment;
use tracing::Instrument as _;

use crate::event::{Event, File, Owner, Record, Subject};

/// What an invocation keeps of its time, half of it at most, for the rows that are out and for the checkpoint: tables that
/// are short of throughput may need a while.
const RESERVE: Duration = Duration::from_secs(90);

/// How long an invocation steps aside for, before it asks for another turn: a moment, in which it keeps one from nobody for long.
const ASIDE: Duration = Duration::from_millis(500);

/// How much of its time it waits for the store.
const WAITING: f64 = 0.95;

/// How much one invocation does before it lets the next one go on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// When reading ends.
    reading: Moment,
    /// When the store must have answered.
    pub(crate) deadline: Deadline,
    /// At most how many rows it reads, or items it takes back.
    rows: u64,
    /// For how long it reads new rows.
    turn: Option<Duration>,
}

impl Budget {
    fn new(left: Duration, rows: u64, turn: Option<Duration>) -> Self {
        let reading = left - RESERVE.min(left / 2);
        Self { reading: Moment::now() + reading, deadline: Deadline::after(left.mul_f64(WAITING)), rows, turn }
    }

    /// When the turn of an import is over that begins to read new rows now. What it took to get there (a survey, the rows before its
    /// checkpoint) it may read as well, so that no file goes back and forth without getting on.
    pub(crate) fn turn_ends(&self, began: Moment) -> Option<Moment> {
        let now = Moment::now();
        self.turn.map(|turn| now + turn.max(now.duration_since(began)))
    }

    /// Whether this many rows, or the time, is all that the invocation may use.
    pub(crate) fn is_over(&self, rows: u64) -> bool {
        rows >= self.rows || Moment::now() >= self.reading
    }
}

/// Why an import could not be brought to its end. It is tried again. Holds nothing of the file.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImportError {
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The hold on the import.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The pepper.
    #[error(transparent)]
    Pepper(#[from] PepperError),
    /// The bucket.
    #[error("{operation} failed: {code}")]
    S3 {
        /// The S3 operation.
        operation: &'static str,
        /// The error's code, or what kind of failure it was.
        code: String,
    },
    /// A panic; its place is in the log already, and what it said may hold anything.
    #[error("it panicked")]
    Panic,
    /// A state that the code says cannot be.
    #[error("impossible: {0}")]
    Impossible(&'static str),
}

impl From<ImportError> for Diagnostic {
    fn from(error: ImportError) -> Self {
        Self { error_type: "ImportError".to_owned(), error_message: error.to_string() }
    }
}

/// Its name in the log and beside its metrics.
const NAME: &str = "import";

/// A slot of an operator, where slots are counted.
struct Turn<'a>(Option<(&'a ImportSlots, ImportSlot)>);

impl Turn<'_> {
    /// Gives the slot back.
    async fn end(self) {
        if let Some((slots, slot)) = self.0
            && let Err(error) = slots.give_back(&slot, machine_now()).await
        {
            tracing::warn!(%error, "a slot is free again only when this invocation would have been over");
        }
    }
}

/// The import function.
#[derive(Clone, Debug)]
pub struct ImportFunction(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket: String,
    rules: Rules,
    clock: Clock,
    metrics: Metrics,
    rows_per_invocation: u64,
    turn: Option<Duration>,
    /// The slots of each operator; `None`: no limit.
    slots: Option<ImportSlots>,
    /// For how many days an operator may take back an import of its own.
    take_back_days: u16,
    /// Made when the first file comes: it reads what AWS has in which region, a tenth of the start.
    s3: LazyLock<aws_sdk_s3::Client, Box<dyn FnOnce() -> aws_sdk_s3::Client + Send>>,
    writer: HistoryWriter,
    remover: HistoryRemover,
    pepper: CheckedPepper,
    applications: Applications,
    journeys: Journeys,
    imports: Imports,
    operators: Operators,
}

impl ImportFunction {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let needed = [
            "CLAIMS_TABLE",
            "APPLICATIONS_TABLE",
            "JOURNEYS_TABLE",
            "IMPORTS_TABLE",
            "OPERATORS_TABLE",
            "LIMITS_TABLE",
        ];
        let tables = environment.tables_with(&needed)?;
        let aws = Aws::of_function(environment);
        let (db, rows) = (aws.dynamodb_patient(), aws.dynamodb_once());
        let keys = environment.claim_keys()?;
        let inner = Inner {
            bucket: environment.required("BUCKET")?,
            rules: environment.rules()?,
            clock: environment.clock()?,
            metrics: environment.metrics(),
            rows_per_invocation: environment.import_rows_per_invocation()?,
            turn: environment.import_turn()?,
            slots: environment.imports_per_operator()?.map(|slots| ImportSlots::new(db.clone(), &tables, slots)),
            take_back_days: environment.take_back_days()?,
            s3: LazyLock::new(Box::new(move || aws.s3())),
            applications: Applications::new(db.clone(), &tables),
            writer: HistoryWriter::new(rows.clone(), &tables, keys.clone()),
            remover: HistoryRemover::new(rows.clone(), &tables),
            journeys: Journeys::new(rows.clone(), &tables),
            imports: Imports::new(db.clone(), &tables),
            operators: Operators::new(db, &tables),
            pepper: CheckedPepper::at_start(PepperCheck::new(rows, &tables, keys)).await?,
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Imports every file that the event names.
    ///
    /// # Errors
    /// The first [`ImportError`]; the other files are imported all the same. The event may be handled again.
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
            // Caught here and not by the runtime, which would report what the panic said.
            let imported = AssertUnwindSafe(self.handle_one(record, (worker, until), budget)).catch_unwind().await;
            let imported = imported.unwrap_or(Err(ImportError::Panic));
            if let Err(error) = imported {
                tracing::error!(%error, "an import stopped");
                failed = failed.or(Some(error));
            }
        }
        // What was sent once more since an import last told of itself.
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
                let Some(turn) = self.turn(operator, import, (worker, until)).await? else {
                    return undo::wake_next(&self.0, operator, import).await;
                };
                let undone = undo::undo(&self.0, operator, import, worker, budget).await;
                turn.end().await;
                undone
            }
            Ok(None) => Ok(()),
            // Tried again it would be the same: whoever put it there sees that no report comes.
            Err(what) => {
                tracing::warn!(what, "an event that names no file to import");
                Ok(())
            }
        }
    }

    async fn import(&self, mut file: File, whose: (&str, Instant), budget: Budget) -> Result<(), ImportError> {
        trap::spring("event", || file.key.clone());
        // A place for it may have been asked for: then its name is known to whoever asked.
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
        self.in_turn(&file, whose, budget).await
    }

    /// Imports a file, or the next part of it, if a slot of its operator is free. Otherwise it goes to the end of the queue.
    async fn in_turn(&self, file: &File, (worker, until): (&str, Instant), budget: Budget) -> Result<(), ImportError> {
        let turn = match file.owner {
            Owner::Operator(operator) => match self.turn(operator, file.id, (worker, until)).await? {
                Some(turn) => turn,
                None => return run::wake_next(&self.0, file).await,
            },
            Owner::Registry => Turn(None),
        };
        // On the heap: it is by far the largest of the futures around it.
        let imported = Box::pin(run::import(&self.0, file, worker, budget)).await;
        turn.end().await;
        imported
    }

    /// Takes a slot of an operator for work on one of its imports. `None`: none is free. Then it has waited a moment, and the work goes
    /// to the end of the queue. It gives back the lease that an earlier try of this invocation may have left: whoever works next has
    /// another name, and would find the import held.
    async fn turn(
        &self,
        operator: OperatorId,
        import: ImportId,
        (worker, until): (&str, Instant),
    ) -> Result<Option<Turn<'_>>, ImportError> {
        let Some(slots) = &self.0.slots else { return Ok(Some(Turn(None))) };
        match slots.take(operator, worker, until, machine_now()).await {
            Ok(Some(slot)) => Ok(Some(Turn(Some((slots, slot))))),
            Ok(None) => {
                let operator_id = operator.get();
                tracing::info!(import_id = %import, operator_id, "an import waits for others of its operator");
                self.0.imports.let_go(operator, import, worker).await?;
                tokio::time::sleep(ASIDE).await;
                Ok(None)
            }
            // Slots are fair, and no more: what cannot be counted is done.
            Err(error) => {
                tracing::warn!(%error, "imports are not counted");
                Ok(Some(Turn(None)))
            }
        }
    }

    /// Goes on with the import that a note names.
    async fn go_on(&self, note: &str, whose: (&str, Instant), budget: Budget) -> Result<(), ImportError> {
        let get = self.0.s3.get_object().bucket(&self.0.bucket).key(note);
        let body = get.send().await.map_err(report::s3_error("GetObject"))?.body;
        let note = body.collect().await;
        let note = note.map_err(|_| ImportError::S3 { operation: "GetObject", code: "Body".to_owned() })?;
        match File::from_note(&note.into_bytes()) {
            Some(file) => self.in_turn(&file, whose, budget).await,
            None => Err(ImportError::Impossible("a note that cannot be read")),
        }
    }
}
