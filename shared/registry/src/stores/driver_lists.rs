//! Limits the drivers that each operator asks about in lists, by day, in the table of limits.
//!
//! The rows of a list are counted before the first of them is answered, in one transaction: an item counts the operator's day, and an
//! item of the import notes that its rows are counted. So a list that is resumed, or whose event arrives twice, counts once, and lists
//! that begin at the same moment exceed the limit neither alone nor together. Both items expire.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{Instant, OperatorId};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{PK, integer, number};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{Transacted, built_update, is_lost, transact};
use crate::records::ids::ImportId;

/// The days after which an item expires: longer than an event may wait in the dead-letter queue, which is 14 days.
const KEPT_DAYS: i64 = 20;

/// A day in seconds.
const DAY: i64 = 24 * 60 * 60;

/// The drivers that each operator has asked about in lists today.
#[derive(Clone, Debug)]
pub struct DriverQuota {
    db: Client,
    table: Table,
    /// The number of drivers per operator and day.
    most: u32,
}

/// The result of [`DriverQuota::take`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The rows of this import are counted, by this call or an earlier one.
    Counted,
    /// Nothing is counted: the day has fewer drivers left.
    TooMany {
        /// The number of drivers per operator and day.
        most: u64,
        /// The number that is left of the day.
        left: u64,
    },
}

impl DriverQuota {
    /// The counts in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, most: u32) -> Self {
        let table = Table::new(db.clone(), &tables.limits, PK);
        Self { db, table, most }
    }

    /// Counts the rows of an import's list on the day of `now` in Paris, unless this import's are counted already. `machine_now` is the
    /// time of the machine's clock: items expire in real time, even if the registry's clock is pinned. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time. The call may be repeated.
    pub async fn take(
        &self,
        (operator, import): (OperatorId, ImportId),
        rows: u64,
        (now, machine_now): (Instant, Instant),
        deadline: Deadline,
    ) -> Result<Asked, StoreError> {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let room = i64::from(self.most).saturating_sub(rows);
        let mut backoff = Backoff::until(deadline);
        loop {
            let of_day = self.update(&format!("{operator}#drivers#{}", now.paris_day()), rows, machine_now);
            // A list that is longer than a whole day's number fails on a day that has no item, too.
            let fits = if room < 0 { "asked <= :room" } else { "attribute_not_exists(asked) OR asked <= :room" };
            let of_day = of_day
                .update_expression("ADD asked :rows SET forgotten_at = :forgotten")
                .condition_expression(fits)
                .expression_attribute_values(":room", number(room));
            let of_import = self
                .update(&format!("{operator}#drivers#{import}"), rows, machine_now)
                .update_expression("SET asked = :rows, forgotten_at = :forgotten")
                .condition_expression("attribute_not_exists(asked)");
            match transact(&self.db, vec![built_update(of_day)?, built_update(of_import)?]).await? {
                Transacted::Done => return Ok(Asked::Counted),
                // Counted before, or by an earlier try whose response was lost.
                Transacted::Lost(reasons) if is_lost(&reasons, 1) => return Ok(Asked::Counted),
                Transacted::Lost(reasons) if is_lost(&reasons, 0) => return Ok(self.too_many(&reasons)),
                Transacted::Lost(_) => {}
                Transacted::Unknown(error) => backoff.note(error),
                Transacted::NoRoom => {
                    return Err(StoreError::Corrupt { table: "limits", what: "an item that has no room" });
                }
            }
            backoff.pause().await?;
        }
    }

    fn update(&self, pk: &str, rows: i64, machine_now: Instant) -> UpdateBuilder {
        let forgotten = machine_now.millis().div_euclid(1000).saturating_add(KEPT_DAYS * DAY);
        self.table
            .update_in_transaction(AttributeValue::S(pk.to_owned()))
            .expression_attribute_values(":rows", number(rows))
            .expression_attribute_values(":forgotten", number(forgotten))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    fn too_many(&self, reasons: &[CancellationReason]) -> Asked {
        let asked = reasons.first().and_then(CancellationReason::item).and_then(|item| integer(item, "asked"));
        let asked = asked.and_then(|asked| u64::try_from(asked).ok()).unwrap_or(0);
        let most = u64::from(self.most);
        Asked::TooMany { most, left: most.saturating_sub(asked) }
    }
}
