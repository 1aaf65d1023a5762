//! The objects: `s3s-fs`, with the features that it lacks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{AsciiSet, utf8_percent_encode};
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::RwLock;
use uuid::Uuid;

use super::event::{Created, EVENT_KEY, EventSink};
use crate::invoke::machine_now;

/// The folder in which objects are made. No bucket can have this name, so no client reaches it.
pub(super) const STAGING: &str = ".staging";

/// The characters that stay unchanged in a list with `encoding-type=url`.
const LIST_KEY: &AsciiSet = &EVENT_KEY.remove(b'~');

/// `s3s-fs`, with the features that it lacks.
pub(super) struct Store {
    files: FileSystem,
    root: PathBuf,
    events: EventSink,
    /// The latest sequencer.
    sequence: AtomicU64,
    /// Locked for writing while an object is put in its place or removed, for reading while one is opened.
    lock: RwLock<()>,
}

/// The conditions of a write.
#[derive(Default)]
struct Conditions {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
}

impl Store {
    pub(super) fn new(files: FileSystem, root: PathBuf, events: EventSink) -> Self {
        Self { files, root, events, sequence: AtomicU64::new(0), lock: RwLock::new(()) }
    }

    fn object_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join(key)
    }

    /// Where `s3s-fs` keeps the ETag and the checksums.
    fn info_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.hidden_path(bucket, key, ".internal.json")
    }

    /// Where `s3s-fs` keeps the headers that came with the object.
    fn metadata_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.hidden_path(bucket, key, ".metadata.json")
    }

    fn hidden_path(&self, bucket: &str, key: &str, end: &str) -> PathBuf {
        let [bucket, key] = [bucket, key].map(|name| URL_SAFE_NO_PAD.encode(name));
        self.root.join(format!(".bucket-{bucket}.object-{key}{end}"))
    }

    /// Refuses a key that the file system cannot hold or that leads elsewhere.
    fn check_key(&self, bucket: &str, key: &str) -> S3Result<()> {
        let segments = key.strip_suffix('/').unwrap_or(key).split('/');
        if segments.clone().any(|segment| matches!(segment, "" | "." | "..") || segment.contains('\0')) {
            return Err(s3_error!(InvalidArgument, "The local S3 takes no key with an empty segment, '.' or '..'"));
        }
        // The longest name that `s3s-fs` makes for a key.
        let longest = format!(".upload-{}.metadata.json", Uuid::nil());
        let name = self.hidden_path(bucket, key, &longest);
        let too_long = name.file_name().is_some_and(|name| name.len() > 255);
        if too_long || segments.into_iter().any(|segment| segment.len() > 255) {
            return Err(s3_error!(KeyTooLongError, "The local S3 takes shorter keys than S3: about 110 bytes"));
        }
        Ok(())
    }

    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if self.root.join(bucket).is_dir() { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// The preconditions of every write: a bucket, a valid key, and a name for the object.
    fn stage(&self, bucket: &str, key: &str) -> S3Result<String> {
        self.check_bucket(bucket)?;
        self.check_key(bucket, key)?;
        Ok(Uuid::new_v4().to_string())
    }

    fn unstage(&self, staged: &str) {
        for path in
            [self.object_path(STAGING, staged), self.info_path(STAGING, staged), self.metadata_path(STAGING, staged)]
        {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Puts a staged object in its place and returns its size. `metadata` is the file with the headers of the object.
    async fn commit(
        &self,
        staged: &str,
        bucket: &str,
        key: &str,
        metadata: &Path,
        conditions: &Conditions,
    ) -> S3Result<u64> {
        let _only = self.lock.write().await;
        let placed = match self.check_conditions(bucket, key, conditions).await {
            Ok(()) => self.place(staged, bucket, key, metadata).map_err(storage_error),
            Err(error) => Err(error),
        };
        if placed.is_err() {
            self.unstage(staged);
        }
        placed
    }

    /// In this order a crash between two steps leaves an object without its ETag, which is then computed, and never an object with
    /// the ETag or the checksum of another.
    fn place(&self, staged: &str, bucket: &str, key: &str, metadata: &Path) -> io::Result<u64> {
        let object = self.object_path(bucket, key);
        if object.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if let Some(folder) = object.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let made = self.object_path(STAGING, staged);
        let size = std::fs::metadata(&made)?.len();
        remove_if_there(&self.info_path(bucket, key))?;
        std::fs::rename(made, object)?;
        let headers = self.metadata_path(bucket, key);
        match std::fs::rename(metadata, &headers) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => remove_if_there(&headers)?,
            other => other?,
        }
        match std::fs::rename(self.info_path(STAGING, staged), self.info_path(bucket, key)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other?,
        }
        Ok(size)
    }

    async fn check_conditions(&self, bucket: &str, key: &str, conditions: &Conditions) -> S3Result<()> {
        let Conditions { if_match, if_none_match } = conditions;
        if if_match.is_none() && if_none_match.is_none() {
            return Ok(());
        }
        let input = HeadObjectInput { bucket: bucket.to_owned(), key: key.to_owned(), ..HeadObjectInput::default() };
        let request = S3Request {
            input,
            method: http::Method::HEAD,
            uri: http::Uri::default(),
            headers: http::HeaderMap::default(),
            extensions: http::Extensions::default(),
            credentials: None,
            region: None,
            service: None,
            trailing_headers: None,
        };
        let found = if self.object_path(bucket, key).is_file() {
            self.files.head_object(request).await?.output.e_tag
        } else {
            None
        };
        let failed = match (if_match, &found) {
            (Some(_), None) => return Err(s3_error!(NoSuchKey)),
            (Some(condition), Some(e_tag)) => !matches_tag(condition, e_tag),
            (None, _) => false,
        } || if_none_match
            .as_ref()
            .zip(found.as_ref())
            .is_some_and(|(condition, e_tag)| matches_tag(condition, e_tag));
        if failed { Err(s3_error!(PreconditionFailed)) } else { Ok(()) }
    }

    /// Puts one object, and raises the event of this name.
    async fn put(
        &self,
        mut req: S3Request<PutObjectInput>,
        name: &'static str,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let PutObjectInput { bucket, key, if_match, if_none_match, .. } = &mut req.input;
        let staged = self.stage(bucket, key)?;
        if key.ends_with('/') {
            let _only = self.lock.write().await;
            return self.files.put_object(req).await;
        }
        let conditions = Conditions { if_match: if_match.take(), if_none_match: if_none_match.take() };
        let bucket = std::mem::replace(bucket, STAGING.to_owned());
        let key = std::mem::replace(key, staged.clone());
        let principal = principal(req.credentials.as_ref());
        let response = match self.files.put_object(req).await {
            Ok(response) => response,
            Err(error) => {
                self.unstage(&staged);
                return Err(error);
            }
        };
        let metadata = self.metadata_path(STAGING, &staged);
        let size = self.commit(&staged, &bucket, &key, &metadata, &conditions).await?;
        let (e_tag, principal) = (response.output.e_tag.as_ref(), principal.as_deref());
        self.raise(&Created { name, bucket: &bucket, key: &key, size, e_tag, principal })?;
        Ok(response)
    }

    fn raise(&self, created: &Created<'_>) -> S3Result<()> {
        if !self.events.wants(created.key) {
            return Ok(());
        }
        self.events.deliver(created, self.next_sequence()).map_err(|error| {
            tracing::error!(error, key = created.key, "an event cannot be delivered");
            s3_error!(InternalError, "The event of this object cannot be delivered: send it again")
        })
    }

    /// Increases, across restarts too as long as the clock does.
    fn next_sequence(&self) -> u64 {
        let now = u64::try_from(machine_now().timestamp_micros()).unwrap_or_default();
        let before = self.sequence.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(now.max(last + 1)));
        now.max(before.unwrap_or_default() + 1)
    }
}

