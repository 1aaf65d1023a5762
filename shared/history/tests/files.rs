//! Every file of `tests/files/history`, read here by the reader alone; `tests/service/files.rs` imports and checks the same.

#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use cee_eligibility::Instant;
use cee_history::{Dates, FileReader, FileRefusal, HistoryRow, Line, MAX_LINE, Repair, Survey};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::Deserialize;

#[derive(Deserialize)]
struct Manifest {
    files: BTreeMap<String, Expected>,
    generated: BTreeMap<String, Generated>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
struct Expected {
    state: String,
    error: Option<String>,
    read: u64,
    accepted: u64,
    rejected: Vec<(u64, String, String)>,
    repairs: BTreeMap<Repair, u64>,
}

#[derive(Deserialize)]
struct Generated {
    recipe: String,
    bytes: usize,
    #[serde(flatten)]
    expected: Expected,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/files/history")
}

fn manifest() -> Manifest {
    serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap()
}

#[derive(Default)]
struct Outcome {
    read: u64,
    accepted: u64,
    rejected: Vec<(u64, String, String)>,
    repairs: BTreeMap<Repair, u64>,
    refused: Option<String>,
}

/// The result of reading a file of this name that arrives in these chunks.
fn read<'a>(name: &str, chunks: impl Iterator<Item = &'a [u8]> + Clone) -> Outcome {
    match surveyed_and_read(name, chunks) {
        Ok(outcome) => outcome,
        Err(refusal) => Outcome { refused: Some(refusal.to_string()), ..Outcome::default() },
    }
}

fn surveyed_and_read<'a>(name: &str, chunks: impl Iterator<Item = &'a [u8]> + Clone) -> Result<Outcome, FileRefusal> {
    let mut survey = Survey::<HistoryRow>::new(Dates::of_name(name));
    for chunk in chunks.clone() {
        survey.push(chunk);
        while survey.read()? {}
    }
    let verdict = survey.verdict()?;
    let mut file = FileReader::<HistoryRow>::new(&verdict, Instant::parse("2024-05-01T00:00:00Z").unwrap())?;
    let mut outcome = Outcome::default();
    let mut lines = Vec::new();
    for chunk in chunks.map(Some).chain([None]) {
        match chunk {
            Some(chunk) => file.push(chunk),
            None => file.end(),
        }
        while file.read(&mut lines)? {}
        for line in lines.drain(..) {
            outcome.read += 1;
            match line {
                Line::Row { repairs, .. } => {
                    outcome.accepted += 1;
                    for repair in repairs.iter() {
                        *outcome.repairs.entry(repair).or_default() += 1;
                    }
                }
                Line::Rejected(row) => {
                    assert!(row.raw.len() <= MAX_LINE);
                    let column = row.column.map(|column| column.to_string()).unwrap_or_default();
                    outcome.rejected.push((row.line, column, row.reason));
                }
            }
        }
    }
    assert_eq!(outcome.read, verdict.surveyed().rows, "{name}: the survey counts what is read");
    Ok(outcome)
}

fn compare(name: &str, expected: &Expected, outcome: &Outcome) {
    let Outcome { read, accepted, rejected, repairs, refused } = outcome;
    let state = if refused.is_some() { "failed" } else { "completed" };
    assert_eq!(state, expected.state, "{name}: {refused:?}");
    match (&expected.error, refused) {
        (Some(part), Some(refused)) => assert!(refused.contains(part.as_str()), "{name}: {refused}"),
        (part, refused) => assert_eq!(part.is_some(), refused.is_some(), "{name}"),
    }
    let told: Vec<_> = rejected.iter().map(|(line, column, _)| (*line, column.as_str())).collect();
    let wanted: Vec<_> = expected.rejected.iter().map(|(line, column, _)| (*line, column.as_str())).collect();
    assert_eq!(told, wanted, "{name}: {rejected:?}");
    for ((line, _, reason), (_, _, part)) in rejected.iter().zip(&expected.rejected) {
        assert!(reason.contains(part.as_str()), "{name}, line {line}: {reason}");
    }
    assert_eq!((*read, *accepted, repairs), (expected.read, expected.accepted, &expected.repairs), "{name}");
}

#[test]
fn every_file_gives_expected_rows_in_any_chunks() {
    let Manifest { files, .. } = manifest();
    assert!(files.len() >= 40);
    for (name, expected) in &files {
        let content = std::fs::read(folder().join(name)).unwrap();
        for size in [1, 7, 64 * 1024] {
            compare(name, expected, &read(name, content.chunks(size)));
        }
    }
    let listed: BTreeSet<String> = files.into_keys().chain(["expected.json".to_owned()]).collect();
    let there = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(there.collect::<BTreeSet<_>>(), listed, "the files and the manifest");
}

#[test]
fn generated_large_files_give_expected_rows() {
    let header = b"journey_type,last_name_trunc,phone_trunc,datetime\n";
    let block = vec![b'x'; 1 << 16];
    for (name, Generated { recipe, bytes, expected }) in manifest().generated {
        let beginning: &[u8] = if recipe == "header" { b"" } else { header };
        let outcome = match recipe.as_str() {
            "line" | "header" => {
                let line = std::iter::repeat_n(block.as_slice(), bytes / block.len());
                read(&name, std::iter::once(beginning).chain(line))
            }
            "separators" => {
                let separators = vec![b','; bytes];
                read(&name, [beginning, separators.as_slice()].into_iter())
            }
            "bomb" => {
                let mut packed = GzEncoder::new(Vec::new(), Compression::best());
                packed.write_all(beginning).unwrap();
                (0..bytes / block.len()).for_each(|_| packed.write_all(&block).unwrap());
                let packed = packed.finish().unwrap();
                read(&name, packed.chunks(4096))
            }
            other => panic!("no recipe {other}"),
        };
        compare(&name, &expected, &outcome);
    }
}
