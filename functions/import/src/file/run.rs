//! One run over a file or a part of it, as both readings of the file use it: opening the object, the lists beside the report, checkpoints,
//! and how a run ends. An invocation makes one run, and another one for each row that panics.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use cee_eligibility::{Instant, Language};
use cee_history::catalogue::Closed;
use cee_history::{AnsweredRow, ReaderState, RejectedRow, catalogue};
use cee_registry::{Hold, ImportRecord};
use cee_service::clock::machine_now;
use cee_service::objects::{List, s3_error};
use std::time::Duration;
use tokio::time::Instant as Moment;

use crate::context::{Budget, Context, ImportError};
use crate::file::checkpoint::{Checkpoint, ForTheTeam, Reported, work};
use crate::file::ending::{Finished, Lists};
use crate::s3::event::{File, unquoted};

/// The longest time between two checkpoints: well within the lease, and short enough for an operator that watches the import.
pub(super) const PAUSE: Duration = Duration::from_secs(20);

/// How a run ended.
pub(super) enum Ran {
    /// The file was read to its end.
    Completed { finished: Finished, sha256: String },
    /// The file is refused: from its beginning, or from the point at which it turned out to be damaged.
    Refused { why: String, finished: Finished },
    /// The invocation has used its budget. Another one does the rest.
    Paused,
    /// Rows have panicked. The run starts again from this checkpoint, without them.
    Panicked(Checkpoint),
}

/// One run over a file or a part of it.
pub(super) struct Run<'a> {
    pub(super) context: &'a Context,
    pub(super) file: &'a File,
    pub(super) hold: &'a Hold,
    pub(super) budget: Budget,
    /// The language of the reasons for rejected rows.
    pub(super) language: Language,
    pub(super) checkpoint: Checkpoint,
    pub(super) reported: Reported,
    /// The last checkpoint written.
    pub(super) kept: Checkpoint,
    /// Rows that the reader has rejected since the last collection.
    pub(super) rejected: Vec<RejectedRow>,
    /// Rows of a list of drivers that were answered since the last collection.
    pub(super) answered: Vec<AnsweredRow>,
    /// The bytes of those rows' lines and of the lines of rows still being written.
    pub(super) held: usize,
    /// Since when working time is not in the checkpoint.
    pub(super) worked: Moment,
}

/// The lists of a run.
pub(super) struct Growing<'a> {
    pub(super) rejected: List<'a>,
    pub(super) answers: List<'a>,
    pub(super) contradictions: List<'a>,
}

impl<'a> Run<'a> {
    /// Refuses the file, or the rest of it.
    pub(super) async fn refuse(mut self, why: &str) -> Result<Ran, ImportError> {
        let lists = self.lists();
        let finished = self.finish(lists).await?;
        Ok(Ran::Refused { why: why.to_owned(), finished })
    }

    /// The lists so far.
    pub(super) fn lists(&mut self) -> Growing<'a> {
        let (s3, bucket, folder, fence) =
            (&self.context.s3, &self.context.bucket, work(self.file.id), self.hold.fence());
        let list =
            |name, pieces: &mut Vec<String>| List::new(s3, bucket, (&folder, name, fence), std::mem::take(pieces));
        Growing {
            rejected: list("rejected", &mut self.checkpoint.rejected_pieces),
            answers: list("answers", &mut self.checkpoint.answer_pieces),
            contradictions: list("contradictions", &mut self.checkpoint.contradiction_pieces),
        }
    }

    /// Writes a checkpoint.
    pub(super) async fn keep(&mut self, lists: &mut Growing<'_>) -> Result<(), ImportError> {
        self.checkpoint.rejected_pieces = lists.rejected.keep().await?.to_vec();
        self.checkpoint.answer_pieces = lists.answers.keep().await?.to_vec();
        self.checkpoint.contradiction_pieces = lists.contradictions.keep().await?.to_vec();
        let next = self.checkpoint.reader.as_ref().map_or(0, ReaderState::line);
        self.checkpoint.given_up.retain(|line| *line >= next);
        self.note_work();
        self.context.imports.checkpoint(self.hold, &self.checkpoint, machine_now()).await?;
        self.reported.report(self.context, &self.checkpoint, None);
        self.kept = self.checkpoint.clone();
        Ok(())
    }

    /// Goes back to the last checkpoint, from which the next run rejects the rows at these lines: unchanged and in the order of the
    /// file, which a parsed row no longer knows. Recorded in the table, so that each run gets further.
    pub(super) async fn give_up(&mut self, lines: Vec<u64>) -> Result<Ran, ImportError> {
        self.note_work();
        let mut kept = std::mem::take(&mut self.kept);
        kept.progress.work_ms = self.checkpoint.progress.work_ms;
        tracing::error!(import_id = %self.file.id, rows = lines.len(), line = lines.first(), "rows panicked and are rejected");
        kept.given_up.extend(lines);
        kept.given_up.sort_unstable();
        self.context.imports.checkpoint(self.hold, &kept, machine_now()).await?;
        Ok(Ran::Panicked(kept))
    }

    pub(super) fn note_work(&mut self) {
        let worked = std::mem::replace(&mut self.worked, Moment::now()).elapsed();
        self.checkpoint.progress.work_ms += u64::try_from(worked.as_millis()).unwrap_or(0);
    }

    /// Finishes the lists, each under its key.
    pub(super) async fn finish(mut self, mut lists: Growing<'_>) -> Result<Finished, ImportError> {
        let record = self.hold.record();
        let finished = Lists {
            rejected: lists.rejected.finish(record.beside(ImportRecord::REJECTED)).await?,
            answers: lists.answers.finish(record.beside(ImportRecord::ANSWERS)).await?,
            contradictions: lists.contradictions.finish(ForTheTeam::key(record)).await?,
        };
        self.note_work();
        Ok(Finished { progress: self.checkpoint, lists: finished, reported: self.reported })
    }

    /// The object, or why it cannot be read.
    pub(super) async fn open(&mut self) -> Result<Result<GetObjectOutput, &'static str>, ImportError> {
        let get = self.context.s3.get_object().bucket(&self.context.bucket).key(&self.file.key);
        let object = match get.set_version_id(self.file.version.clone()).send().await {
            Ok(object) => object,
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")) => {
                return Ok(Err(catalogue::closed(Closed::Gone, self.language)));
            }
            Err(error) => return Err(s3_error("GetObject")(error).into()),
        };
        if self.file.version.is_none() && self.file.etag.is_none() {
            return Ok(Err(catalogue::closed(Closed::Unnamed, self.language)));
        }
        // The object that is there now has its own event.
        if self.file.version.is_none() && object.e_tag().map(unquoted) != self.file.etag.as_deref() {
            return Ok(Err(catalogue::closed(Closed::Replaced, self.language)));
        }
        let total = object.content_length().and_then(|n| u64::try_from(n).ok());
        self.checkpoint.progress.bytes_total = total.unwrap_or(0);
        Ok(Ok(object))
    }

    /// When the file was put, by S3's clock: from the event, or else from the object.
    pub(super) fn put_at(&self, object: &GetObjectOutput) -> Instant {
        let last_modified = || Instant::from_millis(object.last_modified()?.to_millis().ok()?);
        self.file.put_at.or_else(last_modified).unwrap_or_else(|| self.hold.started_at())
    }
}
