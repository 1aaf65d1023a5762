//! Looks up the application that a response is about.

use cee_eligibility::{ApplicationId, Blocker, OperatorId};
use cee_registry::Applications;

use crate::answer::OwnApplication;
use crate::problem::Refusal;

/// The refusal that names an earlier application: its own operator gets the whole application, which takes one more read; any other
/// operator gets its date and reason.
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

/// The caller's own application with this UUID, as the response shows it; `None` if the caller has no such application.
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
