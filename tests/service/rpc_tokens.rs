//! Proof tokens as the public registry signs them (`TOKEN_FORMAT=rpc`): from the secret to the check with openssl.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cee_service::Environment;
use cee_tokens::{KeyKind, SigningKey};
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::serve_in;
use crate::support::{Api, cee};

const RPC: (&str, &str) = ("TOKEN_FORMAT", "rpc");

/// The script of `docs/rpc-tokens.md`.
fn script() -> String {
    let page = include_str!("../../docs/rpc-tokens.md");
    page.split("```sh\n").nth(1).unwrap().split("```").next().unwrap().to_owned()
}

/// Whether the tools that the page names are installed.
fn tools() -> bool {
    ["openssl", "jq", "xxd", "curl"].into_iter().all(|tool| {
        let found = Command::new("sh").args(["-c", "command -v \"$0\"", tool]).stdout(Stdio::null()).status();
        found.is_ok_and(|status| status.success())
    })
}

/// The page's verdict on a token.
fn openssl(folder: &Path, registry: &str, text: &str, token: &str) -> (bool, String) {
    let check = folder.join("check.sh");
    std::fs::write(&check, script()).unwrap();
    let output = Command::new("bash").arg(check).args([registry, text, token]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), said)
}

/// The same with a crate: the key that signed the text, if any.
fn signer(keys: &Value, text: &str, token: &str) -> Option<String> {
    let signature = URL_SAFE_NO_PAD.encode(STANDARD.decode(token).unwrap());
    keys["keys"].as_array().unwrap().iter().filter(|key| key["kty"] == "RSA").find_map(|key| {
        let decoding = jsonwebtoken::DecodingKey::from_jwk(&serde_json::from_value(key.clone()).unwrap()).unwrap();
        let algorithm = jsonwebtoken::Algorithm::RS512;
        let fits = jsonwebtoken::crypto::verify(&signature, text.as_bytes(), &decoding, algorithm);
        fits.unwrap().then(|| key["kid"].as_str().unwrap().to_owned())
    })
}

