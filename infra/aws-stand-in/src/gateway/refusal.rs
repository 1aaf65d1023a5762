//! The gateway's own answers.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use serde_json::json;

/// The responses of the gateway itself, without a function or in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GatewayRefusal {
    /// A header contains something other than visible ASCII, or `Host` is not a host name.
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
    /// The body is above [`BODY_LIMIT`](super::BODY_LIMIT), or the event above what Lambda takes.
    PayloadTooLarge,
    /// The request line and the headers are above [`HEADERS_LIMIT`](super::HEADERS_LIMIT).
    HeadersTooLarge,
    /// The function failed, crashed, took too long, or returned an invalid answer.
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

/// Builds the answer to a refusal of the gateway, from the headers of the request, which are empty if it could not be read, and the
/// gateway's request id.
pub type Fallback = Arc<dyn Fn(GatewayRefusal, &HeaderMap, &str) -> Response<String> + Send + Sync>;

/// The answer of API Gateway: its status and `{"message":…}`.
#[must_use]
pub fn aws_refusal(refusal: GatewayRefusal, _headers: &HeaderMap, _request_id: &str) -> Response<String> {
    let mut response = Response::new(json!({ "message": refusal.message() }).to_string());
    *response.status_mut() = refusal.status();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
