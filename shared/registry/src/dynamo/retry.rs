//! Retries: their deadline and their pauses.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::dynamo::error::StoreError;

/// The moment by which a call must have returned.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    moment: tokio::time::Instant,
    /// The maximum number of retries, none of which waits.
    retries: Option<u32>,
}

impl Deadline {
    /// A deadline after this time.
    #[must_use]
    pub fn after(time: Duration) -> Self {
        Self { moment: tokio::time::Instant::now() + time, retries: None }
    }

    /// A deadline for tests: it passes after this number of retries, none of which waits. The number of tries in a test then does not
    /// depend on the speed of the machine.
    #[must_use]
    pub fn after_retries(retries: u32) -> Self {
        Self { retries: Some(retries), ..Self::after(Duration::from_secs(3600)) }
    }

    /// Whether the deadline has passed.
    #[must_use]
    pub fn has_passed(self) -> bool {
        tokio::time::Instant::now() >= self.moment
    }
}

/// The number of retries since the last call of [`take_retries`].
static RETRIES: AtomicU64 = AtomicU64::new(0);

/// Returns how often this process has retried a request since the last call, because another write collided with it or because DynamoDB
/// throttled it. Resets the number.
pub fn take_retries() -> u64 {
    RETRIES.swap(0, Ordering::Relaxed)
}

/// Pauses between tries: full jitter under a bound that doubles, so that writes that collided do not collide again.
///
/// It remembers whether a try may have been written or may still be: [`StoreError::Busy`] means that no try was.
pub(crate) struct Backoff {
    deadline: Deadline,
    bound: Duration,
    /// The error of a try that may have been written or may still be.
    unknown_outcome: Option<StoreError>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(10);
    const LONGEST: Duration = Duration::from_millis(800);

    pub(crate) const fn until(deadline: Deadline) -> Self {
        Self { deadline, bound: Self::FIRST, unknown_outcome: None }
    }

    /// Remembers the error of a try that may have been written or may still be.
    pub(crate) fn note(&mut self, error: StoreError) {
        self.unknown_outcome = Some(error);
    }

    /// The error of a try that may have been written or may still be.
    pub(crate) const fn unknown_outcome(&self) -> Option<&StoreError> {
        self.unknown_outcome.as_ref()
    }

    /// The result of a step between two tries, as the call reports it.
    ///
    /// # Errors
    /// The errors of the step. If an earlier try may have been written, its error instead of [`StoreError::Busy`].
    pub(crate) fn or_unknown<T>(&self, of_step: Result<T, StoreError>) -> Result<T, StoreError> {
        match (of_step, &self.unknown_outcome) {
            (Err(StoreError::Busy), Some(error)) => Err(error.clone()),
            (of_step, _) => of_step,
        }
    }

    /// Waits before the next try. If no time is left for a pause, returns an error as [`Self::or_unknown`] does.
    pub(crate) async fn pause(&mut self) -> Result<(), StoreError> {
        if let Some(left) = &mut self.deadline.retries {
            let Some(less) = left.checked_sub(1) else { return self.or_unknown(Err(StoreError::Busy)) };
            *left = less;
            return Ok(());
        }
        let wake = tokio::time::Instant::now() + self.bound.mul_f64(fastrand::f64());
        if wake >= self.deadline.moment {
            return self.or_unknown(Err(StoreError::Busy));
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
    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::error::SdkError;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;

    type Error = SdkError<GetItemError, HttpResponse>;

    #[test]
    fn deadline_has_passed_after_its_time() {
        assert!(!Deadline::after(Duration::from_secs(60)).has_passed());
        assert!(Deadline::after(Duration::ZERO).has_passed());
    }

    #[tokio::test]
    async fn backoff_ends_after_its_number_of_retries() {
        let mut backoff = Backoff::until(Deadline::after_retries(2));
        assert_eq!([backoff.pause().await, backoff.pause().await], [Ok(()), Ok(())]);
        assert_eq!(backoff.pause().await, Err(StoreError::Busy));
    }

    /// A clock measures that a pause is long enough, and its bound shows that it is short enough. So this test passes on a slow machine.
    #[tokio::test]
    async fn pauses_double_and_end_before_the_deadline() {
        let mut backoff = Backoff::until(Deadline::after(Duration::from_secs(60)));
        for bound in [10, 20, 40, 80] {
            assert_eq!(backoff.bound, Duration::from_millis(bound));
            // The next pause, computed with the same seed.
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
        // Retries of other tests may be counted too.
        assert!(take_retries() >= 5, "each is counted");

        // The deadline has not passed, but it comes before the end of the next pause.
        fastrand::seed(1);
        let pause = Duration::from_secs(3600);
        assert!(fastrand::f64() > 0.1, "or the pause would be shorter than the time left");
        fastrand::seed(1);
        let mut backoff = Backoff { bound: pause, ..Backoff::until(Deadline::after(Duration::from_secs(60))) };
        assert_eq!(backoff.pause().await, Err(StoreError::Busy));
        assert!(!backoff.deadline.has_passed());
        let error = StoreError::request("GetItem", &Error::timeout_error("why"));
        backoff.note(error.clone());
        assert_eq!(backoff.pause().await, Err(error), "it may have been carried out");
    }
}
