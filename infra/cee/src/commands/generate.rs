//! The command `generate`: prints a made-up history file.

use std::io::Write as _;

use anyhow::Result;
use cee_eligibility::OperatorId;
use cee_local::generate::History;
use clap::Args;

use crate::parse::operator;

/// Which history.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// The number of rows.
    #[arg(long, default_value_t = 1000)]
    rows: u64,
    /// The operator whose way of writing the rows have.
    #[arg(long, default_value = "1", value_parser = operator)]
    operator: OperatorId,
    /// Another seed makes another history.
    #[arg(long, default_value_t = 2012)]
    seed: u64,
}

/// Prints the file. A reader that stops reading is not an error.
///
/// # Errors
/// If standard output cannot be written.
pub fn run(command: Command) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    let history = History::new(command.seed, command.operator);
    match history.write(command.rows, &mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
