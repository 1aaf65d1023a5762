//! Journeys the registry knows, as its trip export brings them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use cee_eligibility::journey::{Insee, parse_operator_class};
use cee_eligibility::{
    ApplicationId, IdentityKey, Instant, Journey, JourneyStatus, OperatorId, OperatorJourneyId, PhoneTrunc,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::StoreError;
use crate::applications::Application;
use crate::claim_item::{Item, date};
use crate::error::{Backoff, Deadline, is_transient};
use crate::imports::ImportId;
use crate::tables::Tables;

/// Which line of which file a journey comes from. Later files order after earlier ones, and later lines of one file after
/// earlier ones: a plain comparison of strings, which is what DynamoDB's conditions have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct JourneyVersion(String);

impl JourneyVersion {
    /// The version of a line in a file that was put on S3 at this moment.
    #[must_use]
    pub fn new(put_at: Instant, import: ImportId, line: u64) -> Self {
        // Negative before 1970, when there was no S3.
        Self(format!("{:015}#{import}#{line:012}", put_at.millis().max(0)))
    }

    pub(crate) const fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn file(&self) -> &str {
        self.0.rsplit_once('#').map_or("", |(file, _)| file)
    }
}

/// A journey as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredJourney {
    /// The journey.
    pub journey: Journey,
    /// Where it comes from.
    pub version: JourneyVersion,
    /// The application that uses it, if any.
    pub used: Option<Used>,
}

/// The use of a journey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Used {
    /// The application.
    pub by: ApplicationId,
    /// Its date.
    pub datetime: Instant,
}

/// How the import of one line of a journeys file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JourneyOutcome {
    /// It is the registry's knowledge now, or was until a later line of the same file.
    Imported,
    /// The registry knows a later line, of a later file.
    AlreadyKnown,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    pk: String,
    journey_id: u64,
    operator_class: char,
    start_at: i64,
    end_at: i64,
    distance: u32,
    start_insee: String,
    end_insee: String,
    /// Gone where its driver is erased.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    phone_trunc: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    identity_key: Option<ByteBuf>,
    status: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    used_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    used_at: Option<i64>,
}

const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "journeys", what }
}

/// Operators choose their own names for journeys; the operator's number, which holds no `#`, comes first.
pub(crate) fn partition_key(operator: OperatorId, operator_journey_id: &OperatorJourneyId) -> String {
    format!("{operator}#{}", operator_journey_id.as_str())
}

impl StoredJourney {
    /// `None`: its driver is erased, and nothing can be done with it any more.
    pub(crate) fn from_item(item: Item) -> Result<Option<Self>, StoreError> {
        let stored: Stored = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
            .map_err(|_| corrupt("a missing or mistyped attribute"))?;
        let Some(phone_trunc) = &stored.phone_trunc else { return Ok(None) };
        let instant = |millis| Instant::from_millis(millis).ok_or(corrupt("a date"));
        let (operator, operator_journey_id) = stored.pk.split_once('#').ok_or(corrupt("pk"))?;
        let identity_key = stored
            .identity_key
            .map(|key| <[u8; 32]>::try_from(key.into_vec()).map(IdentityKey::from_bytes))
            .transpose()
            .map_err(|_| corrupt("identity_key"))?;
        let used = match (stored.used_by, stored.used_at) {
            (Some(by), Some(at)) => {
                Some(Used { by: ApplicationId::parse(&by).ok_or(corrupt("used_by"))?, datetime: instant(at)? })
            }
            (None, None) => None,
            _ => return Err(corrupt("half a use")),
        };
        Ok(Some(Self {
            journey: Journey {
                journey_id: stored.journey_id,
                operator: OperatorId::parse(operator).map_err(|_| corrupt("pk"))?,
                operator_journey_id: OperatorJourneyId::parse(operator_journey_id).map_err(|_| corrupt("pk"))?,
                operator_class: parse_operator_class(&stored.operator_class.to_string())
                    .map_err(|_| corrupt("operator_class"))?,
                start: instant(stored.start_at)?,
                end: instant(stored.end_at)?,
                distance_metres: stored.distance,
                start_insee: Insee::parse(&stored.start_insee).map_err(|_| corrupt("start_insee"))?,
                end_insee: Insee::parse(&stored.end_insee).map_err(|_| corrupt("end_insee"))?,
                // Claimed as other calls of today type it; a phone that today's plan does not know is kept.
                driver_phone_trunc: PhoneTrunc::parse(phone_trunc)
                    .or_else(|_| PhoneTrunc::from_stored(phone_trunc))
                    .map_err(|_| corrupt("phone_trunc"))?,
                driver_identity_key: identity_key,
                status: JourneyStatus::parse(&stored.status).ok_or(corrupt("status"))?,
            },
            version: JourneyVersion(stored.version),
            used,
        }))
    }

