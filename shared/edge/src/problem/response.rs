//! The response of a refusal: `application/problem+json`.

use cee_eligibility::Language;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use http::{HeaderValue, Response};
use lambda_http::Body;
use serde::Serialize;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::types::ProblemType;

/// The page about each problem type; the type's name is the anchor on it.
pub const TYPE_BASE: &str = "https://github.com/cee-registry/cee-registry/blob/main/docs/problems.md#";

/// A refusal that is returned as a response.
struct Problem {
    problem_type: ProblemType,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(http::HeaderName, HeaderValue)>,
    language: Language,
}

/// The body of a problem, in the order for a human reader.
#[derive(Serialize)]
struct ProblemBody<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(flatten)]
    members: &'a Map<String, Value>,
}

impl Problem {
    fn into_response(self) -> Response<Body> {
        let body = ProblemBody {
            r#type: format!("{TYPE_BASE}{}", self.problem_type.as_str()),
            title: self.problem_type.title(self.language),
            status: self.problem_type.status().as_u16(),
            detail: &self.detail,
            members: &self.members,
        };
        let mut response = Response::new(Body::Text(serde_json::to_string(&body).unwrap_or_default()));
        *response.status_mut() = self.problem_type.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(self.language.as_str()));
        headers.insert(VARY, HeaderValue::from_static("accept-language"));
        headers.extend(self.headers.into_iter().map(|(name, value)| (Some(name), value)));
        response
    }
}

impl ProblemType {
    /// A refusal of this type as a response in this language, for refusals made before a function runs.
    #[must_use]
    pub fn answer(self, detail: &str, members: Map<String, Value>, language: Language) -> Response<Body> {
        let (detail, headers) = (detail.to_owned(), Vec::new());
        Problem { problem_type: self, detail, members, headers, language }.into_response()
    }
}

impl Refusal {
    /// The response in this language. `request_id` names the call in the log.
    #[must_use]
    pub fn into_response(self, request_id: &str, language: Language) -> Response<Body> {
        let (problem_type, detail, headers) = (self.problem_type(), self.detail(language), self.headers());
        Problem { problem_type, detail, members: self.members(request_id, language), headers, language }.into_response()
    }
}
