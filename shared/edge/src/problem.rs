//! Refusals and their texts: `application/problem+json` (RFC 9457).
//!
//! | to find | look in |
//! |---|---|
//! | the kinds of refusal: name, status, titles, what each means, what to do | [`ProblemType`], `types` |
//! | why one call is refused, and the sentence about it | [`Refusal`], `refusal` |
//! | what is wrong with a body, a field or a parameter | `detail` |
//! | the page `docs/problems.md` | [`page()`] |
//!
//! A new refusal is an entry in `types` and a variant in `refusal`; neither compiles without its texts in both languages.

mod detail;
mod page;
mod refusal;
mod types;

use cee_eligibility::Language;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
use http::{HeaderValue, Response};
use lambda_http::Body;
use serde::Serialize;
use serde_json::{Map, Value};

pub use detail::{ApplicationKind, BrokenRule, FieldFault, Malformed, NoToken, NotAdmitted, Shape};
pub use page::page;
pub use refusal::{InternalError, Refusal};
pub use types::ProblemType;

/// The page about each problem type; the type's name is the anchor on it.
pub const TYPE_BASE: &str = "https://github.com/cee-registry/cee-registry/blob/main/docs/problems.md#";

/// A fault of one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Fault {
    /// Where it is: a JSON Pointer (RFC 6901) into the body, or `/` and the name of the parameter of the query.
    #[schema(examples("/last_name_trunc"))]
    pub pointer: String,
    /// What is expected. Never repeats the value.
    #[schema(examples("is missing"))]
    pub message: String,
}

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
