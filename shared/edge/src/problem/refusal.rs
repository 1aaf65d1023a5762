//! Why a call is refused: the variants of [`Refusal`], and for each its sentence in English and in French, its headers and its members.
//!
//! Each `match` names every case: a refusal without its French does not compile. No sentence repeats a value.

use std::time::Duration;

use cee_eligibility::{ApplicationId, Criterion, FieldError, Instant, JourneyType, Language, NoRoom, Reason, Rules};
use cee_registry::{StoreError, TakeBackRefusal, UndoRefusal};
use cee_service::PepperError;
use cee_tokens::{KeyError, Scope, TokenError};
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue};
use serde_json::{Map, Value, json};

use super::detail::{Fault, FieldFault, Malformed, NoToken, NotAdmitted, and, between, parameters, say};
use crate::answer::OwnApplication;
use crate::version::VERSIONS;

/// Why a call is refused.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// The body is not the JSON of the call; why.
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
    /// The caller has no such export.
    UnknownExport,
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
    /// This number of the operator's exports are in progress, as many as may be.
    TooManyExports(usize),
    /// The operator has requested this number of exports within 24 hours, as many as may be.
    TooManyExportsADay {
        /// That number.
        most: usize,
        /// From when on another may be requested.
        available_at: Instant,
    },
    /// The call's `Idempotency-Key` has a record of a different body.
    IdempotencyKeyReused,
    /// The call's `Idempotency-Key` has a record, but the application of this UUID, which it registered, was deleted.
    ApplicationDeleted(ApplicationId),
    /// The changes after the cursor are no longer kept, or are others since the tables were restored.
    CursorExpired,
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

// The sentences without values, in English and in French.
const SEND_A_TOKEN: [&str; 2] = [
    "send the header Authorization: Bearer <application token>",
    "envoyez l'en-tête « Authorization: Bearer <jeton applicatif> »",
];
const CLOSED: [&str; 2] = [
    "the registry has closed this call for the time being; it has given no date for its reopening",
    "le registre a fermé cet appel pour le moment ; la date de réouverture n'est pas connue",
];
const UNKNOWN_APPLICATION: [&str; 2] =
    ["you have no application with this uuid", "aucune de vos demandes n'a cet uuid"];
const UNKNOWN_PROOF: [&str; 2] = [
    "the registry has never granted an application with this uuid",
    "le registre n'a jamais accordé de demande avec cet uuid",
];
const NO_UUID: [&str; 2] = [
    "the path does not end with a UUID such as 1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b: copy it from the proof again",
    "le chemin ne se termine pas par un UUID comme 1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b : recopiez-le depuis la preuve",
];
const UNKNOWN_IMPORT: [&str; 2] = ["you have no import with this import_id", "aucun de vos imports n'a cet import_id"];
const UNKNOWN_EXPORT: [&str; 2] = ["you have no export with this export_id", "aucun de vos exports n'a cet export_id"];
const UNKNOWN_JOURNEY: [&str; 2] = [
    "you have no journey with this operator_journey_id in the registry; a journey sent today may arrive tomorrow",
    "aucun de vos trajets dans le registre n'a cet operator_journey_id ; un trajet envoyé aujourd'hui peut n'y arriver que demain",
];
const JOURNEY_USED: [&str; 2] =
    ["the journey already has another application of yours", "ce trajet a déjà servi à une autre de vos demandes"];
