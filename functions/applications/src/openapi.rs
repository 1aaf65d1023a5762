//! What the OpenAPI document says of this function's calls.

use cee_edge::ProblemType;
use cee_edge::answer::OwnApplication;
use cee_edge::openapi::{Operation, Sample};
use cee_eligibility::{ApplicationId, JourneyStatus, JourneyType};
use cee_registry::{CHANGES_KEPT_DAYS, ChangesPlace, ListPlace, MOST_CHANGES, MOST_ON_A_PAGE};
use cee_tokens::Scope;
use http::{Method, StatusCode};
use serde_json::json;
use utoipa::PartialSchema as _;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::changes::{self, Changed, ChangesPage, DeletedBy, What};
use crate::list::answer::{Entry, Page};
use crate::list::format::COLUMNS;
use crate::list::query::USUAL;

/// The part of the interface that the calls of this function belong to.
const TAG: &str = "Applications";

/// The path of the calls about one application.
const PATH: &str = "/policies/cee/{uuid}";

/// The calls of this function.
#[must_use]
pub fn operations() -> Vec<Operation> {
    vec![list(), changes(), find(), delete()]
}

/// A cursor, in a page and in the query.
const CURSOR: &str = "AAABjkFxnUAcnYseXFNOKp0LD00fHSo7MTIzNDU2Nzg5MDEyMzQ1Ng";

pub(crate) fn cursor() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(
            "Where the list continues. Not to be read, only to be sent back, by the same operator and with the same other \
             parameters, except `limit`. It does not expire.",
        ))
        .pattern(Some(format!("^[A-Za-z0-9_-]{{{}}}$", ListPlace::CURSOR_LENGTH)))
        .examples([CURSOR])
        .build()
}

/// A cursor of changes, in a page and in the query.
const CHANGES_CURSOR: &str = "AgAAAAAAAAAHAAABj6StuoAcnYseXFNOKp0LD00fHSo7MTIzNDU2Nzg5MDEyMzQ1Ng";

pub(crate) fn changes_cursor() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .description(Some(format!(
            "The place after a change. Not to be read, only to be sent back, by the same operator. It is good for {CHANGES_KEPT_DAYS} days \
             after the next change of the operator, and as long as there is none."
        )))
        .pattern(Some(format!("^[A-Za-z0-9_-]{{{}}}$", ChangesPlace::CURSOR_LENGTH)))
        .examples([CHANGES_CURSOR])
        .build()
}

/// A bound of the period. Without an example, which tools send as it stands: two equal bounds are refused.
fn bound(description: &str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).build()
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
    let limit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MOST_ON_A_PAGE))
        .default(Some(json!(USUAL)))
        .description(Some("How many applications a page shows at most."))
        .build();
    let page = Page {
        applications: vec![Entry::sample(JourneyType::Short), Entry::sample(JourneyType::Long)],
        next_cursor: Some(CURSOR.to_owned()),
    };
    let sample = Entry::sample(JourneyType::Long);
    let csv = format!(
        "{}\n{},long,{},{},,,,{},{}\n",
        COLUMNS.join(","),
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
             are in no particular order, which never changes. Where there are more, `next_cursor` and the header `Link` lead to the next \
             page. The page that has neither is the last one. Any page before it may show fewer applications than `limit`, or none. With \
             `Accept: text/csv` a page is CSV, with a header line.\n\n\
             **What is promised**, even if applications are registered or deleted between two pages: no application is on two pages, and an \
             application that the list already showed when the first page was read, and that is not deleted before the last, is on \
             exactly one. An application that is registered or deleted between the first page and the last may be shown or not. The list \
             follows a registration, a delete and a new `status` with a delay: usually less than a second, but DynamoDB gives no bound. \
             `GET /policies/cee/{uuid}` has no delay.",
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
        .query_parameter("limit", limit)
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
            "A header line, and a line for each application: the members of the JSON, empty where it has none. RFC 4180, in UTF-8, with \
             LF at the end of each line.",
            vec![Sample::new("one", "A long application", json!(csv))],
        )
        .answer_header(
            StatusCode::OK,
            "Link",
            "The next page, where there is one (RFC 8288): a query for the same path.",
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
    let limit = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MOST_CHANGES))
        .default(Some(json!(changes::USUAL)))
        .description(Some("How many changes a page holds at most."))
        .build();
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
                "What happened to the caller's own applications (demandes CEE) after they were registered, the earliest change first: a new \
                 `status` of a journey (fraud that was found later, a journey that was canceled), and a delete, by the caller or by the \
                 registry's team. A job that calls this every night needs no call for each application.\n\n\
                 Call it without `since` the first time, and with the last `next_cursor` from then on: at once while `more` is true. The same \
                 call again returns the same changes, and later ones. So store `next_cursor` *after* the changes of its page: a job that \
                 dies in between reads some changes twice, and misses none.\n\n\
                 **What is promised**: a change is in the feed from the moment on at which `GET /policies/cee/{{uuid}}` shows it, and never \
                 without it. The changes of an operator have one order, which never changes, and a page never leaves out a change that \
                 comes before one of its own. The last change of an application says how it is now. An application without a change is as \
                 its registration answered.\n\n\
                 A change is kept for {CHANGES_KEPT_DAYS} days after the operator's next change. A cursor older than that is a 410 \
                 `cursor_expired`: list the applications, then read the changes without `since`."
            ),
        )
        .query_parameter("since", changes_cursor())
        .query_parameter("limit", limit)
        .refused(&[ProblemType::InvalidQuery, ProblemType::CursorExpired])
        .scope(Scope::Register)
        .answer::<ChangesPage>(
            StatusCode::OK,
            "A page of changes.",
            vec![
                Sample::new("two", "A fraud was found, and the registry's team erased a driver", json!(page)),
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
                    "A short one, with its journey",
                    json!(OwnApplication::sample(JourneyType::Short)),
                ),
                Sample::new("long", "A long one", json!(OwnApplication::sample(JourneyType::Long))),
            ],
        )
        .link("delete", "deleteApplication", ("uuid", "$response.body#/uuid"), "Take it back.")
}

fn delete() -> Operation {
    call(Method::DELETE, "deleteApplication")
        .about(
            TAG,
            "Delete an application",
            "Takes back one of the caller's own applications: its driver and its journey are free again, and whatever earlier \
             application stood behind it counts again. The registry keeps a record in an archive that no call reads.",
        )
        .done("It is deleted.")
        .link("get", "getApplication", ("uuid", "$request.path.uuid"), "It is known no more.")
}
