//! Writes the check value of the pepper ([`crate::stores::pepper`]). The registry's team does so with the command `pepper`, which first
//! compares the pepper with the tables.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use cee_eligibility::{ApplicationId, Instant};

use crate::dynamo::error::StoreError;
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::records::application::{Application, NameTaken};
use crate::records::claim_keys::ClaimKeys;
use crate::stores::applications::Applications;
use crate::stores::claims::ClaimTable;
use crate::stores::pepper::{Pepper, PepperCheck};

/// The number of applications that one request reads.
const PAGE: i32 = 100;

/// The maximum number of applications that a pepper is compared with.
const MOST_COMPARED: u64 = 1000;

/// The result of comparing a pepper with the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// There are no claims and no applications, so any pepper is right.
    Empty,
    /// There are claims, but no application to compare with them.
    HistoryAlone,
    /// Applications were compared with their claims.
    Compared {
        /// The number of applications that have all their claims on the items that this pepper leads to.
        found: u64,
        /// The number of applications that lack such a claim.
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

    /// Compares the pepper with the check value. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn pepper(&self, deadline: Deadline) -> Result<Pepper, StoreError> {
        self.check.pepper(deadline).await
    }

    /// Writes the check value of the pepper unless there is one. Then compares the pepper with the stored check value.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn note_pepper(&self, now: Instant, deadline: Deadline) -> Result<Pepper, StoreError> {
        if self.claims.note_check_value(&self.keys, now).await? {
            return Ok(Pepper::Right);
        }
        self.pepper(deadline).await
    }

    /// Compares the pepper with the tables: the first thousand applications with their claims.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn prove_pepper(&self, deadline: Deadline) -> Result<Evidence, StoreError> {
        let (mut found, mut missed, mut after) = (0, 0, None);
        loop {
            let (items, next) = self.applications.table.page(after.as_deref(), PAGE, deadline).await?;
            let items = items.into_iter().filter(|item| NameTaken::of(item).is_none());
            // An item that cannot be read proves nothing: a person may have changed it.
            let applications: Vec<Application> = items.filter_map(|item| Application::from_item(item).ok()).collect();
            let unclaimed = self.claims.unclaimed(&applications, &self.keys, deadline).await?;
            let without: BTreeSet<ApplicationId> = unclaimed.into_iter().map(|(uuid, _)| uuid).collect();
            missed += without.len() as u64;
            found += (applications.len() - without.len()) as u64;
            after = next;
            if after.is_none() || found + missed >= MOST_COMPARED {
                break;
            }
        }
        if found + missed > 0 {
            return Ok(Evidence::Compared { found, missed });
        }
        // Two items, because one may be the check value, which the page leaves out.
        let (claims, next) = self.claims.page(None, 2, deadline).await?;
        let is_empty = next.is_none() && claims.is_empty();
        Ok(if is_empty { Evidence::Empty } else { Evidence::HistoryAlone })
    }
}
