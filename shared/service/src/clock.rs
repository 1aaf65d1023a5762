//! The clock of the rules, which `NOW` can pin, and the clock of the machine, which measures leases, windows and durations.

use std::time::{Duration, SystemTime};

use cee_eligibility::Instant;

/// The source of the current moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The machine's clock.
    Machine,
    /// A clock that does not move, for a demonstration or a test.
    Pinned(Instant),
}

impl Clock {
    /// Now.
    #[must_use]
    pub fn now(self) -> Instant {
        match self {
            Self::Machine => machine_now(),
            Self::Pinned(instant) => instant,
        }
    }
}

/// The current moment of the machine's clock, which no setting pins. Use it to measure durations.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub fn machine_now() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let millis = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    // A clock before the year 1 or after 9998 is broken, so 1970 is as good as any other year.
    Instant::from_millis(millis).or_else(|| Instant::from_millis(0)).unwrap_or_else(|| unreachable!("1970 is a year"))
}

/// The time that Lambda leaves to an invocation, by the machine's clock, even if [`Clock`] is pinned; zero after the deadline.
#[must_use]
#[allow(clippy::disallowed_methods)]
pub fn time_left(deadline: SystemTime) -> Duration {
    deadline.duration_since(SystemTime::now()).unwrap_or_default()
}
