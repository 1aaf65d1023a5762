//! The keys and secrets of one local stack: made at its first start, kept in its data directory.

use std::io::Write as _;
use std::path::Path;

use cee_eligibility::{Instant, OperatorId};
use cee_tokens::{Caller, Scope, SigningKey, TokenIssuer};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::samples;

/// `iss` of the local application tokens.
pub const ISSUER: &str = "cee-registry-local";
/// `aud` of the local application tokens.
pub const AUDIENCE: &str = "cee-registry-local";

/// Keys and secrets. Nothing else in the data directory is secret.
#[derive(Serialize, Deserialize)]
pub struct Secrets {
    /// Hashes claim keys.
    pub claim_pepper: String,
    /// Signs proof tokens: a PEM private key.
    pub proof_key: String,
    /// Signs application tokens: a PEM private key.
    pub application_key: String,
    /// Reaches everything on the local S3.
    pub root: KeyPair,
    /// Each sample operator's own.
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
    /// Its number.
    pub operator_id: u32,
    /// Its keys.
    #[serde(flatten)]
    pub keys: KeyPair,
}

/// So many characters that nobody guesses.
fn random(characters: usize) -> Result<String, Error> {
    use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
    use base64::Engine as _;
    let mut bytes = vec![0; characters];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Secrets("the system gives no randomness".to_owned()))?;
    let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
    Ok(text.chars().filter(char::is_ascii_alphanumeric).take(characters).collect())
}

impl KeyPair {
    fn new(prefix: &str) -> Result<Self, Error> {
        Ok(Self { access_key: format!("{prefix}{}", random(16)?.to_uppercase()), secret_key: random(40)? })
    }
}

impl Secrets {
    /// Those kept in this file, or new ones that are kept there from now on.
    ///
    /// # Errors
    /// [`Error::File`] where the file cannot be read or written, [`Error::Secrets`] where it holds something else.
    pub fn keep(path: &Path) -> Result<Self, Error> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|error| Error::Secrets(format!("{}: {error}", path.display())))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let secrets = Self::new()?;
                let text = serde_json::to_vec_pretty(&secrets).map_err(|error| Error::Secrets(error.to_string()))?;
                write_private(path, &text)?;
                Ok(secrets)
            }
            Err(error) => Err(Error::file(path)(error)),
        }
    }

    fn new() -> Result<Self, Error> {
        let key = || SigningKey::generate_pem().map_err(|error| Error::Secrets(error.to_string()));
        let operators = samples::operators()
            .into_iter()
            .map(|operator| {
                Ok(OperatorKeys {
                    operator_id: operator.id.get(),
                    keys: KeyPair::new(&format!("OPERATOR{}", operator.id))?,
                })
            })
            .collect::<Result<_, Error>>()?;
        Ok(Self {
            claim_pepper: random(48)?,
            proof_key: key()?,
            application_key: key()?,
            root: KeyPair::new("LOCAL")?,
            operators,
        })
    }

    /// The key that signs application tokens.
    ///
    /// # Errors
    /// [`Error::Secrets`] where it is none.
    pub fn application_key(&self) -> Result<SigningKey, Error> {
        SigningKey::from_pem(&self.application_key).map_err(|error| Error::Secrets(error.to_string()))
    }

    /// An application token for a sample operator.
    ///
    /// # Errors
    /// [`Error::Secrets`] where there is no such operator or no usable key.
    pub fn token(&self, operator: OperatorId, scopes: Vec<Scope>, now: Instant, minutes: u32) -> Result<String, Error> {
        let known = samples::operators().into_iter().find(|known| known.id == operator);
        let operator =
            known.ok_or_else(|| Error::Secrets(format!("no operator {operator}: the samples are 1, 2 and 3")))?;
        self.token_for(&Caller { operator: operator.id, siret: operator.siret, scopes }, now, minutes)
    }

    /// An application token for any caller.
    ///
    /// # Errors
    /// [`Error::Secrets`] where there is no usable key.
    pub fn token_for(&self, caller: &Caller, now: Instant, minutes: u32) -> Result<String, Error> {
        let issuer = TokenIssuer::new(self.application_key()?, ISSUER.to_owned(), AUDIENCE.to_owned());
        issuer.issue(caller, now, minutes).map_err(|error| Error::Secrets(error.to_string()))
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// [`Error::File`] where it cannot be written.
pub fn write_private(path: &Path, content: &[u8]) -> Result<(), Error> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let staged = path.with_extension("new");
    let write = || {
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&staged)?;
        file.write_all(content)?;
        file.sync_all()?;
        std::fs::rename(&staged, path)
    };
    write().map_err(Error::file(path))
}
