//! Deleting an application: its driver is free again, whatever earlier application stood behind it counts again, and the
//! record is kept in the archive.
//!
//! It is **one** transaction: the record leaves each claim item, the journey is free, the application leaves its table and
//! enters the archive. Its name stays taken, or a registration's late first request could bring it back. Each claim item is
//! written on the condition that it is still what was read ([`crate::rewrite`]), so a registration, an import or another delete
//! at the same moment comes before or after, never in between.

use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use cee_eligibility::{ApplicationId, Instant, OperatorId};

use crate::StoreError;
use crate::applications::{Application, NameTaken, condition_as_read, get_application};
use crate::claim_item::{Item, application_attribute, date};
use crate::claims::Claims;
use crate::error::{Backoff, Deadline};
use crate::journeys::{OwnJourney, change_own_journey};
use crate::rewrite::{Rewrite, TOO_LARGE, Transacted, is_fine, is_lost, transact};

/// How often an application that lacks a claim is looked at again. One that lacks it for good, which only an audit explains, can
/// be deleted all the same.
const LOOKS: u32 = 3;

/// What an archived application has beside its own attributes.
pub(crate) const DELETED_AT: &str = "deleted_at";

/// How a delete ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deleted {
    /// The application is in the archive, and its driver is free of it.
    Done,
    /// This operator has no such application, or has it no more.
    Unknown,
}

impl Claims {
    /// Deletes an operator's own application: three requests, where no other write collides.
    ///
    /// # Errors
    /// [`StoreError::Busy`] where other writes kept colliding until the deadline: nothing was written.
    /// [`StoreError::Request`] where the store does not answer: it may have been deleted, and the same call may be repeated.
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
            let found = get_application(&self.db, &self.tables.applications, uuid).await?;
            let Some(application) = found.filter(|application| application.operator == operator) else {
                // Gone since a try whose answer was lost: by that try, or by another delete of the same operator's.
                return Ok(if backoff.heard().is_some() { Deleted::Done } else { Deleted::Unknown });
            };
            let (mut items, whole) = backoff.told(self.without(&application, deadline).await)?;
            if !whole && looks > 0 {
                // The application came or went while its items were read: it is looked for anew.
                looks -= 1;
                backoff.pause().await?;
                continue;
            }
            let record = items.len();
            let mut archived = application.to_item()?;
            archived.insert(DELETED_AT.to_owned(), date(now));
            items.extend(self.to_archive(&application, archived)?);
            let journey = items.len();
            items.extend(change_own_journey(&self.tables.journeys, &application, OwnJourney::Free)?);
            match transact(&self.db, items).await? {
                Transacted::Done => return Ok(Deleted::Done),
                Transacted::Unknown(heard) => backoff.note(heard),
                // As long as the application is there, its journey is its own.
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

    /// The driver's claim items without the application's records, and whether each of them had one.
    async fn without(
        &self,
        application: &Application,
        deadline: Deadline,
    ) -> Result<(Vec<TransactWriteItem>, bool), StoreError> {
        let claims = self.keys.claims(application.journey_type, &application.identity);
        let record = application_attribute(application.uuid);
        let mut changes = Vec::with_capacity(claims.len() + 3);
        for item in self.items(claims.iter().map(|claim| claim.key.as_str()), deadline).await? {
            let mut rewrite = Rewrite::of(&item)?;
            rewrite.remove(&record);
            if !rewrite.is_empty() {
                changes.push(rewrite.change()?.in_transaction(&self.tables.claims)?);
            }
        }
        let whole = changes.len() == claims.len();
        Ok((changes, whole))
    }

    /// The application out of its table, all but its name, provided that it is what was read, and what is kept of it into the
    /// archive.
    pub(crate) fn to_archive(
        &self,
        application: &Application,
        archived: Item,
    ) -> Result<[TransactWriteItem; 2], StoreError> {
        let corrupt = |_| StoreError::Corrupt { table: "applications", what: "a move" };
        let (condition, values) = condition_as_read(application);
        let gone = Put::builder()
            .table_name(&self.tables.applications)
            .set_item(Some(NameTaken::Archived.item(application.uuid)))
            .condition_expression(condition)
            .expression_attribute_names("#uuid", "uuid")
            .set_expression_attribute_values(values)
            .build()
            .map_err(corrupt)?;
        let kept = Put::builder().table_name(&self.tables.archive).set_item(Some(archived)).build().map_err(corrupt)?;
        Ok([gone, kept].map(|put| TransactWriteItem::builder().put(put).build()))
    }
}
