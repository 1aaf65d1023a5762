//! Attacks on the console, each tried: forms of other sites and sessions, other operators' ids in every address, markup in every value that
//! others choose, frames, caches. Sessions and guesses are in `console`.

use cee_eligibility::{OperatorId, Siret};
use cee_local::stack::tables;
use cee_registry::{Operator, Operators, SessionId};
use http::StatusCode;
use serde_json::{Value, json};

use crate::console::{Browser, Form, PAGES};
use crate::support::{Answer, World, world};
use crate::wire::Wire;

const FILE: &str = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,DUP,+336010203,2021-02-15\nlong,<b>,+336010204,2021-02-15\n";

/// A value with which an attacker would try to run a script in another person's page, as a possible name of a file.
const HOSTILE: &str = "\"'><img src=x onerror=alert(1)>.csv";

/// The same as the value of a field. Another text, because a file's name may appear in an address and a person's name may not.
const HOSTILE_VALUE: &str = "\"'><img src=x onerror=alert(2)>";

fn long(license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "MAR", "phone_trunc": "+336010203", "driving_license": license,
           "datetime": "2024-03-15T08:30:00+01:00"})
}

/// An import and an application of operator 1.
async fn belongings(world: &World) -> (String, String) {
    let browser = Browser::signed_in(world, 1).await;
    let import = browser.send(HOSTILE, &[("check_only", "false")], FILE).await;
    world.imported().await;
    let granted = world.api.register(&world.token(1), &long("051227308989")).await.json();
    (import, granted["uuid"].as_str().unwrap().to_owned())
}

