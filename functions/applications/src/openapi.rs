//! What the OpenAPI document says of this function's calls.

use std::borrow::Cow;

use cee_edge::ProblemType;
use cee_edge::answer::OwnApplication;
use cee_edge::openapi::{Operation, Sample};
use cee_edge::problem::BrokenRule;
use cee_eligibility::{ApplicationId, JourneyStatus, JourneyType};
use cee_registry::{CHANGES_KEPT_DAYS, ExportFormat, ExportState, ListedApplication, MOST_CHANGES, MOST_ON_A_PAGE};
use cee_tokens::Scope;
use http::{Method, StatusCode};
use serde_json::json;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::changes::{self, Changed, ChangesPage, DeletedBy, What};
use crate::exports::{Export, List, MOST_LISTED, Wish};
use crate::list::answer::{Entry, Page};
use crate::list::query::USUAL;
use crate::schema::{
    CHANGES_CURSOR, CURSOR, EXPORT_ID, bound, changes_cursor, cursor, export_cursor, export_id_as_read, format,
};

/// The part of the interface that the calls of this function belong to.
const TAG: &str = "Applications";

/// The path of the calls about one application.
const PATH: &str = "/policies/cee/{uuid}";

/// The calls of this function.
#[must_use]
pub fn operations() -> Vec<Operation> {
    vec![list(), changes(), find(), delete(), export(), list_exports(), find_export()]
}

impl Entry {
    /// An application for the document to show.
    fn sample(journey_type: JourneyType) -> Self {
        let OwnApplication { uuid, journey_type, datetime, journey_id, status, token } =
            OwnApplication::sample(journey_type);
        Self {
            uuid,
            journey_type,
            datetime,
            registered_at: "2024-05-01T09:00:00.000Z".to_owned(),
            journey_id,
            operator_journey_id: journey_id.map(|_| "ar:2024-03-15_0001".to_owned()),
            status,
            driving_license: "051227308989".to_owned(),
            token,
        }
    }
}

fn list() -> Operation {
    let page = Page {
        applications: vec![Entry::sample(JourneyType::Short), Entry::sample(JourneyType::Long)],
        next_cursor: Some(CURSOR.to_owned()),
    };
    let sample = Entry::sample(JourneyType::Long);
    let csv = format!(
        "{}\n{},long,{},{},,,,{},{}\n",
        ListedApplication::COLUMNS.join(","),
        sample.uuid,
        sample.datetime,
        sample.registered_at,
        sample.driving_license,
        sample.token
    );
    Operation::new(Method::GET, "/policies/cee", "listApplications")
        .about(
            TAG,
            "List applications",
            "The caller's own applications (demandes CEE), those with the latest `datetime` first. Applications with the same `datetime` \
             have a fixed but arbitrary order. If there are more, `next_cursor` and the header `Link` lead to the next page. The page \
             that has neither is the last page. Any earlier page may have fewer applications than `limit`, or none. With `Accept: \
             text/csv` a page is CSV, with a header line.\n\n**What is promised**, even if applications are registered or deleted \
             between two pages: no application is on two pages, and an application that the list already showed when the first page was \
             read, and that is not deleted before the last, is on exactly one. An application that is registered or deleted between the \
             first page and the last may be shown or not. The list follows a registration, a delete and a new `status` with a delay: \
             usually less than a second, but DynamoDB gives no bound. `GET /policies/cee/{uuid}` has no delay.",
        )
        .query_parameter("journey_type", JourneyType::schema())
        .query_parameter(
            "from",
            bound(
                "Only applications with this `datetime` or a later one: a date and time of RFC 3339 (`+` is written `%2B`), or a day, \
                 which is its midnight in Paris.",
            ),
        )
        .query_parameter(
            "to",
            bound("Only applications with an earlier `datetime`: as `from`. A month is `from=2024-03-01&to=2024-04-01`."),
        )
        .query_parameter(
            "registered_from",
            bound("Only applications with this `registered_at` or a later one: as `from`."),
        )
        .query_parameter("registered_to", bound("Only applications with an earlier `registered_at`: as `from`."))
        .query_parameter("status", JourneyStatus::schema())
        .limit(MOST_ON_A_PAGE, USUAL, "The maximum number of applications on a page.")
        .query_parameter("cursor", cursor())
        .refused(&[ProblemType::InvalidQuery])
        .scope(Scope::Register)
        .answer::<Page>(
            StatusCode::OK,
            "A page of the list.",
            vec![Sample::new("two", "A short and a long application, and there are more", json!(page))],
        )
        .also_as(
            StatusCode::OK,
            "text/csv",
            "A header line, and a line for each application: the members of the JSON, empty if the JSON has no such member. RFC 4180, in \
             UTF-8, with LF at the end of each line.",
            vec![Sample::new("one", "A long application", json!(csv))],
        )
        .answer_header(
            StatusCode::OK,
            "Link",
            "The next page, if there is one (RFC 8288): a query for the same path.",
            &format!("<?limit={USUAL}&cursor={CURSOR}>; rel=\"next\""),
        )
        .link(
            "get",
            "getApplication",
            ("uuid", "$response.body#/applications/0/uuid"),
            "The first application of the page, as it is now.",
        )
}

