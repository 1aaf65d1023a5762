//! Deletes an application. It no longer blocks its driver, earlier applications count again, and the application moves to the archive.
//!
//! A delete is **one** transaction: it removes the record from each claim item, frees the journey, moves the application from its
//! table to the archive, and adds the change to the feed of its operator. A marker keeps the UUID taken, or a late first request of the registration could write the application again.
//! The write on each claim item has the condition that the item has not changed since it was read ([`crate::records::rewrite`]). So a
//! registration, an import or another delete comes before or after, never in between.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::TransactWriteItem;
use cee_eligibility::{ApplicationId, Instant, OperatorId};

use crate::dynamo::error::StoreError;
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{TOO_LARGE, Transacted, is_fine, is_lost, transact};
use crate::records::application::Application;
use crate::records::archive::deleted;
use crate::records::change::{Change, ChangeKind, DeletedBy};
use crate::records::claim_item::application_attribute;
use crate::records::claim_keys::ClaimKeys;
use crate::records::rewrite::Rewrite;
use crate::stores::applications::Applications;
use crate::stores::archive::Archive;
use crate::stores::changes::Changes;
use crate::stores::claims::ClaimTable;
use crate::stores::journeys::{Journeys, OwnJourney};

/// How often an application that lacks a claim is read again. If it still lacks the claim, which only an audit explains, it is deleted
/// nevertheless.
const LOOKS: u32 = 3;

/// The result of a delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The application is in the archive and no longer blocks its driver.
    Done,
    /// This operator has no such application, or no longer.
    Unknown,
}

/// Deletes applications.
#[derive(Clone, Debug)]
pub struct Deleter {
    db: Client,
    keys: ClaimKeys,
    claims: ClaimTable,
    applications: Applications,
    archive: Archive,
    changes: Changes,
    journeys: Journeys,
}

impl Deleter {
    /// A deleter in these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        Self {
            keys,
            claims: ClaimTable::new(db.clone(), tables),
            applications: Applications::new(db.clone(), tables),
            archive: Archive::new(db.clone(), tables),
            changes: Changes::new(db.clone(), tables),
            journeys: Journeys::new(db.clone(), tables),
            db,
        }
    }

    /// Deletes an operator's own application. Four requests if no other write collides.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if other writes collided until the deadline: nothing was written.
    /// [`StoreError::Request`] if the store does not answer: the application may have been deleted, and the call may be repeated.
    pub async fn delete(
        &self,
        operator: OperatorId,
        uuid: ApplicationId,
        now: Instant,
        deadline: Deadline,
    ) -> Result<Deleted, StoreError> {
        let mut backoff = Backoff::until(deadline);
        let mut looks = LOOKS;
        loop {
            let found = self.applications.find(uuid).await?;
            let Some(application) = found.filter(|application| application.operator == operator) else {
                // It disappeared after a try whose response was lost: that try deleted it, or another delete of the same operator.
                return Ok(if backoff.unknown_outcome().is_some() { Deleted::Done } else { Deleted::Unknown });
            };
            let (mut items, whole) = backoff.or_unknown(self.without(&application, deadline).await)?;
            if !whole && looks > 0 {
                // The application was registered or deleted while its items were read: read everything again.
                looks -= 1;
                backoff.pause().await?;
                continue;
            }
            let record = items.len();
            items.push(self.applications.take_out(&application)?);
            items.push(self.archive.add(deleted(&application, now)?)?);
            let change = Change::of(&application, ChangeKind::Deleted(DeletedBy::Operator), now);
            items.extend(backoff.or_unknown(self.changes.add(operator, change, deadline).await)?);
            let journey = items.len();
            items.extend(self.journeys.change_own(&application, OwnJourney::Free)?);
            match transact(&self.db, items).await? {
                Transacted::Done => return Ok(Deleted::Done),
                Transacted::Unknown(error) => backoff.note(error),
                // As long as the application exists, it uses its journey.
                Transacted::Lost(reasons) if is_lost(&reasons, journey) && is_fine(&reasons, record) => {
                    return Err(StoreError::Corrupt {
                        table: "journeys",
                        what: "a journey of an application without it",
                    });
                }
                Transacted::NoRoom => return Err(TOO_LARGE),
                Transacted::Lost(_) => {}
            }
            backoff.pause().await?;
        }
    }

    /// The changes that remove the application's records from its claim items, and whether each claim item had a record.
    async fn without(
        &self,
        application: &Application,
        deadline: Deadline,
    ) -> Result<(Vec<TransactWriteItem>, bool), StoreError> {
        let claims = self.keys.claims(application.journey_type, &application.identity);
        let record = application_attribute(application.uuid);
        let mut changes = Vec::with_capacity(claims.len() + 3);
        for item in self.claims.items_of(&claims, deadline).await? {
            let mut rewrite = Rewrite::of(&item)?;
            rewrite.remove(&record);
            if !rewrite.is_empty() {
                changes.push(self.claims.rewrite_in_transaction(rewrite)?);
            }
        }
        let whole = changes.len() == claims.len();
        Ok((changes, whole))
    }
}
