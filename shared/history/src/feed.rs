//! The bytes of a file on their way to its lines.

use std::fmt;

use crate::refusal::UnpackError;
use crate::text::Text;
use crate::unpack::Unpack;

/// The amount read between two returns to the caller: some two hundred rows.
const SLICE: usize = 8 * 1024;

/// A stored file, turned into the bytes of its lines: unpacked, and in UTF-8 or windows-1252.
#[derive(Default)]
pub(crate) struct Feed {
    unpack: Unpack,
    text: Text,
    /// The last piece unpacked, and how much of it has been read.
    piece: Vec<u8>,
    read: usize,
    /// The number of unpacked bytes still to skip: an earlier run read them.
    skip: u64,
    end: End,
}

/// The state of the end of a file.
#[derive(Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    NotSaid,
    Said,
    /// The bytes left over at the end have been returned, too.
    Flushed,
    /// The end has been returned.
    Told,
}

/// The next part of a file.
pub(crate) enum Next<'a> {
    /// These bytes.
    Slice(&'a [u8]),
    /// More input is needed.
    More,
    /// Its end, once.
    End,
}

impl fmt::Debug for Feed {
    /// Without the buffered bytes: they are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("end", &self.end).finish_non_exhaustive()
    }
}

impl Feed {
    /// A feed that skips this much of the file, which was read before.
    pub(crate) fn from(skip: u64) -> Self {
        Self { skip, ..Self::default() }
    }

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

    /// The next small part of the file.
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
