//! Metrics: what the dashboard shows and the alarms watch, written to standard output as CloudWatch's embedded metric
//! format, beside the log and never inside it.
//!
//! [`Metric`] is the catalogue: every name, unit and dimension there is, so that a test can hold the template to it. A
//! metric has one dimension at most, and its values are this code's own words, or the name of the version that runs: nothing of a
//! call, a file, an operator or a driver can become one.
//!
//! One line holds one value of a dimension, as the format wants it. So an invocation writes a line for each value that it
//! counted, which is one for most calls, and none where there is nothing to tell.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cee_eligibility::words;
use cee_registry::FindingKind;
use serde_json::{Map, Value, json};

use crate::clock::machine_now;

/// How many requests the SDK has sent once more since it was last asked.
static SDK_RETRIES: AtomicU64 = AtomicU64::new(0);

/// How many requests the SDK has sent once more since the last call of this: each is told once, to whoever asks next.
fn take_sdk_retries() -> u64 {
    SDK_RETRIES.swap(0, Ordering::Relaxed)
}

/// Counts a request that the SDK has sent once more.
pub(crate) fn sdk_retried() {
    SDK_RETRIES.fetch_add(1, Ordering::Relaxed);
}

words! {
    /// How a call that asks for a certificate ended.
    pub enum Application {
        /// It is granted.
        Registered = "registered",
        /// It was granted before, to a call of the same `Idempotency-Key`.
        Repeated = "repeated",
        /// Refused: a specific application is in the way.
        History = "history",
        /// Refused: a standardized one is.
        Duplicate = "duplicate",
        /// Refused: the journey carries one already.
        JourneyUsed = "journey_used",
        /// Refused: too early.
        TooEarly = "too_early",
        /// Refused: the registry knows no such journey.
        UnknownJourney = "unknown_journey",
        /// Refused: the journey fails the scheme's criteria.
        IneligibleJourney = "ineligible_journey",
        /// Refused: the call is at fault in another way, or its caller may not make it.
        Refused = "refused",
        /// Other calls kept the tables busy; nothing was written.
        Busy = "busy",
        /// Something failed inside.
        Failed = "failed",
    }
}

words! {
    /// What became of a row.
    pub enum Row {
        /// It added something.
        Imported = "imported",
        /// It was known before.
        AlreadyKnown = "already_known",
        /// It is refused.
        Rejected = "rejected",
    }
}

words! {
    /// How the import of a file ended.
    pub enum Import {
        /// The file was read to its end.
        Completed = "completed",
        /// The file was refused whole.
        Failed = "failed",
        /// What it added was taken back.
        Undone = "undone",
    }
}

words! {
    /// What was given an identity key later.
    pub enum LateKey {
        /// An application that is granted.
        Standardized = "standardized",
        /// One of history.
        Specific = "specific",
    }
}

words! {
    /// Who sent a request to DynamoDB or S3 once more.
    pub enum Retrier {
        /// The claim protocol and its neighbours: other writes collided, or the tables were short of throughput.
        Registry = "registry",
        /// The AWS SDK: an answer was lost, or said to try again.
        Sdk = "sdk",
    }
}

/// Stands in the catalogue for the name of the version that runs: `FUNCTION:VERSION`, as Lambda calls them.
pub const THIS_VERSION: &str = "*";

/// What is counted or measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Calls that ask for a certificate, by how they ended.
    Applications(Application),
    /// Rows of operators' history, from files and batches.
    HistoryRows(Row),
    /// Rows of the registry's own trip export.
    JourneyRows(Row),
    /// Identity keys for applications that came without, from batches.
    IdentityRows(Row),
    /// Files whose import ended.
    Imports(Import),
    /// How fast an import went since it last said how far it is.
    ImportRate,
    /// Rows of history that contradict applications which are granted already.
    LateContradictions,
    /// Identity keys that an operator has given to its own applications later. By rule 3 such an application blocks no more who has
    /// another key: that frees drivers, whether they are others or say so.
    LateKeys(LateKey),
    /// Guesses at an operator's secret: wrong ones, those at access keys that nobody has, those not even looked at.
    FailedAttempts,
    /// Calls that this version of this function answered with a 500. By the version, for a deployment is taken back because of
    /// what the new one does, and never because of the old one, which it may be about to mend.
    Failures,
    /// Requests that were sent once more.
    Retries(Retrier),
    /// What the audit knows to be wrong: what its last whole round found, or the one under way.
    Findings(FindingKind),
    /// Items that the audit has looked at.
    AuditedItems,
    /// For how long no round of the audit has ended.
    AuditRoundAge,
    /// For how long the oldest import that has not ended is worked on, or taken back.
    OldestRunningImport,
}

