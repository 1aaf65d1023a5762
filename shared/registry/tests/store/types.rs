//! The tables of each type match the documentation of the crate: those of the stores by their files, those of the others by its list.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config};
use cee_registry::*;

use crate::support::claim_keys;

/// The tables whose names are in a type's `Debug`.
fn held(a_type: &impl Debug) -> BTreeSet<&'static str> {
    let shown = format!("{a_type:?}");
    Tables::ALL.iter().copied().filter(|table| shown.contains(&format!("\"test-{table}\""))).collect()
}

/// The list of types in the documentation of the crate.
fn documented() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let lines = include_str!("../../src/lib.rs").lines();
    let lines = lines.skip_while(|line| !line.starts_with("//! | type | tables |")).skip(2);
    lines
        .map_while(|line| {
            let mut cells = line.strip_prefix("//! | ")?.split(" | ");
            let name = cells.next()?.strip_prefix("[`")?.strip_suffix("`]")?;
            Some((name, cells.next()?.split(", ").collect()))
        })
        .collect()
}

#[test]
fn types_hold_tables_named_in_documentation() {
    // A client per type, because the `Debug` of a client that has sent a request contains the request's table.
    let db = || Client::from_conf(Config::builder().behavior_version(BehaviorVersion::latest()).build());
    let (tables, keys) = (&Tables::with_prefix("test-"), claim_keys);
    let types = BTreeMap::from([
        ("Recounter", held(&Recounter::new(db(), tables))),
        ("Simulator", held(&Simulator::new(db(), tables, keys()))),
        ("Registrar", held(&Registrar::new(db(), tables, keys()))),
        ("HistoryWriter", held(&HistoryWriter::new(db(), tables, keys()))),
        ("HistoryRemover", held(&HistoryRemover::new(db(), tables))),
        ("KeyGiver", held(&KeyGiver::new(db(), tables, keys()))),
        ("JourneyFollower", held(&JourneyFollower::new(db(), tables))),
        ("Deleter", held(&Deleter::new(db(), tables, keys()))),
        ("Proofs", held(&Proofs::new(db(), tables))),
        ("TableAuditor", held(&TableAuditor::new(db(), tables, keys()))),
        ("StrayRemover", held(&StrayRemover::new(db(), tables, keys()))),
        ("DriverFinder", held(&DriverFinder::new(db(), tables, keys()))),
        ("DriverEraser", held(&DriverEraser::new(db(), tables))),
        ("PepperKeeper", held(&PepperKeeper::new(db(), tables, keys()))),
        ("Numbers", held(&Numbers::new(db(), tables))),
    ]);
    assert_eq!(types, documented());
}

/// The tables that the code of a store names, as fields of [`Tables`].
fn named(source: &str) -> BTreeSet<&'static str> {
    let is_field = |text: &str, table: &str| {
        text.strip_prefix(table).is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    };
    let fields: Vec<&str> = source.split("tables.").skip(1).collect();
    Tables::ALL.iter().copied().filter(|table| fields.iter().any(|field| is_field(field, table))).collect()
}

/// The files of Rust in a folder and the folders in it.
fn sources(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of = |path: PathBuf| if path.is_dir() { sources(&path) } else { vec![std::fs::read_to_string(path).unwrap()] };
    entries.flat_map(of).collect()
}

#[test]
fn store_holds_one_table_and_each_table_has_a_store() {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/stores"));
    let named: Vec<_> = sources.iter().map(|source| named(source)).collect();
    assert!(named.iter().all(|tables| tables.len() <= 1), "{named:?}");
    assert_eq!(named.into_iter().flatten().collect::<BTreeSet<_>>(), Tables::ALL.iter().copied().collect());
}
