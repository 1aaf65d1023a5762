//! The second reading of a file: gives its rows to the workers, waits for them, and writes checkpoints. (How one row is written:
//! [`crate::workers::rows`].)

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use aws_lc_rs::digest;
use cee_eligibility::{Instant, Reason};
use cee_history::{
    Answer, AnsweredRow, AnswersWriter, FileReader, Header, Line, RejectedRow, RejectedWriter, Row, Verdict, catalogue,
};
use cee_registry::Contradicted;
use cee_service::objects::{List, ObjectError};
use futures_util::FutureExt as _;
use tokio::time::Instant as Moment;

use crate::context::ImportError;
use crate::file::run::{Growing, PAUSE, Ran, Run};
use crate::file::survey::SurveyEnd;
use crate::replace::Replaces;
use crate::workers::lanes::{Done, Lanes};
use crate::workers::pace::Pace;
use crate::workers::rows::{Destination, Outcome};

/// The number of rows that are repeated at most after a crash.
const ROWS: u64 = 20_000;

/// The bytes of lines held at most until the rows before them are written: usually some of the lines that end a checkpoint.
const HELD: usize = 4 * 1024 * 1024;

/// The columns of the list of late contradictions. It names applications and lines, but no driver.
const CONTRADICTIONS: &str = "line,application_uuid,application_operator_id,application_datetime\n";

/// The result of one worker's rows.
#[derive(Default)]
struct Tally {
    imported: u64,
    already_known: u64,
    contradictions: Vec<(u64, Vec<Contradicted>)>,
    rejected: Vec<RejectedRow>,
    answered: Vec<AnsweredRow>,
    /// Lines whose row panicked.
    panicked: Vec<u64>,
}

/// A row for a worker: its line, its values, and the line as it came.
type Job<R> = (u64, R, Box<[u8]>);

/// Writes one row and adds its result.
async fn write<D: Destination>(
    to: D,
    (line, row, raw): Job<D::Row>,
    mut tally: Tally,
) -> Result<Done<Tally>, ImportError> {
    // A panic concerns this row alone. It leaves nothing half changed: the rows only read the data they share.
    let Ok(written) = AssertUnwindSafe(to.write(line, row)).catch_unwind().await else {
        tally.panicked.push(line);
        return Ok(Done { tally, throttled: false });
    };
    let written = written?;
    match written.outcome {
        Outcome::Imported { contradicts } => {
            tally.imported += 1;
            if !contradicts.is_empty() {
                tally.contradictions.push((line, contradicts));
            }
        }
        Outcome::AlreadyKnown => tally.already_known += 1,
        Outcome::Answered(answer) => tally.answered.push(AnsweredRow { line, answer, raw: raw.into_vec() }),
        Outcome::Rejected { column, reason } => {
            tally.rejected.push(RejectedRow { line, column, reason, raw: raw.into_vec() });
        }
    }
    Ok(Done { tally, throttled: written.throttled })
}

