//! The parts from which the entries of the problem types are written: members of a problem, and examples. The linker leaves all of it out
//! of a deployed function.

use cee_eligibility::openapi::UtcInstant;
use cee_eligibility::{Instant, JourneyType, Language, Rules};
use cee_tokens::Scope;
use http::Response;
use lambda_http::Body;
use utoipa::ToSchema as _;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr};

use crate::answer::OwnApplication;
use crate::problem::detail::{Fault, FieldFault};
use crate::problem::refusal::Refusal;

/// How API Gateway names a request.
pub(crate) const REQUEST_ID: &str = "JKJaXmPLvHcESHA=";

/// A member of a problem beside those of every problem.
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) required: bool,
    pub(crate) schema: RefOr<Schema>,
}

/// A member that every problem of its type has.
pub(crate) fn always(name: &'static str, schema: impl Into<RefOr<Schema>>) -> Member {
    Member { name, required: true, schema: schema.into() }
}

/// A member that some problems of its type have.
pub(crate) fn sometimes(name: &'static str, schema: impl Into<RefOr<Schema>>) -> Member {
    Member { name, required: false, schema: schema.into() }
}

/// Any text.
pub(crate) fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

/// A date and time.
pub(crate) fn moment() -> Ref {
    Ref::from_schema_name(UtcInstant::name())
}

/// Faults of fields.
pub(crate) fn faults(description: &str) -> ArrayBuilder {
    let faults = ArrayBuilder::new().items(Ref::from_schema_name(Fault::name())).min_items(Some(1));
    faults.description(Some(description))
}

/// The criteria that a journey fails.
pub(crate) fn criteria() -> ArrayBuilder {
    let criterion = ObjectBuilder::new()
        .property("criterion", Ref::from_schema_name("Criterion"))
        .required("criterion")
        .property("message", text("Which criterion the journey fails, for a person."))
        .required("message");
    let criteria = ArrayBuilder::new().items(criterion).min_items(Some(1));
    criteria.description(Some("Every criterion that the journey fails."))
}

/// The id of the call.
pub(crate) fn request_id() -> ObjectBuilder {
    text("Identifies the call in the registry's log.")
}

/// The members of a problem that the gateway may return before, or instead of, a function.
pub(crate) fn request_id_of_gateway() -> Vec<Member> {
    vec![sometimes("request_id", request_id())]
}

/// The name of the schema of `reason`.
pub(super) const REASON: &str = "Reason";

/// What blocks. One schema for all problems, although each has one reason: the PHP client reads every 409 into one class, which
/// otherwise knows the reason of the last problem only.
pub(crate) fn reason() -> Ref {
    Ref::from_schema_name(REASON)
}

/// The members of a refusal about an earlier application, which may be the caller's own.
pub(crate) fn earlier_application() -> Vec<Member> {
    let journey_id = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0))
        .description(Some("The registry's number for the journey. Only for the caller's own short application."));
    vec![
        always("reason", reason()),
        always("datetime", moment()),
        sometimes("uuid", Ref::from_schema_name("ApplicationId")),
        sometimes("token", text("The proof token. Only for the caller's own application.")),
        sometimes("journey_id", journey_id),
        // `status` is the problem's HTTP status: RFC 9457 has that name first.
        sometimes("journey_status", Ref::from_schema_name("JourneyStatus")),
    ]
}

/// The call for which examples are made.
pub(crate) struct Described<'a> {
    /// Faults that its body may have.
    pub(crate) faults: &'a [FieldFault],
    /// The scope that it needs.
    pub(crate) scope: Option<Scope>,
}

/// An example of a problem.
pub(crate) struct Example {
    /// What its name has after the name of its type.
    pub(crate) suffix: &'static str,
    pub(crate) summary: &'static str,
    pub(crate) response: Response<Body>,
}

/// One of several examples: the response of a refusal. The first one has an empty suffix.
pub(crate) fn example(suffix: &'static str, summary: &'static str, refusal: Refusal) -> Example {
    Example { suffix, summary, response: refusal.into_response(REQUEST_ID, Language::English) }
}

/// The only example: the response of a refusal.
pub(crate) fn one(summary: &'static str, refusal: Refusal) -> Vec<Example> {
    vec![example("", summary, refusal)]
}

/// The name of the sample application.
pub(crate) const SAMPLE_UUID: &str = "1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b";

/// The date of the sample application.
pub(crate) const SAMPLE_DATETIME: &str = "2024-03-15T07:30:00Z";

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

/// The moment of an example.
pub(crate) fn at(text: &str) -> Instant {
    // A mistake would show in the document, which a test compares.
    Instant::parse(text).unwrap_or(Rules::default().long.period.start)
}
