//! Operators: carpool platforms.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{OperatorId, Siret};
use serde::{Deserialize, Serialize};

use crate::StoreError;
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
        let Some(item) = answer.item else { return Ok(None) };
        let stored: Stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
            .map_err(|_| corrupt("a missing or mistyped attribute"))?;
        Ok(Some(Operator {
            id: OperatorId::new(stored.operator_id).map_err(|_| corrupt("operator_id"))?,
            name: stored.name,
            siret: Siret::parse(&stored.siret).map_err(|_| corrupt("siret"))?,
            suspended: stored.suspended,
        }))
    }

    /// Writes an operator, replacing what was known of it.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer; may be repeated.
    pub async fn put(&self, operator: &Operator) -> Result<(), StoreError> {
        let stored = Stored {
            operator_id: operator.id.get(),
            name: operator.name.clone(),
            siret: operator.siret.as_str().to_owned(),
            suspended: operator.suspended,
        };
        let item = serde_dynamo::aws_sdk_dynamodb_1::to_item(stored).map_err(|_| corrupt("an item"))?;
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
