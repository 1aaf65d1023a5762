//! Examples, and contents with examples.

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::content::{Content, ContentBuilder};
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::schema::Schema;

/// An example with its name and one line about it.
#[derive(Clone, Debug)]
pub struct Sample {
    name: String,
    summary: String,
    value: Value,
}

impl Sample {
    /// An example.
    #[must_use]
    pub fn new(name: &str, summary: &str, value: Value) -> Self {
        Self { name: name.to_owned(), summary: summary.to_owned(), value }
    }
}

pub(super) fn content(schema: impl Into<RefOr<Schema>>, samples: Vec<Sample>) -> Content {
    let example =
        |Sample { name, summary, value }: Sample| (name, ExampleBuilder::new().summary(summary).value(Some(value)));
    ContentBuilder::new().schema(Some(schema)).examples_from_iter(samples.into_iter().map(example)).build()
}
