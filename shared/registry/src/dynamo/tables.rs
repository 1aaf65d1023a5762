//! The tables: their names in this environment, and their definitions for the local stack and the tests. On AWS, `template.yaml` creates
//! the tables.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::create_table::CreateTableError;
use aws_sdk_dynamodb::operation::describe_table::DescribeTableError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, Projection, ProjectionType, ScalarAttributeType,
    TableDescription, TableStatus,
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

/// The key attributes of a table or an index, with the type of each.
type Key = &'static [(&'static str, ScalarAttributeType)];

/// What DynamoDB must know of a table to create it.
struct Definition {
    key: Key,
    indexes: &'static [Index],
}

/// Declares each table once: what an item is, its name, the setting that names it in an environment, its key and its indexes. The list of
/// tables in `docs/architecture.md` repeats what an item is.
macro_rules! tables {
    ($($(#[doc = $doc:literal])+ $table:ident, $setting:literal, [$(($attribute:literal, $kind:ident)),+], $indexes:expr;)+) => {
        /// The names of the tables in this environment. A function gets only the names of the tables that it may use. The other names
        /// stay empty, and a request to a table without a name fails at once.
        #[derive(Clone, Debug, Default, PartialEq, Eq)]
        pub struct Tables {
            $($(#[doc = $doc])+ pub $table: String,)+
        }

        impl Tables {
            /// The tables, as the documentation calls them.
            pub const ALL: &'static [&'static str] = &[$(stringify!($table)),+];

            /// The settings that name the tables, in the same order.
            pub const SETTINGS: &'static [&'static str] = &[$($setting),+];

            /// The kind of item of each table, in the same order.
            pub const ITEMS: &'static [&'static str] = &[$(concat!($($doc),+)),+];

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

            /// Names with a prefix: `{prefix}claims`, `{prefix}applications`, …
            #[must_use]
            pub fn with_prefix(prefix: &str) -> Self {
                Self { $($table: format!("{prefix}{}", stringify!($table))),+ }
            }
        }

        /// The definitions, in the order of [`Tables::ALL`].
        const DEFINITIONS: &[Definition] = &[
            $(Definition { key: &[$(($attribute, ScalarAttributeType::$kind)),+], indexes: $indexes }),+
        ];
    };
}

tables! {
    /// One item per claim key of a driver: truncated identity, licence or identity key, for each journey type. The key is a keyed hash.
    claims, "CLAIMS_TABLE", [("pk", S)], &[];
    /// One item per registered application, by its UUID.
    applications, "APPLICATIONS_TABLE", [("uuid", S)], &OF_APPLICATIONS;
    /// One item per deleted or erased application, by its UUID.
    archive, "ARCHIVE_TABLE", [("uuid", S)], &[];
    /// One item per new status or delete of an application, by the operator's number and the number of the change among the operator's. It
    /// expires 400 days after the operator's next change.
    changes, "CHANGES_TABLE", [("operator_id", N), ("number", N)], &[];
    /// One item per idempotency record: a remembered `Idempotency-Key`. The key is a keyed hash.
    idempotency, "IDEMPOTENCY_TABLE", [("pk", S)], &[];
    /// One item per operator and window of calls, one per import slot, and for lists of drivers one per operator and day and one per import. It expires.
    limits, "LIMITS_TABLE", [("pk", S)], &[];
    /// One item per journey of the trip export, by the operator's number and its ID of the journey.
    journeys, "JOURNEYS_TABLE", [("pk", S)], &[];
    /// One item per import, with its checkpoint, by the operator's number and the import's ID.
    imports, "IMPORTS_TABLE", [("operator_id", N), ("import_id", S)], &OF_IMPORTS;
    /// One item per export of applications, with its checkpoint, by the operator's number and the export's ID. It expires.
    exports, "EXPORTS_TABLE", [("operator_id", N), ("export_id", S)], &[];
    /// One item per operator: its name and SIRET, and whether it is suspended.
    operators, "OPERATORS_TABLE", [("operator_id", N)], &[];
    /// One item per access key of an operator, with a slow hash of its secret.
    credentials, "CREDENTIALS_TABLE", [("access_key", S)], &[];
    /// One item per session of the console: who is signed in, until when. It expires. The key is the SHA-256 of the session's secret id.
    sessions, "SESSIONS_TABLE", [("pk", S)], &[];
    /// One item per operator and week: counts of certificates, refusals and rows of history.
    statistics, "STATISTICS_TABLE", [("pk", S)], &[];
}

impl Tables {
    /// Creates the missing tables, and returns when all tables are active. For the local stack and tests.
    ///
    /// # Errors
    /// [`StoreError::OtherKey`] if a table with another key exists; then no table is created.
    /// [`StoreError::Request`] if DynamoDB rejects a request. [`StoreError::Busy`] if a table is not active within a minute.
    pub async fn create_missing(&self, db: &Client) -> Result<(), StoreError> {
        let mut missing = Vec::new();
        for (table, definition) in self.names().into_iter().zip(DEFINITIONS) {
            match describe(db, table).await? {
                None => missing.push((table, definition)),
                Some(described) if has_other_key(&described, definition.key) => {
                    return Err(StoreError::OtherKey { table: table.to_owned() });
                }
                Some(_) => {}
            }
        }
        for (table, definition) in missing {
            // With its indexes: not every engine can add an index to a table that exists.
            create(db, table, definition).await?;
        }
        let deadline = Deadline::after(ACTIVE_WITHIN);
        for table in self.names() {
            wait(db, table, deadline).await?;
        }
        for (table, definition) in self.names().into_iter().zip(DEFINITIONS).filter(|(_, has)| !has.indexes.is_empty())
        {
            let known = indexes(db, table).await?;
            for index in definition.indexes.iter().filter(|index| !known.iter().any(|known| known == index.name)) {
                // DynamoDB creates one index at a time, and fills it with the items that the table already has.
                add_index(db, table, index).await?;
                wait(db, table, deadline).await?;
            }
        }
        Ok(())
    }
}

/// An index of a table.
struct Index {
    name: &'static str,
    key: Key,
    /// The attributes that it holds beside keys.
    also: &'static [&'static str],
}

