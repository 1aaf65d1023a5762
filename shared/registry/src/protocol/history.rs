//! Imports the history of operators: specific applications, whose drivers are known by their truncated identity only.
//!
//! A row is one conditional update of its truncated identity's item. It adds a record and compares dates, and replaces nothing. So it may
//! be repeated, and it loses no simultaneous write.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{
    ApplicationId, EarlierApplication, Instant, JourneyType, MOST_HISTORY_DATES, NoRoom, OperatorId, Rules,
    TruncatedIdentity,
};

use crate::dynamo::error::{StoreError, is_contention, is_too_large, is_transient};
use crate::dynamo::item::{Item, date, instant};
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::{Transacted, transact};
use crate::records::claim_item::{
    MOST_COPIED_ROWS, MOST_SOURCES, RowSource, SPECIFIC_AT, STAMP, dates_attribute, given_key, has_most_dates,
    history_attribute, history_copy_attribute, history_key_attribute, lists_import, more, most, same_person, sources,
    stamp,
};
use crate::records::claim_keys::ClaimKeys;
use crate::records::rewrite::Rewrite;
use crate::stores::claims::ClaimTable;

/// A *specific* application: one row of an operator's history. Holds personal data.
#[derive(Clone, Copy, Debug)]
pub struct HistoryApplication<'a> {
    /// The journey type.
    pub journey_type: JourneyType,
    /// The driver's truncated identity.
    pub identity: &'a TruncatedIdentity,
    /// The day of commitment.
    pub datetime: Instant,
    /// The operator that imports it.
    pub operator: OperatorId,
    /// The import and line that it comes from.
    pub source: RowSource,
}

/// A granted application that would have been refused if the history had been known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradicted {
    /// The application's UUID.
    pub uuid: ApplicationId,
    /// The date of the row.
    pub datetime: Instant,
    /// The operator that registered it.
    pub operator: OperatorId,
}

/// The result of importing one row of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryOutcome {
    /// This call or an earlier try wrote it.
    Imported {
        /// The granted applications that it would have blocked, had it arrived earlier.
        contradicts: Vec<Contradicted>,
    },
    /// This operator imported the same driver and date before.
    AlreadyKnown,
    /// Nothing was written: the operator has reached its bound for this driver, or the item is full.
    NoRoom(NoRoom),
}

/// The result of importing one row of history, and how the table responded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryImported {
    /// The result.
    pub outcome: HistoryOutcome,
    /// Whether the table throttled a request.
    pub throttled: bool,
}

/// Which of these applications were granted and would have been refused if a specific application of this date had been known.
pub(crate) fn contradicted(
    earlier: Vec<EarlierApplication>,
    journey_type: JourneyType,
    specific: Instant,
    rules: &Rules,
) -> Vec<Contradicted> {
    let contradicted = earlier.into_iter().filter_map(|earlier| match earlier {
        EarlierApplication::Standardized { datetime: granted, operator, uuid } => {
            let blocked = specific >= rules.cutoffs(journey_type, granted).specific;
            blocked.then_some(Contradicted { uuid, datetime: granted, operator })
        }
        EarlierApplication::Specific { .. } => None,
    });
    contradicted.collect()
}

/// A row that is being imported.
struct Row<'a> {
    application: &'a HistoryApplication<'a>,
    rules: &'a Rules,
    /// The key of its item.
    key: String,
    /// The attribute of its record.
    attribute: String,
    source: AttributeValue,
}

impl Row<'_> {
    /// The result if it is written when the item has this content.
    fn written(&self, item: Option<&Item>) -> Result<HistoryOutcome, StoreError> {
        let HistoryApplication { journey_type, datetime, .. } = *self.application;
        let earlier = item.map_or(Ok(Vec::new()), |item| same_person(item, &[]))?;
        Ok(HistoryOutcome::Imported { contradicts: contradicted(earlier, journey_type, datetime, self.rules) })
    }
}

/// The next step after an update whose condition did not hold.
enum Refused {
    Outcome(HistoryOutcome),
    /// Retry the same update after a pause.
    Pause,
    /// Choose the update that fits this item.
    Look,
}

/// Imports rows of history.
#[derive(Clone, Debug)]
pub struct HistoryWriter {
    db: Client,
    keys: ClaimKeys,
    claims: ClaimTable,
}

impl HistoryWriter {
    /// A writer to these tables.
    #[must_use]
    pub fn new(db: Client, tables: &Tables, keys: ClaimKeys) -> Self {
        Self { keys, claims: ClaimTable::new(db.clone(), tables), db }
    }

