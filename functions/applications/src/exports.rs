//! `…/policies/cee/exports`: requests an export of the operator's own applications to a file, and shows how far it is.
//!
//! This function reads no application for it: it stores the export in the table and puts a note on S3, whose event invokes the export
//! function. When the file is ready, the answer holds a presigned URL of it. A presigned URL has the rights of the function that signs it.

use std::sync::LazyLock;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::DisplayErrorContext;
use aws_sdk_s3::presigning::PresigningConfig;
use cee_edge::openapi::Utc;
use cee_edge::problem::{BrokenRule, InternalError};
use cee_edge::{Call, Fields, Refusal};
use cee_eligibility::{Instant, JourneyStatus, JourneyType, OperatorId};
use cee_registry::{
    ExportAdded, ExportFormat, ExportId, ExportRecord, ExportState, ExportStatus, Exports, ListFilter, MOST_EXPORTS,
    MOST_EXPORTS_A_DAY, export_note,
};
use cee_service::Clock;
use cee_service::clock::machine_now;
use serde::Serialize;
use utoipa::ToSchema;

use crate::list::query::filter;
use crate::schema;

/// The validity of a link. A download has to begin within this time, not to end.
const VALID: Duration = Duration::from_secs(15 * 60);

/// How many exports are listed at most.
pub(crate) const MOST_LISTED: usize = 100;

/// The parameters of the list.
const PARAMETERS: &[&str] = &["limit", "cursor"];

/// The calls about exports, for a caller that was admitted.
#[derive(Debug)]
pub(crate) struct ExportCalls {
    pub(crate) clock: Clock,
    pub(crate) bucket: String,
    pub(crate) exports: Exports,
    /// Created with the first export: the client loads AWS's region data, which takes a tenth of the start.
    pub(crate) s3: LazyLock<Client, Box<dyn FnOnce() -> Client + Send>>,
}

/// A caller's request for an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The format of the file.
    pub format: ExportFormat,
    /// The applications.
    pub filter: ListFilter,
}

/// One export: what it holds, and how far it is.
#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
#[allow(missing_docs, reason = "a text here would stand beside a $ref of the schema")]
pub struct Export {
    #[schema(schema_with = schema::export_id)]
    pub(crate) export_id: String,
    #[schema(schema_with = schema::state)]
    pub(crate) state: &'static str,
    #[schema(schema_with = schema::format)]
    pub(crate) format: &'static str,
    /// When it was requested.
    #[schema(value_type = Utc)]
    pub(crate) created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<JourneyType>, nullable = false)]
    pub(crate) journey_type: Option<&'static str>,
    /// Only applications with this `datetime` or a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub(crate) from: Option<String>,
    /// Only applications with an earlier `datetime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub(crate) to: Option<String>,
    /// Only applications with this `registered_at` or a later one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub(crate) registered_from: Option<String>,
    /// Only applications with an earlier `registered_at`: what the call said, or else a millisecond after the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub(crate) registered_to: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<JourneyStatus>, nullable = false)]
    pub(crate) status: Option<&'static str>,
    /// The number of applications so far; of all applications once the export is ready.
    pub(crate) applications: u64,
    /// When the file was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub(crate) ended_at: Option<String>,
    /// The size of the file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) bytes: Option<u64>,
    /// The moment until which the file is kept: seven days after it was complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub(crate) expires_at: Option<String>,
    /// A presigned URL of the file. Anyone who has the URL can read the file: protect it as you protect a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = "uri", nullable = false)]
    pub(crate) download_url: Option<String>,
    /// The moment until which the link is valid. Get the export again for a new link.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Utc>, nullable = false)]
    pub(crate) link_expires_at: Option<String>,
}

/// The caller's exports.
#[derive(Serialize, ToSchema)]
#[schema(as = Exports)]
pub struct List {
    /// The exports, the latest first. Without links: get an export for the link to its file.
    pub(crate) exports: Vec<Export>,
    /// The parameter `cursor` of the call for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::export_cursor)]
    pub(crate) next_cursor: Option<String>,
}

impl From<ExportStatus> for Export {
    fn from(status: ExportStatus) -> Self {
        let ExportStatus { record, state, applications, ended_at, bytes, expires_at } = status;
        let ListFilter { journey_type, status, dates, registered } = record.filter;
        let text = |moment: Option<Instant>| moment.map(|moment| moment.to_string());
        Self {
            export_id: record.id.to_string(),
            state: state.as_str(),
            format: record.format.as_str(),
            created_at: record.created_at.to_string(),
            journey_type: journey_type.map(JourneyType::as_str),
            from: text(dates.from()),
            to: text(dates.to()),
            registered_from: text(registered.from()),
            registered_to: text(registered.to()),
            status: status.map(JourneyStatus::as_str),
            applications,
            ended_at: text(ended_at),
            bytes,
            expires_at: text(expires_at),
            download_url: None,
            link_expires_at: None,
        }
    }
}

