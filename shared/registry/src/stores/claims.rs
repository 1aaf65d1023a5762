//! The table of claims: reads of items, and the writes that add a record or rewrite an item. The conditions that state the eligibility
//! rule are in [`crate::protocol`], the attributes in [`crate::records::claim_item`].

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use cee_eligibility::{ApplicationId, Instant};

use crate::dynamo::error::{StoreError, is_transient, met};
use crate::dynamo::item::{Item, PK, text};
use crate::dynamo::retry::Deadline;
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;
use crate::records::application::Application;
use crate::records::claim_item::application_attribute;
use crate::records::claim_keys::{Claim, ClaimKeys, ClaimKind};
use crate::records::pepper;
use crate::records::rewrite::{Change, Rewrite, Written};

/// The result of one try to write.
pub(crate) enum Tried {
    /// The item was written, or it had changed since it was read. This is the item as it is now; `None` if there is none.
    Now(Option<Item>),
    Contention,
}

/// The table of claims.
#[derive(Clone, Debug)]
pub(crate) struct ClaimTable {
    pub(crate) table: Table,
}

impl ClaimTable {
    pub(crate) fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.claims, PK) }
    }

    /// The existing items of these claims. One request.
    pub(crate) async fn items_of(&self, claims: &[Claim], deadline: Deadline) -> Result<Vec<Item>, StoreError> {
        self.table.items(claims.iter().map(|claim| claim.key.as_str()), deadline).await
    }

    /// The next page after a key, and the key after which to continue, without the check value of the pepper. One request.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        most: i32,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let (mut items, next) = self.table.page(after, most, deadline).await?;
        items.retain(|item| !pepper::is_check(item));
        Ok((items, next))
    }

    /// The claims that these applications lack. One request for each hundred claims.
    pub(crate) async fn unclaimed(
        &self,
        applications: &[Application],
        keys: &ClaimKeys,
        deadline: Deadline,
    ) -> Result<Vec<(ApplicationId, ClaimKind)>, StoreError> {
        let claims_of = |application: &Application| {
            let claims = keys.claims(application.journey_type, &application.identity);
            claims.into_iter().map(|claim| (application.uuid, claim)).collect::<Vec<_>>()
        };
        self.without_record(&applications.iter().flat_map(claims_of).collect::<Vec<_>>(), deadline).await
    }

    /// Which of these claims, each of an application, are missing on their items. One request for each hundred items.
    pub(crate) async fn without_record(
        &self,
        claims: &[(ApplicationId, Claim)],
        deadline: Deadline,
    ) -> Result<Vec<(ApplicationId, ClaimKind)>, StoreError> {
        let keys: BTreeSet<&str> = claims.iter().map(|(_, claim)| claim.key.as_str()).collect();
        let items = self.table.items(keys, deadline).await?;
        let items: HashMap<&str, &Item> = items.iter().filter_map(|item| Some((text(item, PK)?, item))).collect();
        let is_missing = |(uuid, claim): &&(ApplicationId, Claim)| {
            let item = items.get(claim.key.as_str());
            item.is_none_or(|item| !item.contains_key(&application_attribute(*uuid)))
        };
        Ok(claims.iter().filter(is_missing).map(|(uuid, claim)| (*uuid, claim.kind)).collect())
    }

    /// A change of an item, for a transaction.
    pub(crate) fn rewrite_in_transaction(&self, rewrite: Rewrite) -> Result<TransactWriteItem, StoreError> {
        rewrite.change()?.in_transaction(self.table.name())
    }

    /// Writes a change of an item. One request.
    pub(crate) async fn rewrite(&self, rewrite: Rewrite) -> Result<Tried, StoreError> {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        match rewrite.change()? {
            Change::Delete(Written { pk, condition, names, values }) => {
                let delete = self.table.delete(pk);
                let delete = delete.condition_expression(condition).set_expression_attribute_names(names);
                let delete = delete.set_expression_attribute_values(values);
                match delete.return_values_on_condition_check_failure(all_old).send().await {
                    Ok(_) => Ok(Tried::Now(None)),
                    Err(error) => match error.as_service_error() {
                        Some(DeleteItemError::ConditionalCheckFailedException(lost)) => {
                            Ok(Tried::Now(lost.item.clone()))
                        }
                        _ if is_transient(&error) => Ok(Tried::Contention),
                        _ => Err(StoreError::request("DeleteItem", &error)),
                    },
                }
            }
            Change::Update { expression, written: Written { pk, condition, names, values } } => {
                let update = self.table.update(pk);
                let update = update.update_expression(expression).condition_expression(condition);
                let update = update.set_expression_attribute_names(names).set_expression_attribute_values(values);
                let update = update.return_values(ReturnValue::AllNew);
                match update.return_values_on_condition_check_failure(all_old).send().await {
                    Ok(answer) => Ok(Tried::Now(answer.attributes)),
                    Err(error) => match error.as_service_error() {
                        Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                            Ok(Tried::Now(lost.item.clone()))
                        }
                        _ if is_transient(&error) => Ok(Tried::Contention),
                        _ => Err(StoreError::request("UpdateItem", &error)),
                    },
                }
            }
        }
    }

    /// The item with the check value of the pepper.
    pub(crate) async fn check_value(&self, deadline: Deadline) -> Result<Option<Item>, StoreError> {
        Ok(self.table.items([pepper::KEY], deadline).await?.pop())
    }

    /// Writes the check value of the pepper unless there is one. Returns whether it was written.
    pub(crate) async fn note_check_value(&self, keys: &ClaimKeys, now: Instant) -> Result<bool, StoreError> {
        let put = self.table.put(pepper::item(keys, now));
        let put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK);
        met("PutItem", put.send().await)
    }
}
