//! The commands that an operator runs on its own machine before it sends a file: the check of a history file, the normaliser of
//! names and phones, the test vectors. `cee` offers them as subcommands, and the program `cee-check` holds nothing else.
//!
//! | to find | look in |
//! |---|---|
//! | how a file is checked | [`check`] |
//! | how a list of names and phones is normalised | [`list`] |
//! | how a command writes a file | [`output`] |
//!
//! No command prints a name, a phone or a key, except into the files that were asked for, and those of the one driver given on the
//! command line.

pub mod check;
pub mod list;
pub mod output;

use std::fmt;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use cee_eligibility::normalise::VECTORS;
use cee_eligibility::{Instant, Language, LastName, Phone};
use clap::{Args, Subcommand};
use serde_json::json;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: io::Error,
    },
    /// Something has the place of an output file; what to do.
    #[error("{path} {}", by.as_str())]
    Taken {
        /// The place.
        path: String,
        /// The obstacle.
        by: output::Obstacle,
    },
    /// A list cannot be read; what to do.
    #[error("{path}: {what}")]
    List {
        /// The list.
        path: String,
        /// The fault of the list.
        what: String,
    },
    /// An argument on the command line cannot be normalised.
    #[error("{what} {source}")]
    Driver {
        /// The name or the phone.
        what: &'static str,
        /// The cause.
        source: cee_eligibility::NormaliseError,
    },
}

impl Error {
    fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.display().to_string(), source }
    }
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Check history files before they are sent, exactly as the registry will read them.
    Check(Check),
    /// Compute truncated identities and identity keys from names and phones.
    Normalise(Normalise),
    /// Print the test vectors of the normalisation.
    Vectors {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What to check.
#[derive(Args, Clone, Debug)]
pub struct Check {
    /// The files, compressed or not; - for the standard input.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// The file for the rejected rows of a single file; beside the file if not given. An existing file is never overwritten.
    #[arg(long)]
    pub rejected: Option<PathBuf>,
    /// Check journeys files, which the registry's team imports.
    #[arg(long)]
    pub journeys: bool,
    /// The moment after which no date may be, such as 2024-05-01T00:00:00Z; now if not given.
    #[arg(long, value_parser = moment)]
    pub now: Option<Instant>,
    /// Confirm that the dates are right, although none is after the 12th of a month.
    #[arg(long)]
    pub dates_confirmed: bool,
    /// The language in which rejected rows are explained, en or fr; else what the file's name says (language-fr).
    #[arg(long, value_parser = language)]
    pub language: Option<Language>,
    /// Print the result as JSON, one line per file.
    #[arg(long)]
    pub json: bool,
}

/// What to normalise.
#[derive(Args, Clone)]
pub struct Normalise {
    /// A CSV file with the columns last_name and phone, - for the standard input; other columns are kept.
    #[arg(required_unless_present_all = ["last_name", "phone"])]
    pub list: Option<PathBuf>,
    /// The file for the result; beside the list if not given, - for the standard output. An existing file is never overwritten.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// The file for the rejected rows; beside the list if not given.
    #[arg(long)]
    pub rejected: Option<PathBuf>,
    /// Write a history file, from a list that also has the columns journey_type and datetime.
    #[arg(long)]
    pub history: bool,
    /// One driver's last name.
    #[arg(long, requires = "phone", conflicts_with = "list")]
    pub last_name: Option<String>,
    /// One driver's phone.
    #[arg(long, requires = "last_name", conflicts_with = "list")]
    pub phone: Option<String>,
}

impl fmt::Debug for Normalise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Normalise(…)")
    }
}

fn language(text: &str) -> Result<Language, String> {
    Language::parse(text).map_err(|error| error.to_string())
}

fn moment(text: &str) -> Result<Instant, String> {
    Instant::parse(text).map_err(|error| error.to_string())
}

/// Prints a line. A closed pipe, as of `| head`, is not an error.
pub(crate) fn say(line: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Runs a command and returns its exit status: 0 success, 1 rows were rejected, 2 a file was refused or could not be read or
/// written.
#[must_use]
pub fn run(command: &Command) -> ExitCode {
    let done = match command {
        Command::Check(check) => check::files(check),
        Command::Normalise(Normalise { last_name: Some(name), phone: Some(phone), .. }) => {
            driver(name, phone).map(|()| 0)
        }
        Command::Normalise(normalise) => list::normalise(normalise),
        Command::Vectors { json } => {
            vectors(*json);
            Ok(0)
        }
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::from(2)
        }
    }
}

/// One driver, for an operator to compare with its own program.
fn driver(last_name: &str, phone: &str) -> Result<(), Error> {
    let name = LastName::parse(last_name).map_err(|source| Error::Driver { what: "the last name", source })?;
    let phone = Phone::parse(phone).map_err(|source| Error::Driver { what: "the phone", source })?;
    let truncated = cee_eligibility::normalise::truncated_identity(&name, &phone);
    let key = cee_eligibility::normalise::identity_key(&name, &phone);
    say(&json!({
        "hashed": format!("{}-{}", phone.as_str(), name.as_str()),
        "last_name_trunc": truncated.last_name_trunc.as_str(),
        "phone_trunc": truncated.phone_trunc.as_str(),
        "identity_key": key.to_hex(),
    })
    .to_string());
    Ok(())
}

fn vectors(json: bool) {
    for vector in VECTORS {
        if json {
            let json = json!({
                "last_name": vector.last_name, "phone": vector.phone, "hashed": vector.hashed,
                "last_name_trunc": vector.last_name_trunc, "phone_trunc": vector.phone_trunc,
                "identity_key": vector.identity_key,
            });
            say(&json.to_string());
        } else {
            say(&format!(
                "{:<24} {:<22} {:<36} {:<3} {:<11} {}",
                vector.last_name,
                vector.phone,
                vector.hashed,
                vector.last_name_trunc,
                vector.phone_trunc,
                vector.identity_key
            ));
        }
    }
}
