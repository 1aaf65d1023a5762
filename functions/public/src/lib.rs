//! What anyone may ask without a token: the keys that verify proof tokens, the description of the interface, and whether
//! the service answers. Holds no secret and reaches no table.

use cee_edge::{Call, HttpFunction, Refusal, Reply};
use cee_service::{Environment, SettingError};
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

pub mod openapi;

/// The description of the interface: the committed file, which a test holds to the code.
pub const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// Answers `GET /v3/.well-known/jwks.json`, `GET /v3/openapi.json` and `GET /v3/health`.
#[derive(Debug)]
pub struct Public {
    key_set: String,
}

/// That the service answers.
#[derive(Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    #[schema(examples("ok"))]
    status: &'static str,
    /// The version of the code.
    #[schema(examples("0.1.0"))]
    version: &'static str,
}

impl Public {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] where the keys to publish are missing or must not be published.
    pub fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        Ok(Self { key_set: environment.key_set("PROOF_JWKS")?.to_json() })
    }
}

impl HttpFunction for Public {
    const NAME: &'static str = "public";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        // API Gateway sends only its routes' paths here.
        let path = call.path();
        // Five minutes: how long a verifier may not yet know a key that has just begun to sign.
        let keep = "public, max-age=300";
        if path.ends_with("/jwks.json") {
            return Ok(Reply::public(self.key_set.clone(), "application/jwk-set+json", keep));
        }
        if path.ends_with("/openapi.json") {
            return Ok(Reply::public(DOCUMENT.to_owned(), "application/json", keep));
        }
        Reply::json(StatusCode::OK, &Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
    }
}
