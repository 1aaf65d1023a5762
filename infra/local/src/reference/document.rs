//! The OpenAPI document, and how its values are read.

use serde_json::Value;

/// A call of the document.
pub(super) struct Operation<'a> {
    pub(super) path: &'a str,
    pub(super) method: &'a str,
    pub(super) content: &'a Value,
}

impl Operation<'_> {
    pub(super) fn id(&self) -> &str {
        text(&self.content["operationId"])
    }

    pub(super) fn summary(&self) -> &str {
        text(&self.content["summary"])
    }

    pub(super) fn has_tag(&self, tag: &str) -> bool {
        list(&self.content["tags"]).any(|one| one == tag)
    }
}

/// The document.
pub(super) struct Reference<'a> {
    pub(super) root: &'a Value,
    pub(super) schemas: &'a Value,
    pub(super) operations: Vec<Operation<'a>>,
}

impl<'a> Reference<'a> {
    pub(super) fn of(root: &'a Value) -> Self {
        let of_path = |(path, methods): (&'a String, &'a Value)| {
            members(methods).map(move |(method, content)| Operation { path, method, content })
        };
        let operations = members(&root["paths"]).flat_map(of_path).collect();
        Self { root, schemas: &root["components"]["schemas"], operations }
    }

    pub(super) fn of_tag(&self, tag: &str) -> impl Iterator<Item = &Operation<'a>> {
        self.operations.iter().filter(move |operation| operation.has_tag(tag))
    }
}

/// A text as it is, and any other value as JSON for people.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| format!("{value:#}"), str::to_owned)
}

pub(super) fn is_problem(schema: &str) -> bool {
    schema.ends_with("Problem")
}

/// The last part of a problem's type.
pub(super) fn slug(problem: &Value) -> &str {
    let name = text(&problem["properties"]["type"]["const"]);
    name.rsplit_once('#').map_or(name, |(_, slug)| slug)
}

/// The members of an object; none of anything else.
pub(super) fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// The values of a list; none of anything else.
pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
