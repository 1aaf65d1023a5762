//! Exports: an operator's applications as one file on S3.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::stack::{Options, tables};
use cee_registry::{MOST_EXPORTS, MOST_EXPORTS_A_DAY};
use futures_util::future::join_all;
use http::{Method, StatusCode};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::Field;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::{aws_of, serve};
use crate::support::{Answer, Api, NOW, Trip, World, at, keys, object, scan, world, world_on, world_set, world_with};
use crate::wire::{Fault, Wire};

pub const EXPORTS: &str = "/policies/cee/exports";
const LIST: &str = "/policies/cee";

/// The rows of a file or of a list: the cells of each, in order.
type Rows = Vec<Vec<String>>;

/// The `n`th driver, dated on a day of March 2024.
fn long(n: u32) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+3360{n:05}"),
           "driving_license": format!("EXPO{n:06}"), "datetime": format!("2024-03-{:02}T08:00:00.{:03}Z", 1 + n % 9, n % 7)})
}

async fn requested(world: &World, operator: u32, body: &Value) -> Value {
    let answer = world.api.post(EXPORTS, &world.token(operator), body).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    answer.json()
}

async fn found(world: &World, operator: u32, export: &Value) -> Answer {
    let path = format!("{EXPORTS}/{}", export["export_id"].as_str().unwrap());
    world.api.call(Method::GET, &path, &world.token(operator)).await
}

/// Requests an export, and returns it when it is ready.
pub async fn exported(world: &World, operator: u32, body: &Value) -> Value {
    let export = requested(world, operator, body).await;
    world.imported().await;
    let export = found(world, operator, &export).await.json();
    assert_eq!(export["state"], "ready", "{export}");
    export
}

/// The key of an export's file.
fn key(operator: u32, export: &Value) -> String {
    format!("exports/{operator}/{}.{}", export["export_id"].as_str().unwrap(), export["format"].as_str().unwrap())
}

fn of_csv(file: &[u8]) -> Rows {
    let mut reader = csv::Reader::from_reader(file);
    let columns =
        "uuid,journey_type,datetime,registered_at,journey_id,operator_journey_id,status,driving_license,token";
    assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>().join(","), columns);
    reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect()
}

/// The rows of a Parquet file, each cell as CSV writes it.
fn of_parquet(file: Vec<u8>) -> Rows {
    let text = |field: &Field| match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::TimestampMillis(millis) => cee_eligibility::Instant::from_millis(*millis).unwrap().to_string(),
        Field::ULong(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let reader = SerializedFileReader::new(bytes::Bytes::from(file)).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| row.unwrap().get_column_iter().map(|(_, field)| text(field)).collect()).collect()
}

/// The rows of the file of an export that is ready. Its counts must fit.
async fn rows(world: &World, operator: u32, export: &Value) -> Rows {
    let file = object(&world.aws, &key(operator, export)).await;
    assert_eq!(export["bytes"], file.len(), "{export}");
    let rows = if export["format"] == "csv" { of_csv(&file) } else { of_parquet(file) };
    assert_eq!(export["applications"], rows.len(), "{export}");
    rows
}

