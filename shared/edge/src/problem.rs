//! Refusals and their texts: `application/problem+json` (RFC 9457).

mod page;

use std::fmt::Write as _;
use std::time::Duration;

use cee_eligibility::{ApplicationId, Criterion, FieldError, Instant, JourneyType, NoRoom, Reason};
use cee_registry::{StoreError, TakeBackRefusal, UndoRefusal};
use cee_service::PepperError;
use cee_tokens::{KeyError, Scope, TokenError};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::Body;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::OwnApplication;
use crate::version::VERSIONS;

pub use page::page;

/// The page about each problem type; the type's name is the anchor on it.
pub const TYPE_BASE: &str = "https://github.com/cee-registry/cee-registry/blob/main/docs/problems.md#";

/// The kinds of refusal. Their names and statuses are part of the interface and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemType {
    /// The body is not a JSON object.
    MalformedBody,
    /// Fields of the body are invalid; `errors` lists every one.
    InvalidFields,
    /// A header is invalid.
    InvalidHeader,
    /// Parameters of the query are invalid; `errors` lists every one.
    InvalidQuery,
    /// The application can be registered from `available_at` on.
    TooEarly,
    /// The token is missing or not valid now.
    Unauthenticated,
    /// The access key and secret yield no token.
    InvalidCredentials,
    /// The token does not carry the scope that the call needs.
    MissingScope,
    /// The registry does not know the operator, or has suspended it.
    OperatorNotAdmitted,
    /// The registry has switched this call off.
    CallClosed,
    /// No call has this path and method.
    NotFound,
    /// The caller has no such application.
    UnknownApplication,
    /// The registry has granted no application of this UUID.
    UnknownProof,
    /// The caller has no such import.
    UnknownImport,
    /// The caller has no such journey.
    UnknownJourney,
    /// The journey fails one or more of the scheme's criteria.
    IneligibleJourney,
    /// A specific application, imported from before the scheme, blocks the new one.
    History,
    /// A standardized application, registered through this interface, blocks the new one.
    Duplicate,
    /// The journey carries an application already.
    JourneyUsed,
    /// The import cannot be undone now, or its operator may no longer undo it.
    ImportStays,
    /// The request did not arrive in time.
    RequestTimeout,
    /// The body is longer than any call accepts.
    BodyTooLarge,
    /// The body is not declared as JSON.
    UnsupportedMediaType,
    /// The call's `Idempotency-Key` was used for a different call.
    IdempotencyKeyReused,
    /// The application that the call's `Idempotency-Key` registered was deleted.
    ApplicationDeleted,
    /// The registry accepts no more applications of this driver.
    DriverRecordFull,
    /// Too many wrong secrets in a row: for a while no secret is checked.
    TooManyAttempts,
    /// The operator has made too many calls: for a moment all are refused.
    TooManyCalls,
    /// The head of the request is longer than the gateway accepts.
    HeadersTooLarge,
    /// An internal error.
    Internal,
    /// Other calls for the same driver kept the tables busy; nothing was written.
    Busy,
}

impl ProblemType {
    /// Every type.
    pub const ALL: [Self; 31] = [
        Self::MalformedBody,
        Self::InvalidFields,
        Self::InvalidHeader,
        Self::InvalidQuery,
        Self::TooEarly,
        Self::Unauthenticated,
        Self::InvalidCredentials,
        Self::MissingScope,
        Self::OperatorNotAdmitted,
        Self::CallClosed,
        Self::NotFound,
        Self::UnknownApplication,
        Self::UnknownProof,
        Self::UnknownImport,
        Self::UnknownJourney,
        Self::IneligibleJourney,
        Self::History,
        Self::Duplicate,
        Self::JourneyUsed,
        Self::ImportStays,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyKeyReused,
        Self::ApplicationDeleted,
        Self::DriverRecordFull,
        Self::TooManyAttempts,
        Self::TooManyCalls,
        Self::HeadersTooLarge,
        Self::Internal,
        Self::Busy,
    ];