const IDEMPOTENCY_KEY_REUSED: [&str; 2] = [
    "you have used this Idempotency-Key with another body: another call needs another key",
    "vous avez déjà utilisé cette Idempotency-Key avec un autre corps : un autre appel demande une autre clé",
];
const APPLICATION_DELETED: [&str; 2] = [
    "this Idempotency-Key registered an application that was deleted since: a new application needs another key",
    "la demande enregistrée avec cette Idempotency-Key a été supprimée depuis : une nouvelle demande exige une autre clé",
];
const CURSOR_EXPIRED: [&str; 2] = [
    "changes after this cursor have expired: list your applications, then read the changes again without since",
    "des changements postérieurs à ce curseur ne sont plus conservés : listez vos demandes, puis relisez les changements sans \
     « since »",
];
const UNSUPPORTED_MEDIA_TYPE: [&str; 2] = [
    "send the header Content-Type: application/json (UTF-8), and the body uncompressed",
    "envoyez l'en-tête « Content-Type: application/json » (UTF-8), et le corps non compressé",
];
const INTERNAL: [&str; 2] = [
    "the registry's team finds the call by its request_id",
    "l'équipe du registre retrouve l'appel par son request_id",
];
const BUSY: [&str; 2] = [
    "other calls for the same driver came first and nothing was written: send the call again",
    "d'autres appels pour le même conducteur sont passés avant celui-ci et rien n'a été écrit : refaites l'appel",
];

