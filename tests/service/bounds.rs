//! One operator cannot fill items that every operator's calls read: twenty dates of a driver, twenty applications for a name and
//! phone. An item that was full before these bounds existed is reported as full, at once.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::stack::tables;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{World, object, reports, world};

const HEADER: &str = "datetime;phone_trunc;last_name_trunc;journey_type\r\n";
const IMPORT: &str = "/policies/cee/import";
const FULL: &str = "is one date too many: for one driver (name and phone) and journey type, the registry keeps at most 20 dates from an \
                    operator. A name and a phone that many rows share are not one driver: correct or remove those rows";

fn counts(report: &Value) -> [u64; 4] {
    ["read", "imported", "already_known", "rejected"].map(|name| report[name].as_u64().unwrap())
}

/// A day of 2010, which blocks no application.
fn day(number: usize) -> String {
    format!("2010-{:02}-{:02}", 1 + number / 28, 1 + number % 28)
}

fn row(number: usize) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
           "datetime": format!("{}T00:00:00Z", day(number))})
}

fn application(number: usize) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203", "identity_key": format!("{number:064x}"),
           "driving_license": format!("L{number:04}"), "datetime": "2024-03-15T07:30:00Z"})
}

fn question(number: usize) -> Value {
    let Value::Object(mut question) = application(number) else { panic!("an object") };
    question.remove("datetime");
    Value::Object(question)
}

