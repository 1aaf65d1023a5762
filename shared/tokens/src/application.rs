//! Application tokens: JSON Web Tokens with the calling operator and its permissions.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest::{SHA256, digest};
use cee_eligibility::rules::CLOCK_LEEWAY_SECONDS;
use cee_eligibility::{Instant, OperatorId, Siret};
use jsonwebtoken::{DecodingKey, Validation};
use serde::{Deserialize, Serialize};

use crate::keys::{KeyError, KeySet, SigningKey, verifying_algorithm};

/// A permission in a token's `scope` claim, where permissions are separated by spaces (RFC 8693).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// `cee:simulate`.
    Simulate,
    /// `cee:register`.
    Register,
    /// `cee:import`.
    Import,
}

impl Scope {
    /// Every scope there is.
    pub const ALL: [Self; 3] = [Self::Simulate, Self::Register, Self::Import];

    /// The word in the claim.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simulate => "cee:simulate",
            Self::Register => "cee:register",
            Self::Import => "cee:import",
        }
    }
}

/// The operator that a valid token belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The operator's number.
    pub operator: OperatorId,
    /// The operator's business number.
    pub siret: Siret,
    /// The token's permissions. Unknown words in the claim give no permission.
    pub scopes: Vec<Scope>,
}

/// Why a token is rejected. The caller gets this text, which reveals nothing that the token does not contain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT, or without the required claims.
    #[error("the token is not a JSON Web Token with the claims iss, aud, exp, iat, operator_id, siret and scope")]
    Malformed,
    /// Signed with an unknown key, or without a `kid`.
    #[error("the token's kid does not name a key of this registry")]
    UnknownKey,
    /// The signature is wrong, or was made with another algorithm.
    #[error("the token's signature does not match its key")]
    Signature,
    /// The token has expired.
    #[error("the token has expired")]
    Expired,
    /// The token's dates of issue or validity are in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token is from another issuer.
    #[error("the token's issuer is not this registry's")]
    Issuer,
    /// The token is for another audience.
    #[error("the token was issued for another audience")]
    Audience,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// Seconds since 1970.
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    operator_id: u32,
    siret: String,
    scope: String,
}

/// The `typ` of an application token's header.
const TYPE: &str = "JWT";

/// The maximum number of cached tokens. An operator needs one at a time.
const CACHED: usize = 1000;

/// A token whose signature, issuer and audience were verified.
#[derive(Clone, Debug)]
struct Verified {
    caller: Caller,
    /// In seconds since 1970.
    not_before: i64,
    expires: i64,
}

impl Verified {
    fn valid_at(&self, now: i64) -> Result<(), TokenError> {
        if self.expires <= now {
            return Err(TokenError::Expired);
        }
        if self.not_before > now + CLOCK_LEEWAY_SECONDS {
            return Err(TokenError::NotYetValid);
        }
        Ok(())
    }
}

/// Verifies application tokens. Clones share the cache.
#[derive(Clone, Debug)]
pub struct ApplicationTokens {
    keys: KeySet,
    issuer: String,
    audience: String,
    /// By the SHA-256 of the token: a client sends one token with many calls, and verifying a signature costs more than the
    /// rest of a call.
    cache: Arc<Mutex<HashMap<Vec<u8>, Verified>>>,
}

impl ApplicationTokens {
    /// A verifier of tokens that are signed with one of these keys, by this issuer, for this audience.
    #[must_use]
    pub fn new(keys: KeySet, issuer: String, audience: String) -> Self {
        Self { keys, issuer, audience, cache: Arc::default() }
    }

