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
        out.extend(directory());
        out
    }

    /// A directory with each kind of record. Only the records' lengths are read.
    fn directory() -> Vec<u8> {
        let record = |start: &[u8], fixed: usize, lengths: &[(usize, u8)]| {
            let mut record = start.to_vec();
            record.resize(fixed + lengths.iter().map(|(_, length)| usize::from(*length)).sum::<usize>(), 0);
            lengths.iter().for_each(|(at, length)| record[*at] = *length);
            record
        };
        [
            record(DIRECTORY_FILE, 46, &[(28, 3), (30, 4), (32, 5)]),
            record(DIRECTORY_SIGNATURE, 6, &[(4, 7)]),
            record(DIRECTORY_LONG_END, 12, &[(4, 44)]),
            record(DIRECTORY_LOCATOR, 20, &[]),
            record(DIRECTORY_END, 22, &[(20, 9)]),
        ]
        .concat()
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
    fn zip_entry_is_read_wherever_its_sizes_are() {
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
    fn zip_skips_folders_and_macos_files() {
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
        // Skipped entries cost time: there is a limit, for one entry and for many.
        let large = || made("._x", &vec![0; 9 << 20]);
        assert_eq!(read_in(&zip(&[large(), made("h.csv", b"rows")]), 1000).as_deref(), Ok(&b"rows"[..]));
        assert_eq!(read_in(&zip(&[large(), large(), made("h.csv", b"rows")]), 1000), Err(UnpackError::ZipOfSeveral));
    }

    #[test]
    fn unsupported_zip_is_rejected() {
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
            ("nothing", [DIRECTORY_END, &[0; 18]].concat(), UnpackError::ZipOfNothing),
            ("a zip behind it", [zip(&[one()]), zip(&[one()])].concat(), UnpackError::ZipOfSeveral),
            (
                "an empty zip behind it",
                [&zip(&[one()])[..], DIRECTORY_END, &[0; 18]].concat(),
                UnpackError::ZipOfSeveral,
            ),
        ];
        for (what, bytes, expected) in table {
            assert_eq!(read(&bytes), Err(expected), "{what}");
        }
    }

    #[test]
    fn damage_anywhere_in_zip_is_found() {
        let content: Vec<u8> = (0..200_u32).flat_map(|n| format!("{n:05}").into_bytes()).collect();
        for flags in [0, SIZES_BEHIND] {
            let whole = zip(&[Made { flags, ..made("h.csv", &content) }]);
            let directory = whole.len() - directory().len();
            for end in 0..whole.len() {
                assert_eq!(read_in(&whole[..end], 64), Err(UnpackError::Damaged), "cut off after {end}");
            }
            let data = HEADER_LENGTH + 5 + 5;
            for at in data..directory {
                let mut damaged = whole.clone();
                damaged[at] ^= 0x04;
                // Some bits of a stream have no meaning.
                assert!(read_in(&damaged, 64).is_err() || read_in(&damaged, 64).as_ref() == Ok(&content), "at {at}");
            }
        }
        // The second record of the directory, and the length of the third.
        for (at, byte) in [(58 + 3, 9), (58 + 13 + 11, 0xff)] {
            let mut damaged = zip(&[made("h.csv", &content)]);
            let directory = damaged.len() - directory().len();
            damaged[directory + at] = byte;
            assert_eq!(read(&damaged), Err(UnpackError::Damaged), "at {at} of the directory");
        }
        let padded = [zip(&[made("h.csv", &content)]), b"\r\n\0\0\0".to_vec()].concat();
        assert_eq!(read(&padded).as_deref(), Ok(&content[..]), "padding is not a zip");
        let mut lies = zip(&[made("h.csv", &content)]);
        lies[22] ^= 1;
        assert_eq!(read(&lies), Err(UnpackError::Damaged), "another size");
        let mut missing = zip(&[Made { long: true, ..made("h.csv", &content) }]);
        missing[HEADER_LENGTH + 5 + 5] = 2;
        assert_eq!(read(&missing), Err(UnpackError::Damaged), "no size where it was to be");
    }
}
