//! Application tokens, what they say, and key sets.
//!
//! - What was not signed under the registry's key is never accepted; neither is a token of which one bit was changed.
//! - What was signed is accepted only with every claim that it needs, each of them as the contract says.
//! - A proof contains what was proven, byte for byte.
//! - A key set that is accepted holds nothing private, and is the same when it is published and read again.
//!
//! An input of one line is a token, a licence or a key set. Of an input of two, the first is the header and the second are
//! the claims of a token that is then signed under the registry's key: so the fuzzer gets behind the signature.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cee_eligibility::{ApplicationId, DrivingLicense, JourneyType, Siret};
use cee_tokens::{ApplicationTokens, Caller, KeySet, Proof, ProofSigner, Scope, SigningKey, TokenFormat, TokenIssuer};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::{Value, json};

use super::{NOW, tells_nothing};

/// A key made for these tests alone: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
const PEM: &str = include_str!("../../../shared/tokens/tests/p256-test-key.pem");

/// The audience and the issuer of tokens.
const ISSUER: &str = "registry";
const AUDIENCE: &str = "api";

struct Registry {
    kid: String,
    signing: EncodingKey,
    tokens: ApplicationTokens,
    issuer: TokenIssuer,
    proofs: ProofSigner,
}

static REGISTRY: LazyLock<Registry> = LazyLock::new(|| {
    let key = SigningKey::from_pem(PEM).expect("a key");
    Registry {
        kid: key.kid().to_owned(),
        signing: EncodingKey::from_ec_pem(PEM.as_bytes()).expect("a key"),
        tokens: ApplicationTokens::new(key.public_key_set(), ISSUER.to_owned(), AUDIENCE.to_owned()),
        issuer: TokenIssuer::new(key.clone(), ISSUER.to_owned(), AUDIENCE.to_owned()),
        proofs: ProofSigner::new(key, TokenFormat::Jws).expect("a signer"),
    }
});

/// Fails if one of these properties does not hold for these bytes.
pub fn check(bytes: &[u8]) {
    match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => signed(&bytes[..end], &bytes[end + 1..]),
        None => {
            let Ok(text) = std::str::from_utf8(bytes) else { return };
            unsigned(text);
            key_set(text);
            if let Ok(license) = DrivingLicense::parse(text) {
                proof(&license);
            }
        }
    }
}

/// A token that the registry did not sign: the fuzzer does not know the key.
fn unsigned(token: &str) {
    let told = |token: &str| REGISTRY.tokens.verify(token, *NOW).expect_err("a token nobody has signed").to_string();
    tells_nothing(token, &told(token), |piece, other| told(&token.replace(piece, other)));
}

/// A token with this header and these claims, which the registry has signed.
fn signed(header: &[u8], claims: &[u8]) {
    let Registry { kid, signing, tokens, issuer, .. } = &*REGISTRY;
    let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), signing, Algorithm::ES256).expect("a signature");
    let token = format!("{message}.{signature}");
    if let Ok(caller) = tokens.verify(&token, *NOW) {
        let header: Value = serde_json::from_slice(header).expect("a header is JSON");
        assert!(header["alg"] == "ES256" && header["kid"] == **kid, "another key or algorithm");
        said(&caller, &serde_json::from_slice(claims).expect("claims are JSON"));
        let issued = issuer.issue(&caller, *NOW, 5).expect("a token");
        assert_eq!(tokens.verify(&issued, *NOW), Ok(caller), "its own token says something else");
    }
    // Any place will do, if only it is another one for another input.
    let place = header.iter().chain(claims).fold(7_usize, |sum, byte| sum.wrapping_mul(31) + usize::from(*byte));
    let mut changed = token.into_bytes();
    let at = place % changed.len();
    // The highest bit would make it no text.
    changed[at] ^= 1 << (place / 8 % 7);
    let changed = String::from_utf8(changed).expect("ASCII");
    assert!(tokens.verify(&changed, *NOW).is_err(), "a token that was changed is accepted");
}

/// Fails if the claims differ from what was read.
fn said(caller: &Caller, claims: &Value) {
    let now = NOW.millis() / 1000;
    let seconds = |name: &str| claims[name].as_i64();
    assert!(claims["iss"] == ISSUER && claims["aud"] == AUDIENCE, "another's token");
    assert!(seconds("exp").is_some_and(|at| at > now), "it has expired");
    assert!(seconds("iat").is_some_and(|at| at <= now + 30), "it is issued in the future");
    assert!(claims["nbf"].is_null() || seconds("nbf").is_some_and(|at| at <= now + 30), "it is not valid yet");
    assert_eq!(claims["operator_id"].as_u64(), Some(u64::from(caller.operator.get())));
    assert_eq!(claims["siret"], caller.siret.as_str());
    let scopes: Vec<&str> = claims["scope"].as_str().expect("scopes").split(' ').collect();
    for scope in Scope::ALL {
        assert_eq!(caller.scopes.contains(&scope), scopes.contains(&scope.as_str()), "another scope");
    }
}

fn key_set(text: &str) {
    let Ok(set) = KeySet::from_json(text) else { return };
    let published = set.to_json();
    let keys: Value = serde_json::from_str(&published).expect("a key set is JSON");
    for key in keys["keys"].as_array().expect("keys") {
        assert!(["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().all(|part| key.get(part).is_none()));
        assert!(key["kid"].is_string(), "a key without a name");
    }
    assert_eq!(KeySet::from_json(&published).map(|set| set.to_json()).as_ref(), Ok(&published));
    assert_eq!(set.clone().and(&set).to_json(), published, "a key twice");
}

/// The proof of an application with this licence.
fn proof(license: &DrivingLicense) {
    let siret = Siret::parse("89248032800012").expect("a siret");
    let uuid = ApplicationId::parse("6a0b4f5e-8d3c-4f6a-9d55-0c1f0e6f2b11").expect("a uuid");
    let proof = Proof {
        siret: &siret,
        journey_type: JourneyType::Long,
        driving_license: license,
        datetime: *NOW,
        uuid,
        issued_at: *NOW,
    };
    let token = REGISTRY.proofs.sign(&proof).expect("a proof");
    let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok()).expect("claims");
    let expected = json!({
        "siret": siret.as_str(),
        "journey_type": "long",
        "driving_license": license.as_str(),
        "datetime": NOW.to_string(),
        "uuid": uuid.to_string(),
        "iat": NOW.millis() / 1000,
    });
    assert_eq!(serde_json::from_slice::<Value>(&claims).ok(), Some(expected));
    // Its signature is another one's: no proof opens the interface.
    assert!(REGISTRY.tokens.verify(&token, *NOW).is_err(), "a proof is taken for an application token");
}
