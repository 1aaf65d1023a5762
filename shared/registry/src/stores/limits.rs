//! Limits the calls of each operator. Calls are counted in slices, so that most calls need no request for it.
//!
//! Time is divided into windows. A function takes a slice of a window's calls at once, and takes another slice when it has used the
//! first. One item counts an operator's window. It expires.
//!
//! The same table holds the slots of imports ([`ImportSlots`]), which limit how many files of one operator are imported at once, and the
//! drivers that it asks about in lists ([`DriverQuota`](crate::stores::driver_lists::DriverQuota)).

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{Instant, OperatorId};

use crate::dynamo::error::{StoreError, met};
use crate::dynamo::item::{PK, number};
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;

/// The length of a window in seconds. An operator may use all of a window's calls at one moment. Source: docs/adr/0019.
pub const WINDOW: i64 = 10;

/// How many windows later a call may be counted than it began: a call takes less than half a minute.
const LATEST: i64 = 3;

/// The number of the window that counts a call, given the window in which the call began and the current one. A late call counts in the
/// current window: going back would give the caller an earlier window's calls again. Only a clock that was set back leads back.
#[must_use]
pub const fn window_of(call: i64, current: i64) -> i64 {
    if call < current && current - call <= LATEST { current } else { call }
}

/// The table that counts calls.
#[derive(Clone, Debug)]
pub struct Limits {
    table: Table,
}

impl Limits {
    /// The counts in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.limits, PK) }
    }

    /// Takes a slice of an operator's calls in a window (its number is the time since 1970 divided by [`WINDOW`]). `false` if the
    /// window's calls are used up. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn take(&self, operator: OperatorId, window: i64, slice: u32, most: u32) -> Result<bool, StoreError> {
        let sent = self
            .table
            .update(AttributeValue::S(format!("{operator}#{window}")))
            .update_expression("ADD taken :slice SET forgotten_at = :forgotten")
            .condition_expression("attribute_not_exists(taken) OR taken < :most")
            .expression_attribute_values(":slice", number(i64::from(slice)))
            .expression_attribute_values(":most", number(i64::from(most)))
            .expression_attribute_values(":forgotten", number((window + 2).saturating_mul(WINDOW)))
            .send()
            .await;
        met("UpdateItem", sent)
    }
}

/// The slots in which an operator's files are imported. Each operator has a few, so that one operator does not occupy all invocations.
///
/// Each slot is one item. A lost slot becomes free when its holder can no longer be running.
#[derive(Clone, Debug)]
pub struct ImportSlots {
    table: Table,
    /// The number of slots per operator.
    slots: u32,
}

/// A slot that an invocation holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSlot {
    pk: String,
    holder: String,
}

impl ImportSlots {
    /// The slots in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, slots: u32) -> Self {
        Self { table: Table::new(db, &tables.limits, PK), slots }
    }

    /// Takes a slot of an operator for an invocation, until a moment at which the invocation has certainly ended. `None` if all slots are
    /// taken. One request for each slot that it tries. The same invocation gets its own slot again when it is retried.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn take(
        &self,
        operator: OperatorId,
        holder: &str,
        until: Instant,
        now: Instant,
    ) -> Result<Option<ImportSlot>, StoreError> {
        for slot in 0..self.slots {
            let slot = ImportSlot { pk: format!("{operator}#import#{slot}"), holder: holder.to_owned() };
            if self
                .write(&slot, until, "attribute_not_exists(pk) OR held_until < :now OR holder = :holder", now)
                .await?
            {
                return Ok(Some(slot));
            }
        }
        Ok(None)
    }

    /// Gives a slot back, unless another invocation has it now.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn give_back(&self, slot: &ImportSlot, now: Instant) -> Result<(), StoreError> {
        let over = Instant::from_millis(now.millis() - 1).unwrap_or(now);
        self.write(slot, over, "holder = :holder AND held_until >= :now", now).await.map(drop)
    }

    async fn write(
        &self,
        slot: &ImportSlot,
        until: Instant,
        condition: &str,
        now: Instant,
    ) -> Result<bool, StoreError> {
        let update = self.table.update(AttributeValue::S(slot.pk.clone()));
        let sent = update
            .update_expression("SET holder = :holder, held_until = :until, forgotten_at = :forgotten")
            .condition_expression(condition)
            .expression_attribute_values(":holder", AttributeValue::S(slot.holder.clone()))
            .expression_attribute_values(":until", number(until.millis()))
            .expression_attribute_values(":forgotten", number(until.millis().div_euclid(1000).saturating_add(60)))
            .expression_attribute_values(":now", number(now.millis()))
            .send()
            .await;
        met("UpdateItem", sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_call_counts_in_current_window_unless_clock_was_set_back() {
        assert_eq!([8, 7, 6, 5, 4].map(|call| window_of(call, 8)), [8, 8, 8, 8, 4]);
        assert_eq!([9, 12].map(|call| window_of(call, 8)), [9, 12]);
    }
}
