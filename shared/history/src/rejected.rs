//! The rejected rows, as they came and with the reason: the `.rejected.csv` beside the report.

use std::borrow::Cow;
use std::fmt;

use cee_eligibility::Language;

use crate::catalogue;
use crate::dialect::Header;
use crate::encoding;
use crate::split::{Span, split};

/// The column at which a row was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Column {
    /// One of the file's columns.
    Name(&'static str),
    /// The number, from 1, of a cell that stands under no column.
    Number(usize),
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => number.fmt(f),
        }
    }
}

/// A rejected row.
#[derive(Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The row's first line in the file, from 1, the header included.
    pub line: u64,
    /// The first column at fault; `None` if the whole line is at fault.
    pub column: Option<Column>,
    /// Every fault, and what to do about it. Repeats no value.
    pub reason: String,
    /// The row as it came, without its line end; for a line that is too long, its beginning. Personal data.
    pub raw: Vec<u8>,
}

impl fmt::Debug for RejectedRow {
    /// Everything but the line itself, which is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedRow")
            .field("line", &self.line)
            .field("column", &self.column)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// Writes the rejected rows of one file as CSV: its own columns in its own order, header and separator, then `line`, `column` and
/// `reason`, in French `ligne`, `colonne` and `motif`. Each row in gives one row out, and the output always follows
/// RFC 4180.
///
/// - UTF-8 with a byte order mark: without it Excel reads UTF-8 as windows-1252 and shows `Ã©` for `é`.
/// - Lines end in LF, which every spreadsheet and every command-line tool reads.
/// - A row with as many cells as the header is written as it came. A row with missing cells is filled up with empty cells, and a
///   row with extra cells keeps them in its last column: `line`, `column` and `reason` always stand under their names. A cell with
///   a quote where RFC 4180 allows none is put in quotes. Control characters become `�`, except line breaks in quotes.
/// - The reader skips the three columns, so a corrected rejected file can be sent back as it is. If rows of it are rejected again,
///   the columns are replaced.
///
/// The writer keeps no state: the output of several writers for the same header can be joined.
#[derive(Clone, Debug)]
pub struct RejectedWriter {
    header: Header,
    language: Language,
}

impl RejectedWriter {
    /// A writer for the rejected rows of a file with this header.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        Self { header: header.clone(), language: Language::default() }
    }

    /// The same writer, with the names of its columns in this language.
    #[must_use]
    pub const fn in_language(mut self, language: Language) -> Self {
        self.language = language;
        self
    }

    /// The header line of the file, as it came.
    pub(crate) fn header_text(&self) -> &str {
        self.header.text()
    }

    /// The byte order mark and the header line.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        let mut line = String::from('\u{feff}');
        self.cells(self.header.text(), &mut line);
        for column in catalogue::columns(self.language) {
            self.cell(column, &mut line);
        }
        self.end(line)
    }

    /// Adds one row.
    pub fn row(&self, row: &RejectedRow, out: &mut Vec<u8>) {
        let mut line = String::with_capacity(row.raw.len() + row.reason.len() + 48);
        self.cells(&encoding::text(&row.raw), &mut line);
        self.cell(&row.line.to_string(), &mut line);
        self.cell(&row.column.map(|column| column.to_string()).unwrap_or_default(), &mut line);
        self.cell(&row.reason, &mut line);
        out.append(&mut self.end(line));
    }

    /// The cells of a line under the columns of its file, each followed by a separator.
    pub(crate) fn cells(&self, text: &str, out: &mut String) {
        let (columns, named) = (self.header.columns(), self.header.named());
        let mut spans = vec![Span::default(); columns.len()];
        let found = split(text.as_bytes(), self.header.separator_byte(), &mut spans);
        let count = self.header.fill(text.as_bytes(), &mut spans, found.count);
        spans.truncate(count);
        let surplus = count > columns.len() || spans.iter().skip(named).any(|s| !s.text(text).trim().is_empty());
        // The rest of a line with too many cells belongs to the last column that is not replaced by ours.
        let last = columns.iter().take(named).rposition(|column| !column.is_report());
        for (position, column) in columns.iter().enumerate().take(named) {
            let span = spans.get(position).copied();
            if surplus && Some(position) == last {
                self.cell(span.map_or("", |span| span.rest(text)), out);
            } else if !column.is_report() {
                match span {
                    Some(span) if span.is_strict(text) => self.raw(span, text, out),
                    Some(span) => self.cell(span.raw(text), out),
                    None => out.push(self.header.separator()),
                }
            }
        }
    }

    /// A cell as it came.
    fn raw(&self, span: Span, text: &str, out: &mut String) {
        out.push_str(&printable(span.raw(text)));
        out.push(self.header.separator());
    }

    /// A cell, in quotes if it needs them.
    pub(crate) fn cell(&self, text: &str, out: &mut String) {
        let text = printable(text);
        if text.contains(['"', self.header.separator(), '\n', '\r']) {
            out.push('"');
            out.push_str(&text.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(&text);
        }
        out.push(self.header.separator());
    }

    pub(crate) fn end(&self, mut line: String) -> Vec<u8> {
        line.pop();
        line.push('\n');
        line.into_bytes()
    }
}

