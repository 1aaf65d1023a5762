//! Every refusal in the document: its schema, and examples that are made by the code that refuses.

use std::time::Duration;

use cee_eligibility::{ApplicationId, Criterion, FieldError, Instant, JourneyType, Language, NoRoom, Reason, Rules};
use cee_registry::{TakeBackRefusal, UndoRefusal};
use cee_tokens::{Scope, TokenError};
use http::{Response as HttpResponse, StatusCode};
use lambda_http::Body;
use serde_json::{Map, Value, json};
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, Discriminator, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::{Sample, Utc, content};
use crate::answer::OwnApplication;
use crate::body::BODY_LIMIT;
use crate::problem::{
    BrokenRule, Fault, FieldFault, InternalError, Malformed, NoToken, NotAdmitted, ProblemType, Refusal, TYPE_BASE,
};

/// How API Gateway names a request.
const REQUEST_ID: &str = "JKJaXmPLvHcESHA=";

/// A member of a problem beside those of every problem.
struct Member {
    name: &'static str,
    required: bool,
    schema: RefOr<Schema>,
}

fn always(name: &'static str, schema: impl Into<RefOr<Schema>>) -> Member {
    Member { name, required: true, schema: schema.into() }
}

fn sometimes(name: &'static str, schema: impl Into<RefOr<Schema>>) -> Member {
    Member { name, required: false, schema: schema.into() }
}

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

fn word(description: &str, word: &str) -> ObjectBuilder {
    text(description).enum_values(Some([word]))
}

fn faults(description: &str) -> ArrayBuilder {
    let faults = ArrayBuilder::new().items(Ref::from_schema_name(Fault::name())).min_items(Some(1));
    faults.description(Some(description))
}

/// The members of a refusal about an earlier application, beside its reason.
fn earlier_application() -> [Member; 5] {
    let journey_id = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0))
        .description(Some("The registry's number for its journey. Only of the caller's own short application."));
    [
        always("datetime", Ref::from_schema_name(Utc::name())),
        sometimes("uuid", Ref::from_schema_name("ApplicationId")),
        sometimes("token", text("Its proof token. Only of the caller's own application.")),
        sometimes("journey_id", journey_id),
        // `status` is the problem's HTTP status: RFC 9457 has that name first.
        sometimes("journey_status", Ref::from_schema_name("JourneyStatus")),
    ]
}

impl ProblemType {
    /// The members of a refusal of this type, beside those of every problem.
    fn members(self) -> Vec<Member> {
        let request_id = || text("Names the call in the registry's log.");
        match self {
            Self::InvalidFields => vec![always("errors", faults("Every fault of the body."))],
            Self::InvalidQuery => vec![always("errors", faults("Every fault of the query."))],
            Self::ApplicationDeleted => vec![always("uuid", Ref::from_schema_name("ApplicationId"))],
            Self::TooEarly => vec![always("available_at", Ref::from_schema_name(Utc::name()))],
            Self::ImportStays => vec![sometimes("available_at", Ref::from_schema_name(Utc::name()))],
            Self::IneligibleJourney => {
                let criterion = ObjectBuilder::new()
                    .property("criterion", Ref::from_schema_name("Criterion"))
                    .required("criterion")
                    .property("message", text("What the journey lacks, for a person."))
                    .required("message");
                let criteria = ArrayBuilder::new()
                    .items(criterion)
                    .min_items(Some(1))
                    .description(Some("Every criterion that the journey fails."));
                vec![always("criteria", criteria)]
            }
            Self::History => vec![
                always("datetime", Ref::from_schema_name(Utc::name())),
                always("reason", word("A specific application is in the way.", Reason::History.as_str())),
            ],
            Self::Duplicate => {
                let reason = word("A standardized application is in the way.", Reason::Duplicate.as_str());
                let mut members = vec![always("reason", reason)];
                members.extend(earlier_application());
                members
            }
            Self::JourneyUsed => {
                let mut members = vec![always("reason", word("The journey is used.", self.as_str()))];
                members.extend(earlier_application());
                members
            }
            Self::Internal => vec![always("request_id", request_id())],
            // The problems that the gateway may return before, or instead of, a function.
            Self::MalformedBody
            | Self::InvalidHeader
            | Self::NotFound
            | Self::RequestTimeout
            | Self::BodyTooLarge
            | Self::HeadersTooLarge
            | Self::Busy => vec![sometimes("request_id", request_id())],
            Self::Unauthenticated
            | Self::MissingScope
            | Self::OperatorNotAdmitted
            | Self::CallClosed
            | Self::InvalidCredentials
            | Self::TooManyAttempts
            | Self::TooManyCalls
            | Self::IdempotencyKeyReused
            | Self::DriverRecordFull
            | Self::UnknownApplication
            | Self::UnknownProof
            | Self::UnknownImport
            | Self::UnknownJourney
            | Self::UnsupportedMediaType => Vec::new(),
        }
    }

