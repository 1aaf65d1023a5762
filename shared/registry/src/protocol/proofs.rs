//! The current state of the application that a proof belongs to.
//!
//! Anybody with the proof may ask, so this code reads as little as possible: whether there is an application under the UUID and, if not,
//! whether the archive says that it was deleted. It never requests another attribute, and on AWS the function's policy allows no other.
//!
//! An erased driver's application has left its table like a deleted one, but its certificate is still valid: it blocks as before. Only a
//! deleted application has `deleted_at` in the archive, or `was_deleted_at` if it was erased later.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{ApplicationId, words};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::Item;
use crate::dynamo::tables::Tables;
use crate::records::application::NameTaken;
use crate::records::archive::{DELETED_AT, DELETED_AT_OF_ERASED};

words! {
    /// The state of an application that was granted, in the words of the interface.
    pub enum ProofState {
        /// It is valid.
        Granted = "granted",
        /// The operator has deleted the application.
        Deleted = "deleted",
    }
}

/// Reads the states of proofs from the tables of applications and of the archive.
#[derive(Clone, Debug)]
pub struct Proofs {
    db: Client,
    applications: String,
    archive: String,
}

impl Proofs {
    /// The proofs of the applications in these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { db, applications: tables.applications.clone(), archive: tables.archive.clone() }
    }

    /// The state of the application with this UUID; `None` if there never was one. One request, or two if it has left its table.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if an application that left its table is not in the archive.
    pub async fn state(&self, uuid: ApplicationId) -> Result<Option<ProofState>, StoreError> {
        let Some(application) = self.get(&self.applications, uuid, &["uuid", NameTaken::ATTRIBUTE]).await? else {
            return Ok(None);
        };
        match NameTaken::of(&application) {
            None => return Ok(Some(ProofState::Granted)),
            Some(NameTaken::CalledOff) => return Ok(None),
            Some(NameTaken::Archived) => {}
        }
        let archived = self.get(&self.archive, uuid, &["uuid", DELETED_AT, DELETED_AT_OF_ERASED]).await?;
        let archived =
            archived.ok_or(StoreError::Corrupt { table: "archive", what: "an application that left its table" })?;
        let deleted = [DELETED_AT, DELETED_AT_OF_ERASED].iter().any(|attribute| archived.contains_key(*attribute));
        Ok(Some(if deleted { ProofState::Deleted } else { ProofState::Granted }))
    }

    /// These attributes of an item, in a consistent read.
    async fn get(&self, table: &str, uuid: ApplicationId, attributes: &[&str]) -> Result<Option<Item>, StoreError> {
        // Placeholders, because `uuid` is a reserved word.
        let mut get = self.db.get_item().table_name(table).key("uuid", AttributeValue::S(uuid.to_string()));
        let mut names = Vec::with_capacity(attributes.len());
        for (number, attribute) in attributes.iter().enumerate() {
            let name = format!("#attribute{number}");
            get = get.expression_attribute_names(&name, *attribute);
            names.push(name);
        }
        let answer = get.consistent_read(true).projection_expression(names.join(", ")).send().await;
        answer.map(|answer| answer.item).map_err(|error| StoreError::request("GetItem", &error))
    }
}
