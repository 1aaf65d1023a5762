//! The shortcomings of the public service, by number: each test would show the shortcoming if it came back.
//!
//! Each test is short on purpose, and names the longer test that covers every case; docs/known-differences.md lists all ten.

use std::collections::BTreeSet;
use std::process::Command;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cee_local::stack::tables;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::document::DOCUMENT;
use crate::support::{Answer, Trip, World, cee, keys, logs, object, reports, world, world_set};

const LICENSE: &str = "051227308989";
const DATE: &str = "2024-03-15T07:30:00.000Z";

fn long(name: &str, phone: &str, license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "driving_license": license,
           "datetime": "2024-03-15T08:30:00+01:00"})
}

fn short(name: &str, license: &str, journey: &str) -> Value {
    json!({"journey_type": "short", "last_name_trunc": name, "driving_license": license,
           "operator_journey_id": journey})
}

fn said(answer: &Answer) -> (u16, String) {
    (answer.status.as_u16(), answer.problem())
}

fn members(body: &Value) -> BTreeSet<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}

impl World {
    async fn named(&self, operator: u32, key: &str, body: &Value) -> Answer {
        let token = self.token(operator);
        let mut request = self.api.request(Method::POST, "/policies/cee", Some(&token), body.to_string().into_bytes());
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        self.api.send(request).await.unwrap()
    }

    async fn found(&self, operator: u32, granted: &Value) -> Answer {
        let path = format!("/policies/cee/{}", granted["uuid"].as_str().unwrap());
        self.api.call(Method::GET, &path, &self.token(operator)).await
    }
}

/// 1. Its check and its insert were not one atomic step. Longer: `race.rs`, 64 calls for each of 100 drivers.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s01_two_operators_at_once_get_one_certificate() {
    let world = world().await;
    let tokens = [world.token(1), world.token(2)];
    for driver in 0..25 {
        // The same person for one reason only: on odd numbers the phone, on even numbers the licence.
        let call = |number: usize| {
            let (phone, license) = if driver % 2 == 1 { (0, number) } else { (number, 0) };
            long("DUP", &format!("+33601{driver:02}{phone:02}"), &format!("{driver:06}{license:06}"))
        };
        let calls = (0..16).map(|number| {
            let (api, token, body) = (world.api.clone(), tokens[number % 2].clone(), call(number));
            tokio::spawn(async move { api.register(&token, &body).await })
        });
        let answers: Vec<Answer> = join_all(calls).await.into_iter().map(Result::unwrap).collect();
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == StatusCode::CREATED);
        assert_eq!(won.len(), 1, "driver {driver}: {} certificates", won.len());
        assert!(lost.iter().all(|answer| said(answer) == (409, "duplicate".to_owned())), "{lost:?}");
    }
}

/// 2. A retry got a 409 without the token. Longer: `idempotency.rs`, with clients that are cut off after the commit.
#[tokio::test(flavor = "multi_thread")]
async fn s02_lost_response_is_returned_again_with_token() {
    let world = world().await;
    world.journeys(&[Trip::new(1, "j", "+336010203")]).await;
    let body = short("DUP", LICENSE, "j");
    let lost = world.named(1, "order-66", &body).await;
    assert_eq!(lost.status, StatusCode::CREATED, "{lost:?}");
    let again = world.named(1, "order-66", &body).await;
    assert_eq!((again.status, &again.text), (StatusCode::CREATED, &lost.text));
    // A call without an Idempotency-Key gets a 409, with everything in it.
    let refused = world.api.register(&world.token(1), &body).await;
    assert_eq!(said(&refused), (409, "duplicate".to_owned()));
    for (here, there) in [
        ("uuid", "uuid"),
        ("token", "token"),
        ("datetime", "datetime"),
        ("journey_id", "journey_id"),
        ("journey_status", "status"),
    ] {
        assert_eq!((refused.json()[here].is_null(), &refused.json()[here]), (false, &lost.json()[there]), "{here}");
    }
}