    const fn facts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::MalformedBody => ("malformed_body", StatusCode::BAD_REQUEST, "The body is not a JSON object"),
            Self::InvalidFields => ("invalid_fields", StatusCode::BAD_REQUEST, "Fields of the body are at fault"),
            Self::InvalidHeader => ("invalid_header", StatusCode::BAD_REQUEST, "A header is at fault"),
            Self::InvalidQuery => ("invalid_query", StatusCode::BAD_REQUEST, "A parameter of the query is at fault"),
            Self::TooEarly => ("too_early", StatusCode::BAD_REQUEST, "The application comes too early"),
            Self::Unauthenticated => {
                ("unauthenticated", StatusCode::UNAUTHORIZED, "A valid application token is needed")
            }
            Self::InvalidCredentials => {
                ("invalid_credentials", StatusCode::UNAUTHORIZED, "The access key and the secret give no token")
            }
            Self::MissingScope => ("missing_scope", StatusCode::FORBIDDEN, "The token does not allow this call"),
            Self::OperatorNotAdmitted => {
                ("operator_not_admitted", StatusCode::FORBIDDEN, "The operator is not admitted")
            }
            Self::CallClosed => ("call_closed", StatusCode::FORBIDDEN, "The registry has closed this call"),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "Nothing answers here"),
            Self::UnknownApplication => ("unknown_application", StatusCode::NOT_FOUND, "The application is not known"),
            Self::UnknownProof => ("unknown_proof", StatusCode::NOT_FOUND, "The proof is not known"),
            Self::UnknownImport => ("unknown_import", StatusCode::NOT_FOUND, "The import is not known"),
            Self::UnknownJourney => ("unknown_journey", StatusCode::NOT_FOUND, "The journey is not known"),
            Self::IneligibleJourney => {
                ("ineligible_journey", StatusCode::NOT_FOUND, "The journey cannot carry an application")
            }
            Self::History => ("history", StatusCode::CONFLICT, "An application from before the scheme is in the way"),
            Self::Duplicate => ("duplicate", StatusCode::CONFLICT, "An earlier application is in the way"),
            Self::JourneyUsed => ("journey_used", StatusCode::CONFLICT, "The journey carries an application already"),
            Self::ImportStays => ("import_stays", StatusCode::CONFLICT, "The import cannot be taken back"),
            Self::RequestTimeout => ("request_timeout", StatusCode::REQUEST_TIMEOUT, "The request came too slowly"),
            Self::BodyTooLarge => ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too long"),
            Self::UnsupportedMediaType => {
                ("unsupported_media_type", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body must be declared as JSON")
            }
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The Idempotency-Key was used for another call",
            ),
            Self::ApplicationDeleted => ("application_deleted", StatusCode::GONE, "The application was deleted"),
            Self::DriverRecordFull => {
                ("driver_record_full", StatusCode::UNPROCESSABLE_ENTITY, "The driver's record is full")
            }
            Self::TooManyAttempts => {
                ("too_many_attempts", StatusCode::TOO_MANY_REQUESTS, "Too many wrong secrets in a row")
            }
            Self::TooManyCalls => ("too_many_calls", StatusCode::TOO_MANY_REQUESTS, "Too many calls"),
            Self::HeadersTooLarge => {
                ("headers_too_large", StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "The headers are too long")
            }
            Self::Internal => ("internal", StatusCode::INTERNAL_SERVER_ERROR, "Something failed inside"),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "The registry is busy"),
        }
    }

    /// The type's name, the last part of `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.facts().0
    }

    /// The type's HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        self.facts().1
    }

    /// The type's title: the same for every refusal of this type.
    #[must_use]
    pub const fn title(self) -> &'static str {
        self.facts().2
    }

    /// A refusal of this type as a response, for refusals made before a function runs.
    #[must_use]
    pub fn answer(self, detail: &str, members: Map<String, Value>) -> Response<Body> {
        Problem { problem_type: self, detail: detail.to_owned(), members, headers: Vec::new() }.into_response()
    }
}

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

