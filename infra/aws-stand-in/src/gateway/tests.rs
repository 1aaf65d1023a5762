//! Tests of the local API Gateway over HTTP.

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
        let found = event.as_ref().map(|event| (event["routeKey"].as_str().unwrap(), event["pathParameters"].clone()));
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
