//! Every refusal of the contract, over HTTP: status, type, pointers, extension members.

use cee_local::secrets::{AUDIENCE, ISSUER};
use cee_tokens::{Caller, Scope, SigningKey, TokenIssuer};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Trip, World, at, world, world_set};

const SIMULATE: &str = "/policies/cee/simulate";
const REGISTER: &str = "/policies/cee";
const SIRET: &str = "12000101100010";

fn long(name: &str, phone: &str, license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "driving_license": license,
           "datetime": "2024-03-15T08:30:00+01:00"})
}

fn simulation() -> Value {
    json!({"journey_type": "short", "last_name_trunc": "DUP", "phone_trunc": "+336010203"})
}

/// Sends a body as it is, with any header changed.
async fn raw(world: &World, path: &str, body: impl Into<Vec<u8>>, headers: &[(&str, Option<&str>)]) -> Answer {
    let token = world.token(1);
    let mut request = world.api.request(Method::POST, path, Some(&token), body.into());
    for (name, value) in headers {
        let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().remove(&name);
        if let Some(value) = value {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
    }
    world.api.send(request).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn body_that_is_not_json_object_is_refused() {
    let world = world().await;
    let deep = format!("{{\"journey_type\":{}{}}}", "[".repeat(20_000), "]".repeat(20_000));
    let two_megabytes = format!("{{\"journey_type\":\"{}\"}}", "x".repeat(2 * 1024 * 1024));
    let eight_megabytes = "x".repeat(8 * 1024 * 1024);
    let twelve_megabytes = "x".repeat(12 * 1024 * 1024);
    let bodies: [(&[u8], u16, &str); 14] = [
        (b"", 400, "malformed_body"),
        (b"{", 400, "malformed_body"),
        (b"null", 400, "malformed_body"),
        (b"[]", 400, "malformed_body"),
        (b"\"DUP\"", 400, "malformed_body"),
        (b"journey_type=short", 400, "malformed_body"),
        (b"{\"journey_type\":\"short\"} trailing", 400, "malformed_body"),
        (b"{\"journey_type\":\"sho\0rt\"}", 400, "malformed_body"),
        (b"\0", 400, "malformed_body"),
        (b"{\"journey_type\":\"\xff\xfe\"}", 400, "malformed_body"),
        (deep.as_bytes(), 400, "malformed_body"),
        (two_megabytes.as_bytes(), 413, "body_too_large"),
        (eight_megabytes.as_bytes(), 413, "body_too_large"),
        (twelve_megabytes.as_bytes(), 413, "body_too_large"),
    ];
    for path in [SIMULATE, REGISTER] {
        for (body, status, problem) in bodies {
            let answer = raw(&world, path, body, &[]).await;
            let shown = &body[..body.len().min(40)];
            assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (status, problem), "{shown:?}");
        }
        for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
            let answer = raw(&world, path, simulation().to_string(), &[("content-type", content_type)]).await;
            assert_eq!(answer.problem(), "unsupported_media_type", "{content_type:?}");
            assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        let answer = raw(&world, path, simulation().to_string(), &[("content-encoding", Some("gzip"))]).await;
        assert_eq!(answer.problem(), "unsupported_media_type");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_invalid_fields_are_reported_at_once() {
    let world = world().await;
    let token = world.token(1);
    let key = "a".repeat(64);
    let cases = [
        (SIMULATE, json!({}), vec!["/journey_type", "/last_name_trunc", "/phone_trunc"]),
        (
            SIMULATE,
            json!({"journey_type": "medium", "last_name_trunc": "TO", "phone_trunc": "0612", "driving_license": "",
                   "identity_key": key.to_uppercase(), "datetime": "2024-01-01T00:00:00Z"}),
            vec!["/journey_type", "/last_name_trunc", "/phone_trunc", "/driving_license", "/identity_key", "/datetime"],
        ),
        (
            SIMULATE,
            json!({"journey_type": 1, "last_name_trunc": null, "phone_trunc": ["+336010203"], "driving_license": {}}),
            vec!["/journey_type", "/last_name_trunc", "/phone_trunc", "/driving_license"],
        ),
        (REGISTER, json!({}), vec!["/journey_type", "/last_name_trunc", "/driving_license"]),
        (
            REGISTER,
            json!({"journey_type": "short"}),
            vec!["/last_name_trunc", "/operator_journey_id", "/driving_license"],
        ),
        (
            REGISTER,
            json!({"journey_type": "long"}),
            vec!["/last_name_trunc", "/phone_trunc", "/datetime", "/driving_license"],
        ),
        (
            REGISTER,
            json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                   "operator_journey_id": "j", "phone_trunc": "+336010203", "datetime": "2024-01-01T00:00:00Z"}),
            vec!["/phone_trunc", "/datetime"],
        ),
        (
            REGISTER,
            json!({"journey_type": "long", "last_name_trunc": "DUP", "driving_license": "051227308989",
                   "operator_journey_id": "j", "phone_trunc": "+336010203", "datetime": "2024-01-01T00:00:00Z"}),
            vec!["/operator_journey_id"],
        ),
        (
            REGISTER,
            json!({"journey_type": "long", "last_name_trunc": "D-H", "driving_license": "é", "phone_trunc": "+33\u{0}1",
                   "datetime": "2024-01-01", "application_timestamp": "2024-05-01T00:00:30.001Z",
                   "identity_key": "x", "a/b~": 1, "speed": 2}),
            vec![
                "/last_name_trunc",
                "/phone_trunc",
                "/datetime",
                "/driving_license",
                "/application_timestamp",
                "/identity_key",
                "/a~1b~0",
                "/speed",
            ],
        ),
        // The period: the last moment before it begins in Paris.
        (
            REGISTER,
            json!({"journey_type": "long", "last_name_trunc": "DUP", "driving_license": "051227308989",
                   "phone_trunc": "+336010203", "datetime": "2022-12-31T22:59:59.999Z"}),
            vec!["/datetime"],
        ),
        (
            REGISTER,
            json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                   "operator_journey_id": "x".repeat(256)}),
            vec!["/operator_journey_id"],
        ),
        // A name that begins with a space is invalid.
        (
            SIMULATE,
            json!({"journey_type": "short", "last_name_trunc": " TO", "phone_trunc": "+336010203"}),
            vec!["/last_name_trunc"],
        ),
        (
            SIMULATE,
            json!({"journey_type": "short", "last_name_trunc": "   ", "phone_trunc": "+336010203"}),
            vec!["/last_name_trunc"],
        ),
        (
            REGISTER,
            json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                   "operator_journey_id": "a\u{0}b"}),
            vec!["/operator_journey_id"],
        ),
    ];
    for (path, body, pointers) in cases {
        let answer = world.api.post(path, &token, &body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_fields"), "{body}");
        assert_eq!(answer.pointers(), pointers, "{body}");
        let told = answer.json()["errors"].to_string();
        for value in ["0612", "D-H", "medium", "é"] {
            assert!(!told.contains(value), "a value is repeated: {told}");
        }
    }
    // A JSON library cannot write a duplicate member; concatenated text can.
    let twice = r#"{"journey_type":"short","journey_type":"long","last_name_trunc":"DUP","phone_trunc":"+336010203"}"#;
    assert_eq!(raw(&world, SIMULATE, twice, &[]).await.pointers(), ["/journey_type"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_tokens_return_401() {
    let world = world().await;
    let now = at(crate::support::NOW);
    let caller = Caller {
        operator: cee_eligibility::OperatorId::new(1).unwrap(),
        siret: cee_eligibility::Siret::parse(SIRET).unwrap(),
        scopes: Scope::ALL.to_vec(),
    };
    let good = world.token(1);
    let stranger = SigningKey::from_pem(&SigningKey::generate_pem(cee_tokens::KeyKind::P256).unwrap()).unwrap();
    let foreign = TokenIssuer::new(stranger, ISSUER.to_owned(), AUDIENCE.to_owned()).issue(&caller, now, 60).unwrap();
    let expired = world.issuer(ISSUER, AUDIENCE).issue(&caller, at("2024-04-30T22:59:59Z"), 60).unwrap();
    let early = world.issuer(ISSUER, AUDIENCE).issue(&caller, at("2024-05-01T00:01:00Z"), 60).unwrap();
    let other_issuer = world.issuer("someone", AUDIENCE).issue(&caller, now, 60).unwrap();
    let other_audience = world.issuer(ISSUER, "another-service").issue(&caller, now, 60).unwrap();
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("a JWT") };
    // {"alg":"none","typ":"JWT"}, and the same with the right kid.
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.");
    // A signature under the right key over another payload.
    let swapped = format!("{header}.{}.{signature}", world.token(2).split('.').nth(1).unwrap());
    let tampered = format!("{header}.{}x.{signature}", &payload[..payload.len() - 1]);
    // The proof key signs too, but does not authenticate a caller.
    let proof_key = SigningKey::from_pem(&world.secrets.service.proof_key).unwrap();
    let by_proof_key =
        TokenIssuer::new(proof_key, ISSUER.to_owned(), AUDIENCE.to_owned()).issue(&caller, now, 60).unwrap();
    let long = "x".repeat(9000);
    for path in [SIMULATE, REGISTER] {
        for (what, token) in [
            ("foreign", foreign.as_str()),
            ("expired", &expired),
            ("from the future", &early),
            ("another issuer", &other_issuer),
            ("another audience", &other_audience),
            ("alg none", &none),
            ("swapped", &swapped),
            ("tampered", &tampered),
            ("cut off", &good[..good.len() - 10]),
            ("by the proof key", &by_proof_key),
            ("no token", "abc"),
            ("long", &long),
        ] {
            // The body is invalid too: without a valid token the response does not say so.
            let answer = world.api.post(path, token, &json!({"speed": 1})).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (StatusCode::UNAUTHORIZED, "unauthenticated"),
                "{what}"
            );
            let challenge = answer.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.starts_with("Bearer error=\"invalid_token\""), "{what}: {challenge}");
        }
        for header in [None, Some("Basic YTpi"), Some("Bearer"), Some(good.as_str())] {
            let answer = raw(&world, path, "{}", &[("authorization", header)]).await;
            assert_eq!(
                (answer.status, answer.problem().as_str()),
                (StatusCode::UNAUTHORIZED, "unauthenticated"),
                "{header:?}"
            );
            assert_eq!(answer.headers["www-authenticate"], "Bearer", "{header:?}");
        }
    }
    let headers = [("x-long", Some("x".repeat(11_000)))];
    let headers = headers.each_ref().map(|(name, value)| (*name, value.as_deref()));
    let answer = raw(&world, SIMULATE, "{}", &headers).await;
    assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (431, "headers_too_large"));
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_without_scope_or_admission_gets_403() {
    let world = world().await;
    world.admit(4, "11111111111111", false).await;
    world.admit(5, "55555555555555", true).await;
    let body = simulation();
    let cases = [
        (world.token_of(1, SIRET, &[Scope::Register, Scope::Import]), SIMULATE, "missing_scope"),
        (world.token_of(1, SIRET, &[Scope::Simulate, Scope::Import]), REGISTER, "missing_scope"),
        (world.token_of(1, SIRET, &[]), REGISTER, "missing_scope"),
        (world.token_of(99, SIRET, &Scope::ALL), SIMULATE, "operator_not_admitted"),
        (world.token_of(5, "55555555555555", &Scope::ALL), SIMULATE, "operator_not_admitted"),
        (world.token_of(5, "55555555555555", &Scope::ALL), REGISTER, "operator_not_admitted"),
        (world.token_of(4, SIRET, &Scope::ALL), SIMULATE, "operator_not_admitted"),
    ];
    for (token, path, problem) in cases {
        let answer = world.api.post(path, &token, &body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, problem), "{path}");
    }
    let admitted = world.token_of(4, "11111111111111", &Scope::ALL);
    assert_eq!(world.api.simulate(&admitted, &body).await.status, StatusCode::OK);
    // An unknown operator is looked up again at the next call.
    world.admit(99, SIRET, false).await;
    let token = world.token_of(99, SIRET, &Scope::ALL);
    assert_eq!(world.api.simulate(&token, &body).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn closed_calls_return_403_and_unknown_paths_404() {
    let world = world_set([("SIMULATE_ENABLED", "false"), ("REGISTER_ENABLED", "false")]).await;
    for (path, body) in [(SIMULATE, simulation()), (REGISTER, long("DUP", "+336010203", "051227308989"))] {
        let answer = world.api.post(path, &world.token(1), &body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "call_closed"), "{path}");
    }
    for (method, path) in [(Method::PUT, "/policies/cee"), (Method::POST, "/policies"), (Method::PUT, SIMULATE)] {
        let answer = world.api.send(world.api.request(method, path, None, Vec::new())).await.unwrap();
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "not_found"), "{path}");
    }
}

