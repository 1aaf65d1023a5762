//! One file from its first byte to its report, over as many invocations as it takes.
//!
//! The file is read twice: surveyed from its beginning to its end before the first row is written, then imported. What the
//! survey decided is part of the checkpoint. A run that ends within the survey leaves nothing; the next one surveys the same
//! version of the file from its beginning, to the same verdict.
//!
//! Whoever holds the import reads the file, deals its rows to the lanes, and every so often waits for the rows that are
//! out and writes a checkpoint: the place in the file, the counts, the rejected rows so far. A later run goes on from
//! there. What was done after the last checkpoint is done again, and again has no effect.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use cee_eligibility::{Instant, Language};
use cee_history::catalogue::Closed;
use cee_history::{
    Counts, Dates, FileReader, FileRefusal, Header, LARGEST_FILE, Line, Progress, ReaderState, RejectedRow,
    RejectedWriter, Report, Row, Survey, Verdict, catalogue, name,
};
use cee_registry::{Begun, Contradicted, FileOutcome, Hold, HoldError, ImportRecord};
use cee_service::clock::machine_now;
use cee_service::metrics::{Import, Metric, Numbers, Row as RowMetric};
use futures_util::FutureExt as _;
use serde::{Deserialize, Serialize};
use tokio::time::Instant as Moment;

use crate::event::{File, Owner, unquoted};
use crate::lanes::{Done, Lanes};
use crate::pace::Pace;
use crate::replace::{self, Replaces};
use crate::report::{List, put, s3_error};
use crate::rows::{Destination, History, Journeys, Outcome};
use crate::{Budget, ImportError, Inner, NAME};

/// How many rows are done again at most after a crash.
const ROWS: u64 = 20_000;

/// How many bytes of lines are held at most until the rows before them are written: usually some of those that a checkpoint ends.
const HELD: usize = 4 * 1024 * 1024;

/// How long an import goes without a checkpoint at most: well within its lease, and soon enough for whoever watches it.
const PAUSE: Duration = Duration::from_secs(20);

/// How far an import is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// What is told of it.
    #[serde(flatten)]
    pub progress: Progress,
    /// What the survey decided; `None` before its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    /// Where reading goes on; `None` at the beginning.
    reader: Option<ReaderState>,
    /// Pieces of the list of rejected rows.
    rejected_pieces: Vec<String>,
    /// Pieces of the list of late contradictions.
    contradiction_pieces: Vec<String>,
    late_contradictions: u64,
    /// The checksum of a file that replaces an import, once all its rows are written: what is left is to take that import back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// Lines after the reader's place at which a run has panicked, in order: the next one rejects them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    given_up: Vec<u64>,
}

impl Checkpoint {
    /// The rows that the metrics tell of: none of a file that is only checked.
    fn rows(&self) -> [(RowMetric, u64); 3] {
        let Counts { imported, already_known, mut rejected, accepted, .. } = self.progress.counts;
        if accepted.is_some() {
            rejected = 0;
        }
        [(RowMetric::Imported, imported), (RowMetric::AlreadyKnown, already_known), (RowMetric::Rejected, rejected)]
    }
}

/// What the registry's team is told of an import, and nobody else: history that arrived late, which would have blocked
/// applications that are already granted.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct ForTheTeam {
    /// How many rows.
    late_contradictions: u64,
    /// The key of their list.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    list: Option<String>,
}

impl ForTheTeam {
    /// The key of the list of an import.
    pub(crate) fn key(record: &ImportRecord) -> String {
        let operator = record.operator.map_or_else(|| "journeys".to_owned(), |operator| operator.to_string());
        format!("contradictions/{operator}/{}.csv", record.id)
    }
}

/// The columns of that list. It names applications and lines, no driver.
const CONTRADICTIONS: &str = "line,application_uuid,application_operator_id,application_datetime\n";

/// What one lane's rows came to.
#[derive(Default)]
struct Tally {
    imported: u64,
    already_known: u64,
    contradictions: Vec<(u64, Vec<Contradicted>)>,
    rejected: Vec<RejectedRow>,
    /// Lines whose row panicked.
    panicked: Vec<u64>,
}

/// A row on its way to a lane: its line, what it says, and the line as it came.
type Job<R> = (u64, R, Box<[u8]>);

/// How a run ended.
enum Ran {
    /// The file was read to its end.
    Completed { finished: Finished, sha256: String },
    /// The file is refused, from its beginning or, where it turned out to be damaged, from somewhere on.
    Refused { why: String, finished: Finished },
    /// The invocation has used its budget. Another one does the rest.
    Paused,
    /// Rows have panicked. From this checkpoint on everything is done again, without them.
    Panicked(Checkpoint),
}