/// Why a call is refused.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The body is not a JSON object; why, without repeating any of it.
    MalformedBody(String),
    /// Every fault of the body.
    InvalidFields(Vec<Fault>),
    /// A header is invalid: its name, and what is expected.
    InvalidHeader(&'static str, FieldError),
    /// Every fault of the query.
    InvalidQuery(Vec<Fault>),
    /// The application can be registered from this moment on.
    TooEarly(Instant),
    /// The token is missing or invalid.
    Unauthenticated(Option<TokenError>),
    /// The access key and its secret yield no token; why. A caller with a wrong secret gets no other detail.
    InvalidCredentials(&'static str),
    /// Too many wrong secrets in a row: for this long no secret is checked.
    TooManyAttempts(Duration),
    /// The operator has used up its calls for this long.
    TooManyCalls(Duration),
    /// Too many token requests without a known access key, from this address or all together: for this long all such requests are
    /// refused.
    TooManyStrangers(Duration),
    /// The call needs this scope.
    MissingScope(Scope),
    /// The operator may not call; why.
    OperatorNotAdmitted(&'static str),
    /// The registry has switched this call off; for one journey type alone if one is named.
    CallClosed(Option<JourneyType>),
    /// The path does not begin with a version of the interface.
    NotFound,
    /// No call has this method and path; which call may be meant.
    NoSuchCall(&'static str),
    /// The caller has no such application.
    UnknownApplication,
    /// The registry has granted no application of this UUID.
    UnknownProof {
        /// Whether the requested id is a UUID at all.
        is_uuid: bool,
    },
    /// The caller has no such import.
    UnknownImport,
    /// The caller has no such journey.
    UnknownJourney,
    /// The journey fails these criteria, each with a sentence about it.
    IneligibleJourney(Vec<(Criterion, String)>),
    /// An earlier application blocks the new one.
    Blocked {
        /// The kind of the earlier application.
        reason: Reason,
        /// The date of the earlier application.
        datetime: Instant,
        /// The whole application, if it is the caller's own.
        own: Option<Box<OwnApplication>>,
    },
    /// The journey carries an application already, always the caller's own.
    JourneyUsed {
        /// The date of that application.
        datetime: Instant,
        /// The whole application, unless it was deleted at this very moment.
        own: Option<Box<OwnApplication>>,
    },
    /// An import cannot be undone now; why.
    ImportStays(TakeBackRefusal),
    /// The call's `Idempotency-Key` has a record of a different body.
    IdempotencyKeyReused,
    /// The call's `Idempotency-Key` has a record, but the application of this UUID, which it registered, was deleted.
    ApplicationDeleted(ApplicationId),
    /// The registry accepts no more applications of this driver; why.
    DriverRecordFull(NoRoom),
    /// The body is longer than this many bytes.
    BodyTooLarge(usize),
    /// The body is not declared as JSON; why.
    UnsupportedMediaType(&'static str),
    /// An internal error.
    Internal(InternalError),
    /// Other calls kept the tables busy; nothing was written.
    Busy,
}

/// An internal failure. For the log, never for the caller.
#[derive(Clone, Debug, thiserror::Error)]
pub enum InternalError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The signing key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The pepper differs from the one that filled the tables.
    #[error(transparent)]
    Pepper(PepperError),
    /// A URL could not be signed; why.
    #[error("a URL could not be signed: {0}")]
    Signature(String),
    /// The bucket; why.
    #[error("the bucket: {0}")]
    Bucket(String),
    /// A panic. Its location is already in the log.
    #[error("the call panicked")]
    Panic,
    /// The invocation's time was up: the operation under way may have succeeded.
    #[error("the time was up")]
    OutOfTime,
    /// A state that the code considers impossible.
    #[error("impossible: {0}")]
    Impossible(&'static str),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy => Self::Busy,
            other => Self::Internal(other.into()),
        }
    }
}

impl From<PepperError> for Refusal {
    fn from(error: PepperError) -> Self {
        match error {
            PepperError::Store(error) => error.into(),
            other => Self::Internal(InternalError::Pepper(other)),
        }
    }
}

impl From<KeyError> for Refusal {
    fn from(error: KeyError) -> Self {
        Self::Internal(error.into())
    }
}

/// A refusal that is returned as a response.
struct Problem {
    problem_type: ProblemType,
    detail: String,
    members: Map<String, Value>,
    headers: Vec<(http::HeaderName, HeaderValue)>,
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
            title: self.problem_type.title(),
            status: self.problem_type.status().as_u16(),
            detail: &self.detail,
            members: &self.members,
        };
        let mut response = Response::new(Body::Text(serde_json::to_string(&body).unwrap_or_default()));
        *response.status_mut() = self.problem_type.status();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.headers.into_iter().map(|(name, value)| (Some(name), value)));
        response
    }
}

