//! What anyone may ask without a token: the keys that verify proof tokens, and whether the service answers. Holds no
//! secret and reaches no table.

use cee_edge::{Call, HttpFunction, Refusal, Reply};
use cee_service::{Environment, SettingError};
use http::StatusCode;
use serde_json::json;

/// Answers `GET /v3/.well-known/jwks.json` and `GET /v3/health`.
#[derive(Debug)]
pub struct Public {
    key_set: String,
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
        if call.request().uri().path().ends_with("/jwks.json") {
            // Five minutes: how long a verifier may not yet know a key that has just begun to sign.
            let keep = "public, max-age=300";
            return Ok(Reply::public(self.key_set.clone(), "application/jwk-set+json", keep));
        }
        Reply::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
    }
}
