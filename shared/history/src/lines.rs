//! Splits a stream of chunks into rows. The survey and the reader both use this, so they cannot disagree about what a row is.
//!
//! A row is a line, except a row with a line break in a quoted cell (RFC 4180). If a line leaves a quote open, the lines after it
//! are searched for the end of the row. They are one row if its quotes are in order, it has as many cells as a row of the file may
//! have, and no whole row lies within the quotes ([`Scan`]). Otherwise the quote was never closed, and the line is a row by itself.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use memchr::memchr2;

/// The longest line in bytes, without its end. A row has some fifty bytes; a longer line is not a row, and this is the most that
/// the reader ever buffers.
pub const MAX_LINE: usize = 64 * 1024;

/// The number of bytes of a longer line that are kept to be shown.
pub(crate) const KEPT: usize = 1024;

/// The result of taking a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taken {
    /// The line was taken.
    Row,
    /// The line was not taken: it leaves a quote open, so its row may continue in the next line.
    Open,
}

/// The form of the rows of a file, before they are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quoting {
    pub(crate) separator: u8,
    /// With fewer cells than this it is not a row of the file.
    pub(crate) least: usize,
    /// With more cells than this it is not a row of the file.
    pub(crate) most: usize,
}

/// A line as the consumer gets it.
#[derive(Clone, Copy)]
pub(crate) struct Whole<'a> {
    /// The line's bytes, without its end.
    pub(crate) bytes: &'a [u8],
    /// The same as text, if it was already checked to be UTF-8.
    pub(crate) text: Option<&'a str>,
    /// The offset of its beginning in the file.
    pub(crate) offset: u64,
    /// The line's number, from 1.
    pub(crate) number: u64,
    /// Whether the line's row may continue in the next line.
    pub(crate) may_go_on: bool,
}

/// The consumer of the lines.
pub(crate) trait Take {
    /// Why the consumer stops.
    type Error;

