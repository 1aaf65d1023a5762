//! Metrics for the dashboard and the alarms, written to standard output in CloudWatch's embedded metric format, separate from the log.
//!
//! [`Metric`] is the catalogue of all names, units and dimensions, so that a test can compare the template with it. A metric has at most
//! one dimension. The values of a dimension are words of this code or the running version, so they never contain data of a call, a file,
//! an operator or a driver.
//!
//! The format allows one value of a dimension per line. So an invocation writes a line for each value that it counted: one line for most
//! calls, and none if it counted nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use cee_eligibility::words;
use cee_registry::FindingKind;
use serde_json::{Map, Value, json};

use crate::clock::machine_now;

/// The number of retries of the SDK since the last call of [`take_sdk_retries`].
static SDK_RETRIES: AtomicU64 = AtomicU64::new(0);

/// Returns the number of retries of the SDK since the last call, and resets it.
fn take_sdk_retries() -> u64 {
    SDK_RETRIES.swap(0, Ordering::Relaxed)
}

/// Counts a retry of the SDK.
pub(crate) fn sdk_retried() {
    SDK_RETRIES.fetch_add(1, Ordering::Relaxed);
}

words! {
    /// The result of a call that requests a certificate.
    pub enum Application {
        /// It is granted.
        Registered = "registered",
        /// It was granted before, to a call with the same `Idempotency-Key`.
        Repeated = "repeated",
        /// Refused: a specific application blocks it.
        History = "history",
        /// Refused: a standardized application blocks it.
        Duplicate = "duplicate",
        /// Refused: another application uses the journey.
        JourneyUsed = "journey_used",
        /// Refused: too early.
        TooEarly = "too_early",
        /// Refused: the registry has no such journey.
        UnknownJourney = "unknown_journey",
        /// Refused: the journey fails the scheme's criteria.
        IneligibleJourney = "ineligible_journey",
        /// Refused: the call is invalid in another way, or its caller lacks a permission.
        Refused = "refused",
        /// Other calls kept the tables busy; nothing was written.
        Busy = "busy",
        /// Internal error.
        Failed = "failed",
    }
}

words! {
    /// The result of a row.
    pub enum Row {
        /// It added something.
        Imported = "imported",
        /// It was known before.
        AlreadyKnown = "already_known",
        /// It was rejected.
        Rejected = "rejected",
    }
}

words! {
    /// The answer about a row of a list of drivers.
    pub enum DriverRow {
        /// The driver could get a certificate.
        Eligible = "eligible",
        /// A specific application blocks the driver.
        History = "history",
        /// A standardized application blocks the driver.
        Duplicate = "duplicate",
        /// The row was rejected.
        Rejected = "rejected",
    }
}

words! {
    /// The result of the import of a file.
    pub enum Import {
        /// The file was read to its end.
        Completed = "completed",
        /// The whole file was rejected.
        Failed = "failed",
        /// The import was undone.
        Undone = "undone",
    }
}

words! {
    /// The kind of application that was given an identity key later.
    pub enum LateKey {
        /// A granted application.
        Standardized = "standardized",
        /// A specific application.
        Specific = "specific",
    }
}

words! {
    /// The code that retried a request to DynamoDB or S3.
    pub enum Retrier {
        /// The claim protocol and related code: other writes collided, or DynamoDB throttled the request.
        Registry = "registry",
        /// The AWS SDK: a response was lost or asked for a retry.
        Sdk = "sdk",
    }
}

/// In the catalogue, the placeholder for the running version: `FUNCTION:VERSION`, as Lambda names versions.
pub const THIS_VERSION: &str = "*";

/// The metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Metric {
    /// Calls that request a certificate, by result.
    Applications(Application),
    /// Rows of operators' history, from files and batches.
    HistoryRows(Row),
    /// Rows of the registry's own trip export.
    JourneyRows(Row),
    /// Identity keys for applications without one, from batches.
    IdentityRows(Row),
    /// Rows of lists of drivers, by answer.
    DriverRows(DriverRow),
    /// Lists of drivers that were refused, because their operator had asked about too many drivers in a day.
    DriverListsRefused,
    /// Imports of files that ended.
    Imports(Import),
    /// The speed of an import since its last checkpoint.
    ImportRate,
    /// Rows of history that contradict granted applications.
    LateContradictions,
    /// Applications whose status changed because a journeys file says another one than before.
    StatusChanges,
    /// Identity keys that operators gave to their own applications later. By rule 3, such an application no longer blocks drivers with
    /// another key. That makes drivers eligible, whether they really are other drivers or only claim to be.
    LateKeys(LateKey),
    /// Failed attempts to get a token: wrong secrets, unknown access keys, and attempts at a locked credential.
    FailedAttempts,
    /// Calls that this version of this function answered with a 500. The dimension is the version, because a deployment is rolled back
    /// for failures of the new version and never for failures of the old version, which it may be about to fix.
    Failures,
    /// Retries of requests.
    Retries(Retrier),
    /// The findings of the audit: those of its last complete round, or of the current round.
    Findings(FindingKind),
    /// Items that the audit has checked.
    AuditedItems,
    /// The time since the last complete round of the audit.
    AuditRoundAge,
    /// The time since the oldest import or undo in progress was begun.
    OldestRunningImport,
}

