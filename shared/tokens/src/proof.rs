//! Proof tokens: the registry's signature over a registered application, which anyone can verify offline.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cee_eligibility::{ApplicationId, DrivingLicense, Instant, JourneyType, Siret};
use jsonwebtoken::{DecodingKey, Validation};
use serde::{Deserialize, Serialize};

use crate::keys::{KeyError, KeyKind, KeySet, SigningKey, verifying_algorithm};

/// The format of a proof token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenFormat {
    /// A compact JWS: `ES256` under a P-256 key, `RS512` under an RSA key.
    #[default]
    Jws,
    /// The base64 RSASSA-PKCS1-v1_5 / SHA-512 signature over `siret/journey_type/driving_license/datetime` that the
    /// public registry documents.
    Rpc,
}

impl TokenFormat {
    /// Reads `jws` or `rpc`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "jws" => Some(Self::Jws),
            "rpc" => Some(Self::Rpc),
            _ => None,
        }
    }

    /// Whether a key of this kind can sign tokens of this format.
    #[must_use]
    pub fn allows(self, kind: KeyKind) -> bool {
        self == Self::Jws || kind == KeyKind::Rsa
    }
}

/// The contents of a proof. Holds personal data.
#[derive(Clone, Debug)]
pub struct Proof<'a> {
    /// The operator's business number.
    pub siret: &'a Siret,
    /// The journey type.
    pub journey_type: JourneyType,
    /// The driver's licence.
    pub driving_license: &'a DrivingLicense,
    /// The application's date.
    pub datetime: Instant,
    /// The application's UUID.
    pub uuid: ApplicationId,
    /// When it is signed.
    pub issued_at: Instant,
}

#[derive(Serialize)]
struct Claims<'a> {
    siret: &'a str,
    journey_type: &'a str,
    driving_license: &'a str,
    datetime: String,
    uuid: String,
    iat: i64,
}

/// The `typ` of a proof's header (RFC 8725, 3.11): no other token of this registry has it.
const TYPE: &str = "cee-proof+jwt";

/// Signs proofs.
#[derive(Clone, Debug)]
pub struct ProofSigner {
    key: SigningKey,
    format: TokenFormat,
}

impl ProofSigner {
    /// A signer with this key, in this format.
    ///
    /// # Errors
    /// [`KeyError::Format`] if the format needs an RSA key and this is not an RSA key.
    pub fn new(key: SigningKey, format: TokenFormat) -> Result<Self, KeyError> {
        if !format.allows(key.kind()) {
            return Err(KeyError::Format);
        }
        Ok(Self { key, format })
    }

    /// The token of a proof.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] if the key cannot sign.
    pub fn sign(&self, proof: &Proof<'_>) -> Result<String, KeyError> {
        match self.format {
            TokenFormat::Jws => {
                let claims = Claims {
                    siret: proof.siret.as_str(),
                    journey_type: proof.journey_type.as_str(),
                    driving_license: proof.driving_license.as_str(),
                    datetime: proof.datetime.to_string(),
                    uuid: proof.uuid.to_string(),
                    iat: proof.issued_at.millis().div_euclid(1000),
                };
                self.key.sign_claims(TYPE, &claims)
            }
            TokenFormat::Rpc => {
                let signature = self.key.sign(Self::rpc_message(proof).as_bytes())?;
                Ok(STANDARD.encode(signature))
            }
        }
    }

    /// The message that an `rpc` token signs. The date has milliseconds, as the public registry's signer writes it. (Its documentation
    /// shows a date without milliseconds, and a verifier that follows the documentation fails.)
    #[must_use]
    pub fn rpc_message(proof: &Proof<'_>) -> String {
        let datetime = proof.datetime.to_string();
        [proof.siret.as_str(), proof.journey_type.as_str(), proof.driving_license.as_str(), &datetime].join("/")
    }
}

/// The content of a proof that this registry has signed. Holds personal data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedProof {
    /// The operator's business number.
    pub siret: Siret,
    /// The journey type.
    pub journey_type: JourneyType,
    /// The driver's licence.
    pub driving_license: DrivingLicense,
    /// The application's date.
    pub datetime: Instant,
    /// The application's UUID.
    pub uuid: ApplicationId,
    /// When it was signed.
    pub issued_at: Instant,
}

/// Why a text is not a proof of this registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// It is not a proof token at all.
    #[error("the text is not a proof token")]
    Malformed,
    /// It names a key that is not of this registry.
    #[error("the proof's key is not a key of this registry")]
    UnknownKey,
    /// Its signature is wrong: something of it was changed.
    #[error("the proof's signature does not match")]
    Signature,
}

