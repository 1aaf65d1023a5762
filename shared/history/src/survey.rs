//! The survey: a file is read once from beginning to end before any of its rows is processed. Decides what only the whole file
//! shows, and a [`Reader`](crate::Reader) cannot be made without the [`Verdict`].
//!
//! | to find | look in |
//! |---|---|
//! | the order of day and month, and days that were swapped before | `order` |
//! | the verdict, and what the report says of it | `verdict` |

mod order;
mod verdict;

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use self::order::Found;
pub use self::verdict::{DateOrder, Dates, Surveyed, Verdict};
use crate::date::ten;
use crate::dialect::{Header, HeaderCell, MOST_EMPTY, not_a_header};
use crate::encoding;
use crate::feed::{Feed, Next};
use crate::lines::{Lines, MAX_LINE, Quoting, Take, Taken, Whole};
use crate::refusal::{FileError, FileRefusal};
use crate::row::Row;
use crate::split::{Span, is_blank, split};
use crate::text::Encoding;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The survey of a file of rows `R`: bytes in, and at the end a [`Verdict`]. Memory stays flat for a file of any size.
///
/// ```
/// use cee_history::{Dates, HistoryRow, Survey};
///
/// let mut survey = Survey::<HistoryRow>::new(Dates::Unconfirmed);
/// survey.push(b"journey_type,last_name_trunc,phone_trunc,datetime\nshort,DUP,+336010203,02/13/2021");
/// while survey.read()? {}
/// let verdict = survey.verdict()?;
/// assert_eq!(verdict.surveyed().rows, 1);
/// # Ok::<(), cee_history::FileRefusal>(())
/// ```
pub struct Survey<R> {
    feed: Feed,
    lines: Lines,
    rows: Rows<R>,
    dates: Dates,
    refused: Option<FileRefusal>,
}

impl<R> fmt::Debug for Survey<R> {
    /// The progress, without the buffered bytes: they are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Survey").field("rows", &self.rows.count).field("refused", &self.refused).finish_non_exhaustive()
    }
}

/// Surveys a file that is completely in memory.
///
/// # Errors
/// [`FileRefusal`] if the file is refused.
pub fn survey<R: Row>(file: &[u8], dates: Dates) -> Result<Verdict, FileRefusal> {
    let mut survey = Survey::<R>::new(dates);
    survey.push(file);
    survey.verdict()
}

impl<R: Row> Survey<R> {
    /// The survey of a file of which nothing has arrived.
    #[must_use]
    pub fn new(dates: Dates) -> Self {
        Self { feed: Feed::default(), lines: Lines::at(0, 1, false), rows: Rows::new(), dates, refused: None }
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, chunk: &[u8]) {
        self.feed.push(chunk);
    }

    /// Reads on for a moment. `false`: it needs more of the file.
    ///
    /// # Errors
    /// [`FileRefusal`] if the file is refused; every later call returns the same.
    pub fn read(&mut self) -> Result<bool, FileRefusal> {
        if let Some(refused) = &self.refused {
            return Err(refused.clone());
        }
        self.read_on().inspect_err(|refused| self.refused = Some(refused.clone()))
    }

    fn read_on(&mut self) -> Result<bool, FileRefusal> {
        match self.feed.next()? {
            Next::Slice(slice) => {
                self.lines.push(slice, &mut self.rows)?;
                Ok(true)
            }
            Next::More => Ok(false),
            Next::End => {
                self.lines.finish(&mut self.rows)?;
                Ok(false)
            }
        }
    }

    /// Ends the file, and returns the verdict.
    ///
    /// # Errors
    /// [`FileRefusal`] if the file is refused.
    pub fn verdict(mut self) -> Result<Verdict, FileRefusal> {
        self.feed.end();
        while self.read()? {}
        let utf_16 = self.feed.is_utf_16();
        self.rows.verdict(self.dates, utf_16)
    }

    /// The number of rows so far.
    #[must_use]
    pub const fn rows(&self) -> u64 {
        self.rows.count
    }
}

/// The part of a survey that handles lines.
struct Rows<R> {
    /// The header as it came, and its line.
    header: Option<(Header, u64)>,
    spans: Vec<Span>,
    count: u64,
    windows_1252: bool,
    /// The number of cells of each row.
    widths: Widths,
    /// The dates in the header's date column.
    dates: Found,
    /// The dates one cell further, in rows with one cell more.
    shifted: Found,
    /// Lines that are skipped, until the survey reaches them.
    given_up: BTreeSet<u64>,
    row: PhantomData<fn() -> R>,
}

/// The findings from the numbers of cells in the rows.
#[derive(Debug, Default)]
struct Widths {
    /// A row with one cell more than the header, and each cell one place further than in the header.
    shifted: bool,
    /// A row with its cells at the places of the header.
    straight: bool,
    /// The largest number of empty cells beyond the header's in a row.
    empty: usize,
    /// A row with a non-empty cell beyond the header's.
    filled: bool,
}

impl<R: Row> Rows<R> {
    fn new() -> Self {
        Self {
            header: None,
            spans: Vec::new(),
            count: 0,
            windows_1252: false,
            widths: Widths::default(),
            dates: Found::default(),
            shifted: Found::default(),
            given_up: BTreeSet::new(),
            row: PhantomData,
        }
    }

