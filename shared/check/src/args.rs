//! The commands and their arguments.

use std::fmt;
use std::path::PathBuf;

use cee_eligibility::{Instant, Language};
use clap::{Args, Subcommand};

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
    /// Check lists of drivers, as files are whose name or folder says simulate-only.
    #[arg(long, conflicts_with = "journeys")]
    pub drivers: bool,
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
    /// A CSV file with the columns last_name and phone, compressed or not, - for the standard input; other columns are kept.
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
