//! Limits on an operator's calls, so that one operator's loop does not take the tables from the others.
//!
//! API Gateway counts for an HTTP API as a whole and not for each caller (docs/adr/0019), so authentication counts. A function lets
//! some calls of a window through without a request to the table: rare calls cost nothing. Then it takes slices of the count that
//! all functions share. So an operator gets its calls, and at most one slice more for each running copy of a function. A batch takes
//! its calls as one slice.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cee_eligibility::{Instant, OperatorId};
use cee_registry::{Limits, WINDOW, window_of};

use crate::problem::Refusal;

/// The number of slices of a window.
const SLICES: u32 = 10;

/// The limits on each operator's calls.
#[derive(Debug)]
pub(crate) struct Rate {
    limits: Limits,
    /// The calls in one window; `None`: no limit.
    calls: Option<u32>,
    windows: Mutex<HashMap<OperatorId, Window>>,
}

/// The calls that an operator has left in the current window, in this copy of the function.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    number: i64,
    left: u32,
    used_up: bool,
}

/// The decision of a window on a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Says {
    GoOn,
    Ask,
    Wait,
}

impl Window {
    /// Counts calls that began in the window with this number: all of them or none.
    fn take(&mut self, call: i64, calls: u32, unasked: u32) -> Says {
        let number = window_of(call, self.number);
        if self.number != number {
            *self = Self { number, left: unasked, used_up: false };
        }
        match self.left.checked_sub(calls) {
            Some(left) => {
                self.left = left;
                Says::GoOn
            }
            None if self.used_up => Says::Wait,
            None => Says::Ask,
        }
    }
}

impl Rate {
    /// At most this many calls a second, over a window; 0 means no limit.
    pub(crate) fn new(limits: Limits, calls_per_second: u32) -> Self {
        let window = u32::try_from(WINDOW).unwrap_or(1);
        let calls = Some(calls_per_second.saturating_mul(window)).filter(|calls| *calls > 0);
        Self { limits, calls, windows: Mutex::default() }
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<OperatorId, Window>> {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts calls of an operator: all of them or none. If the table does not respond, they are let through.
    ///
    /// # Errors
    /// [`Refusal::TooManyCalls`] with the time until there are more.
    pub(crate) async fn take(&self, operator: OperatorId, calls: u32, now: Instant) -> Result<(), Refusal> {
        let Some(most) = self.calls else { return Ok(()) };
        let unasked = (most / SLICES).max(1);
        // A slice for all of them, even if they are more than a window's: otherwise a large batch could never pass.
        let slice = unasked.max(calls);
        let length = WINDOW * 1000;
        let call = now.millis().div_euclid(length);
        loop {
            let (says, number) = {
                let mut windows = self.windows();
                let window = windows.entry(operator).or_default();
                (window.take(call, calls, unasked), window.number)
            };
            match says {
                Says::GoOn => return Ok(()),
                Says::Wait => {
                    let wait = length - now.millis().rem_euclid(length);
                    return Err(Refusal::TooManyCalls(Duration::from_millis(u64::try_from(wait).unwrap_or(0))));
                }
                Says::Ask => {}
            }
            let more = match self.limits.take(operator, number, slice, most).await {
                Ok(more) => more,
                Err(error) => {
                    tracing::warn!(%error, "calls are not counted");
                    return Ok(());
                }
            };
            let mut windows = self.windows();
            let window = windows.entry(operator).or_default();
            // Another call may have begun the next window since.
            if window.number == number {
                window.left += if more { slice - calls } else { 0 };
                window.used_up |= !more;
            }
            // The slice holds this call: no other call takes it away in between.
            if more {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_limits_calls_and_next_window_starts_again() {
        let mut window = Window::default();
        assert_eq!([(); 4].map(|()| window.take(7, 1, 3)), [Says::GoOn, Says::GoOn, Says::GoOn, Says::Ask]);
        window.left += 1;
        // All calls of a batch or none.
        assert_eq!([2, 1, 1].map(|calls| window.take(7, calls, 3)), [Says::Ask, Says::GoOn, Says::Ask]);
        window.used_up = true;
        assert_eq!(window.take(7, 1, 3), Says::Wait);
        assert_eq!(window.take(8, 1, 1), Says::GoOn);
        assert_eq!(window.take(8, 1, 1), Says::Ask);
        // A call of the window before that waited for the table until now gives nothing back.
        assert_eq!(window.take(7, 1, 1), Says::Ask);
        assert_eq!((window.take(8, 1, 1), window.number), (Says::Ask, 8));
    }
}
