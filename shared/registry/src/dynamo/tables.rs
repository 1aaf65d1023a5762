//! The tables: their names in this environment, and their definitions for the local stack and the tests. On AWS, `template.yaml` creates
//! the tables.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndexUpdate, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType, TableStatus,
};

use crate::dynamo::error::StoreError;
use crate::dynamo::retry::{Backoff, Deadline};

/// The index of an operator's imports by creation date. It holds only keys, so a checkpoint does not write to it.
pub(crate) const BY_CREATION: &str = "by_creation";

/// The index of an operator's applications by their date. An item without these two attributes, such as the marker that a deleted
/// application leaves, is not in it.
pub(crate) const BY_DATE: &str = "by_date";

/// The index of all imports in progress, of all operators. Only their items have its attribute.
pub(crate) const WORKING: &str = "working";

/// The key attributes of a table, with the type of each.
type Key = &'static [(&'static str, ScalarAttributeType)];

/// Declares each table once: its name, the setting that names it in an environment, and its key.
macro_rules! tables {
    ($($(#[$doc:meta])+ $table:ident, $setting:literal, [$(($attribute:literal, $kind:ident)),+];)+) => {
        /// The names of the tables in this environment. A function gets only the names of the tables that it may use. The other names
        /// stay empty, and a request to a table without a name fails at once.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Tables {
            $($(#[$doc])+ pub $table: String,)+
        }

        impl Tables {
            /// The tables, as the documentation calls them.
            pub const ALL: &'static [&'static str] = &[$(stringify!($table)),+];

            /// The settings that name the tables, in the same order.
            pub const SETTINGS: &'static [&'static str] = &[$($setting),+];

            /// The tables whose names are these settings.
            #[must_use]
            pub fn of_settings(value: impl Fn(&'static str) -> String) -> Self {
                Self { $($table: value($setting)),+ }
            }

            /// The names of the tables in this environment, in the order of [`Self::ALL`].
            #[must_use]
            pub fn names(&self) -> Vec<&str> {
                vec![$(self.$table.as_str()),+]
            }

            fn keys() -> Vec<Key> {
                vec![$(&[$(($attribute, ScalarAttributeType::$kind)),+]),+]
            }

            /// Names with a prefix: `{prefix}claims`, `{prefix}applications`, …
            #[must_use]
            pub fn with_prefix(prefix: &str) -> Self {
                Self { $($table: format!("{prefix}{}", stringify!($table))),+ }
            }
        }
    };
}

tables! {
    /// One item per claim key.
    claims, "CLAIMS_TABLE", [("pk", S)];
    /// One item per registered application.
    applications, "APPLICATIONS_TABLE", [("uuid", S)];
    /// One item per deleted or erased application.
    archive, "ARCHIVE_TABLE", [("uuid", S)];
    /// One item per idempotency record.
    idempotency, "IDEMPOTENCY_TABLE", [("pk", S)];
    /// One item per operator and window of calls, and one per import slot.
    limits, "LIMITS_TABLE", [("pk", S)];
    /// One item per journey: the operator's number and its ID of the journey.
    journeys, "JOURNEYS_TABLE", [("pk", S)];
    /// One item per import.
    imports, "IMPORTS_TABLE", [("operator_id", N), ("import_id", S)];
    /// One item per operator.
    operators, "OPERATORS_TABLE", [("operator_id", N)];
    /// One item per credential of an operator.
    credentials, "CREDENTIALS_TABLE", [("access_key", S)];
}

impl Tables {
    /// Creates the missing tables, and returns when all tables are active. For the local stack and tests.
    ///
    /// # Errors
    /// [`StoreError::Request`] if DynamoDB rejects a request. [`StoreError::Busy`] if a table is not active within a minute.
    pub async fn create_missing(&self, db: &Client) -> Result<(), StoreError> {
        for (table, key) in self.names().into_iter().zip(Self::keys()) {
            if status(db, table).await?.is_none() {
                create(db, table, key).await?;
            }
        }
        let deadline = Deadline::after(ACTIVE_WITHIN);
        for table in self.names() {
            wait(db, table, deadline).await?;
        }
        for (table, wanted) in self.indexes() {
            let known = indexes(db, table).await?;
            for index in wanted.iter().filter(|index| !known.iter().any(|known| known == index.name)) {
                // DynamoDB creates one index at a time, and fills it with the items that the table already has.
                add_index(db, table, index).await?;
                wait(db, table, deadline).await?;
            }
        }
        Ok(())
    }

    /// Each table that has indexes, and its indexes.
    fn indexes(&self) -> [(&str, &'static [Index]); 2] {
        [(&self.applications, &OF_APPLICATIONS), (&self.imports, &OF_IMPORTS)]
    }
}

/// An index of a table.
struct Index {
    name: &'static str,
    key: &'static [(&'static str, ScalarAttributeType)],
    /// The attributes that it holds beside keys.
    also: &'static [&'static str],
}

