//! The normaliser of a list: `last_name` and `phone` become the values that the registry compares.

use std::borrow::Cow;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::Path;

use cee_eligibility::normalise::{identity_key, truncated_identity};
use cee_eligibility::{LastName, NormaliseError, Phone};
use cee_history::encoding::text;
use csv::{ByteRecord, ReaderBuilder, Writer, WriterBuilder};

use crate::check::beside;
use crate::output::{Input, Output, apart};
use crate::{Error, Normalise, say};

/// The positions of the columns that are read.
struct Columns {
    last_name: usize,
    phone: usize,
    /// The columns that go into the result unchanged.
    kept: Vec<usize>,
}

/// Normalises a list, and returns the exit status.
pub(crate) fn normalise(what: &Normalise) -> Result<u8, Error> {
    let list = what.list.clone().unwrap_or_default();
    let fault = |what: String| Error::List { path: list.display().to_string(), what };
    let output = what.output.clone().unwrap_or_else(|| beside(&list, "normalised"));
    let standard = output == Path::new("-");
    let refused_path = what.rejected.clone().unwrap_or_else(|| beside(&list, "rejected"));
    apart(&output, &refused_path)?;
    let Input { source, file } = Input::open(&list)?;
    let mut input = BufReader::new(LineFeeds::new(file));
    let mut first = Vec::new();
    input.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut first).map_err(Error::file(&list))?;
    // With or without a byte order mark.
    if matches!(first.as_slice(), [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..]) {
        return Err(fault("was saved as UTF-16 (\"Unicode text\"): save it as \"CSV UTF-8\"".to_owned()));
    }
    let separator = separator(&first);
    let input = io::Cursor::new(first).chain(input);
    let mut input = ReaderBuilder::new().delimiter(separator).has_headers(false).flexible(true).from_reader(input);
    let damaged = |error: csv::Error| fault(format!("cannot be read: {error}"));

    let mut record = ByteRecord::new();
    if !input.read_byte_record(&mut record).map_err(damaged)? {
        return Err(fault("is empty: it needs a header with the columns last_name and phone".to_owned()));
    }
    let header: Vec<String> =
        record.iter().map(|name| text(name).trim_start_matches('\u{feff}').trim().to_owned()).collect();
    let columns = columns(&header, what.history).map_err(fault)?;
    let name = |column: &usize| header.get(*column).map_or("", String::as_str);
    let mut names: Vec<&str> = columns.kept.iter().map(name).collect();
    names.extend(["last_name_trunc", "phone_trunc"]);
    names.extend((!what.history).then_some("identity_key"));

    let sink =
        if standard { Sink::Standard(io::stdout().lock()) } else { Sink::File(Output::create(&output, &source)?) };
    let mut out = WriterBuilder::new().delimiter(separator).from_writer(sink);
    let unwritten = |error: csv::Error| Error::file(&output)(error.into());
    out.write_record(names).map_err(unwritten)?;
    let mut refused: Option<Writer<Output>> = None;
    let (mut done, mut repaired, mut rejected) = (0_u64, 0_u64, 0_u64);
    while input.read_byte_record(&mut record).map_err(damaged)? {
        // A record's position may be that of blank lines before it. The reader's is the line after the record, and each line ends in LF.
        let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let line = input.position().line().saturating_sub(1 + within);
        let cells: Vec<Cow<'_, str>> = record.iter().map(text).collect();
        let cell = |column: usize| cells.get(column).map_or("", AsRef::as_ref);
        let driver = LastName::parse(cell(columns.last_name))
            .map_err(|error| ("last_name", error))
            .and_then(|name| Ok((name, phone(cell(columns.phone)).map_err(|error| ("phone", error))?)));
        match driver {
            Ok((name, (phone, was_repaired))) => {
                repaired += u64::from(was_repaired);
                let truncated = truncated_identity(&name, &phone);
                let mut row: Vec<&str> = columns.kept.iter().map(|column| cell(*column)).collect();
                row.extend([truncated.last_name_trunc.as_str(), truncated.phone_trunc.as_str()]);
                let key = (!what.history).then(|| identity_key(&name, &phone).to_hex());
                row.extend(key.as_deref());
                out.write_record(row).map_err(unwritten)?;
                done += 1;
            }
            Err((column, error)) => {
                let unwritten = |error: csv::Error| Error::file(&refused_path)(error.into());
                let refused = match &mut refused {
                    Some(refused) => refused,
                    None => {
                        let file = Output::create(&refused_path, &source)?;
                        let mut writer = WriterBuilder::new().delimiter(separator).flexible(true).from_writer(file);
                        let names = header.iter().map(String::as_str).chain(["line", "column", "reason"]);
                        writer.write_record(names).map_err(unwritten)?;
                        refused.insert(writer)
                    }
                };
                let (line, reason) = (line.to_string(), error.to_string());
                let padded =
                    cells.iter().map(AsRef::as_ref).chain(std::iter::repeat("")).take(header.len().max(cells.len()));
                let row = padded.chain([line.as_str(), column, reason.as_str()]);
                refused.write_record(row).map_err(unwritten)?;
                rejected += 1;
            }
        }
    }
    // If one file cannot be kept, the other still is.
    let kept = match out.into_inner() {
        Ok(Sink::File(file)) => file.finish(),
        Ok(Sink::Standard(mut standard)) => standard.flush().map_err(Error::file(&output)),
        Err(error) => Err(Error::file(&output)(error.into_error())),
    };
    if let Some(refused) = refused {
        let file = refused.into_inner().map_err(|error| Error::file(&refused_path)(error.into_error()))?;
        file.finish()?;
    }
    kept?;
    let told = format!("{}: {done} drivers normalised into {}, {rejected} rejected", list.display(), output.display());
    let told = if rejected > 0 { format!("{told} into {}", refused_path.display()) } else { told };
    let told = if repaired > 0 { format!("{told}; {repaired} phones had lost a + or a 0") } else { told };
    if standard {
        let _ = writeln!(io::stderr(), "{told}");
    } else {
        say(&told);
    }
    Ok(u8::from(rejected > 0))
}