/// How a survey ended.
enum Looked {
    /// The file can be read.
    At(Verdict),
    /// The file is refused.
    Refused(String),
    /// The invocation has used its budget.
    Paused,
}

/// What a run that read all it had to has come to.
struct Finished {
    progress: Checkpoint,
    lists: Lists,
    told: Told,
}

/// How much of an import its metrics have told. They tell of a row once what became of it is written where the next
/// invocation goes on from: so none is told twice, whatever crashes, and what is lost is no more than one telling.
struct Told {
    worker: String,
    counts: [(RowMetric, u64); 3],
    late_contradictions: u64,
    /// When it was told.
    at: Moment,
}

impl Told {
    /// What is in the checkpoint has been told.
    fn of(checkpoint: &Checkpoint, worker: &str) -> Self {
        Self {
            worker: worker.to_owned(),
            counts: checkpoint.rows(),
            late_contradictions: checkpoint.late_contradictions,
            at: Moment::now(),
        }
    }

    /// Tells what has come to the checkpoint since, and how the import ended, if it did.
    fn tell(&mut self, inner: &Inner, record: &ImportRecord, checkpoint: &Checkpoint, ended: Option<Import>) {
        let (numbers, mut rows) = (Numbers::default(), 0);
        let metric = if record.operator.is_some() { Metric::HistoryRows } else { Metric::JourneyRows };
        for ((row, now), (_, before)) in checkpoint.rows().into_iter().zip(self.counts) {
            let since = now.saturating_sub(before);
            rows += since;
            if since > 0 {
                numbers.count(metric(row), since);
            }
        }
        let late = checkpoint.late_contradictions.saturating_sub(self.late_contradictions);
        if late > 0 {
            numbers.count(Metric::LateContradictions, late);
        }
        let seconds = self.at.elapsed().as_secs_f64();
        if rows > 0 && seconds > 0.0 {
            numbers.rate(Metric::ImportRate, rows, seconds);
        }
        if let Some(ended) = ended {
            numbers.count(Metric::Imports(ended), 1);
        }
        inner.metrics.write(&numbers, NAME, &self.worker);
        *self = Self::of(checkpoint, &self.worker);
    }
}

