//! What can go wrong in the store, and what is worth trying again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::http::HttpResponse;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;

/// A failure of the store. Holds no item and no message of the database: both may carry personal data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Other writes to the same items, or throttling, until the time was up. Nothing was written, nor will it be.
    #[error("the tables stayed busy until the time was up")]
    Busy,
    /// A request failed. Whether it was carried out is unknown where the answer was lost.
    #[error("{operation} failed: {code} (request {request_id})")]
    Request {
        /// The DynamoDB operation.
        operation: &'static str,
        /// The error's code, or what kind of failure it was where no answer came.
        code: String,
        /// DynamoDB's name for the request.
        request_id: String,
    },
    /// An item is not what this store writes.
    #[error("an item of the table of {table} cannot be read: {what}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// Which part of the item.
        what: &'static str,
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

/// Whether an error's code says that the same request may succeed a moment later and has certainly not been carried out.
pub(crate) fn is_contention(code: &str) -> bool {
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

/// Whether DynamoDB says that an item would be larger than it takes. It says so by a message alone.
pub(crate) fn is_too_large(code: Option<&str>, message: Option<&str>) -> bool {
    matches!(code, Some("ValidationException" | "ValidationError"))
        && message.is_some_and(|message| message.starts_with("Item size") && message.contains("exceeded"))
}

/// Whether a conditional write was carried out: `false` where its condition did not hold.
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

/// A transaction with the same token is under way, and may yet be written. Each request has a token of its own, so DynamoDB has no
/// reason to say so; if it does, what became of a try is as unknown as without an answer, and is met as that.
pub(crate) const IN_PROGRESS: &str = "TransactionInProgressException";

/// Whether a write that may be repeated is worth sending again: it collided, or nobody knows what became of it.
///
/// By the status as well as by the code, for what stands before DynamoDB answers without one, and AWS adds codes: a 5xx, a 408, a 429,
/// and an answer that cannot be read, half of one for example.
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

/// Whether an error's code, whatever its status, says that the same request may succeed a moment later.
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
                // Another region writes the item.
                | "ReplicatedWriteConflictException"
        )
}

/// The moment at which a call must have its answer, whatever the tables do.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    moment: tokio::time::Instant,
    /// How often something is tried again at most, without a pause.
    retries: Option<u32>,
}

impl Deadline {
    /// So much time from now.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self { moment: tokio::time::Instant::now() + time, retries: None }
    }

    /// A deadline for tests: time is up after this number of retries, none of which waits. So no test depends on how many tries
    /// its machine makes in a second.
    #[must_use]
    pub fn after_retries(retries: u32) -> Self {
        Self { retries: Some(retries), ..Self::after(Duration::from_secs(3600)) }
    }

    /// Whether there is no time left.
    #[must_use]
    pub fn has_passed(self) -> bool {
        tokio::time::Instant::now() >= self.moment
    }
}

/// How often something was tried once more since it was last asked.
static RETRIES: AtomicU64 = AtomicU64::new(0);

/// How often this process has tried something once more, because other writes collided with it or the tables were short of
/// throughput, since the last call of this: each is told once, to whoever asks next.
pub fn take_retries() -> u64 {
    RETRIES.swap(0, Ordering::Relaxed)
}

/// Pauses between tries: full jitter under a bound that doubles, so that those who collided do not collide again.
///
/// It knows whether a try may have been carried out, or may yet be: [`StoreError::Busy`] says that none was.
pub(crate) struct Backoff {
    deadline: Deadline,
    bound: Duration,
    heard: Option<StoreError>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_millis(800);

    pub(crate) const fn until(deadline: Deadline) -> Self {
        Self { deadline, bound: Self::FIRST, heard: None }
    }

    /// Notes what was heard of a try that may have been carried out, or may yet be.
    pub(crate) fn note(&mut self, heard: StoreError) {
        self.heard = Some(heard);
    }

