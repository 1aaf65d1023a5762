//! Every file of `tests/files/history` through the check before the upload and through the import: they agree, to the byte of
//! the rejected rows, and both with what was expected.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cee_check::check::check;
use cee_history::{Dates, HistoryRow};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{NOW, World, at, object, reports, world};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/history")
}

/// A file that is too large to keep, made by its recipe. A hundredth of its size does where it is only long.
fn made(recipe: &str, bytes: usize) -> Vec<u8> {
    let header = b"journey_type,last_name_trunc,phone_trunc,datetime\n".to_vec();
    match recipe {
        "line" => [header, vec![b'x'; bytes / 100]].concat(),
        "header" => vec![b'x'; bytes / 100],
        "separators" => [header, vec![b','; bytes]].concat(),
        "bomb" => crate::resume::gzip(&[header, vec![b'x'; bytes]].concat()),
        other => panic!("no recipe {other}"),
    }
}

async fn compare(world: &World, folder: &Path, name: &str, expected: &Value, report: &Value) {
    let rejected_rows = folder.join("rejected.csv");
    // `check` writes over nothing.
    drop(std::fs::remove_file(&rejected_rows));
    let mut told = Vec::new();
    let checked = check::<HistoryRow>(
        &folder.join(name),
        &rejected_rows,
        (at(NOW), Dates::Unconfirmed),
        |line, column, reason| {
            told.push((line, column.to_owned(), reason.to_owned()));
        },
    )
    .unwrap();
    let of_check = serde_json::to_value(&checked).unwrap();
    assert_eq!(of_check["state"], expected["state"], "{name}");
    for member in ["read", "accepted", "repairs"] {
        assert_eq!(of_check[member], expected[member], "{name}: {member}");
    }
    let wanted: Vec<(u64, String, String)> = serde_json::from_value(expected["rejected"].clone()).unwrap();
    assert_eq!(told.len(), wanted.len(), "{name}");
    for ((line, column, reason), (at, of, part)) in told.iter().zip(&wanted) {
        assert!((line, column) == (at, of) && reason.contains(part.as_str()), "{name}, line {line}: {reason}");
    }
    // The import counts apart what this operator had sent before.
    for member in ["state", "read", "rejected", "repairs", "survey", "bytes", "sha256", "error"] {
        assert_eq!(report[member], of_check[member], "{name}: {member}");
    }
    let count = |name: &str| report[name].as_u64().unwrap();
    assert_eq!(count("imported") + count("already_known"), checked.accepted, "{name}");
    match report["rejected_rows"].as_str() {
        Some(key) => {
            let of_import = object(&world.aws, key).await;
            assert!(of_import == std::fs::read(&rejected_rows).unwrap(), "{name}: the rejected rows differ");
        }
        None => assert_eq!(checked.rejected_rows, None, "{name}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_check_and_the_import_agree_on_every_file() {
    let manifest: Value = serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
    let world = world().await;
    let made_in = TempDir::new().unwrap();
    let mut files: BTreeMap<String, (PathBuf, Value)> = BTreeMap::new();
    for (name, expected) in manifest["files"].as_object().unwrap() {
        files.insert(name.clone(), (folder(), expected.clone()));
    }
    for (name, expected) in manifest["generated"].as_object().unwrap() {
        let bytes = usize::try_from(expected["bytes"].as_u64().unwrap()).unwrap();
        let content = made(expected["recipe"].as_str().unwrap(), bytes);
        std::fs::write(made_in.path().join(name), content).unwrap();
        files.insert(name.clone(), (made_in.path().to_owned(), expected.clone()));
    }
    assert!(files.len() >= 44);
    for (name, (folder, _)) in &files {
        let content = std::fs::read(folder.join(name)).unwrap();
        world.upload(&format!("imports/1/{name}"), content).await;
    }
    let reports = reports(&world.aws, "reports/1/").await;
    let work = TempDir::new().unwrap();
    for (name, (folder, expected)) in &files {
        let copy = work.path().join(name);
        std::fs::copy(folder.join(name), copy).unwrap();
        let report = reports.get(&format!("imports/1/{name}")).unwrap_or_else(|| panic!("no report on {name}"));
        compare(&world, work.path(), name, expected, report).await;
    }
    assert_eq!(reports.len(), files.len());
    assert_eq!(json!(world.stack.queue().counts().dead), 0);
}
