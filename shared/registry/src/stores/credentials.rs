//! The table of credentials: how it counts wrong and right guesses at a secret.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{Instant, OperatorId};

use crate::dynamo::error::{StoreError, met};
use crate::dynamo::item::{date, number};
use crate::dynamo::read::each;
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;
use crate::dynamo::update::{Updated, updated};
use crate::records::credential::{AccessKey, Credential, Failures, corrupt};

/// The result of a right guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Success {
    /// It counts.
    Counted,
    /// Wrong guesses came before it, so it does not count. Guesses are rejected for this long.
    Locked(Duration),
    /// The credential was removed while the secret was hashed.
    Retired,
}

/// The table of credentials.
#[derive(Clone, Debug)]
pub struct Credentials {
    table: Table,
}

impl Credentials {
    /// The credentials in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.credentials, "access_key") }
    }

    fn key(access_key: &AccessKey) -> AttributeValue {
        AttributeValue::S(access_key.as_str().to_owned())
    }

    /// The credential with this access key.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn find(&self, access_key: &AccessKey) -> Result<Option<Credential>, StoreError> {
        self.table.get(Self::key(access_key)).await?.map(Credential::from_item).transpose()
    }

    /// All credentials, sorted by operator and age. For the registry's team. It reads the whole table, a few dozen items.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn list(&self) -> Result<Vec<Credential>, StoreError> {
        let mut found = Vec::new();
        each(self.table.scan(), |item| {
            found.push(Credential::from_item(item)?);
            Ok(())
        })
        .await?;
        found.sort_by(|one, other| {
            (one.operator, one.created_at, &one.access_key).cmp(&(other.operator, other.created_at, &other.access_key))
        });
        Ok(found)
    }

    /// Adds a credential and returns whether it did. If the access key exists, its credential does not change.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn add(&self, credential: &Credential) -> Result<bool, StoreError> {
        let put = self.table.put(credential.to_item()?);
        met("PutItem", put.condition_expression("attribute_not_exists(access_key)").send().await)
    }

    /// Removes an operator's credential. Returns whether this operator had a credential with this access key.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn retire(&self, operator: OperatorId, access_key: &AccessKey) -> Result<bool, StoreError> {
        let delete = self
            .table
            .delete(Self::key(access_key))
            .condition_expression("operator_id = :operator")
            .expression_attribute_values(":operator", number(operator.get().into()));
        met("DeleteItem", delete.send().await)
    }

    /// Counts a wrong guess at this moment of the machine's clock, and returns how many wrong guesses there were in a row; `None` if
    /// there is no such credential. It is called for an unknown access key as well, so that the response time does not reveal whether the
    /// key exists.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn failed(&self, access_key: &AccessKey, now: Instant) -> Result<Option<Failures>, StoreError> {
        // An `ADD` counts simultaneous guesses correctly. Its condition is that the credential exists, because a guess must not create an
        // item.
        let update = self
            .table
            .update(Self::key(access_key))
            .update_expression("SET failed_at = :now ADD failures :one")
            .condition_expression("attribute_exists(access_key)")
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(":one", number(1))
            .return_values(ReturnValue::AllNew);
        let Updated::Done(item) = updated(update).await? else { return Ok(None) };
        Credential::from_item(item.ok_or(corrupt("no attributes"))?).map(|credential| Some(credential.failures))
    }

    /// Counts a right guess at a credential as it was read, and sets its failures in a row to 0. The guess does not count if the
    /// credential has been locked since by wrong guesses. `now` is the date of its use. Locks end by the machine's clock.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn succeeded(
        &self,
        credential: &Credential,
        now: Instant,
        machine_now: Instant,
    ) -> Result<Success, StoreError> {
        let Credential { access_key, failures: seen, .. } = credential;
        let update = self
            .table
            .update(Self::key(access_key))
            .update_expression("SET used_at = :now, failures = :none REMOVE failed_at")
            .condition_expression(
                "attribute_exists(access_key) AND (failures < :free OR (failures = :seen AND failed_at = :seen_at))",
            )
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(":none", number(0))
            .expression_attribute_values(":free", number(Failures::FREE.into()))
            .expression_attribute_values(":seen", number(seen.in_a_row.into()))
            .expression_attribute_values(":seen_at", number(seen.last_at.map_or(0, Instant::millis)))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Updated::Lost(item) = updated(update).await? else { return Ok(Success::Counted) };
        let Some(item) = item else { return Ok(Success::Retired) };
        let failures = Credential::from_item(item)?.failures;
        Ok(Success::Locked(failures.locked_for(machine_now).unwrap_or(Failures::FIRST_PAUSE)))
    }
}
