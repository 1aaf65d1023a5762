//! The scheduled audit: on the local stack as on AWS, one share at a time.

use std::collections::{BTreeMap, HashMap};
use std::process::Command;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{Instant, OperatorId};
use cee_local::stack::{BUCKET, Options, tables};
use cee_registry::{FindingKind, ImportId, ImportRecord, Imports};
use cee_service::clock::machine_now;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::exports::exported;
use crate::support::{NOW, NOWHERE, World, at, cee, change, keys, logs, metrics, object, world_on, world_set};

/// The metrics that one invocation wrote, by metric and finding.
async fn audit(world: &World) -> BTreeMap<String, f64> {
    written(&world.stack.audit().run_now().await.unwrap())
}

/// The metrics of the invocation with this request ID, by metric and finding.
fn written(request_id: &str) -> BTreeMap<String, f64> {
    let lines = metrics().into_iter().filter(|line| line["request_id"] == json!(request_id));
    let mut written = BTreeMap::new();
    for line in lines {
        for metric in line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap() {
            let name = metric["Name"].as_str().unwrap();
            let value = line[name].as_f64().unwrap();
            written.insert(line["Finding"].as_str().unwrap_or(name).to_owned(), value);
        }
    }
    written
}

async fn place(world: &World) -> Value {
    serde_json::from_slice(&object(&world.aws, cee_fn_audit::PLACE).await).unwrap()
}

/// Invokes the audit until a round has ended, with one invocation for each share, and returns what the last one wrote.
async fn round(world: &World) -> (usize, BTreeMap<String, f64>) {
    for invocations in 1..100 {
        let written = audit(world).await;
        if place(world).await["place"] == "end" {
            return (invocations, written);
        }
    }
    panic!("no end: {}", place(world).await)
}

fn long(number: u32) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "AUD", "phone_trunc": format!("+3370{number:05}"),
           "driving_license": format!("AUDIT{number:04}"), "datetime": "2024-03-15T08:30:00Z"})
}

