//! What all parts of this function share: its settings and stores, its time, its errors.

use std::sync::LazyLock;
use std::time::Duration;

use cee_eligibility::Rules;
use cee_registry::{
    Applications, Deadline, HistoryRemover, HistoryWriter, HoldError, ImportSlots, Imports, Journeys, Operators,
    StoreError,
};
use cee_service::{CheckedPepper, Clock, Metrics, PepperError};
use lambda_runtime::Diagnostic;
use tokio::time::Instant as Moment;

/// What an invocation keeps of its time, half of it at most, for the rows that are out and for the checkpoint: tables that
/// are short of throughput may need a while.
const RESERVE: Duration = Duration::from_secs(90);

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
    pub(crate) fn new(left: Duration, rows: u64, turn: Option<Duration>) -> Self {
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

/// What everything in this function may use.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) bucket: String,
    pub(crate) rules: Rules,
    pub(crate) clock: Clock,
    pub(crate) metrics: Metrics,
    pub(crate) rows_per_invocation: u64,
    pub(crate) turn: Option<Duration>,
    /// The slots of each operator; `None`: no limit.
    pub(crate) slots: Option<ImportSlots>,
    /// For how many days an operator may take back an import of its own.
    pub(crate) take_back_days: u16,
    /// Made when the first file comes: it reads what AWS has in which region, a tenth of the start.
    pub(crate) s3: LazyLock<aws_sdk_s3::Client, Box<dyn FnOnce() -> aws_sdk_s3::Client + Send>>,
    pub(crate) writer: HistoryWriter,
    pub(crate) remover: HistoryRemover,
    pub(crate) pepper: CheckedPepper,
    pub(crate) applications: Applications,
    pub(crate) journeys: Journeys,
    pub(crate) imports: Imports,
    pub(crate) operators: Operators,
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
pub(crate) const NAME: &str = "import";
