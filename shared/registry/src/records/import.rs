//! The item of an import: its file, its state, the operator's options, its result.
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

/// The attribute for the option that the dates of a file are correct.
const DATES_CONFIRMED: &str = "dates_confirmed";

/// The attribute that says that a second file was uploaded to an upload URL.
pub(crate) const IGNORED_UPLOAD: &str = "ignored_upload";
/// The attribute for the version of the awaited file that arrived.
pub(crate) const VERSION: &str = "version";
/// The attribute for the option that a file is only checked.
const CHECK_ONLY: &str = "check_only";

/// The attribute for the language in which rejected rows are explained.
const LANGUAGE: &str = "language";
/// The attribute for the option that a file is a list of drivers.
const DRIVERS: &str = "drivers";
/// The attribute for the import that a file replaces.
const REPLACES: &str = "replaces";
/// The attribute for the import whose file replaces this one, or was to: it may have ended without.
pub(crate) const REPLACED_BY: &str = "replaced_by";

/// The attribute that says until when a stale writer may still write rows of an import. Expressions write it out.
pub(crate) const STALE_WRITER_UNTIL: &str = "haunted_until";

/// When an invocation last had the import in hand: it began to work on it, or put it back into the queue. Expressions write it out.
pub(crate) const SEEN_AT: &str = "seen_at";

/// After this time without an invocation that has it in hand, a running import was given up. Lambda drops an event after six hours, and an
/// invocation that takes one at the end has a quarter of an hour. Source: docs/adr/0039.
pub const GIVEN_UP_AFTER: Duration = Duration::from_secs(7 * 60 * 60);

/// When an unused upload expires, in seconds since 1970. DynamoDB removes the item some time later.
pub(crate) const FORGOTTEN_AT: &str = "forgotten_at";

/// An import: its UUID, its operator and its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportRecord {
    /// The import's UUID.
    pub id: ImportId,
    /// The operator of the file; `None` for the registry's own journeys files.
    pub operator: Option<OperatorId>,
    /// The object's key, or [`ImportRecord::BATCH`].
    pub key: String,
}

/// The key of the note on S3 that requests an undo of an import, or the continuation of one.
#[must_use]
pub fn undo_note(operator: OperatorId, import: ImportId) -> String {
    format!("undo/{operator}/{import}")
}

impl ImportRecord {
    /// The key of an import without a file: its rows came in the body of a call. No file has this key.
    pub const BATCH: &str = "batch";

    /// The end of the key of its report.
    pub const REPORT: &str = ".json";

    /// The end of the key of its rejected rows.
    pub const REJECTED: &str = ".rejected.csv";

    /// The end of the key of the answers about a list of drivers.
    pub const ANSWERS: &str = ".answers.csv";

    /// The ends of the keys of everything that an import leaves for its operator ([`Self::beside`]).
    pub const LEFT: [&str; 3] = [Self::REPORT, Self::REJECTED, Self::ANSWERS];

    /// Whether its rows came in the body of a call.
    #[must_use]
    pub fn is_batch(&self) -> bool {
        self.key == Self::BATCH
    }

    /// The key of an object that belongs to the import: `reports/{operator_id}/{import_id}{suffix}`, with one of [`Self::LEFT`].
    #[must_use]
    pub fn beside(&self, suffix: &str) -> String {
        match self.operator {
            Some(operator) => format!("reports/{operator}/{}{suffix}", self.id),
            None => format!("reports/journeys/{}{suffix}", self.id),
        }
    }
}

/// The result of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOutcome {
    /// It was read to its end. Rows may have been rejected.
    Completed,
    /// The whole file was rejected.
    Failed,
    /// The rows that it added were removed.
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
    /// The state of an import, in the words of the interface.
    pub enum ImportState {
        /// An upload URL was requested; no file has been uploaded yet.
        AwaitingUpload = "awaiting_upload",
        /// It is in progress, or will be continued.
        Running = "running",
        /// It was read to its end.
        Completed = "completed",
        /// The whole file was rejected.
        Failed = "failed",
        /// The rows that it added are being removed.
        Undoing = "undoing",
        /// The rows that it added were removed.
        Undone = "undone",
    }
}

