//! `GET /v3/policies/cee/changes`: what changed about the operator's own applications since a cursor, the earliest change first. A page is
//! one request to DynamoDB (docs/adr/0053).

use cee_edge::openapi::Utc;
use cee_edge::problem::BrokenRule;
use cee_edge::{Query, Refusal};
use cee_eligibility::{ApplicationId, JourneyStatus, JourneyType};
use cee_registry::{Change, ChangeKind, ChangesPlace, MOST_CHANGES};
use serde::Serialize;
use utoipa::ToSchema;

/// The number of changes on a page if the call does not say.
pub(crate) const USUAL: usize = 100;

/// The parameters of the call.
const PARAMETERS: &[&str] = &["since", "limit"];

/// A page of changes, as a call requests it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WantedChanges {
    /// The place at which the page begins.
    pub since: ChangesPlace,
    /// The largest number of changes on the page.
    pub most: usize,
}

impl WantedChanges {
    /// Reads the query of a call. `place` reads a cursor of the caller's changes.
    ///
    /// # Errors
    /// [`Refusal::InvalidQuery`] with every fault.
    pub fn read(mut query: Query, place: impl FnOnce(&str) -> Option<ChangesPlace>) -> Result<Self, Refusal> {
        let since = query.optional("since", |text| place(text).ok_or(BrokenRule::Cursor));
        let most = query.limit(MOST_CHANGES);
        let read = since
            .zip(most)
            .map(|(since, most)| Self { since: since.unwrap_or(ChangesPlace::BEGINNING), most: most.unwrap_or(USUAL) });
        query.finish(PARAMETERS, read)
    }
}

/// What happened to an application.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChangeKind)]
pub enum What {
    /// The journey's status changed: `status`, from `previous_status`.
    Status,
    /// The application was deleted; `deleted_by` says by whom.
    Deleted,
}

/// The actor that deleted an application.
#[derive(Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeletedBy {
    /// The operator itself.
    Operator,
    /// The registry's team, which erased the driver: the driver stays blocked.
    Registry,
}

/// A change of one of the caller's own applications. It holds no data of the driver, and none of another operator.
#[derive(Serialize, ToSchema)]
#[schema(as = Change)]
pub struct Changed {
    /// The application's UUID.
    #[schema(value_type = ApplicationId)]
    pub(crate) uuid: String,
    /// `short` or `long`.
    #[schema(value_type = JourneyType)]
    pub(crate) journey_type: &'static str,
    /// What happened. Further words may be added: skip a change with an unknown word.
    pub(crate) change: What,
    /// When it happened, in UTC with milliseconds. A change never has an earlier date than the change before it.
    #[schema(value_type = Utc)]
    pub(crate) changed_at: String,
    /// The journey's new status, if the status changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<JourneyStatus>, nullable = false)]
    pub(crate) status: Option<&'static str>,
    /// The journey's previous status, if the status changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<JourneyStatus>, nullable = false)]
    pub(crate) previous_status: Option<&'static str>,
    /// The actor that deleted the application, if it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) deleted_by: Option<DeletedBy>,
}

/// A page of the changes of the caller's own applications.
#[derive(Serialize, ToSchema)]
#[schema(as = Changes)]
pub struct ChangesPage {
    /// The changes, the earliest first.
    pub(crate) changes: Vec<Changed>,
    /// The parameter `since` of the next call, even if the page is empty. Store it after you have stored every change of this page.
    #[schema(schema_with = crate::schema::changes_cursor)]
    pub(crate) next_cursor: String,
    /// Whether to call again at once. The next page, and any page before the last, may still be empty.
    pub(crate) more: bool,
}

impl From<Change> for Changed {
    fn from(Change { uuid, journey_type, at, kind }: Change) -> Self {
        let (change, statuses, deleted_by) = match kind {
            ChangeKind::Status { from, to } => (What::Status, Some((from.as_str(), to.as_str())), None),
            ChangeKind::Deleted(cee_registry::DeletedBy::Operator) => (What::Deleted, None, Some(DeletedBy::Operator)),
            ChangeKind::Deleted(cee_registry::DeletedBy::Registry) => (What::Deleted, None, Some(DeletedBy::Registry)),
        };
        Self {
            uuid: uuid.to_string(),
            journey_type: journey_type.as_str(),
            change,
            changed_at: at.to_string(),
            status: statuses.map(|(_, to)| to),
            previous_status: statuses.map(|(from, _)| from),
            deleted_by,
        }
    }
}
