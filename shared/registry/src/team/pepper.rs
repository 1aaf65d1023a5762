//! The check value of the pepper: one item of the table of claims, by which each function and command sees at its start whether its
//! pepper is the one that made the keys in that table.
//!
//! Under another pepper no earlier claim is found, and every driver is granted a certificate again. The item lies in the table that
//! it speaks of, so that a restored or copied table brings its own along:
//!
//! ```text
//! pk        pepper
//! check     HMAC-SHA-256(pepper, "pepper check"): no claim key and no tag is made of this message
//! noted_at  when it was written, in milliseconds since 1970
//! ```
//!
//! The check value is written once ([`Claims::note_pepper`]), never replaced and never removed. The registry's team writes it, with the
//! command `pepper`, after [`Claims::prove_pepper`] has looked whether the tables contradict it.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::Instant;

use crate::StoreError;
use crate::applications::{Application, NameTaken};
use crate::claim_item::{Item, PK, number, text};
use crate::claims::Claims;
use crate::error::Deadline;
use crate::keys::ClaimKeys;
use crate::read::page;

/// The partition key of the check value. No claim key equals it: they have 43 characters.
const KEY: &str = "pepper";
/// The attribute that holds the check value.
const CHECK: &str = "check";
/// The attribute that says when the check value was written.
const NOTED_AT: &str = "noted_at";

/// How many applications are read with one request.
const PAGE: i32 = 100;

/// With how many applications a pepper is compared at most.
const MOST_COMPARED: u64 = 1000;

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

/// Whether an item of the table of claims is the check value, and nobody's claim.
pub(crate) fn is_check(item: &Item) -> bool {
    text(item, PK) == Some(KEY)
}

/// Whether two check values are of two peppers.
pub(crate) fn differ(one: &Item, other: &Item) -> bool {
    one.get(CHECK) != other.get(CHECK)
}

fn check_value(keys: &ClaimKeys) -> AttributeValue {
    AttributeValue::S(keys.hash(&[b"pepper check"]))
}

impl Claims {
    /// What the check value says of the pepper: one request.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time.
    pub async fn pepper(&self, deadline: Deadline) -> Result<Pepper, StoreError> {
        let found = self.items([KEY], deadline).await?.pop();
        Ok(match found {
            None => Pepper::Unnoted,
            Some(item) if item.get(CHECK) == Some(&check_value(&self.keys)) => Pepper::Right,
            Some(_) => Pepper::Wrong,
        })
    }

    /// Writes the check value of the pepper, unless there is one: that one stays, and says what it says of the pepper.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time.
    pub async fn note_pepper(&self, now: Instant, deadline: Deadline) -> Result<Pepper, StoreError> {
        let put = self.db.put_item().table_name(&self.tables.claims);
        let put = put.item(PK, AttributeValue::S(KEY.to_owned())).item(CHECK, check_value(&self.keys));
        let put = put.item(NOTED_AT, number(now.millis()));
        let put = put.condition_expression("attribute_not_exists(#pk)").expression_attribute_names("#pk", PK);
        match put.send().await {
            Ok(_) => Ok(Pepper::Right),
            Err(error)
                if matches!(error.as_service_error(), Some(PutItemError::ConditionalCheckFailedException(_))) =>
            {
                self.pepper(deadline).await
            }
            Err(error) => Err(StoreError::request("PutItem", &error)),
        }
    }

    /// Compares the pepper with what the tables hold: the first thousand applications with their claims.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time.
    pub async fn prove_pepper(&self, deadline: Deadline) -> Result<Evidence, StoreError> {
        let (mut found, mut missed, mut after) = (0, 0, None);
        loop {
            let (items, next) =
                page(&self.db, &self.tables.applications, "uuid", after.as_deref(), PAGE, deadline).await?;
            for item in items.into_iter().filter(|item| NameTaken::of(item).is_none()) {
                // An item that somebody has changed by hand proves nothing.
                let Ok(application) = Application::from_item(item) else { continue };
                if self.unclaimed(&application, deadline).await?.is_empty() {
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
        let (claims, next) = page(&self.db, &self.tables.claims, PK, None, 2, deadline).await?;
        let is_empty = next.is_none() && claims.iter().all(is_check);
        Ok(if is_empty { Evidence::Empty } else { Evidence::HistoryAlone })
    }
}
