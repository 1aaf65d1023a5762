//! The command `pepper`, as the registry's team types it: is the pepper the one that filled the tables? And its check value, which
//! every function and command compares at its start.

use std::path::PathBuf;
use std::time::Duration;

use cee_registry::{Deadline, Evidence, Pepper, PepperKeeper, StoreError};
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use cee_service::pepper::{self, PepperError};
use cee_service::{Environment, SettingError};
use clap::Args;

use crate::error::Error;
use crate::operator_command::Told;
use crate::stack::{Store, running};

/// How long a request may take, with its repetitions.
const PATIENCE: Duration = Duration::from_secs(60);

/// Which registry, and whether the check value is written.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// Write the check value, if there is none and the tables do not contradict the pepper. Without this, only compare.
    #[arg(long)]
    yes: bool,
    /// Write it although the tables cannot prove the pepper: they hold history alone, or applications that lack some of their claims.
    #[arg(long, requires = "yes")]
    unproven: bool,
    /// Where the running service on this machine keeps its data.
    #[arg(long, default_value = ".local", conflicts_with = "aws")]
    data_dir: PathBuf,
    /// On AWS: with the credentials of the environment, and its settings CLAIMS_TABLE, APPLICATIONS_TABLE and CLAIM_PEPPER.
    #[arg(long)]
    aws: bool,
}

fn failed(error: StoreError) -> Error {
    Error::Pepper(error.to_string())
}

fn wrong() -> Error {
    Error::Pepper(PepperError::Wrong.to_string())
}

/// Compares the pepper of a command with the check value in the tables.
///
/// # Errors
/// [`Error::Pepper`] unless it is the pepper of the tables.
pub(crate) async fn checked(store: Store) -> Result<Store, Error> {
    let checked = pepper::check(&store.pepper_check(), Deadline::after(PATIENCE)).await;
    checked.map(|()| store).map_err(|error| Error::Pepper(error.to_string()))
}

/// Writes the check value for the local stack, where the tables may be of a release that had none.
///
/// # Errors
/// [`Error::Pepper`] where the claims in the tables were made under another pepper.
pub(crate) async fn keep(keeper: &PepperKeeper) -> Result<(), Error> {
    match keeper.pepper(Deadline::after(PATIENCE)).await.map_err(failed)? {
        Pepper::Right => Ok(()),
        Pepper::Wrong => Err(wrong()),
        Pepper::Unnoted => {
            let doubt = evidence(keeper).await?.doubt;
            if let Some(doubt) = doubt {
                tracing::warn!("the check value of the pepper is written although {doubt}");
            }
            note(keeper).await
        }
    }
}

async fn note(keeper: &PepperKeeper) -> Result<(), Error> {
    match keeper.note_pepper(machine_now(), Deadline::after(PATIENCE)).await.map_err(failed)? {
        Pepper::Right => Ok(()),
        Pepper::Wrong | Pepper::Unnoted => Err(wrong()),
    }
}

/// What the tables say of the pepper.
struct Found {
    what: String,
    /// Why the pepper is not proved, if it is not.
    doubt: Option<String>,
}

/// Looks into the tables.
///
/// # Errors
/// [`Error::Pepper`] where they contradict the pepper.
async fn evidence(keeper: &PepperKeeper) -> Result<Found, Error> {
    let proved = |what: &str| Found { what: what.to_owned(), doubt: None };
    Ok(match keeper.prove_pepper(Deadline::after(PATIENCE)).await.map_err(failed)? {
        Evidence::Empty => proved("the tables are empty"),
        Evidence::HistoryAlone => {
            let what = "the tables hold history alone, which proves no pepper".to_owned();
            Found { doubt: Some(what.clone()), what }
        }
        Evidence::Compared { found: 0, missed } => {
            return Err(Error::Pepper(format!(
                "none of {missed} applications has its claims where CLAIM_PEPPER puts them: the claims were made under another pepper"
            )));
        }
        Evidence::Compared { found, missed: 0 } => {
            proved(&format!("{found} applications have their claims where CLAIM_PEPPER puts them"))
        }
        Evidence::Compared { found, missed } => {
            let what = format!("{missed} of {} applications lack a claim: see `audit`", found + missed);
            Found { doubt: Some(what.clone()), what }
        }
    })
}

impl Command {
    async fn keeper(&self) -> Result<PepperKeeper, Error> {
        if !self.aws {
            let (description, secrets) = running(&self.data_dir).await?;
            return Ok(description.store(&secrets)?.pepper_keeper());
        }
        let environment = Environment::of_process();
        let setting = |error: SettingError| Error::Pepper(error.to_string());
        let tables = environment.tables_with(&["CLAIMS_TABLE", "APPLICATIONS_TABLE"]).map_err(setting)?;
        let keys = environment.claim_keys().map_err(setting)?;
        Ok(PepperKeeper::new(Aws::of_person().await.dynamodb_patient(), &tables, keys))
    }
}

/// Carries the command out.
///
/// # Errors
/// [`Error::Pepper`] where the pepper is another one, or cannot be proved, and where the tables do not answer.
pub async fn run(command: Command) -> Result<Told, Error> {
    let keeper = command.keeper().await?;
    match keeper.pepper(Deadline::after(PATIENCE)).await.map_err(failed)? {
        Pepper::Right => return Ok(Told::said("CLAIM_PEPPER is the pepper of these tables".to_owned())),
        Pepper::Wrong => return Err(wrong()),
        Pepper::Unnoted => {}
    }
    let Found { what, doubt } = evidence(&keeper).await?;
    if !command.yes {
        let mut told = Told::said(format!("the tables hold no check value of a pepper; {what}"));
        told.notes.push("nothing is written: add --yes to write it".to_owned());
        return Ok(told);
    }
    if let (Some(doubt), false) = (doubt, command.unproven) {
        return Err(Error::Pepper(format!(
            "nothing is written: {doubt}. If CLAIM_PEPPER is certainly the pepper of these tables, add --unproven"
        )));
    }
    note(&keeper).await?;
    Ok(Told::said(format!("{what}; the check value is written: only this pepper starts from now on")))
}
