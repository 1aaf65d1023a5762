//! The reader: chunks of bytes in, one [`Line`] a row out.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::fmt;
use std::marker::PhantomData;

use cee_eligibility::{Instant, Language, Rules};
use serde::{Deserialize, Serialize};

use crate::catalogue::{self, RowFault};
use crate::cells::Cells;
use crate::column::Field;
use crate::context::Context;
use crate::date::Written;
use crate::day::{Day, Midnights};
use crate::dialect::{Header, HeaderCell};
use crate::encoding;
use crate::fault::Fault;
use crate::lines::{KEPT, Lines, Quoting, Take, Taken, Whole};
use crate::refusal::FileError;
use crate::rejected::{Column, RejectedRow};
use crate::repair::{Repair, Repairs};
use crate::row::Row;
use crate::split::{Span, is_blank, split};
use crate::strip::bare;
use crate::survey::Verdict;

/// The result of reading one row of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<R> {
    /// A valid row.
    Row {
        /// The row's first line in the file, as an editor counts: from 1, the header included.
        line: u64,
        /// The row.
        row: R,
        /// The repairs made in it.
        repairs: Repairs,
        /// The line as it came, without its end, if [`Reader::keep_lines`] asks for it. Personal data.
        raw: Option<Box<[u8]>>,
    },
    /// A rejected row. Boxed, because it is rare and would make every row as large.
    Rejected(Box<RejectedRow>),
}

impl<R> Line<R> {
    /// The row's line in the file.
    #[must_use]
    pub const fn line(&self) -> u64 {
        match self {
            Self::Row { line, .. } => *line,
            Self::Rejected(rejected) => rejected.line,
        }
    }
}

/// The position at which reading stopped, for a checkpoint: [`Reader::resume`] continues from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderState {
    offset: u64,
    line: u64,
    after_cr: bool,
}

impl ReaderState {
    /// The offset in the file, in bytes, from which to continue: the beginning of the first line not yet handed out. For a
    /// compressed file, the offset in the unpacked content.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// The number of that line, from 1.
    #[must_use]
    pub const fn line(&self) -> u64 {
        self.line
    }
}

/// Reads a file of rows `R` as its bytes arrive, after a survey of the whole.
///
/// It buffers at most [`MAX_LINE`](crate::MAX_LINE) bytes of any file. [`Reader::push`] hands out every row that a chunk
/// completes before it returns, so that [`Reader::state`] between two chunks is a checkpoint after exactly those rows.
///
/// ```
/// use cee_eligibility::{Instant, Rules};
/// use cee_history::{Dates, FileRefusal, HistoryRow, Reader, ReaderState, survey};
///
/// let now = Instant::parse("2024-05-01T00:00:00Z").unwrap();
/// let file = b"journey_type,last_name_trunc,phone_trunc,datetime\n\
///     short,DUP,+336010203,2021-02-01\n\
///     long,D H,+2626920102,2019-02-01";
/// let verdict = survey::<HistoryRow>(file, Dates::Unconfirmed)?;
/// let mut lines = Vec::new();
///
/// // A first invocation gets as far as the middle of a row, writes a checkpoint and ends.
/// let mut reader = Reader::<HistoryRow>::new(&verdict, now)?;
/// reader.push(&file[..90], |line| lines.push(line.line()));
/// let checkpoint = serde_json::to_string(&(verdict, reader.state())).unwrap();
///
/// // The next one continues from there.
/// let (verdict, state): (_, ReaderState) = serde_json::from_str(&checkpoint).unwrap();
/// let rest = &file[state.offset() as usize..];
/// let mut reader = Reader::<HistoryRow>::resume(&verdict, &state, now)?;
/// reader.push(rest, |line| lines.push(line.line()));
/// reader.finish(|line| lines.push(line.line()));
/// assert_eq!(lines, [2, 3]);
/// # Ok::<(), FileRefusal>(())
/// ```
pub struct Reader<R> {
    lines: Lines,
    rows: Rows<R>,
}

/// The part of a reader that handles lines, not chunks.
struct Rows<R> {
    header: Header,
    /// The line that it stands in.
    header_line: u64,
    /// Whether each row has empty cells beyond those of the header as it came.
    empty_cells: bool,
    /// Lines that are rejected unread, until the reader reaches them.
    given_up: BTreeSet<u64>,
    /// Whether each row comes with its line.
    keeps_lines: bool,
    /// The language of the reasons for rejected rows.
    language: Language,
    spans: Vec<Span>,
    context: Context,
    row: PhantomData<fn() -> R>,
}

/// The rows of a reader and their destination.
struct Pouring<'a, R, F> {
    rows: &'a mut Rows<R>,
    sink: F,
}

