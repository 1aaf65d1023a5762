//! API Gateway's HTTP API for one machine: HTTP in, an event in payload format 2.0 to a function, its answer out as HTTP.
//!
//! It does what API Gateway does, its oddities too, so that what passes here passes there:
//!
//! - `rawPath` and the path parameters are percent-decoded before the route is chosen, `%2F` included, and a decoded `?`
//!   ends the path. `rawQueryString` stays as it came.
//! - Header names come in lower case, repeated headers joined by a comma, cookies in their own list.
//! - A body whose type is text comes as text, any other in base64.
//! - Of the answer, `multiValueHeaders` is ignored; an answer without `statusCode` is a 200 with the whole of it as JSON.
//! - A method or a path that no route names is "not found"; so are HEAD and OPTIONS unless a route names them.
//!
//! What it does not do: TLS, authorizers, CORS, throttling, named stages, `ANY` and `$default` routes.
//!
//! In one thing it follows `sam local`, because AWS documents nothing: a `/` at the end of a path is ignored when the route is
//! chosen. API Gateway takes no route key that ends in one, and reports differ on whether it then finds the route. `rawPath`
//! keeps the `/`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::error::Error;
use crate::invoke::{ACCOUNT, InvokeError, Invoker, machine_now, trace_id};
use crate::listen::unreadable::Unreadable;
use crate::listen::{ForeignOrigin, Listening, Refusals, drain};

/// What API Gateway takes as a body.
pub const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// What API Gateway takes as request line and headers together.
pub const HEADERS_LIMIT: usize = 10_240;

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

/// One route: a method and a path lead to a function.
#[derive(Clone)]
pub struct Route {
    /// The method, exactly.
    pub method: Method,
    /// The path: literal segments, `{name}` for one segment, `{name+}` at the end for all that follow.
    pub path: String,
    /// The function.
    pub invoker: Arc<dyn Invoker>,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

/// What the gateway answers itself, without a function or in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayRefusal {
    /// A header holds what is not visible ASCII, or `Host` names no host.
    InvalidHeader,
    /// The request line or a header cannot be read, or two headers contradict each other.
    UnreadableHead,
    /// The body is not framed as its headers say, or ended too early.
    BrokenBody,
    /// A browser sends the request for a page of another site.
    ForeignOrigin,
    /// No route has this method and path.
    NotFound,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The body is above [`BODY_LIMIT`], or the event above what Lambda takes.
    PayloadTooLarge,
    /// The request line and the headers are above [`HEADERS_LIMIT`].
    HeadersTooLarge,
    /// The function failed, crashed, took too long, or answered something that is no answer.
    FunctionFailed,
    /// The function gave no answer within the time that the gateway waits.
    IntegrationTimeout,
}

impl GatewayRefusal {
    /// The status that API Gateway gives.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidHeader | Self::UnreadableHead | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::PayloadTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::HeadersTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::FunctionFailed => StatusCode::INTERNAL_SERVER_ERROR,
            Self::IntegrationTimeout => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The message that API Gateway gives.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::InvalidHeader | Self::UnreadableHead | Self::BrokenBody => "Bad Request",
            Self::ForeignOrigin => "Forbidden",
            Self::NotFound => "Not Found",
            Self::RequestTimeout => "Request Timeout",
            Self::PayloadTooLarge => "Request Entity Too Large",
            Self::HeadersTooLarge => "Request Header Fields Too Large",
            Self::FunctionFailed => "Internal Server Error",
            Self::IntegrationTimeout => "Service Unavailable",
        }
    }
}

/// Builds the answer to a refusal of the gateway; the text is the gateway's request id.
pub type Fallback = Arc<dyn Fn(GatewayRefusal, &str) -> Response<String> + Send + Sync>;

