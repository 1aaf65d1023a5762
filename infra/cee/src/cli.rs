//! The command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::commands::{
    audit, conformance, driver, env, generate, operator, pepper, redrive, restore, secret, serve, stats, token, undo,
};

/// The whole certificate registry for carpooling, on this machine.
#[derive(Parser)]
#[command(name = "cee", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: serve::Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the service, as `cee` without a command does. With TOKEN_FORMAT=rpc in its environment it signs proof tokens as the
    /// public registry did.
    Serve(serve::Command),
    #[command(flatten)]
    Check(cee_check::Command),
    /// Print a generated history file, the same one for the same options.
    Generate(generate::Command),
    /// Admit, suspend and remove operators, and issue their credentials: for the registry's team, here or on AWS.
    Operator {
        /// The action.
        #[command(subcommand)]
        command: operator::Command,
    },
    /// Show or erase what the registry holds about a driver: for the registry's team, here or on AWS.
    Driver {
        /// The action.
        #[command(subcommand)]
        command: driver::Command,
    },
    /// Check the invariants of the tables, such as one certificate per driver: for the registry's team, here or on AWS. Fails if
    /// it finds anything.
    Audit(audit::Command),
    /// Check that an engine that speaks DynamoDB's protocol does what the registry relies on: every expression that the registry
    /// uses, and races of many clients for one driver. It creates tables for the check and removes them. Exits with 1 if anything
    /// differs.
    Conformance(conformance::Command),
    /// Compare the pepper with the tables, and write its check value, which each function checks when it starts: for the registry's
    /// team, here or on AWS.
    Pepper(pepper::Command),
    /// Restore the items of a table from another table, such as one that DynamoDB restored to a moment: for the registry's team,
    /// here or on AWS.
    Restore(restore::Command),
    /// Remove what an import added: for the registry's team, here or on AWS.
    Undo(undo::Command),
    /// Put the dead letters of the import function back into its queue, while the local stack is stopped (on AWS: see
    /// docs/runbook.md).
    Redrive(redrive::Command),
    /// Create the secret of a registry, and replace its signing keys: for the registry's team, here or on AWS.
    Secret {
        /// The action.
        #[command(subcommand)]
        command: secret::Command,
    },
    /// Count certificates, refusals and rows of history by week, operator and journey type, as a table, CSV or a chart, or for
    /// publication: for the registry's team, here or on AWS.
    Stats(stats::Command),
    /// Print an application token for an operator of the local service.
    Token(token::Command),
    /// Print shell variables with which curl and the AWS tools reach the running service as a sample operator, or with which
    /// `sam local` reaches its DynamoDB and S3.
    Env(env::Command),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What a person reads about why the command failed.
    pub fn run(self) -> Result<ExitCode> {
        match self.command {
            None => serve::run(self.serve),
            Some(Command::Serve(command)) => serve::run(command),
            Some(Command::Check(command)) => return Ok(cee_check::run(&command)),
            Some(Command::Generate(command)) => generate::run(command),
            Some(Command::Operator { command }) => operator::run(command),
            Some(Command::Driver { command }) => driver::run(command),
            Some(Command::Audit(command)) => audit::run(command),
            Some(Command::Conformance(command)) => return conformance::run(command),
            Some(Command::Pepper(command)) => pepper::run(command),
            Some(Command::Restore(command)) => restore::run(command),
            Some(Command::Undo(command)) => undo::run(command),
            Some(Command::Redrive(command)) => redrive::run(&command),
            Some(Command::Secret { command }) => secret::run(command),
            Some(Command::Stats(command)) => stats::run(command),
            Some(Command::Token(command)) => token::run(command),
            Some(Command::Env(command)) => env::run(&command),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}
