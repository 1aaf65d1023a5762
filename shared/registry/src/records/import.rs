//! What the item of an import holds: which file it is of, its state, what its operator said of it, how it ended.
//!
//! ```text
//! (nothing) ──► running ──► completed | failed ──► undoing ──► undone
//! awaiting_upload ──┘
//! ```

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{Instant, Language, OperatorId, words};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, instant, integer, number, text};
use crate::records::ids::ImportId;

/// Where it is kept that the dates of a file are said to be right.
const DATES_CONFIRMED: &str = "dates_confirmed";

/// The attribute that says that a second file came where one was awaited.
pub(crate) const IGNORED_UPLOAD: &str = "ignored_upload";
/// Where it is kept that a file is only to be checked.
const CHECK_ONLY: &str = "check_only";

/// Where it is kept in which language rejected rows are explained.
const LANGUAGE: &str = "language";
/// Where it is kept which import a file is to replace.
const REPLACES: &str = "replaces";

/// When a place that nobody used is forgotten, in seconds since 1970: DynamoDB removes the item some time later.
pub(crate) const FORGOTTEN_AT: &str = "forgotten_at";

/// Which import, whose, of which object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRecord {
    /// Its name.
    pub id: ImportId,
    /// Whose file it is; `None` for the registry's own journeys files.
    pub operator: Option<OperatorId>,
    /// The object's key, or [`ImportRecord::BATCH`].
    pub key: String,
}

/// The key of the note on S3 that asks for an import to be taken back, or for the work on that to be gone on with.
#[must_use]
pub fn undo_note(operator: OperatorId, import: ImportId) -> String {
    format!("undo/{operator}/{import}")
}

impl ImportRecord {
    /// Stands for the key of an import that has no file: its rows came in the body of a call. No key of a file is like it.
    pub const BATCH: &str = "batch";

    /// Whether its rows came in the body of a call.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.key == Self::BATCH
    }

    /// The key of what lies beside its file: `reports/{operator_id}/{import_id}{suffix}`.
    #[must_use]
    pub fn beside(&self, suffix: &str) -> String {
        match self.operator {
            Some(operator) => format!("reports/{operator}/{}{suffix}", self.id),
            None => format!("reports/journeys/{}{suffix}", self.id),
        }
    }
}

/// How a file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOutcome {
    /// It was read to its end. Rows may have been rejected.
    Completed,
    /// It was refused whole.
    Failed,
    /// What it added was taken back.
    Undone,
}

impl FileOutcome {
    /// `completed`, `failed` or `undone`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.state().as_str()
    }

    const fn state(self) -> ImportState {
        match self {
            Self::Completed => ImportState::Completed,
            Self::Failed => ImportState::Failed,
            Self::Undone => ImportState::Undone,
        }
    }
}

words! {
    /// Where an import stands, in the words of the interface.
    pub enum ImportState {
        /// A place for it was asked for; no file has come yet.
        AwaitingUpload = "awaiting_upload",
        /// It is worked on, or will be again.
        Running = "running",
        /// It was read to its end.
        Completed = "completed",
        /// It was refused whole.
        Failed = "failed",
        /// What it added is being taken back.
        Undoing = "undoing",
        /// What it added was taken back.
        Undone = "undone",
    }
}

impl ImportState {
    pub(crate) fn of(item: &Item) -> Result<Self, StoreError> {
        text(item, "state").and_then(Self::parse).ok_or(corrupt("state"))
    }
}

/// What an operator says of a file when it asks for a place for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The dates of the file are right, however they look.
    pub dates_confirmed: bool,
    /// The file is only checked: nothing of it is imported.
    pub check_only: bool,
    /// In which language rejected rows are explained, if it said so.
    pub language: Option<Language>,
    /// The file replaces this import of the same operator's.
    pub replaces: Option<ImportId>,
}

impl Wishes {
    pub(crate) fn of(item: &Item) -> Self {
        let is = |name: &str| item.get(name).and_then(|said| said.as_bool().ok()).copied().unwrap_or(false);
        Self {
            dates_confirmed: is(DATES_CONFIRMED),
            check_only: is(CHECK_ONLY),
            language: text(item, LANGUAGE).and_then(|language| Language::parse(language).ok()),
            replaces: text(item, REPLACES).and_then(ImportId::parse),
        }
    }

