//! The command `env`: prints shell variables with which `curl` and the AWS tools reach the running service.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cee_eligibility::OperatorId;
use cee_local::stack::{ForSam, for_sam, known};
use clap::Args;

use crate::output::say;
use crate::parse::operator;

/// For whom.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// The operator: 1, 2 or 3.
    #[arg(long, value_parser = operator, required_unless_present = "sam")]
    operator: Option<OperatorId>,
    /// For `sam local`; also writes the settings of its functions into `sam.json` in the data directory.
    #[arg(long, conflicts_with = "operator")]
    sam: bool,
    /// The data directory of the service.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
}

/// Prints the variables.
///
/// # Errors
/// If no stack was ever started on the data directory, there is no such operator, or `sam.json` cannot be written.
pub fn run(command: &Command) -> Result<()> {
    let lines = match command.operator {
        Some(operator) => of_operator(&command.data_dir, operator)?,
        None => of_sam(&command.data_dir)?,
    };
    say(&lines);
    Ok(())
}

fn of_operator(data_dir: &Path, operator: OperatorId) -> Result<String> {
    let (description, _) = known(data_dir)?;
    let about = description.operator(operator)?;
    let mut variables = vec![
        ("API", &description.api_url),
        ("TOKEN", &about.token),
        ("BUCKET", &description.bucket),
        ("AWS_ENDPOINT_URL_S3", &description.s3_url),
        ("AWS_REGION", &description.region),
    ];
    // An S3 elsewhere knows none of our keys: its own administrator decides who may put files.
    if !description.foreign.s3 {
        variables.push(("AWS_ACCESS_KEY_ID", &about.access_key));
        variables.push(("AWS_SECRET_ACCESS_KEY", &about.secret_key));
    }
    let lines: Vec<_> = variables.into_iter().map(|(name, value)| format!("export {name}='{value}'")).collect();
    Ok(lines.join("\n"))
}

fn of_sam(data_dir: &Path) -> Result<String> {
    let ForSam { file, exported } = for_sam(data_dir)?;
    let mut lines = Vec::new();
    // The user's own session token must not be combined with the local stack's keys.
    if exported.iter().any(|(name, _)| *name == "AWS_ACCESS_KEY_ID") {
        lines.push("unset AWS_PROFILE AWS_SESSION_TOKEN".to_owned());
    }
    lines.extend(exported.into_iter().map(|(name, value)| format!("export {name}='{value}'")));
    lines.push(format!("# sam local … --env-vars {}", file.display()));
    Ok(lines.join("\n"))
}
