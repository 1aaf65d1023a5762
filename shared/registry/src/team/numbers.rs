//! Whether an operator's number was ever used. Registrations and imports stay under their operator's number, so another operator with
//! this number would own them.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use cee_eligibility::OperatorId;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::Item;
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::claim_item::belongs_to;
use crate::stores::archive::Archive;
use crate::stores::claims::ClaimTable;
use crate::stores::credentials::Credentials;
use crate::stores::imports::table::Imports;
use crate::stores::operators::{Operators, Standing};

/// How long one request may take, including its retries.
const PATIENCE: Duration = Duration::from_secs(60);

/// The maximum number of items that one request reads. DynamoDB ends a page at one megabyte.
const PART: i32 = 10_000;

/// The first use of a number that was found.
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

/// The tables that are searched.
#[derive(Clone, Debug)]
pub struct Numbers {
    operators: Operators,
    credentials: Credentials,
    imports: Imports,
    archive: Archive,
    claims: ClaimTable,
}

impl Numbers {
    /// The tables of operators, credentials, imports, claims and deleted applications of this environment.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self {
            operators: Operators::new(db.clone(), tables),
            credentials: Credentials::new(db.clone(), tables),
            imports: Imports::new(db.clone(), tables),
            archive: Archive::new(db.clone(), tables),
            claims: ClaimTable::new(db, tables),
        }
    }

    /// A use of an operator's number; `None` if it was never used. The cheapest searches come first. For a number that was never used, it
    /// reads the whole table of claims.
    ///
    /// # Errors
    /// [`StoreError`] if the tables do not answer.
    pub async fn used(&self, id: OperatorId) -> Result<Option<Use>, StoreError> {
        match self.operators.standing(id).await? {
            Some(Standing::Admitted(_)) => return Ok(Some(Use::Operator)),
            Some(Standing::Removed) => return Ok(Some(Use::FormerOperator)),
            None => {}
        }
        if self.credentials.list().await?.iter().any(|credential| credential.operator == id) {
            return Ok(Some(Use::Credential));
        }
        if self.imports.has_any(id, Deadline::after(PATIENCE)).await? {
            return Ok(Some(Use::Import));
        }
        let archive = async |after: Option<&str>| self.archive.table.page(after, PART, Deadline::after(PATIENCE)).await;
        if any(archive, |item| of_operator(item, id)).await? {
            return Ok(Some(Use::DeletedApplication));
        }
        let claims = async |after: Option<&str>| self.claims.page(after, PART, Deadline::after(PATIENCE)).await;
        let has_claim = any(claims, |item| belongs_to(item, id)).await?;
        Ok(has_claim.then_some(Use::Application))
    }
}

/// Whether any item of a table matches.
async fn any(
    page: impl AsyncFn(Option<&str>) -> Result<(Vec<Item>, Option<String>), StoreError>,
    is_such: impl Fn(&Item) -> bool,
) -> Result<bool, StoreError> {
    let mut after: Option<String> = None;
    loop {
        let (items, next) = page(after.as_deref()).await?;
        if items.iter().any(&is_such) {
            return Ok(true);
        }
        if next.is_none() {
            return Ok(false);
        }
        after = next;
    }
}

fn of_operator(item: &Item, id: OperatorId) -> bool {
    item.get("operator_id").and_then(|value| value.as_n().ok()).is_some_and(|number| *number == id.to_string())
}
