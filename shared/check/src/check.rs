//! The check of a file: the registry's own reader, without a registry.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, Write as _};
use std::path::{Path, PathBuf};

use cee_eligibility::{Instant, Journey, Language};
use cee_history::{
    Counts, DateOrder, Dates, DriverRow, FileReader, FileRefusal, Header, HistoryRow, LARGEST_FILE, Line, RejectedRow,
    RejectedWriter, Repair, Row, Survey, Surveyed, Verdict, catalogue, name,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::args::Check;
use crate::error::Error;
use crate::output::{Input, Output, Source, say};

/// The number of rejected rows shown at once; all of them are in their file.
const TOLD: usize = 10;

/// How much of a file is read at once.
const CHUNK: usize = 256 * 1024;

/// The result of a check. Serialises with the names of the registry's report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The file's name.
    pub file: String,
    /// `completed`, or `failed` if the registry would refuse the whole file.
    pub state: &'static str,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Rows read.
    pub read: u64,
    /// Rows that the registry would take. Only the registry can tell whether it has them already.
    pub accepted: u64,
    /// Rows that it would reject.
    pub rejected: u64,
    /// For each kind of repair the rows it was done in.
    pub repairs: BTreeMap<Repair, u64>,
    /// The survey's result for the whole file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub survey: Option<Surveyed>,
    /// The size of the file.
    pub bytes: u64,
    /// The SHA-256 of the file, if it was read to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The file with the rejected rows, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected_rows: Option<String>,
}

/// The options of a check.
#[derive(Clone, Copy, Debug)]
pub struct How {
    /// The moment after which no date may lie.
    pub now: Instant,
    /// Whether the operator confirms its dates, besides its name.
    pub dates: Dates,
    /// The language of the reasons for rejected rows; if not set, the language in its name.
    pub language: Option<Language>,
}

/// Checks files, and returns the exit status.
pub(crate) fn files(check: &Check) -> Result<u8, Error> {
    let now = check.now.map_or_else(now, Ok)?;
    let how = How { now, dates: Dates::confirmed_if(check.dates_confirmed), language: check.language };
    let mut worst = 0;
    for path in &check.files {
        let rejected = match &check.rejected {
            Some(rejected) if rejected == Path::new("-") => {
                let what =
                    "is the standard output, which shows the result: name a file for the rejected rows".to_owned();
                return Err(Error::List { path: "-".to_owned(), what });
            }
            Some(rejected) if check.files.len() == 1 => rejected.clone(),
            Some(rejected) => {
                let what = "--rejected takes the rows of a single file".to_owned();
                return Err(Error::List { path: rejected.display().to_string(), what });
            }
            None => beside(path, "rejected"),
        };
        let code = if check.journeys {
            file::<Journey>(path, &rejected, how, check.json)
        } else if check.drivers || name::is_list_of_drivers(&path.to_string_lossy()) {
            file::<DriverRow>(path, &rejected, how, check.json)
        } else {
            file::<HistoryRow>(path, &rejected, how, check.json)
        };
        match code {
            Ok(code) => worst = worst.max(code),
            // The other files are still checked.
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
    let bare = name.strip_suffix(".gz").or_else(|| name.strip_suffix(".zip")).unwrap_or(&name);
    let bare = bare.rsplit_once('.').map_or(bare, |(bare, _)| bare);
    path.with_file_name(format!("{bare}.{what}.csv"))
}

fn file<R: Row>(path: &Path, rejected: &Path, how: How, json: bool) -> Result<u8, Error> {
    let mut told = Vec::new();
    let (mut checked, out) = read::<R>(path, rejected, how, |line, column, reason| {
        if told.len() < TOLD {
            told.push(match column {
                "" => format!("  line {line}: {reason}"),
                column => format!("  line {line}, {column}: {reason}"),
            });
        }
    })?;
    // The result is printed whether or not the rejected rows can be written.
    let kept = out.map_or(Ok(()), Output::finish);
    if kept.is_err() {
        checked.rejected_rows = None;
    }
    if json {
        say(&serde_json::to_string(&checked).unwrap_or_default());
    } else {
        tell(&checked, &told);
    }
    kept?;
    Ok(match (checked.state, checked.rejected) {
        ("failed", _) => 2,
        (_, 0) => 0,
        _ => 1,
    })
}

fn tell(checked: &Checked, told: &[String]) {
    let Checked { file, error, read, accepted, rejected, repairs, rejected_rows, survey, .. } = checked;
    if let Some(error) = error {
        say(&format!("{file}: would be refused. {error}"));
        if *read == 0 {
            return;
        }
    }
    say(&format!("{file}: {read} rows read, {accepted} would be accepted, {rejected} rejected"));
    if survey.is_some_and(|survey| survey.date_order == DateOrder::Undecided) {
        say("  dates such as 03/05/2021 are read with the day first, because no date shows which is the day");
    }
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
/// `told` is called for each rejected row with line, column and reason.
///
/// # Errors
/// [`Error::File`] if the file cannot be read, or its rejected rows cannot be written. [`Error::Taken`] if another file has their
/// place.
pub fn check<R: Row>(
    path: &Path,
    rejected: &Path,
    how: How,
    told: impl FnMut(u64, &str, &str),
) -> Result<Checked, Error> {
    let (checked, out) = read::<R>(path, rejected, how, told)?;
    out.map_or(Ok(()), Output::finish)?;
    Ok(checked)
}

/// As [`check`], but the caller finishes the file of rejected rows.
fn read<R: Row>(
    path: &Path,
    rejected: &Path,
    How { now, dates, language }: How,
    mut told: impl FnMut(u64, &str, &str),
) -> Result<(Checked, Option<Output>), Error> {
    let language = language.or(name::language(&path.to_string_lossy())).unwrap_or_default();
    let Input { source, file } = Input::open(path)?;
    let (mut input, size) = twice(path, file)?;
    let bar = bar(path, size);
    let verdict = survey::<R>(path, &mut input, dates.or(Dates::of_name(&path.to_string_lossy())))?;
    input.rewind().map_err(Error::file(path))?;
    let survey = verdict.as_ref().ok().map(Verdict::surveyed);
    let mut out = Rejected { path: rejected, source: &source, language, out: None, row: Vec::new() };
    let mut counts = Counts::default();
    let (mut bytes, mut hash) = (0_u64, Sha256::new());
    let (mut lines, mut buffer) = (Vec::new(), vec![0; CHUNK]);
    let mut reader = verdict.and_then(|verdict| Ok(FileReader::<R>::new(&verdict, now)?.in_language(language)));
    let mut ended = false;
    while let (Ok(reader_of_rows), false) = (&mut reader, ended) {
        let length = input.read(&mut buffer).map_err(Error::file(path))?;
        let chunk = buffer.get(..length).unwrap_or_default();
        bytes += length as u64;
        if chunk.is_empty() {
            reader_of_rows.end();
            ended = true;
        } else {
            hash.update(chunk);
            reader_of_rows.push(chunk);
        }
        let read = loop {
            let more = reader_of_rows.read(&mut lines);
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
                        out.add(&refused, reader_of_rows.header())?;
                    }
                }
            }
            match more {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(error) => break Err(error),
            }
        };
        if let Err(error) = read {
            reader = Err(error.into());
        }
        bar.set_position(bytes);
    }
    bar.finish_and_clear();
    let out = out.out.map(|(_, out)| out);
    let refusal = reader.err();
    let whole = refusal.is_none();
    let checked = Checked {
        file: path.display().to_string(),
        state: if whole { "completed" } else { "failed" },
        error: refusal.map(|refusal| catalogue::file(&refusal, language)),
        read: counts.read,
        accepted: counts.imported,
        rejected: counts.rejected,
        repairs: counts.repairs,
        survey,
        // The whole size, however much of a refused file was read.
        bytes: bytes.max(size),
        sha256: whole.then(|| hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()),
        rejected_rows: out.is_some().then(|| rejected.display().to_string()),
    };
    Ok((checked, out))
}

