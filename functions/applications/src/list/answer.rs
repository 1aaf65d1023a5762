//! The content of a page of a list.

use cee_edge::openapi::Utc;
use cee_eligibility::{ApplicationId, JourneyStatus, JourneyType, OperatorJourneyId};
use cee_registry::ListedApplication;
use serde::Serialize;
use utoipa::ToSchema;

/// One of the caller's own applications, as a list shows it. Holds personal data.
#[derive(Serialize, ToSchema)]
#[schema(as = ListedApplication)]
pub struct Entry {
    /// The application's UUID.
    #[schema(value_type = ApplicationId)]
    pub uuid: String,
    /// `short` or `long`.
    #[schema(value_type = JourneyType)]
    pub journey_type: &'static str,
    /// The journey's end (short) or the day the costs were shared (long), in UTC with milliseconds.
    #[schema(value_type = Utc)]
    pub datetime: String,
    /// The date of the registration, in UTC with milliseconds.
    #[schema(value_type = Utc)]
    pub registered_at: String,
    /// The registry's number of the journey, of a short application.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples(1001))]
    pub journey_id: Option<u64>,
    /// The operator's ID of the journey, of a short application.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OperatorJourneyId>, nullable = false)]
    pub operator_journey_id: Option<String>,
    /// The result of the registry's checks of the journey, of a short application.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<JourneyStatus>, nullable = false)]
    pub status: Option<&'static str>,
    /// The driving licence, in the form in which it was registered and signed: capitals, also with accents, and digits.
    #[schema(examples("051227308989"))]
    pub driving_license: String,
    /// The proof token, exactly as the registration returned it.
    pub token: String,
}

/// A page of the caller's own applications.
#[derive(Serialize, ToSchema)]
#[schema(as = Applications)]
pub struct Page {
    /// The applications, those with the latest date first.
    pub applications: Vec<Entry>,
    /// The parameter `cursor` of the next page. Absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = crate::schema::cursor)]
    pub next_cursor: Option<String>,
}

impl From<ListedApplication> for Entry {
    fn from(application: ListedApplication) -> Self {
        let journey = application.journey;
        Self {
            uuid: application.uuid.to_string(),
            journey_type: application.journey_type.as_str(),
            datetime: application.datetime.to_string(),
            registered_at: application.registered_at.to_string(),
            journey_id: journey.as_ref().map(|journey| journey.journey_id),
            status: journey.as_ref().map(|journey| journey.status.as_str()),
            operator_journey_id: journey.map(|journey| journey.operator_journey_id.as_str().to_owned()),
            driving_license: application.driving_license.as_str().to_owned(),
            token: application.token,
        }
    }
}
