//! The reader: chunks of bytes in, one [`Line`] a row out.

use std::any::Any;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use cee_eligibility::{Instant, Rules};
use memchr::memchr2;
use serde::{Deserialize, Serialize};

use crate::cells::{CellError, Cells, Context, Span, is_blank, split};
use crate::date::Midnights;
use crate::dialect::{FileError, Header, HeaderCell, not_a_header};
use crate::encoding;
use crate::rejected::{Column, RejectedRow};
use crate::repair::Repairs;

/// The longest line there may be, in bytes without its end. A row is some fifty bytes long; what is longer than this is
/// no row, and this much is all that the reader ever holds back.
pub const MAX_LINE: usize = 64 * 1024;

/// How much of a longer line is kept to be shown.
const KEPT: usize = 1024;

/// What is said of a row at which this software failed. That is no fault of the row's, and may pass.
const GIVEN_UP: &str = "internal: the registry failed at this row, and its team is told: send it again later";

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A kind of row, and with it a kind of file: [`HistoryRow`](crate::HistoryRow) or [`Journey`](cee_eligibility::Journey).
pub trait Row: Sized {
    /// The columns of the file.
    const FIELDS: &'static [Field];

    /// Reads one row. `None` or a fault noted in `cells` refuses it.
    fn read(cells: &mut Cells<'_>) -> Option<Self>;
}

/// A column that a kind of file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    name: &'static str,
    required: bool,
}

impl Field {
    /// A column that every file must have.
    #[must_use]
    pub const fn required(name: &'static str) -> Self {
        Self { name, required: true }
    }

    /// A column that a file may have.
    #[must_use]
    pub const fn optional(name: &'static str) -> Self {
        Self { name, required: false }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether every file must have it.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// What became of one row of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line<R> {
    /// A row that holds what it should.
    Row {
        /// Its line in the file, as an editor counts: from 1, the header included.
        line: u64,
        /// The row.
        row: R,
        /// What was repaired in it.
        repairs: Repairs,
    },
    /// A row that does not. Boxed, for it is rare, and every row would be as large as it otherwise.
    Rejected(Box<RejectedRow>),
}

impl<R> Line<R> {
    /// Its line in the file.
    #[must_use]
    pub const fn line(&self) -> u64 {
        match self {
            Self::Row { line, .. } => *line,
            Self::Rejected(rejected) => rejected.line,
        }
    }
}

/// Where reading stopped, to be kept in a checkpoint: [`Reader::resume`] goes on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReaderState {
    offset: u64,
    line: u64,
    after_cr: bool,
    header: Option<String>,
}

impl ReaderState {
    /// The place in the file, in bytes, from which to read on: the beginning of the first line not yet handed out. Of a
    /// compressed file, the place in what comes out of it.
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

/// Reads a file of rows `R` as its bytes arrive.
///
/// It holds back at most [`MAX_LINE`] bytes, whatever the file. Every row that a chunk completes is handed out before
/// [`Reader::push`] returns, so that [`Reader::state`] between two chunks is a checkpoint after exactly those rows.
///
/// ```
/// use cee_eligibility::{Instant, Rules};
/// use cee_history::{FileError, HistoryRow, Reader, ReaderState};
///
/// let now = Instant::parse("2024-05-01T00:00:00Z").unwrap();
/// let file = b"journey_type,last_name_trunc,phone_trunc,datetime\n\
///     short,DUP,+336010203,2021-02-01\n\
///     long,D H,+2626920102,2019-02-01";
/// let mut lines = Vec::new();
///
/// // A first invocation gets as far as the middle of a row, writes a checkpoint and ends.
/// let mut reader = Reader::<HistoryRow>::new(now);
/// reader.push(&file[..90], |line| lines.push(line.line()))?;
/// let checkpoint = serde_json::to_string(&reader.state()).unwrap();
///
/// // The next one goes on from there.
/// let state: ReaderState = serde_json::from_str(&checkpoint).unwrap();
/// let rest = &file[state.offset() as usize..];
/// let mut reader = Reader::<HistoryRow>::resume(&state, now)?;
/// reader.push(rest, |line| lines.push(line.line()))?;
/// reader.finish(|line| lines.push(line.line()))?;
/// assert_eq!(lines, [2, 3]);
/// # Ok::<(), FileError>(())
/// ```
pub struct Reader<R> {
    /// The beginning of a line whose end has not arrived; of a line that is too long the part that is kept.
    held: Vec<u8>,
    /// How many bytes of that line have arrived.
    arrived: u64,
    /// Where that line begins.
    offset: u64,
    /// Its number.
    line: u64,
    /// Whether the last byte was a CR: an LF after it belongs to the same line end.
    after_cr: bool,
    /// Why the file was refused, if it was.
    refused: Option<FileError>,
    rows: Rows<R>,
}

/// The part of a reader that knows lines, not chunks.
struct Rows<R> {
    header: Option<Header>,
    /// Lines that are rejected unread, until they come by.
    given_up: BTreeSet<u64>,
    spans: Vec<Span>,
    context: Context,
    row: PhantomData<fn() -> R>,
}

impl<R: Row> Reader<R> {
    /// A reader at the beginning of a file, under the default rules. `now` is the moment that nothing in a history may lie
    /// after.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        let context = Context { now, rules: Rules::default(), repairs: Repairs::NONE, midnights: Midnights::default() };
        Self {
            held: Vec::new(),
            arrived: 0,
            offset: 0,
            line: 1,
            after_cr: false,
            refused: None,
            rows: Rows { header: None, given_up: BTreeSet::new(), spans: Vec::new(), context, row: PhantomData },
        }
    }

