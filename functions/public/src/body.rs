//! The bodies of the answers.

use cee_eligibility::ApplicationId;
use cee_registry::ProofState;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// The state of the application that a proof belongs to.
#[derive(Serialize, ToSchema)]
pub(crate) struct Proof {
    /// The application's UUID, as the proof's payload has it.
    #[schema(value_type = ApplicationId)]
    pub(crate) uuid: String,
    #[schema(schema_with = state)]
    pub(crate) state: &'static str,
}

/// The service responds.
#[derive(Serialize, ToSchema)]
pub(crate) struct Health {
    /// Always `ok`.
    #[schema(examples("ok"))]
    pub(crate) status: &'static str,
    /// The version of the code.
    #[schema(examples("0.1.0"))]
    pub(crate) version: &'static str,
}

fn state() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(ProofState::ALL.iter().map(|state| state.as_str())))
        .description(Some(
            "The state of the application: `granted`; or `deleted` by its operator since, so that the driver may have got another \
             certificate.",
        ))
        .build()
}