    /// The attributes in which they are kept.
    pub(crate) fn attributes(self) -> impl Iterator<Item = (String, AttributeValue)> {
        let language = self.language.map(|language| AttributeValue::S(language.as_str().to_owned()));
        [
            (DATES_CONFIRMED, Some(AttributeValue::Bool(self.dates_confirmed))),
            (CHECK_ONLY, self.check_only.then_some(AttributeValue::Bool(true))),
            (LANGUAGE, language),
            (REPLACES, self.replaces.map(|old| AttributeValue::S(old.to_string()))),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    }
}

/// What an import is held for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Import,
    Undo,
}

impl Work {
    /// What an import in this state is worked on for; `None`: it is not.
    pub(crate) const fn of(state: ImportState) -> Option<Self> {
        match state {
            ImportState::Running => Some(Self::Import),
            ImportState::Undoing => Some(Self::Undo),
            ImportState::AwaitingUpload | ImportState::Completed | ImportState::Failed | ImportState::Undone => None,
        }
    }

    /// The state of an import that is held for this.
    pub(crate) const fn state(self) -> ImportState {
        match self {
            Self::Import => ImportState::Running,
            Self::Undo => ImportState::Undoing,
        }
    }

    /// Where it is kept when it was begun.
    pub(crate) const fn started_at(self) -> &'static str {
        match self {
            Self::Import => "started_at",
            Self::Undo => "undo_started_at",
        }
    }

    /// Where its checkpoint is kept.
    pub(crate) const fn checkpoint(self) -> &'static str {
        match self {
            Self::Import => "checkpoint",
            Self::Undo => "undo_checkpoint",
        }
    }
}

/// Why an import cannot be undone now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UndoRefusal {
    /// Nobody knows it.
    #[error("there is no such import")]
    Unknown,
    /// It has not ended.
    #[error("the import has not ended: it is {}", .0.as_str())]
    NotEnded(ImportState),
    /// An invocation that fell silent while it worked on the import may still be alive, and write a row that is already
    /// taken back.
    #[error("an invocation that fell silent may still write to it until {0}: take it back then")]
    Haunted(Instant),
}

/// What the interface tells of an import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportStatus<C, R, U> {
    /// Which import.
    pub record: ImportRecord,
    /// Where it stands.
    pub state: ImportState,
    /// When a place for it was asked for, or its file came.
    pub created_at: Instant,
    /// When it was begun.
    pub started_at: Option<Instant>,
    /// How far it was when it last said so.
    pub checkpoint: Option<C>,
    /// How far its undoing was when it last said so.
    pub undo: Option<U>,
    /// How it ended.
    pub report: Option<R>,
    /// Until when an upload is awaited.
    pub expires_at: Option<Instant>,
    /// Whether a second file came to its place, which is not imported.
    pub ignored_upload: bool,
    /// What the operator said of the file.
    pub wishes: Wishes,
    /// Until when an invocation that fell silent may still write to it; it cannot be undone before.
    pub haunted_until: Option<Instant>,
}

impl<C, R, U> ImportStatus<C, R, U> {
    /// Where it stands, where `machine_now` is the machine's clock: a batch that is noted as not answered may still be answered for a
    /// while, and runs as long.
    #[must_use]
    pub fn state_at(&self, machine_now: Instant) -> ImportState {
        let may_be_answered = self.haunted_until.is_some_and(|until| until >= machine_now);
        if self.record.is_batch() && self.state == ImportState::Failed && may_be_answered {
            ImportState::Running
        } else {
            self.state
        }
    }
}

pub(crate) const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "imports", what }
}

pub(crate) fn value<T: DeserializeOwned>(item: &Item, name: &'static str) -> Result<Option<T>, StoreError> {
    let Some(stored) = item.get(name) else { return Ok(None) };
    serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(stored.clone()).map(Some).map_err(|_| corrupt(name))
}

pub(crate) fn stored(what: &impl Serialize) -> Result<AttributeValue, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(what).map_err(|_| corrupt("a value that cannot be written"))
}

/// The item's key. 0 stands for the registry's own files.
pub(crate) fn key(operator: Option<OperatorId>, id: ImportId) -> Item {
    Item::from([
        ("operator_id".to_owned(), number(operator.map_or(0, |operator| i64::from(operator.get())))),
        ("import_id".to_owned(), AttributeValue::S(id.to_string())),
    ])
}