    /// `DuplicateProblem` and the like.
    fn schema_name(self) -> String {
        let capital = |word: &str| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
        };
        self.as_str().split('_').map(capital).chain(["Problem".to_owned()]).collect()
    }

    fn type_uri(self) -> String {
        format!("{TYPE_BASE}{}", self.as_str())
    }

    fn schema(self) -> Schema {
        let status = ObjectBuilder::new().schema_type(Type::Integer).enum_values(Some([self.status().as_u16()]));
        let object = ObjectBuilder::new()
            .description(Some(format!(
                "{}.\n\n{}\n\n**What to do:** {}",
                self.title(Language::English),
                self.meaning(),
                self.remedy()
            )))
            .property("type", word("Names the problem; programs decide by it.", &self.type_uri()))
            .property(
                "title",
                text("The same for every problem of this type.").examples([self.title(Language::English)]),
            )
            .property("status", status.description(Some("The HTTP status.")))
            .property("detail", text("A sentence for a person; its wording may change."));
        let object = ["type", "title", "status", "detail"].into_iter().fold(object, ObjectBuilder::required);
        let members = self.members().into_iter();
        let object = members.fold(object, |object, Member { name, required, schema }| {
            let object = object.property(name, schema);
            if required { object.required(name) } else { object }
        });
        object.into()
    }

    /// Refusals of this type as responses show them.
    fn samples(self, faults: &[FieldFault], scope: Option<Scope>) -> Vec<Sample> {
        let name = self.as_str();
        let one = |summary: &str, refusal: Refusal| {
            vec![sample(name, summary, refusal.into_response(REQUEST_ID, Language::English))]
        };
        let gateway = |detail: &str| {
            let members = Map::from_iter([("request_id".to_owned(), json!(REQUEST_ID))]);
            vec![sample(name, self.title(Language::English), self.answer(detail, members))]
        };
        match self {
            Self::MalformedBody => one("Not JSON", Refusal::MalformedBody(Malformed::NotJson { line: 1, column: 18 })),
            Self::InvalidFields => one("Every fault at once", Refusal::InvalidFields(faults.to_vec())),
            Self::TooEarly => one("Too young", Refusal::TooEarly(at("2024-05-08T07:30:00Z"))),
            Self::Unauthenticated => vec![
                sample(name, "No token", Refusal::Unauthenticated(None).into_response(REQUEST_ID, Language::English)),
                sample(
                    "unauthenticated_expired",
                    "An old token",
                    Refusal::Unauthenticated(Some(TokenError::Expired)).into_response(REQUEST_ID, Language::English),
                ),
            ],
            Self::MissingScope => one("Another call's token", Refusal::MissingScope(scope.unwrap_or(Scope::Simulate))),
            Self::OperatorNotAdmitted => {
                one("A suspended operator", Refusal::OperatorNotAdmitted(NotAdmitted::Suspended))
            }
            Self::CallClosed => one("Closed for everybody", Refusal::CallClosed(None)),
            Self::InvalidHeader => {
                one("A key with a space", Refusal::InvalidHeader("idempotency-key", FieldError::IdempotencyKey))
            }
            Self::InvalidQuery => {
                let cursor = FieldFault::of("cursor", BrokenRule::Cursor);
                one("A cursor of one's own making", Refusal::InvalidQuery(vec![cursor]))
            }
            Self::ImportStays => {
                let silent = UndoRefusal::Haunted(at("2024-05-01T09:15:00Z"));
                let stays = |refusal| Refusal::ImportStays(refusal).into_response(REQUEST_ID, Language::English);
                vec![
                    sample(name, "Too old", stays(TakeBackRefusal::TooOld(30))),
                    sample("import_stays_for_now", "Not quite ended", stays(silent.into())),
                ]
            }
            Self::InvalidCredentials => {
                one("Not a pair that the registry gave", Refusal::InvalidCredentials(NoToken::WrongPair))
            }
            Self::TooManyAttempts => one("After five wrong ones", Refusal::TooManyAttempts(Duration::from_secs(10))),
            Self::TooManyCalls => one("More in four seconds", Refusal::TooManyCalls(Duration::from_millis(3210))),
            Self::IdempotencyKeyReused => one("Another body", Refusal::IdempotencyKeyReused),
            Self::ApplicationDeleted => {
                let uuid = ApplicationId::parse(SAMPLE_UUID).map(Refusal::ApplicationDeleted);
                uuid.map(|refusal| one("The same call again", refusal)).unwrap_or_default()
            }
            Self::DriverRecordFull => {
                one("Twenty applications stand already", Refusal::DriverRecordFull(NoRoom::Applications))
            }
            Self::UnknownApplication => one("Not one of yours", Refusal::UnknownApplication),
            Self::UnknownProof => one("Never granted", Refusal::UnknownProof { is_uuid: true }),
            Self::UnknownImport => one("Not one of yours", Refusal::UnknownImport),
            Self::UnknownJourney => one("Not one of yours", Refusal::UnknownJourney),
            Self::IneligibleJourney => {
                let failed = vec![Criterion::OperatorClass, Criterion::Distance];
                one("Every criterion that fails", Refusal::IneligibleJourney { failed, rules: Box::default() })
            }
            Self::History => {
                let datetime = at("2021-02-14T23:00:00Z");
                one("From before the scheme", Refusal::Blocked { reason: Reason::History, datetime, own: None })
            }
            Self::Duplicate => {
                let blocked = |own: Option<OwnApplication>| Refusal::Blocked {
                    reason: Reason::Duplicate,
                    datetime: at(SAMPLE_DATETIME),
                    own: own.map(Box::new),
                };
                let short = OwnApplication::sample(JourneyType::Short);
                vec![
                    sample(
                        name,
                        "Another operator's: date and reason",
                        blocked(None).into_response(REQUEST_ID, Language::English),
                    ),
                    sample(
                        "duplicate_own",
                        "Your own: all of it",
                        blocked(Some(short)).into_response(REQUEST_ID, Language::English),
                    ),
                ]
            }
            Self::JourneyUsed => {
                let own = Some(Box::new(OwnApplication::sample(JourneyType::Short)));
                one("Under another identity", Refusal::JourneyUsed { datetime: at(SAMPLE_DATETIME), own })
            }
            Self::BodyTooLarge => one("Too long", Refusal::BodyTooLarge(BODY_LIMIT)),
            Self::UnsupportedMediaType => one("Not declared as JSON", Refusal::UnsupportedMediaType),
            Self::Internal => one("Ask the registry's team", Refusal::Internal(InternalError::Panic)),
            Self::Busy => one("Send it again", Refusal::Busy),
            Self::NotFound => gateway("Not Found"),
            Self::RequestTimeout => gateway("Request Timeout"),
            Self::HeadersTooLarge => gateway("Request Header Fields Too Large"),
        }
    }
}

