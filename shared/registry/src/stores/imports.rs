//! Imports of files: which are awaited, how far the running ones are, how they ended.
//!
//! An import is worked on by one invocation at a time. Whoever takes it gets a *fence*, a number that only grows, and a
//! lease that ends by itself. Every later write carries the fence as its condition: an invocation that was frozen, and
//! wakes up after another has taken over, can write nothing any more.
//!
//! ```text
//! (nothing) ──► running ──► completed | failed ──► undoing ──► undone
//! awaiting_upload ──┘
//! ```
//!
//! A batch of rows is an import without a file: `imports/batch.rs`.

mod batch;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{Instant, Language, OperatorId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::audit::Finding;
use crate::claim_item::{Item, date, number, text};
use crate::error::{Backoff, Deadline, is_contention, is_transient, met};
use crate::read::batch_get_keys;
use crate::tables::Tables;

/// How long an invocation may be silent before another takes over. It writes a checkpoint far more often.
pub const LEASE: Duration = Duration::from_secs(120);

/// For how long a checkpoint or an end that collides is tried again.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where it is kept that the dates of a file are said to be right.
const DATES_CONFIRMED: &str = "dates_confirmed";

/// The attribute that says that a second file came where one was awaited.
const IGNORED_UPLOAD: &str = "ignored_upload";
/// Where it is kept that a file is only to be checked.
const CHECK_ONLY: &str = "check_only";

/// Where it is kept in which language rejected rows are explained.
const LANGUAGE: &str = "language";
/// Where it is kept which import a file is to replace.
const REPLACES: &str = "replaces";

/// How many items DynamoDB gives in one batch.
const MOST_AT_ONCE: usize = 100;

/// How many imports are listed at once: each is one item of one batch.
pub const MOST_LISTED: usize = MOST_AT_ONCE;

/// For how long the place for a file is kept after its URL has expired, where no file came: longer than the event of a file can wait
/// until somebody hands it over again.
const UNUSED: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// When a place that nobody used is forgotten, in seconds since 1970: DynamoDB removes the item some time later.
const FORGOTTEN_AT: &str = "forgotten_at";

/// The index of an operator's imports by the moment of their creation. It holds keys and nothing else: a checkpoint costs it nothing.
pub(crate) const BY_CREATION: &str = "by_creation";

/// The index of those imports that are worked on now, whosever they are: the attribute stands in no other item.
pub(crate) const WORKING: &str = "working";

/// The longest that an invocation lives, whatever it does: Lambda's own limit.
const LONGEST_INVOCATION: Duration = Duration::from_secs(900);

/// The name of one import: of one version of one object on S3. The same version always has the same name, so an event
/// delivered twice is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImportId([u8; 16]);

impl ImportId {
    /// The import of this version of an object. Where a bucket keeps no versions, `version` is what else tells two
    /// uploads apart.
    #[must_use]
    pub fn of_object(bucket: &str, key: &str, version: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [bucket, key, version] {
            context.update(part.as_bytes());
            // No part holds a NUL: two different triples never make the same bytes.
            context.update(b"\0");
        }
        let mut id = [0; 16];
        id.copy_from_slice(&context.finish().as_ref()[..16]);
        Self(id)
    }

    /// The import of this name.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes of this name.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 32 || !bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for ImportId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

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

/// Where an import stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImportState {
    /// A place for it was asked for; no file has come yet.
    AwaitingUpload,
    /// It is worked on, or will be again.
    Running,
    /// It was read to its end.
    Completed,
    /// It was refused whole.
    Failed,
    /// What it added is being taken back.
    Undoing,
    /// What it added was taken back.
    Undone,
}

impl ImportState {
    const ALL: [Self; 6] =
        [Self::AwaitingUpload, Self::Running, Self::Completed, Self::Failed, Self::Undoing, Self::Undone];

    /// The word of the interface.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AwaitingUpload => "awaiting_upload",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
        }
    }

    fn of(item: &Item) -> Result<Self, StoreError> {
        let word = text(item, "state").ok_or(corrupt("state"))?;
        Self::ALL.into_iter().find(|state| state.as_str() == word).ok_or(corrupt("state"))
    }
}

