//! Whether some order of concurrent calls explains every response. Each call takes effect at one moment between its request and its
//! response, and its response is the response of [`Specification`] at that moment. A call without a response may have taken effect at any
//! moment after its request, or never.
//!
//! The search is the algorithm of Wing and Gong, with Lowe's cache of visited states: it tries all orders, but none twice. The problem is
//! hard in general, but quick for the dozens of calls on one driver.

use std::collections::HashSet;
use std::hash::Hash;

/// The specification, one call at a time.
pub trait Specification: Clone + Eq + Hash {
    /// The request.
    type Call;
    /// The visible part of a response.
    type Seen;

    /// The state after this call, if `seen` is a possible response to it. With `None`, any response is possible.
    fn after(&self, call: &Self::Call, seen: Option<&Self::Seen>) -> Option<Self>;
}

/// One call, as its caller observed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded<C, S> {
    /// The request.
    pub call: C,
    /// When it was sent.
    pub began: u64,
    /// When the response arrived, and its visible part. `None`: it is unknown whether and when the call took effect.
    pub ended: Option<(u64, S)>,
}

/// The maximum number of calls in a history.
pub const MOST: usize = 128;

/// Whether some order explains the responses and ends in a state that fits. If not, how far the best try came.
///
/// # Errors
/// The numbers of the calls in the order of the longest try. No other call can follow it.
///
/// # Panics
/// For more than [`MOST`] calls.
pub fn explain<P: Specification>(
    start: &P,
    history: &[Recorded<P::Call, P::Seen>],
    fits: impl Fn(&P) -> bool,
) -> Result<(), Vec<usize>> {
    assert!(history.len() <= MOST, "{} calls are too many for one history", history.len());
    let definite = mask(history.iter().map(|call| call.ended.is_some()));
    let mut search = Search { history, definite, fits, tried: HashSet::new(), order: Vec::new(), best: Vec::new() };
    if search.from(start.clone(), 0) { Ok(()) } else { Err(search.best) }
}

fn mask(set: impl Iterator<Item = bool>) -> u128 {
    set.enumerate().filter(|(_, set)| *set).fold(0, |mask, (number, _)| mask | 1 << number)
}

struct Search<'a, P: Specification, F> {
    history: &'a [Recorded<P::Call, P::Seen>],
    /// The calls that have a response: each must be in the order.
    definite: u128,
    fits: F,
    tried: HashSet<(u128, P)>,
    order: Vec<usize>,
    best: Vec<usize>,
}

