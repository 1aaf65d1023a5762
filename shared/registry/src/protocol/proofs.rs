//! What has become of the application that a proof is of.
//!
//! Anybody may ask who holds the proof, so this reads as little as answers the question: whether an application stands under the UUID,
//! and of one that does not, whether the archive says that it was deleted. No other attribute is ever requested, and on AWS the
//! function's policy allows no other.
//!
//! An erased driver's application has left its table as a deleted one has, but its certificate stands: it blocks as before. The archive
//! tells the two apart by `deleted_at`, or `was_deleted_at` where a deleted application was erased later.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{ApplicationId, words};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::Item;
use crate::dynamo::tables::Tables;
use crate::records::application::NameTaken;
use crate::records::archive::{DELETED_AT, DELETED_AT_OF_ERASED};

words! {
    /// What has become of an application that was granted, in the words of the interface.
    pub enum ProofState {
        /// It stands.
        Granted = "granted",
        /// Its operator has deleted it.
        Deleted = "deleted",
    }
}

/// The tables of applications and of the archive, of which only the states of proofs are read.
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

    /// What has become of the application of this UUID; `None`: there never was one. One request, or two where it has left its table.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or holds half of a delete.
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

    /// These attributes of an item, as they are now.
    async fn get(&self, table: &str, uuid: ApplicationId, attributes: &[&str]) -> Result<Option<Item>, StoreError> {
        // By placeholders: `uuid` is a reserved word.
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