async fn report(world: &World, key: &str) -> Value {
    let operator = key.split('/').nth(1).unwrap();
    reports(&world.aws, &format!("reports/{operator}/")).await[key].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn date_21_of_a_driver_is_rejected_by_file_and_by_batch() {
    let world = world().await;
    let mut file = HEADER.to_owned();
    for number in 0..25 {
        file.push_str(&format!("{};'06010203;DUP;long\r\n", day(number)));
        // Rejected by the reader, before the rows above it are written.
        if number == 21 {
            file.push_str("2010-02-30;+336010203;DUP;long\r\n");
        }
    }
    file.push_str(&format!("{};+336010203;DUP;long\r\n{};+336010203;DUP;short\r\n", day(3), day(24)));
    world.upload("imports/1/placeholder.csv", file).await;
    let told = report(&world, "imports/1/placeholder.csv").await;
    assert_eq!((told["state"].as_str(), counts(&told)), (Some("completed"), [28, 21, 1, 6]), "{told}");
    let rejected = object(&world.aws, told["rejected_rows"].as_str().unwrap()).await;
    let rejected = String::from_utf8(rejected).unwrap();
    let lines: Vec<&str> = rejected.lines().collect();
    let expected = |line: usize, number: usize| format!("{};'06010203;DUP;long;{line};datetime;{FULL}", day(number));
    assert_eq!(lines[1..3], [expected(22, 20), expected(23, 21)], "as they came, in their order");
    assert!(lines[3].starts_with("2010-02-30;+336010203;DUP;long;24;datetime;"), "{}", lines[3]);
    assert_eq!(lines[4..], [expected(25, 22), expected(26, 23), expected(27, 24)]);

    let token = world.token(1);
    let answer = world.api.post(IMPORT, &token, &json!([row(100), row(3), row(101)])).await.json();
    // The batch dates from midnight in UTC, the file in Paris.
    assert_eq!([&answer["imported"], &answer["already_known"], &answer["failed"]], [0, 0, 3], "{answer}");
    assert_eq!(answer["failed_details"][0]["error"], format!("/datetime {FULL}"));
    let other = world.api.post(IMPORT, &world.token(2), &json!([row(100)])).await.json();
    assert_eq!(other["imported"], 1, "another operator is not concerned: {other}");
    assert_eq!(world.findings().await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn application_21_for_name_and_phone_returns_422() {
    let world = world().await;
    let token = world.token(1);
    let mut uuids = Vec::new();
    for number in 0..20 {
        uuids.push(world.api.registered(&token, &application(number)).await);
    }
    for answer in [world.api.register(&token, &application(20)).await, world.api.simulate(&token, &question(20)).await]
    {
        assert_eq!((answer.status, &*answer.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "driver_record_full"));
        assert!(answer.json()["detail"].as_str().unwrap().starts_with("you have 20 applications"), "{answer:?}");
    }
    assert_eq!(world.api.register(&world.token(2), &application(21)).await.status, StatusCode::CREATED);
    let path = format!("/policies/cee/{}", uuids[0]);
    assert_eq!(world.api.call(http::Method::DELETE, &path, &token).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.api.register(&token, &application(22)).await.status, StatusCode::CREATED);
    assert_eq!(world.findings().await, []);
}

/// The item of the driver, filled to its last bytes with dates of operator 1, as was possible before the bounds.
async fn fill(world: &World) {
    world.upload("imports/1/one.csv", format!("{HEADER}{};+336010203;DUP;long\r\n", day(0))).await;
    let [mut item] = <[HashMap<String, AttributeValue>; 1]>::try_from(world.scan(&tables().claims).await).unwrap();
    item.remove("d#1");
    let (name, rows) =
        item.iter().find(|(name, _)| name.starts_with("h#1#")).map(|(n, r)| (n.clone(), r.clone())).unwrap();
    let first: i64 = name["h#1#".len()..].parse().unwrap();
    let mut dates = 0;
    loop {
        let mut larger = item.clone();
        larger.extend((1..=100).map(|next| (format!("h#1#{}", first + dates + next), rows.clone())));
        larger.insert("sp".to_owned(), AttributeValue::N((first + dates + 100).to_string()));
        let put = world.aws.dynamodb().put_item().table_name(tables().claims).set_item(Some(larger.clone()));
        if put.send().await.is_err() {
            break;
        }
        (item, dates) = (larger, dates + 100);
    }
    // Fills the rest, so that not one more record fits.
    for length in (0..6_000).rev().step_by(50) {
        let mut padded = item.clone();
        padded.insert("padding".to_owned(), AttributeValue::S("x".repeat(length)));
        let put = world.aws.dynamodb().put_item().table_name(tables().claims).set_item(Some(padded));
        if put.send().await.is_ok() {
            return;
        }
    }
    panic!("it cannot be filled");
}

#[tokio::test(flavor = "multi_thread")]
async fn full_claim_item_refuses_only_its_own_rows_and_calls() {
    let world = world().await;
    fill(&world).await;
    let file: String = (0..101)
        .map(|number| {
            let phone = if number == 50 { "+336010203".to_owned() } else { format!("+33602{number:04}") };
            format!("{};{phone};DUP;long\r\n", day(number))
        })
        .collect();
    world.upload("imports/2/others.csv", format!("{HEADER}{file}")).await;
    assert_eq!(world.given_up(), [""; 0]);
    let told = report(&world, "imports/2/others.csv").await;
    assert_eq!((told["state"].as_str(), counts(&told)), (Some("completed"), [101, 100, 0, 1]), "{told}");
    let full = "the registry's record of this driver is full, and a retry does not help: write to the registry's team";
    let rejected = String::from_utf8(object(&world.aws, told["rejected_rows"].as_str().unwrap()).await).unwrap();
    assert_eq!(rejected.lines().nth(1).unwrap(), format!("{};+336010203;DUP;long;52;;{full}", day(50)));
    for operator in [1, 2] {
        let token = world.token(operator);
        let answer = world.api.post(IMPORT, &token, &json!([row(60), row(61)])).await.json();
        assert_eq!(answer["failed_details"][0]["error"], full, "{answer}");
        for answer in
            [world.api.register(&token, &application(1)).await, world.api.simulate(&token, &question(1)).await]
        {
            assert_eq!((answer.status, &*answer.problem()), (StatusCode::UNPROCESSABLE_ENTITY, "driver_record_full"));
            assert_eq!(answer.json()["detail"], full);
        }
    }
}
