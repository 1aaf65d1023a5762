//! The body of each call that has one.
//!
//! - What is accepted is what the OpenAPI document says, and the other way round, but for what only words can say there.
//! - A body that is accepted and written again is accepted again, and is the same call.
//! - It makes no difference whether API Gateway hands it on as text or in base64.
//! - No refusal repeats a value. (It does repeat the names of unknown fields.)
//!
//! The first byte names the call, the rest is its body.

use cee_edge::problem::{ApplicationKind, BrokenRule};
use cee_edge::{Fields, Refusal};
use cee_eligibility::{FieldError, Language, PhoneTrunc, Rules};
use cee_fn_batches::MOST_ROWS;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use lambda_http::Body;
use serde_json::{Map, Value};

use super::schema::validator;
use super::{NOW, exchange, tells_nothing};

/// Fails if one of these properties does not hold for these bytes as a call and its body.
pub fn check(bytes: &[u8]) {
    let Some((call, body)) = bytes.split_first() else { return };
    match call {
        b'a' => object("Credentials", body, cee_fn_access::read),
        b'e' => object("ExportRequest", body, cee_fn_applications::exports::read),
        b'h' => rows("HistoryRow", body, |fields| cee_fn_batches::read_history(fields, &Rules::default(), *NOW)),
        b'i' => rows("IdentityRow", body, |fields| cee_fn_batches::read_identity(fields, &Rules::default(), *NOW)),
        b'r' => object("Registration", body, |fields| cee_fn_register::read(fields, &Rules::default(), *NOW)),
        b's' => object("Simulation", body, cee_fn_simulate::read),
        b'u' => object("Upload", body, cee_fn_uploads::read),
        _ => {}
    }
}

/// The result of reading a body: the call, or the refusal.
type Read<T> = Result<T, String>;

fn request(body: Body) -> lambda_http::Request {
    let json = HeaderValue::from_static("application/json; charset=utf-8");
    Request::builder().header(CONTENT_TYPE, json).body(body).expect("a request")
}

fn told(refusal: Refusal) -> String {
    match refusal.into_response("", Language::English).into_body() {
        Body::Text(text) => text,
        _ => panic!("a refusal has a text"),
    }
}

/// The result of a body, which is the same whichever way it arrives.
fn come_of<T: PartialEq>(body: &[u8], read: impl Fn(&lambda_http::Request) -> Read<T>) -> Read<T> {
    let came = read(&request(Body::Binary(body.to_vec())));
    if let Ok(text) = std::str::from_utf8(body) {
        assert!(came == read(&request(Body::Text(text.to_owned()))), "text and base64 differ");
    }
    came
}

fn fits(schema: &str, value: &Value) -> bool {
    validator(&format!("/components/schemas/{schema}"), false).is_valid(value)
}

/// A body with its phone in E.164: of a foreign one, more spellings are accepted than the document publishes.
fn with_plain_phone(value: &Value) -> Value {
    let mut value = value.clone();
    if let Some(Value::String(phone)) = value.get_mut("phone_trunc")
        && let Ok(plain) = PhoneTrunc::parse(phone)
    {
        plain.as_str().clone_into(phone);
    }
    value
}

/// The texts within a value, and not the names.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(members) => members.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// A value in whose texts a piece is exchanged for another.
fn exchanged(value: &Value, piece: &str, other: &str) -> Value {
    let inner = |value: &Value| exchanged(value, piece, other);
    match value {
        Value::String(text) => Value::String(text.replace(piece, other)),
        Value::Array(values) => values.iter().map(inner).collect(),
        Value::Object(members) => members.iter().map(|(name, value)| (name.clone(), inner(value))).collect(),
        other => other.clone(),
    }
}