    fn to_item(&self) -> Result<Item, StoreError> {
        let journey = &self.journey;
        let stored = Stored {
            pk: partition_key(journey.operator, &journey.operator_journey_id),
            journey_id: journey.journey_id,
            operator_class: journey.operator_class,
            start_at: journey.start.millis(),
            end_at: journey.end.millis(),
            distance: journey.distance_metres,
            start_insee: journey.start_insee.as_str().to_owned(),
            end_insee: journey.end_insee.as_str().to_owned(),
            phone_trunc: Some(journey.driver_phone_trunc.as_str().to_owned()),
            identity_key: journey.driver_identity_key.as_ref().map(|key| ByteBuf::from(key.as_bytes().to_vec())),
            status: journey.status.as_str().to_owned(),
            version: self.version.0.clone(),
            used_by: None,
            used_at: None,
        };
        serde_dynamo::aws_sdk_dynamodb_1::to_item(stored).map_err(|_| corrupt("an item that cannot be written"))
    }
}

/// The part of a registration that takes the journey: its condition says that the journey is unused *and still what was
/// read*, since it may be cancelled or corrected between the read and the write.
pub(crate) fn claim_journey(
    table: &str,
    read: &StoredJourney,
    application: ApplicationId,
    datetime: Instant,
) -> Result<Update, StoreError> {
    Update::builder()
        .table_name(table)
        .key("pk", AttributeValue::S(partition_key(read.journey.operator, &read.journey.operator_journey_id)))
        .update_expression("SET used_by = :uuid, used_at = :at")
        .condition_expression("#version = :version AND attribute_not_exists(used_by)")
        .expression_attribute_names("#version", "version")
        .expression_attribute_values(":uuid", AttributeValue::S(application.to_string()))
        .expression_attribute_values(":at", date(datetime))
        .expression_attribute_values(":version", AttributeValue::S(read.version.0.clone()))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .map_err(|_| corrupt("an update"))
}

/// The key of the journey that an application uses, or used, if any.
pub(crate) fn journey_key(application: &Application) -> Option<String> {
    let journey = application.journey.as_ref()?;
    Some(partition_key(application.operator, &journey.operator_journey_id))
}

/// What becomes of an application's journey, where the application goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OwnJourney {
    /// Another application may use it.
    Free,
    /// It stays used, and names no driver any more.
    Erase,
}

/// What a journey loses with its driver.
pub(crate) const WITHOUT_DRIVER: &str = "REMOVE phone_trunc, identity_key";

/// The part of a transaction that changes the application's journey, if it has one, provided that it is still its own.
pub(crate) fn change_own_journey(
    table: &str,
    application: &Application,
    what: OwnJourney,
) -> Result<Option<TransactWriteItem>, StoreError> {
    let Some(key) = journey_key(application) else { return Ok(None) };
    let update = Update::builder()
        .table_name(table)
        .key("pk", AttributeValue::S(key))
        .update_expression(match what {
            OwnJourney::Free => "REMOVE used_by, used_at",
            OwnJourney::Erase => WITHOUT_DRIVER,
        })
        .condition_expression("used_by = :uuid")
        .expression_attribute_values(":uuid", AttributeValue::S(application.uuid.to_string()))
        .build()
        .map_err(|_| corrupt("an update"))?;
    Ok(Some(TransactWriteItem::builder().update(update).build()))
}

