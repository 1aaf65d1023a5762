//! Every problem type in the document: its schema and its examples. The linker leaves all of it out of a deployed function.

use cee_eligibility::openapi::UtcInstant;
use cee_eligibility::{Criterion, Language, Reason};
use http::StatusCode;
use lambda_http::Body;
use serde_json::Value;
use utoipa::openapi::extensions::Extensions;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{Discriminator, ObjectBuilder, OneOfBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema as _, ToSchema as _};

use super::entry::{Described, Example, Member, REASON, text};
use super::sample::{Sample, content};
use crate::answer::OwnApplication;
use crate::problem::{Fault, ProblemType, TYPE_BASE};

/// This word and no other.
fn word(description: &str, word: &str) -> ObjectBuilder {
    text(description).enum_values(Some([word]))
}

fn reasons() -> ObjectBuilder {
    text(
        "What blocks: `history`, a specific application (opération spécifique) from before the scheme; `duplicate`, a standardized \
         application (opération standardisée), registered through this API; `journey_used`, another application on the journey. Always \
         the last part of `type`.",
    )
    .enum_values(Some([Reason::History.as_str(), Reason::Duplicate.as_str(), ProblemType::JourneyUsed.as_str()]))
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

/// The schemas of all problems and of their members.
pub(super) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    let mut schemas: Vec<_> =
        ProblemType::ALL.iter().map(|problem| (problem.schema_name(), problem.schema().into())).collect();
    Fault::schemas(&mut schemas);
    OwnApplication::schemas(&mut schemas);
    schemas.push((Fault::name().into_owned(), Fault::schema()));
    schemas.push((UtcInstant::name().into_owned(), UtcInstant::schema()));
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
