//! An embedded S3: files under a folder, the S3 protocol in front, and the notifications that start an import.
//!
//! `s3s` speaks the protocol, `s3s-fs` keeps the files (`{root}/{bucket}/{key}`, next to them hidden files with what
//! S3 knows of each object), and this module adds what neither has:
//!
//! - The event that S3 sends to Lambda when an object was created.
//! - Whole objects only: an object is made under another name and takes its place with its ETag, checksums and metadata
//!   by renames under a lock. A reader gets the old object or the new one, never a mix; an upload that fails a checksum
//!   leaves the old one; after a `kill -9` the object is whole. (Nothing is forced to the disk: a power cut may lose
//!   the latest uploads.)
//! - Conditional reads and writes (`If-Match`, `If-None-Match`) that cannot be raced.
//! - What S3 refuses by the head of a request alone (`head`).
//! - Credentials that reach only some prefixes, and no key that leads out of its prefix by `..`.
//!
//! `curl --aws-sigv4 aws:amz:{region}:s3` needs `-H "x-amz-content-sha256: UNSIGNED-PAYLOAD"` with curl 7, as real S3 does.
//!
//! What it does not have: versions, tags, ACLs, bucket policies, encryption, lifecycle, `ListMultipartUploads`,
//! `If-Modified-Since`; checks of the checksums of single parts; and as objects are files, `a` and `a/b` cannot both be
//! keys, a key has no empty segment, and a key is at most about 110 bytes long (S3: 1024), because the hidden files carry it in
//! their names. A key that ends with `/` makes a folder and no event.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SecondsFormat, Utc};
use http::Request;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use s3s_fs::FileSystem;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{RwLock, mpsc};
use uuid::Uuid;

use crate::error::Error;
use crate::invoke::{ACCOUNT, machine_now};
use crate::listen::{Listening, Refusals, drain};

mod head;

use self::head::refused;

/// How long a client may take to send the head of a request, and may stay idle between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Where objects are made. No bucket can have this name, so no client reaches it.
const STAGING: &str = ".staging";

/// What stays as it is in the key of an event, the space aside; as Java's `URLEncoder`, which S3 uses, but for `/`.
const EVENT_KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// What stays as it is in a list with `encoding-type=url`.
const LIST_KEY: &AsciiSet = &EVENT_KEY.remove(b'~');

/// Any error that can cross threads.
type StdError = Box<dyn std::error::Error + Send + Sync>;

/// Receives the events of created objects.
#[derive(Clone)]
pub struct EventSink {
    region: String,
    prefixes: Vec<String>,
    deliver: Arc<dyn Fn(Value) -> Result<(), StdError> + Send + Sync>,
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSink").field("prefixes", &self.prefixes).finish_non_exhaustive()
    }
}

impl EventSink {
    /// Calls `deliver` with each event whose key begins with one of `prefixes`, before the upload is answered. When it
    /// fails, so does the upload: its sender sends it again, and no event is lost.
    pub fn new(
        region: &str,
        prefixes: &[&str],
        deliver: impl Fn(Value) -> Result<(), StdError> + Send + Sync + 'static,
    ) -> Self {
        let prefixes = prefixes.iter().map(ToString::to_string).collect();
        Self { region: region.to_owned(), prefixes, deliver: Arc::new(deliver) }
    }

    /// Sends the events to a channel.
    #[must_use]
    pub fn channel(region: &str, prefixes: &[&str], sender: mpsc::UnboundedSender<Value>) -> Self {
        Self::new(region, prefixes, move |event| Ok(sender.send(event)?))
    }

    /// Wants no event.
    #[must_use]
    pub fn none() -> Self {
        Self::new("", &[], |_| Ok(()))
    }
}

/// What a pair of keys may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// Objects under these prefixes of one bucket, and nothing else.
    Prefixes {
        /// The bucket.
        bucket: String,
        /// Under these it may read and list.
        read: Vec<String>,
        /// Under these it may write, in parts and copies too. It may never delete.
        write: Vec<String>,
    },
}

