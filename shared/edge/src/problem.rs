//! Refusals and their texts: `application/problem+json` (RFC 9457).

mod detail;
mod page;

use std::time::Duration;

use cee_eligibility::{ApplicationId, Criterion, FieldError, Instant, JourneyType, Language, NoRoom, Reason, Rules};
use cee_registry::{StoreError, TakeBackRefusal, UndoRefusal};
use cee_service::PepperError;
use cee_tokens::{KeyError, Scope, TokenError};
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::Body;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::OwnApplication;

pub use detail::{ApplicationKind, BrokenRule, FieldFault, Malformed, NoToken, NotAdmitted, Shape};
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

    /// The name, the status, and the title in English and in French.
    const fn facts(self) -> (&'static str, StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedBody => (
                "malformed_body",
                StatusCode::BAD_REQUEST,
                "The body is not a JSON object",
                "Le corps n'est pas un objet JSON",
            ),
            Self::InvalidFields => (
                "invalid_fields",
                StatusCode::BAD_REQUEST,
                "Fields of the body are at fault",
                "Des champs du corps sont incorrects",
            ),
            Self::InvalidHeader => {
                ("invalid_header", StatusCode::BAD_REQUEST, "A header is at fault", "Un en-tête est incorrect")
            }
            Self::InvalidQuery => (
                "invalid_query",
                StatusCode::BAD_REQUEST,
                "A parameter of the query is at fault",
                "Un paramètre de la requête est incorrect",
            ),
            Self::TooEarly => {
                ("too_early", StatusCode::BAD_REQUEST, "The application comes too early", "La demande arrive trop tôt")
            }
            Self::Unauthenticated => (
                "unauthenticated",
                StatusCode::UNAUTHORIZED,
                "A valid application token is needed",
                "Un jeton applicatif valable est nécessaire",
            ),
            Self::InvalidCredentials => (
                "invalid_credentials",
                StatusCode::UNAUTHORIZED,
                "The access key and the secret give no token",
                "La clé d'accès et le secret ne donnent pas de jeton",
            ),
            Self::MissingScope => (
                "missing_scope",
                StatusCode::FORBIDDEN,
                "The token does not allow this call",
                "Le jeton ne permet pas cet appel",
            ),
            Self::OperatorNotAdmitted => (
                "operator_not_admitted",
                StatusCode::FORBIDDEN,
                "The operator is not admitted",
                "L'opérateur n'est pas admis",
            ),
            Self::CallClosed => (
                "call_closed",
                StatusCode::FORBIDDEN,
                "The registry has closed this call",
                "Le registre a fermé cet appel",
            ),
            Self::NotFound => ("not_found", StatusCode::NOT_FOUND, "Nothing answers here", "Rien ne répond ici"),
            Self::UnknownApplication => (
                "unknown_application",
                StatusCode::NOT_FOUND,
                "The application is not known",
                "La demande est inconnue",
            ),
            Self::UnknownProof => {
                ("unknown_proof", StatusCode::NOT_FOUND, "The proof is not known", "La preuve est inconnue")
            }
            Self::UnknownImport => {
                ("unknown_import", StatusCode::NOT_FOUND, "The import is not known", "L'import est inconnu")
            }
            Self::UnknownJourney => {
                ("unknown_journey", StatusCode::NOT_FOUND, "The journey is not known", "Le trajet est inconnu")
            }
            Self::IneligibleJourney => (
                "ineligible_journey",
                StatusCode::NOT_FOUND,
                "The journey cannot carry an application",
                "Le trajet ne peut pas porter de demande",
            ),
            Self::History => (
                "history",
                StatusCode::CONFLICT,
                "An application from before the scheme is in the way",
                "Une opération antérieure au dispositif fait obstacle",
            ),
            Self::Duplicate => (
                "duplicate",
                StatusCode::CONFLICT,
                "An earlier application is in the way",
                "Une demande antérieure fait obstacle",
            ),
            Self::JourneyUsed => (
                "journey_used",
                StatusCode::CONFLICT,
                "The journey carries an application already",
                "Le trajet porte déjà une demande",
            ),
            Self::ImportStays => (
                "import_stays",
                StatusCode::CONFLICT,
                "The import cannot be taken back",
                "L'import ne peut pas être annulé",
            ),
            Self::RequestTimeout => (
                "request_timeout",
                StatusCode::REQUEST_TIMEOUT,
                "The request came too slowly",
                "La requête est arrivée trop lentement",
            ),
            Self::BodyTooLarge => {
                ("body_too_large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too long", "Le corps est trop long")
            }
            Self::UnsupportedMediaType => (
                "unsupported_media_type",
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "The body must be declared as JSON",
                "Le corps doit être déclaré comme JSON",
            ),
            Self::IdempotencyKeyReused => (
                "idempotency_key_reused",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The Idempotency-Key was used for another call",
                "L'Idempotency-Key a servi à un autre appel",
            ),
            Self::ApplicationDeleted => {
                ("application_deleted", StatusCode::GONE, "The application was deleted", "La demande a été supprimée")
            }
            Self::DriverRecordFull => (
                "driver_record_full",
                StatusCode::UNPROCESSABLE_ENTITY,
                "The driver's record is full",
                "La fiche du conducteur est pleine",
            ),
            Self::TooManyAttempts => (
                "too_many_attempts",
                StatusCode::TOO_MANY_REQUESTS,
                "Too many wrong secrets in a row",
                "Trop de secrets erronés de suite",
            ),
            Self::TooManyCalls => ("too_many_calls", StatusCode::TOO_MANY_REQUESTS, "Too many calls", "Trop d'appels"),
            Self::HeadersTooLarge => (
                "headers_too_large",
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
                "The headers are too long",
                "Les en-têtes sont trop longs",
            ),
            Self::Internal => (
                "internal",
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something failed inside",
                "Une erreur interne s'est produite",
            ),
            Self::Busy => ("busy", StatusCode::SERVICE_UNAVAILABLE, "The registry is busy", "Le registre est occupé"),
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

    /// The type's title in this language: the same for every refusal of this type.
    #[must_use]
    pub const fn title(self, language: Language) -> &'static str {
        let (_, _, english, french) = self.facts();
        match language {
            Language::English => english,
            Language::French => french,
        }
    }

    /// A refusal of this type as a response, for refusals made before a function runs. They are in English, as the gateway's are.
    #[must_use]
    pub fn answer(self, detail: &str, members: Map<String, Value>) -> Response<Body> {
        let (detail, headers, language) = (detail.to_owned(), Vec::new(), Language::English);
        Problem { problem_type: self, detail, members, headers, language }.into_response()
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
    /// The body is not a JSON object; why.
    MalformedBody(Malformed),
    /// Every fault of the body.
    InvalidFields(Vec<FieldFault>),
    /// A header is invalid: its name, and what is expected.
    InvalidHeader(&'static str, FieldError),
    /// Every fault of the query.
    InvalidQuery(Vec<FieldFault>),
    /// The application can be registered from this moment on.
    TooEarly(Instant),
    /// The token is missing or invalid.
    Unauthenticated(Option<TokenError>),
    /// The access key and its secret yield no token; why. A caller with a wrong secret gets no other detail.
    InvalidCredentials(NoToken),
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
    OperatorNotAdmitted(NotAdmitted),
    /// The registry has switched this call off; for one journey type alone if one is named.
    CallClosed(Option<JourneyType>),
    /// The path does not begin with a version of the interface.
    NotFound,
    /// No call has this method and path; which call may be meant.
    NoSuchCall {
        /// The path below the version.
        path: &'static str,
        /// The methods that it takes.
        methods: &'static [&'static str],
    },
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
    /// The journey fails these criteria of these rules.
    IneligibleJourney {
        /// Every criterion that it fails.
        failed: Vec<Criterion>,
        /// The rules in force.
        rules: Box<Rules>,
    },
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
    /// The body is not declared as JSON in UTF-8, or is compressed.
    UnsupportedMediaType,
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
            Self::NotFound | Self::NoSuchCall { .. } => ProblemType::NotFound,
            Self::UnknownApplication => ProblemType::UnknownApplication,
            Self::UnknownProof { .. } => ProblemType::UnknownProof,
            Self::UnknownImport => ProblemType::UnknownImport,
            Self::UnknownJourney => ProblemType::UnknownJourney,
            Self::IneligibleJourney { .. } => ProblemType::IneligibleJourney,
            Self::Blocked { reason: Reason::History, .. } => ProblemType::History,
            Self::Blocked { reason: Reason::Duplicate, .. } => ProblemType::Duplicate,
            Self::JourneyUsed { .. } => ProblemType::JourneyUsed,
            Self::IdempotencyKeyReused => ProblemType::IdempotencyKeyReused,
            Self::ApplicationDeleted(_) => ProblemType::ApplicationDeleted,
            Self::DriverRecordFull(_) => ProblemType::DriverRecordFull,
            Self::BodyTooLarge(_) => ProblemType::BodyTooLarge,
            Self::UnsupportedMediaType => ProblemType::UnsupportedMediaType,
            Self::Internal(_) => ProblemType::Internal,
            Self::Busy => ProblemType::Busy,
        }
    }

    /// The response in this language. `request_id` names the call in the log.
    #[must_use]
    pub fn into_response(self, request_id: &str, language: Language) -> Response<Body> {
        let (problem_type, detail, headers) = (self.problem_type(), self.detail(language), self.headers());
        Problem { problem_type, detail, members: self.members(request_id, language), headers, language }.into_response()
    }

    /// After how many seconds the call may succeed, if the refusal says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyCalls(wait) | Self::TooManyStrangers(wait) | Self::TooManyAttempts(wait) => {
                Some(seconds(*wait))
            }
            Self::Busy => Some(1),
            _ => None,
        }
    }

    /// The headers that belong to the refusal. What a program reads in them is in English.
    fn headers(&self) -> Vec<(http::HeaderName, HeaderValue)> {
        let challenge = |text: &str| HeaderValue::from_str(text).ok().map(|value| (WWW_AUTHENTICATE, value));
        let header = match self {
            Self::Unauthenticated(None) => challenge("Bearer"),
            Self::Unauthenticated(Some(error)) => {
                challenge(&format!("Bearer error=\"invalid_token\", error_description=\"{error}\""))
            }
            Self::MissingScope(scope) => {
                challenge(&format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", scope.as_str()))
            }
            // A 401 names a way to authenticate (RFC 9110). Here the credentials are in the body, and that way has no registered
            // name.
            Self::InvalidCredentials(_) => challenge("AccessKey"),
            _ => None,
        };
        let retry = self.retry_after().map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds)));
        header.into_iter().chain(retry).collect()
    }

    /// The members of the problem beside those of every problem.
    fn members(self, request_id: &str, language: Language) -> Map<String, Value> {
        let mut members = Map::new();
        let mut insert = |name: &str, value: Value| members.insert(name.to_owned(), value);
        match self {
            Self::InvalidFields(faults) | Self::InvalidQuery(faults) => {
                let faults: Vec<Fault> = faults.iter().map(|fault| fault.to_fault(language)).collect();
                insert("errors", json!(faults));
            }
            Self::ImportStays(TakeBackRefusal::Undo(UndoRefusal::Haunted(until))) => {
                insert("available_at", json!(until.to_string()));
            }
            Self::TooEarly(available_at) => {
                insert("available_at", json!(available_at.to_string()));
            }
            Self::IneligibleJourney { failed, rules } => {
                let criterion = |criterion: &Criterion| json!({"criterion": criterion.as_str(), "message": criterion.message(&rules, language)});
                insert("criteria", failed.iter().map(criterion).collect());
            }
            Self::Blocked { reason, datetime, own } => {
                insert("datetime", json!(datetime.to_string()));
                insert("reason", json!(reason.as_str()));
                members.extend(own.map(|own| own.members()).unwrap_or_default());
            }
            Self::JourneyUsed { datetime, own } => {
                insert("datetime", json!(datetime.to_string()));
                insert("reason", json!(ProblemType::JourneyUsed.as_str()));
                members.extend(own.map(|own| own.members()).unwrap_or_default());
            }
            Self::ApplicationDeleted(uuid) => {
                insert("uuid", json!(uuid.to_string()));
            }
            Self::Internal(_) => {
                insert("request_id", json!(request_id));
            }
            _ => {}
        }
        members
    }
}

