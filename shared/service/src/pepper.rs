//! A function starts only with the pepper that made the keys in the tables.
//!
//! The check costs one request, which also opens the connection. If the tables do not answer at the start, each call repeats the check
//! until it succeeds. After that, no call checks again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cee_registry::{Deadline, Pepper, PepperCheck, StoreError};
use tokio::time::timeout;

use crate::settings::SettingError;

/// How long a start waits for the check value. A call then asks again.
const PATIENCE: Duration = Duration::from_secs(2);

/// Why nothing may be read or written with this pepper.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PepperError {
    /// The claims in the table were made with another pepper.
    #[error(
        "CLAIM_PEPPER is not the pepper of these tables: no claim in them would be found, and every driver would be granted again \
         (docs/runbook.md, \"The pepper moves\")"
    )]
    Wrong,
    /// The table holds no check value.
    #[error(
        "CLAIM_PEPPER cannot be checked: the tables hold no check value. The command `cee pepper` writes it (docs/runbook.md)"
    )]
    Unnoted,
    /// The table did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Compares a pepper with the check value in the tables.
///
/// # Errors
/// [`PepperError`] unless it is the pepper of the tables.
pub async fn check(pepper: &PepperCheck, deadline: Deadline) -> Result<(), PepperError> {
    match pepper.pepper(deadline).await? {
        Pepper::Right => Ok(()),
        Pepper::Wrong => Err(PepperError::Wrong),
        Pepper::Unnoted => Err(PepperError::Unnoted),
    }
}

/// The pepper of a function, compared with the check value in the tables.
#[derive(Debug)]
pub struct CheckedPepper {
    check: PepperCheck,
    is_right: AtomicBool,
}

impl CheckedPepper {
    /// Compares the pepper when a function starts. One request.
    ///
    /// # Errors
    /// [`SettingError`] if the pepper is wrong or the tables hold no check value. Not if the tables do not answer.
    pub async fn at_start(pepper: PepperCheck) -> Result<Self, SettingError> {
        // The patient client would wait longer than Lambda allows for a start.
        let is_right = match timeout(PATIENCE, check(&pepper, Deadline::after(PATIENCE))).await {
            Ok(Ok(())) => true,
            Ok(Err(PepperError::Store(error))) => {
                tracing::warn!(%error, "the first request to the tables failed");
                false
            }
            Ok(Err(error)) => return Err(SettingError::of_pepper(&error)),
            Err(_) => {
                tracing::warn!("the first request to the tables was not answered in time");
                false
            }
        };
        Ok(Self { check: pepper, is_right: AtomicBool::new(is_right) })
    }

    /// Compares the pepper if that has not succeeded yet. Otherwise it sends no request.
    ///
    /// # Errors
    /// [`PepperError`] unless it is the pepper of the tables.
    pub async fn ensure(&self, deadline: Deadline) -> Result<(), PepperError> {
        if self.is_right.load(Ordering::Relaxed) {
            return Ok(());
        }
        check(&self.check, deadline).await?;
        self.is_right.store(true, Ordering::Relaxed);
        Ok(())
    }
}
