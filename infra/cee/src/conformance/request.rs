//! The writes and reads of the steps.

use std::collections::HashMap;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};
use cee_registry::once;

use super::bench::Bench;
use super::item::{Item, item, number, pk, text};
use super::show::{failure, found, refusal};

/// The condition of a registration on a claim: no date at or after the cut-off.
pub(super) const FREE: &str = "(attribute_not_exists(sd) OR sd < :cutoff)";

#[derive(Clone)]
enum Kind {
    Put(Item),
    Update { key: Item, expression: String, returns: ReturnValue },
    Delete(Item),
}

/// A write of one item, which is sent alone or in a transaction. A failed condition returns the item.
#[derive(Clone)]
pub(super) struct Write {
    table: String,
    kind: Kind,
    condition: Option<String>,
    names: HashMap<String, String>,
    values: Item,
}

impl Write {
    fn new(table: &str, kind: Kind) -> Self {
        Self { table: table.to_owned(), kind, condition: None, names: HashMap::new(), values: Item::new() }
    }

    pub(super) fn put(table: &str, item: Item) -> Self {
        Self::new(table, Kind::Put(item))
    }

    pub(super) fn update(table: &str, key: Item, expression: &str) -> Self {
        Self::new(table, Kind::Update { key, expression: expression.to_owned(), returns: ReturnValue::None })
    }

    pub(super) fn delete(table: &str, key: Item) -> Self {
        Self::new(table, Kind::Delete(key))
    }

    /// An update returns the item as it was before, or is afterwards.
    pub(super) fn returning(mut self, wanted: ReturnValue) -> Self {
        if let Kind::Update { returns, .. } = &mut self.kind {
            *returns = wanted;
        }
        self
    }

    pub(super) fn when(mut self, condition: &str) -> Self {
        self.condition = Some(condition.to_owned());
        self
    }

    pub(super) fn name(mut self, placeholder: &str, name: &str) -> Self {
        self.names.insert(placeholder.to_owned(), name.to_owned());
        self
    }

    pub(super) fn value(mut self, placeholder: &str, value: AttributeValue) -> Self {
        self.values.insert(placeholder.to_owned(), value);
        self
    }

    fn names(&self) -> Option<HashMap<String, String>> {
        Some(self.names.clone()).filter(|names| !names.is_empty())
    }

    fn values(&self) -> Option<Item> {
        Some(self.values.clone()).filter(|values| !values.is_empty())
    }

    /// Sends it alone, and returns whether it was written.
    pub(super) async fn sent(&self, bench: &Bench) -> Sent {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        let (db, names, values) = (&bench.db, self.names(), self.values());
        match &self.kind {
            Kind::Put(item) => {
                let put = db.put_item().table_name(&self.table).set_item(Some(item.clone()));
                let put = put.set_condition_expression(self.condition.clone());
                let put = put.set_expression_attribute_names(names).set_expression_attribute_values(values);
                match put.return_values_on_condition_check_failure(all_old).send().await {
                    Ok(_) => Sent::Written(None),
                    Err(error) => match error.as_service_error() {
                        Some(PutItemError::ConditionalCheckFailedException(lost)) => Sent::Refused(lost.item.clone()),
                        _ => Sent::Failed(Failure::of(&error)),
                    },
                }
            }
            Kind::Update { key, expression, returns } => {
                let update = db.update_item().table_name(&self.table).set_key(Some(key.clone()));
                let update = update.update_expression(expression).set_condition_expression(self.condition.clone());
                let update = update.set_expression_attribute_names(names).set_expression_attribute_values(values);
                let update = update.return_values(returns.clone());
                match update.return_values_on_condition_check_failure(all_old).send().await {
                    // Of an item that did not exist, DynamoDB returns nothing, and dynoxide its key. The registry reads neither.
                    Ok(written) => Sent::Written(written.attributes.filter(|old| old.len() > key.len())),
                    Err(error) => match error.as_service_error() {
                        Some(UpdateItemError::ConditionalCheckFailedException(lost)) => {
                            Sent::Refused(lost.item.clone())
                        }
                        _ => Sent::Failed(Failure::of(&error)),
                    },
                }
            }
            Kind::Delete(key) => {
                let delete = db.delete_item().table_name(&self.table).set_key(Some(key.clone()));
                let delete = delete.set_condition_expression(self.condition.clone());
                let delete = delete.set_expression_attribute_names(names).set_expression_attribute_values(values);
                match delete.return_values_on_condition_check_failure(all_old).send().await {
                    Ok(_) => Sent::Written(None),
                    Err(error) => match error.as_service_error() {
                        Some(DeleteItemError::ConditionalCheckFailedException(lost)) => {
                            Sent::Refused(lost.item.clone())
                        }
                        _ => Sent::Failed(Failure::of(&error)),
                    },
                }
            }
        }
    }

    /// Sends it alone, and returns what happened as text.
    pub(super) async fn send(&self, bench: &Bench) -> String {
        self.sent(bench).await.to_string()
    }

