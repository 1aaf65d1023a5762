//! Why a stand-in cannot start or go on.

use std::io;
use std::path::{Path, PathBuf};

/// Why a stand-in cannot start or go on.
///
/// A client gets a failure as the response of the AWS service, and an invocation reports it as an
/// [`InvokeError`](crate::invoke::InvokeError).
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A socket or a stream failed.
    #[error("network: {0}")]
    Network(#[from] io::Error),
    /// A file or a folder could not be read, written or made.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The embedded DynamoDB refused to open its data.
    #[error("local DynamoDB: {0}")]
    Dynamo(String),
    /// The embedded S3 refused to start.
    #[error("local S3: {0}")]
    S3(String),
    /// A bucket name that S3 would refuse.
    #[error("'{0}' is not a valid bucket name")]
    BucketName(String),
    /// A route that API Gateway would refuse.
    #[error("'{0}' is not a valid route path")]
    Route(String),
}

impl Error {
    /// For `map_err` on file operations: keeps the path, which `io::Error` does not contain.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }
}
