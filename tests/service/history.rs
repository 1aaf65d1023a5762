//! History files as operators' staff create them: ten thousand rows, fifty of them invalid, from a spreadsheet.

use std::collections::BTreeMap;

use cee_local::stack::{BUCKET, tables};
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{event, keys, object, reports, world, world_set};

const ROWS: usize = 2_000;

/// Kinds of invalid row: the cells of a row with the given phone, and the invalid column.
const BAD: [(&str, &str); 10] = [
    ("medium;DUP;{phone};2021-02-15", "journey_type"),
    (";DUP;{phone};2021-02-15", "journey_type"),
    ("short;Noël;{phone};2021-02-15", "last_name_trunc"),
    ("short;D4P;{phone};2021-02-15", "last_name_trunc"),
    ("long;DUP;3,36E+08;2021-02-15", "phone_trunc"),
    ("long;DUP;+33;2021-02-15", "phone_trunc"),
    ("long;DUP;{phone};2021-02-30", "datetime"),
    ("long;DUP;{phone};2031-01-01", "datetime"),
    ("long;DUP;{phone}", "datetime"),
    ("\"short;DUP;{phone};2021-02-15", ""),
];

fn phone(row: usize) -> String {
    format!("+336{row:06}")
}

/// Line and expected column of each invalid row, and the file: BOM, semicolons, CRLF, quotes.
fn spreadsheet() -> (BTreeMap<usize, &'static str>, Vec<u8>) {
    let mut bad = BTreeMap::new();
    let mut file = "\u{feff}last_name_trunc;Journey_Type;\"phone_trunc\";DATETIME\r\n"
        .replace("last_name_trunc;Journey_Type", "Journey_Type;last_name_trunc");
    for row in 0..ROWS {
        let line = row + 2;
        if row % 40 == 37 {
            let (cells, column) = BAD[row / 40 % BAD.len()];
            bad.insert(line, column);
            file.push_str(&cells.replace("{phone}", &phone(row)));
        } else {
            let journey_type = if row % 2 == 0 { "short" } else { "long" };
            let date = ["2022-03-04", "04/03/2022", "2022-03-04T00:00:00+01:00"][row % 3];
            let quote = if row % 5 == 0 { "\"" } else { "" };
            file.push_str(&format!("{journey_type};{quote}DUP{quote};{quote}{}{quote};{date}", phone(row)));
        }
        file.push_str("\r\n");
    }
    (bad, file.into_bytes())
}

