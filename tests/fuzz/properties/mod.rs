//! The properties that must hold for any bytes that come from outside: one module for each target of the fuzzer.
//!
//! Each `check` takes the bytes and fails if a property does not hold. It is called by the fuzzer (`targets/`), which
//! makes the bytes up, and by `cargo test --test fuzz` with every input that the fuzzer found worth keeping.
//!
//! | target | what comes in |
//! |---|---|
//! | [`bodies`] | the JSON body of each call that has one |
//! | [`event`] | S3 events, keys of objects, the notes that the import function leaves for itself |
//! | [`fields`] | the text of each type of field, and headers |
//! | [`history`] | history files |
//! | [`journeys`] | journey files |
//! | [`tokens`] | application tokens, the claims in them, key sets |

pub mod bodies;
pub mod event;
pub mod fields;
mod files;
pub mod history;
pub mod journeys;
#[path = "../../service/schema.rs"]
mod schema;
pub mod tokens;

use std::iter::successors;
use std::sync::LazyLock;

use cee_eligibility::Instant;

/// A target's name, and what has to hold of every input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target: its name, which is that of its corpus too, and its property.
#[allow(dead_code, reason = "the fuzzer has a program for each")]
pub const TARGETS: [Target; 6] = [
    ("bodies", bodies::check),
    ("event", event::check),
    ("fields", fields::check),
    ("history", history::check),
    ("journeys", journeys::check),
    ("tokens", tokens::check),
];

/// The moment of every call.
static NOW: LazyLock<Instant> = LazyLock::new(|| Instant::parse("2024-05-01T00:00:00Z").expect("a date"));

/// A run of this many letters and digits is not a coincidence.
const PIECE: usize = 6;

/// Fails if the response repeats a piece of what was sent.
///
/// What is told has words and examples of its own, which may have been sent as well. So a piece that stands in both is
/// exchanged, in what is sent, for another of its kind that was not told. What is told `again` then holds the other one only
/// if it repeats what was sent.
pub fn tells_nothing(sent: &str, told: &str, again: impl Fn(&str, &str) -> String) {
    for run in told.split(|c: char| !c.is_ascii_alphanumeric()) {
        let mut pieces = run.as_bytes().windows(PIECE).filter_map(|piece| std::str::from_utf8(piece).ok());
        let piece = pieces.find(|piece| sent.contains(piece)).map(str::to_owned);
        // A digit comes back after ten steps.
        let mut others = successors(piece.clone(), |piece| Some(exchanged(piece))).take(10);
        if let (Some(piece), Some(other)) = (piece, others.find(|other| !told.contains(other))) {
            assert!(!again(&piece, &other).contains(&other), "the response repeats what was sent");
        }
    }
}

/// Another piece of the same kind: each letter and each digit is the next one.
fn exchanged(piece: &str) -> String {
    let next = |byte: u8| match byte {
        b'9' => '0',
        b'Z' => 'A',
        b'z' => 'a',
        _ => char::from(byte + 1),
    };
    piece.bytes().map(next).collect()
}

/// Bytes in which a piece is exchanged for another of the same length, wherever it occurs.
fn exchange(bytes: &[u8], piece: &str, other: &str) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Some(place) = bytes.get_mut(at..at + piece.len()) {
        if *place == *piece.as_bytes() {
            place.copy_from_slice(other.as_bytes());
            at += piece.len();
        } else {
            at += 1;
        }
    }
    bytes
}
