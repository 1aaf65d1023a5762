//! The commands that an operator runs on its own machine before it sends a file: the check of a history file, the normaliser of
//! names and phones, the test vectors. `cee` offers them as subcommands, and the program `cee-check` holds nothing else.
//!
//! | to find | look in |
//! |---|---|
//! | how a file is checked | [`check`] |
//! | how a list of names and phones is normalised | [`list`] |
//! | how a command writes a file | [`output`] |
//! | the commands and their arguments; why one failed | `args`, `error` |
//!
//! No command prints a name, a phone or a key, except into the files that were asked for, and those of the one driver given on the
//! command line.

mod args;
pub mod check;
mod error;
pub mod list;
pub mod output;

use std::io::{self, Write as _};
use std::process::ExitCode;

use cee_eligibility::normalise::VECTORS;
use cee_eligibility::{LastName, Phone};
use serde_json::json;

pub use args::{Check, Command, Normalise};
pub use error::{Error, Obstacle};
use output::{said, say};

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
    match done.and_then(|code| said().map(|()| code)) {
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
