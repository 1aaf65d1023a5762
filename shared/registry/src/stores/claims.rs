//! The table of claims.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use cee_eligibility::{ApplicationId, Instant};

use crate::dynamo::error::{StoreError, is_transient, met};
use crate::dynamo::item::{Item, PK, text};
use crate::dynamo::read::{batch_get, page};
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::application::Application;
use crate::records::claim_item::application_attribute;
use crate::records::claim_keys::{Claim, ClaimKeys, ClaimKind};
use crate::records::pepper;
use crate::records::rewrite::{Change, Rewrite, Written};

/// How one try to write ended.
pub(crate) enum Tried {
    /// It was written, or it was no longer what was read: here is what it is now, if it still is.
    Now(Option<Item>),
    Contention,
}

/// The table of claims.
#[derive(Clone, Debug)]
pub(crate) struct ClaimTable {
    db: Client,
    table: String,
}

impl ClaimTable {
    pub(crate) fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.claims.clone() }
    }

    /// The items of these keys, as far as there are any: one request.
    pub(crate) async fn items<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a str>,
        deadline: Deadline,
    ) -> Result<Vec<Item>, StoreError> {
        batch_get(&self.db, &self.table, PK, keys, deadline).await
    }

    /// The items that these claims are on, as far as there are any: one request.
    pub(crate) async fn items_of(&self, claims: &[Claim], deadline: Deadline) -> Result<Vec<Item>, StoreError> {
        self.items(claims.iter().map(|claim| claim.key.as_str()), deadline).await
    }

    /// Some items after a key, and the key after which more come: one request. The check value of the pepper is left out.
    pub(crate) async fn page(
        &self,
        after: Option<&str>,
        most: i32,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<String>), StoreError> {
        let (mut items, next) = page(&self.db, &self.table, PK, after, most, deadline).await?;
        items.retain(|item| !pepper::is_check(item));
        Ok((items, next))
    }

    /// On which of its keys an application has no claim: one request.
    pub(crate) async fn unclaimed(
        &self,
        application: &Application,
        keys: &ClaimKeys,
        deadline: Deadline,
    ) -> Result<Vec<ClaimKind>, StoreError> {
        let claims = keys.claims(application.journey_type, &application.identity);
        self.without_record(application.uuid, &claims, deadline).await
    }

    /// Which of these claims of an application are not on their items: one request.
    pub(crate) async fn without_record(
        &self,
        uuid: ApplicationId,
        claims: &[Claim],
        deadline: Deadline,
    ) -> Result<Vec<ClaimKind>, StoreError> {
        let record = application_attribute(uuid);
        let items = self.items_of(claims, deadline).await?;
        let claimed = |claim: &&Claim| {
            let is_its = |item: &&Item| text(item, PK) == Some(claim.key.as_str());
            items.iter().find(is_its).is_some_and(|item| item.contains_key(&record))
        };
        Ok(claims.iter().filter(|claim| !claimed(claim)).map(|claim| claim.kind).collect())
    }

    /// An update of the item with this key, as a part of a transaction.
    pub(crate) fn update_in_transaction(&self, key: &str) -> UpdateBuilder {
        Update::builder().table_name(&self.table).key(PK, AttributeValue::S(key.to_owned()))
    }

    /// An update of the item with this key.
    pub(crate) fn update(&self, key: &str) -> UpdateItemFluentBuilder {
        self.db.update_item().table_name(&self.table).key(PK, AttributeValue::S(key.to_owned()))
    }

    /// A change of an item, as a part of a transaction.
    pub(crate) fn rewrite_in_transaction(&self, rewrite: Rewrite) -> Result<TransactWriteItem, StoreError> {
        rewrite.change()?.in_transaction(&self.table)
    }

    /// Writes a change of an item: one request.
    pub(crate) async fn rewrite(&self, rewrite: Rewrite) -> Result<Tried, StoreError> {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        match rewrite.change()? {
            Change::Delete(Written { pk, condition, names, values }) => {
                let delete = self.db.delete_item().table_name(&self.table).key(PK, pk);
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
                let update = self.db.update_item().table_name(&self.table).key(PK, pk);
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
        Ok(self.items([pepper::KEY], deadline).await?.pop())
    }

    /// Writes the check value of the pepper, unless there is one, and says whether it did.
    pub(crate) async fn note_check_value(&self, keys: &ClaimKeys, now: Instant) -> Result<bool, StoreError> {
        let put = self.db.put_item().table_name(&self.table).set_item(Some(pepper::item(keys, now)));
        let put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK);
        met("PutItem", put.send().await)
    }
}
