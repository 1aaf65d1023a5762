//! Which credentials reach which objects.

use std::fmt;

use s3s::access::{S3Access, S3AccessContext};
use s3s::dto::{
    CopyObjectInput, CopySource, ListObjectsInput, ListObjectsV2Input, PostObjectInput, UploadPartCopyInput,
};
use s3s::{S3Request, S3Result, s3_error};

/// The rights of a pair of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    All,
    /// Objects under these prefixes of one bucket, and nothing else.
    Prefixes {
        /// The bucket.
        bucket: String,
        /// It may read and list objects under these prefixes.
        read: Vec<String>,
        /// It may write objects under these prefixes, in parts and as copies too. It may never delete.
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

    /// The access keys with their secrets.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| (entry.access_key.as_str(), entry.secret_key.as_str()))
    }

    /// One more pair.
    #[must_use]
    pub fn with(mut self, access_key: &str, secret_key: &str, scope: Scope) -> Self {
        let (access_key, secret_key) = (access_key.to_owned(), secret_key.to_owned());
        self.entries.push(Credential { access_key, secret_key, scope });
        self
    }
}

/// Which credentials reach which objects.
pub(super) struct Access {
    credentials: Credentials,
}

impl Access {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self { credentials }
    }

    fn scope(&self, credentials: Option<&s3s::auth::Credentials>) -> S3Result<&Scope> {
        let found = credentials.and_then(|used| {
            self.credentials.entries.iter().find(|entry| entry.access_key == used.access_key).map(|entry| &entry.scope)
        });
        found.ok_or_else(|| s3_error!(AccessDenied, "Signature is required"))
    }

    /// Whether the source of a copy may be read; S3 checks nothing else about it.
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
            // Only the request itself names the source of the copy: see below.
            "CopyObject" | "UploadPartCopy" => under(write),
            // Only the form itself names the key: see below.
            "PostObject" => true,
            // Only the request itself names the listed prefix: see below.
            "ListObjects" | "ListObjectsV2" => true,
            _ => false,
        })
    }

    async fn post_object(&self, req: &mut S3Request<PostObjectInput>) -> S3Result<()> {
        match self.scope(req.credentials.as_ref())? {
            Scope::All => Ok(()),
            Scope::Prefixes { bucket, write, .. } => {
                let PostObjectInput { bucket: named, key, .. } = &req.input;
                allow(named == bucket && write.iter().any(|prefix| key.starts_with(prefix.as_str())))
            }
        }
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
