//! Sending a request again: until when, and after which pauses.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::dynamo::error::StoreError;

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
    use aws_sdk_dynamodb::config::http::HttpResponse;
    use aws_sdk_dynamodb::error::SdkError;
    use aws_sdk_dynamodb::operation::get_item::GetItemError;

    type Error = SdkError<GetItemError, HttpResponse>;

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