    /// Imports one row of an operator's history with one conditional update, even if other writes happen at the same time. The call may
    /// be repeated; the same [`RowSource`] always gets the same result.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time; the row may be imported again.
    pub async fn import_history(
        &self,
        application: &HistoryApplication<'_>,
        rules: &Rules,
        deadline: Deadline,
    ) -> Result<HistoryImported, StoreError> {
        let HistoryApplication { journey_type, datetime, operator, identity, source } = *application;
        let row = Row {
            application,
            rules,
            key: self.keys.truncated_identity(journey_type, identity),
            attribute: history_attribute(operator, datetime),
            source: source.to_attribute(),
        };
        let mut newest = true;
        let mut throttled = false;
        let mut backoff = Backoff::until(deadline);
        loop {
            let error = match self.update(&row, newest).send().await {
                Ok(answer) => {
                    let old = answer.attributes();
                    let known = old.is_some_and(|item| !sources(item, &row.attribute).is_empty());
                    let outcome = if known { HistoryOutcome::AlreadyKnown } else { row.written(old)? };
                    return Ok(HistoryImported { outcome, throttled });
                }
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                    let item = lost.item();
                    match self.refused(&row, item, &backoff, deadline).await? {
                        Refused::Outcome(outcome) => return Ok(HistoryImported { outcome, throttled }),
                        Refused::Pause => {
                            backoff.pause().await?;
                            continue;
                        }
                        Refused::Look => {}
                    }
                    // The item may change again before the next try.
                    let fitting =
                        item.and_then(|item| instant(item, SPECIFIC_AT)).is_none_or(|known| known <= datetime);
                    if fitting == newest {
                        // The update that fits is the one that DynamoDB rejected, so no update would succeed.
                        return Err(StoreError::Corrupt { table: "claims", what: "a latest date" });
                    }
                    newest = fitting;
                }
                _ if is_too_large(error.code(), error.message()) => {
                    return Ok(HistoryImported { outcome: HistoryOutcome::NoRoom(NoRoom::Record), throttled });
                }
                _ if is_transient(&error) => {
                    throttled = true;
                    if !error.code().is_some_and(is_contention) {
                        backoff.note(StoreError::request("UpdateItem", &error));
                    }
                    backoff.pause().await?;
                }
                _ => return Err(StoreError::request("UpdateItem", &error)),
            }
        }
    }

    /// The update that writes a row. An update cannot compute the maximum of two dates, so there are two updates: `newest` makes the
    /// row's date the latest date, the other keeps a later one.
    fn update(&self, row: &Row<'_>, newest: bool) -> UpdateItemFluentBuilder {
        let Row { application: HistoryApplication { operator, datetime, .. }, attribute, source, .. } = row;
        let (latest_date, condition) = if newest {
            (format!(", {SPECIFIC_AT} = :at"), format!("(attribute_not_exists({SPECIFIC_AT}) OR {SPECIFIC_AT} <= :at)"))
        } else {
            (String::new(), format!("{SPECIFIC_AT} > :at"))
        };
        self.claims
            .table
            .update(AttributeValue::S(row.key.clone()))
            .update_expression(format!(
                "SET #record = list_append(if_not_exists(#record, :none), :sources), {STAMP} = :stamp{latest_date} \
                 ADD #dates :dates"
            ))
            .condition_expression(format!(
                "(attribute_not_exists(#record) OR (size(#record) < :most AND NOT contains(#record, :source))) \
                 AND attribute_not_exists(#key) AND {condition} AND (attribute_exists(#record) \
                 OR attribute_not_exists(#dates) OR size(#dates) < :most_dates)"
            ))
            .expression_attribute_names("#record", attribute)
            .expression_attribute_names("#dates", dates_attribute(*operator))
            .expression_attribute_values(":dates", AttributeValue::Ns(vec![datetime.millis().to_string()]))
            .expression_attribute_values(":most_dates", most(MOST_HISTORY_DATES))
            .expression_attribute_names("#key", history_key_attribute(attribute))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":sources", AttributeValue::L(vec![source.clone()]))
            .expression_attribute_values(":source", source.clone())
            .expression_attribute_values(":most", most(MOST_SOURCES))
            .expression_attribute_values(":stamp", stamp())
            .expression_attribute_values(":at", date(*datetime))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// The next step, derived from the item that did not satisfy the update's condition.
    async fn refused(
        &self,
        row: &Row<'_>,
        item: Option<&Item>,
        backoff: &Backoff,
        deadline: Deadline,
    ) -> Result<Refused, StoreError> {
        let Row { application, attribute, source, .. } = row;
        let listed = item.map_or(&[][..], |item| sources(item, attribute));
        let again_if_none = |outcome: Option<HistoryOutcome>| outcome.map_or(Refused::Pause, Refused::Outcome);
        Ok(match listed.iter().position(|listed| listed == source) {
            // An earlier try of this row wrote the record.
            Some(0) => Refused::Outcome(row.written(item)?),
            Some(_) => Refused::Outcome(HistoryOutcome::AlreadyKnown),
            None if let Some(item) = item.filter(|item| given_key(item, attribute).is_some()) => {
                let listed = self.list_with_copy(item, attribute, application, deadline).await;
                again_if_none(backoff.or_unknown(listed)?)
            }
            // If this import is undone, the undo removes the record with the row that is listed.
            None if listed.len() >= MOST_SOURCES && lists_import(listed, application.source.import) => {
                Refused::Outcome(HistoryOutcome::AlreadyKnown)
            }
            None if listed.len() > MOST_SOURCES => Refused::Outcome(HistoryOutcome::AlreadyKnown),
            None if listed.len() == MOST_SOURCES => again_if_none(self.note_more(&row.key, attribute).await?),
            None if listed.is_empty() && item.is_some_and(|item| has_most_dates(item, application.operator)) => {
                Refused::Outcome(HistoryOutcome::NoRoom(NoRoom::Dates))
            }
            None => Refused::Look,
        })
    }

    /// Notes on a full record that more rows brought it than it lists. `None`: the condition did not hold, read the item again.
    async fn note_more(&self, key: &str, attribute: &str) -> Result<Option<HistoryOutcome>, StoreError> {
        let sent = self
            .claims
            .table
            .update(AttributeValue::S(key.to_owned()))
            .update_expression(format!("SET #record = list_append(#record, :more), {STAMP} = :stamp"))
            .condition_expression("size(#record) = :most AND attribute_not_exists(#key)")
            .expression_attribute_names("#record", attribute)
            .expression_attribute_names("#key", history_key_attribute(attribute))
            .expression_attribute_values(":more", AttributeValue::L(vec![more()]))
            .expression_attribute_values(":most", most(MOST_SOURCES))
            .expression_attribute_values(":stamp", stamp())
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Some(HistoryOutcome::AlreadyKnown)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ if is_too_large(error.code(), error.message()) => Ok(Some(HistoryOutcome::NoRoom(NoRoom::Record))),
                _ if is_transient(&error) => Ok(None),
                _ => Err(StoreError::request("UpdateItem", &error)),
            },
        }
    }

    /// Lists one more row on a specific application with a later identity key, and on its copy. An undo of the first rows must keep both
    /// or remove both. `None` if the item has changed since it was read.
    async fn list_with_copy(
        &self,
        item: &Item,
        attribute: &str,
        application: &HistoryApplication<'_>,
        deadline: Deadline,
    ) -> Result<Option<HistoryOutcome>, StoreError> {
        let known = Ok(Some(HistoryOutcome::AlreadyKnown));
        let source = application.source;
        let Some((_, copy_key)) = given_key(item, attribute) else { return Ok(None) };
        let listed = sources(item, attribute);
        let row = match listed.len().cmp(&MOST_SOURCES) {
            std::cmp::Ordering::Less => source.to_attribute(),
            // If this import is undone, the undo removes the record with the row that is listed.
            std::cmp::Ordering::Equal if lists_import(listed, source.import) => return known,
            std::cmp::Ordering::Equal => more(),
            std::cmp::Ordering::Greater => return known,
        };
        let with = |listed: &[AttributeValue], row: &AttributeValue| {
            AttributeValue::L([listed, std::slice::from_ref(row)].concat())
        };
        let copy_attribute = history_copy_attribute(attribute);
        let copy = self.claims.table.items([copy_key], deadline).await?.pop();
        let mut here = Rewrite::of(item)?;
        here.set(attribute, with(listed, &row));
        let mut there = Rewrite::of_either(copy_key, copy.as_ref())?;
        let copied = copy.as_ref().map_or(&[][..], |copy| sources(copy, &copy_attribute));
        let copied_row = if copied.len() < MOST_COPIED_ROWS { row } else { more() };
        if copied.len() < MOST_COPIED_ROWS || !copied.contains(&copied_row) {
            there.set(&copy_attribute, with(copied, &copied_row));
        }
        let items = vec![self.claims.rewrite_in_transaction(here)?, self.claims.rewrite_in_transaction(there)?];
        match transact(&self.db, items).await? {
            Transacted::Done => known,
            Transacted::NoRoom => Ok(Some(HistoryOutcome::NoRoom(NoRoom::Record))),
            Transacted::Unknown(_) | Transacted::Lost(_) => Ok(None),
        }
    }
}
