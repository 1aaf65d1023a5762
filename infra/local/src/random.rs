//! Random text for keys and secrets.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::error::Error;

/// Letters and digits, this many, from the random generator of the system.
pub(crate) fn random(characters: usize) -> Result<String, Error> {
    let mut bytes = vec![0; characters];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Error::Secrets("the system gives no randomness".to_owned()))?;
    let text = STANDARD.encode(&bytes);
    Ok(text.chars().filter(char::is_ascii_alphanumeric).take(characters).collect())
}
