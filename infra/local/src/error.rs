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
        /// What the system said.
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
        /// What the system said.
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
    /// Another stack runs on the data.
    #[error("another stack runs on {}: stop it, or choose another --data-dir", .0.display())]
    InUse(PathBuf),
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
