//! Gives an application the new status of its journey, and tells its operator.
//!
//! A new status is **one** transaction: an update of the application, and the change in the feed of its operator
//! ([`crate::stores::changes`]). So a status changes if and only if the feed says so, and each change is in the feed once, even if a
//! journeys file is imported again after a crash.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use cee_eligibility::{ApplicationId, Instant, JourneyStatus, OperatorId};
use tokio::sync::Mutex;

use crate::dynamo::error::StoreError;
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{TOO_LARGE, Transacted, transact};
use crate::records::change::{Change, ChangeKind};
use crate::records::journey::JourneyVersion;
use crate::stores::applications::Applications;
use crate::stores::changes::Changes;

/// The number of operators whose changes one follower writes at the same time.
const TURNS: usize = 16;

/// Updates applications to their journeys' status.
#[derive(Clone, Debug)]
pub struct JourneyFollower {
    db: Client,
    applications: Applications,
    changes: Changes,
    /// The changes of an operator are numbered, so of two transactions at once one would fail. An import writes many rows at once: here
    /// the rows of one operator wait for each other.
    turns: Arc<[Mutex<()>; TURNS]>,
}

impl JourneyFollower {
    /// A follower in these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self {
            applications: Applications::new(db.clone(), tables),
            changes: Changes::new(db.clone(), tables),
            turns: Arc::default(),
            db,
        }
    }

    /// Updates an application to its journey's status, and returns whether the status changed. An older line never replaces a newer line's
    /// status, and a deleted application stays deleted. One request if the status stays the same, and three if it changes and no other
    /// write collides.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time; the call may be repeated.
    pub async fn follow(
        &self,
        uuid: ApplicationId,
        status: JourneyStatus,
        version: &JourneyVersion,
        now: Instant,
        deadline: Deadline,
    ) -> Result<bool, StoreError> {
        let mut backoff = Backoff::until(deadline);
        // The first look needs no turn: most statuses stay the same.
        let found = self.applications.keep_status(uuid, status, version, deadline).await?;
        let Some(mut application) = found else { return Ok(false) };
        let _turn = self.turn(application.operator).lock().await;
        loop {
            let Some(journey) = &application.journey else { return Ok(false) };
            let kind = ChangeKind::Status { from: journey.status, to: status };
            let change = Change::of(&application, kind, now);
            let mut items = vec![self.applications.follow(&application, status, version)?];
            items.extend(backoff.or_unknown(self.changes.add(application.operator, change, deadline).await)?);
            match transact(&self.db, items).await? {
                Transacted::Done => return Ok(true),
                Transacted::Unknown(error) => backoff.note(error),
                Transacted::NoRoom => return Err(TOO_LARGE),
                Transacted::Lost(_) => {}
            }
            backoff.pause().await?;
            match backoff.or_unknown(self.applications.keep_status(uuid, status, version, deadline).await)? {
                Some(read) => application = read,
                // A try whose response was lost wrote it. Or another line was faster, or the application was deleted.
                None => return Ok(backoff.unknown_outcome().is_some()),
            }
        }
    }

    fn turn(&self, operator: OperatorId) -> &Mutex<()> {
        let [first, ..] = &*self.turns;
        let turn = usize::try_from(operator.get()).unwrap_or(0) % TURNS;
        self.turns.get(turn).unwrap_or(first)
    }
}
