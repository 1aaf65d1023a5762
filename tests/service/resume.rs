//! Imports that take several invocations, that are killed, that are asked for twice, that come compressed.

use std::io::Write as _;
use std::time::Duration;

use cee_eligibility::OperatorId;
use cee_local::generate::History;
use cee_local::stack::{Options, tables};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::{aws_of, serve};
use crate::support::{NOW, at, event, keys, object, reports, scan, world, world_on, world_with};

/// A history of so many drivers, every hundredth of whose rows is bad.
fn history(rows: usize) -> String {
    let mut csv = "journey_type,last_name_trunc,phone_trunc,datetime\n".to_owned();
    for row in 0..rows {
        let name = if row % 100 == 99 { "dup?" } else { "DUP" };
        csv.push_str(&format!("long,{name},+336{row:07},2021-02-15\n"));
    }
    csv
}

pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// Checks that everything is there, once, and the report right.
async fn check(aws: &cee_service::aws::Aws, rows: usize, bytes: usize) {
    let reports = reports(aws, "reports/1/").await;
    assert_eq!(reports.len(), 1, "{reports:?}");
    let (report, bad) = (&reports["imports/1/h.csv"], rows / 100);
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

/// What the table of claims says, but for the names of drivers and imports, which differ from stack to stack: how often
/// each set of dates is there.
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

/// Leaves, beside a running import, what a run leaves that crashes after it put a piece and before a checkpoint names it.
async fn leave_a_piece(aws: &cee_service::aws::Aws, key: &str) {
    let id = loop {
        let imports = scan(aws, &tables().imports).await;
        match imports.iter().find(|import| import.get("key").is_some_and(|name| name.as_s().unwrap() == key)) {
            Some(import) => break import["import_id"].as_s().unwrap().clone(),
            None => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let piece = format!("work/{id}/rejected-0-0.csv");
    let put = aws.s3().put_object().bucket("cee-local").key(piece);
    put.body(b"dup?,+33600000000".to_vec().into()).send().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_where_an_invocation_ended() {
    let world = world_with(|options| {
        options.now = Some(at(NOW));
        options.import_timeout = Duration::from_secs(4);
    })
    .await;
    let text = history(12_000);
    for content in [text.clone().into_bytes(), gzip(text.as_bytes())] {
        // The second time the same rows come from another file: known already.
        let key = if content.len() < text.len() { "imports/1/h.csv.gz" } else { "imports/1/h.csv" };
        let before = world.stack.queue().counts().succeeded;
        world.put_file(key, content.clone()).await;
        leave_a_piece(&world.aws, key).await;
        world.imported().await;
        let invocations = world.stack.queue().counts().succeeded - before;
        assert!(invocations > 1, "it was to take several invocations: {invocations}");
        if key.ends_with(".csv") {
            check(&world.aws, 12_000, content.len()).await;
        }
    }
    let reports = reports(&world.aws, "reports/1/").await;
    let compressed = &reports["imports/1/h.csv.gz"];
    assert_eq!(compressed["already_known"], 12_000 - 120, "{compressed}");
    assert_eq!((&compressed["imported"], &compressed["rejected"]), (&json!(0), &json!(120)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_goes_on_after_a_crash() {
    // How many rows it takes to be caught in the middle depends on the machine.
    for rows in [12_000, 48_000] {
        if crash_twice(rows).await {
            return;
        }
    }
    panic!("the import could not be stopped in the middle");
}

/// Stops the whole stack twice while it imports, once before any checkpoint and once after one, then lets it end. `false`:
/// it ended before it could be stopped.
async fn crash_twice(rows: usize) -> bool {
    let folder = TempDir::new().unwrap();
    let options = Options { now: Some(at(NOW)), import_timeout: Duration::from_secs(4), ..Options::new(folder.path()) };
    let text = history(rows);
    for run in 0..3 {
        let world = world_on(&options).await;
        let (stack, aws) = (&world.stack, &world.aws);
        if run == 0 {
            let put = aws.s3().put_object().bucket("cee-local").key("imports/1/h.csv");
            put.body(text.clone().into_bytes().into()).send().await.unwrap();
        }
        if run == 2 {
            stack.queue().idle().await;
            check(aws, rows, text.len()).await;
            world.end().await;
            break;
        }
        loop {
            assert_eq!(stack.queue().counts().dead, 0, "the import was given up");
            match state(aws).await {
                Some((state, _)) if state != "running" => return false,
                // Into the rows after the checkpoint.
                Some((_, checkpoint)) if checkpoint || run == 0 => {
                    tokio::time::sleep(Duration::from_millis(150)).await;
                    break;
                }
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
        world.end().await;
    }
    true
}

/// The program is killed twenty times while it imports one file; before every other start the event lies in the queue twice
/// more, once as the oldest and once as the youngest, so that invocations compete.
#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_leave_no_trace() {
    const KILLS: usize = 20;
    let history = History::new(20, OperatorId::new(1).unwrap());
    let mut random = fastrand::Rng::with_seed(20);
    // How many rows it takes to outlive the kills depends on the machine.
    for rows in [20_000, 60_000, 180_000] {
        let folder = TempDir::new().unwrap();
        let mut file = Vec::new();
        history.write(rows, &mut file).unwrap();
        let options = ["--now", NOW, "--import-timeout", "3"];
        let pending = folder.path().join("data/queue/pending");
        let given_up = || std::fs::read_dir(folder.path().join("data/queue/dead-letter")).unwrap().count();
        let mut moments = Vec::new();
        let mut outlived = false;
        for kill in 0..KILLS {
            let (mut child, about) = serve(&folder, &options).await;
            let aws = aws_of(&about);
            if kill == 0 {
                let put = aws.s3().put_object().bucket("cee-local").key("imports/1/h.csv");
                put.body(file.clone().into()).send().await.unwrap();
            }
            let moment = Duration::from_millis(random.u64(50..700));
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
        // On a busy machine an invocation of three seconds may have no time left to end itself, and after three of those an event is
        // given up.
        let (mut child, about) = serve(&folder, &["--now", NOW, "--import-timeout", "30"]).await;
        let aws = aws_of(&about);
        while state(&aws).await.is_none_or(|(state, _)| state == "running") {
            assert_eq!(given_up(), 0, "nobody goes on with the import, after kills at {moments:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Every event is done with; the report is put by the one that ended the import.
        while std::fs::read_dir(&pending).unwrap().count() > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        let calm = world().await;
        calm.upload("imports/1/h.csv", file).await;
        let (ours, theirs) = (reports(&aws, "reports/1/").await, reports(&calm.aws, "reports/1/").await);
        assert_eq!(ours.len(), 1, "one import, one report: {ours:?}");
        let (report, expected) = (&ours["imports/1/h.csv"], &theirs["imports/1/h.csv"]);
        for name in ["state", "read", "imported", "already_known", "rejected", "repairs", "bytes", "sha256"] {
            assert_eq!(report[name], expected[name], "{name} after kills at {moments:?}");
        }
        assert_eq!(report["imported"].as_u64(), Some(history.expected(rows).imported));
        let rejected = async |aws: &cee_service::aws::Aws, report: &Value| {
            object(aws, report["rejected_rows"].as_str().unwrap()).await
        };
        assert!(rejected(&aws, report).await == rejected(&calm.aws, expected).await, "row for row");
        assert_eq!(dates(&aws).await, dates(&calm.aws).await);
        assert_eq!(given_up(), 0);
        child.kill().await.unwrap();
        return;
    }
    panic!("the import was over before it could be killed twenty times");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_comes_three_times_at_once_is_one_import() {
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
    // The upload's own event and ours name two imports of the same bytes: one of them knew every row already, or they
    // shared them. Ours is one import, whatever.
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
async fn damaged_files_are_refused_from_where_they_are_damaged() {
    let world = world().await;
    let text = history(5000);
    let packed = gzip(text.as_bytes());
    let cut = packed[..packed.len() * 2 / 3].to_vec();
    world.upload("imports/1/cut.csv.gz", cut).await;
    let mut bomb = b"journey_type,last_name_trunc,phone_trunc,datetime\n".to_vec();
    bomb.resize(bomb.len() + (64 << 20), b'x');
    world.upload("imports/1/bomb.csv.gz", gzip(&bomb)).await;
    world.upload("imports/1/empty.csv.gz", gzip(b"")).await;
    let reports = reports(&world.aws, "reports/1/").await;
    let report = |key: &str| &reports[key];
    let cut = report("imports/1/cut.csv.gz");
    assert_eq!(cut["state"], "failed");
    assert!(cut["error"].as_str().unwrap().contains("cut off"), "{cut}");
    let counts = ["read", "imported", "already_known", "rejected"].map(|name| cut[name].as_u64().unwrap());
    assert!(counts[0] > 1000 && counts[0] == counts[1] + counts[2] + counts[3], "what was read counts: {cut}");
    let bomb = report("imports/1/bomb.csv.gz");
    assert_eq!((bomb["state"].as_str(), bomb["imported"].as_u64()), (Some("failed"), Some(0)));
    assert!(bomb["error"].as_str().unwrap().contains("200 times"), "{bomb}");
    let empty = report("imports/1/empty.csv.gz");
    assert!(empty["error"].as_str().unwrap().contains("is empty"), "{empty}");
}