fn changes() -> Operation {
    let change = |journey_type, change, changed_at: &str| Changed {
        uuid: OwnApplication::sample(journey_type).uuid,
        journey_type: journey_type.as_str(),
        change,
        changed_at: changed_at.to_owned(),
        status: None,
        previous_status: None,
        deleted_by: None,
    };
    let page = ChangesPage {
        changes: vec![
            Changed {
                status: Some(JourneyStatus::FraudError.as_str()),
                previous_status: Some(JourneyStatus::Ok.as_str()),
                ..change(JourneyType::Short, What::Status, "2024-05-20T03:00:00.000Z")
            },
            Changed {
                deleted_by: Some(DeletedBy::Registry),
                ..change(JourneyType::Long, What::Deleted, "2024-05-23T09:00:00.000Z")
            },
        ],
        next_cursor: CHANGES_CURSOR.to_owned(),
        more: false,
    };
    let none = ChangesPage { changes: Vec::new(), next_cursor: CHANGES_CURSOR.to_owned(), more: false };
    Operation::new(Method::GET, "/policies/cee/changes", "listChanges")
        .about(
            TAG,
            "List what changed since a cursor",
            &format!(
                "What happened to the caller's own applications (demandes CEE) after they were registered, the earliest change first: a \
                 new `status` of a journey (fraud that was found later, a journey that was canceled), and a delete, by the caller or by \
                 the registry's team. A job that makes this call every night does not need a call for each application.\n\nCall it \
                 without `since` the first time, and with the last `next_cursor` from then on: at once while `more` is true. The same \
                 call again returns the same changes, and later ones. So store `next_cursor` *after* the changes of its page: a job that \
                 dies in between reads some changes twice, and misses none.\n\n**What is promised**: a change is in the feed from the \
                 moment at which `GET /policies/cee/{{uuid}}` shows it, and not before. The changes of an operator have one order, which \
                 never changes, and a page never leaves out a change that comes before another change on the page. The last change of an application \
                 says how it is now. An application without a change is as its registration answered.\n\nA change is kept for \
                 {CHANGES_KEPT_DAYS} days after the operator's next change. A cursor older than that is a 410 `cursor_expired`: list the \
                 applications, then read the changes without `since`."
            ),
        )
        .query_parameter("since", changes_cursor())
        .limit(MOST_CHANGES, changes::USUAL, "The maximum number of changes on a page.")
        .refused(&[ProblemType::InvalidQuery, ProblemType::CursorExpired])
        .scope(Scope::Register)
        .answer::<ChangesPage>(
            StatusCode::OK,
            "A page of changes.",
            vec![
                Sample::new("two", "The registry found a fraud, and its team erased a driver", json!(page)),
                Sample::new("none", "Nothing has changed", json!(none)),
            ],
        )
        .link(
            "get",
            "getApplication",
            ("uuid", "$response.body#/changes/0/uuid"),
            "The first application of the page, as it is now.",
        )
}

