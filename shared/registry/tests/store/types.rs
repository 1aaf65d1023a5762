//! The tables of each type match the table in the documentation of the crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config};
use cee_registry::*;

use crate::support::claim_keys;

/// The tables whose names are in a type's `Debug`.
fn held(a_type: &impl Debug) -> BTreeSet<&'static str> {
    let shown = format!("{a_type:?}");
    Tables::ALL.iter().copied().filter(|table| shown.contains(&format!("\"test-{table}\""))).collect()
}

/// The table of types in the documentation of the crate.
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
        ("Applications", held(&Applications::new(db(), tables))),
        ("Journeys", held(&Journeys::new(db(), tables))),
        ("Imports", held(&Imports::new(db(), tables))),
        ("Operators", held(&Operators::new(db(), tables))),
        ("Credentials", held(&Credentials::new(db(), tables))),
        ("Sessions", held(&Sessions::new(db(), tables))),
        ("Limits", held(&Limits::new(db(), tables))),
        ("ImportSlots", held(&ImportSlots::new(db(), tables, 3))),
        ("PepperCheck", held(&PepperCheck::new(db(), tables, keys()))),
        ("Simulator", held(&Simulator::new(db(), tables, keys()))),
        ("Registrar", held(&Registrar::new(db(), tables, keys()))),
        ("HistoryWriter", held(&HistoryWriter::new(db(), tables, keys()))),
        ("HistoryRemover", held(&HistoryRemover::new(db(), tables))),
        ("KeyGiver", held(&KeyGiver::new(db(), tables, keys()))),
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