    /// A reader that goes on where another stopped: it wants the bytes from [`ReaderState::offset`] on. Give it the same
    /// `now` as the first: else a row read a second time may no longer lie in the future.
    ///
    /// # Errors
    /// The [`FileError`] of a header that is none of this kind of file: the state belongs to another.
    pub fn resume(state: &ReaderState, now: Instant) -> Result<Self, FileError> {
        let mut reader = Self::new(now);
        reader.offset = state.offset;
        reader.line = state.line;
        reader.after_cr = state.after_cr;
        reader.rows.header = state.header.as_ref().map(|text| Header::read(text.as_bytes(), R::FIELDS)).transpose()?;
        Ok(reader)
    }

    /// The same reader under other rules than the default ones. They say before which day history is dated, and which
    /// journey types are open for import.
    #[must_use]
    pub fn under(mut self, rules: &Rules) -> Self {
        self.rows.context.rules.clone_from(rules);
        self
    }

    /// Rejects the rows at these lines, whatever is in them: those at which whoever took them before has failed.
    pub fn give_up(&mut self, lines: impl IntoIterator<Item = u64>) {
        self.rows.given_up.extend(lines);
    }

    /// Where reading can go on: after the last line handed out.
    #[must_use]
    pub fn state(&self) -> ReaderState {
        ReaderState {
            offset: self.offset,
            line: self.line,
            after_cr: self.after_cr,
            header: self.header().map(|header| header.text().to_owned()),
        }
    }

    /// The header, once it has arrived.
    #[must_use]
    pub const fn header(&self) -> Option<&Header> {
        self.rows.header.as_ref()
    }

