//! Every problem type in the document: its schema and its examples, and the parts from which the entries of the
//! [types](crate::problem::ProblemType) are written. The linker leaves all of it out of a deployed function.

use cee_eligibility::{Criterion, Instant, JourneyType, Language, Reason, Rules};
use cee_tokens::Scope;
use http::{Response as HttpResponse, StatusCode};
use lambda_http::Body;
use serde_json::{Map, Value, json};
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, Discriminator, ObjectBuilder, OneOfBuilder, Schema, SchemaFormat, Type};
use utoipa::openapi::{KnownFormat, Ref, RefOr};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::{Sample, Utc, content};
use crate::answer::OwnApplication;
use crate::problem::{Fault, FieldFault, ProblemType, Refusal, TYPE_BASE};

/// How API Gateway names a request.
const REQUEST_ID: &str = "JKJaXmPLvHcESHA=";

/// A member of a problem beside those of every problem.
pub(crate) struct Member {
    name: &'static str,
    required: bool,
    schema: RefOr<Schema>,
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

/// This word and no other.
fn word(description: &str, word: &str) -> ObjectBuilder {
    text(description).enum_values(Some([word]))
}

/// A date and time.
pub(crate) fn moment() -> Ref {
    Ref::from_schema_name(Utc::name())
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
const REASON: &str = "Reason";

/// What blocks. One schema for all problems, although each has one reason: the PHP client reads every 409 into one class, which
/// otherwise knows the reason of the last problem only.
pub(crate) fn reason() -> Ref {
    Ref::from_schema_name(REASON)
}

fn reasons() -> ObjectBuilder {
    text(
        "What blocks: `history`, a specific application (opération spécifique) from before the scheme; `duplicate`, a standardized \
         application (opération standardisée), registered through this API; `journey_used`, another application on the journey. Always \
         the last part of `type`.",
    )
    .enum_values(Some([Reason::History.as_str(), Reason::Duplicate.as_str(), ProblemType::JourneyUsed.as_str()]))
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
    suffix: &'static str,
    summary: &'static str,
    response: HttpResponse<Body>,
}

/// One of several examples: the response of a refusal. The first one has an empty suffix.
pub(crate) fn example(suffix: &'static str, summary: &'static str, refusal: Refusal) -> Example {
    Example { suffix, summary, response: refusal.into_response(REQUEST_ID, Language::English) }
}

/// The only example: the response of a refusal.
pub(crate) fn one(summary: &'static str, refusal: Refusal) -> Vec<Example> {
    vec![example("", summary, refusal)]
}

/// The only example of a refusal by the gateway, with this detail.
pub(crate) fn of_gateway(problem: ProblemType, detail: &str) -> Vec<Example> {
    let members = Map::from_iter([("request_id".to_owned(), json!(REQUEST_ID))]);
    vec![Example {
        suffix: "",
        summary: problem.title(Language::English),
        response: problem.answer(detail, members, Language::English),
    }]
}

impl ProblemType {
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

    fn type_schema(self) -> ObjectBuilder {
        // Otherwise client generators name the constant after the whole URI.
        let name = Extensions::builder().add("x-enum-varnames", [self.as_str().to_ascii_uppercase()]);
        word("Identifies the kind of problem; programs decide by it.", &self.type_uri()).extensions(Some(name.build()))
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
            .property("type", self.type_schema())
            .property(
                "title",
                text("The title: the same for every problem of this type.").examples([self.title(Language::English)]),
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

    /// The examples of this type as the document shows them.
    fn samples(self, call: &Described<'_>) -> impl Iterator<Item = Sample> {
        self.examples(call).into_iter().map(move |Example { suffix, summary, response }| {
            let value = match response.body() {
                Body::Text(text) => serde_json::from_str(text).unwrap_or(Value::Null),
                _ => Value::Null,
            };
            Sample::new(&format!("{}{suffix}", self.as_str()), summary, value)
        })
    }
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

/// The schemas of all problems and of their members.
pub(super) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas: Vec<_> =
        ProblemType::ALL.iter().map(|problem| (problem.schema_name(), problem.schema().into())).collect();
    Fault::schemas(&mut schemas);
    OwnApplication::schemas(&mut schemas);
    schemas.push((Fault::name().into_owned(), Fault::schema()));
    schemas.push((Utc::name().into_owned(), Utc::schema()));
    schemas.push((Criterion::name().into_owned(), Criterion::schema()));
    schemas.push((REASON.to_owned(), reasons().into()));
    schemas
}

/// The response of one status: one problem, or one of several.
pub(super) fn response(problems: &[ProblemType], call: &Described<'_>) -> Response {
    let titles: Vec<&str> = problems.iter().map(|problem| problem.title(Language::English)).collect();
    let samples = problems.iter().flat_map(|problem| problem.samples(call)).collect();
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
