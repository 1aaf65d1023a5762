//! `…/policies/cee/imports`: creates an upload for a history file or a list of drivers, shows the progress of its import, and requests
//! that the import be undone.
//!
//! | to find | look in |
//! |---|---|
//! | the calls | [`Uploads`] |
//! | what a caller says of its file, and how it is read | `upload` |
//! | what the calls return | `import` |
//! | what the calls and the console do: presigned URLs, the progress of imports, undos | [`Files`] |
//! | the form with which a browser puts a file on S3 | `form`, [`cee_service::form`] |
//! | how an awaited file becomes the import of this id | [`cee_registry::Imports::claim_upload`] |
//! | the kinds of files | `kind` |
//! | what the OpenAPI document says of the calls, and of fields | [`openapi`], `schema` |
//!
//! No file passes through this function. The caller gets a presigned URL and puts the file on S3 itself: one object, under the
//! operator's own prefix, within a quarter of an hour. What the call declares (size, checksum, content type) becomes part of the
//! signature: S3 rejects anything else.
//!
//! The import function undoes imports. This function checks that the import is the caller's, has ended and is not too old, and then
//! requests the undo with a note on S3, as the registry's team does.

use cee_edge::problem::BrokenRule;
use cee_edge::{Call, Fields, Gate, HttpFunction, Query, Refusal, Reply};
use cee_registry::{Cursor, Imports, MOST_LISTED};
use cee_service::aws::Aws;
use cee_service::{Environment, SettingError};
use cee_tokens::Scope;
use http::{Method, StatusCode};

mod files;
mod form;
mod import;
mod kind;
pub mod openapi;
mod schema;
mod upload;

pub use files::Files;
pub use form::UploadForm;
pub use import::{Import, List, Place};
pub use kind::FileKind;
pub use upload::{Upload, read, read_form, read_import_id};

/// The settings of the tables that the function is given.
pub const TABLES: &[&str] = &["IMPORTS_TABLE", "OPERATORS_TABLE", "LIMITS_TABLE"];

/// Answers `POST` and `GET /v3/policies/cee/imports`, and `GET` and `DELETE /v3/policies/cee/imports/{import_id}`.
#[derive(Debug)]
pub struct Uploads {
    gate: Gate,
    files: Files,
}

impl Uploads {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let tables = environment.tables_with(TABLES)?;
        let aws = Aws::of_function(environment);
        let db = aws.dynamodb();
        Ok(Self {
            gate: Gate::from_environment(environment, (&db, &tables), None).await?,
            files: Files::new(environment, aws.s3(), Imports::new(db, &tables))?,
        })
    }
}

impl HttpFunction for Uploads {
    const NAME: &'static str = "uploads";

    async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
        let caller = self.gate.admit(call, Scope::Import).await?;
        let operator = caller.operator;
        if call.request().method() == Method::POST {
            self.files.check_any_open()?;
            let upload = read(Fields::of(call.request())?)?;
            if upload.is_list() && !caller.scopes.contains(&Scope::Simulate) {
                return Err(Refusal::MissingScope(Scope::Simulate));
            }
            self.files.check_open(upload.is_list())?;
            return Reply::json(StatusCode::CREATED, &self.files.place(operator, &upload).await?);
        }
        // API Gateway sends only its routes' paths here.
        let path = call.path();
        if path.ends_with("/imports") {
            let list = self.files.list(operator, read_page(call.query())?, call.deadline()).await?;
            return Reply::json(StatusCode::OK, &list);
        }
        // Read in either case, as every UUID.
        let id = path.rsplit('/').next().and_then(read_import_id).ok_or(Refusal::UnknownImport)?;
        if call.request().method() == Method::DELETE {
            self.files.check_take_back_open()?;
            return Reply::json(StatusCode::ACCEPTED, &self.files.take_back(operator, id).await?);
        }
        Reply::json(StatusCode::OK, &self.files.find(operator, id).await?)
    }
}

/// Reads which part of a list is asked for.
///
/// # Errors
/// [`Refusal::InvalidQuery`]
pub fn read_page(mut query: Query) -> Result<(Option<Cursor>, usize), Refusal> {
    let most = query.limit(MOST_LISTED);
    let after = query.optional("cursor", |text| Cursor::parse(text).ok_or(BrokenRule::Cursor));
    let (after, most) = query.finish(&["limit", "cursor"], after.zip(most))?;
    Ok((after, most.unwrap_or(MOST_LISTED)))
}
