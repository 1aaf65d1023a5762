//! The binary as Lambda starts it. (That this test exists is also why `cargo test` builds the binary.)

use std::process::Command;

#[test]
fn missing_setting_stops_start_and_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_cee-export")).env_clear().output().unwrap();
    let log = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success());
    assert!(log.contains("the environment variable") && log.contains("is missing"), "{log}");
}