/// An invocation's hold on an import. Whoever lost it can write nothing with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    record: ImportRecord,
    fence: i64,
    started_at: Instant,
    work: Work,
    /// Until when the invocation that this one took over from may still be alive, if it did.
    haunted_until: Option<Instant>,
    wishes: Wishes,
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
    fn of(item: &Item) -> Self {
        let is = |name: &str| item.get(name).and_then(|said| said.as_bool().ok()).copied().unwrap_or(false);
        Self {
            dates_confirmed: is(DATES_CONFIRMED),
            check_only: is(CHECK_ONLY),
            language: text(item, LANGUAGE).and_then(|language| Language::parse(language).ok()),
            replaces: text(item, REPLACES).and_then(ImportId::parse),
        }
    }

    /// The attributes in which they are kept.
    fn attributes(self) -> impl Iterator<Item = (String, AttributeValue)> {
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
enum Work {
    Import,
    Undo,
}

impl Work {
    /// What an import in this state is worked on for; `None`: it is not.
    const fn of(state: ImportState) -> Option<Self> {
        match state {
            ImportState::Running => Some(Self::Import),
            ImportState::Undoing => Some(Self::Undo),
            ImportState::AwaitingUpload | ImportState::Completed | ImportState::Failed | ImportState::Undone => None,
        }
    }

    /// The state of an import that is held for this.
    const fn state(self) -> ImportState {
        match self {
            Self::Import => ImportState::Running,
            Self::Undo => ImportState::Undoing,
        }
    }

    /// Where it is kept when it was begun.
    const fn started_at(self) -> &'static str {
        match self {
            Self::Import => "started_at",
            Self::Undo => "undo_started_at",
        }
    }

    /// Where its checkpoint is kept.
    const fn checkpoint(self) -> &'static str {
        match self {
            Self::Import => "checkpoint",
            Self::Undo => "undo_checkpoint",
        }
    }
}

impl Hold {
    /// When the import, or its undoing, was first begun, whoever works on it now.
    #[must_use]
    pub const fn started_at(&self) -> Instant {
        self.started_at
    }

    /// Which hold it is: every later one on the same import has a greater number.
    #[must_use]
    pub const fn fence(&self) -> i64 {
        self.fence
    }

    /// Which import it is.
    #[must_use]
    pub const fn record(&self) -> &ImportRecord {
        &self.record
    }

    /// What the operator said of the file when it asked for a place for it.
    #[must_use]
    pub const fn wishes(&self) -> Wishes {
        self.wishes
    }
}

/// What [`Imports::begin`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun<C, R> {
    /// It is the caller's to work on, from this checkpoint on if there is one.
    Yours(Hold, Option<C>),
    /// Another invocation works on it.
    Held,
    /// It has ended with this report. There is nothing left to do but to see that the report can be read.
    Ended(R),
}

/// What [`Imports::begin_undo`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UndoBegun<U, R> {
    /// It is the caller's to work on, from this checkpoint on if there is one. The report is the one that the import ended
    /// with.
    Yours(Hold, Option<U>, R),
    /// Another invocation works on it.
    Held,
    /// It was undone before, with this report.
    Ended(R),
    /// It cannot be undone now.
    Refused(UndoRefusal),
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

/// The hold was lost: another invocation works on the import, or it has ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HoldError {
    /// Another invocation has taken over.
    #[error("another invocation has taken the import over")]
    Lost,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Whose an object is that was put where a file may be awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is the awaited file.
    Awaited,
    /// The awaited file came before it: it is not imported.
    Ignored,
    /// No file is awaited there: it is an import of its own.
    Other,
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

impl ImportRecord {
    /// The key of what lies beside its file: `reports/{operator_id}/{import_id}{suffix}`.
    #[must_use]
    pub fn beside(&self, suffix: &str) -> String {
        match self.operator {
            Some(operator) => format!("reports/{operator}/{}{suffix}", self.id),
            None => format!("reports/journeys/{}{suffix}", self.id),
        }
    }
}

