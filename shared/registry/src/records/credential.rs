//! Credentials: the access key and secret with which an operator requests its application tokens.
//!
//! The registry generates a secret, shows it once, and stores a slow salted hash of it. It also stores how often the secret was guessed
//! wrong: the number of failures in a row and the date of the last failure. It *computes* from them how long further guesses are
//! rejected. So a change of that rule does not change stored data.
//!
//! ```text
//! guess ──► find: locked? ──► hash (slow) ──► wrong: failed(), which counts
//!                                         └─► right: succeeded(), unless it was locked in between
//! ```
//!
//! Simultaneous guesses are hashed simultaneously, on several instances. But each of them ends with a write to the one item, and a right
//! guess counts only if fewer than [`Failures::FREE`] wrong guesses came before it. So a thousand simultaneous guesses gain nothing.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use aws_lc_rs::pbkdf2;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use cee_eligibility::{FieldError, Instant, OperatorId};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::dynamo::error::StoreError;
use crate::dynamo::item::Item;

/// The maximum length of an access key or a secret, in characters. The registry's own are much shorter. Longer ones are not hashed.
const LONGEST: usize = 128;

fn parse_half(text: &str) -> Result<String, FieldError> {
    let fits = (1..=LONGEST).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(text.to_owned()) } else { Err(FieldError::Credential) }
}

/// The public half of a credential: its identifier. It is not a secret, but a caller may send a secret in its place.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AccessKey(String);

impl AccessKey {
    /// The format of an access key or a secret.
    pub const PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]{1,128}$";
    /// The maximum number of characters.
    pub const MAX_LENGTH: usize = LONGEST;

    /// Reads 1 to 128 characters, none of them a control character. Only the store knows whether the access key exists.
    ///
    /// # Errors
    /// [`FieldError::Credential`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        parse_half(text).map(Self)
    }

    /// The access key, for the team and for the table.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey(…)")
    }
}

/// The secret half of a credential.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(String);

impl SecretKey {
    /// Reads 1 to 128 characters, none of them a control character.
    ///
    /// # Errors
    /// [`FieldError::Credential`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        parse_half(text).map(Self)
    }

    /// The secret in clear, to show to its operator once.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

/// The system provides no randomness, so no secret can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct NoRandomness;

/// An access key and its secret, both in clear, as the operator gets them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    /// The public half.
    pub access_key: AccessKey,
    /// The secret half.
    pub secret_key: SecretKey,
}

impl KeyPair {
    /// Generates a pair: an access key of 20 characters, which does not repeat by chance, and a secret of 40 characters (238 bits), which
    /// cannot be guessed.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system provides none.
    pub fn generate() -> Result<Self, NoRandomness> {
        const CAPITALS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        const LETTERS_AND_DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        Ok(Self {
            access_key: AccessKey(format!("CEE{}", random_text(CAPITALS, 17)?)),
            secret_key: SecretKey(random_text(LETTERS_AND_DIGITS, 40)?),
        })
    }
}

/// This number of characters of the alphabet, each with equal probability.
fn random_text(alphabet: &[u8], characters: usize) -> Result<String, NoRandomness> {
    let source = SystemRandom::new();
    // A byte above the last whole multiple of the alphabet would favour its first letters, so it is discarded.
    let fair = 256 / alphabet.len() * alphabet.len();
    let mut text = String::with_capacity(characters);
    while text.len() < characters {
        let mut bytes = [0; 64];
        source.fill(&mut bytes).map_err(|_| NoRandomness)?;
        let fair = bytes.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < fair);
        text.extend(fair.take(characters - text.len()).map(|byte| char::from(alphabet[byte % alphabet.len()])));
    }
    Ok(text)
}

/// The stored form of a secret: PBKDF2-HMAC-SHA512 of the secret with its own salt.
///
/// Computing or comparing a hash takes a whole core for about a tenth of a second, by design. Do not do it on a thread that other tasks
/// need.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash {
    salt: Vec<u8>,
    iterations: NonZeroU32,
    hash: Vec<u8>,
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

impl SecretHash {
    /// The algorithm's name in the table. Another algorithm gets another name.
    const ALGORITHM: &str = "pbkdf2-hmac-sha512";

    /// The number of iterations for a new secret. A stored hash keeps its own number. OWASP's Password Storage Cheat Sheet asks for at
    /// least 210,000 with HMAC-SHA-512.
    pub const ITERATIONS: NonZeroU32 = match NonZeroU32::new(220_000) {
        Some(iterations) => iterations,
        None => NonZeroU32::MAX,
    };

    /// In bytes, as NIST SP 800-132 recommends.
    const SALT: usize = 16;

    /// In bytes: one block of SHA-512.
    const HASH: usize = 64;

