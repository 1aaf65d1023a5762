//! Operators: carpool platforms.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{OperatorId, Siret};
use serde::{Deserialize, Serialize};

use crate::StoreError;
use crate::claim_item::Item;
use crate::tables::Tables;

/// A carpool platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// Its number.
    pub id: OperatorId,
    /// Its name.
    pub name: String,
    /// Its business number.
    pub siret: Siret,
    /// Whether the registry has suspended it: every call of its is then refused.
    pub suspended: bool,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    operator_id: u32,
    name: String,
    siret: String,
    #[serde(default)]
    suspended: bool,
}

impl Stored {
    fn of(operator: &Operator) -> Self {
        let Operator { id, name, siret, suspended } = operator;
        Self { operator_id: id.get(), name: name.clone(), siret: siret.as_str().to_owned(), suspended: *suspended }
    }

    fn read(item: Item) -> Result<Operator, StoreError> {
        let stored: Self = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
            .map_err(|_| corrupt("a missing or mistyped attribute"))?;
        Ok(Operator {
            id: OperatorId::new(stored.operator_id).map_err(|_| corrupt("operator_id"))?,
            name: stored.name,
            siret: Siret::parse(&stored.siret).map_err(|_| corrupt("siret"))?,
            suspended: stored.suspended,
        })
    }
}

const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "operators", what }
}

/// The table of operators.
#[derive(Clone, Debug)]
pub struct Operators {
    db: Client,
    table: String,
}

impl Operators {
    /// The operators in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.operators.clone() }
    }

    /// The operator of this number.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    pub async fn find(&self, id: OperatorId) -> Result<Option<Operator>, StoreError> {
        let answer = self
            .db
            .get_item()
            .table_name(&self.table)
            .key("operator_id", AttributeValue::N(id.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::request("GetItem", &error))?;
        answer.item.map(Stored::read).transpose()
    }

    /// Every operator, by number. For the registry's team: it reads the whole table, a few dozen items.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    pub async fn list(&self) -> Result<Vec<Operator>, StoreError> {
        let mut pages = self.db.scan().table_name(&self.table).consistent_read(true).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            found.push(Stored::read(item.map_err(|error| StoreError::request("Scan", &error))?)?);
        }
        found.sort_by_key(|operator: &Operator| operator.id);
        Ok(found)
    }

    /// Adds an operator, and says whether it did: one that is there already stays as it is.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer.
    pub async fn add(&self, operator: &Operator) -> Result<bool, StoreError> {
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(Stored::of(operator)).map_err(|_| corrupt("an item"))?;
        let put = self.db.put_item().table_name(&self.table).set_item(Some(item));
        match put.condition_expression("attribute_not_exists(operator_id)").send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(StoreError::request("PutItem", &error)),
            },
        }
    }

    /// Suspends an operator or lets it call again, and says whether there is such an operator.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer; may be repeated.
    pub async fn suspend(&self, id: OperatorId, suspended: bool) -> Result<bool, StoreError> {
        let update = self
            .db
            .update_item()
            .table_name(&self.table)
            .key("operator_id", AttributeValue::N(id.to_string()))
            .update_expression("SET suspended = :suspended")
            .condition_expression("attribute_exists(operator_id)")
            .expression_attribute_values(":suspended", AttributeValue::Bool(suspended));
        match update.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(StoreError::request("UpdateItem", &error)),
            },
        }
    }

    /// Removes an operator, and says whether there was one. What it registered and imported stays.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer; may be repeated.
    pub async fn remove(&self, id: OperatorId) -> Result<bool, StoreError> {
        let delete = self
            .db
            .delete_item()
            .table_name(&self.table)
            .key("operator_id", AttributeValue::N(id.to_string()))
            .condition_expression("attribute_exists(operator_id)");
        match delete.send().await {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(StoreError::request("DeleteItem", &error)),
            },
        }
    }

    /// Writes an operator, replacing what was known of it.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer; may be repeated.
    pub async fn put(&self, operator: &Operator) -> Result<(), StoreError> {
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(Stored::of(operator)).map_err(|_| corrupt("an item"))?;
        self.db
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map_err(|error| StoreError::request("PutItem", &error))?;
        Ok(())
    }
}
