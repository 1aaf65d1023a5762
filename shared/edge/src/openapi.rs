//! The interface as an OpenAPI 3.1 document.
//!
//! Each function describes its own calls, beside the code that answers them, as [`Operation`]s: the body is the type that
//! the call is read into, the answer the type that it is written from, and a refusal is one that the function can give.
//! The parts that all calls share (authentication, refusals of the gateway, the form of a problem) are added here. [`document`] puts
//! them together. Nothing here runs in a deployed function: the linker leaves it out.

pub(crate) mod entry;
mod problems;
mod sample;

use std::collections::BTreeMap;

use cee_eligibility::openapi::UtcInstant;
use cee_tokens::Scope;
use http::{Method, StatusCode};
use utoipa::ToSchema;
use utoipa::openapi::content::Content;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::link::LinkBuilder;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn, PathItem, PathsBuilder};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder};
use utoipa::openapi::schema::{ArrayBuilder, Components, Object, ObjectBuilder, Schema, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::Tag;
use utoipa::openapi::{Info, OpenApi, OpenApiBuilder, Ref, RefOr, Required, Server, ServerBuilder};

use self::entry::Described;
pub use self::sample::Sample;
use self::sample::content;
use crate::problem::{BrokenRule, FieldFault, ProblemType};
use crate::version::VERSIONS;

/// The name of the one security scheme.
const APPLICATION_TOKEN: &str = "application_token";

/// A date and time in an answer: UTC, with milliseconds.
pub type Utc = UtcInstant;

/// The schema of a [`Tag`](crate::body::Tag): this word and no other.
#[must_use]
pub fn tag(word: &str) -> Object {
    let word = ObjectBuilder::new().schema_type(Type::String).enum_values(Some([word]));
    word.description(Some("Tells the two kinds of application apart.")).build()
}

/// One call of the interface.
pub struct Operation {
    method: Method,
    path: &'static str,
    operation: OperationBuilder,
    answers: BTreeMap<u16, Response>,
    problems: BTreeMap<u16, Vec<ProblemType>>,
    faults: Vec<FieldFault>,
    scope: Option<Scope>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Operation {
    /// A call with the name that generated clients give it. The path is that below the version ([`VERSIONS`]).
    ///
    /// Any call can be refused by the gateway, fail inside, or find the registry busy.
    #[must_use]
    pub fn new(method: Method, path: &'static str, id: &str) -> Self {
        let operation = Self {
            method,
            path,
            operation: OperationBuilder::new().operation_id(Some(id)),
            answers: BTreeMap::new(),
            problems: BTreeMap::new(),
            faults: Vec::new(),
            scope: None,
            schemas: Vec::new(),
        };
        operation.refused(ProblemType::OF_EVERY_CALL)
    }

    /// Which part of the interface it belongs to, one line about it, and all about it.
    #[must_use]
    pub fn about(mut self, tag: &str, summary: &str, description: &str) -> Self {
        self.operation = self.operation.tag(tag).summary(Some(summary)).description(Some(description));
        self
    }

    /// It takes an application token with this scope, and is refused without.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self.operation = self.operation.security(SecurityRequirement::new(APPLICATION_TOKEN, [scope.as_str()]));
        self.refused(ProblemType::OF_A_TOKEN)
    }

    /// The call takes a body, which is read into `T`. `faults` are examples of the refusals of a bad body.
    #[must_use]
    pub fn body<T: ToSchema>(mut self, samples: Vec<Sample>, faults: &[(&str, BrokenRule)]) -> Self {
        let content = self.content::<T>(samples);
        let fault = |(field, rule): &(&str, BrokenRule)| FieldFault { pointer: format!("/{field}"), rule: *rule };
        self.request(content, faults.iter().map(fault).collect())
    }

    /// The call takes an array of one to `most` rows, each of which is read into `T` and fails alone.
    #[must_use]
    pub fn rows<T: ToSchema>(mut self, most: usize, samples: Vec<Sample>) -> Self {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        let rows = ArrayBuilder::new().items(Ref::from_schema_name(T::name())).min_items(Some(1)).max_items(Some(most));
        let fault = FieldFault { pointer: String::new(), rule: BrokenRule::Rows(most) };
        self.request(content(rows, samples), vec![fault])
    }

    fn request(mut self, content: Content, faults: Vec<FieldFault>) -> Self {
        let body = RequestBodyBuilder::new().content("application/json", content).required(Some(Required::True));
        self.operation = self.operation.request_body(Some(body.build()));
        self.faults = faults;
        self.refused(ProblemType::OF_A_BODY)
    }

    /// A parameter in the path; a path that fits no route is a 404.
    #[must_use]
    pub fn path_parameter(self, name: &str, schema: impl Into<RefOr<Schema>>, example: &str) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .schema(Some(schema))
            .example(Some(example.into()));
        let operation = self.operation.parameter(parameter);
        Self { operation, ..self }.refused(&[ProblemType::NotFound])
    }

    /// A parameter of the query, which may be left out. Without an example, because tools send examples unchanged.
    #[must_use]
    pub fn query_parameter(mut self, name: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .schema(Some(schema));
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// The parameter of a list for the number of its entries.
    #[must_use]
    pub fn limit(self, most: usize, usual: usize, description: &str) -> Self {
        let limit = ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1)).maximum(Some(most));
        self.query_parameter("limit", limit.default(Some(usual.into())).description(Some(description)).build())
    }

    /// A header that may be sent along. Without an example, because tools send examples unchanged.
    #[must_use]
    pub fn header(mut self, name: &str, description: &str, schema: impl Into<RefOr<Schema>>) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(description))
            .schema(Some(schema));
        self.operation = self.operation.parameter(parameter);
        self
    }

    /// It answers with JSON that is written from a `T`.
    #[must_use]
    pub fn answer<T: ToSchema>(self, status: StatusCode, description: &str, samples: Vec<Sample>) -> Self {
        self.answer_as::<T>(status, "application/json", description, samples)
    }

    /// It returns JSON with another content type.
    #[must_use]
    pub fn answer_as<T: ToSchema>(
        mut self,
        status: StatusCode,
        content_type: &str,
        description: &str,
        samples: Vec<Sample>,
    ) -> Self {
        let content = self.content::<T>(samples);
        let response = ResponseBuilder::new().description(description).content(content_type, content).build();
        self.answers.insert(status.as_u16(), response);
        self
    }

    /// The same answer in another form, which the call asks for in its header `Accept`: text.
    #[must_use]
    pub fn also_as(mut self, status: StatusCode, content_type: &str, description: &str, samples: Vec<Sample>) -> Self {
        let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description)).build();
        if let Some(response) = self.answers.get_mut(&status.as_u16()) {
            response.content.insert(content_type.to_owned(), content(text, samples).into());
        }
        self
    }

    /// A header that an answer may have.
    #[must_use]
    pub fn answer_header(mut self, status: StatusCode, name: &str, description: &str, example: &str) -> Self {
        let text = ObjectBuilder::new().schema_type(Type::String).examples([example]).build();
        let header = HeaderBuilder::new().schema(Some(text)).description(Some(description)).build();
        if let Some(response) = self.answers.get_mut(&status.as_u16()) {
            response.headers.insert(name.to_owned(), header.into());
        }
        self
    }

    /// It answers that it is done, without a body.
    #[must_use]
    pub fn done(mut self, description: &str) -> Self {
        self.answers.insert(StatusCode::NO_CONTENT.as_u16(), Response::new(description));
        self
    }

    /// A call that can follow, with a value of the response (or, `$request.…`, of the call itself): another call, and one of its
    /// parameters.
    #[must_use]
    pub fn link(mut self, name: &str, operation_id: &str, parameter: (&str, &str), description: &str) -> Self {
        let (parameter, expression) = parameter;
        let link = LinkBuilder::new()
            .operation_id(operation_id)
            .parameter(parameter, expression)
            .description(description)
            .build();
        for response in self.answers.values_mut() {
            response.links.insert(name.to_owned(), link.clone().into());
        }
        self
    }

    /// Refusals that it can give beside those that follow from what was said before.
    #[must_use]
    pub fn refused(mut self, problems: &[ProblemType]) -> Self {
        for problem in problems {
            let same_status = self.problems.entry(problem.status().as_u16()).or_default();
            if !same_status.contains(problem) {
                same_status.push(*problem);
            }
        }
        self
    }

    fn content<T: ToSchema>(&mut self, samples: Vec<Sample>) -> Content {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        content(Ref::from_schema_name(T::name()), samples)
    }

    /// The same call with `HEAD`: each answer without its body. A generated client knows it as `id`.
    #[must_use]
    pub fn head(self, id: &str, summary: &str) -> Self {
        let operation = self.operation.operation_id(Some(id)).summary(Some(summary));
        Self { method: Method::HEAD, operation, ..self }
    }

    /// The operation with all its responses.
    fn finish(self) -> OperationBuilder {
        let Self { method, answers, problems, faults, scope, operation, .. } = self;
        // An empty list says that a call needs no token; without a list a linter takes it for forgotten.
        let operation =
            if scope.is_none() { operation.securities(Some(Vec::<SecurityRequirement>::new())) } else { operation };
        let without_body = |mut response: Response| {
            if method == Method::HEAD {
                response.content.clear();
                response.links.clear();
            }
            response
        };
        let call = Described { faults: &faults, scope };
        let problems = problems.into_iter().map(|(status, problems)| (status, problems::response(&problems, &call)));
        answers.into_iter().chain(problems).fold(operation, |operation, (status, response)| {
            operation.response(status.to_string(), RefOr::T(without_body(response)))
        })
    }
}

