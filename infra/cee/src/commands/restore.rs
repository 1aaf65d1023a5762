//! The command `restore`: a table gets back the items that it held at an earlier moment.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use aws_sdk_dynamodb::Client;
use cee_local::stack::{running, tables};
use cee_registry::{Differences, StoreError, Tables, restore};
use cee_service::Environment;
use cee_service::aws::Aws;
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::output::{Output, block_on, start_logging};
use crate::parse::table;

/// Which table, from which one.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// The table to restore.
    #[arg(long, value_parser = PossibleValuesParser::new(Tables::ALL))]
    table: String,
    /// The table with the items of that moment: on AWS, one that DynamoDB restored.
    #[arg(long, value_parser = table)]
    from: String,
    /// Apply the change. Without --yes, only show how the two differ.
    #[arg(long)]
    yes: bool,
    /// Apply the change although the other table looks empty or wrong: the number of items that would be put back, replaced and removed.
    #[arg(long, requires = "yes", value_name = "ITEMS")]
    changing: Option<u64>,
    /// The data directory of the service on this machine.
    #[arg(long, default_value = ".local", conflicts_with = "aws")]
    data_dir: PathBuf,
    /// On AWS: with the credentials of the environment, and the name of the table in its setting (CLAIMS_TABLE, …).
    #[arg(long)]
    aws: bool,
}

impl Command {
    /// The setting that names the table, and its name among these.
    fn named(&self, tables: &Tables) -> Result<(&'static str, String)> {
        let place = Tables::ALL.iter().position(|table| *table == self.table);
        let named =
            place.and_then(|place| Some((*Tables::SETTINGS.get(place)?, (*tables.names().get(place)?).to_owned())));
        named.ok_or_else(|| anyhow!("there is no table of {}", self.table))
    }

    /// DynamoDB, and the name of the table there.
    async fn open(&self) -> Result<(Client, String)> {
        if !self.aws {
            let (description, _) = running(&self.data_dir).await?;
            return Ok((description.aws().dynamodb(), self.named(&tables())?.1));
        }
        let environment = Environment::of_process();
        let (setting, table) = self.named(&environment.tables())?;
        environment.required(setting)?;
        Ok((Aws::of_person().await.dynamodb_patient(), table))
    }
}

/// Why the table to restore from may be empty or wrong, if it may.
fn doubt(table: &str, from: &str, found: &Differences) -> Option<String> {
    let Differences { same, lost, changed, added } = *found;
    if same + changed + lost == 0 && added > 0 {
        return Some(format!("{from} is empty"));
    }
    if added > same + changed {
        return Some(format!(
            "more items would be removed than would stay: {from} may be a table of another kind, or too old"
        ));
    }
    (!from.to_lowercase().contains(table) && !found.are_none())
        .then(|| format!("the name {from} does not contain {table}: it may be another table"))
}

/// Compares, with `--yes` restores what the comparison found, and prints the result.
///
/// # Errors
/// If the two tables are not of one kind or do not answer, if the other table looks wrong and `--changing` does not say how many items
/// change, or if no stack was ever started on the data directory.
pub fn run(command: Command) -> Result<()> {
    start_logging();
    block_on(carry_out(command)).map(Output::print)
}

async fn carry_out(command: Command) -> Result<Output> {
    let (db, table) = command.open().await?;
    let from = command.from.as_str();
    let failed = |error: StoreError| match error {
        StoreError::Corrupt { what, .. } => anyhow!("{from} -> {table}: {what}"),
        StoreError::Request { code, .. } if code == MISSING => {
            anyhow!("{from} -> {table}: one of the two does not exist ({code})")
        }
        error => anyhow!("{from} -> {table}: {error}"),
    };
    let found = restore(&db, from, &table, false).await.map_err(failed)?;
    let Differences { same, lost, changed, added } = found;
    let compared = format!("{table}: {same} items as in {from}, {lost} lost, {changed} changed, {added} added since");
    let consequence =
        format!("{lost} items would be put back, {changed} replaced and {added} removed; {same} would stay");
    let total = lost + changed + added;
    let doubt = doubt(&command.table, from, &found);
    if let (true, Some(changing)) = (command.yes, command.changing)
        && changing != total
    {
        bail!("{compared}\nnothing was written: --changing says {changing}, and {total} items would change");
    }
    if let (true, Some(doubt), None) = (command.yes, &doubt, command.changing) {
        bail!(
            "{compared}\nnothing was written: {doubt}. {consequence}. If that is what you want, add --changing {total}"
        );
    }
    let mut output = Output::line(compared);
    if found.are_none() {
        output.notes.push("nothing to do".to_owned());
    } else if command.yes {
        restore(&db, from, &table, true).await.map_err(failed)?;
        output.notes.push("restored; run `audit` when all tables are restored".to_owned());
    } else {
        output.lines.push(consequence);
        output.lines.extend(doubt.map(|doubt| format!("{LOOK_AGAIN}: {doubt}")));
        output.notes.push("nothing was written: stop every writer, then add --yes".to_owned());
    }
    Ok(output)
}

/// DynamoDB's code for a table that does not exist.
const MISSING: &str = "ResourceNotFoundException";

/// What a comparison prints about a table that looks wrong. `infra/recovery/restore.sh` searches for it.
const LOOK_AGAIN: &str = "look again";