/// Operator 1's import and application, which must be unchanged.
async fn stand(world: &World, import: &str, uuid: &str) {
    world.stack.queue().idle().await;
    let browser = Browser::signed_in(world, 1).await;
    let page = browser.get(&format!("/console/files/{import}")).await;
    assert!(page.status == StatusCode::OK && page.text.contains("completed"), "{page:?}");
    assert_eq!(browser.get(&format!("/console/application?uuid={uuid}")).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn form_of_another_site_or_session_changes_nothing() {
    let world = world().await;
    let (import, uuid) = belongings(&world).await;
    let browser = Browser::signed_in(&world, 1).await;
    let own = browser.form_token().unwrap();
    let other = SessionId::generate().unwrap().form_token();
    let root = browser.root.clone();
    let forms = [
        ("/console/upload", ("file_name", "h.csv")),
        ("/console/take-back", ("import_id", import.as_str())),
        ("/console/delete", ("uuid", uuid.as_str())),
    ];
    let places = world.scan(&tables().imports).await.len();
    for (path, field) in forms {
        for (origin, token, status) in [
            (root.as_str(), Some(other.as_str()), StatusCode::FORBIDDEN),
            (&root, Some(""), StatusCode::FORBIDDEN),
            (&root, None, StatusCode::FORBIDDEN),
            // A page of this machine, but not of this host and port.
            ("http://localhost:1", Some(own.as_str()), StatusCode::FORBIDDEN),
            // The local gateway refuses pages of other sites before the console does.
            ("https://evil.example", Some(own.as_str()), StatusCode::BAD_REQUEST),
            ("null", Some(own.as_str()), StatusCode::BAD_REQUEST),
        ] {
            let fields: Vec<_> = token.map(|token| ("form", token)).into_iter().chain([field]).collect();
            let answer = browser.post_from(origin, path, &fields).await;
            assert_eq!(answer.status, status, "{path} {origin} {token:?}: {answer:?}");
        }
        // Nor does an address: a link, or a picture of another site.
        let (name, value) = field;
        assert_ne!(browser.get(&format!("{path}?{name}={value}&form={own}")).await.status, StatusCode::SEE_OTHER);
        // Nor somebody who is not signed in.
        let answer = Browser::new(&world).post(path, &[field]).await;
        assert_eq!(answer.headers["location"], "/console/sign-in?session-ended=yes", "{path}");
    }
    assert_eq!(world.scan(&tables().imports).await.len(), places);
    stand(&world, &import, &uuid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_operators_ids_are_unknown_in_every_address() {
    let world = world().await;
    let (import, uuid) = belongings(&world).await;
    let browser = Browser::signed_in(&world, 2).await;
    let (no_import, no_uuid) = ("0".repeat(32), "1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b");
    let as_unknown = |foreign: Answer, unknown: Answer, place: &str| {
        let neutral = |answer: &Answer| {
            let text = answer.text.replace(&import, &no_import).replace(&uuid, no_uuid);
            // Each form that creates something has a number of its own.
            let Some((before, number)) = text.split_once("name=\"form_number\" value=\"") else { return text };
            format!("{before}{}", number.split_once('"').unwrap().1)
        };
        assert_eq!(foreign.status, StatusCode::NOT_FOUND, "{place}: {foreign:?}");
        assert_eq!(unknown.status, StatusCode::NOT_FOUND, "{place}");
        assert_eq!(neutral(&foreign), neutral(&unknown), "{place}: as one that never was");
    };
    for (before, foreign, unknown) in [
        ("/console/files/", import.as_str(), no_import.as_str()),
        ("/console/take-back?import_id=", &import, &no_import),
        ("/console/application?uuid=", &uuid, no_uuid),
        ("/console/delete?uuid=", &uuid, no_uuid),
    ] {
        let (foreign, unknown) = (format!("{before}{foreign}"), format!("{before}{unknown}"));
        as_unknown(browser.get(&foreign).await, browser.get(&unknown).await, before);
    }
    for (path, name, foreign, unknown) in [
        ("/console/take-back", "import_id", import.as_str(), no_import.as_str()),
        ("/console/delete", "uuid", &uuid, no_uuid),
        ("/console/upload", "replaces", &import, &no_import),
    ] {
        let foreign = browser.post(path, &[(name, foreign)]).await;
        as_unknown(foreign, browser.post(path, &[(name, unknown)]).await, path);
    }
    for path in ["/console/overview", "/console/files", "/console/applications", "/console/applications.csv"] {
        let page = browser.get(path).await;
        assert!(page.status == StatusCode::OK && !page.text.contains(&import) && !page.text.contains(&uuid), "{path}");
    }
    stand(&world, &import, &uuid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_operators_cursor_shows_nothing() {
    let world = world().await;
    for n in 0..26 {
        let mut body = long(&format!("L{n}"));
        body["phone_trunc"] = json!(format!("+3360102{n:02}"));
        assert_eq!(world.api.register(&world.token(1), &body).await.status, StatusCode::CREATED);
    }
    let mut browser = Browser::signed_in(&world, 1).await;
    let page = browser.get("/console/applications").await.text;
    let next = page.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let next = next.replace("&amp;", "&");
    assert_eq!(browser.get(&next).await.status, StatusCode::OK);
    browser.sign_in(2).await;
    assert_eq!(browser.get(&next).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test(flavor = "multi_thread")]
async fn markup_in_names_cells_and_addresses_stays_text() {
    let world = world().await;
    let siret = world.stack.description().operators[0].siret.clone();
    let hostile = Operator {
        id: OperatorId::new(1).unwrap(),
        name: format!("Carpool {HOSTILE}"),
        siret: Siret::parse(&siret).unwrap(),
        suspended: false,
    };
    Operators::new(world.aws.dynamodb(), &tables()).put(&hostile).await.unwrap();
    let (import, uuid) = belongings(&world).await;
    let browser = Browser::signed_in(&world, 1).await;
    let awaiting = browser.place(&[("file_name", HOSTILE)]).await;
    let query = "%22%3E%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E";
    let mut answers = vec![
        browser.post("/console/upload", &[("file_name", &format!("/{HOSTILE}")), ("replaces", HOSTILE)]).await,
        browser.post("/console/simulate", &[("last_name_trunc", HOSTILE_VALUE), ("journey_type", HOSTILE_VALUE)]).await,
        browser.post("/console/proof", &[("token", HOSTILE_VALUE)]).await,
        browser.post("/console/delete", &[("uuid", HOSTILE)]).await,
        browser.post("/console/take-back", &[("import_id", HOSTILE)]).await,
        browser.post("/console/sign-in", &[("access_key", HOSTILE_VALUE), ("secret_key", HOSTILE_VALUE)]).await,
    ];
    let list =
        format!("/console/applications?status={query}&from={query}&to={query}&journey_type={query}&cursor={query}");
    for path in [
        format!("/console/overview?weeks={query}&to={query}"),
        "/console/files".to_owned(),
        format!("/console/files/{import}"),
        format!("/console/take-back?import_id={import}"),
        format!("/console/application?uuid={uuid}"),
        format!("/console/delete?uuid={uuid}"),
        format!("/console/application?uuid={query}&{query}={query}"),
        format!("/console/files/{query}"),
        format!("/console/sent/{query}"),
        format!("/console/sent/{import}?key={query}"),
        format!("/console/upload?replaces={query}&lang={query}"),
        format!("/console/{query}"),
        list,
        awaiting,
    ] {
        answers.push(browser.get(&path).await);
    }
    let mut shown = 0;
    for answer in &answers {
        assert_eq!(answer.headers["content-type"], "text/html; charset=utf-8", "{answer:?}");
        for bad in ["<img", "<b>", "src=x onerror=alert(1)>"] {
            assert!(!answer.text.contains(bad), "{bad}: {}", answer.text);
        }
        shown += usize::from(answer.text.contains("&lt;img src=x"));
    }
    assert!(shown > 10, "the values are there, as text");
    assert!(answers.iter().any(|answer| answer.text.contains(">&lt;b&gt;</td>")), "the rejected cell");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_headers_that_protect_its_reader() {
    let world = world().await;
    let (import, uuid) = belongings(&world).await;
    let browser = Browser::signed_in(&world, 1).await;
    let mut answers: Vec<(String, Answer)> = Vec::new();
    let ids = [
        format!("/console/files/{import}"),
        format!("/console/delete?uuid={uuid}"),
        "/console/applications.csv".to_owned(),
    ];
    for path in PAGES.map(str::to_owned).into_iter().chain(ids) {
        answers.push((path.clone(), browser.get(&path).await));
    }
    for path in ["/console/upload", "/console/delete", "/console/take-back", "/console/sign-out", "/console/proof"] {
        answers.push((path.to_owned(), browser.post(path, &[]).await));
        answers.push((format!("anonymous {path}"), Browser::new(&world).post(path, &[]).await));
    }
    for (place, answer) in &answers {
        let header = |name: &str| answer.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default();
        let policy = header("content-security-policy");
        for directive in ["default-src 'none'", "script-src 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|one| one == directive), "{place}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{place}: {policy}");
        let referrer = if policy.contains("form-action 'self' http") { "strict-origin" } else { "same-origin" };
        for (name, value) in [
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", referrer),
            ("x-content-type-options", "nosniff"),
            ("strict-transport-security", "max-age=31536000"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("access-control-allow-origin", ""),
        ] {
            assert_eq!(header(name), value, "{place}: {name}");
        }
    }
    let token = world.token(1);
    for answer in [
        world.api.get("/health").await,
        world.api.get("/proofs/nothing").await,
        world.api.register(&token, &json!({})).await,
        world.api.call(http::Method::GET, "/policies/cee", &token).await,
        world.api.call(http::Method::GET, "/policies/cee/imports", "").await,
    ] {
        for (name, value) in [
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("strict-transport-security", "max-age=31536000"),
        ] {
            assert_eq!(answer.headers[name], value, "{answer:?}");
        }
    }
}

/// A page: at most 100 KB with its stylesheet and its script, and at most two requests to DynamoDB beside the one for the session;
/// the overview three: the counts of up to a year, and the two of the list of imports.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_small_and_cost_little() {
    let (world, wire) = Wire::world().await;
    for n in 0..30 {
        let mut body = long(&format!("LICENCE{n}"));
        body["phone_trunc"] = json!(format!("+3360102{n:02}"));
        assert_eq!(world.api.register(&world.token(1), &body).await.status, StatusCode::CREATED);
    }
    let granted = world
        .api
        .register(
            &world.token(1),
            &json!({"journey_type": "long", "last_name_trunc": "NAM",
        "phone_trunc": "+336010999", "driving_license": "LAST", "datetime": "2024-03-15T08:30:00Z"}),
        )
        .await
        .json();
    let uuid = granted["uuid"].as_str().unwrap();
    let browser = Browser::signed_in(&world, 1).await;
    // The longest page: 500 rejected rows of more than it shows.
    let rows: String = (0..500).map(|row| format!("long,{},+336010204,2021-02-15\n", "?".repeat(row + 1))).collect();
    let head = "journey_type,last_name_trunc,phone_trunc,datetime\n";
    let import = browser.send("h.csv", &[], &format!("{head}{rows}")).await;
    for _ in 0..24 {
        browser.place(&[]).await;
    }
    world.imported().await;
    let page = browser.get("/console/upload").await.text;
    let mut assets = 0;
    for name in ["style.css", "script.js"] {
        let path = page.split('"').find(|part| part.starts_with(&format!("/console/{name}?v="))).unwrap();
        assets += browser.get(path).await.text.len();
    }
    for (path, requests) in [
        ("/".to_owned(), &[][..]),
        ("/console/overview?weeks=52".to_owned(), &["GetItem", "BatchGetItem", "Query", "BatchGetItem"]),
        ("/console/files".to_owned(), &["GetItem", "Query", "BatchGetItem"]),
        (format!("/console/files/{import}"), &["GetItem", "GetItem"]),
        ("/console/upload".to_owned(), &["GetItem"]),
        (format!("/console/sent/{import}"), &[]),
        (format!("/console/take-back?import_id={import}"), &["GetItem", "GetItem"]),
        ("/console/applications".to_owned(), &["GetItem", "Query"]),
        ("/console/applications.csv".to_owned(), &["GetItem", "Query"]),
        (format!("/console/application?uuid={uuid}"), &["GetItem", "GetItem"]),
        (format!("/console/delete?uuid={uuid}"), &["GetItem", "GetItem"]),
        ("/console/simulate".to_owned(), &["GetItem"]),
        ("/console/proof".to_owned(), &["GetItem"]),
    ] {
        wire.take_operations();
        let answer = browser.get(&path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {answer:?}");
        assert_eq!(wire.take_operations(), requests, "{path}");
        let whole = answer.text.len() + assets;
        assert!(whole <= 100_000, "{path}: {whole} bytes");
    }
    wire.take_operations();
    browser.place(&[]).await;
    assert_eq!(wire.take_operations(), ["GetItem", "PutItem"]);
    assert!(Form::of(&browser.get("/console/simulate").await.text, "send").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn french_pages_hold_no_english() {
    let world = world().await;
    let (import, uuid) = belongings(&world).await;
    let mut browser = Browser::signed_in(&world, 1).await;
    browser.language = "fr";
    let awaiting = browser.place(&[("file_name", "historique.csv")]).await;
    let ids = [
        awaiting.clone(),
        format!("{awaiting}?sent=yes"),
        format!("/console/files/{import}"),
        format!("/console/take-back?import_id={import}"),
        format!("/console/application?uuid={uuid}"),
        format!("/console/delete?uuid={uuid}"),
        "/console/applications?journey_type=long&status=ok".to_owned(),
    ];
    let mut answers = vec![browser.post("/console/upload", &[("file_name", "a/b")]).await];
    for path in PAGES.map(str::to_owned).into_iter().chain(ids) {
        answers.push(browser.get(&path).await);
    }
    for answer in answers {
        assert!(answer.text.contains("<html lang=\"fr\">"), "{answer:?}");
        let text = visible(&answer.text);
        let text = text.replace("&lt;", " ").replace("&gt;", " ").replace("&quot;", " ");
        assert_eq!(cee_eligibility::Language::english_left_in(&text), None, "{text}");
    }
}

/// The texts of a page, without names, codes and values.
fn visible(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text += before;
        text.push(' ');
        let (tag, after) = tag.split_once('>').unwrap();
        let skipped = ["code", "time", "strong", "td"].iter().find(|name| tag.split(' ').next() == Some(**name));
        rest = skipped.and_then(|name| after.split_once(&format!("</{name}>"))).map_or(after, |(_, rest)| rest);
    }
    text
}
