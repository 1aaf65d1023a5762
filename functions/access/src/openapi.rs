//! What the OpenAPI document says of this function's call.

use cee_edge::ProblemType;
use cee_edge::openapi::{Operation, Sample};
use cee_edge::problem::BrokenRule;
use cee_eligibility::FieldError;
use http::{Method, StatusCode};
use serde_json::json;

use crate::body::{Pair, Token};

/// The call of this function.
#[must_use]
pub fn operations() -> Vec<Operation> {
    let pair = json!({"access_key": "AK7Q2M4X8B5N1D9C", "secret_key": "k3yThatNobodyGuessesBecauseItIsRandom000"});
    let token =
        Token { access_token: "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiJ9.eyJvcGVyYXRvcl9pZCI6MX0.c2lnbmF0dXJl".to_owned() };
    let access = Operation::new(Method::POST, "/auth/access_token", "getAccessToken")
        .about(
            "Access",
            "Get an application token",
            "Returns an application token for an access key and its secret, which the registry's team has given the operator. The token \
             is valid for five minutes and has every scope. Wrong secrets are counted, and slow down further attempts. One access key \
             gets at most twenty tokens in ten seconds (or what the registry's team has set): use each token for its five minutes.",
        )
        .body::<Pair>(
            vec![Sample::new("pair", "As the registry's team gave it", pair)],
            &[("access_key", FieldError::Credential.into()), ("secret_key", BrokenRule::Missing)],
        )
        .answer::<Token>(
            StatusCode::CREATED,
            "A token for five minutes.",
            vec![Sample::new("token", "Send it as Authorization: Bearer", json!(token))],
        )
        .refused(&[ProblemType::InvalidCredentials, ProblemType::TooManyAttempts, ProblemType::TooManyCalls]);
    vec![access]
}
