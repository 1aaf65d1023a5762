//! The schemas of fields whose types have none.

use cee_eligibility::{IdentityKey, Language};
use cee_history::LARGEST_FILE;
use cee_registry::ImportState;
use utoipa::openapi::schema::{KnownFormat, Object, ObjectBuilder, SchemaFormat, Type};

use crate::kind::{BATCH, CONTENT_TYPES, FileKind};

/// An import's name.
pub(crate) const IMPORT_ID: &str = "0d3f6f8e6c6b4d0f9a5e7c1b2a394857";

fn text(description: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description))
}

pub(crate) fn import_id() -> Object {
    text("The import's name: 32 lower-case hexadecimal digits.")
        .pattern(Some("^[0-9a-f]{32}$"))
        .examples([IMPORT_ID])
        .build()
}

/// A caller may write it in either case.
pub(crate) fn import_id_as_read() -> ObjectBuilder {
    text("The import's name: 32 hexadecimal digits, in either case.")
        .pattern(Some("^[0-9A-Fa-f]{32}$"))
        .examples([IMPORT_ID])
}

pub(crate) fn replaces() -> Object {
    import_id_as_read()
        .description(Some(
            "The import that this file replaces: an import of the caller's that has ended. Once all rows of the file are written, \
             everything that only that import had added is removed. A file that is refused, has a rejected row or has no rows removes \
             nothing.",
        ))
        .build()
}

pub(crate) fn kind() -> Object {
    text(
        "What was sent: a history `file`; a `batch` of history in the body of a call; or a list of `drivers`, with the question whether \
         each could get a certificate.",
    )
        .enum_values(Some([FileKind::File.as_str(), BATCH, FileKind::Drivers.as_str()]))
        .build()
}

pub(crate) fn kind_of_file() -> Object {
    text(
        "What the file is: a history `file`, which is imported; or a list of `drivers` (the columns are the fields of `simulate`), for \
         each of whom the registry returns what `simulate` returns: nothing is imported or reserved. A list also needs the scope \
         `cee:simulate`. If absent: a list if `file_name` contains `simulate-only`, otherwise a history file.",
    )
    .enum_values(Some([FileKind::File, FileKind::Drivers].map(FileKind::as_str)))
    .build()
}

/// A cursor, in a list and in the query.
pub(crate) const CURSOR: &str = "0000018f312f4c000d3f6f8e6c6b4d0f9a5e7c1b2a394857";

pub(crate) fn cursor() -> Object {
    text("The place at which the list continues. Do not interpret it; send it back as it is.")
        .pattern(Some("^[0-9a-f]{48}$"))
        .examples([CURSOR])
        .build()
}

pub(crate) fn state() -> Object {
    text(
        "The state: `awaiting_upload`, the file has not arrived, or waits for its turn; `running`; `completed`, read to its end; \
         `failed`, the whole file was refused, or its import stopped after the rows counted, and `error` says why; `undoing` and \
         `undone`, what the import added is being removed or is removed.",
    )
    .enum_values(Some(ImportState::ALL.iter().map(|state| state.as_str())))
    .build()
}

pub(crate) fn size() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
        .minimum(Some(0))
        .maximum(Some(LARGEST_FILE))
        .description(Some("The size of the file in bytes, at most 5 GiB. S3 then accepts no other size."))
        .examples([80])
        .build()
}

pub(crate) fn sha256() -> Object {
    text("The SHA-256 of the file, as lower-case hexadecimal digits. S3 then accepts no other file.")
        .pattern(Some(IdentityKey::PATTERN))
        .min_length(Some(64))
        .max_length(Some(64))
        .examples(["2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"])
        .build()
}

pub(crate) fn content_type() -> Object {
    text("The content type with which the file is uploaded. The upload must then have it.")
        .enum_values(Some(CONTENT_TYPES))
        .build()
}

pub(crate) fn dates_confirmed() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some(
            "Confirms that the dates of the file are right. For a file that was refused because it has 30 or more different days and \
             none after the 12th of a month, as if a program had swapped day and month.",
        ))
        .examples([false])
        .build()
}

pub(crate) fn check_only() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some(
            "The file is only checked: the registry writes the report and the rejected rows as for an import, `accepted` counts the rows \
             that would be accepted, and nothing is imported.",
        ))
        .examples([false])
        .build()
}

pub(crate) fn language() -> Object {
    text(
        "The language of the reasons why rows or the whole file are rejected, and of the names of the columns beside the rejected rows. \
         English if absent.",
    )
        .enum_values(Some(Language::ALL.map(Language::as_str)))
        .build()
}