/// The pairs of keys that the server knows.
#[derive(Debug, Clone)]
pub struct Credentials {
    entries: Vec<Credential>,
}

#[derive(Clone)]
struct Credential {
    access_key: String,
    secret_key: String,
    scope: Scope,
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("access_key", &self.access_key)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl Credentials {
    /// One pair that reaches everything.
    #[must_use]
    pub fn root(access_key: &str, secret_key: &str) -> Self {
        Self { entries: Vec::new() }.with(access_key, secret_key, Scope::All)
    }

    /// One more pair.
    #[must_use]
    pub fn with(mut self, access_key: &str, secret_key: &str, scope: Scope) -> Self {
        let (access_key, secret_key) = (access_key.to_owned(), secret_key.to_owned());
        self.entries.push(Credential { access_key, secret_key, scope });
        self
    }
}

/// A running local S3. Dropping it closes its port at once; [`shutdown`](Self::shutdown) answers what is under way.
#[derive(Debug)]
pub struct S3Server {
    listening: Listening,
}

/// Serves the buckets under `root` (created if need be) on `listener`, path style.
///
/// # Errors
/// When the folder cannot be made or read.
pub async fn start(
    listener: TcpListener,
    root: &Path,
    credentials: Credentials,
    events: EventSink,
) -> Result<S3Server, Error> {
    let staging = root.join(STAGING);
    // What an earlier process did not finish: it answered no upload of these.
    if let Err(error) = std::fs::remove_dir_all(&staging)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(Error::file(&staging)(error));
    }
    std::fs::create_dir_all(&staging).map_err(Error::file(&staging))?;
    let root = std::fs::canonicalize(root).map_err(Error::file(root))?;
    remove_staged(&root).map_err(Error::file(&root))?;
    let files = FileSystem::new(&root).map_err(|error| Error::S3(format!("{}: {error:?}", root.display())))?;
    let store = Store { files, root, events, sequence: AtomicU64::new(0), lock: RwLock::new(()) };
    let mut builder = S3ServiceBuilder::new(store);
    let mut auth = SimpleAuth::new();
    for entry in &credentials.entries {
        auth.register(entry.access_key.clone(), entry.secret_key.clone().into());
    }
    builder.set_auth(auth);
    builder.set_access(Access { credentials });
    let service = builder.build();
    let listening = Listening::start_with(
        listener,
        HEAD_TIMEOUT,
        Refusals { foreign: Arc::new(denied), unreadable: None },
        move |_| {
            let service = service.clone();
            service_fn(move |request: Request<Incoming>| {
                let service = service.clone();
                async move {
                    let (head, body) = request.into_parts();
                    if let Some(refused) = refused(&head) {
                        drain(body, &head.headers).await;
                        return Ok(refused.map(Either::Right));
                    }
                    let answered = Service::call(&service, Request::from_parts(head, body)).await;
                    answered.map(|answer| answer.map(Either::Left))
                }
            })
        },
    )?;
    Ok(S3Server { listening })
}

/// What S3 answers to a caller that may not.
fn denied() -> http::Response<http_body_util::Full<hyper::body::Bytes>> {
    let body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>AccessDenied</Code><Message>A page of another site may not \
                reach the local S3</Message></Error>";
    let mut response = http::Response::new(http_body_util::Full::new(hyper::body::Bytes::from_static(body.as_bytes())));
    *response.status_mut() = http::StatusCode::FORBIDDEN;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/xml"));
    response
}

/// Makes the bucket `name` under `root`, if it is not there yet.
///
/// # Errors
/// When the name is none that S3 takes, or the folder cannot be made.
pub async fn create_bucket(root: &Path, name: &str) -> Result<(), Error> {
    if !s3s::path::check_bucket_name(name) {
        return Err(Error::BucketName(name.to_owned()));
    }
    let path = root.join(name);
    tokio::fs::create_dir_all(&path).await.map_err(Error::file(&path))
}

