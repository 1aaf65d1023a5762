//! The item of an export: its format, what it is limited to, how far it is.
//!
//! ```text
//! running ──► ready
//! ```
//!
//! Two further states follow from the time alone. An export that nothing has worked on for two hours has failed. The file of an export
//! that has been ready for [`KEPT_DAYS`] days is gone.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{Instant, JourneyStatus, JourneyType, OperatorId, words};
use serde::{Deserialize, Serialize};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, date, instant, integer, number, text};
use crate::records::ids::ExportId;
use crate::records::listed::{ListFilter, ListPlace, ListedDates};

/// The days after its end during which the file of an export can be read. The bucket's lifecycle rule removes it later, never earlier.
pub const KEPT_DAYS: u16 = 7;

/// The days after its request during which an export is listed.
const LISTED_DAYS: u16 = 30;

/// How long nothing works on an export that has failed. By then Lambda has dropped its event.
const SILENCE: Duration = Duration::from_secs(2 * 60 * 60);

words! {
    /// The state of an export, in the words of the interface.
    pub enum ExportState {
        /// It is in progress, or will be begun or continued.
        Running = "running",
        /// The file can be read.
        Ready = "ready",
        /// The registry has given it up.
        Failed = "failed",
        /// The file was removed.
        Expired = "expired",
    }
}

words! {
    /// The format of an export's file.
    pub enum ExportFormat {
        /// CSV (RFC 4180) in UTF-8.
        Csv = "csv",
        /// Apache Parquet.
        Parquet = "parquet",
    }
}

/// The key of the note on S3 that asks for work on an export.
#[must_use]
pub fn export_note(operator: OperatorId, export: ExportId) -> String {
    format!("{EXPORT_NOTES}{operator}/{export}")
}

/// The prefix of the keys of notes that ask for work on an export ([`export_note`]).
pub const EXPORT_NOTES: &str = "exporting/";

/// The operator and the export of a note with this key; `None` if it is not the key of one.
#[must_use]
pub fn export_of_note(key: &str) -> Option<(OperatorId, ExportId)> {
    let (operator, export) = key.strip_prefix(EXPORT_NOTES)?.split_once('/')?;
    Some((OperatorId::parse(operator).ok()?, ExportId::parse(export)?))
}

/// The prefix of the keys of all pieces of an export.
#[must_use]
pub fn export_pieces(export: ExportId) -> String {
    format!("export-work/{export}/")
}

/// The prefix of the files.
pub const EXPORT_FILES: &str = "exports/";

/// The operator and the export of a file with this key; `None` if it is not the key of one.
#[must_use]
pub fn export_of_file(key: &str) -> Option<(OperatorId, ExportId)> {
    let (operator, name) = key.strip_prefix(EXPORT_FILES)?.split_once('/')?;
    let (export, format) = name.split_once('.')?;
    ExportFormat::parse(format)?;
    Some((OperatorId::parse(operator).ok()?, ExportId::parse(export)?))
}

/// An export as its operator requested it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportRecord {
    /// The export's UUID.
    pub id: ExportId,
    /// The operator whose applications it holds.
    pub operator: OperatorId,
    /// The format of its file.
    pub format: ExportFormat,
    /// The filter of the export.
    pub filter: ListFilter,
    /// When it was requested.
    pub created_at: Instant,
}

