//! The calls without a token: the keys that verify proof tokens, the state of the application that a proof belongs to, the OpenAPI
//! document, the page that shows it, and the health check. Holds no secret. Of the tables it reads a UUID and whether its application
//! was deleted, nothing else ([`Proofs`]).
//!
//! `HEAD` is answered as `GET`: the gateway leaves out the body.

use std::fmt;
use std::sync::LazyLock;

use cee_edge::{Call, HttpFunction, Refusal, Reply};
use cee_eligibility::ApplicationId;
use cee_registry::Proofs;
use cee_service::aws::Aws;
use cee_service::{Environment, SettingError};
use http::StatusCode;

use crate::body::{Health, Proof};

mod body;
pub mod openapi;
mod reference;

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &["APPLICATIONS_TABLE", "ARCHIVE_TABLE"];

/// The OpenAPI document: the committed file, which a test compares with the code.
const DOCUMENT: &str = include_str!("../../../docs/openapi.json");

/// Answers `GET` and `HEAD` of `/v3/.well-known/jwks.json`, `/v3/openapi.json`, `/v3/health`, `/v3/proofs/{uuid}` and `/docs`.
pub struct Public {
    key_set: String,
    /// Created with the first request for a proof: all other calls read no table and start without a client.
    proofs: LazyLock<Proofs, Box<dyn FnOnce() -> Proofs + Send>>,
}

impl fmt::Debug for Public {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Shows the tables that it reads: `&*` creates the client if no proof was requested yet.
        f.debug_struct("Public").field("proofs", &*self.proofs).finish_non_exhaustive()
    }
}

impl Public {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] if a table is missing, or the keys to publish are missing or must not be published.
    pub fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let key_set = environment.key_set("PROOF_JWKS")?.to_json();
        let environment = environment.clone();
        let proofs = move || Proofs::new(Aws::of_function(&environment).dynamodb(), &tables);
        Ok(Self { key_set, proofs: LazyLock::new(Box::new(proofs)) })
    }

    async fn proof(&self, uuid: &str) -> Result<Reply, Refusal> {
        let uuid = ApplicationId::parse(uuid).ok_or(Refusal::UnknownProof { is_uuid: false })?;
        let state = self.proofs.state(uuid).await?.ok_or(Refusal::UnknownProof { is_uuid: true })?;
        Reply::json(StatusCode::OK, &Proof { uuid: uuid.to_string(), state: state.as_str() })
    }
}

impl HttpFunction for Public {
    const NAME: &'static str = "public";
    const IS_PUBLIC: bool = true;
    const WITHOUT_VERSION: &'static [&'static str] = &[reference::PATH];

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        // API Gateway sends only its routes' paths here. The proofs come first: the text after their prefix may look like another
        // path.
        let path = call.path();
        if let Some((_, uuid)) = path.split_once("/proofs/") {
            return self.proof(uuid).await;
        }
        // Five minutes: for at most this long a verifier may not yet know a key that has just begun to sign.
        let keep = "public, max-age=300";
        if path == reference::PATH {
            return Ok(reference::page(keep));
        }
        if path.ends_with("/jwks.json") {
            return Ok(Reply::public(self.key_set.clone(), "application/jwk-set+json", keep));
        }
        if path.ends_with("/openapi.json") {
            return Ok(Reply::public(DOCUMENT.to_owned(), "application/json", keep));
        }
        Reply::json(StatusCode::OK, &Health { status: "ok", version: env!("CARGO_PKG_VERSION") })
    }
}
