//! The HTTP side of the Runtime API: gives one process its events and takes its responses.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::Error;
use crate::invoke::{Function, InvokeError, PAYLOAD_LIMIT, deadline_ms, trace_id};
use crate::listen::{Listening, Refusals};

/// `None` until the process asks for work (after how long) or reports that it cannot (why).
pub(super) type Init = Option<Result<Duration, String>>;

/// Where the result of an invocation goes.
pub(super) type Answer = oneshot::Sender<Result<Value, InvokeError>>;

/// An invocation on its way to the process.
pub(super) struct Work {
    pub(super) request_id: String,
    pub(super) event: Bytes,
    pub(super) answer: Answer,
    /// Tells that the process has the event.
    pub(super) taken: oneshot::Sender<()>,
}

/// The HTTP side: what one process sees of Lambda.
pub(super) struct Host {
    pub(super) listening: Listening,
    pub(super) work: mpsc::Sender<Work>,
    pub(super) init: watch::Receiver<Init>,
}

struct Desk {
    function: Function,
    started: Instant,
    waiting: tokio::sync::Mutex<mpsc::Receiver<Work>>,
    current: Mutex<Option<(String, Answer)>>,
    init: watch::Sender<Init>,
}

impl Host {
    pub(super) fn start(listener: TcpListener, function: Function) -> Result<Self, Error> {
        let (work, waiting) = mpsc::channel(1);
        let (init, initialised) = watch::channel(None);
        let desk = Arc::new(Desk {
            function,
            started: Instant::now(),
            waiting: tokio::sync::Mutex::new(waiting),
            current: Mutex::new(None),
            init,
        });
        // A process keeps its connection open for any time: an idle function is not a slow client.
        let idle = Duration::from_secs(24 * 60 * 60);
        let listening = Listening::start(listener, idle, Refusals::empty(), move |_| {
            let desk = Arc::clone(&desk);
            service_fn(move |request| {
                let desk = Arc::clone(&desk);
                async move { Ok::<_, Infallible>(desk.answer(request).await) }
            })
        })?;
        Ok(Self { listening, work, init: initialised })
    }
}

