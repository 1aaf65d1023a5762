//! Imports that are undone: by the team's command, over many invocations, together with everything else that happens.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use cee::undo::Team;
use cee_eligibility::OperatorId;
use cee_local::stack::{Options, tables};
use cee_registry::{ImportId, undo_note};
use cee_service::aws::Aws;
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::resume::in_parts;
use crate::support::{NOW, World, at, cee, keys, object, reports, scan, world, world_on};
use crate::wire::{Fault, Wire};

const HEADER: &str = "journey_type,last_name_trunc,phone_trunc,datetime\n";

fn operator(id: u32) -> OperatorId {
    OperatorId::new(id).unwrap()
}

fn import_id(report: &Value) -> ImportId {
    ImportId::parse(report["import_id"].as_str().unwrap()).unwrap()
}

/// The records of history that the table holds: driver's item, operator and date.
async fn records(aws: &Aws) -> BTreeSet<(String, String)> {
    let mut records = BTreeSet::new();
    for item in scan(aws, &tables().claims).await {
        let pk = item["pk"].as_s().unwrap();
        assert!(item.keys().any(|name| name.starts_with("h#") || name.starts_with("a#")), "an empty item is left");
        let history: Vec<&String> = item.keys().filter(|name| name.starts_with("h#")).collect();
        let latest = history.iter().map(|name| name.rsplit('#').next().unwrap().parse::<i64>().unwrap()).max();
        assert_eq!(item.get("sp").map(|at| at.as_n().unwrap().parse::<i64>().unwrap()), latest, "the latest date");
        records.extend(history.into_iter().map(|name| (pk.clone(), name.clone())));
    }
    records
}

/// One driver's application in the plain model.
type Dated = (usize, u32, &'static str);

#[derive(Default)]
struct Model {
    /// The files that contain it.
    history: BTreeMap<Dated, BTreeSet<usize>>,
    granted: BTreeMap<usize, u32>,
}

const APPLICATION: &str = "2024-03-15T08:30:00.000Z";
/// The first is too old to block anything.
const DATES: [&str; 4] = ["2013-05-01", "2016-05-01", "2020-05-01", "2022-05-01"];

fn midnight(day: &str) -> String {
    at(&format!("{day}T00:00:00+02:00")).to_string()
}

impl Model {
    /// Date and reason of what blocks a driver.
    fn blocker(&self, driver: usize) -> Option<(String, &'static str)> {
        let history =
            self.history.keys().filter(|(one, _, day)| *one == driver && *day >= "2015").map(|(.., day)| *day).max();
        match (self.granted.get(&driver), history) {
            (Some(_), _) => Some((APPLICATION.to_owned(), "duplicate")),
            (None, Some(day)) => Some((midnight(day), "history")),
            (None, None) => None,
        }
    }
}

fn body(driver: usize) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+336{driver:06}")})
}

/// Files arrive, are undone, arrive again in another order, and drivers apply in between: after each step the responses equal
/// the model's, and so does the table at the end.
#[tokio::test(flavor = "multi_thread")]
async fn imports_undos_and_registers_match_model() {
    let world = world().await;
    let team = Team::local(world.stack.description());
    let mut random = fastrand::Rng::with_seed(9);
    let mut pick = move |of: usize| random.usize(..of);
    let mut model = Model::default();
    // Each file's rows, its operator, and the import that last brought it, if any.
    let files: Vec<(u32, Vec<(usize, &str)>)> =
        (0..6).map(|file| (1 + file % 2, (0..8).map(|_| (pick(7), DATES[pick(4)])).collect())).collect();
    let mut standing: BTreeMap<usize, ImportId> = BTreeMap::new();
    let (mut undone, mut kept_any, mut granted) = (0, 0, 0);
    for step in 0..60 {
        match pick(4) {
            0 | 1 => {
                let file = pick(files.len());
                let (by, rows) = &files[file];
                if let Some(id) = standing.remove(&file) {
                    // Taken back: the dates that only it contained are removed.
                    let said = team.undo(operator(*by), id, |_| {}).await.unwrap();
                    // The report follows the table.
                    world.imported().await;
                    let before = model.history.len();
                    let mut kept = 0;
                    for sources in model.history.values_mut() {
                        kept += u64::from(sources.remove(&file) && !sources.is_empty());
                    }
                    model.history.retain(|_, sources| !sources.is_empty());
                    assert_eq!((said.removed, said.kept), ((before - model.history.len()) as u64, kept), "step {step}");
                    let report = reports(&world.aws, &format!("reports/{by}/{id}")).await;
                    let report = report.values().next().unwrap();
                    assert_eq!(
                        (&report["state"], &report["undone"]["removed"]),
                        (&json!("undone"), &json!(said.removed))
                    );
                    (undone, kept_any) = (undone + 1, kept_any + kept);
                } else {
                    let csv: String =
                        rows.iter().map(|(driver, day)| format!("long,DUP,+336{driver:06},{day}\n")).collect();
                    let key = format!("imports/{by}/{file}-{step}.csv");
                    world.upload(&key, format!("{HEADER}{csv}")).await;
                    let report = &reports(&world.aws, &format!("reports/{by}/")).await[&key];
                    let mut imported = 0;
                    for (driver, day) in rows {
                        let sources = model.history.entry((*driver, *by, day)).or_default();
                        imported += u64::from(sources.is_empty());
                        sources.insert(file);
                    }
                    assert_eq!(report["imported"].as_u64(), Some(imported), "step {step}: {report}");
                    standing.insert(file, import_id(report));
                }
            }
            2 => {
                let (driver, by) = (pick(7), 1 + pick(3) as u32);
                let mut call = body(driver);
                call["driving_license"] = json!(format!("{driver:08}{step:04}"));
                call["datetime"] = json!(APPLICATION);
                let answer = world.api.register(&world.token(by), &call).await;
                let expected = model.blocker(driver);
                if expected.is_none() {
                    model.granted.insert(driver, by);
                    granted += 1;
                    assert_eq!(answer.status, StatusCode::CREATED, "step {step}: {answer:?}");
                } else {
                    assert_eq!(blocked(&answer.json()), expected, "step {step}");
                }
            }
            _ => check(&world, &model, step).await,
        }
    }
    assert!(undone > 5 && kept_any > 5 && granted > 1, "{undone} {kept_any} {granted}");
    check(&world, &model, 60).await;
    let stored: BTreeSet<String> = records(&world.aws).await.into_iter().map(|(_, name)| name).collect();
    let expected: BTreeSet<String> =
        model.history.keys().map(|(_, by, day)| format!("h#{by}#{}", at(&midnight(day)).millis())).collect();
    assert_eq!(stored, expected);
    assert_eq!(records(&world.aws).await.len(), model.history.len());
}

