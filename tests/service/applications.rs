//! Granted applications and their effects.

use cee_local::stack::tables;
use cee_registry::Applications;
use cee_tokens::KeySet;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Trip, World, at, world, world_set};

fn short(name: &str, license: &str, journey: &str) -> Value {
    json!({"journey_type": "short", "last_name_trunc": name, "driving_license": license,
           "operator_journey_id": journey})
}

fn long(name: &str, phone: &str, license: &str, datetime: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "driving_license": license,
           "datetime": datetime})
}

/// The payload of a proof token, whose signature is checked against the published keys.
async fn verified(world: &World, token: &str) -> Value {
    let published = world.api.get("/.well-known/jwks.json").await;
    assert_eq!(published.status, StatusCode::OK);
    KeySet::from_json(&published.text).unwrap();
    proof(token, &published.json()).expect("one of the published keys has signed it")
}

/// The payload of a proof token, if one of these keys signed it: what anyone can check offline.
pub fn proof(token: &str, keys: &Value) -> Option<Value> {
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys.clone()).unwrap();
    let header = jsonwebtoken::decode_header(token).unwrap();
    let mut validation = jsonwebtoken::Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let key = jsonwebtoken::DecodingKey::from_jwk(keys.find(&header.kid.unwrap())?).unwrap();
    Some(jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap().claims)
}

