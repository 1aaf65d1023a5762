//! Removes orphaned and misplaced claims.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use cee_eligibility::ApplicationId;

use crate::dynamo::error::StoreError;
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{Transacted, transact};
use crate::records::claim_item::application_attribute;
use crate::records::claim_keys::ClaimKeys;
use crate::records::rewrite::Rewrite;
use crate::stores::claims::ClaimTable;
use crate::team::audit::known::ApplicationLookup;

/// Removes orphaned and misplaced claims.
#[derive(Clone, Debug)]
pub struct StrayRemover {
    db: Client,
    claims: ClaimTable,
    lookup: ApplicationLookup,
}

impl StrayRemover {
    /// A remover in these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        let (claims, lookup) = (ClaimTable::new(db.clone(), tables), ApplicationLookup::new(db.clone(), tables, keys));
        Self { db, claims, lookup }
    }

    /// Removes the record of an application from a claim item, if the application does not exist or has all its claims on other items.
    /// Returns whether the record was removed. It stays if the item has changed since it was read.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn remove_stray(&self, uuid: ApplicationId, key: &str, deadline: Deadline) -> Result<bool, StoreError> {
        let Some(item) = self.claims.table.items([key], deadline).await?.pop() else { return Ok(false) };
        // The application is read after the item and not before it. If it is registered or given a key after this read, the item gets a
        // new stamp.
        if let Some(known) = self.lookup.find(&BTreeSet::from([uuid]), deadline).await?.get(&uuid) {
            let Some(belongs) = known.belongs.as_ref().filter(|belongs| belongs.on(key).is_none()) else {
                return Ok(false);
            };
            // With a wrong pepper, every record would look misplaced. But then no claim of the application is on its expected item
            // either.
            let claims: Vec<_> = belongs.claims.iter().map(|claim| (uuid, claim.clone())).collect();
            if !self.claims.without_record(&claims, deadline).await?.is_empty() {
                return Ok(false);
            }
        }
        let mut rewrite = Rewrite::of(&item)?;
        rewrite.remove(&application_attribute(uuid));
        if rewrite.is_empty() {
            return Ok(false);
        }
        let change = self.claims.rewrite_in_transaction(rewrite)?;
        Ok(matches!(transact(&self.db, vec![change]).await?, Transacted::Done))
    }
}
