//! Reads an S3 event: the owner and the version of a file.

use cee_eligibility::{Instant, OperatorId};
use cee_registry::ImportId;
pub use cee_registry::undo_note;
pub use cee_service::event::{Event, Record, unquoted};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The subject of a record.
#[derive(Clone, PartialEq, Eq)]
pub enum Subject {
    /// A file to import.
    File(File),
    /// The key of a note that asks to continue an import; [`File::to_note`] wrote it.
    Continuation(String),
    /// An import whose undo is requested by a note at [`undo_note`].
    Undo(OperatorId, ImportId),
}

/// The owner of a file. The prefix decides, never the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// An operator's history, under `imports/{operator_id}/`.
    Operator(OperatorId),
    /// The registry's own trip export, under `journeys/`.
    Registry,
}

impl Owner {
    /// The owner of the file at this key.
    ///
    /// # Errors
    /// The fault, without the key.
    fn of(key: &str) -> Result<Self, &'static str> {
        match key.split_once('/') {
            Some(("journeys", _)) => Ok(Self::Registry),
            Some(("imports", rest)) => {
                let (operator, _) = rest.split_once('/').ok_or("no operator's prefix")?;
                Ok(Self::Operator(OperatorId::parse(operator).map_err(|_| "a prefix that is not an operator's")?))
            }
            _ => Err("another prefix"),
        }
    }
}

/// One version of one object. Its key may hold a person's name: it appears in the operator's own report and nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// The import's id.
    pub id: ImportId,
    /// The file's owner.
    pub owner: Owner,
    /// The object's key.
    pub key: String,
    /// The object's version, in a bucket that keeps versions.
    pub version: Option<String>,
    /// The object's ETag, without quotes.
    pub etag: Option<String>,
    /// The ID of this version among all versions of the key.
    pub name: String,
    /// The object's size in bytes.
    pub size: u64,
    /// When the file was put, by S3's clock. `None`: the event does not say it, so S3 has to be asked.
    pub put_at: Option<Instant>,
}

impl File {
    /// The subject of a record; `None` for the marker of a folder, which some programs put.
    ///
    /// # Errors
    /// The fault, without the key.
    pub fn of(record: &Record, bucket: &str) -> Result<Option<Subject>, &'static str> {
        let key = record.key(bucket)?;
        if key.ends_with('/') {
            return Ok(None);
        }
        match key.split_once('/') {
            Some(("continue", _)) => return Ok(Some(Subject::Continuation(key))),
            Some(("undo", rest)) => {
                let undo = rest.split_once('/').ok_or("an undo of nothing")?;
                let operator = OperatorId::parse(undo.0).map_err(|_| "an undo for no operator")?;
                let import = ImportId::parse(undo.1).ok_or("an undo of no import")?;
                return Ok(Some(Subject::Undo(operator, import)));
            }
            _ => {}
        }
        let owner = Owner::of(&key)?;
        let name = record.name().ok_or("no version")?;
        let put_at = record.text("/eventTime").and_then(|at| Instant::parse(at).ok());
        Ok(Some(Subject::File(Self {
            id: ImportId::of_object(bucket, &key, &name),
            owner,
            key,
            name,
            size: record.0.pointer("/s3/object/size").and_then(Value::as_u64).unwrap_or(0),
            version: record.version().map(str::to_owned),
            etag: record.text("/s3/object/eTag").map(|etag| unquoted(etag).to_owned()),
            put_at,
        })))
    }

    /// The id of the import that expects a file at this key: `imports/{operator_id}/{import_id}/{file name}`.
    #[must_use]
    pub fn awaited(&self) -> Option<(OperatorId, ImportId)> {
        let Owner::Operator(operator) = self.owner else { return None };
        let id = self.key.split('/').nth(2).filter(|_| self.key.split('/').count() > 3)?;
        ImportId::parse(id).map(|id| (operator, id))
    }

    /// A note with which a later invocation continues.
    #[must_use]
    pub fn to_note(&self) -> String {
        let note = Note {
            id: self.id.to_string(),
            key: self.key.clone(),
            version: self.version.clone(),
            etag: self.etag.clone(),
            name: self.name.clone(),
            size: self.size,
            put_at: self.put_at.map(Instant::millis),
        };
        serde_json::to_string(&note).unwrap_or_default()
    }

    /// Reads such a note.
    #[must_use]
    pub fn from_note(note: &[u8]) -> Option<Self> {
        let note: Note = serde_json::from_slice(note).ok()?;
        Some(Self {
            id: ImportId::parse(&note.id)?,
            // The note must not set this: the prefix decides.
            owner: Owner::of(&note.key).ok()?,
            key: note.key,
            version: note.version,
            etag: note.etag,
            name: note.name,
            size: note.size,
            put_at: match note.put_at {
                Some(put_at) => Some(Instant::from_millis(put_at)?),
                None => None,
            },
        })
    }
}

