//! The command `pepper`: is the pepper the one that filled the tables? It also writes the check value of the pepper.

use std::path::PathBuf;

use anyhow::{Result, bail};
use cee_local::pepper::{Found, evidence, is_noted, note};
use cee_local::stack::running;
use cee_registry::PepperKeeper;
use cee_service::Environment;
use cee_service::aws::Aws;
use clap::Args;

use crate::output::{Output, block_on, start_logging};

/// Which registry, and whether to write the check value.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// Write the check value, if there is none and the tables do not contradict the pepper. Without this, only compare.
    #[arg(long)]
    yes: bool,
    /// Write the check value although the tables cannot prove the pepper: they hold only history, or applications that lack some of
    /// their claims.
    #[arg(long, requires = "yes")]
    unproven: bool,
    /// The data directory of the running service on this machine.
    #[arg(long, default_value = ".local", conflicts_with = "aws")]
    data_dir: PathBuf,
    /// On AWS: with the credentials of the environment, and its settings CLAIMS_TABLE, APPLICATIONS_TABLE and CLAIM_PEPPER.
    #[arg(long)]
    aws: bool,
}

impl Command {
    async fn keeper(&self) -> Result<PepperKeeper> {
        if !self.aws {
            let (description, secrets) = running(&self.data_dir).await?;
            return Ok(description.store(&secrets)?.pepper_keeper());
        }
        let environment = Environment::of_process();
        let tables = environment.tables_with(&["CLAIMS_TABLE", "APPLICATIONS_TABLE"])?;
        let keys = environment.claim_keys()?;
        Ok(PepperKeeper::new(Aws::of_person().await.dynamodb_patient(), &tables, keys))
    }
}

/// Compares, with `--yes` writes, and prints the result.
///
/// # Errors
/// If the pepper is another one, or cannot be proved, or the tables do not answer.
pub fn run(command: Command) -> Result<()> {
    start_logging();
    block_on(carry_out(command)).map(Output::print)
}

async fn carry_out(command: Command) -> Result<Output> {
    let keeper = command.keeper().await?;
    if is_noted(&keeper).await? {
        return Ok(Output::line("CLAIM_PEPPER is the pepper of these tables".to_owned()));
    }
    let Found { what, doubt } = evidence(&keeper).await?;
    if !command.yes {
        let mut output = Output::line(format!("the tables hold no check value of a pepper; {what}"));
        output.notes.push("nothing was written: add --yes to write it".to_owned());
        return Ok(output);
    }
    if let (Some(doubt), false) = (doubt, command.unproven) {
        bail!("nothing was written: {doubt}. If CLAIM_PEPPER is certainly the pepper of these tables, add --unproven");
    }
    note(&keeper).await?;
    Ok(Output::line(format!("{what}; the check value is written: only this pepper starts from now on")))
}
