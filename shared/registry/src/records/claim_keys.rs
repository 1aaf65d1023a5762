//! Claim keys: the partition keys of the table of claims.
//!
//! Partition keys appear in logs, metrics and exports, and a plain hash of a twelve-digit licence can be guessed in seconds. So a claim
//! key is a keyed hash (HMAC-SHA-256) under a secret, the *pepper*.

use std::fmt;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cee_eligibility::{DrivingLicense, Identity, IdentityKey, IdentityKeys, JourneyType, TruncatedIdentity, words};

/// The bytes of the signature of a cursor.
pub(crate) const SIGNATURE: usize = 16;

/// Makes claim keys from a driver's identity.
#[derive(Clone)]
pub struct ClaimKeys {
    pepper: hmac::Key,
}

impl fmt::Debug for ClaimKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimKeys(…)")
    }
}

/// The pepper is too short to be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pepper must hold at least {} bytes", ClaimKeys::SHORTEST_PEPPER)]
pub struct WeakPepper;

words! {
    /// The kind of a driver's key that a claim is on. The team sees these words.
    pub enum ClaimKind {
        /// Three letters of the name, and the phone without its last two digits.
        TruncatedIdentity = "truncated identity",
        /// The driving licence.
        DrivingLicense = "driving licence",
        /// An identity key: the caller's, or the journey's.
        IdentityKey = "identity key",
    }
}

/// Tells identity keys apart on the item of a truncated identity, without storing them.
pub(crate) type Tag = [u8; ClaimKeys::TAG_BYTES];

/// A claim of an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The kind of key that it is on.
    pub kind: ClaimKind,
    /// The partition key of its item.
    pub key: String,
}

impl ClaimKeys {
    /// The minimum length of a pepper in bytes: the output size of the hash, as RFC 2104 recommends.
    pub const SHORTEST_PEPPER: usize = 32;

    /// The length of a tag in bytes. Two keys on one truncated identity practically never get the same tag.
    pub(crate) const TAG_BYTES: usize = 8;

    /// Claim keys under this pepper.
    ///
    /// # Errors
    /// [`WeakPepper`] if the pepper is shorter than [`Self::SHORTEST_PEPPER`].
    pub fn new(pepper: &[u8]) -> Result<Self, WeakPepper> {
        if pepper.len() < Self::SHORTEST_PEPPER {
            return Err(WeakPepper);
        }
        Ok(Self { pepper: hmac::Key::new(hmac::HMAC_SHA256, pepper) })
    }

    /// The claims of a driver: the truncated identity first, then the driving licence and the identity keys that are known. No two claims
    /// are on one item.
    #[must_use]
    pub fn claims(&self, journey_type: JourneyType, identity: &Identity) -> Vec<Claim> {
        let claim = |kind, key| Claim { kind, key };
        let mut claims =
            vec![claim(ClaimKind::TruncatedIdentity, self.truncated_identity(journey_type, &identity.truncated))];
        claims.extend(
            identity
                .driving_license
                .as_ref()
                .map(|license| claim(ClaimKind::DrivingLicense, self.driving_license(journey_type, license))),
        );
        claims.extend(
            identity
                .identity_keys
                .iter()
                .map(|key| claim(ClaimKind::IdentityKey, self.identity_key(journey_type, key))),
        );
        claims
    }

    /// The key of the item on a truncated identity.
    #[must_use]
    pub fn truncated_identity(&self, journey_type: JourneyType, identity: &TruncatedIdentity) -> String {
        // The name always has three bytes, so the rest is the phone.
        let value = [identity.last_name_trunc.as_str(), identity.phone_trunc.as_str()].concat();
        self.partition_key(journey_type, "truncated_identity", value.as_bytes())
    }

    /// The key of the item on a driving licence.
    #[must_use]
    pub fn driving_license(&self, journey_type: JourneyType, license: &DrivingLicense) -> String {
        self.partition_key(journey_type, "driving_license", license.as_str().as_bytes())
    }

    /// The key of the item on an identity key.
    #[must_use]
    pub fn identity_key(&self, journey_type: JourneyType, key: &IdentityKey) -> String {
        self.partition_key(journey_type, "identity_key", key.as_bytes())
    }

    /// The tag of an identity key. It tells identity keys apart on the item of a truncated identity, without storing them.
    #[must_use]
    pub fn tag(&self, key: &IdentityKey) -> [u8; Self::TAG_BYTES] {
        let mut tag = [0; Self::TAG_BYTES];
        tag.iter_mut().zip(self.digest(&[b"tag", key.as_bytes()]).as_ref()).for_each(|(byte, made)| *byte = *made);
        tag
    }

    /// The tags of an application's identity keys.
    pub(crate) fn tags(&self, keys: &IdentityKeys) -> Vec<Tag> {
        keys.iter().map(|key| self.tag(key)).collect()
    }

    fn partition_key(&self, journey_type: JourneyType, kind: &str, value: &[u8]) -> String {
        self.hash(&[journey_type.as_str().as_bytes(), kind.as_bytes(), value])
    }

