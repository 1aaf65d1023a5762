//! The reference page: one HTML file with every call, field, object and refusal of the OpenAPI document, committed as
//! `docs/reference/index.html`, which the public function serves at `/docs`. It needs neither another file nor a script; the script only
//! adds a search.
//!
//! | to find | look in |
//! |---|---|
//! | calls, refusals and what is around them | this file |
//! | fields of bodies and objects | `schema` |
//! | the Markdown of descriptions | `markdown` |
//! | how the document is read | `document` |

mod document;
mod markdown;
mod schema;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use document::{Operation, Reference, is_problem, list, members, plain, slug, text};
use markdown::{blocks, code, inline};
use schema::{about, target};

const STYLE: &str = include_str!("../../../docs/reference/style.css");
const SCRIPT: &str = include_str!("../../../docs/reference/search.js");

/// Members that every refusal has, so that a refusal's section leaves them out.
const OF_EVERY_PROBLEM: [&str; 4] = ["type", "title", "status", "detail"];

/// The page that shows an OpenAPI document of this registry.
///
/// # Errors
/// If the document is not JSON.
pub fn page(document: &str) -> Result<String, serde_json::Error> {
    let root: Value = serde_json::from_str(document)?;
    Ok(format!("{}\n", Reference::of(&root).page().into_string()))
}