/// Where the result is written.
enum Sink {
    Standard(io::StdoutLock<'static>),
    File(Output),
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Standard(out) => out.write(bytes),
            Self::File(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Standard(out) => out.flush(),
            Self::File(out) => out.flush(),
        }
    }
}

/// A whole phone, and whether damage by a spreadsheet was repaired.
fn phone(text: &str) -> Result<(Phone, bool), NormaliseError> {
    match Phone::parse(text) {
        Ok(phone) => Ok((phone, false)),
        Err(_) if text.trim_start().starts_with(|c: char| matches!(c, '1'..='9')) => {
            Phone::repair(text.trim()).map(|(phone, _)| (phone, true))
        }
        Err(error) => Err(error),
    }
}

/// In bytes. The first line of a file that is not a list may be endless.
const LONGEST_HEADER: u64 = 1024 * 1024;

/// A text whose lines all end in LF, the last one included, whether they ended in CR, LF or CRLF: so lines can be numbered.
struct LineFeeds<R> {
    input: R,
    /// The last byte read.
    last: u8,
    ended: bool,
}

impl<R> LineFeeds<R> {
    const fn new(input: R) -> Self {
        Self { input, last: b'\n', ended: false }
    }
}

impl<R: Read> Read for LineFeeds<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !out.is_empty() {
            let read = self.input.read(out)?;
            if read == 0 {
                self.ended = true;
                if !matches!(self.last, b'\n' | b'\r') {
                    out[0] = b'\n';
                    return Ok(1);
                }
            }
            let mut kept = 0;
            for at in 0..read {
                let byte = out[at];
                // The end of this line was already returned.
                if !(byte == b'\n' && self.last == b'\r') {
                    out[kept] = if byte == b'\r' { b'\n' } else { byte };
                    kept += 1;
                }
                self.last = byte;
            }
            if kept > 0 {
                return Ok(kept);
            }
        }
        Ok(0)
    }
}

/// The separator under which the first line has most cells.
fn separator(beginning: &[u8]) -> u8 {
    let line = beginning.split(|byte| matches!(byte, b'\n' | b'\r')).next().unwrap_or_default();
    let count = |separator: &u8| line.iter().filter(|byte| *byte == separator).count();
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

fn columns(header: &[String], history: bool) -> Result<Columns, String> {
    let find = |wanted: &str| {
        let mut found = header.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(wanted));
        match (found.next(), found.next()) {
            (Some((column, _)), None) => Ok(column),
            (None, _) => Err(format!("has no column {wanted}")),
            _ => Err(format!("has the column {wanted} more than once")),
        }
    };
    let (last_name, phone) = (find("last_name")?, find("phone")?);
    let kept = if history {
        vec![find("journey_type")?, find("datetime")?]
    } else {
        (0..header.len()).filter(|column| *column != last_name && *column != phone).collect()
    };
    Ok(Columns { last_name, phone, kept })
}
