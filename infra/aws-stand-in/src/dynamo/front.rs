//! A proxy before the embedded DynamoDB that refuses what a browser sends for another site's page: dynoxide answers the pages of any
//! site, and allows them to read the answer.
//!
//! dynoxide itself listens on an address that a page cannot guess ([`hidden`]). Clients other than a browser may connect to it
//! directly.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

use crate::error::Error;
use crate::listen::{Listening, Refusals};

/// How long a connection may be idle.
const IDLE: Duration = Duration::from_secs(60);

/// A running proxy. Dropping it closes its port at once.
#[derive(Debug)]
pub struct Front {
    listening: Listening,
}

impl Front {
    /// Passes requests on this port on to the DynamoDB at `target`.
    ///
    /// # Errors
    /// [`Error::Network`] if the port has no address.
    pub fn start(listener: TcpListener, target: SocketAddr) -> Result<Self, Error> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let listening =
            Listening::start(listener, IDLE, Refusals { foreign: Arc::new(denied), unreadable: None }, move |_| {
                let client = client.clone();
                service_fn(move |request| pass(client.clone(), target, request))
            })?;
        Ok(Self { listening })
    }

    /// Accepts no more requests and answers those in progress.
    pub async fn shutdown(self) {
        self.listening.shutdown().await;
    }
}

async fn pass(
    client: Client<HttpConnector, Incoming>,
    target: SocketAddr,
    mut request: Request<Incoming>,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let mut uri = std::mem::take(request.uri_mut()).into_parts();
    uri.scheme = Some(Scheme::HTTP);
    uri.authority = Some(Authority::try_from(target.to_string())?);
    *request.uri_mut() = uri.try_into()?;
    *request.version_mut() = http::Version::HTTP_11;
    Ok(client.request(request).await?)
}

/// The answer of DynamoDB to a caller without permission.
fn denied(_: &http::HeaderMap) -> Response<Full<Bytes>> {
    let body = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"A page of another site may not reach the local DynamoDB"}"#;
    let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}

/// A port on an address of this machine that no page can guess: one at random of the 16 million that begin with 127. If the system
/// has only 127.0.0.1, a free port there.
///
/// # Errors
/// [`Error::Network`] if no port is free.
pub async fn hidden() -> Result<TcpListener, Error> {
    let [a, b, c, ..] = *uuid::Uuid::new_v4().as_bytes();
    // Neither the network's own address nor its broadcast address.
    let unguessable = Ipv4Addr::new(127, a, b, c.clamp(1, 254));
    match TcpListener::bind((IpAddr::V4(unguessable), 0)).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?),
    }
}
