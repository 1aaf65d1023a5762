//! The command `secret`: makes the secret of a registry, and replaces its signing keys.

use std::io::Read as _;
use std::path::PathBuf;

use anyhow::Result;
use cee_local::error::Error;
use cee_local::secrets::Secrets;
use cee_local::service_secret::{ServiceSecret, Signer};
use cee_service::Environment;
use cee_tokens::{KeyKind, TokenFormat};
use clap::{Args, Subcommand, ValueEnum};

use crate::output::Output;

/// The actions.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print a new secret, for the first deployment of a registry.
    New {
        /// Which registry.
        #[command(flatten)]
        format: Format,
    },
    /// First step of replacing a signing key: create the next key and publish it beside the others.
    Announce {
        /// The signer whose key is replaced.
        #[arg(long, value_enum)]
        signer: Signer,
        /// The kind of a proof key. Without this, the kind that the format needs, or that signs now.
        #[arg(long, value_enum)]
        key: Option<Kind>,
        /// Which registry.
        #[command(flatten)]
        format: Format,
        /// Where the secret is.
        #[command(flatten)]
        place: Place,
    },
    /// Second step, when every function and verifier knows the announced key: sign with it.
    Sign {
        /// The signer whose key is replaced.
        #[arg(long, value_enum)]
        signer: Signer,
        /// Which registry.
        #[command(flatten)]
        format: Format,
        /// Where the secret is.
        #[command(flatten)]
        place: Place,
    },
    /// Last step, for application tokens only: stop verifying with an old key.
    Retire {
        /// The signer whose key is replaced.
        #[arg(long, value_enum)]
        signer: Signer,
        /// The key's name.
        #[arg(long, allow_hyphen_values = true)]
        kid: String,
        /// Where the secret is.
        #[command(flatten)]
        place: Place,
    },
}

/// Which proof tokens the registry signs.
#[derive(Args, Clone, Copy, Debug)]
pub struct Format {
    /// The registry's TOKEN_FORMAT (on AWS the parameter TokenFormat): jws or rpc. Without this, the environment's TOKEN_FORMAT.
    #[arg(long, value_parser = format)]
    token_format: Option<TokenFormat>,
}

fn format(text: &str) -> Result<TokenFormat, &'static str> {
    TokenFormat::parse(text).ok_or("jws or rpc")
}

impl Format {
    /// The format of the option, or else of the environment.
    fn known(self) -> Result<Option<TokenFormat>> {
        let environment = Environment::of_process();
        if self.token_format.is_some() || environment.optional("TOKEN_FORMAT").is_none() {
            return Ok(self.token_format);
        }
        Ok(Some(environment.token_format()?))
    }
}

/// The kinds of proof keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// An elliptic curve key, for `jws` alone.
    P256,
    /// An RSA key of 2048 bits.
    Rsa,
}

impl From<Kind> for KeyKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::P256 => Self::P256,
            Kind::Rsa => Self::Rsa,
        }
    }
}

/// Where the secret is.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Read the secret from standard input and print the new one: for Secrets Manager (docs/runbook.md).
    #[arg(long, conflicts_with = "data_dir")]
    pipe: bool,
    /// The data directory of the service on this machine. The change takes effect at its next start.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
}

/// Carries out the action. Standard output contains only the secret, if there is one to pass on.
///
/// # Errors
/// If it cannot be done, or the file cannot be read or written.
pub fn run(command: Command) -> Result<()> {
    carry_out(command).map(Output::print)
}

fn carry_out(command: Command) -> Result<Output> {
    match command {
        Command::New { format } => {
            let secret = ServiceSecret::new(format.known()?.unwrap_or_default())?.to_json()?;
            Ok(Output { lines: vec![secret], notes: vec!["keep it in Secrets Manager, and nowhere else".to_owned()] })
        }
        Command::Announce { signer, key, format, place } => {
            let format = format.known()?;
            place.change(|secret| {
                let kid = secret.announce(signer, format, key.map(KeyKind::from))?;
                Ok(format!("the key {kid} verifies from now on, but does not sign yet"))
            })
        }
        Command::Sign { signer, format, place } => {
            let format = format.known()?;
            place.change(|secret| {
                let kid = secret.sign(signer, format)?;
                Ok(format!("the key {kid} signs from now on; what the old one signed is still verified"))
            })
        }
        Command::Retire { signer, kid, place } => place.change(|secret| {
            secret.retire(signer, &kid)?;
            Ok(format!("what the key {kid} signed is rejected from now on"))
        }),
    }
}

impl Place {
    fn change(&self, change: impl FnOnce(&mut ServiceSecret) -> Result<String, Error>) -> Result<Output> {
        if self.pipe {
            let mut json = String::new();
            std::io::stdin().read_to_string(&mut json)?;
            let mut secret = ServiceSecret::from_json(&json)?;
            let done = change(&mut secret)?;
            return Ok(Output { lines: vec![secret.to_json()?], notes: vec![done] });
        }
        let mut done = String::new();
        Secrets::change(&self.data_dir.join("secrets.json"), |secrets| {
            done = change(&mut secrets.service)?;
            Ok(())
        })?;
        Ok(Output::line(done))
    }
}