#[tokio::test(flavor = "multi_thread")]
async fn short_application_is_granted_once_with_proof() {
    let world = world().await;
    let (one, two) = (world.token(1), world.token(2));
    let mut trips = vec![
        Trip { id: 4242, ..Trip::new(1, "a-b_c:1", "+336010203") },
        Trip::new(1, "second", "+336010203"),
        Trip::new(2, "theirs", "+336010203"),
    ];
    world.journeys(&trips).await;

    let granted = world.api.register(&one, &short("DUP", "051227308989", "a-b_c:1")).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    assert_eq!(granted.headers["content-type"], "application/json");
    assert_eq!(granted.headers["cache-control"], "no-store");
    let granted = granted.json();
    let mut names: Vec<&str> = granted.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["datetime", "journey_id", "journey_type", "status", "token", "uuid"]);
    assert_eq!(granted["journey_type"], "short");
    assert_eq!(granted["datetime"], "2024-03-20T07:30:00.000Z", "the journey's end");
    assert_eq!((&granted["journey_id"], &granted["status"]), (&json!(4242), &json!("ok")));

    let proof = verified(&world, granted["token"].as_str().unwrap()).await;
    let expected = json!({"siret": "12000101100010", "journey_type": "short", "driving_license": "051227308989",
                          "datetime": "2024-03-20T07:30:00.000Z", "uuid": granted["uuid"],
                          "iat": at(crate::support::NOW).millis() / 1000});
    assert_eq!(proof, expected);

    // The same call again: the response holds everything that a lost response held.
    let again = world.api.register(&one, &short("DUP", "051227308989", "a-b_c:1")).await;
    assert_eq!((again.status, again.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
    let again = again.json();
    for (there, here) in
        [("uuid", "uuid"), ("token", "token"), ("journey_id", "journey_id"), ("journey_status", "status")]
    {
        assert_eq!(again[there], granted[here], "{there}");
    }
    // Another journey of the same driver, of this operator and of another.
    let second = world.api.register(&one, &short("DUP", "051227308989", "second")).await;
    assert_eq!((second.status, second.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
    let theirs = world.api.register(&two, &short("DUP", "ANOTHER1234", "theirs")).await;
    assert_eq!((theirs.status, theirs.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
    assert!(theirs.json().get("uuid").is_none());
    // The same journey under another identity.
    let used = world.api.register(&one, &short("MAR", "ANOTHER1234", "a-b_c:1")).await;
    assert_eq!((used.status, used.problem().as_str()), (StatusCode::CONFLICT, "journey_used"));
    let used = used.json();
    assert_eq!((&used["reason"], &used["datetime"]), (&json!("journey_used"), &granted["datetime"]));
    assert_eq!(
        (&used["uuid"], &used["token"], &used["journey_id"]),
        (&granted["uuid"], &granted["token"], &json!(4242))
    );

    // The application follows its journey's status.
    trips[0].statuses = "processed,failed,passed";
    world.journeys(&trips[..1]).await;
    let again = world.api.register(&one, &short("DUP", "051227308989", "a-b_c:1")).await;
    assert_eq!(again.json()["journey_status"], "fraud_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn register_returns_each_journey_status() {
    let world = world().await;
    let statuses = [
        ("processed,passed,passed", "ok"),
        ("processed,,", "pending"),
        ("processed,passed,failed", "anomaly_error"),
        ("processed,failed,passed", "fraud_error"),
        ("canceled,,", "canceled"),
        ("expired,,", "terms_violation_error"),
        ("terms_violation_error,,", "terms_violation_error"),
        ("failed,,", "acquisition_error"),
    ];
    let trips: Vec<Trip> = (0..)
        .zip(statuses)
        .map(|(number, (statuses, _))| Trip {
            statuses,
            ..Trip::new(1, &format!("j{number}"), &format!("+3360102{number:02}"))
        })
        .collect();
    world.journeys(&trips).await;
    for (number, (_, status)) in statuses.iter().enumerate() {
        let body = short("DUP", &format!("LICENCE{number}"), &format!("j{number}"));
        let granted = world.api.register(&world.token(1), &body).await;
        assert_eq!((granted.status, granted.json()["status"].as_str()), (StatusCode::CREATED, Some(*status)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn journey_at_limit_of_each_criterion_is_accepted() {
    let world = world().await;
    world
        .journeys(&[
            // Exactly at the limit of each criterion.
            Trip { start: "2022-12-31T23:00:00Z".into(), ..Trip::new(1, "new-year", "+336010201") },
            Trip { from: "99132", ..Trip::new(1, "from-abroad", "+336010202") },
            Trip { to: "99132", ..Trip::new(1, "to-abroad", "+336010203") },
            // France itself, in INSEE's list of countries.
            Trip { from: "99132", to: "99100", ..Trip::new(1, "to-99100", "+336010205") },
            Trip { end: "2024-04-24T00:00:00Z".into(), ..Trip::new(1, "a-week-old", "+336010204") },
        ])
        .await;
    for (number, name) in ["new-year", "from-abroad", "to-abroad", "to-99100", "a-week-old"].iter().enumerate() {
        let answer = world.api.register(&world.token(1), &short("DUP", &format!("L{number}"), name)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{name}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn long_application_is_stored_and_found_by_each_key() {
    let world = world().await;
    let mut body = long("D H", "0026 2692 0102", "99-DE/B072RRE2I55", "2024-02-29T23:30:00.123456+01:00");
    body["application_timestamp"] = json!("2024-03-01T10:00:00+01:00");
    body["identity_key"] = json!("f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30");
    let granted = world.api.register(&world.token(3), &body).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    let granted = granted.json();
    assert_eq!(granted["datetime"], "2024-02-29T22:30:00.123Z");
    assert!(granted.get("journey_id").is_none() && granted.get("status").is_none());
    let proof = verified(&world, granted["token"].as_str().unwrap()).await;
    assert_eq!((&proof["siret"], &proof["driving_license"]), (&json!("12000303300032"), &json!("99-DEB072RRE2I55")));

    let uuid = cee_eligibility::ApplicationId::parse(granted["uuid"].as_str().unwrap()).unwrap();
    let stored = Applications::new(world.aws.dynamodb(), &tables()).find(uuid).await.unwrap().unwrap();
    assert_eq!(stored.operator.get(), 3);
    assert_eq!(stored.identity.truncated.phone_trunc.as_str(), "+2626920102");
    assert_eq!(stored.application_timestamp, at("2024-03-01T09:00:00Z"));
    assert_eq!(stored.registered_at, at(crate::support::NOW));
    assert_eq!(stored.token, granted["token"].as_str().unwrap());

    // A simulation finds the driver by each of the three keys alone, on every platform.
    let other = json!({"journey_type": "long", "last_name_trunc": "XXX", "phone_trunc": "+336000099"});
    let by = |field: &str, value: &Value| {
        let mut body = other.clone();
        body[field] = value.clone();
        body
    };
    let mut by_truncated = other.clone();
    by_truncated["last_name_trunc"] = json!("D H");
    by_truncated["phone_trunc"] = json!("+2626920102");
    for body in
        [by("driving_license", &body["driving_license"]), by("identity_key", &body["identity_key"]), by_truncated]
    {
        let answer = world.api.simulate(&world.token(1), &body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "duplicate"), "{body}");
    }
    let free = world.api.simulate(&world.token(1), &other).await;
    assert_eq!(free.status, StatusCode::OK);
    assert_eq!(free.json(), json!({"eligible": true, "journey_type": "long", "datetime": "2024-05-01T00:00:00.000Z"}));
}

/// All spellings of a licence are one licence: in both orders, from any operator, in the proof and in the record.
#[tokio::test(flavor = "multi_thread")]
async fn licence_typed_in_any_way_is_one_licence() {
    let world = world().await;
    let groups = [
        (
            "99-DEB072RRE2I55",
            vec!["99-de/b072rre2i55", "99-DE/B072RRE2I55 ", "99 – DE B072.RRE2I55", "９９－ＤＥＢ０７２ＲＲＥ２Ｉ５５"],
        ),
        ("13AA00002", vec!["13 aa 00002", "13-AA-00002", "13\u{a0}AA\u{202f}00002"]),
        ("99-É7", vec!["99-é/7", "99-e\u{301}7", "99-E\u{301} 7"]),
    ];
    let date = "2024-03-15T08:30:00Z";
    for (number, (canonical, mut spellings)) in groups.into_iter().enumerate() {
        spellings.push(canonical);
        // Each spelling comes first once: each time as another driver's, whose licence has one more digit at its end.
        for (turn, first) in spellings.iter().enumerate() {
            let (first, expected) = (format!("{first}{turn}"), format!("{canonical}{turn}"));
            let phone = format!("+3360{number}{turn}100");
            let granted = world.api.register(&world.token(1), &long("DUP", &phone, &first, date)).await;
            assert_eq!(granted.status, StatusCode::CREATED, "{first}: {granted:?}");
            let proof = verified(&world, granted.json()["token"].as_str().unwrap()).await;
            assert_eq!(proof["driving_license"], expected.as_str(), "{first}");
            for (other, spelling) in spellings.iter().enumerate() {
                let body = long("XXX", &format!("+3360{number}{turn}2{other:02}"), &format!("{spelling}{turn}"), date);
                let answer = world.api.register(&world.token(2), &body).await;
                let said = (answer.status, answer.problem());
                assert_eq!(said, (StatusCode::CONFLICT, "duplicate".to_owned()), "{first}, then {spelling}");
            }
        }
    }
    for (bad, named) in [
        ("99-D\u{415}/B072", "U+0415 (a Cyrillic letter)"),
        ("0512273\u{200b}08989", "U+200B (an invisible character)"),
        ("13\u{391}A00002", "U+0391 (a Greek letter)"),
    ] {
        let answer = world.api.register(&world.token(1), &long("DUP", "+336010909", bad, date)).await;
        assert_eq!((answer.status, answer.pointers()), (StatusCode::BAD_REQUEST, vec!["/driving_license".to_owned()]));
        assert!(answer.text.contains(named), "{answer:?}");
    }
}

/// SQL Server returns UUIDs in capitals, PHP writes offsets without a colon, and a clock may be a second ahead.
#[tokio::test(flavor = "multi_thread")]
async fn uppercase_uuid_bare_offset_and_fast_clock_are_accepted() {
    let world = world().await;
    let (one, two) = (world.token(1), world.token(2));
    let mut body = long("DUP", "+336010203", "051227308989", "2023-05-02T10:00:00+0200");
    body["application_timestamp"] = json!("2024-05-01T00:00:30.001Z");
    let early = world.api.register(&one, &body).await;
    assert_eq!((early.status, early.pointers()), (StatusCode::BAD_REQUEST, vec!["/application_timestamp".to_owned()]));
    body["application_timestamp"] = json!("2024-05-01T00:00:30Z");
    let granted = world.api.register(&one, &body).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    let uuid = granted.json()["uuid"].as_str().unwrap().to_owned();
    assert_eq!(granted.json()["datetime"], "2023-05-02T08:00:00.000Z");
    let capitals = uuid.to_uppercase();
    assert_ne!(capitals, uuid);
    let path = format!("/policies/cee/{capitals}");
    let found = world.api.send(world.api.request(http::Method::GET, &path, Some(&one), Vec::new())).await.unwrap();
    assert_eq!((found.status, found.json()["uuid"].as_str()), (StatusCode::OK, Some(uuid.as_str())));
    let key = json!([{"cee_application_type": "standardized", "cee_application_uuid": capitals,
                      "identity_key": "a".repeat(64)}]);
    let given = world.api.post("/policies/cee/import/identity", &one, &key).await;
    assert_eq!(given.json()["imported"], 1, "{given:?}");
    let theirs = world.api.post("/policies/cee/import/identity", &two, &key).await;
    assert_eq!(theirs.json()["failed"], 1, "another operator's, in capitals too");
    let deleted = world.api.send(world.api.request(http::Method::DELETE, &path, Some(&one), Vec::new())).await.unwrap();
    assert_eq!(deleted.status, StatusCode::NO_CONTENT);
}

/// A window is configuration: when the law changes, no data changes.
#[tokio::test(flavor = "multi_thread")]
async fn register_uses_configured_cooldown_and_delay() {
    let world = world_set([("LONG_STANDARDIZED_YEARS", "1"), ("LONG_DELAY_DAYS", "0")]).await;
    let one = world.token(1);
    let register = |date: &'static str| {
        let body = long("DUP", "+336010203", "051227308989", date);
        let (api, one) = (world.api.clone(), one.clone());
        async move { api.register(&one, &body).await.status }
    };
    assert_eq!(register("2023-04-30T00:00:00Z").await, StatusCode::CREATED);
    assert_eq!(register("2024-04-30T00:00:00Z").await, StatusCode::CONFLICT, "the edge of one year still blocks");
    assert_eq!(register("2024-04-30T00:00:00.001Z").await, StatusCode::CREATED);
    assert_eq!(register("2024-05-01T00:00:00Z").await, StatusCode::CONFLICT);
}

/// The scheme's own format of tokens, under an RSA key.
#[tokio::test(flavor = "multi_thread")]
async fn rpc_proof_is_signed_as_in_public_registry() {
    let pem = include_str!("../../shared/tokens/tests/rsa-test-key.pem");
    let world = world_set([("PROOF_KEY", pem), ("TOKEN_FORMAT", "rpc")]).await;
    let body = long("DUP", "+336010203", "051227308989", "2024-03-15T08:30:00+01:00");
    let granted = world.api.register(&world.token(1), &body).await.json();
    let signature =
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, granted["token"].as_str().unwrap());
    let message = "12000101100010/long/051227308989/2024-03-15T07:30:00.000Z";
    let key = cee_tokens::SigningKey::from_pem(pem).unwrap().public_key_set().to_json();
    let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_str(&key).unwrap();
    let decoding = jsonwebtoken::DecodingKey::from_jwk(&keys.keys[0]).unwrap();
    let signature = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, signature.unwrap());
    let fits = jsonwebtoken::crypto::verify(&signature, message.as_bytes(), &decoding, jsonwebtoken::Algorithm::RS512);
    assert!(fits.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_health_need_no_token() {
    let world = world().await;
    let health = world.api.get("/health").await;
    assert_eq!((health.status, health.json()["status"].as_str()), (StatusCode::OK, Some("ok")));
    let keys = world.api.get("/.well-known/jwks.json").await;
    assert_eq!(keys.headers["content-type"], "application/jwk-set+json");
    assert_eq!(keys.headers["cache-control"], "public, max-age=300");
    assert_eq!(keys.headers["access-control-allow-origin"], "*", "a verifier may be a web page");
    for key in keys.json()["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none(), "a private key is published");
        assert!(key["kid"].is_string() && key["alg"] == "ES256" && key["use"] == "sig");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_carry_security_headers() {
    let world = world().await;
    let body = long("DUP", "+336010203", "L1", "2024-03-15T08:30:00Z");
    let answers = [
        (world.api.get("/health").await, StatusCode::OK, true),
        (world.api.get("/proofs/nonsense").await, StatusCode::NOT_FOUND, true),
        (world.api.register(&world.token(1), &body).await, StatusCode::CREATED, false),
        (world.api.register(&world.token(2), &body).await, StatusCode::CONFLICT, false),
        (world.api.register("nonsense", &body).await, StatusCode::UNAUTHORIZED, false),
    ];
    for (answer, status, any_origin) in answers {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff");
        assert_eq!(answer.headers["strict-transport-security"], "max-age=31536000");
        assert_eq!(answer.headers["content-security-policy"], "default-src 'none'; frame-ancestors 'none'");
        assert_eq!(answer.headers["referrer-policy"], "no-referrer");
        assert_eq!(answer.headers.contains_key("access-control-allow-origin"), any_origin, "{status}");
    }
}
