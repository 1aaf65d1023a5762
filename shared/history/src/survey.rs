//! The survey: a file is read once from beginning to end before any of its rows is processed. Decides what only the whole file
//! shows, and a [`Reader`](crate::Reader) cannot be made without the [`Verdict`].
//!
//! # The order of day and month
//!
//! `03/05/2021` is 3 May or 5 March. One date of the file that has only one reading, because the other has a thirteenth month,
//! decides for all:
//!
//! | the file has | dates without the year in front are read |
//! |---|---|
//! | no date that decides | day first, as France writes them. With a 12-hour clock (AM, PM) the file is refused: France does not use it |
//! | some that can only be day first | day first |
//! | some that can only be month first | month first; the report counts them as repaired |
//! | both | not at all: the file is refused, with a line of each kind |
//!
//! # Days that were swapped before
//!
//! A program that guesses (pandas, csvkit, Gnumeric in English) reads `03/05/2021` as 5 March and writes `2021-03-05`. No row shows
//! that. But of all days of a year 0.39 lie between the 1st and the 12th of a month: thirty different days that all do are not a
//! coincidence (0.39 to the 30th). Such a file is refused, unless the sender confirms its dates. Dates with the year in front are
//! also checked by themselves, because such a program leaves a date that it cannot read unchanged (`25/05/2021`).

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};

use crate::date::{Written, is_half_day, is_month_first_without_century, ten};
use crate::day::Day;
use crate::dialect::{Header, HeaderCell, MOST_EMPTY, not_a_header};
use crate::encoding;
use crate::feed::{Feed, Next};
use crate::lines::{Lines, MAX_LINE, Quoting, Take, Taken, Whole};
use crate::name;
use crate::refusal::{FileError, FileRefusal, MANY, SurveyError};
use crate::repair::Repairs;
use crate::row::Row;
use crate::split::{Span, is_blank, split};
use crate::strip::bare;
use crate::text::Encoding;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// No month has more days than the year has months.
const MONTHS: u32 = 12;

/// Whether the sender confirms that the dates of a file are right, however they look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// Not confirmed.
    #[default]
    Unconfirmed,
    /// Confirmed.
    Confirmed,
}

impl Dates {
    /// The confirmation in the name of a file: `dates-confirmed` or `dates_confirmed` somewhere in it, in any case.
    ///
    /// ```
    /// use cee_history::Dates;
    /// assert_eq!(Dates::of_name("history 2021 dates-confirmed.csv"), Dates::Confirmed);
    /// assert_eq!(Dates::of_name("imports/dates-confirmed/history.csv"), Dates::Unconfirmed, "a folder is not the file");
    /// ```
    #[must_use]
    pub fn of_name(path: &str) -> Self {
        Self::confirmed_if(name::says(path, "dates-confirmed"))
    }

    /// Confirmed if `true`.
    #[must_use]
    pub const fn confirmed_if(confirmed: bool) -> Self {
        if confirmed { Self::Confirmed } else { Self::Unconfirmed }
    }

    /// Confirmed if one of the two is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::confirmed_if(self == Self::Confirmed || other == Self::Confirmed)
    }
}

/// How a file writes its dates.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// All dates have the year first, or there are no dates.
    YearFirst,
    /// Day, month, year.
    DayFirst,
    /// Month, day, year.
    MonthFirst,
    /// Day and month before the year, and no date shows which is which. Read with the day first.
    Undecided,
}

/// What a survey found, as the report shows it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(description = "What the file as a whole says, read before its first row was taken.")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// The number of rows in the file.
    pub rows: u64,
    /// The encoding of the file.
    pub encoding: Encoding,
    /// The order of the dates in the file: `year_first`, `day_first`, `month_first`, or `undecided`, which is read with the day first.
    pub date_order: DateOrder,
}

/// The verdict of a survey. Only a survey makes one, or a checkpoint keeps one.
///
/// ```compile_fail
/// let verdict = cee_history::Verdict { header_line: 1 };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The header, completed by columns without a name if the rows have them.
    pub(crate) header: String,
    /// The line of the header.
    pub(crate) header_line: u64,
    /// Whether each row has empty cells beyond those of the header as it came.
    pub(crate) empty_cells: bool,
    /// Whether the file has columns of a rejected file.
    #[serde(default)]
    of_rejected_rows: bool,
    surveyed: Surveyed,
}

impl Verdict {
    /// Whether the file looks like the rejected rows of an import: it has one of their columns.
    #[must_use]
    pub const fn is_of_rejected_rows(&self) -> bool {
        self.of_rejected_rows
    }

    /// The survey's result for the report.
    #[must_use]
    pub const fn surveyed(&self) -> Surveyed {
        self.surveyed
    }

    /// Whether dates without the year in front have the month first.
    pub(crate) fn is_month_first(&self) -> bool {
        self.surveyed.date_order == DateOrder::MonthFirst
    }
}

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