impl S3Server {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// The endpoint to give to an SDK.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Takes no more requests and answers those under way.
    pub async fn shutdown(self) {
        self.listening.shutdown().await;
    }
}

/// Which pair of keys reaches what.
struct Access {
    credentials: Credentials,
}

impl Access {
    fn scope(&self, credentials: Option<&s3s::auth::Credentials>) -> S3Result<&Scope> {
        let found = credentials.and_then(|used| {
            self.credentials.entries.iter().find(|entry| entry.access_key == used.access_key).map(|entry| &entry.scope)
        });
        found.ok_or_else(|| s3_error!(AccessDenied, "Signature is required"))
    }

    /// Whether the source of a copy may be read; S3 asks for no more of it.
    fn may_copy(&self, used: Option<&s3s::auth::Credentials>, source: &CopySource) -> S3Result<()> {
        match (self.scope(used)?, source) {
            (Scope::All, _) => Ok(()),
            (Scope::Prefixes { bucket: own, read, .. }, CopySource::Bucket { bucket, key, .. }) => {
                allow(**bucket == **own && read.iter().any(|read| key.starts_with(read.as_str())))
            }
            (Scope::Prefixes { .. }, _) => allow(false),
        }
    }

    fn may_list(&self, used: Option<&s3s::auth::Credentials>, bucket: &str, prefix: Option<&str>) -> S3Result<()> {
        match self.scope(used)? {
            Scope::All => Ok(()),
            Scope::Prefixes { bucket: own, read, .. } => {
                let prefix = prefix.unwrap_or_default();
                allow(own == bucket && read.iter().any(|read| prefix.starts_with(read)))
            }
        }
    }
}

fn allow(allowed: bool) -> S3Result<()> {
    if allowed { Ok(()) } else { Err(s3_error!(AccessDenied, "Access Denied")) }
}

#[async_trait::async_trait]
impl S3Access for Access {
    /// Comes first, for every operation.
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let Scope::Prefixes { bucket, read, write } = self.scope(cx.credentials())? else { return Ok(()) };
        let under = |prefixes: &[String]| {
            let object = cx.s3_path().as_object();
            object.is_some_and(|(own, key)| own == bucket && prefixes.iter().any(|prefix| key.starts_with(prefix)))
        };
        allow(match cx.s3_op().name() {
            "GetObject" | "HeadObject" => under(read),
            "PutObject"
            | "CreateMultipartUpload"
            | "UploadPart"
            | "CompleteMultipartUpload"
            | "AbortMultipartUpload"
            | "ListParts" => under(write),
            // Only the request itself tells what is copied: see below.
            "CopyObject" | "UploadPartCopy" => under(write),
            // Only the request itself tells which prefix is listed: see below.
            "ListObjects" | "ListObjectsV2" => true,
            _ => false,
        })
    }

    async fn copy_object(&self, req: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        self.may_copy(req.credentials.as_ref(), &req.input.copy_source)
    }

    async fn upload_part_copy(&self, req: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        self.may_copy(req.credentials.as_ref(), &req.input.copy_source)
    }

    async fn list_objects(&self, req: &mut S3Request<ListObjectsInput>) -> S3Result<()> {
        self.may_list(req.credentials.as_ref(), &req.input.bucket, req.input.prefix.as_deref())
    }

    async fn list_objects_v2(&self, req: &mut S3Request<ListObjectsV2Input>) -> S3Result<()> {
        self.may_list(req.credentials.as_ref(), &req.input.bucket, req.input.prefix.as_deref())
    }
}

/// `s3s-fs`, and what it lacks.
struct Store {
    files: FileSystem,
    root: PathBuf,
    events: EventSink,
    /// The latest sequencer.
    sequence: AtomicU64,
    /// Held for writing while an object takes its place or goes, for reading while one is opened.
    lock: RwLock<()>,
}

/// The conditions of a write.
#[derive(Default)]
struct Conditions {
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
}

