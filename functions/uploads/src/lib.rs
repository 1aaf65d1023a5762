//! `…/policies/cee/imports`: creates an upload for a history file or a list of drivers, shows the progress of its import, and requests
//! that the import be undone.
//!
//! | to find | look in |
//! |---|---|
//! | the calls | [`Uploads`] |
//! | what the calls and the console do: await a file, list, find, take back | [`Files`] |
//! | the form by which a browser sends a file, for the console | `form`, [`cee_service::form`] |
//! | how an awaited file becomes the import of this id | [`cee_registry::Imports::claim_upload`] |
//!
//! No file passes through this function. The caller gets a presigned URL and puts the file on S3 itself: one object, under the
//! operator's own prefix, within a quarter of an hour. What the call declares (size, checksum, content type) becomes part of the
//! signature: S3 rejects anything else.
//!
//! The import function undoes imports. This function checks that the import is the caller's, has ended and is not too old, and then
//! requests the undo with a note on S3, as the registry's team does.

use std::time::Duration;

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cee_edge::function::Query;
use cee_edge::openapi::Utc;
use cee_edge::problem::{ApplicationKind, BrokenRule, InternalError};
use cee_edge::{Call, Fields, Gate, HttpFunction, Refusal, Reply};
use cee_eligibility::fields::{FileName, FileSize, parse_sha256};
use cee_eligibility::{FieldError, Instant, Language, OperatorId, words};
use cee_history::{Counts, LARGEST_FILE, Progress, Replaced, Report, Surveyed, UndoProgress, Undone, name};
use cee_registry::{
    Cursor, Deadline, ImportId, ImportRecord, ImportState, ImportStatus, Imports, Limits, MOST_LISTED, Operators,
    TakeBackRefusal, Wishes, take_back_refusal, undo_note,
};
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use cee_service::form::FormSigner;
use cee_service::{Clock, Environment, SettingError};
use cee_tokens::Scope;
use http::{Method, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

mod form;
pub mod openapi;

pub use form::{UploadForm, read_form};

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &["IMPORTS_TABLE", "OPERATORS_TABLE", "LIMITS_TABLE"];

/// The validity of a presigned URL. An upload has to begin within this time, not to end.
const VALID: Duration = Duration::from_secs(15 * 60);

/// The name of an operator's file that has no name.
const NAMELESS: &str = "history.csv";

/// The name of a list of drivers that has no name.
const NAMELESS_LIST: &str = "drivers.csv";

/// The content types that a file may be declared as.
const CONTENT_TYPES: [&str; 3] = ["text/csv", "application/gzip", "application/zip"];

/// Answers `POST` and `GET /v3/policies/cee/imports`, and `GET` and `DELETE /v3/policies/cee/imports/{import_id}`.
#[derive(Debug)]
pub struct Uploads {
    gate: Gate,
    files: Files,
}

/// The files of operators, for a caller that was admitted.
#[derive(Debug)]
pub struct Files {
    clock: Clock,
    /// Whether imports are open for any journey type.
    open: bool,
    /// Whether simulations are open, and with them lists of drivers.
    open_for_lists: bool,
    /// Whether imports are open for both journey types: rows of a closed type could not be imported again after an undo.
    open_for_both: bool,
    /// The number of days within which an operator may undo its own import.
    take_back_days: u16,
    bucket: String,
    s3: aws_sdk_s3::Client,
    signer: Option<FormSigner>,
    imports: Imports,
}

/// An import as this function reads it.
type Status = ImportStatus<Progress, Report, UndoProgress>;

/// A caller's declarations about its file. They become part of the signature: S3 then accepts nothing else.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    #[schema(nullable = false)]
    file_name: Option<FileName>,
    #[schema(schema_with = openapi::size)]
    size: Option<FileSize>,
    #[schema(schema_with = openapi::sha256)]
    sha256: Option<[u8; 32]>,
    #[schema(schema_with = openapi::kind_of_file)]
    kind: Option<FileKind>,
    #[schema(schema_with = openapi::content_type)]
    content_type: Option<&'static str>,
    #[schema(schema_with = openapi::dates_confirmed)]
    dates_confirmed: Option<bool>,
    #[schema(schema_with = openapi::check_only)]
    check_only: Option<bool>,
    #[schema(schema_with = openapi::language)]
    language: Option<Language>,
    #[schema(schema_with = openapi::replaces)]
    replaces: Option<ImportId>,
}

