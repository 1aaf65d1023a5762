//! Items, and the attributes that several tables have in common.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::Instant;

/// A DynamoDB item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The partition key of most tables.
pub(crate) const PK: &str = "pk";

/// An attribute that is a text.
pub(crate) fn text<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    item.get(attribute)?.as_s().ok().map(String::as_str)
}

/// An attribute that is a whole number.
pub(crate) fn integer(item: &Item, attribute: &str) -> Option<i64> {
    item.get(attribute)?.as_n().ok()?.parse().ok()
}

/// An attribute that is a date: milliseconds since 1970.
pub(crate) fn instant(item: &Item, attribute: &str) -> Option<Instant> {
    Instant::from_millis(integer(item, attribute)?)
}

/// The value of a whole number.
pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// The value of a date.
pub(crate) fn date(datetime: Instant) -> AttributeValue {
    number(datetime.millis())
}