fn blocked(problem: &Value) -> Option<(String, &'static str)> {
    let reason = ["duplicate", "history"].into_iter().find(|reason| problem["reason"] == *reason)?;
    Some((problem["datetime"].as_str()?.to_owned(), reason))
}

async fn check(world: &World, model: &Model, step: usize) {
    for driver in 0..7 {
        let answer = world.api.simulate(&world.token(3), &body(driver)).await;
        // At another moment than the application's, but none of our dates lies between the two cut-offs.
        assert_eq!(blocked(&answer.json()), model.blocker(driver), "step {step}, driver {driver}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_of_large_import_continues_after_crash() {
    const ROWS: usize = 1_000;
    let folder = TempDir::new().unwrap();
    let text: String = (0..ROWS).map(|row| format!("long,DUP,+336{row:06},2021-02-15\n")).collect();
    let undo = |id: ImportId, yes: bool| {
        let mut command = Command::new(cee());
        command.args(["undo", "--operator", "1", "--import", &id.to_string(), "--data-dir"]).arg(folder.path());
        if yes {
            command.arg("--yes");
        }
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let said = format!("{}\n{}", text(output.stdout), text(output.stderr));
        assert!(output.status.success(), "{}: {said}", output.status);
        said
    };
    let mut id = None;
    for run in 0..2 {
        let wire = Wire::new();
        let options = Options {
            now: Some(at(NOW)),
            settings: in_parts(200),
            faults: Some(wire.plan()),
            ..Options::new(folder.path())
        };
        let world = world_on(&options).await;
        let (stack, aws) = (&world.stack, &world.aws);
        if run == 0 {
            for (key, text) in [("imports/1/wrong.csv", &text), ("imports/2/theirs.csv", &text)] {
                let put = aws.s3().put_object().bucket("cee-local").key(key);
                put.body(format!("{HEADER}{text}").into_bytes().into()).send().await.unwrap();
                stack.queue().idle().await;
            }
            let wrong = import_id(&reports(aws, "reports/1/").await["imports/1/wrong.csv"]);
            id = Some(wrong);
            let said = undo(wrong, false);
            assert!(said.contains("1000 imported") && said.contains("add --yes"), "{said}");
            // Stops the stack while it undoes the import: the first checkpoint ends the count, the second one a part of the
            // rows.
            let mut first = wire.hold("SET undo_checkpoint");
            let team = Team::local(stack.description());
            let watched = tokio::spawn(async move { team.undo(operator(1), wrong, |_| {}).await.map(drop) });
            first.come().await;
            let mut second = wire.hold("SET undo_checkpoint");
            first.release();
            second.come().await;
            assert!(!watched.is_finished(), "the undo ended without taking anything back");
            wire.next("SET undo_checkpoint", [Fault::Reset; 3]);
            second.release();
            world.end().await;
            watched.abort();
            continue;
        }
        let left = records(aws).await.len();
        assert!(left > ROWS && left < 2 * ROWS, "it was to be stopped in the middle: {left}");
        let wrong = id.unwrap();
        let said = undo(wrong, true);
        assert!(said.contains("undone: 1000 applications removed; 0 kept"), "{said}");
        let left = records(aws).await;
        assert_eq!(left.len(), ROWS, "the other operator's stay");
        assert!(left.iter().all(|(_, name)| name.starts_with("h#2#")));
        stack.queue().idle().await;
        let report = &reports(aws, "reports/1/").await["imports/1/wrong.csv"];
        assert_eq!((&report["state"], &report["imported"]), (&json!("undone"), &json!(ROWS)));
        let said = undo(wrong, false);
        let at = report["undone"]["ended_at"].as_str().unwrap();
        assert!(said.contains(&format!("undone {at}: ")) && said.contains("nothing is left to undo"), "{said}");
        // Again: it is already done; and the same file may be sent again.
        let said = undo(wrong, true);
        assert!(said.contains("undone: 1000 applications"), "{said}");
        let put = aws.s3().put_object().bucket("cee-local").key("imports/1/again.csv");
        put.body(format!("{HEADER}{}", text.lines().next().unwrap()).into_bytes().into()).send().await.unwrap();
        stack.queue().idle().await;
        assert_eq!(reports(aws, "reports/1/").await["imports/1/again.csv"]["imported"], 1);
        assert_eq!(stack.queue().counts().dead, 0);
        world.end().await;
    }
}

/// An identity key given for a row while its import is undone puts a copy of the row on another item, which the undo may already
/// have passed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn identity_keys_given_during_undo_leave_no_row() {
    let (world, wire) = Wire::world().await;
    let rows = 600;
    let text: String = (0..rows).map(|row| format!("long,DUP,+336{row:06},2021-02-15\n")).collect();
    world.upload("imports/1/wrong.csv", format!("{HEADER}{text}")).await;
    let id = import_id(&reports(&world.aws, "reports/1/").await["imports/1/wrong.csv"]);
    let team = Team::local(world.stack.description());
    // When the first keys arrive, the rows are counted and not yet removed.
    let mut held = wire.hold("SET undo_checkpoint");
    let undo = tokio::spawn(async move { team.undo(operator(1), id, |_| {}).await.unwrap() });
    held.come().await;
    let mut held = Some(held);
    let (mut given, mut row) = (0, 0);
    while !undo.is_finished() {
        // From the whole file, a few rows at a time.
        let batch: Vec<Value> = (0..40)
            .map(|_| {
                row = (row + 7) % rows;
                json!({"cee_application_type": "specific", "journey_type": "long", "last_name_trunc": "DUP",
                       "phone_trunc": format!("+336{row:06}"), "datetime": "2021-02-15T00:00:00+01:00",
                       "identity_key": format!("{row:064x}")})
            })
            .collect();
        let answer = world.api.post("/policies/cee/import/identity", &world.token(1), &json!(batch)).await.json();
        given += answer["imported"].as_u64().unwrap();
        if let Some(held) = held.take() {
            held.release();
        }
    }
    assert_eq!(undo.await.unwrap().removed, rows);
    assert!(given > 0, "no key came while it was undone");
    assert_eq!(world.scan(&tables().claims).await, [], "{given} keys were given");
}

#[tokio::test(flavor = "multi_thread")]
async fn undo_refuses_unknown_import_and_removes_contradictions() {
    let world = world().await;
    let team = Team::local(world.stack.description());
    let refused = async |team: &Team, by: u32, id: ImportId| match team.undo(operator(by), id, |_| {}).await {
        Err(why) => why.to_string(),
        other => panic!("{other:?}"),
    };
    assert_eq!(refused(&team, 1, ImportId::from_bytes([7; 16])).await, "there is no such import");
    let place = world.api.post("/policies/cee/imports", &world.token(1), &json!({})).await.json();
    assert!(refused(&team, 1, import_id(&place)).await.contains("has not ended: it is awaiting_upload"));
    // A late contradiction ends when its history is undone.
    let mut call = body(3);
    call["driving_license"] = json!("051227308989");
    call["datetime"] = json!(APPLICATION);
    assert_eq!(world.api.register(&world.token(1), &call).await.status, StatusCode::CREATED);
    world.upload("imports/2/late.csv", format!("{HEADER}long,DUP,+336000003,2021-02-15\n")).await;
    let listed = keys(&world.aws, "contradictions/").await;
    assert_eq!(listed.len(), 1);
    assert!(String::from_utf8(object(&world.aws, &listed[0]).await).unwrap().starts_with("line,application_uuid"));
    let id = import_id(&reports(&world.aws, "reports/2/").await["imports/2/late.csv"]);
    assert_eq!(refused(&team, 1, id).await, "there is no such import", "it is another operator's");
    team.undo(operator(2), id, |_| {}).await.unwrap();
    world.imported().await;
    assert_eq!(keys(&world.aws, "contradictions/").await, [""; 0]);
    // The event again, after an invocation that ended the undo and nothing else.
    for key in [&listed[0], &undo_note(operator(2), id)] {
        world.aws.s3().put_object().bucket("cee-local").key(key).send().await.unwrap();
    }
    world.imported().await;
    assert_eq!(keys(&world.aws, "contradictions/").await, [""; 0]);
    let status =
        world.api.request(http::Method::GET, &format!("/policies/cee/imports/{id}"), Some(&world.token(2)), Vec::new());
    let status = world.api.send(status).await.unwrap().json();
    assert_eq!(
        (&status["state"], &status["undone"]["removed"]),
        (&json!("undone"), &json!(1)),
        "the operator can see it"
    );
}
