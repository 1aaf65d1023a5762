//! A whole file as it lies somewhere: compressed or not, a little at a time.

use std::fmt;

use cee_eligibility::{Instant, Language, Rules};

use crate::dialect::{FileError, Header};
use crate::reader::{Line, Reader, ReaderState, Row};
use crate::survey::{SurveyError, Verdict};
use crate::text::Text;
use crate::unpack::{Unpack, UnpackError};

/// How much is read between two returns to the caller: some two hundred rows.
const SLICE: usize = 8 * 1024;

/// Why a file is refused whole. Its `Display` is a sentence for whoever sent the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileRefusal {
    /// It is compressed, and cannot be unpacked.
    #[error("The file {0}.")]
    Unpack(#[from] UnpackError),
    /// It is no file of this kind.
    #[error("The file {0}.")]
    Header(#[from] FileError),
    /// Its rows contradict each other, or look wrong all together.
    #[error("The file {0}.")]
    Survey(#[from] SurveyError),
    /// It is larger than [`LARGEST_FILE`](crate::LARGEST_FILE).
    #[error("The file is larger than 5 GiB: put it in parts, each with its own header.")]
    TooLarge,
}

/// A file as it lies somewhere, on its way to lines: unpacked, and in UTF-8 or windows-1252.
#[derive(Default)]
pub(crate) struct Feed {
    unpack: Unpack,
    text: Text,
    /// What came out last, and how much of it has been read.
    piece: Vec<u8>,
    read: usize,
    /// Of what comes out, this much was read before.
    skip: u64,
    end: End,
}

/// How far the end of a file is.
#[derive(Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    NotSaid,
    Said,
    /// What was left when it came has come out too.
    Flushed,
    /// It was told.
    Told,
}

/// What comes next of a file.
pub(crate) enum Next<'a> {
    /// These bytes.
    Slice(&'a [u8]),
    /// What has not arrived.
    More,
    /// Its end, once.
    End,
}

impl fmt::Debug for Feed {
    /// Not what is on its way: that is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("end", &self.end).finish_non_exhaustive()
    }
}

impl Feed {
    /// Takes the next bytes of the file.
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.unpack.push(chunk);
    }

    /// Says that the file ends here.
    pub(crate) fn end(&mut self) {
        if self.end == End::NotSaid {
            self.unpack.end();
            self.end = End::Said;
        }
    }

    /// Whether the file turned out to be UTF-16.
    pub(crate) const fn is_utf_16(&self) -> bool {
        self.text.is_utf_16()
    }

    /// What comes next, a little of it.
    pub(crate) fn next(&mut self) -> Result<Next<'_>, UnpackError> {
        while self.read == self.piece.len() {
            self.piece = match (self.unpack.piece()?, &self.end) {
                (Some(piece), _) => self.text.push(piece),
                (None, End::NotSaid | End::Told) => return Ok(Next::More),
                (None, End::Said) => {
                    self.end = End::Flushed;
                    self.text.end()
                }
                (None, End::Flushed) => {
                    self.end = End::Told;
                    return Ok(Next::End);
                }
            };
            self.read = usize::try_from(self.skip).unwrap_or(usize::MAX).min(self.piece.len());
            self.skip -= self.read as u64;
        }
        let rest = self.piece.get(self.read..).unwrap_or_default();
        let slice = rest.get(..SLICE).unwrap_or(rest);
        self.read += slice.len();
        Ok(Next::Slice(slice))
    }
}

/// Reads a file of rows `R` that was surveyed, whichever form it came in. The import and the check before an upload both read
/// through this, and so cannot disagree.
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
    /// A reader at the beginning of the file that was surveyed, under the default rules. `now` is the moment that nothing in a
    /// history may lie after.
    ///
    /// # Errors
    /// As of [`Reader::new`].
    pub fn new(verdict: &Verdict, now: Instant) -> Result<Self, FileError> {
        Ok(Self { feed: Feed::default(), reader: Reader::new(verdict, now)? })
    }

    /// A reader that goes on where another stopped. It wants the file from its beginning: what is compressed can be read
    /// in no other way. What was read before is passed over.
    ///
    /// # Errors
    /// As of [`Reader::new`].
    pub fn resume(verdict: &Verdict, state: &ReaderState, now: Instant) -> Result<Self, FileError> {
        let feed = Feed { skip: state.offset(), ..Feed::default() };
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

    /// Rejects the rows at these lines, whatever is in them.
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

    /// Reads on for a moment and adds the rows it came by. `false`: it wants more of the file, or that is at its end.
    ///
    /// # Errors
    /// [`UnpackError`] where what is compressed is not what was surveyed; the rows added before it stand.
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

    /// Where reading can go on: after the last row added.
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
