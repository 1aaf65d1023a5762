//! Reads an S3 event, which may come from S3 or from a store that is compatible with it.

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// An event of any form: S3 sends a test event without records, and S3-compatible stores omit members. Lambda would retry an
/// unreadable event twice and then drop it.
#[derive(Clone, Default)]
pub struct Event {
    /// The records; empty if it is not an event of S3.
    pub records: Vec<Record>,
}

/// The record of one object. May hold a person's name, in the key.
#[derive(Clone)]
pub struct Record(pub Value);

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut event = Value::deserialize(deserializer)?;
        let records = match event.get_mut("Records").map(Value::take) {
            Some(Value::Array(records)) => records.into_iter().map(Record).collect(),
            _ => Vec::new(),
        };
        Ok(Self { records })
    }
}

impl Record {
    /// The text at this JSON Pointer.
    #[must_use]
    pub fn text(&self, pointer: &str) -> Option<&str> {
        self.0.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
    }

    /// The key of the object that was put into this bucket.
    ///
    /// # Errors
    /// The fault, without the key.
    pub fn key(&self, bucket: &str) -> Result<String, &'static str> {
        if !self.is_put() {
            return Err("another kind of event");
        }
        if self.text("/s3/bucket/name") != Some(bucket) {
            return Err("another bucket");
        }
        decode(self.text("/s3/object/key").ok_or("no key")?).ok_or("a key that is not UTF-8")
    }

    /// Whether the record says that an object was put, or does not say what happened.
    fn is_put(&self) -> bool {
        let name = self.text("/eventName");
        name.is_none_or(|name| name.strip_prefix("s3:").unwrap_or(name).starts_with("ObjectCreated:"))
    }

    /// The object's version; a bucket that no longer keeps versions calls each `null`.
    #[must_use]
    pub fn version(&self) -> Option<&str> {
        self.text("/s3/object/versionId").filter(|version| *version != "null")
    }

    /// The ID of this version of the object: its version id, or else sequencer and ETag together. Neither is enough alone:
    /// the same content put again is another version, and in some stores the sequencer never changes.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        if let Some(version) = self.version() {
            return Some(version.to_owned());
        }
        let parts = [self.text("/s3/object/sequencer"), self.text("/s3/object/eTag").map(unquoted)];
        let parts: Vec<&str> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| parts.join("-"))
    }
}

/// An ETag without its quotes: events have none, responses do.
#[must_use]
pub fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}

/// The key as it was put: events carry it form-encoded, with `+` for a space.
fn decode(key: &str) -> Option<String> {
    let spaced = key.replace('+', " ");
    percent_decode_str(&spaced).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
