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
mod tests;
