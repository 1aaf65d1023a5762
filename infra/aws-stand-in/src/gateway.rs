//! API Gateway's HTTP API for one machine: HTTP in, an event in payload format 2.0 to a function, its answer out as HTTP.
//!
//! It does what API Gateway does, its oddities too, so that a request that works here works there:
//!
//! - `rawPath` and the path parameters are percent-decoded before the route is chosen, `%2F` included, and a decoded `?`
//!   ends the path. `rawQueryString` stays as it came.
//! - Header names come in lower case, repeated headers joined by a comma, cookies in their own list.
//! - A body whose type is text comes as text, any other in base64.
//! - `multiValueHeaders` of the answer is ignored; an answer without `statusCode` is a 200 with the whole of it as JSON.
//! - A method or a path that no route names is "not found"; so are HEAD and OPTIONS unless a route names them.
//!
//! What it does not do: TLS, authorizers, CORS by configuration (a route for `OPTIONS` works), throttling, named stages, `ANY` and `$default`
//! routes.
//!
//! In one case it follows `sam local`, because AWS documents nothing: a `/` at the end of a path is ignored when the route is
//! chosen. API Gateway accepts no route key that ends in `/`, and reports differ on whether it then finds the route. `rawPath`
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
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::Authority;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::error::Error;
use crate::invoke::{InvokeError, machine_now};
use crate::listen::unreadable::Unreadable;
use crate::listen::{ForeignOrigin, Listening, Refusals, drain};

mod event;
mod refusal;
mod routes;

use self::event::{Arrival, event, to_http};
pub use self::refusal::{Fallback, GatewayRefusal, aws_refusal};
pub use self::routes::Route;
use self::routes::Routes;

/// API Gateway's limit of a body, in bytes.
pub const BODY_LIMIT: usize = 10 * 1024 * 1024;

/// API Gateway's limit of the request line and the headers together, in bytes.
pub const HEADERS_LIMIT: usize = 10_240;

/// How a gateway behaves.
#[derive(Clone)]
pub struct Options {
    /// `requestContext.apiId`.
    pub api_id: String,
    /// The stage's variables, which every event holds.
    pub stage_variables: BTreeMap<String, String>,
    /// Builds the gateway's own responses.
    pub fallback: Fallback,
    /// The largest body, in bytes.
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
            stage_variables: BTreeMap::new(),
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
/// If a route's path is invalid, or the listener has no address.
/// When a route's path is not one, or the listener has no address.
pub async fn start(listener: TcpListener, routes: Vec<Route>, options: Options) -> Result<Gateway, Error> {
    let head_timeout = options.head_timeout;
    let fallback = Arc::clone(&options.fallback);
    let foreign: ForeignOrigin = Arc::new(move |headers: &HeaderMap| {
        let request_id = BASE64.encode(&Uuid::new_v4().as_bytes()[..11]);
        fallback(GatewayRefusal::ForeignOrigin, headers, &request_id).map(|body| Full::new(Bytes::from(body)))
    });
    let fallback = Arc::clone(&options.fallback);
    let unreadable: Unreadable = Arc::new(move || {
        let request_id = BASE64.encode(&Uuid::new_v4().as_bytes()[..11]);
        whole(&fallback(GatewayRefusal::UnreadableHead, &HeaderMap::new(), &request_id), &request_id)
    });
    let refusals = Refusals { foreign, unreadable: Some(unreadable) };
    let shared = Arc::new(Shared { routes: Routes::new(routes)?, options });
    let listening = Listening::start(listener, head_timeout, refusals, move |peer| {
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

    /// Accepts no more requests and answers those in progress.
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
        let (head, body) = request.into_parts();
        let mut response = match self.respond(&head, body, peer, &request_id).await {
            Ok(response) => response,
            Err(refusal) => {
                let response = (self.options.fallback)(refusal, &head.headers, &request_id);
                response.map(|body| Full::new(Bytes::from(body)))
            }
        };
        if let Ok(value) = HeaderValue::from_str(&request_id) {
            response.headers_mut().insert("apigw-requestid", value);
        }
        response
    }

    async fn respond(
        &self,
        head: &Parts,
        body: Incoming,
        peer: SocketAddr,
        request_id: &str,
    ) -> Result<Response<Full<Bytes>>, GatewayRefusal> {
        let checked = check_head(head).and_then(|()| {
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
        let Options { api_id, stage_variables, .. } = &self.options;
        let arrival = Arrival { api_id, stage_variables, request_id, peer, now: (self.options.clock)() };
        let event = event(head, &path, &found, &body, &arrival);
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
            tracing::error!(request_id, invocation, "the response of a function is malformed");
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

fn check_head(head: &Parts) -> Result<(), GatewayRefusal> {
    let fields = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len());
    let line = head.method.as_str().len() + head.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if line + fields.sum::<usize>() > HEADERS_LIMIT {
        return Err(GatewayRefusal::HeadersTooLarge);
    }
    // A function gets headers as JSON text, and `lambda_http` accepts only what `HeaderValue::to_str` accepts.
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

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chrono::TimeZone;
    use http::Method;
    use lambda_http::Adapter;
    use lambda_http::request::LambdaRequest;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::invoke::testing::Answering;
    use crate::invoke::{Function, InProcess, Invoker};
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
    async fn request_becomes_api_gateway_event() {
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
    async fn non_text_body_is_base64_encoded() {
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
    async fn routes_prefer_literals_and_match_decoded_paths() {
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
    async fn trailing_slash_is_ignored_once() {
        let routes = ["/v3/cee", "/v3/cee/{uuid}", "/docs", "/docs/", "/files/{rest+}"];
        let (gateway, seen) = echo(&routes.map(|path| (Method::GET, path))).await;
        for (path, expected) in [
            ("/v3/cee/", Some(("GET /v3/cee", Value::Null))),
            ("/v3/cee/x/", Some(("GET /v3/cee/{uuid}", json!({ "uuid": "x" })))),
            ("/v3/cee%2F", Some(("GET /v3/cee", Value::Null))),
            // A route for this path comes first.
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
    async fn gateway_rejects_bad_requests_without_a_function() {
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
    async fn chunked_body_over_limit_or_late_is_rejected() {
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
    async fn failed_function_returns_500_and_next_request_works() {
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
        let problem = |refusal: GatewayRefusal, _: &HeaderMap, id: &str| {
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
    fn function_answer_becomes_response_or_is_rejected() {
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
