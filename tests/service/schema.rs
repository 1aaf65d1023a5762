//! The committed OpenAPI document, and its schemas as validators.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::Validator;
use serde_json::{Value, json};

/// The document.
pub static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../docs/openapi.json")).expect("docs/openapi.json is JSON"));

/// By the place of the schema and whether it is closed.
type Validators = HashMap<(String, bool), Arc<Validator>>;

/// Validates values with the schema at this place of the document. `closed`: an unknown member is invalid.
pub fn validator(pointer: &str, closed: bool) -> Arc<Validator> {
    static VALIDATORS: LazyLock<Mutex<Validators>> = LazyLock::new(Mutex::default);
    let mut validators = VALIDATORS.lock().unwrap_or_else(PoisonError::into_inner);
    let validator = validators.entry((pointer.to_owned(), closed)).or_insert_with(|| {
        let judge = DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("the document has nothing at {pointer}"));
        // Within the whole document, so that its references resolve.
        let mut schema = DOCUMENT.clone();
        schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
        schema["allOf"] = json!([judge]);
        // The document has no pattern for it, because of client generators.
        schema["components"]["schemas"]["UtcDatetime"]["pattern"] =
            json!(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$");
        if closed {
            schema["unevaluatedProperties"] = json!(false);
        }
        Arc::new(jsonschema::options().should_validate_formats(true).build(&schema).expect("a schema"))
    });
    Arc::clone(validator)
}
