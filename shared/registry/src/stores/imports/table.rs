//! The table of imports.

use aws_sdk_dynamodb::Client;

use crate::dynamo::tables::Tables;

/// The table of imports.
#[derive(Clone, Debug)]
pub struct Imports {
    pub(super) db: Client,
    pub(super) table: String,
}

impl Imports {
    /// The imports in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.imports.clone() }
    }
}