    /// What was heard of a try that may have been carried out, or may yet be.
    pub(crate) const fn heard(&self) -> Option<&StoreError> {
        self.heard.as_ref()
    }

    /// How a step between two tries ended, for whoever waits for the whole.
    ///
    /// # Errors
    /// Those of the step, but [`StoreError::Busy`] where a try may have been carried out: then what was heard of it.
    pub(crate) fn told<T>(&self, of_step: Result<T, StoreError>) -> Result<T, StoreError> {
        match (of_step, &self.heard) {
            (Err(StoreError::Busy), Some(heard)) => Err(heard.clone()),
            (of_step, _) => of_step,
        }
    }

    /// Waits before the next try, or says that there is no time for one, as [`Self::told`].
    pub(crate) async fn pause(&mut self) -> Result<(), StoreError> {
        if let Some(left) = &mut self.deadline.retries {
            let Some(less) = left.checked_sub(1) else { return self.told(Err(StoreError::Busy)) };
            *left = less;
            return Ok(());
        }
        let wake = tokio::time::Instant::now() + self.bound.mul_f64(fastrand::f64());
        if wake >= self.deadline.moment {
            return self.told(Err(StoreError::Busy));
        }
        self.bound = (self.bound * 2).min(Self::LONGEST);
        RETRIES.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep_until(wake).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::error::ErrorMetadata;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;
    use aws_smithy_runtime_api::client::result::ConnectorError;

    type Error = SdkError<GetItemError, HttpResponse>;

    #[test]
    fn a_request_that_had_no_answer_says_why() {
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
    fn refusal_is_transient_by_its_status_or_by_its_code() {
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

    #[test]
    fn a_deadline_passes() {
        assert!(!Deadline::after(Duration::from_secs(60)).has_passed());
        assert!(Deadline::after(Duration::ZERO).has_passed());
    }

    #[tokio::test]
    async fn retries_end_after_their_number() {
        let mut backoff = Backoff::until(Deadline::after_retries(2));
        assert_eq!([backoff.pause().await, backoff.pause().await], [Ok(()), Ok(())]);
        assert_eq!(backoff.pause().await, Err(StoreError::Busy));
    }

    /// That a pause is long enough is told by a clock, that it is short enough by its bound: no machine is too slow for this.
    #[tokio::test]
    async fn pauses_double_and_end_before_the_deadline() {
        let mut backoff = Backoff::until(Deadline::after(Duration::from_secs(60)));
        for bound in [10, 20, 40, 80] {
            assert_eq!(backoff.bound, Duration::from_millis(bound));
            // The part of the bound that the next pause takes.
            fastrand::seed(bound);
            let pause = backoff.bound.mul_f64(fastrand::f64());
            fastrand::seed(bound);
            let before = tokio::time::Instant::now();
            assert_eq!(backoff.pause().await, Ok(()));
            assert!(before.elapsed() >= pause, "{bound}");
        }
        backoff.bound = Backoff::LONGEST;
        assert_eq!(backoff.pause().await, Ok(()));
        assert_eq!(backoff.bound, Backoff::LONGEST);
        // Other tests' may be among them.
        assert!(take_retries() >= 5, "each is told");

        // There is time left, and less of it than the pause takes.
        fastrand::seed(1);
        let pause = Duration::from_secs(3600);
        assert!(fastrand::f64() > 0.1, "or the pause would be shorter than the time left");
        fastrand::seed(1);
        let mut backoff = Backoff { bound: pause, ..Backoff::until(Deadline::after(Duration::from_secs(60))) };
        assert_eq!(backoff.pause().await, Err(StoreError::Busy));
        assert!(!backoff.deadline.has_passed());
        let heard = StoreError::request("GetItem", &Error::timeout_error("why"));
        backoff.note(heard.clone());
        assert_eq!(backoff.pause().await, Err(heard), "it may have been carried out");
    }
}