impl<R: Row> Reader<R> {
    /// A reader at the beginning of the surveyed file, under the default rules. `now` is the moment after which history must not be
    /// dated.
    ///
    /// # Errors
    /// The [`FileError`] of a header that does not belong to this kind of file: the verdict is for another kind.
    pub fn new(verdict: &Verdict, now: Instant) -> Result<Self, FileError> {
        let context = Context {
            now,
            rules: Rules::default(),
            repairs: Repairs::NONE,
            midnights: Midnights::default(),
            month_first: verdict.is_month_first(),
        };
        let rows = Rows {
            header: Header::read(verdict.header.as_bytes(), R::FIELDS)?,
            header_line: verdict.header_line,
            empty_cells: verdict.empty_cells,
            given_up: BTreeSet::new(),
            keeps_lines: false,
            language: Language::default(),
            spans: Vec::new(),
            context,
            row: PhantomData,
        };
        Ok(Self { lines: Lines::at(0, 1, false), rows })
    }

    /// A reader that continues where another stopped: it needs the bytes from [`ReaderState::offset`] on. Give it the same verdict
    /// and the same `now` as the first reader: otherwise a row read a second time may give another result.
    ///
    /// # Errors
    /// As of [`Reader::new`].
    pub fn resume(verdict: &Verdict, state: &ReaderState, now: Instant) -> Result<Self, FileError> {
        let lines = Lines::at(state.offset, state.line, state.after_cr);
        Ok(Self { lines, ..Self::new(verdict, now)? })
    }

    /// The same reader under other rules than the default ones. The rules decide before which day history is dated, and which
    /// journey types are open for import.
    #[must_use]
    pub fn under(mut self, rules: &Rules) -> Self {
        self.rows.context.rules.clone_from(rules);
        self
    }

    /// The same reader, but it hands out each row with its line: for a caller that may have to reject it.
    #[must_use]
    pub const fn keep_lines(mut self) -> Self {
        self.rows.keeps_lines = true;
        self
    }

    /// The same reader, with the reasons for rejected rows in this language.
    #[must_use]
    pub const fn in_language(mut self, language: Language) -> Self {
        self.rows.language = language;
        self
    }

    /// Rejects the rows at these lines, even if they are valid: an earlier attempt failed at them.
    pub fn give_up(&mut self, lines: impl IntoIterator<Item = u64>) {
        self.rows.given_up.extend(lines);
    }

    /// The position at which reading can continue: after the last line handed out.
    #[must_use]
    pub const fn state(&self) -> ReaderState {
        ReaderState { offset: self.lines.offset, line: self.lines.line, after_cr: self.lines.after_cr }
    }

    /// The header, with a column for each cell that the rows have beyond it.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.rows.header
    }

    /// Takes the next bytes of the file and hands out every row they complete. How the file is cut into chunks makes no
    /// difference.
    pub fn push(&mut self, chunk: &[u8], sink: impl FnMut(Line<R>)) {
        let Ok(()) = self.lines.push(chunk, &mut Pouring { rows: &mut self.rows, sink });
    }

    /// Says that the file ends here, and hands out its last row if it has no line end.
    pub fn finish(&mut self, sink: impl FnMut(Line<R>)) {
        let Ok(()) = self.lines.finish(&mut Pouring { rows: &mut self.rows, sink });
    }

    /// The memory that the incomplete part of a line takes.
    #[cfg(test)]
    pub(crate) fn held_capacity(&self) -> usize {
        self.lines.held_capacity()
    }
}

impl<R: Row, F: FnMut(Line<R>)> Take for Pouring<'_, R, F> {
    type Error = Infallible;

    fn line(&mut self, line: Whole<'_>) -> Result<Taken, Infallible> {
        Ok(self.rows.read(line, &mut self.sink))
    }

    fn quoting(&self) -> Quoting {
        self.rows.header.quoting()
    }

    fn too_long(&mut self, beginning: &[u8], number: u64) -> Result<(), Infallible> {
        (self.sink)(Line::Rejected(Box::new(too_long(beginning, number, self.rows.language))));
        Ok(())
    }

    fn give_up(&mut self, number: u64) -> bool {
        self.rows.given_up.insert(number)
    }
}

impl<R: Row> Rows<R> {
    /// Reads one line, or the lines of one row.
    fn read(&mut self, whole: Whole<'_>, sink: &mut impl FnMut(Line<R>)) -> Taken {
        let Whole { bytes: line, text, number, .. } = whole;
        let header = &self.header;
        if number <= self.header_line || is_blank(line, header.separator_byte()) {
            return Taken::Row;
        }
        let text = text.map_or_else(|| encoding::text(line), Cow::Borrowed);
        let columns = header.columns().len();
        self.spans.resize(columns, Span::default());
        let mut found = split(text.as_bytes(), header.separator_byte(), &mut self.spans);
        if found.open && whole.may_go_on {
            return Taken::Open;
        }
        if !found.well_formed || found.count != columns {
            found.count = header.fill(text.as_bytes(), &mut self.spans, found.count);
        }
        let spans = &self.spans[..found.count.min(columns)];
        let regular = found.well_formed && found.count == columns && header.named() == columns;
        let misshapen = if regular { None } else { misshapen(header, &text, spans, found.count, self.language) };
        let month_first = self.context.month_first;
        // With the year first if the file writes the month first: rejected rows sent back alone do not show the order.
        let as_it_came = || {
            let clear = R::DATE.filter(|_| month_first).and_then(|date| year_first(header, &text, spans, date));
            clear.unwrap_or_else(|| line.to_vec())
        };
        let (column, reason) = match misshapen {
            Some(fault) => fault,
            None if self.given_up.remove(&number) => {
                (None, catalogue::row(RowFault::GivenUp, self.language).into_owned())
            }
            None => {
                let mut cells = Cells::new(&text, spans, header, &mut self.context);
                let row = R::read(&mut cells);
                let faults = cells.into_faults();
                if let Some(row) = row
                    && faults.is_empty()
                {
                    if header.has_row_names() {
                        self.context.repairs.insert(Repair::RowName);
                    }
                    if self.empty_cells && found.count > header.named() {
                        self.context.repairs.insert(Repair::EmptyCell);
                    }
                    let raw = self.keeps_lines.then(|| as_it_came().into_boxed_slice());
                    sink(Line::Row { line: number, row, repairs: self.context.repairs, raw });
                    return Taken::Row;
                }
                explain::<R>(header, faults, self.language)
            }
        };
        let raw = as_it_came();
        sink(Line::Rejected(Box::new(RejectedRow { line: number, column, reason, raw })));
        Taken::Row
    }
}

