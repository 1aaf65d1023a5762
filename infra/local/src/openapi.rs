//! The OpenAPI document of the whole interface, combined from each function's description of its calls.

use cee_edge::openapi::{Operation, document};
use utoipa::openapi::info::{Info, InfoBuilder, LicenseBuilder};
use utoipa::openapi::tag::{Tag, TagBuilder};

/// Every call of the interface.
fn operations() -> Vec<Operation> {
    let functions = [
        cee_fn_simulate::openapi::operations(),
        cee_fn_register::openapi::operations(),
        cee_fn_applications::openapi::operations(),
        cee_fn_batches::openapi::operations(),
        cee_fn_uploads::openapi::operations(),
        cee_fn_access::openapi::operations(),
        cee_fn_public::openapi::operations(),
    ];
    functions.into_iter().flatten().collect()
}

/// The document as it is committed and served: JSON for people to read, too.
///
/// # Errors
/// If it cannot be written as JSON, which would fail a test.
pub fn json() -> Result<String, serde_json::Error> {
    Ok(with_constants(&document(info(), tags(), operations()).to_pretty_json()?))
}

/// Writes `"const": 1` for each `"enum": [1]`, because the crate utoipa cannot: from a list of one value, client generators make a
/// class with one member.
fn with_constants(json: &str) -> String {
    let mut lines = json.lines().peekable();
    let mut out = String::with_capacity(json.len());
    while let Some(line) = lines.next() {
        let Some(indent) = line.strip_suffix("\"enum\": [") else {
            out.extend([line, "\n"]);
            continue;
        };
        let values: Vec<&str> =
            std::iter::from_fn(|| lines.next_if(|line| !line.trim_start().starts_with(']'))).collect();
        let end = lines.next().unwrap_or_default();
        match values[..] {
            [value] => {
                let comma = if end.ends_with(',') { "," } else { "" };
                out.extend([indent, "\"const\": ", value.trim_start(), comma, "\n"]);
            }
            _ => [&[line][..], &values, &[end]].concat().into_iter().for_each(|line| out.extend([line, "\n"])),
        }
    }
    out
}

fn info() -> Info {
    InfoBuilder::new()
        .title("Certificate registry for carpooling")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "France pays energy-saving certificates (certificats d'économies d'énergie, CEE) for each driver who starts to carpool: once \
             per driver for short trips, once for long ones. This registry tells carpool operators whether a driver can still get one, \
             records their applications (demandes CEE) and signs proofs of them: at most one for a driver, whichever operators ask, at \
             whatever moment.\n\n**Try it.** `cargo run` starts the whole service on one machine, with sample operators and journeys; \
             `cargo run -- token --operator 1` prints a token for the examples below, which work there as they are.\n\n**Tokens.** Every \
             call but the public ones takes `Authorization: Bearer <application token>`.\n\n**Refusals.** Every refusal is \
             `application/problem+json` (RFC 9457). Programs decide by `type`, which leads to a page that says what it means and what to \
             do. Members may be added to responses and problems: ignore unknown members. Requests are read strictly: an unknown field is \
             refused, and all faults of a body are reported at once. With `Accept-Language: fr` the texts for people (`title`, `detail`, \
             every `message`, the `error` of a row) are in French; the response names their language in `Content-Language`.\n\n**Dates** \
             are RFC 3339; responses have them in UTC with milliseconds.",
        ))
        .license(Some(
            LicenseBuilder::new().name("Apache-2.0").identifier(Some("Apache-2.0")).build(),
        ))
        .build()
}

fn tags() -> Vec<Tag> {
    [
        ("Applications", "Applications (demandes CEE): which drivers can get a certificate, and which have got it."),
        (
            "History",
            "Specific applications (opérations spécifiques), from before the scheme, brought in batches or as files.",
        ),
        ("Access", "Application tokens, for an access key and its secret."),
        ("Public", "Calls without a token."),
    ]
    .map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build())
    .into()
}

#[cfg(test)]
mod tests {
    use super::with_constants;

    #[test]
    fn enum_of_one_value_becomes_const() {
        let json = r#"{
  "enum": [
    "a"
  ],
  "x": {
    "enum": [
      1
    ]
  },
  "enum": [
    "a",
    "b"
  ]
}"#;
        let expected = r#"{
  "const": "a",
  "x": {
    "const": 1
  },
  "enum": [
    "a",
    "b"
  ]
}
"#;
        assert_eq!(with_constants(json), expected);
    }
}