impl ImportState {
    pub(crate) fn of(item: &Item) -> Result<Self, StoreError> {
        text(item, "state").and_then(Self::parse).ok_or(corrupt("state"))
    }

    /// The state as an attribute value.
    pub(crate) fn attribute(self) -> AttributeValue {
        AttributeValue::S(self.as_str().to_owned())
    }
}

/// The options of an operator that requests an upload URL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The dates of the file are correct, even if they look wrong.
    pub dates_confirmed: bool,
    /// The file is only checked, and no row is imported.
    pub check_only: bool,
    /// The language in which rejected rows are explained, if the operator chose one.
    pub language: Option<Language>,
    /// The file is a list of drivers that the registry is asked about. No row is imported.
    pub drivers: bool,
    /// The file replaces this import of the same operator.
    pub replaces: Option<ImportId>,
}

impl Wishes {
    pub(crate) fn of(item: &Item) -> Self {
        let is = |name: &str| item.get(name).and_then(|said| said.as_bool().ok()).copied().unwrap_or(false);
        Self {
            dates_confirmed: is(DATES_CONFIRMED),
            check_only: is(CHECK_ONLY),
            drivers: is(DRIVERS),
            language: text(item, LANGUAGE).and_then(|language| Language::parse(language).ok()),
            replaces: text(item, REPLACES).and_then(ImportId::parse),
        }
    }

    /// The attributes that store the options.
    pub(crate) fn attributes(self) -> impl Iterator<Item = (String, AttributeValue)> {
        let language = self.language.map(|language| AttributeValue::S(language.as_str().to_owned()));
        [
            (DATES_CONFIRMED, Some(AttributeValue::Bool(self.dates_confirmed))),
            (CHECK_ONLY, self.check_only.then_some(AttributeValue::Bool(true))),
            (LANGUAGE, language),
            (DRIVERS, self.drivers.then_some(AttributeValue::Bool(true))),
            (REPLACES, self.replaces.map(|old| AttributeValue::S(old.to_string()))),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value?)))
    }
}

/// The kind of work that an invocation holds an import for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    Import,
    Undo,
}

impl Work {
    /// The kind of work on an import in this state; `None` if there is none.
    pub(crate) const fn of(state: ImportState) -> Option<Self> {
        match state {
            ImportState::Running => Some(Self::Import),
            ImportState::Undoing => Some(Self::Undo),
            ImportState::AwaitingUpload | ImportState::Completed | ImportState::Failed | ImportState::Undone => None,
        }
    }

    /// The state of an import during this work.
    pub(crate) const fn state(self) -> ImportState {
        match self {
            Self::Import => ImportState::Running,
            Self::Undo => ImportState::Undoing,
        }
    }

    /// The attribute that says when the work began.
    pub(crate) const fn started_at(self) -> &'static str {
        match self {
            Self::Import => "started_at",
            Self::Undo => "undo_started_at",
        }
    }

    /// The attribute of the checkpoint.
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
    /// There is no such import.
    #[error("there is no such import")]
    Unknown,
    /// The import has not ended.
    #[error("the import has not ended: it is {}", .0.as_str())]
    NotEnded(ImportState),
    /// An invocation that timed out while it worked on the import may still be running as a stale writer, and may write a row that an
    /// undo has already removed.
    #[error(
        "an interrupted invocation may still write to it until {}: undo the import after that",
        .0.for_person(Language::English)
    )]
    StaleWriter(Instant),
}