/// The forms of the dates of a file.
#[derive(Debug, Default)]
struct Found {
    /// The first line with a date that can only have the day first.
    day_first: Option<u64>,
    /// The first line with a date that can only have the month first.
    month_first: Option<u64>,
    /// The first line with a date that has the year in front and then can only have the day.
    day_before_month: Option<u64>,
    /// The first line with a clock of twelve hours behind a date that has the year last.
    half_day: Option<u64>,
    /// The days with the year in front.
    year_first: Days,
    /// The other days, as if the day came first.
    other: Days,
}

impl Found {
    /// Notes the date of a cell.
    #[cold]
    fn note(&mut self, text: &str, line: u64) {
        let Ok(text) = bare(text, &mut Repairs::default()) else { return };
        let Some(written) = Written::of(text) else {
            if is_month_first_without_century(text) {
                self.month_first = self.month_first.or(Some(line));
            }
            return;
        };
        let Written { year_first, year, first, second, rest } = written;
        if !year_first && self.half_day.is_none() && is_half_day(rest) {
            self.half_day = Some(line);
        }
        if year_first && !rest.is_empty() && !self.year_first.is_decided() {
            let Day { year, month, day } = written.paris_day();
            self.note_day(true, (year, month, day), line);
        } else {
            self.note_day(year_first, (year, first, second), line);
        }
    }

    /// Notes a day: its year, and the other two numbers in their order.
    #[inline]
    fn note_day(&mut self, year_first: bool, (year, first, second): (u32, u32, u32), line: u64) {
        const DAYS: std::ops::RangeInclusive<u32> = 1..=31;
        if !DAYS.contains(&first) || !DAYS.contains(&second) {
            return;
        }
        if year_first {
            if first <= MONTHS {
                self.year_first.note(year, first, second);
            } else if second <= MONTHS {
                self.day_before_month = self.day_before_month.or(Some(line));
            }
        } else if first > MONTHS {
            if second <= MONTHS {
                self.day_first = self.day_first.or(Some(line));
                self.other.note(year, second, first);
            }
        } else if second > MONTHS {
            self.month_first = self.month_first.or(Some(line));
            self.other.note(year, first, second);
        } else {
            self.other.note(year, second, first);
        }
    }

    fn order(&self, dates: Dates) -> Result<DateOrder, FileRefusal> {
        let order = match (self.day_first, self.month_first) {
            (Some(day_first), Some(month_first)) => {
                return Err(SurveyError::BothOrders { day_first, month_first }.into());
            }
            (Some(_), None) => DateOrder::DayFirst,
            (None, Some(_)) => DateOrder::MonthFirst,
            (None, None) if self.other.is_empty() => DateOrder::YearFirst,
            (None, None) => DateOrder::Undecided,
        };
        // If other dates show that the month comes first, it is one bad row.
        if let Some(line) = self.day_before_month.filter(|_| !self.year_first.high) {
            return Err(SurveyError::DayBeforeMonth { line }.into());
        }
        if dates == Dates::Unconfirmed {
            if let Some(line) = self.half_day.filter(|_| order == DateOrder::Undecided) {
                return Err(SurveyError::HalfDays { line }.into());
            }
            if self.look_swapped() {
                return Err(SurveyError::SwappedDays.into());
            }
        }
        Ok(order)
    }

    /// Whether day and month look swapped, in the dates with the year in front, in the others, or in both together. A program that
    /// swaps the dates it can read, and leaves the others unchanged, leaves no date after the 12th with the year in front, and only
    /// such dates in the other form.
    fn look_swapped(&self) -> bool {
        let (one, two) = (&self.year_first, &self.other);
        let both = one.different.union(&two.different).count() >= MANY;
        let alone = [one, two].iter().any(|days| days.are_low() && days.different.len() >= MANY);
        alone || (both && one.are_low() && (two.are_low() || !two.low))
    }
}

/// Different days, until some lie after the 12th of a month and some do not, and [`MANY`] at most.
#[derive(Debug, Default)]
struct Days {
    different: BTreeSet<u32>,
    last: u32,
    /// Some lie between the 1st and the 12th.
    low: bool,
    /// Some lie after the 12th.
    high: bool,
}

impl Days {
    fn is_empty(&self) -> bool {
        self.different.is_empty()
    }

    /// Whether further days cannot change the result.
    const fn is_decided(&self) -> bool {
        self.low && self.high
    }

    /// Whether there are any days, and none after the 12th.
    const fn are_low(&self) -> bool {
        self.low && !self.high
    }

    #[inline]
    fn note(&mut self, year: u32, month: u32, day: u32) {
        if !self.is_decided() {
            self.learn(year, month, day);
        }
    }

    #[cold]
    fn learn(&mut self, year: u32, month: u32, day: u32) {
        if day > MONTHS {
            self.high = true;
        } else {
            self.low = true;
        }
        let number = (year * 16 + month) * 32 + day;
        if number != self.last && self.different.len() < MANY {
            self.last = number;
            self.different.insert(number);
        }
    }
}