impl Refusal {
    /// The problem type of the refusal.
    #[must_use]
    pub const fn problem_type(&self) -> ProblemType {
        match self {
            Self::MalformedBody(_) => ProblemType::MalformedBody,
            Self::InvalidFields(_) => ProblemType::InvalidFields,
            Self::InvalidHeader(..) => ProblemType::InvalidHeader,
            Self::InvalidQuery(_) => ProblemType::InvalidQuery,
            Self::ImportStays(_) => ProblemType::ImportStays,
            Self::TooEarly(_) => ProblemType::TooEarly,
            Self::Unauthenticated(_) => ProblemType::Unauthenticated,
            Self::InvalidCredentials(_) => ProblemType::InvalidCredentials,
            Self::TooManyAttempts(_) => ProblemType::TooManyAttempts,
            Self::TooManyCalls(_) | Self::TooManyStrangers(_) => ProblemType::TooManyCalls,
            Self::MissingScope(_) => ProblemType::MissingScope,
            Self::OperatorNotAdmitted(_) => ProblemType::OperatorNotAdmitted,
            Self::CallClosed(_) => ProblemType::CallClosed,
            Self::NotFound | Self::NoSuchCall(_) => ProblemType::NotFound,
            Self::UnknownApplication => ProblemType::UnknownApplication,
            Self::UnknownProof { .. } => ProblemType::UnknownProof,
            Self::UnknownImport => ProblemType::UnknownImport,
            Self::UnknownJourney => ProblemType::UnknownJourney,
            Self::IneligibleJourney(_) => ProblemType::IneligibleJourney,
            Self::Blocked { reason: Reason::History, .. } => ProblemType::History,
            Self::Blocked { reason: Reason::Duplicate, .. } => ProblemType::Duplicate,
            Self::JourneyUsed { .. } => ProblemType::JourneyUsed,
            Self::IdempotencyKeyReused => ProblemType::IdempotencyKeyReused,
            Self::ApplicationDeleted(_) => ProblemType::ApplicationDeleted,
            Self::DriverRecordFull(_) => ProblemType::DriverRecordFull,
            Self::BodyTooLarge(_) => ProblemType::BodyTooLarge,
            Self::UnsupportedMediaType(_) => ProblemType::UnsupportedMediaType,
            Self::Internal(_) => ProblemType::Internal,
            Self::Busy => ProblemType::Busy,
        }
    }

