//! Compares every response in any test with the committed OpenAPI document: an undocumented status, content type or member fails
//! the test that received it.

use http::{Method, StatusCode};
use serde_json::Value;

pub use crate::schema::{DOCUMENT, validator};
use crate::support::Answer;

/// The beginning of every path.
pub fn base() -> &'static str {
    servers().next().unwrap()
}

/// All beginnings that a path may have.
pub fn servers() -> impl Iterator<Item = &'static str> {
    DOCUMENT["servers"].as_array().unwrap().iter().map(|server| server["url"].as_str().unwrap())
}

/// Every call: method, path below the base, operation.
pub fn operations() -> impl Iterator<Item = (Method, &'static str, &'static Value)> {
    DOCUMENT["paths"].as_object().unwrap().iter().flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(|(method, operation)| (method.to_uppercase().parse().unwrap(), path.as_str(), operation))
    })
}

/// The document's path for this request: a literal path before a path with a parameter.
fn path_of(method: &Method, path: &str) -> Option<&'static str> {
    let fits = |template: &str| {
        let (template, path): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
        template.len() == path.len()
            && template.iter().zip(path).all(|(one, other)| one.starts_with('{') || *one == other)
    };
    operations()
        .filter(|(of, template, _)| of == method && fits(template))
        .map(|(_, template, _)| template)
        .min_by_key(|template| template.matches('{').count())
}

fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// Fails if a response does not fit the document.
pub fn check(method: &Method, path: &str, answer: &Answer) {
    // S3 is not part of the interface.
    let below = |server| path.strip_prefix(server).filter(|below: &&str| below.starts_with('/'));
    let Some(below) = servers().find_map(below) else { return };
    let below = below.strip_suffix('/').unwrap_or(below);
    // A browser's preflight is not a call.
    if *method == Method::OPTIONS && answer.status == StatusCode::NO_CONTENT {
        return;
    }
    let Some(template) = path_of(method, below) else {
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path} answers and is not documented");
        return;
    };
    let call = format!("{method} {template}");
    let pointer =
        format!("/paths/{}/{}/responses/{}", escaped(template), method.as_str().to_lowercase(), answer.status.as_u16());
    let response = DOCUMENT.pointer(&pointer).unwrap_or_else(|| panic!("{call} does not document {answer:?}"));
    let Some(content) = response.get("content") else {
        assert!(answer.text.is_empty(), "{call} documents no body: {answer:?}");
        return;
    };
    let content_type = answer.headers["content-type"].to_str().unwrap().split(';').next().unwrap();
    assert!(content.get(content_type).is_some(), "{call} does not document {content_type}: {answer:?}");
    let validator = validator(&format!("{pointer}/content/{}/schema", escaped(content_type)), true);
    let body = if content_type == "text/csv" { Value::String(answer.text.clone()) } else { answer.json() };
    if let Err(error) = validator.validate(&body) {
        panic!("{call} answers what is not documented: {error}, at {}: {answer:?}", error.instance_path());
    }
}