fn call(method: Method, id: &str) -> Operation {
    Operation::new(method, PATH, id)
        .path_parameter("uuid", ApplicationId::schema(), &OwnApplication::sample(JourneyType::Short).uuid)
        .scope(Scope::Register)
        .refused(&[ProblemType::UnknownApplication])
}

fn find() -> Operation {
    call(Method::GET, "getApplication")
        .about(
            TAG,
            "Get an application",
            "One of the caller's own applications (demandes CEE), as it was granted. Its `status` follows its journey.",
        )
        .answer::<OwnApplication>(
            StatusCode::OK,
            "The application.",
            vec![
                Sample::new(
                    "short",
                    "A short application, with its journey",
                    json!(OwnApplication::sample(JourneyType::Short)),
                ),
                Sample::new("long", "A long one", json!(OwnApplication::sample(JourneyType::Long))),
            ],
        )
        .link("delete", "deleteApplication", ("uuid", "$response.body#/uuid"), "Delete the application.")
}

fn delete() -> Operation {
    call(Method::DELETE, "deleteApplication")
        .about(
            TAG,
            "Delete an application",
            "Deletes one of the caller's own applications: its driver and its journey are free again, and earlier applications count \
             again. The registry keeps a record in an archive that no call reads.",
        )
        .done("The application is deleted.")
        .link("get", "getApplication", ("uuid", "$request.path.uuid"), "A 404 from now on.")
}

/// The path of the calls about all exports.
const EXPORTS: &str = "/policies/cee/exports";

impl PartialSchema for Wish {
    fn schema() -> RefOr<Schema> {
        const MEANING: &str = "a date and time of RFC 3339, or a day, which is its midnight in Paris.";
        let dated = |what: &str| bound(&format!("Only applications with {what}: {MEANING}"));
        ObjectBuilder::new()
            .description(Some("What is exported, and how. The filter is the same as for the list of applications."))
            .property("format", format())
            .required("format")
            .property("journey_type", JourneyType::schema())
            .property("from", dated("this `datetime` or a later one"))
            .property("to", dated("an earlier `datetime`"))
            .property("registered_from", dated("this `registered_at` or a later one"))
            .property("registered_to", dated("an earlier `registered_at`"))
            .property("status", JourneyStatus::schema())
            .additional_properties(Some(AdditionalProperties::<Schema>::FreeForm(false)))
            .into()
    }
}

impl ToSchema for Wish {
    fn name() -> Cow<'static, str> {
        "ExportRequest".into()
    }
}

impl Export {
    /// An export for the document to show.
    fn sample(state: ExportState) -> Self {
        let at = |second: u32| format!("2024-05-01T09:00:{second:02}.000Z");
        let is_ready = state == ExportState::Ready;
        let link =
            format!("https://bucket.s3.eu-west-3.amazonaws.com/exports/1/{EXPORT_ID}.csv?X-Amz-Signature=0d3f6f8e");
        Self {
            export_id: EXPORT_ID.to_owned(),
            state: state.as_str(),
            format: ExportFormat::Csv.as_str(),
            created_at: at(0),
            journey_type: Some(JourneyType::Short.as_str()),
            from: Some("2024-02-29T23:00:00.000Z".to_owned()),
            to: Some("2024-03-31T22:00:00.000Z".to_owned()),
            registered_from: None,
            registered_to: Some("2024-05-01T09:00:00.001Z".to_owned()),
            status: None,
            applications: if is_ready { 81_234 } else { 0 },
            ended_at: is_ready.then(|| at(9)),
            bytes: is_ready.then_some(56_863_800),
            expires_at: is_ready.then(|| "2024-05-08T09:00:09.000Z".to_owned()),
            download_url: is_ready.then_some(link),
            link_expires_at: is_ready.then(|| "2024-05-01T09:20:00.000Z".to_owned()),
        }
    }
}