    /// Takes one line, or the lines of one row.
    fn line(&mut self, line: Whole<'_>) -> Result<Taken, Self::Error>;

    /// How a row of several lines is recognised, if a line left a quote open.
    fn quoting(&self) -> Quoting;

    /// Takes the beginning of a line that is longer than [`MAX_LINE`].
    fn too_long(&mut self, beginning: &[u8], number: u64) -> Result<(), Self::Error>;

    /// A line has become longer than [`MAX_LINE`], and its end has not arrived.
    fn outgrown(&mut self, _beginning: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Taking this line has panicked: the next attempt must skip it. `false`: this attempt should have skipped it.
    fn give_up(&mut self, number: u64) -> bool;
}

/// The state of the splitting.
pub(crate) struct Lines {
    /// The beginning of a row whose end has not arrived; for a line that is too long, the part that is kept.
    held: Vec<u8>,
    /// The number of bytes of that row that have arrived.
    arrived: u64,
    /// The offset of that row's beginning.
    pub(crate) offset: u64,
    /// The number of its first line.
    pub(crate) line: u64,
    /// Whether the last byte was a CR: an LF after it belongs to the same line end.
    pub(crate) after_cr: bool,
    /// The search for the end of that row, if its first line leaves a quote open.
    open: Option<Scan>,
}

impl fmt::Debug for Lines {
    /// Without the buffered bytes: they are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("offset", &self.offset).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Lines {
    /// Starts at this position of a file.
    pub(crate) const fn at(offset: u64, line: u64, after_cr: bool) -> Self {
        Self { held: Vec::new(), arrived: 0, offset, line, after_cr, open: None }
    }

    /// Takes the next bytes and hands on every row they complete.
    pub(crate) fn push<T: Take>(&mut self, chunk: &[u8], take: &mut T) -> Result<(), T::Error> {
        let mut rest = chunk;
        self.skip_line_feed(&mut rest);
        // Validating UTF-8 is faster for the whole chunk than line by line. After the first invalid byte it is done line by line.
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => rest.get(..error.valid_up_to()).and_then(|rest| std::str::from_utf8(rest).ok()).unwrap_or(""),
        };
        let whole = rest.len();
        loop {
            // Around the chunk: around each row it would cost measurable time.
            match catch_unwind(AssertUnwindSafe(|| self.complete(&mut rest, whole, valid, take))) {
                Ok(read) => break read?,
                // The line at which it panicked is still there.
                Err(panic) => self.take_back(memchr2(b'\n', b'\r', rest).unwrap_or(0), panic, take),
            }
        }
        self.hold(rest, take)
    }

    /// Leaves out the LF of a CRLF that was cut in two.
    fn skip_line_feed(&mut self, rest: &mut &[u8]) {
        if self.after_cr && !rest.is_empty() {
            self.after_cr = false;
            if let Some(further) = rest.strip_prefix(b"\n") {
                *rest = further;
                self.offset += 1;
            }
        }
    }

    /// Takes the complete rows off the front of `rest`, the end of a chunk of `whole` bytes that begins with `valid`.
    fn complete<T: Take>(&mut self, rest: &mut &[u8], whole: usize, valid: &str, take: &mut T) -> Result<(), T::Error> {
        loop {
            if self.open.is_some() && !self.go_on(rest, false, take)? {
                return Ok(());
            }
            while self.open.is_none() {
                let Some(end) = memchr2(b'\n', b'\r', rest) else { return Ok(()) };
                let at = whole - rest.len();
                let (line, tail) = rest.split_at(end);
                let line_end = if tail.starts_with(b"\r\n") { 2 } else { 1 };
                self.after_cr = tail == b"\r";
                if self.line_complete(line, valid.get(at..at + end), true, take)? == Taken::Open {
                    // Its end belongs to the row.
                    self.after_cr = false;
                    self.open = Some(Scan::new(take.quoting()));
                    *rest = tail;
                } else {
                    self.offset += line_end as u64;
                    *rest = &tail[line_end..];
                }
            }
        }
    }

    /// Continues the search for the end of a row with an open quote, and hands the row on. `false`: it needs more of the file,
    /// which has not `ended`.
    #[cold]
    fn go_on<T: Take>(&mut self, rest: &mut &[u8], ended: bool, take: &mut T) -> Result<bool, T::Error> {
        let Some(scan) = &mut self.open else { return Ok(true) };
        let found = loop {
            // Already found, if the row that ends there has panicked.
            if let Some(found) = scan.found {
                break found;
            }
            if rest.is_empty() && !ended {
                return Ok(false);
            }
            let room = (MAX_LINE + 1).saturating_sub(self.held.len());
            let line = memchr2(b'\n', b'\r', rest).map_or(rest.len(), |end| end + 1);
            let (part, further) = rest.split_at(line.min(room));
            self.held.extend_from_slice(part);
            self.arrived = self.held.len() as u64;
            *rest = further;
            scan.look(&self.held, ended && further.is_empty());
        };
        let (row, is_row) = match found {
            Found::End(end) => (self.held.get(..end).unwrap_or(&self.held), true),
            Found::Broken => (first_line(&self.held), false),
        };
        let line = Whole { bytes: row, text: None, offset: self.offset, number: self.line, may_go_on: false };
        take.line(line)?;
        let lines = if is_row { line_ends(row) } else { 0 };
        let behind = self.held.get(row.len()..).unwrap_or_default();
        let line_end = if behind.starts_with(b"\r\n") { 2 } else { behind.len().min(1) };
        self.after_cr = behind == b"\r";
        let read = row.len() + line_end;
        self.offset += read as u64;
        self.line += lines + 1;
        self.open = None;
        self.arrived = 0;
        let held = std::mem::take(&mut self.held);
        // The text behind a quote that was never closed is read again, and may leave a quote open itself. Each such line adds a
        // cell to the searched row, so few of them are nested.
        self.push(held.get(read..).unwrap_or_default(), take)?;
        self.skip_line_feed(rest);
        Ok(true)
    }

    /// After a panic: restores the state before the end of the line (`length` bytes) arrived, and gives the line up. If the line
    /// panics even so, skipping it does not help.
    #[cold]
    fn take_back(&mut self, length: usize, panic: Box<dyn Any + Send>, take: &mut impl Take) {
        if !take.give_up(self.line) {
            resume_unwind(panic);
        }
        if self.open.is_some() {
            return;
        }
        self.arrived = self.arrived.saturating_sub(length as u64);
        // A line that is being read is buffered completely or not at all.
        self.held.truncate(usize::try_from(self.arrived).unwrap_or(usize::MAX));
    }

    /// Says that the file ends here, and hands on its last row if it has no line end.
    pub(crate) fn finish<T: Take>(&mut self, take: &mut T) -> Result<(), T::Error> {
        while self.arrived > 0 {
            let end = AssertUnwindSafe(|| {
                if self.open.is_some() {
                    self.go_on(&mut &[][..], true, take).map(drop)
                } else {
                    self.line_complete(&[], None, false, take).map(drop)
                }
            });
            match catch_unwind(end) {
                Ok(read) => read?,
                Err(panic) => self.take_back(0, panic, take),
            }
        }
        Ok(())
    }

    /// The memory that the incomplete part of a line takes.
    #[cfg(test)]
    pub(crate) fn held_capacity(&self) -> usize {
        self.held.capacity()
    }

    /// Keeps the beginning of a line until the rest of it arrives.
    fn hold<T: Take>(&mut self, part: &[u8], take: &mut T) -> Result<(), T::Error> {
        let too_long = self.arrived > MAX_LINE as u64;
        self.arrived += part.len() as u64;
        if too_long {
            return Ok(());
        }
        let room = MAX_LINE.saturating_sub(self.held.len());
        self.held.extend_from_slice(part.get(..room).unwrap_or(part));
        if self.arrived > MAX_LINE as u64 {
            take.outgrown(&self.held)?;
            self.held.truncate(KEPT);
            self.held.shrink_to_fit();
        }
        Ok(())
    }

    /// Takes a complete line: the buffered part and then `tail`. `text` is `tail` as text if it was already checked. A line that
    /// leaves a quote open is buffered.
    fn line_complete<T: Take>(
        &mut self,
        tail: &[u8],
        text: Option<&str>,
        may_go_on: bool,
        take: &mut T,
    ) -> Result<Taken, T::Error> {
        let (offset, number) = (self.offset, self.line);
        if self.arrived == 0 {
            self.arrived = tail.len() as u64;
            if tail.len() > MAX_LINE {
                take.too_long(tail, self.line)?;
            } else if take.line(Whole { bytes: tail, text, offset, number, may_go_on })? == Taken::Open {
                self.held.extend_from_slice(tail);
                return Ok(Taken::Open);
            }
        } else {
            self.hold(tail, take)?;
            if self.arrived > MAX_LINE as u64 {
                take.too_long(&self.held, self.line)?;
            } else if take.line(Whole { bytes: &self.held, text: None, offset, number, may_go_on })? == Taken::Open {
                return Ok(Taken::Open);
            }
        }
        self.held.clear();
        self.offset += self.arrived;
        self.arrived = 0;
        self.line += 1;
        Ok(Taken::Row)
    }
}

/// The first line, without its end.
fn first_line(bytes: &[u8]) -> &[u8] {
    memchr2(b'\n', b'\r', bytes).and_then(|end| bytes.get(..end)).unwrap_or(bytes)
}

/// The number of line ends.
fn line_ends(bytes: &[u8]) -> u64 {
    let ends = bytes.iter().filter(|b| matches!(b, b'\n' | b'\r')).count();
    let pairs = bytes.windows(2).filter(|pair| pair == b"\r\n").count();
    (ends - pairs) as u64
}

#[cfg(test)]
thread_local! {
    /// The number of bytes that the searches of this thread have examined.
    pub(crate) static LOOKED_AT: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The search for the end of a row whose first line leaves a quote open. It examines each byte once, however the bytes arrive.
#[derive(Debug)]
struct Scan {
    quoting: Quoting,
    /// The number of bytes examined.
    at: usize,
    place: Place,
    cells: usize,
    /// Whether a line end has come within this cell in quotes, and how many separators since then, or since the cell began.
    is_further: bool,
    separators: usize,
    found: Option<Found>,
}

/// The state of the search within a row.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// At the beginning of a cell.
    Beginning,
    /// In a cell without quotes.
    Plain,
    /// In a cell in quotes.
    Quoted,
    /// Behind a quote within such a cell: the closing quote, or the first of a doubled quote.
    Quote,
}

/// The result of the search.
#[derive(Clone, Copy, Debug)]
enum Found {
    /// The row ends here.
    End(usize),
    /// It is not a row of several lines.
    Broken,
}

impl Scan {
    const fn new(quoting: Quoting) -> Self {
        let (at, place) = (0, Place::Beginning);
        Self { quoting, at, place, cells: 1, is_further: false, separators: 0, found: None }
    }