impl ExportRecord {
    /// The key of its file.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{EXPORT_FILES}{}/{}.{}", self.operator, self.id, self.format.as_str())
    }

    /// The item of a new export.
    pub(crate) fn to_item(self, machine_now: Instant) -> Item {
        let ListFilter { journey_type, status, dates, registered } = self.filter;
        let word = |word: &str| AttributeValue::S(word.to_owned());
        let attributes = [
            ("state", Some(word(ExportState::Running.as_str()))),
            ("format", Some(word(self.format.as_str()))),
            ("created_at", Some(date(self.created_at))),
            ("alive_until", Some(number(alive_until(machine_now)))),
            ("forgotten_at", Some(number(machine_now.days_after(LISTED_DAYS).millis() / 1000))),
            ("journey_type", journey_type.map(|journey_type| word(journey_type.as_str()))),
            ("status", status.map(|status| word(status.as_str()))),
            ("from", dates.from().map(date)),
            ("to", dates.to().map(date)),
            ("registered_from", registered.from().map(date)),
            ("registered_to", registered.to().map(date)),
        ];
        let given = attributes.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.chain(key(self.operator, self.id)).collect()
    }

    pub(crate) fn of(item: &Item) -> Result<Self, StoreError> {
        let operator = integer(item, "operator_id").and_then(|id| u32::try_from(id).ok());
        let dates = |from, to| ListedDates::of_item(instant(item, from), instant(item, to));
        let journey_type = text(item, "journey_type").map(JourneyType::parse).transpose();
        let status = text(item, "status").map(|status| JourneyStatus::parse(status).ok_or(corrupt("status")));
        Ok(Self {
            id: id(item)?,
            operator: operator.and_then(|id| OperatorId::new(id).ok()).ok_or(corrupt("operator_id"))?,
            format: text(item, "format").and_then(ExportFormat::parse).ok_or(corrupt("format"))?,
            filter: ListFilter {
                journey_type: journey_type.map_err(|_| corrupt("journey_type"))?,
                status: status.transpose()?,
                dates: dates("from", "to"),
                registered: dates("registered_from", "registered_to"),
            },
            created_at: instant(item, "created_at").ok_or(corrupt("created_at"))?,
        })
    }
}

/// The progress of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportProgress {
    /// The place in the list of applications after which it continues; `None`: at the beginning.
    pub after: Option<ListPlace>,
    /// Whether the list was read to its end: only the file is left to write.
    pub is_read: bool,
    /// The applications so far.
    pub applications: u64,
    /// The pieces on S3 that hold them.
    pub pieces: Vec<String>,
}

/// The state of an export and its result, as the interface returns them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportStatus {
    /// The export.
    pub record: ExportRecord,
    /// The export's state.
    pub state: ExportState,
    /// The applications so far, or all of them.
    pub applications: u64,
    /// When its file was complete.
    pub ended_at: Option<Instant>,
    /// The size of the file in bytes.
    pub bytes: Option<u64>,
    /// Until when the file can be read.
    pub expires_at: Option<Instant>,
}

impl ExportStatus {
    pub(crate) fn of(item: &Item, machine_now: Instant) -> Result<Self, StoreError> {
        let expires_at = instant(item, "expires_at");
        Ok(Self {
            record: ExportRecord::of(item)?,
            state: state(item, machine_now)?,
            applications: progress(item)?.applications,
            ended_at: instant(item, "ended_at"),
            bytes: integer(item, "bytes").and_then(|bytes| u64::try_from(bytes).ok()),
            expires_at,
        })
    }
}

/// The state of an export at this time of the machine's clock.
pub(crate) fn state(item: &Item, machine_now: Instant) -> Result<ExportState, StoreError> {
    let is_over = |name| integer(item, name).is_none_or(|at| at < machine_now.millis());
    let stored = text(item, "state").and_then(ExportState::parse).ok_or(corrupt("state"))?;
    Ok(match stored {
        ExportState::Running if is_over("alive_until") => ExportState::Failed,
        ExportState::Ready if is_over("expires_at") => ExportState::Expired,
        stored => stored,
    })
}

/// Until when an export counts as one in progress, unless something works on it before.
pub(crate) fn alive_until(machine_now: Instant) -> i64 {
    machine_now.millis().saturating_add(i64::try_from(SILENCE.as_millis()).unwrap_or(i64::MAX))
}

/// Its progress; that of an export which nothing has worked on, if it has none.
pub(crate) fn progress(item: &Item) -> Result<ExportProgress, StoreError> {
    let Some(stored) = item.get("progress") else { return Ok(ExportProgress::default()) };
    serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(stored.clone()).map_err(|_| corrupt("progress"))
}

