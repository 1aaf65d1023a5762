//! Differences from the public registry that no other test shows. docs/known-differences.md lists every difference, with the test
//! that shows what this registry does.

use std::collections::BTreeSet;
use std::path::Path;

use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::document::{DOCUMENT, servers};
use crate::support::{Answer, Trip, World, at, world, world_set, world_with};
use crate::wire::{Fault, Wire};

const REGISTER: &str = "/policies/cee";
const SIMULATE: &str = "/policies/cee/simulate";
const IMPORT: &str = "/policies/cee/import";
const IDENTITY: &str = "/policies/cee/import/identity";
const LICENSE: &str = "051227308989";

fn long(phone: &str, license: &str, datetime: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone, "driving_license": license,
           "datetime": datetime})
}

fn short(journey: &str, license: &str) -> Value {
    json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": license, "operator_journey_id": journey})
}

fn question(phone: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone})
}

fn history(phone: &str, datetime: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone, "datetime": datetime})
}

fn counts(answer: &Answer) -> [u64; 3] {
    let answer = answer.json();
    ["imported", "already_known", "failed"].map(|name| answer[name].as_u64().unwrap())
}

fn path(granted: &Value) -> String {
    format!("/policies/cee/{}", granted["uuid"].as_str().unwrap())
}

impl World {
    /// Sends a request to any path of this host.
    async fn anywhere(&self, method: Method, path: &str, token: Option<&str>, body: &str) -> Answer {
        let host = self.api.url.strip_suffix("/v3").unwrap();
        let mut request = Request::builder().method(method).uri(format!("{host}{path}"));
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.api.send(request.body(body.as_bytes().to_vec()).unwrap()).await.unwrap()
    }
}

/// Every test of `tests/service`, as `file::test`.
fn tests() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/service");
    let mut tests = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let module = file.file_stem().unwrap().to_str().unwrap();
        let source = std::fs::read_to_string(&file).unwrap();
        let mut is_test = false;
        for line in source.lines() {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if !line.starts_with("#[") {
                let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
                if let Some((name, _)) = function.and_then(|rest| rest.split_once('(')).filter(|_| is_test) {
                    tests.insert(format!("{module}::{name}"));
                }
                is_test = false;
            }
        }
    }
    tests
}

/// The cells of the rows of the page's tables.
fn rows() -> Vec<Vec<String>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/known-differences.md");
    let page = std::fs::read_to_string(page).unwrap();
    let cells = |line: &str| -> Option<Vec<String>> {
        let line = line.strip_prefix("| ")?.strip_suffix(" |")?;
        Some(line.split(" | ").map(str::to_owned).collect())
    };
    page.lines().filter_map(cells).filter(|cells| cells.last().is_none_or(|test| test != "test")).collect()
}

