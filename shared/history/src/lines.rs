//! A stream of chunks cut into lines, whatever each line is then read for: the survey and the reader both stand on this, and so
//! cannot disagree about what a line is.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use memchr::memchr2;

/// The longest line there may be, in bytes without its end. A row is some fifty bytes long; what is longer than this is
/// no row, and this much is all that the reader ever holds back.
pub const MAX_LINE: usize = 64 * 1024;

/// How much of a longer line is kept to be shown.
pub(crate) const KEPT: usize = 1024;

/// What takes the lines.
pub(crate) trait Take {
    /// Why it takes no more.
    type Error;

    /// Takes one line, without its end, that begins at `offset` and as text is `text` if that is known.
    fn line(&mut self, line: &[u8], text: Option<&str>, offset: u64, number: u64) -> Result<(), Self::Error>;

    /// Takes the beginning of a line that is longer than [`MAX_LINE`].
    fn too_long(&mut self, beginning: &[u8], number: u64) -> Result<(), Self::Error>;

    /// A line has become longer than [`MAX_LINE`], and its end has not arrived.
    fn outgrown(&mut self, _beginning: &[u8]) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Taking this line has panicked: next time it is to be passed over. `false`: it was to be this time.
    fn give_up(&mut self, number: u64) -> bool;
}

/// Where the cutting stands.
pub(crate) struct Lines {
    /// The beginning of a line whose end has not arrived; of a line that is too long the part that is kept.
    held: Vec<u8>,
    /// How many bytes of that line have arrived.
    arrived: u64,
    /// Where that line begins.
    pub(crate) offset: u64,
    /// Its number.
    pub(crate) line: u64,
    /// Whether the last byte was a CR: an LF after it belongs to the same line end.
    pub(crate) after_cr: bool,
}

impl fmt::Debug for Lines {
    /// Not what is held: that is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("offset", &self.offset).field("line", &self.line).finish_non_exhaustive()
    }
}

impl Lines {
    /// At this place of a file.
    pub(crate) const fn at(offset: u64, line: u64, after_cr: bool) -> Self {
        Self { held: Vec::new(), arrived: 0, offset, line, after_cr }
    }

    /// Takes the next bytes and hands on every line they complete.
    pub(crate) fn push<T: Take>(&mut self, chunk: &[u8], take: &mut T) -> Result<(), T::Error> {
        let mut rest = chunk;
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
            match catch_unwind(AssertUnwindSafe(|| self.complete(&mut rest, whole, valid, take))) {
                Ok(read) => break read?,
                // The line at which it panicked is still there.
                Err(panic) => self.take_back(memchr2(b'\n', b'\r', rest).unwrap_or(0), panic, take),
            }
        }
        self.hold(rest, take)
    }

    /// Takes the complete lines off the front of `rest`, the end of a chunk of `whole` bytes that begins with `valid`.
    fn complete<T: Take>(&mut self, rest: &mut &[u8], whole: usize, valid: &str, take: &mut T) -> Result<(), T::Error> {
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let at = whole - rest.len();
            let (line, tail) = rest.split_at(end);
            let line_end = if tail.starts_with(b"\r\n") { 2 } else { 1 };
            self.after_cr = tail == b"\r";
            self.line_complete(line, valid.get(at..at + end), take)?;
            self.offset += line_end as u64;
            *rest = &tail[line_end..];
        }
        Ok(())
    }

    /// After a panic: makes it as if the end of the line, so many bytes, had not arrived, and gives the line up. Where it
    /// panics even so, passing over does not help.
    #[cold]
    fn take_back(&mut self, length: usize, panic: Box<dyn Any + Send>, take: &mut impl Take) {
        if !take.give_up(self.line) {
            resume_unwind(panic);
        }
        self.arrived = self.arrived.saturating_sub(length as u64);
        // Of a line that is read either all of it is held or nothing.
        self.held.truncate(usize::try_from(self.arrived).unwrap_or(usize::MAX));
    }

    /// Says that the file ends here, and hands on its last line if it has no line end.
    pub(crate) fn finish<T: Take>(&mut self, take: &mut T) -> Result<(), T::Error> {
        while self.arrived > 0 {
            match catch_unwind(AssertUnwindSafe(|| self.line_complete(&[], None, take))) {
                Ok(read) => read?,
                Err(panic) => self.take_back(0, panic, take),
            }
        }
        Ok(())
    }

    /// How much memory the part of a line that waits for the rest of it takes.
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

    /// A line is complete: what was held of it and then `tail`, which as text is `text` if that is known.
    fn line_complete<T: Take>(&mut self, tail: &[u8], text: Option<&str>, take: &mut T) -> Result<(), T::Error> {
        if self.arrived == 0 {
            self.arrived = tail.len() as u64;
            if tail.len() > MAX_LINE {
                take.too_long(tail, self.line)?;
            } else {
                take.line(tail, text, self.offset, self.line)?;
            }
        } else {
            self.hold(tail, take)?;
            if self.arrived > MAX_LINE as u64 {
                take.too_long(&self.held, self.line)?;
            } else {
                take.line(&self.held, None, self.offset, self.line)?;
            }
        }
        self.held.clear();
        self.offset += self.arrived;
        self.arrived = 0;
        self.line += 1;
        Ok(())
    }
}