/// What stands in the items that are worked on: the one partition of their index.
pub(crate) fn working() -> AttributeValue {
    AttributeValue::S("yes".to_owned())
}

/// Whether an item is a place that nobody used in time, which DynamoDB has yet to remove.
pub(crate) fn is_forgotten(item: &Item, machine_now: Instant) -> bool {
    integer(item, FORGOTTEN_AT).is_some_and(|at| at < machine_now.millis() / 1000)
}

pub(crate) fn later(moment: Instant, by: Duration) -> Option<Instant> {
    Instant::from_millis(moment.millis().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

/// Why an import in this state cannot be undone now, if it cannot. `haunted_until` as of [`ImportStatus`], `machine_now` the
/// machine's clock.
#[must_use]
pub fn undo_refusal(state: ImportState, haunted_until: Option<Instant>, machine_now: Instant) -> Option<UndoRefusal> {
    match state {
        ImportState::AwaitingUpload | ImportState::Running => Some(UndoRefusal::NotEnded(state)),
        ImportState::Completed | ImportState::Failed => {
            haunted_until.filter(|until| *until >= machine_now).map(UndoRefusal::Haunted)
        }
        ImportState::Undoing | ImportState::Undone => None,
    }
}

/// Why an operator cannot take back an import of its own now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeBackRefusal {
    /// Nobody can.
    #[error(transparent)]
    Undo(#[from] UndoRefusal),
    /// It was begun more than this many days ago. The registry's team can.
    #[error("the import was begun {0} days ago or more: ask the registry's team to take it back")]
    TooOld(u16),
}

/// Why the operator of this import cannot take it back now, if it cannot. `now` is the registry's clock, `machine_now` the machine's;
/// `days` is for how long operators may.
#[must_use]
pub fn take_back_refusal<C, R, U>(
    status: &ImportStatus<C, R, U>,
    (now, machine_now): (Instant, Instant),
    days: u16,
) -> Option<TakeBackRefusal> {
    if let Some(refusal) = undo_refusal(status.state_at(machine_now), status.haunted_until, machine_now) {
        return Some(refusal.into());
    }
    // What has begun, or is done, is not refused the second time.
    let is_done = matches!(status.state, ImportState::Undoing | ImportState::Undone);
    let began = status.started_at.unwrap_or(status.created_at);
    let age = now.millis().saturating_sub(began.millis());
    (!is_done && age >= i64::from(days) * DAY_MILLIS).then_some(TakeBackRefusal::TooOld(days))
}

/// A day of 24 hours, in milliseconds.
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Whose it is and its name: the item's key.
pub(crate) fn name(item: &Item) -> Result<(Option<OperatorId>, ImportId), StoreError> {
    let operator = integer(item, "operator_id").and_then(|id| u32::try_from(id).ok()).ok_or(corrupt("operator_id"))?;
    let id = text(item, "import_id").and_then(ImportId::parse).ok_or(corrupt("import_id"))?;
    Ok((OperatorId::new(operator).ok(), id))
}

pub(crate) fn record(item: &Item) -> Result<ImportRecord, StoreError> {
    let (operator, id) = name(item)?;
    Ok(ImportRecord { id, operator, key: text(item, "key").ok_or(corrupt("key"))?.to_owned() })
}

pub(crate) fn status<C: DeserializeOwned, R: DeserializeOwned, U: DeserializeOwned>(
    item: &Item,
) -> Result<ImportStatus<C, R, U>, StoreError> {
    Ok(ImportStatus {
        record: record(item)?,
        state: ImportState::of(item)?,
        created_at: instant(item, "created_at").ok_or(corrupt("created_at"))?,
        started_at: instant(item, "started_at"),
        checkpoint: value(item, Work::Import.checkpoint())?,
        undo: value(item, Work::Undo.checkpoint())?,
        report: value(item, "report")?,
        expires_at: instant(item, "expires_at"),
        ignored_upload: item.get(IGNORED_UPLOAD).and_then(|said| said.as_bool().ok()).copied().unwrap_or(false),
        wishes: Wishes::of(item),
        haunted_until: instant(item, "haunted_until"),
    })
}
