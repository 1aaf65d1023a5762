//! The program on the command line.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::serve;
use crate::support::{Api, cee, leave_port};

fn token(data_dir: &Path, operator: &str) -> Output {
    Command::new(cee()).args(["token", "--operator", operator, "--data-dir"]).arg(data_dir).output().unwrap()
}

fn said(output: &Output) -> (bool, String) {
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn local_json_lists_addresses_and_credentials() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    let (mut child, about) = serve(&folder, &[]).await;
    for name in ["api_url", "dynamodb_url", "s3_url", "bucket", "region", "aws_access_key_id", "aws_secret_access_key"]
    {
        assert!(about[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {about}");
    }
    assert!(about["api_url"].as_str().unwrap().ends_with("/v3"));
    let operators = about["operators"].as_array().unwrap();
    assert_eq!(operators.iter().map(|operator| operator["id"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    for operator in operators {
        for name in ["name", "siret", "token", "access_key", "secret_key"] {
            assert!(operator[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {operator}");
        }
    }
    let api = Api::new(about["api_url"].as_str().unwrap());
    let question = json!({"journey_type": "short", "last_name_trunc": "DUP", "phone_trunc": "+336399801"});
    let printed = token(&data_dir, "2");
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).unwrap();
    for token in [operators[0]["token"].as_str().unwrap(), printed.trim()] {
        assert_eq!(api.simulate(token, &question).await.status, StatusCode::OK);
    }
    let unknown = said(&token(&data_dir, "7"));
    assert!(!unknown.0 && unknown.1.contains("no operator 7"), "{unknown:?}");

    // A second process on the same data would corrupt it.
    let second = Command::new(cee()).args(["serve", "--port", "0", "--data-dir"]).arg(&data_dir).output().unwrap();
    assert!(!second.status.success() && said(&second).1.contains("another stack runs"), "{second:?}");
    let redrive = Command::new(cee()).args(["redrive", "--data-dir"]).arg(&data_dir).output().unwrap();
    assert!(!redrive.status.success() && said(&redrive).1.contains("stop it"), "{redrive:?}");
    // If a port is in use, the message names the option that chooses another.
    let port = api.url.split(':').nth(2).unwrap().split('/').next().unwrap();
    let second =
        Command::new(cee()).args(["serve", "--port", port, "--data-dir"]).arg(folder.path().join("b")).output();
    let second = second.unwrap();
    assert!(!second.status.success() && said(&second).1.contains("--port"), "{second:?}");
    child.kill().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn fresh_starts_empty_and_now_pins_the_clock() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    std::fs::create_dir_all(&data_dir).unwrap();
    std::fs::write(data_dir.join("mine.txt"), "not the stack's").unwrap();
    let now = ["--now", "2024-05-01T00:00:00Z"];
    let (mut child, about) = serve(&folder, &now).await;
    let register = |about: &Value| {
        let api = Api::new(about["api_url"].as_str().unwrap());
        let token = String::from_utf8(token(&data_dir, "1").stdout).unwrap();
        async move {
            let body = json!({"journey_type": "short", "last_name_trunc": "MAR", "driving_license": "051227308989",
                              "operator_journey_id": "ar:2024-03-15_0001"});
            let early = json!({"journey_type": "short", "last_name_trunc": "MAR", "driving_license": "051227308989",
                               "operator_journey_id": "ar:today"});
            let early = api.register(token.trim(), &early).await;
            assert_eq!(early.json()["available_at"], "2024-05-08T00:00:00.000Z", "{early:?}");
            api.register(token.trim(), &body).await.status
        }
    };
    assert_eq!(register(&about).await, StatusCode::CREATED);
    child.kill().await.unwrap();
    let (mut child, about) = serve(&folder, &now).await;
    assert_eq!(register(&about).await, StatusCode::CONFLICT, "data survives");
    child.kill().await.unwrap();
    let (mut child, about) = serve(&folder, &["--fresh", "--now", "2024-05-01T00:00:00Z"]).await;
    assert_eq!(register(&about).await, StatusCode::CREATED, "--fresh starts empty");
    assert!(data_dir.join("mine.txt").exists(), "--fresh removes only what is the stack's");
    child.kill().await.unwrap();
}

/// A secret is shown once: on a full disk it would be lost, and the command would say that all is well.
#[tokio::test(flavor = "multi_thread")]
async fn result_that_cannot_be_printed_is_an_error_and_retires_nothing() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    let (mut child, about) = serve(&folder, &[]).await;
    let old = about["operators"][0]["access_key"].as_str().unwrap();
    let rotate = ["operator", "rotate", "--id", "1", "--retire", old];
    for words in [&rotate[..], &["token", "--operator", "1"], &["stats"], &["env", "--operator", "1"]] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(cee()).args(words).arg("--data-dir").arg(&data_dir).stdout(full).output().unwrap();
        let said = said(&output);
        assert!(!said.0 && said.1.contains("error: standard output: No space left"), "{words:?}: {said:?}");
    }
    let (shown, told) = ended(&["operator", "show", "--id", "1"], &data_dir);
    assert!(shown && told.contains(old) && told.contains("2 credentials"), "{told}");
    child.kill().await.unwrap();
}

#[test]
fn token_command_without_stack_fails() {
    let folder = TempDir::new().unwrap();
    let said = said(&token(folder.path(), "1"));
    assert!(!said.0 && said.1.contains("cargo run"), "{said:?}");
}

#[test]
fn data_directory_that_cannot_be_used_is_named_with_the_reason() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for args in [&["serve", "--port", "0", "--dynamodb-port", "0", "--s3-port", "0"][..], &["serve", "--fresh"]] {
        let (success, told) = ended(args, &file);
        assert!(!success && told.contains("is a file: choose a folder"), "{told}");
    }
    // What is there and cannot be read is not the same as nothing.
    let (success, told) = ended(&["token", "--operator", "1"], &file);
    assert!(!success && told.contains("no stack was started on"), "{told}");
    std::fs::create_dir(folder.path().join("local.json")).unwrap();
    let (success, told) = ended(&["token", "--operator", "1"], folder.path());
    assert!(!success && told.contains("local.json: Is a directory"), "{told}");
}

/// Runs the program to its end, and returns its exit status and all its output.
fn ended(args: &[&str], data_dir: &Path) -> (bool, String) {
    let output = Command::new(cee()).args(args).arg("--data-dir").arg(data_dir).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&told).into_owned())
}

#[test]
fn serve_refuses_foreign_data_directory() {
    for name in ["local.json", "sam.json", "secrets.json", "s3/mine.txt", "queue/mine.txt", "dynamodb.sqlite"] {
        let folder = TempDir::new().unwrap();
        let mine = folder.path().join(name);
        std::fs::create_dir_all(mine.parent().unwrap()).unwrap();
        std::fs::write(&mine, "{}").unwrap();
        for args in [&["serve", "--port", "0", "--dynamodb-port", "0", "--s3-port", "0"][..], &["serve", "--fresh"]] {
            let (success, told) = ended(args, folder.path());
            assert!(!success && told.contains("choose another --data-dir"), "{name}: {told}");
            assert!(told.contains(name.split('/').next().unwrap()), "{name} is named: {told}");
            assert_eq!(std::fs::read_to_string(&mine).unwrap(), "{}", "{name}");
        }
        // The team's commands create nothing there either.
        assert!(!ended(&["token", "--operator", "1"], folder.path()).0);
        assert!(!ended(&["env", "--sam"], folder.path()).0);
        assert_eq!(std::fs::read_to_string(&mine).unwrap(), "{}", "{name}");
    }
}

/// Each command that reaches the tables, with the arguments it needs besides the data directory.
const REACH_THE_TABLES: [&[&str]; 10] = [
    &["stats"],
    &["audit"],
    &["pepper"],
    &["operator", "list"],
    &["operator", "create", "--id", "9", "--name", "Neuf", "--siret", "12000404400043"],
    &["restore", "--table", "claims", "--from", "claims-at-noon"],
    &["undo", "--operator", "1", "--import", "00000000000000000000000000000000"],
    &["token", "--operator", "9"],
    &["driver", "show"],
    &["driver", "erase", "--reason", "asked"],
];

#[tokio::test(flavor = "multi_thread")]
async fn commands_without_running_stack_fail_with_message() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    let (mut child, _) = serve(&folder, &[]).await;
    child.kill().await.unwrap();
    leave_port(&data_dir);
    for words in REACH_THE_TABLES {
        let mut command = Command::new(cee());
        command.args(words).arg("--data-dir").arg(&data_dir).stdin(Stdio::piped());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // As PowerShell writes it.
        let driver = "\u{feff}{\"driving_license\": \"051227308989\"}";
        let _ = child.stdin.take().unwrap().write_all(driver.as_bytes());
        let output = child.wait_with_output().unwrap();
        let (success, told) = said(&output);
        assert!(!success && told.contains("does not run: nothing answers at http://127.0.0.1:"), "{words:?}: {told}");
        assert!(told.contains("`cargo run`") && !told.contains("busy"), "{words:?}: {told}");
    }
}

#[test]
fn redrive_without_stack_creates_no_file() {
    let folder = TempDir::new().unwrap();
    let mistyped = folder.path().join("mistyped");
    for directory in [mistyped.as_path(), folder.path()] {
        let (success, told) = ended(&["redrive"], directory);
        assert!(!success && told.contains("no stack was started on") && told.contains("--data-dir"), "{told}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
