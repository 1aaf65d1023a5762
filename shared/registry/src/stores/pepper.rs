//! The check value of the pepper: one item of the table of claims, by which each function and command sees at its start whether its
//! pepper is the one that made the keys in that table.
//!
//! Under another pepper no earlier claim is found, and every driver is granted a certificate again. The check value is written once
//! ([`crate::team::pepper`]), never replaced and never removed.

use aws_sdk_dynamodb::Client;

use crate::dynamo::error::StoreError;
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::claim_keys::ClaimKeys;
use crate::records::pepper::is_of;
use crate::stores::claims::ClaimTable;

/// What the check value says of a pepper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pepper {
    /// It is the pepper of the table.
    Right,
    /// The claims in the table were made under another pepper.
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

    /// What the check value says of the pepper: one request.
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