    /// The caller that a token belongs to. The signature is verified once, the dates each time.
    ///
    /// # Errors
    /// [`TokenError`] for any token that is not valid now.
    pub fn verify(&self, token: &str, now: Instant) -> Result<Caller, TokenError> {
        let now = now.millis().div_euclid(1000);
        let hash = digest(&SHA256, token.as_bytes());
        let cached = self.cache().get(hash.as_ref()).cloned();
        if let Some(verified) = cached {
            return verified.valid_at(now).map(|()| verified.caller);
        }
        let verified = self.check(token)?;
        verified.valid_at(now)?;
        let mut cache = self.cache();
        if cache.len() >= CACHED {
            cache.clear();
        }
        cache.insert(hash.as_ref().to_vec(), verified.clone());
        Ok(verified.caller)
    }

    fn cache(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Verified>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Verifies everything in a token except its dates.
    fn check(&self, token: &str) -> Result<Verified, TokenError> {
        use jsonwebtoken::errors::ErrorKind;
        // The library rejects a header with `alg: none` or an unknown algorithm.
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        // The sender requires the receiver to support an extension (RFC 7515, 4.1.11). This registry supports none.
        if header.crit.is_some() {
            return Err(TokenError::Malformed);
        }
        let key = header.kid.and_then(|kid| self.keys.0.find(&kid)).ok_or(TokenError::UnknownKey)?;
        let algorithm = verifying_algorithm(key).map_err(|_| TokenError::UnknownKey)?;
        let decoding = DecodingKey::from_jwk(key).map_err(|_| TokenError::UnknownKey)?;
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // This code compares the dates with the registry's clock, which may be pinned. The library would use the machine's clock.
        validation.validate_exp = false;
        let decoded = jsonwebtoken::decode::<Claims>(token, &decoding, &validation);
        let claims = decoded
            .map_err(|error| match error.kind() {
                ErrorKind::InvalidIssuer => TokenError::Issuer,
                ErrorKind::InvalidAudience => TokenError::Audience,
                ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => TokenError::Signature,
                _ => TokenError::Malformed,
            })?
            .claims;
        Ok(Verified {
            not_before: claims.iat.max(claims.nbf.unwrap_or(claims.iat)),
            expires: claims.exp,
            caller: Caller {
                operator: OperatorId::new(claims.operator_id).map_err(|_| TokenError::Malformed)?,
                siret: Siret::parse(&claims.siret).map_err(|_| TokenError::Malformed)?,
                scopes: claims
                    .scope
                    .split(' ')
                    .filter_map(|word| Scope::ALL.into_iter().find(|scope| scope.as_str() == word))
                    .collect(),
            },
        })
    }
}

/// Issues application tokens.
#[derive(Clone, Debug)]
pub struct TokenIssuer {
    key: SigningKey,
    issuer: String,
    audience: String,
}

impl TokenIssuer {
    /// An issuer that signs with this key, for this audience.
    #[must_use]
    pub const fn new(key: SigningKey, issuer: String, audience: String) -> Self {
        Self { key, issuer, audience }
    }

