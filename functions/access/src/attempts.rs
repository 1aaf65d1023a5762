//! Limits on token requests, so that callers without an access key cannot keep the operators from their tokens.
//!
//! A token costs a slow hash, a tenth of a second of one core. API Gateway counts a route as a whole and does not distinguish
//! callers (docs/adr/0042), so it lets through what the cheap part of this function can answer. This function decides which calls
//! get a hash:
//!
//! - A known access key has its own count. No other caller can use it up, from any address.
//! - Calls without a known access key are counted by source address, and all of them together.
//!
//! Each running copy of the function keeps its own counts: they cost no request. A refusal takes almost no time, so a flood keeps
//! few copies busy.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use cee_edge::Network;
use cee_eligibility::Instant;
use cee_registry::{AccessKey, WINDOW, window_of};

/// The number of hashes per window for all callers without a known access key together: half of what a core computes in a window.
const STRANGERS: u32 = 50;

/// The number of source addresses that have their own count in a window. Calls from further addresses only count towards the total.
const MOST_ADDRESSES: usize = 4096;

/// The caller of a token request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Caller<'a> {
    /// A caller with an access key that the registry knows.
    Known(&'a AccessKey),
    /// Any other caller, with its address if the gateway reports one.
    Stranger(Option<Network>),
}

/// The calls of one window.
#[derive(Default)]
struct Window {
    number: i64,
    known: HashMap<AccessKey, u32>,
    addresses: HashMap<Network, u32>,
    strangers: u32,
}

/// The counts.
pub(crate) struct Attempts {
    /// The number of calls that each caller may make in a window; `None`: no limit.
    most: Option<u32>,
    window: Mutex<Window>,
}

impl std::fmt::Debug for Attempts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Source addresses and access keys must not be printed.
        f.write_str("Attempts(…)")
    }
}

impl Attempts {
    /// At most this many calls of each caller in a window of ten seconds; 0 means no limit.
    pub(crate) fn new(calls: u32) -> Self {
        Self { most: Some(calls).filter(|calls| *calls > 0), window: Mutex::default() }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// The time until the caller may try again, if it has called too often.
    pub(crate) fn take(&self, caller: Caller<'_>, now: Instant) -> Result<(), Duration> {
        let Some(most) = self.most else { return Ok(()) };
        let length = WINDOW * 1000;
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let number = window_of(now.millis().div_euclid(length), window.number);
        if window.number != number {
            *window = Window { number, ..Window::default() };
        }
        let may = match caller {
            Caller::Known(key) => add_one(window.known.entry(key.clone()).or_default(), most),
            Caller::Stranger(network) => {
                let counted = window.addresses.len() < MOST_ADDRESSES;
                let own = match network {
                    Some(network) if counted || window.addresses.contains_key(&network) => {
                        add_one(window.addresses.entry(network).or_default(), most)
                    }
                    _ => true,
                };
                own && add_one(&mut window.strangers, STRANGERS)
            }
        };
        if may {
            return Ok(());
        }
        Err(Duration::from_millis(u64::try_from(length - now.millis().rem_euclid(length)).unwrap_or(0)))
    }
}

/// Whether the count has room; if so, uses one up.
fn add_one(count: &mut u32, most: u32) -> bool {
    let may = *count < most;
    *count += u32::from(may);
    may
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> AccessKey {
        AccessKey::parse(name).unwrap()
    }

    fn stranger(number: u32) -> Caller<'static> {
        Caller::Stranger(Network::parse(&format!("10.{}.{}.{}", number >> 16, number >> 8 & 255, number & 255)))
    }

    fn at(millis: i64) -> Instant {
        Instant::from_millis(1_700_000_000_000 + millis).unwrap()
    }

    fn accepted(attempts: &Attempts, caller: Caller<'_>, times: usize) -> usize {
        (0..times).filter(|_| attempts.take(caller, at(0)).is_ok()).count()
    }

    #[test]
    fn callers_are_counted_separately_per_window() {
        let attempts = Attempts::new(3);
        let (one, two) = (key("one"), key("two"));
        for caller in [Caller::Known(&one), Caller::Known(&two), stranger(1), stranger(2)] {
            assert_eq!(accepted(&attempts, caller, 5), 3, "{caller:?}");
        }
        assert_eq!(attempts.take(Caller::Known(&one), at(6_789)), Err(Duration::from_millis(3_211)));
        assert_eq!(attempts.take(Caller::Known(&one), at(10_000)), Ok(()));
        // A call that began in the window before, and is counted after this one has begun.
        assert_eq!(attempts.take(Caller::Known(&one), at(9_999)), Ok(()));
        assert_eq!(accepted(&attempts, Caller::Known(&one), 5), 1, "the third of the new window");
    }

    #[test]
    fn unknown_keys_share_one_limit_apart_from_known_keys() {
        let attempts = Attempts::new(3);
        let (one, two) = (key("one"), key("two"));
        let strangers: usize = (0..100).map(|number| accepted(&attempts, stranger(number), 4)).sum();
        assert_eq!(strangers, STRANGERS as usize);
        assert_eq!(accepted(&attempts, Caller::Stranger(None), 1), 0, "nor one whose address nobody knows");
        for key in [&one, &two] {
            assert_eq!(accepted(&attempts, Caller::Known(key), 4), 3);
        }
        assert_eq!(attempts.take(stranger(1), at(10_000)), Ok(()));
    }

    #[test]
    fn many_addresses_use_bounded_memory() {
        let attempts = Attempts::new(3);
        for number in 0..100_000 {
            let _ = attempts.take(stranger(number), at(0));
        }
        let window = attempts.window.lock().unwrap();
        assert_eq!((window.addresses.len(), window.known.len()), (MOST_ADDRESSES, 0));
        assert_eq!(window.strangers, STRANGERS);
    }

    #[test]
    fn limit_zero_accepts_every_call() {
        let attempts = Attempts::new(0);
        assert_eq!(accepted(&attempts, stranger(1), 1_000), 1_000);
        assert_eq!(attempts.window.lock().unwrap().addresses.len(), 0);
        assert_eq!(format!("{attempts:?}"), "Attempts(…)");
    }
}