/// A call closed for one journey type is closed for that type alone; an invalid body is reported first.
#[tokio::test(flavor = "multi_thread")]
async fn calls_close_for_one_journey_type_alone() {
    for (open_for, closed_for) in [("short", "long"), ("long", "short")] {
        let world = world_set([("SIMULATE_ENABLED", open_for), ("REGISTER_ENABLED", open_for)]).await;
        world.journeys(&[Trip::new(1, "j", "+336010299")]).await;
        let token = world.token(1);
        let mut body = simulation();
        body["journey_type"] = json!(open_for);
        assert_eq!(world.api.simulate(&token, &body).await.status, StatusCode::OK);
        body["journey_type"] = json!(closed_for);
        let simulated = world.api.simulate(&token, &body).await;
        body["phone_trunc"] = json!("12");
        assert_eq!(world.api.simulate(&token, &body).await.pointers(), ["/phone_trunc"]);
        let registrations = [
            ("long", long("DUP", "+336010203", "051227308989")),
            (
                "short",
                json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                             "operator_journey_id": "j"}),
            ),
        ];
        let mut closed = vec![simulated];
        for (journey_type, body) in registrations {
            let answer = world.api.register(&token, &body).await;
            if journey_type == open_for {
                assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            } else {
                closed.push(answer);
            }
        }
        assert_eq!(closed.len(), 2);
        for answer in closed {
            assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "call_closed"));
            let detail = answer.json()["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(&format!("for {closed_for} applications")), "{detail}");
        }
    }
}

