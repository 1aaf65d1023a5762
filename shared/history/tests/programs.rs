//! Files that real programs wrote, in `tests/files/programs`: `manifest.json` names the program, its version, the command, and the
//! expected result. Every file holds the same drivers, and a row is either read as one of them on its day or not read.

#![allow(clippy::disallowed_methods, clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cee_eligibility::Instant;
use cee_history::{Dates, FileReader, FileRefusal, HistoryRow, Line, Repair, survey};
use serde::Deserialize;

#[derive(Deserialize)]
struct Manifest {
    /// Each driver, `type name phone`, and its day in Paris.
    drivers: BTreeMap<String, String>,
    files: BTreeMap<String, Expected>,
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
    #[serde(default)]
    repairs: BTreeMap<Repair, usize>,
    /// Why the file is refused, in part.
    refused: Option<String>,
}

#[derive(Default)]
struct Outcome {
    rows: Vec<(String, String)>,
    rejected: Vec<String>,
    repairs: BTreeMap<Repair, usize>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/files/programs")
}

fn read(content: &[u8]) -> Result<Outcome, FileRefusal> {
    let verdict = survey::<HistoryRow>(content, Dates::Unconfirmed)?;
    let mut file = FileReader::<HistoryRow>::new(&verdict, Instant::parse("2024-05-01T00:00:00Z").unwrap())?;
    let mut lines = Vec::new();
    file.push(content);
    file.end();
    while file.read(&mut lines)? {}
    let mut outcome = Outcome::default();
    for line in lines {
        match line {
            Line::Row { row, repairs, .. } => {
                let (name, phone) = (row.identity.last_name_trunc.as_str(), row.identity.phone_trunc.as_str());
                let day = row.datetime.paris_day().to_string();
                outcome.rows.push((format!("{} {name} {phone}", row.journey_type), day));
                repairs.iter().for_each(|repair| *outcome.repairs.entry(repair).or_default() += 1);
            }
            Line::Rejected(row) => outcome.rejected.push(row.reason),
        }
    }
    Ok(outcome)
}

#[test]
fn files_of_real_programs_are_read_as_meant_or_refused() {
    let manifest: Manifest = serde_json::from_slice(&std::fs::read(folder().join("manifest.json")).unwrap()).unwrap();
    assert!(manifest.files.len() >= 60);
    let mut programs = BTreeSet::new();
    for (name, expected) in &manifest.files {
        let Expected { program, version, command, accepted, rejected, repairs, refused } = expected;
        assert!(!version.is_empty() && !command.is_empty(), "{name}");
        programs.insert(program);
        let outcome = match (read(&std::fs::read(folder().join(name)).unwrap()), refused) {
            (Err(why), Some(part)) => {
                assert!(why.to_string().contains(part.as_str()), "{name}: {why}");
                continue;
            }
            (Err(why), None) => panic!("{name}: {why}"),
            (Ok(_), Some(part)) => panic!("{name}: not refused: {part}"),
            (Ok(outcome), None) => outcome,
        };
        for (driver, day) in &outcome.rows {
            assert_eq!(manifest.drivers.get(driver), Some(day), "{name}: {driver}");
        }
        assert_eq!(outcome.rows.len(), *accepted, "{name}: {:?}", outcome.rejected);
        assert_eq!(outcome.rejected.len(), rejected.len(), "{name}: {:?}", outcome.rejected);
        for (reason, part) in outcome.rejected.iter().zip(rejected) {
            assert!(reason.contains(part.as_str()), "{name}: {reason}");
        }
        assert_eq!(&outcome.repairs, repairs, "{name}");
    }
    assert!(programs.len() >= 20, "{programs:?}");
    let listed: BTreeSet<String> = manifest.files.into_keys().chain(["manifest.json".to_owned()]).collect();
    let there = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), listed, "the files and the manifest");
}

#[test]
#[ignore = "prints what comes of the files named in FILES, to write the manifest by"]
fn print_outcomes() {
    for path in std::env::var("FILES").unwrap_or_default().split(' ') {
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let outcome = match read(&std::fs::read(path).unwrap()) {
            Err(why) => serde_json::json!({"name": name, "refused": why.to_string()}),
            Ok(Outcome { rows, rejected, repairs }) => {
                serde_json::json!({"name": name, "rows": rows, "rejected": rejected, "repairs": repairs})
            }
        };
        println!("{outcome}");
    }
}
