//! Errors of DynamoDB, and which requests are sent again.

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

/// A failure of the store. It holds no item and no message of DynamoDB, because both may contain personal data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Other writes to the same items, or throttling, lasted until the deadline. Nothing was written, and nothing will be.
    #[error("the tables stayed busy until the time was up")]
    Busy,
    /// A request failed. If its response was lost, DynamoDB may have carried it out.
    #[error("{operation} failed: {code} (request {request_id})")]
    Request {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The error's code, or the kind of failure if there was no response.
        code: String,
        /// DynamoDB's ID of the request.
        request_id: String,
    },
    /// An item is malformed.
    #[error("an item of the table of {table} cannot be read: {what}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// Which part of the item.
        what: &'static str,
    },
    /// A table of this name has another key, so it is not a table of this store.
    #[error("the table {table} exists with another key: it is not a table of this registry")]
    OtherKey {
        /// The table's name in this environment.
        table: String,
    },
}

impl StoreError {
    pub(crate) fn request<E, R>(operation: &'static str, error: &SdkError<E, R>) -> Self
    where
        SdkError<E, R>: ProvideErrorMetadata + RequestId,
    {
        let fallback = match error {
            SdkError::ConstructionFailure(_) => "ConstructionFailure",
            SdkError::TimeoutError(_) => "Timeout",
            SdkError::DispatchFailure(_) => "DispatchFailure",
            SdkError::ResponseError(_) => "ResponseError",
            _ => "Unknown",
        };
        Self::Request {
            operation,
            code: error.code().unwrap_or(fallback).to_owned(),
            request_id: error.request_id().unwrap_or("none").to_owned(),
        }
    }
}

/// Whether this error code means that the request was not carried out and may succeed if it is sent again.
#[must_use]
pub fn is_contention(code: &str) -> bool {
    matches!(
        code,
        "TransactionConflict"
            | "TransactionConflictException"
            | "ThrottlingError"
            | "ThrottlingException"
            | "ProvisionedThroughputExceeded"
            | "ProvisionedThroughputExceededException"
            | "RequestLimitExceeded"
    )
}

/// Whether DynamoDB rejects an item because it would be too large. Only the message tells this error from other validation errors.
#[must_use]
pub fn is_too_large(code: Option<&str>, message: Option<&str>) -> bool {
    matches!(code, Some("ValidationException" | "ValidationError"))
        && message.is_some_and(|message| message.starts_with("Item size") && message.contains("exceeded"))
}

/// Whether a conditional write was carried out: `false` if its condition did not hold.
///
/// # Errors
/// [`StoreError::Request`] for any other failure.
pub(crate) fn met<T, E>(operation: &'static str, sent: Result<T, SdkError<E, HttpResponse>>) -> Result<bool, StoreError>
where
    SdkError<E, HttpResponse>: ProvideErrorMetadata + RequestId,
{
    match sent {
        Ok(_) => Ok(true),
        Err(error) if error.code() == Some("ConditionalCheckFailedException") => Ok(false),
        Err(error) => Err(StoreError::request(operation, &error)),
    }
}

/// A transaction with the same token is in progress and may still be written. Each request has its own token, so DynamoDB should never
/// return this error. If it does, the outcome of the try is unknown, as after a lost response.
pub(crate) const IN_PROGRESS: &str = "TransactionInProgressException";

/// Whether to send a repeatable write again: it collided with another write, or its outcome is unknown.
///
/// The status counts as well as the code, because a proxy in front of DynamoDB answers without a code, and AWS adds codes. Transient are
/// a 5xx, a 408, a 429, and a response that cannot be read, for example a truncated one.
pub(crate) fn is_transient<E>(error: &SdkError<E, HttpResponse>) -> bool
where
    SdkError<E, HttpResponse>: ProvideErrorMetadata,
{
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => true,
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            let unread = error.code().is_none();
            unread || status >= 500 || matches!(status, 408 | 429) || error.code().is_some_and(is_transient_code)
        }
        _ => false,
    }
}

/// Whether this error code, with any status, means that the request may succeed if it is sent again.
fn is_transient_code(code: &str) -> bool {
    is_contention(code)
        || code == IN_PROGRESS
        || matches!(
            code,
            "InternalServerError"
                | "InternalServerErrorException"
                | "InternalFailure"
                | "ServiceUnavailable"
                | "ServiceUnavailableException"
                | "RequestTimeout"
                | "RequestTimeoutException"
                // Another region is writing the item.
                | "ReplicatedWriteConflictException"
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    type Error = SdkError<GetItemError, HttpResponse>;

    #[test]
    fn failed_request_reports_its_code() {
        let answer = || HttpResponse::new(200.try_into().unwrap(), "".into());
        for (error, expected, transient) in [
            (Error::construction_failure("why"), "ConstructionFailure", false),
            (Error::timeout_error("why"), "Timeout", true),
            (Error::dispatch_failure(ConnectorError::io("why".into())), "DispatchFailure", true),
            (Error::response_error("why", answer()), "ResponseError", true),
            (Error::service_error(GetItemError::unhandled("why"), answer()), "Unknown", true),
        ] {
            let said = StoreError::request("GetItem", &error);
            let StoreError::Request { operation: "GetItem", code, request_id } = said else { panic!("{said:?}") };
            assert_eq!((code.as_str(), request_id.as_str()), (expected, "none"));
            assert_eq!(is_transient(&error), transient, "{expected}");
        }
    }

    #[test]
    fn error_is_transient_by_status_or_code() {
        for (status, code, transient) in [
            (500, "InternalFailure", true),
            (500, "SomethingNew", true),
            (503, "ServiceUnavailableException", true),
            (504, "SomethingNew", true),
            (408, "SomethingNew", true),
            (429, "SomethingNew", true),
            (400, "InternalFailure", true),
            (400, "ServiceUnavailableException", true),
            (400, "RequestTimeout", true),
            (400, "RequestTimeoutException", true),
            (400, "ReplicatedWriteConflictException", true),
            (400, "ThrottlingException", true),
            (400, IN_PROGRESS, true),
            (400, "SomethingNew", false),
            (400, "ValidationException", false),
            (403, "AccessDeniedException", false),
            (499, "SomethingNew", false),
        ] {
            let refused = GetItemError::generic(ErrorMetadata::builder().code(code).build());
            let answer = HttpResponse::new(u16::try_from(status).unwrap().try_into().unwrap(), "".into());
            assert_eq!(is_transient(&Error::service_error(refused, answer)), transient, "{status} {code}");
        }
    }
}