const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "imports", what }
}

fn integer(item: &Item, name: &str) -> Option<i64> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

fn instant(item: &Item, name: &str) -> Option<Instant> {
    Instant::from_millis(integer(item, name)?)
}

fn value<T: DeserializeOwned>(item: &Item, name: &'static str) -> Result<Option<T>, StoreError> {
    let Some(stored) = item.get(name) else { return Ok(None) };
    serde_dynamo::aws_sdk_dynamodb_1::from_attribute_value(stored.clone()).map(Some).map_err(|_| corrupt(name))
}

fn stored(what: &impl Serialize) -> Result<AttributeValue, StoreError> {
    serde_dynamo::aws_sdk_dynamodb_1::to_attribute_value(what).map_err(|_| corrupt("a value that cannot be written"))
}

/// The item's key. 0 stands for the registry's own files.
fn key(operator: Option<OperatorId>, id: ImportId) -> Item {
    Item::from([
        ("operator_id".to_owned(), number(operator.map_or(0, |operator| i64::from(operator.get())))),
        ("import_id".to_owned(), AttributeValue::S(id.to_string())),
    ])
}

/// The table of imports.
#[derive(Clone, Debug)]
pub struct Imports {
    db: Client,
    table: String,
}

impl Imports {
    /// The imports in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.imports.clone() }
    }

    /// Notes that a file is awaited, and what is said of it.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer, or knows an import of this name.
    pub async fn await_upload(
        &self,
        import: &ImportRecord,
        now: Instant,
        expires_at: Instant,
        wishes: Wishes,
    ) -> Result<(), StoreError> {
        let mut item = key(import.operator, import.id);
        item.extend([
            ("key".to_owned(), AttributeValue::S(import.key.clone())),
            ("state".to_owned(), AttributeValue::S(ImportState::AwaitingUpload.as_str().to_owned())),
            ("created_at".to_owned(), date(now)),
            ("expires_at".to_owned(), date(expires_at)),
            (FORGOTTEN_AT.to_owned(), number(later(expires_at, UNUSED).map_or(0, |at| at.millis() / 1000))),
        ]);
        item.extend(wishes.attributes());
        let put = self.db.put_item().table_name(&self.table).set_item(Some(item));
        // Its own item, where the client sent it again because the first answer was lost. No other has its name and key.
        let sent = put
            .condition_expression(
                "attribute_not_exists(import_id) OR (#key = :key AND #state = :awaiting AND created_at = :now)",
            )
            .expression_attribute_names("#key", "key")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":key", AttributeValue::S(import.key.clone()))
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(
                ":awaiting",
                AttributeValue::S(ImportState::AwaitingUpload.as_str().to_owned()),
            )
            .send()
            .await;
        sent.map(drop).map_err(|error| match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => corrupt("an import that is known already"),
            _ => StoreError::request("PutItem", &error),
        })
    }

    /// Whose an object is that was put where a file is awaited: the first version that comes is the awaited one. Another version is
    /// never imported, because the operator knows no name for it: the awaited import says that it came.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer; may be repeated.
    pub async fn claim_upload(
        &self,
        operator: OperatorId,
        id: ImportId,
        object_key: &str,
        version: &str,
    ) -> Result<Claimed, StoreError> {
        let sent = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(Some(operator), id)))
            .update_expression("SET #version = :version REMOVE forgotten_at")
            .condition_expression("#key = :key AND (attribute_not_exists(#version) OR #version = :version)")
            .expression_attribute_names("#key", "key")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":key", AttributeValue::S(object_key.to_owned()))
            .expression_attribute_values(":version", AttributeValue::S(version.to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Claimed::Awaited),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                    let awaited_key = lost.item().and_then(|item| text(item, "key"));
                    if awaited_key != Some(object_key) {
                        return Ok(Claimed::Other);
                    }
                    self.note_ignored(operator, id).await?;
                    Ok(Claimed::Ignored)
                }
                _ => Err(StoreError::request("UpdateItem", &error)),
            },
        }
    }

    /// Notes that a second file came where one was awaited.
    async fn note_ignored(&self, operator: OperatorId, id: ImportId) -> Result<(), StoreError> {
        let update = self.db.update_item().table_name(&self.table).set_key(Some(key(Some(operator), id)));
        let update =
            update.update_expression("SET #ignored = :true").condition_expression("attribute_exists(import_id)");
        let update = update.expression_attribute_names("#ignored", IGNORED_UPLOAD);
        let sent = update.expression_attribute_values(":true", AttributeValue::Bool(true)).send().await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(StoreError::request("UpdateItem", &error)),
            },
        }
    }

    /// Takes an import to work on, unless another invocation does or it has ended.
    ///
    /// `worker` names the invocation: Lambda gives a retried one the name it had, so that it need not wait for the lease
    /// of its own earlier life. `machine_now` is the machine's clock, whatever the registry's says: a lease is real time.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer; may be repeated.
    pub async fn begin<C: DeserializeOwned, R: DeserializeOwned>(
        &self,
        import: &ImportRecord,
        worker: &str,
        now: Instant,
        machine_now: Instant,
    ) -> Result<Begun<C, R>, StoreError> {
        let sent = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(import.operator, import.id)))
            .update_expression(
                "SET fence = if_not_exists(fence, :zero) + :one, worker = :worker, leased_until = :until, \
                 taken_from = if_not_exists(leased_until, :zero), #state = :running, #key = :key, working = :working, \
                 started_at = if_not_exists(started_at, :now), created_at = if_not_exists(created_at, :now) \
                 REMOVE expires_at, forgotten_at",
            )
            .condition_expression(
                "attribute_not_exists(#state) OR #state = :awaiting \
                 OR (#state = :running AND (leased_until < :machine_now OR worker = :worker))",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":zero", number(0))
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":worker", AttributeValue::S(worker.to_owned()))
            .expression_attribute_values(":until", leased_until(machine_now))
            .expression_attribute_values(":machine_now", date(machine_now))
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(":key", AttributeValue::S(import.key.clone()))
            .expression_attribute_values(":working", working())
            .expression_attribute_values(":running", AttributeValue::S(ImportState::Running.as_str().to_owned()))
            .expression_attribute_values(
                ":awaiting",
                AttributeValue::S(ImportState::AwaitingUpload.as_str().to_owned()),
            )
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let error = match sent {
            Ok(answer) => {
                let item = answer.attributes.ok_or(corrupt("an item"))?;
                let hold = Hold::of(&item, import.clone(), Work::Import, machine_now)?;
                return Ok(Begun::Yours(hold, value(&item, Work::Import.checkpoint())?));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                let item = lost.item().ok_or(corrupt("an item"))?;
                match ImportState::of(item)? {
                    ImportState::Completed | ImportState::Failed | ImportState::Undone => {
                        Ok(Begun::Ended(value(item, "report")?.ok_or(corrupt("report"))?))
                    }
                    ImportState::Running | ImportState::AwaitingUpload | ImportState::Undoing => Ok(Begun::Held),
                }
            }
            _ => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// Takes an import that has ended, to take back what it added. `worker` and the clocks as of [`Self::begin`].
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer; may be repeated.
    pub async fn begin_undo<U: DeserializeOwned, R: DeserializeOwned>(
        &self,
        operator: OperatorId,
        id: ImportId,
        worker: &str,
        now: Instant,
        machine_now: Instant,
    ) -> Result<UndoBegun<U, R>, StoreError> {
        let state = |state: ImportState| AttributeValue::S(state.as_str().to_owned());
        let sent = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(Some(operator), id)))
            .update_expression(
                "SET fence = fence + :one, worker = :worker, leased_until = :until, #state = :undoing, working = :working, \
                 undo_started_at = if_not_exists(undo_started_at, :now)",
            )
            .condition_expression(
                "(#state IN (:completed, :failed) AND (attribute_not_exists(haunted_until) OR haunted_until < :machine_now)) \
                 OR (#state = :undoing AND (leased_until < :machine_now OR worker = :worker))",
            )
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":worker", AttributeValue::S(worker.to_owned()))
            .expression_attribute_values(":until", leased_until(machine_now))
            .expression_attribute_values(":machine_now", date(machine_now))
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(":working", working())
            .expression_attribute_values(":completed", state(ImportState::Completed))
            .expression_attribute_values(":failed", state(ImportState::Failed))
            .expression_attribute_values(":undoing", state(ImportState::Undoing))
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let report = |item: &Item| value(item, "report")?.ok_or(corrupt("report"));
        let error = match sent {
            Ok(answer) => {
                let item = answer.attributes.ok_or(corrupt("an item"))?;
                let record = record(&item)?;
                let hold = Hold::of(&item, record, Work::Undo, machine_now)?;
                return Ok(UndoBegun::Yours(hold, value(&item, Work::Undo.checkpoint())?, report(&item)?));
            }
            Err(error) => error,
        };
        let Some(UpdateItemError::ConditionalCheckFailedException(lost)) = error.as_service_error() else {
            return Err(StoreError::request("UpdateItem", &error));
        };
        let Some(item) = lost.item() else { return Ok(UndoBegun::Refused(UndoRefusal::Unknown)) };
        let state = ImportState::of(item)?;
        if let Some(refusal) = undo_refusal(state, instant(item, "haunted_until"), machine_now) {
            return Ok(UndoBegun::Refused(refusal));
        }
        Ok(match state {
            ImportState::Undone => UndoBegun::Ended(report(item)?),
            _ => UndoBegun::Held,
        })
    }

    /// Writes how far the work is, and holds the import for another while.
    ///
    /// # Errors
    /// [`HoldError::Lost`] where another invocation has taken over: nothing was written, and nothing may be from now on.
    pub async fn checkpoint(
        &self,
        hold: &Hold,
        checkpoint: &impl Serialize,
        machine_now: Instant,
    ) -> Result<(), HoldError> {
        let values = [(":checkpoint", stored(checkpoint)?), (":until", leased_until(machine_now))];
        let expression = format!("SET {} = :checkpoint, leased_until = :until", hold.work.checkpoint());
        self.write_held(hold, &expression, "", None, values).await
    }

    /// Lets go of an import that is not at its end: whoever comes next may take it at once.
    ///
    /// # Errors
    /// As of [`Self::checkpoint`].
    pub async fn release(&self, hold: &Hold) -> Result<(), HoldError> {
        self.write_held(hold, "SET leased_until = :zero", "", None, [(":zero", number(0))]).await
    }

    /// Ends the lease that an earlier try of this invocation holds on an import, if it holds one: an invocation of another name may take
    /// the import at once. As after any lease that ran out, that try may still be writing.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    pub async fn let_go(&self, operator: OperatorId, id: ImportId, worker: &str) -> Result<(), StoreError> {
        let sent = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(Some(operator), id)))
            // Not 0, which says that the lease was given back and nobody writes any more.
            .update_expression("SET leased_until = :past")
            .condition_expression("worker = :worker AND attribute_exists(working) AND leased_until > :past")
            .expression_attribute_values(":past", number(1))
            .expression_attribute_values(":worker", AttributeValue::S(worker.to_owned()))
            .send()
            .await;
        met("UpdateItem", sent).map(drop)
    }

    /// Ends an import, with its report and what only the registry's team is told of it.
    ///
    /// # Errors
    /// As of [`Self::checkpoint`].
    pub async fn end(
        &self,
        hold: &Hold,
        outcome: FileOutcome,
        report: &impl Serialize,
        for_the_team: &impl Serialize,
    ) -> Result<(), HoldError> {
        let values = [
            (":state", AttributeValue::S(outcome.as_str().to_owned())),
            (":report", stored(report)?),
            (":for_the_team", stored(for_the_team)?),
        ];
        let expression = "SET #state = :state, report = :report, for_the_team = :for_the_team";
        let remove = format!("{}, working", hold.work.checkpoint());
        self.write_held(hold, expression, &remove, Some(outcome), values).await
    }

    async fn write_held<const N: usize>(
        &self,
        hold: &Hold,
        set: &str,
        remove: &str,
        ends: Option<FileOutcome>,
        values: [(&str, AttributeValue); N],
    ) -> Result<(), HoldError> {
        let mut expression = set.to_owned();
        if hold.haunted_until.is_some() {
            expression.push_str(", haunted_until = :haunted_until");
        }
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {remove}"));
        }
        let mut update = self
            .db
            .update_item()
            .table_name(&self.table)
            .set_key(Some(key(hold.record.operator, hold.record.id)))
            .update_expression(expression)
            .condition_expression("fence = :fence AND #held = :held")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .expression_attribute_names("#held", "state")
            .expression_attribute_values(":held", AttributeValue::S(hold.work.state().as_str().to_owned()))
            .expression_attribute_values(":fence", number(hold.fence));
        if let Some(until) = hold.haunted_until {
            update = update.expression_attribute_values(":haunted_until", date(until));
        }
        if ends.is_some() {
            update = update.expression_attribute_names("#state", "state");
        }
        for (name, value) in values {
            update = update.expression_attribute_values(name, value);
        }
        // The SDK does not try again where a request collides, and giving up would have all rows since the last checkpoint
        // done again.
        let mut backoff = Backoff::until(Deadline::after(PATIENCE));
        loop {
            let Err(error) = update.clone().send().await else { return Ok(()) };
            match error.as_service_error() {
                // By a try whose answer was lost: a hold ends once, and nobody else has its fence.
                Some(UpdateItemError::ConditionalCheckFailedException(lost))
                    if ends.is_some()
                        && lost.item().is_some_and(|item| {
                            integer(item, "fence") == Some(hold.fence)
                                && text(item, "state") == ends.map(FileOutcome::as_str)
                        }) =>
                {
                    return Ok(());
                }
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => return Err(HoldError::Lost),
                _ if is_transient(&error) => {
                    if !error.code().is_some_and(is_contention) {
                        backoff.note(StoreError::request("UpdateItem", &error));
                    }
                    backoff.pause().await?;
                }
                _ => return Err(HoldError::Store(StoreError::request("UpdateItem", &error))),
            }
        }
    }

    /// An operator's import of this name: one request. Another operator's cannot be asked for.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer, or holds something else.
    pub async fn find<C: DeserializeOwned, R: DeserializeOwned, U: DeserializeOwned>(
        &self,
        operator: OperatorId,
        id: ImportId,
        machine_now: Instant,
    ) -> Result<Option<ImportStatus<C, R, U>>, StoreError> {
        let get = self.db.get_item().table_name(&self.table).set_key(Some(key(Some(operator), id)));
        let answer = get.consistent_read(true).send().await.map_err(|error| StoreError::request("GetItem", &error))?;
        let item = answer.item.filter(|item| !is_forgotten(item, machine_now));
        item.as_ref().map(status).transpose()
    }

    /// Since when the oldest import is worked on, or taken back, that has not ended; `None` where there is none. One that cannot be
    /// read is left out: the audit finds it.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    pub async fn oldest_running(&self) -> Result<Option<Instant>, StoreError> {
        let mut items = self
            .db
            .query()
            .table_name(&self.table)
            .index_name(WORKING)
            .key_condition_expression("working = :working")
            .expression_attribute_values(":working", working())
            .into_paginator()
            .items()
            .send();
        let mut oldest = None;
        while let Some(item) = items.next().await {
            let item = item.map_err(|error| StoreError::request("Query", &error))?;
            let work = ImportState::of(&item).ok().and_then(Work::of);
            let Some(started_at) = work.and_then(|work| instant(&item, work.started_at())) else { continue };
            oldest = Some(oldest.map_or(started_at, |oldest: Instant| oldest.min(started_at)));
        }
        Ok(oldest)
    }

    /// Those of these imports that there are, awaited ones and those that cannot be read included: one request for each hundred.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time.
    pub async fn known(
        &self,
        imports: &[(Option<OperatorId>, ImportId)],
        deadline: Deadline,
    ) -> Result<HashSet<(Option<OperatorId>, ImportId)>, StoreError> {
        let mut known = HashSet::new();
        for imports in imports.chunks(MOST_AT_ONCE) {
            let keys = imports.iter().map(|(operator, id)| key(*operator, *id)).collect();
            let items = batch_get_keys(&self.db, &self.table, keys, deadline).await?;
            known.extend(items.iter().filter_map(|item| name(item).ok()));
        }
        Ok(known)
    }

    /// Some of an operator's imports, the latest first, and where the list goes on: two requests. At most [`MOST_LISTED`]; fewer where
    /// places were forgotten. An import of this very moment may be missing still, for an index follows its table.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time, or holds something else.
    pub async fn list<C: DeserializeOwned, R: DeserializeOwned, U: DeserializeOwned>(
        &self,
        operator: OperatorId,
        (after, most): (Option<Cursor>, usize),
        machine_now: Instant,
        deadline: Deadline,
    ) -> Result<(Vec<ImportStatus<C, R, U>>, Option<Cursor>), StoreError> {
        let after = after.map(|Cursor { created_at, id }| {
            let mut start = key(Some(operator), id);
            start.insert("created_at".to_owned(), number(created_at));
            start
        });
        let query = self
            .db
            .query()
            .table_name(&self.table)
            .index_name(BY_CREATION)
            .key_condition_expression("operator_id = :operator")
            .expression_attribute_values(":operator", number(i64::from(operator.get())))
            .scan_index_forward(false)
            .limit(i32::try_from(most.min(MOST_LISTED)).unwrap_or(1))
            .set_exclusive_start_key(after);
        let answer = query.send().await.map_err(|error| StoreError::request("Query", &error))?;
        let next = answer.last_evaluated_key.as_ref().map(Cursor::of).transpose()?;
        let ids = answer.items().iter().map(|item| Ok(name(item)?.1)).collect::<Result<Vec<_>, StoreError>>()?;
        if ids.is_empty() {
            return Ok((Vec::new(), next));
        }
        let keys = ids.iter().map(|id| key(Some(operator), *id)).collect();
        let mut found = HashMap::new();
        for item in batch_get_keys(&self.db, &self.table, keys, deadline).await? {
            if !is_forgotten(&item, machine_now) {
                found.insert(name(&item)?.1, status(&item)?);
            }
        }
        Ok((ids.iter().filter_map(|id| found.remove(id)).collect(), next))
    }
}

