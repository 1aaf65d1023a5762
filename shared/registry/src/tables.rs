//! The tables: their names in this environment, and their definition for the local stack and the tests. On AWS the
//! template creates them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType, TableStatus,
};

use crate::StoreError;

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

    /// Creates the tables that do not exist yet. For the local stack and tests.
    ///
    /// # Errors
    /// [`StoreError::Request`] where DynamoDB refuses.
    pub async fn create_missing(&self, db: &Client) -> Result<(), StoreError> {
        for (table, key) in self.keys() {
            let described = db.describe_table().table_name(table).send().await;
            let exists = described.is_ok_and(|d| {
                d.table().and_then(|t| t.table_status()).is_some_and(|status| *status == TableStatus::Active)
            });
            if !exists {
                create(db, table, key).await?;
            }
        }
        Ok(())
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
    request.send().await.map_err(|error| StoreError::request("CreateTable", &error))?;
    Ok(())
}