    /// Hashes a secret with a new salt. Use [`Self::ITERATIONS`] unless the secret protects nothing.
    ///
    /// # Errors
    /// [`NoRandomness`] if the system provides no salt.
    pub fn of(secret: &SecretKey, iterations: NonZeroU32) -> Result<Self, NoRandomness> {
        let mut salt = vec![0; Self::SALT];
        SystemRandom::new().fill(&mut salt).map_err(|_| NoRandomness)?;
        let mut hash = vec![0; Self::HASH];
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, &salt, secret.0.as_bytes(), &mut hash);
        Ok(Self { salt, iterations, hash })
    }

    /// A hash that no secret matches. It is compared if there is no credential, so that the response time does not reveal that.
    #[must_use]
    pub fn decoy() -> Self {
        Self { salt: vec![0; Self::SALT], iterations: Self::ITERATIONS, hash: vec![0; Self::HASH] }
    }

    /// Whether this is the secret. The time does not depend on how similar a wrong secret is.
    #[must_use]
    pub fn fits(&self, secret: &SecretKey) -> bool {
        let Self { salt, iterations, hash } = self;
        pbkdf2::verify(pbkdf2::PBKDF2_HMAC_SHA512, *iterations, salt, secret.0.as_bytes(), hash).is_ok()
    }
}

/// Wrong guesses in a row at one credential's secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// The number of wrong guesses since the last right one.
    pub in_a_row: u32,
    /// When the last wrong guess was made; `None` if there was none.
    pub last_at: Option<Instant>,
}

impl Failures {
    /// The number of failures in a row that locks the credential. The failures before it have no consequence: they allow for a wrong
    /// setting and for a person who looks into it.
    pub const FREE: u32 = 5;

    /// How long guesses are rejected after failure number [`Self::FREE`]. Each further failure doubles the time.
    pub const FIRST_PAUSE: Duration = Duration::from_secs(10);

    /// The longest lock. A longer one would not protect a secret of 238 bits any better, and would let a person who knows an access key
    /// lock its owner out.
    pub const LONGEST_PAUSE: Duration = Duration::from_secs(300);

    /// How long guesses are rejected after this number of failures in a row.
    fn pause(self) -> Duration {
        match self.in_a_row.checked_sub(Self::FREE) {
            None => Duration::ZERO,
            Some(doublings) => Self::FIRST_PAUSE.saturating_mul(1 << doublings.min(16)).min(Self::LONGEST_PAUSE),
        }
    }

    /// How long guesses are rejected from now on; `None` if a guess is allowed.
    #[must_use]
    pub fn locked_for(self, now: Instant) -> Option<Duration> {
        let pause = self.pause();
        let since = Duration::from_millis(u64::try_from(now.millis() - self.last_at?.millis()).unwrap_or(0));
        pause.checked_sub(since).filter(|left| !left.is_zero())
    }
}

/// A credential as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// The access key.
    pub access_key: AccessKey,
    /// The operator that it belongs to.
    pub operator: OperatorId,
    /// The stored form of its secret.
    pub hash: SecretHash,
    /// When it was created.
    pub created_at: Instant,
    /// When it was last used to request a token.
    pub used_at: Option<Instant>,
    /// Wrong guesses at its secret.
    pub failures: Failures,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    access_key: String,
    operator_id: u32,
    algorithm: String,
    iterations: NonZeroU32,
    salt: ByteBuf,
    hash: ByteBuf,
    created_at: i64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    used_at: Option<i64>,
    #[serde(default)]
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    failed_at: Option<i64>,
}

pub(crate) const fn corrupt(what: &'static str) -> StoreError {
    StoreError::Corrupt { table: "credentials", what }
}

fn instant(millis: i64, what: &'static str) -> Result<Instant, StoreError> {
    Instant::from_millis(millis).ok_or(corrupt(what))
}

impl Stored {
    fn of(credential: &Credential) -> Self {
        let Credential { access_key, operator, hash, created_at, used_at, failures } = credential;
        Self {
            access_key: access_key.0.clone(),
            operator_id: operator.get(),
            algorithm: SecretHash::ALGORITHM.to_owned(),
            iterations: hash.iterations,
            salt: ByteBuf::from(hash.salt.clone()),
            hash: ByteBuf::from(hash.hash.clone()),
            created_at: created_at.millis(),
            used_at: used_at.map(Instant::millis),
            failures: failures.in_a_row,
            failed_at: failures.last_at.map(Instant::millis),
        }
    }

    fn read(item: Item) -> Result<Credential, StoreError> {
        let stored: Self = serde_dynamo::aws_sdk_dynamodb_1::from_item(item)
            .map_err(|_| corrupt("a missing or mistyped attribute"))?;
        if stored.algorithm != SecretHash::ALGORITHM {
            return Err(corrupt("algorithm"));
        }
        if stored.hash.len() != SecretHash::HASH {
            return Err(corrupt("hash"));
        }
        Ok(Credential {
            access_key: AccessKey(stored.access_key),
            operator: OperatorId::new(stored.operator_id).map_err(|_| corrupt("operator_id"))?,
            hash: SecretHash {
                salt: stored.salt.into_vec(),
                iterations: stored.iterations,
                hash: stored.hash.into_vec(),
            },
            created_at: instant(stored.created_at, "created_at")?,
            used_at: stored.used_at.map(|millis| instant(millis, "used_at")).transpose()?,
            failures: Failures {
                in_a_row: stored.failures,
                last_at: stored.failed_at.map(|millis| instant(millis, "failed_at")).transpose()?,
            },
        })
    }
}