/// The answer of API Gateway: its status and `{"message":…}`.
#[must_use]
pub fn aws_refusal(refusal: GatewayRefusal, _request_id: &str) -> Response<String> {
    let mut response = Response::new(json!({ "message": refusal.message() }).to_string());
    *response.status_mut() = refusal.status();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// How a gateway behaves.
#[derive(Clone)]
pub struct Options {
    /// `requestContext.apiId`.
    pub api_id: String,
    /// What builds the gateway's own answers.
    pub fallback: Fallback,
    /// The largest body.
    pub body_limit: usize,
    /// How long a client may take to send the head of a request, and may stay idle between two.
    pub head_timeout: Duration,
    /// How long a client may take to send the body.
    pub body_timeout: Duration,
    /// How long the gateway waits for a function.
    pub integration_timeout: Duration,
    /// The clock behind `requestContext.time`.
    pub clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            api_id: "local".to_owned(),
            fallback: Arc::new(aws_refusal),
            body_limit: BODY_LIMIT,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            integration_timeout: Duration::from_secs(30),
            clock: Arc::new(machine_now),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("api_id", &self.api_id)
            .field("body_limit", &self.body_limit)
            .finish_non_exhaustive()
    }
}

/// A running gateway. Dropping it closes its port at once; [`shutdown`](Self::shutdown) answers what is under way.
#[derive(Debug)]
pub struct Gateway {
    listening: Listening,
}

/// Serves `routes` on `listener`.
///
/// # Errors
/// When a route's path is not one, or the listener has no address.
pub async fn start(listener: TcpListener, routes: Vec<Route>, options: Options) -> Result<Gateway, Error> {
    let head_timeout = options.head_timeout;
    let fallback = Arc::clone(&options.fallback);
    let foreign: ForeignOrigin = Arc::new(move || {
        let request_id = BASE64.encode(&Uuid::new_v4().as_bytes()[..11]);
        fallback(GatewayRefusal::ForeignOrigin, &request_id).map(|body| Full::new(Bytes::from(body)))
    });
    let fallback = Arc::clone(&options.fallback);
    let unreadable: Unreadable = Arc::new(move || {
        let request_id = BASE64.encode(&Uuid::new_v4().as_bytes()[..11]);
        whole(&fallback(GatewayRefusal::UnreadableHead, &request_id), &request_id)
    });
    let refusals = Refusals { foreign, unreadable: Some(unreadable) };
    let shared = Arc::new(Shared { routes: Routes::new(routes)?, options });
    let listening = Listening::start_with(listener, head_timeout, refusals, move |peer| {
        let shared = Arc::clone(&shared);
        service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(shared.answer(request, peer).await) }
        })
    })?;
    Ok(Gateway { listening })
}

/// An answer as it goes over a connection, which it ends.
fn whole(response: &Response<String>, request_id: &str) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let length = response.body().len();
    answer.extend(
        format!("apigw-requestid: {request_id}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n").bytes(),
    );
    answer.extend(response.body().bytes());
    answer
}

impl Gateway {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listening.address()
    }

    /// Takes no more requests and answers those under way.
    pub async fn shutdown(self) {
        self.listening.shutdown().await;
    }
}