words! {
    /// What an operator sends.
    pub enum FileKind {
        /// A history file, which is imported.
        File = "file",
        /// A list of drivers whom the registry is asked about.
        Drivers = "drivers",
    }
}

/// A place for one file.
#[derive(Serialize, ToSchema)]
pub struct Place {
    #[schema(schema_with = openapi::import_id)]
    import_id: String,
    /// The presigned URL to which the file is uploaded.
    #[schema(format = "uri")]
    upload_url: String,
    /// The method of the upload.
    #[schema(examples("PUT"))]
    method: &'static str,
    /// The headers that are part of the signature: the upload must have them unchanged.
    headers: Vec<Header>,
    /// The size of the largest file that is accepted, in bytes.
    max_size: u64,
    /// The moment before which the upload must begin.
    #[schema(value_type = Utc)]
    expires_at: String,
}

/// A header that is part of the signature.
#[derive(Serialize, ToSchema)]
#[schema(as = UploadHeader)]
struct Header {
    /// The header's name.
    #[schema(examples("content-type"))]
    name: String,
    /// The header's value.
    #[schema(examples("text/csv"))]
    value: String,
}

/// The state and the result of an import.
#[derive(Serialize, ToSchema)]
// `Import` is a reserved word of some generators' languages.
#[schema(as = HistoryImport)]
#[allow(missing_docs, reason = "a text here would stand beside a $ref of the schema")]
pub struct Import {
    #[schema(schema_with = openapi::import_id)]
    pub import_id: String,
    #[schema(schema_with = openapi::state)]
    pub state: &'static str,
    /// True if the file is only checked and nothing is imported; otherwise absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub check_only: bool,
    #[schema(schema_with = openapi::kind)]
    pub kind: &'static str,
    /// The key of the file on S3; absent for a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples("imports/1/history.csv"))]
    pub key: Option<String>,
    /// When the upload URL was requested, or the file arrived.
    #[schema(value_type = Utc)]
    pub created_at: String,
    /// While the import awaits its file: the moment before which the upload must begin.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub expires_at: Option<String>,
    /// When the import began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub started_at: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub ended_at: Option<String>,
    /// The bytes read so far, as they are stored on S3.
    pub bytes: u64,
    /// The size of the file; absent before the file has arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub bytes_total: Option<u64>,
    #[serde(flatten)]
    pub counts: Counts,
    /// Rows per second, over the time spent on the import.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rows_per_second: Option<u64>,
    /// Why the whole file was refused, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<String>,
    /// The number of rows in the file; absent before the whole file was surveyed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rows_total: Option<u64>,
    /// What the survey of the whole file found, once the import has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub survey: Option<Surveyed>,
    /// True if a second file was uploaded to the same URL. That file was not imported: request another upload URL for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ignored_upload: Option<bool>,
    /// What was removed, if the import was undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub undone: Option<Undone>,
    /// The import that this import replaces, if the request for the upload URL named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = openapi::import_id)]
    pub replaces: Option<String>,
    /// What was removed of the import that this import replaces, once that is done.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub replaced: Option<Replaced>,
    /// Why nothing was removed of the import to replace, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub not_replaced: Option<String>,
    /// A presigned URL of the report.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", nullable = false)]
    pub report_url: Option<String>,
    /// A presigned URL of the rejected rows, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", nullable = false)]
    pub rejected_rows_url: Option<String>,
    /// A presigned URL of the answers for a list of drivers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", nullable = false)]
    pub answers_url: Option<String>,
    /// The moment until which the links are valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub links_expire_at: Option<String>,
    /// The key of the rejected rows in the bucket.
    #[serde(skip)]
    #[schema(ignore)]
    rejected_rows_key: Option<String>,
}

/// The caller's imports.
#[derive(Serialize, ToSchema)]
#[schema(as = Imports)]
pub struct List {
    /// The latest first.
    pub imports: Vec<Import>,
    /// The parameter `cursor` of the call for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = openapi::cursor)]
    pub next_cursor: Option<String>,
}

impl Upload {
    fn is_list(&self) -> bool {
        is_list(self.kind, self.file_name.as_ref())
    }
}

/// Whether a file is a list of drivers. Its name can say so too: the import function reads the name, which is part of the key.
fn is_list(kind: Option<FileKind>, file_name: Option<&FileName>) -> bool {
    kind == Some(FileKind::Drivers) || file_name.is_some_and(|file_name| name::is_list_of_drivers(file_name.as_str()))
}

