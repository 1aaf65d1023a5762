//! One rejected file with 20 kinds of fault, in `tests/files/roundtrips`, which programs have opened, people corrected, and the
//! programs saved: `manifest.json` names the program, its version, the command (`make.py`), and the expected result. All 20 rows
//! are read as they are meant, or the message names what the program did.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cee_eligibility::Instant;
use cee_history::{Dates, FileReader, FileRefusal, HistoryRow, Line, RejectedRow, RejectedWriter, survey};
use serde::Deserialize;

#[derive(Deserialize)]
struct Correction {
    line: u64,
    fault: String,
    /// The driver that the corrected row is of, `type name phone`, and its day in Paris.
    driver: String,
    day: String,
}

#[derive(Deserialize)]
struct Expected {
    program: String,
    version: String,
    command: String,
    /// The number of rows that are read as they are meant.
    #[serde(default)]
    accepted: usize,
    /// The reasons of the others, in part.
    #[serde(default)]
    rejected: Vec<String>,
    /// Why the file is refused, in part.
    refused: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/files/roundtrips")
}

fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(folder().join(name)).unwrap()).unwrap()
}

type Outcome = (Vec<(String, String)>, Vec<RejectedRow>, Vec<u8>);

/// The drivers with their days, the rejected rows, and the rejected file.
fn read(content: &[u8]) -> Result<Outcome, FileRefusal> {
    let verdict = survey::<HistoryRow>(content, Dates::Unconfirmed)?;
    let mut file = FileReader::<HistoryRow>::new(&verdict, Instant::parse("2024-05-01T00:00:00Z").unwrap())?;
    let mut lines = Vec::new();
    file.push(content);
    file.end();
    while file.read(&mut lines)? {}
    let writer = RejectedWriter::new(file.header());
    let (mut rows, mut rejected, mut csv) = (Vec::new(), Vec::new(), writer.header());
    for line in lines {
        match line {
            Line::Row { row, .. } => {
                let (name, phone) = (row.identity.last_name_trunc.as_str(), row.identity.phone_trunc.as_str());
                rows.push((format!("{} {name} {phone}", row.journey_type), row.datetime.paris_day().to_string()));
            }
            Line::Rejected(row) => {
                writer.row(&row, &mut csv);
                rejected.push(*row);
            }
        }
    }
    Ok((rows, rejected, csv))
}

/// `UPDATE=1` writes the rejected file. The programs' files, which hold its reasons, stay as they are.
#[test]
fn source_is_rejected_row_by_row() {
    let corrections: Vec<Correction> = json("corrections.json");
    let faults: BTreeSet<&str> = corrections.iter().map(|correction| correction.fault.as_str()).collect();
    assert_eq!((corrections.len(), faults.len()), (20, 20));
    let (rows, rejected, csv) = read(&std::fs::read(folder().join("source.csv")).unwrap()).unwrap();
    assert!(rows.is_empty(), "{rows:?}");
    let lines = |rows: &[RejectedRow]| rows.iter().map(|row| row.line).collect::<Vec<_>>();
    assert_eq!(lines(&rejected), corrections.iter().map(|correction| correction.line).collect::<Vec<_>>());
    let path = folder().join("rejected.csv");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &csv).unwrap();
    }
    assert!(std::fs::read(path).unwrap() == csv, "UPDATE=1 writes the rejected file again");
    // If it is sent back as it is, each row is rejected again.
    let (_, again, _) = read(&csv).unwrap();
    assert_eq!(again.len(), 20);
}

#[test]
fn corrected_files_of_real_programs_are_read_as_meant() {
    let corrections: Vec<Correction> = json("corrections.json");
    let meant: BTreeMap<String, String> =
        corrections.into_iter().map(|correction| (correction.driver, correction.day)).collect();
    let manifest: BTreeMap<String, Expected> = json("manifest.json");
    let (mut programs, mut whole) = (BTreeSet::new(), BTreeSet::new());
    for (name, Expected { program, version, command, accepted, rejected, refused }) in &manifest {
        assert!(!version.is_empty() && !command.is_empty(), "{name}");
        programs.insert(program);
        let (rows, reasons, _) = match (read(&std::fs::read(folder().join("back").join(name)).unwrap()), refused) {
            (Err(why), Some(part)) => {
                assert!(why.to_string().contains(part.as_str()), "{name}: {why}");
                continue;
            }
            (Err(why), None) => panic!("{name}: {why}"),
            (Ok(_), Some(part)) => panic!("{name}: not refused: {part}"),
            (Ok(outcome), None) => outcome,
        };
        for (driver, day) in &rows {
            assert_eq!(meant.get(driver), Some(day), "{name}: {driver}");
        }
        let reasons: Vec<&str> = reasons.iter().map(|row| row.reason.as_str()).collect();
        assert_eq!(rows.len(), *accepted, "{name}: {reasons:?}");
        assert_eq!(rows.len() + reasons.len(), 20, "{name}: a row in is a row out");
        assert_eq!(reasons.len(), rejected.len(), "{name}: {reasons:?}");
        for (reason, part) in reasons.iter().zip(rejected) {
            assert!(reason.contains(part.as_str()), "{name}: {reason}");
        }
        if reasons.is_empty() {
            whole.insert(program);
        }
    }
    assert!(programs.len() >= 10 && whole.len() >= 10, "{programs:?} {whole:?}");
    let there = std::fs::read_dir(folder().join("back")).unwrap();
    let there: BTreeSet<String> = there.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, manifest.into_keys().collect(), "the files and the manifest");
}

#[test]
#[ignore = "prints what comes of each file, to write the manifest by"]
fn print_outcomes() {
    for entry in std::fs::read_dir(folder().join("back")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let outcome = match read(&std::fs::read(&path).unwrap()) {
            Err(why) => serde_json::json!({"name": name, "refused": why.to_string()}),
            Ok((rows, rejected, _)) => {
                let rejected: Vec<_> = rejected.iter().map(|row| format!("{} {}", row.line, row.reason)).collect();
                serde_json::json!({"name": name, "accepted": rows.len(), "rows": rows, "rejected": rejected})
            }
        };
        println!("{outcome}");
    }
}
