//! How the bytes of a body become JSON: media type, length, encoding, and objects that keep repeated names.

use std::fmt;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use lambda_http::{Body, Request};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use crate::problem::{Malformed, Refusal, Shape};

/// The members of a JSON object in their order, a repeated name as often as it came: two values for one field must not be read as
/// one value.
pub(super) struct Members(pub(super) Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// An element of a batch: an object's members, or anything else.
pub(super) enum Element {
    Object(Members),
    Other,
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any JSON")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Element, A::Error> {
                Members::deserialize(MapAccessDeserializer::new(map)).map(Element::Object)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Element::Other)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Element, E> {
                Ok(Element::Other)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Element, E> {
                Ok(Element::Other)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Element, E> {
                Ok(Element::Other)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Element, E> {
                Ok(Element::Other)
            }

            fn visit_str<E>(self, _: &str) -> Result<Element, E> {
                Ok(Element::Other)
            }

            fn visit_unit<E>(self) -> Result<Element, E> {
                Ok(Element::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

pub(super) fn bytes(body: &Body) -> &[u8] {
    match body {
        Body::Text(text) => text.as_bytes(),
        Body::Binary(bytes) => bytes,
        _ => &[],
    }
}

/// Reads the body of a request as JSON of one shape.
pub(super) fn read<T: DeserializeOwned>(request: &Request, limit: usize, shape: Shape) -> Result<T, Refusal> {
    check_media_type(request.headers())?;
    let malformed = |why| Err(Refusal::MalformedBody(why));
    let bytes = bytes(request.body());
    if bytes.len() > limit {
        return Err(Refusal::BodyTooLarge(limit));
    }
    if bytes.is_empty() {
        return malformed(Malformed::Empty(shape));
    }
    if matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, b'{' | b'[', ..] | [b'{' | b'[', 0, ..]) {
        return malformed(Malformed::Utf16);
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return malformed(Malformed::NotUtf8 { from: error.valid_up_to() });
    }
    // A byte order mark is not part of the text; editors and PowerShell write it, and RFC 8259 allows to ignore it.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(read) => Ok(read),
        // The library's own message may repeat parts of the body.
        Err(error) if error.is_data() => malformed(Malformed::Not(shape)),
        Err(error) => malformed(Malformed::NotJson { line: error.line(), column: error.column() }),
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Refusal> {
    let refused = Err(Refusal::UnsupportedMediaType);
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut parts = declared.split(';').map(str::trim);
    if !parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return refused;
    }
    let charset =
        parts.filter_map(|parameter| parameter.split_once('=')).find(|(n, _)| n.eq_ignore_ascii_case("charset"));
    if charset.is_some_and(|(_, charset)| !charset.trim_matches('"').eq_ignore_ascii_case("utf-8")) {
        return refused;
    }
    match headers.get(CONTENT_ENCODING).map(|encoding| encoding.as_bytes()) {
        None | Some(b"identity") => Ok(()),
        Some(_) => refused,
    }
}
