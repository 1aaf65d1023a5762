//! The check value of the pepper: one item of the table of claims. Each function and command compares it at its start, to verify that its
//! pepper made the keys in that table.
//!
//! With another pepper, no earlier claim would be found, and every driver would get a second certificate. The check value is written once
//! ([`crate::team::pepper`]), and is never replaced or removed.

use aws_sdk_dynamodb::Client;

use crate::dynamo::error::StoreError;
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::claim_keys::ClaimKeys;
use crate::records::pepper::is_of;
use crate::stores::claims::ClaimTable;

/// The result of comparing a pepper with the check value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pepper {
    /// It is the pepper of the table.
    Right,
    /// The claims in the table were made with another pepper.
    Wrong,
    /// The table holds no check value.
    Unnoted,
}

/// Compares the pepper with the check value.
#[derive(Clone, Debug)]
pub struct PepperCheck {
    keys: ClaimKeys,
    claims: ClaimTable,
}

impl PepperCheck {
    /// A check of the pepper of these keys.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        Self { keys, claims: ClaimTable::new(db, tables) }
    }

    /// Compares the pepper with the check value. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn pepper(&self, deadline: Deadline) -> Result<Pepper, StoreError> {
        Ok(match self.claims.check_value(deadline).await? {
            None => Pepper::Unnoted,
            Some(item) if is_of(&item, &self.keys) => Pepper::Right,
            Some(_) => Pepper::Wrong,
        })
    }
}
