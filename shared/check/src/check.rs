//! The check of a file: the registry's own reader, and no registry.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use cee_eligibility::{Instant, Journey};
use cee_history::{Counts, FileReader, FileRefusal, HistoryRow, LARGEST_FILE, Line, RejectedWriter, Repair, Row};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{Check, Error, say};

/// How many rejected rows are told of at once; all of them are in their file.
const TOLD: usize = 10;

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// What came of a file. Serialises with the names of the registry's report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The file's name.
    pub file: String,
    /// `completed`, or `failed` where the registry would refuse it whole.
    pub state: &'static str,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Rows read.
    pub read: u64,
    /// Rows that the registry would take: whether it knows them already, only the registry can tell.
    pub accepted: u64,
    /// Rows that it would reject.
    pub rejected: u64,
    /// For each kind of repair the rows it was done in.
    pub repairs: BTreeMap<Repair, u64>,
    /// The size of the file.
    pub bytes: u64,
    /// The SHA-256 of the file, where it was read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Where the rejected rows are, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_rows: Option<String>,
}

/// Checks files, and returns the exit status.
pub(crate) fn files(check: &Check) -> Result<u8, Error> {
    let now = check.now.map_or_else(now, Ok)?;
    let mut worst = 0;
    for path in &check.files {
        let rejected = match &check.rejected {
            Some(rejected) if check.files.len() == 1 => rejected.clone(),
            Some(rejected) => {
                let what = "--rejected takes the rows of a single file".to_owned();
                return Err(Error::List { path: rejected.display().to_string(), what });
            }
            None => beside(path, "rejected"),
        };
        let code = if check.journeys {
            file::<Journey>(path, &rejected, now, check.json)
        } else {
            file::<HistoryRow>(path, &rejected, now, check.json)
        };
        match code {
            Ok(code) => worst = worst.max(code),
            // The other files are checked all the same.
            Err(error) => {
                let _ = writeln!(io::stderr(), "error: {error}");
                worst = 2;
            }
        }
    }
    Ok(worst)
}

#[allow(clippy::disallowed_methods)]
fn now() -> Result<Instant, Error> {
    let what = || Error::List { path: "the machine's clock".to_owned(), what: "is broken: give --now".to_owned() };
    Instant::from_millis(chrono::Utc::now().timestamp_millis()).ok_or_else(what)
}

/// `history.csv.gz` and `rejected`: `history.rejected.csv` in the same folder.
pub(crate) fn beside(path: &Path, what: &str) -> PathBuf {
    if path == Path::new("-") {
        return PathBuf::from(format!("stdin.{what}.csv"));
    }
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let bare = name.strip_suffix(".gz").unwrap_or(&name);
    let bare = bare.rsplit_once('.').map_or(bare, |(bare, _)| bare);
    path.with_file_name(format!("{bare}.{what}.csv"))
}

fn file<R: Row>(path: &Path, rejected: &Path, now: Instant, json: bool) -> Result<u8, Error> {
    let mut told = Vec::new();
    let checked = check::<R>(path, rejected, now, |line, column, reason| {
        if told.len() < TOLD {
            told.push(match column {
                "" => format!("  line {line}: {reason}"),
                column => format!("  line {line}, {column}: {reason}"),
            });
        }
    })?;
    if json {
        say(&serde_json::to_string(&checked).unwrap_or_default());
    } else {
        tell(&checked, &told);
    }
    Ok(match (checked.state, checked.rejected) {
        ("failed", _) => 2,
        (_, 0) => 0,
        _ => 1,
    })
}

fn tell(checked: &Checked, told: &[String]) {
    let Checked { file, error, read, accepted, rejected, repairs, rejected_rows, .. } = checked;
    if let Some(error) = error {
        say(&format!("{file}: would be refused. {error}"));
        if *read == 0 {
            return;
        }
    }
    say(&format!("{file}: {read} rows read, {accepted} would be accepted, {rejected} rejected"));
    for (repair, rows) in repairs {
        say(&format!("  {}: repaired in {rows} rows", repair.as_str()));
    }
    for line in told {
        say(line);
    }
    let more = rejected.saturating_sub(told.len() as u64);
    if more > 0 {
        say(&format!("  … and {more} more"));
    }
    if let Some(rejected_rows) = rejected_rows {
        say(&format!("  the rejected rows, with their reasons: {rejected_rows}"));
    }
}

