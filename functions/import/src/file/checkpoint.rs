//! The progress of an import, and how much of it the metrics have reported.

use std::sync::atomic::Ordering;

use cee_history::{Counts, Progress, ReaderState, Verdict};
use cee_registry::{ImportId, ImportRecord};
use cee_service::metrics::{DriverRow, Import, Metric, Numbers, Row as RowMetric};
use serde::{Deserialize, Serialize};
use tokio::time::Instant as Moment;

use crate::context::{Context, NAME};

/// The progress of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Checkpoint {
    /// The progress that the operator sees.
    #[serde(flatten)]
    pub(crate) progress: Progress,
    /// The survey's verdict; `None` before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) verdict: Option<Verdict>,
    /// The position from which reading continues; `None` at the beginning.
    pub(super) reader: Option<ReaderState>,
    /// Pieces of the list of rejected rows.
    pub(super) rejected_pieces: Vec<String>,
    /// Pieces of the answers about a list of drivers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) answer_pieces: Vec<String>,
    /// Pieces of the list of late contradictions.
    pub(super) contradiction_pieces: Vec<String>,
    pub(super) late_contradictions: u64,
    /// The checksum of a file that replaces an import, once all its rows are written: only the undo of that import is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sha256: Option<String>,
    /// Lines after the reader's position at which a run has panicked, in order: the next run rejects them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) given_up: Vec<u64>,
}

impl Checkpoint {
    /// The rows that the metrics count, each with its metric: none of a file that is only checked. `of` is the metric of rows that are
    /// imported.
    fn rows(&self, of: fn(RowMetric) -> Metric) -> [(Metric, u64); 7] {
        let Counts { imported, already_known, rejected, accepted, eligible, history, duplicate, .. } =
            self.progress.counts;
        let (of_import, of_list) = match (accepted, eligible) {
            (Some(_), _) => (0, 0),
            (None, Some(_)) => (0, rejected),
            (None, None) => (rejected, 0),
        };
        [
            (of(RowMetric::Imported), imported),
            (of(RowMetric::AlreadyKnown), already_known),
            (of(RowMetric::Rejected), of_import),
            (Metric::DriverRows(DriverRow::Eligible), eligible.unwrap_or(0)),
            (Metric::DriverRows(DriverRow::History), history.unwrap_or(0)),
            (Metric::DriverRows(DriverRow::Duplicate), duplicate.unwrap_or(0)),
            (Metric::DriverRows(DriverRow::Rejected), of_list),
        ]
    }
}

/// The prefix of the keys of all pieces of an import's lists.
pub(crate) fn work(id: ImportId) -> String {
    format!("work/{id}/")
}

/// The part of an import that only the registry's team sees: history that arrived late and would have blocked applications that are
/// already granted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ForTheTeam {
    /// The number of rows.
    pub(super) late_contradictions: u64,
    /// The key of their list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(super) list: Option<String>,
}

impl ForTheTeam {
    /// The key of the list of an import.
    pub(crate) fn key(record: &ImportRecord) -> String {
        let operator = record.operator.map_or_else(|| "journeys".to_owned(), |operator| operator.to_string());
        format!("contradictions/{operator}/{}.csv", record.id)
    }
}

/// How much of an import the metrics have reported. They report a row once its result is in the checkpoint from which the next
/// invocation continues: so a crash reports no row twice, and loses at most one report.
pub(super) struct Reported {
    worker: String,
    counts: [(Metric, u64); 7],
    /// The metric of rows that are imported.
    of: fn(RowMetric) -> Metric,
    late_contradictions: u64,
    /// When it was reported.
    at: Moment,
}

impl Reported {
    /// The content of the checkpoint has been reported.
    pub(super) fn of(checkpoint: &Checkpoint, record: &ImportRecord, worker: &str) -> Self {
        let of = if record.operator.is_some() { Metric::HistoryRows } else { Metric::JourneyRows };
        Self::with(checkpoint, of, worker)
    }

    fn with(checkpoint: &Checkpoint, of: fn(RowMetric) -> Metric, worker: &str) -> Self {
        Self {
            worker: worker.to_owned(),
            counts: checkpoint.rows(of),
            of,
            late_contradictions: checkpoint.late_contradictions,
            at: Moment::now(),
        }
    }

    /// The invocation that reports.
    pub(super) fn worker(&self) -> &str {
        &self.worker
    }

    /// Reports that something happened once.
    pub(super) fn count(&self, context: &Context, metric: Metric) {
        let numbers = Numbers::default();
        numbers.count(metric, 1);
        context.metrics.write(&numbers, NAME, &self.worker);
    }

    /// Reports the changes of the checkpoint since the last report, and how the import ended, if it did.
    pub(super) fn report(&mut self, context: &Context, checkpoint: &Checkpoint, ended: Option<Import>) {
        let (numbers, mut rows) = (Numbers::default(), 0);
        for ((metric, now), (_, before)) in checkpoint.rows(self.of).into_iter().zip(self.counts) {
            let since = now.saturating_sub(before);
            rows += since;
            if since > 0 {
                numbers.count(metric, since);
            }
        }
        let late = checkpoint.late_contradictions.saturating_sub(self.late_contradictions);
        if late > 0 {
            numbers.count(Metric::LateContradictions, late);
        }
        let status_changes = context.status_changes.swap(0, Ordering::Relaxed);
        if status_changes > 0 {
            numbers.count(Metric::StatusChanges, status_changes);
        }
        let seconds = self.at.elapsed().as_secs_f64();
        if rows > 0 && seconds > 0.0 {
            numbers.rate(Metric::ImportRate, rows, seconds);
        }
        if let Some(ended) = ended {
            numbers.count(Metric::Imports(ended), 1);
        }
        context.metrics.write(&numbers, NAME, &self.worker);
        *self = Self::with(checkpoint, self.of, &self.worker);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_in_the_metric_of_their_file() {
        let counts = Counts { read: 5, imported: 2, already_known: 1, rejected: 2, ..Counts::default() };
        let of = |counts| {
            let progress = Progress { counts, ..Progress::default() };
            Checkpoint { progress, ..Checkpoint::default() }.rows(Metric::HistoryRows)
        };
        assert_eq!(of(counts).map(|(_, rows)| rows), [2, 1, 2, 0, 0, 0, 0]);
        let checked = Counts { read: 5, rejected: 2, accepted: Some(3), ..Counts::default() };
        assert_eq!(of(checked).map(|(_, rows)| rows), [0; 7], "only checked");
        let mut list = Counts { read: 10, rejected: 1, ..Counts::of_drivers() };
        (list.eligible, list.history, list.duplicate) = (Some(4), Some(3), Some(2));
        assert_eq!(of(list).map(|(_, rows)| rows), [0, 0, 0, 4, 3, 2, 1]);
    }
}
