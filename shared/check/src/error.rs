//! Why a command failed.

use std::io;
use std::path::Path;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// Something has the place of an output file; what to do.
    #[error("{path} {}", by.as_str())]
    Taken {
        /// The place.
        path: String,
        /// The obstacle.
        by: Obstacle,
    },
    /// A list cannot be read; what to do.
    #[error("{path}: {what}")]
    List {
        /// The list.
        path: String,
        /// The fault of the list.
        what: String,
    },
    /// An argument on the command line cannot be normalised.
    #[error("{what} {source}")]
    Driver {
        /// The name or the phone.
        what: &'static str,
        /// The cause.
        source: cee_eligibility::NormaliseError,
    },
}

impl Error {
    pub(crate) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.display().to_string(), source }
    }
}

/// The obstacle at the place of an output file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The input file.
    Input,
    /// The input file, to which the standard output goes.
    Redirected,
    /// A folder.
    Folder,
    /// Another file, which this run has not made.
    Other,
    /// Another file of this run.
    Result,
}

impl Obstacle {
    /// The fault, and what to do.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Input => "is the file that is read: it stays as it is. Name another file for the result",
            Self::Redirected => "is read, and the standard output goes to it: send the output to another file",
            Self::Folder => "is a folder: name a file in it",
            Self::Other => {
                "exists already and stays as it is: you may have corrected it. Rename or remove it, or name another file for the result"
            }
            Self::Result => "would hold two results of this run: name another file for one of them",
        }
    }
}
