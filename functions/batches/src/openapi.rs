//! What the OpenAPI document says of this function's calls.

use cee_edge::ProblemType;
use cee_edge::openapi::{Operation, Sample};
use cee_tokens::Scope;
use http::{Method, StatusCode};
use serde_json::json;

use crate::body::{Batch, FailedRow, HistoryRow, IdentityRow, ImportedBatch, MOST_ROWS};

/// The part of the interface that the calls of this function belong to.
const TAG: &str = "History";

const KEY: &str = "f44ff5364363e53da750d8b7b44fa3176ea36228c5f951a9c1e606c915093d30";

/// The calls of this function.
#[must_use]
pub fn operations() -> Vec<Operation> {
    vec![import(), identity()]
}

fn call(path: &'static str, id: &str) -> Operation {
    Operation::new(Method::POST, path, id).scope(Scope::Import).refused(&[ProblemType::CallClosed])
}

fn failed(row: serde_json::Value, error: &str) -> Batch {
    let serde_json::Value::Object(row) = row else {
        return Batch { imported: 0, already_known: 0, failed: 0, failed_details: Vec::new() };
    };
    let failed_details = vec![FailedRow { row, index: 1, error: error.to_owned() }];
    Batch { imported: 1, already_known: 0, failed: 1, failed_details }
}

fn import() -> Operation {
    let row = |name: &str, phone: &str| json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "datetime": "2021-06-30T00:00:00+02:00"});
    let bad = row("DUP", "12");
    let error = format!("/phone_trunc {}", cee_eligibility::FieldError::PhoneTrunc);
    call("/policies/cee/import", "importHistory")
        .about(
            TAG,
            "Import rows of history",
            "Up to a thousand specific applications (opérations spécifiques, from before the scheme) at once. An invalid row fails \
             alone. Sending a row again has no effect, so if the response is lost, send the batch again. A batch is an import like a \
             file: `import_id` names it, the list contains it, and it can be undone; a batch that is sent twice is two imports. Send \
             more than a few thousand rows as a file.",
        )
        .rows::<HistoryRow>(
            MOST_ROWS,
            vec![Sample::new("two", "Two rows", json!([row("MAU", "+336399836"), row("D H", "06 39 98 20")]))],
        )
        .answer::<ImportedBatch>(
            StatusCode::CREATED,
            "Every row was processed; the counts and `failed_details` give the result.",
            vec![Sample::new("two", "One is imported, one failed", json!(as_import(failed(bad, &error))))],
        )
        .link("status", "getImport", ("import_id", "$response.body#/import_id"), "This batch as an import.")
}

fn as_import(Batch { imported, already_known, failed, failed_details }: Batch) -> ImportedBatch {
    let import_id = "0d3f6f8e6c6b4d0f9a5e7c1b2a394857".to_owned();
    ImportedBatch { import_id, imported, already_known, failed, failed_details }
}

fn identity() -> Operation {
    let standardized = json!({"cee_application_type": "standardized",
                              "cee_application_uuid": "1c9d8b1e-5c53-4e2a-9d0b-0f4d1f1d2a3b", "identity_key": KEY});
    let specific = json!({"cee_application_type": "specific", "journey_type": "long", "last_name_trunc": "D H",
                          "phone_trunc": "+337010203", "datetime": "2021-06-30T00:00:00+02:00", "identity_key": KEY});
    call("/policies/cee/import/identity", "importIdentities")
        .about(
            TAG,
            "Give identity keys to applications",
            "Adds the identity key of the driver to up to a thousand of the caller's applications that were registered or imported \
             without one. From then on it counts: the same key is the same driver whatever the name and the phone, and another key on \
             the same truncated identity is another driver. An existing key is never replaced; the key of a short application counts \
             beside its journey's key. An invalid row fails alone, and sending a row again has no effect.",
        )
        .rows::<IdentityRow>(
            MOST_ROWS,
            vec![Sample::new("both", "One of each kind", json!([standardized, specific]))],
        )
        .answer::<Batch>(
            StatusCode::OK,
            "Every row was processed; the counts and `failed_details` give the result.",
            vec![Sample::new(
                "two",
                "One has its key now, one failed",
                json!(failed(specific, "you have no such application")),
            )],
        )
}
