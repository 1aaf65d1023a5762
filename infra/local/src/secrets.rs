//! The keys and secrets of one local stack: made at its first start, kept in its data directory.

use std::path::Path;

use cee_eligibility::{Instant, OperatorId};
use cee_tokens::{Caller, Scope, TokenFormat, TokenIssuer};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::random::random;
use crate::samples;
use crate::service_secret::{ServiceSecret, Signer};

/// `iss` of the local application tokens.
pub const ISSUER: &str = "cee-registry-local";
/// `aud` of the local application tokens.
pub const AUDIENCE: &str = "cee-registry-local";

/// Keys and secrets. Nothing else in the data directory is secret.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    /// The secret of the functions, as on AWS.
    #[serde(flatten)]
    pub service: ServiceSecret,
    /// Reaches everything on the local S3.
    pub root: KeyPair,
    /// The keys of each sample operator.
    pub operators: Vec<OperatorKeys>,
}

/// An access key with its secret.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeyPair {
    /// The public half.
    pub access_key: String,
    /// The secret half.
    pub secret_key: String,
}

/// The keys of one operator.
#[derive(Clone, Serialize, Deserialize)]
pub struct OperatorKeys {
    /// The operator's number.
    pub operator_id: u32,
    /// The operator's keys.
    #[serde(flatten)]
    pub keys: KeyPair,
}

impl KeyPair {
    fn new(prefix: &str) -> Result<Self, Error> {
        Ok(Self { access_key: format!("{prefix}{}", random(16)?.to_uppercase()), secret_key: random(40)? })
    }
}

impl Secrets {
    /// The secrets in this file, or new secrets, which are then stored there.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read or written, [`Error::Secrets`] if it holds something else.
    pub fn keep(path: &Path) -> Result<Self, Error> {
        Self::keep_for(path, TokenFormat::default())
    }

    /// The same, with a key that signs proof tokens of this format. A new key replaces a key of another kind: what the old key signed
    /// still verifies.
    ///
    /// # Errors
    /// As [`keep`](Self::keep).
    pub fn keep_for(path: &Path, format: TokenFormat) -> Result<Self, Error> {
        let mut secrets = match Self::read(path) {
            Err(Error::File { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Self::new(format)?;
                secrets.write(path)?;
                return Ok(secrets);
            }
            read => read?,
        };
        if !format.allows(secrets.service.signing_key(Signer::Proof)?.kind()) {
            // An RSA key may be announced already.
            let _ = secrets.service.announce(Signer::Proof, Some(format), None);
            secrets.service.sign(Signer::Proof, Some(format))?;
            secrets.write(path)?;
        }
        Ok(secrets)
    }

    /// The secrets in this file.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, [`Error::Secrets`] if it holds something else.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
        Self::from_json(path, &text)
    }

    /// Changes the secrets in this file, completely or not at all.
    ///
    /// # Errors
    /// [`Error::File`] if the file is missing or cannot be written, the error of the change, and as [`keep`](Self::keep).
    pub fn change(path: &Path, change: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        let mut secrets = Self::read(path)?;
        change(&mut secrets)?;
        secrets.write(path)
    }

    fn from_json(path: &Path, text: &str) -> Result<Self, Error> {
        // serde's own message may repeat the input.
        serde_json::from_str(text).map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            Error::Secrets(format!(
                "{}: not the secrets of a local stack ({place}): choose another --data-dir",
                path.display()
            ))
        })
    }

    fn write(&self, path: &Path) -> Result<(), Error> {
        let text = serde_json::to_vec_pretty(self).map_err(|error| Error::Secrets(error.to_string()))?;
        write_private(path, &text)
    }

    fn new(format: TokenFormat) -> Result<Self, Error> {
        let operators = samples::operators()
            .into_iter()
            .map(|operator| {
                Ok(OperatorKeys {
                    operator_id: operator.id.get(),
                    keys: KeyPair::new(&format!("OPERATOR{}", operator.id))?,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self { service: ServiceSecret::new(format)?, root: KeyPair::new("LOCAL")?, operators })
    }

    /// An application token for a sample operator.
    ///
    /// # Errors
    /// [`Error::Secrets`] if there is no such operator or no usable key.
    pub fn token(&self, operator: OperatorId, scopes: Vec<Scope>, now: Instant, minutes: u32) -> Result<String, Error> {
        let known = samples::operators().into_iter().find(|known| known.id == operator);
        let operator =
            known.ok_or_else(|| Error::Secrets(format!("no operator {operator}: the samples are 1, 2 and 3")))?;
        self.token_for(&Caller { operator: operator.id, siret: operator.siret, scopes }, now, minutes)
    }

    /// An application token for any caller.
    ///
    /// # Errors
    /// [`Error::Secrets`] if there is no usable key.
    pub fn token_for(&self, caller: &Caller, now: Instant, minutes: u32) -> Result<String, Error> {
        let issuer = TokenIssuer::new(
            self.service.signing_key(Signer::ApplicationToken)?,
            ISSUER.to_owned(),
            AUDIENCE.to_owned(),
        );
        issuer.issue(caller, now, minutes).map_err(|error| Error::Secrets(error.to_string()))
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// [`Error::File`] if it cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    cee_check::output::replace_private(path, content).map_err(Error::file(path))
}