impl Uploads {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let aws = Aws::of_function(environment);
        let db = aws.dynamodb();
        Ok(Self {
            gate: Gate::from_environment(
                environment,
                Operators::new(db.clone(), &tables),
                Limits::new(db.clone(), &tables),
            )
            .await?,
            files: Files::new(environment, aws.s3(), Imports::new(db, &tables))?,
        })
    }
}

impl Files {
    /// Files with the settings' bucket and clock.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub fn new(environment: &Environment, s3: aws_sdk_s3::Client, imports: Imports) -> Result<Self, SettingError> {
        let rules = environment.rules()?;
        Ok(Self {
            clock: environment.clock()?,
            open: rules.any_open(|open| open.import),
            open_for_lists: rules.any_open(|open| open.simulate),
            open_for_both: !rules.any_open(|open| !open.import),
            take_back_days: environment.take_back_days()?,
            bucket: environment.required("BUCKET")?,
            s3,
            signer: FormSigner::of(environment),
            imports,
        })
    }

    /// Whether the registry takes any file now.
    ///
    /// # Errors
    /// [`Refusal::CallClosed`]
    fn check_any_open(&self) -> Result<(), Refusal> {
        if self.open || self.open_for_lists { Ok(()) } else { Err(Refusal::CallClosed(None)) }
    }

    /// Whether the registry takes history files now, or lists of drivers.
    ///
    /// # Errors
    /// [`Refusal::CallClosed`]
    pub fn check_open(&self, is_list: bool) -> Result<(), Refusal> {
        let is_open = if is_list { self.open_for_lists } else { self.open };
        if is_open { Ok(()) } else { Err(Refusal::CallClosed(None)) }
    }

    /// Whether operators may undo their imports now.
    ///
    /// # Errors
    /// [`Refusal::CallClosed`]
    pub fn check_take_back_open(&self) -> Result<(), Refusal> {
        if self.open_for_both { Ok(()) } else { Err(Refusal::CallClosed(None)) }
    }

    /// Creates an upload for one file.
    ///
    /// # Errors
    /// [`Refusal::UnknownImport`] or [`Refusal::ImportStays`] about the import to replace; a failure of the store.
    pub async fn place(&self, operator: OperatorId, upload: &Upload) -> Result<Place, Refusal> {
        let record = new_record(operator, upload);
        let id = record.id;
        let checksum = upload.sha256.map(|sha256| STANDARD.encode(sha256));
        let put = self.s3.put_object().bucket(&self.bucket).key(&record.key);
        let put = put.set_content_type(upload.content_type.map(str::to_owned)).set_checksum_sha256(checksum);
        let put = put.set_content_length(upload.size.and_then(|size| i64::try_from(size.get()).ok()));
        let signed = put.presigned(valid()?).await.map_err(unsigned)?;
        let expires_at = self.await_file(operator, &record, upload).await?;
        let headers = headers(&signed);
        Ok(Place {
            import_id: id.to_string(),
            upload_url: signed.uri().to_owned(),
            method: "PUT",
            headers,
            max_size: LARGEST_FILE,
            expires_at: expires_at.to_string(),
        })
    }

    /// Awaits a file that comes with a form ([`Self::form`]), and returns the id of its import.
    ///
    /// # Errors
    /// As [`Self::place`], and [`Refusal::CallClosed`].
    pub async fn await_form(&self, operator: OperatorId, upload: &Upload) -> Result<ImportId, Refusal> {
        self.check_open(upload.is_list())?;
        let record = new_record(operator, upload);
        self.await_file(operator, &record, upload).await?;
        Ok(record.id)
    }

    /// Awaits a file under a new key, and returns until when.
    async fn await_file(
        &self,
        operator: OperatorId,
        record: &ImportRecord,
        upload: &Upload,
    ) -> Result<Instant, Refusal> {
        if let Some(old) = upload.replaces {
            let status = self.own_to_take_back(operator, old).await?;
            if let Some(why) = replace_refusal(&status) {
                return Err(Refusal::ImportStays(why));
            }
            if let Some(by) = self.imports.not_ended(operator, status.replaced_by).await? {
                return Err(Refusal::ImportStays(TakeBackRefusal::Replacing(by)));
            }
        }
        let wishes = Wishes {
            dates_confirmed: upload.dates_confirmed.unwrap_or(false),
            check_only: upload.check_only.unwrap_or(false),
            language: upload.language,
            drivers: upload.is_list(),
            replaces: upload.replaces,
        };
        let expires_at = later(machine_now());
        self.imports.await_upload(record, self.clock.now(), expires_at, wishes).await?;
        Ok(expires_at)
    }

    /// The operator's own import of this id, if the operator may undo it now.
    async fn own_to_take_back(&self, operator: OperatorId, id: ImportId) -> Result<Status, Refusal> {
        let status = self.imports.find(operator, id, machine_now()).await?.ok_or(Refusal::UnknownImport)?;
        match take_back_refusal(&status, (self.clock.now(), machine_now()), self.take_back_days) {
            Some(why) => Err(Refusal::ImportStays(why)),
            None => Ok(status),
        }
    }

    /// Requests the undo of an import of the operator's, and returns the import as it is then: `undoing`, or `undone`. May be repeated:
    /// an undo under way continues, a finished one stays finished.
    ///
    /// # Errors
    /// [`Refusal::UnknownImport`] or [`Refusal::ImportStays`]; a failure of the store or the bucket.
    pub async fn take_back(&self, operator: OperatorId, id: ImportId) -> Result<Import, Refusal> {
        let mut status = self.own_to_take_back(operator, id).await?;
        if status.state != ImportState::Undone {
            // The note first: an import that is `undoing` without one would stay so until the operator asks again.
            let put = self.s3.put_object().bucket(&self.bucket).key(undo_note(operator, id)).send().await;
            put.map_err(|error| Refusal::Internal(InternalError::Bucket(DisplayErrorContext(&error).to_string())))?;
            let requested = self.imports.request_undo(operator, id, self.clock.now(), machine_now()).await?;
            status = requested.unwrap_or(status);
        }
        self.import(status).await
    }

    /// At most `most` of the operator's imports, the latest first.
    ///
    /// # Errors
    /// A failure of the store.
    pub async fn list(
        &self,
        operator: OperatorId,
        (after, most): (Option<Cursor>, usize),
        deadline: Deadline,
    ) -> Result<List, Refusal> {
        let (found, next) = self.imports.list(operator, (after, most), machine_now(), deadline).await?;
        let mut imports = Vec::with_capacity(found.len());
        for status in found {
            imports.push(self.import(status).await?);
        }
        Ok(List { imports, next_cursor: next.map(|next| next.to_string()) })
    }

    /// The operator's own import of this id.
    ///
    /// # Errors
    /// [`Refusal::UnknownImport`]; a failure of the store.
    pub async fn find(&self, operator: OperatorId, id: ImportId) -> Result<Import, Refusal> {
        let status = self.imports.find(operator, id, machine_now()).await?.ok_or(Refusal::UnknownImport)?;
        self.import(status).await
    }

    /// The beginning of an import's file of rejected rows, at most this many bytes, and whether there is more. `None` if no row was
    /// rejected, or the bucket does not hold the file any more.
    ///
    /// # Errors
    /// A failure of the bucket.
    pub async fn rejected_rows(&self, import: &Import, most: usize) -> Result<Option<(Vec<u8>, bool)>, Refusal> {
        let Some(key) = &import.rejected_rows_key else { return Ok(None) };
        let failed = |error: String| Refusal::Internal(InternalError::Bucket(error));
        let get = self.s3.get_object().bucket(&self.bucket).key(key).range(format!("bytes=0-{most}"));
        let object = match get.send().await {
            Ok(object) => object,
            // S3 returns 403 for a missing object to a function that may not list the bucket.
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "AccessDenied")) => return Ok(None),
            Err(error) => return Err(failed(DisplayErrorContext(&error).to_string())),
        };
        let bytes = object.body.collect().await.map_err(|error| failed(error.to_string()))?.to_vec();
        let is_cut = bytes.len() > most;
        Ok(Some((bytes.into_iter().take(most).collect(), is_cut)))
    }

    async fn import(&self, status: Status) -> Result<Import, Refusal> {
        let state = status.state_at(machine_now());
        let Status { record, created_at, started_at, checkpoint, report, expires_at, ignored_upload, wishes, .. } =
            status;
        let is_list = wishes.drivers || name::is_list_of_drivers(&record.key);
        let check_only = wishes.check_only || name::is_check_only(&record.key);
        // A running batch already holds the report for the case that its call never completes.
        let is_batch = record.is_batch();
        let report = report.filter(|_| !is_batch || state != ImportState::Running);
        let mut links = (None, None, None);
        let mut rejected_rows_key = None;
        if let Some(report) = report.as_ref().filter(|_| !is_batch) {
            links.0 = Some(self.link(&record.beside(".json")).await?);
            if let Some(key) = &report.rejected_rows {
                links.1 = Some(self.link(key).await?);
                rejected_rows_key = Some(key.clone());
            }
            if let Some(key) = &report.answers {
                links.2 = Some(self.link(key).await?);
            }
        }
        let progress = report.as_ref().map(Report::progress).or(checkpoint);
        let bytes_total = progress.as_ref().filter(|_| !is_batch).map(|progress| progress.bytes_total);
        let progress = progress.unwrap_or_default();
        let awaiting = state == ImportState::AwaitingUpload;
        let survey = report.as_ref().and_then(|report| report.survey);
        let (ended_at, error, undone, replaced, not_replaced) = report
            .map_or((None, None, None, None, None), |report| {
                (Some(report.ended_at), report.error, report.undone, report.replaced, report.not_replaced)
            });
        Ok(Import {
            import_id: record.id.to_string(),
            state: state.as_str(),
            check_only,
            kind: match (is_batch, is_list) {
                (true, _) => openapi::BATCH,
                (false, true) => FileKind::Drivers.as_str(),
                (false, false) => FileKind::File.as_str(),
            },
            key: Some(record.key).filter(|_| !is_batch),
            created_at: created_at.to_string(),
            expires_at: expires_at.filter(|_| awaiting).map(|at| at.to_string()),
            started_at: started_at.map(|at| at.to_string()),
            ended_at,
            bytes: progress.bytes,
            bytes_total,
            rows_per_second: progress.rows_per_second(),
            rows_total: progress.rows_total,
            survey,
            counts: progress.counts,
            error,
            ignored_upload: ignored_upload.then_some(true),
            undone,
            replaces: wishes.replaces.map(|old| old.to_string()),
            replaced,
            not_replaced,
            links_expire_at: links.0.is_some().then(|| later(machine_now()).to_string()),
            report_url: links.0,
            rejected_rows_url: links.1,
            answers_url: links.2,
            rejected_rows_key,
        })
    }

    /// A presigned URL to read an object for a while. Signing sends no request.
    async fn link(&self, key: &str) -> Result<String, Refusal> {
        let get = self.s3.get_object().bucket(&self.bucket).key(key);
        Ok(get.presigned(valid()?).await.map_err(unsigned)?.uri().to_owned())
    }
}