    /// The response. `request_id` names the call in the log.
    #[must_use]
    pub fn into_response(self, request_id: &str) -> Response<Body> {
        let problem_type = self.problem_type();
        let mut members = Map::new();
        let mut headers = Vec::new();
        let detail = match self {
            Self::MalformedBody(detail) => detail,
            Self::InvalidFields(faults) => {
                let detail = listed(faults.iter().map(|fault| (fault.pointer.as_str(), fault)));
                members.insert("errors".to_owned(), json!(faults));
                detail
            }
            Self::InvalidHeader(name, expected) => format!("the header {name} {expected}"),
            Self::InvalidQuery(faults) => {
                let what = listed(faults.iter().map(|fault| {
                    let name = fault.pointer.strip_prefix('/').filter(|name| !name.is_empty());
                    (name.unwrap_or("a name"), fault)
                }));
                members.insert("errors".to_owned(), json!(faults));
                format!("the query: {what}")
            }
            Self::ImportStays(why) => {
                if let TakeBackRefusal::Undo(UndoRefusal::Haunted(until)) = why {
                    members.insert("available_at".to_owned(), json!(until.to_string()));
                }
                why.to_string()
            }
            Self::TooEarly(available_at) => {
                members.insert("available_at".to_owned(), json!(available_at.to_string()));
                format!("this application can be registered from {available_at} on")
            }
            Self::Unauthenticated(error) => {
                let challenge = match error {
                    None => "Bearer".to_owned(),
                    Some(error) => format!("Bearer error=\"invalid_token\", error_description=\"{error}\""),
                };
                headers.extend(HeaderValue::from_str(&challenge).ok().map(|value| (WWW_AUTHENTICATE, value)));
                match error {
                    None => "send the header Authorization: Bearer <application token>".to_owned(),
                    Some(error) => error.to_string(),
                }
            }
            Self::InvalidCredentials(why) => {
                // A 401 names a way to authenticate (RFC 9110). Here the credentials are in the body, and that way has no
                // registered name.
                headers.push((WWW_AUTHENTICATE, HeaderValue::from_static("AccessKey")));
                why.to_owned()
            }
            Self::TooManyCalls(wait) => {
                let seconds = seconds(wait);
                headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
                format!("your calls are used up: there are more in {seconds} seconds")
            }
            Self::TooManyStrangers(wait) => {
                let seconds = seconds(wait);
                headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
                format!(
                    "too many calls name an access key that the registry does not know: none is looked at for {seconds} seconds"
                )
            }
            Self::TooManyAttempts(wait) => {
                let seconds = seconds(wait);
                headers.push((RETRY_AFTER, HeaderValue::from(seconds)));
                format!("too many wrong secrets in a row: none is looked at for {seconds} seconds")
            }
            Self::MissingScope(scope) => {
                let scope = scope.as_str();
                let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
                headers.extend(HeaderValue::from_str(&challenge).ok().map(|value| (WWW_AUTHENTICATE, value)));
                format!("the call needs the scope {scope}")
            }
            Self::OperatorNotAdmitted(why) => why.to_owned(),
            Self::CallClosed(None) => {
                "the registry has closed this call for the time being; no date is known".to_owned()
            }
            Self::CallClosed(Some(journey_type)) => format!(
                "the registry has closed this call for {journey_type} applications for the time being; no date is known"
            ),
            Self::NotFound => format!("a path begins with /{}", VERSIONS.join(", /")),
            Self::NoSuchCall(meant) => (*meant).to_owned(),
            Self::UnknownApplication => "the registry knows no application of yours with this uuid".to_owned(),
            Self::UnknownProof { is_uuid: true } => "the registry has granted no application with this uuid".to_owned(),
            Self::UnknownProof { is_uuid: false } => {
                "the path does not end with a UUID, such as 1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b: copy it from the proof again".to_owned()
            }
            Self::UnknownImport => "the registry knows no import of yours with this import_id".to_owned(),
            Self::UnknownJourney => {
                "the registry knows no journey of yours with this operator_journey_id; a journey sent today may take a \
                 day to be known"
                    .to_owned()
            }
            Self::IneligibleJourney(failed) => {
                let criteria: Vec<Value> = failed
                    .iter()
                    .map(|(criterion, message)| json!({"criterion": criterion.as_str(), "message": message}))
                    .collect();
                members.insert("criteria".to_owned(), Value::Array(criteria));
                failed.into_iter().map(|(_, message)| message).collect::<Vec<_>>().join("; ")
            }
            Self::Blocked { reason, datetime, own } => {
                members.insert("datetime".to_owned(), json!(datetime.to_string()));
                members.insert("reason".to_owned(), json!(reason.as_str()));
                members.extend(own.map(|own| own.members()).unwrap_or_default());
                match reason {
                    Reason::History => {
                        format!("the driver has a specific application (opération spécifique) dated {datetime}")
                    }
                    Reason::Duplicate => {
                        format!("the driver has a standardized application (opération standardisée) dated {datetime}")
                    }
                }
            }
            Self::JourneyUsed { datetime, own } => {
                members.insert("datetime".to_owned(), json!(datetime.to_string()));
                members.insert("reason".to_owned(), json!(ProblemType::JourneyUsed.as_str()));
                members.extend(own.map(|own| own.members()).unwrap_or_default());
                "the journey carries another application of yours".to_owned()
            }
            Self::IdempotencyKeyReused => {
                "this Idempotency-Key came with another body before: another call needs another key".to_owned()
            }
            Self::ApplicationDeleted(uuid) => {
                members.insert("uuid".to_owned(), json!(uuid.to_string()));
                "this Idempotency-Key registered an application that was deleted since: a new application needs another key"
                    .to_owned()
            }
            Self::DriverRecordFull(why) => why.to_string(),
            Self::BodyTooLarge(limit) => format!("the body may hold {limit} bytes"),
            Self::UnsupportedMediaType(detail) => detail.to_owned(),
            Self::Internal(_) => {
                members.insert("request_id".to_owned(), json!(request_id));
                "the registry's team finds the call by its request_id".to_owned()
            }
            Self::Busy => {
                headers.push((RETRY_AFTER, HeaderValue::from_static("1")));
                "other calls for the same driver came first; nothing was written, send the call again".to_owned()
            }
        };
        Problem { problem_type, detail, members, headers }.into_response()
    }
}

