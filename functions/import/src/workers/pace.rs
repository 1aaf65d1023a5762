//! How many rows are written at once: more while the tables accept them, half as many after throttling.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::workers::LANES;

/// The bound of every import at its start: a new table takes some hundreds of writes a second and scales up.
const FIRST: usize = 32;

/// The lowest bound: high enough that a few lost connections do not stop an import.
const LEAST: usize = 8;

/// A bound on the rows written at once, which adapts (additive increase, multiplicative decrease).
#[derive(Debug)]
pub struct Pace {
    turns: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The current bound.
    bound: usize,
    /// The number of turns under way that will not be released.
    withdrawn: usize,
    /// The number of turns that have ended since the bound changed.
    since: usize,
}

/// Permission to write one row. Releasing it without [`Turn::ended`] reports nothing about the row.
#[derive(Debug)]
pub struct Turn<'a> {
    pace: &'a Pace,
    permit: Option<OwnedSemaphorePermit>,
}

impl Default for Pace {
    fn default() -> Self {
        Self::new()
    }
}

impl Pace {
    /// The bound at the start of an import.
    #[must_use]
    pub fn new() -> Self {
        let state = State { bound: FIRST, withdrawn: 0, since: 0 };
        Self { turns: Arc::new(Semaphore::new(FIRST)), state: Mutex::new(state) }
    }

    /// Waits for permission to write a row.
    pub async fn turn(&self) -> Turn<'_> {
        // Nothing ever closes the semaphore; if it were closed, there would be no bound.
        Turn { pace: self, permit: Arc::clone(&self.turns).acquire_owned().await.ok() }
    }

    /// The number of rows that may be written at once now.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.state().bound
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn<'_> {
    /// Releases the turn and reports whether the row was throttled.
    pub fn ended(self, throttled: bool) {
        let mut state = self.pace.state();
        state.since += 1;
        if throttled {
            // Rows that were under way together report the same throttling: they count once.
            if state.since >= state.bound.min(FIRST) {
                let bound = (state.bound / 2).max(LEAST);
                state.withdrawn += state.bound - bound;
                state.bound = bound;
                state.since = 0;
            }
        } else if state.since >= state.bound && state.bound < LANES {
            state.bound += 1;
            state.since = 0;
            if state.withdrawn > 0 {
                state.withdrawn -= 1;
            } else {
                self.pace.turns.add_permits(1);
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut state = self.pace.state();
        if state.withdrawn > 0 {
            state.withdrawn -= 1;
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn turns(pace: &Pace, number: usize, throttled: bool) {
        for _ in 0..number {
            pace.turn().await.ended(throttled);
        }
    }

    /// The number of turns that can be taken at once.
    fn out_at_once(pace: &Pace) -> usize {
        pace.turns.available_permits()
    }

    #[tokio::test]
    async fn pace_grows_on_success_and_halves_on_throttling() {
        let pace = Pace::new();
        turns(&pace, 10_000, false).await;
        assert_eq!((pace.bound(), out_at_once(&pace)), (LANES, LANES), "no more than there are lanes");
        turns(&pace, FIRST, true).await;
        assert_eq!(pace.bound(), LANES / 2, "one shortage counts once");
        turns(&pace, LANES, true).await;
        assert!(pace.bound() < LANES / 4);
        turns(&pace, 10_000, true).await;
        assert_eq!((pace.bound(), out_at_once(&pace)), (LEAST, LEAST), "never a standstill");
        turns(&pace, 10_000, false).await;
        assert_eq!((pace.bound(), out_at_once(&pace)), (LANES, LANES), "and it recovers");
    }

    #[tokio::test]
    async fn dropped_turn_is_given_back() {
        let pace = Pace::new();
        for _ in 0..3 * FIRST {
            drop(pace.turn().await);
        }
        assert_eq!((pace.bound(), out_at_once(&pace)), (FIRST, FIRST));
    }
}