struct Shared {
    routes: Routes,
    options: Options,
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>, peer: SocketAddr) -> Response<Full<Bytes>> {
        let request_id = BASE64.encode(&Uuid::new_v4().as_bytes()[..11]);
        let mut response = match self.respond(request, peer, &request_id).await {
            Ok(response) => response,
            Err(refusal) => (self.options.fallback)(refusal, &request_id).map(|body| Full::new(Bytes::from(body))),
        };
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("apigw-requestid", value);
        }
        response
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
        request_id: &str,
    ) -> Result<Response<Full<Bytes>>, GatewayRefusal> {
        let (head, body) = request.into_parts();
        let checked = check_head(&head).and_then(|()| {
            let path = decoded_path(head.uri.path());
            let found = self.routes.find(&head.method, &path).ok_or(GatewayRefusal::NotFound)?;
            Ok((path.into_owned(), found))
        });
        let (path, found) = match checked {
            Ok(found) => found,
            Err(refusal) => {
                drain(body, &head.headers).await;
                return Err(refusal);
            }
        };
        let body = self.read_body(&head.headers, body).await?;
        let event = event(&head, &path, &found, &body, peer, request_id, self);
        drop(body);
        let invocation = Uuid::new_v4().to_string();
        let invoked = found.route.invoker.invoke(event, &invocation);
        let answer = match tokio::time::timeout(self.options.integration_timeout, invoked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(InvokeError::EventTooLarge(_))) => return Err(GatewayRefusal::PayloadTooLarge),
            Ok(Err(error)) => {
                tracing::error!(request_id, invocation, %error, "a function failed");
                return Err(GatewayRefusal::FunctionFailed);
            }
            Err(_) => {
                tracing::error!(request_id, invocation, "a function gave no answer in time");
                return Err(GatewayRefusal::IntegrationTimeout);
            }
        };
        to_http(answer).ok_or_else(|| {
            tracing::error!(request_id, invocation, "a function answered something that is no answer");
            GatewayRefusal::FunctionFailed
        })
    }

    async fn read_body(&self, headers: &HeaderMap, mut body: Incoming) -> Result<Bytes, GatewayRefusal> {
        let limit = self.options.body_limit;
        if body.size_hint().lower() > limit as u64 {
            drain(body, headers).await;
            return Err(GatewayRefusal::PayloadTooLarge);
        }
        let reading = Limited::new(&mut body, limit).collect();
        match tokio::time::timeout(self.options.body_timeout, reading).await {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                drain(body, headers).await;
                Err(GatewayRefusal::PayloadTooLarge)
            }
            Ok(Err(_)) => Err(GatewayRefusal::BrokenBody),
            Err(_) => Err(GatewayRefusal::RequestTimeout),
        }
    }
}

fn check_head(head: &http::request::Parts) -> Result<(), GatewayRefusal> {
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let line = head.method.as_str().len() + head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if line + fields.sum::<usize>() > HEADERS_LIMIT {
        return Err(GatewayRefusal::HeadersTooLarge);
    }
    // A function gets headers as JSON text, and `lambda_http` takes only what `HeaderValue::to_str` takes.
    if head.headers.values().any(|value| value.to_str().is_err()) {
        return Err(GatewayRefusal::InvalidHeader);
    }
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let valid = host.is_none_or(|host| {
        host.parse::<Authority>().is_ok_and(|host| host.port().is_none() || host.port_u16().is_some())
    });
    if valid { Ok(()) } else { Err(GatewayRefusal::InvalidHeader) }
}

fn decoded_path(path: &str) -> Cow<'_, str> {
    let decoded = percent_decode_str(path).decode_utf8_lossy();
    match decoded.find('?') {
        Some(end) => Cow::Owned(decoded[..end].to_owned()),
        None => decoded,
    }
}

/// One segment of a route. The order is the order of preference.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(String),
    Parameter(String),
    Rest(String),
}

impl Segment {
    fn parse(text: &str) -> Option<Self> {
        let Some(name) = text.strip_prefix('{').and_then(|name| name.strip_suffix('}')) else {
            return (!text.contains(['{', '}'])).then(|| Self::Literal(text.to_owned()));
        };
        let (name, rest) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        let name = name.to_owned();
        valid.then_some(if rest { Self::Rest(name) } else { Self::Parameter(name) })
    }
}

/// The routes, the most specific first.
struct Routes {
    routes: Vec<(Vec<Segment>, Route)>,
}

struct Found<'a> {
    route: &'a Route,
    parameters: BTreeMap<&'a str, String>,
}

impl Routes {
    fn new(routes: Vec<Route>) -> Result<Self, Error> {
        let mut parsed = Vec::with_capacity(routes.len());
        for route in routes {
            let segments: Option<Vec<_>> =
                route.path.strip_prefix('/').and_then(|path| path.split('/').map(Segment::parse).collect());
            let valid = segments.filter(|segments| {
                let before_last = segments.len().saturating_sub(1);
                !segments[..before_last].iter().any(|segment| matches!(segment, Segment::Rest(_)))
            });
            let Some(segments) = valid else { return Err(Error::Route(route.path)) };
            parsed.push((segments, route));
        }
        parsed.sort_by(|(left, _), (right, _)| left.cmp(right));
        Ok(Self { routes: parsed })
    }

