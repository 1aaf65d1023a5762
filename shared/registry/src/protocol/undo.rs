//! Undoes an import: it removes exactly what the import added, and earlier applications count again.
//!
//! The undo finds what an import added by reading the whole table of claims, because each record lists the rows that brought it. It does
//! not read the file again: the file may be gone, and a later version of this program may read it differently.
//!
//! A record is removed with the last row that brought it. If the operator sent the same driver and date in another file too, the record
//! stays. The latest date of an item is computed from the records that remain. The write has the condition that the item has not changed
//! since it was read, so a registration or an import comes before or after, never in between.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, text};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::tables::Tables;
use crate::records::claim_item::{HistoryRecord, history, history_key_attribute};
use crate::records::ids::ImportId;
use crate::records::rewrite::Rewrite;
use crate::stores::claims::{ClaimTable, Tried};

/// How many records of one item one write removes: an expression is limited to four kilobytes.
const AT_ONCE: usize = 100;

/// How many items one request reads: few enough to be fast, even on a busy table.
const PAGE: i32 = 1000;

/// A page of the table of claims, and the items on it that list rows of an import.
#[derive(Clone, Debug)]
pub struct BroughtPage {
    /// The number of items that were read.
    pub items: u64,
    /// The items that list a row of the import.
    pub brought: Vec<Brought>,
    /// The key after which the next page begins; `None` after the last page.
    pub next: Option<String>,
}

/// A claim item that lists rows of an import.
#[derive(Clone, Debug)]
pub struct Brought {
    item: Item,
    /// How many records go with the import.
    pub removed: u64,
    /// How many records stay because the operator sent the same in another file too.
    pub kept: u64,
}

impl Brought {
    /// The partition key. Do not withdraw two with the same key at once.
    #[must_use]
    pub fn key(&self) -> &str {
        text(&self.item, PK).unwrap_or_default()
    }
}

/// The change of an item that removes the rows of an import.
struct Plan {
    rewrite: Rewrite,
    /// How many records it removes.
    removed: u64,
    /// How many records stay, without the import's rows.
    kept: u64,
}

impl Plan {
    /// Changes at most `most` records. `None` if the item lists no row of the import.
    fn new(item: &Item, import: ImportId, most: usize) -> Result<Option<Self>, StoreError> {
        let is_its = |source: &AttributeValue| {
            source.as_b().is_ok_and(|source| source.as_ref().starts_with(import.as_bytes().as_slice()))
        };
        let mut plan: Option<Self> = None;
        let mut touched = 0;
        for HistoryRecord { attribute, sources, is_copy } in history(item)? {
            let others: Vec<_> = sources.iter().filter(|source| !is_its(source)).cloned().collect();
            if others.len() == sources.len() {
                continue;
            }
            let plan = match &mut plan {
                Some(plan) => plan,
                none => none.insert(Self { rewrite: Rewrite::of(item)?, removed: 0, kept: 0 }),
            };
            if touched == most {
                break;
            }
            touched += 1;
            // A copy is removed with its original and not counted again.
            if others.is_empty() {
                plan.rewrite.remove(attribute);
                plan.rewrite.remove(&history_key_attribute(attribute));
                plan.removed += u64::from(!is_copy);
            } else {
                plan.rewrite.set(attribute, AttributeValue::L(others));
                plan.kept += u64::from(!is_copy);
            }
        }
        Ok(plan)
    }
}

/// Removes from the claims what an import added.
#[derive(Clone, Debug)]
pub struct HistoryRemover {
    claims: ClaimTable,
}

impl HistoryRemover {
    /// A remover in these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { claims: ClaimTable::new(db, tables) }
    }

    /// The next page of what an import added. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time, or if a record is malformed.
    pub async fn brought_by(
        &self,
        import: ImportId,
        after: Option<&str>,
        deadline: Deadline,
    ) -> Result<BroughtPage, StoreError> {
        let (items, next) = self.claims.page(after, PAGE, deadline).await?;
        let mut found =
            BroughtPage { items: u64::try_from(items.len()).unwrap_or(u64::MAX), brought: Vec::new(), next };
        for item in items {
            if let Some(plan) = Plan::new(&item, import, usize::MAX)? {
                found.brought.push(Brought { item, removed: plan.removed, kept: plan.kept });
            }
        }
        Ok(found)
    }

    /// Removes an import's rows from an item. One request if no other write collides. The call may be repeated: rows that were removed
    /// stay removed.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time.
    pub async fn withdraw(&self, brought: Brought, import: ImportId, deadline: Deadline) -> Result<(), StoreError> {
        let mut item = brought.item;
        let mut backoff = Backoff::until(deadline);
        while let Some(plan) = Plan::new(&item, import, AT_ONCE)? {
            match self.claims.rewrite(plan.rewrite).await? {
                Tried::Now(Some(now)) => item = now,
                Tried::Now(None) => break,
                Tried::Contention => backoff.pause().await?,
            }
        }
        Ok(())
    }
}
