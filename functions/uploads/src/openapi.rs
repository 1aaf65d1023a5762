//! What the OpenAPI document says of this function's calls.

use cee_edge::ProblemType;
use cee_edge::openapi::{Operation, Sample};
use cee_eligibility::FieldError;
use cee_history::{Counts, DateOrder, Encoding, LARGEST_FILE, Repair, Surveyed};
use cee_registry::{ImportState, MOST_LISTED};
use cee_tokens::Scope;
use http::{Method, StatusCode};
use serde_json::json;

use crate::import::{Header, Import, List, Place};
use crate::kind::FileKind;
use crate::schema::{CURSOR, IMPORT_ID, cursor, import_id_as_read};
use crate::upload::Upload;

/// The part of the interface that the calls of this function belong to.
const TAG: &str = "History";

impl Import {
    /// An import for the document to show, and for tests of pages.
    #[must_use]
    pub fn sample(completed: bool) -> Self {
        let at = |second: u32| format!("2024-05-01T09:00:{second:02}.000Z");
        let link = |name: &str| {
            format!("https://bucket.s3.eu-west-3.amazonaws.com/reports/1/{IMPORT_ID}{name}?X-Amz-Signature=0d3f6f8e")
        };
        let counts = Counts {
            read: 3,
            imported: 2,
            rejected: 1,
            repairs: [(Repair::NamePadded, 1)].into(),
            ..Counts::default()
        };
        Self {
            import_id: IMPORT_ID.to_owned(),
            state: if completed { ImportState::Completed } else { ImportState::AwaitingUpload }.as_str(),
            check_only: false,
            kind: FileKind::File.as_str(),
            key: Some(format!("imports/1/{IMPORT_ID}/history-2021.csv")),
            created_at: at(0),
            expires_at: (!completed).then(|| "2024-05-01T09:15:00.000Z".to_owned()),
            started_at: completed.then(|| at(7)),
            ended_at: completed.then(|| at(8)),
            bytes: if completed { 121 } else { 0 },
            bytes_total: completed.then_some(121),
            counts: if completed { counts } else { Counts::default() },
            rows_total: completed.then_some(3),
            survey: completed.then_some(Surveyed {
                rows: 3,
                encoding: Encoding::Utf8,
                date_order: DateOrder::DayFirst,
            }),
            rows_per_second: completed.then_some(375),
            error: None,
            ignored_upload: None,
            undone: None,
            replaces: None,
            replaced: None,
            not_replaced: None,
            report_url: completed.then(|| link(".json")),
            rejected_rows_url: completed.then(|| link(".rejected.csv")),
            answers_url: None,
            links_expire_at: completed.then(|| "2024-05-01T09:20:00.000Z".to_owned()),
            arrived: false,
            late: false,
            rejected_rows_key: None,
        }
    }
}

impl Import {
    /// A file that was only checked.
    fn checked() -> Self {
        let completed = Self::sample(true);
        let counts = Counts { imported: 0, accepted: Some(completed.counts.imported), ..completed.counts };
        Self { check_only: true, counts, ..completed }
    }
}

impl Import {
    /// A list of drivers that was answered.
    fn answered() -> Self {
        let completed = Self::sample(true);
        let mut counts = Counts { read: 4, rejected: 1, ..Counts::of_drivers() };
        (counts.eligible, counts.history, counts.duplicate) = (Some(1), Some(1), Some(1));
        counts.repairs = completed.counts.repairs.clone();
        let link = |url: Option<String>, name: &str| url.map(|url| url.replace(".rejected.csv", name));
        Self {
            kind: FileKind::Drivers.as_str(),
            key: Some(format!("imports/1/{IMPORT_ID}/drivers.csv")),
            answers_url: link(completed.rejected_rows_url.clone(), ".answers.csv"),
            rows_total: Some(4),
            survey: Some(Surveyed { rows: 4, encoding: Encoding::Utf8, date_order: DateOrder::YearFirst }),
            rows_per_second: Some(500),
            counts,
            ..completed
        }
    }
}

/// The calls of this function.
#[must_use]
pub fn operations() -> Vec<Operation> {
    vec![place(), list(), status(), take_back()]
}

