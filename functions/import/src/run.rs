//! One file from its first byte to its report.

use std::sync::Arc;

use aws_lc_rs::digest;
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use cee_eligibility::Instant;
use cee_history::{Counts, Line, Reader};
use cee_registry::{Begun, Deadline, FileOutcome, ImportRecord};
use serde::Serialize;
use tokio::time::Instant as Moment;

use crate::event::{File, Owner, unquoted};
use crate::lanes::Lanes;
use crate::report::{RejectedRows, Report, key_beside, put, s3_error};
use crate::rows::{Destination, History, Journeys, Outcome};
use crate::{ImportError, Inner};

/// How many lines of late contradictions are listed for the registry's team.
const LISTED: usize = 1000;

/// How reading a file ended.
enum Read {
    /// It was read to its end.
    Completed(Rows),
    /// It was refused whole; why.
    Refused(String),
}

/// What its rows came to.
#[derive(Default)]
struct Rows {
    counts: Counts,
    contradictions: Contradictions,
    bytes: u64,
    sha256: Option<String>,
    rejected_rows: Option<String>,
}

/// History that arrived late: rows that would have blocked an application that is already granted. For the registry's
/// team, never for an operator.
#[derive(Default, Serialize)]
struct Contradictions {
    late_contradictions: u64,
    /// Their lines in the file, the first thousand.
    late_contradiction_lines: Vec<u64>,
}

/// What is kept of an import.
#[derive(Serialize)]
struct Kept<'a> {
    report: &'a Report,
    #[serde(flatten)]
    contradictions: &'a Contradictions,
}

/// What one lane's rows came to.
#[derive(Default)]
struct Tally {
    imported: u64,
    already_known: u64,
    contradictions: Contradictions,
}

impl Contradictions {
    fn note(&mut self, line: u64) {
        self.late_contradictions += 1;
        // A lane's lines come in their order: the first thousand of the file are among the first thousand of each.
        if self.late_contradiction_lines.len() < LISTED {
            self.late_contradiction_lines.push(line);
        }
    }
}

