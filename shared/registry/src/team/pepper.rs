//! Writing the check value of the pepper ([`crate::stores::pepper`]). The registry's team does so with the command `pepper`, after it has
//! looked whether the tables contradict the pepper.

use aws_sdk_dynamodb::Client;
use cee_eligibility::Instant;

use crate::dynamo::error::StoreError;
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::application::{Application, NameTaken};
use crate::records::claim_keys::ClaimKeys;
use crate::stores::applications::Applications;
use crate::stores::claims::ClaimTable;
use crate::stores::pepper::{Pepper, PepperCheck};

/// How many applications are read with one request.
const PAGE: i32 = 100;

/// With how many applications a pepper is compared at most.
const MOST_COMPARED: u64 = 1000;

/// What the tables themselves say of a pepper.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// There are neither claims nor applications: any pepper is right.
    Empty,
    /// There are claims, and no application that could be compared with them.
    HistoryAlone,
    /// So many applications were compared with their claims.
    Compared {
        /// Applications that have all their claims where the pepper puts them.
        found: u64,
        /// Applications that lack a claim there.
        missed: u64,
    },
}

/// Writes the check value of the pepper, and compares the pepper with the tables.
#[derive(Clone, Debug)]
pub struct PepperKeeper {
    keys: ClaimKeys,
    check: PepperCheck,
    claims: ClaimTable,
    applications: Applications,
}

impl PepperKeeper {
    /// A keeper of the pepper of these keys.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        Self {
            check: PepperCheck::new(db.clone(), tables, keys.clone()),
            claims: ClaimTable::new(db.clone(), tables),
            applications: Applications::new(db, tables),
            keys,
        }
    }

    /// What the check value says of the pepper: one request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn pepper(&self, deadline: Deadline) -> Result<Pepper, StoreError> {
        self.check.pepper(deadline).await
    }

    /// Writes the check value of the pepper, unless there is one: that one stays, and says what it says of the pepper.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn note_pepper(&self, now: Instant, deadline: Deadline) -> Result<Pepper, StoreError> {
        if self.claims.note_check_value(&self.keys, now).await? {
            return Ok(Pepper::Right);
        }
        self.pepper(deadline).await
    }

    /// Compares the pepper with what the tables hold: the first thousand applications with their claims.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn prove_pepper(&self, deadline: Deadline) -> Result<Evidence, StoreError> {
        let (mut found, mut missed, mut after) = (0, 0, None);
        loop {
            let (items, next) = self.applications.table.page(after.as_deref(), PAGE, deadline).await?;
            for item in items.into_iter().filter(|item| NameTaken::of(item).is_none()) {
                // An item that somebody has changed by hand proves nothing.
                let Ok(application) = Application::from_item(item) else { continue };
                if self.claims.unclaimed(&application, &self.keys, deadline).await?.is_empty() {
                    found += 1;
                } else {
                    missed += 1;
                }
            }
            after = next;
            if after.is_none() || found + missed >= MOST_COMPARED {
                break;
            }
        }
        if found + missed > 0 {
            return Ok(Evidence::Compared { found, missed });
        }
        // Two items: one may be the check value, which the page leaves out.
        let (claims, next) = self.claims.page(None, 2, deadline).await?;
        let is_empty = next.is_none() && claims.is_empty();
        Ok(if is_empty { Evidence::Empty } else { Evidence::HistoryAlone })
    }
}
