//! The command `audit`, as the registry's team types it: are the tables what the claim protocol says they are?

use std::collections::BTreeSet;
use std::str::FromStr as _;
use std::time::Duration;

use cee_registry::audit::Place;
use cee_registry::{Claims, Deadline, Finding, StoreError};
use cee_service::Environment;
use clap::Args;

use crate::driver_command;
use crate::error::Error;
use crate::operator_command::Told;

/// How long one part may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is looked at, how fast, and what is done about it.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// How many parts of a hundred items are read a second: reading must not take the tables from the operators.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    parts_per_second: u32,
    /// Go on where an audit that was stopped said that it was.
    #[arg(long, value_parser = Place::from_str)]
    from: Option<Place>,
    /// Remove claims that name an application which there is not. Without --yes, only tell which.
    #[arg(long)]
    repair: bool,
    /// Do it.
    #[arg(long, requires = "repair")]
    yes: bool,
    /// Where.
    #[command(flatten)]
    place: driver_command::Place,
}

/// Carries the command out. `tell` hears now and then where it is.
///
/// # Errors
/// [`Error::Audit`] where anything is found that is not repaired, or where the tables cannot be read.
pub async fn run(command: Command, mut tell: impl FnMut(&Place, u64)) -> Result<Told, Error> {
    let (claims, _) = command.place.open().await?;
    let rules = Environment::of_process().rules().map_err(|error| Error::Audit(error.to_string()))?;
    let store = |error: StoreError| Error::Audit(error.to_string());
    let pause = Duration::from_secs(1) / command.parts_per_second;
    let mut place = command.from.unwrap_or_default();
    let (mut findings, mut applications, mut items) = (BTreeSet::new(), 0, 0);
    while place != Place::End {
        let part = claims.audit(&place, &rules, Deadline::after(PATIENCE)).await.map_err(store)?;
        findings.extend(part.findings);
        (applications, items, place) = (applications + part.applications, items + part.claims, part.place);
        tell(&place, applications + items);
        tokio::time::sleep(pause).await;
    }
    let mut told =
        Told::said(format!("{applications} applications and {items} claim items: {} findings", findings.len()));
    told.lines.extend(findings.iter().map(describe));
    let mut left = findings.len();
    if command.repair {
        left -= repair(&claims, &findings, command.yes, &mut told).await?;
    }
    if left > 0 {
        return Err(Error::Audit(format!("{}\n{left} findings are left: see docs/runbook.md", told.lines.join("\n"))));
    }
    Ok(told)
}

/// Removes what may be removed without asking anybody, and says how much it was.
async fn repair(claims: &Claims, findings: &BTreeSet<Finding>, yes: bool, told: &mut Told) -> Result<usize, Error> {
    let mut repaired = 0;
    for finding in findings {
        let Finding::Orphan(uuid, key) = finding else { continue };
        if !yes {
            told.lines.push(format!("would remove the claim of {uuid} from {key}: add --yes"));
            continue;
        }
        let removed = claims.remove_orphan(*uuid, key, Deadline::after(PATIENCE)).await;
        if removed.map_err(|error| Error::Audit(error.to_string()))? {
            told.lines.push(format!("removed the claim of {uuid} from {key}"));
            repaired += 1;
        } else {
            told.lines.push(format!("{key} has changed meanwhile: audit again"));
        }
    }
    Ok(repaired)
}

fn describe(finding: &Finding) -> String {
    match finding {
        Finding::GrantedTwice(one, other) => format!("granted twice: {one} and {other} are one driver's"),
        Finding::Unclaimed(uuid, kind) => format!("unclaimed: {uuid} has no claim on its {}", kind.as_str()),
        Finding::Orphan(uuid, key) => format!("orphan: the item {key} names {uuid}, which there is not"),
        Finding::WrongDate(key, attribute) => {
            format!("wrong date: {attribute} of the item {key} is not the latest of its records")
        }
    }
}
