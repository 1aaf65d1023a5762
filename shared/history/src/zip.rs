//! A zip with one CSV file, read as a stream: entry after entry, each from its own header, with flat memory.
//!
//! Not by the crate `zip`: it wants to seek to the directory at the end, and as a stream it reads no entry whose size stands
//! behind it, which is how macOS and most programs that write to a pipe make them. What inflates is here already for gzip, and
//! the import function has a quarter of its size left.
//!
//! Strict: checksum and sizes of each entry must be right, and the directory must follow the last one. Entries that hold
//! nothing of the user's (folders, `__MACOSX/`, `.DS_Store`) are passed over.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::unpack::UnpackError;

/// How much comes out of the inflating at once.
const BUFFER: usize = 16 * 1024;

/// How much may be passed over, unpacked. What is more is no by-product of a desktop.
const PASSED_OVER: u64 = 16 * 1024 * 1024;

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const HEADER_LENGTH: usize = 30;

/// Anything of what follows the entries: the directory, its 64-bit end, its end.
const DIRECTORY: [&[u8]; 3] = [b"PK\x01\x02", b"PK\x06\x06", b"PK\x05\x06"];

/// Sizes and checksum behind an entry, with the longest form there is. More than that follows in any case.
const DESCRIPTOR_LENGTH: usize = 24;
const DESCRIPTOR: &[u8] = b"PK\x07\x08";

/// A size that stands in an extra field because it needs more than 32 bits.
const ELSEWHERE: u32 = u32::MAX;

const ENCRYPTED: u16 = 0x2041;
const SIZES_BEHIND: u16 = 0x0008;

/// Whether this is the beginning of a zip.
pub(crate) fn is_zip(beginning: &[u8]) -> bool {
    beginning.starts_with(LOCAL_HEADER) || beginning.starts_with(b"PK\x05\x06")
}

/// The reading of a zip.
#[derive(Debug)]
pub(crate) struct Zip {
    state: State,
    /// A header, as far as it has arrived.
    header: Vec<u8>,
    /// Whether the one file has begun.
    found: bool,
    /// The entry whose sizes come next.
    ended: Option<Box<Entry>>,
    /// How much was passed over.
    passed_over: u64,
}

#[derive(Debug)]
enum State {
    /// Before an entry or the directory.
    Header,
    /// In an entry.
    Entry(Box<Entry>),
    /// Behind an entry, before its sizes.
    Descriptor,
    /// Behind the last entry.
    Directory,
}

struct Entry {
    /// Whether it is the user's.
    wanted: bool,
    /// How it inflates; `None`: it is stored as it is.
    inflate: Option<Decompress>,
    /// What its header says: checksum, size in the zip, size. `None`: that stands behind it.
    says: Option<(u32, u64, u64)>,
    /// What has come of it.
    checksum: Crc,
    packed: u64,
    unpacked: u64,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("packed", &self.packed).field("unpacked", &self.unpacked).finish_non_exhaustive()
    }
}

impl Default for Zip {
    fn default() -> Self {
        Self { state: State::Header, header: Vec::new(), found: false, ended: None, passed_over: 0 }
    }
}

fn short(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).and_then(|two| two.try_into().ok()).map_or(0, u16::from_le_bytes)
}

fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).and_then(|four| four.try_into().ok()).map_or(0, u32::from_le_bytes)
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

impl Zip {
    /// Takes the next bytes, and adds to `out` what they hold of the file.
    pub(crate) fn write(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), UnpackError> {
        loop {
            match &mut self.state {
                State::Header => {
                    if !self.collect(&mut bytes)? {
                        return Ok(());
                    }
                }
                State::Entry(entry) => {
                    if !entry.take(&mut bytes, out, &mut self.passed_over)? {
                        return Ok(());
                    }
                    let State::Entry(entry) = std::mem::replace(&mut self.state, State::Header) else { continue };
                    if entry.says.is_none() {
                        self.ended = Some(entry);
                        self.state = State::Descriptor;
                    } else if !entry.is_as_said() {
                        return Err(UnpackError::Damaged);
                    }
                }
                State::Descriptor => {
                    if !self.has(DESCRIPTOR_LENGTH, &mut bytes) {
                        return Ok(());
                    }
                    let entry = self.ended.take().ok_or(UnpackError::Damaged)?;
                    let length = entry.descriptor(&self.header).ok_or(UnpackError::Damaged)?;
                    // The rest belongs to what follows.
                    self.header.drain(..length);
                    self.state = State::Header;
                }
                State::Directory => return Ok(()),
            }
        }
    }

