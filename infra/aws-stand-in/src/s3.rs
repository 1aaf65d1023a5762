//! An embedded S3: files under a folder, the S3 protocol in front, and the notifications that start an import.
//!
//! `s3s` speaks the protocol, `s3s-fs` stores the files (`{root}/{bucket}/{key}`, beside them hidden files with the metadata of
//! each object), and this module adds what neither has:
//!
//! - The event that S3 sends to Lambda when an object was created.
//! - Whole objects only: an object is made under another name and takes its place with its ETag, checksums and metadata
//!   by renames under a lock. A reader gets the old object or the new one, never a mix; an upload that fails a checksum
//!   leaves the old one; after a `kill -9` the object is whole. (Nothing is forced to the disk: a power cut may lose
//!   the latest uploads.)
//! - Conditional reads and writes (`If-Match`, `If-None-Match`) that cannot be raced.
//! - Requests that S3 refuses by their head alone (`head`).
//! - Credentials that reach only some prefixes, and no key that leaves its prefix by `..`.
//! - Rules for pages of other origins (`cors`).
//!
//! `curl --aws-sigv4 aws:amz:{region}:s3` needs `-H "x-amz-content-sha256: UNSIGNED-PAYLOAD"` with curl 7, as real S3 does.
//!
//! A browser's form is an upload too (`PostObject`): `s3s` checks it against its signed policy. `${filename}` in a key stays as it is.
//!
//! What it does not have: versions, tags, ACLs, bucket policies, encryption, lifecycle, `ListMultipartUploads`,
//! `If-Modified-Since`; checks of the checksums of single parts; and as objects are files, `a` and `a/b` cannot both be
//! keys, a key has no empty segment, and a key is at most about 110 bytes long (S3: 1024), because the hidden files carry it in
//! their names. A key that ends with `/` makes a folder and no event.
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http_body_util::Either;
use hyper::body::Incoming;
use hyper::service::service_fn;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

use crate::error::Error;
use crate::listen::{Listening, Refusals, drain};

mod access;
mod cors;
mod event;
mod form;
mod head;
mod operations;
mod store;

use self::access::Access;
pub use self::access::{Credentials, Scope};
pub use self::cors::CorsRule;
use self::cors::{preflight, readable};
pub use self::event::EventSink;
use self::head::refused;
use self::store::{STAGING, Store, remove_staged};

/// How long a client may take to send the head of a request, and may stay idle between two.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

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
    cors: Vec<CorsRule>,
) -> Result<S3Server, Error> {
    let staging = root.join(STAGING);
    // Uploads that an earlier process did not finish: it answered none of them.
    if let Err(error) = std::fs::remove_dir_all(&staging)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(Error::file(&staging)(error));
    }
    std::fs::create_dir_all(&staging).map_err(Error::file(&staging))?;
    let root = std::fs::canonicalize(root).map_err(Error::file(root))?;
    remove_staged(&root).map_err(Error::file(&root))?;
    let files = FileSystem::new(&root).map_err(|error| Error::S3(format!("{}: {error:?}", root.display())))?;
    let mut builder = S3ServiceBuilder::new(Store::new(files, root, events));
    let mut auth = SimpleAuth::new();
    for (access_key, secret_key) in credentials.pairs() {
        auth.register(access_key.to_owned(), secret_key.to_owned().into());
    }
    builder.set_auth(auth);
    builder.set_access(Access::new(credentials));
    let service = builder.build();
    let cors: Arc<[CorsRule]> = cors.into();
    let listening = Listening::start(
        listener,
        HEAD_TIMEOUT,
        Refusals { foreign: Arc::new(denied), unreadable: None },
        move |_| {
            let (service, cors) = (service.clone(), Arc::clone(&cors));
            service_fn(move |request: Request<Incoming>| {
                let (service, cors) = (service.clone(), Arc::clone(&cors));
                async move {
                    let (head, body) = request.into_parts();
                    let readable = readable(&head, &cors);
                    if let Some(mut refused) = preflight(&head, &cors).or_else(|| refused(&head)) {
                        refused.headers_mut().extend(readable);
                        drain(body, &head.headers).await;
                        return Ok(refused.map(Either::Right));
                    }
                    let body = form::body(&head.headers, body);
                    let answered = service.call(Request::from_parts(head, body)).await;
                    answered.map(|mut answer| {
                        answer.headers_mut().extend(readable);
                        answer.map(Either::Left)
                    })
                }
            })
        },
    )?;
    Ok(S3Server { listening })
}

/// S3's answer to a caller without the right.
fn denied(_: &http::HeaderMap) -> http::Response<http_body_util::Full<hyper::body::Bytes>> {
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
/// If S3 would not accept the name, or the folder cannot be made.
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

    /// Accepts no more requests and answers those in progress.
    pub async fn shutdown(self) {
        self.listening.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
