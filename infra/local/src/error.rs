//! Why a local stack cannot be started or used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a local stack cannot be started or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A stand-in cannot start or go on.
    #[error(transparent)]
    Aws(#[from] aws_stand_in::Error),
    /// A socket has no address.
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
    /// The tables could not be prepared.
    #[error("the tables cannot be prepared: {0}")]
    Tables(String),
    /// The sample journeys could not be uploaded.
    #[error("the sample journeys cannot be uploaded: {0}")]
    Samples(String),
    /// A port that cannot be opened.
    #[error("port {port} cannot be opened ({source}): choose another with {option}, 0 takes a free one")]
    Port {
        /// The option that chooses it.
        option: &'static str,
        /// The port.
        port: u16,
        /// The error of the operating system.
        source: io::Error,
    },
    /// No stack runs on the data.
    #[error("the service on {} does not run: nothing answers at {url}. Start it with `cargo run`", data_dir.display())]
    Stopped {
        /// The data directory.
        data_dir: PathBuf,
        /// The address at which it answered when it ran.
        url: String,
    },
    /// An endpoint that the stack was to use does not answer.
    #[error(
        "{service} does not answer at {url}: start it there, or leave the option (or the variable AWS_ENDPOINT_URL_…) out and \
             the stack uses its own"
    )]
    NoAnswer {
        /// Which service.
        service: &'static str,
        /// The address of the service.
        url: String,
    },
    /// `--fresh` with a service that is not the stack's own.
    #[error(
        "--fresh removes only what the stack keeps itself, and the service at {0} is not its own: start without --fresh, and \
             remove the tables cee-local-… or the bucket there yourself"
    )]
    FreshElsewhere(String),
    /// Faults with a DynamoDB that is not the stack's own.
    #[error("--faults works with the embedded DynamoDB alone")]
    FaultsElsewhere,
    /// An access key without its secret, or a secret without its access key.
    #[error("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: set both, or neither")]
    HalfAKey,
    /// The bucket at another S3 cannot be used.
    #[error(
        "the bucket {bucket} at {url} cannot be used ({code}): create it, or check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and \
             AWS_REGION"
    )]
    Bucket {
        /// The bucket's name.
        bucket: &'static str,
        /// The endpoint.
        url: String,
        /// The code of the error.
        code: String,
    },
    /// Another stack runs on the data.
    #[error("another stack runs on {}: stop it, or choose another --data-dir", .0.display())]
    InUse(PathBuf),
    /// The data directory is a file.
    #[error("{} is a file: choose a folder as --data-dir", .0.display())]
    NoFolder(PathBuf),
    /// A file or a folder in the data directory that was not made by a stack.
    #[error("{} is not a local stack's and stays as it is: choose another --data-dir", .0.display())]
    Foreign(PathBuf),
    /// The keys of the stack cannot be read or made.
    #[error("{0}")]
    Secrets(String),
    /// A function could not be started.
    #[error("a function cannot start: {0}")]
    Function(String),
    /// The pepper is not the pepper of the tables, or cannot be compared with it.
    #[error("{0}")]
    Pepper(String),
}

impl Error {
    /// For `map_err` on file operations: keeps the path, which `io::Error` does not contain.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }
}
