//! What the OpenAPI document says of this function's call.

use cee_edge::ProblemType;
use cee_edge::openapi::{Operation, Sample};
use cee_edge::problem::BrokenRule;
use cee_eligibility::{FieldError, JourneyType};
use cee_tokens::Scope;
use http::{Method, StatusCode};
use serde_json::json;

use crate::{Eligible, Question};

/// The calls of this function.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let short = json!({"journey_type": "short", "last_name_trunc": "MAR", "phone_trunc": "+336399801"});
    let long = json!({"journey_type": "long", "last_name_trunc": "D H", "phone_trunc": "06 39 98 20",
                      "driving_license": "822146819",
                      "identity_key": "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30"});
    let free = Eligible {
        eligible: true,
        journey_type: JourneyType::Short.as_str(),
        datetime: "2024-05-01T00:00:00.000Z".to_owned(),
    };
    let simulate = Operation::new(Method::POST, "/policies/cee/simulate", "simulate")
        .about(
            "Applications",
            "Could this driver still get a certificate?",
            "Asks whether a driver is eligible now (demande CEE simulée): whether an earlier application of any operator blocks a new \
             one. The date is the moment of the call. Nothing is reserved: the operator that registers first gets the certificate.",
        )
        .scope(Scope::Simulate)
        .body::<Question>(
            vec![
                Sample::new("short", "A driver of short trips", short),
                Sample::new("long", "A driver of long trips, with all optional fields", long),
            ],
            &[
                ("last_name_trunc", FieldError::LastNameTrunc.into()),
                ("phone_trunc", BrokenRule::Missing),
            ],
        )
        .answer::<Eligible>(
            StatusCode::OK,
            "No application blocks.",
            vec![Sample::new("eligible", "No application blocks", json!(free))],
        )
        .refused(&[ProblemType::CallClosed])
        .refused(ProblemType::OF_A_DRIVER);
    vec![simulate]
}
