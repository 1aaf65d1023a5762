//! The import function: CSV files that are dropped on S3, into history and journeys.
//!
//! | to find | look in |
//! |---|---|
//! | whose file it is, and which version of it | [`event`] |
//! | how it is read, and what refuses it whole | [`run`] |
//! | how many rows are written at once, and why never two of one driver | [`lanes`] |
//! | what becomes of a row | [`rows`] |
//! | the report and the rejected rows beside it | [`report`] |
//!
//! Everything here may happen again: S3 delivers an event at least once, Lambda tries a failed one anew. A row names its
//! place in its file for ever, so that a row imported again is recognised and counted as before, and an import that has
//! ended is not begun again.

pub mod event;
pub mod lanes;
pub mod report;
pub mod rows;
pub mod run;

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::s3::S3Event;
use cee_eligibility::{OperatorId, Rules};
use cee_registry::{Applications, Claims, Deadline, Imports, Journeys, Operators, StoreError};
use cee_service::aws::Aws;
use cee_service::clock::time_left;
use cee_service::{Clock, Environment, SettingError};
use lambda_runtime::{Diagnostic, LambdaEvent};

use crate::event::File;

/// Kept back of an invocation's time, so that a failure still gets out.
const MARGIN: Duration = Duration::from_secs(5);

/// Why an import could not be brought to its end. It is tried again. Holds nothing of the file.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImportError {
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bucket.
    #[error("{operation} failed: {code}")]
    S3 {
        /// The S3 operation.
        operation: &'static str,
        /// The error's code, or what kind of failure it was.
        code: String,
    },
    /// A state that the code says cannot be.
    #[error("impossible: {0}")]
    Impossible(&'static str),
}

impl From<ImportError> for Diagnostic {
    fn from(error: ImportError) -> Self {
        Self { error_type: "ImportError".to_owned(), error_message: error.to_string() }
    }
}

/// The import function.
#[derive(Clone, Debug)]
pub struct ImportFunction(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bucket: String,
    rules: Rules,
    clock: Clock,
    s3: aws_sdk_s3::Client,
    claims: Claims,
    applications: Applications,
    journeys: Journeys,
    imports: Imports,
    operators: Operators,
}

impl ImportFunction {
    /// The function with its settings.
    ///
    /// # Errors
    /// [`SettingError`] for the first that is missing or bad.
    pub async fn from_environment(environment: &Environment) -> Result<Self, SettingError> {
        let needed = ["CLAIMS_TABLE", "APPLICATIONS_TABLE", "JOURNEYS_TABLE", "IMPORTS_TABLE", "OPERATORS_TABLE"];
        let tables = environment.tables_with(&needed)?;
        let aws = Aws::load(environment).await;
        let db = aws.dynamodb();
        let inner = Inner {
            bucket: environment.required("BUCKET")?,
            rules: environment.rules()?,
            clock: environment.clock()?,
            s3: aws.s3(),
            applications: Applications::new(db.clone(), &tables),
            journeys: Journeys::new(db.clone(), &tables),
            imports: Imports::new(db.clone(), &tables),
            operators: Operators::new(db.clone(), &tables),
            claims: Claims::new(db, tables, environment.claim_keys()?),
        };
        if let Ok(first) = OperatorId::new(1)
            && let Err(error) = inner.operators.find(first).await
        {
            tracing::warn!(%error, "the first request to the tables failed");
        }
        Ok(Self(Arc::new(inner)))
    }

    /// Imports every file that the event names.
    ///
    /// # Errors
    /// The first [`ImportError`]; the other files are imported all the same. The event may be handled again.
    pub async fn handle(&self, event: LambdaEvent<S3Event>) -> Result<(), ImportError> {
        let left = time_left(event.context.deadline());
        let deadline = Deadline::after(left.saturating_sub(MARGIN.min(left / 10)));
        let mut failed = None;
        for record in event.payload.records {
            let file = match File::of(record, &self.0.bucket) {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                // Tried again it would be the same: whoever put it there sees that no report comes.
                Err(what) => {
                    tracing::warn!(what, "an event that names no file to import");
                    continue;
                }
            };
            if let Err(error) = run::import(&self.0, &file, deadline).await {
                tracing::error!(import_id = %file.id, %error, "an import stopped");
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
