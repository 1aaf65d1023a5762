//! What changed since a cursor: an operator's feed of the changes of its own applications.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::stack::{Options, tables};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::{aws_of, serve};
use crate::support::{Answer, Api, NOW, Trip, World, at, cee, world, world_on};
use crate::wire::{Fault, Wire};

const CHANGES: &str = "/policies/cee/changes";

async fn page(api: &Api, token: &str, query: &str) -> Answer {
    api.call(Method::GET, &format!("{CHANGES}?{query}"), token).await
}

/// The changes from a cursor to the end, and the cursor there. No cursor: from the beginning.
async fn since(api: &Api, token: &str, cursor: &str, limit: usize) -> (Vec<Value>, String) {
    let (mut changes, mut cursor) = (Vec::new(), cursor.to_owned());
    loop {
        let query = if cursor.is_empty() { format!("limit={limit}") } else { format!("limit={limit}&since={cursor}") };
        let answer = page(api, token, &query).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let body = answer.json();
        let shown = body["changes"].as_array().unwrap();
        assert!(shown.len() <= limit);
        changes.extend(shown.iter().cloned());
        cursor = body["next_cursor"].as_str().unwrap().to_owned();
        if body["more"] == json!(false) {
            return (changes, cursor);
        }
    }
}

/// All changes, from the beginning.
pub async fn replayed(api: &Api, token: &str) -> Vec<Value> {
    since(api, token, "", 500).await.0
}

/// The applications that a feed tells to be deleted, after checking that nothing happens to one afterwards, and that each new status
/// follows the one before.
pub fn deleted_in(feed: &[Value]) -> BTreeSet<String> {
    let (mut deleted, mut statuses) = (BTreeSet::new(), HashMap::new());
    for change in feed {
        let uuid = change["uuid"].as_str().unwrap().to_owned();
        assert!(!deleted.contains(&uuid), "a change after the delete: {change}");
        if change["change"] == json!("deleted") {
            deleted.insert(uuid);
            continue;
        }
        assert_ne!(change["status"], change["previous_status"], "{change}");
        if let Some(before) = statuses.insert(uuid, change["status"].clone()) {
            assert_eq!(before, change["previous_status"], "{change}");
        }
    }
    deleted
}

async fn changes(world: &World, operator: u32) -> Vec<Value> {
    replayed(&world.api, &world.token(operator)).await
}

fn long(n: u32) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+3360{n:05}"),
           "driving_license": format!("FEED{n:06}"), "datetime": "2024-03-15T08:00:00Z"})
}

fn short(journey: &str) -> Value {
    json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": format!("99-{journey}"),
           "operator_journey_id": journey})
}

async fn delete(world: &World, operator: u32, uuid: &str) -> StatusCode {
    world.api.call(Method::DELETE, &format!("/policies/cee/{uuid}"), &world.token(operator)).await.status
}

/// A test's trips, which it gives other statuses.
fn trips(operator: u32, names: &[&str], statuses: &'static str) -> Vec<Trip> {
    let trip = |(n, name): (usize, &&str)| {
        let phone = format!("+3360{operator}02{n:02}");
        Trip { statuses, ..Trip::new(operator, name, &phone) }
    };
    names.iter().enumerate().map(trip).collect()
}

