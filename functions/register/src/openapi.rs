//! What the OpenAPI document says of this function's calls.

use cee_edge::ProblemType;
use cee_edge::answer::OwnApplication;
use cee_edge::openapi::{Operation, Sample};
use cee_edge::problem::BrokenRule;
use cee_eligibility::{FieldError, IdempotencyKey, JourneyType, Language};
use cee_tokens::Scope;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayBuilder, Discriminator, Object, ObjectBuilder, OneOfBuilder, Schema, Type,
};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::batch::{self, MOST};
use crate::body::{Demand, LongRegistration, ShortRegistration};

fn idempotency_key() -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(IdempotencyKey::PATTERN));
    text.min_length(Some(1)).max_length(Some(IdempotencyKey::MAX_LENGTH)).build()
}

/// The names of the schemas of registrations in a batch: the members of a single call, and one more.
const SHORT: &str = "BatchedShortRegistration";
const LONG: &str = "BatchedLongRegistration";

/// A registration in a batch.
struct Batched;

/// The answer to a batch.
struct Answers;

fn with_key(schema: RefOr<Schema>) -> RefOr<Schema> {
    match schema {
        RefOr::T(Schema::Object(mut object)) => {
            let key = ObjectBuilder::from(idempotency_key()).description(Some(
                "The same as the header `Idempotency-Key` of a single registration: the same key with the same members gets the first \
                 response again, in a batch or in a single call.",
            ));
            object.properties.insert(batch::IDEMPOTENCY_KEY.to_owned(), key.build().into());
            RefOr::T(Schema::Object(object))
        }
        other => other,
    }
}

impl PartialSchema for Batched {
    fn schema() -> RefOr<Schema> {
        let at = |name: &str| format!("#/components/schemas/{name}");
        let mapping = [(JourneyType::Short, at(SHORT)), (JourneyType::Long, at(LONG))];
        let mapping = mapping.map(|(journey_type, schema)| (journey_type.as_str(), schema));
        OneOfBuilder::new()
            .item(Ref::from_schema_name(SHORT))
            .item(Ref::from_schema_name(LONG))
            .discriminator(Some(Discriminator::with_mapping("journey_type", mapping)))
            .into()
    }
}

impl ToSchema for Batched {
    fn name() -> std::borrow::Cow<'static, str> {
        "BatchedRegistration".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        ShortRegistration::schemas(schemas);
        LongRegistration::schemas(schemas);
        schemas.push((SHORT.to_owned(), with_key(ShortRegistration::schema())));
        schemas.push((LONG.to_owned(), with_key(LongRegistration::schema())));
    }
}

impl PartialSchema for Answers {
    fn schema() -> RefOr<Schema> {
        let number = |description: &str| ObjectBuilder::new().schema_type(Type::Integer).description(Some(description));
        let body = ObjectBuilder::new()
            .description(Some(
                "The body of the response that a single call would get: the application for 201, otherwise a problem (RFC 9457).",
            ))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        let answer = ObjectBuilder::new()
            .property("status", number("The status that a single call would get.").examples([201]))
            .required("status")
            .property("retry_after", number("After how many seconds to send the registration again, for 429 and 503."))
            .property("body", body)
            .required("body");
        ObjectBuilder::new()
            .description(Some("The result of each registration."))
            .property(
                "answers",
                ArrayBuilder::new().items(answer).description(Some("In the order of the registrations.")),
            )
            .required("answers")
            .into()
    }
}

impl ToSchema for Answers {
    fn name() -> std::borrow::Cow<'static, str> {
        "BatchAnswers".into()
    }
}

