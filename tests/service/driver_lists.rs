//! Lists of drivers: the answers of as many `simulate` calls in one file, nothing written, and no more drivers in a day than allowed.

use std::collections::BTreeSet;
use std::time::Duration;

use cee_eligibility::{Language, OperatorId};
use cee_local::stack::tables;
use cee_service::aws::Aws;
use cee_tokens::Scope;
use fastrand::Rng;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::{aws_of, serve};
use crate::resume::in_parts;
use crate::support::{NOW, Trip, World, keys, metrics, object, reports, scan, world, world_set};
use crate::wire::{Fault, Wire};

const IMPORTS: &str = "/policies/cee/imports";
const HEADER: &str = "journey_type,last_name_trunc,phone_trunc\n";
const FULL: &str = "journey_type,last_name_trunc,phone_trunc,driving_license,identity_key\n";

/// The columns of the answers.
const COLUMNS: [&str; 7] = ["outcome", "datetime", "uuid", "journey_id", "journey_status", "token", "reason"];

/// A list of this many drivers, every hundredth of whose rows is invalid.
fn list(from: usize, rows: usize) -> String {
    let row = |row: usize| format!("long,{},+336{row:06}\n", if row % 100 == 99 { "dup?" } else { "DUP" });
    HEADER.to_owned() + &(from..from + rows).map(row).collect::<String>()
}

/// The settings with this many drivers a day.
fn a_day(drivers: u32) -> Vec<(String, String)> {
    vec![("DRIVERS_PER_DAY".to_owned(), drivers.to_string())]
}

/// The rows of an answers file, each as a map of its columns.
async fn answers(aws: &Aws, report: &Value) -> Vec<Value> {
    let file = object(aws, report["answers"].as_str().unwrap_or_else(|| panic!("no answers: {report}"))).await;
    let file = file.strip_prefix(b"\xef\xbb\xbf").expect("a byte order mark, for Excel");
    let mut reader = csv::Reader::from_reader(file);
    let header = reader.headers().unwrap().clone();
    assert_eq!(header.iter().rev().take(7).collect::<Vec<_>>(), COLUMNS.into_iter().rev().collect::<Vec<_>>());
    let row = |row: csv::StringRecord| header.iter().zip(row.iter()).map(|(n, v)| (n.to_owned(), json!(v))).collect();
    reader.records().map(|record| row(record.unwrap())).collect()
}

fn outcomes(report: &Value) -> [Option<u64>; 5] {
    ["read", "eligible", "history", "duplicate", "rejected"].map(|name| report[name].as_u64())
}

impl World {
    /// Sends a list through a new upload URL, and returns its import once it has ended.
    async fn ask(&self, operator: u32, mut place: Value, file: &str) -> Value {
        place["kind"] = json!("drivers");
        let place = self.place(operator, place).await;
        assert_eq!(self.put(&place, file.as_bytes()).await, StatusCode::OK);
        self.imported().await;
        let path = format!("{IMPORTS}/{}", place["import_id"].as_str().unwrap());
        self.api.call(Method::GET, &path, &self.token(operator)).await.json()
    }

    async fn report_of(&self, import: &Value) -> Value {
        reports(&self.aws, "reports/").await[import["key"].as_str().unwrap()].clone()
    }
}