/// Imports a file, unless that has ended before.
pub(crate) async fn import(inner: &Arc<Inner>, file: &File, deadline: Deadline) -> Result<(), ImportError> {
    let began = Moment::now();
    let operator = match file.owner {
        Owner::Operator(operator) => Some(operator),
        Owner::Registry => None,
    };
    let mut record = ImportRecord { id: file.id, operator, key: file.key.clone(), started_at: inner.clock.now() };
    let operator_id = operator.map(cee_eligibility::OperatorId::get);
    match inner.imports.begin(&record).await? {
        Begun::Ended(_) => {
            tracing::info!(import_id = %file.id, operator_id, "an import that has ended; its event came again");
            return Ok(());
        }
        Begun::New => tracing::info!(import_id = %file.id, operator_id, "an import begins"),
        Begun::Again => {
            // A row that lay in the future then is refused now as well: the same file gets the same report.
            record.started_at = inner.imports.begun_at(&record).await?;
            tracing::info!(import_id = %file.id, operator_id, "an import is taken up again");
        }
    }
    let (outcome, error, rows) = match read(inner, file, record.started_at, deadline).await? {
        Read::Completed(rows) => (FileOutcome::Completed, None, rows),
        Read::Refused(error) => (FileOutcome::Failed, Some(error), Rows::default()),
    };
    if !rows.counts.adds_up() {
        return Err(ImportError::Impossible("counts that do not add up"));
    }
    let ended_at = inner.clock.now();
    let report = Report {
        import_id: file.id.to_string(),
        operator_id,
        key: file.key.clone(),
        state: outcome.as_str(),
        error,
        counts: rows.counts,
        bytes: rows.bytes,
        sha256: rows.sha256,
        rejected_rows: rows.rejected_rows,
        started_at: record.started_at.to_string(),
        ended_at: ended_at.to_string(),
        duration_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    };
    let json = serde_json::to_vec_pretty(&report).map_err(|_| ImportError::Impossible("a report that is no JSON"))?;
    // The report first: an import that has ended has its report, whenever somebody looks.
    put(&inner.s3, &inner.bucket, &key_beside(file, ".json"), "application/json", json).await?;
    let kept = Kept { report: &report, contradictions: &rows.contradictions };
    inner.imports.end(&record, outcome, ended_at, &kept).await?;
    let late_contradictions = rows.contradictions.late_contradictions;
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

/// Reads the file, unless something forbids it.
async fn read(inner: &Arc<Inner>, file: &File, now: Instant, deadline: Deadline) -> Result<Read, ImportError> {
    let refused = |why: &str| Ok(Read::Refused(why.to_owned()));
    if !inner.rules.open.import {
        return refused("The registry has closed imports for the time being: put the file again when they are open.");
    }
    if let Owner::Operator(operator) = file.owner {
        match inner.operators.find(operator).await? {
            Some(operator) if operator.suspended => return refused("The registry has suspended this operator."),
            Some(_) => {}
            None => return refused("The registry does not know this operator."),
        }
    }
    let object = match open(inner, file).await? {
        Some(object) => object,
        None => return refused("The file was gone before it could be read: put it again."),
    };
    // What lies there now has an event of its own.
    if file.version.is_none() && object.e_tag().map(unquoted) != file.etag.as_deref() {
        return refused("The file was replaced before it could be read: the later one has a report of its own.");
    }
    match file.owner {
        Owner::Operator(operator) => {
            let to = History { inner: Arc::clone(inner), operator, import: file.id, deadline };
            read_rows(inner, file, object, to, now).await
        }
        Owner::Registry => {
            let to = Journeys { inner: Arc::clone(inner), file: Arc::new(file.clone()), deadline };
            read_rows(inner, file, object, to, now).await
        }
    }
}

/// The object, unless it is gone.
async fn open(inner: &Inner, file: &File) -> Result<Option<GetObjectOutput>, ImportError> {
    let get = inner.s3.get_object().bucket(&inner.bucket).key(&file.key).set_version_id(file.version.clone());
    match get.send().await {
        Ok(object) => Ok(Some(object)),
        Err(error) if matches!(error.code(), Some("NoSuchKey" | "NoSuchVersion")) => Ok(None),
        Err(error) => Err(s3_error("GetObject")(error)),
    }
}

async fn read_rows<D: Destination>(
    inner: &Inner,
    file: &File,
    object: GetObjectOutput,
    to: D,
    now: Instant,
) -> Result<Read, ImportError> {
    let mut rejected_rows = RejectedRows::new(&inner.s3, &inner.bucket, key_beside(file, ".rejected.csv"));
    let read = stream(object, to, now, &mut rejected_rows).await;
    if !matches!(read, Ok(Read::Completed(_))) {
        rejected_rows.abandon().await;
    }
    read
}

/// The whole way of a file's bytes: chunk by chunk, line by line, row by row.
async fn stream<D: Destination>(
    mut object: GetObjectOutput,
    to: D,
    now: Instant,
    rejected_rows: &mut RejectedRows<'_>,
) -> Result<Read, ImportError> {
    let lanes = Lanes::start(move |(line, row): (u64, D::Row), mut tally: Tally| {
        let to = to.clone();
        async move {
            match to.write(line, row).await? {
                Outcome::Imported { contradicts_granted } => {
                    tally.imported += 1;
                    if contradicts_granted {
                        tally.contradictions.note(line);
                    }
                }
                Outcome::AlreadyKnown => tally.already_known += 1,
            }
            Ok(tally)
        }
    });
    let mut reader = Reader::<D::Row>::new(now);
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut rows = Rows::default();
    let mut lines = Vec::new();
    loop {
        let chunk = match object.body.next().await {
            Some(Ok(chunk)) => Some(chunk),
            Some(Err(_)) => return Err(ImportError::S3 { operation: "GetObject", code: "Body".to_owned() }),
            None => None,
        };
        let pushed = match &chunk {
            Some(chunk) => {
                hash.update(chunk);
                rows.bytes += chunk.len() as u64;
                reader.push(chunk, |line| lines.push(line))
            }
            None => reader.finish(|line| lines.push(line)),
        };
        if let Err(error) = pushed {
            return Ok(Read::Refused(format!("The file {error}.")));
        }
        for line in lines.drain(..) {
            rows.counts.read += 1;
            match line {
                Line::Row { line, row, repairs } => {
                    rows.counts.repaired(repairs);
                    if !lanes.send(&D::about(&row), (line, row)).await {
                        // A lane has failed: it says why when it is asked for its tally.
                        lanes.finish().await?;
                        return Err(ImportError::Impossible("a lane that ended early"));
                    }
                }
                Line::Rejected(row) => {
                    rows.counts.rejected += 1;
                    let header = reader.header().ok_or(ImportError::Impossible("a row without a header"))?;
                    rejected_rows.add(&row, header).await?;
                }
            }
        }
        if chunk.is_none() {
            break;
        }
    }
    for tally in lanes.finish().await? {
        rows.counts.imported += tally.imported;
        rows.counts.already_known += tally.already_known;
        rows.contradictions.late_contradictions += tally.contradictions.late_contradictions;
        rows.contradictions.late_contradiction_lines.extend(tally.contradictions.late_contradiction_lines);
    }
    rows.contradictions.late_contradiction_lines.sort_unstable();
    rows.contradictions.late_contradiction_lines.truncate(LISTED);
    rows.sha256 = Some(hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect());
    rows.rejected_rows = rejected_rows.finish().await?;
    Ok(Read::Completed(rows))
}