/// A line of a file that writes the month first, with the year first. Sent back with other rejected rows only, it might not show
/// that order any more.
#[cold]
fn year_first(header: &Header, text: &str, spans: &[Span], field: usize) -> Option<Vec<u8>> {
    let span = spans.get(header.position(field)).filter(|span| span.fault().is_none())?;
    let cell = span.text(text);
    let written = Written::of(bare(&cell, &mut Repairs::default()).ok()?).filter(|written| !written.year_first)?;
    let Day { year, month, day } = written.day(true);
    let mut line = text.to_owned();
    // A time may hold anything but a quote or a separator that would need one.
    let rest = if written.rest.contains(['"', header.separator()]) { return None } else { written.rest };
    line.replace_range(span.range(), &format!("{year:04}-{month:02}-{day:02}{rest}"));
    Some(line.into_bytes())
}

/// Why a line cannot be divided into cells under the columns of its file, if it cannot.
fn misshapen(
    header: &Header,
    text: &str,
    spans: &[Span],
    count: usize,
    language: Language,
) -> Option<(Option<Column>, String)> {
    let said = |fault| catalogue::row(fault, language).into_owned();
    let columns = header.columns();
    for (position, span) in spans.iter().enumerate() {
        if let Some(fault) = span.fault() {
            return Some((Some(column_name(header, position)), catalogue::cell(fault, language).into_owned()));
        }
    }
    let named = header.named();
    if count < named {
        return Some((Some(column_name(header, count)), said(RowFault::CellsMissing { count, named })));
    }
    // Only below extra separators of the header there may be empty cells.
    let filled = |span: &Span| !span.text(text).trim().is_empty();
    let stray = spans.iter().skip(named).position(filled).map(|further| named + further);
    let stray = stray.or((count > columns.len()).then_some(columns.len()))?;
    Some((Some(Column::Number(stray + 1)), said(RowFault::CellBeyond { named })))
}

fn column_name(header: &Header, position: usize) -> Column {
    match header.columns().get(position) {
        Some(HeaderCell::Field(_, name) | HeaderCell::Report(name)) => Column::Name(name),
        Some(HeaderCell::RowName | HeaderCell::Nothing) | None => Column::Number(position + 1),
    }
}

/// Every fault of a row in the order of its columns: the first column, and a reason that names the others.
#[cold]
fn explain<R: Row>(header: &Header, mut faults: Vec<(usize, Fault)>, language: Language) -> (Option<Column>, String) {
    let said = |fault| catalogue::cell(fault, language);
    faults.sort_by_key(|(field, _)| header.position(*field));
    let name = |field: usize| R::FIELDS.get(field).map_or("", Field::name);
    let mut faults = faults.into_iter();
    let Some((field, fault)) = faults.next() else {
        return (None, catalogue::row(RowFault::Unreadable, language).into_owned());
    };
    let between = catalogue::between(language);
    let reason = faults.fold(said(fault).into_owned(), |reason, (field, fault)| {
        format!("{reason}{between}{} {}", name(field), said(fault))
    });
    (Some(Column::Name(name(field))), reason)
}

#[cold]
fn too_long(line: &[u8], number: u64, language: Language) -> RejectedRow {
    let mut raw = line.get(..KEPT).unwrap_or(line);
    // Not in the middle of a character: the whole line would be read as windows-1252.
    if let Err(cut) = std::str::from_utf8(raw)
        && cut.error_len().is_none()
    {
        raw = &raw[..cut.valid_up_to()];
    }
    let reason = catalogue::row(RowFault::TooLong, language).into_owned();
    RejectedRow { line: number, column: None, reason, raw: raw.to_vec() }
}

impl<R> fmt::Debug for Reader<R> {
    /// The position, without the buffered bytes: they are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lines { offset, line, .. } = &self.lines;
        f.debug_struct("Reader").field("offset", offset).field("line", line).finish_non_exhaustive()
    }
}
