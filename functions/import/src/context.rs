//! The shared parts of this function: settings, stores, time limits and errors.

use std::sync::LazyLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use cee_eligibility::Rules;
use cee_registry::{
    Applications, Deadline, DriverQuota, HistoryRemover, HistoryWriter, HoldError, ImportSlots, Imports,
    JourneyFollower, Journeys, Operators, Simulator, StoreError,
};
use cee_service::objects::ObjectError;
use cee_service::{CheckedPepper, Clock, Metrics, PepperError};
use lambda_runtime::Diagnostic;
use tokio::time::Instant as Moment;

/// The time an invocation reserves, at most half of it, for rows under way and for the checkpoint: throttled tables may need a
/// while.
const RESERVE: Duration = Duration::from_secs(90);

/// The share of its time that an invocation waits for the store.
const WAITING: f64 = 0.95;

/// The budget of one invocation, before it lets the next one continue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    /// When reading ends.
    reading: Moment,
    /// When the store must have responded.
    pub(crate) deadline: Deadline,
    /// The number of rows that it reads at most, or of items that it withdraws.
    rows: u64,
    /// The time during which it reads new rows.
    turn: Option<Duration>,
}

impl Budget {
    pub(crate) fn new(left: Duration, rows: u64, turn: Option<Duration>) -> Self {
        let reading = left - RESERVE.min(left / 2);
        Self { reading: Moment::now() + reading, deadline: Deadline::after(left.mul_f64(WAITING)), rows, turn }
    }

    /// When an import's turn ends if it starts to read new rows now. The time it took to get there (a survey, the rows before its
    /// checkpoint) extends the turn, so that every file makes progress.
    pub(crate) fn turn_ends(&self, began: Moment) -> Option<Moment> {
        let now = Moment::now();
        self.turn.map(|turn| now + turn.max(now.duration_since(began)))
    }

    /// Whether this number of rows, or the time, uses up the budget.
    pub(crate) fn is_over(&self, rows: u64) -> bool {
        rows >= self.rows || Moment::now() >= self.reading
    }
}

/// The settings and stores that every part of this function uses.
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
    /// The number of days within which an operator may undo its own import.
    pub(crate) take_back_days: u16,
    /// Created with the first file: the client loads AWS's region data, which takes a tenth of the start.
    pub(crate) s3: LazyLock<aws_sdk_s3::Client, Box<dyn FnOnce() -> aws_sdk_s3::Client + Send>>,
    pub(crate) writer: HistoryWriter,
    pub(crate) remover: HistoryRemover,
    pub(crate) simulator: Simulator,
    /// The drivers that each operator asks about in lists; `None`: no limit.
    pub(crate) quota: Option<DriverQuota>,
    pub(crate) pepper: CheckedPepper,
    pub(crate) applications: Applications,
    pub(crate) journeys: Journeys,
    pub(crate) follower: JourneyFollower,
    /// The applications whose status has changed since the metrics were written.
    pub(crate) status_changes: AtomicU64,
    pub(crate) imports: Imports,
    pub(crate) operators: Operators,
}

/// Why an import could not be completed. It is retried. Repeats nothing of the file.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImportError {
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lease on the import.
    #[error(transparent)]
    Hold(#[from] HoldError),
    /// The pepper.
    #[error(transparent)]
    Pepper(#[from] PepperError),
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

impl From<ImportError> for Diagnostic {
    fn from(error: ImportError) -> Self {
        Self { error_type: "ImportError".to_owned(), error_message: error.to_string() }
    }
}

/// The function's name in the log and in its metrics.
pub(crate) const NAME: &str = "import";