    /// Says that the zip ends here.
    pub(crate) fn finish(&self) -> Result<(), UnpackError> {
        match self.state {
            State::Directory if self.found => Ok(()),
            State::Directory => Err(UnpackError::ZipOfNothing),
            _ => Err(UnpackError::Damaged),
        }
    }

    /// Collects a header, and goes on to what it is of. `false`: it is not whole yet.
    fn collect(&mut self, bytes: &mut &[u8]) -> Result<bool, UnpackError> {
        if !self.has(LOCAL_HEADER.len(), bytes) {
            return Ok(false);
        }
        if DIRECTORY.iter().any(|signature| self.header.starts_with(signature)) {
            self.state = State::Directory;
            return Ok(true);
        }
        if !self.header.starts_with(LOCAL_HEADER) {
            return Err(UnpackError::Damaged);
        }
        if !self.has(HEADER_LENGTH, bytes) {
            return Ok(false);
        }
        let name_end = HEADER_LENGTH + usize::from(short(&self.header, 26));
        if !self.has(name_end + usize::from(short(&self.header, 28)), bytes) {
            return Ok(false);
        }
        self.state = State::Entry(Box::new(self.entry(name_end)?));
        self.header.clear();
        Ok(true)
    }

    /// Whether so much of the header is there, after as many of these bytes were taken as that needs.
    fn has(&mut self, length: usize, bytes: &mut &[u8]) -> bool {
        let missing = length.saturating_sub(self.header.len());
        let (head, tail) = bytes.split_at(missing.min(bytes.len()));
        self.header.extend_from_slice(head);
        *bytes = tail;
        self.header.len() >= length
    }

    /// What the header says of its entry.
    fn entry(&mut self, name_end: usize) -> Result<Entry, UnpackError> {
        let header = &self.header;
        let name = header.get(HEADER_LENGTH..name_end).unwrap_or_default();
        let (flags, method) = (short(header, 6), short(header, 8));
        if is_workbook(name) {
            return Err(UnpackError::Workbook);
        }
        let wanted = is_wanted(name);
        if wanted && std::mem::replace(&mut self.found, true) {
            return Err(UnpackError::ZipOfSeveral);
        }
        if flags & ENCRYPTED != 0 {
            return Err(UnpackError::ZipEncrypted);
        }
        let (checksum, mut packed, mut unpacked) =
            (word(header, 14), u64::from(word(header, 18)), u64::from(word(header, 22)));
        let extra = header.get(name_end..).unwrap_or_default();
        // In this order, and only those that are elsewhere.
        let mut long_at = 0;
        for size in [&mut unpacked, &mut packed] {
            if *size == u64::from(ELSEWHERE) {
                let sizes = extra_field(extra, 1).ok_or(UnpackError::Damaged)?;
                *size = long(sizes, long_at).ok_or(UnpackError::Damaged)?;
                long_at += 8;
            }
        }
        let behind = flags & SIZES_BEHIND != 0;
        let inflate = match method {
            8 => Some(Decompress::new(false)),
            // What is stored says nothing of its end.
            0 if !behind || (packed == 0 && !wanted) => None,
            _ => return Err(UnpackError::ZipMethod),
        };
        let says = (!behind).then_some((checksum, packed, unpacked));
        Ok(Entry { wanted, inflate, says, checksum: Crc::new(), packed: 0, unpacked: 0 })
    }
}