/// For a `Retry-After`: in whole seconds, rounded up.
fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(refusal: Refusal) -> (StatusCode, Value) {
        told_in(refusal, Language::English)
    }

    fn told_in(refusal: Refusal, language: Language) -> (StatusCode, Value) {
        let response = refusal.into_response("request-1", language);
        assert_eq!(response.headers()[CONTENT_LANGUAGE], language.as_str());
        assert_eq!(response.headers()[VARY], "accept-language");
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
            let response =
                Refusal::TooManyAttempts(Duration::from_millis(millis)).into_response("request-1", Language::English);
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

    /// A refusal of every kind, each case of it.
    fn all() -> Vec<Refusal> {
        let at = |text| Instant::parse(text).unwrap();
        let datetime = at("2024-03-15T07:30:00Z");
        let wait = Duration::from_millis(3210);
        let mut all = vec![
            Refusal::InvalidHeader("idempotency-key", FieldError::IdempotencyKey),
            Refusal::TooEarly(datetime),
            Refusal::TooManyAttempts(wait),
            Refusal::TooManyCalls(wait),
            Refusal::TooManyStrangers(wait),
            Refusal::MissingScope(Scope::Import),
            Refusal::NotFound,
            Refusal::NoSuchCall { path: "/policies/cee/imports", methods: &["POST", "GET"] },
            Refusal::UnknownApplication,
            Refusal::UnknownImport,
            Refusal::UnknownJourney,
            Refusal::IneligibleJourney { failed: Criterion::ALL.to_vec(), rules: Box::default() },
            Refusal::JourneyUsed { datetime, own: None },
            Refusal::ImportStays(TakeBackRefusal::TooOld(30)),
            Refusal::IdempotencyKeyReused,
            Refusal::ApplicationDeleted(ApplicationId::parse("1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b").unwrap()),
            Refusal::BodyTooLarge(65536),
            Refusal::UnsupportedMediaType,
            Refusal::Internal(InternalError::Panic),
            Refusal::Busy,
        ];
        let malformed = [
            Malformed::Empty(Shape::Object),
            Malformed::Empty(Shape::Array),
            Malformed::Utf16,
            Malformed::NotUtf8 { from: 6 },
            Malformed::Not(Shape::Object),
            Malformed::Not(Shape::Array),
            Malformed::NotJson { line: 1, column: 18 },
            Malformed::Row,
        ];
        all.extend(malformed.map(Refusal::MalformedBody));
        let rules = [
            FieldError::Siret.into(),
            BrokenRule::Missing,
            BrokenRule::Repeated,
            BrokenRule::String,
            BrokenRule::Boolean,
            BrokenRule::Foreign(JourneyType::Short.into()),
            BrokenRule::Foreign(JourneyType::Long.into()),
            BrokenRule::Foreign(ApplicationKind::Standardized),
            BrokenRule::Foreign(ApplicationKind::Specific),
            BrokenRule::Unknown,
            BrokenRule::Rows(1000),
        ];
        let faults = rules.map(|rule| FieldFault { pointer: "/datetime".to_owned(), rule });
        all.extend(faults.iter().map(|fault| Refusal::InvalidFields(vec![fault.clone()])));
        all.push(Refusal::InvalidFields(faults.to_vec()));
        let queries = [
            FieldFault::of("from", FieldError::Bound),
            FieldFault::of("limit", BrokenRule::Number(1, 100)),
            FieldFault::of("limit", BrokenRule::Repeated),
            FieldFault::of("status", BrokenRule::Status),
            FieldFault::of("status", BrokenRule::Foreign(ApplicationKind::Long)),
            FieldFault::of("to", BrokenRule::After("from")),
            FieldFault::of("cursor", BrokenRule::Cursor),
            FieldFault::of("cursor", BrokenRule::CursorOfFilter),
            FieldFault::of("page", BrokenRule::NoParameter(&["limit", "cursor"])),
            FieldFault::of("", BrokenRule::NoParameter(&["to"])),
        ];
        all.extend(queries.iter().map(|fault| Refusal::InvalidQuery(vec![fault.clone()])));
        all.push(Refusal::InvalidQuery(queries.to_vec()));
        let tokens = [
            TokenError::Malformed,
            TokenError::UnknownKey,
            TokenError::Signature,
            TokenError::Expired,
            TokenError::NotYetValid,
            TokenError::Issuer,
            TokenError::Audience,
        ];
        all.extend(tokens.map(Some).into_iter().chain([None]).map(Refusal::Unauthenticated));
        let no_token = [NoToken::WrongPair, NoToken::OperatorUnknown, NoToken::OperatorSuspended];
        all.extend(no_token.map(Refusal::InvalidCredentials));
        let not_admitted = [NotAdmitted::Unknown, NotAdmitted::Suspended, NotAdmitted::OtherSiret];
        all.extend(not_admitted.map(Refusal::OperatorNotAdmitted));
        let types = [Some(JourneyType::Short), Some(JourneyType::Long), None];
        all.extend(types.map(Refusal::CallClosed));
        all.extend([true, false].map(|is_uuid| Refusal::UnknownProof { is_uuid }));
        all.extend([Reason::History, Reason::Duplicate].map(|reason| Refusal::Blocked { reason, datetime, own: None }));
        let undo = [
            UndoRefusal::Unknown,
            UndoRefusal::NotEnded(cee_registry::ImportState::Running),
            UndoRefusal::Haunted(datetime),
        ];
        all.extend(undo.map(|why| Refusal::ImportStays(why.into())));
        all.extend([NoRoom::Dates, NoRoom::Applications, NoRoom::Record].map(Refusal::DriverRecordFull));
        all
    }

    #[test]
    fn every_refusal_has_a_text_of_its_own_in_both_languages() {
        let all = all();
        for problem in ProblemType::ALL {
            let title = problem.title(Language::French);
            assert_ne!(title, problem.title(Language::English));
            assert_eq!(Language::english_left_in(title), None, "{title}");
            // The gateway alone makes these two.
            let is_made = all.iter().any(|refusal| refusal.problem_type() == problem);
            assert!(
                is_made || [ProblemType::RequestTimeout, ProblemType::HeadersTooLarge].contains(&problem),
                "{problem:?}"
            );
        }
        for refusal in all {
            let [english, french] = Language::ALL.map(|language| refusal.detail(language));
            if !matches!(refusal, Refusal::NoSuchCall { .. }) {
                assert_ne!(english, french);
            }
            assert_eq!(Language::english_left_in(&french), None, "{french}");
            assert!(!french.contains('"'), "quotes are « »: {french}");
        }
    }

    #[test]
    fn language_changes_texts_and_nothing_else() {
        for refusal in all() {
            let [(status, mut english), (same, mut french)] =
                Language::ALL.map(|language| told_in(refusal.clone(), language));
            assert_eq!(status, same);
            for problem in [&mut english, &mut french] {
                for text in ["title", "detail"] {
                    assert!(problem[text].take().is_string());
                }
                for (list, name) in [("errors", "pointer"), ("criteria", "criterion")] {
                    for item in problem.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
                        assert!(item["message"].take().is_string() && item[name].is_string());
                    }
                }
            }
            assert_eq!(english, french);
        }
    }

    #[test]
    fn french_problem_is_french_throughout() {
        let faults = vec![
            FieldFault { pointer: "/last_name_trunc".to_owned(), rule: BrokenRule::Missing },
            FieldFault { pointer: "/siret".to_owned(), rule: FieldError::Siret.into() },
        ];
        let (_, body) = told_in(Refusal::InvalidFields(faults), Language::French);
        assert_eq!(body["title"], "Des champs du corps sont incorrects");
        assert_eq!(body["detail"], "/last_name_trunc manque ; /siret doit être un SIRET : 14 chiffres");
        assert_eq!(body["errors"][1]["message"], "doit être un SIRET : 14 chiffres");
        assert_eq!(body["type"], format!("{TYPE_BASE}invalid_fields"));
        let early = Refusal::TooEarly(Instant::parse("2024-05-08T07:30:00Z").unwrap());
        let (_, body) = told_in(early, Language::French);
        assert_eq!(
            body["detail"],
            "cette demande pourra être enregistrée à partir du 08/05/2024 à 09:30 (heure de Paris)"
        );
        assert_eq!(body["available_at"], "2024-05-08T07:30:00.000Z");
    }
}
