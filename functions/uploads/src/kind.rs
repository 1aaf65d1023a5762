//! What came: a history file, a list of drivers, or a batch.

use cee_eligibility::fields::FileName;
use cee_eligibility::words;
use cee_history::name;

/// The content types that a file may be declared as.
pub(crate) const CONTENT_TYPES: [&str; 3] = ["text/csv", "application/gzip", "application/zip"];

/// An import whose rows came in the body of a call.
pub(crate) const BATCH: &str = "batch";

words! {
    /// What an operator sends.
    pub enum FileKind {
        /// A history file, which is imported.
        File = "file",
        /// A list of drivers whom the registry is asked about.
        Drivers = "drivers",
    }
}

/// Whether a file is a list of drivers. Its name can say so too: the import function reads the name, which is part of the key.
pub(crate) fn is_list(kind: Option<FileKind>, file_name: Option<&FileName>) -> bool {
    kind == Some(FileKind::Drivers) || file_name.is_some_and(|file_name| name::is_list_of_drivers(file_name.as_str()))
}
