//! What a step reports, as text.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::AttributeValue;
use cee_registry::is_too_large;

use super::item::Item;

/// The longest part of an engine's own message in a report.
const MESSAGE: usize = 120;

/// The longest text or binary value in a report.
const VALUE: usize = 60;

/// An item, its attributes sorted by name.
pub(super) fn item(item: &Item) -> String {
    let mut attributes: Vec<_> = item.iter().collect();
    attributes.sort_by_key(|(name, _)| *name);
    let attributes: Vec<_> = attributes.into_iter().map(|(name, held)| format!("{name}: {}", value(held))).collect();
    format!("{{{}}}", attributes.join(", "))
}

/// An item, or that there is none.
pub(super) fn found(found: Option<&Item>) -> String {
    found.map_or_else(|| "no item".to_owned(), item)
}

fn value(held: &AttributeValue) -> String {
    let cut = |text: String| if text.len() > VALUE { format!("{} bytes", text.len()) } else { text };
    match held {
        AttributeValue::S(text) => cut(format!("'{text}'")),
        AttributeValue::N(number) => number.clone(),
        AttributeValue::B(bytes) => {
            cut(bytes.as_ref().iter().fold("0x".to_owned(), |hex, byte| format!("{hex}{byte:02x}")))
        }
        AttributeValue::Bool(yes) => yes.to_string(),
        AttributeValue::Null(_) => "null".to_owned(),
        AttributeValue::L(list) => format!("[{}]", list.iter().map(value).collect::<Vec<_>>().join(", ")),
        AttributeValue::M(map) => item(map),
        AttributeValue::Ns(numbers) => {
            // A set has no order.
            let mut numbers = numbers.clone();
            numbers.sort_by_key(|number| number.parse::<i64>().unwrap_or(i64::MAX));
            format!("<{}>", numbers.join(", "))
        }
        _ => "a value of another type".to_owned(),
    }
}

/// Why a request failed.
pub(super) fn failure<E>(error: &SdkError<E, HttpResponse>) -> String
where
    SdkError<E, HttpResponse>: ProvideErrorMetadata,
{
    match error {
        SdkError::TimeoutError(_) => "no response in time".to_owned(),
        SdkError::DispatchFailure(_) => "no connection".to_owned(),
        SdkError::ResponseError(_) => "a response that cannot be read".to_owned(),
        _ => refusal(error.code(), error.message()),
    }
}

/// A refusal of the engine, with the begin of its message.
pub(super) fn refusal(code: Option<&str>, message: Option<&str>) -> String {
    if is_too_large(code, message) {
        return "refused as too large".to_owned();
    }
    let code = code.unwrap_or("an error without a code");
    let message: String = message.unwrap_or_default().chars().take(MESSAGE).collect();
    if message.is_empty() { code.to_owned() } else { format!("{code}: {}", message.replace('\n', " ")) }
}

/// Several observations as one text.
pub(super) fn said<const N: usize>(parts: [String; N]) -> String {
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::item::{binary, number, numbers, text};

    #[test]
    fn items_are_shown_in_one_order() {
        let shown = Item::from([
            ("pk".to_owned(), text("a")),
            ("b".to_owned(), binary(&[1, 255])),
            ("dates".to_owned(), numbers(&[10, 9, -1])),
            ("list".to_owned(), AttributeValue::L(vec![number(1), AttributeValue::Null(true)])),
            ("map".to_owned(), AttributeValue::M(Item::from([("yes".to_owned(), AttributeValue::Bool(true))]))),
        ]);
        assert_eq!(item(&shown), "{b: 0x01ff, dates: <-1, 9, 10>, list: [1, null], map: {yes: true}, pk: 'a'}");
        assert_eq!(found(None), "no item");
        assert_eq!(item(&Item::from([("long".to_owned(), text(&"x".repeat(100)))])), "{long: 102 bytes}");
    }

    #[test]
    fn refusal_for_size_is_recognised_as_the_store_recognises_it() {
        let message = "Item size to update has exceeded the maximum allowed size";
        assert_eq!(refusal(Some("ValidationException"), Some(message)), "refused as too large");
        assert_eq!(refusal(Some("ValidationError"), Some("Item size has exceeded")), "refused as too large");
        assert_eq!(refusal(Some("ValidationException"), Some("other\nthing")), "ValidationException: other thing");
        assert_eq!(refusal(None, None), "an error without a code");
    }
}
