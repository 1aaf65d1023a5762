//! The shared parts of this function: settings, stores, time limits and errors.

use std::sync::LazyLock;
use std::time::Duration;

use aws_sdk_s3::Client;
use cee_registry::{Applications, Exports, HoldError, StoreError};
use cee_service::objects::ObjectError;
use cee_service::{Clock, Metrics};
use lambda_runtime::Diagnostic;
use tokio::time::Instant as Moment;

/// The time an invocation reserves, at most half of it, for the checkpoint: throttled tables may need a while.
const RESERVE: Duration = Duration::from_secs(90);

/// The budget of one invocation, before it lets the next one continue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// When reading ends.
    pub(crate) reading: Moment,
    /// Until when the file may be begun: it is written in one invocation.
    pub(crate) writing: Moment,
    /// The number of applications that it reads at most.
    pub(crate) rows: u64,
}

impl Budget {
    pub(crate) fn new(left: Duration, rows: u64) -> Self {
        let now = Moment::now();
        Self { reading: now + (left - RESERVE.min(left / 2)), writing: now + left / 3, rows }
    }
}

/// The settings and stores that every part of this function uses.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) bucket: String,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) rows_per_invocation: u64,
    /// Created with the first export: the client loads AWS's region data, which takes a tenth of the start.
    pub(crate) s3: LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>,
    pub(crate) applications: Applications,
    pub(crate) exports: Exports,
}

/// Why an export could not be completed. It is retried. Repeats nothing of an application.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ExportError {
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lease on the export.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The bucket.
    #[error(transparent)]
    S3(#[from] ObjectError),
    /// A panic. Its location is already in the log; its message may hold personal data.
    #[error("it panicked")]
    Panic,
    /// A state that the code considers impossible.
    #[error("impossible: {0}")]
    Impossible(&'static str),
}

impl From<ExportError> for Diagnostic {
    fn from(error: ExportError) -> Self {
        Self { error_type: "ExportError".to_owned(), error_message: error.to_string() }
    }
}
