//! Every input that the fuzzer found worth keeping, through the properties that it looks for breaches of (`README.md` here).

// A test stops at the first surprise; Clippy sees only the functions marked as tests as such.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, unreachable_pub)]

mod properties;

use std::collections::BTreeSet;
use std::fs::{File, read, read_dir, read_to_string};
use std::io::Read as _;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use properties::{TARGETS, tells_nothing};
use tar::Archive;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

fn names(folder: PathBuf) -> BTreeSet<String> {
    let file_name = |entry: std::io::Result<std::fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    read_dir(folder).unwrap().map(file_name).collect()
}

/// Puts every input through a property.
fn replay(target: &str, inputs: impl IntoIterator<Item = (PathBuf, Vec<u8>)>, check: fn(&[u8])) {
    let mut count = 0;
    for (name, bytes) in inputs {
        count += 1;
        assert!(catch_unwind(|| check(&bytes)).is_ok(), "{target} fails with {}", name.display());
    }
    assert!(count > 0, "{target} has no inputs");
}

/// The inputs of a corpus, out of its archive.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let file = File::open(folder().join("corpus").join(format!("{target}.tar.gz"))).unwrap();
    let mut archive = Archive::new(GzDecoder::new(file));
    let inputs = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().into_owned(), bytes)
    });
    inputs.collect()
}

/// A test for each target, so that they run side by side.
macro_rules! replays {
    ($($target:ident)*) => {$(
        #[test]
        fn $target() {
            replay(stringify!($target), corpus(stringify!($target)), properties::$target::check);
        }
    )*};
}
replays!(bodies event fields history journeys tokens);

/// The last byte of an input is not part of the file: here it is the end of the last line.
#[test]
fn handwritten_history_files_keep_properties() {
    let folder = folder().join("../files/history");
    let files =
        names(folder.clone()).into_iter().map(|name| folder.join(name)).map(|path| (path.clone(), read(path).unwrap()));
    replay("history", files, properties::history::check);
}

#[test]
fn each_target_has_corpus_dictionary_and_program() {
    let expected: BTreeSet<String> = TARGETS.iter().map(|(target, _)| (*target).to_owned()).collect();
    let archives: BTreeSet<String> = expected.iter().map(|target| format!("{target}.tar.gz")).collect();
    assert_eq!(names(folder().join("corpus")), archives);
    assert_eq!(names(folder().join("dictionaries")), expected);
    let programs: BTreeSet<String> = expected.iter().map(|target| format!("{target}.rs")).collect();
    assert_eq!(names(folder().join("targets")), programs);
    let manifest = read_to_string(folder().join("Cargo.toml")).unwrap();
    assert!(expected.iter().all(|target| manifest.contains(&format!("path = \"targets/{target}.rs\""))));
}

#[test]
fn tells_nothing_detects_repeated_phone() {
    // With the piece that comes next after that of the phone.
    const HINT: &str = "must be a phone such as +336010203, and 447121314 is another";
    let told = |tell: fn(&str) -> String, sent: &str| {
        catch_unwind(|| tells_nothing(sent, &tell(sent), |piece, other| tell(&sent.replace(piece, other)))).is_ok()
    };
    for sent in ["0699999999", "+336010203", "336010203"] {
        assert!(told(|_| HINT.to_owned(), sent), "{sent} is not told");
        assert!(!told(|sent| format!("{HINT}, not {sent}"), sent), "{sent} is repeated");
        assert!(!told(|sent| format!("{HINT}, not X{}Y", &sent[1..9]), sent), "{sent} is repeated in part");
    }
}