impl<'a> Reference<'a> {
    fn page(&self) -> Markup {
        let registry = text(&self.root["info"]["title"]);
        let title = format!("{registry}: reference");
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta http-equiv="Content-Security-Policy" content=(policy());
                    title { (title) }
                    link rel="icon" href="data:,";
                    style { (PreEscaped(STYLE)) }
                }
                body {
                    a class="skip" href="#content" { "Skip to the content" }
                    header {
                        p { a href="/" { (registry) } }
                        div id="search" role="search" hidden {
                            label for="query" { "Search calls, fields and refusals" }
                            input id="query" type="search" autocomplete="off" spellcheck="false";
                            p id="count" role="status" {}
                            ul id="results" {}
                        }
                    }
                    (self.contents())
                    main id="content" {
                        h1 { (title) }
                        (blocks(text(&self.root["info"]["description"])))
                        p {
                            "The examples with curl need two variables. On your machine "
                            code { "eval \"$(cargo run -q -- env --operator 1)\"" }
                            " sets both: " code { "API" } ", the address up to " code { "/v3" } ", and " code { "TOKEN" }
                            ", an application token."
                        }
                        @for tag in list(&self.root["tags"]) { (self.tag(tag)) }
                        section id="refusals" {
                            h2 { "Refusals" }
                            @for (name, schema) in members(self.schemas).filter(|(name, _)| is_problem(name)) {
                                (self.refusal(name, schema))
                            }
                        }
                        section id="objects" {
                            h2 { "Objects" }
                            @for (name, schema) in members(self.schemas).filter(|(name, _)| !is_problem(name)) {
                                section id=(name) data-name=(name) data-about="object" {
                                    h3 { (name) }
                                    (about(schema, true))
                                    (self.parts(schema, name, &format!("in {name}")))
                                }
                            }
                        }
                    }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        }
    }

    fn contents(&self) -> Markup {
        html! {
            nav aria-label="Contents" {
                ul {
                    @for tag in list(&self.root["tags"]).map(|tag| text(&tag["name"])) {
                        li {
                            a href={ "#tag." (tag) } { (tag) }
                            ul {
                                @for call in self.of_tag(tag).filter(|call| call.method != "head") {
                                    li { a href={ "#" (call.id()) } { (call.summary()) } }
                                }
                            }
                        }
                    }
                    li { a href="#refusals" { "Refusals" } }
                    li { a href="#objects" { "Objects" } }
                }
            }
        }
    }

    fn tag(&self, tag: &Value) -> Markup {
        let name = text(&tag["name"]);
        html! {
            section id={ "tag." (name) } {
                h2 { (name) }
                (blocks(text(&tag["description"])))
                @for operation in self.of_tag(name) {
                    (self.operation(operation))
                }
            }
        }
    }

    fn operation(&self, operation: &Operation<'_>) -> Markup {
        let base = text(&self.root["servers"][0]["url"]);
        let call = format!("{} {base}{}", operation.method.to_uppercase(), operation.path);
        let place = format!("in {call}");
        let (id, content) = (operation.id(), operation.content);
        let scopes: Vec<&str> =
            list(&content["security"]).flat_map(members).flat_map(|(_, of)| list(of)).map(text).collect();
        let responses = || members(&content["responses"]);
        let refused: Vec<(&String, &str)> = responses()
            .filter(|(status, _)| !is_success(status))
            .flat_map(|(status, response)| problems(response).map(move |name| (status, name)))
            .collect();
        html! {
            section id=(id) data-name=(operation.summary()) data-about=(call) {
                h3 { (operation.summary()) }
                p { code { (call) } }
                (blocks(text(&content["description"])))
                @if list(&content["security"]).next().is_none() {
                    p { "Needs no token." }
                } @else {
                    p {
                        "Needs an application token"
                        @if !scopes.is_empty() {
                            " with the scope "
                            @for (number, scope) in scopes.iter().enumerate() {
                                @if number > 0 { ", " }
                                code { (scope) }
                            }
                        }
                        "."
                    }
                }
                @if content.get("parameters").is_some() {
                    h4 { "Parameters" }
                    dl { @for parameter in list(&content["parameters"]) { (self.parameter(parameter, id, &place)) } }
                }
                @let body = &content["requestBody"]["content"]["application/json"];
                @if !body.is_null() {
                    h4 { "Body" }
                    (self.body(&body["schema"], id, &place))
                }
                h4 { "With curl" }
                (calls(operation, body))
                @for (status, response) in responses().filter(|(status, _)| is_success(status)) {
                    h4 { (status) }
                    (self.success(response))
                }
                @if !refused.is_empty() {
                    h4 { "Refusals" }
                    ul class="refusals" {
                        @for (status, name) in refused {
                            @let slug = slug(&self.schemas[name]);
                            li {
                                (status) " " a href={ "#" (slug) } { code { (slug) } } " "
                                (title_and_text(&self.schemas[name]).0)
                            }
                        }
                    }
                }
            }
        }
    }

    fn success(&self, response: &Value) -> Markup {
        html! {
            (blocks(text(&response["description"])))
            @for (name, header) in members(&response["headers"]) {
                p { "Header " code { (name) } ": " (inline(text(&header["description"]))) }
            }
            @for (content_type, content) in members(&response["content"]) {
                p { code { (content_type) } ": " (self.kind(&content["schema"])) }
                @for (_, example) in members(&content["examples"]) {
                    p { (text(&example["summary"])) ":" }
                    (code(&plain(&example["value"])))
                }
            }
        }
    }

    fn refusal(&self, name: &str, schema: &Value) -> Markup {
        let (slug, (title, text)) = (slug(schema), title_and_text(schema));
        let mut own = schema.clone();
        if let Some(properties) = own["properties"].as_object_mut() {
            properties.retain(|name, _| !OF_EVERY_PROBLEM.contains(&name.as_str()));
        }
        let calls = self.operations.iter().filter(|operation| {
            members(&operation.content["responses"]).any(|(_, response)| problems(response).any(|one| one == name))
        });
        let calls: Vec<_> = calls.collect();
        html! {
            section id=(slug) data-name=(slug) data-about={ "refusal: " (title) } {
                h3 { code { (slug) } " " (title) }
                p { "Status " (schema["properties"]["status"]["const"].to_string()) }
                (blocks(text))
                (self.fields(&own, slug, &format!("in the refusal {slug}")))
                @if let Some(example) = self.example(schema) { (code(&plain(example))) }
                @if !calls.is_empty() {
                    p {
                        "Calls: "
                        @for (number, call) in calls.iter().enumerate() {
                            @if number > 0 { ", " }
                            a href={ "#" (call.id()) } { (call.summary()) }
                        }
                    }
                }
            }
        }
    }

    /// The first example of a refusal, of any call.
    fn example(&self, problem: &Value) -> Option<&'a Value> {
        let wanted = &problem["properties"]["type"]["const"];
        let responses = self.operations.iter().flat_map(|operation| members(&operation.content["responses"]));
        let contents = responses.flat_map(|(_, response)| members(&response["content"]));
        let mut examples = contents.flat_map(|(_, content)| members(&content["examples"]));
        examples.find(|(_, example)| &example["value"]["type"] == wanted).map(|(_, example)| &example["value"])
    }
}