/// 3. One malformed row failed a whole batch, and there were only batches. Longer: `batches.rs`, `history.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn s03_invalid_row_fails_alone_in_batch_and_long_file() {
    let world = world().await;
    let row = |phone: usize| {
        json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+336010{phone:03}"),
               "datetime": "2021-02-15T00:00:00Z"})
    };
    let batch = world.api.post("/policies/cee/import", &world.token(1), &json!([row(1), {"speed": 130}, row(2)])).await;
    assert_eq!(batch.status, StatusCode::CREATED, "{batch:?}");
    assert_eq!([&batch.json()["imported"], &batch.json()["failed"]], [&json!(2), &json!(1)]);
    assert_eq!(batch.json()["failed_details"][0]["index"], 1);

    let rows: String = (0..1500).map(|n| format!("long,DUP,+337{n:06},2021-02-15\n")).collect();
    let file = format!("journey_type,last_name_trunc,phone_trunc,datetime\nlong,Dup,bad,bad\n{rows}");
    world.upload("imports/1/h.csv", file).await;
    let report = &reports(&world.aws, "reports/1/").await["imports/1/h.csv"];
    let counts = ["read", "imported", "rejected"].map(|name| report[name].as_u64().unwrap());
    assert_eq!(counts, [1501, 1500, 1]);
    for phone in ["+336010002", "+337001499"] {
        let question = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone});
        let answer = world.api.simulate(&world.token(2), &question).await;
        assert_eq!(said(&answer), (409, "history".to_owned()), "{phone}");
    }
}

/// 4. One 404 for all, and a bare 400. Longer: `refusals.rs`, `ineligible_and_unknown_journeys_are_refused`.
#[tokio::test(flavor = "multi_thread")]
async fn s04_unknown_ineligible_and_early_are_distinguished() {
    let world = world().await;
    world
        .journeys(&[
            Trip { class: "B", metres: 80_001, ..Trip::new(1, "not-eligible", "+336010203") },
            Trip { end: "2024-04-24T00:00:00.001Z".into(), ..Trip::new(1, "young", "+336010203") },
        ])
        .await;
    let token = world.token(1);
    let unknown = world.api.register(&token, &short("DUP", LICENSE, "never-was")).await;
    assert_eq!(said(&unknown), (404, "unknown_journey".to_owned()));
    let ineligible = world.api.register(&token, &short("DUP", LICENSE, "not-eligible")).await;
    assert_eq!(said(&ineligible), (404, "ineligible_journey".to_owned()));
    let ineligible = ineligible.json();
    let criteria = ineligible["criteria"].as_array().unwrap().iter();
    assert!(criteria.map(|criterion| criterion["criterion"].as_str().unwrap()).eq(["operator_class", "distance"]));
    let early = world.api.register(&token, &short("DUP", LICENSE, "young")).await;
    assert_eq!(said(&early), (400, "too_early".to_owned()));
    assert_eq!(early.json()["available_at"], "2024-05-01T00:00:00.001Z");
}

/// 5. `GET` had no status `ok`, a long application had `journey_id: null`, and a 409 returned an internal status. Longer:
/// `delete.rs` for `GET`, `applications.rs` for every status.
#[tokio::test(flavor = "multi_thread")]
async fn s05_status_is_public_and_long_application_has_no_journey() {
    let world = world().await;
    world
        .journeys(&[
            Trip::new(1, "good", "+336010203"),
            Trip { statuses: "processed,passed,failed", ..Trip::new(1, "odd", "+336010204") },
            Trip::new(2, "theirs", "+336010204"),
        ])
        .await;
    let token = world.token(1);
    let good = world.api.register(&token, &short("DUP", LICENSE, "good")).await.json();
    assert_eq!(world.found(1, &good).await.json()["status"], "ok");
    let far = world.api.register(&token, &long("DUP", "+336010203", LICENSE)).await.json();
    let far = world.found(1, &far).await.json();
    assert_eq!(members(&far), BTreeSet::from(["uuid", "journey_type", "datetime", "token"]));

    let odd = world.api.register(&token, &short("MAR", "OTHER1234", "odd")).await.json();
    let own = world.api.register(&token, &short("MAR", "OTHER1234", "odd")).await;
    assert_eq!(said(&own), (409, "duplicate".to_owned()));
    assert_eq!(own.json()["journey_status"], "anomaly_error");
    assert_eq!(world.found(1, &odd).await.json()["status"], "anomaly_error", "one word for it, everywhere");
    let theirs = world.api.register(&world.token(2), &short("MAR", "OTHER1234", "theirs")).await.json();
    assert_eq!(members(&theirs), BTreeSet::from(["type", "title", "status", "detail", "datetime", "reason"]));
}

