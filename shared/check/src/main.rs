//! The program that an operator is handed: `cee-check history.csv`.

use std::process::ExitCode;

use cee_check::{Check, Command, run};
use clap::Parser;

/// Checks history files before they are sent, exactly as the registry will read them. Nothing leaves this machine.
#[derive(Parser)]
#[command(name = "cee-check", version, args_conflicts_with_subcommands = true, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    check: Check,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    run(&cli.command.unwrap_or(Command::Check(cli.check)))
}
