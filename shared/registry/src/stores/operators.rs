//! The table of operators (carpool platforms): who they are, and whether the registry admits them. Only the team writes it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{OperatorId, Siret};
use serde::{Deserialize, Serialize};

use crate::dynamo::error::{StoreError, met};
use crate::dynamo::item::Item;
use crate::dynamo::read::each;
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;

/// A carpool platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operator {
    /// The operator's number.
    pub id: OperatorId,
    /// The operator's name.
    pub name: String,
    /// The operator's business number.
    pub siret: Siret,
    /// Whether the registry has suspended it. All calls of a suspended operator are rejected.
    pub suspended: bool,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    operator_id: u32,
    name: String,
    siret: String,
    #[serde(default)]
    suspended: bool,
    /// Whether the team has removed the operator. The item stays, so that no other operator gets its number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    removed: bool,
}

/// The item under an operator's number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An operator.
    Admitted(Operator),
    /// The trace of an operator that the team has removed.
    Removed,
}

impl Stored {
    fn of(operator: &Operator) -> Self {
        let Operator { id, name, siret, suspended } = operator;
        let (name, siret) = (name.clone(), siret.as_str().to_owned());
        Self { operator_id: id.get(), name, siret, suspended: *suspended, removed: false }
    }

    fn to_item(&self) -> Result<Item, StoreError> {
        serde_dynamo::aws_sdk_dynamodb_1::to_item(self).map_err(|_| corrupt("an item"))
    }

    fn read(item: Item) -> Result<Standing, StoreError> {
        let stored: Self = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
            .map_err(|_| corrupt("a missing or mistyped attribute"))?;
        if stored.removed {
            return Ok(Standing::Removed);
        }
        Ok(Standing::Admitted(Operator {
            id: OperatorId::new(stored.operator_id).map_err(|_| corrupt("operator_id"))?,
            name: stored.name,
            siret: Siret::parse(&stored.siret).map_err(|_| corrupt("siret"))?,
            suspended: stored.suspended,
        }))
    }
}

const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "operators", what }
}

/// The condition that the operator exists and is not removed.
const IS_ADMITTED: &str = "attribute_exists(operator_id) AND attribute_not_exists(removed)";

/// The table of operators.
#[derive(Clone, Debug)]
pub struct Operators {
    table: Table,
}

impl Operators {
    /// The operators in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.operators, "operator_id") }
    }

    /// The operator with this number.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn find(&self, id: OperatorId) -> Result<Option<Operator>, StoreError> {
        Ok(match self.standing(id).await? {
            Some(Standing::Admitted(operator)) => Some(operator),
            Some(Standing::Removed) | None => None,
        })
    }

    /// The item under this number.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn standing(&self, id: OperatorId) -> Result<Option<Standing>, StoreError> {
        self.table.get(AttributeValue::N(id.to_string())).await?.map(Stored::read).transpose()
    }

    /// All operators, sorted by number. For the registry's team. It reads the whole table, a few dozen items.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn list(&self) -> Result<Vec<Operator>, StoreError> {
        let mut found = Vec::new();
        each(self.table.scan(), |item| {
            if let Standing::Admitted(operator) = Stored::read(item)? {
                found.push(operator);
            }
            Ok(())
        })
        .await?;
        found.sort_by_key(|operator: &Operator| operator.id);
        Ok(found)
    }

    /// Adds an operator and returns whether it did. An operator with the same number, or its trace, does not change.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn add(&self, operator: &Operator) -> Result<bool, StoreError> {
        let put = self.table.put(Stored::of(operator).to_item()?);
        met("PutItem", put.condition_expression("attribute_not_exists(operator_id)").send().await)
    }

    /// Suspends an operator or ends its suspension. Returns whether the operator exists.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn suspend(&self, id: OperatorId, suspended: bool) -> Result<bool, StoreError> {
        let update = self
            .table
            .update(AttributeValue::N(id.to_string()))
            .update_expression("SET suspended = :suspended")
            .condition_expression(IS_ADMITTED)
            .expression_attribute_values(":suspended", AttributeValue::Bool(suspended));
        met("UpdateItem", update.send().await)
    }

    /// Removes an operator and returns whether it existed. Its registrations and imports stay. A trace of the operator stays too, so that
    /// no other operator gets its number.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn remove(&self, id: OperatorId) -> Result<bool, StoreError> {
        // Suspended too, because a function of an earlier release only reads `suspended`.
        let update = self
            .table
            .update(AttributeValue::N(id.to_string()))
            .update_expression("SET removed = :yes, suspended = :yes")
            .condition_expression(IS_ADMITTED)
            .expression_attribute_values(":yes", AttributeValue::Bool(true));
        met("UpdateItem", update.send().await)
    }

    /// Writes an operator and replaces the stored one.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn put(&self, operator: &Operator) -> Result<(), StoreError> {
        let put = self.table.put(Stored::of(operator).to_item()?).send().await;
        put.map(drop).map_err(|error| StoreError::request("PutItem", &error))
    }
}
