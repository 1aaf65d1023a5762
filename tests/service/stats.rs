//! Statistics: `cee stats` shows what the tables hold, whatever was called, deleted, imported, lost and killed; and the public file.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::stack::{Options, tables};
use cee_service::aws::Aws;
use chrono::{DateTime, Datelike as _, Duration};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::{aws_of, serve};
use crate::support::{Api, NOW, Trip, World, at, cee, scan_all, world_on};
use crate::wire::Wire;

const HEADER: &str = "journey_type,last_name_trunc,phone_trunc,datetime\n";
const REGISTER: &str = "/policies/cee";

/// Week, operator, journey type, outcome, reason.
type Row = (String, String, String, String, String);

/// Runs `cee stats` to its end: whether it succeeded, its standard output, and the message for the person.
pub fn stats(data_dir: &Path, words: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(cee());
    let output = command.arg("stats").args(words).arg("--data-dir").arg(data_dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// Every count that `cee stats` shows.
fn shown(data_dir: &Path) -> BTreeMap<Row, u64> {
    let (success, csv, said) = stats(data_dir, &["--by", "week,operator,type,outcome,reason", "--format", "csv"]);
    assert!(success, "{said}");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let columns = vec!["week", "operator_id", "journey_type", "outcome", "reason", "count"];
    assert_eq!(reader.headers().unwrap(), &csv::StringRecord::from(columns));
    let row = |record: csv::StringRecord| {
        let cell = |column: usize| record[column].to_owned();
        ((cell(0), cell(1), cell(2), cell(3), cell(4)), record[5].parse().unwrap())
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Those that the tables show.
fn of_tables(shown: &BTreeMap<Row, u64>) -> BTreeMap<Row, u64> {
    let of_calls = ["refused", "repeated"];
    shown.iter().filter(|(row, _)| !of_calls.contains(&row.3.as_str())).map(|(row, n)| (row.clone(), *n)).collect()
}

/// The sum of some refusals.
fn refused(shown: &BTreeMap<Row, u64>, operator: &str, reason: &str) -> u64 {
    shown.iter().filter(|((_, whose, _, _, why), _)| whose == operator && why == reason).map(|(_, count)| count).sum()
}

/// The week in Paris, where it is summer in all of these tests.
fn week(item: &std::collections::HashMap<String, AttributeValue>, attribute: &str) -> Option<String> {
    let millis: i64 = item.get(attribute)?.as_n().unwrap().parse().unwrap();
    let local = DateTime::from_timestamp_millis(millis).unwrap() + Duration::hours(2);
    Some(format!("{:04}-W{:02}", local.iso_week().year(), local.iso_week().week()))
}

/// Counts the items of the tables, without any code of the registry.
async fn recount(aws: &Aws) -> BTreeMap<Row, u64> {
    let mut counts = BTreeMap::new();
    let mut add = |week: String, operator: &str, journey_type: &str, outcome: &str, number: u64| {
        if number > 0 {
            let row = (week, operator.to_owned(), journey_type.to_owned(), outcome.to_owned(), String::new());
            *counts.entry(row).or_default() += number;
        }
    };
    for table in [&tables().applications, &tables().archive] {
        for item in scan_all(aws, table).await {
            let Some(registered) = week(&item, "registered_at") else { continue };
            let (operator, journey_type) = (item["operator_id"].as_n().unwrap(), item["journey_type"].as_s().unwrap());
            add(registered, operator, journey_type, "granted", 1);
            if let Some(deleted) = week(&item, "deleted_at").or_else(|| week(&item, "was_deleted_at")) {
                add(deleted, operator, journey_type, "deleted", 1);
            }
        }
    }
    for item in scan_all(aws, &tables().imports).await {
        let (operator, Some(report)) = (item["operator_id"].as_n().unwrap(), item.get("report")) else { continue };
        let report = report.as_m().unwrap();
        let is_check = report.get("check_only").is_some_and(|check| *check.as_bool().unwrap());
        if operator == "0" || is_check || report.contains_key("eligible") {
            continue;
        }
        let number = |value: &AttributeValue| value.as_n().unwrap().parse::<u64>().unwrap();
        let began = week(&item, "started_at").unwrap();
        for outcome in ["imported", "already_known", "rejected"] {
            add(began.clone(), operator, "", outcome, number(&report[outcome]));
        }
        let undone = report.get("undone").and_then(|undone| undone.as_m().ok());
        add(began, operator, "", "taken_back", undone.map_or(0, |undone| number(&undone["removed"])));
    }
    counts
}

fn long(number: u32) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "STA", "phone_trunc": format!("+336{number:06}"),
           "driving_license": format!("STATS{number:07}"), "datetime": "2024-03-15T07:30:00Z"})
}

fn short(journey: &str, license: &str) -> Value {
    json!({"journey_type": "short", "last_name_trunc": "STA", "driving_license": license, "operator_journey_id": journey})
}

fn path(granted: &Value) -> String {
    format!("{REGISTER}/{}", granted["uuid"].as_str().unwrap())
}

async fn world_in(folder: &TempDir) -> World {
    world_on(&Options { now: Some(at(NOW)), ..Options::new(folder.path()) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_equal_answers_and_tables() {
    let folder = TempDir::new().unwrap();
    let world = world_in(&folder).await;
    let [one, two, three] = [1, 2, 3].map(|operator| world.token(operator));
    world
        .journeys(&[Trip::new(1, "good", "+336110001"), Trip { class: "B", ..Trip::new(2, "class-b", "+336110002") }])
        .await;
    // The first refusal of each operator is written with its call.
    assert_eq!(world.api.register(&two, &short("class-b", "S1")).await.status, StatusCode::NOT_FOUND);
    // A batch that is refused as a whole is one refusal.
    assert_eq!(world.api.post("/policies/cee/batch", &three, &json!([])).await.status, StatusCode::BAD_REQUEST);
    let mut granted = Vec::new();
    for number in 0..4 {
        let answer = world.api.register(&one, &long(number)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        granted.push(answer.json());
    }
    assert_eq!(world.api.register(&one, &short("good", "S2")).await.status, StatusCode::CREATED);
    assert_eq!(world.api.register(&two, &long(9)).await.status, StatusCode::CREATED);
    for number in 0..3 {
        assert_eq!(world.api.register(&two, &long(number)).await.status, StatusCode::CONFLICT);
    }
    assert_eq!(world.api.call(Method::DELETE, &path(&granted[0]), &one).await.status, StatusCode::NO_CONTENT);
    // Granted again, and the first one still counts.
    assert_eq!(world.api.register(&one, &long(0)).await.status, StatusCode::CREATED);
    let rows = "long,HIS,+336120001,2022-01-01\nlong,HIS,+336120002,2022-01-01\nlong,bad?,+336120003,2022-01-01\n";
    world.upload("imports/3/one.csv", format!("{HEADER}{rows}")).await;
    world.upload("imports/3/again.csv", format!("{HEADER}{rows}\n")).await;
    // A list of drivers imports no history, and its rejected row is not a row of history.
    world.upload("imports/3/asked simulate-only.csv", format!("{HEADER}{rows}")).await;
    let place = world.place(3, json!({"check_only": true})).await;
    assert_eq!(world.put(&place, format!("{HEADER}{rows}").as_bytes()).await, StatusCode::OK);
    world.stack.queue().idle().await;
    let batch = json!([{"journey_type": "long", "last_name_trunc": "HIS", "phone_trunc": "+336120009",
                        "datetime": "2022-01-01T00:00:00Z"}]);
    let batch = world.api.post("/policies/cee/import", &two, &batch).await.json();
    let undone = format!("/policies/cee/imports/{}", batch["import_id"].as_str().unwrap());
    assert_eq!(world.api.call(Method::DELETE, &undone, &two).await.status, StatusCode::ACCEPTED);
    world.stack.queue().idle().await;

    let row = |operator: &str, journey_type: &str, outcome: &str| {
        let [operator, journey_type, outcome] = [operator, journey_type, outcome].map(str::to_owned);
        ("2024-W18".to_owned(), operator, journey_type, outcome, String::new())
    };
    let expected = BTreeMap::from([
        (row("1", "long", "granted"), 5),
        (row("1", "short", "granted"), 1),
        (row("1", "long", "deleted"), 1),
        (row("2", "long", "granted"), 1),
        (row("2", "", "imported"), 1),
        (row("2", "", "taken_back"), 1),
        (row("3", "", "imported"), 2),
        (row("3", "", "already_known"), 2),
        (row("3", "", "rejected"), 2),
    ]);
    let shown = shown(world.data_dir());
    assert_eq!(of_tables(&shown), expected);
    assert_eq!(recount(&world.aws).await, expected);
    // Refusals: the first ones at once, the others when the next minute begins, and never more than there were.
    let class = ("2024-W18", "2", "short", "refused", "operator_class");
    let invalid = ("2024-W18", "3", "", "refused", "invalid");
    for (week, operator, journey_type, outcome, reason) in [class, invalid] {
        let row: Row = [week, operator, journey_type, outcome, reason].map(str::to_owned).into();
        assert_eq!(shown.get(&row), Some(&1), "{row:?}: {shown:?}");
    }
    assert!(refused(&shown, "2", "duplicate") <= 3, "{shown:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_equal_tables_after_faults() {
    let folder = TempDir::new().unwrap();
    let wire = Wire::new();
    let options = Options { now: Some(at(NOW)), faults: Some(wire.plan()), ..Options::new(folder.path()) };
    let world = world_on(&options).await;
    let tokens = [1, 2].map(|operator| world.token(operator));
    wire.disturb(20);
    // Both operators ask for each driver, and delete some of what they got.
    let calls = (0..60).flat_map(|number| [(number, &tokens[0]), (number, &tokens[1])]).map(|(number, token)| {
        let api = &world.api;
        async move {
            let answer = api.register(token, &long(number)).await;
            if answer.status == StatusCode::CREATED && number % 3 == 0 {
                api.call(Method::DELETE, &path(&answer.json()), token).await;
            }
            u64::from(answer.status == StatusCode::CONFLICT)
        }
    });
    let conflicts: u64 = join_all(calls).await.into_iter().sum();
    wire.disturb(0);
    let file: String = (0..40).map(|row| format!("long,FLT,+336130{row:03},2022-01-01\n")).collect();
    world.upload("imports/1/faults.csv", format!("{HEADER}{file}")).await;
    let shown = shown(world.data_dir());
    let recounted = recount(&world.aws).await;
    assert_eq!(of_tables(&shown), recounted);
    let granted: u64 = recounted.iter().filter(|(row, _)| row.3 == "granted").map(|(_, count)| count).sum();
    assert!(granted >= 30, "{recounted:?}");
    let duplicates = refused(&shown, "1", "duplicate") + refused(&shown, "2", "duplicate");
    assert!(duplicates <= conflicts, "{duplicates} of {conflicts}: a count was added twice");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_equal_tables_after_kills() {
    const ROUNDS: u32 = 3;
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let mut asked = 0;
    let mut last = None;
    for round in 0..ROUNDS {
        // A week later each time.
        let now = format!("2024-05-{:02}T00:00:00Z", 1 + 7 * round);
        let (mut child, about) = serve(&folder, &["--now", &now]).await;
        let api = Api::new(about["api_url"].as_str().unwrap());
        let token = about["operators"][0]["token"].as_str().unwrap().to_owned();
        // Written before it is answered, because it is the first refusal of this life.
        assert_eq!(api.register(&token, &short("never-was", "S9")).await.status, StatusCode::NOT_FOUND);
        asked += 1;
        let burst = (0..40).map(|number| {
            let (api, token) = (api.clone(), token.clone());
            tokio::spawn(async move {
                let registration = long(round * 100 + number).to_string().into_bytes();
                let sent = api.send(api.request(Method::POST, REGISTER, Some(&token), registration)).await;
                if let Ok(answer) = sent
                    && answer.status == StatusCode::CREATED
                    && number % 4 == 0
                {
                    let delete = api.request(Method::DELETE, &path(&answer.json()), Some(&token), Vec::new());
                    let _ = api.send(delete).await;
                }
                let unknown = short("never-was", "S9").to_string().into_bytes();
                let _ = api.send(api.request(Method::POST, REGISTER, Some(&token), unknown)).await;
            })
        });
        let mut burst: Vec<_> = burst.collect();
        asked += 40;
        // Killed when some of them are answered, and others are not.
        for call in burst.drain(..15) {
            call.await.unwrap();
        }
        child.kill().await.unwrap();
        for call in burst {
            call.await.unwrap();
        }
        last = Some(now);
    }
    let (mut child, about) = serve(&folder, &["--now", &last.unwrap()]).await;
    let shown = shown(&data);
    let recounted = recount(&aws_of(&about)).await;
    assert_eq!(of_tables(&shown), recounted);
    let weeks: Vec<&str> = recounted.keys().filter(|row| row.3 == "granted").map(|(week, ..)| week.as_str()).collect();
    assert_eq!(weeks, ["2024-W18", "2024-W19", "2024-W20"]);
    let unknown = refused(&shown, "1", "unknown_journey");
    assert!((u64::from(ROUNDS)..=asked).contains(&unknown), "{unknown} of {asked}: {shown:?}");
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn command_shows_counts_as_table_and_chart() {
    let folder = TempDir::new().unwrap();
    let world = world_in(&folder).await;
    let data = world.data_dir().to_owned();
    let (success, _, said) = stats(&data, &["--kept"]);
    assert!(success && said.contains("never counted"), "{said}");
    for (operator, number) in [(1, 0), (1, 1), (2, 2)] {
        world.api.registered(&world.token(operator), &long(number)).await;
    }
    assert_eq!(stats(&data, &["--kept"]).1, "week  journey_type  outcome  count\n", "not counted yet");
    let table = "week      journey_type  outcome  count\n2024-W18  long          granted      3\n";
    assert_eq!(stats(&data, &[]).1, table);
    assert_eq!(stats(&data, &["--kept"]).1, table);
    let of_1 = stats(&data, &["--operator", "1", "--by", "operator,outcome,operator", "--only", "granted"]);
    assert_eq!(of_1.1, "operator_id  outcome  count\n1            granted      2\n");
    for outside in [["--from", "2024-W19"], ["--to", "2024-W17"]] {
        assert_eq!(stats(&data, &outside).1, "week  journey_type  outcome  count\n", "{outside:?}");
    }
    let (success, svg, said) = stats(&data, &["--format", "svg", "--only", "granted", "--by", "week,type"]);
    assert!(success, "{said}");
    assert!(svg.starts_with("<svg role=\"img\"") && svg.contains("2024-W18 · long: 3</desc>"), "{svg}");
    assert!(svg.contains("granted, 2024-W18 to 2024-W18</title>"), "{svg}");
    for bad in [["--from", "2024-18"], ["--by", "driver"], ["--only", "lost"], ["--open-data", "2024"]] {
        assert!(!stats(&data, &bad).0, "{bad:?}");
    }
    let swapped = stats(&data, &["--from", "2024-W19", "--to", "2024-W17"]);
    assert!(!swapped.0 && swapped.2.contains("--from 2024-W19 is later than --to 2024-W17"), "{swapped:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn public_file_of_month_is_written_once_and_hides_small_counts() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let out = folder.path().join("public");
    let to_out = out.to_str().unwrap().to_owned();
    let publish = |month: &str| stats(&data, &["--open-data", month, "--out", &to_out]);
    let (mut child, about) = serve(&folder, &["--now", "2024-05-01T00:00:00Z"]).await;
    let api = Api::new(about["api_url"].as_str().unwrap());
    let token = |operator: usize| about["operators"][operator - 1]["token"].as_str().unwrap().to_owned();
    for (operator, numbers) in [(1, 0..12), (2, 20..29)] {
        for number in numbers {
            api.registered(&token(operator), &long(number)).await;
        }
    }
    let (success, _, said) = publish("2024-05");
    assert!(!success && said.contains("not over") && !out.exists(), "{said}");
    // A file in the place of a folder, and a folder in the place of the file: the message says what is wrong.
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("public").to_str().unwrap().to_owned();
    let (success, _, said) = stats(&data, &["--open-data", "2024-03", "--out", &below]);
    assert!(!success && said.contains("cannot be created: Not a directory"), "{said}");
    let taken = folder.path().join("taken");
    std::fs::create_dir_all(taken.join("cee-statistics-2024-03.csv")).unwrap();
    let (success, _, said) = stats(&data, &["--open-data", "2024-03", "--out", taken.to_str().unwrap()]);
    assert!(!success && said.contains("exists and stays as it is"), "{said}");
    child.kill().await.unwrap();
    let (mut child, about) = serve(&folder, &["--now", "2024-06-03T00:00:00Z"]).await;
    let (success, path, said) = publish("2024-05");
    assert!(success, "{said}");
    let csv = std::fs::read_to_string(path.trim()).unwrap();
    let name = about["operators"][0]["name"].as_str().unwrap();
    // Nine of another operator: neither they nor a total, from which they could be computed.
    assert_eq!(
        csv,
        format!(
            "month,journey_type,outcome,reason,operator_id,operator_name,count,precision\n2024-05,long,granted,,1,{name},12,exact\n"
        )
    );
    for secret in ["STA", "STATS", "+336"] {
        assert!(!csv.contains(secret), "{csv}");
    }
    // A run that was killed may have left the file under a second name, with which it was written.
    std::fs::hard_link(path.trim(), out.join(".cee-statistics-2024-05.csv.part")).unwrap();
    std::fs::write(path.trim(), "published\n").unwrap();
    let (success, _, said) = publish("2024-05");
    assert!(!success && said.contains("exists"), "{said}");
    assert_eq!(std::fs::read_to_string(path.trim()).unwrap(), "published\n");
    child.kill().await.unwrap();
}
