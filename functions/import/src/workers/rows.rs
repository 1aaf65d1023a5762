//! How one row is written: [`Destination`] for history and journeys. (`crate::drivers` has the one for lists of drivers; the loop over a
//! file's rows is `crate::file::rows`.)

use std::future::Future;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use cee_eligibility::{Instant, Journey, Language, NoRoom, OperatorId};
use cee_history::{Answer, Column, HistoryRow, Row};
use cee_registry::{
    Contradicted, Deadline, HistoryApplication, HistoryOutcome, ImportId, JourneyOutcome, JourneyVersion, RowSource,
    StoreError,
};
use cee_service::trap;

use crate::context::{Context, ImportError};

/// The result of writing one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The row added a record.
    Imported {
        /// The applications that the row would have blocked, had it arrived in time.
        contradicts: Vec<Contradicted>,
    },
    /// The row was imported before.
    AlreadyKnown,
    /// The row was a question, and this is its answer.
    Answered(Answer),
    /// The row is not written.
    Rejected {
        /// The column at fault, if there is one.
        column: Option<Column>,
        /// The reason, for the sender of the file.
        reason: String,
    },
}

/// A row that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The result.
    pub outcome: Outcome,
    /// Whether the tables throttled the write.
    pub throttled: bool,
}

/// Where the rows of one file are written.
pub trait Destination: Clone + Send + Sync + 'static {
    /// The kind of row.
    type Row: Row + Send + 'static;

    /// The bytes that the answer to a row takes, besides the row's own line, until it is in its list.
    const ANSWER: usize = 0;

    /// The driver of a row: two rows with the same driver are never written at once.
    fn about(row: &Self::Row) -> impl Hash + Send + Sync + use<Self>;

    /// Writes one row. May be repeated with the same row of the same line, and then returns the same result.
    fn write(&self, line: u64, row: Self::Row) -> impl Future<Output = Result<Written, ImportError>> + Send;
}

/// An operator's history.
#[derive(Clone)]
pub(crate) struct History {
    pub(crate) context: Arc<Context>,
    pub(crate) operator: OperatorId,
    pub(crate) import: ImportId,
    pub(crate) language: Language,
    pub(crate) deadline: Deadline,
}

impl Destination for History {
    type Row = HistoryRow;

    fn about(row: &HistoryRow) -> impl Hash + Send + Sync + use<> {
        (row.journey_type, row.identity.clone())
    }

    async fn write(&self, line: u64, row: HistoryRow) -> Result<Written, ImportError> {
        trap::spring("row", || row.identity.last_name_trunc.as_str().to_owned());
        // Sends no request after the pepper has been confirmed once.
        self.context.pepper.ensure(self.deadline).await?;
        let application = HistoryApplication {
            journey_type: row.journey_type,
            identity: &row.identity,
            datetime: row.datetime,
            operator: self.operator,
            source: RowSource { import: self.import, line },
        };
        let written = self.context.writer.import_history(&application, &self.context.rules, self.deadline).await?;
        let outcome = match written.outcome {
            HistoryOutcome::Imported { contradicts } => Outcome::Imported { contradicts },
            HistoryOutcome::AlreadyKnown => Outcome::AlreadyKnown,
            HistoryOutcome::NoRoom(why) => {
                let column = (why == NoRoom::Dates).then_some(Column::Name("datetime"));
                Outcome::Rejected { column, reason: why.message(self.language).into_owned() }
            }
        };
        Ok(Written { outcome, throttled: written.throttled })
    }
}

/// The registry's trip export.
#[derive(Clone)]
pub(crate) struct Journeys {
    pub(crate) context: Arc<Context>,
    pub(crate) import: ImportId,
    /// When the file was put: of two files the later one wins.
    pub(crate) put_at: Instant,
    pub(crate) deadline: Deadline,
}

impl Destination for Journeys {
    type Row = Journey;

    fn about(row: &Journey) -> impl Hash + Send + Sync + use<> {
        (row.operator, row.operator_journey_id.clone())
    }

    async fn write(&self, line: u64, row: Journey) -> Result<Written, ImportError> {
        let version = JourneyVersion::new(self.put_at, self.import, line);
        let (written, used_by) = self.context.journeys.put(&row, &version, self.deadline).await?;
        if let Some(application) = used_by {
            let now = self.context.clock.now();
            // On the heap: most rows do not come here, and the stack of a thread is small.
            let follow = self.context.follower.follow(application, row.status, &version, now, self.deadline);
            match Box::pin(follow).await {
                Ok(true) => drop(self.context.status_changes.fetch_add(1, Ordering::Relaxed)),
                Ok(false) => {}
                // One damaged application, which the audit reports too, must not stop the trip export of every operator.
                Err(error @ StoreError::Corrupt { .. }) => {
                    tracing::error!(import_id = %self.import, line, %error, "an application did not get its journey's status");
                }
                Err(error) => return Err(error.into()),
            }
        }
        let outcome = match written {
            JourneyOutcome::Imported => Outcome::Imported { contradicts: Vec::new() },
            JourneyOutcome::AlreadyKnown => Outcome::AlreadyKnown,
        };
        Ok(Written { outcome, throttled: false })
    }
}
