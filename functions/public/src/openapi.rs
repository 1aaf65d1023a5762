//! What the OpenAPI document says of this function's calls.

use cee_edge::ProblemType;
use cee_edge::openapi::{Operation, Sample};
use cee_eligibility::ApplicationId;
use cee_registry::ProofState;
use http::{Method, StatusCode};
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ArrayBuilder, ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::body::{Health, Proof};

/// The part of the interface that the calls of this function belong to.
const TAG: &str = "Public";

/// The keys, as `shared/tokens` writes them.
struct KeySet;

impl PartialSchema for KeySet {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        let key = ObjectBuilder::new()
            .description(Some("One public key (RFC 7517): of its members those that every key has."))
            .property("kty", text("The family of the algorithm: `EC` or `RSA`."))
            .required("kty")
            .property("kid", text("The name that a proof token's header gives."))
            .required("kid")
            .property("alg", text("The algorithm: `ES256` or `RS512`."))
            .property("use", text("The use of the key: `sig`."))
            .additional_properties(Some(AdditionalProperties::FreeForm(true)));
        ObjectBuilder::new()
            .description(Some("A JSON Web Key Set."))
            .property("keys", ArrayBuilder::new().items(key))
            .required("keys")
            .into()
    }
}

impl ToSchema for KeySet {}

/// The document itself.
struct Document;

impl PartialSchema for Document {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String).examples(["3.1.0"]);
        ObjectBuilder::new()
            .description(Some("An OpenAPI document."))
            .property("openapi", text)
            .required("openapi")
            .property("info", ObjectBuilder::new())
            .required("info")
            .property("paths", ObjectBuilder::new())
            .required("paths")
            .additional_properties(Some(AdditionalProperties::FreeForm(true)))
            .into()
    }
}

impl ToSchema for Document {}

/// The calls of this function, each with `GET` and with `HEAD`.
#[must_use]
pub fn operations() -> Vec<Operation> {
    [(jwks as fn() -> Operation, "headKeys"), (document, "headDocument"), (health, "headHealth"), (proof, "headProof")]
        .into_iter()
        .flat_map(|(call, head)| [call(), call().head(head, "The same, without a body")])
        .collect()
}

fn jwks() -> Operation {
    let keys = json!({"keys": [{"kty": "EC", "use": "sig", "alg": "ES256", "kid": "2024-03", "crv": "P-256",
                                "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                                "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]});
    Operation::new(Method::GET, "/.well-known/jwks.json", "getKeys")
        .about(
            TAG,
            "The keys that verify proof tokens",
            "Every key that has signed a proof token, by `kid`: with them anyone can check a proof without asking the registry. Cache \
             them for five minutes at most.",
        )
        .answer_as::<KeySet>(
            StatusCode::OK,
            "application/jwk-set+json",
            "The keys.",
            vec![Sample::new("keys", "One key (that of RFC 7515)", keys)],
        )
}

fn document() -> Operation {
    Operation::new(Method::GET, "/openapi.json", "getDocument")
        .about(TAG, "This document", "The description of the API, in OpenAPI 3.1.")
        .answer::<Document>(
            StatusCode::OK,
            "The document.",
            vec![Sample::new("document", "Its beginning", json!({"openapi": "3.1.0", "info": {}, "paths": {}}))],
        )
}

fn health() -> Operation {
    Operation::new(Method::GET, "/health", "getHealth")
        .about(TAG, "Check the service", "Responds without a request to any other service.")
        .answer::<Health>(
            StatusCode::OK,
            "It does.",
            vec![Sample::new("ok", "It does", json!(Health { status: "ok", version: env!("CARGO_PKG_VERSION") }))],
        )
}

fn proof() -> Operation {
    let uuid = "1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b";
    let sample = |state: ProofState| json!(Proof { uuid: uuid.to_owned(), state: state.as_str() });
    Operation::new(Method::GET, "/proofs/{uuid}", "getProof")
        .about(
            TAG,
            "Check whether a proof's application still exists",
            "A proof of a deleted application still verifies offline. This call tells anyone who knows the `uuid` of the proof's payload \
             whether the application still exists, and nothing else about it. The application of a driver whose data was erased counts \
             as granted.",
        )
        .path_parameter("uuid", ApplicationId::schema(), uuid)
        .answer::<Proof>(
            StatusCode::OK,
            "The registry has granted the application.",
            vec![
                Sample::new("granted", "It still exists", sample(ProofState::Granted)),
                Sample::new("deleted", "It was deleted since", sample(ProofState::Deleted)),
            ],
        )
        .refused(&[ProblemType::UnknownProof])
}
