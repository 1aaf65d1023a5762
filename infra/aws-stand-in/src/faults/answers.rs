//! The answers of DynamoDB to a request that fails: codes, reasons and their order.

use std::io;

use fastrand::Rng;
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};

/// The reason of a transaction that is cancelled because another one holds an item.
pub(super) const CONFLICT: &str = "TransactionConflict";

pub(super) fn broken() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, "a fault that was asked for")
}

/// Removes length and checksum, which are those of another body.
pub(super) fn forget_length(headers: &mut http::HeaderMap) {
    headers.remove(http::header::CONTENT_LENGTH);
    headers.remove("x-amz-crc32");
}

pub(super) fn throttled(random: &mut Rng) -> Response<Bytes> {
    let codes = ["ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"];
    refused(StatusCode::BAD_REQUEST, codes[random.usize(..codes.len())])
}

pub(super) fn refused(status: StatusCode, code: &str) -> Response<Bytes> {
    answer(status, code, json!({ "message": "a fault that was asked for" }))
}

fn answer(status: StatusCode, code: &str, mut body: Value) -> Response<Bytes> {
    body["__type"] = format!("com.amazonaws.dynamodb.v20120810#{code}").into();
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let json = http::HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    response
}

/// A transaction that is cancelled because of one of its items, even if every condition holds.
pub(super) fn cancelled(body: &Bytes, code: &str, random: &mut Rng) -> Response<Bytes> {
    let asked: Value = serde_json::from_slice(body).unwrap_or_default();
    let items = asked["TransactItems"].as_array().map_or(1, |items| items.len().max(1));
    let mut reasons = vec![json!({ "Code": "None" }); items];
    reasons[random.usize(..items)] = reason(code);
    cancellation(reasons)
}

fn reason(code: &str) -> Value {
    json!({ "Code": code, "Message": "a fault that was asked for" })
}

fn cancellation(reasons: Vec<Value>) -> Response<Bytes> {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason["Code"].as_str().unwrap_or("None")).collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    let body = json!({ "Message": message, "CancellationReasons": reasons });
    answer(StatusCode::BAD_REQUEST, "TransactionCanceledException", body)
}

/// Adds a conflict on one item to the reasons of a transaction that was cancelled because of conditions.
pub(super) fn conflict_among(answer: &Response<Bytes>, random: &mut Rng) -> Option<Response<Bytes>> {
    let told: Value = serde_json::from_slice(answer.body()).ok()?;
    let mut reasons = told.get("CancellationReasons")?.as_array()?.clone();
    let number = random.usize(..reasons.len().max(1));
    *reasons.get_mut(number)? = reason(CONFLICT);
    Some(cancellation(reasons))
}