/// Why no file can replace this import, which could be taken back otherwise.
fn replace_refusal(status: &Status) -> Option<TakeBackRefusal> {
    let (wishes, key) = (&status.wishes, &status.record.key);
    if matches!(status.state, ImportState::Undoing | ImportState::Undone) {
        Some(TakeBackRefusal::Done)
    } else if wishes.check_only || wishes.drivers || name::is_check_only(key) || name::is_list_of_drivers(key) {
        Some(TakeBackRefusal::NothingImported)
    } else {
        None
    }
}

/// A new import of a file, with a key under the operator's own prefix.
fn new_record(operator: OperatorId, upload: &Upload) -> ImportRecord {
    let id = ImportId::from_bytes(uuid::Uuid::new_v4().into_bytes());
    let nameless = if upload.is_list() { NAMELESS_LIST } else { NAMELESS };
    let name = upload.file_name.as_ref().map_or(nameless, FileName::as_str);
    ImportRecord { id, operator: Some(operator), key: format!("imports/{operator}/{id}/{name}") }
}

fn valid() -> Result<PresigningConfig, Refusal> {
    PresigningConfig::expires_in(VALID)
        .map_err(|_| Refusal::Internal(InternalError::Impossible("a time that no URL is valid for")))
}

/// S3 uses the real time, even if the registry's clock is pinned.
fn later(machine_now: Instant) -> Instant {
    let valid = i64::try_from(VALID.as_millis()).unwrap_or(0);
    Instant::from_millis(machine_now.millis() + valid).unwrap_or(machine_now)
}