/// The cells that the answer about one driver has, from the answer of the call.
async fn as_a_call(world: &World, token: &str, row: &[String; 5]) -> [String; 7] {
    let names = ["journey_type", "last_name_trunc", "phone_trunc", "driving_license", "identity_key"];
    let fields = names.iter().zip(row).filter(|(_, cell)| !cell.is_empty());
    let question: Value = fields.map(|(name, cell)| ((*name).to_owned(), json!(cell))).collect();
    let answer = world.api.simulate(token, &question).await;
    let body = answer.json();
    let cell = |name: &str| match &body[name] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    match answer.status {
        StatusCode::OK => ["eligible", "", "", "", "", "", ""].map(str::to_owned),
        StatusCode::CONFLICT => {
            let [uuid, id, status, token] = ["uuid", "journey_id", "journey_status", "token"].map(cell);
            [cell("reason"), cell("datetime"), uuid, id, status, token, String::new()]
        }
        _ => panic!("{answer:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn list_gets_the_answers_of_single_calls() {
    for seed in 0..3 {
        let (world, wire) = Wire::world().await;
        let mut random = Rng::with_seed(seed);
        let tokens = [world.token(1), world.token(2)];
        let phone = |random: &mut Rng| format!("+33601{:04}", random.u32(0..12));
        let name = |random: &mut Rng| ["DUP", "TO ", "D H"][random.usize(0..3)].to_owned();
        let journey_type = |random: &mut Rng| ["short", "long"][random.usize(0..2)].to_owned();
        let key = |random: &mut Rng| ["a", "b"][random.usize(0..2)].repeat(64);
        for operator in 1..=3 {
            let mut file = "journey_type,last_name_trunc,phone_trunc,datetime\n".to_owned();
            for _ in 0..8 {
                let (year, month) = (random.u32(2012..2023), random.u32(1..13));
                let row = [journey_type(&mut random), name(&mut random), phone(&mut random)].join(",");
                file.push_str(&format!("{row},{year}-{month:02}-01\n"));
            }
            world.upload(&format!("imports/{operator}/h.csv"), file).await;
        }
        for number in 0..16 {
            let by = random.usize(0..2);
            let license = format!("LIST{:02}", random.u32(0..10));
            let mut body = json!({"last_name_trunc": name(&mut random), "driving_license": license});
            if random.bool() {
                body["identity_key"] = json!(key(&mut random));
            }
            let phone = phone(&mut random);
            if random.bool() {
                let trip = format!("trip-{number}");
                let owner = u32::try_from(by).unwrap() + 1;
                world.journeys(&[Trip::new(owner, &trip, &phone)]).await;
                body["journey_type"] = json!("short");
                body["operator_journey_id"] = json!(trip);
            } else {
                body["journey_type"] = json!("long");
                body["phone_trunc"] = json!(phone);
                body["datetime"] = json!("2024-03-15T07:30:00Z");
            }
            let status = world.api.register(&tokens[by], &body).await.status;
            assert!(status == StatusCode::CREATED || status == StatusCode::CONFLICT, "{status}");
        }
        let mut rows: Vec<[String; 5]> = Vec::new();
        for _ in 0..120 {
            let license = if random.bool() { format!("LIST{:02}", random.u32(0..10)) } else { String::new() };
            let key = if random.bool() { key(&mut random) } else { String::new() };
            rows.push([journey_type(&mut random), name(&mut random), phone(&mut random), license, key]);
        }
        let mut file = FULL.to_owned();
        for (number, row) in rows.iter().enumerate() {
            file.push_str(&row.join(","));
            file.push('\n');
            if number % 10 == 9 {
                file.push_str("long,dup,+336010203,,\n");
            }
        }
        let claims = world.scan(&tables().claims).await;
        wire.take_operations();
        let import = world.ask(1, json!({}), &file).await;
        let operations = wire.take_operations();
        assert_eq!(
            operations.iter().filter(|operation| *operation == "BatchGetItem").count(),
            rows.len(),
            "one read a row"
        );
        assert_eq!(import["state"], "completed", "{import}");
        let report = world.report_of(&import).await;
        let answers = answers(&world.aws, &report).await;
        assert_eq!(answers.len(), rows.len() + rows.len() / 10, "a row out for each row in");
        let (bad, good): (Vec<_>, Vec<_>) = answers.iter().enumerate().partition(|(number, _)| number % 11 == 10);
        let mut seen = BTreeSet::new();
        for ((_, answer), row) in good.into_iter().zip(&rows) {
            let expected = as_a_call(&world, &tokens[0], row).await;
            let answered = COLUMNS.map(|column| answer[column].as_str().unwrap().to_owned());
            assert_eq!(answered, expected, "{answer}");
            seen.insert((expected[0].clone(), expected[2].is_empty()));
            for (cell, name) in row.iter().zip(FULL.trim_end().split(',')) {
                assert_eq!(answer[name], **cell, "as it came");
            }
        }
        assert!(seen.len() >= 4, "eligible, history, one's own duplicates and others': {seen:?}");
        for (_, answer) in bad {
            assert_eq!((&answer["outcome"], &answer["datetime"]), (&json!("rejected"), &json!("")));
            assert!(answer["reason"].as_str().unwrap().starts_with("last_name_trunc "), "{answer}");
        }
        let counted = |outcome: &str| Some(answers.iter().filter(|answer| answer["outcome"] == outcome).count() as u64);
        let all = Some(answers.len() as u64);
        let expected = [all, counted("eligible"), counted("history"), counted("duplicate"), counted("rejected")];
        assert_eq!((outcomes(&report), outcomes(&import)), (expected, expected));
        // The order of a scan is the database's own.
        let now = world.scan(&tables().claims).await;
        assert!(now.len() == claims.len() && claims.iter().all(|item| now.contains(item)), "nothing is written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn list_over_the_days_number_is_refused_whole_and_takes_nothing() {
    let world = world_set(a_day(100)).await;
    let refused = world.ask(1, json!({"language": "fr"}), &list(0, 101)).await;
    assert_eq!((&refused["state"], &refused["read"]), (&json!("failed"), &json!(0)), "{refused}");
    let why = refused["error"].as_str().unwrap();
    assert!(why.contains("101 lignes") && why.contains("100 conducteurs") && Language::english_left_in(why).is_none());
    assert!(refused.get("answers_url").is_none());
    // Checked, it asks about nobody.
    let checked = world.ask(1, json!({"check_only": true}), &list(0, 150)).await;
    assert_eq!(["accepted", "rejected"].map(|name| checked[name].as_u64()), [Some(149), Some(1)], "{checked}");
    assert!(checked.get("answers_url").is_none() && checked.get("eligible").is_none(), "{checked}");

    let answered = world.ask(1, json!({}), &list(0, 60)).await;
    assert_eq!(outcomes(&answered), [60, 60, 0, 0, 0].map(Some));
    let refused = world.ask(1, json!({}), &list(0, 41)).await;
    assert!(refused["error"].as_str().unwrap().contains("100 drivers a day (Paris time), and 40 are left"));
    assert_eq!(world.ask(1, json!({}), &list(0, 40)).await["eligible"], 40, "to the last one");
    let refused = world.ask(1, json!({}), &list(0, 1)).await;
    let why = refused["error"].as_str().unwrap();
    assert!(why.contains("none is left for today") && !why.contains("at most 0"), "{why}");
    assert_eq!(world.ask(2, json!({}), &list(0, 100)).await["rejected"], 1, "another operator");
    let refusals = metrics().iter().filter(|line| line["DriverListsRefused"] == 1.0).count();
    assert!(refusals >= 3, "{refusals}");
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_at_one_moment_do_not_exceed_the_days_number() {
    let world = world_set([("DRIVERS_PER_DAY", "100"), ("IMPORTS_PER_OPERATOR", "0")]).await;
    for number in 0..6 {
        world.put_file(&format!("imports/1/{number} simulate-only.csv"), list(number * 30, 30)).await;
    }
    world.imported().await;
    let reports = reports(&world.aws, "reports/1/").await;
    let read: u64 = reports.values().map(|report| report["read"].as_u64().unwrap()).sum();
    let failed = reports.values().filter(|report| report["state"] == "failed").count();
    assert_eq!((reports.len(), read, failed), (6, 90, 3), "{reports:#?}");
    // The ten that are left.
    assert_eq!(world.ask(1, json!({}), &list(0, 10)).await["eligible"], 10);
}

/// The answers of this many rows: each once, in the order of the file.
fn check_rows(answers: &[Value], rows: usize) {
    let phones: Vec<String> = answers.iter().map(|row| row["phone_trunc"].as_str().unwrap().to_owned()).collect();
    assert_eq!(phones, (0..rows).map(|row| format!("+336{row:06}")).collect::<Vec<_>>());
    for (number, answer) in answers.iter().enumerate() {
        let is_bad = number % 100 == 99;
        assert_eq!(answer["outcome"] == "rejected", is_bad, "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn list_of_many_invocations_counts_once() {
    const ROWS: usize = 3_000;
    let (world, wire) = Wire::world_with(|options| {
        options.settings = [in_parts(500), a_day(ROWS as u32)].concat();
    })
    .await;
    // The counts are committed, and the answer is lost.
    wire.next("#drivers#", [Fault::AnswerLost, Fault::Reset]);
    let before = world.stack.queue().counts().succeeded;
    let import = world.ask(1, json!({}), &list(0, ROWS)).await;
    assert!(world.stack.queue().counts().succeeded - before > 4, "it was to take many invocations");
    assert_eq!(outcomes(&import), [3_000, 2_970, 0, 0, 30].map(Some), "{import}");
    let report = world.report_of(&import).await;
    check_rows(&answers(&world.aws, &report).await, ROWS);
    assert_eq!(keys(&world.aws, "work/").await, [""; 0], "pieces of the answers are removed");
    let rejected = String::from_utf8(object(&world.aws, report["rejected_rows"].as_str().unwrap()).await).unwrap();
    assert_eq!(rejected.lines().count(), 31, "the rejected rows have their own list, too");
    assert_eq!(world.ask(1, json!({}), &list(0, 1)).await["state"], "failed", "nothing is left");
}

/// The state of the import of a list, if it has begun.
async fn state(aws: &Aws) -> Option<String> {
    let imports = scan(aws, &tables().imports).await;
    let import = imports.iter().find(|item| item["key"].as_s().unwrap().contains("simulate-only"))?;
    Some(import["state"].as_s().unwrap().clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn list_killed_twenty_times_ends_complete() {
    // The number of drivers in a day.
    const ROWS: usize = 10_000;
    let folder = TempDir::new().unwrap();
    let mut random = Rng::with_seed(22);
    let options = ["--now", NOW, "--rows-per-invocation", "500"];
    let key = "imports/1/all simulate-only.csv";
    let history: String = (0..50).map(|row| format!("long,DUP,+336{:06},2021-02-15\n", row * 150)).collect();
    let mut during = 0;
    for kill in 0..20 {
        let (mut child, about) = serve(&folder, &options).await;
        let aws = aws_of(&about);
        if kill == 0 {
            let history = format!("journey_type,last_name_trunc,phone_trunc,datetime\n{history}");
            let put = aws.s3().put_object().bucket("cee-local").key("imports/2/h.csv");
            put.body(history.into_bytes().into()).send().await.unwrap();
            while reports(&aws, "reports/2/").await.is_empty() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            let put = aws.s3().put_object().bucket("cee-local").key(key);
            put.body(list(0, ROWS).into_bytes().into()).send().await.unwrap();
            // Each kill comes after the list has begun.
            while state(&aws).await.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(random.u64(2..40))).await;
        let state = state(&aws).await;
        child.kill().await.unwrap();
        match state.as_deref() {
            Some("running") => during += 1,
            Some(_) => break,
            None => {}
        }
    }
    assert!(during > 3, "killed {during} times while the list was answered");
    let (mut child, about) = serve(&folder, &["--now", NOW]).await;
    let aws = aws_of(&about);
    while state(&aws).await.as_deref() != Some("completed") {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The report is put after the import has ended.
    while !reports(&aws, "reports/1/").await.contains_key(key) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let report = &reports(&aws, "reports/1/").await[key];
    let answers = answers(&aws, report).await;
    check_rows(&answers, ROWS);
    for (row, answer) in answers.iter().enumerate() {
        let expected = if row % 100 == 99 {
            "rejected"
        } else if row % 150 == 0 && row < 7_500 {
            "history"
        } else {
            "eligible"
        };
        assert_eq!(answer["outcome"], expected, "{row}");
    }
    assert_eq!(outcomes(report), [10_000, 9_850, 50, 0, 100].map(Some));
    let limits = scan(&aws, &tables().limits).await;
    let of_day = limits.iter().find(|item| item["pk"].as_s().unwrap().contains("#drivers#2024-05-01")).unwrap();
    assert_eq!(of_day["asked"].as_n().unwrap(), "10000", "counted once");
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn list_is_named_by_call_or_file_name_and_comes_back() {
    let world = world().await;
    let token = world.token(1);
    world
        .upload(
            "imports/2/h.csv",
            "journey_type,last_name_trunc,phone_trunc,datetime\nlong,DUP,+336010203,2021-02-15\n",
        )
        .await;
    let file =
        "phone_trunc;journey_type;last_name_trunc\r\n06010203;Long;DUP\r\n6010204;long;TO\r\n3,36E+08;long;DUP\r\n";
    let place = world.place(1, json!({"kind": "drivers"})).await;
    let path = format!("{IMPORTS}/{}", place["import_id"].as_str().unwrap());
    let awaiting = world.api.call(Method::GET, &path, &token).await.json();
    assert_eq!(awaiting["kind"], "drivers");
    assert!(awaiting["key"].as_str().unwrap().ends_with("/drivers.csv"), "{awaiting}");
    assert_eq!(world.put(&place, file.as_bytes()).await, StatusCode::OK);
    world.imported().await;
    let done = world.api.call(Method::GET, &path, &token).await.json();
    assert_eq!(outcomes(&done), [3, 1, 1, 0, 1].map(Some), "{done}");
    // The link needs no credentials.
    let linked = world.plain(Method::GET, done["answers_url"].as_str().unwrap(), &[], b"").await;
    let lines: Vec<&str> = linked.text.lines().collect();
    assert_eq!(
        lines[0],
        "\u{feff}phone_trunc;journey_type;last_name_trunc;outcome;datetime;uuid;journey_id;journey_status;token;reason"
    );
    assert_eq!(
        lines[1..3],
        ["06010203;Long;DUP;history;2021-02-14T23:00:00.000Z;;;;;", "6010204;long;TO;eligible;;;;;;"]
    );
    assert!(lines[3].starts_with("3,36E+08;long;DUP;rejected;;;;;;\"phone_trunc was rounded by Excel"), "{lines:?}");

    // The answers can be sent as a list. An operator with its own credentials needs no call to use its folder.
    world.upload("imports/1/again Simulate_only language-fr.csv", linked.text.clone()).await;
    let again = reports(&world.aws, "reports/1/").await["imports/1/again Simulate_only language-fr.csv"].clone();
    assert_eq!(outcomes(&again), [3, 1, 1, 0, 1].map(Some), "{again}");
    let answers = answers_text(&world, &again).await;
    assert!(answers.contains("phone_trunc a ") && !answers.contains("was rounded"), "{answers}");
    let listed = world.api.call(Method::GET, IMPORTS, &token).await.json();
    let kinds: Vec<&Value> = listed["imports"].as_array().unwrap().iter().map(|import| &import["kind"]).collect();
    assert_eq!(kinds, ["drivers", "drivers"]);

    // A history file that is not said to be a list is none, and the reverse.
    world.upload("imports/1/drivers.csv", file).await;
    let report = reports(&world.aws, "reports/1/").await["imports/1/drivers.csv"].clone();
    assert!(report["error"].as_str().unwrap().contains("missing datetime"), "{report}");
    let records = world.scan(&tables().claims).await;
    assert_eq!(records.len(), 1, "only the history of operator 2");
    let nobody = world.ask(1, json!({}), HEADER).await;
    assert_eq!((&nobody["state"], outcomes(&nobody)), (&json!("completed"), [0; 5].map(Some)), "{nobody}");
    assert!(nobody.get("answers_url").is_none(), "{nobody}");
}

async fn answers_text(world: &World, report: &Value) -> String {
    String::from_utf8(object(&world.aws, report["answers"].as_str().unwrap()).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn place_for_a_list_needs_the_scope_of_simulate_and_no_fields_of_history() {
    let world = world().await;
    let token = world.token(1);
    let sirets: Vec<String> =
        world.stack.description().operators.iter().map(|operator| operator.siret.clone()).collect();
    let narrow = world.token_of(1, &sirets[0], &[Scope::Import]);
    let refused = world.api.post(IMPORTS, &narrow, &json!({"kind": "drivers"})).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::FORBIDDEN, "missing_scope"));
    // The import function takes a file of this name for a list, whatever the call says of it.
    for body in [json!({"file_name": "a Simulate_only.csv"}), json!({"kind": "file", "file_name": "simulate-only.csv"})]
    {
        let refused = world.api.post(IMPORTS, &narrow, &body).await;
        assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::FORBIDDEN, "missing_scope"), "{body}");
    }
    assert_eq!(world.api.post(IMPORTS, &narrow, &json!({"kind": "file"})).await.status, StatusCode::CREATED);
    let named = json!({"file_name": "simulate-only.csv", "replaces": "0".repeat(32)});
    assert_eq!(world.api.post(IMPORTS, &token, &named).await.pointers(), ["/replaces"]);
    let bad = json!({"kind": "drivers", "replaces": "0".repeat(32), "dates_confirmed": true});
    let refused = world.api.post(IMPORTS, &token, &bad).await;
    let pointers: BTreeSet<String> = refused.pointers().into_iter().collect();
    assert_eq!(pointers, BTreeSet::from(["/replaces".to_owned(), "/dates_confirmed".to_owned()]), "{refused:?}");
    let refused = world.api.post(IMPORTS, &token, &json!({"kind": "passengers"})).await;
    assert_eq!(refused.pointers(), ["/kind"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_simulations_close_lists_and_not_imports() {
    let closed = world_set([("SIMULATE_ENABLED", "false")]).await;
    let refused = closed.api.post(IMPORTS, &closed.token(1), &json!({"kind": "drivers"})).await;
    assert_eq!(refused.problem(), "call_closed");
    let refused = closed.api.post(IMPORTS, &closed.token(1), &json!({"file_name": "a simulate-only.csv"})).await;
    assert_eq!(refused.problem(), "call_closed");
    closed.place(1, json!({})).await;
    closed.upload("imports/1/a simulate-only.csv", list(0, 1)).await;
    let report = reports(&closed.aws, "reports/1/").await["imports/1/a simulate-only.csv"].clone();
    assert!(report["error"].as_str().unwrap().contains("answers no questions"), "{report}");

    let half = world_set([("SIMULATE_ENABLED", "short"), ("IMPORT_ENABLED", "false")]).await;
    let file = format!("{HEADER}short,DUP,+336010203\nlong,DUP,+336010203\n");
    let answered = half.ask(1, json!({}), &file).await;
    assert_eq!(outcomes(&answered), [2, 1, 0, 0, 1].map(Some), "{answered}");
    assert_eq!(half.api.post(IMPORTS, &half.token(1), &json!({})).await.problem(), "call_closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_show_nothing_of_another_operators_application() {
    let world = world().await;
    let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                      "driving_license": "LISTOWN", "datetime": "2024-03-15T07:30:00Z"});
    let granted = world.api.register(&world.token(1), &body).await.json();
    let file = format!("{HEADER}long,DUP,+336010203\n");
    let own = world.ask(1, json!({}), &file).await;
    let own = answers(&world.aws, &world.report_of(&own).await).await;
    assert_eq!((&own[0]["uuid"], &own[0]["token"]), (&granted["uuid"], &granted["token"]));
    let theirs = world.ask(2, json!({}), &file).await;
    let theirs = answers(&world.aws, &world.report_of(&theirs).await).await;
    assert_eq!((&theirs[0]["outcome"], &theirs[0]["datetime"]), (&json!("duplicate"), &granted["datetime"]));
    for column in ["uuid", "journey_id", "journey_status", "token", "reason"] {
        assert_eq!(theirs[0][column], "", "{column}");
    }
    let operator = OperatorId::new(1).unwrap();
    assert!(keys(&world.aws, "reports/1/").await.iter().all(|key| key.starts_with(&format!("reports/{operator}/"))));
}
