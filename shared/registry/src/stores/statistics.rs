//! The table of statistics: the counts of each operator's weeks.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{Instant, OperatorId, Week};

use crate::dynamo::error::{StoreError, is_contention, met};
use crate::dynamo::item::{Item, PK, date, instant, text};
use crate::dynamo::read::each;
use crate::dynamo::retry::Deadline;
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::once;
use crate::records::statistics::{COUNTED_AT, Cell, Counts, RECOUNT, Source, WeekCounts, count, week_key};

/// The most weeks of an operator that one read returns: ten years.
const MOST_WEEKS: usize = 530;

/// The table of statistics.
#[derive(Clone, Debug)]
pub struct Statistics {
    table: Table,
}

/// The result of an addition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The counts were added.
    Done,
    /// The table was busy and added nothing: the counts may be added later.
    Busy,
}

impl Statistics {
    /// The statistics in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.statistics, PK) }
    }

    /// Adds counts of calls to an operator's week. One request, which is not retried: an addition whose response was lost would be added
    /// twice.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer. The counts may have been added or not: do not add them again.
    pub async fn add(&self, operator: OperatorId, week: Week, counts: &Counts) -> Result<Added, StoreError> {
        let mut update = self.table.update(AttributeValue::S(week_key(operator, week)));
        let mut terms = Vec::with_capacity(counts.len());
        for (number, (cell, calls)) in counts.iter().enumerate() {
            terms.push(format!("#{number} :{number}"));
            update = update
                .expression_attribute_names(format!("#{number}"), cell.attribute())
                .expression_attribute_values(format!(":{number}"), count(*calls));
        }
        if terms.is_empty() {
            return Ok(Added::Done);
        }
        let update = update.update_expression(format!("ADD {}", terms.join(", ")));
        match update.customize().config_override(once()).send().await {
            Ok(_) => Ok(Added::Done),
            Err(error) if error.code().is_some_and(is_contention) => Ok(Added::Busy),
            Err(error) => Err(StoreError::request("UpdateItem", &error)),
        }
    }

    /// An operator's weeks from the first to the last, in their order, and when the tables were counted last. Weeks without counts are left
    /// out. One request for at most 99 weeks, and at most ten years.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time, or if an item is malformed.
    pub async fn of_operator(
        &self,
        operator: OperatorId,
        weeks: (Week, Week),
        deadline: Deadline,
    ) -> Result<(Vec<WeekCounts>, Option<Instant>), StoreError> {
        let mut keys = week_keys(operator, weeks);
        keys.push(RECOUNT.to_owned());
        let items = self.table.items(keys.iter().map(String::as_str), deadline).await?;
        let (recount, weeks): (Vec<Item>, Vec<Item>) =
            items.into_iter().partition(|item| text(item, PK) == Some(RECOUNT));
        let counted_at = recount.first().and_then(|item| instant(item, COUNTED_AT));
        Ok((in_order(&weeks)?, counted_at))
    }

    /// The weeks of all operators, in the order of weeks, then of operators.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if an item is malformed.
    pub async fn all(&self) -> Result<Vec<WeekCounts>, StoreError> {
        let mut found = Vec::new();
        each(self.table.scan(), |item| {
            if text(&item, PK) != Some(RECOUNT) {
                found.push(WeekCounts::from_item(&item)?);
            }
            Ok(())
        })
        .await?;
        found.sort_by_key(|found| (found.week, found.operator));
        Ok(found)
    }

    /// When the last complete recount began; `None`: the tables were never counted. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn counted_at(&self) -> Result<Option<Instant>, StoreError> {
        let item = self.table.get(AttributeValue::S(RECOUNT.to_owned())).await?;
        Ok(item.and_then(|item| instant(&item, COUNTED_AT)))
    }

    /// Notes a complete recount, unless a later one was noted.
    pub(crate) async fn note_recount(&self, counted_at: Instant) -> Result<(), StoreError> {
        self.replace_if_later(RECOUNT.to_owned(), counted_at, &Counts::new(), &[]).await.map(drop)
    }

    /// Replaces the counts of what the tables show, unless a later recount has. `kept` is what is stored. `false`: a later recount was
    /// first. The call may be repeated.
    pub(crate) async fn replace(
        &self,
        (operator, week): (OperatorId, Week),
        counts: &Counts,
        kept: Option<&Counts>,
        counted_at: Instant,
    ) -> Result<bool, StoreError> {
        let kept = kept.into_iter().flat_map(|kept| kept.keys().copied());
        let is_gone = |cell: &Cell| cell.outcome.source() == Source::Tables && !counts.contains_key(cell);
        let gone: Vec<Cell> = kept.filter(is_gone).collect();
        self.replace_if_later(week_key(operator, week), counted_at, counts, &gone).await
    }

    /// Sets counts and removes others, unless the item comes from a later recount.
    async fn replace_if_later(
        &self,
        pk: String,
        counted_at: Instant,
        counts: &Counts,
        gone: &[Cell],
    ) -> Result<bool, StoreError> {
        let mut update = self.table.update(AttributeValue::S(pk));
        let (mut set, mut remove) = (vec![format!("{COUNTED_AT} = :now")], Vec::new());
        for (number, (cell, there)) in counts.iter().enumerate() {
            set.push(format!("#s{number} = :s{number}"));
            update = update
                .expression_attribute_names(format!("#s{number}"), cell.attribute())
                .expression_attribute_values(format!(":s{number}"), count(*there));
        }
        for (number, cell) in gone.iter().enumerate() {
            remove.push(format!("#r{number}"));
            update = update.expression_attribute_names(format!("#r{number}"), cell.attribute());
        }
        let remove = if remove.is_empty() { String::new() } else { format!(" REMOVE {}", remove.join(", ")) };
        let sent = update
            .update_expression(format!("SET {}{remove}", set.join(", ")))
            .condition_expression(format!("attribute_not_exists({COUNTED_AT}) OR {COUNTED_AT} <= :now"))
            .expression_attribute_values(":now", date(counted_at))
            .send()
            .await;
        met("UpdateItem", sent)
    }
}

/// The keys of an operator's weeks, of ten years at most.
fn week_keys(operator: OperatorId, (first, last): (Week, Week)) -> Vec<String> {
    let weeks = std::iter::successors(Some(first), |week| Some(week.next())).take_while(|week| *week <= last);
    weeks.take(MOST_WEEKS).map(|week| week_key(operator, week)).collect()
}

fn in_order(items: &[Item]) -> Result<Vec<WeekCounts>, StoreError> {
    let mut found = items.iter().map(WeekCounts::from_item).collect::<Result<Vec<_>, _>>()?;
    found.sort_by_key(|found| found.week);
    Ok(found)
}
