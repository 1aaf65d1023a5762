//! What is left beside a file: its report, and the rows that were rejected.

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use cee_history::{Counts, Header, RejectedRow, RejectedWriter};
use serde::Serialize;

use crate::ImportError;
use crate::event::{File, Owner};

/// How much of the rejected rows is held back: what stays below it is one object put in one go, what does not goes out
/// in parts of this size. S3 takes no part below 5 MiB, but for the last.
const PART: usize = 8 * 1024 * 1024;

/// The report on one file, as the operator gets it.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The name of the import.
    pub import_id: String,
    /// Whose file it was; nobody's for the registry's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operator_id: Option<u32>,
    /// The object's key.
    pub key: String,
    /// `completed`, or `failed` where the file was refused whole.
    pub state: &'static str,
    /// Why it was refused whole, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// How many rows came to what.
    #[serde(flatten)]
    pub counts: Counts,
    /// The size of the file.
    pub bytes: u64,
    /// The SHA-256 of the file, 64 lower-case hexadecimal digits; absent where it was not read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The key of the rejected rows, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_rows: Option<String>,
    /// When the import began, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    pub ended_at: String,
    /// How long the last run of it took, in milliseconds.
    pub duration_ms: u64,
}

/// The key of what lies beside a file: `reports/{operator_id}/{import_id}{suffix}`.
#[must_use]
pub fn key_beside(file: &File, suffix: &str) -> String {
    match file.owner {
        Owner::Operator(operator) => format!("reports/{operator}/{}{suffix}", file.id),
        Owner::Registry => format!("reports/journeys/{}{suffix}", file.id),
    }
}

pub(crate) fn s3_error<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> ImportError
where
    SdkError<E, R>: ProvideErrorMetadata,
{
    move |error| {
        let fallback = match error {
            SdkError::TimeoutError(_) => "Timeout",
            SdkError::DispatchFailure(_) => "DispatchFailure",
            SdkError::ResponseError(_) => "ResponseError",
            _ => "Unknown",
        };
        ImportError::S3 { operation, code: error.code().unwrap_or(fallback).to_owned() }
    }
}

/// Writes an object in one go.
///
/// # Errors
/// [`ImportError::S3`]; may be repeated.
pub async fn put(
    s3: &Client,
    bucket: &str,
    key: &str,
    content_type: &str,
    content: Vec<u8>,
) -> Result<(), ImportError> {
    let request = s3.put_object().bucket(bucket).key(key).content_type(content_type).body(ByteStream::from(content));
    request.send().await.map(drop).map_err(s3_error("PutObject"))
}

/// The rejected rows of one file on their way to S3. Holds a part of them at most.
#[derive(Debug)]
pub struct RejectedRows<'a> {
    s3: &'a Client,
    bucket: &'a str,
    key: String,
    writer: Option<RejectedWriter>,
    buffer: Vec<u8>,
    upload: Option<Upload>,
}

#[derive(Debug)]
struct Upload {
    id: String,
    parts: Vec<CompletedPart>,
}

const CSV: &str = "text/csv; charset=utf-8";

impl<'a> RejectedRows<'a> {
    /// None yet.
    #[must_use]
    pub const fn new(s3: &'a Client, bucket: &'a str, key: String) -> Self {
        Self { s3, bucket, key, writer: None, buffer: Vec::new(), upload: None }
    }

    /// Adds a row of a file with this header.
    ///
    /// # Errors
    /// [`ImportError::S3`] where a part cannot be sent.
    pub async fn add(&mut self, row: &RejectedRow, header: &Header) -> Result<(), ImportError> {
        let writer = self.writer.get_or_insert_with(|| {
            let writer = RejectedWriter::new(header);
            self.buffer = writer.header();
            writer
        });
        writer.row(row, &mut self.buffer);
        if self.buffer.len() >= PART { self.send_part().await } else { Ok(()) }
    }

    async fn send_part(&mut self) -> Result<(), ImportError> {
        let upload = match &mut self.upload {
            Some(upload) => upload,
            None => {
                let create = self.s3.create_multipart_upload().bucket(self.bucket).key(&self.key).content_type(CSV);
                let created = create.send().await.map_err(s3_error("CreateMultipartUpload"))?;
                let id = created.upload_id.ok_or(ImportError::Impossible("an upload without a name"))?;
                self.upload.insert(Upload { id, parts: Vec::new() })
            }
        };
        let number = i32::try_from(upload.parts.len() + 1).unwrap_or(i32::MAX);
        let body = ByteStream::from(std::mem::take(&mut self.buffer));
        let part = self.s3.upload_part().bucket(self.bucket).key(&self.key).upload_id(&upload.id).part_number(number);
        let sent = part.body(body).send().await.map_err(s3_error("UploadPart"))?;
        // S3 puts the parts together only if it is told the same checksums again.
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
            .build();
        upload.parts.push(part);
        Ok(())
    }

    /// Sends what is left, and returns the key where there were any rows.
    ///
    /// # Errors
    /// [`ImportError::S3`].
    pub async fn finish(&mut self) -> Result<Option<String>, ImportError> {
        if self.writer.is_none() {
            return Ok(None);
        }
        if self.upload.is_none() {
            let content = std::mem::take(&mut self.buffer);
            put(self.s3, self.bucket, &self.key, CSV, content).await?;
            return Ok(Some(self.key.clone()));
        }
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        if let Some(Upload { id, parts }) = &self.upload {
            let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.clone())).build();
            let complete = self.s3.complete_multipart_upload().bucket(self.bucket).key(&self.key).upload_id(id);
            complete.multipart_upload(parts).send().await.map_err(s3_error("CompleteMultipartUpload"))?;
            self.upload = None;
        }
        Ok(Some(self.key.clone()))
    }

    /// Gives up what was sent in parts: S3 keeps, and charges, parts that nobody puts together. What it cannot give up,
    /// the bucket's lifecycle does.
    pub async fn abandon(self) {
        if let Some(Upload { id, .. }) = self.upload {
            let abort = self.s3.abort_multipart_upload().bucket(self.bucket).key(self.key).upload_id(id);
            if let Err(error) = abort.send().await.map_err(s3_error("AbortMultipartUpload")) {
                tracing::warn!(%error, "parts of rejected rows are left behind");
            }
        }
    }
}
