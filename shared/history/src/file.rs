//! A whole file as it is stored: compressed or not, read in small parts.

use cee_eligibility::{Instant, Language, Rules};

use crate::dialect::Header;
use crate::feed::{Feed, Next};
use crate::reader::{Line, Reader, ReaderState};
use crate::refusal::{FileError, UnpackError};
use crate::row::Row;
use crate::survey::Verdict;

/// Reads a surveyed file of rows `R`, in whichever form it came. The import and the check before an upload both read through this,
/// so they cannot disagree.
///
/// ```
/// use cee_eligibility::{Instant, Rules};
/// use cee_history::{Dates, FileReader, HistoryRow, survey};
///
/// let now = Instant::parse("2024-05-01T00:00:00Z").unwrap();
/// let content = b"journey_type,last_name_trunc,phone_trunc,datetime\nshort,DUP,+336010203,2021-02-01";
/// let verdict = survey::<HistoryRow>(content, Dates::Unconfirmed)?;
/// let mut file = FileReader::<HistoryRow>::new(&verdict, now)?;
/// let mut lines = Vec::new();
/// file.push(content);
/// file.end();
/// while file.read(&mut lines)? {}
/// assert_eq!(lines.len(), 1);
/// # Ok::<(), cee_history::FileRefusal>(())
/// ```
#[derive(Debug)]
pub struct FileReader<R> {
    feed: Feed,
    reader: Reader<R>,
}

impl<R: Row> FileReader<R> {
    /// A reader at the beginning of the surveyed file, under the default rules. `now` is the moment after which history must not be
    /// dated.
    ///
    /// # Errors
    /// As of [`Reader::new`].
    pub fn new(verdict: &Verdict, now: Instant) -> Result<Self, FileError> {
        Ok(Self { feed: Feed::default(), reader: Reader::new(verdict, now)? })
    }

    /// A reader that continues where another stopped. It needs the file from its beginning, because compressed content can be read
    /// in no other way, and skips what was read before.
    ///
    /// # Errors
    /// As of [`Reader::new`].
    pub fn resume(verdict: &Verdict, state: &ReaderState, now: Instant) -> Result<Self, FileError> {
        let feed = Feed::from(state.offset());
        Ok(Self { feed, reader: Reader::resume(verdict, state, now)? })
    }

    /// As [`Reader::under`].
    #[must_use]
    pub fn under(mut self, rules: &Rules) -> Self {
        self.reader = self.reader.under(rules);
        self
    }

    /// As [`Reader::in_language`].
    #[must_use]
    pub fn in_language(mut self, language: Language) -> Self {
        self.reader = self.reader.in_language(language);
        self
    }

    /// As [`Reader::keep_lines`].
    #[must_use]
    pub fn keep_lines(mut self) -> Self {
        self.reader = self.reader.keep_lines();
        self
    }

    /// Rejects the rows at these lines, even if they are valid.
    pub fn give_up(&mut self, lines: impl IntoIterator<Item = u64>) {
        self.reader.give_up(lines);
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, chunk: &[u8]) {
        self.feed.push(chunk);
    }

    /// Says that the file ends here.
    pub fn end(&mut self) {
        self.feed.end();
    }

    /// Reads on for a moment and adds the rows found. `false`: it needs more of the file, or the file is at its end.
    ///
    /// # Errors
    /// [`UnpackError`] if the compressed content differs from the surveyed one; the rows added before it remain valid.
    pub fn read(&mut self, lines: &mut Vec<Line<R>>) -> Result<bool, UnpackError> {
        match self.feed.next()? {
            Next::Slice(slice) => {
                self.reader.push(slice, |line| lines.push(line));
                Ok(true)
            }
            Next::More => Ok(false),
            Next::End => {
                self.reader.finish(|line| lines.push(line));
                Ok(false)
            }
        }
    }

    /// The position at which reading can continue: after the last row added.
    #[must_use]
    pub fn state(&self) -> ReaderState {
        self.reader.state()
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        self.reader.header()
    }
}
