//! One file from its first byte to its report, over as many invocations as it takes.
//!
//! Whoever holds the import reads the file, deals its rows to the lanes, and every so often waits for the rows that are
//! out and writes a checkpoint: the place in the file, the counts, the rejected rows so far. A later run goes on from
//! there. What was done after the last checkpoint is done again, and again has no effect.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use cee_history::{Counts, FileReader, Line, ReaderState};
use cee_registry::{Begun, FileOutcome, Hold, HoldError, ImportRecord};
use cee_service::clock::machine_now;
use serde::{Deserialize, Serialize};
use tokio::time::Instant as Moment;

use crate::event::{File, Owner, unquoted};
use crate::lanes::{Done, Lanes};
use crate::pace::Pace;
use crate::report::{RejectedRows, Report, key_beside, put, s3_error};
use crate::rows::{Destination, History, Journeys, Outcome};
use crate::{Budget, ImportError, Inner};

/// How many lines of late contradictions are listed for the registry's team.
const LISTED: usize = 1000;

/// How many rows are done again at most after a crash.
const ROWS: u64 = 20_000;

/// How long an import goes without a checkpoint at most: well within its lease, and soon enough for whoever watches it.
const PAUSE: Duration = Duration::from_secs(20);

/// The largest file, as it lies on S3: thirty times the history of all France.
const LARGEST: u64 = 5 * 1024 * 1024 * 1024;

/// How far an import is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Where reading goes on; `None` at the beginning.
    reader: Option<ReaderState>,
    /// How many rows came to what.
    #[serde(flatten)]
    pub counts: Counts,
    /// How many bytes of the file have been read, as it lies on S3.
    pub bytes: u64,
    /// Of how many.
    pub bytes_total: u64,
    /// Pieces of rejected rows.
    pieces: Vec<String>,
    #[serde(flatten)]
    contradictions: Contradictions,
}

/// History that arrived late: rows that would have blocked an application that is already granted. For the registry's
/// team, never for an operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Contradictions {
    late_contradictions: u64,
    /// Their lines in the file, the first thousand.
    late_contradiction_lines: Vec<u64>,
}

impl Contradictions {
    fn note(&mut self, line: u64) {
        self.late_contradictions += 1;
        // A lane's lines come in their order: the first thousand of the file are among the first thousand of each.
        if self.late_contradiction_lines.len() < LISTED {
            self.late_contradiction_lines.push(line);
        }
    }

    fn add(&mut self, other: Self) {
        self.late_contradictions += other.late_contradictions;
        self.late_contradiction_lines.extend(other.late_contradiction_lines);
        self.late_contradiction_lines.sort_unstable();
        self.late_contradiction_lines.truncate(LISTED);
    }
}

/// What one lane's rows came to.
#[derive(Default)]
struct Tally {
    imported: u64,
    already_known: u64,
    contradictions: Contradictions,
}

/// How a run ended.
enum Ran {
    /// The file was read to its end.
    Completed { progress: Checkpoint, sha256: String, rejected_rows: Option<String> },
    /// The file is refused, from its beginning or, where it turned out to be damaged, from somewhere on.
    Refused { why: String, progress: Checkpoint, rejected_rows: Option<String> },
    /// The invocation's time is up; the rest is another's.
    Paused,
}

impl Ran {
    fn refused(why: &str) -> Self {
        Self::Refused { why: why.to_owned(), progress: Checkpoint::default(), rejected_rows: None }
    }
}

