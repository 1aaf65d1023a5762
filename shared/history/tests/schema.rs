//! The published Table Schema: it says what the code says, and the Frictionless validator agrees with our reader on every
//! file of `tests/files/history`, line by line, but for the differences listed here.
//!
//! The comparison needs Python with the package `frictionless`: `FRICTIONLESS_PYTHON` names the interpreter, or else
//! `python3` is tried. Without it that part is skipped; with `README_TOOLS=required`, as in `.ci/run`, it fails.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::print_stderr, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cee_eligibility::{Instant, PhoneTrunc};
use cee_history::{Dates, FileReader, HistoryRow, Line, Row as _, survey};
use serde_json::{Value, json};

/// Where the two differ, and why that is right. A line that only we take is repaired or read with more knowledge; one that
/// only the validator takes fits its pattern, and a pattern knows no calendar.
const DIFFERENCES: &[(&str, &[u64], &str)] = &[
    ("comment-lines.csv", &[0], "we do not guess which line is the header; the validator skips what begins with #"),
    ("dates-at-the-edge.csv", &[4, 5], "a pattern knows no clock: days of the scheme fit it"),
    ("dates-bad.csv", &[2, 3], "a pattern knows no calendar: 29 February 2021 and 31 April fit it"),
    ("dates-bad.csv", &[5, 6], "a pattern knows no clock: days to come fit it"),
    ("dates-bad.csv", &[10], "a pattern knows no beginning of time: the year 0 fits it"),
    ("dates-bad.csv", &[9], "a time of day without offset is read as in Paris"),
    ("dates-spoilt-by-excel.csv", &[6, 7, 8], "a row knows nothing of the others: the file writes the month first"),
    (
        "dates-with-times.csv",
        &[2, 3],
        "a time of day without offset is read as in Paris where that can be one moment only",
    ),
    ("days-swapped.csv", &[0], "a row knows nothing of the others: no day lies after the 12th"),
    ("empty-cells.csv", &[2, 3], "cells that are empty in every row are nothing"),
    ("header-column-unknown.csv", &[0], "a column that we do not know may hold what we must not have"),
    ("header-guarded.csv", &[2], "what is put around a value so that Excel leaves it alone is taken off"),
    ("header-surplus-separators.csv", &[2], "cells that are empty below no header are nothing"),
    ("journey-types.csv", &[4, 5, 6], "capitals and spaces around the word are repaired"),
    ("names-padded.csv", &[2, 3, 4], "spaces at the end are padding, and a no-break space is a space"),
    ("names-trimmed-by-excel.csv", &[2, 3], "the spaces at the end that Excel cut off are put back"),
    ("no-break-spaces.csv", &[2], "spaces that do not break are spaces"),
    ("order-month-first.csv", &[2], "a row knows nothing of the others: the file writes the month first"),
    ("order-undecided.csv", &[3, 4], "days and months of one digit, with `.` and `-` too, are read"),
    (
        "phones.csv",
        &[16],
        "what separates the digits of a foreign number, and its trunk prefix, make the pattern too long",
    ),
    ("phones-spoilt-by-excel.csv", &[2, 3, 5, 12], "a lost + or 0 is put back where one reading is possible"),
    ("phones-spoilt-by-excel.csv", &[10, 11], "what is put around a number so that Excel leaves it alone is taken off"),
    ("row-names.csv", &[2, 3], "a name in front of each row is left out"),
    ("quote-stray.csv", &[2], "the validator joins what stands after a closing quote to the cell; we do not guess"),
];

