//! The secret of a deployment, which only the functions of one registry share, as one JSON object of strings. On AWS it is a secret
//! of Secrets Manager (parameter `SecretName` of the template), on this machine a part of `secrets.json`.
//!
//! A signing key is replaced in steps, each a separate deployment, so that at every moment each verifier knows the key of each
//! signer: [`announce`](ServiceSecret::announce), then [`sign`](ServiceSecret::sign), and, when nothing that the old key signed is
//! valid any more, [`retire`](ServiceSecret::retire).

use cee_tokens::{KeyError, KeyKind, KeySet, SigningKey, TokenFormat};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::random::random;

/// Which of the two signing keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Signer {
    /// Signs proof tokens, which auditors check years later: its public keys are never removed.
    Proof,
    /// Signs operators' application tokens, which are valid for five minutes.
    ApplicationToken,
}

/// A registry's secret. It has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
pub struct ServiceSecret {
    /// Hashes claim keys. It never changes: with another pepper no earlier claim is found.
    pub claim_pepper: String,
    /// Signs proof tokens: a PEM private key.
    pub proof_key: String,
    /// Verifies proof tokens: the public keys of all past, present and announced signing keys, as a JWKS.
    #[serde(default)]
    proof_jwks: String,
    /// The proof key that is announced and does not sign yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    proof_key_next: Option<String>,
    /// Signs application tokens: a PEM private key.
    #[serde(alias = "application_key")]
    pub application_token_key: String,
    /// Verifies application tokens.
    #[serde(default)]
    application_token_jwks: String,
    /// The application token key that is announced and does not sign yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    application_token_key_next: Option<String>,
}

/// One signer's part of the secret.
struct Part<'a> {
    key: &'a mut String,
    jwks: &'a mut String,
    next: &'a mut Option<String>,
}

/// The kind of a new registry's proof key.
const fn kind_for(format: TokenFormat) -> KeyKind {
    match format {
        TokenFormat::Jws => KeyKind::P256,
        TokenFormat::Rpc => KeyKind::Rsa,
    }
}

fn unusable(error: KeyError) -> Error {
    Error::Secrets(error.to_string())
}

impl ServiceSecret {
    /// A new secret, for a registry that has never granted anything and signs proof tokens of this format.
    ///
    /// # Errors
    /// [`Error::Secrets`] if the system has no randomness.
    pub fn new(format: TokenFormat) -> Result<Self, Error> {
        let mut secret = Self {
            claim_pepper: random(48)?,
            proof_key: SigningKey::generate_pem(kind_for(format)).map_err(unusable)?,
            proof_jwks: String::new(),
            proof_key_next: None,
            application_token_key: SigningKey::generate_pem(KeyKind::P256).map_err(unusable)?,
            application_token_jwks: String::new(),
            application_token_key_next: None,
        };
        for signer in [Signer::Proof, Signer::ApplicationToken] {
            let set = secret.key_set(signer)?.to_json();
            *secret.part(signer).jwks = set;
        }
        Ok(secret)
    }

    /// Reads a secret, and checks that every key in it can be used.
    ///
    /// # Errors
    /// [`Error::Secrets`] with the fault, and no part of the secret.
    pub fn from_json(json: &str) -> Result<Self, Error> {
        // serde's own message may repeat the input.
        let secret: Self = serde_json::from_str(json).map_err(|error| {
            Error::Secrets(format!(
                "the secret cannot be read (line {}, column {}): a JSON object of strings is expected, with \
                 claim_pepper, proof_key, proof_jwks, application_token_key and application_token_jwks",
                error.line(),
                error.column()
            ))
        })?;
        for signer in [Signer::Proof, Signer::ApplicationToken] {
            secret.key_set(signer)?;
        }
        Ok(secret)
    }

    /// The secret as JSON.
    ///
    /// # Errors
    /// [`Error::Secrets`]: in practice never.
    pub fn to_json(&self) -> Result<String, Error> {
        serde_json::to_string_pretty(self).map_err(|error| Error::Secrets(error.to_string()))
    }

