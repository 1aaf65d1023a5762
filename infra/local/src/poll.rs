//! The events of a bucket at another S3: the stack lists the bucket again and again, and gives each new object to the import function as
//! S3's event would.
//!
//! Nothing is kept across restarts. Each start offers every object again, and the import function recognises the imports that it
//! knows: an object's name in an event is made of its last change and its ETag, the same at each listing.
//!
//! An object that is replaced between two looks is imported as it is then. A note of the import function (`continue/`, `undo/`) may be
//! replaced by the same note within one second, which is the resolution of many listings. So a note is offered a second time a moment
//! after it was first seen: nobody can replace it in that second any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::{DateTime, DateTimeFormat};
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration, Object};
use aws_stand_in::queue::AsyncQueue;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::description::{BUCKET, EVENT_PREFIXES};
use crate::endpoint::Endpoint;
use crate::error::Error;

/// How long to wait between two looks.
const EVERY: Duration = Duration::from_secs(2);

/// How long after a note was first seen it is offered again: more than the second in which it may have been replaced.
const AGAIN: Duration = Duration::from_secs(3);

/// S3 refuses to create a bucket whose request names this region. For any other region the request must name it.
const UNNAMED_REGION: &str = "us-east-1";

/// Creates the bucket at another S3, if it does not exist.
///
/// # Errors
/// [`Error::Bucket`] if it cannot be used.
pub(crate) async fn prepare_bucket(s3: &Client, endpoint: &Endpoint, region: &str) -> Result<(), Error> {
    let failed = |code: Option<&str>| Error::Bucket {
        bucket: BUCKET,
        url: endpoint.to_string(),
        code: code.unwrap_or("no answer that can be read").to_owned(),
    };
    match s3.head_bucket().bucket(BUCKET).send().await {
        Ok(_) => return Ok(()),
        // The response to a HEAD has no body, so its status says more than a code.
        Err(error) => match error.raw_response().map(|response| response.status().as_u16()) {
            Some(404) => {}
            Some(status) => return Err(failed(Some(&status.to_string()))),
            None => return Err(failed(error.code())),
        },
    }
    let mut create = s3.create_bucket().bucket(BUCKET);
    if region != UNNAMED_REGION {
        let place = CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(region));
        create = create.create_bucket_configuration(place.build());
    }
    match create.send().await {
        Ok(_) => Ok(()),
        Err(error) if error.code() == Some("BucketAlreadyOwnedByYou") => Ok(()),
        Err(error) => Err(failed(error.code())),
    }
}

/// Looks at the bucket.
pub(crate) struct Poller {
    s3: Client,
    region: String,
    queue: Arc<AsyncQueue>,
    seen: Seen,
    /// Whether the last look failed: it is logged once.
    failed: bool,
}

impl Poller {
    pub(crate) fn new(s3: Client, region: &str, queue: Arc<AsyncQueue>) -> Self {
        Self { s3, region: region.to_owned(), queue, seen: Seen::default(), failed: false }
    }

    /// Looks once, and puts the events of what is new into the queue.
    pub(crate) async fn look(&mut self) {
        let mut failed = None;
        for prefix in EVENT_PREFIXES {
            let mut pages = self.s3.list_objects_v2().bucket(BUCKET).prefix(prefix).into_paginator().send();
            while let Some(page) = pages.next().await {
                match page {
                    Ok(page) => {
                        for object in page.contents() {
                            failed = self.offer(object).await.err().or(failed);
                        }
                    }
                    Err(error) => {
                        failed = Some(error.code().unwrap_or("no answer").to_owned());
                        break;
                    }
                }
            }
        }
        if let (Some(why), false) = (&failed, self.failed) {
            tracing::warn!(why, "the bucket cannot be listed: files there wait");
        }
        self.failed = failed.is_some();
    }

    /// Puts the event of an object into the queue, unless it was there already.
    async fn offer(&mut self, object: &Object) -> Result<(), String> {
        let (Some(key), Some(put_at)) = (object.key(), object.last_modified()) else { return Ok(()) };
        let found = Found { key, put_at, e_tag: object.e_tag().unwrap_or_default(), size: object.size().unwrap_or(0) };
        if !self.seen.is_new(&found, Moment::now()) {
            return Ok(());
        }
        let accepted = match self.e_tag(object).await {
            Ok(e_tag) => {
                let event = Found { e_tag: &e_tag, ..found }.event(&self.region);
                self.queue.accept(event).map_err(|error| error.to_string())
            }
            Err(why) => Err(why),
        };
        if accepted.is_err() {
            // The next look offers it again.
            self.seen.forget(key);
        }
        accepted
    }

    /// The ETag of an object of a listing. Some stores leave it out there; without it nobody could tell which content was meant.
    async fn e_tag(&self, object: &Object) -> Result<String, String> {
        if let Some(e_tag) = object.e_tag() {
            return Ok(e_tag.to_owned());
        }
        let head = self.s3.head_object().bucket(BUCKET).key(object.key().unwrap_or_default()).send().await;
        let head = head.map_err(|error| error.code().unwrap_or("no answer").to_owned())?;
        Ok(head.e_tag().unwrap_or_default().to_owned())
    }
}

/// Looks at the bucket until it is dropped.
pub(crate) struct Poll {
    looking: JoinHandle<()>,
}

impl Poll {
    pub(crate) fn start(mut poller: Poller) -> Self {
        let looking = tokio::spawn(async move {
            loop {
                poller.look().await;
                tokio::time::sleep(EVERY).await;
            }
        });
        Self { looking }
    }

    pub(crate) fn stop(&self) {
        self.looking.abort();
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.stop();
    }
}

