//! The command `audit`, as the registry's team types it: are the tables what the claim protocol says they are?

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::str::FromStr as _;
use std::time::Duration;

use cee_fn_audit::Auditor;
use cee_registry::{AuditPlace, Deadline, Finding, StrayRemover};
use cee_service::aws::Aws;
use cee_service::{Environment, SettingError};
use clap::Args;

use crate::error::Error;
use crate::operator_command::Told;
use crate::pepper_command::checked;
use crate::stack::{Store, running};

/// How long one repair may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is looked at, how fast, and what is done about it.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// How many parts of a hundred items are read a second: reading must not take the tables from the operators.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    parts_per_second: u32,
    /// Go on where an audit that was stopped said that it was.
    #[arg(long, value_parser = AuditPlace::from_str)]
    from: Option<AuditPlace>,
    /// Remove claims that name an application which there is not, or which has all its claims elsewhere. Without --yes, only tell
    /// which.
    #[arg(long)]
    repair: bool,
    /// Do it.
    #[arg(long, requires = "repair")]
    yes: bool,
    /// Where the service on this machine keeps its data.
    #[arg(long, default_value = ".local", conflicts_with = "aws")]
    data_dir: std::path::PathBuf,
    /// On AWS: with the credentials and the settings of the environment, which are those of the audit function (CLAIMS_TABLE,
    /// APPLICATIONS_TABLE, ARCHIVE_TABLE, JOURNEYS_TABLE, IMPORTS_TABLE, BUCKET, CLAIM_PEPPER).
    #[arg(long)]
    aws: bool,
}

impl Command {
    async fn open(&self) -> Result<(Auditor, StrayRemover), Error> {
        let environment = Environment::of_process();
        let setting = |error: SettingError| Error::Audit(error.to_string());
        let (auditor, store) = if self.aws {
            let aws = Aws::of_person().await;
            let (auditor, _) = Auditor::from_environment(&environment, &aws).map_err(setting)?;
            let keys = environment.claim_keys().map_err(setting)?;
            (auditor, Store { db: aws.dynamodb_patient(), tables: environment.tables(), keys })
        } else {
            let (description, secrets) = running(&self.data_dir).await?;
            let auditor = description.auditor(&secrets, environment.rules().map_err(setting)?)?;
            (auditor, description.store(&secrets)?)
        };
        // Under another pepper every record looks misplaced.
        let Store { db, tables, keys } = checked(store).await?;
        Ok((auditor, StrayRemover::new(db, &tables, keys)))
    }
}

/// What is heard of an audit under way.
#[derive(Debug)]
pub enum Heard<'a> {
    /// Where it is, and how many items it has looked at.
    Place(&'a AuditPlace, u64),
    /// Something that it has found or done.
    Line(String),
}

/// Carries the command out. `tell` hears of each finding at once: an audit takes hours, and may be stopped.
///
/// # Errors
/// [`Error::Audit`] where anything is found that is not repaired, or where the tables cannot be read.
pub async fn run(command: Command, mut tell: impl FnMut(Heard<'_>)) -> Result<Told, Error> {
    let (auditor, remover) = command.open().await?;
    let mut findings = BTreeSet::new();
    let [mut applications, mut claims, mut imports, mut reports] = [0; 4];
    let mut place = command.from.clone().unwrap_or_default();
    let walked = auditor.walk(place.clone(), command.parts_per_second, |part| {
        for finding in &part.findings {
            if findings.insert(finding.clone()) {
                tell(Heard::Line(finding.to_string()));
            }
        }
        (applications, claims) = (applications + part.applications, claims + part.claims);
        (imports, reports) = (imports + part.imports, reports + part.reports);
        place = part.place.clone();
        tell(Heard::Place(&place, applications + claims + imports + reports));
        ControlFlow::Continue(())
    });
    let walked = walked.await;
    let summary = format!(
        "{applications} applications, {claims} claim items, {imports} imports and {reports} reports: {} findings",
        findings.len()
    );
    if let Err(error) = walked {
        return Err(Error::Audit(format!("{summary}\n{error}: go on with --from {place}")));
    }
    let mut left = findings.len();
    if command.repair {
        left -= repair(&remover, &findings, command.yes, tell).await?;
    }
    if left > 0 {
        return Err(Error::Audit(format!("{summary}\n{left} findings are left: see docs/runbook.md")));
    }
    Ok(Told::said(summary))
}

/// Removes what may be removed without asking anybody, and says how much it was.
async fn repair(
    remover: &StrayRemover,
    findings: &BTreeSet<Finding>,
    yes: bool,
    mut tell: impl FnMut(Heard<'_>),
) -> Result<usize, Error> {
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
            tell(Heard::Line(format!("would remove the claim of {uuid} from {key}: add --yes")));
            continue;
        }
        let removed = remover.remove_stray(uuid, key, Deadline::after(PATIENCE)).await;
        if removed.map_err(|error| Error::Audit(error.to_string()))? {
            tell(Heard::Line(format!("removed the claim of {uuid} from {key}")));
            repaired += 1;
        } else {
            tell(Heard::Line(format!(
                "kept the claim of {uuid} on {key}: it has changed meanwhile, or others of its claims are missing; audit again"
            )));
        }
    }
    Ok(repaired)
}