/// The document of these operations.
#[must_use]
pub fn document(info: Info, tags: Vec<Tag>, operations: Vec<Operation>) -> OpenApi {
    let mut components = Components::new();
    components.schemas.extend(problems::schemas());
    let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").description(Some(
        "The operator's application token: a JSON Web Token that names the operator and carries the scopes of the calls it \
         may make.",
    ));
    components.add_security_scheme(APPLICATION_TOKEN, SecurityScheme::Http(token.build()));
    let mut paths = PathsBuilder::new().build();
    for mut operation in operations {
        components.schemas.extend(std::mem::take(&mut operation.schemas));
        let (path, method) = (operation.path, http_method(&operation.method));
        let item = PathItem::new(method, operation.finish());
        paths.paths.entry(path.to_owned()).or_default().merge_operations(item);
    }
    OpenApiBuilder::new()
        .info(info)
        .servers(Some(servers()))
        .tags(Some(tags))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// The beginnings of every path: paths on this host, so that a copy of the document works on any. The first is the one to use.
fn servers() -> [Server; VERSIONS.len()] {
    VERSIONS.map(|version| {
        let about = if version == VERSIONS[0] { "This host" } else { "The same, for clients of the public registry" };
        ServerBuilder::new().url(format!("/{version}")).description(Some(about)).build()
    })
}

fn http_method(method: &Method) -> HttpMethod {
    match *method {
        Method::POST => HttpMethod::Post,
        Method::PUT => HttpMethod::Put,
        Method::DELETE => HttpMethod::Delete,
        Method::PATCH => HttpMethod::Patch,
        Method::HEAD => HttpMethod::Head,
        Method::OPTIONS => HttpMethod::Options,
        _ => HttpMethod::Get,
    }
}
