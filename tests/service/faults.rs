//! Imports through a proxy that fails three requests in ten.

use std::collections::HashSet;

use cee_eligibility::OperatorId;
use cee_local::generate::{Expected, History};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::resume::dates;
use crate::support::{Answer, World, object, reports, world};
use crate::wire::{Fault, Wire};

const ROWS: u64 = 2000;

#[tokio::test(flavor = "multi_thread")]
async fn import_through_failing_proxy_is_complete_and_correct() {
    let history = History::new(3, OperatorId::new(1).unwrap());
    let mut file = Vec::new();
    history.write(ROWS, &mut file).unwrap();
    let calm = world().await;
    let (world, wire) = Wire::world().await;
    calm.upload("imports/1/h.csv", file.clone()).await;
    wire.take_operations();
    wire.disturb(30);
    world.upload("imports/1/h.csv", file).await;
    wire.disturb(0);
    let (operations, faults) = (wire.take_operations(), wire.take_faults());

    let kinds: HashSet<Fault> = faults.iter().copied().collect();
    assert_eq!(kinds.len(), Fault::ALL.len(), "each kind of fault happened: {kinds:?}");
    let share = faults.len() * 100 / operations.len();
    assert!((25..=35).contains(&share), "{share} % of {} requests", operations.len());
    let updates = operations.iter().filter(|operation| *operation == "UpdateItem").count() as u64;
    assert!(updates <= 2 * ROWS, "no storm: {updates} requests for {ROWS} rows");
    println!("{updates} updates for {ROWS} rows, {} faults", faults.len());

    let report = &reports(&world.aws, "reports/1/").await["imports/1/h.csv"];
    let expected = &reports(&calm.aws, "reports/1/").await["imports/1/h.csv"];
    for name in ["state", "read", "imported", "already_known", "rejected", "repairs", "bytes", "sha256"] {
        assert_eq!(report[name], expected[name], "{name}");
    }
    let Expected { read, imported, already_known, rejected } = history.expected(ROWS);
    assert_eq!(report["read"], json!(read));
    assert_eq!([&report["imported"], &report["already_known"]], [&json!(imported), &json!(already_known)]);
    assert_eq!(report["rejected"], json!(rejected));
    let rejected = |report: &serde_json::Value| report["rejected_rows"].as_str().unwrap().to_owned();
    assert!(object(&world.aws, &rejected(report)).await == object(&calm.aws, &rejected(expected)).await);
    assert_eq!(dates(&world.aws).await, dates(&calm.aws).await, "and the table says the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn conflict_at_end_of_import_repeats_no_row() {
    let (world, wire) = Wire::world().await;
    let rows: String = (0..50).map(|n| format!("long,DUP,+337000{n:03},2022-01-01\n")).collect();
    wire.take_operations();
    wire.next(":report", [Fault::Conflict]);
    world.upload("imports/1/h.csv", format!("journey_type,last_name_trunc,phone_trunc,datetime\n{rows}")).await;
    assert_eq!(wire.take_faults(), [Fault::Conflict]);
    let made = wire.take_operations();
    let updates = made.iter().filter(|operation| *operation == "UpdateItem").count();
    assert_eq!(
        updates,
        50 + 2 + 1 + 2,
        "a row each, the slot taken and given back, the begin, the end twice: {made:?}"
    );
    assert_eq!(reports(&world.aws, "reports/1/").await["imports/1/h.csv"]["imported"], json!(50));
}

/// The SDK adds a token to each transaction, which the local database compares with all tokens of the last ten minutes.
#[tokio::test(flavor = "multi_thread")]
async fn transaction_has_no_client_request_token() {
    let (world, wire) = Wire::world().await;
    let token = world.token(1);
    assert!(wire.take_units().is_empty());
    let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                      "driving_license": "051227308989", "datetime": "2024-03-15T07:30:00Z"});
    let granted = world.api.register(&token, &body).await.json();
    let key = json!([{"cee_application_type": "standardized", "cee_application_uuid": granted["uuid"],
                      "identity_key": "a".repeat(64)}]);
    assert_eq!(world.api.post("/policies/cee/import/identity", &token, &key).await.json()["imported"], 1);
    let path = format!("/policies/cee/{}", granted["uuid"].as_str().unwrap());
    let deleted = world.api.call(http::Method::DELETE, &path, &token).await;
    assert_eq!(deleted.status, http::StatusCode::NO_CONTENT, "{deleted:?}");
    let sent = wire.take_units();
    let transactions: Vec<_> = sent.iter().filter(|taken| taken.operation == "TransactWriteItems").collect();
    assert_eq!(transactions.len(), 3, "a registration, a key that is given, a delete");
    for taken in transactions {
        assert!(!String::from_utf8_lossy(&taken.body).contains("ClientRequestToken"));
    }
}