    fn read_header(&mut self, line: &[u8], offset: u64, number: u64) -> Result<(), FileError> {
        let bare = if offset == 0 { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        if let Some(error) = not_a_header(bare) {
            return Err(error);
        }
        let tells_separator =
            offset == 0 && matches!(bare, [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', b',' | b';' | b'\t']);
        if !tells_separator && !bare.iter().all(|b| b" \t,;".contains(b)) {
            let header = Header::read(bare, R::FIELDS)?;
            // One more cell is examined, and all that may be empty.
            self.spans = vec![Span::default(); header.columns().len() + MOST_EMPTY];
            self.header = Some((header, number));
        }
        Ok(())
    }

    /// A row with another number of cells than the header.
    #[cold]
    fn misfit(&mut self, line: &[u8], found: usize, number: u64) {
        let Some((header, _)) = &self.header else { return };
        let columns = header.columns().len();
        let text = encoding::text(line);
        // Its positions are those of the text, not of the line.
        let again = split(text.as_bytes(), header.separator_byte(), &mut self.spans);
        debug_assert_eq!(again.count, found, "no byte of a separator is anything else");
        let cell = |position: usize| self.spans.get(position).map(|span| span.text(&text)).unwrap_or_default();
        if found < columns {
            return;
        }
        if let Some((field, is_word)) = R::WORD
            && found == columns + 1
        {
            if is_word(&cell(header.position(field))) {
                self.widths.straight = true;
            } else if is_word(&cell(header.position(field) + 1)) {
                self.widths.shifted = true;
            }
            if let Some(field) = R::DATE {
                self.shifted.note(&cell(header.position(field) + 1), number);
            }
        }
        let surplus = found - columns;
        if surplus > MOST_EMPTY || (columns..found).any(|position| !cell(position).trim().is_empty()) {
            self.widths.filled = true;
        } else {
            self.widths.empty = self.widths.empty.max(surplus);
        }
    }

    fn verdict(self, dates: Dates, utf_16: bool) -> Result<Verdict, FileRefusal> {
        let (header, header_line) = self.header.ok_or(FileError::Empty)?;
        let row_name = self.widths.shifted && !self.widths.straight;
        let empty = if row_name || self.widths.filled { 0 } else { self.widths.empty };
        let found = if row_name { self.shifted } else { self.dates };
        let surveyed = Surveyed {
            rows: self.count,
            encoding: match (utf_16, self.windows_1252) {
                (true, _) => Encoding::Utf16,
                (false, true) => Encoding::Windows1252,
                (false, false) => Encoding::Utf8,
            },
            date_order: found.order(dates)?,
        };
        let header = header.completed(row_name, empty, R::FIELDS)?;
        let of_rejected_rows = header.columns().iter().any(HeaderCell::is_report);
        let header = header.text().to_owned();
        Ok(Verdict { header, header_line, empty_cells: empty > 0, of_rejected_rows, surveyed })
    }
}

impl<R: Row> Take for Rows<R> {
    type Error = FileError;

    fn line(&mut self, whole: Whole<'_>) -> Result<Taken, FileError> {
        let Whole { bytes: line, text, offset, number, may_go_on } = whole;
        let Some((header, _)) = &self.header else {
            return self.read_header(line, offset, number).map(|()| Taken::Row);
        };
        let separator = header.separator_byte();
        if is_blank(line, separator) {
            return Ok(Taken::Row);
        }
        let mut found = split(line, separator, &mut self.spans);
        if found.open && may_go_on {
            return Ok(Taken::Open);
        }
        // The row was counted before the panic.
        if !self.given_up.is_empty() && self.given_up.remove(&number) {
            return Ok(Taken::Row);
        }
        self.count += 1;
        if text.is_none() && std::str::from_utf8(line).is_err() {
            self.windows_1252 = true;
        }
        let columns = header.columns().len();
        let count = found.count;
        if !found.well_formed || count != columns {
            found.count = header.fill(line, &mut self.spans, count);
        }
        if let Some(field) = R::DATE
            && let Some(span) = self.spans.get(..found.count).unwrap_or(&self.spans).get(header.position(field))
        {
            let cell = span.bytes(line);
            match cell.try_into().ok().and_then(ten) {
                Some((year_first, year, first, second)) => {
                    self.dates.note_day(year_first, (year, first, second), number);
                }
                None => self.dates.note(&span.text_of(line), number),
            }
        }
        if count == columns {
            self.widths.straight = true;
        } else {
            self.misfit(line, count, number);
        }
        Ok(Taken::Row)
    }

    fn quoting(&self) -> Quoting {
        // Only a row is open, and a row has a header.
        self.header.as_ref().map(|(header, _)| header.quoting()).unwrap_or_default()
    }

    fn too_long(&mut self, beginning: &[u8], _number: u64) -> Result<(), FileError> {
        if self.header.is_none() {
            return Err(too_long_for_a_header(beginning));
        }
        self.count += 1;
        Ok(())
    }

    fn outgrown(&mut self, beginning: &[u8]) -> Result<(), FileError> {
        if self.header.is_none() { Err(too_long_for_a_header(beginning)) } else { Ok(()) }
    }

    fn give_up(&mut self, number: u64) -> bool {
        self.given_up.insert(number)
    }
}

fn too_long_for_a_header(beginning: &[u8]) -> FileError {
    let beginning = beginning.get(..MAX_LINE).unwrap_or(beginning);
    not_a_header(beginning).unwrap_or(FileError::HeaderTooLong { limit: MAX_LINE })
}
