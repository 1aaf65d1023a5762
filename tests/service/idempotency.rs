//! `Idempotency-Key`: a retry returns a lost response again.

use std::sync::Arc;
use std::time::Duration;

use cee_local::stack::{Options, tables};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::support::{Answer, Api, NOW, Trip, World, at, world, world_on};

fn long(phone: &str, license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone, "driving_license": license,
           "datetime": "2024-03-15T07:30:00Z"})
}

async fn register(api: &Api, token: &str, key: &str, body: &str) -> Answer {
    let mut request = api.request(Method::POST, "/policies/cee", Some(token), body.as_bytes().to_vec());
    request.headers_mut().insert("idempotency-key", key.parse().unwrap());
    api.send(request).await.unwrap()
}

async fn remembered(world: &World) -> usize {
    world.scan(&tables().idempotency).await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn client_cut_off_after_commit_gets_response_again() {
    let world = world().await;
    let token = world.token(1);
    world.journeys(&[Trip { id: 4242, ..Trip::new(1, "j", "+336010203") }]).await;
    let body = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                      "operator_journey_id": "j"});
    // Sends the call, and closes the connection once it is carried out, without having read a byte.
    let address = world.api.url.strip_prefix("http://").unwrap().strip_suffix("/v3").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let text = body.to_string();
    let call = format!(
        "POST /v3/policies/cee HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\nidempotency-key: lost-1\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{text}",
        text.len()
    );
    socket.write_all(call.as_bytes()).await.unwrap();
    while world.applications().await.is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(socket);
    let again = register(&world.api, &token, "lost-1", &text).await;
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
    let stored = world.applications().await;
    assert_eq!(stored.len(), 1);
    assert_eq!(again.json()["uuid"].as_str().unwrap(), stored[0]["uuid"].as_s().unwrap());
    // Without the key the response is a 409 that holds all of it.
    let without = world.api.register(&token, &body).await;
    assert_eq!((without.status, without.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
    for (there, here) in
        [("uuid", "uuid"), ("token", "token"), ("journey_id", "journey_id"), ("journey_status", "status")]
    {
        assert!(!again.json()[here].is_null());
        assert_eq!(without.json()[there], again.json()[here], "{there}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_key_returns_first_response_until_delete() {
    let world = world().await;
    let token = world.token(1);
    let mut trips = [Trip { id: 4242, ..Trip::new(1, "j", "+336010203") }];
    world.journeys(&trips).await;
    let body = r#"{"journey_type":"short","last_name_trunc":"TO ","driving_license":"051227308989","operator_journey_id":"j"}"#;
    let first = register(&world.api, &token, "key-1", body).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let replay = async |why: &str, body: &str| {
        let again = register(&world.api, &token, "key-1", body).await;
        assert_eq!((again.status, &again.text), (StatusCode::CREATED, &first.text), "{why}");
        assert_eq!(again.headers["content-type"], "application/json");
    };
    replay("the same call", body).await;
    let reordered = r#"{ "operator_journey_id": "j", "driving_license":"051227308989", "last_name_trunc":"\u0054O ",
                         "journey_type":"short" }"#;
    replay("the same body, written otherwise", reordered).await;
    trips[0].statuses = "processed,failed,passed";
    world.journeys(&trips).await;
    replay("the journey has become a fraud", body).await;
    let path = format!("/policies/cee/{}", first.json()["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(Method::GET, &path, &token).await.json()["status"], "fraud_error");

    // Another call under the same key is refused and has no effect.
    let other = register(&world.api, &token, "key-1", &long("+336010299", "OTHER1234").to_string()).await;
    assert_eq!((other.status, other.problem().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"));
    assert_eq!(world.applications().await.len(), 1);
    // Each operator has its own keys.
    let theirs = register(&world.api, &world.token(2), "key-1", &long("+336010299", "OTHER1234").to_string()).await;
    assert_eq!(theirs.status, StatusCode::CREATED, "{theirs:?}");

    // A key names a call, not an application: a late retry does not register a deleted application again.
    assert_eq!(world.api.call(Method::DELETE, &path, &token).await.status, StatusCode::NO_CONTENT);
    let gone = register(&world.api, &token, "key-1", body).await;
    assert_eq!((gone.status, gone.problem().as_str()), (StatusCode::GONE, "application_deleted"));
    assert_eq!(gone.json()["uuid"], first.json()["uuid"]);
    assert_eq!(world.api.call(Method::GET, &path, &token).await.status, StatusCode::NOT_FOUND);
    let anew = register(&world.api, &token, "key-2", body).await;
    assert_eq!(anew.status, StatusCode::CREATED);
    assert_ne!(anew.json()["uuid"], first.json()["uuid"]);
    for item in world.scan(&tables().idempotency).await {
        assert!(!item["pk"].as_s().unwrap().contains("key"), "a key may hold a name");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_key_after_period_returns_first_response() {
    let folder = TempDir::new().unwrap();
    let body = long("+336010203", "051227308989").to_string();
    let world = world_on(&Options { now: Some(at(NOW)), ..Options::new(folder.path()) }).await;
    let first = register(&world.api, &world.token(1), "key-1", &body).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    world.end().await;

    let settings = vec![("LONG_PERIOD_END".to_owned(), "2024-03-01".to_owned())];
    let world = world_on(&Options { now: Some(at(NOW)), settings, ..Options::new(folder.path()) }).await;
    let again = register(&world.api, &world.token(1), "key-1", &body).await;
    assert_eq!((again.status, &again.text), (StatusCode::CREATED, &first.text));
    // For an invalid body, the invalid fields are reported first.
    let late = register(&world.api, &world.token(1), "key-1", &long("+336010299", "OTHER1234").to_string()).await;
    assert_eq!((late.status, late.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_fields"));
    let other = long("+336010299", "OTHER1234").to_string().replace("2024-03-15", "2024-02-15");
    let other = register(&world.api, &world.token(1), "key-1", &other).await;
    assert_eq!((other.status, other.problem().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused"));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusal_is_not_stored_and_invalid_key_returns_400() {
    let world = world().await;
    let token = world.token(1);
    let body = long("+336010203", "051227308989");
    let blocker = world.api.register(&world.token(2), &body).await.json();
    let refused = register(&world.api, &token, "later", &body.to_string()).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
    assert_eq!(remembered(&world).await, 0);
    let path = format!("/policies/cee/{}", blocker["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(Method::DELETE, &path, &world.token(2)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(register(&world.api, &token, "later", &body.to_string()).await.status, StatusCode::CREATED);
    assert_eq!(remembered(&world).await, 1);

    let longest = "k".repeat(255);
    assert_eq!(register(&world.api, &token, &longest, &body.to_string()).await.status, StatusCode::CONFLICT);
    for key in ["", "two words", &"k".repeat(256)] {
        let answer = register(&world.api, &token, key, &body.to_string()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_header"), "{key:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("idempotency-key"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn call_sent_64_times_at_once_registers_once() {
    let world = Arc::new(world().await);
    for round in 0..5 {
        let body = long(&format!("+33601020{round}"), &format!("TWICE{round:04}")).to_string();
        let calls = (0..64).map(|_| {
            let (world, body) = (Arc::clone(&world), body.clone());
            tokio::spawn(async move { register(&world.api, &world.token(1), &format!("round-{round}"), &body).await })
        });
        let mut first = None;
        for call in calls.collect::<Vec<_>>() {
            let answer = call.await.unwrap();
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            assert_eq!(*first.get_or_insert_with(|| answer.text.clone()), answer.text);
        }
        assert_eq!(world.applications().await.len(), round + 1);
        assert_eq!(remembered(&world).await, round + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_expires_after_24_hours() {
    let folder = TempDir::new().unwrap();
    let body = long("+336010203", "051227308989").to_string();
    let other = long("+336010299", "OTHER1234").to_string();
    let mut first = None;
    for (now, status) in [
        (NOW, StatusCode::CREATED),
        ("2024-05-01T23:59:59.999Z", StatusCode::CREATED),
        ("2024-05-02T00:00:00Z", StatusCode::CONFLICT),
    ] {
        let world = world_on(&Options { now: Some(at(now)), ..Options::new(folder.path()) }).await;
        let (api, token) = (&world.api, world.token(1));
        let answer = register(api, &token, "key-1", &body).await;
        assert_eq!(answer.status, status, "{now}: {answer:?}");
        if status == StatusCode::CREATED {
            assert_eq!(*first.get_or_insert_with(|| answer.text.clone()), answer.text);
        } else {
            // A refusal is not stored; another call may use the key now.
            assert_eq!(answer.json()["uuid"], serde_json::from_str::<Value>(first.as_ref().unwrap()).unwrap()["uuid"]);
            assert_eq!(register(api, &token, "key-1", &other).await.status, StatusCode::CREATED);
        }
        world.end().await;
    }
}