/// Control characters would make the file unreadable for some programs: NUL ends it. Line breaks are within quotes.
fn printable(text: &str) -> Cow<'_, str> {
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r');
    if text.contains(control) { Cow::Owned(text.replace(control, "\u{fffd}")) } else { Cow::Borrowed(text) }
}

/// The rejected rows of a file as [`RejectedWriter`] wrote them, for a page that shows them. Its cells are personal data.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct RejectedTable {
    /// The names of the columns: the file's own, and the three that the writer adds.
    pub header: Vec<String>,
    /// The rows, each with as many cells as the header.
    pub rows: Vec<Vec<String>>,
}

impl fmt::Debug for RejectedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RejectedTable").field("rows", &self.rows.len()).finish_non_exhaustive()
    }
}

impl RejectedTable {
    /// Reads at most `most` rows of a rejected file, or of its beginning: a last row without its line end is left out. A row that the
    /// writer did not write is left out, too.
    #[must_use]
    pub fn read(file: &[u8], most: usize) -> Self {
        let text = String::from_utf8_lossy(file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file));
        // The header ends in the writer's own columns, so what stands before the last one is the separator.
        let first = text.split('\n').next().unwrap_or_default();
        let separator = Language::ALL.into_iter().find_map(|language| {
            let [.., last] = catalogue::columns(language);
            first.strip_suffix(last)?.chars().next_back()
        });
        let Some(separator) = separator else { return Self::default() };
        let mut records = records(&text, separator);
        let header = records.next().unwrap_or_default();
        let rows = records.filter(|row| row.len() == header.len()).take(most).collect();
        Self { header, rows }
    }
}

/// The records of a text in RFC 4180, each of which ends in LF. Quotes are doubled within quotes.
fn records(text: &str, separator: char) -> impl Iterator<Item = Vec<String>> + '_ {
    let mut letters = text.chars().peekable();
    std::iter::from_fn(move || {
        let (mut record, mut cell, mut quoted) = (Vec::new(), String::new(), false);
        loop {
            match letters.next()? {
                '"' if quoted && letters.next_if_eq(&'"').is_some() => cell.push('"'),
                '"' if quoted => quoted = false,
                '"' if cell.is_empty() => quoted = true,
                letter if letter == separator && !quoted => record.push(std::mem::take(&mut cell)),
                '\n' if !quoted => {
                    record.push(cell);
                    return Some(record);
                }
                letter => cell.push(letter),
            }
        }
    })
}

#[cfg(test)]
mod reading {
    use super::*;
    use crate::{Dates, HistoryRow, Line, Reader, survey};
    use cee_eligibility::Instant;

    fn rejected(file: &[u8], language: Language) -> Vec<u8> {
        let now = Instant::parse("2024-05-01T00:00:00Z").unwrap();
        let verdict = survey::<HistoryRow>(file, Dates::Unconfirmed).unwrap();
        let mut reader = Reader::<HistoryRow>::new(&verdict, now).unwrap();
        let mut lines = Vec::new();
        reader.push(file, |line| lines.push(line));
        reader.finish(|line| lines.push(line));
        let writer = RejectedWriter::new(reader.header()).in_language(language);
        let mut csv = writer.header();
        for line in &lines {
            if let Line::Rejected(row) = line {
                writer.row(row, &mut csv);
            }
        }
        csv
    }

    #[test]
    fn table_is_read_as_it_was_written() {
        for (separator, language) in [(",", Language::English), (";", Language::French), ("\t", Language::French)] {
            let file = "journey_type;last_name_trunc;phone_trunc;datetime\r\nshort;\"<b>\"\"x\";1;a\r\nshort;\u{e9};2;\"b;\nc\"\r\n"
                .replace(';', separator);
            let csv = rejected(file.as_bytes(), language);
            let table = RejectedTable::read(&csv, 10);
            assert_eq!(table.header[..4], ["journey_type", "last_name_trunc", "phone_trunc", "datetime"]);
            assert_eq!(table.header[4..], catalogue::columns(language));
            assert_eq!(table.rows.len(), 2, "{table:?}");
            assert_eq!(table.rows[0][1], "<b>\"x");
            assert_eq!(table.rows[0][4], "2");
            assert_eq!(table.rows[1][3], format!("b{separator}\nc"));
            assert_eq!(RejectedTable::read(&csv, 1).rows, table.rows[..1]);
            // Cut anywhere: whole rows, and never another one.
            for end in 0..csv.len() {
                let cut = RejectedTable::read(&csv[..end], 10);
                assert!(table.rows.starts_with(&cut.rows), "cut at {end}");
            }
        }
    }

    #[test]
    fn what_the_writer_did_not_write_is_no_table() {
        for file in [&b""[..], b"\n", b"a,b\n1,2\n", b"reason", b"\xff\xfe"] {
            assert_eq!(RejectedTable::read(file, 10).rows, Vec::<Vec<String>>::new(), "{file:?}");
        }
    }
}
