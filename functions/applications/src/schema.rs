//! The schemas of fields whose types have none.

use cee_registry::{CHANGES_KEPT_DAYS, ChangesPlace, ExportFormat, ExportState, ListPlace};
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

/// A cursor, in a page and in the query.
pub(crate) const CURSOR: &str = "AAABjkFxnUAcnYseXFNOKp0LD00fHSo7MTIzNDU2Nzg5MDEyMzQ1Ng";

pub(crate) fn cursor() -> Object {
    text(
        "The place at which the list continues. Do not interpret it; send it back as it is, as the same operator and with the same \
         other parameters except `limit`. It does not expire.",
    )
    .pattern(Some(format!("^[A-Za-z0-9_-]{{{}}}$", ListPlace::CURSOR_LENGTH)))
    .examples([CURSOR])
    .build()
}

/// A cursor of changes, in a page and in the query.
pub(crate) const CHANGES_CURSOR: &str = "AgAAAAAAAAAHAAABj6StuoAcnYseXFNOKp0LD00fHSo7MTIzNDU2Nzg5MDEyMzQ1Ng";

pub(crate) fn changes_cursor() -> Object {
    text(&format!(
        "The place after a change. Do not interpret it; send it back as it is, as the same operator. It is valid until \
         {CHANGES_KEPT_DAYS} days after the operator's next change."
    ))
    .pattern(Some(format!("^[A-Za-z0-9_-]{{{}}}$", ChangesPlace::CURSOR_LENGTH)))
    .examples([CHANGES_CURSOR])
    .build()
}

/// A bound of the period. Without an example, because tools send examples unchanged: two equal bounds are refused.
pub(crate) fn bound(description: &str) -> Object {
    text(description).pattern(Some(BOUND)).build()
}

/// A day, or a date and time of RFC 3339, with or without the colon of its offset.
const BOUND: &str =
    "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?([Zz]|[+-][0-9]{2}:?[0-9]{2}))?$";

/// An export's id.
pub(crate) const EXPORT_ID: &str = "018f332ae40070008000000000000001";

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

pub(crate) fn export_id() -> Object {
    text("The export's id: 32 lower-case hexadecimal digits.")
        .pattern(Some("^[0-9a-f]{32}$"))
        .examples([EXPORT_ID])
        .build()
}

/// A caller may write it in either case.
pub(crate) fn export_id_as_read() -> Object {
    text("The export's id: 32 hexadecimal digits, in either case.").pattern(Some("^[0-9A-Fa-f]{32}$")).build()
}

pub(crate) fn export_cursor() -> Object {
    text("The place at which the list continues. Do not interpret it; send it back as it is.")
        .pattern(Some("^[0-9a-f]{32}$"))
        .examples([EXPORT_ID])
        .build()
}

pub(crate) fn format() -> Object {
    text("The format of the file: `csv`, as the list is with `Accept: text/csv`, or `parquet`.")
        .enum_values(Some(ExportFormat::ALL.iter().map(|format| format.as_str())))
        .examples([ExportFormat::Csv.as_str()])
        .build()
}

pub(crate) fn state() -> Object {
    text(
        "The state: `running`; `ready`, the file can be downloaded; `failed`, the registry has given up; `expired`, the file was \
         removed, seven days after it was complete.",
    )
    .enum_values(Some(ExportState::ALL.iter().map(|state| state.as_str())))
    .build()
}