impl Metric {
    /// The catalogue: every metric, with each value of its dimension.
    #[must_use]
    pub fn all() -> Vec<Self> {
        fn each<W: Copy>(words: &[W], metric: fn(W) -> Metric) -> impl Iterator<Item = Metric> {
            words.iter().copied().map(metric)
        }
        each(Application::ALL, Self::Applications)
            .chain(each(Row::ALL, Self::HistoryRows))
            .chain(each(Row::ALL, Self::JourneyRows))
            .chain(each(Row::ALL, Self::IdentityRows))
            .chain(each(DriverRow::ALL, Self::DriverRows))
            .chain(each(Import::ALL, Self::Imports))
            .chain(each(LateKey::ALL, Self::LateKeys))
            .chain(each(Retrier::ALL, Self::Retries))
            .chain(each(FindingKind::ALL, Self::Findings))
            .chain([
                Self::DriverListsRefused,
                Self::ImportRate,
                Self::LateContradictions,
                Self::StatusChanges,
                Self::FailedAttempts,
                Self::Failures,
            ])
            .chain([Self::AuditedItems, Self::AuditRoundAge, Self::OldestRunningImport])
            .collect()
    }

    /// The metric's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Applications(_) => "Applications",
            Self::HistoryRows(_) => "HistoryRows",
            Self::JourneyRows(_) => "JourneyRows",
            Self::IdentityRows(_) => "IdentityRows",
            Self::DriverRows(_) => "DriverRows",
            Self::DriverListsRefused => "DriverListsRefused",
            Self::Imports(_) => "Imports",
            Self::ImportRate => "ImportRate",
            Self::LateContradictions => "LateContradictions",
            Self::StatusChanges => "StatusChanges",
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

    /// The metric's unit, in CloudWatch's words.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::ImportRate => "Count/Second",
            Self::AuditRoundAge | Self::OldestRunningImport => "Seconds",
            _ => "Count",
        }
    }

    /// The metric's dimension and its value, if it has one. [`THIS_VERSION`] is the placeholder for the running version.
    #[must_use]
    pub const fn dimension(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Applications(application) => Some(("Outcome", application.as_str())),
            Self::HistoryRows(row) | Self::JourneyRows(row) | Self::IdentityRows(row) => {
                Some(("Outcome", row.as_str()))
            }
            Self::DriverRows(answer) => Some(("Outcome", answer.as_str())),
            Self::Imports(import) => Some(("Outcome", import.as_str())),
            Self::LateKeys(to) => Some(("Application", to.as_str())),
            Self::Retries(by) => Some(("By", by.as_str())),
            Self::Findings(kind) => Some(("Finding", kind.as_str())),
            Self::Failures => Some(("Version", THIS_VERSION)),
            Self::DriverListsRefused
            | Self::ImportRate
            | Self::LateContradictions
            | Self::StatusChanges
            | Self::FailedAttempts
            | Self::AuditedItems
            | Self::AuditRoundAge
            | Self::OldestRunningImport => None,
        }
    }
}

/// The counts of one invocation.
#[derive(Debug, Default)]
pub struct Numbers(Mutex<BTreeMap<Metric, f64>>);

impl Numbers {
    /// Adds to a count.
    pub fn count(&self, metric: Metric, number: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(metric).or_default() += float(number);
    }

    /// Sets the rate per second of a number of events in this number of seconds. The rate is rounded to hundredths, because the sixteen
    /// digits of a quotient sometimes look like a phone number to the scan for personal data.
    pub fn rate(&self, metric: Metric, number: u64, seconds: f64) {
        self.measure(metric, (float(number) / seconds * 100.0).round() / 100.0);
    }

    /// Sets a value, and replaces an earlier one.
    pub fn gauge(&self, metric: Metric, number: u64) {
        self.measure(metric, float(number));
    }

    /// Sets a measured value, and replaces an earlier one.
    pub fn measure(&self, metric: Metric, value: f64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(metric, value);
    }

    fn take(&self) -> BTreeMap<Metric, f64> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Counts are far below 2^53, above which a float does not represent every integer.
#[allow(clippy::cast_precision_loss)]
const fn float(number: u64) -> f64 {
    number as f64
}

/// Writes metrics.
#[derive(Clone)]
pub struct Metrics {
    namespace: Arc<str>,
    version: Arc<str>,
    /// Writes to standard output, where Lambda reads metrics. Several functions in one process write to the log of the process instead.
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

    /// Writes the counts of an invocation and the retries since the last call, and resets them. `request_id` leads from a metric to the
    /// log. It is a property of the line and not a dimension.
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
                // One write per line, because another thread may log at the same time. An error is ignored: nobody reads metrics from a
                // closed log.
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
    fn line_has_embedded_metric_format() {
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
    fn metric_names_are_unique_and_not_reserved() {
        let all = Metric::all();
        let distinct: BTreeSet<_> = all.iter().map(|metric| (metric.name(), metric.dimension())).collect();
        assert_eq!(distinct.len(), all.len());
        for metric in all {
            let (dimension, _) = metric.dimension().unwrap_or_default();
            assert!(!["_aws", "function", "request_id", dimension].contains(&metric.name()), "{metric:?}");
        }
    }

    #[test]
    fn counts_are_summed_and_taken_once() {
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
