//! What the calls return: a place for a file, an import, a list of imports.

use cee_edge::openapi::Utc;
use cee_history::{Counts, Replaced, Surveyed, Undone};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema;

/// A place for one file.
#[derive(Serialize, ToSchema)]
pub struct Place {
    #[schema(schema_with = schema::import_id)]
    pub(crate) import_id: String,
    /// The presigned URL to which the file is uploaded.
    #[schema(format = "uri")]
    pub(crate) upload_url: String,
    /// The method of the upload.
    #[schema(examples("PUT"))]
    pub(crate) method: &'static str,
    /// The headers that are part of the signature: the upload must have them unchanged.
    pub(crate) headers: Vec<Header>,
    /// The size of the largest file that is accepted, in bytes.
    pub(crate) max_size: u64,
    /// The moment before which the upload must begin.
    #[schema(value_type = Utc)]
    pub(crate) expires_at: String,
}

/// A header that is part of the signature.
#[derive(Serialize, ToSchema)]
#[schema(as = UploadHeader)]
pub(crate) struct Header {
    /// The header's name.
    #[schema(examples("content-type"))]
    pub(crate) name: String,
    /// The header's value.
    #[schema(examples("text/csv"))]
    pub(crate) value: String,
}

/// The state and the result of an import.
#[derive(Serialize, ToSchema)]
// `Import` is a reserved word of some generators' languages.
#[schema(as = HistoryImport)]
#[allow(missing_docs, reason = "a text here would stand beside a $ref of the schema")]
pub struct Import {
    #[schema(schema_with = schema::import_id)]
    pub import_id: String,
    #[schema(schema_with = schema::state)]
    pub state: &'static str,
    /// True if the file is only checked and nothing is imported; otherwise absent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub check_only: bool,
    #[schema(schema_with = schema::kind)]
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
    #[schema(schema_with = schema::import_id)]
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
    /// Whether the awaited file has arrived, and its import waits for its turn.
    #[serde(skip)]
    #[schema(ignore)]
    pub arrived: bool,
    /// Whether no file came in time.
    #[serde(skip)]
    #[schema(ignore)]
    pub late: bool,
    /// The key of the rejected rows in the bucket.
    #[serde(skip)]
    #[schema(ignore)]
    pub(crate) rejected_rows_key: Option<String>,
}

/// The caller's imports.
#[derive(Serialize, ToSchema)]
#[schema(as = Imports)]
pub struct List {
    /// The latest first.
    pub imports: Vec<Import>,
    /// The parameter `cursor` of the call for the next page; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schema::cursor)]
    pub next_cursor: Option<String>,
}