pub(crate) fn stored(progress: &ExportProgress) -> Result<AttributeValue, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(progress)
        .map_err(|_| corrupt("a value that cannot be written"))
}

/// The item's key.
pub(crate) fn key(operator: OperatorId, id: ExportId) -> Item {
    Item::from([
        ("operator_id".to_owned(), number(i64::from(operator.get()))),
        ("export_id".to_owned(), AttributeValue::S(id.to_string())),
    ])
}

/// The operator and the export of an item or a key; `None` if an export has no such key.
pub(crate) fn name(item: &Item) -> Option<(OperatorId, ExportId)> {
    let operator = integer(item, "operator_id").and_then(|id| u32::try_from(id).ok());
    Some((operator.and_then(|id| OperatorId::new(id).ok())?, id(item).ok()?))
}

/// The export's UUID in an item or a key.
pub(crate) fn id(item: &Item) -> Result<ExportId, StoreError> {
    text(item, "export_id").and_then(ExportId::parse).ok_or(corrupt("export_id"))
}

/// Whether an item has expired that DynamoDB has not removed yet.
pub(crate) fn is_forgotten(item: &Item, machine_now: Instant) -> bool {
    integer(item, "forgotten_at").is_some_and(|at| at < machine_now.millis() / 1000)
}

pub(crate) const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "exports", what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> ExportRecord {
        let at = |text| Instant::parse(text).unwrap();
        ExportRecord {
            id: ExportId::new(at("2024-05-01T09:00:00Z"), 7),
            operator: OperatorId::new(12).unwrap(),
            format: ExportFormat::Parquet,
            filter: ListFilter {
                journey_type: Some(JourneyType::Short),
                status: Some(JourneyStatus::Ok),
                dates: ListedDates::new(Some(at("2024-03-01T00:00:00Z")), None).unwrap(),
                registered: ListedDates::new(None, Some(at("2024-04-01T00:00:00Z"))).unwrap(),
            },
            created_at: at("2024-05-01T09:00:00Z"),
        }
    }

    #[test]
    fn item_holds_export_as_it_was_requested() {
        let plain = ExportRecord { format: ExportFormat::Csv, filter: ListFilter::default(), ..record() };
        for record in [record(), plain] {
            let item = record.to_item(record.created_at);
            assert_eq!(ExportRecord::of(&item), Ok(record));
            assert_eq!(export_of_note(&export_note(record.operator, record.id)), Some((record.operator, record.id)));
            assert_eq!(export_of_file(&record.key()), Some((record.operator, record.id)));
            assert_eq!(name(&item), Some((record.operator, record.id)));
            for other in
                [record.key().replace(".", ".x"), record.key().replace("/12/", "/0/"), format!("x{}", record.key())]
            {
                assert_eq!(export_of_file(&other), None, "{other}");
            }
        }
        for other in ["exporting/12", "exporting/x/018f332ae40070008000000000000007", "exporting/12/x", "exports/12/x"]
        {
            assert_eq!(export_of_note(other), None, "{other}");
        }
    }

    #[test]
    fn states_follow_the_time() {
        let record = record();
        let (now, later) = (record.created_at, record.created_at.days_after(8));
        let mut item = record.to_item(now);
        assert_eq!((state(&item, now), state(&item, later)), (Ok(ExportState::Running), Ok(ExportState::Failed)));
        assert!(!is_forgotten(&item, later) && is_forgotten(&item, now.days_after(31)));
        item.insert("state".to_owned(), AttributeValue::S("ready".to_owned()));
        item.insert("expires_at".to_owned(), date(now.days_after(KEPT_DAYS)));
        assert_eq!((state(&item, now), state(&item, later)), (Ok(ExportState::Ready), Ok(ExportState::Expired)));
        item.remove("state");
        assert_eq!(state(&item, now), Err(corrupt("state")));
    }
}
