//! Taking an import back: exactly what it added disappears, and what stood behind it counts again.
//!
//! What an import added is found by reading the whole table of claims, for each record lists the rows that brought it. Not
//! by reading its file again: that may be gone, and a later version of this program may read it otherwise.
//!
//! A record goes when the last row that brought it is withdrawn; where the operator sent the same driver and date in
//! another file too, it stays. The latest date of an item is worked out from the records that are left, and written on the
//! condition that the item is still what was read: a registration or an import at the same moment comes before or after,
//! never in between.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::StoreError;
use crate::claim_item::{Item, PK, SPECIFIC_AT, STAMP, date, history, stamp};
use crate::claims::Claims;
use crate::error::{Backoff, Deadline, is_transient};
use crate::imports::ImportId;

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
        self.item.get(PK).and_then(|pk| pk.as_s().ok()).map_or("", String::as_str)
    }
}

/// An item without the rows of an import.
struct Plan {
    removed: Vec<String>,
    kept: Vec<(String, Vec<AttributeValue>)>,
    specific_at: Option<AttributeValue>,
    /// Whether nothing else is left of the item.
    empty: bool,
}

impl Plan {
    /// Of at most so many records. `None`: the item lists no row of the import.
    fn new(item: &Item, import: ImportId, most: usize) -> Result<Option<Self>, StoreError> {
        let is_its = |source: &AttributeValue| {
            source.as_b().is_ok_and(|source| source.as_ref().starts_with(import.as_bytes().as_slice()))
        };
        let (mut removed, mut kept, mut latest) = (Vec::new(), Vec::new(), None);
        for (attribute, at, sources) in history(item)? {
            let others: Vec<_> = sources.iter().filter(|source| !is_its(source)).cloned().collect();
            let is_touched = others.len() < sources.len() && removed.len() + kept.len() < most;
            if is_touched && others.is_empty() {
                removed.push(attribute.to_owned());
                continue;
            }
            latest = latest.max(Some(at));
            if is_touched {
                kept.push((attribute.to_owned(), others));
            }
        }
        if removed.is_empty() && kept.is_empty() {
            return Ok(None);
        }
        let gone = |name: &String| [PK, STAMP, SPECIFIC_AT].contains(&name.as_str()) || removed.contains(name);
        let empty = latest.is_none() && item.keys().all(gone);
        Ok(Some(Self { removed, kept, specific_at: latest.map(date), empty }))
    }

    /// The update and the values it speaks of. Names are given by number, for they hold `#`.
    fn update(&self) -> (String, HashMap<String, String>, Item) {
        let mut names = HashMap::new();
        let mut values = Item::from([(":stamp".to_owned(), stamp())]);
        let mut set = vec![format!("{STAMP} = :stamp")];
        let mut remove = Vec::new();
        for (number, (name, others)) in self.kept.iter().enumerate() {
            names.insert(format!("#kept{number}"), name.clone());
            values.insert(format!(":kept{number}"), AttributeValue::L(others.clone()));
            set.push(format!("#kept{number} = :kept{number}"));
        }
        for (number, name) in self.removed.iter().enumerate() {
            names.insert(format!("#removed{number}"), name.clone());
            remove.push(format!("#removed{number}"));
        }
        match &self.specific_at {
            Some(at) => {
                values.insert(":at".to_owned(), at.clone());
                set.push(format!("{SPECIFIC_AT} = :at"));
            }
            None => remove.push(SPECIFIC_AT.to_owned()),
        }
        let mut expression = format!("SET {}", set.join(", "));
        if !remove.is_empty() {
            expression.push_str(&format!(" REMOVE {}", remove.join(", ")));
        }
        (expression, names, values)
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
        let mut backoff = Backoff::until(deadline);
        let page = loop {
            let mut scan = self.db.scan().table_name(&self.tables.claims).consistent_read(true).limit(PAGE);
            if let Some(after) = after {
                scan = scan.exclusive_start_key(PK, AttributeValue::S(after.to_owned()));
            }
            match scan.send().await {
                Ok(page) => break page,
                Err(error) if is_transient(&error) => backoff.pause().await?,
                Err(error) => return Err(StoreError::request("Scan", &error)),
            }
        };
        let key_of = |key: &Item| key.get(PK).and_then(|pk| pk.as_s().ok()).cloned();
        let next = page.last_evaluated_key.as_ref().and_then(key_of);
        let items = page.items.unwrap_or_default();
        let mut found =
            BroughtPage { items: u64::try_from(items.len()).unwrap_or(u64::MAX), brought: Vec::new(), next };
        for item in items {
            if let Some(plan) = Plan::new(&item, import, usize::MAX)? {
                let (removed, kept) = (plan.removed.len() as u64, plan.kept.len() as u64);
                found.brought.push(Brought { item, removed, kept });
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
            match self.write(&item, &plan).await? {
                Tried::Now(Some(now)) => item = now,
                Tried::Now(None) => break,
                Tried::Contention => backoff.pause().await?,
            }
        }
        Ok(())
    }

    async fn write(&self, item: &Item, plan: &Plan) -> Result<Tried, StoreError> {
        let corrupt = StoreError::Corrupt { table: "claims", what: "a stamp" };
        let (Some(pk), Some(seen)) = (item.get(PK).cloned(), item.get(STAMP).cloned()) else { return Err(corrupt) };
        let condition = format!("{STAMP} = :seen");
        if plan.empty {
            let delete = self.db.delete_item().table_name(&self.tables.claims).key(PK, pk);
            let sent = delete
                .condition_expression(condition)
                .expression_attribute_values(":seen", seen)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .send()
                .await;
            return match sent {
                Ok(_) => Ok(Tried::Now(None)),
                Err(error) => match error.as_service_error() {
                    Some(DeleteItemError::ConditionalCheckFailedException(lost)) => Ok(Tried::Now(lost.item.clone())),
                    _ if is_transient(&error) => Ok(Tried::Contention),
                    _ => Err(StoreError::request("DeleteItem", &error)),
                },
            };
        }
        let (expression, names, values) = plan.update();
        let update = self.db.update_item().table_name(&self.tables.claims).key(PK, pk);
        let sent = update
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_names((!names.is_empty()).then_some(names))
            .set_expression_attribute_values(Some(values))
            .expression_attribute_values(":seen", seen)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(answer) => Ok(Tried::Now(answer.attributes)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(lost)) => Ok(Tried::Now(lost.item.clone())),
                _ if is_transient(&error) => Ok(Tried::Contention),
                _ => Err(StoreError::request("UpdateItem", &error)),
            },
        }
    }
}
