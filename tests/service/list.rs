//! The list of an operator's applications.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cee_local::stack::tables;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, NOW, Trip, World, world};
use crate::wire::Wire;

const LIST: &str = "/policies/cee";

/// The `n`th driver, dated on a day of March 2024.
fn long(n: u32, datetime: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+3360{n:05}"),
           "driving_license": format!("LIST{n:06}"), "datetime": datetime})
}

async fn registered(world: &World, operator: u32, body: &Value) -> Value {
    let answer = world.api.register(&world.token(operator), body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

async fn page(world: &World, operator: u32, query: &str) -> Answer {
    world.api.call(Method::GET, &format!("{LIST}?{query}"), &world.token(operator)).await
}

async fn csv(world: &World, operator: u32, query: &str) -> Answer {
    let mut request =
        world.api.request(Method::GET, &format!("{LIST}?{query}"), Some(&world.token(operator)), Vec::new());
    request.headers_mut().insert("accept", "text/csv".parse().unwrap());
    world.api.send(request).await.unwrap()
}

/// The UUIDs of a page.
fn uuids(page: &Value) -> Vec<String> {
    let listed = page["applications"].as_array().unwrap_or_else(|| panic!("not a page: {page}"));
    listed.iter().map(|application| application["uuid"].as_str().unwrap().to_owned()).collect()
}

fn uuid(granted: &Value) -> String {
    granted["uuid"].as_str().unwrap().to_owned()
}

/// The query of the next page, from the header `Link`.
fn next(answer: &Answer) -> Option<String> {
    let link = answer.headers.get("link")?.to_str().unwrap();
    Some(link.strip_prefix("<?").and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap().to_owned())
}

/// All pages of a list, by their UUIDs.
async fn pages(world: &World, operator: u32, query: &str) -> Vec<Vec<String>> {
    let (mut pages, mut query) = (Vec::new(), Some(query.to_owned()));
    while let Some(asked) = query {
        let answer = page(world, operator, &asked).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let body = answer.json();
        pages.push(uuids(&body));
        query = next(&answer);
        let cursor = query.as_deref().and_then(|query| query.rsplit_once("cursor=")).map(|(_, cursor)| cursor);
        assert_eq!(body["next_cursor"].as_str(), cursor, "link and member agree");
    }
    pages
}

async fn all(world: &World, operator: u32, query: &str) -> Vec<String> {
    pages(world, operator, query).await.concat()
}

/// The pointers of the faults of a refused query.
fn faults(answer: &Answer) -> Vec<String> {
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_query"), "{answer:?}");
    answer.pointers()
}

#[tokio::test(flavor = "multi_thread")]
async fn list_shows_own_applications_latest_first_and_no_other() {
    let world = world().await;
    let mut trip = Trip { id: 4242, ..Trip::new(1, "j:1", "+336010203") };
    world.journeys(&[trip.clone(), Trip::new(2, "theirs", "+336010204")]).await;
    let short = |journey: &str, license: &str| {
        json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": license,
               "operator_journey_id": journey})
    };
    assert_eq!(page(&world, 1, "").await.json(), json!({"applications": []}));
    let earliest = registered(&world, 1, &long(1, "2024-03-01T08:00:00Z")).await;
    let latest = registered(&world, 1, &long(2, "2024-04-01T08:00:00.250+02:00")).await;
    // Ended on 2024-03-20.
    let mine = registered(&world, 1, &short("j:1", "051227308989")).await;
    let theirs = registered(&world, 2, &short("theirs", "051227308990")).await;

    let listed = page(&world, 1, "").await;
    assert_eq!(
        (listed.status, &listed.headers["content-type"]),
        (StatusCode::OK, &"application/json".parse().unwrap())
    );
    assert_eq!(listed.headers["cache-control"], "no-store");
    assert_eq!(listed.headers.get("link"), None, "one page");
    let listed = listed.json();
    assert_eq!(uuids(&listed), [&latest, &mine, &earliest].map(uuid));
    assert_eq!(listed.get("next_cursor"), None);
    // Each is what its registration answered, and what only the operator knew beside it.
    let beside = json!({"registered_at": at_now(), "driving_license": "051227308989", "operator_journey_id": "j:1"});
    let mut expected = mine.clone();
    expected.as_object_mut().unwrap().extend(beside.as_object().unwrap().clone());
    assert_eq!(listed["applications"][1], expected);
    let mut expected = latest.clone();
    expected["registered_at"] = at_now();
    expected["driving_license"] = json!("LIST000002");
    assert_eq!(listed["applications"][0], expected, "no member of a journey");
    assert_eq!(all(&world, 2, "").await, [uuid(&theirs)]);
    assert_eq!(all(&world, 3, "").await, [""; 0]);

    // A list follows a journey's status and a delete.
    trip.statuses = "processed,failed,passed";
    world.journeys(&[trip]).await;
    assert_eq!(page(&world, 1, "").await.json()["applications"][1]["status"], "fraud_error");
    let delete = format!("{LIST}/{}", uuid(&latest));
    assert_eq!(world.api.call(Method::DELETE, &delete, &world.token(1)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(all(&world, 1, "").await, [&mine, &earliest].map(uuid));
    // The path may end with a slash, and begin with each version.
    let slash = world.api.call(Method::GET, &format!("{LIST}/"), &world.token(1)).await;
    assert_eq!(uuids(&slash.json()), [&mine, &earliest].map(uuid));
}

/// The pinned moment of registration.
fn at_now() -> Value {
    json!(crate::support::at(NOW).to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_and_each_is_one_request() {
    let (world, wire) = Wire::world().await;
    let mut granted = Vec::new();
    for n in 0..12 {
        // Three have the same date.
        granted.push(uuid(&registered(&world, 1, &long(n, &format!("2024-03-{:02}T08:00:00Z", 1 + n / 3))).await));
        registered(&world, 2, &long(100 + n, "2024-03-02T08:00:00Z")).await;
    }
    page(&world, 1, "").await;
    wire.take_operations();
    for (query, sizes) in
        [("", vec![12]), ("limit=500", vec![12]), ("limit=5", vec![5, 5, 2]), ("limit=1", vec![1; 12])]
    {
        let pages = pages(&world, 1, query).await;
        let operations = wire.take_operations();
        assert_eq!(operations, vec!["Query"; pages.len()], "{query}");
        // DynamoDB may find out on one more page that the list has ended.
        let shown: Vec<usize> = pages.iter().map(Vec::len).filter(|size| *size > 0).collect();
        assert!(shown == sizes && pages.len() <= sizes.len() + 1, "{query}: {pages:?}");
        let listed = pages.concat();
        assert_eq!(listed.iter().collect::<BTreeSet<_>>(), granted.iter().collect(), "{query}");
        assert_eq!(listed.len(), granted.len(), "{query}: no application is shown twice");
        let days: Vec<usize> =
            listed.iter().map(|listed| granted.iter().position(|granted| granted == listed).unwrap() / 3).collect();
        assert!(days.iter().rev().is_sorted(), "{query}: {days:?}");
        assert_eq!(listed, all(&world, 1, "").await, "the order never changes");
        wire.take_operations();
    }
    // With a filter, too.
    assert_eq!(all(&world, 1, "journey_type=long&from=2024-03-02&to=2024-03-03&limit=2").await.len(), 3);
    assert!(wire.take_operations().iter().all(|operation| operation == "Query"));
}

#[tokio::test(flavor = "multi_thread")]
async fn cursor_is_refused_to_another_operator_with_another_filter_or_changed() {
    let world = world().await;
    for n in 0..3 {
        registered(&world, 1, &long(n, "2024-03-15T08:00:00Z")).await;
        registered(&world, 2, &long(10 + n, "2024-03-15T08:00:00Z")).await;
    }
    let first = page(&world, 1, "limit=1").await.json();
    let cursor = first["next_cursor"].as_str().unwrap();
    for query in [format!("cursor={cursor}"), format!("cursor={cursor}&limit=2")] {
        assert!(!uuids(&page(&world, 1, &query).await.json()).contains(&uuids(&first)[0]), "{query}");
    }
    let refused = async |operator: u32, query: String| {
        let answer = page(&world, operator, &query).await;
        assert_eq!(faults(&answer), ["/cursor"], "{query}");
        assert!(!answer.text.contains(cursor), "{answer:?}");
    };
    refused(2, format!("cursor={cursor}")).await;
    for filter in [
        "journey_type=long",
        "journey_type=short",
        "status=ok",
        "from=2024-03-01",
        "to=2024-04-01",
        "registered_to=2099-01-01",
    ] {
        refused(1, format!("{filter}&cursor={cursor}")).await;
    }
    for (place, _) in cursor.char_indices() {
        let other = if &cursor[place..=place] == "A" { "B" } else { "A" };
        refused(1, format!("cursor={}{other}{}", &cursor[..place], &cursor[place + 1..])).await;
    }
    for made_up in ["", "x", &cursor[1..], &format!("{cursor}A"), &cursor.to_uppercase(), &"A".repeat(54)] {
        refused(1, format!("cursor={made_up}")).await;
    }
    // A cursor of the filtered list is good for that list.
    let filtered = "from=2024-03-01&journey_type=long&limit=1";
    let cursor = page(&world, 1, filtered).await.json()["next_cursor"].as_str().unwrap().to_owned();
    // The same moment, written in another way, is the same filter.
    let same = format!("from=2024-02-29T23:00:00Z&journey_type=long&cursor={cursor}");
    assert_eq!(page(&world, 1, &same).await.status, StatusCode::OK);
    refused(1, format!("cursor={cursor}")).await;
}

/// A cursor is the place after an application, which may be deleted.
#[tokio::test(flavor = "multi_thread")]
async fn cursor_stays_good_after_its_application_is_deleted() {
    let world = world().await;
    for n in 0..3 {
        registered(&world, 1, &long(n, &format!("2024-03-{:02}T08:00:00Z", 10 + n))).await;
    }
    let listed = all(&world, 1, "").await;
    let first = page(&world, 1, "limit=1").await;
    let delete = format!("{LIST}/{}", listed[0]);
    assert_eq!(world.api.call(Method::DELETE, &delete, &world.token(1)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(all(&world, 1, &next(&first).unwrap()).await, listed[1..]);
}

#[tokio::test(flavor = "multi_thread")]
async fn period_holds_its_first_moment_and_not_its_last() {
    let world = world().await;
    let moments = [
        "2024-02-29T22:59:59.999Z",
        // The first of March begins in Paris.
        "2024-02-29T23:00:00.000Z",
        "2024-03-15T08:00:00.000Z",
        // Summer time has begun: the first of April.
        "2024-03-31T21:59:59.999Z",
        "2024-03-31T22:00:00.000Z",
    ];
    let mut granted = Vec::new();
    for (n, moment) in (0..).zip(moments) {
        granted.push(uuid(&registered(&world, 1, &long(n, moment)).await));
    }
    for (query, expected) in [
        ("from=2024-03-01&to=2024-04-01", 1..4),
        ("from=2024-03-01", 1..5),
        ("to=2024-04-01", 0..4),
        ("from=2024-03-15T08:00:00Z", 2..5),
        ("from=2024-03-15T08:00:00.001Z", 3..5),
        ("to=2024-03-15T08:00:00Z", 0..2),
        ("to=2024-03-15T08:00:00.001Z", 0..3),
        ("from=2024-03-15T08:00:00Z&to=2024-03-15T08:00:00.001Z", 2..3),
        // The offset as a URL writes it, and as careless clients send it.
        ("from=2024-03-15T09:00:00%2B01:00", 2..5),
        ("from=2024-03-15T09:00:00+01:00", 2..5),
        ("from=2024-03-15T09:00:00%2B0100", 2..5),
        ("from=2024-05-01", 0..0),
        ("from=2024-03-15t09:00:00+01:00", 2..5),
        ("from=2024-03-15+09:00:00+01:00", 2..5),
        // A leap day, and leap seconds, which are the second after them.
        ("from=2024-02-29&to=2024-03-01", 0..1),
        ("to=2024-02-29T22:59:60Z", 0..1),
        ("from=2024-03-31T23:59:60%2B02:00", 4..5),
        // All years that a date can be written in.
        ("from=0001-01-01", 0..5),
        ("from=0000-01-01", 0..5),
        ("to=0001-01-01", 0..0),
        ("to=0001-01-01T00:00:00Z", 0..0),
        ("to=0000-01-01", 0..0),
        ("to=9999-12-31", 0..5),
        ("from=0001-01-01&to=9999-12-31", 0..5),
        ("registered_from=0001-01-01&registered_to=9999-12-31", 0..5),
        ("registered_to=0000-01-01", 0..0),
        ("from=9999-01-01&to=9999-12-31", 0..0),
        ("from=9999-12-31T23:59:60Z", 0..0),
        ("to=9999-12-31T23:59:59-12:00", 0..5),
        ("from=0001-01-01T00:00:00%2B14:00", 0..5),
    ] {
        let expected: Vec<&String> = granted[expected].iter().rev().collect();
        assert_eq!(all(&world, 1, query).await.iter().collect::<Vec<_>>(), expected, "{query}");
        assert_eq!(all(&world, 1, &format!("{query}&limit=1")).await.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn period_of_registration_holds_its_first_moment_and_not_its_last() {
    let world = world().await;
    let granted = uuid(&registered(&world, 1, &long(1, "2024-03-15T08:00:00Z")).await);
    let now = crate::support::at(NOW);
    let after = cee_eligibility::Instant::from_millis(now.millis() + 1).unwrap();
    for (query, shown) in [
        (format!("registered_from={now}"), true),
        (format!("registered_from={after}"), false),
        (format!("registered_to={now}"), false),
        (format!("registered_to={after}"), true),
        (format!("registered_from={now}&registered_to={after}&limit=1"), true),
        (format!("registered_to={after}&to=2024-03-01"), false),
    ] {
        let expected: &[String] = if shown { std::slice::from_ref(&granted) } else { &[] };
        assert_eq!(all(&world, 1, &query).await, expected, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn list_is_limited_to_journey_type_and_status() {
    let world = world().await;
    let statuses =
        [("processed,passed,passed", "ok"), ("processed,,", "pending"), ("expired,,", "terms_violation_error")];
    let trips: Vec<Trip> = (0..6)
        .map(|n| Trip { statuses: statuses[n % 3].0, ..Trip::new(1, &format!("j{n}"), &format!("+3360102{n:02}")) })
        .collect();
    world.journeys(&trips).await;
    let mut by_status: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (n, (_, status)) in statuses.iter().cycle().take(6).enumerate() {
        let body = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": format!("STATUS{n}"),
                          "operator_journey_id": format!("j{n}")});
        by_status.entry(status).or_default().insert(uuid(&registered(&world, 1, &body).await));
    }
    let mut longs = BTreeSet::new();
    for n in 0..4 {
        longs.insert(uuid(&registered(&world, 1, &long(n, "2024-03-20T07:30:00Z")).await));
    }
    for limit in ["", "&limit=1", "&limit=2", "&limit=500"] {
        let listed = async |query: &str| {
            let pages = pages(&world, 1, &format!("{query}{limit}")).await;
            // All ten are read at once, so pages are full although some are left out.
            let most = limit.strip_prefix("&limit=").map_or(100, |most| most.parse::<usize>().unwrap());
            let (_, full) = pages.split_last().unwrap();
            assert!(full.iter().all(|page| page.len() == most), "{query}{limit}: {pages:?}");
            let listed = pages.concat();
            let once: BTreeSet<String> = listed.iter().cloned().collect();
            assert_eq!(once.len(), listed.len(), "{query}{limit}: no application is shown twice");
            once
        };
        assert_eq!(listed("journey_type=long").await, longs);
        assert_eq!(listed("journey_type=short").await, by_status.values().flatten().cloned().collect());
        for (status, expected) in &by_status {
            assert_eq!(&listed(&format!("status={status}")).await, expected, "{status}");
            assert_eq!(&listed(&format!("journey_type=short&status={status}")).await, expected, "{status}");
        }
        assert_eq!(listed("status=canceled").await, BTreeSet::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_parameters_are_named_all_at_once_and_not_repeated() {
    let world = world().await;
    for (query, expected) in [
        ("journey_type=Short", &["/journey_type"][..]),
        ("journey_type=", &["/journey_type"]),
        ("journey_type=short,long", &["/journey_type"]),
        ("journey_type=short&journey_type=long", &["/journey_type"]),
        ("status=expired", &["/status"]),
        ("status=OK", &["/status"]),
        ("status=ok,pending", &["/status"]),
        ("journey_type=long&status=ok", &["/status"]),
        ("limit=0", &["/limit"]),
        ("limit=501", &["/limit"]),
        ("limit=-1", &["/limit"]),
        ("limit=1.0", &["/limit"]),
        ("limit=%2B1", &["/limit"]),
        ("limit=99999999999999999999", &["/limit"]),
        ("from=yesterday", &["/from"]),
        ("from=2024-02-30", &["/from"]),
        ("from=2023-02-29", &["/from"]),
        ("from=2100-02-29T00:00:00Z", &["/from"]),
        ("to=2024-03-15T24:00:00Z", &["/to"]),
        ("to=2024-03-15T08:00:00%2B24:00", &["/to"]),
        ("to=10000-01-01", &["/to"]),
        ("to=15/03/2024", &["/to"]),
        ("to=2024-03-15T08:00:00", &["/to"]),
        ("from=2024-03-02&to=2024-03-01", &["/to"]),
        ("from=2024-03-01&to=2024-03-01", &["/to"]),
        ("registered_from=x&registered_to=x", &["/registered_from", "/registered_to"]),
        ("registered_from=2024-03-01&registered_to=2024-03-01", &["/registered_to"]),
        ("page=2", &["/page"]),
        ("operator_id=2", &["/operator_id"]),
        ("Limit=1", &["/"]),
        ("051227308989=1", &["/"]),
        // A cursor is not checked against a filter that is refused.
        ("journey_type=x&cursor=x", &["/journey_type"]),
        (
            "journey_type=x&status=x&from=x&to=x&limit=x&page=x",
            &["/journey_type", "/status", "/from", "/to", "/limit", "/page"],
        ),
    ] {
        let answer = page(&world, 1, query).await;
        assert_eq!(faults(&answer), expected, "{query}");
        for value in ["yesterday", "15/03/2024", "051227308989", "501", "99999999999999999999"] {
            assert!(!query.contains(value) || !answer.text.contains(value), "{answer:?}");
        }
        let said = answer.json();
        for error in said["errors"].as_array().unwrap() {
            assert!(said["detail"].as_str().unwrap().contains(error["message"].as_str().unwrap()), "{said}");
        }
    }
    let limit = page(&world, 1, "limit=501").await.json();
    assert_eq!(limit["detail"], "the query: limit must be a whole number from 1 to 500");
    let unknown = page(&world, 1, "page=2").await.json();
    assert_eq!(
        unknown["errors"][0]["message"],
        "is not a parameter of this call: the parameters are journey_type, from, to, registered_from, registered_to, status, cursor and \
         limit"
    );
    let path = "/policies/cee?page=2&limit=501&from=2024-03-02&to=2024-03-01";
    let mut french = world.api.request(Method::GET, path, Some(&world.token(1)), Vec::new());
    french.headers_mut().insert("accept-language", "fr".parse().unwrap());
    let french = world.api.send(french).await.unwrap();
    assert_eq!(
        french.json()["detail"],
        "paramètres de la requête : « to » doit être postérieur à « from » ; « limit » doit être un nombre entier de 1 à 500 ; \
         « page » n'est pas un paramètre de cet appel : les paramètres sont « journey_type », « from », « to », « registered_from », \
         « registered_to », « status », « cursor » et « limit »"
    );
    assert_eq!(french.pointers(), ["/to", "/limit", "/page"], "as in English");
    // Each status of the document is one of the call, and its message lists them.
    let message = page(&world, 1, "status=x").await.json()["errors"][0]["message"].clone();
    for status in crate::document::DOCUMENT["components"]["schemas"]["JourneyStatus"]["enum"].as_array().unwrap() {
        let status = status.as_str().unwrap();
        assert!(message.as_str().unwrap().contains(status), "{message}");
        assert_eq!(page(&world, 1, &format!("status={status}")).await.status, StatusCode::OK, "{status}");
    }
    // Without a token, or with one for other calls, nothing is listed.
    let answer = world.api.get(LIST).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "unauthenticated"));
    let token = world.token_of(1, "12000101100010", &[cee_tokens::Scope::Simulate]);
    let answer = world.api.call(Method::GET, LIST, &token).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "missing_scope"));
}

#[tokio::test(flavor = "multi_thread")]
async fn csv_holds_what_json_holds() {
    let world = world().await;
    let names = ["a,b", "a\"b;c", "=1+1", "plain"];
    let trips: Vec<Trip> = (0..)
        .zip(names)
        .map(|(n, name)| Trip {
            name: format!("\"{}\"", name.replace('"', "\"\"")),
            ..Trip::new(1, "", &format!("+3360102{n:02}"))
        })
        .collect();
    world.journeys(&trips).await;
    for (n, name) in names.iter().enumerate() {
        let body = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": format!("99-\u{c9}T{n}"),
                          "operator_journey_id": name});
        registered(&world, 1, &body).await;
    }
    registered(&world, 1, &long(1, "2024-03-01T08:00:00Z")).await;

    let empty = csv(&world, 2, "").await;
    let header =
        "uuid,journey_type,datetime,registered_at,journey_id,operator_journey_id,status,driving_license,token\n";
    assert_eq!((empty.status, empty.text.as_str()), (StatusCode::OK, header));
    assert_eq!(empty.headers["content-type"], "text/csv");
    assert_eq!(empty.headers["cache-control"], "no-store");

    let (mut rows, mut query) = (Vec::new(), Some("limit=2".to_owned()));
    while let Some(asked) = query {
        let answer = csv(&world, 1, &asked).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let mut reader = csv::Reader::from_reader(answer.text.as_bytes());
        assert!(answer.text.starts_with(header), "each page has a header line");
        let columns = reader.headers().unwrap().clone();
        for row in reader.records() {
            let row = row.unwrap();
            let members = columns.iter().zip(row.iter()).filter(|(_, cell)| !cell.is_empty());
            let members = members.map(|(column, cell)| {
                (
                    column.to_owned(),
                    if column == "journey_id" { json!(cell.parse::<u64>().unwrap()) } else { json!(cell) },
                )
            });
            rows.push(Value::Object(members.collect()));
        }
        query = next(&answer);
    }
    let listed = page(&world, 1, "").await.json();
    assert_eq!(json!(rows), listed["applications"], "an empty cell is an absent member");
    let ids: BTreeSet<&str> = rows.iter().filter_map(|row| row["operator_journey_id"].as_str()).collect();
    assert_eq!(ids, names.into());
    // CSV or JSON: a refusal is the same.
    assert_eq!(faults(&csv(&world, 1, "limit=0").await), ["/limit"]);
}

/// The indexes of the local stack are those of the template.
#[tokio::test(flavor = "multi_thread")]
async fn indexes_of_template_and_local_stack_are_the_same() {
    let world = world().await;
    for (resource, table) in [("ApplicationsTable", tables().applications), ("ImportsTable", tables().imports)] {
        let described = world.aws.dynamodb().describe_table().table_name(table).send().await.unwrap().table.unwrap();
        let local: BTreeMap<String, Value> = described
            .global_secondary_indexes()
            .iter()
            .map(|index| {
                let key: Vec<Value> = index
                    .key_schema()
                    .iter()
                    .map(|key| json!({"AttributeName": key.attribute_name(), "KeyType": key.key_type().as_str()}))
                    .collect();
                let projection = index.projection().unwrap();
                let also: BTreeSet<&str> = projection.non_key_attributes().iter().map(String::as_str).collect();
                let kind = projection.projection_type().unwrap().as_str();
                (index.index_name().unwrap().to_owned(), json!([key, kind, also]))
            })
            .collect();
        let properties = &crate::template::TEMPLATE["Resources"][resource]["Properties"];
        let template = properties["GlobalSecondaryIndexes"].as_array().unwrap().iter().map(|index| {
            let projection = &index["Projection"];
            let also = projection["NonKeyAttributes"].as_array().into_iter().flatten();
            let also: BTreeSet<&str> = also.map(|name| name.as_str().unwrap()).collect();
            let name = index["IndexName"].as_str().unwrap().to_owned();
            (name, json!([index["KeySchema"], projection["ProjectionType"], also]))
        });
        assert_eq!(local, template.collect(), "{resource}");
        let types = |name: &str, kind: &str| json!({"AttributeName": name, "AttributeType": kind});
        let local: BTreeSet<String> = described
            .attribute_definitions()
            .iter()
            .map(|defined| types(defined.attribute_name(), defined.attribute_type().as_str()).to_string())
            .collect();
        let template = properties["AttributeDefinitions"].as_array().unwrap().iter().map(Value::to_string);
        assert_eq!(local, template.collect(), "{resource}");
    }
}

/// Walks are not disturbed by what is registered and deleted between their pages.
#[tokio::test(flavor = "multi_thread")]
async fn walk_shows_each_once_while_others_are_registered_and_deleted() {
    let world = Arc::new(world().await);
    let day = |n: u32| format!("2024-03-{:02}T08:00:00Z", 1 + n % 7);
    let (mut stay, mut go) = (BTreeSet::new(), Vec::new());
    for n in 0..60 {
        let granted = uuid(&registered(&world, 1, &long(n, &day(n))).await);
        if n % 3 == 0 {
            go.push(granted);
        } else {
            stay.insert(granted);
        }
        if n % 6 == 0 {
            registered(&world, 2, &long(1_000 + n, &day(n))).await;
        }
    }
    let theirs: BTreeSet<String> = all(&world, 2, "").await.into_iter().collect();
    let walked = Arc::new(AtomicBool::new(false));
    let changes = {
        let (world, walked) = (Arc::clone(&world), Arc::clone(&walked));
        tokio::spawn(async move {
            let mut added = 0;
            while !walked.load(Ordering::SeqCst) {
                registered(&world, 1, &long(10_000 + added, &day(added))).await;
                added += 1;
                if let Some(uuid) = go.pop() {
                    let deleted = world.api.call(Method::DELETE, &format!("{LIST}/{uuid}"), &world.token(1)).await;
                    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
                }
            }
            added
        })
    };
    for query in ["limit=7", "limit=1", "limit=3&journey_type=long", "limit=5&from=2024-03-01", "limit=2&to=2024-04-01"]
    {
        let listed = all(&world, 1, query).await;
        let once: BTreeSet<String> = listed.iter().cloned().collect();
        assert_eq!(once.len(), listed.len(), "{query}: no application is shown twice");
        assert!(once.is_superset(&stay), "{query}: no application that existed throughout is missing");
        assert!(once.is_disjoint(&theirs), "{query}: no application is another operator's");
    }
    walked.store(true, Ordering::SeqCst);
    assert!(changes.await.unwrap() > 0);
}

/// The list and the table agree, after faults between the functions and DynamoDB.
#[tokio::test(flavor = "multi_thread")]
async fn list_agrees_with_scan_after_faults() {
    let (world, wire) = Wire::world().await;
    wire.disturb(5);
    let token = world.token(1);
    for n in 0..60 {
        let answer = world.api.register(&token, &long(n, &format!("2024-03-{:02}T08:00:00Z", 1 + n % 5))).await;
        if n % 4 == 0
            && let Some(uuid) = answer.json()["uuid"].as_str()
        {
            world.api.call(Method::DELETE, &format!("{LIST}/{uuid}"), &token).await;
        }
    }
    wire.disturb(0);
    let scanned = world.scan(&tables().applications).await;
    let live = scanned.iter().filter(|item| !item.contains_key("name_taken"));
    let live: BTreeSet<String> = live.map(|item| item["uuid"].as_s().unwrap().clone()).collect();
    assert!(live.len() > 30 && scanned.len() > live.len(), "{} of {}", live.len(), scanned.len());
    let listed = all(&world, 1, "limit=9").await;
    assert_eq!(listed.len(), live.len());
    assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), live);
}