/// Erases a driver, as the registry's team does.
fn erase(folder: &TempDir, license: &str) {
    let mut command = Command::new(cee());
    command.args(["driver", "erase", "--reason", "asked", "--yes", "--data-dir"]).arg(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(json!({"driving_license": license}).to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

const PASSED: &str = "processed,passed,passed";
const FRAUD: &str = "processed,failed,passed";
const CANCELED: &str = "canceled,,";

#[tokio::test(flavor = "multi_thread")]
async fn feed_tells_new_statuses_and_deletes_of_ones_own_applications() {
    let folder = TempDir::new().unwrap();
    let world = world_on(&Options { now: Some(at(NOW)), ..Options::new(folder.path()) }).await;
    let (one, two) = (world.token(1), world.token(2));
    world.journeys(&trips(1, &["a", "b"], PASSED)).await;
    world.journeys(&trips(2, &["theirs"], PASSED)).await;
    let empty = page(&world.api, &one, "").await;
    assert_eq!((&empty.json()["changes"], &empty.json()["more"]), (&json!([]), &json!(false)), "{empty:?}");
    assert_eq!(empty.headers["cache-control"], "no-store");
    let begin = empty.json()["next_cursor"].as_str().unwrap().to_owned();

    let (a, b) = (world.api.registered(&one, &short("a")).await, world.api.registered(&one, &short("b")).await);
    let (kept, erased) = (world.api.registered(&one, &long(1)).await, world.api.registered(&one, &long(2)).await);
    let theirs = world.api.registered(&two, &short("theirs")).await;
    // The same file again, and a file without news: no change.
    world.journeys(&trips(1, &["a", "b"], PASSED)).await;
    assert_eq!(changes(&world, 1).await, [json!(null); 0], "a registration is not a change");

    world.journeys(&trips(1, &["a"], FRAUD)).await;
    world.journeys(&trips(2, &["theirs"], FRAUD)).await;
    world.journeys(&trips(1, &["a", "b"], CANCELED)).await;
    assert_eq!(delete(&world, 1, &a).await, StatusCode::NO_CONTENT);
    assert_eq!(delete(&world, 2, &b).await, StatusCode::NOT_FOUND);
    erase(&folder, "FEED000002");
    let told = changes(&world, 1).await;
    let of = |uuid: &str| told.iter().filter(|change| change["uuid"] == json!(uuid)).cloned().collect::<Vec<_>>();
    let now = at(NOW).to_string();
    let status = |uuid: &str, from: &str, to: &str| {
        json!({"uuid": uuid, "journey_type": "short", "change": "status", "changed_at": now,
               "previous_status": from, "status": to})
    };
    let deleted = |uuid: &str, journey_type: &str, by: &str| json!({"uuid": uuid, "journey_type": journey_type, "change": "deleted", "changed_at": now, "deleted_by": by});
    let its =
        [status(&a, "ok", "fraud_error"), status(&a, "fraud_error", "canceled"), deleted(&a, "short", "operator")];
    assert_eq!(of(&a), its);
    assert_eq!(of(&b), [status(&b, "ok", "canceled")]);
    assert_eq!(of(&erased), [deleted(&erased, "long", "registry")]);
    assert_eq!(of(&kept), [json!(null); 0]);
    assert_eq!(told.len(), 5);
    assert_eq!(told[0], its[0], "in order");
    assert_eq!(told[4], deleted(&erased, "long", "registry"));
    assert_eq!(changes(&world, 2).await, [status(&theirs, "ok", "fraud_error")]);
    assert_eq!(changes(&world, 3).await, [json!(null); 0]);

    // From the cursor before the first change, and from each other, page by page.
    for limit in [1, 2, 4, 5, 500] {
        assert_eq!(since(&world.api, &one, &begin, limit).await.0, told, "{limit}");
        assert_eq!(since(&world.api, &one, "", limit).await.0, told, "{limit}");
    }
    let first = page(&world.api, &one, "limit=2").await.json();
    assert_eq!((first["changes"].as_array().unwrap().len(), &first["more"]), (2, &json!(true)));
    let (rest, end) = since(&world.api, &one, first["next_cursor"].as_str().unwrap(), 2).await;
    assert_eq!(rest, told[2..]);
    // At the end: nothing, the same cursor, until something happens.
    for _ in 0..2 {
        assert_eq!(since(&world.api, &one, &end, 2).await, (vec![], end.clone()));
    }
    assert_eq!(delete(&world, 1, &kept).await, StatusCode::NO_CONTENT);
    assert_eq!(since(&world.api, &one, &end, 2).await.0, [deleted(&kept, "long", "operator")]);
    world.end().await;
}

/// History that arrives late contradicts an application: the registry's team is informed, and no operator is.
#[tokio::test(flavor = "multi_thread")]
async fn late_contradiction_is_in_no_feed() {
    let world = world().await;
    world.api.registered(&world.token(1), &long(3)).await;
    let row = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,DUP,+336000003,2021-02-15\n";
    let row = row.replace("+336000003", long(3)["phone_trunc"].as_str().unwrap());
    for operator in [1, 2] {
        world.upload(&format!("imports/{operator}/late.csv"), row.clone()).await;
    }
    for operator in 1..=3 {
        assert_eq!(changes(&world, operator).await, [json!(null); 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursor_of_another_operator_or_a_changed_one_is_refused() {
    let world = world().await;
    let (one, two) = (world.token(1), world.token(2));
    for n in 10..13 {
        let uuid = world.api.registered(&one, &long(n)).await;
        assert_eq!(delete(&world, 1, &uuid).await, StatusCode::NO_CONTENT);
    }
    let cursor = page(&world.api, &one, "limit=1").await.json()["next_cursor"].as_str().unwrap().to_owned();
    let refused = async |token: &str, query: String, pointers: &[&str]| {
        let answer = page(&world.api, token, &query).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_query"), "{query}");
        assert_eq!(answer.pointers(), pointers, "{query}");
        assert!(!answer.text.contains(&cursor), "{answer:?}");
    };
    refused(&two, format!("since={cursor}"), &["/since"]).await;
    for (place, _) in cursor.char_indices() {
        let other = if &cursor[place..=place] == "A" { "B" } else { "A" };
        refused(&one, format!("since={}{other}{}", &cursor[..place], &cursor[place + 1..]), &["/since"]).await;
    }
    world.api.registered(&one, &long(20)).await;
    world.api.registered(&one, &long(21)).await;
    let of_list = world.api.call(Method::GET, "/policies/cee?limit=1", &one).await.json();
    let of_list = of_list["next_cursor"].as_str().unwrap();
    for bad in ["", "x", "2024-05-01", &cursor[1..], &format!("{cursor}A"), &"A".repeat(66), of_list] {
        refused(&one, format!("since={bad}"), &["/since"]).await;
    }
    // That of another call or another operator is a next_cursor: the message says whose it must be.
    let message = page(&world.api, &one, &format!("since={of_list}")).await.json()["errors"][0]["message"].to_string();
    assert!(message.contains("that this call returned to you"), "{message}");
    for (query, pointers) in [
        ("limit=0", &["/limit"][..]),
        ("limit=501", &["/limit"]),
        ("limit=x&since=y", &["/since", "/limit"]),
        ("cursor=x", &["/cursor"]),
        ("limit=1&limit=1", &["/limit"]),
    ] {
        refused(&one, query.to_owned(), pointers).await;
    }
    let answer = world.api.get(CHANGES).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    let token = world.token_of(1, "12000101100010", &[cee_tokens::Scope::Simulate]);
    let answer = world.api.call(Method::GET, CHANGES, &token).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "missing_scope"));
    let answer = world.api.call(Method::DELETE, CHANGES, &one).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "not_found"));
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_changes_is_one_request() {
    let (world, wire) = Wire::world().await;
    let one = world.token(1);
    for n in 30..34 {
        let uuid = world.api.registered(&one, &long(n)).await;
        assert_eq!(delete(&world, 1, &uuid).await, StatusCode::NO_CONTENT);
    }
    page(&world.api, &one, "").await;
    for (limit, pages) in [(1, 4), (2, 2), (3, 2), (4, 1), (500, 1)] {
        wire.take_operations();
        assert_eq!(since(&world.api, &one, "", limit).await.0.len(), 4);
        assert_eq!(wire.take_operations(), vec!["Query"; pages], "{limit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cursor_of_expired_changes_is_gone_and_the_feed_begins_with_the_oldest() {
    let folder = TempDir::new().unwrap();
    let on = |now: &str| Options { now: Some(at(now)), ..Options::new(folder.path()) };
    let world = world_on(&on(NOW)).await;
    let one = world.token(1);
    let mut cursors = vec![page(&world.api, &one, "").await.json()["next_cursor"].as_str().unwrap().to_owned()];
    for n in 40..42 {
        let uuid = world.api.registered(&one, &long(n)).await;
        assert_eq!(delete(&world, 1, &uuid).await, StatusCode::NO_CONTENT);
        cursors.push(since(&world.api, &one, "", 500).await.1);
    }
    let told = changes(&world, 1).await;
    world.end().await;
    // A year and two months later. The second change is old, so the first one has expired; the second has not.
    let world = world_on(&on("2025-07-01T00:00:00Z")).await;
    let one = world.token(1);
    assert_eq!(since(&world.api, &one, &cursors[2], 9).await.0, [json!(null); 0], "the last change never expires");
    let uuid = world.api.registered(&one, &long(42)).await;
    assert_eq!(delete(&world, 1, &uuid).await, StatusCode::NO_CONTENT);
    for cursor in &cursors[..2] {
        let answer = page(&world.api, &one, &format!("since={cursor}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::GONE, "cursor_expired"), "{answer:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("without since"), "{answer:?}");
    }
    let (newest, _) = since(&world.api, &one, &cursors[2], 9).await;
    assert_eq!(newest.iter().map(|change| &change["uuid"]).collect::<Vec<_>>(), [&json!(uuid)]);
    for limit in [1, 2, 500] {
        let (kept, _) = since(&world.api, &one, "", limit).await;
        assert_eq!(kept, [&told[1..], &newest[..]].concat(), "{limit}");
    }
    let path = format!("{CHANGES}?since={}", cursors[1]);
    let mut french = world.api.request(Method::GET, &path, Some(&one), Vec::new());
    french.headers_mut().insert("accept-language", "fr".parse().unwrap());
    let french = world.api.send(french).await.unwrap();
    assert_eq!(french.json()["title"], "Curseur expiré");

    // The tables are put back to a moment before the last change, and something else happens.
    let key =
        [("operator_id", "1"), ("number", "3")].map(|(name, n)| (name.to_owned(), AttributeValue::N(n.to_owned())));
    let cursor = since(&world.api, &one, "", 500).await.1;
    let put_back = world.aws.dynamodb().delete_item().table_name(tables().changes);
    put_back.set_key(Some(key.into())).send().await.unwrap();
    for n in 43..45 {
        let answer = page(&world.api, &one, &format!("since={cursor}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::GONE, "cursor_expired"), "{answer:?}");
        let uuid = world.api.registered(&one, &long(n)).await;
        assert_eq!(delete(&world, 1, &uuid).await, StatusCode::NO_CONTENT);
    }
    assert_eq!(since(&world.api, &one, &cursors[2], 9).await.0.len(), 2, "a cursor of before is good");
    world.end().await;
}

/// Requests fail, get lost and arrive late: each change is in the feed once, and the feed and the applications agree.
#[tokio::test(flavor = "multi_thread")]
async fn feed_replayed_after_faults_reproduces_every_status() {
    let (world, wire) = Wire::world().await;
    let one = world.token(1);
    let names: Vec<String> = (0..12).map(|n| format!("t{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.journeys(&trips(1, &names, PASSED)).await;
    let mut statuses = BTreeMap::new();
    for name in &names {
        statuses.insert(world.api.registered(&one, &short(name)).await, "ok".to_owned());
    }
    let uuids: Vec<String> = statuses.keys().cloned().collect();
    wire.disturb(20);
    for statuses in [FRAUD, CANCELED, PASSED, FRAUD] {
        world.journeys(&trips(1, &names, statuses)).await;
    }
    for uuid in &uuids[..4] {
        while !matches!(delete(&world, 1, uuid).await, StatusCode::NO_CONTENT | StatusCode::NOT_FOUND) {}
    }
    wire.disturb(0);
    // A request that arrives after everything that happened since.
    wire.next("deleted_by", [Fault::Late]);
    while !matches!(delete(&world, 1, &uuids[4]).await, StatusCode::NO_CONTENT | StatusCode::NOT_FOUND) {}
    assert_eq!(delete(&world, 1, &uuids[5]).await, StatusCode::NO_CONTENT);
    world.stack.proxy().unwrap().settled().await;
    assert!(!wire.take_faults().is_empty());

    let told = changes(&world, 1).await;
    assert_eq!(deleted_in(&told), uuids[..6].iter().cloned().collect());
    for change in &told {
        let status = change["status"].as_str().unwrap_or("deleted").to_owned();
        statuses.insert(change["uuid"].as_str().unwrap().to_owned(), status);
    }
    agree(&world.api, &one, &statuses).await;
    let of_one = told.iter().filter(|change| change["uuid"] == json!(uuids[7])).count();
    assert_eq!(of_one, 4, "each new status once");
}

/// Each application is as a replay of the feed says.
async fn agree(api: &Api, token: &str, statuses: &BTreeMap<String, String>) {
    for (uuid, status) in statuses {
        let found = api.call(Method::GET, &format!("/policies/cee/{uuid}"), token).await;
        if status == "deleted" {
            assert_eq!(found.status, StatusCode::NOT_FOUND, "{uuid}: {found:?}");
        } else {
            assert_eq!(found.json()["status"], json!(status), "{uuid}: {found:?}");
        }
    }
}

const KILLS: u64 = 8;
const TRIPS: u64 = 40;

/// `kill -9` while statuses change and applications are deleted. A reader that keeps its cursor across the kills, and a replay from the
/// beginning, both end with the state of every application.
#[tokio::test(flavor = "multi_thread")]
async fn feed_replayed_after_kills_reproduces_every_status() {
    let folder = TempDir::new().unwrap();
    let mut random = fastrand::Rng::with_seed(9);
    let (mut child, mut about) = serve(&folder, &["--now", NOW]).await;
    let (mut registered_as, mut read, mut cursor) = (BTreeMap::new(), Vec::new(), String::new());
    for round in 0..=KILLS {
        let api = Api::new(about["api_url"].as_str().unwrap());
        let token = about["operators"][0]["token"].as_str().unwrap().to_owned();
        let put = async |name: &str, statuses: &str| {
            let trips: String = (0..TRIPS)
                .map(|n| {
                    format!("{n},1,k{n},C,2024-03-20T07:00:00Z,2024-03-20T07:30:00Z,9000,75056,91377,+3361{n:05},,{statuses}\n")
                })
                .collect();
            let header = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,start_insee,\
                          end_insee,driver_phone_trunc,driver_identity_key,acquisition_status,fraud_status,anomaly_status\n";
            let put = aws_of(&about).s3().put_object().bucket("cee-local").key(format!("journeys/{name}.csv"));
            put.body(format!("{header}{trips}").into_bytes().into()).send().await.unwrap();
        };
        if round == 0 {
            put("first", PASSED).await;
            for n in 0..TRIPS {
                // The file is being imported.
                let answer = loop {
                    let answer = api.register(&token, &short(&format!("k{n}"))).await;
                    if answer.status != StatusCode::NOT_FOUND {
                        break answer;
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                };
                assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
                registered_as.insert(answer.json()["uuid"].as_str().unwrap().to_owned(), "ok".to_owned());
            }
        }
        // A change that was returned once stays in the feed, in the same order.
        let (more, next) = since(&api, &token, &cursor, 3).await;
        read.extend(more);
        cursor = next;
        let all = replayed(&api, &token).await;
        assert!(all.starts_with(&read), "round {round}");
        if round == KILLS {
            break;
        }
        put(&format!("round{round}"), [FRAUD, CANCELED, PASSED][round as usize % 3]).await;
        let victims: Vec<String> = registered_as.keys().skip(round as usize * 3).take(3).cloned().collect();
        let calls = victims.into_iter().map(|uuid| {
            let (api, token) = (api.clone(), token.clone());
            tokio::spawn(async move {
                let request = api.request(Method::DELETE, &format!("/policies/cee/{uuid}"), Some(&token), Vec::new());
                let _ = api.send(request).await;
            })
        });
        let calls: Vec<_> = calls.collect();
        tokio::time::sleep(Duration::from_millis(random.u64(0..60))).await;
        child.kill().await.unwrap();
        for call in calls {
            call.await.unwrap();
        }
        (child, about) = serve(&folder, &["--now", NOW]).await;
    }
    // The imports that were killed are completed: every application that is left has the status of the last file.
    let api = Api::new(about["api_url"].as_str().unwrap());
    let token = about["operators"][0]["token"].as_str().unwrap().to_owned();
    let last = ["fraud_error", "canceled", "ok"][(KILLS - 1) as usize % 3];
    let statuses = loop {
        let mut statuses = registered_as.clone();
        let all = replayed(&api, &token).await;
        let deleted = deleted_in(&all);
        for change in &all {
            let status = change["status"].as_str().unwrap_or("deleted").to_owned();
            statuses.insert(change["uuid"].as_str().unwrap().to_owned(), status);
        }
        if statuses.iter().all(|(uuid, status)| status == last || deleted.contains(uuid)) {
            break statuses;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(statuses.len(), TRIPS as usize, "no other application");
    agree(&api, &token, &statuses).await;
    let (more, _) = since(&api, &token, &cursor, 500).await;
    read.extend(more);
    assert_eq!(read, replayed(&api, &token).await);
    let deleted = statuses.values().filter(|status| *status == "deleted").count();
    println!("{} changes, {deleted} deletes of {}", read.len(), 3 * KILLS);
    child.kill().await.unwrap();
}