fn object<T: PartialEq>(schema: &str, body: &[u8], read: impl Fn(Fields) -> Result<T, Refusal>) {
    let come_of = |body: &[u8]| {
        come_of(body, |request| {
            let fields = Fields::of(request).map_err(told)?;
            let canonical = fields.canonical();
            read(fields).map(|read| (canonical, read)).map_err(told)
        })
    };
    let came = come_of(body);
    let Ok(value) = serde_json::from_slice::<Value>(body) else {
        let told = came.err().expect("what is not JSON is refused");
        tells_nothing(&String::from_utf8_lossy(body), &told, |piece, other| {
            let other = exchange(body, piece, other);
            // By accident it may have become JSON, in which names are not secret.
            let told = || come_of(&other).err().unwrap_or_default();
            if serde_json::from_slice::<Value>(&other).is_ok() { String::new() } else { told() }
        });
        return;
    };
    match &came {
        Ok(_) => {
            assert!(fits(schema, &with_plain_phone(&value)), "the document refuses what is accepted");
            assert!(come_of(value.to_string().as_bytes()) == came, "written again it is another call");
        }
        Err(told) => {
            refused(schema, &value, told);
            tells_nothing(&texts(&value).join("\n"), told, |piece, other| {
                come_of(exchanged(&value, piece, other).to_string().as_bytes()).err().unwrap_or_default()
            });
        }
    }
}

fn rows<T: PartialEq>(schema: &str, body: &[u8], read: impl Fn(Fields) -> Result<T, Refusal>) {
    type Sent = Map<String, Value>;
    let come_of = |body: &[u8]| {
        come_of(body, |request| {
            let rows = Fields::rows(request, MOST_ROWS).map_err(told)?;
            let rows = rows.into_iter().map(|row| {
                let fields = row.fields.ok_or_else(|| "must be a JSON object".to_owned());
                (row.sent, fields.and_then(|fields| read(fields).map_err(told)))
            });
            Ok(rows.collect::<Vec<(Sent, Read<T>)>>())
        })
    };
    // A row that is not an object is skipped, however deep it is nested.
    let Ok(value) = serde_json::from_slice::<Value>(body) else { return };
    let Ok(came) = come_of(body) else {
        assert!(value.as_array().is_none_or(|rows| rows.is_empty() || rows.len() > MOST_ROWS), "rows are refused");
        return;
    };
    let sent = value.as_array().expect("an array");
    assert_eq!(came.len(), sent.len(), "a row is lost");
    for ((told_back, came), value) in came.iter().zip(sent) {
        assert!(
            value.as_object().unwrap_or(&Map::new()) == told_back,
            "a row is returned differently from how it was sent"
        );
        let again = |value: &Value| {
            let mut rows = come_of(Value::Array(vec![value.clone()]).to_string().as_bytes()).expect("one row");
            rows.remove(0).1
        };
        match came {
            Ok(_) => {
                assert!(fits(schema, &with_plain_phone(value)), "the document refuses what is accepted");
                assert!(again(value) == *came, "written again it is another row");
            }
            Err(told) => {
                refused(schema, value, told);
                tells_nothing(&texts(value).join("\n"), told, |piece, other| {
                    again(&exchanged(value, piece, other)).err().unwrap_or_default()
                });
            }
        }
    }
}

/// Fails if the document accepts a body that is refused for a reason which a schema can express.
fn refused(schema: &str, value: &Value, told: &str) {
    if !fits(schema, value) {
        return;
    }
    let in_words = [
        // A JSON reader that keeps one value of a name does not see this.
        "must be given only once".to_owned(),
        FieldError::InTheFuture.to_string(),
        FieldError::OutsidePeriod.to_string(),
        FieldError::Years.to_string(),
        FieldError::FileName.to_string(),
        FieldError::NotHistory { before: Rules::default().short.history_before.paris_day() }.to_string(),
        FieldError::ForeignLicense.to_string(),
    ];
    // Two dates are compared, and a status belongs to short applications alone.
    let of_filter = [
        FieldError::Bound.to_string(),
        BrokenRule::After("from").message(Language::English),
        BrokenRule::After("registered_from").message(Language::English),
        BrokenRule::Foreign(ApplicationKind::Long).message(Language::English),
    ];
    let is_filter = schema == "ExportRequest";
    let in_words: Vec<String> = in_words.into_iter().chain(of_filter.into_iter().filter(|_| is_filter)).collect();
    let problem: Value = serde_json::from_str(told).expect("a problem is JSON");
    let faults = problem["errors"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_schema = |fault: &&Value| !in_words.iter().any(|words| fault["message"] == words.as_str());
    let surprise = faults.iter().find(of_schema).map(|fault| &fault["pointer"]);
    assert!(surprise.is_none() && !faults.is_empty(), "the document accepts what is refused: {surprise:?}");
}
