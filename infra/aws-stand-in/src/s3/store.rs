//! How an object is made and takes its place: `s3s-fs`, with the features that it lacks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use tokio::sync::RwLock;
use uuid::Uuid;

use super::event::{Created, EventSink};
use crate::invoke::machine_now;

/// The folder in which objects are made. No bucket can have this name, so no client reaches it.
pub(super) const STAGING: &str = ".staging";

/// `s3s-fs`, with the features that it lacks.
pub(super) struct Store {
    pub(super) files: FileSystem,
    pub(super) root: PathBuf,
    events: EventSink,
    /// The latest sequencer.
    sequence: AtomicU64,
    /// Locked for writing while an object is put in its place or removed, for reading while one is opened.
    pub(super) lock: RwLock<()>,
}

/// The conditions of a write.
#[derive(Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl Store {
    pub(super) fn new(files: FileSystem, root: PathBuf, events: EventSink) -> Self {
        Self { files, root, events, sequence: AtomicU64::new(0), lock: RwLock::new(()) }
    }

    pub(super) fn object_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join(bucket).join(key)
    }

    /// Where `s3s-fs` keeps the ETag and the checksums.
    pub(super) fn info_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.hidden_path(bucket, key, ".internal.json")
    }

    /// Where `s3s-fs` keeps the headers that came with the object.
    pub(super) fn metadata_path(&self, bucket: &str, key: &str) -> PathBuf {
        self.hidden_path(bucket, key, ".metadata.json")
    }

    pub(super) fn hidden_path(&self, bucket: &str, key: &str, end: &str) -> PathBuf {
        let [bucket, key] = [bucket, key].map(|name| URL_SAFE_NO_PAD.encode(name));
        self.root.join(format!(".bucket-{bucket}.object-{key}{end}"))
    }

    /// Refuses a key that the file system cannot hold or that leads elsewhere.
    pub(super) fn check_key(&self, bucket: &str, key: &str) -> S3Result<()> {
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

    pub(super) fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        if self.root.join(bucket).is_dir() { Ok(()) } else { Err(s3_error!(NoSuchBucket)) }
    }

    /// The preconditions of every write: a bucket, a valid key, and a name for the object.
    pub(super) fn stage(&self, bucket: &str, key: &str) -> S3Result<String> {
        self.check_bucket(bucket)?;
        self.check_key(bucket, key)?;
        Ok(Uuid::new_v4().to_string())
    }

    pub(super) fn unstage(&self, staged: &str) {
        for path in
            [self.object_path(STAGING, staged), self.info_path(STAGING, staged), self.metadata_path(STAGING, staged)]
        {
            let _ = std::fs::remove_file(path);
        }
    }

    /// Puts a staged object in its place and returns its size. `metadata` is the file with the headers of the object.
    pub(super) async fn commit(
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

    pub(super) async fn check_conditions(&self, bucket: &str, key: &str, conditions: &Conditions) -> S3Result<()> {
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
    pub(super) async fn put(
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

    pub(super) fn raise(&self, created: &Created<'_>) -> S3Result<()> {
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

pub(super) fn matches_tag(condition: &ETagCondition, e_tag: &ETag) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(expected) => expected.strong_cmp(e_tag),
    }
}

pub(super) fn storage_error(error: io::Error) -> s3s::S3Error {
    match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory | io::ErrorKind::AlreadyExists => {
            s3_error!(error, InvalidRequest, "The local S3 keeps objects as files: 'a' and 'a/b' cannot both be keys")
        }
        _ => s3_error!(error, InternalError),
    }
}

pub(super) fn remove_if_there(path: &Path) -> io::Result<()> {
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

/// The access key of a request.
pub(super) fn principal(credentials: Option<&s3s::auth::Credentials>) -> Option<String> {
    credentials.map(|credentials| credentials.access_key.clone())
}
