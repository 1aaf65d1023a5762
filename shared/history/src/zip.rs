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

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// An entry to make.
    struct Made {
        name: &'static str,
        content: Vec<u8>,
        flags: u16,
        method: u16,
        /// Its sizes in 64 bits.
        long: bool,
        /// Whether a signature stands before sizes that follow it.
        signed: bool,
    }

    fn made(name: &'static str, content: &[u8]) -> Made {
        Made { name, content: content.to_vec(), flags: 0, method: 8, long: false, signed: true }
    }

    fn zip(entries: &[Made]) -> Vec<u8> {
        let mut out = Vec::new();
        for Made { name, content, flags, method, long, signed } in entries {
            let mut checksum = Crc::new();
            checksum.update(content);
            let packed = if *method == 8 {
                let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
                encoder.write_all(content).unwrap();
                encoder.finish().unwrap()
            } else {
                content.clone()
            };
            let behind = flags & SIZES_BEHIND != 0;
            let sizes = [packed.len() as u64, content.len() as u64];
            out.extend(LOCAL_HEADER);
            out.extend(45_u16.to_le_bytes());
            out.extend(flags.to_le_bytes());
            out.extend(method.to_le_bytes());
            out.extend([0; 4]);
            out.extend((if behind { 0 } else { checksum.sum() }).to_le_bytes());
            for size in sizes {
                let size = if behind { 0 } else { u32::try_from(size).unwrap() };
                out.extend((if *long && !behind { ELSEWHERE } else { size }).to_le_bytes());
            }
            out.extend(u16::try_from(name.len()).unwrap().to_le_bytes());
            let mut extra = b"UT\x01\0x".to_vec();
            if *long && !behind {
                extra.extend(b"\x01\0\x10\0");
                extra.extend(sizes[1].to_le_bytes());
                extra.extend(sizes[0].to_le_bytes());
            }
            out.extend(u16::try_from(extra.len()).unwrap().to_le_bytes());
            out.extend(name.as_bytes());
            out.extend(extra);
            out.extend(packed);
            if behind {
                out.extend(if *signed { DESCRIPTOR } else { &[] });
                out.extend(checksum.sum().to_le_bytes());
                for size in sizes {
                    if *long {
                        out.extend(size.to_le_bytes());
                    } else {
                        out.extend(u32::try_from(size).unwrap().to_le_bytes());
                    }
                }
            }
        }
        // Of the directory nothing is read but how it begins.
        out.extend(b"PK\x01\x02");
        out.resize(out.len() + 68, 0);
        out
    }

    fn read_in(bytes: &[u8], chunk: usize) -> Result<Vec<u8>, UnpackError> {
        let (mut zip, mut out) = (Zip::default(), Vec::new());
        for chunk in bytes.chunks(chunk) {
            zip.write(chunk, &mut out)?;
        }
        zip.finish().map(|()| out)
    }

    fn read(bytes: &[u8]) -> Result<Vec<u8>, UnpackError> {
        let whole = read_in(bytes, usize::MAX);
        for chunk in [1, 2, 13] {
            assert_eq!(read_in(bytes, chunk), whole, "in chunks of {chunk}");
        }
        whole
    }

    #[test]
    fn file_comes_out_whichever_way_its_sizes_are_written() {
        let content = b"journey_type,last_name_trunc\n".repeat(50);
        for method in [0, 8] {
            for long in [false, true] {
                let entry = Made { method, long, ..made("a/h.csv", &content) };
                assert_eq!(read(&zip(&[entry])).as_deref(), Ok(&content[..]), "{method} {long}");
            }
        }
        for long in [false, true] {
            for signed in [false, true] {
                let entry = Made { flags: SIZES_BEHIND, long, signed, ..made("h.csv", &content) };
                let after = Made { flags: SIZES_BEHIND, long, signed, ..made("__MACOSX/._h.csv", b"x") };
                assert_eq!(read(&zip(&[entry, after])).as_deref(), Ok(&content[..]), "{long} {signed}");
            }
        }
        assert_eq!(read(&zip(&[made("empty.csv", b"")])).as_deref(), Ok(&b""[..]));
    }

    #[test]
    fn by_products_of_a_desktop_are_passed_over() {
        let others = ["a/", "a/.DS_Store", "__MACOSX/a/._h.csv", "a/._h.csv"];
        for other in others {
            let method = if other.ends_with('/') { 0 } else { 8 };
            let entry = || Made { method, ..made(other, if other.ends_with('/') { b"" } else { b"not a row" }) };
            assert_eq!(
                read(&zip(&[entry(), made("a/h.csv", b"rows"), entry()])).as_deref(),
                Ok(&b"rows"[..]),
                "{other}"
            );
            assert_eq!(read(&zip(&[entry()])), Err(UnpackError::ZipOfNothing), "{other}");
        }
        let folder = Made { flags: SIZES_BEHIND, method: 0, ..made("a/", b"") };
        assert_eq!(read(&zip(&[folder, made("a/h.csv", b"rows")])).as_deref(), Ok(&b"rows"[..]));
        // What is passed over costs time: not without end, in one entry or in many.
        let large = || made("._x", &vec![0; 9 << 20]);
        assert_eq!(read_in(&zip(&[large(), made("h.csv", b"rows")]), 1000).as_deref(), Ok(&b"rows"[..]));
        assert_eq!(read_in(&zip(&[large(), large(), made("h.csv", b"rows")]), 1000), Err(UnpackError::ZipOfSeveral));
    }

    #[test]
    fn other_zips_are_refused() {
        let one = || made("h.csv", b"rows");
        let table = [
            ("two files", zip(&[one(), made("i.csv", b"rows")]), UnpackError::ZipOfSeveral),
            ("a password", zip(&[Made { flags: 1, ..one() }]), UnpackError::ZipEncrypted),
            ("strong encryption", zip(&[Made { flags: 0x40, ..one() }]), UnpackError::ZipEncrypted),
            ("masked headers", zip(&[Made { flags: 0x2000, ..one() }]), UnpackError::ZipEncrypted),
            ("deflate64", zip(&[Made { method: 9, ..one() }]), UnpackError::ZipMethod),
            ("stored without a size", zip(&[Made { method: 0, flags: SIZES_BEHIND, ..one() }]), UnpackError::ZipMethod),
            ("a workbook", zip(&[made("[Content_Types].xml", b"<")]), UnpackError::Workbook),
            ("a workbook in another order", zip(&[made("xl/workbook.xml", b"<")]), UnpackError::Workbook),
            ("a spreadsheet", zip(&[made("mimetype", b"application/")]), UnpackError::Workbook),
            ("nothing", b"PK\x05\x06".to_vec(), UnpackError::ZipOfNothing),
        ];
        for (what, bytes, expected) in table {
            assert_eq!(read(&bytes), Err(expected), "{what}");
        }
    }

    #[test]
    fn damage_anywhere_is_found() {
        let content: Vec<u8> = (0..200_u32).flat_map(|n| format!("{n:05}").into_bytes()).collect();
        for flags in [0, SIZES_BEHIND] {
            let whole = zip(&[Made { flags, ..made("h.csv", &content) }]);
            let directory = whole.len() - 72;
            for end in 0..directory + 4 {
                assert_eq!(read_in(&whole[..end], 64), Err(UnpackError::Damaged), "cut off after {end}");
            }
            assert!(read_in(&whole[..directory + 12], 64).is_ok());
            let data = HEADER_LENGTH + 5 + 5;
            for at in data..directory {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x04;
                // Some bits of a stream mean nothing.
                assert!(read_in(&damaged, 64).is_err() || read_in(&damaged, 64).as_ref() == Ok(&content), "at {at}");
            }
        }
        let mut lies = zip(&[made("h.csv", &content)]);
        lies[22] ^= 1;
        assert_eq!(read(&lies), Err(UnpackError::Damaged), "another size");
        let mut missing = zip(&[Made { long: true, ..made("h.csv", &content) }]);
        missing[HEADER_LENGTH + 5 + 5] = 2;
        assert_eq!(read(&missing), Err(UnpackError::Damaged), "no size where it was to be");
    }
}