impl Credential {
    pub(crate) fn to_item(&self) -> Result<Item, StoreError> {
        serde_dynamo::aws_sdk_dynamodb_1::to_item(Stored::of(self)).map_err(|_| corrupt("an item"))
    }

    pub(crate) fn from_item(item: Item) -> Result<Self, StoreError> {
        Stored::read(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Instant {
        Instant::from_millis(millis).unwrap()
    }

    #[test]
    fn key_pairs_are_random_and_debug_hides_them() {
        let (one, two) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        assert!(one.access_key != two.access_key && one.secret_key != two.secret_key);
        assert_eq!((one.access_key.as_str().len(), one.secret_key.reveal().len()), (20, 40));
        let shown = format!("{one:?} {:?}", SecretHash::decoy());
        assert_eq!(shown, "KeyPair { access_key: AccessKey(…), secret_key: SecretKey(…) } SecretHash(…)");
        // Every letter of the alphabet occurs, and no other.
        let many = random_text(b"ABCDEFG", 2000).unwrap();
        assert!(b"ABCDEFG".iter().all(|letter| many.bytes().filter(|byte| byte == letter).count() > 100), "{many}");
        assert_eq!(many.len(), 2000);
    }

    #[test]
    fn access_and_secret_key_are_validated() {
        for good in ["a", "CEE ÉÈ-+/=", &"x".repeat(128)] {
            assert!(AccessKey::parse(good).is_ok() && SecretKey::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a\0", "a\n", &"x".repeat(129)] {
            assert_eq!(AccessKey::parse(bad).unwrap_err(), FieldError::Credential, "{bad:?}");
            assert_eq!(SecretKey::parse(bad).unwrap_err(), FieldError::Credential, "{bad:?}");
        }
    }

    #[test]
    fn hash_fits_only_its_secret() {
        let secret = SecretKey::parse("correct horse battery staple").unwrap();
        let of = |secret| SecretHash::of(secret, SecretHash::ITERATIONS).unwrap();
        let (one, two) = (of(&secret), of(&secret));
        assert!(one.fits(&secret));
        assert!(one.salt != two.salt && one.hash != two.hash, "each has a salt of its own");
        assert!(!one.fits(&SecretKey::parse("correct horse battery stapl").unwrap()));
        assert!(!SecretHash::decoy().fits(&secret));
    }

    /// Computed with Python's `hashlib.pbkdf2_hmac`.
    const STABLE: [u8; 64] = [
        0xbe, 0x01, 0x6f, 0x53, 0xbc, 0xd6, 0x20, 0x38, 0x03, 0x01, 0x48, 0xbb, 0x77, 0xc6, 0xb2, 0xb7, 0xe7, 0x1f,
        0x46, 0x23, 0xd6, 0x55, 0x55, 0x9f, 0xbf, 0xc8, 0x90, 0x46, 0xc1, 0x99, 0x69, 0x9b, 0xe2, 0x5b, 0x3b, 0x12,
        0x36, 0x05, 0x98, 0x5c, 0x41, 0x39, 0x3e, 0x6b, 0xc8, 0xfd, 0x51, 0x0b, 0x32, 0xc3, 0xa6, 0x11, 0xba, 0x8b,
        0xcf, 0x43, 0xca, 0xb9, 0xe3, 0xcd, 0x8c, 0xe9, 0x38, 0xd4,
    ];

    /// A different computation would lock out every operator.
    #[test]
    fn hashes_are_stable() {
        let hash = SecretHash {
            salt: b"0123456789abcdef".to_vec(),
            iterations: NonZeroU32::new(1000).unwrap(),
            hash: STABLE.to_vec(),
        };
        assert!(hash.fits(&SecretKey::parse("secret").unwrap()));
    }

    #[test]
    fn pauses_double_up_to_five_minutes() {
        let pause = |in_a_row| Failures { in_a_row, last_at: Some(at(0)) }.pause().as_secs();
        let pauses: Vec<u64> = (4..12).map(pause).collect();
        assert_eq!(pauses, [0, 10, 20, 40, 80, 160, 300, 300]);
        assert_eq!(pause(u32::MAX), 300);
    }

    #[test]
    fn lock_ends_to_the_millisecond() {
        let failures = Failures { in_a_row: 5, last_at: Some(at(1_000_000)) };
        assert_eq!(failures.locked_for(at(1_000_000)), Some(Duration::from_secs(10)));
        assert_eq!(failures.locked_for(at(1_009_999)), Some(Duration::from_millis(1)));
        assert_eq!(failures.locked_for(at(1_010_000)), None);
        // Another instance's clock may be a little ahead. The lock is then not longer than the whole pause.
        assert_eq!(failures.locked_for(at(999_000)), Some(Duration::from_secs(10)));
        assert_eq!(Failures { in_a_row: 4, ..failures }.locked_for(at(1_000_000)), None);
        assert_eq!(Failures::default().locked_for(at(1_000_000)), None);
    }
}
