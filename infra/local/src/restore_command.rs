//! The command `restore`, as the registry's team types it: a table put back to what it held at an earlier moment.

use aws_sdk_dynamodb::Client;
use cee_registry::{Differences, StoreError, Tables, restore};
use cee_service::Environment;
use cee_service::aws::Aws;
use clap::{Args, ValueEnum};

use crate::error::Error;
use crate::operator_command::Told;
use crate::stack::{known, tables};

/// Which table, from which one.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// The table that is to be put back.
    #[arg(long)]
    table: Kind,
    /// The table beside it that holds what it held: on AWS, as DynamoDB has restored it to a moment.
    #[arg(long)]
    from: String,
    /// Do it; without this, only tell how the two differ.
    #[arg(long)]
    yes: bool,
    /// Where the service on this machine keeps its data.
    #[arg(long, default_value = ".local", conflicts_with = "aws")]
    data_dir: std::path::PathBuf,
    /// On AWS: with the credentials of the environment, and the name of the table in its setting (CLAIMS_TABLE, …).
    #[arg(long)]
    aws: bool,
}

/// The tables, by the names of their settings.
#[derive(Clone, Copy, Debug, ValueEnum)]
#[allow(missing_docs, reason = "each is a table of cee_registry::Tables")]
pub enum Kind {
    Claims,
    Applications,
    Archive,
    Idempotency,
    Limits,
    Journeys,
    Imports,
    Operators,
    Credentials,
}

impl Kind {
    /// The setting that names the table, and its name among these.
    fn of(self, tables: Tables) -> (&'static str, String) {
        match self {
            Self::Claims => ("CLAIMS_TABLE", tables.claims),
            Self::Applications => ("APPLICATIONS_TABLE", tables.applications),
            Self::Archive => ("ARCHIVE_TABLE", tables.archive),
            Self::Idempotency => ("IDEMPOTENCY_TABLE", tables.idempotency),
            Self::Limits => ("LIMITS_TABLE", tables.limits),
            Self::Journeys => ("JOURNEYS_TABLE", tables.journeys),
            Self::Imports => ("IMPORTS_TABLE", tables.imports),
            Self::Operators => ("OPERATORS_TABLE", tables.operators),
            Self::Credentials => ("CREDENTIALS_TABLE", tables.credentials),
        }
    }
}

impl Command {
    /// DynamoDB, and the name of the table there.
    async fn open(&self) -> Result<(Client, String), Error> {
        if !self.aws {
            let (description, _) = known(&self.data_dir)?;
            return Ok((description.aws().dynamodb(), self.table.of(tables()).1));
        }
        let environment = Environment::of_process();
        let (setting, table) = self.table.of(environment.tables());
        environment.required(setting).map_err(|error| Error::Restore(error.to_string()))?;
        Ok((Aws::of_person().await.dynamodb_patient(), table))
    }
}

/// Carries the command out.
///
/// # Errors
/// [`Error::Restore`] where the two tables are not of one kind or do not answer, [`Error::Secrets`] where no stack was ever started
/// on the data directory.
pub async fn run(command: Command) -> Result<Told, Error> {
    let (db, table) = command.open().await?;
    let from = command.from.as_str();
    let found = restore::restore(&db, from, &table, command.yes).await;
    let found = found.map_err(|error: StoreError| Error::Restore(format!("{from} -> {table}: {error}")))?;
    let Differences { same, lost, changed, added } = found;
    let mut told =
        Told::said(format!("{table}: {same} items as in {from}, {lost} lost, {changed} changed, {added} added since"));
    told.notes.push(match (found.are_none(), command.yes) {
        (true, _) => "nothing to do".to_owned(),
        (false, true) => "put back: audit when all tables are".to_owned(),
        (false, false) => {
            "nothing is written: add --yes to put it back, with everything stopped that writes".to_owned()
        }
    });
    Ok(told)
}
