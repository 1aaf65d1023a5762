//! A whole file as it lies somewhere: compressed or not, a little at a time.

use cee_eligibility::{Instant, Rules};

use crate::dialect::{FileError, Header};
use crate::reader::{Line, Reader, ReaderState, Row};
use crate::unpack::{Unpack, UnpackError};

/// How much is read between two returns to the caller: some two hundred rows.
const SLICE: usize = 8 * 1024;

/// Why a file is refused: whole, or, where it turns out to be damaged, from somewhere on. Its `Display` is a sentence
/// for whoever sent the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileRefusal {
    /// It is compressed, and cannot be unpacked.
    #[error("The file {0}.")]
    Unpack(#[from] UnpackError),
    /// It is no file of this kind.
    #[error("The file {0}.")]
    Header(#[from] FileError),
    /// It is larger than [`LARGEST_FILE`](crate::LARGEST_FILE).
    #[error("The file is larger than 5 GiB: put it in parts, each with its own header.")]
    TooLarge,
}

/// Reads a file of rows `R`, whichever form it came in: [`Unpack`] and [`Reader`] in one. The import and the check before
/// an upload both read through this, and so cannot disagree.
///
/// ```
/// use cee_eligibility::{Instant, Rules};
/// use cee_history::{FileReader, HistoryRow};
///
/// let now = Instant::parse("2024-05-01T00:00:00Z").unwrap();
/// let mut file = FileReader::<HistoryRow>::new(now);
/// file.push(b"journey_type,last_name_trunc,phone_trunc,datetime\nshort,DUP,+336010203,2021-02-01");
/// let mut lines = Vec::new();
/// while file.read(&mut lines)? {}
/// file.end();
/// while file.read(&mut lines)? {}
/// assert_eq!(lines.len(), 1);
/// # Ok::<(), cee_history::FileRefusal>(())
/// ```
#[derive(Debug)]
pub struct FileReader<R> {
    unpack: Unpack,
    reader: Reader<R>,
    /// What came out of the unpacking last, and how much of it has been read.
    piece: Vec<u8>,
    read: usize,
    /// Of what comes out, this much was read before.
    skip: u64,
    ended: bool,
}

impl<R: Row> FileReader<R> {
    /// A reader at the beginning of a file, under the default rules. `now` is the moment that nothing in a history may lie
    /// after.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self::with(Reader::new(now), 0)
    }

    /// A reader that goes on where another stopped. It wants the file from its beginning: what is compressed can be read
    /// in no other way. What was read before is passed over.
    ///
    /// # Errors
    /// As of [`Reader::resume`].
    pub fn resume(state: &ReaderState, now: Instant) -> Result<Self, FileError> {
        Ok(Self::with(Reader::resume(state, now)?, state.offset()))
    }

    fn with(reader: Reader<R>, skip: u64) -> Self {
        Self { unpack: Unpack::default(), reader, piece: Vec::new(), read: 0, skip, ended: false }
    }

    /// As [`Reader::under`].
    #[must_use]
    pub fn under(mut self, rules: &Rules) -> Self {
        self.reader = self.reader.under(rules);
        self
    }

    /// Rejects the rows at these lines, whatever is in them.
    pub fn give_up(&mut self, lines: impl IntoIterator<Item = u64>) {
        self.reader.give_up(lines);
    }

    /// Takes the next bytes of the file.
    pub fn push(&mut self, chunk: &[u8]) {
        self.unpack.push(chunk);
    }

    /// Says that the file ends here.
    pub const fn end(&mut self) {
        self.unpack.end();
        self.ended = true;
    }

    /// Reads on for a moment and adds the rows it came by. `false`: it wants more of the file, or that is at its end.
    ///
    /// # Errors
    /// [`FileRefusal`]; the rows added before it stand.
    pub fn read(&mut self, lines: &mut Vec<Line<R>>) -> Result<bool, FileRefusal> {
        if self.read == self.piece.len() {
            let Some(piece) = self.unpack.piece()? else {
                if std::mem::take(&mut self.ended) {
                    self.reader.finish(|line| lines.push(line))?;
                }
                return Ok(false);
            };
            self.read = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
            self.skip -= self.read as u64;
            self.piece = piece;
        }
        let rest = self.piece.get(self.read..).unwrap_or_default();
        let slice = rest.get(..SLICE).unwrap_or(rest);
        self.read += slice.len();
        self.reader.push(slice, |line| lines.push(line))?;
        Ok(true)
    }

    /// Where reading can go on: after the last row added.
    #[must_use]
    pub fn state(&self) -> ReaderState {
        self.reader.state()
    }

    /// The header, once it has arrived.
    #[must_use]
    pub const fn header(&self) -> Option<&Header> {
        self.reader.header()
    }
}
