//! Personal data must not appear in logs, metrics, refusals and table keys. And the scan finds it if it does.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_stand_in::gateway::{self, Route};
use aws_stand_in::invoke::{Function, InProcess};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cee_edge::problem::{BrokenRule, FieldFault};
use cee_edge::{Call, HttpFunction, Refusal, Reply};
use cee_local::stack::{BINARIES, Functions, tables};
use cee_service::Environment;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use lambda_http::Adapter;
use lambda_http::request::LambdaRequest;
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::binaries::binaries;
use crate::leaks::record::Record;
use crate::leaks::{Finding, Kind, Scanner, Sent};
use crate::support::{Api, NOW, Trip, at, logs, world, world_with};

const NAME: &str = "WVQ";
const PHONE: &str = "+337918273";
const LICENSE: &str = "918273645546";
const KEY: &str = "9182736455463728190a9182736455463728190a9182736455463728190abcde";
/// An operator names its journeys, and the name may contain anything.
const JOURNEY: &str = "trip-of-wvqueen";

#[tokio::test(flavor = "multi_thread")]
async fn personal_data_appears_in_no_log_refusal_or_key() {
    let world = world().await;
    let (one, two) = (world.token(1), world.token(2));
    world.journeys(&[Trip { key: KEY.into(), ..Trip::new(1, JOURNEY, PHONE) }]).await;
    let personal = [NAME, "337918273", LICENSE, KEY, JOURNEY];

    let long = json!({"journey_type": "long", "last_name_trunc": NAME, "phone_trunc": PHONE, "driving_license": LICENSE,
                      "identity_key": KEY, "datetime": "2024-03-15T08:30:00Z"});
    let short = json!({"journey_type": "short", "last_name_trunc": NAME, "driving_license": LICENSE,
                       "operator_journey_id": JOURNEY});
    let history = format!(
        "journey_type,last_name_trunc,phone_trunc,datetime\nlong,{NAME},{PHONE},2022-02-01\nshort,{NAME}!,{PHONE},2022-02-01\n\
         short,{NAME},{PHONE}999999999,2022-02-01\n"
    );
    let mut answers = vec![
        world.api.register(&one, &long).await,
        world.api.register(&one, &short).await,
        // Refusals of every kind, with personal data in the wrong places.
        world.api.register(&two, &long).await,
        world.api.register(&two, &short).await,
        world.api.simulate(&two, &json!({"journey_type": NAME, "last_name_trunc": LICENSE, "phone_trunc": KEY})).await,
        world.api.simulate(&two, &json!({"journey_type": "long", "last_name_trunc": NAME, "phone_trunc": PHONE})).await,
        world.api.post("/auth/access_token", "", &json!({"access_key": LICENSE, "secret_key": KEY})).await,
        world
            .api
            .post("/auth/access_token", "", &json!({"access_key": LICENSE, "secret_key": 1, "phone": PHONE}))
            .await,
    ];
    let granted: Vec<_> = answers.drain(..2).map(|answer| (answer.status, answer.json())).collect();
    assert!(granted.iter().all(|(status, _)| *status == StatusCode::CREATED));
    for body in [format!("{{\"{LICENSE}"), format!("[\"{LICENSE}\"]"), format!("{{\"a\":\"{KEY}\0\"}}")] {
        let request = world.api.request(Method::POST, "/policies/cee", Some(&one), body.into_bytes());
        answers.push(world.api.send(request).await.unwrap());
    }
    for path in [format!("/policies/cee?driving_license={LICENSE}"), format!("/policies/{LICENSE}")] {
        answers.push(world.api.post(&path, &one, &json!({})).await);
    }
    for method in [Method::GET, Method::DELETE] {
        answers.push(world.api.call(method, &format!("/policies/cee/{LICENSE}"), &one).await);
    }
    let mut named = world.api.request(Method::POST, "/policies/cee", Some(&one), long.to_string().into_bytes());
    named.headers_mut().insert("idempotency-key", format!("{LICENSE} {KEY}").parse().unwrap());
    answers.push(world.api.send(named).await.unwrap());
    // A batch returns its sender's own rows, and no other response contains them.
    let row = json!({"journey_type": "long", "last_name_trunc": NAME, "phone_trunc": PHONE,
                     "datetime": "2022-02-01T00:00:00Z", "cee_application_type": "specific", "identity_key": KEY});
    for path in ["/policies/cee/import", "/policies/cee/import/identity"] {
        let told = world.api.post(path, &two, &json!([row])).await;
        assert_eq!((told.status.is_success(), &told.json()["failed"]), (true, &json!(1)), "{told:?}");
    }
    let path = format!("/policies/cee/{}", granted[0].1["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(Method::DELETE, &path, &one).await.status, StatusCode::NO_CONTENT);
    world.upload(&format!("imports/2/{NAME} {LICENSE}.csv"), history).await;

    for answer in answers {
        assert!(answer.status.is_client_error(), "{answer:?}");
        for value in personal {
            assert!(!answer.text.contains(value), "a refusal repeats {value}: {answer:?}");
        }
    }
    assert!(logs().contains("\"function\":\"register\""), "the log is not captured");
    nothing_in(&world.findings().await);
    // Partition keys of claims contain no value that they stand for, and neither do their attributes.
    let mut items = world.scan(&tables().claims).await;
    items.extend(world.scan(&tables().idempotency).await);
    for item in items {
        let shown = format!("{item:?}");
        for value in personal {
            assert!(!shown.contains(value), "{shown}");
        }
    }
}

fn nothing_in(findings: &[Finding]) {
    let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
    assert!(findings.is_empty(), "{}", shown.join("\n"));
}

/// The kinds of the values found in a text.
fn found(sent: &Sent, text: &str) -> Vec<Kind> {
    seen_by(&Scanner::new(sent), text)
}

fn seen_by(scanner: &Scanner, text: &str) -> Vec<Kind> {
    let mut kinds: Vec<Kind> = scanner.scan("a test", text).into_iter().map(|found| found.kind).collect();
    kinds.dedup();
    kinds
}

fn sent(values: &[(Kind, &str)]) -> Sent {
    let mut sent = Sent::default();
    values.iter().for_each(|(kind, value)| sent.add(*kind, value));
    sent
}

const SECRET: &str = "Zk3pQ9vT1sWm7xRb";
const NAMELESS: &str = "99-ÅB 123/é";

fn jwt(payload: &serde_json::Value) -> String {
    let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{}", part(&json!({"alg": "ES256"})), part(payload), URL_SAFE_NO_PAD.encode([7; 64]))
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Every kind of value, in every place and every spelling in which it might leak.
#[test]
fn scan_finds_each_kind_of_value_in_each_encoding() {
    // With another signature than the tokens below.
    let token = jwt(&json!({"operator_id": 1})).replace("Bw", "Cx");
    let values = [
        (Kind::License, LICENSE),
        (Kind::License, "ABC1D2345"),
        (Kind::License, NAMELESS),
        (Kind::Phone, PHONE),
        (Kind::IdentityKey, "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30"),
        (Kind::Journey, JOURNEY),
        (Kind::Token, &token),
        (Kind::Secret, SECRET),
        (Kind::AccessKey, "AKIA1234567890"),
        (Kind::Other, "dupont-1975"),
    ];
    for (kind, value) in values {
        let alone = Scanner::new(&sent(&[(kind, value)]));
        let others = values.into_iter().filter(|(_, other)| *other != value).collect::<Vec<_>>();
        let others = Scanner::new(&sent(&others));
        for encoded in [
            value.to_owned(),
            value.to_ascii_uppercase(),
            format!("key#long#{value}"),
            STANDARD.encode(value),
            URL_SAFE_NO_PAD.encode(value),
            // Within a longer text, after any character.
            STANDARD.encode(format!("x{value}x")),
            URL_SAFE_NO_PAD.encode(format!("xy{value}")),
            STANDARD.encode(STANDARD.encode(value)),
            hex(value),
            hex(value).to_uppercase(),
            value.bytes().map(|byte| format!("%{byte:02X}")).collect(),
            value.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect(),
            jwt(&json!({"driving_license": value})),
            json!({"sent": value}).to_string(),
            json!({"body": json!({"sent": value}).to_string()}).to_string(),
        ] {
            for text in [
                encoded.clone(),
                json!({"level": "INFO", "fields": {"message": format!("read {encoded}"), "n": 1}}).to_string(),
                json!({"_aws": {"Timestamp": 1}, "Reason": encoded, "Conflicts": 1}).to_string(),
                json!({"type": "x", "status": 400, "detail": format!("{encoded} is none"), "errors": []}).to_string(),
                json!({encoded.clone(): 1}).to_string(),
                format!("thread panicked at src/lib.rs: called unwrap on {encoded:?}"),
            ] {
                assert_eq!(seen_by(&alone, &text), [kind], "{value} in {text}");
                assert_eq!(seen_by(&others, &text), [], "{value} is not another, in {text}");
            }
        }
    }
    // A truncated token, and a token of which only the claims are shown.
    let parts: Vec<&str> = token.split('.').collect();
    for part in &parts[1..] {
        assert_eq!(found(&sent(&[(Kind::Token, &token)]), &format!("bearer …{part}")), [Kind::Token]);
    }
    assert_eq!(found(&sent(&[(Kind::Token, &token)]), parts[0]), [], "what every token begins with");
}

#[test]
fn scan_ignores_values_within_hashes_uuids_and_times() {
    let name = sent(&[(Kind::Name, "AAB")]);
    assert_eq!(found(&name, r#"{"import_id": "2026-414142"}"#), []);
    let phone = sent(&[(Kind::Phone, "6000111")]);
    assert_eq!(found(&phone, r#"{"timestamp":"2026-11-26T12:39:26.000111Z","level":"WARN"}"#), []);
    assert_eq!(found(&phone, r#"{"timestamp":"2026-11-26T12:39:26.000112Z","sent":"6000111"}"#), [Kind::Phone]);
    assert_eq!(found(&name, &hex("sent by AAB today")), [Kind::Name]);
    let phone = sent(&[(Kind::Phone, "+336010203")]);
    for drawn in [
        "06010203-7d1c-4e0a-9f5b-2c3d4e5f6a7b",
        "a-2c3d0601-0203-4e0a-9f5b-2c3d4e5f6a7b",
        "9f0601020395b2c3d4e5f6a7b0c1d2e3f4",
    ] {
        assert_eq!(found(&phone, &format!("import {drawn} ended")), [], "a UUID, a hash: nobody has sent {drawn}");
        assert_eq!(
            found(&phone, &format!("import {} ended", &drawn[..28])),
            [Kind::Phone],
            "{drawn} is shorter than those"
        );
        assert_eq!(
            found(&phone, &format!("import {drawn} of 06010203 ended")),
            [Kind::Phone],
            "one stands beside {drawn}"
        );
    }
    let phone = sent(&[(Kind::Phone, "7337983")]);
    for time in [r#"{"Timestamp":1795873379836}"#, "at 1795873379836"] {
        assert_eq!(found(&phone, time), [], "a time in milliseconds: {time}");
        for other in ["795873379836", "11795873379836", "3795873379836", "7337983"] {
            assert_eq!(
                found(&phone, &time.replace("1795873379836", other)),
                [Kind::Phone],
                "{other} is not such a time"
            );
        }
    }
    let hash = format!("AAB-{}", "x".repeat(39));
    assert_eq!(found(&name, &hash), []);
    assert_eq!(found(&name, &hash[..42]), [Kind::Name]);
}

#[test]
fn scan_finds_phone_in_any_spelling() {
    for (as_sent, texts) in [
        (
            "+337918273",
            &[
                "+337918273",
                "337918273",
                "07918273",
                "+33 7 91 82 73",
                "07.91.82.73",
                "0033 7 91 82 73",
                "+33-7-91-82-73",
            ][..],
        ),
        ("07 91 82 73", &["+337918273", "07918273", "phone=07-91-82-73"]),
        ("0033791 82 73", &["+337918273", "07 91 82 73"]),
        ("337918273", &["+33 (0)7 91 82 73 46", "+33791827346", "0791827346"]),
        ("+2626920102", &["+2626920102", "0692 01 02", "262 692 01 02"]),
        ("+4915112345", &["00 49 151 12345", "+49 151-12345"]),
    ] {
        let sent = sent(&[(Kind::Phone, as_sent)]);
        for text in texts {
            assert_eq!(found(&sent, text), [Kind::Phone], "{as_sent} in {text}");
            let line = json!({"phone": text}).to_string();
            assert_eq!(found(&sent, &line), [Kind::Phone], "{as_sent} in {line}");
        }
        for text in ["+337918279", "at 2024-03-15T07:91:82.730Z", "7918273 rows", "0692010"] {
            assert_eq!(found(&sent, text), [], "{as_sent} in {text}");
        }
    }
    // A bare hash of a few digits reveals the digits.
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, PHONE.as_bytes());
    let digest: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(found(&sent(&[(Kind::Phone, PHONE)]), &digest), [Kind::Phone]);
}

/// Many words contain three given letters: the scan reports them if they stand alone, in capitals or as a whole value.
#[test]
fn scan_finds_name_that_stands_alone() {
    for (name, texts, others) in [
        (
            "DUP",
            &[
                "driver DUP has",
                "name=DUP,",
                "+337918273-DUP",
                r#"{"name":"DUP"}"#,
                r#"{"name":"dup"}"#,
                r#"{"message":"{\"last_name_trunc\":\"DUP\"}"}"#,
                r#"["x","DUP"]"#,
                "{\"DUP\":1}",
                "DUP",
                "eyJsYXN0X25hbWVfdHJ1bmMiOiJEVVAifQ",
                "name%3DDUP",
            ][..],
            &["duplicate", "DUPLICATE", "a dup of it", "XDUP", "DUP_1", "DUPé", r#"{"reason":"duplicate"}"#][..],
        ),
        ("TO ", &["name TO ", r#"{"name":"TO "}"#, r#"{"name":"TO"}"#], &["to be", "TOP", "going to "]),
        ("D H", &["D H", "name=D%20H", "name=D+H", r#"{"name":"D H"}"#], &["DH", "AND HE", "D  H"]),
        ("L  ", &["(L  )", r#"{"name":"L  "}"#, r#"{"name":"L"}"#], &["L", "class L", "L'OR"]),
        ("Dup", &[r#"{"name":"Dup"}"#], &["a Dup of"]),
    ] {
        let sent = sent(&[(Kind::Name, name)]);
        for text in texts {
            assert_eq!(found(&sent, text), [Kind::Name], "{name:?} in {text}");
        }
        for text in others {
            assert_eq!(found(&sent, text), [], "{name:?} in {text}");
        }
    }
    // No scan can find three blanks, and the messages about an invalid field contain examples that tests send.
    assert_eq!(found(&sent(&[(Kind::Name, "   ")]), "a   b"), []);
    let own = sent(&[(Kind::Name, "TO "), (Kind::Phone, "+336010203")]);
    for error in [cee_eligibility::FieldError::LastNameTrunc, cee_eligibility::FieldError::PhoneTrunc] {
        let body = json!({"errors": [{"pointer": "/x", "message": error.to_string()}]}).to_string();
        assert_eq!(found(&own, &body), []);
        let body =
            json!({"errors": [{"pointer": "/x", "message": format!("{error}, not (\"+336010203\")")}]}).to_string();
        assert_eq!(found(&own, &body), [Kind::Phone]);
    }
}

/// The record of a call and of a file contains every value that identifies a person.
#[test]
fn record_holds_every_personal_value_sent() {
    let mut taken = Sent::default();
    let token = jwt(&json!({}));
    let body = json!({"last_name_trunc": NAME, "phone_trunc": "07 91 82 73", "driving_license": [LICENSE], "identity_key": KEY,
                      "operator_journey_id": JOURNEY, "journey_type": "QZJ", "datetime": "2024-03-15", "number": 918273645});
    let request = http::Request::post("/v3/policies/918273645547?x=KEY18273645&y=1")
        .header("authorization", format!("Bearer {token}"))
        .header("idempotency-key", "first-try-77");
    taken.request(&request.body(body.to_string().into_bytes()).unwrap());
    taken.body(b"{\"driving_license\": \"ZX918273");
    taken.file(b"\xef\xbb\xbfjourney_type;last_name_trunc;phone_trunc;datetime\r\nlong;\"BCD\";+33 6 99 88 77;x\r\nlong;EFG\r\n");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, b"driver_phone_trunc,driver_identity_key\n+33611223344,abcdef0123").unwrap();
    taken.file(&packed.finish().unwrap());
    for value in [
        NAME,
        PHONE,
        LICENSE,
        KEY,
        JOURNEY,
        "QZJ",
        "918273645",
        "918273645547",
        "KEY18273645",
        token.as_str(),
        "first-try-77",
        "ZX918273",
        "BCD",
        "06998877",
        "EFG",
        "+33611223344",
        "abcdef0123",
    ] {
        assert!(!found(&taken, &format!("read {value} and went on")).is_empty(), "{value} was not taken down");
    }
    assert_eq!(found(&taken, "POST /v3/policies 2024-03-15 long datetime 1"), []);
}

/// Every test is searched when it ends, without a call for it.
#[tokio::test(flavor = "multi_thread")]
#[should_panic(expected = "personal data, 1 times:\nPhone \"+337918277\" in the log, through spaces: ")]
async fn test_that_logs_personal_data_fails() {
    let world = world().await;
    let question = json!({"journey_type": "long", "last_name_trunc": "QJW", "phone_trunc": "+337918277"});
    assert_eq!(world.api.simulate(&world.token(1), &question).await.status, StatusCode::OK);
    tracing::info!(target: "cee_careless", "planted: 07 91 82 77");
}

/// A function that does everything that a function must not do.
struct Careless;

impl HttpFunction for Careless {
    const NAME: &'static str = "careless";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let body = String::from_utf8_lossy(call.request().body()).into_owned();
        tracing::info!(target: "cee_careless", body, "planted");
        // Only the pointer of a fault can hold what a caller sent.
        Err(Refusal::InvalidFields(vec![FieldFault { pointer: body, rule: BrokenRule::Missing }]))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scan_finds_leaks_in_response_and_log() {
    const LEAKED: &str = "918273645999";
    let metrics = Environment::of(Vec::new()).metrics();
    let adapter = Adapter::from(cee_edge::service(Arc::new(Careless), metrics));
    let function = Function::new("careless", Duration::from_secs(9));
    let invoker = Arc::new(InProcess::<_, LambdaRequest>::new(adapter, function));
    let route = Route { method: Method::POST, path: "/v3/policies/cee/simulate".to_owned(), invoker };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let gateway = gateway::start(listener, vec![route], gateway::Options::default()).await.unwrap();
    let api = Api::new(&format!("http://{}", gateway.address()));
    let answer = api.post("/v3/policies/cee/simulate", "", &json!({"driving_license": LEAKED})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let findings = api.record.findings();
    let places: Vec<&str> = findings.iter().map(|found| found.place.as_str()).collect();
    assert_eq!(places, ["a 400 from POST /v3/policies/cee/simulate", "the log"], "{findings:?}");
    assert!(findings.iter().all(|found| found.value == LEAKED && found.kind == Kind::License));
    gateway.shutdown().await;
}

/// A page shows what the person who reads it has typed. A secret that was typed into another field is not shown.
#[test]
fn scan_finds_secrets_alone_on_a_page() {
    let record = Record::new();
    let form = "last_name_trunc=QJZ&phone_trunc=%2B337918277&access_key=QJZ+91827364&form=918273649182736491827364";
    let request = Request::post("/console/simulate").header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    record.request(&request.body(form.into()).unwrap());
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"))]);
    let page = "<p>QJZ</p><p>+337918277</p><p>918273649182736491827364</p>";
    record.answer("POST /console/simulate", StatusCode::CONFLICT, &headers, &format!("{page}<p>QJZ 91827364</p>"));
    let found: BTreeSet<Kind> = record.findings().into_iter().map(|found| found.kind).collect();
    assert_eq!(found, BTreeSet::from([Kind::AccessKey]));
}

/// The binaries, one of which leaks a given text when it starts: on its standard output, as a metric would be.
fn careless_binaries(folder: &Path, says: &serde_json::Value) {
    for name in BINARIES {
        let (real, here) = (binaries().join(name), folder.join(name));
        if name == "cee-simulate" {
            std::fs::write(&here, format!("#!/bin/sh\necho '{says}'\nexec '{}'\n", real.display())).unwrap();
            std::fs::set_permissions(&here, std::fs::Permissions::from_mode(0o755)).unwrap();
        } else {
            std::os::unix::fs::symlink(real, here).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn scan_finds_leaks_in_metric_key_and_report() {
    const PHONE: &str = "+337918299";
    let folder = TempDir::new().unwrap();
    let metric = json!({"_aws": {"Timestamp": 1, "CloudWatchMetrics": []}, "Driver": "07 91 82 99", "Conflicts": 1});
    careless_binaries(folder.path(), &metric);
    let world = world_with(|options| {
        options.now = Some(at(NOW));
        options.functions = Functions::Binaries(folder.path().to_owned());
    })
    .await;
    let question = json!({"journey_type": "long", "last_name_trunc": "QJV", "phone_trunc": PHONE});
    assert_eq!(world.api.simulate(&world.token(1), &question).await.status, StatusCode::OK);
    let key = AttributeValue::S(format!("long#{PHONE}#QJV"));
    let put = world.aws.dynamodb().put_item().table_name(tables().claims).item("pk", key);
    put.send().await.unwrap();
    let report = json!({"import_id": "x", "key": "imports/1/h.csv", "error": "The row of QJV is bad."}).to_string();
    let put = world.aws.s3().put_object().bucket("cee-local").key("reports/1/x.json");
    put.body(report.into_bytes().into()).send().await.unwrap();

    let mut places = Vec::new();
    for Finding { kind, place, .. } in world.findings().await {
        places.push((kind, place));
    }
    places.sort();
    places.dedup();
    let key = "the key pk of cee-local-claims".to_owned();
    let report = "s3/cee-local/reports/1/x.json".to_owned();
    let metric = "what a function wrote".to_owned();
    assert_eq!(places, [(Kind::Phone, key.clone()), (Kind::Phone, metric), (Kind::Name, report), (Kind::Name, key)]);
}