fn register_batch(short: &Value, long: &Value) -> Operation {
    let (mut short, mut long) = (short.clone(), long.clone());
    short["idempotency_key"] = json!("attempt-0001");
    long["idempotency_key"] = json!("attempt-0002");
    let granted = json!({"status": 201, "body": OwnApplication::sample(JourneyType::Short)});
    let fault = json!({"pointer": "/last_name_trunc", "message": "is missing"});
    let title = ProblemType::InvalidFields.title(Language::English);
    let refused = json!({
        "status": 400,
        "body": {"type": format!("{}invalid_fields", cee_edge::problem::TYPE_BASE), "title": title,
                 "status": 400, "detail": "/last_name_trunc is missing", "errors": [fault]},
    });
    Operation::new(Method::POST, "/policies/cee/batch", "registerBatch")
        .about(
            "Applications",
            "Register applications",
            "Registers 1 to 100 applications. The response has, in order, the status and the body that a single call would get for each. \
             A refused registration does not affect the others. Registrations of one batch that may be for the same driver are processed \
             one after the other, in their order.\n\nEach registration counts as one of the operator's calls. When the calls are used \
             up, the remaining registrations get 429, and when the time is up, 503: these were not written, send them again. If the \
             whole response is lost, send the whole batch again; so give each registration its own `idempotency_key`.",
        )
        .scope(Scope::Register)
        .rows::<Batched>(
            MOST,
            vec![
                Sample::new("two", "A short and a long application, each with its key", json!([short, long])),
                Sample::new("one", "One registration", json!([long])),
            ],
        )
        .answer::<Answers>(
            StatusCode::OK,
            "Every registration has a result; this does not mean that every application is registered.",
            vec![Sample::new("two", "One is registered, one is refused", json!({"answers": [granted, refused]}))],
        )
}

/// The calls of this function.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let short = json!({"journey_type": "short", "last_name_trunc": "MAR", "driving_license": "051227308989",
                       "operator_journey_id": "ar:2024-03-15_0001"});
    let long = json!({"journey_type": "long", "last_name_trunc": "D H", "phone_trunc": "06 39 98 20",
                      "driving_license": "822146819", "datetime": "2024-03-15T08:30:00+01:00",
                      "application_timestamp": "2024-03-16T10:00:00+01:00",
                      "identity_key": "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30"});
    let register = Operation::new(Method::POST, "/policies/cee", "register")
        .about(
            "Applications",
            "Register an application",
            "Registers a driver's application (demande CEE, opération standardisée) and signs a proof of it, unless an earlier \
             application of any operator blocks it. Of several calls for one driver, at whatever moment, exactly one succeeds.\n\nA \
             **short** application names a journey of the caller's, seven days old or more, that no other application uses. A **long** \
             application gives the day on which the costs were shared.\n\nIf you lose the response, send the call again: with the same \
             `Idempotency-Key` you get the first response again, and without a key the 409 about your own application has all of its \
             members.",
        )
        .header(
            "Idempotency-Key",
            "A key for this registration, such as a random UUID. Within a day, the same body with the same key gets the first response \
             again, byte for byte, and another body is refused (422). Once the application is deleted, the response is 410. Only \
             successful calls are stored. Each operator has its own keys.",
            idempotency_key(),
        )
        .scope(Scope::Register)
        .body::<Demand>(
            vec![
                Sample::new("short", "For a journey that the registry knows", short.clone()),
                Sample::new("long", "Without a journey, with all optional fields", long.clone()),
            ],
            &[
                ("last_name_trunc", FieldError::LastNameTrunc.into()),
                ("driving_license", BrokenRule::Missing),
                ("speed", BrokenRule::Unknown),
            ],
        )
        .answer::<OwnApplication>(
            StatusCode::CREATED,
            "The application is registered.",
            vec![
                Sample::new("short", "A short application, with its journey", json!(OwnApplication::sample(JourneyType::Short))),
                Sample::new("long", "A long one", json!(OwnApplication::sample(JourneyType::Long))),
            ],
        )
        .link("get", "getApplication", ("uuid", "$response.body#/uuid"), "The application, at any later time.")
        .link("delete", "deleteApplication", ("uuid", "$response.body#/uuid"), "Delete the application.")
        .refused(&[
            ProblemType::IdempotencyKeyReused,
            ProblemType::ApplicationDeleted,
            ProblemType::TooEarly,
            ProblemType::CallClosed,
            ProblemType::UnknownJourney,
            ProblemType::IneligibleJourney,
        ])
        .refused(ProblemType::OF_A_DRIVER)
        .refused(&[ProblemType::JourneyUsed]);
    vec![register, register_batch(&short, &long)]
}
