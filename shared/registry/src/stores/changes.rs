//! The table of changes of registered applications: the feed of each operator.
//!
//! A change is written in the transaction that makes it. Its number is that of the operator's last change plus one, and the condition of its
//! put is that no change has this number yet. The writer has read the last change before, so that change was committed. So the numbers of an
//! operator have no gap, and each change is committed after the one before it: **a reader who sees a change has missed none before it**,
//! however late a request arrives. A request that was overtaken finds its number taken.
//!
//! The price is that the changes of one operator are written one after the other. Registrations are not changes, and never wait for this.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem, Update};
use cee_eligibility::{Instant, OperatorId};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, number};
use crate::dynamo::read::{Consistency, batch_get_keys, named_page, query};
use crate::dynamo::retry::Deadline;
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{built_put, built_update};
use crate::records::change::{
    Change, ChangesPlace, ChangesRead, FORGOTTEN_AT, NUMBER, Shown, StoredChange, key, key_of,
};

/// How many changes a page of a feed holds at most.
pub const MOST_CHANGES: usize = 500;

/// The table of changes.
#[derive(Clone, Debug)]
pub struct Changes {
    db: Client,
    table: String,
}

impl Changes {
    /// The changes in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.changes.clone() }
    }

    /// A page of an operator's changes, the earliest first. One request. A call cannot read another operator's changes.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, if an item is malformed, or if a change is missing.
    pub async fn read(
        &self,
        operator: OperatorId,
        place: ChangesPlace,
        most: usize,
        now: Instant,
    ) -> Result<ChangesRead, StoreError> {
        let most = most.min(MOST_CHANGES);
        // The change that was seen last, and one more, which shows whether there is another page.
        let limit = most.saturating_add(2);
        // A second request only if two changes were written during the first one, and it saw the later one alone: it sees both.
        for _ in 0..2 {
            let query = self
                .db
                .query()
                .table_name(&self.table)
                .key_condition_expression("operator_id = :operator AND #number >= :first")
                .expression_attribute_names("#number", NUMBER)
                .expression_attribute_values(":operator", number(i64::from(operator.get())))
                .expression_attribute_values(":first", AttributeValue::N(place.first().to_string()))
                .consistent_read(true)
                .limit(i32::try_from(limit).unwrap_or(3));
            let answer = query.send().await.map_err(|error| StoreError::request("Query", &error))?;
            let found = answer.items().iter().map(StoredChange::from_item).collect::<Result<Vec<_>, _>>()?;
            match place.page(most, now, &found, answer.last_evaluated_key.is_some()) {
                Shown::Read(read) => return Ok(read),
                Shown::Gap => {}
            }
        }
        Err(StoreError::Corrupt { table: "changes", what: "a change that is missing" })
    }

    /// The writes that add a change to a transaction. They fail if another change is added first; then the caller must get new ones. One
    /// request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time, or if the last change is malformed.
    pub(crate) async fn add(
        &self,
        operator: OperatorId,
        change: Change,
        deadline: Deadline,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let last = self.last(operator, deadline).await?;
        let next = StoredChange::after(last.as_ref(), change);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(next.to_item(operator)))
            .condition_expression("attribute_not_exists(#number)")
            .expression_attribute_names("#number", NUMBER);
        let mut writes = vec![built_put(put)?];
        if let Some(last) = last {
            // From now on the last one is not the last any more, so it may expire.
            let update = Update::builder()
                .table_name(&self.table)
                .set_key(Some(key(operator, last.number)))
                .update_expression(format!("SET {FORGOTTEN_AT} = :at"))
                .condition_expression("attribute_exists(#number)")
                .expression_attribute_names("#number", NUMBER)
                .expression_attribute_values(":at", next.removes_previous_at());
            writes.push(built_update(update)?);
        }
        Ok(writes)
    }

    pub(crate) const fn name(&self) -> &str {
        self.table.as_str()
    }

    /// The changes with these numbers that there are, of any operators. One request for each hundred.
    pub(crate) async fn items(
        &self,
        keys: impl IntoIterator<Item = (OperatorId, u64)>,
        consistency: Consistency,
        deadline: Deadline,
    ) -> Result<Vec<Item>, StoreError> {
        let wanted = keys.into_iter().map(|(operator, number)| key(operator, number)).collect();
        batch_get_keys(&self.db, &self.table, wanted, consistency, deadline).await
    }

    /// The next page of all operators' changes after a change, and the change after which to continue. One request, or more if the last
    /// item of a page has a key that is not a change's.
    pub(crate) async fn page(
        &self,
        after: Option<(OperatorId, u64)>,
        most: i32,
        consistency: Consistency,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, Option<(OperatorId, u64)>), StoreError> {
        let after = after.map(|(operator, number)| key(operator, number));
        named_page(&self.db, &self.table, after, most, consistency, deadline, key_of).await
    }

    /// The first `most` of an operator's changes after a number, and whether there may be more. One request.
    pub(crate) async fn later(
        &self,
        operator: OperatorId,
        after: u64,
        most: i32,
        consistency: Consistency,
        deadline: Deadline,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let later = self
            .db
            .query()
            .table_name(&self.table)
            .key_condition_expression("operator_id = :operator AND #number > :after")
            .expression_attribute_names("#number", NUMBER)
            .expression_attribute_values(":operator", number(i64::from(operator.get())))
            .expression_attribute_values(":after", AttributeValue::N(after.to_string()))
            .consistent_read(consistency == Consistency::Strong)
            .limit(most);
        let answer = query(later, deadline).await?;
        Ok((answer.items.unwrap_or_default(), answer.last_evaluated_key.is_some()))
    }

    /// The operator's last change. It never expires. One request.
    async fn last(&self, operator: OperatorId, deadline: Deadline) -> Result<Option<StoredChange>, StoreError> {
        let last = self
            .db
            .query()
            .table_name(&self.table)
            .key_condition_expression("operator_id = :operator")
            .expression_attribute_values(":operator", number(i64::from(operator.get())))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(1);
        query(last, deadline).await?.items().first().map(StoredChange::from_item).transpose()
    }
}
