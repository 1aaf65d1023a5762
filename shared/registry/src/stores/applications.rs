//! The table of registered applications: reads by UUID, the list of an operator (by its index), new statuses, and the parts of the
//! transactions that add, change and remove an application.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use cee_eligibility::{ApplicationId, IdentityKey, JourneyStatus, OperatorId};

use crate::dynamo::error::{StoreError, is_transient};
use crate::dynamo::item::number;
use crate::dynamo::retry::{Backoff, Deadline};
use crate::dynamo::table::Table;
use crate::dynamo::tables::{BY_DATE, Tables};
use crate::dynamo::transaction::{built_put, built_update, once};
use crate::dynamo::update::{Updated, updated_until};
use crate::records::application::{Application, NameTaken, condition_as_read, corrupt};
use crate::records::journey::JourneyVersion;
use crate::records::listed::{ListFilter, ListPlace, ListedApplication};

/// The partition key.
const UUID: &str = "uuid";

/// How many applications a page of a list shows at most, and how many of them one request reads at most.
pub const MOST_ON_A_PAGE: usize = 500;

/// The table of registered applications.
#[derive(Clone, Debug)]
pub struct Applications {
    pub(crate) table: Table,
}

impl Applications {
    /// The applications in this environment's table.
    #[must_use]
    pub fn new(db: Client, tables: &Tables) -> Self {
        Self { table: Table::new(db, &tables.applications, UUID) }
    }

    /// The application with this UUID, of any operator. One request.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if the item under this UUID is malformed.
    pub async fn find(&self, uuid: ApplicationId) -> Result<Option<Application>, StoreError> {
        let item = self.table.get(AttributeValue::S(uuid.to_string())).await?;
        item.filter(|item| NameTaken::of(item).is_none()).map(Application::from_item).transpose()
    }

