//! What the OpenAPI document says of this function's call.

use cee_edge::ProblemType;
use cee_edge::answer::OwnApplication;
use cee_edge::openapi::{Operation, Sample, tag};
use cee_eligibility::{FieldError, IdempotencyKey, JourneyType};
use cee_tokens::Scope;
use http::{Method, StatusCode};
use serde_json::json;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::Demand;

fn idempotency_key() -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String).pattern(Some(IdempotencyKey::PATTERN));
    text.min_length(Some(1)).max_length(Some(IdempotencyKey::MAX_LENGTH)).build()
}

pub(crate) fn short() -> Object {
    tag(JourneyType::Short.as_str())
}

pub(crate) fn long() -> Object {
    tag(JourneyType::Long.as_str())
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
             application is in the way on any platform. Of several calls for one driver, at whatever moment, exactly one \
             succeeds.\n\n\
             A **short** application names a journey of the caller's, seven days old or more, that no other application uses. A \
             **long** one gives the day on which the costs were shared.\n\n\
             Whoever lost the answer sends the call again: with the same `Idempotency-Key` the first answer comes again, and \
             without one the 409 about one's own application holds all of it.",
        )
        .header(
            "Idempotency-Key",
            "A name for this attempt, such as a random UUID. Within a day, the same call with the same name gets the first answer \
             again, byte for byte, and another body is refused (422). Once the application is deleted the answer is 410. Only a \
             success is remembered. Operators do not share names.",
            idempotency_key(),
        )
        .scope(Scope::Register)
        .body::<Demand>(
            vec![
                Sample::new("short", "For a journey that the registry knows", short),
                Sample::new("long", "Without a journey, with all that can be sent", long),
            ],
            &[
                ("last_name_trunc", FieldError::LastNameTrunc.to_string()),
                ("driving_license", "is missing".to_owned()),
                ("speed", "is not a field of this call".to_owned()),
            ],
        )
        .answer::<OwnApplication>(
            StatusCode::CREATED,
            "The application is registered.",
            vec![
                Sample::new("short", "A short one, with its journey", json!(OwnApplication::sample(JourneyType::Short))),
                Sample::new("long", "A long one", json!(OwnApplication::sample(JourneyType::Long))),
            ],
        )
        .link("get", "getApplication", ("uuid", "$response.body#/uuid"), "The application, at any later time.")
        .link("delete", "deleteApplication", ("uuid", "$response.body#/uuid"), "Take it back.")
        .refused(&[
            ProblemType::IdempotencyKeyReused,
            ProblemType::ApplicationDeleted,
            ProblemType::TooEarly,
            ProblemType::CallClosed,
            ProblemType::UnknownJourney,
            ProblemType::IneligibleJourney,
            ProblemType::History,
            ProblemType::Duplicate,
            ProblemType::JourneyUsed,
            ProblemType::DriverRecordFull,
        ]);
    vec![register]
}
