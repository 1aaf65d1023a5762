//! A zip with one CSV file, read as a stream: entry after entry, each from its own header, with flat memory.
//!
//! The crate `zip` does not fit: it seeks to the directory at the end, and as a stream it reads no entry whose size is after
//! it, which is how macOS and most programs that write to a pipe make them. The decompressor is already here for gzip, and the
//! import function may only grow by a quarter of its size.
//!
//! Strict: checksum and sizes of each entry must be right, and a complete directory must follow the last one. Entries that hold
//! nothing of the user's (folders, `__MACOSX/`, `.DS_Store`) are skipped. A second zip behind the first is refused.

use flate2::{Crc, Decompress, FlushDecompress, Status};

use crate::refusal::UnpackError;

/// The size of one step of decompression.
const BUFFER: usize = 16 * 1024;

/// The largest unpacked size of skipped entries. More than this is not a by-product of a desktop.
const PASSED_OVER: u64 = 16 * 1024 * 1024;

const LOCAL_HEADER: &[u8] = b"PK\x03\x04";
const HEADER_LENGTH: usize = 30;

/// The directory's records begin with these: a file, a signature, the end with 64-bit numbers, its locator, the end.
const DIRECTORY_FILE: &[u8] = b"PK\x01\x02";
const DIRECTORY_SIGNATURE: &[u8] = b"PK\x05\x05";
const DIRECTORY_LONG_END: &[u8] = b"PK\x06\x06";
const DIRECTORY_LOCATOR: &[u8] = b"PK\x06\x07";
const DIRECTORY_END: &[u8] = b"PK\x05\x06";

/// The largest record of a directory that a program writes: a file's, with the longest name, extra field and comment.
const LONGEST_RECORD: usize = 46 + 3 * 65_535;

/// Sizes and checksum behind an entry, with the longest form there is. More than that follows in any case.
const DESCRIPTOR_LENGTH: usize = 24;
const DESCRIPTOR: &[u8] = b"PK\x07\x08";

/// A size that stands in an extra field because it needs more than 32 bits.
const ELSEWHERE: u32 = u32::MAX;

const ENCRYPTED: u16 = 0x2041;
const SIZES_BEHIND: u16 = 0x0008;

/// Whether this is the beginning of a zip.
pub(crate) fn is_zip(beginning: &[u8]) -> bool {
    beginning.starts_with(LOCAL_HEADER) || beginning.starts_with(DIRECTORY_END)
}

/// The reading of a zip.
pub(crate) struct Zip {
    state: State,
    /// A header, as far as it has arrived.
    header: Vec<u8>,
    /// Whether the one file has begun.
    found: bool,
    /// The entry whose sizes come next.
    ended: Option<Box<Entry>>,
    /// The unpacked size of the skipped entries.
    passed_over: u64,
}

enum State {
    /// Before an entry or the directory.
    Header,
    /// In an entry.
    Entry(Box<Entry>),
    /// Behind an entry, before its sizes.
    Descriptor,
    /// In the directory behind the last entry.
    Directory,
    /// Behind the directory's end.
    End,
    /// In the bytes behind the end that are not another zip, such as padding.
    Padding,
}

struct Entry {
    /// Whether it is the user's.
    wanted: bool,
    /// The decompressor; `None`: the entry is stored uncompressed.
    inflate: Option<Decompress>,
    /// The values in its header: checksum, size in the zip, size. `None`: they are after the entry.
    says: Option<(u32, u64, u64)>,
    /// The checksum and sizes so far.
    checksum: Crc,
    packed: u64,
    unpacked: u64,
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
    /// Takes the next bytes, and adds the file's content in them to `out`.
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
                    // The rest belongs to the next record.
                    self.header.drain(..length);
                    self.state = State::Header;
                }
                State::Directory => {
                    let Some(length) = self.record(&mut bytes)? else { return Ok(()) };
                    if self.header.starts_with(DIRECTORY_END) {
                        self.state = State::End;
                    }
                    self.header.drain(..length);
                }
                State::End => {
                    if !self.has(LOCAL_HEADER.len(), &mut bytes) {
                        return Ok(());
                    }
                    if is_zip(&self.header) {
                        return Err(UnpackError::ZipOfSeveral);
                    }
                    self.state = State::Padding;
                }
                State::Padding => return Ok(()),
            }
        }
    }

    /// Says that the zip ends here.
    pub(crate) fn finish(&self) -> Result<(), UnpackError> {
        match self.state {
            State::End | State::Padding if self.found => Ok(()),
            State::End | State::Padding => Err(UnpackError::ZipOfNothing),
            _ => Err(UnpackError::Damaged),
        }
    }

    /// Collects a header, and continues with its entry or directory. `false`: it is not complete yet.
    fn collect(&mut self, bytes: &mut &[u8]) -> Result<bool, UnpackError> {
        if !self.has(LOCAL_HEADER.len(), bytes) {
            return Ok(false);
        }
        if [DIRECTORY_FILE, DIRECTORY_LONG_END, DIRECTORY_END].iter().any(|start| self.header.starts_with(start)) {
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

    /// Collects a record of the directory, and returns its length. `None`: it is not complete yet.
    fn record(&mut self, bytes: &mut &[u8]) -> Result<Option<usize>, UnpackError> {
        if !self.has(DIRECTORY_END.len(), bytes) {
            return Ok(None);
        }
        let is = |start: &[u8]| self.header.starts_with(start);
        // The part of fixed length, and where in it the lengths of the others stand.
        let (fixed, lengths): (usize, &[usize]) = if is(DIRECTORY_FILE) {
            (46, &[28, 30, 32])
        } else if is(DIRECTORY_END) {
            (22, &[20])
        } else if is(DIRECTORY_SIGNATURE) {
            (6, &[4])
        } else if is(DIRECTORY_LOCATOR) {
            (20, &[])
        } else if is(DIRECTORY_LONG_END) {
            (12, &[])
        } else {
            return Err(UnpackError::Damaged);
        };
        if !self.has(fixed, bytes) {
            return Ok(None);
        }
        let mut length = fixed + lengths.iter().map(|at| usize::from(short(&self.header, *at))).sum::<usize>();
        if self.header.starts_with(DIRECTORY_LONG_END) {
            let rest = long(&self.header, 4).and_then(|rest| usize::try_from(rest).ok());
            length = length.saturating_add(rest.unwrap_or(usize::MAX));
        }
        if length > LONGEST_RECORD {
            return Err(UnpackError::Damaged);
        }
        Ok(self.has(length, bytes).then_some(length))
    }

    /// Whether this much of the header is there, after it took the bytes that it needs.
    fn has(&mut self, length: usize, bytes: &mut &[u8]) -> bool {
        let missing = length.saturating_sub(self.header.len());
        let (head, tail) = bytes.split_at(missing.min(bytes.len()));
        self.header.extend_from_slice(head);
        *bytes = tail;
        self.header.len() >= length
    }

    /// The entry as its header describes it.
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
        // In this order, and only the values that are stored elsewhere.
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
            // A stored entry does not mark its own end.
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
    /// Takes the entry's part of these bytes. `true`: the entry has ended.
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
                // The decompressor has returned all that it can, and needs more.
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

    /// The length of the sizes behind the entry, if they are right: with a signature or without, of 32 or 64 bits.
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

#[cfg(test)]
mod tests;