    /// Takes the next bytes of the file and hands out every row they complete. How the file is cut into chunks makes no
    /// difference.
    ///
    /// # Errors
    /// [`FileError`] where the file is refused whole. That is decided on its header, before the first row, and every
    /// later call says the same.
    pub fn push(&mut self, chunk: &[u8], mut sink: impl FnMut(Line<R>)) -> Result<(), FileError> {
        let mut rest = chunk;
        self.check()?;
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            if let Some(further) = rest.strip_prefix(b"\n") {
                rest = further;
                self.offset += 1;
            }
        }
        // Valid UTF-8 is told faster in one go than line by line. What comes after the first byte that is not is told so.
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => rest.get(..error.valid_up_to()).and_then(|rest| std::str::from_utf8(rest).ok()).unwrap_or(""),
        };
        let whole = rest.len();
        loop {
            // Around the chunk: around each row the benchmark feels it.
            match catch_unwind(AssertUnwindSafe(|| self.lines(&mut rest, whole, valid, &mut sink))) {
                Ok(read) => break read?,
                // The line at which it panicked is still there.
                Err(panic) => self.take_back(memchr2(b'\n', b'\r', rest).unwrap_or(0), panic),
            }
        }
        self.hold(rest)
    }

    /// Takes the complete lines off the front of `rest`, the end of a chunk of `whole` bytes that begins with `valid`.
    fn lines(
        &mut self,
        rest: &mut &[u8],
        whole: usize,
        valid: &str,
        sink: &mut impl FnMut(Line<R>),
    ) -> Result<(), FileError> {
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let at = whole - rest.len();
            let (line, tail) = rest.split_at(end);
            let line_end = if tail.starts_with(b"\r\n") { 2 } else { 1 };
            self.after_cr = tail == b"\r";
            self.line_complete(line, valid.get(at..at + end), sink)?;
            self.offset += line_end as u64;
            *rest = &tail[line_end..];
        }
        Ok(())
    }

    /// After a panic: makes it as if the end of the line, so many bytes, had not arrived, and gives the line up. Where it
    /// panics even so, passing over does not help.
    #[cold]
    fn take_back(&mut self, length: usize, panic: Box<dyn Any + Send>) {
        if !self.rows.given_up.insert(self.line) {
            resume_unwind(panic);
        }
        self.arrived = self.arrived.saturating_sub(length as u64);
        // Of a line that is read either all of it is held or nothing.
        self.held.truncate(usize::try_from(self.arrived).unwrap_or(usize::MAX));
    }

    /// Says that the file ends here, and hands out its last row if it has no line end.
    ///
    /// # Errors
    /// [`FileError`] as of [`Reader::push`], and [`FileError::Empty`] where there was no header.
    pub fn finish(&mut self, mut sink: impl FnMut(Line<R>)) -> Result<(), FileError> {
        self.check()?;
        while self.arrived > 0 {
            match catch_unwind(AssertUnwindSafe(|| self.line_complete(&[], None, &mut sink))) {
                Ok(read) => read?,
                Err(panic) => self.take_back(0, panic),
            }
        }
        if self.rows.header.is_none() {
            return self.refuse(FileError::Empty);
        }
        Ok(())
    }

    /// How much memory the part of a line that waits for the rest of it takes.
    #[cfg(test)]
    pub(crate) fn held_capacity(&self) -> usize {
        self.held.capacity()
    }

    fn check(&self) -> Result<(), FileError> {
        self.refused.clone().map_or(Ok(()), Err)
    }

    fn refuse(&mut self, error: FileError) -> Result<(), FileError> {
        self.held = Vec::new();
        self.refused = Some(error.clone());
        Err(error)
    }

    /// Keeps the beginning of a line until the rest of it arrives.
    fn hold(&mut self, part: &[u8]) -> Result<(), FileError> {
        let too_long = self.arrived > MAX_LINE as u64;
        self.arrived += part.len() as u64;
        if too_long {
            return Ok(());
        }
        let room = MAX_LINE.saturating_sub(self.held.len());
        self.held.extend_from_slice(part.get(..room).unwrap_or(part));
        if self.arrived > MAX_LINE as u64 {
            if self.rows.header.is_none() {
                let error = too_long_for_a_header(&self.held);
                return self.refuse(error);
            }
            self.held.truncate(KEPT);
            self.held.shrink_to_fit();
        }
        Ok(())
    }

    /// A line is complete: what was held of it and then `tail`, which as text is `text` if that is known.
    fn line_complete(
        &mut self,
        tail: &[u8],
        text: Option<&str>,
        sink: &mut impl FnMut(Line<R>),
    ) -> Result<(), FileError> {
        let outcome = if self.arrived == 0 {
            self.arrived = tail.len() as u64;
            self.rows.read(tail, text, self.offset, self.line, sink)
        } else {
            self.hold(tail)?;
            if self.arrived > MAX_LINE as u64 {
                sink(Line::Rejected(Box::new(too_long(&self.held, self.line))));
                Ok(())
            } else {
                self.rows.read(&self.held, None, self.offset, self.line, sink)
            }
        };
        self.held.clear();
        self.offset += self.arrived;
        self.arrived = 0;
        self.line += 1;
        outcome.or_else(|error| self.refuse(error))
    }
}

impl<R: Row> Rows<R> {
    /// Reads one line, without its end, that begins at `offset` and as text is `text` if that is known.
    fn read(
        &mut self,
        line: &[u8],
        text: Option<&str>,
        offset: u64,
        number: u64,
        sink: &mut impl FnMut(Line<R>),
    ) -> Result<(), FileError> {
        let Some(header) = &self.header else { return self.read_header(line, offset) };
        if line.len() > MAX_LINE {
            sink(Line::Rejected(Box::new(too_long(line, number))));
            return Ok(());
        }
        if is_blank(line, header.separator_byte()) {
            return Ok(());
        }
        let text = text.map_or_else(|| encoding::text(line), Cow::Borrowed);
        let columns = header.columns().len();
        self.spans.resize(columns, Span::default());
        let found = split(text.as_bytes(), header.separator_byte(), &mut self.spans);
        let spans = &self.spans[..found.count.min(columns)];
        let regular = found.well_formed && found.count == columns && header.named() == columns;
        let misshapen = if regular { None } else { misshapen(header, &text, spans, found.count) };
        let (column, reason) = match misshapen {
            Some(fault) => fault,
            None if self.given_up.remove(&number) => (None, GIVEN_UP.to_owned()),
            None => {
                let mut cells = Cells::new(&text, spans, header, &mut self.context);
                let row = R::read(&mut cells);
                let faults = cells.into_faults();
                if let Some(row) = row
                    && faults.is_empty()
                {
                    sink(Line::Row { line: number, row, repairs: self.context.repairs });
                    return Ok(());
                }
                explain::<R>(header, faults)
            }
        };
        sink(Line::Rejected(Box::new(RejectedRow { line: number, column, reason, raw: line.to_vec() })));
        Ok(())
    }

