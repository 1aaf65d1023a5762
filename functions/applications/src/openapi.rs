//! What the OpenAPI document says of this function's calls.

use cee_edge::ProblemType;
use cee_edge::answer::OwnApplication;
use cee_edge::openapi::{Operation, Sample};
use cee_eligibility::{ApplicationId, JourneyType};
use cee_tokens::Scope;
use http::{Method, StatusCode};
use serde_json::json;
use utoipa::PartialSchema as _;

/// The part of the interface that the calls of this function belong to.
const TAG: &str = "Applications";

/// The path of both.
const PATH: &str = "/policies/cee/{uuid}";

/// The calls of this function.
#[must_use]
pub fn operations() -> Vec<Operation> {
    vec![find(), delete()]
}

fn call(method: Method, id: &str) -> Operation {
    Operation::new(method, PATH, id)
        .path_parameter("uuid", ApplicationId::schema(), &OwnApplication::sample(JourneyType::Short).uuid)
        .scope(Scope::Register)
        .refused(&[ProblemType::UnknownApplication])
}

fn find() -> Operation {
    call(Method::GET, "getApplication")
        .about(
            TAG,
            "Get an application",
            "One of the caller's own applications (demandes CEE), as it was granted. Its `status` follows its journey.",
        )
        .answer::<OwnApplication>(
            StatusCode::OK,
            "The application.",
            vec![
                Sample::new(
                    "short",
                    "A short one, with its journey",
                    json!(OwnApplication::sample(JourneyType::Short)),
                ),
                Sample::new("long", "A long one", json!(OwnApplication::sample(JourneyType::Long))),
            ],
        )
        .link("delete", "deleteApplication", ("uuid", "$response.body#/uuid"), "Take it back.")
}

fn delete() -> Operation {
    call(Method::DELETE, "deleteApplication")
        .about(
            TAG,
            "Delete an application",
            "Takes back one of the caller's own applications: its driver and its journey are free again, and whatever earlier \
             application stood behind it counts again. The registry keeps a record in an archive that no call reads.",
        )
        .done("It is deleted.")
        .link("get", "getApplication", ("uuid", "$request.path.uuid"), "It is known no more.")
}