/// The rows of all pages of the list with this query.
async fn listed(world: &World, operator: u32, query: &str) -> Rows {
    let (mut rows, mut query) = (Rows::new(), Some(query.to_owned()));
    while let Some(asked) = query {
        let path = format!("{LIST}?{asked}");
        let mut request = world.api.request(Method::GET, &path, Some(&world.token(operator)), Vec::new());
        request.headers_mut().insert("accept", "text/csv".parse().unwrap());
        let page = world.api.send(request).await.unwrap();
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
        rows.extend(of_csv(page.text.as_bytes()));
        let next = page.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        query = next.map(|link| link.strip_prefix("<?").unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned());
    }
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn export_holds_own_applications_of_filter_as_list_shows_them() {
    let world = world().await;
    world.journeys(&[Trip { id: 4242, ..Trip::new(1, "\"a,\"\"b\"\":1\"", "+336010203") }]).await;
    let short = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                       "operator_journey_id": "a,\"b\":1"});
    for n in 0..20 {
        world.api.registered(&world.token(1), &long(n)).await;
    }
    world.api.registered(&world.token(1), &short).await;
    let theirs = world.api.registered(&world.token(2), &long(100)).await;
    let filters = [
        (json!({}), "", 21),
        (json!({"journey_type": "short"}), "journey_type=short", 1),
        (
            json!({"journey_type": "long", "from": "2024-03-02", "to": "2024-03-05"}),
            "journey_type=long&from=2024-03-02&to=2024-03-05",
            7,
        ),
        (json!({"status": "ok"}), "status=ok", 1),
        (json!({"status": "canceled"}), "status=canceled", 0),
        (
            json!({"registered_from": NOW, "registered_to": "2024-05-02"}),
            "registered_from=2024-05-01T00:00:00Z&registered_to=2024-05-02",
            21,
        ),
        (json!({"from": "0001-01-01", "to": "9999-12-31"}), "from=0001-01-01&to=9999-12-31", 21),
        (json!({"to": "0001-01-01"}), "to=0001-01-01", 0),
        (json!({"registered_to": "2024-04-30"}), "registered_to=2024-04-30", 0),
        (json!({"registered_from": "2024-06-01"}), "registered_from=2024-06-01", 0),
    ];
    for (filter, query, number) in filters {
        let expected = listed(&world, 1, query).await;
        assert_eq!(expected.len(), number, "{filter}");
        for format in ["csv", "parquet"] {
            let mut body = filter.clone();
            body["format"] = json!(format);
            let export = exported(&world, 1, &body).await;
            assert_eq!(rows(&world, 1, &export).await, expected, "{body}");
            assert_eq!((&export["created_at"], &export["format"]), (&json!(at(NOW).to_string()), &json!(format)));
            for name in ["journey_type", "status"] {
                assert_eq!(export.get(name), filter.get(name), "{export}");
            }
        }
    }
    assert_eq!(
        exported(&world, 1, &json!({"format": "csv", "from": "2024-03-02"})).await["from"],
        "2024-03-01T23:00:00.000Z"
    );
    assert_eq!(
        exported(&world, 1, &json!({"format": "csv", "to": "9999-12-31"})).await["to"],
        "9999-12-30T23:00:00.000Z"
    );

    // Another operator gets its own.
    let export = exported(&world, 2, &json!({"format": "csv"})).await;
    assert_eq!(rows(&world, 2, &export).await.iter().map(|row| &row[0]).collect::<Vec<_>>(), [&theirs]);
    let other = found(&world, 1, &export).await;
    assert_eq!((other.status, other.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_export"), "{other:?}");
    let own = world.api.call(Method::GET, EXPORTS, &world.token(2)).await.json();
    assert_eq!(own["exports"].as_array().unwrap().len(), 1, "{own}");
    assert_eq!(keys(&world.aws, "export-work/").await, [""; 0], "pieces are removed");
}

#[tokio::test(flavor = "multi_thread")]
async fn link_reads_file_of_its_operator_and_no_other() {
    let world = world().await;
    world.api.registered(&world.token(1), &long(1)).await;
    let mut body = json!({"format": "csv"});
    let running = requested(&world, 1, &body).await;
    assert_eq!((&running["state"], running.get("download_url")), (&json!("running"), None));
    world.imported().await;
    let export = found(&world, 1, &running).await.json();
    let link = export["download_url"].as_str().unwrap();
    let file = world.plain(Method::GET, link, &[], b"").await;
    assert_eq!((file.status, of_csv(file.text.as_bytes()).len()), (StatusCode::OK, 1), "{file:?}");
    assert_eq!(file.headers["content-type"], "text/csv; charset=utf-8");
    assert!(export["expires_at"].as_str() > export["link_expires_at"].as_str(), "{export}");
    // The link is for this object and for reading.
    assert_eq!(world.plain(Method::PUT, link, &[], b"x").await.status, StatusCode::FORBIDDEN);
    let other = link.replace("exports/1/", "exports/2/");
    assert_eq!(world.plain(Method::GET, &other, &[], b"").await.status, StatusCode::FORBIDDEN);
    // An operator's own credentials do not reach it.
    let description = world.stack.description();
    let keys = &description.operators[0];
    let own = crate::support::aws(&description.dynamodb_url, &description.s3_url, &keys.access_key, &keys.secret_key);
    let get = own.s3().get_object().bucket("cee-local").key(key(1, &export)).send().await;
    assert_eq!(get.unwrap_err().raw_response().unwrap().status().as_u16(), 403);
    // In capitals, under each version of the path.
    let path = format!("{EXPORTS}/{}", export["export_id"].as_str().unwrap().to_uppercase());
    assert_eq!(world.api.call(Method::GET, &path, &world.token(1)).await.json()["state"], "ready");
    body["format"] = json!("parquet");
    let export = exported(&world, 1, &body).await;
    let head = world.aws.s3().head_object().bucket("cee-local").key(key(1, &export)).send().await.unwrap();
    assert_eq!(head.content_type(), Some("application/vnd.apache.parquet"));
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_named_all_at_once() {
    let world = world().await;
    let token = world.token(1);
    let pointers = async |body: Value| {
        let answer = world.api.post(EXPORTS, &token, &body).await;
        assert_eq!(
            (answer.status, answer.problem().as_str()),
            (StatusCode::BAD_REQUEST, "invalid_fields"),
            "{answer:?}"
        );
        answer.pointers()
    };
    assert_eq!(pointers(json!({})).await, ["/format"]);
    let bad = json!({"format": "xlsx", "journey_type": "x", "status": "expired", "from": "yesterday", "limit": 5});
    assert_eq!(pointers(bad).await, ["/format", "/journey_type", "/status", "/from", "/limit"]);
    let crossed =
        json!({"format": "csv", "journey_type": "long", "status": "ok", "from": "2024-03-02", "to": "2024-03-02"});
    assert_eq!(pointers(crossed).await, ["/status", "/to"]);
    for (query, fault) in [("limit=0", "/limit"), ("limit=101", "/limit"), ("cursor=x", "/cursor"), ("page=2", "/page")]
    {
        let answer = world.api.call(Method::GET, &format!("{EXPORTS}?{query}"), &token).await;
        assert_eq!(
            (answer.problem().as_str(), answer.pointers()),
            ("invalid_query", vec![fault.to_owned()]),
            "{answer:?}"
        );
    }
    for path in ["018f332ae40070008000000000000001", "x", "imports"] {
        let answer = world.api.call(Method::GET, &format!("{EXPORTS}/{path}"), &token).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_export"), "{answer:?}");
    }
    let answer = world.api.call(Method::DELETE, EXPORTS, &token).await;
    assert!(
        answer.json()["detail"].as_str().unwrap().contains("/policies/cee/exports accepts POST and GET"),
        "{answer:?}"
    );
    assert_eq!(world.scan(&tables().exports).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_are_listed_latest_first_in_pages() {
    let world = world().await;
    let mut ids = Vec::new();
    for _ in 0..5 {
        let export = exported(&world, 1, &json!({"format": "csv"})).await;
        ids.insert(0, export["export_id"].as_str().unwrap().to_owned());
    }
    let (mut seen, mut query) = (Vec::new(), Some("limit=2".to_owned()));
    while let Some(asked) = query {
        let page = world.api.call(Method::GET, &format!("{EXPORTS}?{asked}"), &world.token(1)).await.json();
        let exports = page["exports"].as_array().unwrap();
        assert!(exports.len() <= 2 && exports.iter().all(|export| export.get("download_url").is_none()), "{page}");
        seen.extend(exports.iter().map(|export| export["export_id"].as_str().unwrap().to_owned()));
        query = page["next_cursor"].as_str().map(|cursor| format!("limit=2&cursor={cursor}"));
    }
    assert_eq!(seen, ids);
    // A cursor does not lead into another operator's exports.
    let other = world.api.call(Method::GET, &format!("{EXPORTS}?cursor={}", ids[0]), &world.token(2)).await.json();
    assert_eq!(other, json!({"exports": []}));
}

/// Sets a date of every export to long ago.
async fn age(world: &World, name: &str) {
    for item in world.scan(&tables().exports).await {
        let mut update = world.aws.dynamodb().update_item().table_name(tables().exports);
        for part in ["operator_id", "export_id"] {
            update = update.key(part, item[part].clone());
        }
        let update = update.update_expression("SET #name = :one").expression_attribute_names("#name", name);
        update.expression_attribute_values(":one", AttributeValue::N("1".to_owned())).send().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_in_progress_are_limited_until_they_end_or_fail() {
    let (world, wire) = Wire::world().await;
    let token = world.token(1);
    let body = json!({"format": "csv"});
    for round in 0..3 {
        // No invocation can begin.
        wire.always("fence = if_not_exists(fence, :zero)", Fault::Unavailable);
        let answers = join_all((0..10).map(|_| world.api.post(EXPORTS, &token, &body))).await;
        let (accepted, refused): (Vec<&Answer>, Vec<&Answer>) =
            answers.iter().partition(|answer| answer.status == StatusCode::ACCEPTED);
        assert!(accepted.len() <= MOST_EXPORTS, "round {round}: {} at once", accepted.len());
        assert!(
            refused
                .iter()
                .all(|answer| (answer.status, answer.problem().as_str()) == (StatusCode::CONFLICT, "too_many_exports"))
        );
        for _ in accepted.len()..MOST_EXPORTS {
            requested(&world, 1, &body).await;
        }
        let answer = world.api.post(EXPORTS, &token, &body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "too_many_exports"));
        requested(&world, 2, &body).await;
        if round == 0 {
            wire.calm();
            world.imported().await;
        } else {
            // Nothing has worked on them for a long time.
            age(&world, "alive_until").await;
            let listed = world.api.call(Method::GET, EXPORTS, &token).await.json();
            assert_eq!(listed["exports"][0]["state"], "failed", "{listed}");
            requested(&world, 1, &body).await;
            wire.calm();
            world.stack.queue().idle().await;
        }
    }
    assert_eq!(exported(&world, 1, &body).await["applications"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_of_a_day_are_limited() {
    const TWO_DAYS: u128 = (2 * 24 * 60 * 60 * 1000) << 80;
    let world = world().await;
    let body = json!({"format": "csv"});
    exported(&world, 1, &body).await;
    let item = world.scan(&tables().exports).await.remove(0);
    let first = u128::from_str_radix(item["export_id"].as_s().unwrap(), 16).unwrap();
    let put = async |id: u128| {
        let mut copy = item.clone();
        copy.insert("export_id".to_owned(), AttributeValue::S(format!("{id:032x}")));
        world.aws.dynamodb().put_item().table_name(tables().exports).set_item(Some(copy)).send().await.unwrap();
    };
    let most = MOST_EXPORTS_A_DAY as u128;
    // Those of an earlier day do not count.
    for n in 0..most {
        put(first - TWO_DAYS + n).await;
    }
    for n in 1..most - 1 {
        put(first + n).await;
    }
    exported(&world, 1, &body).await;
    let answer = world.api.post(EXPORTS, &world.token(1), &body).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "too_many_exports"));
    assert!(answer.json()["detail"].as_str().unwrap().contains("100 exports within 24 hours"), "{answer:?}");
    // The first of them counts for 24 hours.
    let last = i64::try_from(first >> 80).unwrap() + 24 * 60 * 60 * 1000;
    let available_at = cee_eligibility::Instant::from_millis(last + 1).unwrap();
    assert_eq!(answer.json()["available_at"], available_at.to_string(), "{answer:?}");
    assert_eq!(world.scan(&tables().exports).await.len(), 2 * MOST_EXPORTS_A_DAY, "the refused one was removed");
    exported(&world, 2, &body).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn export_without_note_does_not_stay_in_progress() {
    let world = world().await;
    // The local S3 keeps objects as files: below this one there can be no other, so no note can be put.
    let put = world.aws.s3().put_object().bucket("cee-local").key("exporting");
    put.body(b"x".to_vec().into()).send().await.unwrap();
    for _ in 0..=MOST_EXPORTS {
        let answer = world.api.post(EXPORTS, &world.token(1), &json!({"format": "csv"})).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{answer:?}");
    }
    assert_eq!(world.scan(&tables().exports).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn file_expires_and_export_is_forgotten() {
    let world = world().await;
    let export = exported(&world, 1, &json!({"format": "csv"})).await;
    age(&world, "expires_at").await;
    let expired = found(&world, 1, &export).await.json();
    assert_eq!((&expired["state"], expired.get("download_url")), (&json!("expired"), None));
    age(&world, "forgotten_at").await;
    assert_eq!(found(&world, 1, &export).await.problem(), "unknown_export");
    let listed = world.api.call(Method::GET, EXPORTS, &world.token(1)).await.json();
    assert_eq!(listed, json!({"exports": []}));
}

/// Settings with which an export takes many invocations.
fn in_parts(rows: u64) -> Vec<(String, String)> {
    vec![("EXPORT_ROWS_PER_INVOCATION".to_owned(), rows.to_string())]
}

#[tokio::test(flavor = "multi_thread")]
async fn export_continues_where_invocation_ended() {
    let (world, wire) = Wire::world_with(|options| options.settings = in_parts(7)).await;
    for n in 0..50 {
        world.api.registered(&world.token(1), &long(n)).await;
    }
    let expected = listed(&world, 1, "").await;
    for format in ["csv", "parquet"] {
        let before = world.stack.queue().counts().succeeded;
        let mut held = wire.hold("fence = if_not_exists(fence, :zero)");
        let export = requested(&world, 1, &json!({"format": format})).await;
        held.come().await;
        // The objects that an invocation leaves if it crashes after it put a piece and before a checkpoint names the piece.
        let piece = format!("export-work/{}/rows-0-0.csv", export["export_id"].as_str().unwrap());
        world.aws.s3().put_object().bucket("cee-local").key(piece).body(b"x".to_vec().into()).send().await.unwrap();
        held.release();
        world.imported().await;
        let invocations = world.stack.queue().counts().succeeded - before;
        assert!(invocations > 7, "it was to take many invocations: {invocations}");
        let export = found(&world, 1, &export).await.json();
        assert_eq!(rows(&world, 1, &export).await, expected);
        // The event again, and at once: nothing changes.
        let note = format!("exporting/1/{}", export["export_id"].as_str().unwrap());
        join_all((0..3).map(|_| world.aws.s3().put_object().bucket("cee-local").key(&note).send())).await;
        world.imported().await;
        assert_eq!(found(&world, 1, &export).await.json()["bytes"], export["bytes"]);
        assert_eq!(keys(&world.aws, "export-work/").await, [""; 0]);
    }
}

/// Stops the whole stack during an export: before any checkpoint, after one, and when only the end is left.
#[tokio::test(flavor = "multi_thread")]
async fn export_continues_after_crash() {
    let folder = TempDir::new().unwrap();
    let mut export = Value::Null;
    for run in 0..4 {
        let wire = Wire::new();
        let options = Options {
            now: Some(at(NOW)),
            settings: in_parts(7),
            faults: Some(wire.plan()),
            ..Options::new(folder.path())
        };
        let text = if run == 2 { "SET #state = :ready" } else { "SET progress = :progress" };
        let held = (run < 3).then(|| wire.hold(text));
        let world = world_on(&options).await;
        if run == 0 {
            for n in 0..40 {
                world.api.registered(&world.token(1), &long(n)).await;
            }
            export = requested(&world, 1, &json!({"format": "parquet"})).await;
        }
        let Some(mut held) = held else {
            world.imported().await;
            let export = found(&world, 1, &export).await.json();
            assert_eq!(rows(&world, 1, &export).await, listed(&world, 1, "").await);
            assert_eq!(keys(&world.aws, "export-work/").await, [""; 0]);
            world.end().await;
            break;
        };
        held.come().await;
        assert_eq!(found(&world, 1, &export).await.json()["state"], "running");
        if run == 1 {
            let mut second = wire.hold(text);
            held.release();
            second.come().await;
            held = second;
        }
        // The connection breaks instead.
        wire.next(text, [Fault::Reset; 3]);
        held.release();
        world.end().await;
    }
}

/// The program is killed again and again during an export.
#[tokio::test(flavor = "multi_thread")]
async fn export_killed_twenty_times_ends_complete() {
    let folder = TempDir::new().unwrap();
    let mut random = fastrand::Rng::with_seed(54);
    let options = ["--now", NOW, "--rows-per-invocation", "2"];
    let mut exports = Vec::new();
    let mut kills = 0;
    for run in 0..=20 {
        let (mut child, about) = serve(&folder, &options).await;
        let api = Api::new(about["api_url"].as_str().unwrap());
        let token = about["operators"][0]["token"].as_str().unwrap().to_owned();
        if run == 0 {
            for n in 0..150 {
                api.registered(&token, &long(n)).await;
            }
            for format in ["csv", "parquet"] {
                exports.push(api.post(EXPORTS, &token, &json!({"format": format})).await.json());
            }
        }
        let items = async || scan(&aws_of(&about), &tables().exports).await;
        let is_running = |items: &[std::collections::HashMap<String, AttributeValue>]| {
            items.iter().any(|item| item["state"].as_s().unwrap() == "running")
        };
        if run < 20 {
            tokio::time::sleep(Duration::from_millis(random.u64(2..40))).await;
            kills += usize::from(is_running(&items().await));
            child.kill().await.unwrap();
            continue;
        }
        while is_running(&items().await) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let page = api.call(Method::GET, &format!("{LIST}?limit=500"), &token).await.json();
        let expected: Vec<&str> =
            page["applications"].as_array().unwrap().iter().map(|one| one["uuid"].as_str().unwrap()).collect();
        assert_eq!(expected.len(), 150);
        for export in &exports {
            let file = object(&aws_of(&about), &key(1, export)).await;
            let rows = if export["format"] == "csv" { of_csv(&file) } else { of_parquet(file) };
            assert_eq!(rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), expected);
        }
        child.kill().await.unwrap();
    }
    assert!(kills > 0, "the exports were over before they could be killed");
    println!("killed {kills} times while an export was running");
}

/// An export is not disturbed by what is registered and deleted while it runs.
#[tokio::test(flavor = "multi_thread")]
async fn export_holds_each_once_while_others_are_registered_and_deleted() {
    let world = world_set(in_parts(5)).await;
    let world = Arc::new(world);
    let (mut stay, mut go) = (BTreeSet::new(), Vec::new());
    for n in 0..60 {
        let uuid = world.api.registered(&world.token(1), &long(n)).await;
        if n % 3 == 0 {
            go.push(uuid);
        } else {
            stay.insert(uuid);
        }
        if n % 6 == 0 {
            world.api.registered(&world.token(2), &long(1_000 + n)).await;
        }
    }
    let theirs: BTreeSet<String> = listed(&world, 2, "").await.into_iter().map(|mut row| row.remove(0)).collect();
    let ended = Arc::new(AtomicBool::new(false));
    let changes = {
        let (world, ended) = (Arc::clone(&world), Arc::clone(&ended));
        tokio::spawn(async move {
            let mut added = 0;
            while !ended.load(Ordering::SeqCst) {
                world.api.registered(&world.token(1), &long(10_000 + added)).await;
                added += 1;
                if let Some(uuid) = go.pop() {
                    let path = format!("{LIST}/{uuid}");
                    let deleted = world.api.call(Method::DELETE, &path, &world.token(1)).await;
                    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
                }
            }
            added
        })
    };
    for format in ["csv", "parquet"] {
        let export = exported(&world, 1, &json!({"format": format})).await;
        let rows = rows(&world, 1, &export).await;
        let once: BTreeSet<String> = rows.iter().map(|row| row[0].clone()).collect();
        assert_eq!(once.len(), rows.len(), "{format}: no application is there twice");
        assert!(once.is_superset(&stay), "{format}: no application that existed throughout is missing");
        assert!(once.is_disjoint(&theirs), "{format}: no application is another operator's");
    }
    ended.store(true, Ordering::SeqCst);
    assert!(changes.await.unwrap() > 0);
}

/// An application that is registered after the request is in no export, even if the export reads it.
#[tokio::test(flavor = "multi_thread")]
async fn export_holds_nothing_registered_after_its_request() {
    let wire = Wire::new();
    let plan = wire.plan();
    // With the machine's clock.
    let world = world_with(|options| options.faults = Some(plan)).await;
    let before = world.api.registered(&world.token(1), &long(1)).await;
    let mut held = wire.hold("fence = if_not_exists(fence, :zero)");
    let export = requested(&world, 1, &json!({"format": "csv"})).await;
    held.come().await;
    // A clock in milliseconds: the registration is later by more than one.
    tokio::time::sleep(Duration::from_millis(5)).await;
    let after = world.api.registered(&world.token(1), &long(2)).await;
    held.release();
    world.imported().await;
    let export = found(&world, 1, &export).await.json();
    let uuids: Vec<String> = rows(&world, 1, &export).await.into_iter().map(|mut row| row.remove(0)).collect();
    assert_eq!(uuids, std::slice::from_ref(&before));
    let listed: BTreeSet<String> = listed(&world, 1, "").await.into_iter().map(|mut row| row.remove(0)).collect();
    assert_eq!(listed, BTreeSet::from([before, after]));
}

/// The list, the export and the table agree, after faults between the functions and DynamoDB.
#[tokio::test(flavor = "multi_thread")]
async fn list_export_and_scan_agree_after_faults() {
    let (world, wire) = Wire::world_with(|options| options.settings.extend(in_parts(11))).await;
    wire.disturb(5);
    let token = world.token(1);
    for n in 0..80 {
        let answer = world.api.register(&token, &long(n)).await;
        if n % 4 == 0
            && let Some(uuid) = answer.json()["uuid"].as_str()
        {
            world.api.call(Method::DELETE, &format!("{LIST}/{uuid}"), &token).await;
        }
    }
    let mut exports = Vec::new();
    for _ in 0..6 {
        let format = ["csv", "parquet"][exports.len() % 2];
        let answer = world.api.post(EXPORTS, &token, &json!({"format": format})).await;
        // A call may fail nevertheless. The export that it has begun ends by itself, or counts as one in progress.
        if answer.status == StatusCode::ACCEPTED {
            exports.push(answer.json());
        }
        world.stack.queue().idle().await;
    }
    wire.disturb(0);
    assert!(!wire.take_faults().is_empty() && exports.len() > 3, "{} exports", exports.len());
    let scanned = world.applications().await;
    let live: BTreeSet<String> = scanned.iter().map(|item| item["uuid"].as_s().unwrap().clone()).collect();
    let listed = listed(&world, 1, "").await;
    assert!(live.len() > 40 && listed.len() == live.len(), "{} of {}", listed.len(), live.len());
    for export in exports {
        let export = found(&world, 1, &export).await.json();
        assert_eq!(export["state"], "ready", "{export}");
        assert_eq!(rows(&world, 1, &export).await, listed);
    }
    assert_eq!(listed.into_iter().map(|mut row| row.remove(0)).collect::<BTreeSet<_>>(), live);
    assert_eq!(keys(&world.aws, "export-work/").await, [""; 0]);
}

/// Applications with long tokens, so that a few of them fill an export of several parts. Written by hand: no registration makes them.
pub async fn large_applications(world: &World, operator: u32, number: u32) {
    for n in 0..number {
        let text = |text: String| AttributeValue::S(text);
        let number = |number: i64| AttributeValue::N(number.to_string());
        let datetime = at("2024-03-15T07:30:00Z").millis() + i64::from(n);
        let put = world.aws.dynamodb().put_item().table_name(tables().applications);
        put.item("uuid", text(uuid::Uuid::from_u128(u128::from(n) + 1).to_string()))
            .item("operator_id", number(i64::from(operator)))
            .item("journey_type", text("long".to_owned()))
            .item("datetime", number(datetime))
            .item("registered_at", number(datetime))
            .item("driving_license", text(format!("LARGE{n:06}")))
            .item("token", text(format!("{n}.{}", "x".repeat(300_000))))
            .send()
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_export_is_put_in_parts() {
    let world = world().await;
    large_applications(&world, 1, 60).await;
    let csv = exported(&world, 1, &json!({"format": "csv"})).await;
    assert!(csv["bytes"].as_u64().unwrap() > 17_000_000, "{csv}");
    let csv = rows(&world, 1, &csv).await;
    assert_eq!(csv.iter().map(|row| row[8].len()).min(), Some(300_002));
    let uuids: BTreeMap<&str, &str> = csv.iter().map(|row| (row[0].as_str(), row[2].as_str())).collect();
    assert_eq!(uuids.len(), 60);
    let parquet = exported(&world, 1, &json!({"format": "parquet"})).await;
    assert_eq!(rows(&world, 1, &parquet).await, csv);
}

/// Reads a Parquet file with another program and prints its rows as JSON.
const READERS: [(&str, &str); 2] = [
    (
        "pyarrow",
        "import sys, json, pyarrow as pa, pyarrow.parquet as pq\n\
         table = pq.read_table(sys.argv[1])\n\
         utc = pa.timestamp('ms', tz='UTC')\n\
         assert [str(f.type) for f in table.schema] == ['string', 'string', str(utc), str(utc), 'uint64', 'string', 'string', 'string', 'string'], table.schema\n\
         dates = lambda v: v.strftime('%Y-%m-%dT%H:%M:%S.') + '%03dZ' % (v.microsecond // 1000)\n\
         cell = lambda v: '' if v is None else v if isinstance(v, str) else str(v) if isinstance(v, int) else dates(v)\n\
         print(json.dumps([[cell(v) for v in row.values()] for row in table.to_pylist()]))\n",
    ),
    (
        "duckdb",
        "import sys, json, duckdb\n\
         rows = duckdb.sql(\"SET TimeZone = 'UTC'; SELECT uuid, journey_type, strftime(datetime, '%Y-%m-%dT%H:%M:%S.%gZ'), \"\n\
         \"strftime(registered_at, '%Y-%m-%dT%H:%M:%S.%gZ'), journey_id, operator_journey_id, status, driving_license, token \"\n\
         \"FROM read_parquet('\" + sys.argv[1] + \"')\").fetchall()\n\
         print(json.dumps([['' if v is None else str(v) for v in row] for row in rows]))\n",
    ),
];

#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, clippy::print_stderr)]
async fn other_programs_read_parquet_as_csv() {
    let world = world().await;
    world.journeys(&[Trip { id: 4242, ..Trip::new(1, "\"a,\"\"b\"\"\u{e9}\"", "+336010203") }]).await;
    let short = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                       "operator_journey_id": "a,\"b\"\u{e9}"});
    world.api.registered(&world.token(1), &short).await;
    for n in 0..9 {
        world.api.registered(&world.token(1), &long(n)).await;
    }
    let csv = exported(&world, 1, &json!({"format": "csv"})).await;
    let expected = rows(&world, 1, &csv).await;
    let export = exported(&world, 1, &json!({"format": "parquet"})).await;
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&object(&world.aws, &key(1, &export)).await).unwrap();
    let python = std::env::var("PARQUET_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    for (package, script) in READERS {
        let there = Command::new(&python).args(["-c", &format!("import {package}")]).stderr(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            assert_ne!(std::env::var("README_TOOLS").as_deref(), Ok("required"), "{python} has no package {package}");
            eprintln!("SKIPPED: {package} does not read the Parquet file, because {python} has no package {package}");
            continue;
        }
        let output = Command::new(&python).args(["-c", script]).arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{package}: {}", String::from_utf8_lossy(&output.stderr));
        let read: Rows = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(read, expected, "{package}");
    }
}
