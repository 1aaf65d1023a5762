//! `GET /proofs/{uuid}`: the state of a proof's application.

use cee_eligibility::{DrivingLicense, Instant};
use cee_local::stack::Store;
use cee_registry::{Deadline, DriverEraser, DriverFinder, DriverQuery};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use std::time::Duration;

use crate::support::{Answer, World, world};
use crate::wire::{Fault, Wire};

fn long(phone: &str, license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone, "driving_license": license,
           "datetime": "2024-03-15T07:30:00Z"})
}

async fn granted(world: &World, phone: &str, license: &str) -> String {
    world.api.registered(&world.token(1), &long(phone, license)).await
}

async fn proof(world: &World, uuid: &str) -> Answer {
    world.api.get(&format!("/proofs/{uuid}")).await
}

/// Erases this driver, as the registry's team does.
async fn erase(world: &World, license: &str) {
    let Store { db, tables, keys } = world.stack.description().store(&world.secrets).unwrap();
    let query = DriverQuery {
        driving_license: Some(DrivingLicense::parse(license).unwrap()),
        identity_key: None,
        truncated: None,
    };
    let deadline = Deadline::after(Duration::from_secs(30));
    let data = DriverFinder::new(db.clone(), &tables, keys).find(&query, deadline).await.unwrap();
    let now = Instant::parse("2024-05-02T00:00:00Z").unwrap();
    let erased = DriverEraser::new(db, &tables).erase(&data, "the driver asked", now, deadline).await.unwrap();
    assert_eq!(erased.applications.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn proof_state_shows_delete_and_not_erasure() {
    let world = world().await;
    let [stands, deleted, erased, both] =
        [("+336010201", "L1"), ("+336010202", "L2"), ("+336010203", "L3"), ("+336010204", "L4")];
    let mut uuids = Vec::new();
    for (phone, license) in [stands, deleted, erased, both] {
        uuids.push(granted(&world, phone, license).await);
    }
    let delete = async |uuid: &str| {
        let path = format!("/policies/cee/{uuid}");
        assert_eq!(world.api.call(Method::DELETE, &path, &world.token(1)).await.status, StatusCode::NO_CONTENT);
    };
    delete(&uuids[1]).await;
    delete(&uuids[3]).await;
    erase(&world, "L3").await;
    erase(&world, "L4").await;
    for (uuid, state) in uuids.iter().zip(["granted", "deleted", "granted", "deleted"]) {
        let answer = proof(&world, uuid).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"uuid": uuid, "state": state})), "{state}");
        assert_eq!(answer.headers["cache-control"], "no-store");
        // In upper or lower case, as elsewhere.
        let capitals = proof(&world, &uuid.to_uppercase()).await;
        assert_eq!(capitals.json(), answer.json());
        let head = world.api.send(world.api.request(Method::HEAD, &format!("/proofs/{uuid}"), None, Vec::new())).await;
        let head = head.unwrap();
        assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
        assert_eq!(head.headers["content-type"], "application/json");
    }
    // The erased driver's certificate still counts: `granted` says so.
    let again = world.api.register(&world.token(2), &long("+336010299", "L3")).await;
    assert_eq!((again.status, again.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn proof_of_unknown_application_returns_404() {
    let world = world().await;
    let uuid = "1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b";
    for path in [uuid, "x", "%2E%2E", "openapi.json", "1c9d8b1e5c534e2a9d0b0f4d1f1d2a3b", "health"] {
        let answer = proof(&world, path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_proof"), "{path}");
        // A typing error is not a forgery.
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(detail.contains("does not end with a UUID"), path != uuid, "{path}: {detail}");
        let head = world.api.request(Method::HEAD, &format!("/proofs/{path}"), None, Vec::new());
        assert_eq!(world.api.send(head).await.unwrap().status, StatusCode::NOT_FOUND, "{path}");
    }
}

/// A registration that was refused after a try whose response was lost leaves a UUID without an application.
#[tokio::test(flavor = "multi_thread")]
async fn proof_of_called_off_register_returns_404() {
    let (world, wire) = Wire::world().await;
    granted(&world, "+336010201", "L1").await;
    wire.next("TransactItems", [Fault::Reset]);
    let refused = world.api.register(&world.token(2), &long("+336010201", "L9")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT, "{refused:?}");
    let items = world.scan(&cee_local::stack::tables().applications).await;
    let called_off = items.iter().find(|item| item.contains_key("name_taken")).expect("a name that was called off");
    let answer = proof(&world, called_off["uuid"].as_s().unwrap()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_proof"));
}

#[tokio::test(flavor = "multi_thread")]
async fn public_calls_answer_head_without_body() {
    let world = world().await;
    for path in ["/.well-known/jwks.json", "/openapi.json", "/health"] {
        let (got, head) = (world.api.get(path).await, world.api.request(Method::HEAD, path, None, Vec::new()));
        let head = world.api.send(head).await.unwrap();
        assert_eq!((got.status, head.status), (StatusCode::OK, StatusCode::OK), "{path}");
        assert!(head.text.is_empty() && !got.text.is_empty(), "{path}");
        for name in ["content-type", "cache-control", "content-length"] {
            assert_eq!(got.headers.get(name), head.headers.get(name), "{path}: {name}");
        }
    }
}