/// Checks one file, and writes the rows that would be rejected as the registry would.
///
/// `told` is called for each of them with line, column and reason.
///
/// # Errors
/// [`Error::File`] where the file cannot be read, or its rejected rows cannot be written.
pub fn check<R: Row>(
    path: &Path,
    rejected: &Path,
    now: Instant,
    mut told: impl FnMut(u64, &str, &str),
) -> Result<Checked, Error> {
    let (mut input, size): (Box<dyn Read>, u64) = if path == Path::new("-") {
        (Box::new(io::stdin().lock()), 0)
    } else {
        let file = File::open(path).map_err(Error::file(path))?;
        let size = file.metadata().map_err(Error::file(path))?.len();
        (Box::new(file), size)
    };
    let bar = bar(path, size);
    let mut reader = FileReader::<R>::new(now);
    let mut out: Option<(RejectedWriter, BufWriter<File>)> = None;
    let mut counts = Counts::default();
    let (mut bytes, mut hash) = (0_u64, Sha256::new());
    let (mut lines, mut buffer, mut row) = (Vec::new(), vec![0; CHUNK], Vec::new());
    let mut refusal = None;
    let mut ended = false;
    'file: while !ended {
        let length = input.read(&mut buffer).map_err(Error::file(path))?;
        let chunk = buffer.get(..length).unwrap_or_default();
        bytes += length as u64;
        if bytes > LARGEST_FILE {
            refusal = Some(FileRefusal::TooLarge);
            break;
        }
        if chunk.is_empty() {
            reader.end();
            ended = true;
        } else {
            hash.update(chunk);
            reader.push(chunk);
        }
        loop {
            let more = reader.read(&mut lines);
            for line in lines.drain(..) {
                counts.read += 1;
                match line {
                    Line::Row { repairs, .. } => {
                        counts.imported += 1;
                        counts.repaired(repairs);
                    }
                    Line::Rejected(refused) => {
                        counts.rejected += 1;
                        let column = refused.column.map(|column| column.to_string()).unwrap_or_default();
                        told(refused.line, &column, &refused.reason);
                        row.clear();
                        let (writer, out) = match &mut out {
                            Some(out) => out,
                            None => {
                                let Some(header) = reader.header() else { continue };
                                let writer = RejectedWriter::new(header);
                                row.append(&mut writer.header());
                                let file = File::create(rejected).map_err(Error::file(rejected))?;
                                out.insert((writer, BufWriter::new(file)))
                            }
                        };
                        writer.row(&refused, &mut row);
                        out.write_all(&row).map_err(Error::file(rejected))?;
                    }
                }
            }
            match more {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    refusal = Some(error);
                    break 'file;
                }
            }
        }
        bar.set_position(bytes);
    }
    bar.finish_and_clear();
    let rejected_rows = match out {
        Some((_, mut out)) => {
            out.flush().map_err(Error::file(rejected))?;
            Some(rejected.display().to_string())
        }
        None => None,
    };
    let whole = refusal.is_none();
    Ok(Checked {
        file: path.display().to_string(),
        state: if whole { "completed" } else { "failed" },
        error: refusal.map(|refusal| refusal.to_string()),
        read: counts.read,
        accepted: counts.imported,
        rejected: counts.rejected,
        repairs: counts.repairs,
        // All of it, however much of a refused one was read.
        bytes: bytes.max(size),
        sha256: whole.then(|| hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
        rejected_rows,
    })
}

/// Shows itself on a terminal only.
fn bar(path: &Path, size: u64) -> ProgressBar {
    let bar = if size > 0 { ProgressBar::new(size) } else { ProgressBar::no_length() };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let style = "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.with_message(name)
}