    fn part(&mut self, signer: Signer) -> Part<'_> {
        match signer {
            Signer::Proof => {
                Part { key: &mut self.proof_key, jwks: &mut self.proof_jwks, next: &mut self.proof_key_next }
            }
            Signer::ApplicationToken => Part {
                key: &mut self.application_token_key,
                jwks: &mut self.application_token_jwks,
                next: &mut self.application_token_key_next,
            },
        }
    }

    /// The key that signs now.
    ///
    /// # Errors
    /// [`Error::Secrets`] if it is not a valid key.
    pub fn signing_key(&self, signer: Signer) -> Result<SigningKey, Error> {
        let pem = match signer {
            Signer::Proof => &self.proof_key,
            Signer::ApplicationToken => &self.application_token_key,
        };
        SigningKey::from_pem(pem).map_err(unusable)
    }

    /// The public keys that verify: the signing key, earlier signing keys, and the announced key.
    ///
    /// # Errors
    /// [`Error::Secrets`] if one of them is not a valid key.
    pub fn key_set(&self, signer: Signer) -> Result<KeySet, Error> {
        let (jwks, next) = match signer {
            Signer::Proof => (&self.proof_jwks, &self.proof_key_next),
            Signer::ApplicationToken => (&self.application_token_jwks, &self.application_token_key_next),
        };
        let mut set = self.signing_key(signer)?.public_key_set();
        if !jwks.is_empty() {
            set = set.and(&KeySet::from_json(jwks).map_err(unusable)?);
        }
        if let Some(next) = next {
            set = set.and(&SigningKey::from_pem(next).map_err(unusable)?.public_key_set());
        }
        Ok(set)
    }

    /// Makes the next signing key, and publishes it. Returns its `kid`. A proof key is of the requested kind, or else of the kind that
    /// `format` needs, or else of the kind of the present signing key. An announced key of another kind is replaced.
    ///
    /// # Errors
    /// [`Error::Secrets`] if a key of this kind is already announced, or if the format does not allow the kind.
    pub fn announce(
        &mut self,
        signer: Signer,
        format: Option<TokenFormat>,
        kind: Option<KeyKind>,
    ) -> Result<String, Error> {
        let signs = self.signing_key(signer)?.kind();
        let kind = match signer {
            Signer::ApplicationToken if kind == Some(KeyKind::Rsa) => {
                return Err(Error::Secrets("application tokens are signed with a P-256 key".to_owned()));
            }
            Signer::ApplicationToken => KeyKind::P256,
            Signer::Proof => kind.unwrap_or(if format == Some(TokenFormat::Rpc) { KeyKind::Rsa } else { signs }),
        };
        if signer == Signer::Proof && !format.unwrap_or_default().allows(kind) {
            return Err(unusable(KeyError::Format));
        }
        let pem = SigningKey::generate_pem(kind).map_err(unusable)?;
        let kid = SigningKey::from_pem(&pem).map_err(unusable)?.kid().to_owned();
        let next = self.part(signer).next;
        if let Some(next) = next
            && SigningKey::from_pem(next).map_err(unusable)?.kind() == kind
        {
            return Err(Error::Secrets("a key is announced already: deploy it, then let it sign".to_owned()));
        }
        *next = Some(pem);
        let set = self.key_set(signer)?.to_json();
        *self.part(signer).jwks = set;
        Ok(kid)
    }

    /// Makes the announced key the signing key; the old key's public half stays. Returns the new `kid`.
    ///
    /// # Errors
    /// [`Error::Secrets`] if no key is announced, or if the format does not allow the announced proof key. Without a format, a
    /// P-256 key does not follow an RSA key: the functions of a registry with `TOKEN_FORMAT=rpc` could not start.
    pub fn sign(&mut self, signer: Signer, format: Option<TokenFormat>) -> Result<String, Error> {
        let signs = self.signing_key(signer)?.kind();
        if let (Signer::Proof, Some(next)) = (signer, self.part(signer).next) {
            let next = SigningKey::from_pem(next).map_err(unusable)?.kind();
            match format {
                Some(format) if !format.allows(next) => {
                    return Err(Error::Secrets(
                        "TOKEN_FORMAT=rpc signs with an RSA key, and the announced one is a P-256 key: announce again, an RSA key \
                         takes its place"
                            .to_owned(),
                    ));
                }
                None if (signs, next) == (KeyKind::Rsa, KeyKind::P256) => {
                    return Err(Error::Secrets(
                        "an RSA key signs, and a P-256 key is announced, which TOKEN_FORMAT=rpc does not allow: add --token-format jws \
                         or --token-format rpc, whichever the registry has"
                            .to_owned(),
                    ));
                }
                _ => {}
            }
        }
        let set = self.key_set(signer)?.to_json();
        let part = self.part(signer);
        let next = part.next.take();
        *part.key = next.ok_or_else(|| Error::Secrets("no key is announced: announce one first".to_owned()))?;
        *part.jwks = set;
        Ok(self.signing_key(signer)?.kid().to_owned())
    }

    /// Removes an old key from those that verify: tokens that it signed are refused from now on.
    ///
    /// # Errors
    /// [`Error::Secrets`] for a proof key, for the signing key or the announced key, and for an unknown key.
    pub fn retire(&mut self, signer: Signer, kid: &str) -> Result<(), Error> {
        if signer == Signer::Proof {
            let why = "a proof is checked years after it was signed: no proof key is ever taken out";
            return Err(Error::Secrets(why.to_owned()));
        }
        let part = self.part(signer);
        for pem in [Some(&*part.key), part.next.as_ref()].into_iter().flatten() {
            if SigningKey::from_pem(pem).map_err(unusable)?.kid() == kid {
                return Err(Error::Secrets(format!("the key {kid} signs, or will: it cannot be retired")));
            }
        }
        let set = self.key_set(signer)?;
        let left = set.without(kid).ok_or_else(|| Error::Secrets(format!("no key {kid} verifies")))?.to_json();
        *self.part(signer).jwks = left;
        Ok(())
    }
}