/// 6. It returned a 500. Longer: `applications.rs`, `short_application_is_granted_once_with_proof`.
#[tokio::test(flavor = "multi_thread")]
async fn s06_journey_used_under_another_identity_returns_409() {
    let world = world().await;
    world.journeys(&[Trip::new(1, "j", "+336010203")]).await;
    let granted = world.api.register(&world.token(1), &short("DUP", LICENSE, "j")).await.json();
    let used = world.api.register(&world.token(1), &short("MAR", "OTHER1234", "j")).await;
    assert_eq!(said(&used), (409, "journey_used".to_owned()));
    assert_eq!(used.json()["reason"], "journey_used");
    assert_eq!([&used.json()["uuid"], &used.json()["datetime"]], [&granted["uuid"], &granted["datetime"]]);
}

/// 7. The documented token had no milliseconds, the signed token had. Longer: `applications.rs`,
/// `rpc_proof_is_signed_as_in_public_registry` and all that calls `verified`.
#[tokio::test(flavor = "multi_thread")]
async fn s07_signed_date_has_milliseconds_as_documented() {
    let jws = world().await;
    let granted = jws.api.register(&jws.token(1), &long("DUP", "+336010203", LICENSE)).await.json();
    let payload = granted["token"].as_str().unwrap().split('.').nth(1).unwrap();
    let payload: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!([&payload["datetime"], &granted["datetime"]], [DATE, DATE]);

    let pem = include_str!("../../shared/tokens/tests/rsa-test-key.pem");
    let public = cee_tokens::SigningKey::from_pem(pem).unwrap().public_key_set().to_json();
    let rpc = world_set([("PROOF_KEY", pem), ("PROOF_JWKS", public.as_str()), ("TOKEN_FORMAT", "rpc")]).await;
    let granted = rpc.api.register(&rpc.token(1), &long("DUP", "+336010203", LICENSE)).await.json();
    let signature = URL_SAFE_NO_PAD.encode(STANDARD.decode(granted["token"].as_str().unwrap()).unwrap());
    let published = rpc.api.get("/.well-known/jwks.json").await.text;
    let published: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&published).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(&published.keys[0]).unwrap();
    let fits = |datetime: &str| {
        let text = format!("12000101100010/long/{LICENSE}/{datetime}");
        jsonwebtoken::crypto::verify(&signature, text.as_bytes(), &key, jsonwebtoken::Algorithm::RS512).unwrap()
    };
    assert!(fits(DATE) && !fits("2024-03-15T07:30:00Z"));

    // A verifier that follows the document gets the signed text.
    fn dates<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        if let Some(members) = value.as_object() {
            found.extend(members.get("datetime").and_then(Value::as_str).filter(|_| members.contains_key("token")));
            members.values().for_each(|value| dates(value, found));
        }
    }
    let mut documented = Vec::new();
    dates(&DOCUMENT, &mut documented);
    assert!(documented.len() >= 4 && documented.iter().all(|date| *date == DATE), "{documented:?}");
}