/// An object that has taken its place, as its event tells it.
struct Created<'a> {
    name: &'static str,
    bucket: &'a str,
    key: &'a str,
    size: u64,
    e_tag: Option<&'a ETag>,
    principal: Option<&'a str>,
}

impl Store {
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

    /// What every write needs: a bucket, a possible key, and a name to make the object under.
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

    /// In this order a crash between two steps leaves an object without its ETag, which is then computed, and never one
    /// with the ETag or the checksum of another.
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

    fn raise(&self, created: &Created<'_>) -> S3Result<()> {
        if self.events.prefixes.iter().any(|prefix| created.key.starts_with(prefix)) {
            let event = event(&self.events.region, created, machine_now(), self.next_sequence());
            (self.events.deliver)(event).map_err(|error| {
                tracing::error!(error, key = created.key, "an event cannot be delivered");
                s3_error!(InternalError, "The event of this object cannot be delivered: send it again")
            })?;
        }
        Ok(())
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
fn remove_staged(root: &Path) -> io::Result<()> {
    let begin = format!(".bucket-{}.object-", URL_SAFE_NO_PAD.encode(STAGING));
    for entry in std::fs::read_dir(root)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(&begin)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// The key as it stands in an event: a space is `+`, `/` stays, other special characters are percent-encoded.
fn event_key(key: &str) -> String {
    utf8_percent_encode(key, EVENT_KEY).to_string().replace("%20", "+")
}

/// The message that S3 sends to Lambda.
fn event(region: &str, created: &Created<'_>, now: DateTime<Utc>, sequence: u64) -> Value {
    let id = Uuid::new_v4().simple().to_string().to_uppercase();
    let principal = created.principal.map_or_else(|| "anonymous".to_owned(), |key| format!("AWS:{key}"));
    json!({
        "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": region,
            "eventTime": now.to_rfc3339_opts(SecondsFormat::Millis, true),
            "eventName": format!("ObjectCreated:{}", created.name),
            "userIdentity": { "principalId": principal },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": &id[..16], "x-amz-id-2": id },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "import",
                "bucket": {
                    "name": created.bucket,
                    "ownerIdentity": { "principalId": ACCOUNT },
                    "arn": format!("arn:aws:s3:::{}", created.bucket),
                },
                "object": {
                    "key": event_key(created.key),
                    "size": created.size,
                    "eTag": created.e_tag.map(ETag::value),
                    "sequencer": format!("{sequence:018X}"),
                },
            },
        }],
    })
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
        // S3 deletes only what is empty; `s3s-fs` would delete everything in it.
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
        // A file may go while its folder is listed, and the whole list would fail.
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

