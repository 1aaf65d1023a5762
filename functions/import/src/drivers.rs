//! A list of drivers: the operator asks about each row what the call `simulate` answers about one driver. Nothing is reserved and
//! nothing is written to the claims; the answers are a list beside the report.
//!
//! The operator says that its file is a list in the call that creates the upload, or with `simulate-only` in the file's name. It is then
//! surveyed, read and resumed as a history file is. An operator may ask about a number of drivers in a day (ADR 55). The survey counts the
//! rows of the file, and they are taken from the day's number before the first of them is answered: a list that is too long is refused
//! whole and takes nothing.

use std::hash::Hash;
use std::sync::Arc;

use cee_eligibility::{Language, OperatorId};
use cee_history::catalogue::{self, TooManyDrivers};
use cee_history::{Answer, DriverRow, OwnApplication, name};
use cee_registry::{Asked, Deadline, Hold, Simulated};
use cee_service::clock::machine_now;
use cee_service::trap;

use crate::context::{Context, ImportError};
use crate::s3::event::{File, Owner};
use crate::workers::rows::{Destination, Outcome, Written};

/// Whether the file is a list of drivers.
pub(crate) fn is_list_of_drivers(file: &File, hold: &Hold) -> bool {
    matches!(file.owner, Owner::Operator(_)) && (hold.wishes().drivers || name::is_list_of_drivers(&file.key))
}

/// Counts the rows of a list for its operator's day. Why the list is refused, if the day has fewer drivers left.
pub(crate) async fn refusal(
    context: &Context,
    file: &File,
    rows: u64,
    (language, deadline): (Language, Deadline),
) -> Result<Option<String>, ImportError> {
    let (Owner::Operator(operator), Some(quota)) = (file.owner, &context.quota) else { return Ok(None) };
    if rows == 0 {
        return Ok(None);
    }
    let now = (context.clock.now(), machine_now());
    match quota.take((operator, file.id), rows, now, deadline).await? {
        Asked::Counted => Ok(None),
        Asked::TooMany { most, left } => {
            let operator_id = operator.get();
            tracing::warn!(import_id = %file.id, operator_id, rows, most, left, "a list asks about too many drivers");
            Ok(Some(catalogue::too_many_drivers(TooManyDrivers { rows, most, left }, language)))
        }
    }
}

/// The drivers of a list, each of whom is asked about.
#[derive(Clone)]
pub(crate) struct Questions {
    pub(crate) context: Arc<Context>,
    pub(crate) operator: OperatorId,
    pub(crate) language: Language,
    pub(crate) deadline: Deadline,
}

impl Destination for Questions {
    type Row = DriverRow;

    /// A proof token and the columns around it.
    const ANSWER: usize = 1024;

    fn about(row: &DriverRow) -> impl Hash + Send + Sync + use<> {
        (row.journey_type, row.identity.truncated.clone())
    }

    /// As the call `simulate` answers: the moment is the date, and one read says what blocks the driver. The operator's own application
    /// takes one more.
    async fn write(&self, _line: u64, row: DriverRow) -> Result<Written, ImportError> {
        trap::spring("row", || row.identity.truncated.last_name_trunc.as_str().to_owned());
        let Self { context, operator, language, deadline } = self;
        context.pepper.ensure(*deadline).await?;
        let cutoffs = context.rules.cutoffs(row.journey_type, context.clock.now());
        let asked = context.simulator.simulate(row.journey_type, &row.identity, &cutoffs, *operator, *deadline);
        let outcome = match asked.await? {
            Simulated::Eligible => Outcome::Answered(Answer::Eligible),
            Simulated::NoRoom(why) => Outcome::Rejected { column: None, reason: why.message(*language).into_owned() },
            Simulated::Blocked(blocker) => {
                let own = match blocker.uuid.filter(|_| blocker.operator == *operator) {
                    Some(uuid) => context.applications.find(uuid).await?,
                    None => None,
                };
                let own = own.filter(|application| application.operator == *operator).map(|application| {
                    let journey = application.journey.as_ref();
                    Box::new(OwnApplication {
                        uuid: application.uuid.to_string(),
                        journey_id: journey.map(|journey| journey.journey_id),
                        journey_status: journey.map(|journey| journey.status.as_str()),
                        token: application.token.clone(),
                    })
                });
                Outcome::Answered(Answer::Blocked { reason: blocker.reason, datetime: blocker.datetime, own })
            }
        };
        Ok(Written { outcome, throttled: false })
    }
}