/// Where a list of an operator's imports goes on. Which operator's it does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    created_at: i64,
    id: ImportId,
}

impl Cursor {
    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (created_at, id) = text.split_at_checked(16)?;
        if !created_at.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        let created_at = u64::from_str_radix(created_at, 16).ok()?.cast_signed();
        Some(Self { created_at, id: ImportId::parse(id)? })
    }

    fn of(key: &Item) -> Result<Self, StoreError> {
        let created_at = integer(key, "created_at").ok_or(corrupt("created_at"))?;
        Ok(Self { created_at, id: name(key)?.1 })
    }
}

impl fmt::Display for Cursor {
    /// 48 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{}", self.created_at, self.id)
    }
}

/// What stands in the items that are worked on: the one partition of their index.
fn working() -> AttributeValue {
    AttributeValue::S("yes".to_owned())
}

/// Whether an item is a place that nobody used in time, which DynamoDB has yet to remove.
fn is_forgotten(item: &Item, machine_now: Instant) -> bool {
    integer(item, FORGOTTEN_AT).is_some_and(|at| at < machine_now.millis() / 1000)
}

fn leased_until(machine_now: Instant) -> AttributeValue {
    let lease = i64::try_from(LEASE.as_millis()).unwrap_or(i64::MAX);
    number(machine_now.millis().saturating_add(lease))
}

