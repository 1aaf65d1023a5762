//! How a function writes objects to S3: small ones with one request, large ones in parts, and lists that grow over several invocations.

use std::ops::Range;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

/// The bytes of an object that are held back: a smaller one is put at once, a larger one is sent in parts of this size. S3 takes no part
/// below 5 MiB, except the last one.
const PART: usize = 8 * 1024 * 1024;

/// The content type of a list.
const CSV: &str = "text/csv; charset=utf-8";

/// Why a request to S3 failed. Names no object. The request may be repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{operation} failed: {code}")]
pub struct ObjectError {
    /// The S3 operation.
    pub operation: &'static str,
    /// The error's code, or what kind of failure it was.
    pub code: String,
}

impl ObjectError {
    /// The body of an object broke off.
    #[must_use]
    pub fn body() -> Self {
        Self { operation: "GetObject", code: "Body".to_owned() }
    }
}

/// The failure of an S3 operation.
pub fn s3_error<E, R>(operation: &'static str) -> impl FnOnce(SdkError<E, R>) -> ObjectError
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
        ObjectError { operation, code: error.code().unwrap_or(fallback).to_owned() }
    }
}

/// Puts an object with one request.
///
/// # Errors
/// [`ObjectError`]; may be repeated.
pub async fn put(
    s3: &Client,
    bucket: &str,
    key: &str,
    content_type: &str,
    content: Vec<u8>,
) -> Result<(), ObjectError> {
    let request = s3.put_object().bucket(bucket).key(key).content_type(content_type).body(ByteStream::from(content));
    request.send().await.map(drop).map_err(s3_error("PutObject"))
}

/// A whole object.
///
/// # Errors
/// [`ObjectError`]; may be repeated.
pub async fn get(s3: &Client, bucket: &str, key: &str) -> Result<Vec<u8>, ObjectError> {
    let body = s3.get_object().bucket(bucket).key(key).send().await.map_err(s3_error("GetObject"))?.body;
    body.collect().await.map(|body| body.to_vec()).map_err(|_| ObjectError::body())
}

/// A list on S3 that grows with an import or an export. Each checkpoint puts what there is so far as pieces, and the end joins them: so a run
/// also has the pieces of earlier runs, and none is held in memory.
#[derive(Debug)]
pub struct List<'a> {
    s3: &'a Client,
    bucket: &'a str,
    /// The prefix of the keys of this run's pieces.
    prefix: String,
    /// The pieces, in order: one entry per run, however many pieces the run has put. The checkpoint holds them.
    pieces: Vec<String>,
    /// The number of pieces.
    number: usize,
    buffer: Vec<u8>,
}

/// The pieces of one run, as a checkpoint names them: the prefix of their keys, and their numbers. An import has one of these per
/// invocation. One per piece would not fit into its item.
fn entry(prefix: &str, numbers: Range<usize>) -> String {
    format!("{prefix}-{}..{}", numbers.start, numbers.end)
}

/// The prefix of the keys, and the numbers.
fn numbers(entry: &str) -> Option<(&str, Range<usize>)> {
    let (prefix, numbers) = entry.rsplit_once('-')?;
    let (start, end) = numbers.split_once("..")?;
    Some((prefix, start.parse().ok()?..end.parse().ok()?))
}

/// The keys of these pieces. If an entry cannot be parsed, it is a key itself: an earlier release stored those.
fn keys(pieces: &[String]) -> Vec<String> {
    let of = |entry: &String| match numbers(entry) {
        Some((prefix, numbers)) => numbers.map(|number| format!("{prefix}-{number}.csv")).collect(),
        None => vec![entry.clone()],
    };
    pieces.iter().flat_map(of).collect()
}

impl<'a> List<'a> {
    /// Continues after these pieces. `folder` is the prefix of all pieces of one import or export, and ends with `/`; `fence` names the
    /// pieces of this run, so that a stale run cannot overwrite them.
    #[must_use]
    pub fn new(s3: &'a Client, bucket: &'a str, (folder, name, fence): (&str, &str, i64), pieces: Vec<String>) -> Self {
        let number = pieces.iter().map(|entry| numbers(entry).map_or(1, |(_, numbers)| numbers.len())).sum();
        Self { s3, bucket, prefix: format!("{folder}{name}-{fence}"), pieces, number, buffer: Vec::new() }
    }

