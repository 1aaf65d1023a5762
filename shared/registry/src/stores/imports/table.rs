//! The table of imports.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use cee_eligibility::OperatorId;

use crate::dynamo::tables::Tables;
use crate::records::ids::ImportId;
use crate::records::import::key;

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

    pub(super) fn update(&self, operator: Option<OperatorId>, id: ImportId) -> UpdateItemFluentBuilder {
        self.db.update_item().table_name(&self.table).set_key(Some(key(operator, id)))
    }
}