    #[cold]
    fn read_header(&mut self, line: &[u8], offset: u64) -> Result<(), FileError> {
        if line.len() > MAX_LINE {
            return Err(too_long_for_a_header(&line[..MAX_LINE]));
        }
        let bare = if offset == 0 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        if let Some(error) = not_a_header(bare) {
            return Err(error);
        }
        let tells_separator =
            offset == 0 && matches!(bare, [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', b',' | b';' | b'\t']);
        if !tells_separator && !bare.iter().all(|b| b" \t,;".contains(b)) {
            self.header = Some(Header::read(bare, R::FIELDS)?);
        }
        Ok(())
    }
}

/// Why a line cannot be taken for cells under the columns of its file, where it cannot.
fn misshapen(header: &Header, text: &str, spans: &[Span], count: usize) -> Option<(Option<Column>, String)> {
    let columns = header.columns();
    for (position, span) in spans.iter().enumerate() {
        if let Some(fault) = span.fault() {
            return Some((Some(column_name(header, position)), fault.to_string()));
        }
    }
    let named = header.named();
    if count < named {
        let reason = format!("the row has {count} of the header's {named} cells: this is the first one missing");
        return Some((Some(column_name(header, count)), reason));
    }
    // Below separators too many in the header, and no further than those, there may be empty cells.
    let filled = |span: &Span| !span.text(text).trim().is_empty();
    let stray = spans.iter().skip(named).position(filled).map(|further| named + further);
    let stray = stray.or((count > columns.len()).then_some(columns.len()))?;
    let reason = format!(
        "the row has a cell beyond the header's {named}: quote a value that contains the separator, or take the cell out"
    );
    Some((Some(Column::Number(stray + 1)), reason))
}

fn column_name(header: &Header, position: usize) -> Column {
    match header.columns().get(position) {
        Some(HeaderCell::Field(_, name) | HeaderCell::Report(name)) => Column::Name(name),
        Some(HeaderCell::Nothing) | None => Column::Number(position + 1),
    }
}

/// Every fault of a row in the order of its columns: the first column, and a reason that names the others.
#[cold]
fn explain<R: Row>(header: &Header, mut faults: Vec<(usize, CellError)>) -> (Option<Column>, String) {
    faults.sort_by_key(|(field, _)| header.position(*field));
    let name = |field: usize| R::FIELDS.get(field).map_or("", Field::name);
    let mut faults = faults.into_iter();
    let Some((field, fault)) = faults.next() else { return (None, "the row cannot be read".to_owned()) };
    let reason = faults.fold(fault.to_string(), |reason, (field, fault)| format!("{reason}; {} {fault}", name(field)));
    (Some(Column::Name(name(field))), reason)
}

fn too_long_for_a_header(beginning: &[u8]) -> FileError {
    not_a_header(beginning).unwrap_or(FileError::HeaderTooLong { limit: MAX_LINE })
}

#[cold]
fn too_long(line: &[u8], number: u64) -> RejectedRow {
    let mut raw = line.get(..KEPT).unwrap_or(line);
    // Not in the middle of a character: the whole line would be taken for windows-1252.
    if let Err(cut) = std::str::from_utf8(raw)
        && cut.error_len().is_none()
    {
        raw = &raw[..cut.valid_up_to()];
    }
    let reason = format!(
        "the line is longer than {MAX_LINE} bytes, so it is no row: look for a missing line end. Only its first {KEPT} \
         bytes are kept"
    );
    RejectedRow { line: number, column: None, reason, raw: raw.to_vec() }
}

impl<R> fmt::Debug for Reader<R> {
    /// Where it is. Not what it holds back: that is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("offset", &self.offset).field("line", &self.line).finish_non_exhaustive()
    }
}