impl ExportCalls {
    /// Requests an export.
    ///
    /// # Errors
    /// [`Refusal::TooManyExports`] or [`Refusal::TooManyExportsADay`]; a failure of the store or the bucket.
    pub(crate) async fn request(&self, operator: OperatorId, wish: &Wish) -> Result<Export, Refusal> {
        let (now, machine_now) = (self.clock.now(), machine_now());
        let record = ExportRecord {
            id: ExportId::new(machine_now, uuid::Uuid::new_v4().as_u128()),
            operator,
            format: wish.format,
            filter: wish.filter.registered_until(now),
            created_at: now,
        };
        match self.exports.add(&record, machine_now).await? {
            ExportAdded::Done => {}
            ExportAdded::TooManyInProgress => return Err(Refusal::TooManyExports(MOST_EXPORTS)),
            ExportAdded::TooManyADay { until } => {
                return Err(Refusal::TooManyExportsADay { most: MOST_EXPORTS_A_DAY, available_at: until });
            }
        }
        let put = self.s3.put_object().bucket(&self.bucket).key(export_note(operator, record.id)).send().await;
        if let Err(error) = put {
            self.exports.remove(&record).await?;
            return Err(Refusal::Internal(InternalError::Bucket(DisplayErrorContext(&error).to_string())));
        }
        let (state, applications) = (ExportState::Running, 0);
        Ok(ExportStatus { record, state, applications, ended_at: None, bytes: None, expires_at: None }.into())
    }

    /// A page of the operator's exports.
    ///
    /// # Errors
    /// [`Refusal::InvalidQuery`]; a failure of the store.
    pub(crate) async fn list(&self, call: &Call, operator: OperatorId) -> Result<List, Refusal> {
        let mut query = call.query();
        let most = query.limit(MOST_LISTED);
        let after = query.optional("cursor", |text| ExportId::parse(text).ok_or(BrokenRule::Cursor));
        let (most, after) = query.finish(PARAMETERS, most.zip(after))?;
        let most = most.unwrap_or(MOST_LISTED);
        let (found, next) = self.exports.list(operator, (after, most), machine_now()).await?;
        let exports = found.into_iter().map(Export::from).collect();
        Ok(List { exports, next_cursor: next.map(|next| next.to_string()) })
    }

    /// The operator's own export of this id, in either case, with the link of its file if there is one.
    ///
    /// # Errors
    /// [`Refusal::UnknownExport`]; a failure of the store.
    pub(crate) async fn find(&self, operator: OperatorId, id: &str) -> Result<Export, Refusal> {
        let id = ExportId::parse(&id.to_ascii_lowercase()).ok_or(Refusal::UnknownExport)?;
        // S3 checks links by the real time, even if the registry's clock is pinned.
        let machine_now = machine_now();
        let status = self.exports.find(operator, id, machine_now).await?.ok_or(Refusal::UnknownExport)?;
        let (key, is_ready) = (status.record.key(), status.state == ExportState::Ready);
        let mut export = Export::from(status);
        if is_ready {
            let valid = i64::try_from(VALID.as_millis()).unwrap_or(0);
            let until = Instant::from_millis(machine_now.millis() + valid).unwrap_or(machine_now);
            export.download_url = Some(self.link(&key).await?);
            export.link_expires_at = Some(until.to_string());
        }
        Ok(export)
    }

    /// A presigned URL to read an object for a while. Signing sends no request.
    async fn link(&self, key: &str) -> Result<String, Refusal> {
        let valid = PresigningConfig::expires_in(VALID)
            .map_err(|_| Refusal::Internal(InternalError::Impossible("a time that no URL is valid for")))?;
        let get = self.s3.get_object().bucket(&self.bucket).key(key);
        let signed = get
            .presigned(valid)
            .await
            .map_err(|error| Refusal::Internal(InternalError::Signature(DisplayErrorContext(&error).to_string())))?;
        Ok(signed.uri().to_owned())
    }
}

/// Reads the body of the call.
///
/// # Errors
/// [`Refusal::InvalidFields`] with every fault.
pub fn read(mut fields: Fields) -> Result<Wish, Refusal> {
    let format = fields.required("format", |text| ExportFormat::parse(text).ok_or(BrokenRule::ExportFormat));
    let filter = filter(&mut fields);
    let wish = format.zip(filter).map(|(format, filter)| Wish { format, filter });
    fields.finish(wish)
}