/// A register whose first request is late is sent again; the application of the second request is deleted, and then the first
/// request arrives (docs/protocol.md).
#[tokio::test(flavor = "multi_thread")]
async fn late_register_restores_no_deleted_application() {
    let (world, wire) = Wire::world().await;
    let token = world.token(1);
    let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                      "driving_license": "051227308989", "datetime": "2024-03-15T07:30:00Z"});
    wire.next("TransactItems", [Fault::Late]);
    let granted = world.api.register(&token, &body).await;
    assert_eq!(granted.status, http::StatusCode::CREATED, "{granted:?}");
    assert_eq!(wire.take_faults(), [Fault::Late]);
    let path = format!("/policies/cee/{}", granted.json()["uuid"].as_str().unwrap());
    let deleted = world.api.call(http::Method::DELETE, &path, &token).await;
    assert_eq!(deleted.status, http::StatusCode::NO_CONTENT, "{deleted:?}");
    world.stack.proxy().unwrap().settled().await;
    let gone = world.api.call(http::Method::GET, &path, &token).await;
    assert_eq!(gone.status, http::StatusCode::NOT_FOUND, "{gone:?}");
    let again = world.api.register(&token, &body).await;
    assert_eq!(again.status, http::StatusCode::CREATED, "{again:?}");
}

/// A write that took effect without a response is not forgotten because the next request collided.
#[tokio::test(flavor = "multi_thread")]
async fn lost_response_then_conflict_reports_success() {
    let (world, wire) = Wire::world().await;
    let token = world.token(1);
    let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                      "driving_license": "051227308989", "datetime": "2024-03-15T07:30:00Z"});
    for lost in [Fault::AnswerLost, Fault::FailureAfter, Fault::InProgress] {
        let granted = world.api.register(&token, &body).await.json();
        let key = json!([{"cee_application_type": "standardized", "cee_application_uuid": granted["uuid"],
                          "identity_key": "a".repeat(64)}]);
        wire.next("TransactItems", [lost, Fault::Conflict]);
        let given = world.api.post("/policies/cee/import/identity", &token, &key).await.json();
        assert_eq!(given["imported"], 1, "{lost:?}: {given}");
        let path = format!("/policies/cee/{}", granted["uuid"].as_str().unwrap());
        wire.next("TransactItems", [lost, Fault::Conflict]);
        let deleted = world.api.call(http::Method::DELETE, &path, &token).await;
        assert_eq!(deleted.status, http::StatusCode::NO_CONTENT, "{lost:?}: {deleted:?}");
        wire.next("", []);
    }
}

/// Less common errors of DynamoDB and of its front end: three in a row of each.
const UNFAMILIAR: [Fault; 6] = [
    Fault::InternalFailure,
    Fault::UnavailableException,
    Fault::RequestTimeout,
    Fault::GatewayTimeout,
    Fault::ReplicatedWriteConflict,
    Fault::HalfAnswer,
];

#[tokio::test(flavor = "multi_thread")]
async fn calls_succeed_after_three_unknown_errors() {
    // Each with a stack of its own, because they mostly wait.
    let each = UNFAMILIAR.into_iter().enumerate().map(|(number, fault)| async move {
        let (world, wire) = Wire::world().await;
        let token = world.token(1);
        // A call's client sends at most three times.
        let (often, twice) = ([fault; 3], [fault; 2]);
        let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+33601020{number}"),
                          "driving_license": format!("05122730898{number}"), "datetime": "2024-03-15T07:30:00Z"});
        wire.next("TransactItems", often);
        let granted = world.api.register(&token, &body).await;
        assert_eq!(granted.status, http::StatusCode::CREATED, "{fault:?}: {granted:?}");
        let uuid = granted.json()["uuid"].as_str().unwrap().to_owned();
        let path = format!("/policies/cee/{uuid}");
        if fault != Fault::ReplicatedWriteConflict {
            wire.next("GetItem", []);
            wire.next(Box::leak(uuid.clone().into_boxed_str()), twice);
            let found = world.api.call(http::Method::GET, &path, &token).await;
            assert_eq!(found.status, http::StatusCode::OK, "{fault:?}: {found:?}");
        }
        wire.next("TransactItems", often);
        let deleted = world.api.call(http::Method::DELETE, &path, &token).await;
        assert_eq!(deleted.status, http::StatusCode::NO_CONTENT, "{fault:?}: {deleted:?}");
        let row = json!([{"journey_type": "long", "last_name_trunc": "ROW", "phone_trunc": format!("+33601020{number}"),
                          "datetime": "2021-02-15T00:00:00Z"}]);
        wire.next("list_append", often);
        let batch = world.api.post("/policies/cee/import", &token, &row).await.json();
        assert_eq!(batch["imported"], 1, "{fault:?}: {batch}");
        wire.next("awaiting_upload", twice);
        let place = world.api.post("/policies/cee/imports", &token, &json!({})).await;
        assert_eq!(place.status, http::StatusCode::CREATED, "{fault:?}: {place:?}");
        wire.next("", []);
        assert_eq!(world.findings().await, []);
    });
    join_all(each).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn import_completes_after_three_unknown_errors() {
    let (world, wire) = Wire::world().await;
    let header = "journey_type,last_name_trunc,phone_trunc,datetime\n";
    for (number, fault) in UNFAMILIAR.into_iter().enumerate() {
        for (place, text) in ["taken_from", "list_append", ":report"].into_iter().enumerate() {
            let key = format!("imports/1/{number}-{place}.csv");
            wire.take_faults();
            wire.next(text, [fault; 3]);
            world.upload(&key, format!("{header}long,DUP,+3370000{number}{place},2022-01-01\n")).await;
            assert_eq!(wire.take_faults(), [fault; 3], "{text}");
            wire.next("", []);
            let report = &reports(&world.aws, "reports/1/").await[&key];
            assert_eq!(
                (&report["state"], &report["imported"]),
                (&json!("completed"), &json!(1)),
                "{fault:?} at {text}"
            );
        }
    }
    assert_eq!(world.given_up(), [""; 0]);
}