/// The file of rejected rows. The first of them makes it.
struct Rejected<'a> {
    path: &'a Path,
    /// The checked file, which must not be written over.
    source: &'a Source,
    language: Language,
    out: Option<(RejectedWriter, Output)>,
    /// The row that is written.
    row: Vec<u8>,
}

impl Rejected<'_> {
    fn add(&mut self, refused: &RejectedRow, header: &Header) -> Result<(), Error> {
        self.row.clear();
        let (writer, out) = match &mut self.out {
            Some(out) => out,
            None => {
                let writer = RejectedWriter::new(header).in_language(self.language);
                self.row.append(&mut writer.header());
                self.out.insert((writer, Output::create(self.path, self.source)?))
            }
        };
        writer.row(refused, &mut self.row);
        out.write_all(&self.row).map_err(Error::file(self.path))
    }
}

/// A source that can be read twice.
trait Twice: Read + Seek {}
impl<T: Read + Seek> Twice for T {}

/// The content of a file and its size. A source that cannot be read twice is kept in memory: a pipe, or the standard input, which
/// may be a file that was partly read.
fn twice(path: &Path, file: File) -> Result<(Box<dyn Twice>, u64), Error> {
    let metadata = file.metadata().map_err(Error::file(path))?;
    if metadata.is_file() && path != Path::new("-") {
        return Ok((Box::new(file), metadata.len()));
    }
    let mut content = Vec::new();
    file.take(LARGEST_FILE + 1).read_to_end(&mut content).map_err(Error::file(path))?;
    let size = content.len() as u64;
    Ok((Box::new(Cursor::new(content)), size))
}

/// Surveys the whole file.
fn survey<R: Row>(path: &Path, input: &mut impl Read, dates: Dates) -> Result<Result<Verdict, FileRefusal>, Error> {
    let mut survey = Survey::<R>::new(dates);
    let (mut buffer, mut bytes) = (vec![0; CHUNK], 0_u64);
    loop {
        let length = input.read(&mut buffer).map_err(Error::file(path))?;
        let Some(chunk) = buffer.get(..length).filter(|chunk| !chunk.is_empty()) else {
            return Ok(survey.verdict());
        };
        bytes += length as u64;
        if bytes > LARGEST_FILE {
            return Ok(Err(FileRefusal::TooLarge));
        }
        survey.push(chunk);
        loop {
            match survey.read() {
                Ok(true) => {}
                Ok(false) => break,
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
    }
}

/// Printed on a terminal only.
fn bar(path: &Path, size: u64) -> ProgressBar {
    let bar = if size > 0 { ProgressBar::new(size) } else { ProgressBar::no_length() };
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let style = "{msg} {wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.with_message(name)
}
