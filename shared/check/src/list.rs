//! The normaliser of a list: `last_name` and `phone` become the values that the registry compares.

use std::borrow::Cow;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::Path;

use cee_eligibility::normalise::{identity_key, truncated_identity};
use cee_eligibility::{LastName, NormaliseError, Phone};
use cee_history::Unpack;
use cee_history::encoding::text;
use cee_history::refusal::Form;
use csv::{ByteRecord, ReaderBuilder, Writer, WriterBuilder};

use crate::args::Normalise;
use crate::check::beside;
use crate::error::Error;
use crate::output::{Input, Output, Source, apart, say};

/// The positions of the columns that are read.
struct Columns {
    last_name: usize,
    phone: usize,
    /// The columns that go into the result unchanged.
    kept: Vec<usize>,
}

impl Columns {
    /// The names of the result's columns.
    fn names<'a>(&self, header: &'a [String], history: bool) -> Vec<&'a str> {
        let kept = self.kept.iter().map(|column| header.get(*column).map_or("", String::as_str));
        kept.chain(["last_name_trunc", "phone_trunc"]).chain((!history).then_some("identity_key")).collect()
    }
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
    let mut input = BufReader::new(LineFeeds::new(Unpacked::new(file)));
    let mut first = Vec::new();
    input.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut first).map_err(Error::file(&list))?;
    if sets_separator(&first) {
        // A blank line in its place keeps the numbers of the lines.
        first = vec![b'\n'];
        input.by_ref().take(LONGEST_HEADER).read_until(b'\n', &mut first).map_err(Error::file(&list))?;
    }
    let form = Form::of(first.trim_ascii_end());
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
    // A file that is no CSV has no such columns: what it is helps more.
    let columns = columns(&header, what.history).map_err(|missing| fault(form.map_or(missing, not_csv)))?;

    let sink =
        if standard { Sink::Standard(io::stdout().lock()) } else { Sink::File(Output::create(&output, &source)?) };
    let mut out = WriterBuilder::new().delimiter(separator).from_writer(sink);
    let unwritten = |error: csv::Error| Error::file(&output)(error.into());
    out.write_record(columns.names(&header, what.history)).map_err(unwritten)?;
    let mut refused =
        Refused { path: &refused_path, source: &source, separator, header: &header, writer: None, rows: 0 };
    let (mut done, mut repaired) = (0_u64, 0_u64);
    while input.read_byte_record(&mut record).map_err(damaged)? {
        // A record's position may be that of blank lines before it. The reader's is the line after the record, and each line ends in LF.
        let within = record.as_slice().iter().filter(|byte| **byte == b'\n').count() as u64;
        let swallowed = record.iter().position(|cell| holds_a_row(cell, separator, header.len()));
        // A quote that is open at the end of the list takes the last line feed, too.
        let has_end = swallowed.is_none() || !record.as_slice().ends_with(b"\n");
        let line = input.position().line().saturating_sub(u64::from(has_end) + within);
        let cells: Vec<Cow<'_, str>> = record.iter().map(text).collect();
        if let Some(column) = swallowed {
            refused.add(&cells, line, header.get(column).map_or("", String::as_str), SWALLOWED)?;
            continue;
        }
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
            Err((column, error)) => refused.add(&cells, line, column, &error.to_string())?,
        }
    }
    // If one file cannot be kept, the other still is.
    let kept = match out.into_inner() {
        Ok(Sink::File(file)) => file.finish(),
        Ok(Sink::Standard(mut standard)) => standard.flush().map_err(Error::file(&output)),
        Err(error) => Err(Error::file(&output)(error.into_error())),
    };
    let rejected = refused.rows;
    refused.finish()?;
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

/// The file of rejected rows. The first of them makes it.
struct Refused<'a> {
    path: &'a Path,
    /// The list, which must not be written over.
    source: &'a Source,
    separator: u8,
    header: &'a [String],
    writer: Option<Writer<Output>>,
    rows: u64,
}

