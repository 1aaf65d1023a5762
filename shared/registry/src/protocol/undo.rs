//! Taking an import back: exactly what it added disappears, and what stood behind it counts again.
//!
//! What an import added is found by reading the whole table of claims, for each record lists the rows that brought it. Not
//! by reading its file again: that may be gone, and a later version of this program may read it otherwise.
//!
//! A record goes when the last row that brought it is withdrawn; where the operator sent the same driver and date in
//! another file too, it stays. The latest date of an item is worked out from the records that are left, and written on the
//! condition that the item is still what was read: a registration or an import at the same moment comes before or after,
//! never in between.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::StoreError;
use crate::claim_item::{HistoryRecord, Item, PK, history, history_key_attribute, text};
use crate::claims::Claims;
use crate::error::{Backoff, Deadline, is_transient};
use crate::imports::ImportId;
use crate::pepper::is_check;
use crate::read::page;
use crate::rewrite::{Change, Rewrite, Written};

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

/// How one try to write ended.
enum Tried {
    /// It was written, or it was no longer what was read: here is what it is now, if it still is.
    Now(Option<Item>),
    Contention,
}

impl Claims {
    /// The next part of what an import added: one request.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time, or holds something else.
    pub async fn brought_by(
        &self,
        import: ImportId,
        after: Option<&str>,
        deadline: Deadline,
    ) -> Result<BroughtPage, StoreError> {
        let (mut items, next) = page(&self.db, &self.tables.claims, PK, after, PAGE, deadline).await?;
        items.retain(|item| !is_check(item));
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
    /// [`StoreError`] where the store cannot answer in time.
    pub async fn withdraw(&self, brought: Brought, import: ImportId, deadline: Deadline) -> Result<(), StoreError> {
        let mut item = brought.item;
        let mut backoff = Backoff::until(deadline);
        while let Some(plan) = Plan::new(&item, import, AT_ONCE)? {
            match self.write(plan.rewrite).await? {
                Tried::Now(Some(now)) => item = now,
                Tried::Now(None) => break,
                Tried::Contention => backoff.pause().await?,
            }
        }
        Ok(())
    }

    async fn write(&self, rewrite: Rewrite) -> Result<Tried, StoreError> {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        match rewrite.change()? {
            Change::Delete(Written { pk, condition, names, values }) => {
                let delete = self.db.delete_item().table_name(&self.tables.claims).key(PK, pk);
                let delete = delete.condition_expression(condition).set_expression_attribute_names(names);
                let delete = delete.set_expression_attribute_values(values);
                match delete.return_values_on_condition_check_failure(all_old).send().await {
                    Ok(_) => Ok(Tried::Now(None)),
                    Err(error) => match error.as_service_error() {
                        Some(DeleteItemError::ConditionalCheckFailedException(lost)) => {
                            Ok(Tried::Now(lost.item.clone()))
                        }
                        _ if is_transient(&error) => Ok(Tried::Contention),
                        _ => Err(StoreError::request("DeleteItem", &error)),
                    },
                }
            }
            Change::Update { expression, written: Written { pk, condition, names, values } } => {
                let update = self.db.update_item().table_name(&self.tables.claims).key(PK, pk);
                let update = update.update_expression(expression).condition_expression(condition);
                let update = update.set_expression_attribute_names(names).set_expression_attribute_values(values);
                let update = update.return_values(ReturnValue::AllNew);
                match update.return_values_on_condition_check_failure(all_old).send().await {
                    Ok(answer) => Ok(Tried::Now(answer.attributes)),
                    Err(error) => match error.as_service_error() {
                        Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                            Ok(Tried::Now(lost.item.clone()))
                        }
                        _ if is_transient(&error) => Ok(Tried::Contention),
                        _ => Err(StoreError::request("UpdateItem", &error)),
                    },
                }
            }
        }
    }
}
