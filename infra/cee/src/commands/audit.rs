//! The command `audit`: are the tables what the claim protocol says they are?

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::str::FromStr as _;
use std::time::Duration;

use anyhow::{Result, bail};
use cee_fn_audit::Auditor;
use cee_local::pepper::checked;
use cee_local::stack::{Store, running};
use cee_registry::{AuditPlace, Deadline, Finding, StrayRemover};
use cee_service::Environment;
use cee_service::aws::Aws;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::output::{block_on, say};

/// How long one repair may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to check, how fast, and what to do about it.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// Read at most this many parts of a hundred items a second, so that operators' calls are not slowed down.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    parts_per_second: u32,
    /// Continue at the place that a stopped audit printed.
    #[arg(long, value_parser = AuditPlace::from_str)]
    from: Option<AuditPlace>,
    /// Remove claims whose application does not exist, or has all its claims elsewhere. Without --yes, only show which.
    #[arg(long)]
    repair: bool,
    /// Apply the change.
    #[arg(long, requires = "repair")]
    yes: bool,
    /// The data directory of the service on this machine.
    #[arg(long, default_value = ".local", conflicts_with = "aws")]
    data_dir: std::path::PathBuf,
    /// On AWS: with the credentials and the settings of the environment, which are those of the audit function (CLAIMS_TABLE,
    /// APPLICATIONS_TABLE, ARCHIVE_TABLE, CHANGES_TABLE, JOURNEYS_TABLE, IMPORTS_TABLE, EXPORTS_TABLE, BUCKET, CLAIM_PEPPER).
    #[arg(long)]
    aws: bool,
}

impl Command {
    async fn open(&self) -> Result<(Auditor, StrayRemover)> {
        let environment = Environment::of_process();
        let (auditor, store) = if self.aws {
            let aws = Aws::of_person().await;
            let (auditor, _) = Auditor::from_environment(&environment, &aws)?;
            (
                auditor,
                Store { db: aws.dynamodb_patient(), tables: environment.tables(), keys: environment.claim_keys()? },
            )
        } else {
            let (description, secrets) = running(&self.data_dir).await?;
            (description.auditor(&secrets, environment.rules()?)?, description.store(&secrets)?)
        };
        // Under another pepper every record looks misplaced.
        let Store { db, tables, keys } = checked(store).await?;
        Ok((auditor, StrayRemover::new(db, &tables, keys)))
    }
}

/// Audits, with a line that shows the place at which to go on if it is stopped. Prints each finding at once: an audit may take hours.
///
/// # Errors
/// If anything is found that is not repaired, or the tables cannot be read.
pub fn run(command: Command) -> Result<()> {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} items, --from {msg}") {
        bar.set_style(style);
    }
    let summary = block_on(audit(command, &bar));
    bar.finish_and_clear();
    say(&summary?);
    Ok(())
}

async fn audit(command: Command, bar: &ProgressBar) -> Result<String> {
    let (auditor, remover) = command.open().await?;
    let mut findings = BTreeSet::new();
    let [mut applications, mut claims, mut imports, mut changes, mut exports, mut objects] = [0; 6];
    let mut place = command.from.clone().unwrap_or_default();
    let walked = auditor.walk(place.clone(), command.parts_per_second, |part| {
        for finding in &part.findings {
            if findings.insert(finding.clone()) {
                bar.suspend(|| say(&finding.to_string()));
            }
        }
        (applications, claims) = (applications + part.applications, claims + part.claims);
        (imports, changes) = (imports + part.imports, changes + part.changes);
        (exports, objects) = (exports + part.exports, objects + part.reports + part.files);
        place = part.place.clone();
        bar.set_position(applications + claims + imports + changes + exports + objects);
        bar.set_message(place.to_string());
        ControlFlow::Continue(())
    });
    let walked = walked.await;
    let summary = format!(
        "{applications} applications, {claims} claim items, {imports} imports, {changes} changes, {exports} exports and \
         {objects} reports and files: {} findings",
        findings.len()
    );
    if let Err(error) = walked {
        bail!("{summary}\n{error}: continue with --from {place}");
    }
    let mut left = findings.len();
    if command.repair {
        left -= repair(&remover, &findings, command.yes, |line| bar.suspend(|| say(&line))).await?;
    }
    if left > 0 {
        bail!("{summary}\n{left} findings are left: see docs/runbook.md");
    }
    Ok(summary)
}

/// Removes the claims that no application needs, and returns how many.
async fn repair(
    remover: &StrayRemover,
    findings: &BTreeSet<Finding>,
    yes: bool,
    print: impl Fn(String),
) -> Result<usize> {
    let lacks_some =
        |uuid| findings.iter().any(|found| matches!(found, Finding::Unclaimed(other, _) if *other == uuid));
    let mut repaired = 0;
    for finding in findings {
        let (uuid, key) = match finding {
            Finding::Orphan(uuid, key) => (*uuid, key),
            Finding::Misplaced(uuid, key) if !lacks_some(*uuid) => (*uuid, key),
            _ => continue,
        };
        if !yes {
            print(format!("would remove the claim of {uuid} from {key}: add --yes"));
            continue;
        }
        let removed = remover.remove_stray(uuid, key, Deadline::after(PATIENCE)).await;
        if removed? {
            print(format!("removed the claim of {uuid} from {key}"));
            repaired += 1;
        } else {
            print(format!(
                "kept the claim of {uuid} on {key}: it has just changed, or other claims of {uuid} are missing; run the audit again"
            ));
        }
    }
    Ok(repaired)
}
