//! Schemas: the fields of bodies, objects and refusals, with what they may hold.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{Reference, is_problem, list, members, plain, slug, text};
use super::markdown::{blocks, code};

/// The limits of a value, and how the page names them.
const LIMITS: [(&str, &str); 8] = [
    ("format", "format"),
    ("default", "default"),
    ("minimum", "at least"),
    ("maximum", "at most"),
    ("minLength", "length at least"),
    ("maxLength", "length at most"),
    ("minItems", "entries: at least"),
    ("maxItems", "entries: at most"),
];

impl Reference<'_> {
    /// The fields of a body.
    pub(super) fn body(&self, schema: &Value, at: &str, place: &str) -> Markup {
        if schema["type"] == "array" {
            return html! {
                p { "A list of " (self.kind(&schema["items"])) "." }
                (limits(schema))
                (self.body(&schema["items"], at, place))
            };
        }
        let schema = self.resolve(schema);
        html! {
            @for one in list(&schema["oneOf"]) {
                h4 { (self.kind(one)) }
                (self.fields(self.resolve(one), &format!("{at}.{}", target(one).unwrap_or_default()), place))
            }
            (self.fields(schema, at, place))
        }
    }

    /// A parameter of a call.
    pub(super) fn parameter(&self, parameter: &Value, at: &str, place: &str) -> Markup {
        let (name, schema) = (text(&parameter["name"]), &parameter["schema"]);
        html! {
            div id={ (at) "." (name) } data-name=(name) data-about=(place) {
                dt {
                    code { (name) }
                    span class="type" {
                        " " (self.kind(schema)) " in the " (text(&parameter["in"])) ", "
                        (necessity(parameter["required"] == true))
                    }
                }
                dd {
                    @if let Some(description) = parameter["description"].as_str() { (blocks(description)) }
                    (about(schema, true))
                }
            }
        }
    }

    /// The members of an object.
    pub(super) fn parts(&self, schema: &Value, at: &str, place: &str) -> Markup {
        html! {
            (self.fields(schema, at, place))
            @if schema.get("oneOf").is_some() {
                p {
                    "One of "
                    @for (number, one) in list(&schema["oneOf"]).enumerate() {
                        @if number > 0 { ", " }
                        (self.kind(one))
                    }
                }
            }
            @for one in list(&schema["allOf"]) {
                @if target(one).is_some() {
                    p { "All of " (self.kind(one)) ", and:" }
                } @else {
                    (self.parts(one, at, place))
                }
            }
        }
    }

    /// The fields of an object, the required ones first.
    pub(super) fn fields(&self, schema: &Value, at: &str, place: &str) -> Markup {
        let properties = &schema["properties"];
        let required: Vec<&str> =
            list(&schema["required"]).map(text).filter(|name| properties.get(name).is_some()).collect();
        let optional = members(properties).map(|(name, _)| name.as_str()).filter(|name| !required.contains(name));
        let names: Vec<&str> = required.iter().copied().chain(optional).collect();
        html! {
            @if !names.is_empty() {
                dl {
                    @for name in names {
                        (self.field(name, &properties[name], required.contains(&name), at, place))
                    }
                }
            }
        }
    }

    fn field(&self, name: &str, schema: &Value, is_required: bool, at: &str, place: &str) -> Markup {
        let id = format!("{at}.{name}");
        let named = target(schema).map(|name| &self.schemas[name]);
        let parts = if schema["type"] == "array" { &schema["items"] } else { schema };
        html! {
            div id=(id) data-name=(name) data-about=(place) {
                dt { code { (name) } span class="type" { " " (self.kind(schema)) ", " (necessity(is_required)) } }
                dd {
                    (about(schema, true))
                    // The possible values belong to the field itself. An object has a section, as has a value's long pattern.
                    @if let Some(named) = named.filter(|named| !has_parts(named)) { (about(named, false)) }
                    (self.fields(parts, &id, place))
                }
            }
        }
    }

    /// The type of a value.
    pub(super) fn kind(&self, schema: &Value) -> Markup {
        if let Some(name) = target(schema) {
            let anchor = if is_problem(name) { slug(&self.schemas[name]) } else { name };
            return html! { a href={ "#" (anchor) } { (name) } };
        }
        if let Some(value) = schema.get("const") {
            return html! { code { (value.to_string()) } };
        }
        if schema.get("oneOf").is_some() {
            return html! {
                @for (number, one) in list(&schema["oneOf"]).enumerate() {
                    @if number > 0 { " or " }
                    (self.kind(one))
                }
            };
        }
        let values = &schema["additionalProperties"];
        match text(&schema["type"]) {
            "array" => html! { "list of " (self.kind(&schema["items"])) },
            "" => html! { "any value" },
            _ if values.is_object() => html! { "object, each value " (self.kind(values)) },
            other => html! { (other) },
        }
    }

    fn resolve<'s>(&'s self, schema: &'s Value) -> &'s Value {
        target(schema).map_or(schema, |name| &self.schemas[name])
    }
}

/// The meaning of a value, and the possible values.
pub(super) fn about(schema: &Value, with_pattern: bool) -> Markup {
    html! {
        @if let Some(description) = schema["description"].as_str() { (blocks(description)) }
        @if schema.get("enum").is_some() { p { "One of " (values(&schema["enum"])) } }
        (limits(schema))
        @if schema.get("examples").is_some() { p { "For example " (values(&schema["examples"])) } }
        @if let Some(pattern) = schema["pattern"].as_str().filter(|_| with_pattern) {
            details { summary { "Pattern" } (code(pattern)) }
        }
    }
}

/// The limits of a value.
pub(super) fn limits(schema: &Value) -> Markup {
    let found: Vec<(&str, &Value)> =
        LIMITS.iter().filter_map(|(key, name)| schema.get(key).map(|value| (*name, value))).collect();
    html! {
        @if !found.is_empty() {
            p {
                @for (number, (name, value)) in found.into_iter().enumerate() {
                    @if number > 0 { "; " (name) } @else { (capitalised(name)) }
                    " " code { (plain(value)) }
                }
            }
        }
    }
}

/// The name of the schema that this one refers to.
pub(super) fn target(schema: &Value) -> Option<&str> {
    schema["$ref"].as_str()?.rsplit_once('/').map(|(_, name)| name)
}

fn has_parts(schema: &Value) -> bool {
    ["properties", "oneOf", "allOf"].iter().any(|part| schema.get(part).is_some())
}

fn values(values: &Value) -> Markup {
    html! {
        @for (number, value) in list(values).enumerate() {
            @if number > 0 { ", " }
            code { (value.to_string()) }
        }
    }
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}", first.to_uppercase(), letters.as_str()))
}

const fn necessity(is_required: bool) -> &'static str {
    if is_required { "required" } else { "optional" }
}