    fn find(&self, method: &Method, path: &str) -> Option<Found<'_>> {
        self.find_exactly(method, path).or_else(|| self.find_exactly(method, path.strip_suffix('/')?))
    }

    fn find_exactly(&self, method: &Method, path: &str) -> Option<Found<'_>> {
        let path: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        self.routes.iter().filter(|(_, route)| route.method == *method).find_map(|(segments, route)| {
            let parameters = matched(segments, &path)?;
            Some(Found { route, parameters })
        })
    }
}

fn matched<'a>(segments: &'a [Segment], path: &[&str]) -> Option<BTreeMap<&'a str, String>> {
    let mut parameters = BTreeMap::new();
    let mut position = 0;
    for segment in segments {
        let value = path.get(position).copied()?;
        position += 1;
        match segment {
            Segment::Literal(text) if text == value => {}
            Segment::Parameter(name) if !value.is_empty() => {
                parameters.insert(name.as_str(), value.to_owned());
            }
            Segment::Rest(name) if !value.is_empty() => {
                parameters.insert(name.as_str(), path[position - 1..].join("/"));
                position = path.len();
            }
            _ => return None,
        }
    }
    (position == path.len()).then_some(parameters)
}

fn event(
    head: &http::request::Parts,
    path: &str,
    found: &Found<'_>,
    body: &Bytes,
    peer: SocketAddr,
    request_id: &str,
    shared: &Shared,
) -> Value {
    let now = (shared.options.clock)();
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
            "apiId": shared.options.api_id,
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
    // What is empty is absent, as at API Gateway.
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    let parameters = query_parameters(query);
    if !parameters.is_empty() {
        event["queryStringParameters"] = json!(parameters);
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
    // What API Gateway adds.
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

/// Turns the answer of a function into HTTP; `None` when it is no answer.
fn to_http(answer: Value) -> Option<Response<Full<Bytes>>> {
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chrono::TimeZone;
    use lambda_http::Adapter;
    use lambda_http::request::LambdaRequest;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::invoke::testing::Answering;
    use crate::invoke::{Function, InProcess};
    use crate::listen::testing::send;

    fn route(method: Method, path: &str, invoker: Arc<dyn Invoker>) -> Route {
        Route { method, path: path.to_owned(), invoker }
    }

    fn options() -> Options {
        let clock = || Utc.with_ymd_and_hms(2020, 3, 12, 19, 3, 58).unwrap();
        Options { clock: Arc::new(clock), ..Options::default() }
    }

    /// A gateway whose functions give back the event they got.
    async fn echo(paths: &[(Method, &str)]) -> (Gateway, Arc<Mutex<Vec<Value>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let invoker: Arc<dyn Invoker> = Arc::new(Answering(move |event: Value| {
            sink.lock().unwrap().push(event);
            Ok(json!({ "statusCode": 201, "headers": { "X-One": "1" }, "cookies": ["a=1", "b=2"], "body": "done" }))
        }));
        let routes = paths.iter().map(|(method, path)| route(method.clone(), path, Arc::clone(&invoker))).collect();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (start(listener, routes, options()).await.unwrap(), seen)
    }

    #[tokio::test]
    async fn a_request_becomes_the_event_of_api_gateway() {
        let (gateway, seen) = echo(&[(Method::POST, "/v3/policies/cee/{uuid}")]).await;
        let head = "POST /v3/policies/cee/a%20b?x=1&x=2&y=caf%C3%A9+au HTTP/1.1\r\nHost: api.example.org:3000\r\n\
                    Content-Type: application/json\r\nUser-Agent: test/1\r\nX-Two: a\r\nX-Two: b\r\nCookie: c=1; d=2\r\n\
                    X-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678";
        let answer = send(gateway.address(), head, br#"{"a":"\u00e9"}"#).await;
        assert_eq!((answer.status, answer.text().as_str()), (201, "done"));
        assert_eq!(answer.header("x-one"), Some("1"));
        assert_eq!(answer.head.matches("set-cookie: ").count(), 2);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        let event = seen.lock().unwrap().remove(0);
        let request_id = answer.header("apigw-requestid").unwrap();
        assert_eq!(request_id.len(), 16);
        assert_eq!(
            event,
            json!({
                "version": "2.0",
                "routeKey": "POST /v3/policies/cee/{uuid}",
                "rawPath": "/v3/policies/cee/a b",
                "rawQueryString": "x=1&x=2&y=caf%C3%A9+au",
                "cookies": ["c=1", "d=2"],
                "headers": {
                    "content-length": "14",
                    "content-type": "application/json",
                    "host": "api.example.org:3000",
                    "user-agent": "test/1",
                    "x-amzn-trace-id": "Root=1-67891233-abcdef012345678912345678",
                    "x-forwarded-for": "127.0.0.1",
                    "x-forwarded-port": "3000",
                    "x-forwarded-proto": "http",
                    "x-two": "a,b",
                },
                "queryStringParameters": { "x": "1,2", "y": "café au" },
                "pathParameters": { "uuid": "a b" },
                "requestContext": {
                    "accountId": "123456789012",
                    "apiId": "local",
                    "domainName": "api.example.org",
                    "domainPrefix": "api",
                    "http": {
                        "method": "POST",
                        "path": "/v3/policies/cee/a b",
                        "protocol": "HTTP/1.1",
                        "sourceIp": "127.0.0.1",
                        "userAgent": "test/1",
                    },
                    "requestId": request_id,
                    "routeKey": "POST /v3/policies/cee/{uuid}",
                    "stage": "$default",
                    "time": "12/Mar/2020:19:03:58 +0000",
                    "timeEpoch": 1_584_039_838_000_i64,
                },
                "body": "{\"a\":\"\\u00e9\"}",
                "isBase64Encoded": false,
            })
        );
        let parsed: LambdaRequest = serde_json::from_value(event).unwrap();
        assert!(matches!(parsed, LambdaRequest::ApiGatewayV2(_)));
    }

    #[tokio::test]
    async fn bodies_that_are_no_text_come_in_base64() {
        let (gateway, seen) = echo(&[(Method::POST, "/")]).await;
        for (kind, body, base64) in [
            ("application/json", &b"\xff\xfe"[..], true),
            ("application/octet-stream", b"abc", true),
            ("application/x-www-form-urlencoded", b"a=1", true),
            ("text/csv; charset=utf-8", "é".as_bytes(), false),
            ("application/problem+json", b"{}", false),
        ] {
            let head = format!("POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}");
            assert_eq!(send(gateway.address(), &head, body).await.status, 201);
            let event = seen.lock().unwrap().remove(0);
            let expected = if base64 { BASE64.encode(body) } else { String::from_utf8(body.to_vec()).unwrap() };
            assert_eq!((&event["isBase64Encoded"], &event["body"]), (&json!(base64), &json!(expected)), "{kind}");
        }
        assert_eq!(send(gateway.address(), "POST / HTTP/1.1\r\nhost: localhost", b"").await.status, 201);
        assert_eq!(seen.lock().unwrap().remove(0).get("body"), None);
    }

    #[tokio::test]
    async fn routes_prefer_literals_and_decode_before_they_match() {
        let (gateway, seen) = echo(&[
            (Method::GET, "/v3/{rest+}"),
            (Method::GET, "/v3/{a}/{b}"),
            (Method::GET, "/v3/{a}/search"),
            (Method::POST, "/v3/cee/search"),
        ])
        .await;
        for (path, expected) in [
            ("/v3/x/y", Some(("GET /v3/{a}/{b}", json!({ "a": "x", "b": "y" })))),
            ("/v3/x/search", Some(("GET /v3/{a}/search", json!({ "a": "x" })))),
            ("/v3/x%2Fy", Some(("GET /v3/{a}/{b}", json!({ "a": "x", "b": "y" })))),
            ("/v3/x/y%3Fz", Some(("GET /v3/{a}/{b}", json!({ "a": "x", "b": "y" })))),
            ("/v3/x/y/z", Some(("GET /v3/{rest+}", json!({ "rest": "x/y/z" })))),
            ("/v3/", None),
            ("/v3", None),
            ("/", None),
        ] {
            let status = send(gateway.address(), &format!("GET {path} HTTP/1.1\r\nhost: h"), b"").await.status;
            let event = seen.lock().unwrap().pop();
            let found =
                event.as_ref().map(|event| (event["routeKey"].as_str().unwrap(), event["pathParameters"].clone()));
            assert_eq!((status, found), (if expected.is_some() { 201 } else { 404 }, expected), "{path}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        for path in ["v3", "/a{b}", "/{}", "/{a+}/b"] {
            let routes = vec![route(Method::GET, path, Arc::new(Answering(Ok)))];
            assert!(Routes::new(routes).is_err(), "{path}");
        }
        drop(listener);
    }

    #[tokio::test]
    async fn one_slash_at_the_end_is_ignored() {
        let routes = ["/v3/cee", "/v3/cee/{uuid}", "/docs", "/docs/", "/files/{rest+}"];
        let (gateway, seen) = echo(&routes.map(|path| (Method::GET, path))).await;
        for (path, expected) in [
            ("/v3/cee/", Some(("GET /v3/cee", Value::Null))),
            ("/v3/cee/x/", Some(("GET /v3/cee/{uuid}", json!({ "uuid": "x" })))),
            ("/v3/cee%2F", Some(("GET /v3/cee", Value::Null))),
            // A route that has it comes first.
            ("/docs", Some(("GET /docs", Value::Null))),
            ("/docs/", Some(("GET /docs/", Value::Null))),
            ("/files/x/", Some(("GET /files/{rest+}", json!({ "rest": "x/" })))),
            ("/v3/cee//", None),
            ("/files/", None),
            ("/", None),
        ] {
            let status = send(gateway.address(), &format!("GET {path} HTTP/1.1\r\nhost: h"), b"").await.status;
            let event = seen.lock().unwrap().pop().unwrap_or_default();
            let found = event["routeKey"].as_str().map(|key| (key, event["pathParameters"].clone()));
            assert_eq!((status, found), (if expected.is_some() { 201 } else { 404 }, expected), "{path}");
            let raw = event["rawPath"].as_str();
            assert!(raw.is_none_or(|raw| raw == path.replace("%2F", "/")), "{path}: {raw:?}");
        }
    }

    #[tokio::test]
    async fn the_gateway_refuses_by_itself() {
        let (gateway, seen) = echo(&[(Method::POST, "/v3")]).await;
        let address = gateway.address();
        let answer = send(address, "GET /v3 HTTP/1.1\r\nhost: h", b"").await;
        assert_eq!((answer.status, answer.text().as_str()), (404, r#"{"message":"Not Found"}"#));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("apigw-requestid").is_some());
        for method in ["HEAD", "OPTIONS"] {
            assert_eq!(send(address, &format!("{method} /v3 HTTP/1.1\r\nhost: h"), b"").await.status, 404);
        }
        assert_eq!(send(address, "POST /v3 HTTP/1.1\r\nhost: h", &vec![b'x'; BODY_LIMIT]).await.status, 201);
        let answer = send(address, "POST /v3 HTTP/1.1\r\nhost: h", &vec![b'x'; BODY_LIMIT + 1]).await;
        assert_eq!((answer.status, answer.text().as_str()), (413, r#"{"message":"Request Entity Too Large"}"#));
        let long = format!("POST /v3 HTTP/1.1\r\nhost: h\r\nx: {}", "y".repeat(HEADERS_LIMIT));
        assert_eq!(send(address, &long, b"").await.status, 431);
        assert_eq!(send(address, "POST /v3 HTTP/1.1\r\nhost: a b", b"").await.status, 400);
        assert_eq!(send(address, "POST /v3 HTTP/1.1\r\nhost: h\r\nx: caf\u{e9}", b"").await.status, 400);
        assert_eq!(seen.lock().unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_body_of_unknown_length_is_cut_at_the_limit() {
        let patient = Duration::from_secs(60);
        for (chunks, body_timeout, status) in [
            ("a\r\n0123456789\r\n0\r\n\r\n", patient, "200"),
            ("b\r\n0123456789X\r\n0\r\n\r\n", patient, "413"),
            ("a\r\n01234", Duration::from_millis(100), "408"),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let routes = vec![route(Method::POST, "/", Arc::new(Answering(|_| Ok(Value::Null))))];
            let limited = Options { body_limit: 10, body_timeout, ..options() };
            let gateway = start(listener, routes, limited).await.unwrap();
            let mut stream = tokio::net::TcpStream::connect(gateway.address()).await.unwrap();
            let head = "POST / HTTP/1.1\r\nhost: h\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
            stream.write_all(format!("{head}{chunks}").as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{chunks}: {answer}");
        }
    }

    #[tokio::test]
    async fn a_function_that_fails_is_a_500_and_the_next_request_is_fine() {
        async fn handler(request: lambda_http::Request) -> Result<lambda_http::Response<String>, lambda_http::Error> {
            match request.uri().path() {
                "/panic" => panic!("out of luck"),
                "/fail" => Err("no".into()),
                "/slow/er" => std::future::pending().await,
                path => Ok(lambda_http::Response::new(path.to_owned())),
            }
        }
        let limited = |timeout| -> Arc<dyn Invoker> {
            let adapter = Adapter::from(lambda_http::service_fn(handler));
            Arc::new(InProcess::<_, LambdaRequest>::new(adapter, Function::new("public", timeout)))
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let problem = |refusal: GatewayRefusal, id: &str| {
            let mut response = Response::new(format!("{} {id}", refusal.message()));
            *response.status_mut() = refusal.status();
            response
        };
        let routes = vec![
            route(Method::GET, "/{path}", limited(Duration::from_secs(60))),
            route(Method::GET, "/slow/{path}", limited(Duration::from_millis(300))),
        ];
        let gateway = start(listener, routes, Options { fallback: Arc::new(problem), ..options() }).await.unwrap();
        for path in ["panic", "fail", "slow/er"] {
            let answer = send(gateway.address(), &format!("GET /{path} HTTP/1.1\r\nhost: h"), b"").await;
            let id = answer.header("apigw-requestid").unwrap();
            assert_eq!((answer.status, answer.text()), (500, format!("Internal Server Error {id}")), "{path}");
        }
        let answer = send(gateway.address(), "GET /caf%C3%A9 HTTP/1.1\r\nhost: h", b"").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "/caf%C3%A9"));
        gateway.shutdown().await;
    }

    #[test]
    fn answers_of_functions() {
        let status = |answer: Value| to_http(answer).map(|response| response.status().as_u16());
        assert_eq!(status(json!({ "statusCode": 204 })), Some(204));
        assert_eq!(status(json!({ "statusCode": "200" })), None);
        assert_eq!(status(json!({ "statusCode": 101 })), None);
        assert_eq!(status(json!({ "statusCode": 200, "body": {} })), None);
        assert_eq!(status(json!({ "statusCode": 200, "body": "?", "isBase64Encoded": true })), None);
        assert_eq!(status(json!({ "statusCode": 200, "headers": { "a b": "c" } })), None);
        assert_eq!(status(json!({ "any": 1 })), Some(200));
        let response = to_http(json!({ "statusCode": 200, "headers": { "Content-Length": "7", "x": 1 } })).unwrap();
        assert_eq!(response.headers().get("content-length"), None);
        assert_eq!(response.headers()["x"], "1");
    }
}
