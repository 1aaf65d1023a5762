//! The gateway's own refusals, as problem+json.

use aws_stand_in::gateway::GatewayRefusal;
use cee_edge::ProblemType;
use http::Response;
use lambda_http::Body;
use serde_json::{Map, json};

/// The gateway's own refusals, in the words of the interface.
pub(crate) fn refusal(refusal: GatewayRefusal, request_id: &str) -> Response<String> {
    let problem = match refusal {
        GatewayRefusal::InvalidHeader | GatewayRefusal::UnreadableHead | GatewayRefusal::ForeignOrigin => {
            ProblemType::InvalidHeader
        }
        GatewayRefusal::BrokenBody => ProblemType::MalformedBody,
        GatewayRefusal::NotFound => ProblemType::NotFound,
        GatewayRefusal::RequestTimeout => ProblemType::RequestTimeout,
        GatewayRefusal::PayloadTooLarge => ProblemType::BodyTooLarge,
        GatewayRefusal::HeadersTooLarge => ProblemType::HeadersTooLarge,
        GatewayRefusal::FunctionFailed => ProblemType::Internal,
        GatewayRefusal::IntegrationTimeout => ProblemType::Busy,
    };
    let members = Map::from_iter([("request_id".to_owned(), json!(request_id))]);
    let detail = match refusal {
        GatewayRefusal::InvalidHeader => {
            "a header holds a character outside visible ASCII, or Host is not a host: send ASCII, or encode what is not"
        }
        GatewayRefusal::UnreadableHead => {
            "the request line or a header cannot be read, or two headers contradict each other (two values of Content-Length that \
             differ, a line without a colon)"
        }
        GatewayRefusal::ForeignOrigin => {
            "Origin names another site: no page of it may call the service on this machine"
        }
        GatewayRefusal::BrokenBody => {
            "the body is not framed as the headers say (a chunk is damaged), or ended before its length"
        }
        GatewayRefusal::HeadersTooLarge => "the request line and the headers are longer than 10,240 bytes together",
        GatewayRefusal::NotFound => "no call has this method and path: /v3/openapi.json lists the calls",
        other => other.message(),
    };
    problem.answer(detail, members).map(|body| match body {
        Body::Text(text) => text,
        _ => String::new(),
    })
}
