//! Any bytes as a history file and as a journeys file: nothing panics, how the bytes are cut changes nothing, and reading
//! goes on after a checkpoint as if there had been none.
//!
//! `shared/history/fuzz/run 600` fuzzes for ten minutes.

#![no_main]

use cee_eligibility::{Instant, Journey};
use cee_history::{FileReader, HistoryRow, Line, MAX_LINE, Reader, Row};
use libfuzzer_sys::fuzz_target;

fn now() -> Instant {
    Instant::parse("2024-05-01T00:00:00Z").expect("a date")
}

/// The rows of a file that arrives in chunks of this size, and why it was refused, if it was.
fn read<R: Row>(bytes: &[u8], size: usize) -> (Vec<Line<R>>, Option<String>) {
    let mut file = FileReader::<R>::new(now());
    let mut lines = Vec::new();
    for chunk in bytes.chunks(size).map(Some).chain([None]) {
        match chunk {
            Some(chunk) => file.push(chunk),
            None => file.end(),
        }
        loop {
            match file.read(&mut lines) {
                Ok(true) => {}
                Ok(false) => break,
                Err(refusal) => return (lines, Some(refusal.to_string())),
            }
        }
    }
    (lines, None)
}

fn check<R: Row + PartialEq>(bytes: &[u8], cut: usize) {
    let whole = read::<R>(bytes, bytes.len().max(1));
    let cut_up = read::<R>(bytes, cut);
    assert!(whole == cut_up, "how it is cut makes a difference");
    let numbers: Vec<u64> = whole.0.iter().map(Line::line).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "a line twice, or out of order");
    for line in &whole.0 {
        if let Line::Rejected(row) = line {
            assert!(row.raw.len() <= MAX_LINE && !row.reason.is_empty());
        }
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) && whole.1.is_none() {
        assert!(interrupted::<R>(bytes, cut) == whole.0, "a checkpoint makes a difference");
    }
}

/// The rows of a plain file whose reading is broken off after `at` bytes and taken up from the checkpoint.
fn interrupted<R: Row>(bytes: &[u8], at: usize) -> Vec<Line<R>> {
    let mut lines = Vec::new();
    let mut first = Reader::<R>::new(now());
    first.push(&bytes[..at.min(bytes.len())], |line| lines.push(line)).expect("a file that is not refused");
    let state = first.state();
    let mut second = Reader::<R>::resume(&state, now()).expect("its own state");
    let rest = usize::try_from(state.offset()).expect("a place in the file");
    second.push(&bytes[rest..], |line| lines.push(line)).expect("a file that is not refused");
    second.finish(|line| lines.push(line)).expect("a file that is not refused");
    lines
}

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, bytes) = input;
    let cut = usize::from(cut).max(1);
    check::<HistoryRow>(bytes, cut);
    check::<Journey>(bytes, cut);
});
