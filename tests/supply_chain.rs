//! The dependencies and the build of the functions: one TLS stack, one toolchain, one release profile.

// A test stops at the first surprise; Clippy sees only the functions marked as tests as such.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What speaks TLS, or does its cryptography, beside the one stack. `deny.toml` says why those are refused that have come by accident
/// before; here is whatever else might.
const OTHERS: [&str; 16] = [
    "aws-lc-fips-sys",
    "boring",
    "boring-sys",
    "graviola",
    "mbedtls",
    "native-tls",
    "openssl",
    "openssl-sys",
    "ring",
    "rustls-graviola",
    "rustls-openssl",
    "rustls-rustcrypto",
    "rustls-symcrypt",
    "s2n-tls",
    "s2n-tls-sys",
    "wolfssl-sys",
];

/// The one stack, from the connection down to the cryptography.
const STACK: [&str; 5] = ["hyper-rustls", "tokio-rustls", "rustls", "aws-lc-rs", "aws-lc-sys"];

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Each crate that is compiled for any member on any platform, tests and build scripts among them, with its versions. Not the lock file,
/// which names crates behind features that nobody turns on.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let arguments = ["tree", "--workspace", "--all-features", "--target=all", "--edges=normal,build,dev"];
    let tree = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--prefix=none", "--format={p}", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let mut found = BTreeMap::<String, BTreeSet<String>>::new();
    for line in String::from_utf8(tree.stdout).unwrap().lines() {
        if let [name, version, ..] = line.split(' ').collect::<Vec<_>>()[..] {
            found.entry(name.to_owned()).or_default().insert(version.to_owned());
        }
    }
    found
}

#[test]
fn dependencies_contain_one_tls_stack() {
    let crates = crates();
    for name in STACK {
        let versions =
            crates.get(name).unwrap_or_else(|| panic!("{name} is gone: this test has to learn of the new stack"));
        assert_eq!(versions.len(), 1, "two of {name}: {versions:?}");
    }
    let others: Vec<_> = OTHERS.iter().filter(|name| crates.contains_key(**name)).collect();
    assert!(others.is_empty(), "a second TLS stack: {others:?}; `cargo tree --target all -i` says who asks for it");
}

/// It stands in for AWS, whatever runs on it.
#[test]
fn stand_in_for_aws_imports_no_crate_of_the_project() {
    let manifest = file("infra/aws-stand-in/Cargo.toml");
    for kind in ["dependencies", "dev-dependencies"] {
        let crates = table(&manifest, kind);
        assert!(!crates.is_empty(), "no {kind}");
        let ours: Vec<_> = crates.iter().filter(|line| line.starts_with("cee")).collect();
        assert!(ours.is_empty(), "{ours:?}");
    }
}

/// The lines of a table of a TOML file, without its comments.
fn table(toml: &str, name: &str) -> BTreeSet<String> {
    let heading = format!("[{name}]");
    let lines = toml.lines().skip_while(|line| *line != heading).skip(1).take_while(|line| !line.starts_with('['));
    lines.filter(|line| !line.is_empty() && !line.starts_with('#')).map(ToOwned::to_owned).collect()
}

#[test]
fn toolchain_is_pinned_to_one_release() {
    let toolchain = table(&file("rust-toolchain.toml"), "toolchain");
    let channel = toolchain.iter().find_map(|line| line.strip_prefix("channel = ")).unwrap().trim_matches('"');
    let numbers: Vec<_> = channel.split('.').map(|number| number.parse::<u32>().unwrap()).collect();
    let [major, minor, _patch] = numbers[..] else { panic!("no release of Rust, which never changes: {channel}") };
    let package = table(&file("Cargo.toml"), "workspace.package");
    assert!(package.contains(&format!("rust-version = \"{major}.{minor}\"")), "{channel} is not what {package:?} says");
}

/// Or the functions would be measured beside something that is compiled in another way.
#[test]
fn hello_function_has_the_same_release_profile() {
    let profile = table(&file("Cargo.toml"), "profile.release");
    assert!(profile.contains("panic = \"unwind\""), "{profile:?}");
    assert_eq!(table(&file("tests/measure/hello/Cargo.toml"), "profile.release"), profile);
}

/// By their fingerprints. The hashes of their public keys are those that <https://www.amazontrust.com/repository/> publishes
/// (`openssl x509 -pubkey | openssl pkey -pubin -outform der | sha256sum`).
#[test]
fn functions_trust_only_five_amazon_roots() {
    const FINGERPRINTS: [&str; 5] = [
        "8ecde6884f3d87b1125ba31ac3fcb13d7016de7f57cc904fe1cb97c6ae98196e",
        "1ba5b2aa8c65401a82960118f80bec4f62304d83cec4713a19c39c011ea46db4",
        "18ce6cfe7bf14e60b2e347b8dfe868cb31d02ebb3ada271569f50343b46db3a4",
        "e35d28419ed02025cfa69038cd623962458da5c695fbdea3c22b0bfb25897092",
        "568d6905a2c88708a4b3025190edcfedb1974a606a13c6e5290fcb2ae63edab5",
    ];
    let pem = file("shared/service/src/amazon-roots.pem");
    let bodies = pem.split("-----BEGIN CERTIFICATE-----").skip(1).map(|rest| rest.split("-----END").next().unwrap());
    let fingerprint = |body: &str| {
        let der = STANDARD.decode(body.split_whitespace().collect::<String>()).unwrap();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der);
        digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    assert_eq!(bodies.map(fingerprint).collect::<Vec<_>>(), FINGERPRINTS);
}
