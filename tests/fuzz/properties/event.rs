//! S3 events, keys of objects, and the notes that the import and the export function leave for themselves.
//!
//! - The prefix of the key, as it was put, says whose a file is; nothing else does.
//! - A key that is encoded as S3 does it is the key again.
//! - A note that is written and read again is unchanged.
//! - The same object is the same import.

use cee_eligibility::Instant;
use cee_fn_import::event::{Event, File, Owner, Record, Subject, undo_note};
use cee_registry::{export_note, export_of_note};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use serde_json::json;

const BUCKET: &str = "history";

/// Fails if one of these properties does not hold for these bytes as an event, a key or a note.
pub fn check(bytes: &[u8]) {
    if let Ok(event) = serde_json::from_slice::<Event>(bytes) {
        event.records.iter().for_each(subject);
    }
    let encoded = encoded(bytes);
    let put = File::of(&record(&encoded), BUCKET);
    match std::str::from_utf8(bytes) {
        Ok(key) => {
            let same = |read: &str| assert!(read == key, "another key than was put");
            match put {
                Ok(Some(Subject::File(file))) => same(&file.key),
                Ok(Some(Subject::Continuation(note))) => same(&note),
                Ok(Some(Subject::Undo(operator, import))) => same(&undo_note(operator, import)),
                Ok(None) => assert!(key.ends_with('/')),
                Err(_) => {}
            }
            subject(&record(key));
            subject(&record(&encoded));
        }
        Err(_) => assert!(put.is_err_and(|what| what == "a key that is not UTF-8")),
    }
    if let Some((key, (operator, export))) =
        std::str::from_utf8(bytes).ok().and_then(|key| Some((key, export_of_note(key)?)))
    {
        assert!(export_note(operator, export) == key, "another note");
    }
    if let Some(file) = File::from_note(bytes) {
        noted(&file);
    }
}

/// A key as an event carries it.
fn encoded(key: &[u8]) -> String {
    percent_encode(key, NON_ALPHANUMERIC).to_string().replace("%20", "+")
}

/// What S3 tells of an object whose key is encoded so.
fn record(encoded_key: &str) -> Record {
    Record(json!({
        "eventTime": "2024-05-01T00:00:00.123Z",
        "userIdentity": {},
        "requestParameters": {},
        "responseElements": {},
        "s3": {
            "bucket": {"name": BUCKET},
            "object": {"key": encoded_key, "size": 1, "eTag": "\"abc\"", "sequencer": "0A"},
        },
    }))
}

fn subject(record: &Record) {
    let name = record.text("/s3/bucket/name");
    assert!(File::of(record, "another-bucket").is_err() || name == Some("another-bucket"));
    let bucket = name.unwrap_or(BUCKET);
    let subject = File::of(record, bucket);
    // An event without a time gets the time at which it is read.
    let timed = record.text("/eventTime").is_some_and(|at| Instant::parse(at).is_ok());
    assert!(!timed || subject == File::of(record, bucket), "one event, two meanings");
    match subject {
        Ok(Some(Subject::File(file))) => {
            let mut put = record.clone();
            put.0["s3"]["object"]["key"] = json!(encoded(file.key.as_bytes()));
            let again = File::of(&put, bucket);
            assert!(!timed || again == Ok(Some(Subject::File(file.clone()))), "one object, two imports");
            noted(&file);
        }
        Ok(Some(Subject::Continuation(note))) => assert!(note.starts_with("continue/")),
        Ok(Some(Subject::Undo(..)) | None) | Err(_) => {}
    }
}

/// A file that is to be imported, and the note with which that is gone on with.
fn noted(file: &File) {
    let prefix = match file.owner {
        Owner::Operator(operator) => format!("imports/{operator}/"),
        Owner::Registry => "journeys/".to_owned(),
    };
    assert!(file.key.starts_with(&prefix), "another's prefix");
    if let Some((operator, id)) = file.awaited() {
        assert!(file.key.starts_with(&format!("imports/{operator}/{id}/")) && file.owner == Owner::Operator(operator));
    }
    assert!(File::from_note(file.to_note().as_bytes()).as_ref() == Some(file), "a note says something else");
}