impl Metric {
    /// The catalogue: every metric there is, with each value of its dimension.
    #[must_use]
    pub fn all() -> Vec<Self> {
        fn each<W: Copy>(words: &[W], metric: fn(W) -> Metric) -> impl Iterator<Item = Metric> {
            words.iter().copied().map(metric)
        }
        each(Application::ALL, Self::Applications)
            .chain(each(Row::ALL, Self::HistoryRows))
            .chain(each(Row::ALL, Self::JourneyRows))
            .chain(each(Row::ALL, Self::IdentityRows))
            .chain(each(Import::ALL, Self::Imports))
            .chain(each(LateKey::ALL, Self::LateKeys))
            .chain(each(Retrier::ALL, Self::Retries))
            .chain(each(FindingKind::ALL, Self::Findings))
            .chain([Self::ImportRate, Self::LateContradictions, Self::FailedAttempts, Self::Failures])
            .chain([Self::AuditedItems, Self::AuditRoundAge, Self::OldestRunningImport])
            .collect()
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applications(_) => "Applications",
            Self::HistoryRows(_) => "HistoryRows",
            Self::JourneyRows(_) => "JourneyRows",
            Self::IdentityRows(_) => "IdentityRows",
            Self::Imports(_) => "Imports",
            Self::ImportRate => "ImportRate",
            Self::LateContradictions => "LateContradictions",
            Self::LateKeys(_) => "LateKeys",
            Self::FailedAttempts => "FailedAttempts",
            Self::Failures => "Failures",
            Self::Retries(_) => "Retries",
            Self::Findings(_) => "Findings",
            Self::AuditedItems => "AuditedItems",
            Self::AuditRoundAge => "AuditRoundAge",
            Self::OldestRunningImport => "OldestRunningImport",
        }
    }

    /// Its unit, in CloudWatch's words.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::ImportRate => "Count/Second",
            Self::AuditRoundAge | Self::OldestRunningImport => "Seconds",
            _ => "Count",
        }
    }

    /// Its dimension and the value of it, where it has one. [`THIS_VERSION`] stands for the name of the version that runs.
    #[must_use]
    pub const fn dimension(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Applications(application) => Some(("Outcome", application.as_str())),
            Self::HistoryRows(row) | Self::JourneyRows(row) | Self::IdentityRows(row) => {
                Some(("Outcome", row.as_str()))
            }
            Self::Imports(import) => Some(("Outcome", import.as_str())),
            Self::LateKeys(to) => Some(("Application", to.as_str())),
            Self::Retries(by) => Some(("By", by.as_str())),
            Self::Findings(kind) => Some(("Finding", kind.as_str())),
            Self::Failures => Some(("Version", THIS_VERSION)),
            Self::ImportRate
            | Self::LateContradictions
            | Self::FailedAttempts
            | Self::AuditedItems
            | Self::AuditRoundAge
            | Self::OldestRunningImport => None,
        }
    }
}

/// What one invocation has counted so far.
#[derive(Debug, Default)]
pub struct Numbers(Mutex<BTreeMap<Metric, f64>>);

impl Numbers {
    /// Counts. What is counted twice is added up.
    pub fn count(&self, metric: Metric, number: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(metric).or_default() += float(number);
    }

    /// Notes how many of something there were in a second, by how many there were in so many: in hundredths, for among the
    /// sixteen digits of a quotient there is a phone now and then, or so it seems to whoever looks for one.
    pub fn rate(&self, metric: Metric, number: u64, seconds: f64) {
        self.measure(metric, (float(number) / seconds * 100.0).round() / 100.0);
    }

    /// Notes how much of something there is, in place of what was noted before.
    pub fn gauge(&self, metric: Metric, number: u64) {
        self.measure(metric, float(number));
    }

    /// Notes a measured value in place of an earlier one.
    pub fn measure(&self, metric: Metric, value: f64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(metric, value);
    }

    fn take(&self) -> BTreeMap<Metric, f64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Counts are far below the 2^53 from which a float is coarser than one.
#[allow(clippy::cast_precision_loss)]
const fn float(number: u64) -> f64 {
    number as f64
}

/// Where metrics are written.
#[derive(Clone)]
pub struct Metrics {
    namespace: Arc<str>,
    version: Arc<str>,
    /// Standard output, where Lambda takes them up. Several functions in one process write them to its log instead.
    to_stdout: bool,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("namespace", &self.namespace).finish_non_exhaustive()
    }
}

impl Metrics {
    pub(crate) fn new(namespace: &str, version: &str, to_stdout: bool) -> Self {
        Self { namespace: namespace.into(), version: version.into(), to_stdout }
    }