/// The policy of the page: it may load and run its own style and script. It loads nothing from elsewhere and sends nothing there.
fn policy() -> String {
    let hash = |content: &str| BASE64_STANDARD.encode(digest(&SHA256, content.as_bytes()));
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; img-src data:; base-uri 'none'; \
         form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

/// Commands that send each example of a call's body, or ask for each type of its response.
fn calls(operation: &Operation<'_>, body: &Value) -> Markup {
    let responses = members(&operation.content["responses"]).filter(|(status, _)| is_success(status));
    let contents = responses.flat_map(|(_, response)| members(&response["content"]));
    let types: Vec<&str> = contents.map(|(content_type, _)| content_type.as_str()).collect();
    html! {
        @if !body.is_null() {
            @for (_, example) in members(&body["examples"]) {
                p { (text(&example["summary"])) ":" }
                (code(&curl(operation, Some(&example["value"]), None)))
            }
        } @else if types.len() > 1 {
            @for content_type in types { (code(&curl(operation, None, Some(content_type)))) }
        } @else {
            (code(&curl(operation, None, None)))
        }
    }
}

fn curl(operation: &Operation<'_>, body: Option<&Value>, accept: Option<&str>) -> String {
    let mut path = operation.path.to_owned();
    for parameter in list(&operation.content["parameters"]).filter(|parameter| parameter["in"] == "path") {
        path = path.replace(&format!("{{{}}}", text(&parameter["name"])), text(&parameter["example"]));
    }
    let options = match operation.method {
        "delete" => " -X DELETE",
        "head" => "I",
        _ => "",
    };
    let mut command = format!("curl -s{options} \"$API{path}\"");
    if list(&operation.content["security"]).next().is_some() {
        command += " \\\n  -H \"Authorization: Bearer $TOKEN\"";
    }
    if let Some(accept) = accept {
        command += &format!(" \\\n  -H 'Accept: {accept}'");
    }
    if let Some(body) = body {
        let quoted = plain(body).replace('\'', r"'\''");
        command += &format!(" \\\n  -H 'Content-Type: application/json' \\\n  -d '{quoted}'");
    }
    command
}

fn is_success(status: &str) -> bool {
    status.starts_with('2')
}

/// The first paragraph of a problem's description, and the others.
fn title_and_text(problem: &Value) -> (&str, &str) {
    let description = text(&problem["description"]);
    description.split_once("\n\n").unwrap_or((description, ""))
}

/// The names of the problems that a response holds.
fn problems(response: &Value) -> impl Iterator<Item = &str> {
    let schema = &response["content"]["application/problem+json"]["schema"];
    let one = target(schema);
    list(&schema["oneOf"]).filter_map(target).chain(one)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn curl_quotes_body_for_the_shell_and_fills_in_the_path() {
        let content = json!({
            "parameters": [{"name": "uuid", "in": "path", "example": "1c9d"}],
            "security": [{"application_token": []}],
        });
        let operation = Operation { path: "/a/{uuid}", method: "post", content: &content };
        let command = curl(&operation, Some(&json!({"name": "L'H"})), None);
        assert_eq!(
            command,
            "curl -s \"$API/a/1c9d\" \\\n  -H \"Authorization: Bearer $TOKEN\" \\\n  \
             -H 'Content-Type: application/json' \\\n  -d '{\n  \"name\": \"L'\\''H\"\n}'"
        );
    }

    #[test]
    fn page_escapes_the_documents_texts() {
        let page = page(r#"{"info": {"title": "<b>", "description": "<i> `<u>`"}}"#).unwrap();
        assert!(page.contains("&lt;b&gt;") && page.contains("&lt;i&gt; <code>&lt;u&gt;</code>"), "{page}");
    }
}