fn unsigned<E: std::error::Error + Send + Sync + 'static, R: std::fmt::Debug>(error: SdkError<E, R>) -> Refusal {
    Refusal::Internal(InternalError::Signature(DisplayErrorContext(&error).to_string()))
}

/// The headers that the upload must send, without those that every client sets by itself and some (Java's) refuse to set: the host,
/// which is the URL's, and the length, which is the file's.
fn headers(signed: &PresignedRequest) -> Vec<Header> {
    let mut headers: Vec<Header> = signed
        .headers()
        .filter(|(name, _)| !["host", "content-length"].iter().any(|own| name.eq_ignore_ascii_case(own)))
        .map(|(name, value)| Header { name: name.to_owned(), value: value.to_owned() })
        .collect();
    headers.sort_by(|one, other| one.name.cmp(&other.name));
    headers
}

impl HttpFunction for Uploads {
    const NAME: &'static str = "uploads";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let caller = self.gate.admit(call, Scope::Import).await?;
        let operator = caller.operator;
        if call.request().method() == Method::POST {
            self.files.check_any_open()?;
            let upload = read(Fields::of(call.request())?)?;
            if upload.is_list() && !caller.scopes.contains(&Scope::Simulate) {
                return Err(Refusal::MissingScope(Scope::Simulate));
            }
            self.files.check_open(upload.is_list())?;
            return Reply::json(StatusCode::CREATED, &self.files.place(operator, &upload).await?);
        }
        // API Gateway sends only its routes' paths here.
        let path = call.path();
        if path.ends_with("/imports") {
            let list = self.files.list(operator, read_page(call.query())?, call.deadline()).await?;
            return Reply::json(StatusCode::OK, &list);
        }
        // Read in either case, as every UUID.
        let id = path.rsplit('/').next().and_then(read_import_id).ok_or(Refusal::UnknownImport)?;
        if call.request().method() == Method::DELETE {
            self.files.check_take_back_open()?;
            return Reply::json(StatusCode::ACCEPTED, &self.files.take_back(operator, id).await?);
        }
        Reply::json(StatusCode::OK, &self.files.find(operator, id).await?)
    }
}