impl Refused<'_> {
    /// Adds a row, with its line and what is wrong in which column.
    fn add(&mut self, cells: &[Cow<'_, str>], line: u64, column: &str, reason: &str) -> Result<(), Error> {
        let unwritten = |error: csv::Error| Error::file(self.path)(error.into());
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => {
                let file = Output::create(self.path, self.source)?;
                let mut writer = WriterBuilder::new().delimiter(self.separator).flexible(true).from_writer(file);
                let names = self.header.iter().map(String::as_str).chain(["line", "column", "reason"]);
                writer.write_record(names).map_err(unwritten)?;
                self.writer.insert(writer)
            }
        };
        let line = line.to_string();
        let width = self.header.len().max(cells.len());
        let padded = cells.iter().map(AsRef::as_ref).chain(std::iter::repeat("")).take(width);
        writer.write_record(padded.chain([line.as_str(), column, reason])).map_err(unwritten)?;
        self.rows += 1;
        Ok(())
    }

    fn finish(self) -> Result<(), Error> {
        let Some(writer) = self.writer else { return Ok(()) };
        let file = writer.into_inner().map_err(|error| Error::file(self.path)(error.into_error()))?;
        file.finish()
    }
}

/// Why a row is rejected whose cell holds other rows.
const SWALLOWED: &str = "opens a quote that is not closed, so it holds whole rows of the list, which are not normalised: close the quote, \
                         or double a quote that belongs to the value";

/// Whether a cell in quotes goes on over a whole row of the list: as many cells as the header has on one of its lines.
fn holds_a_row(cell: &[u8], separator: u8, columns: usize) -> bool {
    let cells = |line: &[u8]| line.iter().filter(|byte| **byte == separator).count() + 1;
    cell.contains(&b'\n') && cell.split(|byte| *byte == b'\n').any(|line| cells(line) >= columns)
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

/// The content of a file that may be compressed, with gzip or as a zip of one file.
struct Unpacked<R> {
    input: R,
    unpack: Unpack,
    /// The piece that is being read, and how much of it was.
    piece: io::Cursor<Vec<u8>>,
    ended: bool,
}

impl<R> Unpacked<R> {
    fn new(input: R) -> Self {
        Self { input, unpack: Unpack::default(), piece: io::Cursor::default(), ended: false }
    }
}

impl<R: Read> Read for Unpacked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.piece.read(out)?;
            if read > 0 || out.is_empty() {
                return Ok(read);
            }
            match self.unpack.piece().map_err(io::Error::other)? {
                Some(piece) => self.piece = io::Cursor::new(piece),
                None if self.ended => return Ok(0),
                None => {
                    let mut chunk = vec![0; PIECE];
                    let length = self.input.read(&mut chunk)?;
                    if length == 0 {
                        self.unpack.end();
                        self.ended = true;
                    } else {
                        self.unpack.push(chunk.get(..length).unwrap_or_default());
                    }
                }
            }
        }
    }
}

/// How much of a file is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// What to do with a file of another form. A list holds whole names and phones: it is never sent.
fn not_csv(form: Form) -> String {
    match form {
        Form::Json => "is JSON, not a CSV file: write it as CSV".to_owned(),
        Form::Twice | Form::Zstd | Form::Xz | Form::Bzip2 | Form::Lz4 | Form::SevenZip | Form::Rar => {
            "is compressed, and not once with gzip or zip: unpack it".to_owned()
        }
        form => form.to_string(),
    }
}

/// Whether the first line only sets the separator in Excel (`sep=;`), as some programs write it.
fn sets_separator(line: &[u8]) -> bool {
    let line = text(line);
    let line = line.trim_start_matches('\u{feff}').trim_end_matches(['\r', '\n']).trim_matches('"');
    line.chars().count() == 5 && line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("sep="))
}

/// The separator under which the first line that is not blank has most cells.
fn separator(beginning: &[u8]) -> u8 {
    let mut lines = beginning.split(|byte| matches!(byte, b'\n' | b'\r'));
    let line = lines.find(|line| !line.is_empty()).unwrap_or_default();
    let count = |separator: &u8| line.iter().filter(|byte| *byte == separator).count();
    [b'\t', b';', b','].into_iter().max_by_key(count).unwrap_or(b',')
}

fn columns(header: &[String], history: bool) -> Result<Columns, String> {
    let find = |wanted: &str| {
        let mut found = header.iter().enumerate().filter(|(_, name)| name.eq_ignore_ascii_case(wanted));
        match (found.next(), found.next()) {
            (Some((column, _)), None) => Ok(column),
            (None, _) => Err(format!(
                "has no column {wanted}: its first line must name last_name and phone, separated by commas, semicolons or tabs"
            )),
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
