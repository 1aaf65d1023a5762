//! Why a local service could not be started or used.

use std::io;
use std::path::{Path, PathBuf};

/// Why a local service could not be started or used.
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
        /// What the system said.
        source: io::Error,
    },
    /// The embedded DynamoDB refused to open its data.
    #[error("local DynamoDB: {0}")]
    Dynamo(String),
    /// The embedded S3 refused to start.
    #[error("local S3: {0}")]
    S3(String),
    /// A port that cannot be had.
    #[error("port {port} cannot be had ({source}): choose another with {option}, 0 takes a free one")]
    Port {
        /// The option that chooses it.
        option: &'static str,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// No stack runs on the data.
    #[error("the service on {} does not run: nothing answers at {url}. Start it with `cargo run`", data_dir.display())]
    Stopped {
        /// The data directory.
        data_dir: PathBuf,
        /// Where it answered when it ran.
        url: String,
    },
    /// Another stack runs on the data.
    #[error("another stack runs on {}: stop it, or choose another --data-dir", .0.display())]
    InUse(PathBuf),
    /// A file or a folder in the data directory that no stack has made.
    #[error("{} is not a local stack's and stays as it is: choose another --data-dir", .0.display())]
    Foreign(PathBuf),
    /// The keys of the stack cannot be had.
    #[error("{0}")]
    Secrets(String),
    /// A function could not be started.
    #[error("a function cannot start: {0}")]
    Function(String),
    /// An import that is not undone; why.
    #[error("{0}")]
    Undo(String),
    /// What the registry's team asked for of an operator cannot be done; why.
    #[error("{0}")]
    Operator(String),
    /// What the registry's team asked for of a driver cannot be done; why. Repeats nothing of the driver.
    #[error("{0}")]
    Driver(String),
    /// The tables are not what they should be, or cannot be read; what was found.
    #[error("{0}")]
    Audit(String),
    /// A pepper that is not the one of the tables, or cannot be compared with it.
    #[error("{0}")]
    Pepper(String),
    /// A table that is not put back; why.
    #[error("{0}")]
    Restore(String),
    /// A bucket name that S3 would refuse.
    #[error("'{0}' is not a valid bucket name")]
    BucketName(String),
    /// A route that API Gateway would refuse.
    #[error("'{0}' is not a valid route path")]
    Route(String),
}

impl Error {
    /// For `map_err` on file operations: keeps the path, which `io::Error` does not tell.
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::File { path, source }
    }
}