#[derive(Serialize, Deserialize)]
struct Note {
    id: String,
    key: String,
    version: Option<String>,
    etag: Option<String>,
    name: String,
    size: u64,
    put_at: Option<i64>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// An event as S3 sends it.
    fn record(key: &str, version: &str) -> Record {
        let json = format!(
            r#"{{"Records":[{{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-3",
            "eventTime":"2024-05-01T00:00:00.123Z","eventName":"ObjectCreated:Put",
            "userIdentity":{{"principalId":"AWS:X"}},"requestParameters":{{"sourceIPAddress":"1.2.3.4"}},
            "responseElements":{{"x-amz-request-id":"r","x-amz-id-2":"i"}},
            "s3":{{"s3SchemaVersion":"1.0","configurationId":"c",
            "bucket":{{"name":"b","ownerIdentity":{{"principalId":"p"}},"arn":"arn:aws:s3:::b"}},
            "object":{{"key":"{key}","size":1,"eTag":"abc","sequencer":"0A"{version}}}}}}}]}}"#
        );
        let event: Event = serde_json::from_str(&json).unwrap();
        event.records.into_iter().next().unwrap()
    }

    fn file(key: &str) -> Result<Option<File>, &'static str> {
        versioned(key, "")
    }

    fn versioned(key: &str, version: &str) -> Result<Option<File>, &'static str> {
        File::of(&record(key, version), "b").map(|subject| match subject {
            Some(Subject::File(file)) => Some(file),
            _ => None,
        })
    }

    #[test]
    fn key_prefix_names_owner() {
        let owner = |key| file(key).map(|file| file.map(|file| file.owner));
        assert_eq!(owner("imports/12/a.csv"), Ok(Some(Owner::Operator(OperatorId::new(12).unwrap()))));
        assert_eq!(owner("imports/12/2024/a.csv"), Ok(Some(Owner::Operator(OperatorId::new(12).unwrap()))));
        assert_eq!(owner("journeys/2024/05/01.csv"), Ok(Some(Owner::Registry)));
        assert_eq!(owner("imports/12/"), Ok(None));
        assert_eq!(owner("imports/a.csv"), Err("no operator's prefix"));
        for key in ["imports/012/a.csv", "imports/x/a.csv", "imports/0/a.csv", "imports/%2012/a.csv"] {
            assert_eq!(owner(key), Err("a prefix that is not an operator's"), "{key}");
        }
        for key in ["reports/12/a.csv", "a.csv", "importsx/12/a.csv"] {
            assert_eq!(owner(key), Err("another prefix"), "{key}");
        }
        assert_eq!(File::of(&record("imports/12/a.csv", ""), "c").err(), Some("another bucket"));
    }

    #[test]
    fn keys_are_decoded() {
        let key = |key| file(key).unwrap().unwrap().key;
        assert_eq!(key("imports/1/mes+conducteurs+%C3%A9t%C3%A9+%2B+1.csv"), "imports/1/mes conducteurs été + 1.csv");
        assert_eq!(file("imports/1/%FF.csv").err(), Some("a key that is not UTF-8"));
    }

    #[test]
    fn each_object_version_has_own_import_id() {
        let id = |version| versioned("imports/1/a.csv", version).unwrap().unwrap().id;
        assert_eq!(id(""), id(""));
        assert_ne!(id(""), id(r#","versionId":"v1""#));
        assert_ne!(id(r#","versionId":"v1""#), id(r#","versionId":"v2""#));
    }

    #[test]
    fn event_of_another_kind_imports_nothing() {
        let event = |event: Value| serde_json::from_value::<Event>(event).unwrap().records;
        // S3 sends this when notifications are switched on.
        let test =
            json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": "2024-05-01T00:00:00.000Z", "Bucket": "b"});
        for nothing in
            [test, json!({}), json!([]), json!(null), json!("x"), json!({"Records": {}}), json!({"Records": []})]
        {
            assert!(event(nothing.clone()).is_empty(), "{nothing}");
        }
        for record in event(json!({"Records": [1, null, {}, {"s3": 1}, {"s3": {"bucket": {"name": "b"}}}]})) {
            assert!(File::of(&record, "b").is_err());
        }
        for (name, read) in [
            ("ObjectCreated:Put", true),
            ("s3:ObjectCreated:CompleteMultipartUpload", true),
            ("ObjectRemoved:Delete", false),
            ("ObjectTagging:Put", false),
            ("s3:TestEvent", false),
            ("Put", false),
        ] {
            let mut record = record("imports/1/a.csv", "");
            record.0["eventName"] = json!(name);
            assert_eq!(File::of(&record, "b").is_ok(), read, "{name}");
        }
    }

    #[test]
    fn event_without_version_id_uses_sequencer_and_etag() {
        let least = |object: Value| {
            let event = json!({"Records": [{"s3": {"bucket": {"name": "b"}, "object": object}}]});
            let event: Event = serde_json::from_value(event).unwrap();
            match File::of(&event.records[0], "b") {
                Ok(Some(Subject::File(file))) => Ok(file),
                Ok(_) => panic!("a file"),
                Err(what) => Err(what),
            }
        };
        let of = |sequencer: &str, etag: &str| {
            least(json!({"key": "imports/1/a.csv", "sequencer": sequencer, "eTag": etag})).unwrap().id
        };
        assert_eq!(of("0A", "x"), of("0A", "\"x\""), "an event again, with the ETag as an answer has it");
        assert_ne!(of("0A", "x"), of("0A", "y"), "another file, from a store whose sequencer is always the same");
        assert_ne!(of("0A", "x"), of("0B", "x"), "the same content again");
        assert!(least(json!({"key": "imports/1/a.csv", "eTag": "x"})).is_ok());
        assert!(least(json!({"key": "imports/1/a.csv", "sequencer": "1"})).is_ok());
        assert_eq!(least(json!({"key": "imports/1/a.csv", "sequencer": ""})).err(), Some("no version"));
        // A bucket that has stopped keeping versions.
        let null = |etag: &str| {
            let object = json!({"key": "imports/1/a.csv", "versionId": "null", "sequencer": "1", "eTag": etag});
            least(object).unwrap()
        };
        assert_eq!(null("x").version, None);
        assert_ne!(null("x").id, null("y").id);
    }

    #[test]
    fn continuation_note_round_trips_file() {
        for (key, version) in [("imports/1/a.csv", r#","versionId":"v1""#), ("journeys/a.csv", "")] {
            let file = versioned(key, version).unwrap().unwrap();
            assert!(File::from_note(file.to_note().as_bytes()) == Some(file.clone()));
            let elsewhere = file.to_note().replace(&file.key, "reports/1/a.csv");
            assert!(File::from_note(elsewhere.as_bytes()).is_none(), "not an import: the key is not of a history file");
        }
        assert!(
            matches!(File::of(&record("continue/x/1", ""), "b"), Ok(Some(Subject::Continuation(key))) if key == "continue/x/1")
        );
    }

    #[test]
    fn undo_note_key_names_operator_and_import() {
        let (operator, id) = (OperatorId::new(12).unwrap(), ImportId::from_bytes([7; 16]));
        let subject = |key: &str| File::of(&record(key, ""), "b").map(|subject| subject.unwrap());
        assert!(subject(&undo_note(operator, id)) == Ok(Subject::Undo(operator, id)));
        assert_eq!(subject("undo/12").err(), Some("an undo of nothing"));
        assert_eq!(subject(&format!("undo/0/{id}")).err(), Some("an undo for no operator"));
        assert_eq!(subject("undo/12/x").err(), Some("an undo of no import"));
    }

    #[test]
    fn upload_key_names_awaited_import() {
        let id = "0123456789abcdef0123456789abcdef";
        let awaited =
            |key: &str| file(key).unwrap().unwrap().awaited().map(|(operator, id)| (operator.get(), id.to_string()));
        assert_eq!(awaited(&format!("imports/12/{id}/drivers.csv")), Some((12, id.to_owned())));
        assert_eq!(awaited(&format!("imports/12/{id}")), None);
        assert_eq!(awaited("imports/12/2024/drivers.csv"), None);
        assert_eq!(awaited(&format!("journeys/12/{id}/drivers.csv")), None);
    }
}
