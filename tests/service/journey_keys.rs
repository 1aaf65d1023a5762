//! A short application carries the caller's identity key and its journey's own. If the two differ, both are claimed.

use cee_local::stack::tables;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Trip, World, world};
use crate::wire::Wire;

const IDENTITY: &str = "/policies/cee/import/identity";

fn key(letter: &str) -> String {
    letter.repeat(64)
}

/// A journey of a driver with this phone. An empty letter: the journey has no key.
fn trip(operator: u32, name: &str, phone: &str, letter: &str) -> Trip {
    Trip { key: key(letter), ..Trip::new(operator, name, phone) }
}

/// The journeys of two operators: `one` belongs to operator 1; the others belong to operator 2, each with another phone.
async fn journeys(world: &World) {
    let two = |name, phone, letter| trip(2, name, phone, letter);
    let all = [
        trip(1, "one", "+336010203", "a"),
        two("a", "+336010204", "a"),
        two("none", "+336010205", ""),
        two("c", "+336010203", "c"),
    ];
    world.journeys(&all).await;
}

/// Registers a driver with a new name and licence on a journey. An empty letter: the caller sends no key.
async fn register(world: &World, operator: u32, journey: &str, name: &str, letter: &str) -> Answer {
    let mut body = json!({"journey_type": "short", "last_name_trunc": name, "driving_license": format!("{name}{operator}"),
                          "operator_journey_id": journey});
    if !letter.is_empty() {
        body["identity_key"] = json!(key(letter));
    }
    world.api.register(&world.token(operator), &body).await
}

/// The reason why a driver with this phone and key is not eligible.
async fn reason(world: &World, name: &str, phone: &str, letter: &str) -> Option<String> {
    let body =
        json!({"journey_type": "short", "last_name_trunc": name, "phone_trunc": phone, "identity_key": key(letter)});
    let answer = world.api.simulate(&world.token(3), &body).await;
    match answer.status {
        StatusCode::OK => None,
        StatusCode::CONFLICT => Some(answer.problem()),
        _ => panic!("{answer:?}"),
    }
}

fn created(answer: &Answer) -> Value {
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

fn is_duplicate(answer: &Answer) {
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "duplicate"), "{answer:?}");
    assert!(answer.json().get("uuid").is_none(), "another operator's: {answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn journey_key_and_caller_key_differ_and_both_block() {
    let world = world().await;
    journeys(&world).await;
    let granted = created(&register(&world, 1, "one", "DUP", "b").await);
    // The other operator's journey has the key of the first one's journey: with the caller's key, with another, without a key.
    for letter in ["a", "d", ""] {
        is_duplicate(&register(&world, 2, "a", "MAR", letter).await);
    }
    // Its journey has no key, and the caller sends the first caller's key.
    is_duplicate(&register(&world, 2, "none", "MAR", "b").await);
    for (letter, blocked) in [("a", true), ("b", true), ("c", false)] {
        let expected = blocked.then(|| "duplicate".to_owned());
        assert_eq!(reason(&world, "BER", "+336019999", letter).await, expected, "by the key alone: {letter}");
        assert_eq!(reason(&world, "DUP", "+336010203", letter).await, expected, "on the truncated identity: {letter}");
    }
    // A third key on the same truncated identity is another driver.
    created(&register(&world, 2, "c", "DUP", "").await);

    // A delete frees both.
    let path = format!("/policies/cee/{}", granted["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(Method::DELETE, &path, &world.token(1)).await.status, StatusCode::NO_CONTENT);
    for letter in ["a", "b"] {
        assert_eq!(reason(&world, "BER", "+336019999", letter).await, None, "{letter}");
    }
    created(&register(&world, 2, "a", "MAR", "a").await);
    created(&register(&world, 2, "none", "PET", "b").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn journey_key_of_earlier_application_blocks_any_caller_key() {
    for (journey, letter) in [("a", ""), ("a", "d"), ("none", "a"), ("none", "b")] {
        let world = world().await;
        journeys(&world).await;
        created(&register(&world, 2, journey, "MAR", letter).await);
        is_duplicate(&register(&world, 1, "one", "DUP", "b").await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn key_sent_later_is_claimed_beside_journey_key() {
    let world = world().await;
    journeys(&world).await;
    let granted = created(&register(&world, 1, "one", "DUP", "").await);
    let give = async |letter: &str| {
        let row = json!([{"cee_application_type": "standardized", "cee_application_uuid": granted["uuid"],
                          "identity_key": key(letter)}]);
        let answer = world.api.post(IDENTITY, &world.token(1), &row).await.json();
        ["imported", "already_known", "failed"].map(|name| answer[name].as_u64().unwrap())
    };
    assert_eq!(reason(&world, "BER", "+336019999", "b").await, None);
    assert_eq!(give("a").await, [0, 1, 0], "the journey brought it");
    assert_eq!(give("b").await, [1, 0, 0]);
    assert_eq!([give("a").await, give("b").await, give("c").await], [[0, 1, 0], [0, 1, 0], [0, 0, 1]]);
    for letter in ["a", "b"] {
        assert_eq!(reason(&world, "BER", "+336019999", letter).await.as_deref(), Some("duplicate"), "{letter}");
    }
    is_duplicate(&register(&world, 2, "none", "MAR", "b").await);
    let path = format!("/policies/cee/{}", granted["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(Method::DELETE, &path, &world.token(1)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.scan(&tables().claims).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn journey_corrected_during_register_claims_new_key() {
    let (world, wire) = Wire::world().await;
    journeys(&world).await;
    let mut held = wire.hold("TransactItems");
    let call = {
        let (api, token) = (world.api.clone(), world.token(1));
        let body = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "DUP1",
                          "operator_journey_id": "one", "identity_key": key("b")});
        tokio::spawn(async move { api.register(&token, &body).await })
    };
    held.come().await;
    world.journeys(&[trip(1, "one", "+336010299", "e")]).await;
    held.release();
    created(&call.await.unwrap());
    for (letter, blocked) in [("a", false), ("b", true), ("e", true)] {
        let expected = blocked.then(|| "duplicate".to_owned());
        assert_eq!(reason(&world, "BER", "+336019999", letter).await, expected, "{letter}");
    }
    assert_eq!(world.audited().await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn journey_corrected_after_use_keeps_claims_and_is_finding() {
    let world = world().await;
    journeys(&world).await;
    let granted = created(&register(&world, 1, "one", "DUP", "b").await);
    assert_eq!(world.audited().await, Vec::<String>::new());
    world.journeys(&[trip(1, "one", "+336010203", "e")]).await;
    for (letter, blocked) in [("a", true), ("b", true), ("e", false)] {
        let expected = blocked.then(|| "duplicate".to_owned());
        assert_eq!(reason(&world, "BER", "+336019999", letter).await, expected, "{letter}");
    }
    let uuid = granted["uuid"].as_str().unwrap();
    let expected = "names another phone or identity key than the application claims";
    assert_eq!(world.audited().await, [format!("journey corrected: the journey of {uuid} {expected}")]);
}