/// 8. A 500 contained SQL, and refused calls were stored with licence and phone. Longer: `privacy.rs`, with the logs.
#[tokio::test(flavor = "multi_thread")]
async fn s08_500_holds_only_id_and_refused_call_is_not_stored() {
    let world = world().await;
    world
        .journeys(&[
            Trip { class: "B", ..Trip::new(1, "not-eligible", "+336010203") },
            Trip { end: "2024-04-30T00:00:00Z".into(), ..Trip::new(1, "young", "+336010203") },
        ])
        .await;
    let (license, phone) = ("918273645546", "+337918273");
    let granted = world.api.register(&world.token(2), &long("DUP", "+336010203", LICENSE)).await;
    assert_eq!(granted.status, StatusCode::CREATED);
    let mut keyed = long("WVQ", phone, license);
    keyed["identity_key"] = json!("a".repeat(64));
    let mut blocking = long("DUP", "+336010203", license);
    let mut early = long("WVQ", phone, license);
    early["datetime"] = json!("2024-04-30T00:00:00Z");
    let mut wrong = keyed.clone();
    wrong["speed"] = json!(130);
    for (status, body) in [
        (409, &blocking),
        (400, &early),
        (400, &wrong),
        (404, &short("WVQ", license, "never-was")),
        (404, &short("WVQ", license, "not-eligible")),
        (400, &short("WVQ", license, "young")),
    ] {
        for key in ["plain", "named"] {
            let answer = world.named(1, key, body).await;
            assert_eq!(answer.status.as_u16(), status, "{answer:?}");
        }
    }
    blocking["phone_trunc"] = json!(phone);
    blocking["driving_license"] = json!(LICENSE);
    assert_eq!(world.api.register(&world.token(1), &blocking).await.status, StatusCode::CONFLICT);
    let stranger = world.token_of(99, "12000101100010", &cee_tokens::Scope::ALL);
    assert_eq!(world.api.register(&stranger, &keyed).await.status, StatusCode::FORBIDDEN);

    // All places where data is stored, and its content.
    let mut kept = Vec::new();
    for table in world.aws.dynamodb().list_tables().send().await.unwrap().table_names() {
        kept.push((table.clone(), format!("{:?}", world.scan(table).await)));
    }
    for key in keys(&world.aws, "").await {
        let content = String::from_utf8_lossy(&object(&world.aws, &key).await).into_owned();
        kept.push((key, content));
    }
    let holding = |value: &str| -> Vec<&str> {
        kept.iter().filter(|(_, content)| content.contains(value)).map(|(place, _)| place.as_str()).collect()
    };
    assert_eq!(holding(LICENSE), [&tables().applications], "what was granted is kept, and seen here");
    for value in [license, &phone[1..]] {
        assert!(holding(value).is_empty(), "{value} of a refused call is kept: {:?}", holding(value));
    }

    // Now the store breaks.
    world.aws.dynamodb().delete_table().table_name(tables().applications).send().await.unwrap();
    let broken = world.api.register(&world.token(1), &keyed).await;
    assert_eq!(said(&broken), (500, "internal".to_owned()));
    let body = broken.json();
    assert_eq!(members(&body), BTreeSet::from(["type", "title", "status", "detail", "request_id"]));
    let id = body["request_id"].as_str().unwrap();
    assert!(
        logs().lines().any(|line| line.contains(id) && line.contains("ResourceNotFound")),
        "the team finds it by {id}"
    );
    let told = broken.text.to_lowercase();
    for inside in ["table", "dynamo", "exception", "transact", "resource", "claims", license, &phone[1..]] {
        assert!(!told.contains(inside), "{inside}: {body}");
    }
}