/// What a list of applications shows, and nothing else of a driver. `status_version` is not among it, so a journeys file that repeats a
/// status writes nothing to the index.
const OF_APPLICATIONS: [Index; 1] = [Index {
    name: BY_DATE,
    key: &[("operator_id", ScalarAttributeType::N), ("datetime", ScalarAttributeType::N)],
    also: &["journey_type", "registered_at", "driving_license", "operator_journey_id", "journey_id", "status", "token"],
}];

const OF_IMPORTS: [Index; 2] = [
    Index {
        name: BY_CREATION,
        key: &[("operator_id", ScalarAttributeType::N), ("created_at", ScalarAttributeType::N)],
        also: &[],
    },
    Index {
        name: WORKING,
        key: &[("working", ScalarAttributeType::S)],
        also: &["state", "started_at", "undo_started_at"],
    },
];

/// The names of a table's indexes.
async fn indexes(db: &Client, table: &str) -> Result<Vec<String>, StoreError> {
    let described = db.describe_table().table_name(table).send().await;
    let described = described.map_err(|error| StoreError::request("DescribeTable", &error))?;
    let indexes = described.table.and_then(|table| table.global_secondary_indexes).unwrap_or_default();
    Ok(indexes.into_iter().filter_map(|index| index.index_name).collect())
}

/// Returns when a table is active.
async fn wait(db: &Client, table: &str, deadline: Deadline) -> Result<(), StoreError> {
    let mut backoff = Backoff::until(deadline);
    while status(db, table).await? != Some(TableStatus::Active) {
        backoff.pause().await?;
    }
    Ok(())
}

/// Adds an index to a table, which an earlier release may have created.
async fn add_index(db: &Client, table: &str, index: &Index) -> Result<(), StoreError> {
    let built = |_: BuildError| StoreError::Corrupt { table: "definitions", what: "an index" };
    let (attributes, key) = definitions(index.key)?;
    let also: Vec<String> = index.also.iter().map(|name| (*name).to_owned()).collect();
    let kind = if also.is_empty() { ProjectionType::KeysOnly } else { ProjectionType::Include };
    let also = Some(also).filter(|also| !also.is_empty());
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(index.name)
        .set_key_schema(Some(key))
        .projection(Projection::builder().projection_type(kind).set_non_key_attributes(also).build())
        .build()
        .map_err(built)?;
    let update = GlobalSecondaryIndexUpdate::builder().create(create).build();
    let request = db.update_table().table_name(table).set_attribute_definitions(Some(attributes));
    let sent = request.global_secondary_index_updates(update).send().await;
    sent.map(drop).map_err(|error| StoreError::request("UpdateTable", &error))
}

/// The definitions of a key's attributes, and the key schema.
fn definitions(
    key: &[(&str, ScalarAttributeType)],
) -> Result<(Vec<AttributeDefinition>, Vec<KeySchemaElement>), StoreError> {
    let built = |_: BuildError| StoreError::Corrupt { table: "definitions", what: "a key" };
    let (mut attributes, mut elements) = (Vec::new(), Vec::new());
    for ((name, kind), role) in key.iter().zip([KeyType::Hash, KeyType::Range]) {
        let attribute = AttributeDefinition::builder().attribute_name(*name).attribute_type(kind.clone());
        attributes.push(attribute.build().map_err(built)?);
        elements.push(KeySchemaElement::builder().attribute_name(*name).key_type(role).build().map_err(built)?);
    }
    Ok((attributes, elements))
}

/// How long a table may take to become active. DynamoDB takes some seconds.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);

/// The status of a table; `None` if the table does not exist.
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
    let (attributes, key) = definitions(key)?;
    let request = db.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    let request = request.set_attribute_definitions(Some(attributes)).set_key_schema(Some(key));
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.as_service_error() {
            // Another process created it at the same time, or a try whose response was lost.
            Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
            _ => Err(StoreError::request("CreateTable", &error)),
        },
    }
}