    async fn put_object(&self, mut req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
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
        self.raise(&Created {
            name: "Put",
            bucket: &bucket,
            key: &key,
            size,
            e_tag: response.output.e_tag.as_ref(),
            principal: principal.as_deref(),
        })?;
        Ok(response)
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
            // Nothing has this key: a file, where a folder is asked for, or the reverse.
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
                    // As S3: what is not there is deleted already; and a folder with objects in it is no object.
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

#[cfg(test)]
mod tests {
    use aws_lambda_events::event::s3::S3Event;
    use aws_sdk_s3::Client;
    use aws_sdk_s3::config::retry::RetryConfig;
    use aws_sdk_s3::config::{BehaviorVersion, Region};
    use aws_sdk_s3::error::ProvideErrorMetadata;
    use aws_sdk_s3::presigning::PresigningConfig;
    use aws_sdk_s3::primitives::ByteStream;
    use aws_sdk_s3::types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart};
    use tokio::sync::mpsc::UnboundedReceiver;

    use super::*;
    use crate::listen::testing::send;

    const BUCKET: &str = "registry-local";
    const PART: usize = 5 * 1024 * 1024;

    struct Setup {
        folder: tempfile::TempDir,
        server: S3Server,
        client: Client,
        events: UnboundedReceiver<Value>,
    }

    fn client(server: &S3Server, access_key: &str) -> Client {
        let credentials = aws_sdk_s3::config::Credentials::new(access_key, "secret", None, None, "test");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-3"))
            .credentials_provider(credentials)
            .endpoint_url(server.url())
            .force_path_style(true)
            .retry_config(RetryConfig::disabled())
            .build();
        Client::from_conf(config)
    }

    async fn setup() -> Setup {
        let folder = tempfile::tempdir().unwrap();
        create_bucket(folder.path(), BUCKET).await.unwrap();
        create_bucket(folder.path(), BUCKET).await.unwrap();
        assert!(create_bucket(folder.path(), "../x").await.is_err());
        let (sender, events) = mpsc::unbounded_channel();
        let events_of = EventSink::channel("eu-west-3", &["imports/", "journeys/"], sender);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let prefix = |name: &str| vec![format!("{name}/2/")];
        let own = Scope::Prefixes { bucket: BUCKET.to_owned(), read: prefix("reports"), write: prefix("imports") };
        let credentials = Credentials::root("root", "secret").with("operator", "secret", own);
        let server = start(listener, folder.path(), credentials, events_of).await.unwrap();
        let client = client(&server, "root");
        Setup { folder, server, client, events }
    }

    impl Setup {
        async fn put(&self, key: &str, body: &'static [u8]) {
            let body = ByteStream::from_static(body);
            self.client.put_object().bucket(BUCKET).key(key).body(body).send().await.unwrap();
        }

        async fn get(&self, key: &str) -> Vec<u8> {
            let got = self.client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
            got.body.collect().await.unwrap().to_vec()
        }

        async fn put_parts(&self, key: &str, parts: &[Vec<u8>]) -> String {
            let begun = self.client.create_multipart_upload().bucket(BUCKET).key(key).content_type("text/csv");
            let begun = begun.checksum_algorithm(ChecksumAlgorithm::Crc32).send().await.unwrap();
            let id = begun.upload_id().unwrap();
            let mut done = CompletedMultipartUpload::builder();
            for (number, part) in (1..).zip(parts) {
                let body = ByteStream::from(part.clone());
                let sent =
                    self.client.upload_part().bucket(BUCKET).key(key).upload_id(id).part_number(number).body(body);
                let e_tag = sent.send().await.unwrap().e_tag;
                done = done.parts(CompletedPart::builder().part_number(number).set_e_tag(e_tag).build());
            }
            let listed = self.client.list_parts().bucket(BUCKET).key(key).upload_id(id).send().await.unwrap();
            assert_eq!(listed.parts().len(), parts.len());
            let done = self
                .client
                .complete_multipart_upload()
                .bucket(BUCKET)
                .key(key)
                .upload_id(id)
                .multipart_upload(done.build());
            done.send().await.unwrap().e_tag.unwrap()
        }
    }

    fn record(event: &Value) -> (&str, &Value) {
        let record = &event["Records"][0];
        (record["eventName"].as_str().unwrap(), &record["s3"]["object"])
    }

    #[test]
    fn keys_of_events_are_encoded_as_s3_does() {
        assert_eq!(event_key("imports/2/été 2024 (1)+.csv"), "imports/2/%C3%A9t%C3%A9+2024+%281%29%2B.csv");
        assert_eq!(event_key("a-b_c.d*/~=&"), "a-b_c.d*/%7E%3D%26");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_way_to_make_an_object_raises_its_event() {
        let mut setup = setup().await;
        setup.put("imports/2/a b.csv", b"hello").await;
        let first = setup.events.recv().await.unwrap();
        let parsed: S3Event = serde_json::from_value(first.clone()).unwrap();
        let parsed = &parsed.records[0];
        assert_eq!(parsed.s3.bucket.name.as_deref(), Some(BUCKET));
        assert_eq!(parsed.s3.object.key.as_deref(), Some("imports/2/a+b.csv"));
        assert_eq!(parsed.s3.object.size, Some(5));
        assert_eq!(parsed.s3.object.e_tag.as_deref(), Some("5d41402abc4b2a76b9719d911017c592"));
        assert_eq!(parsed.aws_region.as_deref(), Some("eu-west-3"));
        assert_eq!(parsed.principal_id.principal_id.as_deref(), Some("AWS:root"));
        assert_eq!(record(&first).0, "ObjectCreated:Put");

        setup.put("reports/2/no.json", b"{}").await;
        let copy = setup.client.copy_object().bucket(BUCKET).key("journeys/copy");
        copy.copy_source(format!("{BUCKET}/imports/2/a%20b.csv")).send().await.unwrap();
        let second = setup.events.recv().await.unwrap();
        assert_eq!((record(&second).0, &record(&second).1["key"]), ("ObjectCreated:Copy", &json!("journeys/copy")));
        assert_eq!(setup.get("journeys/copy").await, b"hello");

        let parts = [vec![b'1'; PART], vec![b'2'; 100]];
        let e_tag = setup.put_parts("imports/2/a b.csv", &parts).await;
        let third = setup.events.recv().await.unwrap();
        let (name, object) = record(&third);
        assert_eq!(name, "ObjectCreated:CompleteMultipartUpload");
        assert_eq!(object["size"], PART + 100);
        assert_eq!(format!("\"{}\"", object["eTag"].as_str().unwrap()), e_tag);
        assert!(e_tag.ends_with("-2\""), "{e_tag}");
        // The checksum of the object that was there before must not be given with this one.
        assert_eq!(setup.get("imports/2/a b.csv").await, parts.concat());
        let head = setup.client.head_object().bucket(BUCKET).key("imports/2/a b.csv").send().await.unwrap();
        assert_eq!(head.content_type(), Some("text/csv"));
        assert_eq!(head.e_tag(), Some(e_tag.as_str()));

        let sequencers: Vec<_> =
            [&first, &second, &third].map(|event| record(event).1["sequencer"].as_str().unwrap()).into();
        assert!(sequencers.is_sorted_by(|left, right| left < right), "{sequencers:?}");
        assert!(setup.events.try_recv().is_err());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn reading_copying_listing_and_deleting() {
        let setup = setup().await;
        setup.put("x/1 é", b"0123456789").await;
        setup.put("x/2", b"b").await;
        setup.put("y/3", b"c").await;
        let range = setup.client.get_object().bucket(BUCKET).key("x/1 é").range("bytes=2-4").send().await.unwrap();
        assert_eq!(range.content_range(), Some("bytes 2-4/10"));
        assert_eq!(range.body.collect().await.unwrap().to_vec(), b"234");

        let list = setup.client.list_objects_v2().bucket(BUCKET).prefix("x/").max_keys(1).send().await.unwrap();
        assert_eq!(list.contents()[0].key(), Some("x/1 é"));
        let token = list.next_continuation_token().unwrap();
        let list = setup.client.list_objects_v2().bucket(BUCKET).prefix("x/").continuation_token(token);
        assert_eq!(list.send().await.unwrap().contents()[0].key(), Some("x/2"));
        let list = setup.client.list_objects().bucket(BUCKET).delimiter("/");
        let list = list.encoding_type(aws_sdk_s3::types::EncodingType::Url).send().await.unwrap();
        let prefixes: Vec<_> = list.common_prefixes().iter().filter_map(|common| common.prefix()).collect();
        assert_eq!(prefixes, ["x/", "y/"]);
        let list = setup.client.list_objects_v2().bucket(BUCKET).prefix("x/1");
        let list = list.encoding_type(aws_sdk_s3::types::EncodingType::Url).send().await.unwrap();
        assert_eq!(list.contents()[0].key(), Some("x/1%20%C3%A9"));

        let id = setup.client.create_multipart_upload().bucket(BUCKET).key("z").send().await.unwrap();
        let part = setup.client.upload_part_copy().bucket(BUCKET).key("z").upload_id(id.upload_id().unwrap());
        let part = part.part_number(1).copy_source(format!("{BUCKET}/x/2")).send().await.unwrap();
        assert!(part.copy_part_result().unwrap().e_tag().is_some());
        let abort = setup.client.abort_multipart_upload().bucket(BUCKET).key("z").upload_id(id.upload_id().unwrap());
        abort.send().await.unwrap();

        setup.client.delete_object().bucket(BUCKET).key("y/3").send().await.unwrap();
        let key = |key: &str| aws_sdk_s3::types::ObjectIdentifier::builder().key(key).build().unwrap();
        let delete =
            aws_sdk_s3::types::Delete::builder().objects(key("x/1 é")).objects(key("x/none")).objects(key("x"));
        let delete = setup.client.delete_objects().bucket(BUCKET).delete(delete.build().unwrap()).send().await.unwrap();
        assert_eq!((delete.deleted().len(), delete.errors().len()), (3, 0));
        let left = setup.client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
        assert_eq!(left.contents().iter().filter_map(|object| object.key()).collect::<Vec<_>>(), ["x/2"]);
        for folder in ["x", "y"] {
            let error = setup.client.get_object().bucket(BUCKET).key(folder).send().await.unwrap_err();
            assert_eq!(error.code(), Some("NoSuchKey"));
        }
        let error = setup.client.delete_bucket().bucket(BUCKET).send().await.unwrap_err();
        assert_eq!(error.code(), Some("BucketNotEmpty"));
        let buckets = setup.client.list_buckets().send().await.unwrap();
        assert_eq!(buckets.buckets().len(), 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn presigned_urls_work_without_credentials() {
        let mut setup = setup().await;
        let soon = || PresigningConfig::expires_in(Duration::from_secs(60)).unwrap();
        let target = |uri: &str| uri.strip_prefix(&setup.server.url()).unwrap().to_owned();
        let put = setup.client.put_object().bucket(BUCKET).key("imports/2/p.csv").presigned(soon()).await.unwrap();
        let host = format!("host: {}", setup.server.address());
        let head = format!("PUT {} HTTP/1.1\r\n{host}", target(put.uri()));
        assert_eq!(send(setup.server.address(), &head, b"a;b").await.status, 200);
        assert_eq!(record(&setup.events.recv().await.unwrap()).1["size"], 3);
        let get = setup.client.get_object().bucket(BUCKET).key("imports/2/p.csv").presigned(soon()).await.unwrap();
        let head = format!("GET {} HTTP/1.1\r\n{host}", target(get.uri()));
        assert_eq!(send(setup.server.address(), &head, b"").await.text(), "a;b");
        let head = format!("GET {} HTTP/1.1\r\n{host}", target(get.uri()).replace("p.csv", "q.csv"));
        assert_eq!(send(setup.server.address(), &head, b"").await.status, 403);
        let head = format!("GET /{BUCKET}/imports/2/p.csv HTTP/1.1\r\n{host}");
        assert_eq!(send(setup.server.address(), &head, b"").await.status, 403);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_object_is_the_old_one_or_the_new_one() {
        let setup = setup().await;
        // More than the buffers between the two ends hold.
        let old = vec![b'o'; 2 * PART];
        let body = ByteStream::from(old.clone());
        let put = setup.client.put_object().bucket(BUCKET).key("k").body(body).send().await.unwrap();
        let reading = setup.client.get_object().bucket(BUCKET).key("k").send().await.unwrap();
        let wrong = setup.client.put_object().bucket(BUCKET).key("k").body(ByteStream::from_static(b"new"));
        let error = wrong.checksum_crc32("AAAAAA==").send().await.unwrap_err();
        assert_eq!(error.code(), Some("BadDigest"));
        assert_eq!(setup.get("k").await.len(), old.len(), "a refused upload changes nothing");
        let stale = setup.client.put_object().bucket(BUCKET).key("k").if_none_match("*").send().await.unwrap_err();
        assert_eq!(stale.code(), Some("PreconditionFailed"));
        setup.put("k", b"new").await;
        assert_eq!(reading.body.collect().await.unwrap().to_vec(), old, "what was open stays whole");
        assert_eq!(setup.get("k").await, b"new");
        let e_tag = put.e_tag().unwrap();
        let error = setup.client.get_object().bucket(BUCKET).key("k").if_match(e_tag).send().await.unwrap_err();
        assert_eq!(error.code(), Some("PreconditionFailed"));
        let error = setup.client.put_object().bucket(BUCKET).key("k").if_match(e_tag).send().await.unwrap_err();
        assert_eq!(error.code(), Some("PreconditionFailed"));
        let staged = std::fs::read_dir(setup.folder.path().join(STAGING)).unwrap().count();
        assert_eq!(staged, 0);

        for key in ["a/../b", "a//b", "./a", "/a"] {
            let error = setup.client.put_object().bucket(BUCKET).key(key).send().await.unwrap_err();
            assert_eq!(error.code(), Some("InvalidArgument"), "{key}");
        }
        let error = setup.client.put_object().bucket(BUCKET).key("a".repeat(200)).send().await.unwrap_err();
        assert_eq!(error.code(), Some("KeyTooLongError"));
        let error = setup.client.put_object().bucket(BUCKET).key("k/below").send().await.unwrap_err();
        assert_eq!(error.code(), Some("InvalidRequest"));
        let error = setup.client.put_object().bucket("no-such-bucket").key("k").send().await.unwrap_err();
        assert_eq!(error.code(), Some("NoSuchBucket"));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_upload_whose_event_is_lost_fails() {
        let folder = tempfile::tempdir().unwrap();
        create_bucket(folder.path(), BUCKET).await.unwrap();
        let events = EventSink::new("eu-west-3", &["imports/"], |_| Err("the disk is full".into()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = start(listener, folder.path(), Credentials::root("root", "secret"), events).await.unwrap();
        let client = client(&server, "root");
        let put = |key: &str| client.put_object().bucket(BUCKET).key(key).send();
        assert_eq!(put("imports/a").await.unwrap_err().code(), Some("InternalError"));
        put("reports/a").await.unwrap();
        server.shutdown().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_operator_reaches_its_prefixes_only() {
        let setup = setup().await;
        setup.put("reports/2/r.json", b"{}").await;
        setup.put("reports/3/r.json", b"{}").await;
        let operator = client(&setup.server, "operator");
        let put = |key: &str| operator.put_object().bucket(BUCKET).key(key).send();
        let get = |key: &str| operator.get_object().bucket(BUCKET).key(key).send();
        put("imports/2/a.csv").await.unwrap();
        get("reports/2/r.json").await.unwrap();
        operator.list_objects_v2().bucket(BUCKET).prefix("reports/2/").send().await.unwrap();
        let denied = Some("AccessDenied");
        assert_eq!(put("imports/3/a.csv").await.unwrap_err().code(), denied);
        assert_eq!(put("reports/2/a.json").await.unwrap_err().code(), denied);
        assert!(put("imports/2/../3/a.csv").await.is_err());
        assert_eq!(get("reports/3/r.json").await.unwrap_err().code(), denied);
        assert_eq!(get("imports/2/a.csv").await.unwrap_err().code(), denied);
        let list = |prefix: &str| operator.list_objects_v2().bucket(BUCKET).prefix(prefix).send();
        assert_eq!(list("reports/").await.unwrap_err().code(), denied);
        assert_eq!(operator.list_buckets().send().await.unwrap_err().code(), denied);
        let copy =
            operator.copy_object().bucket(BUCKET).key("imports/2/c").copy_source(format!("{BUCKET}/reports/3/r.json"));
        assert_eq!(copy.send().await.unwrap_err().code(), denied);
        let delete = operator.delete_object().bucket(BUCKET).key("imports/2/a.csv");
        assert_eq!(delete.send().await.unwrap_err().code(), denied);
        let stranger = client(&setup.server, "stranger");
        assert!(stranger.list_buckets().send().await.is_err());
    }
}
