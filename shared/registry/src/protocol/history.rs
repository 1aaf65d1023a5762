//! Importing the history of operators: specific applications, of drivers who are known by their truncated identity alone.
//!
//! A row is one conditional update on its truncated identity's item. It adds, and compares dates; it never replaces. So it may be
//! repeated, and no other write at the same moment is lost.

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
    /// Which certificate.
    pub journey_type: JourneyType,
    /// Whose it is.
    pub identity: &'a TruncatedIdentity,
    /// The day of commitment.
    pub datetime: Instant,
    /// Who imports it.
    pub operator: OperatorId,
    /// Where it comes from.
    pub source: RowSource,
}

/// An application that is granted already and would not have been, had the history been known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Contradicted {
    /// Its name.
    pub uuid: ApplicationId,
    /// Its date.
    pub datetime: Instant,
    /// Who registered it.
    pub operator: OperatorId,
}

/// How the import of one row of history ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryOutcome {
    /// It is written, by this call or by an earlier try of the same row.
    Imported {
        /// The applications that it would have blocked: history that arrived late.
        contradicts: Vec<Contradicted>,
    },
    /// This operator sent the same driver and date before.
    AlreadyKnown,
    /// Nothing is written: the registry takes no more of this driver.
    NoRoom(NoRoom),
}

/// What came of importing one row of history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryImported {
    /// How it ended.
    pub outcome: HistoryOutcome,
    /// Whether the table asked for patience on the way.
    pub throttled: bool,
}

/// Those of these applications that were granted, and would not have been, had a specific one of this date been known.
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

/// A row on its way.
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
    /// What it came to, where it is written on what this item was.
    fn written(&self, item: Option<&Item>) -> Result<HistoryOutcome, StoreError> {
        let HistoryApplication { journey_type, datetime, .. } = *self.application;
        let earlier = item.map_or(Ok(Vec::new()), |item| same_person(item, &[]))?;
        Ok(HistoryOutcome::Imported { contradicts: contradicted(earlier, journey_type, datetime, self.rules) })
    }
}

/// What to do about an update whose condition did not hold.
enum Refused {
    Outcome(HistoryOutcome),
    /// The same again, after a pause.
    Pause,
    /// Which of the two updates fits is read off the item.
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

    /// Imports one row of an operator's history: one conditional update, whatever other writes do at the same time. May
    /// be repeated; the same [`RowSource`] always gets the same answer.
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
                        // The very update that was refused: nothing would ever fit.
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

    /// The update that writes a row. An update cannot take the greater of two dates, so there are two: `newest` makes the row's date
    /// the latest one, the other leaves a later one.
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

    /// What an item says that an update does not fit.
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
            // An earlier try of this very row.
            Some(0) => Refused::Outcome(row.written(item)?),
            Some(_) => Refused::Outcome(HistoryOutcome::AlreadyKnown),
            None if let Some(item) = item.filter(|item| given_key(item, attribute).is_some()) => {
                let listed = self.list_with_copy(item, attribute, application, deadline).await;
                again_if_none(backoff.told(listed)?)
            }
            // An undo of this import takes the record with the row that is listed.
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

    /// Notes on a full record that more rows brought it than it lists. `None`: not this time, look again.
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

    /// Lists one more row on a specific application that was given an identity key, and on its copy: an undo of the first
    /// rows must leave both or neither. `None`: the item is not what was read any more.
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
            // An undo of this import takes the record with the row that is listed.
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
