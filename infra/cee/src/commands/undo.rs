//! The command `undo`: removes what an import added.

use std::path::PathBuf;

use anyhow::Result;
use cee_eligibility::OperatorId;
use cee_history::{Counts, Undone};
use cee_local::stack::running;
use cee_registry::{ImportId, ImportState};
use cee_service::aws::Aws;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{block_on, say};
use crate::parse::{import, operator};
use crate::undo::Team;

/// Which import.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// The operator of the import.
    #[arg(long, value_parser = operator)]
    operator: OperatorId,
    /// The `import_id` of its report.
    #[arg(long, value_parser = import)]
    import: ImportId,
    /// Apply the change. Without --yes, only show the import.
    #[arg(long)]
    yes: bool,
    /// The data directory of the service on this machine.
    #[arg(long, default_value = ".local", conflicts_with = "bucket")]
    data_dir: PathBuf,
    /// On AWS, with the credentials of the environment: the bucket, the output DataBucket of the stack.
    #[arg(long, requires = "imports_table")]
    bucket: Option<String>,
    /// On AWS: the output ImportsTable of the stack.
    #[arg(long, requires = "bucket")]
    imports_table: Option<String>,
}

/// Shows the import, and with `--yes` undoes it.
///
/// # Errors
/// If the import cannot be undone, or nothing happens for too long.
pub fn run(command: Command) -> Result<()> {
    block_on(undo(command))
}

async fn undo(command: Command) -> Result<()> {
    let Command { operator, import, yes, data_dir, bucket, imports_table } = command;
    let team = match (bucket, imports_table) {
        (Some(bucket), Some(table)) => Team::new(Aws::of_person().await, bucket, table),
        _ => Team::local(&running(&data_dir).await?.0),
    };
    let status = team.undoable(operator, import).await?;
    if let Some(report) = &status.report {
        let Counts { read, imported, already_known, rejected, .. } = &report.counts;
        let at = report.undone.as_ref().map_or(&report.ended_at, |undone| &undone.ended_at);
        say(&format!(
            "import {import} of operator {operator}, {} {at}: {read} rows read, {imported} imported, {already_known} already \
             known, {rejected} rejected",
            report.state
        ));
    }
    if !yes {
        say(match status.state {
            ImportState::Undone => "nothing is left to undo",
            _ => "nothing was undone: add --yes to remove what it added",
        });
        return Ok(());
    }
    let bar = ProgressBar::no_length();
    let undone = team
        .undo(operator, import, |progress| {
            let style = if progress.counted {
                bar.set_length(progress.removed + progress.kept);
                bar.set_position(progress.done);
                "{wide_bar} {pos} of {len} applications removed, {eta} left"
            } else {
                bar.set_position(progress.items);
                "{spinner} counting: {pos} drivers read"
            };
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
        })
        .await?;
    bar.finish_and_clear();
    let Undone { removed, kept, .. } = undone;
    say(&format!(
        "undone: {removed} applications removed; {kept} kept because the operator also sent them in another file"
    ));
    Ok(())
}