async fn world() -> World {
    world_set([("AUDIT_PARTS", "1"), ("AUDIT_PARTS_PER_SECOND", "1000")]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn round_spans_invocations_and_keeps_findings_until_next() {
    let world = world().await;
    let token = world.token(1);
    let mut granted = Vec::new();
    for number in 0..120 {
        granted.push(world.api.registered(&token, &long(number)).await);
    }
    world
        .upload(
            "imports/2/a.csv",
            "journey_type,last_name_trunc,phone_trunc,datetime\nlong,AUD,+337900000,2022-01-01\nlong,A,B,C\n",
        )
        .await;

    world
        .upload("imports/2/simulate-only.csv", "journey_type,last_name_trunc,phone_trunc\nlong,AUD,+337900000\n")
        .await;
    assert!(
        keys(&world.aws, "reports/2/").await.iter().any(|key| key.ends_with(".answers.csv")),
        "of the list of drivers"
    );

    let (invocations, written) = round(&world).await;
    assert!(invocations > 2 + 3 + 1, "120 applications, 241 claims, imports, reports: {invocations}");
    for kind in FindingKind::ALL {
        assert_eq!(written.get(kind.as_str()), Some(&0.0), "told, though there is none: {written:?}");
    }
    assert_eq!(written["OldestRunningImport"], 0.0);
    assert!(written["AuditRoundAge"] < 60.0, "{written:?}");

    // Somebody deletes an application by hand, and puts a report into another operator's folder.
    let gone = world.aws.dynamodb().delete_item().table_name(&tables().applications);
    gone.key("uuid", AttributeValue::S(granted[7].clone())).send().await.unwrap();
    let report = keys(&world.aws, "reports/2/").await.into_iter().find(|key| key.ends_with(".json")).unwrap();
    let astray = report.replace("reports/2/", "reports/3/");
    let put = world.aws.s3().put_object().bucket(BUCKET).key(&astray);
    put.body(object(&world.aws, &report).await.into()).send().await.unwrap();
    let (_, written) = round(&world).await;
    assert_eq!((written["orphan"], written["foreign"], written["unclaimed"]), (2.0, 1.0, 0.0), "{written:?}");
    let logs = logs();
    let line = logs.lines().find(|line| line.contains("\"kind\":\"orphan\"") && line.contains(&granted[7]));
    assert!(line.is_some_and(|line| line.contains("\"function\":\"audit\"")), "{line:?}");
    for personal in ["AUDIT0007", "70000007", "AUD\""] {
        let line = logs.lines().find(|line| line.contains("\"kind\":\"orphan\"") && line.contains(personal));
        assert!(line.is_none(), "{line:?}");
    }

    // The audit repairs nothing. After a repair by hand the next whole round finds nothing, and the alarm stays on until then.
    world.aws.s3().delete_object().bucket(BUCKET).key(&astray).send().await.unwrap();
    let first = audit(&world).await;
    assert_eq!((first["orphan"], first["foreign"]), (2.0, 1.0), "one share says nothing of the others: {first:?}");
    let (_, written) = round(&world).await;
    assert_eq!((written["orphan"], written["foreign"]), (2.0, 0.0), "{written:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_an_import_leaves_for_its_operator_is_no_finding() {
    let world = world().await;
    let rows = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,AUD,+337900000,2022-01-01\nlong,A,B,C\n";
    world.upload("imports/2/history.csv", rows).await;
    world.upload("imports/2/drivers simulate-only.csv", rows).await;
    let left = keys(&world.aws, "reports/2/").await;
    for end in ImportRecord::LEFT {
        assert!(left.iter().any(|key| key.ends_with(end)), "{end}: {left:?}");
    }
    let (_, written) = round(&world).await;
    for kind in FindingKind::ALL {
        assert_eq!(written.get(kind.as_str()), Some(&0.0), "{written:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn age_of_oldest_running_import_is_reported() {
    let world = world().await;
    let imports = Imports::new(world.aws.dynamodb(), &tables());
    let now = at(NOW);
    for (byte, minutes) in [(1, 30), (2, 180), (3, 5)] {
        let record = ImportRecord {
            id: ImportId::from_bytes([byte; 16]),
            operator: OperatorId::new(1).ok(),
            key: format!("imports/1/{byte}.csv"),
        };
        let began = Instant::from_millis(now.millis() - minutes * 60_000).unwrap();
        imports.begin::<Value, Value>(&record, "worker", began, now).await.unwrap();
    }
    assert_eq!(audit(&world).await["OldestRunningImport"], 180.0 * 60.0);
}

/// An item that holds only its key.
async fn put(world: &World, table: &str, item: &[(&str, AttributeValue)]) {
    let item = item.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    world.aws.dynamodb().put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_items_are_findings_and_stop_no_round() {
    let world = world().await;
    let (tables, id) = (tables(), ImportId::from_bytes([7; 16]).to_string());
    put(&world, &tables.applications, &[("uuid", text("1c9d8b1e-0000-4000-8000-000000000000"))]).await;
    put(&world, &tables.claims, &[("pk", text("k")), ("a#x", text("y"))]).await;
    let import = [("operator_id", AttributeValue::N("1".to_owned())), ("import_id", text(&id))];
    put(&world, &tables.imports, &[&import[..], &[("state", text("running"))]].concat()).await;
    // The import exists and belongs to the operator. The other operator's does not.
    for operator in [1, 2] {
        let report = world.aws.s3().put_object().bucket(BUCKET).key(format!("reports/{operator}/{id}.json"));
        report.body(b"{}".to_vec().into()).send().await.unwrap();
    }
    for _ in 0..2 {
        let (_, written) = round(&world).await;
        assert_eq!((written["unreadable"], written["foreign"]), (3.0, 1.0), "{written:?}");
        assert_eq!(written["OldestRunningImport"], 0.0);
    }
}

/// An audit takes hours: it reports a finding before it ends, and also if it ends early.
#[tokio::test(flavor = "multi_thread")]
async fn failed_command_prints_its_findings() {
    let folder = TempDir::new().unwrap();
    let (data_dir, without_s3) = (folder.path().join("data"), folder.path().join("without-s3"));
    let mut options = Options::new(&data_dir);
    options.now = Some(at(NOW));
    let world = world_on(&options).await;
    let granted = world.api.register(&world.token(1), &long(1)).await.json();
    let uuid = granted["uuid"].as_str().unwrap();
    let gone = world.aws.dynamodb().delete_item().table_name(&tables().applications);
    gone.key("uuid", text(uuid)).send().await.unwrap();

    std::fs::create_dir(&without_s3).unwrap();
    std::fs::copy(data_dir.join("secrets.json"), without_s3.join("secrets.json")).unwrap();
    let mut about: Value = serde_json::from_slice(&std::fs::read(data_dir.join("local.json")).unwrap()).unwrap();
    about["s3_url"] = json!(NOWHERE);
    std::fs::write(without_s3.join("local.json"), about.to_string()).unwrap();
    let mut command = Command::new(cee());
    let output = command.arg("audit").arg("--data-dir").arg(&without_s3).output().unwrap();
    let [told, failed] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(!output.status.success());
    assert_eq!(told.matches(&format!("names {uuid}, which there is not")).count(), 2, "{told} {failed}");
    assert!(
        failed.contains("0 applications, 2 claim items, ") && failed.contains(" 0 reports and files: 2 findings"),
        "{failed}"
    );
    assert!(failed.contains("ListObjectsV2 failed: NoAnswer: continue with --from reports:"), "{failed}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unreadable_note_starts_new_round() {
    let world = world().await;
    let put = world.aws.s3().put_object().bucket(BUCKET).key(cee_fn_audit::PLACE);
    put.body(b"{".to_vec().into()).send().await.unwrap();
    assert_eq!(audit(&world).await["orphan"], 0.0);
    assert_ne!(place(&world).await["began_at"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn change_of_table_is_checked_at_once_and_until_it_is_repaired() {
    let world = world().await;
    let answer = world.api.register(&world.token(1), &long(1)).await;
    let uuid = AttributeValue::S(answer.json()["uuid"].as_str().unwrap().to_owned());
    let (db, table) = (world.aws.dynamodb(), tables().applications);
    let got = db.get_item().table_name(&table).key("uuid", uuid.clone()).send().await.unwrap();
    let application = got.item.unwrap();
    let send = async |event| written(&world.stack.audit().send(event).await.unwrap());

    let sound = send(change(&table, None, Some(&application))).await;
    assert_eq!(sound, BTreeMap::new(), "a registration is not a finding");

    // A person deletes the application by hand.
    db.delete_item().table_name(&table).key("uuid", uuid).send().await.unwrap();
    let found = send(change(&table, Some(&application), None)).await;
    assert_eq!(found, [("orphan".to_owned(), 2.0)].into(), "both claims refer to it");
    assert_eq!(keys(&world.aws, "audit/damage/").await.len(), 1);

    // Wherever the round is, the schedule checks the damaged items again.
    for _ in 0..3 {
        assert_eq!(audit(&world).await["orphan"], 2.0);
    }
    assert_eq!(keys(&world.aws, "audit/damage/").await, Vec::<String>::new());
    db.put_item().table_name(&table).set_item(Some(application)).send().await.unwrap();
    assert_eq!(audit(&world).await["orphan"], 0.0, "as soon as it is repaired");
}

/// The application is deleted by a call, so its operator's feed tells it.
async fn deleted(world: &World, number: u32) {
    let token = world.token(1);
    let granted = world.api.register(&token, &long(number)).await.json();
    let path = format!("/policies/cee/{}", granted["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(Method::DELETE, &path, &token).await.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn change_missing_from_feed_is_found_at_once_and_until_it_is_put_back() {
    let world = world().await;
    for number in 1..=3 {
        deleted(&world, number).await;
    }
    let (db, table) = (world.aws.dynamodb(), tables().changes);
    let second = |item: &HashMap<String, AttributeValue>| item["number"] == AttributeValue::N("2".to_owned());
    let change_2 = world.scan(&table).await.into_iter().find(second).unwrap();
    let send = async |event| written(&world.stack.audit().send(event).await.unwrap());
    assert_eq!(send(change(&table, None, Some(&change_2))).await, BTreeMap::new(), "a change is no finding");
    assert_eq!(round(&world).await.1["feed_damaged"], 0.0);

    // A person removes a change by hand.
    let delete = db.delete_item().table_name(&table).key("operator_id", change_2["operator_id"].clone());
    delete.key("number", change_2["number"].clone()).send().await.unwrap();
    let found = send(change(&table, Some(&change_2), None)).await;
    assert_eq!(found, [("feed_damaged".to_owned(), 1.0)].into());
    for _ in 0..2 {
        assert_eq!(audit(&world).await["feed_damaged"], 1.0, "wherever the round is");
    }
    let told = "feed damaged: change 2 of operator 1 is missing";
    assert!(logs().lines().any(|line| line.contains(told) && line.contains("\"kind\":\"feed_damaged\"")));
    db.put_item().table_name(&table).set_item(Some(change_2)).send().await.unwrap();
    assert_eq!(audit(&world).await["feed_damaged"], 0.0, "as soon as it is put back");
    assert_eq!(round(&world).await.1["feed_damaged"], 0.0);
}

/// The audit lists names, and reads no file of an export.
#[tokio::test(flavor = "multi_thread")]
async fn objects_of_exports_are_compared_with_their_items() {
    let world = world().await;
    assert_eq!(world.api.register(&world.token(1), &long(1)).await.status, StatusCode::CREATED);
    let export = exported(&world, 1, &json!({"format": "csv"})).await;
    let id = export["export_id"].as_str().unwrap();
    let (file, piece) = (format!("exports/1/{id}.csv"), format!("export-work/{id}/rows-9-0.csv"));
    let found = async || {
        let (_, written) = round(&world).await;
        // What the round before has found counts until this one has ended.
        (written["export_damaged"], written["foreign"])
    };
    assert_eq!(found().await, (0.0, 0.0));

    let (s3, content) = (world.aws.s3(), object(&world.aws, &file).await);
    let put = async |key: &str| {
        s3.put_object().bucket(BUCKET).key(key).body(content.clone().into()).send().await.unwrap();
    };
    let remove = async |key: &str| {
        s3.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    };
    remove(&file).await;
    assert_eq!(found().await, (1.0, 0.0), "the file is gone");
    put(&file).await;
    assert_eq!(found().await, (0.0, 0.0));

    // The lifecycle rule has a few days to remove what an invocation has left.
    put(&piece).await;
    assert_eq!(found().await, (0.0, 0.0));
    let soon = machine_now().days_after(2);
    let item = world.scan(&tables().exports).await.remove(0);
    let mut update = world.aws.dynamodb().update_item().table_name(tables().exports);
    for name in ["operator_id", "export_id"] {
        update = update.key(name, item[name].clone());
    }
    let update = update.update_expression("SET expires_at = :soon");
    let soon = AttributeValue::N(soon.millis().to_string());
    update.expression_attribute_values(":soon", soon).send().await.unwrap();
    assert_eq!(found().await, (1.0, 0.0), "it ended five days ago, and its piece is still there");
    remove(&piece).await;
    assert_eq!(found().await, (0.0, 0.0));

    // Among another operator's files, and a file of no export.
    for key in [format!("exports/2/{id}.csv"), "exports/2/DUPONT.csv".to_owned()] {
        put(&key).await;
        assert_eq!(found().await, (0.0, 1.0), "{key}");
        remove(&key).await;
        assert_eq!(found().await, (0.0, 0.0), "{key}");
    }
    let logs = logs();
    let told: Vec<&str> =
        logs.lines().filter(|line| line.contains("an object among its exports that is none")).collect();
    assert!(!told.is_empty() && told.iter().all(|line| !line.contains("DUPONT")), "{told:?}");
}