    /// Searches the bytes that have arrived since. `ended`: no more will arrive.
    fn look(&mut self, bytes: &[u8], ended: bool) {
        while let (None, Some(byte)) = (self.found, bytes.get(self.at)) {
            self.byte(*byte);
            self.at += 1;
            #[cfg(test)]
            LOOKED_AT.with(|bytes| bytes.set(bytes.get() + 1));
            if self.found.is_none() && (self.cells > self.quoting.most || self.at > MAX_LINE) {
                self.found = Some(Found::Broken);
            }
        }
        if ended && self.found.is_none() {
            self.found = Some(if matches!(self.place, Place::Quoted) { Found::Broken } else { self.end() });
        }
    }

    fn byte(&mut self, byte: u8) {
        let is_separator = byte == self.quoting.separator;
        let is_line_end = matches!(byte, b'\n' | b'\r');
        self.place = match self.place {
            Place::Quoted => {
                self.separators += usize::from(is_separator);
                // As many cells as a row has lie within the quotes: the quote is out of order, and would swallow a row.
                let is_row = self.separators + 1 >= self.quoting.least;
                if is_row && (is_line_end || (self.is_further && byte == b'"')) {
                    self.found = Some(Found::Broken);
                }
                if is_line_end {
                    self.is_further = true;
                    self.separators = 0;
                }
                if byte == b'"' { Place::Quote } else { Place::Quoted }
            }
            Place::Quote if byte == b'"' => Place::Quoted,
            _ if is_line_end => {
                self.found = Some(self.end());
                self.place
            }
            _ if is_separator => {
                self.cells += 1;
                Place::Beginning
            }
            Place::Beginning if byte == b'"' => {
                (self.is_further, self.separators) = (false, 0);
                Place::Quoted
            }
            Place::Beginning | Place::Plain => Place::Plain,
            Place::Quote => {
                self.found = Some(Found::Broken);
                Place::Quote
            }
        };
    }

    const fn end(&self) -> Found {
        if self.cells < self.quoting.least { Found::Broken } else { Found::End(self.at) }
    }
}
