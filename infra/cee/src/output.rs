//! What a command prints.

use std::io::{Error, ErrorKind, Write as _};
use std::sync::OnceLock;

use anyhow::{Result, bail};

/// What a command reports. It may hold a secret or personal data: it has no `Debug`.
#[derive(Default)]
pub struct Output {
    /// For standard output, which a program may read.
    pub lines: Vec<String>,
    /// For the person at the terminal alone: standard error.
    pub notes: Vec<String>,
}

impl Output {
    /// One line on standard output.
    #[must_use]
    pub fn line(line: String) -> Self {
        Self { lines: vec![line], notes: Vec::new() }
    }

    /// Prints it.
    pub fn print(self) {
        for text in self.notes {
            note(&text);
        }
        for line in self.lines {
            say(&line);
        }
    }
}

/// Why the first line that could not be printed was not.
static LOST: OnceLock<Error> = OnceLock::new();

/// Prints a line on standard output. Ignores a reader that stops reading, as `| head` does; [`said`] returns every other error.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    if let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush())
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Whether standard output holds every line of this program: a secret on a full disk would be lost without a word.
///
/// # Errors
/// If a line could not be printed.
pub fn said() -> Result<()> {
    match LOST.get() {
        None => Ok(()),
        Some(error) => bail!("standard output: {error}"),
    }
}

/// Prints a line on standard error.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Runs a command to its end on this thread.
///
/// # Errors
/// Those of the command.
pub fn block_on<T>(command: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(command)
}

/// Writes the functions' log, and warnings of everything else, to standard error.
pub fn start_logging() {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_env_filter(tracing_subscriber::EnvFilter::new(
            "warn,cee=info,function=info,s3s=off,s3s_fs=warn,dynoxide=error",
        ))
        .finish();
    // Fails only if logging was started before.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