impl Run<'_> {
    /// Reads the file, or the next part of it. `to` creates the destination of the rows from the moment when the file was put.
    pub(super) async fn read<D: Destination>(mut self, to: impl FnOnce(Instant) -> D) -> Result<Ran, ImportError> {
        let began = Moment::now();
        let verdict = match self.checkpoint.verdict.clone() {
            Some(verdict) => verdict,
            None => match self.survey::<D::Row>().await? {
                SurveyEnd::Done(verdict) => verdict,
                SurveyEnd::Refused(why) => return self.refuse(&why).await,
                SurveyEnd::Paused => return Ok(Ran::Paused),
            },
        };
        let mut object = match self.open().await? {
            Ok(object) => object,
            Err(why) => return self.refuse(why).await,
        };
        let to = to(self.put_at(&object));
        let mut reader = self.reader::<D::Row>(&verdict)?;
        let mut lists = self.lists();
        let pace = Arc::new(Pace::new());
        let mut lanes = Lanes::start(&pace, move |job, tally| write(to.clone(), job, tally));
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut lines = Vec::new();
        let mut bytes = 0_u64;
        let before = self.checkpoint.progress.counts.read;
        let mut last = (Moment::now(), before);
        let mut ended = false;
        let mut turn_ends = None;
        while !ended {
            match object.body.next().await {
                Some(Ok(chunk)) => {
                    hash.update(&chunk);
                    bytes += chunk.len() as u64;
                    reader.push(&chunk);
                }
                Some(Err(_)) => return Err(ObjectError::body().into()),
                None => {
                    reader.end();
                    ended = true;
                }
            }
            loop {
                let more = reader.read(&mut lines);
                self.deal::<D>(&mut lanes, &mut lines).await?;
                self.checkpoint.progress.bytes = self.checkpoint.progress.bytes.max(bytes);
                match more {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(refusal) => {
                        if let Some(again) = self.collect(&mut lanes, &mut lists, reader.header()).await? {
                            return Ok(again);
                        }
                        let why = catalogue::file(&refusal.into(), self.language);
                        let finished = self.finish(lists).await?;
                        return Ok(Ran::Refused { why, finished });
                    }
                }
                if self.held >= HELD
                    && let Some(again) = self.collect(&mut lanes, &mut lists, reader.header()).await?
                {
                    return Ok(again);
                }
                let read = self.checkpoint.progress.counts.read;
                if read > before && turn_ends.is_none() {
                    turn_ends = self.budget.turn_ends(began);
                }
                let is_over = self.budget.is_over(read - before) || turn_ends.is_some_and(|ends| Moment::now() >= ends);
                if read - last.1 >= ROWS || last.0.elapsed() >= PAUSE || is_over {
                    if let Some(again) = self.collect(&mut lanes, &mut lists, reader.header()).await? {
                        return Ok(again);
                    }
                    self.checkpoint.reader = Some(reader.state());
                    self.keep(&mut lists).await?;
                    last = (Moment::now(), read);
                }
                if is_over {
                    return Ok(Ran::Paused);
                }
            }
        }
        if let Some(again) = self.collect(&mut lanes, &mut lists, reader.header()).await? {
            return Ok(again);
        }
        let sha256: String = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        // From here on no row is written, even if the undo of the replaced import is interrupted.
        if Replaces::of(self.file, self.hold) != Replaces::Nothing {
            self.checkpoint.reader = Some(reader.state());
            self.checkpoint.sha256 = Some(sha256.clone());
            self.keep(&mut lists).await?;
        }
        let finished = self.finish(lists).await?;
        Ok(Ran::Completed { finished, sha256 })
    }

    /// A reader of the file, which skips what was read before. It needs the file from its beginning: S3 delivers a gigabyte in some ten
    /// seconds, compressed content can be read in no other way, and the checksum covers the whole file.
    fn reader<R: Row>(&self, verdict: &Verdict) -> Result<FileReader<R>, ImportError> {
        let now = self.hold.started_at();
        let reader = match &self.checkpoint.reader {
            Some(state) => FileReader::resume(verdict, state, now),
            None => FileReader::new(verdict, now),
        };
        let reader = reader.map_err(|_| ImportError::Impossible("a checkpoint of another kind of file"))?;
        let mut reader = reader.under(&self.context.rules).in_language(self.language).keep_lines();
        reader.give_up(self.checkpoint.given_up.iter().copied());
        Ok(reader)
    }

    /// Gives rows to the workers, unless the file is only checked, and holds the rejected rows: the list keeps the order of the
    /// file.
    async fn deal<D: Destination>(
        &mut self,
        lanes: &mut Lanes<Job<D::Row>, Tally>,
        lines: &mut Vec<Line<D::Row>>,
    ) -> Result<(), ImportError> {
        let counts = &mut self.checkpoint.progress.counts;
        for line in lines.drain(..) {
            counts.read += 1;
            match line {
                Line::Row { line, row, repairs, raw } => {
                    counts.repaired(repairs);
                    if let Some(accepted) = &mut counts.accepted {
                        *accepted += 1;
                        continue;
                    }
                    let raw = raw.unwrap_or_default();
                    self.held += raw.len() + D::ANSWER;
                    lanes.send(&D::about(&row), (line, row, raw)).await?;
                }
                Line::Rejected(row) => {
                    counts.rejected += 1;
                    self.held += row.raw.len();
                    self.rejected.push(*row);
                }
            }
        }
        Ok(())
    }

    /// Waits until every given row is done, sums the results, and adds the rejected rows to their list. If rows have panicked, the
    /// run ends with that.
    async fn collect<J: Send + 'static>(
        &mut self,
        lanes: &mut Lanes<J, Tally>,
        lists: &mut Growing<'_>,
        header: &Header,
    ) -> Result<Option<Ran>, ImportError> {
        let (mut late, mut panicked) = (Vec::new(), Vec::new());
        for tally in lanes.collect().await? {
            self.checkpoint.progress.counts.imported += tally.imported;
            self.checkpoint.progress.counts.already_known += tally.already_known;
            self.checkpoint.progress.counts.rejected += tally.rejected.len() as u64;
            self.rejected.extend(tally.rejected);
            self.answered.extend(tally.answered);
            late.extend(tally.contradictions);
            panicked.extend(tally.panicked);
        }
        if !panicked.is_empty() {
            panicked.sort_unstable();
            return self.give_up(panicked).await.map(Some);
        }
        self.held = 0;
        if self.checkpoint.progress.counts.is_of_drivers() {
            self.list_answers(&mut lists.answers, header).await?;
        }
        self.list_rejected(&mut lists.rejected, header).await?;
        let list = &mut lists.contradictions;
        late.sort_unstable_by_key(|(line, _)| *line);
        for (line, contradicts) in late {
            self.checkpoint.late_contradictions += 1;
            let first = list.is_empty();
            let write = |out: &mut Vec<u8>| {
                if first {
                    out.extend_from_slice(CONTRADICTIONS.as_bytes());
                }
                for Contradicted { uuid, operator, datetime } in &contradicts {
                    out.extend_from_slice(format!("{line},{uuid},{operator},{datetime}\n").as_bytes());
                }
            };
            list.add(write).await?;
        }
        Ok(None)
    }

    /// Adds the answers about a list of drivers to their list, in the order of the file: also those about rejected rows, which stay for
    /// their own list. Counts them.
    async fn list_answers(&mut self, list: &mut List<'_>, header: &Header) -> Result<(), ImportError> {
        enum Listed<'a> {
            Answered(&'a AnsweredRow),
            Rejected(&'a RejectedRow),
        }
        let answered = std::mem::take(&mut self.answered);
        let counts = &mut self.checkpoint.progress.counts;
        for row in &answered {
            let count = match &row.answer {
                Answer::Eligible => &mut counts.eligible,
                Answer::Blocked { reason: Reason::History, .. } => &mut counts.history,
                Answer::Blocked { reason: Reason::Duplicate, .. } => &mut counts.duplicate,
            };
            *count.get_or_insert(0) += 1;
        }
        let mut rows: Vec<(u64, Listed<'_>)> = answered.iter().map(|row| (row.line, Listed::Answered(row))).collect();
        rows.extend(self.rejected.iter().map(|row| (row.line, Listed::Rejected(row))));
        rows.sort_unstable_by_key(|(line, _)| *line);
        let writer = AnswersWriter::new(header);
        for (_, row) in rows {
            let first = list.is_empty();
            let write = |out: &mut Vec<u8>| {
                if first {
                    out.append(&mut writer.header());
                }
                match row {
                    Listed::Answered(row) => writer.row(row, out),
                    Listed::Rejected(row) => writer.rejected(row, out),
                }
            };
            list.add(write).await?;
        }
        Ok(())
    }

    /// Adds the rejected rows to their list, in the order of the file.
    async fn list_rejected(&mut self, list: &mut List<'_>, header: &Header) -> Result<(), ImportError> {
        let mut rejected = std::mem::take(&mut self.rejected);
        if rejected.is_empty() {
            return Ok(());
        }
        rejected.sort_unstable_by_key(|row| row.line);
        let writer = RejectedWriter::new(header).in_language(self.language);
        for row in rejected {
            let first = list.is_empty();
            let write = |out: &mut Vec<u8>| {
                if first {
                    out.append(&mut writer.header());
                }
                writer.row(&row, out);
            };
            list.add(write).await?;
        }
        Ok(())
    }
}