impl<P: Specification, F: Fn(&P) -> bool> Search<'_, P, F> {
    /// Whether the calls that are not `done` can follow from this state.
    fn from(&mut self, state: P, mut done: u128) -> bool {
        let length = self.order.len();
        // A call that does not change the state is taken at once, because any order that has it later is also valid with it here.
        loop {
            let free = self.can_be_next(done).into_iter().find(|number| {
                let call = &self.history[*number];
                let seen = call.ended.as_ref().map(|(_, seen)| seen);
                seen.is_some() && state.after(&call.call, seen).is_some_and(|after| after == state)
            });
            match free {
                Some(number) => {
                    done |= 1 << number;
                    self.order.push(number);
                }
                None => break,
            }
        }
        if self.order.len() > self.best.len() {
            self.best = self.order.clone();
        }
        if done & self.definite == self.definite && (self.fits)(&state) {
            return true;
        }
        if self.tried.insert((done, state.clone())) {
            for number in self.can_be_next(done) {
                let call = &self.history[number];
                let seen = call.ended.as_ref().map(|(_, seen)| seen);
                let Some(after) = state.after(&call.call, seen) else { continue };
                // A call without a response that changes nothing can be left out.
                if after == state {
                    continue;
                }
                self.order.push(number);
                if self.from(after, done | 1 << number) {
                    return true;
                }
                self.order.pop();
            }
        }
        self.order.truncate(length);
        false
    }

    /// The calls that are not done and were sent before the first response of a call that is not done.
    fn can_be_next(&self, done: u128) -> Vec<usize> {
        let left = || (0..self.history.len()).filter(move |number| done & (1 << number) == 0);
        let first_end = left().filter_map(|number| self.history[number].ended.as_ref().map(|(at, _)| *at)).min();
        left().filter(|number| first_end.is_none_or(|end| self.history[*number].began <= end)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register: one value that calls write and read.
    #[derive(Clone, PartialEq, Eq, Hash)]
    struct Register(u8);

    enum Call {
        Write(u8),
        Read,
    }

    impl Specification for Register {
        type Call = Call;
        type Seen = Option<u8>;

        fn after(&self, call: &Call, seen: Option<&Option<u8>>) -> Option<Self> {
            match call {
                Call::Write(value) => Some(Self(*value)),
                Call::Read => seen.is_none_or(|seen| *seen == Some(self.0)).then(|| self.clone()),
            }
        }
    }

    fn write(value: u8, began: u64, ended: u64) -> Recorded<Call, Option<u8>> {
        Recorded { call: Call::Write(value), began, ended: (ended > 0).then_some((ended, None)) }
    }

    fn read(value: u8, began: u64, ended: u64) -> Recorded<Call, Option<u8>> {
        Recorded { call: Call::Read, began, ended: Some((ended, Some(value))) }
    }

    fn is_explained(history: &[Recorded<Call, Option<u8>>]) -> bool {
        explain(&Register(0), history, |_| true).is_ok()
    }

    #[test]
    fn explain_accepts_only_linearizable_histories() {
        // Sequential calls.
        assert!(is_explained(&[write(1, 1, 2), read(1, 3, 4)]));
        assert!(!is_explained(&[write(1, 1, 2), read(0, 3, 4)]), "an answered write is seen");
        // Concurrent calls: either order is possible.
        assert!(is_explained(&[write(1, 1, 4), read(0, 2, 3)]));
        assert!(is_explained(&[write(1, 1, 4), read(1, 2, 3)]));
        // All readers must see the same order.
        assert!(is_explained(&[write(1, 1, 9), read(0, 2, 3), read(1, 4, 5)]));
        assert!(!is_explained(&[write(1, 1, 9), read(1, 2, 3), read(0, 4, 5)]), "what was seen does not vanish");
        assert!(!is_explained(&[write(1, 1, 9), write(2, 1, 9), read(1, 2, 3), read(2, 4, 5), read(1, 6, 7)]));
    }

    #[test]
    fn call_without_response_takes_effect_once_later_or_never() {
        assert!(is_explained(&[write(1, 1, 0), read(0, 2, 3), read(0, 4, 5)]), "never");
        assert!(is_explained(&[write(1, 1, 0), read(0, 2, 3), read(1, 40, 50)]), "late");
        assert!(!is_explained(&[write(1, 1, 0), read(1, 2, 3), read(0, 4, 5)]), "and stays");
        assert!(!is_explained(&[read(1, 1, 2), write(1, 3, 0)]), "not before it was sent");
        // A call must not take effect twice.
        assert!(!is_explained(&[write(1, 1, 0), write(2, 6, 7), read(1, 2, 3), read(2, 8, 9), read(1, 10, 11)]));
    }

    #[test]
    fn explain_requires_matching_end_state() {
        let history = [write(1, 1, 0)];
        for (end, can_be) in [(0, true), (1, true), (2, false)] {
            assert_eq!(explain(&Register(0), &history, |state| state.0 == end).is_ok(), can_be, "{end}");
        }
        let both = [write(1, 1, 5), write(2, 2, 6)];
        assert!(explain(&Register(0), &both, |state| state.0 == 1).is_ok());
        assert!(explain(&Register(0), &both, |state| state.0 == 0).is_err());
    }

    #[test]
    fn unexplained_history_returns_longest_order() {
        let history = [write(1, 1, 2), read(1, 3, 4), read(0, 5, 6), read(1, 7, 8)];
        assert_eq!(explain(&Register(0), &history, |_| true), Err(vec![0, 1]));
    }
}
