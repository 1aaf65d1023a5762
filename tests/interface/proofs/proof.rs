//! `cargo add serde_json` and `cargo add jsonwebtoken --features aws_lc_rs`, then: `proof keys.json TOKEN`

use std::error::Error;
use std::io::Write as _;
use std::str::FromStr as _;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, file, token] = arguments.as_slice() else { return Err("usage: proof keys.json TOKEN".into()) };
    let keys: JwkSet = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let header = decode_header(token)?;
    if header.typ.as_deref() != Some("cee-proof+jwt") {
        return Err("refused: not a proof token".into());
    }
    let key = header.kid.as_deref().and_then(|kid| keys.find(kid)).ok_or("refused: unknown kid")?;
    // The key says the algorithm, never the token.
    let algorithm = key.common.key_algorithm.ok_or("refused: a key without alg")?;
    let mut validation = Validation::new(Algorithm::from_str(&algorithm.to_string())?);
    // A proof does not expire.
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let proof = decode::<serde_json::Value>(token, &DecodingKey::from_jwk(key)?, &validation)?;
    writeln!(std::io::stdout(), "{}", proof.claims)?;
    Ok(())
}
