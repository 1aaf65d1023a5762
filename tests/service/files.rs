//! Every file of `tests/files` goes through the check before the upload, through a check-only import and through an import: all agree
//! with one another, down to the bytes of the rejected rows, and with the expected result.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cee_check::check::{How, check};
use cee_eligibility::Language;
use cee_history::{Dates, HistoryRow};
use cee_local::stack::tables;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{NOW, World, at, keys, object, reports, world};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files/history")
}

/// A file that is too large to keep, made by its recipe. If only its length matters, a hundredth of its size is enough.
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

/// The result of the check before the upload.
struct OfCheck {
    report: Value,
    told: Vec<(u64, String, String)>,
    rejected: Option<Vec<u8>>,
}

fn checked(folder: &Path, name: &str, language: Option<Language>) -> OfCheck {
    let rejected_rows = folder.join("rejected.csv");
    // `check` overwrites no file.
    drop(std::fs::remove_file(&rejected_rows));
    let mut told = Vec::new();
    let how = How { now: at(NOW), dates: Dates::Unconfirmed, language };
    let checked = check::<HistoryRow>(&folder.join(name), &rejected_rows, how, |line, column, reason| {
        told.push((line, column.to_owned(), reason.to_owned()));
    })
    .unwrap();
    let rejected = checked.rejected_rows.is_some().then(|| std::fs::read(&rejected_rows).unwrap());
    OfCheck { report: serde_json::to_value(&checked).unwrap(), told, rejected }
}

/// Asserts that the check, the check-only import and the import return the same verdict, counts, and rejected rows, byte for byte.
async fn agree(world: &World, name: &str, of_check: &OfCheck, check_only: Option<&Value>, report: &Value) {
    for report in check_only.into_iter().chain([report]) {
        for member in ["state", "read", "rejected", "repairs", "survey", "bytes", "sha256", "error"] {
            assert_eq!(report[member], of_check.report[member], "{name}: {member}");
        }
        let rejected = match report["rejected_rows"].as_str() {
            Some(key) => Some(object(&world.aws, key).await),
            None => None,
        };
        assert!(rejected == of_check.rejected, "{name}: the rejected rows differ");
    }
    let accepted = &of_check.report["accepted"];
    let count = |name: &str| report[name].as_u64().unwrap();
    // The import counts separately the rows that this operator had sent before.
    assert_eq!(json!(count("imported") + count("already_known")), *accepted, "{name}");
    if let Some(check_only) = check_only {
        let only = ["check_only", "accepted", "imported", "already_known"].map(|name| &check_only[name]);
        assert_eq!(only, [&json!(true), accepted, &json!(0), &json!(0)], "{name}");
    }
    assert_eq!((report.get("check_only"), report.get("accepted")), (None, None), "{name}");
}

fn compare(name: &str, expected: &Value, OfCheck { report, told, .. }: &OfCheck) {
    for member in ["state", "read", "accepted", "repairs"] {
        assert_eq!(report[member], expected[member], "{name}: {member}");
    }
    let wanted: Vec<(u64, String, String)> = serde_json::from_value(expected["rejected"].clone()).unwrap();
    assert_eq!(told.len(), wanted.len(), "{name}");
    for ((line, column, reason), (at, of, part)) in told.iter().zip(&wanted) {
        assert!((line, column) == (at, of) && reason.contains(part.as_str()), "{name}, line {line}: {reason}");
    }
}

/// Uploads files under `prefix` and their names, and returns their reports.
async fn uploaded(world: &World, prefix: &str, files: &BTreeMap<String, PathBuf>) -> BTreeMap<String, Value> {
    for (name, folder) in files {
        world.put_file(&format!("imports/1/{prefix}{name}"), std::fs::read(folder.join(name)).unwrap()).await;
    }
    world.imported().await;
    let mut reports = reports(&world.aws, "reports/1/").await;
    let mut report = |name: &String| {
        reports.remove(&format!("imports/1/{prefix}{name}")).unwrap_or_else(|| panic!("no report on {prefix}{name}"))
    };
    files.keys().map(|name| (name.clone(), report(name))).collect()
}

/// The program, the check-only import and the import on every file: the history files explained in English, the files of real
/// programs in French.
#[tokio::test(flavor = "multi_thread")]
async fn check_check_only_and_import_agree_on_every_file() {
    let manifest: Value = serde_json::from_slice(&std::fs::read(folder().join("expected.json")).unwrap()).unwrap();
    let world = world().await;
    let made_in = TempDir::new().unwrap();
    let files: BTreeMap<String, PathBuf> =
        manifest["files"].as_object().unwrap().keys().map(|name| (name.clone(), folder())).collect();
    let mut generated: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (name, expected) in manifest["generated"].as_object().unwrap() {
        let bytes = usize::try_from(expected["bytes"].as_u64().unwrap()).unwrap();
        let content = made(expected["recipe"].as_str().unwrap(), bytes);
        std::fs::write(made_in.path().join(name), content).unwrap();
        generated.insert(name.clone(), made_in.path().to_owned());
    }
    let of_programs = folder().join("../programs");
    let programs: Value = serde_json::from_slice(&std::fs::read(of_programs.join("manifest.json")).unwrap()).unwrap();
    let programs: BTreeMap<String, PathBuf> =
        programs["files"].as_object().unwrap().keys().map(|name| (name.clone(), of_programs.clone())).collect();
    assert!(files.len() >= 44 && programs.len() >= 60);

    // First the imports that change nothing.
    let check_only = uploaded(&world, "check-only ", &files).await;
    let check_only_in_french = uploaded(&world, "check-only language-fr ", &programs).await;
    assert_eq!(keys(&world.aws, "contradictions/").await, [""; 0]);
    for table in [tables().claims, tables().applications, tables().journeys] {
        assert!(world.scan(&table).await.iter().all(|item| !item.keys().any(|name| name.starts_with("h#"))), "{table}");
    }
    let imported = uploaded(&world, "", &files).await;
    let imported_generated = uploaded(&world, "", &generated).await;
    let imported_in_french = uploaded(&world, "language-fr ", &programs).await;

    let work = TempDir::new().unwrap();
    for (name, folder) in &files {
        std::fs::copy(folder.join(name), work.path().join(name)).unwrap();
        let of_check = checked(work.path(), name, None);
        compare(name, &manifest["files"][name], &of_check);
        agree(&world, name, &of_check, Some(&check_only[name]), &imported[name]).await;
    }
    // Too large to send twice.
    for name in generated.keys() {
        let of_check = checked(made_in.path(), name, None);
        compare(name, &manifest["generated"][name], &of_check);
        agree(&world, name, &of_check, None, &imported_generated[name]).await;
    }
    let mut explained = 0;
    for (name, folder) in &programs {
        std::fs::copy(folder.join(name), work.path().join(name)).unwrap();
        let of_check = checked(work.path(), name, Some(Language::French));
        agree(&world, name, &of_check, Some(&check_only_in_french[name]), &imported_in_french[name]).await;
        if let Some(rejected) = &of_check.rejected {
            let header = String::from_utf8_lossy(rejected).lines().next().unwrap().to_owned();
            assert!(["ligne", "colonne", "motif"].iter().all(|column| header.contains(column)), "{name}: {header}");
            explained += 1;
        }
    }
    assert!(explained > 5, "{explained}");
    assert_eq!(json!(world.stack.queue().counts().dead), 0);
}
