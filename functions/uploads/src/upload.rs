//! What a caller says of its file: the body of the call, or the form of the console.

use cee_edge::problem::ApplicationKind;
use cee_edge::{Fields, Refusal};
use cee_eligibility::fields::{FileName, FileSize, parse_sha256};
use cee_eligibility::{FieldError, Language};
use cee_history::LARGEST_FILE;
use cee_registry::ImportId;
use utoipa::ToSchema;

use crate::kind::{CONTENT_TYPES, FileKind, is_list};
use crate::schema;

/// A caller's declarations about its file. They become part of the signature: S3 then accepts nothing else.
#[derive(Debug, PartialEq, Eq, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Upload {
    #[schema(nullable = false)]
    pub(crate) file_name: Option<FileName>,
    #[schema(schema_with = schema::size)]
    pub(crate) size: Option<FileSize>,
    #[schema(schema_with = schema::sha256)]
    pub(crate) sha256: Option<[u8; 32]>,
    #[schema(schema_with = schema::kind_of_file)]
    pub(crate) kind: Option<FileKind>,
    #[schema(schema_with = schema::content_type)]
    pub(crate) content_type: Option<&'static str>,
    #[schema(schema_with = schema::dates_confirmed)]
    pub(crate) dates_confirmed: Option<bool>,
    #[schema(schema_with = schema::check_only)]
    pub(crate) check_only: Option<bool>,
    #[schema(schema_with = schema::language)]
    pub(crate) language: Option<Language>,
    #[schema(schema_with = schema::replaces)]
    pub(crate) replaces: Option<ImportId>,
}

impl Upload {
    /// Whether the file is a list of drivers.
    pub(crate) fn is_list(&self) -> bool {
        is_list(self.kind, self.file_name.as_ref())
    }
}

/// Reads an import's id, in either case as every UUID.
#[must_use]
pub fn read_import_id(text: &str) -> Option<ImportId> {
    ImportId::parse(&text.to_ascii_lowercase())
}

/// Reads the body of the call.
///
/// # Errors
/// [`Refusal::InvalidFields`] with every fault.
pub fn read(mut fields: Fields) -> Result<Upload, Refusal> {
    let file_name = fields.optional("file_name", FileName::parse);
    let size = fields.optional_number("size", |size| FileSize::new(size, LARGEST_FILE));
    let sha256 = fields.optional("sha256", parse_sha256);
    let content_type = fields.optional("content_type", |text| {
        CONTENT_TYPES.into_iter().find(|known| *known == text).ok_or(FieldError::ContentType)
    });
    let kind = fields.optional("kind", |text| FileKind::parse(text).ok_or(FieldError::FileKind));
    // A list has no dates, and imports nothing that could take the place of an import.
    if is_list(kind.flatten(), file_name.as_ref().and_then(Option::as_ref)) {
        fields.foreign("dates_confirmed", ApplicationKind::List);
        fields.foreign("replaces", ApplicationKind::List);
    }
    let dates_confirmed = fields.optional_bool("dates_confirmed");
    let check_only = fields.optional_bool("check_only");
    let language = fields.optional("language", Language::parse);
    let replaces = fields.optional("replaces", |text| read_import_id(text).ok_or(FieldError::ImportId));
    let upload = || {
        Some(Upload {
            file_name: file_name?,
            size: size?,
            sha256: sha256?,
            kind: kind?,
            content_type: content_type?,
            dates_confirmed: dates_confirmed?,
            check_only: check_only?,
            language: language?,
            replaces: replaces?,
        })
    };
    fields.finish(upload())
}

/// Reads the console's form for a new upload: a box that is not ticked is not sent. A file is only checked unless the form says otherwise.
///
/// # Errors
/// [`Refusal::InvalidFields`] with every fault.
pub fn read_form(mut fields: Fields, language: Language) -> Result<Upload, Refusal> {
    // S3 replaces `${filename}` in the key of a form, and a policy has `$` before the names of fields.
    let file_name = fields.optional("file_name", |text| FileName::parse(&text.replace('$', "_")));
    // A list of drivers imports nothing that could take the place of an import.
    if is_list(None, file_name.as_ref().and_then(Option::as_ref)) {
        fields.foreign("replaces", ApplicationKind::List);
    }
    let is_import = fields.take_text("check_only").as_deref() == Some("false");
    let dates_confirmed = fields.take_text("dates_confirmed").is_some();
    let replaces = fields.optional("replaces", |text| read_import_id(text).ok_or(FieldError::ImportId));
    let upload = || {
        Some(Upload {
            file_name: file_name?,
            size: None,
            sha256: None,
            kind: None,
            content_type: None,
            dates_confirmed: Some(dates_confirmed),
            check_only: Some(!is_import),
            language: Some(language),
            replaces: replaces?,
        })
    };
    fields.finish(upload())
}