/// The response to a call whose first try is late. Meanwhile another operator registers and deletes this application, so that
/// nothing blocks the late request when it arrives. It has arrived when this returns.
async fn overtaken(
    world: &World,
    wire: &Wire,
    late: impl Future<Output = Answer>,
    other: &str,
    body: &Value,
) -> Answer {
    wire.take_faults();
    wire.next("TransactItems", [Fault::Late]);
    let overtakes = async {
        while wire.take_faults().is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let granted = world.api.register(other, body).await;
        assert_eq!(granted.status, http::StatusCode::CREATED, "{granted:?}");
        format!("/policies/cee/{}", granted.json()["uuid"].as_str().unwrap())
    };
    let (answer, path) = tokio::join!(late, overtakes);
    let deleted = world.api.call(http::Method::DELETE, &path, other).await;
    assert_eq!(deleted.status, http::StatusCode::NO_CONTENT, "{deleted:?}");
    world.stack.proxy().unwrap().settled().await;
    answer
}

/// A call is refused because of an application that was registered while its first try was late. When that try arrives and no
/// application blocks it any more, the call is not registered. Found by the judge (tests/promise).
#[tokio::test(flavor = "multi_thread")]
async fn refused_register_is_not_committed_by_late_request() {
    let (world, wire) = Wire::world().await;
    let (late, other) = (world.token(1), world.token(2));
    let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                      "driving_license": "051227308989", "datetime": "2024-03-15T07:30:00Z"});
    let refused = overtaken(&world, &wire, world.api.register(&late, &body), &other, &body).await;
    assert_eq!(refused.status, http::StatusCode::CONFLICT, "{refused:?}");
    let question = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                          "driving_license": "051227308989"});
    let free = world.api.simulate(&other, &question).await;
    assert_eq!(free.status, http::StatusCode::OK, "nobody has it: {free:?}");
}

/// The same for an identity key: refused because another application has it, it is not given when that application is deleted.
#[tokio::test(flavor = "multi_thread")]
async fn refused_identity_key_is_not_given_by_late_request() {
    let (world, wire) = Wire::world().await;
    let (late, other) = (world.token(1), world.token(2));
    let key = "a".repeat(64);
    let mine = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                      "driving_license": "051227308989", "datetime": "2024-03-15T07:30:00Z"});
    let theirs = json!({"journey_type": "long", "last_name_trunc": "MAR", "phone_trunc": "+336010204", "identity_key": key,
                        "driving_license": "051227308990", "datetime": "2024-03-15T07:30:00Z"});
    let granted = world.api.register(&late, &mine).await.json();
    let rows = json!([{"cee_application_type": "standardized", "cee_application_uuid": granted["uuid"],
                       "identity_key": key}]);
    let gives = world.api.post("/policies/cee/import/identity", &late, &rows);
    let refused = overtaken(&world, &wire, gives, &other, &theirs).await.json();
    assert_eq!(refused["imported"], 0, "{refused}");
    let question =
        json!({"journey_type": "long", "last_name_trunc": "PET", "phone_trunc": "+336010205", "identity_key": key});
    let free = world.api.simulate(&other, &question).await;
    assert_eq!(free.status, http::StatusCode::OK, "nobody has the key: {free:?}");
}
