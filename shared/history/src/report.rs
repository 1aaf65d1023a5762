//! The progress and the report of an import, for the sender of the file.

use serde::{Deserialize, Serialize};

use crate::counts::Counts;
use crate::survey::Surveyed;

/// The progress of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The number of rows with each result.
    #[serde(flatten)]
    pub counts: Counts,
    /// The number of bytes of the file that have been read, as it is stored on S3.
    pub bytes: u64,
    /// The size of the file.
    pub bytes_total: u64,
    /// The number of rows in the file; absent before it was surveyed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rows_total: Option<u64>,
    /// The time that invocations have worked on it, without the pauses between them, in milliseconds.
    #[serde(default)]
    pub work_ms: u64,
}

impl Progress {
    /// Rows a second, over the working time; `None` before there is any.
    ///
    /// ```
    /// use cee_history::{Counts, Progress};
    /// let counts = Counts { read: 3000, ..Counts::default() };
    /// assert_eq!(Progress { counts, work_ms: 1500, ..Progress::default() }.rows_per_second(), Some(2000));
    /// ```
    #[must_use]
    pub fn rows_per_second(&self) -> Option<u64> {
        self.counts.read.saturating_mul(1000).checked_div(self.work_ms)
    }
}

/// The report on one file, as it is stored beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The import's id.
    pub import_id: String,
    /// The operator that sent the file; absent for the registry's own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub operator_id: Option<u32>,
    /// The object's key; `batch` if the rows came in the body of a call.
    pub key: String,
    /// `completed`; `failed` if the whole file was refused; `undone` if the import was undone.
    pub state: String,
    /// Why the file was refused, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Whether the file was only checked: nothing of it was imported.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub check_only: bool,
    /// The number of rows with each result.
    #[serde(flatten)]
    pub counts: Counts,
    /// The survey's result for the whole file; absent if the file was refused before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub survey: Option<Surveyed>,
    /// The size of the file.
    pub bytes: u64,
    /// The SHA-256 of the file, 64 lower-case hexadecimal digits; absent if it was not read to its end.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sha256: Option<String>,
    /// The key of the rejected rows, if there are any.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub rejected_rows: Option<String>,
    /// The key of the answers about a list of drivers, if it has rows.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub answers: Option<String>,
    /// When the import began, RFC 3339.
    pub started_at: String,
    /// When it ended, RFC 3339.
    pub ended_at: String,
    /// The time from its beginning to its end, pauses included, in milliseconds.
    pub duration_ms: u64,
    /// The working time, in milliseconds.
    #[serde(default)]
    pub work_ms: u64,
    /// The counts of the undo, if the import was undone.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undone: Option<Undone>,
    /// The counts of the undo of the replaced import.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub replaced: Option<Replaced>,
    /// Why the replaced import was not undone, if so, and what to do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_replaced: Option<String>,
}

impl Report {
    /// The report of a batch of rows, which has no file: its counts, or why there are none.
    #[must_use]
    pub fn of_batch(
        (import_id, operator_id): (String, u32),
        key: &str,
        ended: Result<Counts, String>,
        (started_at, ended_at): (String, String),
        took_ms: u64,
    ) -> Self {
        let (state, error, counts) = match ended {
            Ok(counts) => ("completed", None, counts),
            Err(why) => ("failed", Some(why), Counts::default()),
        };
        Self {
            import_id,
            operator_id: Some(operator_id),
            key: key.to_owned(),
            state: state.to_owned(),
            error,
            check_only: false,
            counts,
            survey: None,
            bytes: 0,
            sha256: None,
            rejected_rows: None,
            answers: None,
            started_at,
            ended_at,
            duration_ms: took_ms,
            work_ms: took_ms,
            undone: None,
            replaced: None,
            not_replaced: None,
        }
    }

    /// The progress at the end.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress {
            counts: self.counts.clone(),
            bytes: self.bytes,
            bytes_total: self.bytes,
            rows_total: self.survey.map(|survey| survey.rows),
            work_ms: self.work_ms,
        }
    }
}

/// What an undo did.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The number of applications that were removed with the import, as counted when the undo began.
    pub removed: u64,
    /// The number of applications that are kept because the operator also sent them in another file.
    pub kept: u64,
    /// When the undo began, RFC 3339.
    pub started_at: String,
    /// When the undo ended, RFC 3339.
    pub ended_at: String,
    /// The import that replaces the undone import, if there is one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    #[cfg_attr(feature = "openapi", schema(nullable = false, pattern = "^[0-9a-f]{32}$"))]
    pub replaced_by: Option<String>,
}

/// What an import removed of the import that it replaces.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The import that was replaced.
    #[cfg_attr(feature = "openapi", schema(pattern = "^[0-9a-f]{32}$"))]
    pub import_id: String,
    /// The number of applications that were removed with it, because no other import, this import included, contains them.
    pub removed: u64,
    /// The number of applications that are kept because this import or another import contains them too.
    pub kept: u64,
}

/// The progress of an undo: first everything is counted, then withdrawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoProgress {
    /// Whether counting has ended.
    pub counted: bool,
    /// The records counted for removal.
    pub removed: u64,
    /// The records counted to stay.
    pub kept: u64,
    /// The number withdrawn, of both. After a crash some may be missing from this count, but never from the work.
    pub done: u64,
    /// The number of drivers' items of the whole registry that were visited.
    pub items: u64,
    /// The item after which counting or withdrawing continues.
    pub after: Option<String>,
    /// Whether this pass has found a record to withdraw: then another pass follows.
    #[serde(default)]
    pub found: bool,
}