fn matches_tag(condition: &ETagCondition, e_tag: &ETag) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(expected) => expected.strong_cmp(e_tag),
    }
}

fn storage_error(error: io::Error) -> s3s::S3Error {
    match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
            s3_error!(error, InvalidRequest, "The local S3 keeps objects as files: 'a' and 'a/b' cannot both be keys")
        }
        _ => s3_error!(error, InternalError),
    }
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Removes the hidden files of objects that an earlier process did not put in their place.
pub(super) fn remove_staged(root: &Path) -> io::Result<()> {
    let begin = format!(".bucket-{}.object-", URL_SAFE_NO_PAD.encode(STAGING));
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&begin)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn principal(credentials: Option<&s3s::auth::Credentials>) -> Option<String> {
    credentials.map(|credentials| credentials.access_key.clone())
}

/// Encodes the names of a list for a client that asked for it; `s3s-fs` only says that it did.
fn encode_list(output: &mut ListObjectsV2Output) {
    if output.encoding_type.as_ref().map(EncodingType::as_str) != Some(EncodingType::URL) {
        return;
    }
    let encode = |text: &mut Option<String>| {
        if let Some(text) = text {
            *text = utf8_percent_encode(text, LIST_KEY).to_string();
        }
    };
    for object in output.contents.iter_mut().flatten() {
        encode(&mut object.key);
    }
    for common in output.common_prefixes.iter_mut().flatten() {
        encode(&mut common.prefix);
    }
    for text in [&mut output.prefix, &mut output.delimiter, &mut output.start_after] {
        encode(text);
    }
}

