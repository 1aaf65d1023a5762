//! Erases a driver.
//!
//! An erasure removes all data that identifies the driver, and leaves the data that the scheme's controls need: that an application was
//! granted, to which operator, for which date, and its claims, whose keys are hashes under a secret. So the driver stays blocked, but no
//! stored data identifies the driver.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::Client;
use cee_eligibility::{ApplicationId, Instant};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{PK, date};
use crate::dynamo::read::each;
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{TOO_LARGE, Transacted, transact};
use crate::records::application::Application;
use crate::records::archive::{DELETED_AT_OF_ERASED, trace};
use crate::records::change::{Change, ChangeKind, DeletedBy};
use crate::records::idempotency::response;
use crate::stores::applications::Applications;
use crate::stores::archive::Archive;
use crate::stores::changes::Changes;
use crate::stores::idempotency::IdempotencyRecords;
use crate::stores::journeys::{Journeys, OwnJourney};
use crate::team::drivers::{Archived, DriverData};

/// The result of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erased {
    /// The applications of which only a trace is left.
    pub applications: Vec<ApplicationId>,
    /// The number of idempotency records that were removed.
    pub answers: usize,
    /// The number of journeys whose driver was erased.
    pub journeys: usize,
    /// Applications that were deleted or erased by another call at the same time. Another erasure finds them in the archive.
    pub missed: Vec<ApplicationId>,
}

/// Erases drivers. The claims stay.
#[derive(Clone, Debug)]
pub struct DriverEraser {
    db: Client,
    applications: Applications,
    archive: Archive,
    changes: Changes,
    journeys: Journeys,
    idempotency: IdempotencyRecords,
}

impl DriverEraser {
    /// An eraser in these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self {
            applications: Applications::new(db.clone(), tables),
            archive: Archive::new(db.clone(), tables),
            changes: Changes::new(db.clone(), tables),
            journeys: Journeys::new(db.clone(), tables),
            idempotency: IdempotencyRecords::new(db.clone(), tables),
            db,
        }
    }

    /// Erases applications, live and deleted. A trace of each stays in the archive, with the reason. The driver is also erased from their
    /// journeys and from other journeys with the identity key, and their idempotency records are removed. The call may be repeated.
    ///
    /// An erased application leads to nothing any more. So what only an application leads to is erased before it: a call that stops in
    /// between leaves the application, and another erasure finds it and the rest.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time; what was erased before the error stays erased.
    pub async fn erase(
        &self,
        data: &DriverData,
        reason: &str,
        now: Instant,
        deadline: Deadline,
    ) -> Result<Erased, StoreError> {
        let archived = data.archived.iter().map(|archived| &archived.application);
        let all: BTreeSet<ApplicationId> =
            data.applications.iter().chain(archived.clone()).map(|application| application.uuid).collect();
        let answers = self.remove_answers(&all).await?;
        // Journeys with the identity key are this driver's. The journey of a deleted application is free. If another application uses it
        // now, it belongs to that application. The journey of an erased application has a driver if a later trip export brought it again.
        let own = archived.filter_map(|application| Some((application.journey_key()?, None)));
        let with_key = data.journeys.iter().map(|journey| (journey.key.clone(), journey.used_by));
        let mut journeys = 0;
        for (key, used_by) in own.chain(with_key).collect::<BTreeMap<_, _>>() {
            let is_live = match used_by {
                Some(uuid) => self.applications.find(uuid).await?.is_some(),
                None => false,
            };
            journeys += usize::from(!is_live && self.journeys.erase_driver(key, used_by).await?);
        }
        let mut erased = Erased { applications: Vec::new(), answers, journeys, missed: Vec::new() };
        for application in &data.applications {
            let done = self.erase_application(application, reason, now, deadline).await?;
            let list = if done { &mut erased.applications } else { &mut erased.missed };
            list.push(application.uuid);
        }
        for Archived { application, deleted_at } in &data.archived {
            let mut trace = trace(application, reason, now);
            trace.insert(DELETED_AT_OF_ERASED.to_owned(), date(*deleted_at));
            self.archive.replace(trace).await?;
            erased.applications.push(application.uuid);
        }
        Ok(erased)
    }

    /// Removes the idempotency records of these applications, and returns their number. No later call adds one: an application is
    /// registered once.
    async fn remove_answers(&self, applications: &BTreeSet<ApplicationId>) -> Result<usize, StoreError> {
        let mut answers = Vec::new();
        each(self.idempotency.table.scan(), |item| {
            let answer = response(&item);
            let is_about = |uuid: &ApplicationId| answer.is_some_and(|answer| answer.contains(&uuid.to_string()));
            if applications.iter().any(is_about) {
                answers.extend(item.get(PK).cloned());
            }
            Ok(())
        })
        .await?;
        let removed = answers.len();
        for pk in answers {
            self.idempotency.remove(pk).await?;
        }
        Ok(removed)
    }

    /// Removes the application from its table, puts its trace into the archive, tells its operator in the feed of changes, and erases the
    /// driver from its journey. The claims stay.
    /// `false` if the application is no longer in its table.
    async fn erase_application(
        &self,
        application: &Application,
        reason: &str,
        now: Instant,
        deadline: Deadline,
    ) -> Result<bool, StoreError> {
        let mut backoff = Backoff::until(deadline);
        let mut application = application.clone();
        loop {
            let mut items =
                vec![self.applications.take_out(&application)?, self.archive.add(trace(&application, reason, now))?];
            let change = Change::of(&application, ChangeKind::Deleted(DeletedBy::Registry), now);
            items.extend(backoff.or_unknown(self.changes.add(application.operator, change, deadline).await)?);
            items.extend(self.journeys.change_own(&application, OwnJourney::Erase)?);
            match transact(&self.db, items).await? {
                Transacted::Done => return Ok(true),
                Transacted::Unknown(error) => backoff.note(error),
                Transacted::NoRoom => return Err(TOO_LARGE),
                Transacted::Lost(_) => {}
            }
            match self.applications.find(application.uuid).await? {
                Some(now) => application = now,
                // A try whose response was lost erased it. Or another call deleted it: then it is in the archive, where the next erasure
                // finds it.
                None => return Ok(backoff.unknown_outcome().is_some()),
            }
            backoff.pause().await?;
        }
    }
}
