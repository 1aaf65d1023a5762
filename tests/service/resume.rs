//! Imports that take several invocations, are killed, are requested twice or come compressed.

use std::io::Write as _;
use std::time::Duration;

use cee_eligibility::OperatorId;
use cee_local::generate::History;
use cee_local::stack::{Options, tables};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::crash::{aws_of, serve};
use crate::support::{NOW, at, event, keys, object, reports, scan, world, world_on, world_set};
use crate::wire::{Fault, Wire};

/// A history of this many drivers, every hundredth of whose rows is invalid.
fn history(rows: usize) -> String {
    let mut csv = "journey_type,last_name_trunc,phone_trunc,datetime\n".to_owned();
    for row in 0..rows {
        let name = if row % 100 == 99 { "dup?" } else { "DUP" };
        csv.push_str(&format!("long,{name},+336{row:06},2021-02-15\n"));
    }
    csv
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Checks that everything was imported once, and that the report is right.
async fn check(aws: &cee_service::aws::Aws, key: &str, rows: usize, bytes: usize) {
    let reports = reports(aws, "reports/1/").await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    let (report, bad) = (&reports[key], rows / 100);
    let counts = ["read", "imported", "already_known", "rejected"].map(|name| report[name].as_u64().unwrap() as usize);
    assert_eq!(counts, [rows, rows - bad, 0, bad], "{report}");
    assert_eq!((report["state"].as_str(), report["bytes"].as_u64()), (Some("completed"), Some(bytes as u64)));
    let rejected = String::from_utf8(object(aws, report["rejected_rows"].as_str().unwrap()).await).unwrap();
    let lines: Vec<usize> =
        rejected.lines().skip(1).map(|line| line.split(',').nth(4).unwrap().parse().unwrap()).collect();
    assert_eq!(lines, (0..bad).map(|n| 100 * n + 101).collect::<Vec<_>>(), "each rejected row once, in order");
    let claims = scan(aws, &tables().claims).await;
    let records = claims.iter().flat_map(|item| item.keys()).filter(|name| name.starts_with("h#")).count();
    assert_eq!(records, rows - bad);
    assert_eq!(keys(aws, "work/").await, [""; 0], "pieces of rejected rows are removed");
}

/// The content of the table of claims, except the keys of drivers and imports, which differ from stack to stack: how often each set
/// of dates occurs.
pub async fn dates(aws: &cee_service::aws::Aws) -> std::collections::BTreeMap<Vec<String>, usize> {
    let mut dates = std::collections::BTreeMap::new();
    for item in scan(aws, &tables().claims).await {
        let mut names: Vec<String> = item.into_keys().filter(|name| name.starts_with("h#")).collect();
        names.sort();
        *dates.entry(names).or_default() += 1;
    }
    dates
}

async fn state(aws: &cee_service::aws::Aws) -> Option<(String, bool)> {
    let imports = scan(aws, &tables().imports).await;
    let import = imports.iter().find(|item| item["operator_id"].as_n().unwrap() == "1")?;
    Some((import["state"].as_s().unwrap().clone(), import.contains_key("checkpoint")))
}

/// Settings with which a file takes many invocations on any machine.
pub fn in_parts(rows: u64) -> Vec<(String, String)> {
    vec![("IMPORT_ROWS_PER_INVOCATION".to_owned(), rows.to_string())]
}

#[tokio::test(flavor = "multi_thread")]
async fn import_continues_where_invocation_ended() {
    const ROWS: usize = 3_000;
    let world = world_set(in_parts(500)).await;
    let text = history(ROWS);
    for content in [text.clone().into_bytes(), gzip(text.as_bytes())] {
        // The second time the same rows come from another file: already known.
        let name = if content.len() < text.len() { "h.csv.gz" } else { "h.csv" };
        let place = world.place(1, json!({"file_name": name})).await;
        let id = place["import_id"].as_str().unwrap();
        // The objects that an invocation leaves if it crashes after it put a piece and before a checkpoint names the piece.
        let piece = format!("work/{id}/rejected-0-0.csv");
        let put = world.aws.s3().put_object().bucket("cee-local").key(piece);
        put.body(b"dup?,+33600000000".to_vec().into()).send().await.unwrap();
        let before = world.stack.queue().counts().succeeded;
        let key = format!("imports/1/{id}/{name}");
        world.upload(&key, content.clone()).await;
        let invocations = world.stack.queue().counts().succeeded - before;
        assert!(invocations > 4, "it was to take many invocations: {invocations}");
        if name == "h.csv" {
            check(&world.aws, &key, ROWS, content.len()).await;
        } else {
            let compressed = &reports(&world.aws, "reports/1/").await[&key];
            assert_eq!(compressed["already_known"], ROWS - ROWS / 100, "{compressed}");
            assert_eq!((&compressed["imported"], &compressed["rejected"]), (&json!(0), &json!(ROWS / 100)));
        }
    }
}

/// A client of S3 is slow, so S3 ends later than it is asked to. An import that continues after that fails three times because S3
/// is down.
#[tokio::test(flavor = "multi_thread")]
async fn import_completes_after_stack_is_stopped() {
    let folder = TempDir::new().unwrap();
    let wire = Wire::new();
    let options = Options {
        now: Some(at(NOW)),
        settings: in_parts(100),
        faults: Some(wire.plan()),
        ..Options::new(folder.path())
    };
    let world = world_on(&options).await;
    let mut held = wire.hold("SET checkpoint");
    world.put_file("imports/1/h.csv", history(400)).await;
    held.come().await;
    let s3 = world.stack.description().s3_url.trim_start_matches("http://").to_owned();
    let mut slow = TcpStream::connect(&s3).await.unwrap();
    slow.write_all(b"GET /cee-local/slow HTTP/1.1\r\n").await.unwrap();
    let queue = world.stack.queue().clone();
    let s3_ends = async {
        while TcpStream::connect(&s3).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let is_stopped = queue.is_stopped();
        held.release();
        drop(slow);
        is_stopped
    };
    let ((), queue_ended_first) = tokio::join!(world.end(), s3_ends);
    assert!(queue_ended_first);
    let world = world_on(&options).await;
    world.imported().await;
    check(&world.aws, "imports/1/h.csv", 400, history(400).len()).await;
    world.end().await;
}

/// Stops the whole stack twice during an import, once before any checkpoint and once after one, then lets the import end.
#[tokio::test(flavor = "multi_thread")]
async fn import_continues_after_crash() {
    const ROWS: usize = 3_000;
    let folder = TempDir::new().unwrap();
    let text = history(ROWS);
    for run in 0..3 {
        let wire = Wire::new();
        let options = Options {
            now: Some(at(NOW)),
            settings: in_parts(500),
            faults: Some(wire.plan()),
            ..Options::new(folder.path())
        };
        // The first checkpoint of this run comes after hundreds of rows.
        let held = (run < 2).then(|| wire.hold("SET checkpoint"));
        let world = world_on(&options).await;
        let (stack, aws) = (&world.stack, &world.aws);
        if run == 0 {
            let put = aws.s3().put_object().bucket("cee-local").key("imports/1/h.csv");
            put.body(text.clone().into_bytes().into()).send().await.unwrap();
        }
        let Some(mut held) = held else {
            stack.queue().idle().await;
            assert_eq!(stack.queue().counts().dead, 0, "the import was given up");
            check(aws, "imports/1/h.csv", ROWS, text.len()).await;
            world.end().await;
            break;
        };
        held.come().await;
        if run == 1 {
            // This run's first checkpoint is written, and the crash comes before its second.
            let mut second = wire.hold("SET checkpoint");
            held.release();
            second.come().await;
            held = second;
        }
        assert_eq!(state(aws).await, Some(("running".to_owned(), run == 1)));
        // The connection breaks instead.
        wire.next("SET checkpoint", [Fault::Reset; 3]);
        held.release();
        world.end().await;
    }
}

/// The program is killed twenty times during the import of one file. Before every other start the event is in the queue twice more,
/// once as the oldest and once as the youngest, so that invocations compete.
#[tokio::test(flavor = "multi_thread")]
async fn import_killed_twenty_times_ends_complete() {
    const KILLS: usize = 20;
    let history = History::new(20, OperatorId::new(1).unwrap());
    let mut random = fastrand::Rng::with_seed(20);
    // The number of rows needed to outlive the kills depends on the machine.
    for rows in [10_000, 40_000, 160_000] {
        let folder = TempDir::new().unwrap();
        let mut file = Vec::new();
        history.write(rows, &mut file).unwrap();
        let options = ["--now", NOW, "--rows-per-invocation", "500"];
        let pending = folder.path().join("data/queue/pending");
        let mut moments = Vec::new();
        let mut outlived = false;
        for kill in 0..KILLS {
            let (mut child, about) = serve(&folder, &options).await;
            let aws = aws_of(&about);
            if kill == 0 {
                let put = aws.s3().put_object().bucket("cee-local").key("imports/1/h.csv");
                put.body(file.clone().into()).send().await.unwrap();
            }
            let moment = Duration::from_millis(random.u64(2..40));
            tokio::time::sleep(moment).await;
            moments.push(moment);
            outlived = state(&aws).await.is_none_or(|(state, _)| state == "running");
            child.kill().await.unwrap();
            if !outlived {
                break;
            }
            let of_file =
                |path: &std::path::PathBuf| std::fs::read_to_string(path).unwrap().contains("imports/1/h.csv");
            let mut events: Vec<_> =
                std::fs::read_dir(&pending).unwrap().map(|entry| entry.unwrap().path()).filter(of_file).collect();
            events.sort();
            if let (1, Some(event)) = (kill % 2, events.first()) {
                for (age, id) in [(kill, 1), (99_999_999_999_999_999, 2)] {
                    let name = format!("{age:020}.00000000-0000-4000-8000-{kill:06}{id:06}.json");
                    std::fs::copy(event, pending.join(name)).unwrap();
                }
            }
        }
        if !outlived {
            continue;
        }
        let report = ends_as_if_never_killed(&folder, file, &moments).await;
        assert_eq!(report["imported"].as_u64(), Some(history.expected(rows).imported));
        return;
    }
    panic!("the import was over before it could be killed twenty times");
}

/// Starts the program on this data again, lets the import of this file end, and compares the result with that of an import that was
/// never killed. Returns the report.
async fn ends_as_if_never_killed(folder: &TempDir, file: Vec<u8>, moments: &[Duration]) -> Value {
    let pending = folder.path().join("data/queue/pending");
    let given_up = || std::fs::read_dir(folder.path().join("data/queue/dead-letter")).unwrap().count();
    let (mut child, about) = serve(folder, &["--now", NOW]).await;
    let aws = aws_of(&about);
    while state(&aws).await.is_none_or(|(state, _)| state == "running") {
        assert_eq!(given_up(), 0, "nobody goes on with the import, after kills at {moments:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Every event is handled; the report is written by the invocation that ended the import.
    while std::fs::read_dir(&pending).unwrap().count() > 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let calm = world().await;
    calm.upload("imports/1/h.csv", file).await;
    let (mut ours, theirs) = (reports(&aws, "reports/1/").await, reports(&calm.aws, "reports/1/").await);
    assert_eq!(ours.len(), 1, "one import, one report: {ours:?}");
    let (report, expected) = (ours.remove("imports/1/h.csv").unwrap(), &theirs["imports/1/h.csv"]);
    for name in ["state", "read", "imported", "already_known", "rejected", "repairs", "survey", "bytes", "sha256"] {
        assert_eq!(report[name], expected[name], "{name} after kills at {moments:?}");
    }
    let rejected = async |aws: &cee_service::aws::Aws, report: &Value| {
        object(aws, report["rejected_rows"].as_str().unwrap()).await
    };
    assert!(rejected(&aws, &report).await == rejected(&calm.aws, expected).await, "row for row");
    assert_eq!(dates(&aws).await, dates(&calm.aws).await);
    assert_eq!(given_up(), 0);
    child.kill().await.unwrap();
    report
}

/// The program is killed ten times during the survey of one file, in addition to the twenty times above, some of which hit a survey
/// too. Blank lines make the survey long and have no other effect.
#[tokio::test(flavor = "multi_thread")]
async fn survey_killed_ten_times_ends_complete() {
    const KILLS: usize = 10;
    let mut random = fastrand::Rng::with_seed(21);
    // The duration of a survey depends on the machine.
    'sizes: for megabytes in [8, 64] {
        let folder = TempDir::new().unwrap();
        let file = [history(1_000).into_bytes(), b" ,,\n".repeat(megabytes << 18)].concat();
        let mut moments = Vec::new();
        for kill in 0..KILLS {
            let (mut child, about) = serve(&folder, &["--now", NOW]).await;
            let aws = aws_of(&about);
            if kill == 0 {
                let put = aws.s3().put_object().bucket("cee-local").key("imports/1/h.csv");
                put.body(file.clone().into()).send().await.unwrap();
                // Each kill comes after the import has begun.
                while state(&aws).await.is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            let moment = Duration::from_millis(random.u64(2..40));
            tokio::time::sleep(moment).await;
            moments.push(moment);
            let is_surveyed = !dates(&aws).await.is_empty();
            child.kill().await.unwrap();
            if is_surveyed {
                continue 'sizes;
            }
        }
        let report = ends_as_if_never_killed(&folder, file, &moments).await;
        assert_eq!((&report["imported"], &report["rejected"]), (&json!(990), &json!(10)), "{report}");
        return;
    }
    panic!("the survey was over before it could be killed ten times");
}

#[tokio::test(flavor = "multi_thread")]
async fn event_sent_three_times_at_once_is_one_import() {
    let world = world().await;
    let text = history(3000);
    let s3 = world.aws.s3();
    let put = s3.put_object().bucket("cee-local").key("imports/1/h.csv").body(text.clone().into_bytes().into());
    let etag = put.send().await.unwrap().e_tag.unwrap();
    for _ in 0..3 {
        world.stack.queue().accept(event("imports/1/h.csv", etag.trim_matches('"'), "0042")).unwrap();
    }
    world.stack.queue().idle().await;
    assert_eq!(world.stack.queue().counts().dead, 0);
    // The upload's own event and ours name two imports of the same bytes: either one of them found every row known, or they shared
    // the rows. Ours is one import in any case.
    let mut reports: Vec<Value> = Vec::new();
    for key in keys(&world.aws, "reports/1/").await.iter().filter(|key| key.ends_with(".json")) {
        reports.push(serde_json::from_slice(&object(&world.aws, key).await).unwrap());
    }
    assert_eq!(reports.len(), 2);
    for report in &reports {
        assert_eq!((&report["read"], &report["rejected"]), (&json!(3000), &json!(30)), "{report}");
    }
    let sum = |name: &str| reports.iter().map(|report| report[name].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("imported"), sum("already_known")), (2970, 2970), "every row was imported by exactly one");
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_refused_before_their_first_row() {
    let world = world().await;
    let text = history(5000);
    let packed = gzip(text.as_bytes());
    let cut = packed[..packed.len() * 2 / 3].to_vec();
    world.upload("imports/1/cut.csv.gz", cut).await;
    let mut bomb = b"journey_type,last_name_trunc,phone_trunc,datetime\n".to_vec();
    bomb.resize(bomb.len() + (16 << 20), b'x');
    world.upload("imports/1/bomb.csv.gz", gzip(&bomb)).await;
    world.upload("imports/1/empty.csv.gz", gzip(b"")).await;
    let reports = reports(&world.aws, "reports/1/").await;
    let report = |key: &str| &reports[key];
    let cut = report("imports/1/cut.csv.gz");
    assert_eq!(cut["state"], "failed");
    assert!(cut["error"].as_str().unwrap().contains("damaged or incomplete"), "{cut}");
    let counts = ["read", "imported", "already_known", "rejected"].map(|name| cut[name].as_u64().unwrap());
    assert_eq!(counts, [0; 4], "the survey finds the damage before a row is written: {cut}");
    let bomb = report("imports/1/bomb.csv.gz");
    assert_eq!((bomb["state"].as_str(), bomb["imported"].as_u64()), (Some("failed"), Some(0)));
    assert!(bomb["error"].as_str().unwrap().contains("200 times"), "{bomb}");
    let empty = report("imports/1/empty.csv.gz");
    assert!(empty["error"].as_str().unwrap().contains("is empty"), "{empty}");
}