#[derive(Deserialize)]
struct ReadClaims {
    siret: String,
    journey_type: String,
    driving_license: String,
    datetime: String,
    uuid: String,
    iat: i64,
}

impl VerifiedProof {
    /// Verifies a proof token in the format [`TokenFormat::Jws`] against the registry's published keys. A token of another kind, such as an
    /// application token, is not a proof, even if the registry signed it.
    ///
    /// # Errors
    /// [`ProofError`] for anything else.
    pub fn verify(token: &str, keys: &KeySet) -> Result<Self, ProofError> {
        use jsonwebtoken::errors::ErrorKind;
        let header = jsonwebtoken::decode_header(token).map_err(|_| ProofError::Malformed)?;
        if header.typ.as_deref() != Some(TYPE) || header.crit.is_some() {
            return Err(ProofError::Malformed);
        }
        let key = header.kid.and_then(|kid| keys.0.find(&kid)).ok_or(ProofError::UnknownKey)?;
        // The key decides the algorithm, never the header.
        let algorithm = verifying_algorithm(key).map_err(|_| ProofError::UnknownKey)?;
        let decoding = DecodingKey::from_jwk(key).map_err(|_| ProofError::UnknownKey)?;
        let mut validation = Validation::new(algorithm);
        // A proof does not expire, and is for everybody.
        validation.set_required_spec_claims::<&str>(&[]);
        validation.validate_exp = false;
        validation.validate_aud = false;
        let decoded = jsonwebtoken::decode::<ReadClaims>(token, &decoding, &validation);
        let claims = decoded.map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => ProofError::Signature,
            _ => ProofError::Malformed,
        })?;
        Self::read(&claims.claims).ok_or(ProofError::Malformed)
    }

    fn read(claims: &ReadClaims) -> Option<Self> {
        Some(Self {
            siret: Siret::parse(&claims.siret).ok()?,
            journey_type: JourneyType::parse(&claims.journey_type).ok()?,
            driving_license: DrivingLicense::parse(&claims.driving_license).ok()?,
            datetime: Instant::parse(&claims.datetime).ok()?,
            uuid: ApplicationId::parse(&claims.uuid)?,
            issued_at: Instant::from_millis(claims.iat.checked_mul(1000)?)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};

    /// A 2048-bit RSA key for this test only: `openssl genrsa 2048`.
    const RSA: &str = include_str!("../tests/rsa-test-key.pem");

    struct Parts {
        siret: Siret,
        license: DrivingLicense,
    }

    impl Parts {
        fn new() -> Self {
            Self {
                siret: Siret::parse("89248032800012").unwrap(),
                license: DrivingLicense::parse("99-DE/B072RRE2I55").unwrap(),
            }
        }

        fn proof(&self) -> Proof<'_> {
            Proof {
                siret: &self.siret,
                journey_type: JourneyType::Short,
                driving_license: &self.license,
                datetime: Instant::parse("2024-03-15T08:30:00+01:00").unwrap(),
                uuid: ApplicationId::parse("6a0b4f5e-8d3c-4f6a-9d55-0c1f0e6f2b11").unwrap(),
                issued_at: Instant::parse("2024-04-01T00:00:00.999Z").unwrap(),
            }
        }
    }

    #[test]
    fn jws_verifies_with_published_key_of_either_kind() {
        let made = |kind| SigningKey::generate_pem(kind).unwrap();
        for (pem, algorithm) in
            [(made(KeyKind::P256), "ES256"), (made(KeyKind::Rsa), "RS512"), (RSA.to_owned(), "RS512")]
        {
            let key = SigningKey::from_pem(&pem).unwrap();
            let set = key.public_key_set();
            let token = ProofSigner::new(key.clone(), TokenFormat::Jws).unwrap().sign(&Parts::new().proof()).unwrap();
            let header = jsonwebtoken::decode_header(&token).unwrap();
            assert_eq!(header.typ.as_deref(), Some("cee-proof+jwt"));
            assert_eq!((header.kid.as_deref(), format!("{:?}", header.alg)), (Some(key.kid()), algorithm.to_owned()));
            let mut validation = Validation::new(header.alg);
            validation.set_required_spec_claims::<&str>(&[]);
            validation.validate_exp = false;
            let decoding = DecodingKey::from_jwk(set.0.find(key.kid()).unwrap()).unwrap();
            let claims = jsonwebtoken::decode::<serde_json::Value>(&token, &decoding, &validation).unwrap().claims;
            assert_eq!(
                claims,
                serde_json::json!({
                    "siret": "89248032800012",
                    "journey_type": "short",
                    "driving_license": "99-DEB072RRE2I55",
                    "datetime": "2024-03-15T07:30:00.000Z",
                    "uuid": "6a0b4f5e-8d3c-4f6a-9d55-0c1f0e6f2b11",
                    "iat": 1_711_929_600,
                })
            );
        }
    }

    #[test]
    fn proof_verifies_until_anything_of_it_changes() {
        for kind in [KeyKind::P256, KeyKind::Rsa] {
            let key = SigningKey::from_pem(&SigningKey::generate_pem(kind).unwrap()).unwrap();
            let other = SigningKey::from_pem(&SigningKey::generate_pem(kind).unwrap()).unwrap();
            let set = key.public_key_set();
            let parts = Parts::new();
            let token = ProofSigner::new(key.clone(), TokenFormat::Jws).unwrap().sign(&parts.proof()).unwrap();
            let verified = VerifiedProof::verify(&token, &set).unwrap();
            assert_eq!(
                verified,
                VerifiedProof {
                    siret: parts.siret.clone(),
                    journey_type: JourneyType::Short,
                    driving_license: parts.license.clone(),
                    datetime: parts.proof().datetime,
                    uuid: parts.proof().uuid,
                    issued_at: Instant::parse("2024-04-01T00:00:00Z").unwrap(),
                }
            );
            let [header, claims, signature] = token.split('.').collect::<Vec<_>>()[..] else { panic!("three parts") };
            let changed = URL_SAFE_NO_PAD.decode(claims).unwrap();
            let changed = String::from_utf8(changed).unwrap().replace("short", "long");
            let changed = format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(changed));
            assert_eq!(VerifiedProof::verify(&changed, &set), Err(ProofError::Signature));
            assert_eq!(VerifiedProof::verify(&token, &other.public_key_set()), Err(ProofError::UnknownKey));
            for bad in ["", "a", "a.b.c", &token[1..], &format!("{token}.")] {
                assert_eq!(VerifiedProof::verify(bad, &set), Err(ProofError::Malformed), "{bad}");
            }
            // Signed by this registry, but not as a proof.
            let foreign = key.sign_claims("JWT", &serde_json::json!({"siret": "89248032800012"})).unwrap();
            assert_eq!(VerifiedProof::verify(&foreign, &set), Err(ProofError::Malformed));
            let empty = key.sign_claims(TYPE, &serde_json::json!({"iat": 1})).unwrap();
            assert_eq!(VerifiedProof::verify(&empty, &set), Err(ProofError::Malformed));
        }
    }

    #[test]
    fn rpc_token_signs_the_documented_message() {
        let key = SigningKey::from_pem(RSA).unwrap();
        let parts = Parts::new();
        let message = ProofSigner::rpc_message(&parts.proof());
        assert_eq!(message, "89248032800012/short/99-DEB072RRE2I55/2024-03-15T07:30:00.000Z");
        let token = ProofSigner::new(key.clone(), TokenFormat::Rpc).unwrap().sign(&parts.proof()).unwrap();
        let signature = URL_SAFE_NO_PAD.encode(STANDARD.decode(&token).unwrap());
        let decoding = DecodingKey::from_jwk(key.public_key_set().0.find(key.kid()).unwrap()).unwrap();
        let fits = |message: &str| {
            jsonwebtoken::crypto::verify(&signature, message.as_bytes(), &decoding, Algorithm::RS512).unwrap()
        };
        assert!(fits(&message));
        assert!(!fits(&message.replace(".000Z", "Z")));
    }

    #[test]
    fn unusable_signing_key_is_rejected() {
        let made = |kind| SigningKey::from_pem(&SigningKey::generate_pem(kind).unwrap()).unwrap();
        for (kind, format, signs) in [
            (KeyKind::P256, TokenFormat::Jws, true),
            (KeyKind::P256, TokenFormat::Rpc, false),
            (KeyKind::Rsa, TokenFormat::Jws, true),
            (KeyKind::Rsa, TokenFormat::Rpc, true),
        ] {
            let key = made(kind);
            assert_eq!((key.kind(), format.allows(kind)), (kind, signs));
            let signer = ProofSigner::new(key, format).map(|_| ());
            assert_eq!(signer, if signs { Ok(()) } else { Err(KeyError::Format) }, "{kind:?} {format:?}");
        }
        for bad in ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
            assert_eq!(SigningKey::from_pem(bad).map(|_| ()), Err(KeyError::PrivateKey));
        }
    }
}
