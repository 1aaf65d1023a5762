//! Tests of archives, whole and damaged.

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
        assert_eq!(read(&zip(&[entry(), made("a/h.csv", b"rows"), entry()])).as_deref(), Ok(&b"rows"[..]), "{other}");
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
        ("an empty zip behind it", [&zip(&[one()])[..], DIRECTORY_END, &[0; 18]].concat(), UnpackError::ZipOfSeveral),
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