/// The keys of the lists beside the report, where there is anything in them.
#[derive(Default)]
struct Lists {
    rejected: Option<String>,
    contradictions: Option<String>,
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
        // Whoever ended it may have had no time left to put the report, or to tidy up.
        Begun::Ended(report) => {
            tracing::info!(import_id = %file.id, operator_id, "an import that has ended");
            put_report(inner, &record, &report).await?;
            List::clear(&inner.s3, &inner.bucket, file.id).await;
            return Ok(());
        }
    };
    tracing::info!(import_id = %file.id, operator_id, resumed = progress.is_some(), "an import begins");
    let mut checkpoint = progress.unwrap_or_default();
    let ran = loop {
        match run(inner, file, &hold, (checkpoint, worker), budget).await {
            Ok(Ran::Panicked(_)) if budget.is_over(0) => break Ok(Ran::Paused),
            Ok(Ran::Panicked(before)) => checkpoint = before,
            ran => break ran,
        }
    };
    match ran {
        Ok(Ran::Paused | Ran::Panicked(_)) => go_on_later(inner, file, &hold).await,
        Ok(Ran::Completed { finished, sha256 }) => {
            let (mut replaced, mut not_replaced) = (None, None);
            if let Replaces::Import(operator, old) = Replaces::of(file, &hold) {
                let rows = &finished.progress;
                not_replaced = replace::stays(&rows.progress.counts);
                if not_replaced.is_none() {
                    let old = (operator, old);
                    replaced = match replace::take_back_replaced(inner, old, &hold, rows, (worker, budget)).await {
                        Ok(Some(replaced)) => Some(replaced),
                        Ok(None) => return go_on_later(inner, file, &hold).await,
                        Err(ImportError::Hold(HoldError::Lost)) => return Ok(()),
                        Err(error) => return Err(error),
                    };
                }
            }
            let report = Report { replaced, not_replaced, ..report(inner, &hold, None, &finished, Some(sha256)) };
            end(inner, &hold, FileOutcome::Completed, report, finished).await
        }
        Ok(Ran::Refused { why, finished }) => {
            let report = report(inner, &hold, Some(why), &finished, None);
            end(inner, &hold, FileOutcome::Failed, report, finished).await
        }
        // Whoever has taken over does the rest.
        Err(ImportError::Hold(HoldError::Lost)) => {
            tracing::info!(import_id = %file.id, operator_id, "another invocation has taken the import over");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Lets the import go, and wakes another invocation for it.
async fn go_on_later(inner: &Inner, file: &File, hold: &Hold) -> Result<(), ImportError> {
    match inner.imports.release(hold).await {
        Ok(()) => {}
        Err(HoldError::Lost) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    wake_next(inner, file).await?;
    tracing::info!(import_id = %file.id, "an import goes on in another invocation");
    Ok(())
}

/// Wakes another invocation for a file: a note on S3 raises an event as a file does, which goes to the end of the queue.
pub(crate) async fn wake_next(inner: &Inner, file: &File) -> Result<(), ImportError> {
    let key = format!("continue/{}.json", file.id);
    put(&inner.s3, &inner.bucket, &key, "application/json", file.to_note().into_bytes()).await
}

fn report(
    inner: &Inner,
    hold: &Hold,
    error: Option<String>,
    Finished { progress: Checkpoint { progress, verdict, .. }, lists, .. }: &Finished,
    sha256: Option<String>,
) -> Report {
    let ended_at = inner.clock.now();
    let took = ended_at.millis() - hold.started_at().millis();
    Report {
        import_id: hold.record().id.to_string(),
        operator_id: hold.record().operator.map(cee_eligibility::OperatorId::get),
        key: hold.record().key.clone(),
        state: if error.is_some() { FileOutcome::Failed } else { FileOutcome::Completed }.as_str().to_owned(),
        error,
        check_only: progress.counts.accepted.is_some(),
        counts: progress.counts.clone(),
        survey: verdict.as_ref().map(Verdict::surveyed),
        // All of it, however much of a refused one was read.
        bytes: progress.bytes.max(progress.bytes_total),
        sha256,
        rejected_rows: lists.rejected.clone(),
        started_at: hold.started_at().to_string(),
        ended_at: ended_at.to_string(),
        duration_ms: u64::try_from(took).unwrap_or(0),
        work_ms: progress.work_ms,
        undone: None,
        replaced: None,
        not_replaced: None,
    }
}

/// Ends the import in the table, where only one can, then puts the report: what two runs could differ in is written once.
async fn end(
    inner: &Inner,
    hold: &Hold,
    outcome: FileOutcome,
    report: Report,
    Finished { progress, lists, mut told }: Finished,
) -> Result<(), ImportError> {
    if !report.counts.adds_up() {
        return Err(ImportError::Impossible("counts that do not add up"));
    }
    let late_contradictions = progress.late_contradictions;
    let for_the_team = ForTheTeam { late_contradictions, list: lists.contradictions };
    match inner.imports.end(hold, outcome, &report, &for_the_team).await {
        Ok(()) => {}
        Err(HoldError::Lost) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    told.tell(inner, hold.record(), &progress, Some(counted(outcome)));
    put_report(inner, hold.record(), &report).await?;
    List::clear(&inner.s3, &inner.bucket, hold.record().id).await;
    let (import_id, operator_id) = (&report.import_id, report.operator_id);
    if late_contradictions > 0 {
        tracing::warn!(import_id, operator_id, late_contradictions, "history contradicts granted applications");
    }
    let Report { state, check_only, counts, bytes, duration_ms, .. } = &report;
    let Counts { read, imported, already_known, rejected, .. } = counts;
    tracing::info!(
        import_id,
        operator_id,
        state,
        check_only,
        read,
        imported,
        already_known,
        rejected,
        bytes,
        duration_ms,
        "an import ended"
    );
    Ok(())
}

/// How an import ended, as it is counted.
pub(crate) const fn counted(outcome: FileOutcome) -> Import {
    match outcome {
        FileOutcome::Completed => Import::Completed,
        FileOutcome::Failed => Import::Failed,
        FileOutcome::Undone => Import::Undone,
    }
}

pub(crate) async fn put_report(inner: &Inner, record: &ImportRecord, report: &Report) -> Result<(), ImportError> {
    // A batch has no file, and no report beside one.
    if record.is_batch() {
        return Ok(());
    }
    let json = serde_json::to_vec_pretty(report).map_err(|_| ImportError::Impossible("a report that is no JSON"))?;
    put(&inner.s3, &inner.bucket, &record.beside(".json"), "application/json", json).await
}

/// Reads the file, unless something forbids it.
async fn run(
    inner: &Arc<Inner>,
    file: &File,
    hold: &Hold,
    (mut checkpoint, worker): (Checkpoint, &str),
    budget: Budget,
) -> Result<Ran, ImportError> {
    let wishes = hold.wishes();
    if wishes.check_only || name::is_check_only(&file.key) {
        checkpoint.progress.counts.accepted.get_or_insert(0);
    }
    let language = wishes.language.or(name::language(&file.key)).unwrap_or_default();
    let told = Told::of(&checkpoint, worker);
    let kept = checkpoint.clone();
    let (rejected, held, worked) = (Vec::new(), 0, Moment::now());
    let mut run = Run { inner, file, hold, budget, language, checkpoint, kept, rejected, held, told, worked };
    // Whatever has become of the file, of its operator or of the switches: half of a replacement would leave both histories.
    if let Some(sha256) = run.checkpoint.sha256.clone() {
        // A later invocation may have to go on with them once more.
        let pieces = (run.checkpoint.rejected_pieces.clone(), run.checkpoint.contradiction_pieces.clone());
        let lists = run.lists();
        let mut finished = run.finish(lists).await?;
        (finished.progress.rejected_pieces, finished.progress.contradiction_pieces) = pieces;
        return Ok(Ran::Completed { finished, sha256 });
    }
    // Closed for one journey type, the rows of that type are rejected alone.
    if !inner.rules.any_open(|open| open.import) {
        return run.refuse(catalogue::closed(Closed::Imports, language)).await;
    }
    if let Owner::Operator(operator) = file.owner {
        match inner.operators.find(operator).await? {
            Some(operator) if operator.suspended => {
                return run.refuse(catalogue::closed(Closed::Suspended, language)).await;
            }
            Some(_) => {}
            None => return run.refuse(catalogue::closed(Closed::Unknown, language)).await,
        }
    }
    if file.size > LARGEST_FILE {
        return run.refuse(&catalogue::file(&FileRefusal::TooLarge, language)).await;
    }
    match file.owner {
        Owner::Operator(operator) => {
            let inner = Arc::clone(inner);
            let deadline = budget.deadline;
            run.read(|_| History { inner, operator, import: file.id, language, deadline }).await
        }
        Owner::Registry => {
            run.read(|put_at| Journeys { inner: Arc::clone(inner), import: file.id, put_at, deadline: budget.deadline })
                .await
        }
    }
}

/// One run over a file, or over a part of it.
struct Run<'a> {
    inner: &'a Inner,
    file: &'a File,
    hold: &'a Hold,
    budget: Budget,
    /// In which language rejected rows are explained.
    language: Language,
    checkpoint: Checkpoint,
    told: Told,
    /// The checkpoint that was written last.
    kept: Checkpoint,
    /// Rows that the reader has rejected since rows were last collected.
    rejected: Vec<RejectedRow>,
    /// How many bytes their lines, and those of the rows that are out, have.
    held: usize,
    /// Since when the time worked is not in the checkpoint.
    worked: Moment,
}

/// The lists of a run.
struct Growing<'a> {
    rejected: List<'a>,
    contradictions: List<'a>,
}

impl<'a> Run<'a> {
    /// Reads the file, or the next part of it. `to` makes the rows' destination from the moment when the file was put.
    async fn read<D: Destination>(mut self, to: impl FnOnce(Instant) -> D) -> Result<Ran, ImportError> {
        let began = Moment::now();
        let verdict = match self.checkpoint.verdict.clone() {
            Some(verdict) => verdict,
            None => match self.survey::<D::Row>().await? {
                Looked::At(verdict) => verdict,
                Looked::Refused(why) => return self.refuse(&why).await,
                Looked::Paused => return Ok(Ran::Paused),
            },
        };
        let mut object = match self.open().await? {
            Ok(object) => object,
            Err(why) => return self.refuse(why).await,
        };
        let to = to(self.put_at(&object));
        let now = self.hold.started_at();
        // The file is read from its beginning again, and what was read of it before passed over: S3 gives a gigabyte in
        // some ten seconds, what is compressed can be read in no other way, and its checksum is that of the whole.
        let mut reader = match &self.checkpoint.reader {
            Some(state) => FileReader::<D::Row>::resume(&verdict, state, now),
            None => FileReader::<D::Row>::new(&verdict, now),
        }
        .map_err(|_| ImportError::Impossible("a checkpoint of another kind of file"))?
        .under(&self.inner.rules)
        .in_language(self.language)
        .keep_lines();
        reader.give_up(self.checkpoint.given_up.iter().copied());
        let mut lists = self.lists();
        let pace = Arc::new(Pace::new());
        let mut lanes = Lanes::start(&pace, move |(line, row, raw): Job<D::Row>, mut tally: Tally| {
            let to = to.clone();
            async move {
                // A panic is this row's own. Nothing that the others use is left half changed: what the rows share they read.
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
                    Outcome::Rejected { column, reason } => {
                        tally.rejected.push(RejectedRow { line, column, reason, raw: raw.into_vec() });
                    }
                }
                Ok(Done { tally, throttled: written.throttled })
            }
        });
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
                Some(Err(_)) => return Err(ImportError::S3 { operation: "GetObject", code: "Body".to_owned() }),
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
        // No row is written any more, whatever happens while what the file replaces is taken back.
        if Replaces::of(self.file, self.hold) != Replaces::Nothing {
            self.checkpoint.reader = Some(reader.state());
            self.checkpoint.sha256 = Some(sha256.clone());
            self.keep(&mut lists).await?;
        }
        let finished = self.finish(lists).await?;
        Ok(Ran::Completed { finished, sha256 })
    }

    /// Refuses the file, or what is left of it.
    async fn refuse(mut self, why: &str) -> Result<Ran, ImportError> {
        let lists = self.lists();
        let finished = self.finish(lists).await?;
        Ok(Ran::Refused { why: why.to_owned(), finished })
    }

    /// The lists as far as they are.
    fn lists(&mut self) -> Growing<'a> {
        let (s3, bucket, id, fence) = (&self.inner.s3, &self.inner.bucket, self.file.id, self.hold.fence());
        let list = |name, pieces: &mut Vec<String>| List::new(s3, bucket, (id, name, fence), std::mem::take(pieces));
        Growing {
            rejected: list("rejected", &mut self.checkpoint.rejected_pieces),
            contradictions: list("contradictions", &mut self.checkpoint.contradiction_pieces),
        }
    }

    /// Writes a checkpoint.
    async fn keep(&mut self, lists: &mut Growing<'_>) -> Result<(), ImportError> {
        self.checkpoint.rejected_pieces = lists.rejected.keep().await?.to_vec();
        self.checkpoint.contradiction_pieces = lists.contradictions.keep().await?.to_vec();
        let next = self.checkpoint.reader.as_ref().map_or(0, ReaderState::line);
        self.checkpoint.given_up.retain(|line| *line >= next);
        self.note_work();
        self.inner.imports.checkpoint(self.hold, &self.checkpoint, machine_now()).await?;
        self.told.tell(self.inner, self.hold.record(), &self.checkpoint, None);
        self.kept = self.checkpoint.clone();
        Ok(())
    }

    /// Goes back to the last checkpoint, from which the next run rejects the rows at these lines: as they came, and in their
    /// order, which nobody knows of a row that has become a value. Noted in the table, so that each run gets further.
    async fn give_up(&mut self, lines: Vec<u64>) -> Result<Ran, ImportError> {
        self.note_work();
        let mut kept = std::mem::take(&mut self.kept);
        kept.progress.work_ms = self.checkpoint.progress.work_ms;
        tracing::error!(import_id = %self.file.id, rows = lines.len(), line = lines.first(), "rows panicked and are rejected");
        kept.given_up.extend(lines);
        kept.given_up.sort_unstable();
        self.inner.imports.checkpoint(self.hold, &kept, machine_now()).await?;
        Ok(Ran::Panicked(kept))
    }

    fn note_work(&mut self) {
        let worked = std::mem::replace(&mut self.worked, Moment::now()).elapsed();
        self.checkpoint.progress.work_ms += u64::try_from(worked.as_millis()).unwrap_or(0);
    }

    /// Puts the lists in their places.
    async fn finish(mut self, mut lists: Growing<'_>) -> Result<Finished, ImportError> {
        let record = self.hold.record();
        let finished = Lists {
            rejected: lists.rejected.finish(record.beside(".rejected.csv")).await?,
            contradictions: lists.contradictions.finish(ForTheTeam::key(record)).await?,
        };
        self.note_work();
        Ok(Finished { progress: self.checkpoint, lists: finished, told: self.told })
    }

    /// The object, or why there is none to read.
    async fn open(&mut self) -> Result<Result<GetObjectOutput, &'static str>, ImportError> {
        let get = self.inner.s3.get_object().bucket(&self.inner.bucket).key(&self.file.key);
        let object = match get.set_version_id(self.file.version.clone()).send().await {
            Ok(object) => object,
            Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")) => {
                return Ok(Err(catalogue::closed(Closed::Gone, self.language)));
            }
            Err(error) => return Err(s3_error("GetObject")(error)),
        };
        if self.file.version.is_none() && self.file.etag.is_none() {
            return Ok(Err(catalogue::closed(Closed::Unnamed, self.language)));
        }
        // What lies there now has an event of its own.
        if self.file.version.is_none() && object.e_tag().map(unquoted) != self.file.etag.as_deref() {
            return Ok(Err(catalogue::closed(Closed::Replaced, self.language)));
        }
        let total = object.content_length().and_then(|n| u64::try_from(n).ok());
        self.checkpoint.progress.bytes_total = total.unwrap_or(0);
        Ok(Ok(object))
    }

    /// When the file was put, by S3's clock: the event says it, or else the object.
    fn put_at(&self, object: &GetObjectOutput) -> Instant {
        let last_modified = || Instant::from_millis(object.last_modified()?.to_millis().ok()?);
        self.file.put_at.or_else(last_modified).unwrap_or_else(|| self.hold.started_at())
    }

    /// Reads the file once from its beginning to its end, for what only the whole of it can tell.
    async fn survey<R: Row>(&mut self) -> Result<Looked, ImportError> {
        let mut object = match self.open().await? {
            Ok(object) => object,
            Err(why) => return Ok(Looked::Refused(why.to_owned())),
        };
        let said = Dates::confirmed_if(self.hold.wishes().dates_confirmed);
        let mut survey = Survey::<R>::new(said.or(Dates::of_name(&self.file.key)));
        let mut last = Moment::now();
        while let Some(chunk) = object.body.next().await {
            let chunk = chunk.map_err(|_| ImportError::S3 { operation: "GetObject", code: "Body".to_owned() })?;
            survey.push(&chunk);
            loop {
                match survey.read() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(refusal) => return Ok(Looked::Refused(catalogue::file(&refusal, self.language))),
                }
            }
            if self.budget.is_over(0) {
                return Ok(Looked::Paused);
            }
            if last.elapsed() >= PAUSE {
                // Nothing has come to the checkpoint but time: it holds the import.
                self.note_work();
                self.inner.imports.checkpoint(self.hold, &self.checkpoint, machine_now()).await?;
                self.kept = self.checkpoint.clone();
                last = Moment::now();
            }
        }
        Ok(match survey.verdict() {
            Ok(verdict) => {
                if let Some(why) = replace::refusal(self.inner, self.file, self.hold, &verdict).await? {
                    return Ok(Looked::Refused(why));
                }
                self.checkpoint.progress.rows_total = Some(verdict.surveyed().rows);
                self.checkpoint.verdict = Some(verdict.clone());
                self.kept = self.checkpoint.clone();
                // Once rows are written it cannot be refused for what has become of the import that it replaces.
                if Replaces::of(self.file, self.hold) != Replaces::Nothing {
                    self.inner.imports.checkpoint(self.hold, &self.checkpoint, machine_now()).await?;
                }
                Looked::At(verdict)
            }
            Err(refusal) => Looked::Refused(catalogue::file(&refusal, self.language)),
        })
    }

    /// Deals rows to the lanes, unless the file is only checked, and holds those that are rejected: in the list they stand in their
    /// order.
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
                    self.held += raw.len();
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

    /// Waits until every row that was dealt is done, adds up what they came to, and adds those that are rejected to their list. Where
    /// some have panicked, that is how the run ends.
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
            late.extend(tally.contradictions);
            panicked.extend(tally.panicked);
        }
        if !panicked.is_empty() {
            panicked.sort_unstable();
            return self.give_up(panicked).await.map(Some);
        }
        self.held = 0;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_tell_of_no_row_that_was_only_checked() {
        let counts = Counts { read: 5, imported: 2, already_known: 1, rejected: 2, ..Counts::default() };
        let of = |counts| {
            Checkpoint { progress: Progress { counts, ..Progress::default() }, ..Checkpoint::default() }.rows()
        };
        assert_eq!(of(counts).map(|(_, rows)| rows), [2, 1, 2]);
        let checked = Counts { read: 5, rejected: 2, accepted: Some(3), ..Counts::default() };
        assert_eq!(of(checked).map(|(_, rows)| rows), [0; 3]);
    }
}