/// Files that are not compared, and why.
const NOT_COMPARED: &[(&str, &str)] =
    &[("many-separators.csv", "its 60,000 cells in one row take the validator minutes and gigabytes")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema() -> Value {
    serde_json::from_slice(&std::fs::read(root().join("docs/history.schema.json")).unwrap()).unwrap()
}

/// What our reader makes of a file: the lines it rejects, all lines it reads, and the separator; `None` where it refuses it.
fn ours(content: &[u8], dates: Dates) -> Option<(BTreeSet<u64>, BTreeSet<u64>, char)> {
    let verdict = survey::<HistoryRow>(content, dates).ok()?;
    let mut file = FileReader::<HistoryRow>::new(&verdict, Instant::parse("2024-05-01T00:00:00Z").unwrap()).ok()?;
    let mut lines = Vec::new();
    file.push(content);
    while file.read(&mut lines).ok()? {}
    file.end();
    while file.read(&mut lines).ok()? {}
    let rejected = lines.iter().filter(|line| matches!(line, Line::Rejected(_))).map(Line::line).collect();
    Some((rejected, lines.iter().map(Line::line).collect(), file.header().separator()))
}

#[test]
fn the_schema_says_what_the_code_says() {
    let schema = schema();
    let fields = schema["fields"].as_array().unwrap();
    let names: Vec<&str> = fields.iter().map(|field| field["name"].as_str().unwrap()).collect();
    let known: Vec<&str> = HistoryRow::FIELDS.iter().map(|field| field.name()).collect();
    assert_eq!(names, known);
    let mut examples = Vec::new();
    for (field, known) in fields.iter().zip(HistoryRow::FIELDS) {
        for told in ["title", "description", "example"] {
            assert!(field[told].as_str().is_some_and(|text| !text.is_empty()), "{told} of {}", known.name());
        }
        assert_eq!(field["constraints"]["required"], json!(known.is_required()));
        examples.push(field["example"].as_str().unwrap());
    }
    let phone = PhoneTrunc::PATTERNS.map(|pattern| pattern.trim_start_matches('^').trim_end_matches('$')).join("|");
    let pattern = &fields.iter().find(|field| field["name"] == "phone_trunc").unwrap()["constraints"]["pattern"];
    assert_eq!(pattern, &format!("(?:{phone})"));
    let (rejected, read, _) =
        ours(format!("{}\n{}\n", names.join(","), examples.join(",")).as_bytes(), Dates::Unconfirmed).unwrap();
    assert_eq!((rejected.len(), read.len()), (0, 1), "the examples make a good row");
}

fn python() -> Option<String> {
    let python = std::env::var("FRICTIONLESS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import frictionless"]).stderr(Stdio::null()).status();
    if there.is_ok_and(|status| status.success()) {
        return Some(python);
    }
    assert_ne!(std::env::var("README_TOOLS").as_deref(), Ok("required"), "{python} has no package frictionless");
    eprintln!("skipped: no Python with the package frictionless");
    None
}

#[test]
fn the_frictionless_validator_agrees() {
    let Some(python) = python() else { return };
    let folder = root().join("tests/files/history");
    let manifest: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    // What is compressed is no table for it before it is unpacked, and UTF-16 none before it is told.
    let other = |name: &str| ["gzip", "zip", "utf-16"].iter().any(|form| name.starts_with(form));
    let is_compared = |name: &&String| !other(name) && NOT_COMPARED.iter().all(|(left_out, _)| left_out != *name);
    let files = manifest["files"].as_object().unwrap().keys().filter(is_compared);
    let mut requests = String::new();
    let mut compared = Vec::new();
    for name in files {
        let path = folder.join(name);
        let content = std::fs::read(&path).unwrap();
        let outcome = ours(&content, Dates::of_name(name));
        let header = |content: &[u8]| {
            let text = String::from_utf8_lossy(content).replace("\r\n", "\n").replace('\r', "\n").to_lowercase();
            text.split('\n').position(|line| line.contains("journey_type")).map(|line| line + 1)
        };
        let separator = outcome.as_ref().map(|(.., separator)| separator.to_string());
        let header_line = separator.as_ref().and_then(|_| header(&content));
        requests += &json!({"path": path, "separator": separator, "header_line": header_line}).to_string();
        requests.push('\n');
        compared.push((name.clone(), outcome));
    }
    let mut child = Command::new(python)
        .arg(root().join("shared/history/tests/schema/validate.py"))
        .arg(root().join("docs/history.schema.json"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || input.write_all(requests.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    assert!(output.status.success());
    let answers: Vec<BTreeMap<u64, Vec<String>>> = output
        .stdout
        .split(|b| *b == b'\n')
        .filter(|l| !l.is_empty())
        .map(|l| serde_json::from_slice(l).unwrap())
        .collect();
    assert_eq!(answers.len(), compared.len());

    let mut differences: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for ((name, outcome), theirs) in compared.iter().zip(&answers) {
        let rejected = outcome.as_ref().map_or_else(|| BTreeSet::from([0]), |(rejected, ..)| rejected.clone());
        let refused: BTreeSet<u64> = theirs.keys().copied().collect();
        let differing: BTreeSet<u64> = rejected.symmetric_difference(&refused).copied().collect();
        if !differing.is_empty() {
            differences.insert(name.clone(), differing);
        }
    }
    let mut listed: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for (name, lines, _) in DIFFERENCES {
        listed.entry((*name).to_owned()).or_default().extend(*lines);
    }
    assert_eq!(differences, listed, "what differs, and what is listed: {answers:?}");
}
