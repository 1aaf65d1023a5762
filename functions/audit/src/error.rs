//! Why an audit could not continue.

use aws_sdk_s3::error::{ProvideErrorMetadata as _, SdkError};
use cee_registry::StoreError;
use cee_service::PepperError;
use lambda_runtime::Diagnostic;

/// Why an audit could not continue. Repeats nothing that it read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AuditError {
    /// The tables.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The pepper.
    #[error(transparent)]
    Pepper(#[from] PepperError),
    /// The bucket.
    #[error("{operation} failed: {code}")]
    S3 {
        /// The S3 operation.
        operation: &'static str,
        /// The error's code, or that S3 sent no response.
        code: String,
    },
    /// A panic. Its location is already in the log; its message may hold personal data.
    #[error("it panicked")]
    Panic,
}

impl AuditError {
    pub(crate) fn s3<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        SdkError<E, R>: aws_sdk_s3::error::ProvideErrorMetadata,
    {
        Self::S3 { operation, code: error.code().unwrap_or("NoAnswer").to_owned() }
    }
}

impl From<AuditError> for Diagnostic {
    fn from(error: AuditError) -> Self {
        Self { error_type: "AuditError".to_owned(), error_message: error.to_string() }
    }
}
