//! Batches of registrations.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Trip, World, world, world_set};
use crate::wire::Wire;

const BATCH: &str = "/policies/cee/batch";

fn long(name: &str, phone: u32, license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": format!("+3360{phone:05}"),
           "driving_license": license, "datetime": "2024-03-15T07:30:00Z"})
}

fn short(name: &str, license: &str, journey: &str) -> Value {
    json!({"journey_type": "short", "last_name_trunc": name, "driving_license": license, "operator_journey_id": journey})
}

fn keyed(mut registration: Value, key: &str) -> Value {
    registration["idempotency_key"] = json!(key);
    registration
}

async fn batch(world: &World, operator: u32, registrations: &[Value]) -> Vec<Value> {
    let answer = world.api.post(BATCH, &world.token(operator), &json!(registrations)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answers = answer.json()["answers"].as_array().unwrap().clone();
    assert_eq!(answers.len(), registrations.len());
    answers
}

fn statuses(answers: &[Value]) -> Vec<u64> {
    answers.iter().map(|answer| answer["status"].as_u64().unwrap()).collect()
}

/// The last part of a problem's type.
fn problem(answer: &Value) -> &str {
    answer["body"]["type"].as_str().unwrap().rsplit_once('#').unwrap().1
}

/// Removes what differs in each call.
fn without_chance(mut body: Value) -> Value {
    for name in ["uuid", "token", "request_id"] {
        if let Some(value) = body.get_mut(name) {
            *value = json!("…");
        }
    }
    body
}

fn trips() -> Vec<Trip> {
    let key = "a".repeat(64);
    vec![
        Trip::new(1, "one", "+336010201"),
        Trip::new(1, "again", "+336010201"),
        Trip { key: key.clone(), ..Trip::new(1, "key-1", "+336010202") },
        // Another name, phone and licence, and the journey tells that it is the same driver.
        Trip { key, ..Trip::new(1, "key-2", "+336010203") },
        Trip { class: "A", ..Trip::new(1, "not-eligible", "+336010204") },
        Trip { end: "2024-04-29T00:00:00Z".to_owned(), ..Trip::new(1, "too-early", "+336010205") },
    ]
}

/// Registrations of every result, with several about one driver among them.
fn registrations() -> Vec<Value> {
    let mut bad = long("DUP", 50, "BAD1");
    bad["speed"] = json!(130);
    vec![
        long("DUP", 1, "L1"),
        // The same driver, by licence, by name and phone, and by both.
        long("MAR", 2, "L1"),
        long("DUP", 1, "L2"),
        long("DUP", 1, "L1"),
        short("DUP", "S1", "one"),
        // The driver of the same phone and name, which only the journey tells.
        short("DUP", "S2", "again"),
        // The same journey with another driver.
        short("TOT", "S3", "one"),
        short("KEY", "S4", "key-1"),
        short("YEK", "S5", "key-2"),
        short("DUP", "S6", "not-eligible"),
        short("DUP", "S7", "too-early"),
        short("DUP", "S8", "unknown"),
        bad,
        json!([]),
        json!("DUP"),
        json!({}),
        keyed(long("KEY", 9, "K1"), "attempt-1"),
        // The same key and members, in another order; another body; a key that is none.
        keyed(long("KEY", 9, "K1"), "attempt-1"),
        keyed(long("KEY", 10, "K2"), "attempt-1"),
        keyed(long("KEY", 11, "K3"), "not a key"),
        long("LAS", 12, "K4"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn each_registration_is_answered_as_a_call_of_its_own() {
    let (batched, single) = (world().await, world().await);
    for world in [&batched, &single] {
        world.journeys(&trips()).await;
        world.api.register(&world.token(2), &long("OTH", 20, "O1")).await;
    }
    let mut registrations = registrations();
    registrations.push(long("OTH", 20, "O2"));
    let answers = batch(&batched, 1, &registrations).await;
    for (number, (registration, answer)) in registrations.iter().zip(&answers).enumerate() {
        let mut body = registration.clone();
        let key = body.as_object_mut().and_then(|members| members.remove("idempotency_key"));
        let mut request =
            single.api.request(Method::POST, "/policies/cee", Some(&single.token(1)), body.to_string().into_bytes());
        if let Some(key) = key {
            request.headers_mut().insert("idempotency-key", key.as_str().unwrap().parse().unwrap());
        }
        let expected: Answer = single.api.send(request).await.unwrap();
        // The key is a header there, and a member here.
        if key_is_bad(registration) {
            assert_eq!((answer["status"].as_u64(), problem(answer)), (Some(400), "invalid_fields"), "{number}");
            assert_eq!(answer["body"]["errors"][0]["pointer"], "/idempotency_key");
            continue;
        }
        assert_eq!(answer["status"], expected.status.as_u16(), "{number}: {answer} {expected:?}");
        assert_eq!(without_chance(answer["body"].clone()), without_chance(expected.json()), "{number}");
    }
    let granted = statuses(&answers).iter().filter(|status| **status == 201).count();
    assert!(granted >= 5, "{answers:?}");
    assert_eq!(answers[16]["body"], answers[17]["body"], "the first answer again");
    assert_eq!(batched.applications().await.len(), single.applications().await.len());
}

fn key_is_bad(registration: &Value) -> bool {
    registration["idempotency_key"].as_str().is_some_and(|key| key.contains(' '))
}

/// A call of its own and a registration in a batch share idempotency records.
#[tokio::test(flavor = "multi_thread")]
async fn batch_sent_again_gets_the_same_answers() {
    let world = world().await;
    let registrations: Vec<Value> =
        (0..100).map(|n| keyed(long("DUP", n, &format!("L{n}")), &format!("attempt-{n}"))).collect();
    let first = batch(&world, 1, &registrations).await;
    assert_eq!(statuses(&first), [201; 100]);
    assert_eq!(batch(&world, 1, &registrations).await, first);
    let mut request = world.api.request(
        Method::POST,
        "/policies/cee",
        Some(&world.token(1)),
        long("DUP", 7, "L7").to_string().into_bytes(),
    );
    request.headers_mut().insert("idempotency-key", "attempt-7".parse().unwrap());
    assert_eq!(world.api.send(request).await.unwrap().json(), first[7]["body"]);
    assert_eq!(world.applications().await.len(), 100);
    // Another operator's keys are others.
    assert_eq!(problem(&batch(&world, 2, &registrations[..1]).await[0]), "duplicate");
}

/// The first of several registrations of one driver is granted, wherever the batch holds the others.
#[tokio::test(flavor = "multi_thread")]
async fn first_registration_of_a_driver_wins() {
    let world = world().await;
    let registrations: Vec<Value> = (0..100).map(|n| long("DUP", n % 10, &format!("L{n}"))).collect();
    let answers = batch(&world, 1, &registrations).await;
    for (number, answer) in answers.iter().enumerate() {
        assert_eq!(answer["status"], if number < 10 { 201 } else { 409 }, "{number}: {answer}");
        let first = &answers[number % 10]["body"];
        assert_eq!(answer["body"]["uuid"], first["uuid"], "{number}: one's own application is shown in full");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batches_at_once_grant_each_driver_one_certificate() {
    let world = world().await;
    let batches = join_all((0..16_u32).map(|n| {
        let registrations: Vec<Value> =
            (0..20).map(|driver| long("DUP", (driver + n) % 20, &format!("L{driver}-{n}"))).collect();
        let (world, operator) = (&world, 1 + n % 2);
        async move { batch(world, operator, &registrations).await }
    }))
    .await;
    let granted = batches.iter().flatten().filter(|answer| answer["status"] == 201).count();
    assert_eq!((granted, world.applications().await.len()), (20, 20));
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_holds_1_to_100_registrations() {
    let world = world().await;
    for number in [0, 101] {
        let answer = world.api.post(BATCH, &world.token(1), &json!(vec![json!({}); number])).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_fields"));
        assert_eq!(answer.json()["errors"][0]["message"], "must have 1 to 100 rows");
    }
    let answer = world.api.post(BATCH, &world.token(1), &json!({})).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed_body"));
    let answer = world.api.post(BATCH, "x", &json!([{}])).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(statuses(&batch(&world, 1, &vec![json!({}); 100]).await), [400; 100]);
}

/// Each registration is one of the operator's calls; those beyond them are answered 429, and each says when to come again.
#[tokio::test(flavor = "multi_thread")]
async fn registrations_beyond_the_operators_calls_are_refused_alone() {
    let world = world_set([("OPERATOR_CALLS_PER_SECOND", "3")]).await;
    let registrations: Vec<Value> = (0..100).map(|n| long("DUP", n, &format!("L{n}"))).collect();
    let began = std::time::Instant::now();
    let answers = batch(&world, 1, &registrations).await;
    let statuses = statuses(&answers);
    let granted = statuses.iter().filter(|status| **status == 201).count();
    // Thirty in ten seconds and a slice of three, in each window that the call touches.
    let windows = 1 + usize::try_from(began.elapsed().as_secs() / 10 + 1).unwrap();
    assert!((33..=33 * windows).contains(&granted), "{granted} were granted");
    for answer in answers.iter().filter(|answer| answer["status"] != 201) {
        assert_eq!((answer["status"].as_u64(), problem(answer)), (Some(429), "too_many_calls"));
        assert!((1..=10).contains(&answer["retry_after"].as_u64().unwrap()), "{answer}");
    }
    assert_eq!(world.applications().await.len(), granted);
    assert_eq!(world.api.register(&world.token(2), &long("DUP", 200, "M1")).await.status, StatusCode::CREATED);
}

/// A batch sends the requests that its registrations would send as calls of their own.
#[tokio::test(flavor = "multi_thread")]
async fn batch_sends_the_requests_of_single_calls() {
    let (world, wire) = Wire::world().await;
    world.journeys(&[Trip::new(1, "one", "+336010201"), Trip::new(1, "two", "+336010202")]).await;
    batch(&world, 1, &[json!({})]).await;
    wire.take_operations();
    let registrations =
        [short("DUP", "S1", "one"), long("DUP", 1, "L1"), short("DUP", "S2", "two"), keyed(long("DUP", 3, "L3"), "k")];
    assert_eq!(statuses(&batch(&world, 1, &registrations).await), [201; 4]);
    let mut operations = wire.take_operations();
    operations.sort_unstable();
    // Two journeys and one idempotency record are read.
    assert_eq!(operations, [&["GetItem"; 3][..], &["TransactWriteItems"; 4]].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_in_a_batch_are_in_the_language_of_the_call() {
    let world = world().await;
    let body = json!([7, long("dup", 1, "L1"), long("DUP", 2, "L2")]).to_string().into_bytes();
    let mut request = world.api.request(Method::POST, BATCH, Some(&world.token(1)), body);
    request.headers_mut().insert("accept-language", "fr-FR,fr;q=0.9".parse().unwrap());
    let answer = world.api.send(request).await.unwrap();
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(answer.headers["content-language"], "fr");
    let answers = answer.json()["answers"].as_array().unwrap().clone();
    assert_eq!(statuses(&answers), [400, 400, 201]);
    assert_eq!(answers[0]["body"]["detail"], "le corps doit être un objet JSON");
    assert_eq!(answers[1]["body"]["title"], "Champs non valides");
    let message = answers[1]["body"]["errors"][0]["message"].as_str().unwrap();
    assert!(message.starts_with("doit compter exactement 3 caractères"), "{message}");
}

/// The metrics count each registration, and the batch by itself counts as none.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_count_each_registration() {
    let world = world().await;
    world.journeys(&trips()).await;
    let registrations = json!([short("DUP", "S1", "one"), short("TOT", "S3", "one"), short("DUP", "S7", "too-early")]);
    let answer = world.api.post(BATCH, &world.token(1), &registrations).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let id = answer.headers["apigw-requestid"].to_str().unwrap();
    let counted: BTreeMap<String, f64> = crate::support::metrics()
        .iter()
        .filter(|line| line["request_id"] == id)
        .filter_map(|line| Some((line["Outcome"].as_str()?.to_owned(), line["Applications"].as_f64()?)))
        .collect();
    let expected = ["journey_used", "registered", "too_early"].map(|outcome| (outcome.to_owned(), 1.0));
    assert_eq!(counted, expected.into());
}
