//! Application tokens: JSON Web Tokens that say which operator calls, and what it may do.

use cee_eligibility::rules::CLOCK_LEEWAY_SECONDS;
use cee_eligibility::{Instant, OperatorId, Siret};
use jsonwebtoken::{DecodingKey, Header, Validation};
use serde::{Deserialize, Serialize};

use crate::keys::{KeyError, KeySet, SigningKey, verifying_algorithm};

/// A permission that a token carries in its `scope` claim, separated by spaces (RFC 8693).
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

/// The operator that a valid token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its number.
    pub operator: OperatorId,
    /// Its business number.
    pub siret: Siret,
    /// What the token allows. Words this registry does not know allow nothing.
    pub scopes: Vec<Scope>,
}

/// Why a token is refused. What a caller is told, too: it gives nothing away that the token does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a JWT, or without the claims this registry needs.
    #[error("the token is not a JSON Web Token with the claims iss, aud, exp, iat, operator_id, siret and scope")]
    Malformed,
    /// Signed under a key this registry does not know, or with no `kid`.
    #[error("the token's kid names no key of this registry")]
    UnknownKey,
    /// Its signature does not fit, or was made with another algorithm.
    #[error("the token's signature does not fit its key")]
    Signature,
    /// It is out of date.
    #[error("the token has expired")]
    Expired,
    /// It says that it is issued or valid in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Another issuer's.
    #[error("the token's issuer is not this registry's")]
    Issuer,
    /// Made for another service.
    #[error("the token was made for another audience")]
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

/// Checks application tokens.
#[derive(Clone, Debug)]
pub struct ApplicationTokens {
    keys: KeySet,
    issuer: String,
    audience: String,
}

impl ApplicationTokens {
    /// A checker of tokens signed under one of these keys, by this issuer, for this audience.
    #[must_use]
    pub const fn new(keys: KeySet, issuer: String, audience: String) -> Self {
        Self { keys, issuer, audience }
    }

    /// The caller that a token speaks for.
    ///
    /// # Errors
    /// [`TokenError`] for any token that is not valid now.
    pub fn verify(&self, token: &str, now: Instant) -> Result<Caller, TokenError> {
        use jsonwebtoken::errors::ErrorKind;
        // A header with `alg: none`, or an algorithm nobody has heard of, is no header to the library.
        let header = jsonwebtoken::decode_header(token).map_err(|_| TokenError::Malformed)?;
        let key = header.kid.and_then(|kid| self.keys.0.find(&kid)).ok_or(TokenError::UnknownKey)?;
        let algorithm = verifying_algorithm(key).map_err(|_| TokenError::UnknownKey)?;
        let decoding = DecodingKey::from_jwk(key).map_err(|_| TokenError::UnknownKey)?;
        let mut validation = Validation::new(algorithm);
        validation.set_issuer(&[&self.issuer]);
        validation.set_audience(&[&self.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp"]);
        // The clock is ours, which may be pinned; the library would read the machine's.
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
        let now = now.millis().div_euclid(1000);
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        if claims.iat.max(claims.nbf.unwrap_or(claims.iat)) > now + CLOCK_LEEWAY_SECONDS {
            return Err(TokenError::NotYetValid);
        }
        Ok(Caller {
            operator: OperatorId::new(claims.operator_id).map_err(|_| TokenError::Malformed)?,
            siret: Siret::parse(&claims.siret).map_err(|_| TokenError::Malformed)?,
            scopes: claims
                .scope
                .split(' ')
                .filter_map(|word| Scope::ALL.into_iter().find(|scope| scope.as_str() == word))
                .collect(),
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
    /// An issuer that signs under this key, for this audience.
    #[must_use]
    pub const fn new(key: SigningKey, issuer: String, audience: String) -> Self {
        Self { key, issuer, audience }
    }

    /// A token for this caller, valid from now for so many minutes.
    ///
    /// # Errors
    /// [`KeyError::PrivateKey`] where the key cannot sign.
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
        let header = Header { kid: Some(self.key.kid().to_owned()), ..Header::new(self.key.algorithm) };
        jsonwebtoken::encode(&header, &claims, &self.key.encoding).map_err(|_| KeyError::PrivateKey)
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
    fn a_token_speaks_for_its_operator_until_it_expires() {
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
        // The public key as an HMAC secret: the old confusion of algorithms.
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

    #[test]
    fn key_sets_that_must_not_be_published_are_refused() {
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