impl Hold {
    fn of(item: &Item, record: ImportRecord, work: Work, machine_now: Instant) -> Result<Self, StoreError> {
        let started_at = work.started_at();
        // Whoever had it before has not let it go: it may be frozen, and wake up.
        let silent = work == Work::Import && integer(item, "taken_from").is_some_and(|until| until > 0);
        Ok(Self {
            record,
            fence: integer(item, "fence").ok_or(corrupt("fence"))?,
            started_at: instant(item, started_at).ok_or(corrupt(started_at))?,
            work,
            haunted_until: silent.then(|| later(machine_now, LONGEST_INVOCATION)).flatten(),
            wishes: Wishes::of(item),
        })
    }
}

fn later(moment: Instant, by: Duration) -> Option<Instant> {
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
fn name(item: &Item) -> Result<(Option<OperatorId>, ImportId), StoreError> {
    let operator = integer(item, "operator_id").and_then(|id| u32::try_from(id).ok()).ok_or(corrupt("operator_id"))?;
    let id = text(item, "import_id").and_then(ImportId::parse).ok_or(corrupt("import_id"))?;
    Ok((OperatorId::new(operator).ok(), id))
}

fn record(item: &Item) -> Result<ImportRecord, StoreError> {
    let (operator, id) = name(item)?;
    Ok(ImportRecord { id, operator, key: text(item, "key").ok_or(corrupt("key"))?.to_owned() })
}

fn status<C: DeserializeOwned, R: DeserializeOwned, U: DeserializeOwned>(
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

/// The part of a report that an audit looks at.
#[derive(Deserialize)]
struct ToldReport {
    import_id: String,
    operator_id: Option<u32>,
    key: String,
    rejected_rows: Option<String>,
    read: u64,
    imported: u64,
    already_known: u64,
    rejected: u64,
    /// Of a file that was only checked.
    #[serde(default)]
    accepted: u64,
}

/// What is wrong with an import's item. Its operator is told all that it holds, and a link to what it names.
pub(crate) fn audit_import(item: &Item) -> Vec<Finding> {
    let whose = integer(item, "operator_id").unwrap_or_default();
    let unreadable = || {
        // The name, where it is one of ours.
        let id = text(item, "import_id").and_then(ImportId::parse);
        let id = id.map_or_else(|| "of no name".to_owned(), |id| id.to_string());
        vec![Finding::Unreadable("imports", format!("{whose}/{id}"))]
    };
    let (Ok(record), Ok(state), Ok(report)) =
        (record(item), ImportState::of(item), value::<ToldReport>(item, "report"))
    else {
        return unreadable();
    };
    // Nobody would notice that it stands still.
    if Work::of(state).is_some_and(|work| instant(item, work.started_at()).is_none()) {
        return unreadable();
    }
    let mut found = Vec::new();
    let its = record.operator.map_or_else(|| "journeys/".to_owned(), |operator| format!("imports/{operator}/"));
    let is_batch = record.is_batch() && record.operator.is_some();
    if !is_batch && !record.key.starts_with(&its) {
        found.push(Finding::Foreign(record.operator, "of an import whose file is another's"));
    }
    if let Some(report) = report {
        let ToldReport {
            import_id,
            operator_id,
            key,
            rejected_rows,
            read,
            imported,
            already_known,
            rejected,
            accepted,
        } = report;
        if import_id != record.id.to_string()
            || operator_id != record.operator.map(OperatorId::get)
            || key != record.key
        {
            found.push(Finding::Foreign(record.operator, "a report of another import"));
        }
        if rejected_rows.is_some_and(|key| key != record.beside(".rejected.csv")) {
            found.push(Finding::Foreign(record.operator, "rejected rows of another import"));
        }
        let outcomes = [imported, already_known, rejected, accepted];
        if outcomes.into_iter().try_fold(0_u64, u64::checked_add) != Some(read) {
            found.push(Finding::Miscounted(record.operator, record.id));
        }
    }
    found
}
