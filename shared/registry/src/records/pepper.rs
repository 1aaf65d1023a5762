//! The item of the table of claims that holds the check value of the pepper.
//!
//! The item is in the table that it checks, so a restored or copied table contains its own check value:
//!
//! ```text
//! pk        pepper
//! check     HMAC-SHA-256(pepper, "pepper check"): no claim key and no tag is made of this message
//! noted_at  when it was written, in milliseconds since 1970
//! ```

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::Instant;

use crate::dynamo::item::{Item, PK, date, text};
use crate::records::claim_keys::ClaimKeys;

/// The partition key of the check value. No claim key equals it, because claim keys have 43 characters.
pub(crate) const KEY: &str = "pepper";
/// The attribute that holds the check value.
const CHECK: &str = "check";
/// The attribute that says when the check value was written.
const NOTED_AT: &str = "noted_at";

/// Whether an item of the table of claims is the check value and not a claim.
pub(crate) fn is_check(item: &Item) -> bool {
    text(item, PK) == Some(KEY)
}

/// Whether two check values come from different peppers.
pub(crate) fn differ(one: &Item, other: &Item) -> bool {
    one.get(CHECK) != other.get(CHECK)
}

fn check_value(keys: &ClaimKeys) -> AttributeValue {
    AttributeValue::S(keys.hash(&[b"pepper check"]))
}

/// Whether the check value of this item was made with the pepper of these keys.
pub(crate) fn is_of(item: &Item, keys: &ClaimKeys) -> bool {
    item.get(CHECK) == Some(&check_value(keys))
}

/// The item with the check value of these keys.
pub(crate) fn item(keys: &ClaimKeys, now: Instant) -> Item {
    let attributes = [(PK, AttributeValue::S(KEY.to_owned())), (CHECK, check_value(keys)), (NOTED_AT, date(now))];
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}