fn counts(report: &Value) -> [u64; 4] {
    ["read", "imported", "already_known", "rejected"].map(|name| report[name].as_u64().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn spreadsheet_file_is_imported_without_invalid_rows() {
    let world = world().await;
    let (bad, file) = spreadsheet();
    assert_eq!(bad.len(), 50);
    world.upload("imports/1/mes conducteurs été + hiver.csv", file.clone()).await;

    let ours = reports(&world.aws, "reports/1/").await;
    let report = &ours["imports/1/mes conducteurs été + hiver.csv"];
    assert_eq!(counts(report), [2_000, 1_950, 0, 50], "{report}");
    assert_eq!((&report["state"], &report["operator_id"]), (&json!("completed"), &json!(1)));
    assert_eq!(report["bytes"].as_u64(), Some(file.len() as u64));
    let sha256: String = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file)
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(report["sha256"], sha256);

    let rejected = String::from_utf8(object(&world.aws, report["rejected_rows"].as_str().unwrap()).await).unwrap();
    let mut lines = rejected.lines();
    assert_eq!(lines.next(), Some("\u{feff}Journey_Type;last_name_trunc;\"phone_trunc\";DATETIME;line;column;reason"));
    let mut told = BTreeMap::new();
    for line in lines {
        // Only the reason, the last column, may hold a separator, and then it is quoted. A row with a broken quote is quoted as a
        // whole.
        let found = bad.keys().find(|number| line.contains(&format!(";{number};"))).expect("a bad line's number");
        let (row, rest) = line.split_once(&format!(";{found};")).unwrap();
        let (column, reason) = rest.split_once(';').unwrap();
        assert!(reason.len() > 10, "{line}");
        if !bad[found].is_empty() {
            assert!(
                file.windows(row.trim_end_matches(';').len()).any(|w| w == row.trim_end_matches(';').as_bytes()),
                "{row}"
            );
        }
        assert!(told.insert(*found, column.to_owned()).is_none(), "line {found} twice");
    }
    for (line, column) in &bad {
        assert!(column.is_empty() || told[line] == *column, "line {line}: {} and not {column}", told[line]);
    }
    assert_eq!(told.len(), bad.len());

    // Its drivers are blocked on any platform; the drivers of rejected rows are not.
    let token = world.token(2);
    for row in (0..ROWS).step_by(53).chain([37, ROWS - 1]) {
        let journey_type = if row % 2 == 0 { "short" } else { "long" };
        let body = json!({"journey_type": journey_type, "last_name_trunc": "DUP", "phone_trunc": phone(row)});
        let answer = world.api.simulate(&token, &body).await;
        if bad.contains_key(&(row + 2)) {
            assert_eq!(answer.status, StatusCode::OK, "row {row}");
        } else {
            assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "history"), "row {row}");
            assert_eq!(answer.json()["datetime"], "2022-03-03T23:00:00.000Z");
        }
    }

    // The first of the same rows in another file, and from another operator.
    let part: Vec<u8> = file.split_inclusive(|byte| *byte == b'\n').take(1001).flatten().copied().collect();
    world.upload("imports/1/again.csv", part.clone()).await;
    world.upload("imports/2/theirs.csv", part).await;
    assert_eq!(counts(&reports(&world.aws, "reports/1/").await["imports/1/again.csv"]), [1000, 0, 975, 25]);
    assert_eq!(counts(&reports(&world.aws, "reports/2/").await["imports/2/theirs.csv"]), [1000, 975, 0, 25]);
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_event_changes_nothing() {
    let world = world().await;
    let (_, file) = spreadsheet();
    let file: Vec<u8> = file.split_inclusive(|byte| *byte == b'\n').take(1001).flatten().copied().collect();
    let put = world.aws.s3().put_object().bucket("cee-local").key("imports/1/h.csv").body(file.into());
    let etag = put.send().await.unwrap().e_tag.unwrap();
    world.stack.queue().idle().await;
    let ours = event("imports/1/h.csv", etag.trim_matches('"'), "0043");
    let mut seen = None;
    for _ in 0..3 {
        world.stack.queue().accept(ours.clone()).unwrap();
        world.stack.queue().idle().await;
        let listed = world.aws.s3().list_objects_v2().bucket("cee-local").prefix("reports/").send().await.unwrap();
        let mut objects = BTreeMap::new();
        for key in listed.contents().iter().map(|object| object.key().unwrap().to_owned()) {
            let content = object(&world.aws, &key).await;
            objects.insert(key, content);
        }
        let mut tables_now = Vec::new();
        for table in [tables().claims, tables().imports, tables().applications] {
            let mut items: Vec<BTreeMap<String, String>> = Vec::new();
            for item in world.scan(&table).await {
                items.push(item.into_iter().map(|(name, value)| (name, format!("{value:?}"))).collect());
            }
            items.sort();
            tables_now.push(items.into_iter().filter(|item| !item.contains_key("report")).collect::<Vec<_>>());
        }
        let now = (objects, tables_now);
        assert!(seen.as_ref().is_none_or(|before| *before == now), "an event delivered again changed something");
        seen = Some(now);
    }
    assert_eq!(world.stack.queue().counts().dead, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_files_report_reason() {
    let world = world().await;
    world.admit(5, "55555555555555", true).await;
    let header = "journey_type,last_name_trunc,phone_trunc,datetime\n";
    let row = "long,DUP,+336010203,2021-02-15\n";
    let good = format!("{header}{row}");
    let files: Vec<(&str, Vec<u8>, &str)> = vec![
        ("imports/1/empty.csv", vec![], "is empty"),
        ("imports/1/no-header.csv", row.into(), "has no header"),
        (
            "imports/1/missing.csv",
            format!("{}\n{row}", header.trim().replace(",datetime", "")).into(),
            "missing datetime",
        ),
        ("imports/1/unknown.csv", format!("{},speed\n{row}", header.trim()).into(), "unknown \"speed\""),
        ("imports/1/twice.csv", format!("{},datetime\n{row}", header.trim()).into(), "repeated datetime"),
        ("imports/1/utf-16.csv", "journey_type".encode_utf16().flat_map(u16::to_le_bytes).collect(), "UTF-16"),
        ("imports/1/book.xlsx", include_bytes!("../files/history/workbook.xlsx").to_vec(), "workbook"),
        ("imports/1/binary.csv", b"\x01\x02\x03\0\n".to_vec(), "not a text file"),
        ("imports/5/suspended.csv", good.clone().into(), "suspended"),
        ("imports/9/unknown.csv", good.clone().into(), "does not know this operator"),
    ];
    for (key, content, _) in &files {
        world.upload(key, content.clone()).await;
    }
    let told = [
        reports(&world.aws, "reports/1/").await,
        reports(&world.aws, "reports/5/").await,
        reports(&world.aws, "reports/9/").await,
    ];
    for (key, _, why) in &files {
        let report = told.iter().find_map(|reports| reports.get(*key)).unwrap_or_else(|| panic!("{key}"));
        assert_eq!((report["state"].as_str(), counts(report)), (Some("failed"), [0; 4]), "{report}");
        assert!(report["error"].as_str().unwrap().contains(why), "{report}");
    }
    // A key outside any operator's folder, and an object that is not a file.
    world.upload("imports/1/folder/", "").await;
    for key in ["imports/readme.txt", "imports/x/h.csv"] {
        world.upload(key, good.clone()).await;
    }
    assert_eq!(
        reports(&world.aws, "reports/").await.len(),
        files.len() + 1,
        "the samples' journeys, and nothing for nobody"
    );
    assert!(world.scan(&tables().claims).await.is_empty(), "no row was imported");

    let closed = world_set([("IMPORT_ENABLED", "false")]).await;
    closed.upload("imports/1/h.csv", good).await;
    assert!(reports(&closed.aws, "reports/1/").await["imports/1/h.csv"]["error"].as_str().unwrap().contains("closed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn late_history_is_reported_to_team_only() {
    let world = world().await;
    let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                      "driving_license": "051227308989", "datetime": "2024-03-15T08:30:00Z"});
    let granted = world.api.register(&world.token(1), &body).await;
    assert_eq!(granted.status, StatusCode::CREATED);
    let csv = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,XXX,+336010204,2021-02-15\nlong,DUP,+336010203,2021-02-15\n\
               short,DUP,+336010203,2021-02-15\nlong,DUP,+336010203,2001-02-15\n";
    world.upload("imports/2/late.csv", csv).await;
    let report = &reports(&world.aws, "reports/2/").await["imports/2/late.csv"];
    assert_eq!(counts(report), [4, 4, 0, 0], "late history is still history: {report}");
    assert!(!report.to_string().contains("late_contradiction"), "{report}");
    let imports = world.scan(&tables().imports).await;
    let import = imports.iter().find(|import| import["operator_id"].as_n().unwrap() == "2").unwrap();
    let kept = import["for_the_team"].as_m().unwrap();
    assert_eq!(kept["late_contradictions"].as_n().unwrap(), "1");
    let list = String::from_utf8(object(&world.aws, kept["list"].as_s().unwrap()).await).unwrap();
    let uuid = granted.json()["uuid"].as_str().unwrap().to_owned();
    assert_eq!(list.lines().nth(1), Some(format!("3,{uuid},1,2024-03-15T08:30:00.000Z").as_str()), "{list}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_reaches_only_its_own_folder() {
    let world = world().await;
    let about = world.stack.description();
    let keys = &about.operators[1];
    let theirs = crate::support::aws(&about.dynamodb_url, &about.s3_url, &keys.access_key, &keys.secret_key).s3();
    let csv = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,DUP,+336010203,2021-02-15\n";
    let put = async |key: &str| {
        theirs.put_object().bucket("cee-local").key(key).body(csv.as_bytes().to_vec().into()).send().await.is_ok()
    };
    assert!(put("imports/2/mine.csv").await);
    for key in
        ["imports/1/x.csv", "imports/22/x.csv", "journeys/x.csv", "reports/2/x.json", "x.csv", "imports/2/../1/x.csv"]
    {
        assert!(!put(key).await, "{key}");
    }
    world.stack.queue().idle().await;
    let report = &reports(&world.aws, "reports/2/").await["imports/2/mine.csv"];
    let report = format!("reports/2/{}.json", report["import_id"].as_str().unwrap());
    assert!(theirs.get_object().bucket("cee-local").key(&report).send().await.is_ok());
    world.upload("imports/1/other.csv", csv).await;
    let other = &reports(&world.aws, "reports/1/").await["imports/1/other.csv"];
    let other = format!("reports/1/{}.json", other["import_id"].as_str().unwrap());
    for key in [other.as_str(), "imports/1/other.csv", "journeys/samples.csv"] {
        assert!(theirs.get_object().bucket("cee-local").key(key).send().await.is_err(), "{key}");
    }
}

/// S3's test event, events of other kinds and unknown events: ignored, never tried three times and given up.
#[tokio::test(flavor = "multi_thread")]
async fn event_without_new_file_is_ignored() {
    let world = world().await;
    let mut deleted = event("imports/1/h.csv", "e", "1");
    deleted["Records"][0]["eventName"] = json!("ObjectRemoved:Delete");
    let test = json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "history"});
    for nothing in [deleted, test, json!({}), json!({"Records": [{"eventName": "ObjectCreated:Put"}]})] {
        world.stack.queue().accept(nothing).unwrap();
    }
    world.stack.queue().idle().await;
    assert_eq!(world.given_up(), [""; 0]);
    assert!(reports(&world.aws, "reports/1/").await.is_empty());
}

/// As emulators send it: without the sender and the time, and always with the same sequencer.
#[tokio::test(flavor = "multi_thread")]
async fn second_file_with_same_key_and_sequencer_is_imported() {
    let world = world().await;
    let mut names = Vec::new();
    for phone in ["+336010203", "+336010204"] {
        world
            .upload(
                "imports/1/h.csv",
                format!("journey_type,last_name_trunc,phone_trunc,datetime\nlong,DUP,{phone},2021-02-15\n"),
            )
            .await;
        let head = world.aws.s3().head_object().bucket(BUCKET).key("imports/1/h.csv");
        let etag = head.send().await.unwrap().e_tag.unwrap();
        let mut bare = event("imports/1/h.csv", etag.trim_matches('"'), "0055AED6DCD90281E5");
        let record = bare["Records"][0].as_object_mut().unwrap();
        record.retain(|name, _| name == "s3");
        for _ in 0..2 {
            world.stack.queue().accept(bare.clone()).unwrap();
            world.stack.queue().idle().await;
        }
        names.push(keys(&world.aws, "reports/1/").await.len());
    }
    assert_eq!(names, [2, 4], "the stack's own event and this one, for each file");
    assert_eq!(world.given_up(), [""; 0]);
}
