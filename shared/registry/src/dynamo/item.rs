//! Items, and attributes that several tables share.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::Instant;

/// A DynamoDB item.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The partition key of most tables.
pub(crate) const PK: &str = "pk";

/// The value of a string attribute.
pub(crate) fn text<'a>(item: &'a Item, attribute: &str) -> Option<&'a str> {
    item.get(attribute)?.as_s().ok().map(String::as_str)
}

/// The value of an integer attribute.
pub(crate) fn integer(item: &Item, attribute: &str) -> Option<i64> {
    item.get(attribute)?.as_n().ok()?.parse().ok()
}

/// The value of a date attribute, or of a bound: milliseconds since 1970.
pub(crate) fn instant(item: &Item, attribute: &str) -> Option<Instant> {
    Instant::from_bound_millis(integer(item, attribute)?)
}

/// An integer as an attribute value.
pub(crate) fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// A date as an attribute value.
pub(crate) fn date(datetime: Instant) -> AttributeValue {
    number(datetime.millis())
}
