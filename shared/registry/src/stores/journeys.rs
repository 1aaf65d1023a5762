//! The table of journeys: the import writes a journey, a registration claims it for one application, and a delete frees it.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use cee_eligibility::{ApplicationId, Instant, Journey, OperatorId, OperatorJourneyId};

use crate::dynamo::error::{StoreError, met};
use crate::dynamo::item::{Item, PK, date, text};
use crate::dynamo::retry::Deadline;
use crate::dynamo::table::Table;
use crate::dynamo::tables::Tables;
use crate::dynamo::transaction::built_update;
use crate::dynamo::update::{Updated, updated_until};
use crate::records::application::Application;
use crate::records::journey::{JourneyVersion, StoredJourney, corrupt, partition_key};

/// The result of importing one line of a journeys file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JourneyOutcome {
    /// The line was written, or a later line of the same file had already replaced it.
    Imported,
    /// The registry has a line of a later file.
    AlreadyKnown,
}

/// The change of an application's journey when the application is removed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OwnJourney {
    /// Another application may use it.
    Free,
    /// It stays used, and its driver is erased.
    Erase,
}

/// Removes the driver from a journey.
const WITHOUT_DRIVER: &str = "REMOVE phone_trunc, identity_key";

/// The table of journeys.
#[derive(Clone, Debug)]
pub struct Journeys {
    pub(crate) table: Table,
}

impl Journeys {
    /// The journeys in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.journeys, PK) }
    }

    /// An operator's journey with this ID. One request. A call cannot find another operator's journey.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if the item is malformed.
    pub async fn find(
        &self,
        operator: OperatorId,
        operator_journey_id: &OperatorJourneyId,
    ) -> Result<Option<StoredJourney>, StoreError> {
        let item = self.table.get(AttributeValue::S(partition_key(operator, operator_journey_id))).await?;
        Ok(item.map(StoredJourney::from_item).transpose()?.flatten())
    }

    /// Writes a journey, unless the registry has a later line. An application that uses the journey keeps using it. Its UUID is returned
    /// so that the caller can update its status.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer in time; the call may be repeated.
    pub async fn put(
        &self,
        journey: &Journey,
        version: &JourneyVersion,
        deadline: Deadline,
    ) -> Result<(JourneyOutcome, Option<ApplicationId>), StoreError> {
        let stored = StoredJourney { journey: journey.clone(), version: version.clone(), used: None };
        let mut attributes: BTreeMap<_, _> = stored.to_item()?.into_iter().collect();
        let key = attributes.remove(PK).ok_or(corrupt("pk"))?;
        // An update and not a put, because a put would remove the use of the journey.
        let sets: Vec<String> = (0..attributes.len()).map(|i| format!("#n{i} = :v{i}")).collect();
        let mut expression = format!("SET {}", sets.join(", "));
        if journey.driver_identity_key.is_none() {
            expression.push_str(" REMOVE identity_key");
        }
        let mut update = self
            .table
            .update(key)
            .update_expression(expression)
            .condition_expression("attribute_not_exists(#version) OR #version < :version")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":version", AttributeValue::S(version.as_str().to_owned()))
            .return_values(ReturnValue::AllOld)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        for (i, (name, value)) in attributes.into_iter().enumerate() {
            update = update
                .expression_attribute_names(format!("#n{i}"), name)
                .expression_attribute_values(format!(":v{i}"), value);
        }
        let found = match updated_until(deadline, update).await? {
            Updated::Done(item) => return Ok((JourneyOutcome::Imported, used_by(item.as_ref()))),
            Updated::Lost(item) => item,
        };
        let known = found.as_ref().and_then(|item| text(item, "version"));
        let known = known.map(|known| JourneyVersion::from_stored(known.to_owned()));
        // The same line again, after a crash: the caller completes what the first try may have left undone.
        let again = known.as_ref() == Some(version);
        let same_file = known.is_some_and(|known| known.file() == version.file());
        Ok(if same_file {
            (JourneyOutcome::Imported, used_by(found.as_ref()).filter(|_| again))
        } else {
            (JourneyOutcome::AlreadyKnown, None)
        })
    }

    /// The write of a registration that takes the journey. Its condition is that the journey is unused *and has not changed since it was
    /// read*, because it may be cancelled or corrected in between.
    pub(crate) fn claim(
        &self,
        read: &StoredJourney,
        application: ApplicationId,
        datetime: Instant,
    ) -> Result<TransactWriteItem, StoreError> {
        let key = partition_key(read.journey.operator, &read.journey.operator_journey_id);
        let update = self
            .table
            .update_in_transaction(AttributeValue::S(key))
            .update_expression("SET used_by = :uuid, used_at = :at")
            .condition_expression("#version = :version AND attribute_not_exists(used_by)")
            .expression_attribute_names("#version", "version")
            .expression_attribute_values(":uuid", AttributeValue::S(application.to_string()))
            .expression_attribute_values(":at", date(datetime))
            .expression_attribute_values(":version", AttributeValue::S(read.version.as_str().to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        built_update(update)
    }

    /// The write of a transaction that changes the application's journey, if it has one, provided that the application still uses it.
    pub(crate) fn change_own(
        &self,
        application: &Application,
        what: OwnJourney,
    ) -> Result<Option<TransactWriteItem>, StoreError> {
        let Some(key) = application.journey_key() else { return Ok(None) };
        let update = self
            .table
            .update_in_transaction(AttributeValue::S(key))
            .update_expression(match what {
                OwnJourney::Free => "REMOVE used_by, used_at",
                OwnJourney::Erase => WITHOUT_DRIVER,
            })
            .condition_expression("used_by = :uuid")
            .expression_attribute_values(":uuid", AttributeValue::S(application.uuid.to_string()));
        built_update(update).map(Some)
    }

    /// Erases the driver from a journey that no application uses, or this one, which is erased. Returns whether the journey had a driver.
    pub(crate) async fn erase_driver(&self, key: String, erased: Option<ApplicationId>) -> Result<bool, StoreError> {
        let update = self.table.update(AttributeValue::S(key)).update_expression(WITHOUT_DRIVER);
        let update = match erased {
            None => update.condition_expression("attribute_exists(phone_trunc) AND attribute_not_exists(used_by)"),
            Some(uuid) => update
                .condition_expression("attribute_exists(phone_trunc) AND used_by = :uuid")
                .expression_attribute_values(":uuid", AttributeValue::S(uuid.to_string())),
        };
        met("UpdateItem", update.send().await)
    }
}

fn used_by(item: Option<&Item>) -> Option<ApplicationId> {
    ApplicationId::parse(text(item?, "used_by")?)
}