/// Every fault in one sentence, each under its name.
fn listed<'a>(faults: impl Iterator<Item = (&'a str, &'a Fault)>) -> String {
    faults.fold(String::new(), |mut text, (name, fault)| {
        let separator = if text.is_empty() { "" } else { "; " };
        let _ = write!(text, "{separator}{name} {}", fault.message);
        text
    })
}

/// For a `Retry-After`: in whole seconds, rounded up.
fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusal: Refusal) -> (StatusCode, Value) {
        let response = refusal.into_response("request-1");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
        let Body::Text(body) = response.body() else { panic!("a text") };
        (response.status(), serde_json::from_str(body).unwrap())
    }

    #[test]
    fn problem_type_names_are_unique() {
        let mut names: Vec<&str> = ProblemType::ALL.iter().map(|problem| problem.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ProblemType::ALL.len());
    }

    #[test]
    fn internal_error_hides_its_cause() {
        let secret = StoreError::Request {
            operation: "PutItem",
            code: "ValidationException".to_owned(),
            request_id: "AWS".to_owned(),
        };
        let (status, body) = told(secret.into());
        assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(body["request_id"], "request-1");
        for word in ["PutItem", "Validation", "AWS"] {
            assert!(!body.to_string().contains(word), "{body}");
        }
        assert_eq!(told(StoreError::Busy.into()).0, StatusCode::SERVICE_UNAVAILABLE);
    }

    #[test]
    fn too_many_attempts_sets_retry_after() {
        for (millis, seconds) in [(1, "1"), (1000, "1"), (9001, "10"), (300_000, "300")] {
            let response = Refusal::TooManyAttempts(Duration::from_millis(millis)).into_response("request-1");
            assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(response.headers()[RETRY_AFTER], seconds);
        }
    }

    #[test]
    fn other_operators_conflict_shows_only_date_and_reason() {
        let datetime = Instant::parse("2024-03-15T07:30:00Z").unwrap();
        let (_, body) = told(Refusal::Blocked { reason: Reason::Duplicate, datetime, own: None });
        let names: Vec<&String> = body.as_object().unwrap().keys().collect();
        assert_eq!(names, ["datetime", "detail", "reason", "status", "title", "type"]);
        assert_eq!(body["datetime"], "2024-03-15T07:30:00.000Z");
        assert_eq!(body["reason"], "duplicate");
    }
}