/// Reads which part of a list is asked for.
///
/// # Errors
/// [`Refusal::InvalidQuery`]
pub fn read_page(mut query: Query) -> Result<(Option<Cursor>, usize), Refusal> {
    let most = query.limit(MOST_LISTED);
    let after = query.optional("cursor", |text| Cursor::parse(text).ok_or(BrokenRule::Cursor));
    let (after, most) = query.finish(&["limit", "cursor"], after.zip(most))?;
    Ok((after, most.unwrap_or(MOST_LISTED)))
}

/// Reads an import's id, in either case as every UUID.
#[must_use]
pub fn read_import_id(text: &str) -> Option<ImportId> {
    ImportId::parse(&text.to_ascii_lowercase())
}

/// Reads the body of the call.
///
/// # Errors
/// [`Refusal::InvalidFields`] with every fault.
pub fn read(mut fields: Fields) -> Result<Upload, Refusal> {
    let file_name = fields.optional("file_name", FileName::parse);
    let size = fields.optional_number("size", |size| FileSize::new(size, LARGEST_FILE));
    let sha256 = fields.optional("sha256", parse_sha256);
    let content_type = fields.optional("content_type", |text| {
        CONTENT_TYPES.into_iter().find(|known| *known == text).ok_or(FieldError::ContentType)
    });
    let kind = fields.optional("kind", |text| FileKind::parse(text).ok_or(FieldError::FileKind));
    // A list has no dates, and imports nothing that could take the place of an import.
    if is_list(kind.flatten(), file_name.as_ref().and_then(Option::as_ref)) {
        fields.foreign("dates_confirmed", ApplicationKind::List);
        fields.foreign("replaces", ApplicationKind::List);
    }
    let dates_confirmed = fields.optional_bool("dates_confirmed");
    let check_only = fields.optional_bool("check_only");
    let language = fields.optional("language", Language::parse);
    let replaces = fields.optional("replaces", |text| read_import_id(text).ok_or(FieldError::ImportId));
    let upload = || {
        Some(Upload {
            file_name: file_name?,
            size: size?,
            sha256: sha256?,
            kind: kind?,
            content_type: content_type?,
            dates_confirmed: dates_confirmed?,
            check_only: check_only?,
            language: language?,
            replaces: replaces?,
        })
    };
    fields.finish(upload())
}