/// An object of a listing.
struct Found<'a> {
    key: &'a str,
    put_at: &'a DateTime,
    e_tag: &'a str,
    size: i64,
}

impl Found<'_> {
    /// The object's last change, for an order and a name.
    fn sequencer(&self) -> String {
        format!("{:018X}", self.put_at.as_nanos() / 1000)
    }

    /// The event that S3 would send.
    fn event(&self, region: &str) -> Value {
        let put_at = self.put_at.fmt(DateTimeFormat::DateTime).unwrap_or_default();
        json!({
            "Records": [{
                "eventVersion": "2.1",
                "eventSource": "aws:s3",
                "awsRegion": region,
                "eventTime": put_at,
                "eventName": "ObjectCreated:Put",
                "s3": {
                    "s3SchemaVersion": "1.0",
                    "configurationId": "poll",
                    "bucket": { "name": BUCKET, "arn": format!("arn:aws:s3:::{BUCKET}") },
                    "object": {
                        "key": encoded(self.key),
                        "size": self.size,
                        "eTag": self.e_tag.trim_matches('"'),
                        "sequencer": self.sequencer(),
                    },
                },
            }],
        })
    }
}

/// The key as an event contains it.
fn encoded(key: &str) -> String {
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b' ' => encoded.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'*' | b'/' => {
                encoded.push(char::from(byte))
            }
            other => encoded.push_str(&format!("%{other:02X}")),
        }
    }
    encoded
}

/// The objects that were offered.
#[derive(Default)]
struct Seen(HashMap<String, Offered>);

struct Offered {
    version: String,
    at: Moment,
    /// Whether it is offered a second time.
    again: bool,
}

impl Seen {
    /// Whether an object is to be offered now. Then it counts as offered.
    fn is_new(&mut self, found: &Found<'_>, now: Moment) -> bool {
        let version = format!("{}-{}", found.sequencer(), found.e_tag);
        match self.0.get_mut(found.key) {
            Some(offered) if offered.version == version => {
                let is_due = offered.again && now.duration_since(offered.at) >= AGAIN;
                offered.again &= !is_due;
                is_due
            }
            _ => {
                let again = ["continue/", "undo/"].iter().any(|prefix| found.key.starts_with(prefix));
                self.0.insert(found.key.to_owned(), Offered { version, at: now, again });
                true
            }
        }
    }

    fn forget(&mut self, key: &str) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_fn_import::event::{Event, File, Subject};

    fn put_at() -> DateTime {
        DateTime::from_secs(1_714_521_600)
    }

    fn found<'a>(key: &'a str, put_at: &'a DateTime, e_tag: &'a str) -> Found<'a> {
        Found { key, put_at, e_tag, size: 12 }
    }

    /// The file that the import function reads from the event of an object.
    fn file(found: &Found<'_>) -> File {
        let event: Event = serde_json::from_value(found.event("eu-west-3")).unwrap();
        match File::of(&event.records[0], BUCKET) {
            Ok(Some(Subject::File(file))) => file,
            _ => panic!("no file"),
        }
    }

    #[test]
    fn import_function_reads_the_event_of_a_listed_object() {
        let key = "imports/1/mars é+1 (2).csv";
        let file = file(&found(key, &put_at(), "\"abc\""));
        assert_eq!((file.key.as_str(), file.size, file.etag.as_deref()), (key, 12, Some("abc")));
        assert_eq!(file.put_at.map(|at| at.to_string()).as_deref(), Some("2024-05-01T00:00:00.000Z"));
    }

    #[test]
    fn object_has_one_name_at_each_listing_and_another_once_it_is_replaced() {
        let id = |put_at: &DateTime, e_tag: &str| file(&found("imports/1/a.csv", put_at, e_tag)).id;
        let put_at = put_at();
        let later = DateTime::from_secs_and_nanos(1_714_521_600, 1_000_000);
        assert_eq!(id(&put_at, "a"), id(&put_at, "a"));
        assert_ne!(id(&put_at, "a"), id(&put_at, "b"));
        assert_ne!(id(&put_at, "a"), id(&later, "a"));
    }

    #[test]
    fn object_is_offered_once_and_a_replaced_one_again() {
        let mut seen = Seen::default();
        let (now, put_at, later) = (Moment::now(), put_at(), DateTime::from_secs(1_714_521_601));
        assert!(seen.is_new(&found("imports/1/a.csv", &put_at, "a"), now));
        assert!(!seen.is_new(&found("imports/1/a.csv", &put_at, "a"), now + AGAIN));
        assert!(seen.is_new(&found("imports/1/b.csv", &put_at, "a"), now));
        assert!(seen.is_new(&found("imports/1/a.csv", &put_at, "b"), now));
        assert!(seen.is_new(&found("imports/1/a.csv", &later, "b"), now));
        seen.forget("imports/1/a.csv");
        assert!(seen.is_new(&found("imports/1/a.csv", &later, "b"), now));
    }

    #[test]
    fn note_is_offered_once_more_after_the_second_in_which_it_may_be_replaced() {
        for key in ["continue/1.json", "undo/1/2"] {
            let mut seen = Seen::default();
            let (now, put_at) = (Moment::now(), put_at());
            let mut offered = |after: Duration| seen.is_new(&found(key, &put_at, "a"), now + after);
            assert!(offered(Duration::ZERO), "{key}");
            assert!(!offered(AGAIN - Duration::from_millis(1)), "{key}");
            assert!(offered(AGAIN), "{key}");
            assert!(!offered(AGAIN * 2), "{key}");
        }
    }
}
