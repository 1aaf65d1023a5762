//! The item of a deleted or an erased application.

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::Instant;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, date, number};
use crate::records::application::Application;

/// When the application was deleted. The item also has the application's own attributes.
pub(crate) const DELETED_AT: &str = "deleted_at";

/// When the application was deleted, if it was erased later. Its name differs from [`DELETED_AT`], which only readable applications have.
pub(crate) const DELETED_AT_OF_ERASED: &str = "was_deleted_at";

/// When an application was erased.
pub(crate) const ERASED_AT: &str = "erased_at";

/// The archive item of an application that is deleted now.
pub(crate) fn deleted(application: &Application, now: Instant) -> Result<Item, StoreError> {
    let mut item = application.to_item()?;
    item.insert(DELETED_AT.to_owned(), date(now));
    Ok(item)
}

/// The trace of an erased application: only what the scheme's controls need.
pub(crate) fn trace(application: &Application, reason: &str, now: Instant) -> Item {
    let mut trace = Item::from([
        ("uuid".to_owned(), AttributeValue::S(application.uuid.to_string())),
        ("operator_id".to_owned(), number(i64::from(application.operator.get()))),
        ("journey_type".to_owned(), AttributeValue::S(application.journey_type.as_str().to_owned())),
        ("datetime".to_owned(), date(application.datetime)),
        ("registered_at".to_owned(), date(application.registered_at)),
        (ERASED_AT.to_owned(), date(now)),
        ("reason".to_owned(), AttributeValue::S(reason.to_owned())),
    ]);
    if let Some(journey) = &application.journey {
        trace.insert("journey_id".to_owned(), AttributeValue::N(journey.journey_id.to_string()));
    }
    trace
}
