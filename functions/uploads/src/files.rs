//! The imports of operators and their files on S3: places, progress, links, undos.

use std::time::Duration;

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata as _, SdkError};
use aws_sdk_s3::presigning::{PresignedRequest, PresigningConfig};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cee_edge::Refusal;
use cee_edge::problem::InternalError;
use cee_eligibility::fields::FileName;
use cee_eligibility::{Instant, OperatorId};
use cee_history::{LARGEST_FILE, Progress, Report, UndoProgress, name};
use cee_registry::{
    Cursor, Deadline, ImportId, ImportRecord, ImportState, ImportStatus, Imports, ReplaceRefusal, TakeBackRefusal,
    Wishes, replace_refusal, take_back_refusal, undo_note,
};
use cee_service::clock::machine_now;
use cee_service::form::FormSigner;
use cee_service::{Clock, Environment, SettingError};

use crate::import::{Header, Import, List, Place};
use crate::kind::{BATCH, FileKind};
use crate::upload::Upload;

/// The validity of a presigned URL. An upload has to begin within this time, not to end.
const VALID: Duration = Duration::from_secs(15 * 60);

/// The name of an operator's file that has no name.
const NAMELESS: &str = "history.csv";

/// The name of a list of drivers that has no name.
const NAMELESS_LIST: &str = "drivers.csv";

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
    pub(crate) bucket: String,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) signer: Option<FormSigner>,
    imports: Imports,
}

/// An import as this function reads it.
type Status = ImportStatus<Progress, Report, UndoProgress>;

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
    pub(crate) fn check_any_open(&self) -> Result<(), Refusal> {
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
        let record = new_record(operator, upload, new_id());
        let id = record.id;
        let checksum = upload.sha256.map(|sha256| STANDARD.encode(sha256));
        let put = self.s3.put_object().bucket(&self.bucket).key(&record.key);
        let put = put.set_content_type(upload.content_type.map(str::to_owned)).set_checksum_sha256(checksum);
        let put = put.set_content_length(upload.size.and_then(|size| i64::try_from(size.get()).ok()));
        let signed = put.presigned(valid()?).await.map_err(unsigned)?;
        let expires_at = self.await_file(operator, &record, upload).await?.ok_or_else(taken)?;
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

    /// Awaits a file that comes with a form ([`Self::form`]), and returns the id of its import: `wanted`, unless an import has this id that
    /// does not await this file.
    ///
    /// # Errors
    /// As [`Self::place`], and [`Refusal::CallClosed`].
    pub async fn await_form(
        &self,
        operator: OperatorId,
        upload: &Upload,
        wanted: Option<ImportId>,
    ) -> Result<ImportId, Refusal> {
        self.check_open(upload.is_list())?;
        if let Some(id) = wanted {
            let record = new_record(operator, upload, id);
            if self.await_file(operator, &record, upload).await?.is_some() {
                return Ok(id);
            }
            // The form was sent twice. Or its page was shown again from the browser's memory, and is used for another file.
            let known: Option<Status> = self.imports.find(operator, id, machine_now()).await?;
            let is_same = known.is_some_and(|known| {
                known.state == ImportState::AwaitingUpload
                    && !known.arrived
                    && known.expires_at.is_some_and(|until| until > machine_now())
                    && known.record.key == record.key
                    && known.wishes == wishes(upload)
            });
            if is_same {
                return Ok(id);
            }
        }
        let record = new_record(operator, upload, new_id());
        self.await_file(operator, &record, upload).await?.ok_or_else(taken)?;
        Ok(record.id)
    }

    /// Awaits a file under a new key, and returns until when. `None` if there is an import with this id.
    async fn await_file(
        &self,
        operator: OperatorId,
        record: &ImportRecord,
        upload: &Upload,
    ) -> Result<Option<Instant>, Refusal> {
        if let Some(old) = upload.replaces {
            let status = self.own_to_take_back(operator, old).await?;
            if let Some(why) = replace_refusal(&status, name::imports_nothing) {
                return Err(Refusal::ImportStays(why.into()));
            }
            if let Some(by) = self.imports.replacing(operator, status.replaced_by, machine_now()).await? {
                return Err(Refusal::ImportStays(TakeBackRefusal::Replacing(by)));
            }
        }
        let expires_at = later(machine_now());
        let is_new = self.imports.await_upload(record, self.clock.now(), expires_at, wishes(upload)).await?;
        Ok(is_new.then_some(expires_at))
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
        // An undo reads the whole table of claims: not for a check or a list of drivers, of which it would find nothing.
        if let Some(why @ ReplaceRefusal::NothingImported) = replace_refusal(&status, name::imports_nothing) {
            return Err(Refusal::ImportStays(why.into()));
        }
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
        let Status {
            record,
            created_at,
            started_at,
            checkpoint,
            report,
            expires_at,
            arrived,
            ignored_upload,
            wishes,
            ..
        } = status;
        let is_list = wishes.drivers || name::is_list_of_drivers(&record.key);
        let check_only = wishes.check_only || name::is_check_only(&record.key);
        // A running batch already holds the report for the case that its call never completes.
        let is_batch = record.is_batch();
        let report = report.filter(|_| !is_batch || state != ImportState::Running);
        let mut links = (None, None, None);
        let mut rejected_rows_key = None;
        if let Some(report) = report.as_ref().filter(|_| !is_batch) {
            links.0 = Some(self.link(&record.beside(ImportRecord::REPORT)).await?);
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
                (true, _) => BATCH,
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
            arrived: awaiting && arrived,
            late: awaiting && !arrived && expires_at.is_some_and(|until| until <= machine_now()),
            rejected_rows_key,
        })
    }

    /// A presigned URL to read an object for a while. Signing sends no request.
    async fn link(&self, key: &str) -> Result<String, Refusal> {
        let get = self.s3.get_object().bucket(&self.bucket).key(key);
        Ok(get.presigned(valid()?).await.map_err(unsigned)?.uri().to_owned())
    }
}

fn new_id() -> ImportId {
    ImportId::from_bytes(uuid::Uuid::new_v4().into_bytes())
}

/// A new id was given before.
fn taken() -> Refusal {
    Refusal::Internal(InternalError::Impossible("a new id of an import that is known already"))
}

fn wishes(upload: &Upload) -> Wishes {
    Wishes {
        dates_confirmed: upload.dates_confirmed.unwrap_or(false),
        check_only: upload.check_only.unwrap_or(false),
        language: upload.language,
        drivers: upload.is_list(),
        replaces: upload.replaces,
    }
}

/// A new import of a file, with a key under the operator's own prefix.
fn new_record(operator: OperatorId, upload: &Upload, id: ImportId) -> ImportRecord {
    let nameless = if upload.is_list() { NAMELESS_LIST } else { NAMELESS };
    let name = upload.file_name.as_ref().map_or(nameless, FileName::as_str);
    ImportRecord { id, operator: Some(operator), key: format!("imports/{operator}/{id}/{name}") }
}

pub(crate) fn valid() -> Result<PresigningConfig, Refusal> {
    PresigningConfig::expires_in(VALID)
        .map_err(|_| Refusal::Internal(InternalError::Impossible("a time that no URL is valid for")))
}

/// S3 uses the real time, even if the registry's clock is pinned.
fn later(machine_now: Instant) -> Instant {
    let valid = i64::try_from(VALID.as_millis()).unwrap_or(0);
    Instant::from_millis(machine_now.millis() + valid).unwrap_or(machine_now)
}

pub(crate) fn unsigned<E: std::error::Error + Send + Sync + 'static, R: std::fmt::Debug>(
    error: SdkError<E, R>,
) -> Refusal {
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
