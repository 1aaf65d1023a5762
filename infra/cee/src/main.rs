//! The program `cee`. `cargo run` starts the whole certificate registry on this machine; `cargo run -- COMMAND` runs a command.

use std::io::Write as _;
use std::process::ExitCode;

use cee::cli::Cli;
use cee::output::said;
use clap::Parser as _;

fn main() -> ExitCode {
    let ended = Cli::parse().run().and_then(|code| said().map(|()| code));
    ended.unwrap_or_else(|error| {
        let _ = writeln!(std::io::stderr(), "error: {error}");
        ExitCode::FAILURE
    })
}