/// 9. Every operator had a normaliser of its own. Longer: `shared/eligibility/src/normalise.rs`, which compares the code with
/// docs/normalisation.md.
#[tokio::test(flavor = "multi_thread")]
async fn s09_published_vectors_are_accepted() {
    let printed = Command::new(cee()).args(["vectors", "--json"]).output().unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).unwrap();
    let vectors: Vec<Value> = printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let text = |vector: &Value, name: &str| vector[name].as_str().unwrap().to_owned();
    let of_the_specification = vectors.iter().find(|vector| vector["hashed"] == "+33701020304-D HERUG DE L HERAULT");
    assert_eq!(
        of_the_specification.unwrap()["identity_key"],
        "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30"
    );
    assert!(vectors.len() >= 20, "{}", vectors.len());
    let world = world().await;
    for (number, vector) in vectors.iter().enumerate() {
        let hash: String = digest(&SHA256, text(vector, "hashed").as_bytes())
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(text(vector, "identity_key"), hash, "{vector}");
        let (name, phone) = (text(vector, "last_name_trunc"), text(vector, "phone_trunc"));
        let mut body = long(&name, &phone, &format!("VECTOR{number:04}"));
        body["identity_key"] = json!(hash);
        let granted = world.api.register(&world.token(1), &body).await;
        assert_eq!(granted.status, StatusCode::CREATED, "{vector}: {granted:?}");
        // The same two values find the driver, and so does the key alone.
        let stranger = json!({"journey_type": "long", "last_name_trunc": "ZZZ", "phone_trunc": "+339999999",
                              "identity_key": hash});
        for question in [json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone}), stranger] {
            assert_eq!(said(&world.api.simulate(&world.token(2), &question).await), (409, "duplicate".to_owned()));
        }
        // The result of another normaliser is not silently treated as another driver's.
        let whole = text(vector, "last_name");
        let trimmed = name.trim_end().to_owned();
        let others = [name.to_lowercase(), format!("{name} "), whole, trimmed];
        for other in others.into_iter().filter(|other| *other != name) {
            let question = json!({"journey_type": "long", "last_name_trunc": other, "phone_trunc": phone});
            let answer = world.api.simulate(&world.token(2), &question).await;
            assert_eq!(said(&answer), (400, "invalid_fields".to_owned()), "{other:?}");
            assert_eq!(answer.pointers(), ["/last_name_trunc"]);
        }
    }
}

/// 10. A bound at midnight UTC cut off the first hour of the year, until March 2023. Longer: `applications.rs`,
/// `journey_at_limit_of_each_criterion_is_accepted`, and `shared/eligibility/src/rules.rs`.
#[tokio::test(flavor = "multi_thread")]
async fn s10_new_year_begins_in_paris() {
    let world = world_set([("SHORT_PERIOD_END", "2024-01-01")]).await;
    let starts = [
        ("2022-12-31T22:59:59Z", 404),
        ("2022-12-31T23:00:00Z", 201),
        ("2022-12-31T23:30:00Z", 201),
        ("2023-12-31T22:59:59Z", 201),
        ("2023-12-31T23:30:00Z", 404),
    ];
    let trips: Vec<Trip> = (0..)
        .zip(starts)
        .map(|(number, (start, _))| Trip { start: start.into(), ..Trip::new(1, start, &format!("+33601020{number}")) })
        .collect();
    world.journeys(&trips).await;
    for (number, (start, status)) in starts.iter().enumerate() {
        let answer = world.api.register(&world.token(1), &short("DUP", &format!("YEAR{number:04}"), start)).await;
        assert_eq!(answer.status.as_u16(), *status, "{start}: {answer:?}");
        if *status == 404 {
            assert_eq!(answer.problem(), "ineligible_journey");
            assert_eq!(answer.json()["criteria"].as_array().unwrap().len(), 1);
            assert_eq!(answer.json()["criteria"][0]["criterion"], "period");
        }
    }
    // A day in a file of history is one in Paris too.
    let rows = "long,NEW,+336010299,2022-01-01\n";
    world.upload("imports/1/h.csv", format!("journey_type,last_name_trunc,phone_trunc,datetime\n{rows}")).await;
    let question = json!({"journey_type": "long", "last_name_trunc": "NEW", "phone_trunc": "+336010299"});
    let answer = world.api.simulate(&world.token(2), &question).await;
    assert_eq!(answer.json()["datetime"], "2021-12-31T23:00:00.000Z");
}
