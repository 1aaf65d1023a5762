//! Removing claims that stand for nothing.

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

/// Removes claims that stand for nothing.
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

    /// Takes a record that stands for nothing out of a claim item, and says whether it did: that of an application that there is
    /// not, or that has all its claims on other items. Not where the item has changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn remove_stray(&self, uuid: ApplicationId, key: &str, deadline: Deadline) -> Result<bool, StoreError> {
        let Some(item) = self.claims.table.items([key], deadline).await?.pop() else { return Ok(false) };
        // After the item and not before: an application that is registered, or given a key, from now on gives the item a new
        // stamp.
        if let Some(known) = self.lookup.find(&BTreeSet::from([uuid]), deadline).await?.get(&uuid) {
            let Some(belongs) = known.belongs.as_ref().filter(|belongs| belongs.on(key).is_none()) else {
                return Ok(false);
            };
            // Under another pepper every record looks misplaced, and none is where it is looked for.
            if !self.claims.without_record(uuid, &belongs.claims, deadline).await?.is_empty() {
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