#[test]
fn each_row_names_tests_that_exist() {
    let (tests, mut named, mut rows_seen) = (tests(), BTreeSet::new(), BTreeSet::new());
    for row in rows() {
        assert!(rows_seen.insert(row[0].clone()), "two rows are called {}", row[0]);
        assert!(row.len() >= 3 && row.iter().all(|cell| !cell.trim().is_empty()), "an empty cell: {row:?}");
        let last = row.last().unwrap();
        let of_row: Vec<&str> = last.split('`').skip(1).step_by(2).collect();
        assert!(!of_row.is_empty(), "{row:?} names no test");
        for test in of_row {
            assert!(tests.contains(test), "{test} is not a test of tests/service: {row:?}");
            named.insert(test.to_owned());
        }
    }
    assert!(rows_seen.len() > 50, "the page was read: {}", rows_seen.len());
    // The page lists every test that was written to show a difference.
    let shows = |test: &&String| test.starts_with("differences::") || test.starts_with("shortcomings::");
    let own = "differences::each_row_names_tests_that_exist";
    let unnamed: Vec<_> = tests.iter().filter(shows).filter(|test| !named.contains(*test) && *test != own).collect();
    assert!(unnamed.is_empty(), "no row names {unnamed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn path_begins_with_one_of_three_versions() {
    let world = world().await;
    let token = world.token(1);
    assert!(servers().eq(["/v3", "/v3.2", "/v3.3"]));
    // One call of each function that serves operators, and its response with a token.
    let calls = [
        (Method::POST, "/policies/cee/simulate", question("+336010203"), "200"),
        (Method::POST, "/policies/cee", json!({}), "invalid_fields"),
        (Method::GET, "/policies/cee/00000000-0000-4000-8000-000000000000", Value::Null, "unknown_application"),
        (Method::POST, "/policies/cee/import", json!([]), "invalid_fields"),
        (Method::POST, "/policies/cee/import/identity", json!([]), "invalid_fields"),
        (Method::GET, "/policies/cee/imports", Value::Null, "200"),
        (Method::GET, "/policies/cee/imports/00000000000000000000000000000000", Value::Null, "unknown_import"),
        (Method::POST, "/auth/access_token", json!({}), "invalid_fields"),
        (Method::GET, "/.well-known/jwks.json", Value::Null, "200"),
        (Method::GET, "/openapi.json", Value::Null, "200"),
        (Method::GET, "/health", Value::Null, "200"),
    ];
    for (method, below, body, expected) in &calls {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut answers = BTreeSet::new();
        for server in servers() {
            let answer = world.anywhere(method.clone(), &format!("{server}{below}"), Some(&token), &body).await;
            let said = if answer.status == StatusCode::OK { "200".to_owned() } else { answer.problem() };
            assert_eq!(said, *expected, "{server}{below}");
            answers.insert(answer.text);
        }
        assert_eq!(answers.len(), 1, "{below} answers alike");
        // Paths that the public registry accepted as one of its versions, and paths that it did not.
        for other in ["/3", "/v3.2.0", "/^3.2", "/V3", "/v3.1", "/v3.4", "/v4", "/x"] {
            let answer = world.anywhere(method.clone(), &format!("{other}{below}"), Some(&token), &body).await;
            assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not_found"), "{other}{below}");
        }
    }
    let shouted = world.anywhere(Method::GET, "/v3/HEALTH", None, "").await;
    assert_eq!(shouted.problem(), "not_found");

    // One registry for all paths: an application of one path is in the other.
    let body = long("+336010203", LICENSE, "2024-03-15T07:30:00Z").to_string();
    let granted = world.anywhere(Method::POST, "/v3.2/policies/cee", Some(&token), &body).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    let found = world.anywhere(Method::GET, &format!("/v3.3{}", path(&granted.json())), Some(&token), "").await;
    assert_eq!((found.status, &found.text), (StatusCode::OK, &granted.text));
    let gone = world.anywhere(Method::DELETE, &format!("/v3{}", path(&granted.json())), Some(&token), "").await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}

#[tokio::test(flavor = "multi_thread")]
async fn slash_at_the_end_of_a_path_is_ignored() {
    let world = world().await;
    let token = world.token(1);
    let granted = world.api.post("/policies/cee/", &token, &long("+336010203", LICENSE, "2024-03-15T07:30:00Z")).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    let found = world.api.call(Method::GET, &format!("{}/", path(&granted.json())), &token).await;
    assert_eq!((found.status, &found.text), (StatusCode::OK, &granted.text));
    let batch =
        world.api.post("/policies/cee/import/", &token, &json!([history("+336010204", "2021-02-15T00:00:00Z")])).await;
    assert_eq!(counts(&batch), [1, 0, 0]);
    let identity = world.api.post("/policies/cee/import/identity/", &token, &json!([{}])).await;
    assert_eq!((identity.status, counts(&identity)), (StatusCode::OK, [0, 0, 1]));
    let list = world.api.call(Method::GET, "/policies/cee/imports/", &token).await;
    assert!(list.json()["imports"].is_array(), "{list:?}");
    assert_eq!(world.api.get("/openapi.json/").await.json(), *DOCUMENT);
    assert_eq!(world.api.get("/.well-known/jwks.json/").await.headers["content-type"], "application/jwk-set+json");
    let twice = world.api.post("/policies/cee//", &token, &json!({})).await;
    assert_eq!(twice.problem(), "not_found");
}

#[tokio::test(flavor = "multi_thread")]
async fn query_is_not_part_of_the_body() {
    let world = world().await;
    let asked = format!("{SIMULATE}?journey_type=long&last_name_trunc=DUP&phone_trunc=%2B336010203");
    let nothing = world.api.post(&asked, &world.token(1), &json!({})).await;
    assert_eq!(nothing.pointers(), ["/journey_type", "/last_name_trunc", "/phone_trunc"]);
    let unknown = world.api.post(&format!("{SIMULATE}?speed=130"), &world.token(1), &question("+336010203")).await;
    assert_eq!(unknown.status, StatusCode::OK);
}

/// A call that reads a query refuses what it does not know; every other call ignores the query.
#[tokio::test(flavor = "multi_thread")]
async fn calls_of_one_kind_treat_a_query_alike() {
    let world = world().await;
    let token = world.token(1);
    for list in ["", "/changes", "/exports", "/imports"] {
        for (query, pointer) in [("speed=130", "/speed"), ("limit=%2B1", "/limit"), ("limit=1&limit=1", "/limit")] {
            let answer = world.api.call(Method::GET, &format!("{REGISTER}{list}?{query}"), &token).await;
            assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (400, "invalid_query"), "{list} {query}");
            assert_eq!(answer.pointers(), [pointer], "{list} {query}");
        }
    }
    let application = long("+336010203", LICENSE, "2024-03-15T07:30:00Z");
    let row = history("+336010204", "2021-02-15T00:00:00Z");
    for (below, body, status) in [
        ("/simulate", question("+336010203"), 200),
        ("", application, 201),
        ("/batch", json!([{}]), 200),
        ("/import", json!([row]), 201),
        ("/import/identity", json!([{}]), 200),
        ("/imports", json!({}), 201),
        ("/exports", json!({"format": "csv"}), 202),
    ] {
        let answer = world.api.post(&format!("{REGISTER}{below}?speed=130"), &token, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{below}: {answer:?}");
        let json = answer.json();
        for (name, prefix) in [("uuid", ""), ("import_id", "/imports"), ("export_id", "/exports")] {
            if let Some(id) = json[name].as_str() {
                let found = world.api.call(Method::GET, &format!("{REGISTER}{prefix}/{id}?speed=130"), &token).await;
                assert_eq!(found.status, StatusCode::OK, "{name}: {found:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_no_rate_headers_no_etag_and_no_cors() {
    let world = world().await;
    let token = world.token(1);
    let granted = world.api.register(&token, &long("+336010203", LICENSE, "2024-03-15T07:30:00Z")).await;
    let mut request = world.api.request(Method::GET, &path(&granted.json()), Some(&token), Vec::new());
    for (name, value) in [("if-none-match", "*"), ("origin", "http://localhost:5173")] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let found = world.api.send(request).await.unwrap();
    assert_eq!(found.status, StatusCode::OK, "not a 304: the journey's status may have changed");
    assert_eq!(found.headers["cache-control"], "no-store");
    for answer in [&granted, &found] {
        let unexpected = answer.headers.keys().map(http::HeaderName::as_str).find(|name| {
            name.starts_with("x-ratelimit")
                || name.starts_with("access-control")
                || ["etag", "retry-after"].contains(name)
        });
        assert_eq!(unexpected, None, "{answer:?}");
    }
    let granted = path(&granted.json());
    for below in ["", "/changes", "/exports", "/exports/0", "/imports", "/imports/0", "/batch", "/simulate", "/import"]
    {
        for method in [Method::HEAD, Method::OPTIONS] {
            let path = if below.is_empty() { granted.clone() } else { format!("{REGISTER}{below}") };
            let answer = world.api.call(method.clone(), &path, &token).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
        }
    }
}

/// The public registry's older tokens were signed under a shared secret and did not expire; its dashboard's cookie authenticated the
/// calls.
#[tokio::test(flavor = "multi_thread")]
async fn tokens_and_cookies_of_public_registry_return_401() {
    let world = world().await;
    let claims =
        json!({"a": "00000000-0000-4000-8000-000000000000", "o": 1, "s": "operator", "p": ["journey.create"], "v": 2});
    let key = jsonwebtoken::EncodingKey::from_secret(b"a shared secret");
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let old = world.api.simulate(&token, &question("+336010203")).await;
    assert_eq!((old.status.as_u16(), old.problem().as_str()), (401, "unauthenticated"));
    let body = question("+336010203").to_string().into_bytes();
    let mut request = world.api.request(Method::POST, SIMULATE, None, body);
    request.headers_mut().insert("cookie", "connect.sid=s%3Aabc".parse().unwrap());
    let session = world.api.send(request).await.unwrap();
    assert_eq!((session.status.as_u16(), session.problem().as_str()), (401, "unauthenticated"));
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_not_given_over_http() {
    let world = world().await;
    for method in [Method::GET, Method::POST, Method::DELETE] {
        let answer = world.api.call(method.clone(), "/auth/credentials", &world.token(1)).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (404, "not_found"), "{method}");
    }
}

/// Each had a body of another shape there: an array of strings, a string, `{"error": …}`, the members alone, `{}`.
#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_is_problem_json() {
    let world = world_set([("SIMULATE_ENABLED", "false")]).await;
    let token = world.token(1);
    let body = long("+336010203", LICENSE, "2024-03-15T07:30:00Z");
    assert_eq!(world.api.register(&token, &body).await.status, StatusCode::CREATED);
    let mut without_scope = world.api.request(Method::POST, REGISTER, None, body.to_string().into_bytes());
    let read_only = world.token_of(1, "12000101100010", &[]);
    without_scope.headers_mut().insert("authorization", format!("Bearer {read_only}").parse().unwrap());
    let refusals = [
        (400, "invalid_fields", world.api.register(&token, &json!({})).await),
        (400, "too_early", world.api.register(&token, &long("+336010299", "L2", "2024-04-30T00:00:00Z")).await),
        (401, "unauthenticated", world.api.register("x", &body).await),
        (403, "missing_scope", world.api.send(without_scope).await.unwrap()),
        (403, "call_closed", world.api.simulate(&token, &question("+336010203")).await),
        (404, "unknown_journey", world.api.register(&token, &short("never-was", "L3")).await),
        (409, "duplicate", world.api.register(&token, &body).await),
        (413, "body_too_large", world.api.register(&token, &json!("x".repeat(65 * 1024))).await),
    ];
    for (status, problem, answer) in refusals {
        // `problem` looks at content type, type, title, status and detail.
        assert_eq!((answer.problem().as_str(), answer.status.as_u16()), (problem, status));
        let body = answer.json();
        for member in ["error", "code", "jsonrpc", "message"] {
            assert!(body.get(member).is_none(), "{body}");
        }
        // One for each field, and no other field is invalid.
        assert_eq!(body.get("errors").is_some(), problem == "invalid_fields", "{body}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_driver_returns_503_with_retry_after() {
    let (world, wire) = Wire::world().await;
    wire.always("BUSY0001", Fault::Conflict);
    let busy = world.api.register(&world.token(1), &long("+336010203", "BUSY0001", "2024-03-15T07:30:00Z")).await;
    assert_eq!((busy.status.as_u16(), busy.problem().as_str()), (503, "busy"));
    assert_eq!(busy.headers["retry-after"], "1");
    let other = world.api.register(&world.token(1), &long("+336010204", "FREE0001", "2024-03-15T07:30:00Z")).await;
    assert_eq!(other.status, StatusCode::CREATED, "another driver's call is answered");
}

#[tokio::test(flavor = "multi_thread")]
async fn driver_without_key_is_blocked_by_keyed_application() {
    let world = world().await;
    let mut keyed = long("+336010203", LICENSE, "2024-03-15T07:30:00Z");
    keyed["identity_key"] = json!("a".repeat(64));
    assert_eq!(world.api.register(&world.token(1), &keyed).await.status, StatusCode::CREATED);
    let without = world.api.register(&world.token(2), &long("+336010203", "L2", "2024-03-15T07:30:00Z")).await;
    assert_eq!((without.status.as_u16(), without.problem().as_str()), (409, "duplicate"));
    let mut other = long("+336010203", "L3", "2024-03-15T07:30:00Z");
    other["identity_key"] = json!("b".repeat(64));
    let other = world.api.register(&world.token(2), &other).await;
    assert_eq!(other.status, StatusCode::CREATED, "another key is another driver");
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_key_of_journey_blocks_driver() {
    let world = world().await;
    let key = "a".repeat(64);
    world.journeys(&[Trip { key: key.clone(), ..Trip::new(1, "j", "+336010203") }]).await;
    assert_eq!(world.api.register(&world.token(1), &short("j", LICENSE)).await.status, StatusCode::CREATED);
    let same =
        json!({"journey_type": "short", "last_name_trunc": "MAR", "phone_trunc": "+336010299", "identity_key": key});
    let same = world.api.simulate(&world.token(2), &same).await;
    assert_eq!((same.status.as_u16(), same.problem().as_str()), (409, "duplicate"));
}

#[tokio::test(flavor = "multi_thread")]
async fn period_and_delay_include_their_bounds() {
    let world = world_with(|options| options.now = Some(at("2025-06-01T00:00:00Z"))).await;
    let token = world.token(1);
    let mut signed = 0;
    for (datetime, status) in [
        // The first moment of the scheme, and the moment before it.
        ("2022-12-31T23:00:00Z", 201),
        ("2022-12-31T22:59:59.999Z", 400),
        // After the end that the public registry had: by default this registry has no end.
        ("2025-01-01T00:00:00Z", 201),
        // Seven days ago to the millisecond, and one millisecond less.
        ("2025-05-25T00:00:00Z", 201),
        ("2025-05-25T00:00:00.001Z", 400),
    ] {
        signed += 1;
        let mut body = long(&format!("+33601020{signed}"), &format!("TIME{signed:04}"), datetime);
        // Signed at this moment.
        body["application_timestamp"] = json!("2025-06-01T00:00:00Z");
        let answer = world.api.register(&token, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{datetime}: {answer:?}");
    }
}

/// The public registry cut tags out of it and wrote `&lt;` for `<`, in journeys and in calls alike.
#[tokio::test(flavor = "multi_thread")]
async fn operator_journey_id_is_compared_verbatim() {
    let world = world().await;
    let names = ["a>b", "a&gt;b", "<i>a</i>", "a"];
    let trips = (0..).zip(names).map(|(id, name)| Trip { id, ..Trip::new(1, name, &format!("+33601020{id}")) });
    world.journeys(&trips.collect::<Vec<_>>()).await;
    for (id, name) in (0..).zip(names) {
        let granted = world.api.register(&world.token(1), &short(name, &format!("TAGS{id:04}"))).await;
        assert_eq!((granted.status, &granted.json()["journey_id"]), (StatusCode::CREATED, &json!(id)), "{name}");
    }
    let escaped = world.api.register(&world.token(1), &short("&lt;i&gt;a&lt;/i&gt;", "TAGS0009")).await;
    assert_eq!((escaped.status.as_u16(), escaped.problem().as_str()), (404, "unknown_journey"));
    for (length, problem) in [(255, "unknown_journey"), (256, "invalid_fields")] {
        let answer = world.api.register(&world.token(1), &short(&"x".repeat(length), "TAGS0009")).await;
        assert_eq!(answer.problem(), problem, "{length} characters");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_frees_journey_each_time() {
    let world = world().await;
    let token = world.token(1);
    world.journeys(&[Trip::new(1, "j", "+336010203")]).await;
    for turn in 0..3 {
        let granted = world.api.register(&token, &short("j", LICENSE)).await;
        assert_eq!(granted.status, StatusCode::CREATED, "turn {turn}: {granted:?}");
        let deleted = world.api.call(Method::DELETE, &path(&granted.json()), &token).await;
        assert_eq!(deleted.status, StatusCode::NO_CONTENT, "turn {turn}: {deleted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn later_history_row_moves_blocking_date() {
    let world = world().await;
    let token = world.token(1);
    let import =
        async |datetime: &str| counts(&world.api.post(IMPORT, &token, &json!([history("+336010203", datetime)])).await);
    let blocks = async || {
        let answer = world.api.simulate(&world.token(2), &question("+336010203")).await;
        assert_eq!((answer.status.as_u16(), answer.problem().as_str()), (409, "history"));
        answer.json()["datetime"].clone()
    };
    assert_eq!(import("2021-02-15T00:00:00Z").await, [1, 0, 0]);
    assert_eq!(import("2022-02-15T00:00:00Z").await, [1, 0, 0]);
    assert_eq!(blocks().await, "2022-02-15T00:00:00.000Z", "the latest");
    // An earlier row, and a known row.
    assert_eq!(import("2020-02-15T00:00:00Z").await, [1, 0, 0]);
    assert_eq!(import("2022-02-15T00:00:00Z").await, [0, 1, 0]);
    assert_eq!(blocks().await, "2022-02-15T00:00:00.000Z");
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_given_identity_key_by_its_date() {
    let world = world().await;
    let token = world.token(1);
    let row = history("+336010203", "2021-02-15T00:00:00Z");
    assert_eq!(counts(&world.api.post(IMPORT, &token, &json!([row])).await), [1, 0, 0]);
    let give = async |datetime: &str| {
        let mut row = history("+336010203", datetime);
        row["cee_application_type"] = json!("specific");
        row["identity_key"] = json!("a".repeat(64));
        world.api.post(IDENTITY, &token, &json!([row])).await
    };
    let other = give("2021-02-16T00:00:00Z").await;
    assert_eq!(counts(&other), [0, 0, 1]);
    assert_eq!(
        other.json()["failed_details"][0],
        json!({"index": 0, "error": "you have no such application", "cee_application_type": "specific",
               "journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
               "datetime": "2021-02-16T00:00:00Z", "identity_key": "a".repeat(64)}),
        "the row as it came"
    );
    // Written in another way it is the same moment.
    assert_eq!(counts(&give("2021-02-15T01:00:00+01:00").await), [1, 0, 0]);
    assert_eq!(counts(&give("2021-02-15T00:00:00Z").await), [0, 1, 0]);
}
