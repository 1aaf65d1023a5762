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
    fn cells(&self, text: &str, out: &mut String) {
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
    fn cell(&self, text: &str, out: &mut String) {
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

    fn end(&self, mut line: String) -> Vec<u8> {
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