    /// Whether the list is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.buffer.is_empty()
    }

    /// Adds lines.
    ///
    /// # Errors
    /// [`ObjectError`] if a piece cannot be put.
    pub async fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), ObjectError> {
        write(&mut self.buffer);
        if self.buffer.len() >= PART { self.keep().await.map(drop) } else { Ok(()) }
    }

    /// Puts the lines so far, and returns the names of all pieces, for a checkpoint.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub async fn keep(&mut self) -> Result<&[String], ObjectError> {
        if !self.buffer.is_empty() {
            let key = format!("{}-{}.csv", self.prefix, self.number);
            put(self.s3, self.bucket, &key, CSV, std::mem::take(&mut self.buffer)).await?;
            let last = self.pieces.last().and_then(|last| numbers(last));
            let own = last.filter(|(prefix, _)| *prefix == self.prefix).map(|(_, numbers)| numbers.start);
            if own.is_some() {
                self.pieces.pop();
            }
            let first = own.unwrap_or(self.number);
            self.number += 1;
            self.pieces.push(entry(&self.prefix, first..self.number));
        }
        Ok(&self.pieces)
    }

    /// Joins all pieces under this key, and returns the key if there were any lines.
    ///
    /// # Errors
    /// [`ObjectError`].
    pub async fn finish(&mut self, key: String) -> Result<Option<String>, ObjectError> {
        if self.pieces.is_empty() {
            if self.buffer.is_empty() {
                return Ok(None);
            }
            put(self.s3, self.bucket, &key, CSV, std::mem::take(&mut self.buffer)).await?;
            return Ok(Some(key));
        }
        self.keep().await?;
        let mut whole = Whole::new(self.s3, self.bucket, &key, CSV);
        match whole.join(&self.pieces).await {
            Ok(()) => whole.finish().await?,
            Err(error) => {
                whole.abandon().await;
                return Err(error);
            }
        }
        Ok(Some(key))
    }

    /// The keys of all pieces, in order.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        keys(&self.pieces)
    }

    /// Removes all pieces of an import or export that has ended: they hold personal data and are no longer needed. This includes pieces of
    /// a run that crashed before a checkpoint named them. The bucket's lifecycle removes the pieces that remain.
    pub async fn clear(s3: &Client, bucket: &str, folder: &str) {
        let mut after = None;
        loop {
            let list = s3.list_objects_v2().bucket(bucket).prefix(folder).set_start_after(after).send().await;
            let page = match list.map_err(s3_error("ListObjectsV2")) {
                Ok(page) => page,
                Err(error) => return tracing::warn!(%error, "pieces of a list are left behind"),
            };
            let mut keys: Vec<String> = page.contents.into_iter().flatten().filter_map(|object| object.key).collect();
            for key in &keys {
                let removed = s3.delete_object().bucket(bucket).key(key).send().await;
                if let Err(error) = removed.map_err(s3_error("DeleteObject")) {
                    tracing::warn!(%error, "a piece of a list is left behind");
                }
            }
            after = keys.pop();
            if page.is_truncated != Some(true) || after.is_none() {
                return;
            }
        }
    }
}

/// One object that is written from its beginning to its end: with one request if it is small, otherwise by a multipart upload with parts
/// of the size that S3 requires. Nobody sees it before its end.
#[derive(Debug)]
pub struct Whole<'a> {
    s3: &'a Client,
    bucket: &'a str,
    key: &'a str,
    content_type: &'a str,
    buffer: Vec<u8>,
    upload: Option<(String, Vec<CompletedPart>)>,
}

impl<'a> Whole<'a> {
    /// An object of this key, without a byte so far.
    #[must_use]
    pub const fn new(s3: &'a Client, bucket: &'a str, key: &'a str, content_type: &'a str) -> Self {
        Self { s3, bucket, key, content_type, buffer: Vec::new(), upload: None }
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// [`ObjectError`]; then [`Self::abandon`] removes what was sent.
    pub async fn add(&mut self, bytes: &[u8]) -> Result<(), ObjectError> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART { self.send_part().await } else { Ok(()) }
    }

