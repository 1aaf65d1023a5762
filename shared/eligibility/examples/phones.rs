//! Reads phones from the standard input, a line each, and prints what they are normalised to, or why they are refused: what
//! `tests/phones/compare.py` compares with libphonenumber.
//!
//! `cargo run --example phones -- whole` reads whole numbers, `-- truncated` numbers less their last two digits.

#![allow(clippy::print_stdout)]

use std::io::{self, BufRead as _, Write as _};

use cee_eligibility::{Phone, PhoneTrunc};

fn main() -> io::Result<()> {
    let truncated = std::env::args().nth(1).as_deref() == Some("truncated");
    let mut out = io::BufWriter::new(io::stdout().lock());
    for line in io::stdin().lock().lines() {
        let line = line?;
        let read = if truncated {
            PhoneTrunc::parse(&line).map(|phone| phone.as_str().to_owned()).map_err(|error| error.to_string())
        } else {
            Phone::parse(&line).map(|phone| phone.as_str().to_owned()).map_err(|error| error.to_string())
        };
        match read {
            Ok(number) => writeln!(out, "{number}")?,
            Err(error) => writeln!(out, "! {error}")?,
        }
    }
    out.flush()
}