    /// A token for this caller, valid from now for this number of minutes.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] if the key cannot sign.
    pub fn issue(&self, caller: &Caller, now: Instant, minutes: u32) -> Result<String, KeyError> {
        let iat = now.millis().div_euclid(1000);
        let scopes: Vec<&str> = caller.scopes.iter().map(|scope| scope.as_str()).collect();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            iat,
            exp: iat + i64::from(minutes) * 60,
            nbf: None,
            operator_id: caller.operator.get(),
            siret: caller.siret.as_str().to_owned(),
            scope: scopes.join(" "),
        };
        self.key.sign_claims(TYPE, &claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn key() -> SigningKey {
        SigningKey::from_pem(&SigningKey::generate_pem(crate::KeyKind::P256).unwrap()).unwrap()
    }

    fn caller() -> Caller {
        Caller {
            operator: OperatorId::new(2).unwrap(),
            siret: Siret::parse("89248032800012").unwrap(),
            scopes: vec![Scope::Simulate, Scope::Register],
        }
    }

    fn issuer(key: &SigningKey, issuer: &str, audience: &str) -> TokenIssuer {
        TokenIssuer::new(key.clone(), issuer.to_owned(), audience.to_owned())
    }

    fn checker(keys: KeySet) -> ApplicationTokens {
        ApplicationTokens::new(keys, "registry".to_owned(), "api".to_owned())
    }

    #[test]
    fn token_verifies_only_between_its_dates() {
        let key = key();
        let now = at("2024-05-01T00:00:00.5Z");
        let token = issuer(&key, "registry", "api").issue(&caller(), now, 5).unwrap();
        let checker = checker(key.public_key_set());
        assert_eq!(checker.verify(&token, now), Ok(caller()));
        assert_eq!(checker.verify(&token, at("2024-05-01T00:04:59.999Z")), Ok(caller()));
        assert_eq!(checker.verify(&token, at("2024-05-01T00:05:00Z")), Err(TokenError::Expired));
        assert_eq!(checker.verify(&token, at("2024-04-30T23:59:30Z")), Ok(caller()), "a clock a little ahead");
        assert_eq!(checker.verify(&token, at("2024-04-30T23:59:29.999Z")), Err(TokenError::NotYetValid));
    }

    #[test]
    fn foreign_tokens_are_refused() {
        let (ours, theirs) = (key(), key());
        let now = at("2024-05-01T00:00:00Z");
        let checker = checker(ours.public_key_set());
        let refused = |token: &str| checker.verify(token, now).unwrap_err();
        let good = issuer(&ours, "registry", "api").issue(&caller(), now, 5).unwrap();
        assert_eq!(
            refused(&issuer(&theirs, "registry", "api").issue(&caller(), now, 5).unwrap()),
            TokenError::UnknownKey
        );
        assert_eq!(refused(&issuer(&ours, "someone", "api").issue(&caller(), now, 5).unwrap()), TokenError::Issuer);
        assert_eq!(
            refused(&issuer(&ours, "registry", "other").issue(&caller(), now, 5).unwrap()),
            TokenError::Audience
        );

        let parts: Vec<&str> = good.split('.').collect();
        let header = |json: String| URL_SAFE_NO_PAD.encode(json);
        let none = header(format!(r#"{{"alg":"none","kid":"{}"}}"#, ours.kid()));
        assert_eq!(refused(&format!("{none}.{}.", parts[1])), TokenError::Malformed);
        // The public key as an HMAC secret: an algorithm confusion attack.
        let hmac = header(format!(r#"{{"alg":"HS256","kid":"{}"}}"#, ours.kid()));
        assert_eq!(refused(&format!("{hmac}.{}.{}", parts[1], parts[2])), TokenError::Signature);
        let no_kid = header(r#"{"alg":"ES256"}"#.to_owned());
        assert_eq!(refused(&format!("{no_kid}.{}.{}", parts[1], parts[2])), TokenError::UnknownKey);
        let other = header(r#"{"operator_id":1}"#.to_owned());
        assert_eq!(refused(&format!("{}.{other}.{}", parts[0], parts[2])), TokenError::Signature);
        for broken in ["", "a", "a.b.c", "..", &good[..good.len() / 2], "é.é.é"] {
            assert!(checker.verify(broken, now).is_err(), "{broken}");
        }
    }

    #[test]
    fn verified_token_is_cached_and_dates_still_checked() {
        let key = key();
        let now = at("2024-05-01T00:00:00Z");
        let tokens = issuer(&key, "registry", "api");
        let checker = checker(key.public_key_set());
        let token = tokens.issue(&caller(), now, 5).unwrap();
        assert_eq!(checker.clone().verify(&token, now), Ok(caller()));
        assert_eq!(checker.cache().len(), 1);
        // Without keys, it verifies cached tokens only.
        let forgetful = ApplicationTokens { keys: KeySet::from_json(r#"{"keys":[]}"#).unwrap(), ..checker.clone() };
        assert_eq!(forgetful.verify(&token, now), Ok(caller()));
        assert_eq!(forgetful.verify(&token, at("2024-05-01T00:05:00Z")), Err(TokenError::Expired));
        assert_eq!(forgetful.verify(&token, at("2024-04-30T23:00:00Z")), Err(TokenError::NotYetValid));
        let other = tokens.issue(&caller(), now, 6).unwrap();
        assert_eq!(forgetful.verify(&other, now), Err(TokenError::UnknownKey));
        // Rejected and expired tokens are not cached.
        let (message, signature) = other.rsplit_once('.').unwrap();
        let begins = if signature.starts_with('A') { "B" } else { "A" };
        let forged = format!("{message}.{begins}{}", &signature[1..]);
        assert_eq!(checker.verify(&forged, now), Err(TokenError::Signature));
        assert_eq!(checker.verify(&other, at("2024-05-01T01:00:00Z")), Err(TokenError::Expired));
        assert_eq!(checker.cache().len(), 1);
    }

    #[test]
    fn cache_holds_at_most_a_thousand_tokens() {
        let key = key();
        let now = at("2024-05-01T00:00:00Z");
        let tokens = issuer(&key, "registry", "api");
        let checker = checker(key.public_key_set());
        for minutes in 1..=u32::try_from(CACHED).unwrap() + 1 {
            checker.verify(&tokens.issue(&caller(), now, minutes).unwrap(), now).unwrap();
            assert!((1..=CACHED).contains(&checker.cache().len()));
        }
        assert_eq!(checker.cache().len(), 1);
    }

    #[test]
    fn token_with_crit_header_is_rejected() {
        let key = key();
        let now = at("2024-05-01T00:00:00Z");
        let good = issuer(&key, "registry", "api").issue(&caller(), now, 5).unwrap();
        let claims = good.split('.').nth(1).unwrap();
        let header = format!(r#"{{"alg":"ES256","kid":"{}","crit":["b64"],"b64":true}}"#, key.kid());
        let message = format!("{}.{claims}", URL_SAFE_NO_PAD.encode(header));
        let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()).unwrap());
        let checker = checker(key.public_key_set());
        assert_eq!(checker.verify(&format!("{message}.{signature}"), now), Err(TokenError::Malformed));
    }

    #[test]
    fn keys_can_be_rotated() {
        let (old, new) = (key(), key());
        let now = at("2024-05-01T00:00:00Z");
        let both = checker(new.public_key_set().and(&old.public_key_set()));
        for key in [&old, &new] {
            let token = issuer(key, "registry", "api").issue(&caller(), now, 5).unwrap();
            assert_eq!(both.verify(&token, now), Ok(caller()));
        }
        let round_trip = KeySet::from_json(&both.keys.to_json()).unwrap();
        assert_eq!(round_trip.0, both.keys.0);
    }

    /// python-jose 3.5.0 refuses a token if the set has an RSA key before the EC key that signed it.
    #[test]
    fn key_set_is_published_with_p256_keys_first() {
        let rsa = SigningKey::from_pem(&SigningKey::generate_pem(crate::KeyKind::Rsa).unwrap()).unwrap();
        let (old, new) = (key(), key());
        let set = rsa.public_key_set().and(&new.public_key_set()).and(&old.public_key_set());
        let published: serde_json::Value = serde_json::from_str(&set.to_json()).unwrap();
        let kids: Vec<&str> =
            published["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap()).collect();
        assert_eq!(kids, [new.kid(), old.kid(), rsa.kid()]);
    }

    #[test]
    fn invalid_or_private_key_set_is_rejected() {
        let json = key().public_key_set().to_json();
        assert!(KeySet::from_json(&json).is_ok());
        for bad in [
            "".to_owned(),
            "{}".to_owned(),
            json.replace("\"kid\"", "\"kib\""),
            json.replace("ES256", "HS256"),
            json.replace("\"kid\"", "\"d\":\"AA\",\"kid\""),
            format!("{{\"keys\":[{0},{0}]}}", &json["{\"keys\":[".len()..json.len() - 2]),
        ] {
            assert!(KeySet::from_json(&bad).is_err(), "{bad}");
        }
    }
}
