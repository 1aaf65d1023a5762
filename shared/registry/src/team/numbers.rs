//! Whether an operator's number was ever used. What an operator registered and imported stays under its number, so another
//! operator with this number would own it.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use cee_eligibility::OperatorId;

use crate::claim_item::{Item, belongs_to};
use crate::error::{Backoff, Deadline, is_transient};
use crate::operators::{Operators, Standing};
use crate::read::page_after;
use crate::tables::Tables;
use crate::{Credentials, StoreError};

/// How long one request may take, with its repetitions.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many items one request reads at most. DynamoDB ends a page at a megabyte.
const PART: i32 = 10_000;

/// What a number was used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// An operator has it.
    Operator,
    /// A former operator had it.
    FormerOperator,
    /// A credential of a former operator is left.
    Credential,
    /// A file was imported under it.
    Import,
    /// An application was registered or imported under it.
    Application,
    /// An application that is deleted was registered under it.
    DeletedApplication,
}

/// The tables that tell.
#[derive(Clone, Debug)]
pub struct Numbers {
    db: Client,
    operators: Operators,
    credentials: Credentials,
    tables: Tables,
}

impl Numbers {
    /// The tables of operators, credentials, imports, claims and deleted applications of this environment.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self {
            operators: Operators::new(db.clone(), tables),
            credentials: Credentials::new(db.clone(), tables),
            tables: tables.clone(),
            db,
        }
    }

    /// What an operator's number was used for, if for anything. Looks first where it costs least; for a number that was never used
    /// it reads the whole table of claims.
    ///
    /// # Errors
    /// [`StoreError`] where the tables do not answer.
    pub async fn used(&self, id: OperatorId) -> Result<Option<Use>, StoreError> {
        match self.operators.standing(id).await? {
            Some(Standing::Admitted(_)) => return Ok(Some(Use::Operator)),
            Some(Standing::Removed) => return Ok(Some(Use::FormerOperator)),
            None => {}
        }
        if self.credentials.list().await?.iter().any(|credential| credential.operator == id) {
            return Ok(Some(Use::Credential));
        }
        if self.has_import(id).await? {
            return Ok(Some(Use::Import));
        }
        if self.any(&self.tables.archive, |item| of_operator(item, id)).await? {
            return Ok(Some(Use::DeletedApplication));
        }
        let has_claim = self.any(&self.tables.claims, |item| belongs_to(item, id)).await?;
        Ok(has_claim.then_some(Use::Application))
    }

    async fn has_import(&self, id: OperatorId) -> Result<bool, StoreError> {
        let query = self
            .db
            .query()
            .table_name(&self.tables.imports)
            .key_condition_expression("operator_id = :operator")
            .expression_attribute_values(":operator", AttributeValue::N(id.to_string()))
            .consistent_read(true)
            .select(Select::Count)
            .limit(1);
        let mut backoff = Backoff::until(Deadline::after(PATIENCE));
        loop {
            match query.clone().send().await {
                Ok(found) => return Ok(found.count > 0),
                Err(error) if is_transient(&error) => backoff.pause().await?,
                Err(error) => return Err(StoreError::request("Query", &error)),
            }
        }
    }

    /// Whether any item of a table is such a one.
    async fn any(&self, table: &str, is_such: impl Fn(&Item) -> bool) -> Result<bool, StoreError> {
        let mut after = None;
        loop {
            let (items, last) = page_after(&self.db, table, after, PART, Deadline::after(PATIENCE)).await?;
            if items.iter().any(&is_such) {
                return Ok(true);
            }
            after = last;
            if after.is_none() {
                return Ok(false);
            }
        }
    }
}

fn of_operator(item: &Item, id: OperatorId) -> bool {
    item.get("operator_id").and_then(|value| value.as_n().ok()).is_some_and(|number| *number == id.to_string())
}
