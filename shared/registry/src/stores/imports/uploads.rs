//! Awaited uploads: an operator requests an upload URL and uploads the file later.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use cee_eligibility::{Instant, OperatorId};

use crate::dynamo::error::{StoreError, met};
use crate::dynamo::item::{date, number, text};
use crate::dynamo::update::{Updated, updated};
use crate::records::ids::ImportId;
use crate::records::import::{FORGOTTEN_AT, IGNORED_UPLOAD, ImportRecord, ImportState, VERSION, Wishes, key, later};
use crate::stores::imports::table::Imports;

/// How long an unused upload is kept after its URL has expired: longer than the event of a file can wait until the team delivers it
/// again.
const UNUSED: Duration = Duration::from_secs(15 * 24 * 60 * 60);

/// The kinds of new objects under the key of an upload URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// It is the awaited file.
    Awaited,
    /// The awaited file was uploaded before it, so it is not imported.
    Ignored,
    /// No file is awaited under this key, so it is a new import.
    Other,
}

impl Imports {
    /// Stores that a file is awaited, with the operator's options. Returns false, and changes nothing, if there is an import with this UUID.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer.
    pub async fn await_upload(
        &self,
        import: &ImportRecord,
        now: Instant,
        expires_at: Instant,
        wishes: Wishes,
    ) -> Result<bool, StoreError> {
        let mut item = key(import.operator, import.id);
        item.extend([
            ("key".to_owned(), AttributeValue::S(import.key.clone())),
            ("state".to_owned(), ImportState::AwaitingUpload.attribute()),
            ("created_at".to_owned(), date(now)),
            ("expires_at".to_owned(), date(expires_at)),
            (FORGOTTEN_AT.to_owned(), number(later(expires_at, UNUSED).map_or(0, |at| at.millis() / 1000))),
        ]);
        item.extend(wishes.attributes());
        let put = self.db.put_item().table_name(&self.table).set_item(Some(item));
        // The condition accepts the item itself, because the client may have sent it again after a lost response. No other item has its
        // UUID and key.
        let sent = put
            .condition_expression(
                "attribute_not_exists(import_id) \
                 OR (#key = :key AND #state = :awaiting AND created_at = :now AND expires_at = :expires)",
            )
            .expression_attribute_names("#key", "key")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":key", AttributeValue::S(import.key.clone()))
            .expression_attribute_values(":now", date(now))
            .expression_attribute_values(":expires", date(expires_at))
            .expression_attribute_values(":awaiting", ImportState::AwaitingUpload.attribute())
            .send()
            .await;
        met("PutItem", sent)
    }

    /// The kind of a new object under the key of an awaited upload: the first version is the awaited file. Another version is never imported,
    /// because the operator has no UUID for it. The awaited import then has `ignored_upload` set.
    ///
    /// # Errors
    /// [`StoreError`] if the store cannot answer; the call may be repeated.
    pub async fn claim_upload(
        &self,
        operator: OperatorId,
        id: ImportId,
        object_key: &str,
        version: &str,
    ) -> Result<Claimed, StoreError> {
        let update = self
            .update(Some(operator), id)
            .update_expression("SET #version = :version REMOVE forgotten_at")
            .condition_expression("#key = :key AND (attribute_not_exists(#version) OR #version = :version)")
            .expression_attribute_names("#key", "key")
            .expression_attribute_names("#version", VERSION)
            .expression_attribute_values(":key", AttributeValue::S(object_key.to_owned()))
            .expression_attribute_values(":version", AttributeValue::S(version.to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Updated::Lost(item) = updated(update).await? else { return Ok(Claimed::Awaited) };
        if item.as_ref().and_then(|item| text(item, "key")) != Some(object_key) {
            return Ok(Claimed::Other);
        }
        self.note_ignored(operator, id).await?;
        Ok(Claimed::Ignored)
    }

    /// Sets `ignored_upload`.
    async fn note_ignored(&self, operator: OperatorId, id: ImportId) -> Result<(), StoreError> {
        let update = self.update(Some(operator), id).update_expression("SET #ignored = :true");
        let update = update.condition_expression("attribute_exists(import_id)");
        let update = update.expression_attribute_names("#ignored", IGNORED_UPLOAD);
        let sent = update.expression_attribute_values(":true", AttributeValue::Bool(true)).send().await;
        met("UpdateItem", sent).map(drop)
    }
}