/// The name of the sample application.
const SAMPLE_UUID: &str = "1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b";

/// The date of the sample application.
const SAMPLE_DATETIME: &str = "2024-03-15T07:30:00Z";

impl OwnApplication {
    /// An application as example in the document: the first one of the tour (docs/tour.md).
    #[must_use]
    pub fn sample(journey_type: JourneyType) -> Self {
        let short = journey_type == JourneyType::Short;
        Self {
            uuid: SAMPLE_UUID.to_owned(),
            journey_type: journey_type.as_str(),
            datetime: at(SAMPLE_DATETIME).to_string(),
            journey_id: short.then_some(1001),
            status: short.then_some("ok"),
            token: "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiJ9.eyJ1dWlkIjoiLi4uIn0.c2lnbmF0dXJl".to_owned(),
        }
    }
}

fn at(text: &str) -> Instant {
    // A mistake would show in the document, which a test compares.
    Instant::parse(text).unwrap_or(Rules::default().long.period.start)
}

fn sample(name: &str, summary: &str, response: HttpResponse<Body>) -> Sample {
    let value = match response.body() {
        Body::Text(text) => serde_json::from_str(text).unwrap_or(Value::Null),
        _ => Value::Null,
    };
    Sample::new(name, summary, value)
}

/// The schemas of all problems and of their members.
pub(super) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas: Vec<_> =
        ProblemType::ALL.into_iter().map(|problem| (problem.schema_name(), problem.schema().into())).collect();
    Fault::schemas(&mut schemas);
    OwnApplication::schemas(&mut schemas);
    schemas.push((Fault::name().into_owned(), Fault::schema()));
    schemas.push((Utc::name().into_owned(), Utc::schema()));
    schemas.push((Criterion::name().into_owned(), Criterion::schema()));
    schemas
}

/// The response of one status: one problem, or one of several.
pub(super) fn response(problems: &[ProblemType], faults: &[FieldFault], scope: Option<Scope>) -> Response {
    let titles: Vec<&str> = problems.iter().map(|problem| problem.title(Language::English)).collect();
    let samples = problems.iter().flat_map(|problem| problem.samples(faults, scope)).collect();
    let response = ResponseBuilder::new()
        .description(format!("{}.", titles.join("; or: ")))
        .content("application/problem+json", content(one_of(problems), samples));
    let header = |description: &str, example: &str| {
        HeaderBuilder::new().schema(Some(text(description).examples([example]))).description(Some(description)).build()
    };
    let response = match problems.first().map(|problem| problem.status()) {
        Some(StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => response.header(
            "WWW-Authenticate",
            header("What is wrong with the token (RFC 6750).", "Bearer error=\"invalid_token\""),
        ),
        Some(StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS) => {
            response.header("Retry-After", header("After how many seconds to send the call again.", "1"))
        }
        _ => response,
    };
    response.build()
}

fn one_of(problems: &[ProblemType]) -> RefOr<Schema> {
    if let [problem] = problems {
        return Ref::from_schema_name(problem.schema_name()).into();
    }
    let mapping =
        problems.iter().map(|problem| (problem.type_uri(), format!("#/components/schemas/{}", problem.schema_name())));
    problems
        .iter()
        .fold(OneOfBuilder::new(), |schema, problem| schema.item(Ref::from_schema_name(problem.schema_name())))
        .discriminator(Some(Discriminator::with_mapping("type", mapping)))
        .into()
}