impl Index {
    /// The attributes that it holds.
    fn projection(&self) -> Projection {
        let also: Vec<String> = self.also.iter().map(|name| (*name).to_owned()).collect();
        let kind = if also.is_empty() { ProjectionType::KeysOnly } else { ProjectionType::Include };
        let also = Some(also).filter(|also| !also.is_empty());
        Projection::builder().projection_type(kind).set_non_key_attributes(also).build()
    }
}

/// The attributes that a list of applications shows: nothing else about a driver. `status_version` is not among it, so a journeys file that repeats a
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
    let create = CreateGlobalSecondaryIndexAction::builder()
        .index_name(index.name)
        .set_key_schema(Some(key))
        .projection(index.projection())
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
    Ok(describe(db, table).await?.and_then(|described| described.table_status))
}

/// A table as DynamoDB describes it; `None` if the table does not exist.
async fn describe(db: &Client, table: &str) -> Result<Option<TableDescription>, StoreError> {
    match db.describe_table().table_name(table).send().await {
        Ok(described) => Ok(Some(described.table.unwrap_or_else(|| TableDescription::builder().build()))),
        Err(error) => match error.as_service_error() {
            Some(DescribeTableError::ResourceNotFoundException(_)) => Ok(None),
            _ => Err(StoreError::request("DescribeTable", &error)),
        },
    }
}

/// Whether a table has another key than this one. A description without a key says nothing.
fn has_other_key(described: &TableDescription, key: &[(&str, ScalarAttributeType)]) -> bool {
    let schema = described.key_schema();
    let kind_of = |name: &str| {
        let known = described.attribute_definitions().iter().find(|known| known.attribute_name == name);
        known.map(|known| known.attribute_type.clone())
    };
    let is_same = |(element, ((name, kind), role)): (&KeySchemaElement, (&(&str, ScalarAttributeType), KeyType))| {
        element.attribute_name == *name && element.key_type == role && kind_of(name).is_none_or(|known| known == *kind)
    };
    let wanted = key.iter().zip([KeyType::Hash, KeyType::Range]);
    let is_key = schema.len() == key.len() && schema.iter().zip(wanted).all(is_same);
    !schema.is_empty() && !is_key
}

async fn create(db: &Client, table: &str, definition: &Definition) -> Result<(), StoreError> {
    let (mut attributes, key) = definitions(definition.key)?;
    let mut built = Vec::new();
    for index in definition.indexes {
        let (more, key) = definitions(index.key)?;
        for attribute in more {
            // DynamoDB rejects an attribute that is defined twice.
            if !attributes.contains(&attribute) {
                attributes.push(attribute);
            }
        }
        let index = GlobalSecondaryIndex::builder()
            .index_name(index.name)
            .set_key_schema(Some(key))
            .projection(index.projection());
        built.push(index.build().map_err(|_| StoreError::Corrupt { table: "definitions", what: "an index" })?);
    }
    let request = db.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
    let request = request.set_attribute_definitions(Some(attributes)).set_key_schema(Some(key));
    let request = request.set_global_secondary_indexes(Some(built).filter(|built| !built.is_empty()));
    match request.send().await {
        Ok(_) => Ok(()),
        Err(error) => match error.as_service_error() {
            // Another process created it at the same time, or a try whose response was lost.
            Some(CreateTableError::ResourceInUseException(_)) => Ok(()),
            _ => Err(StoreError::request("CreateTable", &error)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(key: &[(&str, ScalarAttributeType)]) -> TableDescription {
        let (attributes, schema) = definitions(key).unwrap();
        TableDescription::builder().set_attribute_definitions(Some(attributes)).set_key_schema(Some(schema)).build()
    }

    #[test]
    fn table_with_another_key_is_recognised() {
        use ScalarAttributeType::{N, S};
        let imports = [("operator_id", N), ("import_id", S)];
        for (found, wanted, differs) in [
            (&[("pk", S)][..], &[("pk", S)][..], false),
            (&imports[..], &imports[..], false),
            (&[("id", S)][..], &[("pk", S)][..], true),
            (&[("pk", N)][..], &[("pk", S)][..], true),
            (&[("pk", S), ("sk", S)][..], &[("pk", S)][..], true),
            (&[("operator_id", N)][..], &imports[..], true),
            (&[("operator_id", N), ("import_id", N)][..], &imports[..], true),
            (&[("import_id", S), ("operator_id", N)][..], &imports[..], true),
        ] {
            assert_eq!(has_other_key(&described(found), wanted), differs, "{found:?} for {wanted:?}");
        }
        assert!(!has_other_key(&TableDescription::builder().build(), &imports), "the description says nothing");
    }
}
