//! Removes or changes a record of a claim item without losing a simultaneous write.
//!
//! A registration or an import only adds a record and compares dates, so it need not know the other records of an item. A removal must
//! know them, because it computes the latest date from the records that remain. So a removal starts from an item as it was read, and its
//! condition is that the stamp of the item is still the same. If the stamp has changed, everything is read again.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, Delete, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, date};
use crate::records::claim_item::{LatestDates, STAMP, counts, stamp};

/// A change of one claim item. It also updates the latest dates and the counts.
pub(crate) struct Rewrite {
    pk: AttributeValue,
    /// The stamp as it was read; `None` if there was no item.
    seen: Option<AttributeValue>,
    /// The item after the change.
    after: Item,
    set: Vec<String>,
    remove: Vec<String>,
}

/// A change as a request to DynamoDB.
pub(crate) enum Change {
    /// The item would be empty.
    Delete(Written),
    Update {
        expression: String,
        written: Written,
    },
}

/// The parts that both kinds of change share.
pub(crate) struct Written {
    pub(crate) pk: AttributeValue,
    pub(crate) condition: String,
    pub(crate) names: Option<HashMap<String, String>>,
    pub(crate) values: Option<Item>,
}

impl Rewrite {
    /// A change of this item.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it has no key or no stamp.
    pub(crate) fn of(item: &Item) -> Result<Self, StoreError> {
        let corrupt = StoreError::Corrupt { table: "claims", what: "a stamp" };
        let (Some(pk), Some(seen)) = (item.get(PK).cloned(), item.get(STAMP).cloned()) else { return Err(corrupt) };
        Ok(Self { pk, seen: Some(seen), after: item.clone(), set: Vec::new(), remove: Vec::new() })
    }

    /// A change of the item with this key, which may not exist yet.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if it exists without a stamp.
    pub(crate) fn of_either(pk: &str, item: Option<&Item>) -> Result<Self, StoreError> {
        match item {
            Some(item) => Self::of(item),
            None => {
                let pk = AttributeValue::S(pk.to_owned());
                let after = Item::from([(PK.to_owned(), pk.clone())]);
                Ok(Self { pk, seen: None, after, set: Vec::new(), remove: Vec::new() })
            }
        }
    }

    /// Sets an attribute.
    pub(crate) fn set(&mut self, attribute: &str, value: AttributeValue) {
        self.after.insert(attribute.to_owned(), value);
        self.set.push(attribute.to_owned());
    }

    /// Removes an attribute if it exists.
    pub(crate) fn remove(&mut self, attribute: &str) {
        if self.after.remove(attribute).is_some() {
            self.remove.push(attribute.to_owned());
        }
    }

    /// Whether nothing changes.
    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty() && self.remove.is_empty()
    }

    /// The change, with the latest dates and the counts of the records that remain.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if a record is not what this store writes.
    pub(crate) fn change(mut self) -> Result<Change, StoreError> {
        let dates = LatestDates::of(&self.after)?;
        for (attribute, latest) in dates.attributes() {
            match latest {
                Some(latest) => self.set(attribute, date(latest)),
                None => self.remove(attribute),
            }
        }
        for (attribute, count) in counts(&self.after)? {
            match count {
                Some(count) => self.set(&attribute, count),
                None => self.remove(&attribute),
            }
        }
        let mut values = Item::new();
        let condition = match self.seen {
            Some(seen) => {
                values.insert(":seen".to_owned(), seen);
                format!("{STAMP} = :seen")
            }
            None => format!("attribute_not_exists({PK})"),
        };
        if self.after.keys().all(|name| [PK, STAMP].contains(&name.as_str())) {
            let written = Written { pk: self.pk, condition, names: None, values: Some(values) };
            return Ok(Change::Delete(written));
        }
        // Names are numbered placeholders, because attribute names contain `#`.
        let mut names = HashMap::new();
        values.insert(":stamp".to_owned(), stamp());
        let mut sets = vec![format!("{STAMP} = :stamp")];
        for (number, name) in self.set.iter().enumerate() {
            let value = self.after.get(name).cloned();
            let value = value.ok_or(StoreError::Corrupt { table: "claims", what: "an attribute set and removed" })?;
            sets.push(format!("#set{number} = :set{number}"));
            names.insert(format!("#set{number}"), name.clone());
            values.insert(format!(":set{number}"), value);
        }
        let mut expression = format!("SET {}", sets.join(", "));
        if !self.remove.is_empty() {
            let removes: Vec<String> = (0..self.remove.len()).map(|number| format!("#remove{number}")).collect();
            expression.push_str(&format!(" REMOVE {}", removes.join(", ")));
            names.extend(removes.into_iter().zip(self.remove));
        }
        let written =
            Written { pk: self.pk, condition, names: Some(names).filter(|n| !n.is_empty()), values: Some(values) };
        Ok(Change::Update { expression, written })
    }
}

impl Change {
    /// The change for a transaction.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] if the SDK rejects it.
    pub(crate) fn in_transaction(self, table: &str) -> Result<TransactWriteItem, StoreError> {
        let corrupt = |_| StoreError::Corrupt { table: "claims", what: "a change" };
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        let item = TransactWriteItem::builder();
        Ok(match self {
            Self::Delete(Written { pk, condition, names, values }) => {
                let delete = Delete::builder().table_name(table).key(PK, pk).condition_expression(condition);
                let delete = delete.set_expression_attribute_names(names).set_expression_attribute_values(values);
                item.delete(delete.return_values_on_condition_check_failure(all_old).build().map_err(corrupt)?)
            }
            Self::Update { expression, written: Written { pk, condition, names, values } } => {
                let update = Update::builder().table_name(table).key(PK, pk).update_expression(expression);
                let update = update.condition_expression(condition).set_expression_attribute_names(names);
                let update = update.set_expression_attribute_values(values);
                item.update(update.return_values_on_condition_check_failure(all_old).build().map_err(corrupt)?)
            }
        }
        .build())
    }
}
