//! The command `redrive`: puts the dead letters of the local stack back into its queue.

use std::path::PathBuf;

use anyhow::Result;
use cee_local::stack::redrive;
use clap::Args;

use crate::output::{say, start_logging};

/// Which stack.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// The data directory of the service.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
}

/// Puts the dead letters back into the queue.
///
/// # Errors
/// If the stack runs, was never started, or a file cannot be read or written.
pub fn run(command: &Command) -> Result<()> {
    start_logging();
    let count = redrive(&command.data_dir)?;
    say(&format!("{count} events are back in the queue: the next `cargo run` handles them"));
    Ok(())
}