#[async_trait::async_trait]
impl S3 for Store {
    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(req).await
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        let _only = self.lock.write().await;
        self.check_bucket(&req.input.bucket)?;
        let entries = std::fs::read_dir(self.root.join(&req.input.bucket)).map_err(storage_error)?;
        // S3 deletes only an empty bucket; `s3s-fs` would delete everything in it.
        if entries.count() > 0 {
            return Err(s3_error!(BucketNotEmpty));
        }
        self.files.delete_bucket(req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(req).await
    }

    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        self.files.list_buckets(req).await
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.files.get_bucket_location(req).await
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        let listed = self.list_objects_v2(req.map_input(Into::into)).await?;
        Ok(listed.map_output(|listed| ListObjectsOutput {
            contents: listed.contents,
            common_prefixes: listed.common_prefixes,
            delimiter: listed.delimiter,
            encoding_type: listed.encoding_type,
            name: listed.name,
            prefix: listed.prefix,
            max_keys: listed.max_keys,
            is_truncated: listed.is_truncated,
            next_marker: listed.next_continuation_token,
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        // If a file were removed while its folder is listed, the whole list would fail.
        let _reading = self.lock.read().await;
        let mut listed = self.files.list_objects_v2(req).await?;
        encode_list(&mut listed.output);
        Ok(listed)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.check_bucket(&req.input.bucket)?;
        self.check_key(&req.input.bucket, &req.input.key)?;
        let _reading = self.lock.read().await;
        if self.object_path(&req.input.bucket, &req.input.key).is_dir() != req.input.key.ends_with('/') {
            return Err(s3_error!(NoSuchKey));
        }
        self.files.head_object(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.check_bucket(&req.input.bucket)?;
        self.check_key(&req.input.bucket, &req.input.key)?;
        if self.object_path(&req.input.bucket, &req.input.key).is_dir() {
            return Err(s3_error!(NoSuchKey));
        }
        let if_match = req.input.if_match.clone();
        let if_none_match = req.input.if_none_match.clone();
        let response = {
            let _reading = self.lock.read().await;
            // The file is open when this returns: what replaces it later is another file.
            self.files.get_object(req).await?
        };
        if let Some(e_tag) = &response.output.e_tag {
            if if_match.is_some_and(|condition| !matches_tag(&condition, e_tag)) {
                return Err(s3_error!(PreconditionFailed));
            }
            if if_none_match.is_some_and(|condition| matches_tag(&condition, e_tag)) {
                return Err(s3_error!(NotModified));
            }
        }
        Ok(response)
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.put(req, "Put").await
    }

    /// A browser's form. `s3s` has checked it against its policy.
    async fn post_object(&self, req: S3Request<PostObjectInput>) -> S3Result<S3Response<PostObjectOutput>> {
        let put = req.map_input(|post| {
            let PostObjectInput { bucket, key, body, content_type, content_length, .. } = post;
            PutObjectInput { bucket, key, body, content_type, content_length, ..PutObjectInput::default() }
        });
        let put = self.put(put, "Post").await?;
        Ok(put.map_output(|put| PostObjectOutput { e_tag: put.e_tag, ..PostObjectOutput::default() }))
    }

    async fn copy_object(&self, mut req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        if let CopySource::Bucket { bucket, key, .. } = &req.input.copy_source {
            self.check_bucket(bucket)?;
            self.check_key(bucket, key)?;
        }
        let CopyObjectInput { bucket, key, .. } = &mut req.input;
        let staged = self.stage(bucket, key)?;
        let bucket = std::mem::replace(bucket, STAGING.to_owned());
        let key = std::mem::replace(key, staged.clone());
        let principal = principal(req.credentials.as_ref());
        let copied = {
            let _reading = self.lock.read().await;
            self.files.copy_object(req).await
        };
        let response = match copied {
            Ok(response) => response,
            Err(error) => {
                self.unstage(&staged);
                return Err(error);
            }
        };
        let metadata = self.metadata_path(STAGING, &staged);
        let size = self.commit(&staged, &bucket, &key, &metadata, &Conditions::default()).await?;
        self.raise(&Created {
            name: "Copy",
            bucket: &bucket,
            key: &key,
            size,
            e_tag: response.output.copy_object_result.as_ref().and_then(|result| result.e_tag.as_ref()),
            principal: principal.as_deref(),
        })?;
        Ok(response)
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        self.check_bucket(&bucket)?;
        self.check_key(&bucket, &key)?;
        let _only = self.lock.write().await;
        if self.object_path(&bucket, &key).is_dir() != key.ends_with('/') {
            // No object has this key: there is a folder and the key names a file, or the reverse.
            return Ok(S3Response::new(DeleteObjectOutput::default()));
        }
        let response = self.files.delete_object(req).await?;
        // `s3s-fs` leaves these behind.
        for path in [self.info_path(&bucket, &key), self.metadata_path(&bucket, &key)] {
            remove_if_there(&path).map_err(storage_error)?;
        }
        Ok(response)
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let bucket = &req.input.bucket;
        self.check_bucket(bucket)?;
        let quiet = req.input.delete.quiet.unwrap_or_default();
        let mut output = DeleteObjectsOutput::default();
        let _only = self.lock.write().await;
        for object in &req.input.delete.objects {
            let key = &object.key;
            let removed = self.check_key(bucket, key).and_then(|()| {
                let path = self.object_path(bucket, key);
                match if key.ends_with('/') { std::fs::remove_dir(path) } else { std::fs::remove_file(path) } {
                    Ok(()) => {}
                    // As in S3: a missing object counts as deleted; and a folder that contains objects is not an object.
                    Err(error) if is_no_object(&error) => {}
                    Err(error) => return Err(storage_error(error)),
                }
                for path in [self.info_path(bucket, key), self.metadata_path(bucket, key)] {
                    remove_if_there(&path).map_err(storage_error)?;
                }
                Ok(())
            });
            let key = Some(key.clone());
            match removed {
                Ok(()) if quiet => {}
                Ok(()) => {
                    let deleted = DeletedObject { key, ..DeletedObject::default() };
                    output.deleted.get_or_insert_default().push(deleted);
                }
                Err(error) => output.errors.get_or_insert_default().push(s3s::dto::Error {
                    key,
                    code: Some(error.code().as_str().to_owned()),
                    message: error.message().map(ToOwned::to_owned),
                    version_id: None,
                }),
            }
        }
        Ok(S3Response::new(output))
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.stage(&req.input.bucket, &req.input.key)?;
        self.files.create_multipart_upload(req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.files.upload_part(req).await
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        if let CopySource::Bucket { bucket, key, .. } = &req.input.copy_source {
            self.check_bucket(bucket)?;
            self.check_key(bucket, key)?;
        }
        self.files.upload_part_copy(req).await
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        let mut listed = self.files.list_parts(req).await?;
        if let Some(parts) = &mut listed.output.parts {
            parts.sort_by_key(|part| part.part_number);
        }
        Ok(listed)
    }

    async fn complete_multipart_upload(
        &self,
        mut req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let CompleteMultipartUploadInput { bucket, key, upload_id, if_match, if_none_match, .. } = &mut req.input;
        let staged = self.stage(bucket, key)?;
        // Before the parts are joined, because `s3s-fs` forgets the upload when it begins to.
        let conditions = Conditions { if_match: if_match.take(), if_none_match: if_none_match.take() };
        {
            let _reading = self.lock.read().await;
            self.check_conditions(bucket, key, &conditions).await?;
        }
        // The headers came when the upload was begun, under the real key.
        let metadata = Uuid::parse_str(upload_id).map_err(|_| s3_error!(NoSuchUpload))?;
        let metadata = self.hidden_path(bucket, key, &format!(".upload-{metadata}.metadata.json"));
        let bucket = std::mem::replace(bucket, STAGING.to_owned());
        let key = std::mem::replace(key, staged.clone());
        let principal = principal(req.credentials.as_ref());
        let mut response = match self.files.complete_multipart_upload(req).await {
            Ok(response) => response,
            Err(error) => {
                self.unstage(&staged);
                return Err(error);
            }
        };
        if let Some(rest) = response.output.future.take() {
            response.output = rest.await?;
        }
        let size = self.commit(&staged, &bucket, &key, &metadata, &conditions).await?;
        self.raise(&Created {
            name: "CompleteMultipartUpload",
            bucket: &bucket,
            key: &key,
            size,
            e_tag: response.output.e_tag.as_ref(),
            principal: principal.as_deref(),
        })?;
        response.output.bucket = Some(bucket);
        response.output.key = Some(key);
        Ok(response)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.files.abort_multipart_upload(req).await
    }
}

fn is_no_object(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::DirectoryNotEmpty
    )
}