    fn in_transaction(self) -> Result<TransactWriteItem, BuildError> {
        let all_old = ReturnValuesOnConditionCheckFailure::AllOld;
        let (names, values) = (self.names(), self.values());
        let write = TransactWriteItem::builder();
        Ok(match self.kind {
            Kind::Put(item) => {
                let put = Put::builder().table_name(self.table).set_item(Some(item));
                let put = put.set_condition_expression(self.condition).set_expression_attribute_names(names);
                let put = put.set_expression_attribute_values(values);
                write.put(put.return_values_on_condition_check_failure(all_old).build()?)
            }
            Kind::Update { key, expression, .. } => {
                let update = Update::builder().table_name(self.table).set_key(Some(key)).update_expression(expression);
                let update = update.set_condition_expression(self.condition).set_expression_attribute_names(names);
                let update = update.set_expression_attribute_values(values);
                write.update(update.return_values_on_condition_check_failure(all_old).build()?)
            }
            Kind::Delete(key) => {
                let delete = Delete::builder().table_name(self.table).set_key(Some(key));
                let delete = delete.set_condition_expression(self.condition).set_expression_attribute_names(names);
                let delete = delete.set_expression_attribute_values(values);
                write.delete(delete.return_values_on_condition_check_failure(all_old).build()?)
            }
        }
        .build())
    }
}

/// Why a request failed, for a report and for a retry.
pub(super) struct Failure {
    /// The error's code.
    pub(super) code: Option<String>,
    /// The failure in words.
    pub(super) words: String,
}

impl Failure {
    fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        SdkError<E, HttpResponse>: ProvideErrorMetadata,
    {
        Self { code: error.code().map(str::to_owned), words: failure(error) }
    }
}

/// The result of a write.
pub(super) enum Sent {
    /// It was written. The item that an update returned.
    Written(Option<Item>),
    /// Its condition failed. The item that the refusal returned.
    Refused(Option<Item>),
    Failed(Failure),
}

impl std::fmt::Display for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Written(None) => f.write_str("written"),
            Self::Written(Some(returned)) => write!(f, "written, returns {}", found(Some(returned))),
            Self::Refused(item) => write!(f, "refused, returns {}", found(item.as_ref())),
            Self::Failed(failure) => f.write_str(&failure.words),
        }
    }
}

/// The result of a transaction.
pub(super) enum Transacted {
    Written,
    Cancelled(Vec<CancellationReason>),
    Failed(Failure),
}

impl std::fmt::Display for Transacted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Written => f.write_str("written"),
            Self::Cancelled(reasons) => {
                let reasons: Vec<_> = reasons.iter().map(reason).collect();
                write!(f, "cancelled: {}", reasons.join(", "))
            }
            Self::Failed(failure) => f.write_str(&failure.words),
        }
    }
}

/// The reason of one item of a transaction.
fn reason(reason: &CancellationReason) -> String {
    match reason.code() {
        None | Some("None") => "fine".to_owned(),
        Some("ConditionalCheckFailed") => format!("refused {}", found(reason.item())),
        code => refusal(code, reason.message()),
    }
}

impl Bench {
    /// Sends writes in one transaction: once, and without a token, as the registry does.
    pub(super) async fn transact(&self, writes: impl IntoIterator<Item = Write>) -> Transacted {
        let items: Result<Vec<_>, BuildError> = writes.into_iter().map(Write::in_transaction).collect();
        let items = match items {
            Ok(items) => items,
            Err(error) => return Transacted::Failed(Failure { code: None, words: error.to_string() }),
        };
        let send = self.db.transact_write_items().set_transact_items(Some(items)).customize().config_override(once());
        match send.send().await {
            Ok(_) => Transacted::Written,
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    Transacted::Cancelled(cancelled.cancellation_reasons().to_vec())
                }
                _ => Transacted::Failed(Failure::of(&error)),
            },
        }
    }

    /// The item with this key, in a consistent read.
    pub(super) async fn get(&self, table: &str, key: Item) -> Result<Option<Item>, String> {
        let get = self.db.get_item().table_name(table).set_key(Some(key)).consistent_read(true);
        get.send().await.map(|answer| answer.item).map_err(|error| failure(&error))
    }

    /// The same as text.
    pub(super) async fn read(&self, table: &str, key: Item) -> String {
        match self.get(table, key).await {
            Ok(item) => found(item.as_ref()),
            Err(why) => why,
        }
    }
}

/// An update of a claim item.
pub(super) fn update(b: &Bench, key: &str, expression: &str) -> Write {
    Write::update(&b.tables.claims, pk(key), expression)
}

/// A claim item, in a consistent read.
pub(super) async fn claim(b: &Bench, key: &str) -> String {
    b.read(&b.tables.claims, pk(key)).await
}

/// The update of a claim in a registration.
pub(super) fn register(b: &Bench, key: &str, at: i64, cutoff: i64) -> Write {
    update(b, key, "SET sd = :at").when(FREE).value(":at", number(at)).value(":cutoff", number(cutoff))
}

/// The put of an application in a registration.
pub(super) fn application(b: &Bench, uuid: &str, at: i64) -> Write {
    let put = Write::put(&b.tables.applications, item([("uuid", text(uuid)), ("at", number(at))]));
    put.when("attribute_not_exists(#uuid)").name("#uuid", "uuid")
}
