//! Taking an import back: exactly what it added disappears, and what stood behind it counts again.
//!
//! What an import added is found by reading the whole table of claims, for each record lists the rows that brought it. Not
//! by reading its file again: that may be gone, and a later version of this program may read it otherwise.
//!
//! A record goes when the last row that brought it is withdrawn; where the operator sent the same driver and date in
//! another file too, it stays. The latest date of an item is worked out from the records that are left, and written on the
//! condition that the item is still what was read: a registration or an import at the same moment comes before or after,
//! never in between.

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

/// How many records of one item go in one write: an expression may hold four kilobytes.
const AT_ONCE: usize = 100;

/// How many items are read at once: few enough that none of them costs more than a moment, of a table that is busy too.
const PAGE: i32 = 1000;

/// A part of the table of claims, and what an import added to it.
#[derive(Clone, Debug)]
pub struct BroughtPage {
    /// How many items were looked at.
    pub items: u64,
    /// Those that list a row of the import.
    pub brought: Vec<Brought>,
    /// After which key the next part begins; `None` after the last.
    pub next: Option<String>,
}

/// An item of a driver that lists rows of an import.
#[derive(Clone, Debug)]
pub struct Brought {
    item: Item,
    /// How many records go with the import.
    pub removed: u64,
    /// How many stay, because the operator sent the same in another file too.
    pub kept: u64,
}

impl Brought {
    /// The partition key: two with the same key are never to be withdrawn at once.
    #[must_use]
    pub fn key(&self) -> &str {
        text(&self.item, PK).unwrap_or_default()
    }
}

/// An item without the rows of an import.
struct Plan {
    rewrite: Rewrite,
    /// How many records go.
    removed: u64,
    /// How many stay, without the import's rows.
    kept: u64,
}

impl Plan {
    /// Of at most so many records. `None`: the item lists no row of the import.
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
            // A copy goes with its original, and is not counted beside it.
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

/// Takes out of the claims what an import added.
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

    /// The next part of what an import added: one request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time, or holds something else.
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

    /// Withdraws an import's rows from an item: one request, where no other write collides. May be repeated: what is
    /// withdrawn stays so.
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