fn place() -> Operation {
    let all = json!({"file_name": "history-2021.csv", "size": 80, "content_type": "text/csv",
                     "sha256": "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"});
    let place = Place {
        import_id: IMPORT_ID.to_owned(),
        upload_url: format!(
            "https://bucket.s3.eu-west-3.amazonaws.com/imports/1/{IMPORT_ID}/history-2021.csv?X-Amz-Signature=0d3f6f8e"
        ),
        method: "PUT",
        headers: vec![Header { name: "content-type".to_owned(), value: "text/csv".to_owned() }],
        max_size: LARGEST_FILE,
        expires_at: "2024-05-01T09:15:00.000Z".to_owned(),
    };
    Operation::new(Method::POST, "/policies/cee/imports", "placeImport")
        .about(
            TAG,
            "Get an upload URL for a history file or a list of drivers",
            "Returns a presigned URL, with which the caller uploads one CSV file to S3 within a quarter of an hour: specific \
             applications (opérations spécifiques, from before the scheme), which are imported; or, with `kind`, a list of drivers, for \
             each of whom the registry returns what `simulate` returns. The work begins by itself. All fields are optional: what they \
             say about the file becomes part of the signature, and S3 then accepts nothing else. The registry forgets an unused upload \
             URL after 15 days.",
        )
        .scope(Scope::Import)
        .body::<Upload>(
            vec![
                Sample::new("named", "A file with a name", json!({"file_name": "history-2021.csv"})),
                Sample::new("pinned", "This file and no other", all),
                Sample::new("corrected", "A file that replaces a wrong one", json!({"replaces": IMPORT_ID})),
                Sample::new("nothing", "Any file", json!({})),
                Sample::new("drivers", "A list of drivers to ask about", json!({"kind": "drivers", "file_name": "drivers.csv"})),
                Sample::new("check", "A file to check, explained in French", json!({"check_only": true, "language": "fr"})),
            ],
            &[
                ("file_name", FieldError::FileName.into()),
                ("size", FieldError::WholeNumber.into()),
            ],
        )
        .answer::<Place>(
            StatusCode::CREATED,
            "A place for one file.",
            vec![Sample::new("place", "The upload URL", json!(place))],
        )
        .link("status", "getImport", ("import_id", "$response.body#/import_id"), "The state of the import.")
        .refused(&[ProblemType::CallClosed, ProblemType::UnknownImport, ProblemType::ImportStays])
}

fn list() -> Operation {
    let imports =
        List { imports: vec![Import::sample(false), Import::sample(true)], next_cursor: Some(CURSOR.to_owned()) };
    Operation::new(Method::GET, "/policies/cee/imports", "listImports")
        .about(
            TAG,
            "List imports",
            "The caller's imports, files and batches, the latest first, at most a hundred or `limit` at a time. If there are more, \
             `next_cursor` leads to them. An import that has just been created may be missing.",
        )
        .limit(MOST_LISTED, MOST_LISTED, "The maximum number of imports in the list.")
        .query_parameter("cursor", cursor())
        .refused(&[ProblemType::InvalidQuery])
        .scope(Scope::Import)
        .answer::<List>(
            StatusCode::OK,
            "The imports.",
            vec![Sample::new("two", "One awaits its file, one is done", json!(imports))],
        )
        .link("status", "getImport", ("import_id", "$response.body#/imports/0/import_id"), "The state of the latest import.")
}

fn status() -> Operation {
    Operation::new(Method::GET, "/policies/cee/imports/{import_id}", "getImport")
        .about(
            TAG,
            "Get an import",
            "The state of an import of the caller's: the counts so far, and at its end links to the report, to the rejected rows and to \
             the answers for a list of drivers. The links are valid for a quarter of an hour.",
        )
        .path_parameter("import_id", import_id_as_read().build(), IMPORT_ID)
        .scope(Scope::Import)
        .answer::<Import>(
            StatusCode::OK,
            "The import.",
            vec![
                Sample::new("awaiting", "It awaits its file", json!(Import::sample(false))),
                Sample::new("completed", "It is done", json!(Import::sample(true))),
                Sample::new("checked", "It was only checked", json!(Import::checked())),
                Sample::new("answered", "A list of drivers, which was answered", json!(Import::answered())),
            ],
        )
        .refused(&[ProblemType::UnknownImport])
}

fn take_back() -> Operation {
    Operation::new(Method::DELETE, "/policies/cee/imports/{import_id}", "deleteImport")
        .about(
            TAG,
            "Undo an import",
            "Undoes a wrong import of the caller's: everything that only this import had added is removed, and earlier applications \
             count again. What another import of the caller's also contained is kept. This takes a while: the import's state becomes \
             `undoing`, then `undone`. An operator may undo an import for 30 days after it began (or what the registry's team has set), \
             the registry's team at any time. A check and a list of drivers have added nothing, and cannot be undone. The call may be \
             repeated.",
        )
        .path_parameter("import_id", import_id_as_read().build(), IMPORT_ID)
        .scope(Scope::Import)
        .answer::<Import>(
            StatusCode::ACCEPTED,
            "It is being taken back (`undoing`), or was before (`undone`).",
            vec![Sample::new(
                "undoing",
                "It was completed",
                json!(Import { state: ImportState::Undoing.as_str(), ..Import::sample(true) }),
            )],
        )
        .link("status", "getImport", ("import_id", "$request.path.import_id"), "The state.")
        .refused(&[ProblemType::CallClosed, ProblemType::UnknownImport, ProblemType::ImportStays])
}
