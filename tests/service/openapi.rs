//! The OpenAPI document: made from the code, the same calls as the template and the local stack, and read by the functions
//! as it says.

use std::collections::BTreeSet;
use std::path::Path;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use cee_eligibility::Instant;
use cee_local::stack::{PAGES, PREFLIGHT, REFERENCE};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};

use crate::document::{DOCUMENT, base, operations, servers, validator};
use crate::support::{World, world};
use crate::template::functions;

/// The same for one part of a page, between `<!-- name -->` and `<!-- end of name -->`.
pub fn compare_part(path: &str, name: &str, fresh: &str) {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->"));
    let (before, rest) = page.split_once(&begin).unwrap();
    let (_, after) = rest.split_once(&end).unwrap();
    compare(path, &format!("{before}{begin}{fresh}{end}{after}"));
}

/// Compares a generated page with the committed one, or writes it again if `UPDATE=1` is set.
#[allow(clippy::disallowed_methods)]
pub fn compare(path: &str, fresh: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    if std::env::var("UPDATE").is_ok_and(|update| update == "1") {
        std::fs::write(file, fresh).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(file).unwrap();
    let line = kept.lines().zip(fresh.lines()).position(|(kept, fresh)| kept != fresh);
    assert!(
        kept == fresh,
        "{path} is not what the code says, from line {:?} on: see CONTRIBUTING.md",
        line.map(|at| at + 1)
    );
}

#[test]
fn documents_equal_committed_copies() {
    let document = cee_local::openapi::json().unwrap();
    compare("docs/openapi.json", &document);
    compare("docs/reference/index.html", &cee_local::reference::page(&document).unwrap());
    compare("docs/problems.md", &cee_edge::problem::page());
}

#[tokio::test(flavor = "multi_thread")]
async fn template_stack_and_document_have_the_same_calls() {
    let world = world().await;
    let stack: BTreeSet<String> = world.stack.calls().iter().map(|(method, path)| format!("{method} {path}")).collect();
    let document: BTreeSet<String> =
        operations().map(|(method, path, _)| format!("{method} /{{version}}{path}")).collect();
    assert!(servers().eq(cee_edge::VERSIONS.map(|version| format!("/{version}"))), "each version is a server");
    // Pages are for people: their routes are not calls.
    let of_interface = |route: &String| route.contains(" /{version}/");
    let template = functions().into_iter().flat_map(|function| function.routes);
    let (template, pages): (Vec<String>, Vec<String>) = template.partition(of_interface);
    // A browser asks it before it sends a call: no call itself.
    let (preflights, template): (Vec<String>, Vec<String>) =
        template.into_iter().partition(|route| route.starts_with("OPTIONS "));
    assert_eq!(preflights, [format!("{} {}", PREFLIGHT.0, PREFLIGHT.1)]);
    let of_stack: BTreeSet<String> =
        PAGES.iter().chain(&REFERENCE).map(|(method, path)| format!("{method} {path}")).collect();
    assert_eq!(pages.into_iter().collect::<BTreeSet<_>>(), of_stack);
    assert!(!document.is_empty());
    assert_eq!(template.len(), document.len(), "a route of two functions");
    assert_eq!(document, template.into_iter().collect());
    assert_eq!(document, stack);
}

#[tokio::test(flavor = "multi_thread")]
async fn openapi_document_and_page_are_served() {
    let world = world().await;
    let answer = world.api.get("/openapi.json").await;
    assert_eq!((answer.status, &answer.json()), (StatusCode::OK, &*DOCUMENT));
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let root = world.api.url.strip_suffix(base()).unwrap();
    for path in ["/docs", "/docs/"] {
        let (status, headers, text) = page(root, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(text, include_str!("../../docs/reference/index.html"));
        assert_eq!(headers["content-type"], "text/html; charset=utf-8");
        assert_eq!(headers["cache-control"], "public, max-age=300");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers.get_all("content-security-policy").iter().count(), 1);
        let policy = headers["content-security-policy"].to_str().unwrap();
        // A browser runs the page's own script and nothing else.
        let script = text.rsplit_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        let own = format!("script-src 'sha256-{}'", BASE64_STANDARD.encode(digest(&SHA256, script.as_bytes())));
        for directive in [own.as_str(), "default-src 'none'", "frame-ancestors 'none'"] {
            assert!(policy.split("; ").any(|one| one == directive), "{directive}: {policy}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
    }
    assert_eq!(page(root, "/v3/docs").await.0, StatusCode::NOT_FOUND);
}

/// Fetches a page that the document does not describe.
async fn page(root: &str, path: &str) -> (StatusCode, HeaderMap, String) {
    use http_body_util::{BodyExt as _, Empty};
    use hyper::body::Bytes;
    use hyper_util::client::legacy::Client;
    let client: Client<_, Empty<Bytes>> = Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let answer = client.get(format!("{root}{path}").parse().unwrap()).await.unwrap();
    let (head, body) = answer.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap();
    (head.status, head.headers, text)
}

/// A description may use Markdown that the page does not know: it would show its marks.
#[test]
fn reference_page_shows_no_marks_of_markdown() {
    let page = include_str!("../../docs/reference/index.html");
    let (_, main) = page.split_once("<main").unwrap();
    let (main, _) = main.rsplit_once("</main>").unwrap();
    let mut rest = main;
    while let Some((text, tag)) = rest.split_once('<') {
        for mark in ["`", "**", "](", "\n- ", "\n# ", "| "] {
            assert!(!text.contains(mark), "{mark:?} in {text:?}");
        }
        // What code holds is shown as it is.
        let skipped = tag.starts_with("code>").then(|| tag.split_once("</code>")).flatten();
        rest = skipped.map_or_else(|| tag.split_once('>').unwrap().1, |(_, after)| after);
    }
}

#[test]
fn each_operation_is_documented_with_valid_examples() {
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations() {
        let call = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} is given twice");
        for member in ["summary", "description"] {
            assert!(operation[member].as_str().is_some_and(|text| text.len() > 5), "{call} has no {member}");
        }
        let public = operation["tags"] == json!(["Public"]) || path == "/auth/access_token";
        assert_eq!(operation["security"] == json!([]), public, "{call}");
        assert!(operation["security"].is_array(), "{call}");
        let body = operation.pointer("/requestBody/content/application~1json");
        for (name, example) in body.iter().flat_map(|body| body["examples"].as_object().unwrap()) {
            let (path, method) = (path.replace('/', "~1"), method.as_str().to_lowercase());
            let schema = format!("/paths/{path}/{method}/requestBody/content/application~1json/schema");
            let result = validator(&schema, false).validate(&example["value"]).map_err(|error| error.to_string());
            assert_eq!(result, Ok(()), "{call}, example {name}");
        }
        for (status, response) in operation["responses"].as_object().unwrap() {
            for (content_type, content) in response.get("content").and_then(Value::as_object).into_iter().flatten() {
                let examples = content["examples"].as_object().unwrap_or_else(|| panic!("{call} {status}: no example"));
                let pointer = |path: &str| path.replace('~', "~0").replace('/', "~1");
                let schema = format!(
                    "/paths/{}/{}/responses/{status}/content/{}/schema",
                    pointer(path),
                    method.as_str().to_lowercase(),
                    pointer(content_type)
                );
                for (name, example) in examples {
                    let result =
                        validator(&schema, false).validate(&example["value"]).map_err(|error| error.to_string());
                    assert_eq!(result, Ok(()), "{call} {status}, example {name}");
                }
            }
        }
    }
    for link in operations().flat_map(|(_, _, operation)| operation["responses"].as_object().unwrap().values()) {
        for link in link.get("links").and_then(Value::as_object).into_iter().flat_map(|links| links.values()) {
            assert!(ids.contains(link["operationId"].as_str().unwrap()), "a link leads nowhere: {link}");
        }
    }
}

/// Whether a text fits the schema of this name.
fn fits(schema: &str, text: &str) -> bool {
    validator(&format!("/components/schemas/{schema}"), false).is_valid(&json!(text))
}

#[test]
fn dates_are_read_as_the_document_says() {
    for text in [
        "2024-03-15T08:30:00+01:00",
        "2024-03-15T08:30:00.123456Z",
        "2024-03-15T08:30:00-00:00",
        "2024-03-15T08:30:00",
        "2024-03-15",
        "2024-02-30T00:00:00Z",
        "2024-03-15T24:00:00Z",
        "2024-03-15T08:60:00Z",
        "2024-03-15T08:30Z",
        "15/03/2024",
        "",
    ] {
        assert_eq!(fits("Datetime", text), Instant::parse(text).is_ok(), "{text}");
    }
    assert!(fits("UtcDatetime", &Instant::parse("2024-03-15T08:30:00+01:00").unwrap().to_string()));
}

/// Texts that some field accepts, and texts that differ from them slightly.
const TEXTS: [&str; 26] = [
    "",
    " ",
    "short",
    "long",
    "Short",
    "TO ",
    "TO",
    "D-H",
    "TOTO",
    "+336399820",
    "+3363998",
    "06 39 98 20",
    "0033 639 98 20",
    "336399820",
    "051227308989",
    "ABCDEFGHIJKLMNO1234",
    "ABCDEFGHIJKLMNOP1234",
    "99-DE/B072 ",
    "98-é",
    "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30",
    "F44FF5364363E53DA750D8B7B44FA3176EA36228C5F951A9C1E606C915093D30",
    "2024-03-15T08:30:00+01:00",
    "2024-03-15",
    "text/csv",
    "..",
    "a/b",
];

/// Replacement values for a member.
fn values() -> Vec<Value> {
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(7.0),
        json!(5_368_709_121_u64),
        json!([]),
        json!({}),
    ];
    let long =
        ["x".repeat(200), "x".repeat(201), "x".repeat(255), "x".repeat(256), "a\u{7f}".to_owned(), "\u{9f}".to_owned()];
    TEXTS.iter().map(|text| json!(text)).chain(long.into_iter().map(Value::String)).chain(others).collect()
}

/// The pointers of the fields that a call reports as invalid.
async fn faults(world: &World, method: &Method, path: &str, body: &Value) -> Vec<String> {
    let request = world.api.request(method.clone(), path, Some(&world.token(1)), body.to_string().into_bytes());
    let answer = world.api.send(request).await.unwrap();
    let at_fault = answer.status == StatusCode::BAD_REQUEST && answer.problem() == "invalid_fields";
    if at_fault { answer.pointers() } else { Vec::new() }
}

/// Each documented body is sent with each member left out, with each member changed to many values, and with each member of another
/// call: what the schema refuses, the call refuses by name, and what the schema accepts, the call accepts.
#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_read_as_the_document_says() {
    let world = world().await;
    let bodies = operations().filter_map(|(method, path, operation)| {
        let content = operation.pointer("/requestBody/content/application~1json")?;
        Some((method, path, content["examples"].as_object()?))
    });
    // Batches, whose invalid rows fail alone, have tests of their own.
    let is_object = |examples: &serde_json::Map<String, Value>| examples.values().all(|e| e["value"].is_object());
    let bodies: Vec<_> = bodies.filter(|(_, _, examples)| is_object(examples)).collect();
    let shown = bodies.iter().flat_map(|(_, _, examples)| examples.values());
    let known: BTreeSet<&str> =
        shown.flat_map(|example| example["value"].as_object().unwrap().keys().map(String::as_str)).collect();
    let mut names: BTreeSet<&str> = BTreeSet::from(["unknown", "", "a/b"]);
    for schema in DOCUMENT["components"]["schemas"].as_object().unwrap().values() {
        names.extend(schema["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()));
    }
    let mut sent = 0;
    for (method, path, examples) in bodies {
        let place = format!(
            "/paths/{}/{}/requestBody/content/application~1json/schema",
            path.replace('/', "~1"),
            method.as_str().to_lowercase()
        );
        let documented = validator(&place, false);
        for example in examples.values() {
            let example = example["value"].as_object().unwrap();
            assert_eq!(faults(&world, &method, path, &json!(example)).await, Vec::<String>::new(), "{example:?}");
            for name in &names {
                let mut without = example.clone();
                let mut changed: Vec<_> = without.remove(*name).map(|_| without).into_iter().collect();
                // One value shows that a call does not know a member; known members get all values.
                let known = known.contains(*name);
                changed.extend(values().into_iter().take(if known { usize::MAX } else { 1 }).map(|value| {
                    let mut body = example.clone();
                    body.insert((*name).to_owned(), value);
                    body
                }));
                for body in changed {
                    let body = Value::Object(body);
                    let pointers = faults(&world, &method, path, &body).await;
                    let accepted = documented.is_valid(&body);
                    assert_eq!(pointers.is_empty(), accepted, "{method} {path}: {body} has {pointers:?}");
                    // A changed journey type needs other members.
                    if !accepted && *name != "journey_type" {
                        assert_eq!(pointers, [format!("/{}", name.replace('/', "~1"))], "{method} {path}: {body}");
                    }
                    sent += 1;
                }
            }
        }
    }
    assert!(sent > 500, "{sent} bodies were sent");
    // This test puts every example under every name, and so under names of personal values: no search.
    drop(world.findings().await);
}