impl Refusal {
    /// A sentence for a person, in this language. Its wording may change.
    #[must_use]
    pub fn detail(&self, language: Language) -> String {
        let words = |[english, french]: [&str; 2]| say!(language, "{english}", "{french}");
        let seconds = self.retry_after().unwrap_or_default();
        match self {
            Self::MalformedBody(why) => why.message(language),
            Self::InvalidFields(faults) => {
                let faults = faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.rule.message(language)));
                // The pointer of the whole body is empty.
                faults.map(|fault| fault.trim_start().to_owned()).collect::<Vec<_>>().join(between(language))
            }
            Self::InvalidHeader(name, expected) => {
                let expected = expected.message(language);
                say!(language, "the header {name} {expected}", "l'en-tête {name} {expected}")
            }
            Self::InvalidQuery(faults) => query(faults, language),
            Self::ImportStays(why) => why.message(language),
            Self::TooManyExports(most) => say!(
                language,
                "{most} of your exports are in progress: wait until one is ready, or read the list page by page",
                "{most} de vos exports sont en cours : attendez que l'un d'eux soit prêt, ou lisez la liste page par page",
            ),
            Self::TooManyExportsADay { most, available_at } => {
                let moment = available_at.for_person(language);
                say!(
                    language,
                    "you have requested {most} exports within 24 hours: wait until {moment}, or read the list page by page, or its changes",
                    "vous avez demandé {most} exports en 24 heures : attendez jusqu'au {moment}, ou lisez la liste page par page, ou ses changements",
                )
            }
            Self::TooEarly(at) => too_early(*at, language),
            Self::Unauthenticated(None) => words(SEND_A_TOKEN),
            Self::Unauthenticated(Some(error)) => token(*error, language),
            Self::InvalidCredentials(why) => why.message(language),
            Self::OperatorNotAdmitted(why) => why.message(language),
            Self::TooManyCalls(_) => say!(
                language,
                "you have used up your calls: try again in {seconds} s",
                "vous avez épuisé vos appels : réessayez dans {seconds} s",
            ),
            Self::TooManyStrangers(_) => say!(
                language,
                "too many calls with unknown access keys: all of them are refused for {seconds} s",
                "trop d'appels avec des clés d'accès inconnues : tous sont refusés pendant {seconds} s",
            ),
            Self::TooManyAttempts(_) => say!(
                language,
                "too many wrong secrets in a row: no secret is checked for {seconds} s",
                "trop de secrets erronés de suite : aucun secret n'est vérifié pendant {seconds} s",
            ),
            Self::MissingScope(scope) => {
                let scope = scope.as_str();
                say!(language, "the call needs the scope {scope}", "cet appel exige la portée {scope}")
            }
            Self::CallClosed(None) => words(CLOSED),
            Self::CallClosed(Some(journey_type)) => closed(*journey_type, language),
            Self::NotFound => {
                let versions = VERSIONS.join(", /");
                say!(language, "paths begin with /{versions}", "les chemins commencent par /{versions}")
            }
            Self::NoSuchCall { path, methods } => {
                let methods = and(methods, language);
                say!(language, "{path} accepts {methods}", "{path} accepte {methods}")
            }
            Self::UnknownApplication => words(UNKNOWN_APPLICATION),
            Self::UnknownProof { is_uuid: true } => words(UNKNOWN_PROOF),
            Self::UnknownProof { is_uuid: false } => words(NO_UUID),
            Self::UnknownImport => words(UNKNOWN_IMPORT),
            Self::UnknownExport => words(UNKNOWN_EXPORT),
            Self::UnknownJourney => words(UNKNOWN_JOURNEY),
            Self::IneligibleJourney { failed, rules } => {
                let failed = failed.iter().map(|criterion| criterion.message(rules, language));
                failed.collect::<Vec<_>>().join(between(language))
            }
            Self::Blocked { reason, datetime, .. } => blocked(*reason, *datetime, language),
            Self::JourneyUsed { .. } => words(JOURNEY_USED),
            Self::IdempotencyKeyReused => words(IDEMPOTENCY_KEY_REUSED),
            Self::ApplicationDeleted(_) => words(APPLICATION_DELETED),
            Self::CursorExpired => words(CURSOR_EXPIRED),
            Self::DriverRecordFull(why) => why.message(language).into_owned(),
            Self::BodyTooLarge(limit) => {
                say!(
                    language,
                    "the body may have at most {limit} bytes",
                    "le corps peut compter au plus {limit} octets"
                )
            }
            Self::UnsupportedMediaType => words(UNSUPPORTED_MEDIA_TYPE),
            Self::Internal(_) => words(INTERNAL),
            Self::Busy => words(BUSY),
        }
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
    pub(super) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
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
            // Not only a 405 names the methods (RFC 9110).
            Self::NoSuchCall { methods, .. } => {
                HeaderValue::from_str(&methods.join(", ")).ok().map(|methods| (ALLOW, methods))
            }
            _ => None,
        };
        let retry = self.retry_after().map(|seconds| (RETRY_AFTER, HeaderValue::from(seconds)));
        header.into_iter().chain(retry).collect()
    }

    /// The members of the problem beside those of every problem.
    pub(super) fn members(self, request_id: &str, language: Language) -> Map<String, Value> {
        let name = self.problem_type().as_str();
        let mut members = Map::new();
        let mut insert = |name: &str, value: Value| members.insert(name.to_owned(), value);
        match self {
            Self::InvalidFields(faults) | Self::InvalidQuery(faults) => {
                let shown = |FieldFault { pointer, rule }| Fault { pointer, message: rule.message(language) };
                let faults: Vec<Fault> = faults.into_iter().map(shown).collect();
                insert("errors", json!(faults));
            }
            Self::ImportStays(TakeBackRefusal::Undo(UndoRefusal::StaleWriter(until))) => {
                insert("available_at", json!(until.to_string()));
            }
            Self::TooEarly(available_at) | Self::TooManyExportsADay { available_at, .. } => {
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
                insert("reason", json!(name));
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

/// The faults of a query. A French sentence quotes the names of parameters, which are English words.
fn query(faults: &[FieldFault], language: Language) -> String {
    let faults = faults.iter().map(|FieldFault { pointer, rule }| {
        let name = match (pointer.strip_prefix('/').unwrap_or_default(), language) {
            ("", Language::English) => "a name".to_owned(),
            ("", Language::French) => "un nom".to_owned(),
            (name, _) => parameters(&[name], language),
        };
        format!("{name} {}", rule.message(language))
    });
    let what = faults.collect::<Vec<_>>().join(between(language));
    say!(language, "the query: {what}", "paramètres de la requête : {what}")
}

fn too_early(at: Instant, language: Language) -> String {
    let moment = at.for_person(language);
    say!(
        language,
        "this application can be registered from {moment} on",
        "cette demande pourra être enregistrée à partir du {moment}",
    )
}

fn closed(journey_type: JourneyType, language: Language) -> String {
    let distance = match journey_type {
        JourneyType::Short => "courte distance",
        JourneyType::Long => "longue distance",
    };
    say!(
        language,
        "the registry has closed this call for {journey_type} applications for the time being; it has given no date for its reopening",
        "pour le moment, le registre a fermé cet appel aux demandes {distance} ; la date de réouverture n'est pas connue",
    )
}

fn blocked(reason: Reason, datetime: Instant, language: Language) -> String {
    let moment = datetime.for_person(language);
    match reason {
        Reason::History => say!(
            language,
            "the driver already has a specific application (opération spécifique) dated {moment}",
            "le conducteur a déjà une opération spécifique, datée du {moment}",
        ),
        Reason::Duplicate => say!(
            language,
            "the driver already has a standardized application (opération standardisée) dated {moment}",
            "le conducteur a déjà une opération standardisée, datée du {moment}",
        ),
    }
}

fn token(error: TokenError, language: Language) -> String {
    let french = match (language, error) {
        (Language::English, _) => return error.to_string(),
        (Language::French, TokenError::Malformed) => {
            "le jeton n'est pas un « JSON Web Token » doté de iss, aud, exp, iat, operator_id, siret et scope"
        }
        (Language::French, TokenError::UnknownKey) => "le kid du jeton ne désigne aucune clé de ce registre",
        (Language::French, TokenError::Signature) => "la signature du jeton ne correspond pas à sa clé",
        (Language::French, TokenError::Expired) => "le jeton a expiré",
        (Language::French, TokenError::NotYetValid) => "le jeton n'est pas encore valable",
        (Language::French, TokenError::Issuer) => "l'émetteur du jeton n'est pas ce registre",
        (Language::French, TokenError::Audience) => "le jeton est destiné à un autre service",
    };
    french.to_owned()
}

/// For a `Retry-After`: in whole seconds, rounded up.
fn seconds(wait: Duration) -> u64 {
    u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use cee_registry::{ImportId, ReplaceRefusal};
    use http::StatusCode;
    use http::header::{CONTENT_LANGUAGE, CONTENT_TYPE, VARY};
    use lambda_http::Body;

    use super::*;
    use crate::problem::{ApplicationKind, BrokenRule, ProblemType, Shape, TYPE_BASE};

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
            Refusal::UnknownExport,
            Refusal::UnknownJourney,
            Refusal::IneligibleJourney { failed: Criterion::ALL.to_vec(), rules: Box::default() },
            Refusal::JourneyUsed { datetime, own: None },
            Refusal::ImportStays(TakeBackRefusal::TooOld(30)),
            Refusal::TooManyExports(2),
            Refusal::TooManyExportsADay { most: 100, available_at: datetime },
            Refusal::IdempotencyKeyReused,
            Refusal::ApplicationDeleted(ApplicationId::parse("1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b").unwrap()),
            Refusal::CursorExpired,
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
            BrokenRule::Foreign(ApplicationKind::List),
            BrokenRule::Unknown,
            BrokenRule::Rows(1000),
            BrokenRule::ExportFormat,
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
            UndoRefusal::StaleWriter(datetime),
        ];
        all.extend(undo.map(|why| Refusal::ImportStays(why.into())));
        let replace = [ReplaceRefusal::Undone, ReplaceRefusal::NothingImported];
        all.extend(replace.map(|why| Refusal::ImportStays(why.into())));
        all.push(Refusal::ImportStays(TakeBackRefusal::Replacing(ImportId::from_bytes([7; 16]))));
        all.extend([NoRoom::Dates, NoRoom::Applications, NoRoom::Record].map(Refusal::DriverRecordFull));
        all
    }

    #[test]
    fn every_refusal_has_a_text_of_its_own_in_both_languages() {
        let all = all();
        for &problem in ProblemType::ALL {
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
            assert_eq!(Language::loose_punctuation_in(&french), None, "{french}");
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
        assert_eq!(body["title"], "Champs non valides");
        assert_eq!(body["detail"], "/last_name_trunc manque ; /siret doit être un SIRET : 14 chiffres");
        assert_eq!(body["errors"][1]["message"], "doit être un SIRET : 14 chiffres");
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
