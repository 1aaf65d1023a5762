//! What only the whole file shows is decided before its first row is written, however the invocations end.

use http::StatusCode;
use serde_json::{Value, json};

use crate::resume::{dates, in_parts};
use crate::support::{World, at, reports, world, world_set};

const IMPORTS: &str = "/policies/cee/imports";

/// Thirty different days, none after the 12th.
fn low() -> String {
    let mut csv = "journey_type,last_name_trunc,phone_trunc,datetime\n".to_owned();
    for row in 0..30 {
        csv.push_str(&format!(
            "long,DUP,+3363998{row:02},20{:02}-{:02}-{:02}\n",
            15 + row / 12,
            row % 12 + 1,
            row % 11 + 2
        ));
    }
    csv
}

async fn put_to_place(world: &World, body: Value) -> Value {
    let place = world.place(1, body).await;
    assert_eq!(world.put(&place, low().as_bytes()).await, StatusCode::OK);
    world.imported().await;
    let path = format!("{IMPORTS}/{}", place["import_id"].as_str().unwrap());
    world.api.call(http::Method::GET, &path, &world.token(1)).await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_days_are_imported_only_when_confirmed() {
    let world = world().await;
    for body in [json!({}), json!({"dates_confirmed": false})] {
        let refused = put_to_place(&world, body).await;
        assert_eq!((&refused["state"], &refused["read"]), (&json!("failed"), &json!(0)), "{refused}");
        assert!(refused["error"].as_str().unwrap().contains("%d/%m/%Y"), "{refused}");
        assert!(refused.get("survey").is_none() && refused.get("rows_total").is_none(), "{refused}");
    }
    assert!(dates(&world.aws).await.is_empty(), "nothing of a refused file is written");

    let confirmed = put_to_place(&world, json!({"dates_confirmed": true})).await;
    assert_eq!((&confirmed["state"], &confirmed["imported"]), (&json!("completed"), &json!(30)), "{confirmed}");
    assert_eq!(confirmed["rows_total"], 30);
    assert_eq!(confirmed["survey"], json!({"rows": 30, "encoding": "utf-8", "date_order": "year_first"}));

    world.upload("imports/1/dates-confirmed/h.csv", low()).await;
    world.upload("imports/1/h Dates_Confirmed.csv", low()).await;
    let reports = reports(&world.aws, "reports/1/").await;
    assert_eq!(reports["imports/1/dates-confirmed/h.csv"]["state"], "failed", "a folder says nothing of its files");
    assert_eq!(reports["imports/1/h Dates_Confirmed.csv"]["already_known"], 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_confirmed_must_be_boolean() {
    let world = world().await;
    for bad in [json!("true"), json!(1), Value::Null] {
        let body = json!({"dates_confirmed": bad});
        let answer = world.api.post(IMPORTS, &world.token(1), &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.pointers(), ["/dates_confirmed"]);
    }
}

const BAD: &str = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,DUP,+336399801,2021-02-15\nlong,dup,+336399801,2021-02-15\n";

#[tokio::test(flavor = "multi_thread")]
async fn check_only_reports_as_an_import_and_changes_nothing() {
    let world = world().await;
    let import = async |body: Value| {
        let place = world.place(1, body).await;
        assert_eq!(world.put(&place, BAD.as_bytes()).await, StatusCode::OK);
        let path = format!("{IMPORTS}/{}", place["import_id"].as_str().unwrap());
        let before = world.api.call(http::Method::GET, &path, &world.token(1)).await.json();
        world.imported().await;
        (before, world.api.call(http::Method::GET, &path, &world.token(1)).await.json())
    };
    let (before, checked) = import(json!({"check_only": true, "language": "fr"})).await;
    assert_eq!(before["check_only"], true, "known before anything was read: {before}");
    let counts = |import: &Value| {
        ["read", "imported", "already_known", "accepted", "rejected"].map(|name| import[name].as_u64())
    };
    assert_eq!(counts(&checked), [Some(2), Some(0), Some(0), Some(1), Some(1)], "{checked}");
    assert_eq!((&checked["state"], &checked["check_only"]), (&json!("completed"), &json!(true)));
    assert!(dates(&world.aws).await.is_empty(), "nothing of it is written");
    let rejected = world.plain(http::Method::GET, checked["rejected_rows_url"].as_str().unwrap(), &[], b"").await.text;
    let rows: Vec<&str> = rejected.lines().collect();
    assert_eq!(rows[0], "\u{feff}journey_type,last_name_trunc,phone_trunc,datetime,ligne,colonne,motif");
    assert!(
        rows[1].starts_with("long,dup,+336399801,2021-02-15,3,last_name_trunc,\"contient une lettre minuscule\u{a0}: "),
        "{rejected}"
    );

    // Rows that are then imported are new.
    let (before, imported) = import(json!({"check_only": false, "language": "en"})).await;
    assert_eq!((before.get("check_only"), imported.get("check_only")), (None, None));
    assert_eq!(counts(&imported), [Some(2), Some(1), Some(0), None, Some(1)], "{imported}");
    let rejected = world.plain(http::Method::GET, imported["rejected_rows_url"].as_str().unwrap(), &[], b"").await.text;
    assert!(
        rejected.contains(",line,column,reason\n") && rejected.contains("contains a lower-case letter: "),
        "{rejected}"
    );
    assert_eq!(world.findings().await.len(), 0, "a check-only import adds up");
}

/// A fault that only the tables show is explained in the import's language too.
#[tokio::test(flavor = "multi_thread")]
async fn language_applies_to_reasons_from_tables() {
    let world = world().await;
    let mut csv = "journey_type,last_name_trunc,phone_trunc,datetime\n".to_owned();
    for day in 1..=21 {
        csv.push_str(&format!("long,DUP,+336399801,2021-02-{day:02}\n"));
    }
    world.upload("imports/1/h language-fr.csv", csv).await;
    let report = &reports(&world.aws, "reports/1/").await["imports/1/h language-fr.csv"];
    assert_eq!((&report["imported"], &report["rejected"]), (&json!(20), &json!(1)), "{report}");
    let rejected = crate::support::object(&world.aws, report["rejected_rows"].as_str().unwrap()).await;
    let rejected = String::from_utf8(rejected).unwrap();
    assert!(rejected.contains("est une date de trop"), "{rejected}");
}

#[tokio::test(flavor = "multi_thread")]
async fn language_other_than_fr_or_en_returns_400() {
    let world = world().await;
    for body in [json!({"language": "de"}), json!({"language": 1}), json!({"language": "fr", "check_only": "true"})] {
        let answer = world.api.post(IMPORTS, &world.token(1), &body).await;
        let at_fault = if body["language"] == "fr" { "/check_only" } else { "/language" };
        assert_eq!((answer.status, answer.pointers()), (StatusCode::BAD_REQUEST, vec![at_fault.to_owned()]), "{body}");
    }
}

/// The row that shows the order is last, and every invocation except one reads only earlier or later rows.
#[tokio::test(flavor = "multi_thread")]
async fn date_order_of_whole_file_applies_to_each_invocation() {
    let rows = 600;
    let mut csv = "journey_type,last_name_trunc,phone_trunc,datetime\n".to_owned();
    for row in 0..rows {
        let day = if row == rows - 1 { "05/13/2021" } else { "05/03/2021" };
        csv.push_str(&format!("long,DUP,+336{row:06},{day}\n"));
    }
    let world = world_set(in_parts(100)).await;
    world.upload("imports/1/h.csv", csv).await;
    let report = &reports(&world.aws, "reports/1/").await["imports/1/h.csv"];
    assert_eq!((&report["imported"], &report["repairs"]), (&json!(rows), &json!({"month_first": rows})), "{report}");
    assert_eq!(report["survey"]["date_order"], "month_first");
    let millis = |day: &str| at(&format!("{day}T00:00:00+02:00")).millis().to_string();
    let found = dates(&world.aws).await;
    let of = |day: &str| -> usize {
        let day = millis(day);
        found.iter().filter(|(names, _)| names.iter().any(|name| name.contains(&day))).map(|(_, count)| count).sum()
    };
    assert_eq!((of("2021-05-03"), of("2021-05-13"), found.values().sum::<usize>()), (rows - 1, 1, rows), "{found:?}");
}

/// A damaged file is refused before its first row, even if the damage is far from its beginning.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_file_is_refused_without_any_row() {
    let world = world().await;
    let whole = crate::resume::gzip(low().replace("20", "19").as_bytes());
    world.upload("imports/1/h.csv.gz", whole[..whole.len() - 4].to_vec()).await;
    let report = &reports(&world.aws, "reports/1/").await["imports/1/h.csv.gz"];
    assert_eq!((&report["state"], &report["read"]), (&json!("failed"), &json!(0)), "{report}");
    assert!(dates(&world.aws).await.is_empty());
}