    /// A page of an operator's applications, those with the latest date first, and the place where the list continues. One request.
    ///
    /// The page shows at most `most` applications, and fewer if the filter leaves some out: then even a page without any may not be the
    /// last one. The index follows the table with a delay. The place of an application in the list never changes, so no application is on
    /// two pages of one list, even if applications are registered or deleted in between.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer, or if an item is malformed.
    pub async fn list(
        &self,
        operator: OperatorId,
        filter: &ListFilter,
        after: Option<ListPlace>,
        most: usize,
    ) -> Result<(Vec<ListedApplication>, Option<ListPlace>), StoreError> {
        let [first, last] = filter.dates.millis();
        let read = if filter.leaves_out() { MOST_ON_A_PAGE } else { most };
        let query = self
            .table
            .query(BY_DATE)
            .key_condition_expression("operator_id = :operator AND #datetime BETWEEN :first AND :last")
            .expression_attribute_names("#datetime", "datetime")
            .expression_attribute_values(":operator", number(i64::from(operator.get())))
            .expression_attribute_values(":first", number(first))
            .expression_attribute_values(":last", number(last))
            .scan_index_forward(false)
            .limit(i32::try_from(read).unwrap_or(1))
            .set_exclusive_start_key(after.map(|after| after.to_key(operator)));
        let answer = query.send().await.map_err(|error| StoreError::request("Query", &error))?;
        let mut next = answer.last_evaluated_key.as_ref().map(ListPlace::of_key).transpose()?;
        let mut page: Vec<ListedApplication> = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let application = ListedApplication::from_item(item)?;
            if !filter.shows(&application) {
                continue;
            }
            if page.len() == most {
                next = page.last().map(ListedApplication::place);
                break;
            }
            page.push(application);
        }
        Ok((page, next))
    }

    /// Notes that a line of a journeys file says the same status as the application has. If it says another status, it returns the
    /// application, unless that has the status of a newer line or was deleted. One request.
    pub(crate) async fn keep_status(
        &self,
        uuid: ApplicationId,
        status: JourneyStatus,
        version: &JourneyVersion,
        deadline: Deadline,
    ) -> Result<Option<Application>, StoreError> {
        let update = self
            .table
            .update(AttributeValue::S(uuid.to_string()))
            .update_expression("SET status_version = :version")
            .condition_expression("status_version < :version AND #status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", AttributeValue::S(status.as_str().to_owned()))
            .expression_attribute_values(":version", AttributeValue::S(version.as_str().to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Updated::Lost(item) = updated_until(deadline, update).await? else { return Ok(None) };
        let item = item.filter(|item| NameTaken::of(item).is_none());
        let application = item.map(Application::from_item).transpose()?;
        let is_older = |application: &Application| {
            let journey = application.journey.as_ref();
            journey.is_some_and(|journey| journey.version.as_str() < version.as_str())
        };
        Ok(application.filter(is_older))
    }

    /// The write of a transaction that updates an application to its journey's status, provided that its status has not changed since it
    /// was read.
    pub(crate) fn follow(
        &self,
        application: &Application,
        status: JourneyStatus,
        version: &JourneyVersion,
    ) -> Result<TransactWriteItem, StoreError> {
        let read = application.journey.as_ref().ok_or(corrupt("no journey"))?;
        let update = self
            .table
            .update_in_transaction(AttributeValue::S(application.uuid.to_string()))
            .update_expression("SET #status = :status, status_version = :version")
            .condition_expression("status_version = :read")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", AttributeValue::S(status.as_str().to_owned()))
            .expression_attribute_values(":version", AttributeValue::S(version.as_str().to_owned()))
            .expression_attribute_values(":read", AttributeValue::S(read.version.as_str().to_owned()));
        built_update(update)
    }

    /// The write of a transaction that adds an application, unless its UUID is taken.
    pub(crate) fn add(&self, application: &Application) -> Result<TransactWriteItem, StoreError> {
        let put = self
            .table
            .put_in_transaction(application.to_item()?)
            .condition_expression("attribute_not_exists(#uuid)")
            .expression_attribute_names("#uuid", UUID)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        built_put(put)
    }

    /// Prevents every try to add this application from being written from now on, and returns whether one was written. It retries by
    /// itself, because it knows the deadline and the client does not.
    pub(crate) async fn call_off(&self, uuid: ApplicationId, mut backoff: Backoff) -> Result<bool, StoreError> {
        loop {
            let sent = self
                .table
                .put(NameTaken::CalledOff.item(uuid))
                .condition_expression("attribute_not_exists(#uuid)")
                .expression_attribute_names("#uuid", UUID)
                .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
                .customize()
                .config_override(once())
                .send()
                .await;
            let Err(error) = sent else { return Ok(false) };
            if let Some(PutItemError::ConditionalCheckFailedException(found)) = error.as_service_error() {
                // A stored marker was put by this call, whose response was lost. Then no try was written.
                return Ok(found.item().and_then(NameTaken::of) != Some(NameTaken::CalledOff));
            }
            let failure = StoreError::request("PutItem", &error);
            if !is_transient(&error) {
                return Err(failure);
            }
            backoff.pause().await.map_err(|_| failure)?;
        }
    }

    /// The write of a transaction that gives an application an identity key, provided that it has not changed since it was read.
    pub(crate) fn fill_key(
        &self,
        application: &Application,
        key: &IdentityKey,
    ) -> Result<TransactWriteItem, StoreError> {
        let (condition, values) = condition_as_read(application);
        let update = self
            .table
            .update_in_transaction(AttributeValue::S(application.uuid.to_string()))
            .update_expression("SET identity_key = :key")
            .condition_expression(condition)
            .expression_attribute_names("#uuid", UUID)
            .set_expression_attribute_values(values)
            .expression_attribute_values(":key", AttributeValue::B(key.as_bytes().to_vec().into()));
        built_update(update)
    }

    /// The write of a transaction that removes an application and leaves a marker under its UUID, provided that it has not changed since
    /// it was read.
    pub(crate) fn take_out(&self, application: &Application) -> Result<TransactWriteItem, StoreError> {
        let (condition, values) = condition_as_read(application);
        let put = self
            .table
            .put_in_transaction(NameTaken::Archived.item(application.uuid))
            .condition_expression(condition)
            .expression_attribute_names("#uuid", UUID)
            .set_expression_attribute_values(values);
        built_put(put)
    }
}
