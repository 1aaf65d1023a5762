//! The program `cee`. `cargo run` starts the whole certificate registry on this machine; `cargo run -- COMMAND` runs a command.

use std::io::Write as _;
use std::process::ExitCode;

use cee::cli::Cli;
use clap::Parser as _;

fn main() -> ExitCode {
    Cli::parse().run().unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "error: {error}");
        ExitCode::FAILURE
    })
}
