//! A request as an event in payload format 2.0, and the function's answer as a response.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::routes::Found;
use crate::invoke::{ACCOUNT, trace_id};

/// Headers between two hops: API Gateway neither passes them on nor lets a function set them.
const HOP_HEADERS: [HeaderName; 7] = [
    header::CONNECTION,
    header::EXPECT,
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The gateway's information about a request, besides the request itself.
pub(super) struct Arrival<'a> {
    pub(super) api_id: &'a str,
    pub(super) stage_variables: &'a BTreeMap<String, String>,
    pub(super) request_id: &'a str,
    pub(super) peer: SocketAddr,
    pub(super) now: DateTime<Utc>,
}

/// The event that the function gets.
pub(super) fn event(
    head: &http::request::Parts,
    path: &str,
    found: &Found<'_>,
    body: &Bytes,
    arrival: &Arrival<'_>,
) -> Value {
    let Arrival { api_id, stage_variables, request_id, peer, now } = arrival;
    let source_ip = peer.ip().to_canonical().to_string();
    let (headers, cookies) = event_headers(head, body.len(), &source_ip);
    let host = headers.get("host").and_then(Value::as_str).unwrap_or("localhost");
    let domain = host.parse::<Authority>().map_or_else(|_| host.to_owned(), |host| host.host().to_owned());
    let route_key = format!("{} {}", found.route.method, found.route.path);
    let query = head.uri.query().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": path,
        "rawQueryString": query,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": api_id,
            "domainName": domain,
            "domainPrefix": domain.split('.').next(),
            "http": {
                "method": head.method.as_str(),
                "path": path,
                "protocol": format!("{:?}", head.version),
                "sourceIp": source_ip,
                "userAgent": headers.get("user-agent").and_then(Value::as_str).unwrap_or_default(),
            },
            "requestId": request_id,
            "routeKey": route_key,
            "stage": "$default",
            "time": now.format("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.timestamp_millis(),
        },
        "headers": headers,
        "isBase64Encoded": false,
    });
    // Empty values are absent, as in API Gateway's events.
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    let parameters = query_parameters(query);
    if !parameters.is_empty() {
        event["queryStringParameters"] = json!(parameters);
    }
    if !stage_variables.is_empty() {
        event["stageVariables"] = json!(stage_variables);
    }
    if !found.parameters.is_empty() {
        event["pathParameters"] = json!(found.parameters);
    }
    if !body.is_empty() {
        let text = if is_text(&head.headers) { std::str::from_utf8(body).ok() } else { None };
        event["isBase64Encoded"] = Value::Bool(text.is_none());
        event["body"] = Value::String(text.map_or_else(|| BASE64.encode(body), ToOwned::to_owned));
    }
    event
}

fn event_headers(head: &http::request::Parts, length: usize, source_ip: &str) -> (Map<String, Value>, Vec<String>) {
    let joined = |name: &HeaderName| {
        let values: Vec<_> = head.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        values.join(",")
    };
    let mut headers = Map::new();
    for name in head.headers.keys() {
        if *name != header::COOKIE && !HOP_HEADERS.contains(name) {
            headers.insert(name.to_string(), Value::String(joined(name)));
        }
    }
    let cookies = head.headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookies = cookies.flat_map(|value| value.split(';')).map(|cookie| cookie.trim().to_owned());
    let cookies = cookies.filter(|cookie| !cookie.is_empty()).collect();
    // Headers that API Gateway adds.
    headers.insert("content-length".to_owned(), Value::String(length.to_string()));
    let forwarded = match headers.get("x-forwarded-for").and_then(Value::as_str) {
        Some(before) => format!("{before}, {source_ip}"),
        None => source_ip.to_owned(),
    };
    headers.insert("x-forwarded-for".to_owned(), Value::String(forwarded));
    let port =
        head.headers.get(header::HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok()?.port_u16());
    headers.insert("x-forwarded-port".to_owned(), Value::String(port.unwrap_or(80).to_string()));
    headers.insert("x-forwarded-proto".to_owned(), Value::String("http".to_owned()));
    if !headers.contains_key("x-amzn-trace-id") {
        let trace = trace_id();
        let root = trace.split(';').next().unwrap_or_default();
        headers.insert("x-amzn-trace-id".to_owned(), Value::String(root.to_owned()));
    }
    (headers, cookies)
}

/// Decoded, the values of a repeated name joined by a comma.
fn query_parameters(query: &str) -> BTreeMap<String, String> {
    let mut parameters = BTreeMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let decode = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        let value = decode(value);
        parameters
            .entry(decode(name))
            .and_modify(|values| {
                values.push(',');
                values.push_str(&value);
            })
            .or_insert(value);
    }
    parameters
}

/// Whether a body of this type is passed as text.
fn is_text(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else { return true };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind.starts_with("text/")
        || ["application/json", "application/javascript", "application/xml"].contains(&kind.as_str())
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
}

/// Turns the answer of a function into HTTP; `None` if it is not a valid answer.
pub(super) fn to_http(answer: Value) -> Option<Response<Full<Bytes>>> {
    let mut answer = match answer {
        Value::Object(answer) if answer.contains_key("statusCode") => answer,
        other => {
            let body = if let Value::String(text) = other { text } else { other.to_string() };
            let mut response = Response::new(Full::new(Bytes::from(body)));
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            return Some(response);
        }
    };
    let status = u16::try_from(answer.get("statusCode")?.as_u64()?).ok()?;
    // 1xx is not an answer to a request.
    let status = StatusCode::from_u16(status).ok().filter(|status| (200..600).contains(&status.as_u16()))?;
    let body = match answer.remove("body") {
        None | Some(Value::Null) => Bytes::new(),
        Some(Value::String(text)) if answer.get("isBase64Encoded") == Some(&Value::Bool(true)) => {
            Bytes::from(BASE64.decode(text).ok()?)
        }
        Some(Value::String(text)) => Bytes::from(text),
        Some(_) => return None,
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if let Some(given) = answer.get("headers").and_then(Value::as_object) {
        for (name, value) in given {
            let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
            let value = match value {
                Value::String(text) => HeaderValue::from_str(text).ok()?,
                Value::Number(_) | Value::Bool(_) => HeaderValue::from_str(&value.to_string()).ok()?,
                _ => return None,
            };
            // The server counts the length itself.
            if name != header::CONTENT_LENGTH && !HOP_HEADERS.contains(&name) {
                headers.insert(name, value);
            }
        }
    }
    for cookie in answer.get("cookies").and_then(Value::as_array).into_iter().flatten() {
        headers.append(header::SET_COOKIE, HeaderValue::from_str(cookie.as_str()?).ok()?);
    }
    headers.entry(header::CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain; charset=utf-8"));
    Some(response)
}
