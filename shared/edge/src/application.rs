//! What an answer tells an operator about its own application.

use cee_eligibility::{ApplicationId, Blocker, OperatorId};
use cee_registry::{Application, Applications};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::problem::Refusal;

/// An operator's own application, as it is told: the same words in a 201 and in a 409. Holds personal data (the token).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OwnApplication {
    /// Its name.
    pub uuid: String,
    /// `short` or `long`.
    pub journey_type: &'static str,
    /// The journey's end (short) or the day the costs were shared (long), in UTC with milliseconds.
    pub datetime: String,
    /// The registry's number for the journey, of a short one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub journey_id: Option<u64>,
    /// What the registry's checks make of the journey, of a short one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'static str>,
    /// The proof token, exactly as it was first handed out.
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
    /// The members that a 409 about it has beside date and reason.
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

/// The refusal that names an earlier application: to its own operator all of it, which takes one more read; to any other
/// its date and reason.
pub async fn in_the_way(blocker: &Blocker, caller: OperatorId, applications: &Applications) -> Refusal {
    let own = match blocker.uuid.filter(|_| blocker.operator == caller) {
        Some(uuid) => match own(uuid, caller, applications).await {
            Ok(own) => own,
            Err(refusal) => return refusal,
        },
        None => None,
    };
    Refusal::Blocked { reason: blocker.reason, datetime: blocker.datetime, own }
}

/// The caller's own application of this name, as it is told; `None` where the caller has none.
///
/// # Errors
/// A failure of the store.
pub async fn own(
    uuid: ApplicationId,
    caller: OperatorId,
    applications: &Applications,
) -> Result<Option<Box<OwnApplication>>, Refusal> {
    let found = applications.find(uuid).await?.filter(|application| application.operator == caller);
    Ok(found.map(|application| Box::new(OwnApplication::from(&application))))
}
