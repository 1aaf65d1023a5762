//! Unpacks a file on S3, which may be compressed, a little at a time.

use std::fmt;
use std::io::Write as _;

use flate2::write::MultiGzDecoder;

use crate::refusal::{LARGEST_FILE, RATIO, UnpackError};
use crate::zip::{Zip, is_zip};

/// The first bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// The number of bytes that identify a format.
const TELLING: usize = 4;

/// The amount of compressed data unpacked at once: it gives at most a thousand times as much.
const SLICE: usize = 1024;

/// The size to which any small file may unpack.
const SMALL: u64 = 16 * 1024 * 1024;

/// Unpacks a stream, if it is compressed: with gzip, or as a zip that holds one file. [`Unpack::push`] takes bytes, and
/// [`Unpack::piece`] returns the unpacked ones until there are no more.
#[derive(Default)]
pub struct Unpack {
    /// The input not yet processed.
    waiting: Vec<u8>,
    /// The amount of it that was returned.
    gone: usize,
    ended: bool,
    form: Form,
}

#[derive(Default)]
enum Form {
    /// Too few bytes have arrived to recognise the form.
    #[default]
    Unknown,
    Plain,
    Packed {
        packing: Packing,
        packed: u64,
        unpacked: u64,
        /// Why the output ends, once the output so far has been returned.
        failed: Option<UnpackError>,
    },
}

/// The compression.
enum Packing {
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Zip(Box<Zip>),
}

impl fmt::Debug for Unpack {
    /// Without the waiting bytes: they are personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let packed = matches!(self.form, Form::Packed { .. });
        f.debug_struct("Unpack").field("packed", &packed).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Packing {
    fn of(beginning: &[u8]) -> Option<Self> {
        if beginning.starts_with(&GZIP) {
            Some(Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))))
        } else {
            is_zip(beginning).then(|| Self::Zip(Box::default()))
        }
    }

    /// Unpacks a slice, or the rest at the end, and returns the error that ends the output, if there is one.
    fn unpack(&mut self, slice: Option<&[u8]>) -> (Vec<u8>, Option<UnpackError>) {
        let mut out = Vec::new();
        let done = match (&mut *self, slice) {
            (Self::Gzip(decoder), Some(slice)) => decoder.write_all(slice).map_err(|_| UnpackError::Damaged),
            (Self::Gzip(decoder), None) => decoder.try_finish().map_err(|_| UnpackError::Damaged),
            (Self::Zip(zip), Some(slice)) => zip.write(slice, &mut out),
            (Self::Zip(zip), None) => zip.finish(),
        };
        if let Self::Gzip(decoder) = self {
            out = std::mem::take(decoder.get_mut());
        }
        (out, done.err())
    }
}

impl Unpack {
    /// Takes the next bytes.
    pub fn push(&mut self, chunk: &[u8]) {
        self.waiting.drain(..self.gone);
        self.gone = 0;
        self.waiting.extend_from_slice(chunk);
    }

    /// Says that the stream ends here.
    pub const fn end(&mut self) {
        self.ended = true;
    }

    /// The next unpacked piece of the input so far; `None` if there is no more.
    ///
    /// # Errors
    /// [`UnpackError`]; no more output follows.
    pub fn piece(&mut self) -> Result<Option<Vec<u8>>, UnpackError> {
        if matches!(self.form, Form::Unknown) {
            if self.waiting.len() < TELLING && !self.ended {
                return Ok(None);
            }
            self.form = Packing::of(&self.waiting).map_or(Form::Plain, |packing| Form::Packed {
                packing,
                packed: 0,
                unpacked: 0,
                failed: None,
            });
        }
        let Form::Packed { packing, packed, unpacked, failed } = &mut self.form else {
            self.gone = 0;
            let all = std::mem::take(&mut self.waiting);
            return Ok(if all.is_empty() { None } else { Some(all) });
        };
        loop {
            if let Some(error) = *failed {
                return Err(error);
            }
            let rest = self.waiting.get(self.gone..).unwrap_or_default();
            // Whole slices until the end: the output of a damaged stream must not depend on how it arrives.
            let slice = match rest.get(..SLICE) {
                Some(slice) => slice,
                None if self.ended => rest,
                None => &[],
            };
            let out;
            if !slice.is_empty() {
                (out, *failed) = packing.unpack(Some(slice));
                *packed += slice.len() as u64;
                self.gone += slice.len();
            } else if std::mem::take(&mut self.ended) {
                (out, *failed) = packing.unpack(None);
            } else {
                return Ok(None);
            }
            *unpacked += out.len() as u64;
            if *unpacked > SMALL && *unpacked / RATIO > *packed {
                return Err(UnpackError::Bomb);
            }
            if *unpacked > LARGEST_FILE {
                return Err(UnpackError::TooLarge);
            }
            if !out.is_empty() {
                return Ok(Some(out));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The output of a stream cut into chunks, and the largest piece.
    fn unpack(stream: &[u8], chunk: usize) -> Result<(Vec<u8>, usize), UnpackError> {
        let (mut out, mut largest) = (Vec::new(), 0);
        let mut unpack = Unpack::default();
        for chunk in stream.chunks(chunk).map(Some).chain([None]) {
            match chunk {
                Some(chunk) => unpack.push(chunk),
                None => unpack.end(),
            }
            while let Some(piece) = unpack.piece()? {
                largest = largest.max(piece.len());
                out.extend_from_slice(&piece);
            }
        }
        Ok((out, largest))
    }

    #[test]
    fn gzip_is_unpacked_in_any_chunks() {
        let text: Vec<u8> =
            (0..20_000_u32).flat_map(|n| format!("short,DUP,+336{n:06},2021-01-01\n").into_bytes()).collect();
        for chunk in [1, 3, 1000, 1 << 20] {
            assert_eq!(unpack(&gzip(&text), chunk).unwrap().0, text);
            assert_eq!(unpack(&text, chunk).unwrap().0, text, "plain passes as it is");
        }
        let twice = [gzip(b"one\n"), gzip(b"two\n")].concat();
        assert_eq!(unpack(&twice, 5).unwrap().0, b"one\ntwo\n", "as `cat a.gz b.gz` makes them");
        for short in [&b""[..], b"a", b"\x1f"] {
            assert_eq!(unpack(short, 1).unwrap().0, short);
        }
    }

    #[test]
    fn damaged_gzip_and_bomb_are_rejected() {
        let packed = gzip(b"journey_type,last_name_trunc\n");
        let mut damaged = packed.clone();
        damaged[12] ^= 0xff;
        for stream in [&damaged[..], &packed[..packed.len() - 3], &packed[..11]] {
            assert_eq!(unpack(stream, 7), Err(UnpackError::Damaged));
        }
        let bomb = gzip(&vec![b'a'; 64 << 20]);
        assert!(bomb.len() < 100_000);
        assert_eq!(unpack(&bomb, 1 << 20), Err(UnpackError::Bomb));
        let small = gzip(&vec![b'a'; 8 << 20]);
        let (out, largest) = unpack(&small, 1 << 20).unwrap();
        assert_eq!(out.len(), 8 << 20);
        assert!(largest <= 2 << 20, "memory stays flat: {largest}");
    }
}
