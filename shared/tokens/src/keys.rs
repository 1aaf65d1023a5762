//! Signing keys, and the sets of public keys (JWKS) that verify their signatures.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA512, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm, PublicKeyUse, ThumbprintHash};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// A key that cannot be used. The error contains nothing of the key itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither a P-256 nor an RSA private key.
    #[error("not a PEM private key: PKCS#8 with a P-256 key, or PKCS#8 or PKCS#1 with an RSA key")]
    PrivateKey,
    /// Not a JWKS.
    #[error("not a JSON Web Key Set (RFC 7517)")]
    KeySet,
    /// A key of the set has no `kid`, or the `kid` of another key, or cannot verify.
    #[error("every key of the set needs its own kid, an alg of ES256, RS256 or RS512, and no private part")]
    PublicKey,
    /// The format of proof tokens does not allow this kind of key.
    #[error("TOKEN_FORMAT=rpc signs with an RSA key, and this is a P-256 key")]
    Format,
    /// The random generator failed.
    #[error("no key could be generated")]
    Generation,
}

/// The kinds of signing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// An elliptic curve key, which signs `ES256`.
    P256,
    /// An RSA key, which signs `RS512`. New keys have 2048 bits, because Lambda allows a function 4 KB of environment variables in total.
    Rsa,
}

impl KeyKind {
    /// The algorithm of this kind of key.
    const fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::ES256,
            Self::Rsa => Algorithm::RS512,
        }
    }
}

/// A private key with its algorithm and its `kid`.
#[derive(Clone)]
pub struct SigningKey {
    pair: Pair,
    public: Jwk,
    kid: String,
}

/// A private key, parsed and checked once. `jsonwebtoken` would parse it again for each signature.
#[derive(Clone)]
enum Pair {
    P256(Arc<EcdsaKeyPair>),
    Rsa(Arc<RsaKeyPair>),
}

impl Pair {
    fn of(encoding: &EncodingKey, kind: KeyKind) -> Option<Self> {
        let der = encoding.as_bytes();
        match kind {
            KeyKind::P256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
                Some(Self::P256(Arc::new(pair)))
            }
            KeyKind::Rsa => RsaKeyPair::from_der(der).ok().map(|pair| Self::Rsa(Arc::new(pair))),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl SigningKey {
    /// Reads a private key: a P-256 key signs `ES256`, an RSA key `RS512`. The `kid` is the key's thumbprint (RFC 7638), so a key has the
    /// same `kid` everywhere, and nobody has to choose it.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] for anything else.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let keys = [
            (EncodingKey::from_ec_pem(pem.as_bytes()), KeyKind::P256),
            (EncodingKey::from_rsa_pem(pem.as_bytes()), KeyKind::Rsa),
        ];
        let (encoding, kind) =
            keys.into_iter().find_map(|(key, kind)| key.ok().map(|key| (key, kind))).ok_or(KeyError::PrivateKey)?;
        let mut public = Jwk::from_encoding_key(&encoding, kind.algorithm()).map_err(|_| KeyError::PrivateKey)?;
        let kid = public.thumbprint(ThumbprintHash::SHA256).map_err(|_| KeyError::PrivateKey)?;
        public.common.key_id = Some(kid.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let pair = Pair::of(&encoding, kind).ok_or(KeyError::PrivateKey)?;
        Ok(Self { pair, public, kid })
    }

    /// Signs with the key's own algorithm.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] if the system has no randomness.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::P256(pair) => pair.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA512, &random, message, &mut signature).map(|()| signature)
            }
        }
        .map_err(|_| KeyError::PrivateKey)
    }

    /// A JSON Web Signature (RFC 7515, compact) of these claims. `typ` is the type of the token.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] if the system has no randomness.
    pub(crate) fn sign_claims(&self, typ: &str, claims: &impl Serialize) -> Result<String, KeyError> {
        let header =
            Header { typ: Some(typ.to_owned()), kid: Some(self.kid.clone()), ..Header::new(self.kind().algorithm()) };
        let part = |json: serde_json::Result<Vec<u8>>| json.map(|json| URL_SAFE_NO_PAD.encode(json));
        let header = part(serde_json::to_vec(&header)).map_err(|_| KeyError::PrivateKey)?;
        let claims = part(serde_json::to_vec(claims)).map_err(|_| KeyError::PrivateKey)?;
        let message = format!("{header}.{claims}");
        let signature = URL_SAFE_NO_PAD.encode(self.sign(message.as_bytes())?);
        Ok(format!("{message}.{signature}"))
    }

    /// Generates a private key, in PEM (PKCS#8).
    ///
    /// # Errors
    /// [`KeyError::Generation`] if the system provides no randomness.
    pub fn generate_pem(kind: KeyKind) -> Result<String, KeyError> {
        let body = match kind {
            KeyKind::P256 => {
                let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
                STANDARD.encode(der.map_err(|_| KeyError::Generation)?.as_ref())
            }
            KeyKind::Rsa => {
                let pair = aws_lc_rs::rsa::KeyPair::generate(KeySize::Rsa2048).map_err(|_| KeyError::Generation)?;
                let der: Pkcs8V1Der<'_> = pair.as_der().map_err(|_| KeyError::Generation)?;
                STANDARD.encode(der.as_ref())
            }
        };
        let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
        let mut rest = body.as_str();
        while !rest.is_empty() {
            let (line, further) = rest.split_at(rest.len().min(64));
            pem.push_str(line);
            pem.push('\n');
            rest = further;
        }
        pem.push_str("-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// The kind of the key.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        match self.pair {
            Pair::P256(_) => KeyKind::P256,
            Pair::Rsa(_) => KeyKind::Rsa,
        }
    }

    /// The key's `kid`.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// A set with only this key's public half.
    #[must_use]
    pub fn public_key_set(&self) -> KeySet {
        KeySet(JwkSet { keys: vec![self.public.clone()] })
    }
}