/// The state and result of an import, as the interface returns them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportStatus<C, R, U> {
    /// The import.
    pub record: ImportRecord,
    /// The import's state.
    pub state: ImportState,
    /// When its upload URL was requested, or its file was uploaded.
    pub created_at: Instant,
    /// When the import began.
    pub started_at: Option<Instant>,
    /// The last checkpoint.
    pub checkpoint: Option<C>,
    /// The last checkpoint of its undo.
    pub undo: Option<U>,
    /// The import's report.
    pub report: Option<R>,
    /// When the upload URL expires.
    pub expires_at: Option<Instant>,
    /// Whether the awaited file has arrived. The import may still wait for its turn.
    pub arrived: bool,
    /// Whether a second file was uploaded, which is not imported.
    pub ignored_upload: bool,
    /// The operator's options for the file.
    pub wishes: Wishes,
    /// Until when a stale writer may still write to it. It cannot be undone before.
    pub stale_writer_until: Option<Instant>,
    /// The import whose file replaces it, or was to: that may have ended without.
    pub replaced_by: Option<ImportId>,
}

impl<C, R, U> ImportStatus<C, R, U> {
    /// Its state at `machine_now`, the time of the machine's clock. A batch that is stored as unanswered may still get its response for a
    /// while. Until then it is running.
    #[must_use]
    pub fn state_at(&self, machine_now: Instant) -> ImportState {
        let may_be_answered = self.stale_writer_until.is_some_and(|until| until >= machine_now);
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

/// The item's key. The number 0 means the registry's own files.
pub(crate) fn key(operator: Option<OperatorId>, id: ImportId) -> Item {
    Item::from([
        ("operator_id".to_owned(), number(operator.map_or(0, |operator| i64::from(operator.get())))),
        ("import_id".to_owned(), AttributeValue::S(id.to_string())),
    ])
}

/// The value in the items that are in progress: the single partition of their index.
pub(crate) fn working() -> AttributeValue {
    AttributeValue::S("yes".to_owned())
}

/// Whether an item is an expired upload that DynamoDB has not removed yet.
pub(crate) fn is_forgotten(item: &Item, machine_now: Instant) -> bool {
    integer(item, FORGOTTEN_AT).is_some_and(|at| at < machine_now.millis() / 1000)
}

/// A running import that no invocation has had in hand since this moment, in milliseconds since 1970, was given up.
pub(crate) fn given_up_before(machine_now: Instant) -> i64 {
    machine_now.millis().saturating_sub(i64::try_from(GIVEN_UP_AFTER.as_millis()).unwrap_or(i64::MAX))
}

pub(crate) fn later(moment: Instant, by: Duration) -> Option<Instant> {
    Instant::from_millis(moment.millis().saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
}

/// Why an import in this state cannot be undone now; `None` if it can. `stale_writer_until` as in [`ImportStatus`],
/// `machine_now` is the time of the machine's clock.
#[must_use]
pub fn undo_refusal(
    state: ImportState,
    stale_writer_until: Option<Instant>,
    machine_now: Instant,
) -> Option<UndoRefusal> {
    match state {
        ImportState::AwaitingUpload | ImportState::Running => Some(UndoRefusal::NotEnded(state)),
        ImportState::Completed | ImportState::Failed => {
            stale_writer_until.filter(|until| *until >= machine_now).map(UndoRefusal::StaleWriter)
        }
        ImportState::Undoing | ImportState::Undone => None,
    }
}

/// Why an operator cannot undo one of its imports now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TakeBackRefusal {
    /// Nobody can undo it now.
    #[error(transparent)]
    Undo(#[from] UndoRefusal),
    /// It was begun at least this number of days ago. The registry's team can still undo it.
    #[error("the import began {0} days ago or more: ask the registry's team to undo it")]
    TooOld(u16),
    /// No file can replace it.
    #[error(transparent)]
    Replace(#[from] ReplaceRefusal),
    /// No file can replace it now: this import, which has not ended, replaces it.
    #[error("the import {0} replaces it already: wait until that import has ended")]
    Replacing(ImportId),
}

/// Why no file can replace an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplaceRefusal {
    /// It is undone, or its undo has begun.
    #[error(
        "the import is already undone: send the file without `replaces`, or with the `import_id` of a later import"
    )]
    Undone,
    /// It was a check or a list of drivers.
    #[error("it was a check or a list of drivers and imported nothing: name the import itself")]
    NothingImported,
}

impl TakeBackRefusal {
    /// The reason in this language.
    #[must_use]
    pub fn message(self, language: Language) -> String {
        match (language, self) {
            (Language::English, _) => self.to_string(),
            (Language::French, Self::Undo(UndoRefusal::Unknown)) => "cet import n'existe pas".to_owned(),
            (Language::French, Self::Undo(UndoRefusal::NotEnded(state))) => {
                format!("l'import n'est pas terminé : son état est « {} »", state.as_str())
            }
            (Language::French, Self::Undo(UndoRefusal::StaleWriter(until))) => format!(
                "une invocation interrompue peut encore y écrire jusqu'au {} : annulez l'import après ce moment",
                until.for_person(language)
            ),
            (Language::French, Self::TooOld(days)) => {
                format!("l'import a commencé il y a {days} jours ou plus : demandez son annulation à l'équipe du registre")
            }
            (Language::French, Self::Replace(ReplaceRefusal::Undone)) => "l'import est déjà annulé : envoyez le fichier sans `replaces`, ou avec l'`import_id` d'un \
                                               import plus récent"
                .to_owned(),
            (Language::French, Self::Replace(ReplaceRefusal::NothingImported)) => {
                "c'était une vérification ou une liste de conducteurs, qui n'a rien importé : indiquez l'import lui-même".to_owned()
            }
            (Language::French, Self::Replacing(by)) => {
                format!("l'import {by} le remplace déjà : attendez que cet import soit terminé")
            }
        }
    }
}

/// Why the operator of this import cannot undo it now; `None` if it can. `now` is the time of the registry's clock, `machine_now` that of
/// the machine's. Operators may undo an import for `days` days.
#[must_use]
pub fn take_back_refusal<C, R, U>(
    status: &ImportStatus<C, R, U>,
    (now, machine_now): (Instant, Instant),
    days: u16,
) -> Option<TakeBackRefusal> {
    if let Some(refusal) = undo_refusal(status.state_at(machine_now), status.stale_writer_until, machine_now) {
        return Some(refusal.into());
    }
    // An undo that has begun or ended is not refused when it is requested again.
    let is_done = matches!(status.state, ImportState::Undoing | ImportState::Undone);
    let began = status.started_at.unwrap_or(status.created_at);
    let age = now.millis().saturating_sub(began.millis());
    (!is_done && age >= i64::from(days) * DAY_MILLIS).then_some(TakeBackRefusal::TooOld(days))
}

/// Why no file can replace this import, even if its operator can undo it; `None` if one can. `says_so` reports whether the import's key
/// makes it a check or a list of drivers: an operator says so in the call that creates the upload, or with the file's name.
#[must_use]
pub fn replace_refusal<C, R, U>(
    status: &ImportStatus<C, R, U>,
    says_so: impl FnOnce(&str) -> bool,
) -> Option<ReplaceRefusal> {
    if matches!(status.state, ImportState::Undoing | ImportState::Undone) {
        Some(ReplaceRefusal::Undone)
    } else if status.wishes.check_only || status.wishes.drivers || says_so(&status.record.key) {
        Some(ReplaceRefusal::NothingImported)
    } else {
        None
    }
}

/// A day of 24 hours, in milliseconds.
const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// The item's key: the operator and the import's UUID.
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
        arrived: item.contains_key(VERSION),
        ignored_upload: item.get(IGNORED_UPLOAD).and_then(|said| said.as_bool().ok()).copied().unwrap_or(false),
        wishes: Wishes::of(item),
        stale_writer_until: instant(item, STALE_WRITER_UNTIL),
        replaced_by: text(item, REPLACED_BY).and_then(ImportId::parse),
    })
}