/// The content of one of the extra fields.
fn extra_field(mut extra: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let (head, rest) = extra.split_at_checked(4)?;
        let (content, rest) = rest.split_at_checked(usize::from(short(head, 2)))?;
        if short(head, 0) == wanted {
            return Some(content);
        }
        extra = rest;
    }
}

fn is_workbook(name: &[u8]) -> bool {
    const FILES: [&[u8]; 2] = [b"[Content_Types].xml", b"mimetype"];
    const FOLDERS: [&[u8]; 5] = [b"_rels/", b"xl/", b"docProps/", b"META-INF/", b"Index/"];
    FILES.contains(&name) || FOLDERS.iter().any(|folder| name.starts_with(folder))
}

fn is_wanted(name: &[u8]) -> bool {
    let last = name.rsplit(|b| *b == b'/').next().unwrap_or_default();
    !(last.is_empty() || name.starts_with(b"__MACOSX/") || last == b".DS_Store" || last.starts_with(b"._"))
}

impl Entry {
    /// Takes what of these bytes is the entry's. `true`: it has ended.
    fn take(&mut self, bytes: &mut &[u8], out: &mut Vec<u8>, passed_over: &mut u64) -> Result<bool, UnpackError> {
        let Some(mut inflate) = self.inflate.take() else {
            let left = self.says.map_or(0, |(_, packed, _)| packed).saturating_sub(self.packed);
            let (head, tail) = bytes.split_at(usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len()));
            *bytes = tail;
            self.packed += head.len() as u64;
            let ended = head.len() as u64 == left;
            self.add(head, out, passed_over)?;
            return Ok(ended);
        };
        let mut buffer = [0; BUFFER];
        let ended = loop {
            let (read, written) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(bytes, &mut buffer, FlushDecompress::None);
            let status = status.map_err(|_| UnpackError::Damaged)?;
            let read = usize::try_from(inflate.total_in() - read).unwrap_or(usize::MAX);
            let written = usize::try_from(inflate.total_out() - written).unwrap_or(usize::MAX);
            *bytes = bytes.get(read..).unwrap_or_default();
            self.packed += read as u64;
            self.add(buffer.get(..written).unwrap_or_default(), out, passed_over)?;
            match status {
                Status::StreamEnd => break true,
                // It has given all that it can, and wants more.
                _ if written < BUFFER && bytes.is_empty() => break false,
                _ if read == 0 && written == 0 => return Err(UnpackError::Damaged),
                _ => {}
            }
        };
        self.inflate = Some(inflate);
        Ok(ended)
    }

    fn add(&mut self, piece: &[u8], out: &mut Vec<u8>, passed_over: &mut u64) -> Result<(), UnpackError> {
        self.checksum.update(piece);
        self.unpacked += piece.len() as u64;
        if self.wanted {
            out.extend_from_slice(piece);
            return Ok(());
        }
        *passed_over += piece.len() as u64;
        if *passed_over > PASSED_OVER { Err(UnpackError::ZipOfSeveral) } else { Ok(()) }
    }

    fn is_as_said(&self) -> bool {
        self.says == Some((self.checksum.sum(), self.packed, self.unpacked))
    }

    /// How long the sizes behind the entry are, if they are right: with a signature or without, of 32 or 64 bits.
    fn descriptor(&self, bytes: &[u8]) -> Option<usize> {
        let signature = if bytes.starts_with(DESCRIPTOR) { DESCRIPTOR.len() } else { 0 };
        if word(bytes, signature) != self.checksum.sum() {
            return None;
        }
        let sizes = signature + 4;
        let (packed, unpacked) = (u64::from(word(bytes, sizes)), u64::from(word(bytes, sizes + 4)));
        if (packed, unpacked) == (self.packed, self.unpacked) {
            return Some(sizes + 8);
        }
        let as_long = (long(bytes, sizes), long(bytes, sizes + 8)) == (Some(self.packed), Some(self.unpacked));
        as_long.then_some(sizes + 16)
    }
}
