//! The bodies of the call: what a caller shows, and the answer.

use cee_edge::{Fields, Refusal};
use cee_registry::{AccessKey, SecretKey};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// An access key and its secret, as a caller sends them.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Credentials)]
pub struct Pair {
    #[schema(schema_with = access_key)]
    pub(crate) access_key: AccessKey,
    #[schema(schema_with = secret_key)]
    pub(crate) secret_key: SecretKey,
}

/// The response.
#[derive(Serialize, ToSchema)]
#[schema(as = AccessToken)]
pub(crate) struct Token {
    /// A JSON Web Token.
    pub(crate) access_token: String,
}

/// Reads the body of the call.
///
/// # Errors
/// [`Refusal::InvalidFields`] with every fault.
pub fn read(mut fields: Fields) -> Result<Pair, Refusal> {
    let access_key = fields.required("access_key", AccessKey::parse);
    let secret_key = fields.required("secret_key", SecretKey::parse);
    let pair = || Some(Pair { access_key: access_key?, secret_key: secret_key? });
    fields.finish(pair())
}

fn text(description: &str, example: &str) -> Object {
    let text = ObjectBuilder::new().schema_type(Type::String).description(Some(description)).examples([example]);
    text.pattern(Some(AccessKey::PATTERN)).min_length(Some(1)).max_length(Some(AccessKey::MAX_LENGTH)).build()
}

fn access_key() -> Object {
    text("The access key, which identifies the credential.", "AK7Q2M4X8B5N1D9C")
}

fn secret_key() -> Object {
    text(
        "The secret of the access key, shown once when the credential was made.",
        "k3yThatNobodyGuessesBecauseItIsRandom000",
    )
}