    /// Writes what an invocation has counted, and what was sent once more meanwhile; nothing is left of it afterwards.
    /// `request_id` leads from a metric to the log: a property of the line and no dimension.
    pub fn write(&self, numbers: &Numbers, function: &'static str, request_id: &str) {
        let retries = [(Retrier::Registry, cee_registry::take_retries()), (Retrier::Sdk, take_sdk_retries())];
        for (by, number) in retries.into_iter().filter(|(_, number)| *number > 0) {
            numbers.count(Metric::Retries(by), number);
        }
        let mut lines = BTreeMap::<_, Vec<(Metric, f64)>>::new();
        for (metric, value) in numbers.take() {
            let dimension = metric.dimension().map(|(name, value)| match value {
                THIS_VERSION => (name, &*self.version),
                word => (name, word),
            });
            lines.entry(dimension).or_default().push((metric, value));
        }
        let now = machine_now().millis();
        for (dimension, values) in lines {
            let line = line(&self.namespace, now, dimension, &values, function, request_id);
            if self.to_stdout {
                // In one piece: another thread may log at the same moment. Whoever has closed the log reads no metrics.
                let _ = std::io::stdout().lock().write_all(format!("{line}\n").as_bytes());
            } else {
                tracing::debug!(target: "cee_service::metrics", emf = %line, "metrics");
            }
        }
    }
}

/// One document of the embedded metric format.
fn line(
    namespace: &str,
    now: i64,
    dimension: Option<(&str, &str)>,
    values: &[(Metric, f64)],
    function: &str,
    request_id: &str,
) -> Value {
    let definitions: Vec<Value> =
        values.iter().map(|(metric, _)| json!({"Name": metric.name(), "Unit": metric.unit()})).collect();
    let dimensions: Vec<&str> = dimension.into_iter().map(|(name, _)| name).collect();
    let directive = json!({"Namespace": namespace, "Dimensions": [dimensions], "Metrics": definitions});
    let mut document =
        Map::from_iter([("_aws".to_owned(), json!({"Timestamp": now, "CloudWatchMetrics": [directive]}))]);
    document.extend(dimension.map(|(name, value)| (name.to_owned(), json!(value))));
    document.extend(values.iter().map(|(metric, value)| (metric.name().to_owned(), json!(value))));
    document.insert("function".to_owned(), json!(function));
    document.insert("request_id".to_owned(), json!(request_id));
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_line_is_of_the_embedded_metric_format() {
        let values = [(Metric::HistoryRows(Row::Imported), 19_999.0)];
        let written =
            line("cee/prod", 1_714_521_600_123, Some(("Outcome", "imported")), &values, "import", "request-1");
        let expected = json!({
            "_aws": {
                "Timestamp": 1_714_521_600_123_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "cee/prod",
                    "Dimensions": [["Outcome"]],
                    "Metrics": [{"Name": "HistoryRows", "Unit": "Count"}],
                }],
            },
            "Outcome": "imported",
            "HistoryRows": 19_999.0,
            "function": "import",
            "request_id": "request-1",
        });
        assert_eq!(written, expected);
        let none = line("cee/prod", 0, None, &[(Metric::ImportRate, 1.5), (Metric::LateContradictions, 2.0)], "f", "r");
        let directive = &none["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Dimensions"], json!([[]]), "a set without a dimension, and no missing set");
        assert_eq!(directive["Metrics"].as_array().unwrap().len(), 2);
        assert_eq!((&none["ImportRate"], &none["LateContradictions"]), (&json!(1.5), &json!(2.0)));
    }

    #[test]
    fn the_catalogue_names_each_metric_once_and_never_as_what_else_a_line_holds() {
        let all = Metric::all();
        let distinct: BTreeSet<_> = all.iter().map(|metric| (metric.name(), metric.dimension())).collect();
        assert_eq!(distinct.len(), all.len());
        for metric in all {
            let (dimension, _) = metric.dimension().unwrap_or_default();
            assert!(!["_aws", "function", "request_id", dimension].contains(&metric.name()), "{metric:?}");
        }
    }

    #[test]
    fn what_is_counted_twice_is_added_up_and_told_once() {
        let numbers = Numbers::default();
        numbers.count(Metric::FailedAttempts, 1);
        numbers.count(Metric::FailedAttempts, 2);
        numbers.measure(Metric::ImportRate, 7.0);
        numbers.measure(Metric::ImportRate, 8.0);
        assert_eq!(numbers.take(), [(Metric::ImportRate, 8.0), (Metric::FailedAttempts, 3.0)].into());
        assert_eq!(numbers.take(), BTreeMap::new());
        numbers.rate(Metric::ImportRate, 2, 3.0);
        assert_eq!(numbers.take(), [(Metric::ImportRate, 0.67)].into(), "not 0.6666666666666666");
    }
}
