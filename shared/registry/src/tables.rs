//! The tables: their names in this environment, and their definition for the local stack and the tests. On AWS the
//! template creates them.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
};

use crate::StoreError;
use crate::error::{Backoff, Deadline};

/// The names of the tables. A function is given only those it may use; the others stay empty, and a call that names one
/// fails at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tables {
    /// One item a claim key: `pk`.
    pub claims: String,
    /// One item a registered application: `uuid`.
    pub applications: String,
    /// One item a deleted application: `uuid`.
    pub archive: String,
    /// One item an `Idempotency-Key` that is remembered: `pk`.
    pub idempotency: String,
    /// One item an operator's window of calls: `pk`.
    pub limits: String,
    /// One item a journey: `pk`, the operator and its name for the journey.
    pub journeys: String,
    /// One item an import: `operator_id` and `import_id`.
    pub imports: String,
    /// One item an operator: `operator_id`.
    pub operators: String,
    /// One item a credential of an operator: `access_key`.
    pub credentials: String,
}

impl Tables {
    /// Names that begin with a prefix: `{prefix}claims`, `{prefix}applications`, …
    #[must_use]
    pub fn with_prefix(prefix: &str) -> Self {
        let name = |table: &str| format!("{prefix}{table}");
        Self {
            claims: name("claims"),
            applications: name("applications"),
            archive: name("archive"),
            idempotency: name("idempotency"),
            limits: name("limits"),
            journeys: name("journeys"),
            imports: name("imports"),
            operators: name("operators"),
            credentials: name("credentials"),
        }
    }

    /// The key of each table: its name, then each attribute with whether it is a number.
    fn keys(&self) -> [(&str, &'static [(&'static str, ScalarAttributeType)]); 9] {
        use ScalarAttributeType::{N, S};
        [
            (&self.claims, &[("pk", S)]),
            (&self.applications, &[("uuid", S)]),
            (&self.archive, &[("uuid", S)]),
            (&self.idempotency, &[("pk", S)]),
            (&self.limits, &[("pk", S)]),
            (&self.journeys, &[("pk", S)]),
            (&self.imports, &[("operator_id", N), ("import_id", S)]),
            (&self.operators, &[("operator_id", N)]),
            (&self.credentials, &[("access_key", S)]),
        ]
    }

    /// Creates the tables that do not exist yet, and returns when all can be used. For the local stack and tests.
    ///
    /// # Errors
    /// [`StoreError::Request`] where DynamoDB refuses, or a table is not active within a minute ([`StoreError::Busy`]).
    pub async fn create_missing(&self, db: &Client) -> Result<(), StoreError> {
        for (table, key) in self.keys() {
            if status(db, table).await?.is_none() {
                create(db, table, key).await?;
            }
        }
        let deadline = Deadline::after(ACTIVE_WITHIN);
        for (table, _) in self.keys() {
            let mut backoff = Backoff::until(deadline);
            while status(db, table).await? != Some(TableStatus::Active) {
                backoff.pause().await?;
            }
        }
        Ok(())
    }
}

/// How long a table may take until it is active. DynamoDB takes some seconds.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);

/// The status of a table; `None`: there is no such table.
async fn status(db: &Client, table: &str) -> Result<Option<TableStatus>, StoreError> {
    match db.describe_table().table_name(table).send().await {
        Ok(described) => Ok(described.table.and_then(|table| table.table_status)),
        Err(error) => match error.as_service_error() {
            Some(DescribeTableError::ResourceNotFoundException(_)) => Ok(None),
            _ => Err(StoreError::request("DescribeTable", &error)),
        },
    }
}

async fn create(db: &Client, table: &str, key: &[(&str, ScalarAttributeType)]) -> Result<(), StoreError> {
    let built = |_: BuildError| StoreError::Corrupt { table: "definitions", what: "a key" };
    let mut request = db.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    for ((name, kind), role) in key.iter().zip([KeyType::Hash, KeyType::Range]) {
        request = request
            .attribute_definitions(
                AttributeDefinition::builder()
                    .attribute_name(*name)
                    .attribute_type(kind.clone())
                    .build()
                    .map_err(built)?,
            )
            .key_schema(KeySchemaElement::builder().attribute_name(*name).key_type(role).build().map_err(built)?);
    }
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.as_service_error() {
            // By somebody else at the same moment, or by a try whose answer was lost.
            Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
            _ => Err(StoreError::request("CreateTable", &error)),
        },
    }
}