/// Public keys, each with its own `kid`. A set has several keys while keys are rotated.
#[derive(Clone, Debug)]
pub struct KeySet(pub(crate) JwkSet);

impl KeySet {
    /// Reads a JWKS. Rejects a set whose keys lack distinct `kid`s, or with a private part.
    ///
    /// # Errors
    /// [`KeyError::KeySet`] or [`KeyError::PublicKey`].
    pub fn from_json(json: &str) -> Result<Self, KeyError> {
        let raw: serde_json::Value = serde_json::from_str(json).map_err(|_| KeyError::KeySet)?;
        let private = |key: &serde_json::Value| ["d", "p", "q", "k"].iter().any(|part| key.get(part).is_some());
        if raw.get("keys").and_then(serde_json::Value::as_array).is_none_or(|keys| keys.iter().any(private)) {
            return Err(KeyError::PublicKey);
        }
        let set: JwkSet = serde_json::from_value(raw).map_err(|_| KeyError::KeySet)?;
        let mut kids: Vec<&str> = Vec::new();
        for key in &set.keys {
            let kid = key.common.key_id.as_deref().filter(|kid| !kids.contains(kid)).ok_or(KeyError::PublicKey)?;
            kids.push(kid);
            verifying_algorithm(key)?;
            jsonwebtoken::DecodingKey::from_jwk(key).map_err(|_| KeyError::PublicKey)?;
        }
        Ok(Self(set))
    }

    /// The published form of the set: P-256 keys first, because some verifiers use only the first key, or fail at an RSA key.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut set = self.0.clone();
        set.keys.sort_by_key(|key| key.common.key_algorithm != Some(KeyAlgorithm::ES256));
        serde_json::to_string(&set).unwrap_or_else(|_| "{\"keys\":[]}".to_owned())
    }

    /// The set without the key with this `kid`; `None` if it has no such key.
    #[must_use]
    pub fn without(mut self, kid: &str) -> Option<Self> {
        let before = self.0.keys.len();
        self.0.keys.retain(|key| key.common.key_id.as_deref() != Some(kid));
        (self.0.keys.len() < before).then_some(self)
    }

    /// The union of both sets: the second's keys after the first's, without duplicates.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        for key in &other.0.keys {
            if !self.0.keys.iter().any(|known| known.common.key_id == key.common.key_id) {
                self.0.keys.push(key.clone());
            }
        }
        self
    }
}

/// The algorithm that a key verifies. The key decides it, never the token's header.
pub(crate) fn verifying_algorithm(key: &Jwk) -> Result<Algorithm, KeyError> {
    match key.common.key_algorithm {
        Some(KeyAlgorithm::ES256) => Ok(Algorithm::ES256),
        Some(KeyAlgorithm::RS256) => Ok(Algorithm::RS256),
        Some(KeyAlgorithm::RS512) => Ok(Algorithm::RS512),
        _ => Err(KeyError::PublicKey),
    }
}
