//! Which import replaces another one: at most one at a time.
//!
//! The item of the old import names the import whose file replaces it. The name is written on the condition that there is none, before the
//! first row of that file. It is good for as long as the import that it names has not ended: an import that ended has undone the old one, or
//! never will. So nothing has to be removed at its end, and a crash leaves nothing behind.
//!
//! An import whose event was given up never ends by itself. After [`GIVEN_UP_AFTER`](crate::GIVEN_UP_AFTER) the next file that comes for the
//! old import ends it ([`Imports::begin_given_up`]). From then on it is an import that has ended, also if its event is sent again.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{Instant, OperatorId};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{integer, text};
use crate::dynamo::update::{Updated, updated};
use crate::records::ids::ImportId;
use crate::records::import::{ImportState, REPLACED_BY, SEEN_AT, corrupt, given_up_before, key};
use crate::stores::imports::table::Imports;

/// The result of [`Imports::claim_replacement`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacement {
    /// This import replaces the old one, and no other does.
    Granted,
    /// This import, which has not ended, replaces the old one.
    By(ImportId),
    /// This import was to replace the old one, and was given up. The caller ends it, and claims again.
    GivenUp(ImportId),
    /// The old import is undone, or its undo has begun.
    Gone,
}

impl Imports {
    /// Notes that an import replaces an old one, which has ended, unless another import does. The call may be repeated. One request; two
    /// more if an import that was to replace it has ended without.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if the item is malformed.
    pub async fn claim_replacement(
        &self,
        operator: OperatorId,
        old: ImportId,
        new: ImportId,
        machine_now: Instant,
    ) -> Result<Replacement, StoreError> {
        let uuid = |id: ImportId| AttributeValue::S(id.to_string());
        let mut ended = new;
        loop {
            let update = self
                .update(Some(operator), old)
                .update_expression("SET replaced_by = :new")
                .condition_expression(
                    "#state IN (:completed, :failed) \
                     AND (attribute_not_exists(replaced_by) OR replaced_by = :new OR replaced_by = :ended)",
                )
                .expression_attribute_names("#state", "state")
                .expression_attribute_values(":completed", ImportState::Completed.attribute())
                .expression_attribute_values(":failed", ImportState::Failed.attribute())
                .expression_attribute_values(":new", uuid(new))
                .expression_attribute_values(":ended", uuid(ended))
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            let Updated::Lost(item) = updated(update).await? else { return Ok(Replacement::Granted) };
            let Some(item) = item else { return Ok(Replacement::Gone) };
            let by = text(&item, REPLACED_BY).and_then(ImportId::parse);
            let holder = self.not_ended(operator, by.filter(|by| *by != new), machine_now).await?;
            match (holder, ImportState::of(&item)?) {
                (Some((by, true)), ImportState::Completed | ImportState::Failed) => {
                    return Ok(Replacement::GivenUp(by));
                }
                (Some((by, _)), _) => return Ok(Replacement::By(by)),
                (None, ImportState::Completed | ImportState::Failed) => {
                    ended = text(&item, REPLACED_BY).and_then(ImportId::parse).ok_or(corrupt(REPLACED_BY))?;
                }
                (None, _) => return Ok(Replacement::Gone),
            }
        }
    }

    /// The import that replaces this one of the same operator, unless that has ended or was given up. One request if there is one.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if the item is malformed.
    pub async fn replacing(
        &self,
        operator: OperatorId,
        replaced_by: Option<ImportId>,
        machine_now: Instant,
    ) -> Result<Option<ImportId>, StoreError> {
        let holder = self.not_ended(operator, replaced_by, machine_now).await?;
        Ok(holder.filter(|(_, given_up)| !given_up).map(|(by, _)| by))
    }

    /// This import, unless it has ended, and whether it was given up.
    async fn not_ended(
        &self,
        operator: OperatorId,
        replaced_by: Option<ImportId>,
        machine_now: Instant,
    ) -> Result<Option<(ImportId, bool)>, StoreError> {
        let Some(by) = replaced_by else { return Ok(None) };
        let get =
            self.db.get_item().table_name(&self.table).set_key(Some(key(Some(operator), by))).consistent_read(true);
        let get = get.projection_expression("#state, seen_at").expression_attribute_names("#state", "state");
        let answer = get.send().await.map_err(|error| StoreError::request("GetItem", &error))?;
        let Some(item) = answer.item else { return Ok(None) };
        let is_old = || integer(&item, SEEN_AT).is_some_and(|seen| seen < given_up_before(machine_now));
        Ok(match ImportState::of(&item)? {
            ImportState::AwaitingUpload => Some((by, false)),
            ImportState::Running => Some((by, is_old())),
            ImportState::Completed | ImportState::Failed | ImportState::Undoing | ImportState::Undone => None,
        })
    }
}
