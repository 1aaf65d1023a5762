//! The command `secret`, as the registry's team types it.

use std::io::Read as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::error::Error;
use crate::secrets::Secrets;
use crate::service_secret::{ServiceSecret, Signer};

/// What is done with a registry's secret.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print a new secret, for the first deployment of a registry.
    New,
    /// First step of replacing a signing key: make the next one and publish it beside the others.
    Announce {
        /// Which.
        #[arg(long, value_enum)]
        signer: Signer,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Second step, when every function and verifier knows it: let the announced key sign.
    Sign {
        /// Which.
        #[arg(long, value_enum)]
        signer: Signer,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Last step, for application tokens only: take an old key out of those that verify.
    Retire {
        /// Which.
        #[arg(long, value_enum)]
        signer: Signer,
        /// The key's name.
        #[arg(long, allow_hyphen_values = true)]
        kid: String,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
}

/// Where the secret is.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Read the secret from standard input and print the new one: for Secrets Manager (docs/runbook.md).
    #[arg(long, conflicts_with = "data_dir")]
    pipe: bool,
    /// Where the service on this machine keeps its data. It takes the change up when it is started again.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
}

/// What to tell: on standard output, and to a person.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The secret, where it is asked for.
    pub secret: Option<String>,
    /// What was done.
    pub done: String,
}

/// Does it.
///
/// # Errors
/// [`Error::Secrets`] where it cannot be done, [`Error::File`] where the file cannot be read or written.
pub fn run(command: Command) -> Result<Told, Error> {
    match command {
        Command::New => {
            let done = "keep it in Secrets Manager, and nowhere else".to_owned();
            Ok(Told { secret: Some(ServiceSecret::new()?.to_json()?), done })
        }
        Command::Announce { signer, place } => place.change(|secret| {
            let kid = secret.announce(signer)?;
            Ok(format!("the key {kid} verifies from now on, and does not sign yet"))
        }),
        Command::Sign { signer, place } => place.change(|secret| {
            let kid = secret.sign(signer)?;
            Ok(format!("the key {kid} signs from now on; what the old one signed is still verified"))
        }),
        Command::Retire { signer, kid, place } => place.change(|secret| {
            secret.retire(signer, &kid)?;
            Ok(format!("what the key {kid} signed is refused from now on"))
        }),
    }
}

impl Place {
    fn change(&self, change: impl FnOnce(&mut ServiceSecret) -> Result<String, Error>) -> Result<Told, Error> {
        if self.pipe {
            let mut json = String::new();
            std::io::stdin().read_to_string(&mut json)?;
            let mut secret = ServiceSecret::from_json(&json)?;
            let done = change(&mut secret)?;
            return Ok(Told { secret: Some(secret.to_json()?), done });
        }
        let mut done = String::new();
        Secrets::change(&self.data_dir.join("secrets.json"), |secrets| {
            done = change(&mut secrets.service)?;
            Ok(())
        })?;
        Ok(Told { secret: None, done })
    }
}