/// Each journey type has a period of its own: an annulled sheet ends one period and does not affect the other.
#[tokio::test(flavor = "multi_thread")]
async fn each_journey_type_has_its_own_period_end() {
    for (setting, long_status, short_status) in [("LONG_PERIOD_END", 400, 201), ("SHORT_PERIOD_END", 201, 404)] {
        let world = world_set([(setting, "2024-01-01")]).await;
        world.journeys(&[Trip::new(1, "j", "+336010299")]).await;
        let token = world.token(1);
        let answer = world.api.register(&token, &long("DUP", "+336010203", "051227308989")).await;
        assert_eq!(answer.status.as_u16(), long_status, "{setting}: {answer:?}");
        if long_status == 400 {
            assert_eq!(answer.pointers(), ["/datetime"]);
        }
        let body = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                          "operator_journey_id": "j"});
        let answer = world.api.register(&token, &body).await;
        assert_eq!(answer.status.as_u16(), short_status, "{setting}: {answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn conflict_returns_uuid_and_token_to_own_operator_only() {
    let world = world().await;
    let (one, two) = (world.token(1), world.token(2));
    let body = long("DUP", "+336010203", "051227308989");
    let granted = world.api.register(&one, &body).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    let granted = granted.json();
    let date = "2024-03-15T07:30:00.000Z";
    assert_eq!(granted["datetime"], date);

    let mut asking = body.clone();
    asking.as_object_mut().unwrap().remove("datetime");
    for (path, body) in [(REGISTER, &body), (SIMULATE, &asking)] {
        let own = world.api.post(path, &one, body).await;
        assert_eq!((own.status, own.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
        let own = own.json();
        assert_eq!((&own["datetime"], &own["reason"]), (&json!(date), &json!("duplicate")));
        assert_eq!((&own["uuid"], &own["token"]), (&granted["uuid"], &granted["token"]), "everything that was missed");
        assert!(own.get("journey_id").is_none() && own.get("journey_status").is_none(), "a long one has no journey");

        let other = world.api.post(path, &two, body).await;
        assert_eq!((other.status, other.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
        let other = other.json();
        let mut names: Vec<&str> = other.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["datetime", "detail", "reason", "status", "title", "type"], "nothing but date and reason");
        assert_eq!((&other["datetime"], &other["reason"]), (&json!(date), &json!("duplicate")));
    }
    // Short and long never block each other.
    asking["journey_type"] = json!("short");
    assert_eq!(world.api.simulate(&two, &asking).await.status, StatusCode::OK);

    let history = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,HIS,+336010204,2020-06-01\n";
    world.upload("imports/1/history.csv", history).await;
    for token in [&one, &two] {
        for (path, body) in [
            (REGISTER, long("HIS", "+336010204", "A1")),
            (SIMULATE, json!({"journey_type": "long", "last_name_trunc": "HIS", "phone_trunc": "+336010204"})),
        ] {
            let answer = world.api.post(path, token, &body).await;
            assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "history"));
            let answer = answer.json();
            assert_eq!(
                (&answer["datetime"], &answer["reason"]),
                (&json!("2020-05-31T22:00:00.000Z"), &json!("history"))
            );
            assert!(answer.get("uuid").is_none());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn early_long_application_returns_available_at() {
    let world = world().await;
    let mut body = long("DUP", "+336010203", "051227308989");
    body["datetime"] = json!("2024-04-24T00:00:00.001Z");
    let answer = world.api.register(&world.token(1), &body).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "too_early"));
    assert_eq!(answer.json()["available_at"], "2024-05-01T00:00:00.001Z");
    body["datetime"] = json!("2024-04-24T00:00:00Z");
    assert_eq!(world.api.register(&world.token(1), &body).await.status, StatusCode::CREATED);
}

/// The sentence says when, so the person who reads it sees a year that was mistyped.
#[tokio::test(flavor = "multi_thread")]
async fn application_of_a_mistyped_year_is_told_when() {
    let world = world().await;
    let mut body = long("DUP", "+336010203", "051227308989");
    body["datetime"] = json!("2042-03-15T08:30:00+01:00");
    for (language, when) in [("en", "22 March 2042, 08:30 (Paris time)"), ("fr", "22/03/2042 à 08:30 (heure de Paris)")]
    {
        let answer = raw(&world, REGISTER, body.to_string(), &[("accept-language", Some(language))]).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "too_early"));
        let told = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.contains(when), "{told}");
    }
    // A date and time, but of a year that no date derived from it could be written in.
    for year in ["9999", "0000"] {
        body["datetime"] = json!(format!("{year}-03-15T08:30:00+01:00"));
        for (language, what) in [("en", "within the years 0001 to 9998"), ("fr", "entre les années 0001 et 9998")] {
            let answer = raw(&world, REGISTER, body.to_string(), &[("accept-language", Some(language))]).await;
            assert_eq!((answer.status, answer.pointers()), (StatusCode::BAD_REQUEST, vec!["/datetime".to_owned()]));
            let told = answer.json()["errors"][0]["message"].as_str().unwrap().to_owned();
            assert!(told.contains(what), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ineligible_and_unknown_journeys_are_refused() {
    let world = world().await;
    let trip = |name: &str, change: fn(&mut Trip)| {
        let mut trip = Trip::new(1, name, "+336010203");
        change(&mut trip);
        trip
    };
    world
        .journeys(&[
            trip("class", |t| t.class = "B"),
            trip("far", |t| t.metres = 80_001),
            trip("abroad", |t| (t.from, t.to) = ("99132", "99131")),
            trip("old", |t| t.start = "2022-12-31T22:59:59Z".into()),
            trip("all", |t| {
                (t.class, t.metres, t.from, t.to) = ("A", 90_000, "99132", "99131");
                t.start = "2020-01-01T00:00:00Z".into();
            }),
            trip("young", |t| t.end = "2024-04-24T00:00:00.001Z".into()),
            Trip::new(2, "theirs", "+336010203"),
        ])
        .await;
    let one = world.token(1);
    let register = |name: &str| {
        let body = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                          "operator_journey_id": name});
        let (api, token) = (world.api.clone(), one.clone());
        async move { api.register(&token, &body).await }
    };
    let unknown = register("never-was").await;
    assert_eq!((unknown.status, unknown.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_journey"));
    let theirs = register("theirs").await;
    assert_eq!((theirs.status, &theirs.text), (unknown.status, &unknown.text), "another's is as unknown as none");
    for (name, criteria) in [
        ("class", vec!["operator_class"]),
        ("far", vec!["distance"]),
        ("abroad", vec!["france"]),
        ("old", vec!["period"]),
        ("all", vec!["operator_class", "distance", "france", "period"]),
    ] {
        let answer = register(name).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "ineligible_journey"), "{name}");
        let answer = answer.json();
        let failed: Vec<&str> =
            answer["criteria"].as_array().unwrap().iter().map(|c| c["criterion"].as_str().unwrap()).collect();
        assert_eq!(failed, criteria, "{name}");
    }
    let early = register("young").await;
    assert_eq!((early.status, early.problem().as_str()), (StatusCode::BAD_REQUEST, "too_early"));
    assert_eq!(early.json()["available_at"], "2024-05-01T00:00:00.001Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn body_with_bom_is_read_and_utf_16_is_refused() {
    let world = world().await;
    let text = simulation().to_string();
    let marked = [b"\xef\xbb\xbf", text.as_bytes()].concat();
    assert_eq!(raw(&world, SIMULATE, marked, &[]).await.status, StatusCode::OK);
    let twice = [b"\xef\xbb\xbf\xef\xbb\xbf", text.as_bytes()].concat();
    assert_eq!(raw(&world, SIMULATE, twice, &[]).await.problem(), "malformed_body");
    let (little, big): (Vec<u8>, Vec<u8>) = (
        text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
    );
    for body in [little.clone(), big.clone(), [b"\xff\xfe", &little[..]].concat(), [b"\xfe\xff", &big[..]].concat()] {
        let answer = raw(&world, SIMULATE, body, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["detail"].as_str()),
            (400, Some("the body is UTF-16: send UTF-8"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_method_returns_404_with_right_method() {
    let world = world().await;
    let token = world.token(1);
    for (method, path, detail) in [
        (Method::GET, "/policies/cee/batch", "/policies/cee/batch accepts POST"),
        (Method::DELETE, "/policies/cee/changes", "/policies/cee/changes accepts GET"),
        (Method::GET, "/policies/cee/simulate", "/policies/cee/simulate accepts POST"),
        (Method::GET, "/policies/cee/import", "/policies/cee/import accepts POST"),
        (Method::DELETE, "/policies/cee/imports", "/policies/cee/imports accepts POST and GET"),
        (Method::PUT, "/policies/cee", "no call has this method and path"),
    ] {
        let answer = world.api.call(method, path, &token).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "not_found"), "{path}");
        let told = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(told.contains(detail), "{path}: {told}");
        // What the sentence says, for programs.
        let allow = answer.headers.get("allow").map(|allow| allow.to_str().unwrap().replace(", ", " and "));
        assert_eq!(allow.as_deref(), detail.split_once(" accepts ").map(|(_, methods)| methods), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_own_refusals_are_in_the_callers_language() {
    let world = world().await;
    let large = "x".repeat(12 * 1024 * 1024);
    for (method, path, body, status, french) in [
        (Method::PUT, REGISTER, "", 404, "aucun appel n'a cette méthode et ce chemin"),
        (Method::GET, "/nothing", "", 404, "aucun appel n'a cette méthode et ce chemin"),
        (Method::POST, REGISTER, large.as_str(), 413, "le corps est plus long"),
    ] {
        let mut titles = Vec::new();
        for language in ["fr-FR,fr;q=0.9", "en", "de"] {
            let mut request = world.api.request(method.clone(), path, Some(&world.token(1)), body.as_bytes().to_vec());
            request.headers_mut().insert("accept-language", language.parse().unwrap());
            let answer = world.api.send(request).await.unwrap();
            assert_eq!(answer.status.as_u16(), status, "{path}: {answer:?}");
            assert!(!answer.problem().is_empty());
            let is_french = language.starts_with("fr");
            assert_eq!(answer.headers["content-language"], if is_french { "fr" } else { "en" });
            assert_eq!(answer.json()["detail"].as_str().unwrap().contains(french), is_french, "{answer:?}");
            titles.push(answer.json()["title"].clone());
        }
        assert!(titles[0] != titles[1] && titles[1] == titles[2], "{titles:?}");
    }
}