impl Desk {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else {
            return refusal(StatusCode::NOT_FOUND, "UnknownPath");
        };
        let parts: Vec<&str> = path.split('/').collect();
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["invocation", "next"]) => self.next().await,
            (&Method::POST, ["invocation", id, "response"]) => self.finish(id, request.into_body(), true).await,
            (&Method::POST, ["invocation", id, "error"]) => self.finish(id, request.into_body(), false).await,
            (&Method::POST, ["init", "error"]) => {
                let body = read(request.into_body()).await.unwrap_or_default();
                self.initialised(Err(String::from_utf8_lossy(&body).into_owned()));
                accepted()
            }
            _ => refusal(StatusCode::NOT_FOUND, "UnknownPath"),
        }
    }

    /// Only the first word counts.
    fn initialised(&self, outcome: Result<Duration, String>) {
        self.init.send_if_modified(|init| {
            let first = init.is_none();
            if first {
                *init = Some(outcome);
            }
            first
        });
    }

    async fn next(&self) -> Response<Full<Bytes>> {
        self.initialised(Ok(self.started.elapsed()));
        let Some(work) = self.waiting.lock().await.recv().await else {
            return refusal(StatusCode::GONE, "Shutdown");
        };
        let Work { request_id, event, answer, taken } = work;
        let response = Response::builder()
            .header("content-type", "application/json")
            .header("lambda-runtime-aws-request-id", &request_id)
            .header("lambda-runtime-deadline-ms", deadline_ms(self.function.timeout))
            .header("lambda-runtime-invoked-function-arn", self.function.arn())
            .header("lambda-runtime-trace-id", trace_id())
            .body(Full::new(event));
        *self.current() = Some((request_id, answer));
        let _ = taken.send(());
        response.unwrap_or_else(|_| refusal(StatusCode::INTERNAL_SERVER_ERROR, "InvalidRequestID"))
    }

    async fn finish(&self, id: &str, body: Incoming, succeeded: bool) -> Response<Full<Bytes>> {
        let body = read(body).await;
        let answer = {
            let mut current = self.current();
            match current.take() {
                Some((expected, answer)) if expected == id => answer,
                other => {
                    *current = other;
                    return refusal(StatusCode::BAD_REQUEST, "InvalidRequestID");
                }
            }
        };
        let Some(body) = body else {
            let _ = answer.send(Err(InvokeError::too_large(PAYLOAD_LIMIT + 1)));
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge");
        };
        let result = if succeeded {
            serde_json::from_slice(&body).map_err(|error| InvokeError::Handler {
                error_type: "Runtime.InvalidResponse".to_owned(),
                error_message: error.to_string(),
            })
        } else {
            Err(reported(&body))
        };
        // An error means that the time was over.
        let _ = answer.send(result);
        accepted()
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<(String, Answer)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reported(body: &[u8]) -> InvokeError {
    let report: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |name: &str| report[name].as_str().map(ToOwned::to_owned);
    InvokeError::Handler {
        error_type: text("errorType").unwrap_or_else(|| "Unhandled".to_owned()),
        error_message: text("errorMessage").unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
    }
}

/// The body, unless it is above the limit or breaks off.
async fn read(body: Incoming) -> Option<Bytes> {
    Limited::new(body, PAYLOAD_LIMIT).collect().await.ok().map(http_body_util::Collected::to_bytes)
}

fn accepted() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(br#"{"status":"OK"}"#)));
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn refusal(status: StatusCode, kind: &str) -> Response<Full<Bytes>> {
    let body = json!({ "errorType": kind, "errorMessage": kind }).to_string();
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listen::testing::send;

    const BASE: &str = "/2018-06-01/runtime";

    #[tokio::test]
    async fn runtime_api_delivers_events_and_takes_responses() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = Host::start(listener, Function::new("simulate", Duration::from_secs(3))).unwrap();
        let (address, began) = (host.listening.address(), crate::invoke::machine_now().timestamp_millis());
        let polling =
            tokio::spawn(async move { send(address, &format!("GET {BASE}/invocation/next HTTP/1.1"), b"").await });
        let mut results = Vec::new();
        for id in ["one", "two"] {
            let (answer, answered) = oneshot::channel();
            let (taken, _was_taken) = oneshot::channel();
            let event = Bytes::from_static(b"{\"a\":1}");
            host.work.send(Work { request_id: id.to_owned(), event, answer, taken }).await.map_err(drop).unwrap();
            results.push(answered);
        }
        let next = polling.await.unwrap();
        assert_eq!((next.status, next.text().as_str()), (200, "{\"a\":1}"));
        assert_eq!(next.header("lambda-runtime-aws-request-id"), Some("one"));
        let arn = "arn:aws:lambda:eu-west-3:123456789012:function:simulate";
        assert_eq!(next.header("lambda-runtime-invoked-function-arn"), Some(arn));
        let deadline: i64 = next.header("lambda-runtime-deadline-ms").unwrap().parse().unwrap();
        assert!(deadline >= began + 3_000, "{deadline} {began}");
        assert!(next.header("lambda-runtime-trace-id").unwrap().starts_with("Root=1-"));
        assert!(matches!(*host.init.borrow(), Some(Ok(_))));

        let post = |path: &str| format!("POST {BASE}/invocation/{path} HTTP/1.1");
        assert_eq!(send(address, &post("two/response"), b"{}").await.status, 400, "not the current one");
        assert_eq!(send(address, &post("one/response"), br#"{"b":2}"#).await.status, 202);
        assert_eq!(send(address, &post("one/response"), b"{}").await.status, 400, "answered already");
        let next = send(address, &format!("GET {BASE}/invocation/next HTTP/1.1"), b"").await;
        assert_eq!(next.header("lambda-runtime-aws-request-id"), Some("two"));
        let report = br#"{"errorType":"Broken","errorMessage":"it is"}"#;
        assert_eq!(send(address, &post("two/error"), report).await.status, 202);
        let second = results.pop().unwrap().await.unwrap();
        assert_eq!(results.pop().unwrap().await.unwrap(), Ok(json!({ "b": 2 })));
        assert_eq!(second.unwrap_err().to_string(), "Broken: it is");
        assert_eq!(send(address, "GET /else HTTP/1.1", b"").await.status, 404);
    }
}
