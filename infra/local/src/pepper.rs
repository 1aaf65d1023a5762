//! Whether the pepper is the one that filled the tables, and its check value in the tables. Every function and command compares it
//! when it starts.

use std::time::Duration;

use cee_registry::{Deadline, Evidence, Pepper, PepperKeeper, StoreError};
use cee_service::clock::machine_now;
use cee_service::pepper::{self, PepperError};

use crate::description::Store;
use crate::error::Error;

/// How long a request may take, with its repetitions.
const PATIENCE: Duration = Duration::from_secs(60);

fn failed(error: StoreError) -> Error {
    Error::Pepper(error.to_string())
}

fn wrong() -> Error {
    Error::Pepper(PepperError::Wrong.to_string())
}

/// Returns `store` if its pepper is the pepper of the tables.
///
/// # Errors
/// [`Error::Pepper`] if it is another one, or the tables do not answer.
pub async fn checked(store: Store) -> Result<Store, Error> {
    let checked = pepper::check(&store.pepper_check(), Deadline::after(PATIENCE)).await;
    checked.map(|()| store).map_err(|error| Error::Pepper(error.to_string()))
}

/// Whether the tables hold the check value of this pepper.
///
/// # Errors
/// [`Error::Pepper`] if they hold the check value of another one, or do not answer.
pub async fn is_noted(keeper: &PepperKeeper) -> Result<bool, Error> {
    match keeper.pepper(Deadline::after(PATIENCE)).await.map_err(failed)? {
        Pepper::Right => Ok(true),
        Pepper::Wrong => Err(wrong()),
        Pepper::Unnoted => Ok(false),
    }
}

/// Writes the check value for the local stack, whose tables may be those of a release without one.
///
/// # Errors
/// [`Error::Pepper`] if the claims in the tables were made under another pepper, or the tables do not answer.
pub(crate) async fn keep(keeper: &PepperKeeper) -> Result<(), Error> {
    if is_noted(keeper).await? {
        return Ok(());
    }
    if let Some(doubt) = evidence(keeper).await?.doubt {
        tracing::warn!("the check value of the pepper is written although {doubt}");
    }
    note(keeper).await
}

/// Writes the check value.
///
/// # Errors
/// [`Error::Pepper`] if the tables hold the check value of another pepper, or do not answer.
pub async fn note(keeper: &PepperKeeper) -> Result<(), Error> {
    match keeper.note_pepper(machine_now(), Deadline::after(PATIENCE)).await.map_err(failed)? {
        Pepper::Right => Ok(()),
        Pepper::Wrong | Pepper::Unnoted => Err(wrong()),
    }
}

/// The evidence of the tables about the pepper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The content of the tables.
    pub what: String,
    /// Why that does not prove the pepper, if it does not.
    pub doubt: Option<String>,
}

/// Reads what the tables say about the pepper.
///
/// # Errors
/// [`Error::Pepper`] if they contradict the pepper, or do not answer.
pub async fn evidence(keeper: &PepperKeeper) -> Result<Found, Error> {
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