fn export() -> Operation {
    Operation::new(Method::POST, EXPORTS, "createExport")
        .about(
            TAG,
            "Export applications to a file",
            "Writes the caller's own applications (demandes CEE) to one file, CSV or Parquet, regardless of their number. The call \
             returns at once: poll the export until it is `ready` and has the link to its file. An operator may have two exports in \
             progress, and may request a hundred within 24 hours. A call whose response was lost may have begun an export: list the \
             exports before you send the call again.\n\n**What the file holds.** The applications that fit the filter, that were \
             registered until the moment of this call, and that are not deleted when the export reads their place in the list: each of \
             them once, those with the latest `datetime` first. An application that is deleted in the meantime may be in the file or \
             not. An application that was registered in the last seconds before the call may be missing, because the list follows a \
             registration with a delay: usually less than a second, but DynamoDB gives no bound. A `status` is that of the moment at \
             which it was read.\n\n**Columns**: `uuid`, `journey_type`, `datetime`, `registered_at`, `journey_id`, \
             `operator_journey_id`, `status`, `driving_license`, `token`. In Parquet the dates are timestamps in milliseconds, UTC, \
             `journey_id` is an unsigned integer of 64 bits, all others are strings; a long application has no `journey_id`, \
             `operator_journey_id` and `status` (null).",
        )
        .scope(Scope::Register)
        .body::<Wish>(
            vec![
                Sample::new("all", "Everything, as CSV", json!({"format": "csv"})),
                Sample::new(
                    "month",
                    "The short applications of a month, as Parquet",
                    json!({"format": "parquet", "journey_type": "short", "from": "2024-03-01", "to": "2024-04-01"}),
                ),
            ],
            &[("format", BrokenRule::ExportFormat), ("to", BrokenRule::After("from"))],
        )
        .answer::<Export>(
            StatusCode::ACCEPTED,
            "The export is in progress.",
            vec![Sample::new("running", "It has just begun", json!(Export::sample(ExportState::Running)))],
        )
        .link("status", "getExport", ("export_id", "$response.body#/export_id"), "The state.")
        .refused(&[ProblemType::TooManyExports])
}

fn list_exports() -> Operation {
    let exports = List {
        exports: vec![Export { download_url: None, link_expires_at: None, ..Export::sample(ExportState::Ready) }],
        next_cursor: Some(EXPORT_ID.to_owned()),
    };
    Operation::new(Method::GET, EXPORTS, "listExports")
        .about(
            TAG,
            "List exports",
            "The caller's exports of the last 30 days, the latest first, at most a hundred or `limit` at a time. If there may be more, \
             `next_cursor` leads to them.",
        )
        .limit(MOST_LISTED, MOST_LISTED, "The maximum number of exports in the list.")
        .query_parameter("cursor", export_cursor())
        .refused(&[ProblemType::InvalidQuery])
        .scope(Scope::Register)
        .answer::<List>(StatusCode::OK, "The exports.", vec![Sample::new("one", "One is ready", json!(exports))])
        .link("status", "getExport", ("export_id", "$response.body#/exports/0/export_id"), "The link to the latest file.")
}

fn find_export() -> Operation {
    Operation::new(Method::GET, "/policies/cee/exports/{export_id}", "getExport")
        .about(
            TAG,
            "Get an export",
            "How far an export of the caller's is, and, once it is `ready`, a link to its file that is good for a quarter of an hour. The file \
             is removed seven days after it was complete.",
        )
        .path_parameter("export_id", export_id_as_read(), EXPORT_ID)
        .scope(Scope::Register)
        .answer::<Export>(
            StatusCode::OK,
            "The export.",
            vec![
                Sample::new("running", "It is in progress", json!(Export::sample(ExportState::Running))),
                Sample::new("ready", "Its file can be read", json!(Export::sample(ExportState::Ready))),
            ],
        )
        .refused(&[ProblemType::UnknownExport])
}