/// Imports a file, or the next part of it, unless that has ended before.
pub(crate) async fn import(inner: &Arc<Inner>, file: &File, worker: &str, budget: Budget) -> Result<(), ImportError> {
    let operator = match file.owner {
        Owner::Operator(operator) => Some(operator),
        Owner::Registry => None,
    };
    let operator_id = operator.map(cee_eligibility::OperatorId::get);
    let record = ImportRecord { id: file.id, operator, key: file.key.clone() };
    let begun = inner.imports.begin::<Checkpoint, Report>(&record, worker, inner.clock.now(), machine_now()).await?;
    let (hold, progress) = match begun {
        Begun::Yours(hold, progress) => (hold, progress),
        Begun::Held => {
            tracing::info!(import_id = %file.id, operator_id, "an import that another invocation works on");
            return Ok(());
        }
        // Whoever ended it may have had no time left to put the report.
        Begun::Ended(report) => {
            tracing::info!(import_id = %file.id, operator_id, "an import that has ended");
            return put_report(inner, file, &report).await;
        }
    };
    tracing::info!(import_id = %file.id, operator_id, resumed = progress.is_some(), "an import begins");
    match run(inner, file, &hold, progress.unwrap_or_default(), budget).await {
        Ok(Ran::Paused) => go_on_later(inner, file, &hold).await,
        Ok(Ran::Completed { progress, sha256, rejected_rows }) => {
            let report = report(inner, file, &hold, None, &progress, Some(sha256), rejected_rows);
            end(inner, file, &hold, FileOutcome::Completed, report, progress).await
        }
        Ok(Ran::Refused { why, progress, rejected_rows }) => {
            let report = report(inner, file, &hold, Some(why), &progress, None, rejected_rows);
            end(inner, file, &hold, FileOutcome::Failed, report, progress).await
        }
        // Whoever has taken over does the rest.
        Err(ImportError::Hold(HoldError::Lost)) => {
            tracing::info!(import_id = %file.id, operator_id, "another invocation has taken the import over");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Lets the import go, and wakes another invocation for it: a note on S3 raises an event as a file does.
async fn go_on_later(inner: &Inner, file: &File, hold: &Hold) -> Result<(), ImportError> {
    match inner.imports.release(hold).await {
        Ok(()) => {}
        Err(HoldError::Lost) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    let key = format!("continue/{}.json", file.id);
    put(&inner.s3, &inner.bucket, &key, "application/json", file.to_note().into_bytes()).await?;
    tracing::info!(import_id = %file.id, "an import goes on in another invocation");
    Ok(())
}

fn report(
    inner: &Inner,
    file: &File,
    hold: &Hold,
    error: Option<String>,
    progress: &Checkpoint,
    sha256: Option<String>,
    rejected_rows: Option<String>,
) -> Report {
    let ended_at = inner.clock.now();
    let took = ended_at.millis() - hold.started_at().millis();
    Report {
        import_id: file.id.to_string(),
        operator_id: hold.record().operator.map(cee_eligibility::OperatorId::get),
        key: file.key.clone(),
        state: if error.is_some() { FileOutcome::Failed } else { FileOutcome::Completed }.as_str().to_owned(),
        error,
        counts: progress.counts.clone(),
        bytes: progress.bytes,
        sha256,
        rejected_rows,
        started_at: hold.started_at().to_string(),
        ended_at: ended_at.to_string(),
        duration_ms: u64::try_from(took).unwrap_or(0),
    }
}

/// Ends the import in the table, where only one can, then puts the report: what two runs could differ in is written once.
async fn end(
    inner: &Inner,
    file: &File,
    hold: &Hold,
    outcome: FileOutcome,
    report: Report,
    progress: Checkpoint,
) -> Result<(), ImportError> {
    if !report.counts.adds_up() {
        return Err(ImportError::Impossible("counts that do not add up"));
    }
    match inner.imports.end(hold, outcome, &report, &progress.contradictions).await {
        Ok(()) => {}
        Err(HoldError::Lost) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    put_report(inner, file, &report).await?;
    RejectedRows::clear(&inner.s3, &inner.bucket, &progress.pieces).await;
    let operator_id = report.operator_id;
    let late_contradictions = progress.contradictions.late_contradictions;
    if late_contradictions > 0 {
        tracing::warn!(import_id = %file.id, operator_id, late_contradictions, "history contradicts granted applications");
    }
    let Report { state, counts, bytes, duration_ms, .. } = &report;
    let Counts { read, imported, already_known, rejected, .. } = counts;
    tracing::info!(
        import_id = %file.id, operator_id, state, read, imported, already_known, rejected, bytes, duration_ms,
        "an import ended"
    );
    Ok(())
}

async fn put_report(inner: &Inner, file: &File, report: &Report) -> Result<(), ImportError> {
    let json = serde_json::to_vec_pretty(report).map_err(|_| ImportError::Impossible("a report that is no JSON"))?;
    put(&inner.s3, &inner.bucket, &key_beside(file, ".json"), "application/json", json).await
}

/// Reads the file, unless something forbids it.
async fn run(
    inner: &Arc<Inner>,
    file: &File,
    hold: &Hold,
    progress: Checkpoint,
    budget: Budget,
) -> Result<Ran, ImportError> {
    if !inner.rules.open.import {
        let why = "The registry has closed imports for the time being: put the file again when they are open.";
        return Ok(Ran::refused(why));
    }
    if let Owner::Operator(operator) = file.owner {
        match inner.operators.find(operator).await? {
            Some(operator) if operator.suspended => {
                return Ok(Ran::refused("The registry has suspended this operator."));
            }
            Some(_) => {}
            None => return Ok(Ran::refused("The registry does not know this operator.")),
        }
    }
    if file.size > LARGEST {
        return Ok(Ran::refused("The file is larger than 5 GiB: put it in parts, each with its own header."));
    }
    match file.owner {
        Owner::Operator(operator) => {
            let to = History { inner: Arc::clone(inner), operator, import: file.id, deadline: budget.deadline };
            Run { inner, file, hold, budget, progress }.read(to).await
        }
        Owner::Registry => {
            let file_of_all = Arc::new(file.clone());
            let to = Journeys { inner: Arc::clone(inner), file: file_of_all, deadline: budget.deadline };
            Run { inner, file, hold, budget, progress }.read(to).await
        }
    }
}

/// One run over a file, or over a part of it.
struct Run<'a> {
    inner: &'a Inner,
    file: &'a File,
    hold: &'a Hold,
    budget: Budget,
    progress: Checkpoint,
}

impl Run<'_> {
    async fn read<D: Destination>(mut self, to: D) -> Result<Ran, ImportError> {
        let mut object = match self.open().await? {
            Some(object) => object,
            None => return Ok(Ran::refused("The file was gone before it could be read: put it again.")),
        };
        // What lies there now has an event of its own.
        if self.file.version.is_none() && object.e_tag().map(unquoted) != self.file.etag.as_deref() {
            let why = "The file was replaced before it could be read: the later one has a report of its own.";
            return Ok(Ran::refused(why));
        }
        self.progress.bytes_total = object.content_length().and_then(|n| u64::try_from(n).ok()).unwrap_or(0);
        let now = self.hold.started_at();
        // The file is read from its beginning again, and what was read of it before passed over: S3 gives a gigabyte in
        // some ten seconds, what is compressed can be read in no other way, and its checksum is that of the whole.
        let mut reader = match &self.progress.reader {
            Some(state) => FileReader::<D::Row>::resume(state, now)
                .map_err(|_| ImportError::Impossible("a checkpoint of another kind of file"))?,
            None => FileReader::<D::Row>::new(now),
        };
        let pieces = std::mem::take(&mut self.progress.pieces);
        let (s3, bucket) = (&self.inner.s3, self.inner.bucket.as_str());
        let mut rejected_rows = RejectedRows::new(s3, bucket, self.file, self.hold.fence(), pieces);
        let pace = Arc::new(Pace::new());
        let mut lanes = Lanes::start(&pace, move |(line, row): (u64, D::Row), mut tally: Tally| {
            let to = to.clone();
            async move {
                let written = to.write(line, row).await?;
                match written.outcome {
                    Outcome::Imported { contradicts_granted } => {
                        tally.imported += 1;
                        if contradicts_granted {
                            tally.contradictions.note(line);
                        }
                    }
                    Outcome::AlreadyKnown => tally.already_known += 1,
                }
                Ok(Done { tally, throttled: written.throttled })
            }
        });
        let mut hash = digest::Context::new(&digest::SHA256);
        let mut lines = Vec::new();
        let mut bytes = 0_u64;
        let mut last = (Moment::now(), self.progress.counts.read);
        let mut ended = false;
        while !ended {
            match object.body.next().await {
                Some(Ok(chunk)) => {
                    hash.update(&chunk);
                    bytes += chunk.len() as u64;
                    reader.push(&chunk);
                }
                Some(Err(_)) => return Err(ImportError::S3 { operation: "GetObject", code: "Body".to_owned() }),
                None => {
                    reader.end();
                    ended = true;
                }
            }
            loop {
                let more = reader.read(&mut lines);
                self.deal::<D>(&mut lanes, &mut lines, &reader, &mut rejected_rows).await?;
                self.progress.bytes = self.progress.bytes.max(bytes);
                match more {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(refusal) => {
                        self.collect(&mut lanes).await?;
                        let rejected = rejected_rows.finish().await?;
                        self.progress.pieces = rejected_rows.into_pieces();
                        let why = refusal.to_string();
                        return Ok(Ran::Refused { why, progress: self.progress, rejected_rows: rejected });
                    }
                }
                let out_of_time = self.budget.is_over();
                let due = self.progress.counts.read - last.1 >= ROWS || last.0.elapsed() >= PAUSE;
                if due || out_of_time {
                    self.collect(&mut lanes).await?;
                    self.progress.reader = Some(reader.state());
                    self.progress.pieces = rejected_rows.keep().await?.to_vec();
                    self.inner.imports.checkpoint(self.hold, &self.progress, machine_now()).await?;
                    last = (Moment::now(), self.progress.counts.read);
                }
                if out_of_time {
                    return Ok(Ran::Paused);
                }
            }
        }
        self.collect(&mut lanes).await?;
        let sha256 = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let rejected = rejected_rows.finish().await?;
        self.progress.pieces = rejected_rows.into_pieces();
        Ok(Ran::Completed { progress: self.progress, sha256, rejected_rows: rejected })
    }

    /// The object, unless it is gone.
    async fn open(&self) -> Result<Option<GetObjectOutput>, ImportError> {
        let get = self.inner.s3.get_object().bucket(&self.inner.bucket).key(&self.file.key);
        match get.set_version_id(self.file.version.clone()).send().await {
            Ok(object) => Ok(Some(object)),
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")) => Ok(None),
            Err(error) => Err(s3_error("GetObject")(error)),
        }
    }

    /// Deals rows to the lanes, and rejected rows to their file.
    async fn deal<D: Destination>(
        &mut self,
        lanes: &mut Lanes<(u64, D::Row), Tally>,
        lines: &mut Vec<Line<D::Row>>,
        reader: &FileReader<D::Row>,
        rejected_rows: &mut RejectedRows<'_>,
    ) -> Result<(), ImportError> {
        for line in lines.drain(..) {
            self.progress.counts.read += 1;
            match line {
                Line::Row { line, row, repairs } => {
                    self.progress.counts.repaired(repairs);
                    lanes.send(&D::about(&row), (line, row)).await?;
                }
                Line::Rejected(row) => {
                    self.progress.counts.rejected += 1;
                    let header = reader.header().ok_or(ImportError::Impossible("a row without a header"))?;
                    rejected_rows.add(&row, header).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until every row that was dealt is done, and adds up what they came to.
    async fn collect<J: Send + 'static>(&mut self, lanes: &mut Lanes<J, Tally>) -> Result<(), ImportError> {
        for tally in lanes.collect().await? {
            self.progress.counts.imported += tally.imported;
            self.progress.counts.already_known += tally.already_known;
            self.progress.contradictions.add(tally.contradictions);
        }
        Ok(())
    }
}