/// The table of journeys.
#[derive(Clone, Debug)]
pub struct Journeys {
    db: Client,
    table: String,
}

impl Journeys {
    /// The journeys in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { db, table: tables.journeys.clone() }
    }

    /// An operator's own journey of this name: one request. Another operator's journey cannot be asked for.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer, or holds something else under this name.
    pub async fn find(
        &self,
        operator: OperatorId,
        operator_journey_id: &OperatorJourneyId,
    ) -> Result<Option<StoredJourney>, StoreError> {
        let answer = self
            .db
            .get_item()
            .table_name(&self.table)
            .key("pk", AttributeValue::S(partition_key(operator, operator_journey_id)))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| StoreError::request("GetItem", &error))?;
        Ok(answer.item.map(StoredJourney::from_item).transpose()?.flatten())
    }

    /// Writes a journey, unless a later line is known. An application that uses it keeps using it; its name is returned
    /// so that it can follow the journey's status.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot answer in time; may be repeated.
    pub async fn put(
        &self,
        journey: &Journey,
        version: &JourneyVersion,
        deadline: Deadline,
    ) -> Result<(JourneyOutcome, Option<ApplicationId>), StoreError> {
        let stored = StoredJourney { journey: journey.clone(), version: version.clone(), used: None };
        let mut attributes = stored.to_item()?;
        let key = attributes.remove("pk").ok_or(corrupt("pk"))?;
        // An update and not a put: whoever uses the journey must not be forgotten.
        let mut names: Vec<String> = attributes.keys().cloned().collect();
        names.sort();
        let sets: Vec<String> = names.iter().enumerate().map(|(i, _)| format!("#n{i} = :v{i}")).collect();
        let mut expression = format!("SET {}", sets.join(", "));
        if journey.driver_identity_key.is_none() {
            expression.push_str(" REMOVE identity_key");
        }
        let mut backoff = Backoff::until(deadline);
        loop {
            let mut request = self
                .db
                .update_item()
                .table_name(&self.table)
                .key("pk", key.clone())
                .update_expression(&expression)
                .condition_expression("attribute_not_exists(#version) OR #version < :version")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(":version", AttributeValue::S(version.0.clone()))
                .return_values(ReturnValue::AllOld)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
            for (i, name) in names.iter().enumerate() {
                let value = attributes.get(name).cloned().ok_or(corrupt("an attribute"))?;
                request = request
                    .expression_attribute_names(format!("#n{i}"), name)
                    .expression_attribute_values(format!(":v{i}"), value);
            }
            let error = match request.send().await {
                Ok(answer) => return Ok((JourneyOutcome::Imported, used_by(answer.attributes()))),
                Err(error) => error,
            };
            match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                    let known = lost
                        .item()
                        .and_then(|item| item.get("version")?.as_s().ok())
                        .map(|known| JourneyVersion(known.clone()));
                    // The same line again, after a crash: what the first try may have left undone is done now.
                    let again = known.as_ref() == Some(version);
                    let same_file = known.is_some_and(|known| known.file() == version.file());
                    return Ok(if same_file {
                        (JourneyOutcome::Imported, used_by(lost.item()).filter(|_| again))
                    } else {
                        (JourneyOutcome::AlreadyKnown, None)
                    });
                }
                _ if is_transient(&error) => backoff.pause().await?,
                _ => return Err(StoreError::request("UpdateItem", &error)),
            }
        }
    }
}

fn used_by(item: Option<&Item>) -> Option<ApplicationId> {
    ApplicationId::parse(item?.get("used_by")?.as_s().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_order_by_time_then_line() {
        let version = |millis, import: u8, line| {
            JourneyVersion::new(Instant::from_millis(millis).unwrap(), ImportId::from_bytes([import; 16]), line)
        };
        assert!(version(999, 9, 100) < version(1000, 1, 1));
        assert!(version(1000, 1, 9) < version(1000, 1, 10));
        assert_eq!(version(1000, 1, 9).file(), version(1000, 1, 10).file());
        assert_ne!(version(1000, 1, 9).file(), version(1000, 2, 9).file());
    }
}
