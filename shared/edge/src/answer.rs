//! What a response says about an operator's own application: the body of a 201, and the members of a 409.

use cee_eligibility::openapi::UtcInstant;
use cee_eligibility::{ApplicationId, JourneyStatus, JourneyType};
use cee_registry::Application;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// An operator's own application, with the same members in a 201, a `GET` and a 409. Holds personal data (the token).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Application)]
pub struct OwnApplication {
    /// The application's UUID.
    #[schema(value_type = ApplicationId)]
    pub uuid: String,
    /// `short` or `long`.
    #[schema(value_type = JourneyType)]
    pub journey_type: &'static str,
    /// The journey's end (short) or the day the costs were shared (long), in UTC with milliseconds.
    #[schema(value_type = UtcInstant)]
    pub datetime: String,
    /// The registry's number of the journey; only of a short application.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, examples(1001))]
    pub journey_id: Option<u64>,
    /// The result of the registry's checks of the journey; only of a short application.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<JourneyStatus>, nullable = false)]
    pub status: Option<&'static str>,
    /// The proof token, byte for byte as in the first response.
    pub token: String,
}

impl From<&Application> for OwnApplication {
    fn from(application: &Application) -> Self {
        let journey = application.journey.as_ref();
        Self {
            uuid: application.uuid.to_string(),
            journey_type: application.journey_type.as_str(),
            datetime: application.datetime.to_string(),
            journey_id: journey.map(|journey| journey.journey_id),
            status: journey.map(|journey| journey.status.as_str()),
            token: application.token.clone(),
        }
    }
}

impl OwnApplication {
    /// The members of a 409 about the application, beside date and reason.
    pub(crate) fn members(&self) -> Map<String, Value> {
        let Ok(Value::Object(mut members)) = serde_json::to_value(self) else { return Map::new() };
        members.remove("datetime");
        members.remove("journey_type");
        // `status` is the problem's HTTP status: RFC 9457 has that name first.
        if let Some(status) = members.remove("status") {
            members.insert("journey_status".to_owned(), status);
        }
        members
    }
}
