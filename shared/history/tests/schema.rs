//! The published Table Schema: it matches the code, and the Frictionless validator agrees with our reader on every file of
//! `tests/files/history`, row by row, except the differences that `schema/differences.json` lists. `schema/compare.py` compares
//! three more validators.
//!
//! The comparison needs Python with the package `frictionless`: `FRICTIONLESS_PYTHON` names the interpreter, or else
//! `python3` is tried. Without it that part is skipped; with `README_TOOLS=required`, as in `.ci/run`, it fails.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cee_eligibility::{Instant, LastNameTrunc, PhoneTrunc};
use cee_history::{Dates, FileReader, HistoryRow, Line, Row as _, survey};
use serde::Deserialize;
use serde_json::{Value, json};

/// The differences between a validator and our reader, and why each is right. A line that only our reader accepts is repaired or
/// read with more knowledge; a line that only the validator accepts fits its pattern, and a pattern has no calendar.
#[derive(Deserialize)]
struct Difference {
    file: String,
    lines: Vec<u64>,
    why: String,
    /// The validators that differ; all if not said.
    validators: Option<Vec<String>>,
}

/// Files that are not compared, and why.
const NOT_COMPARED: &[(&str, &str)] =
    &[("many-separators.csv", "its 60,000 cells in one row take the validator minutes and gigabytes")];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn schema() -> Value {
    serde_json::from_slice(&std::fs::read(root().join("docs/history.schema.json")).unwrap()).unwrap()
}

/// Our reader's result for a file: the rejected lines, all lines read, and the separator; `None` if it refuses the file.
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
fn schema_matches_code() {
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
    let pattern = |name: &str| {
        let field = fields.iter().find(|field| field["name"] == name).unwrap();
        field["constraints"]["pattern"].as_str().unwrap().to_owned()
    };
    let phone = PhoneTrunc::PATTERNS.map(|pattern| pattern.trim_start_matches('^').trim_end_matches('$')).join("|");
    assert_eq!(pattern("phone_trunc"), format!("^(?:{phone})$"));
    assert_eq!(pattern("last_name_trunc"), LastNameTrunc::PATTERN);
    // Some validators search a pattern anywhere in the cell.
    let patterns = fields.iter().filter_map(|field| field["constraints"]["pattern"].as_str());
    let anchored = |pattern: &str| {
        let alternatives = pattern.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
        pattern.starts_with('^') && pattern.ends_with('$') && (alternatives.is_some() || !pattern.contains('|'))
    };
    assert!(patterns.clone().count() == 3 && patterns.into_iter().all(anchored));
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

/// Our reader's result for every file that can be compared, and the parameters of a validator.
fn requests() -> Vec<Value> {
    let folder = root().join("tests/files/history");
    let manifest: Value = serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap();
    // A compressed file is not a table for it before it is unpacked, nor is UTF-16 before its encoding is set.
    let other = |name: &str| ["gzip", "zip", "utf-16"].iter().any(|form| name.starts_with(form));
    let is_compared = |name: &&String| !other(name) && NOT_COMPARED.iter().all(|(left_out, _)| left_out != *name);
    let files = manifest["files"].as_object().unwrap().keys().filter(is_compared);
    let request = |name: &String| {
        let path = folder.join(name);
        let content = std::fs::read(&path).unwrap();
        let outcome = ours(&content, Dates::of_name(name));
        let text = String::from_utf8_lossy(&content).replace("\r\n", "\n").replace('\r', "\n").to_lowercase();
        let header_line = text.split('\n').position(|line| line.contains("journey_type")).map(|line| line + 1);
        match outcome {
            Some((rejected, rows, separator)) => json!({"name": name, "path": path, "separator": separator.to_string(),
                "header_line": header_line, "rows": rows, "rejected": rejected}),
            None => {
                json!({"name": name, "path": path, "separator": null, "header_line": null, "rows": null, "rejected": [0]})
            }
        }
    };
    files.map(request).collect()
}

#[test]
#[ignore = "prints what schema/compare.py asks other validators"]
fn print_requests_to_compare() {
    for request in requests() {
        println!("{request}");
    }
}

#[test]
fn frictionless_validator_agrees_with_reader() {
    let Some(python) = python() else { return };
    let compared = requests();
    let requests: String = compared.iter().map(|request| format!("{request}\n")).collect();
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
    for (ours, theirs) in compared.iter().zip(&answers) {
        let rejected: BTreeSet<u64> = serde_json::from_value(ours["rejected"].clone()).unwrap();
        let refused: BTreeSet<u64> = theirs.keys().copied().collect();
        let differing: BTreeSet<u64> = rejected.symmetric_difference(&refused).copied().collect();
        if !differing.is_empty() {
            differences.insert(ours["name"].as_str().unwrap().to_owned(), differing);
        }
    }
    let all: Vec<Difference> =
        serde_json::from_slice(&std::fs::read(root().join("shared/history/tests/schema/differences.json")).unwrap())
            .unwrap();
    let mut listed: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for Difference { file, lines, why, validators } in all {
        assert!(!why.is_empty(), "{file}: a reason");
        if validators.is_none_or(|names| names.iter().any(|name| name == "frictionless")) {
            listed.entry(file).or_default().extend(lines);
        }
    }
    assert_eq!(differences, listed, "what differs, and what is listed: {answers:?}");
}