    /// A partition key of an item that is not a claim.
    pub(crate) fn hash(&self, parts: &[&[u8]]) -> String {
        URL_SAFE_NO_PAD.encode(self.digest(parts))
    }

    /// The signature of a cursor, which a caller keeps and sends back: the beginning of a keyed hash.
    pub(crate) fn sign(&self, parts: &[&[u8]]) -> [u8; SIGNATURE] {
        let whole = self.digest(parts);
        let mut signature = [0; SIGNATURE];
        signature.iter_mut().zip(whole.as_ref()).for_each(|(byte, made)| *byte = *made);
        signature
    }

    pub(crate) fn digest(&self, parts: &[&[u8]]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.pepper);
        for part in parts {
            // The length of each part comes before the part, so that no two lists of parts give the same message.
            context.update(&u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            context.update(part);
        }
        context.sign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_eligibility::{LastNameTrunc, PhoneTrunc};

    fn identity_key(byte: &str) -> IdentityKey {
        IdentityKey::parse(&byte.repeat(32)).unwrap()
    }

    fn identity() -> Identity {
        Identity {
            truncated: TruncatedIdentity {
                last_name_trunc: LastNameTrunc::parse("TO ").unwrap(),
                phone_trunc: PhoneTrunc::parse("+336010203").unwrap(),
            },
            driving_license: Some(DrivingLicense::parse("051227308989").unwrap()),
            identity_keys: IdentityKeys::of_caller(Some(identity_key("ab"))),
        }
    }

    #[test]
    fn keys_differ_by_pepper_type_kind_and_hide_value() {
        let one = ClaimKeys::new(&[1; 32]).unwrap();
        let two = ClaimKeys::new(&[2; 32]).unwrap();
        let mut all: Vec<String> = Vec::new();
        for keys in [&one, &two] {
            for journey_type in JourneyType::ALL {
                all.extend(keys.claims(journey_type, &identity()).into_iter().map(|claim| claim.key));
            }
        }
        assert_eq!(all.len(), 12);
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), 12);
        assert!(all.iter().all(|key| key.len() == 43 && !key.contains("0512") && !key.contains("TO ")));
        assert_eq!(one.claims(JourneyType::Short, &identity()), one.claims(JourneyType::Short, &identity()));
    }

    /// These values may never change: other keys would make every driver eligible again.
    #[test]
    fn keys_are_stable() {
        let keys = ClaimKeys::new(&[7; 32]).unwrap();
        let made: Vec<String> =
            keys.claims(JourneyType::Short, &identity()).into_iter().map(|claim| claim.key).collect();
        assert_eq!(made, STABLE);
        assert_eq!(keys.tags(&identity().identity_keys), [STABLE_TAG]);
    }

    #[test]
    fn two_identity_keys_give_a_claim_and_a_tag_each() {
        let keys = ClaimKeys::new(&[7; 32]).unwrap();
        let (callers, journeys) = (identity_key("ab"), identity_key("cd"));
        let identity =
            Identity { identity_keys: IdentityKeys::new(Some(callers.clone()), Some(journeys.clone())), ..identity() };
        let claims = keys.claims(JourneyType::Short, &identity);
        assert_eq!(claims[..3].iter().map(|claim| claim.key.as_str()).collect::<Vec<_>>(), STABLE);
        assert_eq!(
            claims[3..],
            [Claim { kind: ClaimKind::IdentityKey, key: keys.identity_key(JourneyType::Short, &journeys) }]
        );
        assert_eq!(keys.tags(&identity.identity_keys), [STABLE_TAG, keys.tag(&journeys)]);
    }

    /// Computed with Python's `hmac` over the parts, each after its length in four bytes.
    const STABLE: [&str; 3] = [
        "Vbze4bcylrqxjpLp-0rMw8wfJ73iRtisd4UBXWuDG08",
        "9CC5OHlpcosv7zENLlH7LoTXcs5BVwU_UrCvqZBH010",
        "de7XjBda5HK3tgbNRycFa_qGI5MfsjQ304XW00ZUm2k",
    ];

    /// Computed in the same way: the first eight bytes.
    const STABLE_TAG: [u8; ClaimKeys::TAG_BYTES] = [0xbd, 0x48, 0x73, 0xd2, 0xdd, 0x39, 0xbc, 0xb4];

    #[test]
    fn debug_hides_pepper_and_kinds_have_names() {
        assert_eq!(format!("{:?}", ClaimKeys::new(&[7; 32]).unwrap()), "ClaimKeys(…)");
        let kinds = [ClaimKind::TruncatedIdentity, ClaimKind::DrivingLicense, ClaimKind::IdentityKey];
        assert_eq!(kinds.map(ClaimKind::as_str), ["truncated identity", "driving licence", "identity key"]);
    }

    #[test]
    fn short_pepper_is_rejected() {
        assert_eq!(ClaimKeys::new(&[0; 31]).map(|_| ()), Err(WeakPepper));
    }
}
