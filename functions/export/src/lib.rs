//! The export function: writes an operator's applications to one file on S3, over as many invocations as it takes.
//!
//! | to find | look in |
//! |---|---|
//! | the steps of an export from its note to its file | `export` |
//! | the file as CSV and as Parquet | [`mod@file`] |
//! | settings, stores, time limits and errors | `context` |
//! | the lease, checkpoints and the end of an export | [`cee_registry::Exports`] |
//! | how objects are put on S3, and lists that grow | [`cee_service::objects`] |
//!
//! The event of a note at [`export_note`](cee_registry::export_note) starts an invocation. Two put the note: the call that requested the
//! export (`cee_fn_applications::exports`), and an invocation that has no time left.
//!
//! Everything here may happen again: S3 delivers an event at least once, and Lambda retries a failed one. The invocation that holds the
//! lease reads the list of applications, and puts its rows on S3 as pieces. At intervals it writes a checkpoint: the place in the list and
//! the pieces so far. What a crash leaves after the last checkpoint is read again, and its pieces are not part of the file. When the list is
//! read, one invocation joins the pieces to the file. If it crashes, another one joins them again: the file is the same.

mod context;
mod export;
pub mod file;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock};

use cee_registry::{Applications, Exports, export_of_note};
use cee_service::aws::Aws;
use cee_service::clock::time_left;
use cee_service::event::{Event, Record};
use cee_service::metrics::Numbers;
use cee_service::{Environment, SettingError, telemetry, trap};
use futures_util::FutureExt as _;
use lambda_runtime::LambdaEvent;
use tracing::Instrument as _;

pub use context::ExportError;
use context::{Budget, Context};

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &["APPLICATIONS_TABLE", "EXPORTS_TABLE"];

/// The function's name in the log and in its metrics.
const NAME: &str = "export";

/// The export function.
#[derive(Clone, Debug)]
pub struct ExportFunction(Arc<Context>);

impl ExportFunction {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let aws = Aws::of_function(environment);
        let db = aws.dynamodb_patient();
        let context = Context {
            bucket: environment.required("BUCKET")?,
            clock: environment.clock()?,
            metrics: environment.metrics(),
            rows_per_invocation: environment.export_rows_per_invocation()?,
            s3: LazyLock::new(Box::new(move || aws.s3())),
            applications: Applications::new(db.clone(), &tables),
            exports: Exports::new(db, &tables),
        };
        Ok(Self(Arc::new(context)))
    }

    /// Works on every export that the event names.
    ///
    /// # Errors
    /// The first [`ExportError`]; the other exports are still worked on. The event may be handled again.
    pub async fn handle(&self, event: LambdaEvent<Event>) -> Result<(), ExportError> {
        let trace = event.context.xray_trace_id.as_deref().and_then(telemetry::trace_id);
        let span = telemetry::call(NAME, &event.context.request_id, trace);
        self.handle_all(event).instrument(span).await
    }

    async fn handle_all(&self, event: LambdaEvent<Event>) -> Result<(), ExportError> {
        let budget = Budget::new(time_left(event.context.deadline()), self.0.rows_per_invocation);
        let worker = &event.context.request_id;
        let mut failed = None;
        if event.payload.records.is_empty() {
            tracing::warn!("an event without records: a test event of S3, or none of its events");
        }
        for record in event.payload.records {
            // Caught here and not by the runtime, which would report the panic's message.
            let exported = AssertUnwindSafe(Box::pin(self.handle_one(&record, worker, budget))).catch_unwind().await;
            if let Err(error) = exported.unwrap_or(Err(ExportError::Panic)) {
                tracing::error!(%error, "an export stopped");
                failed = failed.or(Some(error));
            }
        }
        self.0.metrics.write(&Numbers::default(), NAME, worker);
        failed.map_or(Ok(()), Err)
    }

    async fn handle_one(&self, record: &Record, worker: &str, budget: Budget) -> Result<(), ExportError> {
        let note = record.key(&self.0.bucket);
        match note.and_then(|key| export_of_note(&key).ok_or("another key")) {
            Ok((operator, id)) => {
                trap::spring("export", || id.to_string());
                export::export(&self.0, (operator, id), worker, budget).await
            }
            // A retry would change nothing.
            Err(what) => {
                tracing::warn!(what, "an event that names no export");
                Ok(())
            }
        }
    }
}
