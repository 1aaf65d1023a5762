//! The events that S3 sends to Lambda.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::ETag;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::invoke::{ACCOUNT, machine_now};

/// The characters that stay unchanged in the key of an event, besides the space; as in Java's `URLEncoder`, which S3 uses, except
/// for `/`.
pub(super) const EVENT_KEY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/');

/// Any error that can cross threads.
type StdError = Box<dyn std::error::Error + Send + Sync>;

/// Receives the events of created objects.
#[derive(Clone)]
pub struct EventSink {
    region: String,
    prefixes: Vec<String>,
    deliver: Arc<dyn Fn(Value) -> Result<(), StdError> + Send + Sync>,
}

impl fmt::Debug for EventSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSink").field("prefixes", &self.prefixes).finish_non_exhaustive()
    }
}

impl EventSink {
    /// Calls `deliver` with each event whose key begins with one of `prefixes`, before the upload is answered. If `deliver` fails,
    /// so does the upload: its sender retries, and no event is lost.
    pub fn new(
        region: &str,
        prefixes: &[&str],
        deliver: impl Fn(Value) -> Result<(), StdError> + Send + Sync + 'static,
    ) -> Self {
        let prefixes = prefixes.iter().map(ToString::to_string).collect();
        Self { region: region.to_owned(), prefixes, deliver: Arc::new(deliver) }
    }

    /// Sends the events to a channel.
    #[must_use]
    pub fn channel(region: &str, prefixes: &[&str], sender: mpsc::UnboundedSender<Value>) -> Self {
        Self::new(region, prefixes, move |event| Ok(sender.send(event)?))
    }

    /// Delivers no event.
    #[must_use]
    pub fn none() -> Self {
        Self::new("", &[], |_| Ok(()))
    }

    /// Whether an object of this key has an event.
    pub(super) fn wants(&self, key: &str) -> bool {
        self.prefixes.iter().any(|prefix| key.starts_with(prefix))
    }

    /// Delivers the event of an object.
    pub(super) fn deliver(&self, created: &Created<'_>, sequence: u64) -> Result<(), StdError> {
        (self.deliver)(event(&self.region, created, machine_now(), sequence))
    }
}

/// A complete object, as its event describes it.
pub(super) struct Created<'a> {
    pub(super) name: &'static str,
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) size: u64,
    pub(super) e_tag: Option<&'a ETag>,
    pub(super) principal: Option<&'a str>,
}

/// The key as an event contains it: a space is `+`, `/` stays, other special characters are percent-encoded.
fn event_key(key: &str) -> String {
    utf8_percent_encode(key, EVENT_KEY).to_string().replace("%20", "+")
}

/// The message that S3 sends to Lambda.
fn event(region: &str, created: &Created<'_>, now: DateTime<Utc>, sequence: u64) -> Value {
    let id = Uuid::new_v4().simple().to_string().to_uppercase();
    let principal = created.principal.map_or_else(|| "anonymous".to_owned(), |key| format!("AWS:{key}"));
    json!({
        "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": region,
            "eventTime": now.to_rfc3339_opts(SecondsFormat::Millis, true),
            "eventName": format!("ObjectCreated:{}", created.name),
            "userIdentity": { "principalId": principal },
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": &id[..16], "x-amz-id-2": id },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "import",
                "bucket": {
                    "name": created.bucket,
                    "ownerIdentity": { "principalId": ACCOUNT },
                    "arn": format!("arn:aws:s3:::{}", created.bucket),
                },
                "object": {
                    "key": event_key(created.key),
                    "size": created.size,
                    "eTag": created.e_tag.map(ETag::value),
                    "sequencer": format!("{sequence:018X}"),
                },
            },
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_key_is_encoded_like_s3() {
        assert_eq!(event_key("imports/2/été 2024 (1)+.csv"), "imports/2/%C3%A9t%C3%A9+2024+%281%29%2B.csv");
        assert_eq!(event_key("a-b_c.d*/~=&"), "a-b_c.d*/%7E%3D%26");
    }
}