    /// Adds the content of these pieces.
    async fn join(&mut self, pieces: &[String]) -> Result<(), ObjectError> {
        for piece in keys(pieces) {
            let get = self.s3.get_object().bucket(self.bucket).key(piece);
            let mut body = get.send().await.map_err(s3_error("GetObject"))?.body;
            while let Some(chunk) = body.next().await {
                self.add(&chunk.map_err(|_| ObjectError::body())?).await?;
            }
        }
        Ok(())
    }

    /// Ends the object. From now on it can be read.
    ///
    /// # Errors
    /// [`ObjectError`]. Nothing of the object is left then.
    pub async fn finish(mut self) -> Result<(), ObjectError> {
        let ended = self.end().await;
        if ended.is_err() {
            self.abandon().await;
        }
        ended
    }

    async fn end(&mut self) -> Result<(), ObjectError> {
        if self.upload.is_none() {
            return put(self.s3, self.bucket, self.key, self.content_type, std::mem::take(&mut self.buffer)).await;
        }
        if !self.buffer.is_empty() {
            self.send_part().await?;
        }
        if let Some((id, parts)) = &self.upload {
            let parts = CompletedMultipartUpload::builder().set_parts(Some(parts.clone())).build();
            let complete = self.s3.complete_multipart_upload().bucket(self.bucket).key(self.key).upload_id(id);
            complete.multipart_upload(parts).send().await.map_err(s3_error("CompleteMultipartUpload"))?;
        }
        self.upload = None;
        Ok(())
    }

    async fn send_part(&mut self) -> Result<(), ObjectError> {
        let (id, parts) = match &mut self.upload {
            Some(upload) => upload,
            None => {
                let create = self.s3.create_multipart_upload().bucket(self.bucket).key(self.key);
                let create = create.content_type(self.content_type);
                let created = create.send().await.map_err(s3_error("CreateMultipartUpload"))?;
                let id = created
                    .upload_id
                    .ok_or_else(|| ObjectError { operation: "CreateMultipartUpload", code: "NoUploadId".to_owned() })?;
                self.upload.insert((id, Vec::new()))
            }
        };
        let number = i32::try_from(parts.len() + 1).unwrap_or(i32::MAX);
        let body = ByteStream::from(std::mem::take(&mut self.buffer));
        let part = self.s3.upload_part().bucket(self.bucket).key(self.key).upload_id(id.as_str()).part_number(number);
        let sent = part.body(body).send().await.map_err(s3_error("UploadPart"))?;
        // S3 joins the parts only if the request repeats their checksums.
        let part = CompletedPart::builder()
            .part_number(number)
            .set_e_tag(sent.e_tag)
            .set_checksum_crc32(sent.checksum_crc32)
            .set_checksum_crc64_nvme(sent.checksum_crc64_nvme)
            .build();
        parts.push(part);
        Ok(())
    }

    /// Aborts the upload of the parts: S3 keeps, and charges, parts that are never joined.
    pub async fn abandon(self) {
        if let Some((id, _)) = self.upload {
            let abort = self.s3.abort_multipart_upload().bucket(self.bucket).key(self.key).upload_id(id);
            if let Err(error) = abort.send().await.map_err(s3_error("AbortMultipartUpload")) {
                tracing::warn!(%error, "parts of a list are left behind");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_run_are_one_checkpoint_entry() {
        let entries = [entry("work/a/rejected-1", 0..2), entry("work/a/rejected-7", 2..3)];
        assert_eq!(entries, ["work/a/rejected-1-0..2", "work/a/rejected-7-2..3"]);
        assert_eq!(keys(&entries), ["work/a/rejected-1-0.csv", "work/a/rejected-1-1.csv", "work/a/rejected-7-2.csv"]);
        for other in ["", "work", "work/a/rejected-1-0.csv", "work/a/rejected-1-0..", "work/a/rejected-1-x..2"] {
            assert_eq!(numbers(other), None, "{other}");
            assert_eq!(keys(&[other.to_owned()]), [other], "the key itself, of an earlier release");
        }
    }
}