async fn granted(about: &Value, number: u32) -> Value {
    let api = Api::new(about["api_url"].as_str().unwrap());
    let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+3360000{number:02}"),
                      "driving_license": format!("99-de/{number:09}"), "datetime": "2024-03-15T08:30:00.25+01:00"});
    let answer = api.register(about["operators"][0]["token"].as_str().unwrap(), &body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn rpc_registry_signs_what_openssl_verifies() {
    let folder = TempDir::new().unwrap();
    // Its data may belong to a registry with another format.
    let (mut child, about) = serve_in(&folder, &[], &[]).await;
    let jws = granted(&about, 1).await["token"].as_str().unwrap().to_owned();
    child.kill().await.unwrap();
    let mut signed = Vec::new();
    for number in 2..=3 {
        let (mut child, about) = serve_in(&folder, &[], &[RPC]).await;
        let url = about["api_url"].as_str().unwrap();
        let keys = Api::new(url).get("/.well-known/jwks.json").await.json();
        assert!(crate::applications::proof(&jws, &keys).is_some(), "what the other key signed is still verified");
        let granted = granted(&about, number).await;
        let siret = about["operators"][0]["siret"].as_str().unwrap();
        let text = format!("{siret}/long/99-DE{number:09}/{}", granted["datetime"].as_str().unwrap());
        assert!(text.ends_with("/2024-03-15T07:30:00.250Z"), "{text}");
        signed.push((text, granted["token"].as_str().unwrap().to_owned()));
        for (text, token) in &signed {
            let kid = signer(&keys, text, token).expect("a key of the registry has signed it");
            assert!(signer(&keys, &text.replace(".250Z", "Z"), token).is_none());
            if tools() {
                let (verified, said) = openssl(folder.path(), url, text, token);
                assert!(verified && said.contains(&format!("signed with the key {kid}")), "{said}");
                for other in [text.replace(".250Z", "Z"), text.replace(".250Z", ".251Z")] {
                    let (verified, said) = openssl(folder.path(), url, &other, token);
                    assert!(!verified && said.contains("no key of this registry"), "{other}: {said}");
                }
            }
        }
        // The second start finds a key that fits, and creates no other.
        assert_eq!(keys["keys"].as_array().unwrap().len(), 2);
        if number == 3 {
            let data_dir = folder.path().join("data");
            for step in ["announce", "sign"] {
                let (done, said) = local(&data_dir, &["secret", step, "--signer=proof"], &[RPC]);
                assert!(done, "{said}");
            }
        }
        child.kill().await.unwrap();
    }
    let (mut child, about) = serve_in(&folder, &[], &[RPC]).await;
    let keys = Api::new(about["api_url"].as_str().unwrap()).get("/.well-known/jwks.json").await.json();
    let last = granted(&about, 4).await;
    let siret = about["operators"][0]["siret"].as_str().unwrap();
    let text = format!("{siret}/long/99-DE000000004/2024-03-15T07:30:00.250Z");
    let new = signer(&keys, &text, last["token"].as_str().unwrap()).unwrap();
    assert_ne!(Some(new), signer(&keys, &signed[0].0, &signed[0].1), "another key signs, and both verify");
    child.kill().await.unwrap();
    let (started, said) = local(&folder.path().join("data"), &["serve"], &[("TOKEN_FORMAT", "jwt")]);
    assert!(!started && said.contains("TOKEN_FORMAT is set, but not to jws or rpc"), "{said}");
}

fn local(data_dir: &Path, words: &[&str], environment: &[(&str, &str)]) -> (bool, String) {
    let mut command = Command::new(cee());
    command.args(words).arg("--data-dir").arg(data_dir).envs(environment.iter().copied());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    (output.status.success(), said)
}

/// The command `secret` in a pipe: the new secret, or why it fails.
fn secret(words: &[&str], environment: &[(&str, &str)], old: &str) -> Result<String, String> {
    let mut command = Command::new(cee());
    command.arg("secret").args(words).envs(environment.iter().copied()).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(old.as_bytes());
    let output = child.wait_with_output().unwrap();
    let [said, failed] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    if output.status.success() { Ok(said) } else { Err(failed) }
}

fn kind(secret: &str, member: &str) -> KeyKind {
    let secret: Value = serde_json::from_str(secret).unwrap();
    SigningKey::from_pem(secret[member].as_str().unwrap()).unwrap().kind()
}

/// Whether the register function starts with this secret.
fn starts(secret: &str, format: &str) -> bool {
    let secret: Value = serde_json::from_str(secret).unwrap();
    let key = secret["proof_key"].as_str().unwrap().to_owned();
    let variables = [("PROOF_KEY".to_owned(), key), ("TOKEN_FORMAT".to_owned(), format.to_owned())];
    Environment::of(variables).proof_signer().is_ok()
}

#[test]
fn rotation_of_rpc_secret_keeps_rsa_keys() {
    const FLAG: &str = "--token-format=rpc";
    let announce = ["announce", "--signer=proof", "--pipe"];
    let sign = ["sign", "--signer=proof", "--pipe"];
    for (words, environment) in
        [(&["new", FLAG][..], &[][..]), (&["new"], &[RPC]), (&["new", FLAG], &[("TOKEN_FORMAT", "jws")])]
    {
        let new = secret(words, environment, "").unwrap();
        assert_eq!((kind(&new, "proof_key"), starts(&new, "rpc")), (KeyKind::Rsa, true), "{words:?}");
        assert_eq!(kind(&new, "application_token_key"), KeyKind::P256);
    }
    let new = secret(&["new", FLAG], &[], "").unwrap();
    // With or without the format option, the next key is of the same kind.
    for environment in [&[][..], &[RPC]] {
        let announced = secret(&announce, environment, &new).unwrap();
        assert_eq!(kind(&announced, "proof_key_next"), KeyKind::Rsa);
        let why = secret(&announce, environment, &announced).unwrap_err();
        assert!(why.contains("announced already"), "{why}");
        let signs = secret(&sign, environment, &announced).unwrap();
        assert!(starts(&signs, "rpc") && starts(&signs, "jws"));
        assert_ne!(signs, new);
    }
    // As an earlier release announced a key for it.
    let stuck = secret(&[&announce[..], &["--key=p256"]].concat(), &[], &new).unwrap();
    assert_eq!(kind(&stuck, "proof_key_next"), KeyKind::P256);
    let why = secret(&sign, &[RPC], &stuck).unwrap_err();
    assert!(why.contains("the announced one is a P-256 key") && why.contains("announce again"), "{why}");
    let why = secret(&sign, &[], &stuck).unwrap_err();
    assert!(why.contains("--token-format"), "{why}");
    assert!(starts(&secret(&sign, &[("TOKEN_FORMAT", "jws")], &stuck).unwrap(), "jws"), "that may be meant");
    let again = secret(&announce, &[RPC], &stuck).unwrap();
    assert_eq!(kind(&again, "proof_key_next"), KeyKind::Rsa);
    assert!(starts(&secret(&sign, &[RPC], &again).unwrap(), "rpc"));
    // A secret that no registry could use is refused.
    let why = secret(&[&announce[..], &["--key=p256", FLAG]].concat(), &[], &new).unwrap_err();
    assert!(why.contains("signs with an RSA key"), "{why}");
    let application = ["announce", "--signer=application-token", "--pipe"];
    let why = secret(&[&application[..], &["--key=rsa"]].concat(), &[], &new).unwrap_err();
    assert!(why.contains("application tokens"), "{why}");
    assert_eq!(kind(&secret(&application, &[RPC], &new).unwrap(), "application_token_key_next"), KeyKind::P256);
    let why = secret(&["new"], &[("TOKEN_FORMAT", "jwt")], "").unwrap_err();
    assert!(why.contains("TOKEN_FORMAT is set, but not to jws or rpc"), "{why}");
    assert!(secret(&["new", "--token-format=jwt"], &[], "").unwrap_err().contains("jws or rpc"));
    // The change from one format to the other.
    let jws = secret(&["new"], &[], "").unwrap();
    assert_eq!((kind(&jws, "proof_key"), starts(&jws, "rpc")), (KeyKind::P256, false));
    for words in [&["--key=rsa"][..], &[FLAG]] {
        let announced = secret(&[&announce[..], words].concat(), &[], &jws).unwrap();
        let signs = secret(&sign, &[], &announced).unwrap();
        assert!(starts(&signs, "jws") && starts(&signs, "rpc"), "{words:?}");
    }
}
