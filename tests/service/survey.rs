//! What only the whole file can tell is decided before its first row is written, whatever becomes of the invocations.

use http::StatusCode;
use serde_json::{Value, json};

use crate::resume::{dates, in_parts};
use crate::support::{NOW, World, at, reports, world, world_with};

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
        assert!(refused["error"].as_str().unwrap().contains("dayfirst=True"), "{refused}");
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
async fn confirmation_is_true_or_false() {
    let world = world().await;
    for bad in [json!("true"), json!(1), Value::Null] {
        let body = json!({"dates_confirmed": bad});
        let answer = world.api.post(IMPORTS, &world.token(1), &body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer.pointers(), ["/dates_confirmed"]);
    }
}

/// The row that shows the order stands last, and each invocation but one reads none but earlier or later rows.
#[tokio::test(flavor = "multi_thread")]
async fn every_invocation_reads_dates_in_the_order_of_the_whole_file() {
    let rows = 600;
    let mut csv = "journey_type,last_name_trunc,phone_trunc,datetime\n".to_owned();
    for row in 0..rows {
        let day = if row == rows - 1 { "05/13/2021" } else { "05/03/2021" };
        csv.push_str(&format!("long,DUP,+336{row:06},{day}\n"));
    }
    let world = world_with(|options| {
        options.now = Some(at(NOW));
        options.settings = in_parts(100);
    })
    .await;
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

/// A damaged file is refused before its first row, however far its damage is.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_damaged_file_is_written() {
    let world = world().await;
    let whole = crate::resume::gzip(low().replace("20", "19").as_bytes());
    world.upload("imports/1/h.csv.gz", whole[..whole.len() - 4].to_vec()).await;
    let report = &reports(&world.aws, "reports/1/").await["imports/1/h.csv.gz"];
    assert_eq!((&report["state"], &report["read"]), (&json!("failed"), &json!(0)), "{report}");
    assert!(dates(&world.aws).await.is_empty());
}
