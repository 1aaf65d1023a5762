//! The emergency scripts of the registry's team on AWS: infra/recovery as it is, on a simulated account, which is a folder.
//!
//! `tests/files/aws.sh` replaces the AWS command line, and refuses unknown commands. No real account is ever called.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::support::cee;
use crate::template::resources;

const TABLES: [&str; 7] = ["Claims", "Applications", "Archive", "Changes", "Idempotency", "Journeys", "Imports"];

/// An account with one stack, `cee-prod`.
struct Account {
    folder: TempDir,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The names that the template gives its functions.
fn functions() -> Vec<&'static str> {
    resources("AWS::Serverless::Function").map(|(name, _)| name).collect()
}

impl Account {
    fn new() -> Self {
        let account = Self { folder: TempDir::new().unwrap() };
        for folder in ["queue/taken", "events", "reserved", "tables"] {
            std::fs::create_dir_all(account.path(folder)).unwrap();
        }
        account.write("status", "UPDATE_COMPLETE");
        let parameters = [
            ("Environment", "prod"),
            ("SecretName", "cee/prod"),
            ("SecretStage", "AWSCURRENT"),
            ("ImportConcurrency", "5"),
            ("TokenFormat", "jws"),
        ];
        for (name, value) in parameters {
            account.write(&format!("parameters/{name}"), value);
        }
        for name in functions() {
            account.write(&format!("resources/{name}"), &Self::function(name));
        }
        account.write(&format!("reserved/{}", Self::function("ImportFunction")), "5");
        account.write("outputs/ImportFailuresUrl", "https://sqs.test/1/cee-prod-ImportFailures-1AB");
        for table in TABLES {
            account.write(&format!("outputs/{table}Table"), &Self::table(table));
        }
        let made = Command::new(cee()).args(["secret", "new"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        account.write("secret/version-0", &String::from_utf8(made.stdout).unwrap());
        account.write("secret/labels/AWSCURRENT", "version-0");
        let aws = root().join("tests/files/aws.sh");
        account.program("aws", &format!("exec bash '{}' \"$@\"", aws.display()));
        account
    }

    /// The name on AWS of a function of the template.
    fn function(name: &str) -> String {
        format!("cee-prod-{name}-1AB")
    }

    fn table(name: &str) -> String {
        format!("cee-prod-{name}Table-1AB")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default().trim_end_matches('\n').to_owned()
    }

    /// The names in a folder.
    fn list(&self, folder: &str) -> BTreeSet<String> {
        let files = std::fs::read_dir(self.path(folder)).unwrap().map(Result::unwrap);
        let files = files.filter(|file| file.file_type().unwrap().is_file());
        files.map(|file| file.file_name().into_string().unwrap()).collect()
    }

    /// A program that the scripts find before any other program of that name.
    fn program(&self, name: &str, script: &str) {
        let path = format!("bin/{name}");
        self.write(&path, &format!("#!/usr/bin/env bash\n{script}\n"));
        std::fs::set_permissions(self.path(&path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn command(&self, script: &str, words: &[&str]) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-c", "PATH=$FAKE_AWS/bin:$PATH exec bash \"$@\"", "bash"])
            .arg(root().join("infra/recovery").join(script))
            .args(words)
            .env("FAKE_AWS", self.folder.path())
            .env_remove("CEE");
        command
    }

    /// Whether it succeeded, and its output.
    fn outcome(&self, mut command: Command) -> (bool, String) {
        let output = command.output().unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
        assert_eq!(self.read("refused"), "", "no account could be asked this: {said}");
        (output.status.success(), said)
    }

    fn run(&self, script: &str, words: &[&str]) -> (bool, String) {
        let mut command = self.command(script, words);
        command.env("CEE", cee());
        self.outcome(command)
    }

    fn done(&self, script: &str, words: &[&str]) -> String {
        let (done, said) = self.run(script, words);
        assert!(done, "{script} {words:?}: {said}");
        said
    }

    /// It fails, with this message.
    fn refused(&self, script: &str, words: &[&str], why: &str) {
        let (done, said) = self.run(script, words);
        assert!(!done && said.contains(why), "{script} {words:?}: {said}");
    }

    /// The calls of one operation so far, each with its arguments.
    fn calls(&self, operation: &str) -> Vec<String> {
        let calls = self.read("calls");
        calls.lines().filter(|line| line.starts_with(operation)).map(str::to_owned).collect()
    }

    /// The content of the secret's version with this label.
    fn secret(&self, label: &str) -> Value {
        let version = self.read(&format!("secret/labels/{label}"));
        serde_json::from_str(&self.read(&format!("secret/{version}"))).unwrap()
    }

    /// The public keys in it.
    fn kids(&self, label: &str, set: &str) -> BTreeSet<String> {
        let set: Value = serde_json::from_str(self.secret(label)[set].as_str().unwrap()).unwrap();
        set["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    /// As `sam deploy` does with the line that the script asked for.
    fn deploy(&self, said: &str) -> String {
        let label = said.split("SecretStage=").nth(1).unwrap().split_whitespace().next().unwrap();
        self.write("parameters/SecretStage", label);
        label.to_owned()
    }
}

#[test]
fn two_rotations_keep_every_published_proof_key() {
    let account = Account::new();
    let mut published = account.kids("AWSCURRENT", "proof_jwks");
    let pepper = account.secret("AWSCURRENT")["claim_pepper"].clone();
    let mut labels = Vec::new();
    for round in 1..=2 {
        let signing = account.secret("AWSCURRENT")["proof_key"].clone();
        let said = account.done("rotate.sh", &["cee-prod", "announce", "proof"]);
        assert!(said.contains("verifies from now on") && said.contains("--config-env prod"), "{said}");
        assert!(said.contains("rotate.sh cee-prod sign proof"), "the next step: {said}");
        // The running stack does not know the new key yet: neither step may come now.
        let prepared = account.secret("AWSCURRENT");
        for step in ["sign", "announce"] {
            account.refused("rotate.sh", &["cee-prod", step, "proof"], "is prepared and not deployed");
        }
        assert_eq!(account.secret("AWSCURRENT"), prepared);
        labels.push(account.deploy(&said));
        published.extend(account.kids("AWSCURRENT", "proof_jwks"));
        assert_eq!(published.len(), round + 1);
        assert_eq!(account.secret("AWSCURRENT")["proof_key"], signing, "it does not sign yet");

        let said = account.done("rotate.sh", &["cee-prod", "sign", "proof"]);
        labels.push(account.deploy(&said));
        assert_ne!(account.secret("AWSCURRENT")["proof_key"], signing);
        for label in ["AWSCURRENT", labels.last().unwrap()] {
            assert_eq!(account.kids(label, "proof_jwks"), published, "{label}");
        }
        assert_eq!(account.secret("AWSCURRENT")["claim_pepper"], pepper);
    }
    assert_eq!(labels, ["rotation-1", "rotation-2", "rotation-3", "rotation-4"]);
    // No part of a secret is visible to other processes of the machine, nor on the screen.
    let calls = account.read("calls");
    assert!(!calls.contains("PRIVATE") && !calls.contains(pepper.as_str().unwrap()));
}

/// Under `TokenFormat=rpc` the functions start only with an RSA key.
#[test]
fn rotation_of_an_rpc_registry_makes_rsa_keys() {
    let account = Account::new();
    account.write("parameters/TokenFormat", "rpc");
    for step in ["announce", "sign"] {
        account.deploy(&account.done("rotate.sh", &["cee-prod", step, "proof"]));
    }
    let key = account.secret("AWSCURRENT")["proof_key"].as_str().unwrap().to_owned();
    assert_eq!(cee_tokens::SigningKey::from_pem(&key).unwrap().kind(), cee_tokens::KeyKind::Rsa);
}

#[test]
fn application_token_key_is_announced_signs_and_is_retired() {
    let account = Account::new();
    let old = account.kids("AWSCURRENT", "application_token_jwks").pop_first().unwrap();
    for step in ["announce", "sign"] {
        account.deploy(&account.done("rotate.sh", &["cee-prod", step, "application-token"]));
    }
    assert_eq!(account.kids("AWSCURRENT", "application_token_jwks").len(), 2);
    account.deploy(&account.done("rotate.sh", &["cee-prod", "retire", "application-token", &old]));
    let left = account.kids("AWSCURRENT", "application_token_jwks");
    assert!(left.len() == 1 && !left.contains(&old), "{left:?}");
    assert_eq!(account.read("parameters/SecretStage"), "rotation-3");
}

#[test]
fn refused_rotation_step_writes_nothing() {
    let account = Account::new();
    let before = account.secret("AWSCURRENT");
    account.refused("rotate.sh", &["cee-prod", "sign", "proof"], "announce one first");
    account.refused("rotate.sh", &["cee-prod", "retire", "proof", "kid"], "no proof key is ever taken out");
    account.refused("rotate.sh", &["cee-prod", "retire", "application-token", "-nobody"], "no key -nobody");
    for words in [&["cee-prod"][..], &["cee-prod", "sign", "all"], &["cee-prod", "announce", "proof", "now"]] {
        account.refused("rotate.sh", words, "usage: bash infra/recovery/rotate.sh STACK");
    }
    account.write("down", "secretsmanager get-secret-value");
    account.refused("rotate.sh", &["cee-prod", "announce", "proof"], "ServiceUnavailable");
    account.write("down", "");
    account.write("status", "UPDATE_IN_PROGRESS");
    account.refused("rotate.sh", &["cee-prod", "announce", "proof"], "is being deployed");
    assert_eq!(account.secret("AWSCURRENT"), before);
    assert!(account.calls("secretsmanager put-secret-value").is_empty());
    // Somebody has moved a label by hand: starting from an older version would lose the later keys.
    account.write("status", "UPDATE_ROLLBACK_COMPLETE");
    account.write("secret/labels/rotation-6", "version-0");
    account.write("parameters/SecretStage", "rotation-7");
    account.refused("rotate.sh", &["cee-prod", "announce", "proof"], "older than rotation-7");
}

/// A secret has at most 20 labels.
#[test]
fn rotation_removes_oldest_labels() {
    let account = Account::new();
    for number in 1..=12 {
        account.write(&format!("secret/labels/rotation-{number}"), "version-0");
    }
    account.write("parameters/SecretStage", "rotation-12");
    let said = account.done("rotate.sh", &["cee-prod", "announce", "proof"]);
    assert_eq!(account.deploy(&said), "rotation-13");
    let kept = (4..=13).map(|number| format!("rotation-{number}"));
    let kept: BTreeSet<String> = kept.chain(["AWSCURRENT", "AWSPREVIOUS"].map(str::to_owned)).collect();
    assert_eq!(account.list("secret/labels"), kept);
}

/// A dead letter as Lambda writes it, and the event in it.
fn letter(key: &str) -> (String, String) {
    let event = format!(
        r#"{{"Records":[{{"eventSource":"aws:s3","s3":{{"object":{{"key":"imports/1/{key}","size":12345678901234567}}}}}}]}}"#
    );
    let letter = format!(
        r#"{{"version":"1.0","requestContext":{{"condition":"RetriesExhausted","approximateInvokeCount":3}},"requestPayload":{event},"responseContext":{{"functionError":"Unhandled"}},"responsePayload":{{"errorMessage":"\"requestPayload\":{{"}}}}"#
    );
    (letter, event)
}

#[test]
fn redrive_sends_every_dead_letter_to_alias() {
    let account = Account::new();
    let letters = ["a.csv", "b{,}.csv", "c\\\".csv"].map(letter);
    account.write("queue/1@1000", &letters[0].0);
    account.write("queue/2@1000", &letters[1].0);
    // Another run has received this message a moment ago, and has not redriven it.
    account.write("queue/taken/3@1000", &letters[2].0);
    // SQS may return nothing although there are messages.
    account.write("empty", "1");
    let said = account.done("redrive.sh", &["cee-prod"]);
    assert!(said.contains("3 events were handed to") && said.contains("the queue is empty"), "{said}");
    assert!(account.list("queue").is_empty() && account.list("queue/taken").is_empty());
    let events: BTreeSet<String> =
        account.list("events").iter().map(|name| account.read(&format!("events/{name}"))).collect();
    assert_eq!(events, BTreeSet::from(letters.map(|(_, event)| event)), "to the byte");
    assert_eq!(account.calls("lambda invoke").len(), 3);
    assert!(!account.read("calls").contains(".csv"), "no file's name is where every process may read it");
}

#[test]
fn redrive_keeps_dead_letter_until_lambda_accepts_event() {
    let account = Account::new();
    let kept = |why: &str| {
        account.refused("redrive.sh", &["cee-prod"], why);
        assert!(account.calls("sqs delete-message").is_empty());
        let left: Vec<String> = [account.list("queue"), account.list("queue/taken")].into_iter().flatten().collect();
        assert_eq!(left.len(), 1, "{why}: {left:?}");
        std::fs::rename(account.path("queue/taken").join(&left[0]), account.path("queue").join(&left[0])).unwrap();
    };
    account.write("queue/1@1000", &letter("a.csv").0);
    account.write("down", "lambda invoke");
    kept("Lambda did not accept the event of message 1");
    account.write("down", "");
    for answer in ["200\tNone", "202\tUnhandled", "429\tNone"] {
        account.write("answer", answer);
        kept("Lambda did not accept the event of message 1");
    }
    std::fs::remove_file(account.path("answer")).unwrap();
    // A message that is not Lambda's.
    account.write("queue/1@1000", r#"{"requestPayload": "none"}"#);
    kept("holds no event of Lambda");
    assert!(account.list("events").is_empty());
    // An event that returns while the script runs would return for ever.
    std::fs::rename(account.path("queue/1@1000"), account.path("queue/1@99999999999999")).unwrap();
    account.write("queue/1@99999999999999", &letter("a.csv").0);
    kept("imports still fail");
    // The same for all events, if the function is stopped.
    account.done("stop.sh", &["cee-prod", "import"]);
    account.refused("redrive.sh", &["cee-prod"], "first bash infra/recovery/resume.sh cee-prod import");
    account.refused("redrive.sh", &[], "usage: bash infra/recovery/redrive.sh STACK");
}

#[test]
fn stopped_functions_restart_with_their_concurrency() {
    let account = Account::new();
    let reserved = |name: &str| account.read(&format!("reserved/{}", Account::function(name)));
    account.done("stop.sh", &["cee-prod", "register"]);
    assert_eq!((reserved("RegisterFunction"), reserved("ImportFunction")), ("0".to_owned(), "5".to_owned()));
    assert_eq!(account.list("reserved").len(), 2);
    let said = account.done("resume.sh", &["cee-prod", "register"]);
    assert!(!said.contains("redrive"), "{said}");
    assert_eq!(account.list("reserved").len(), 1);

    // Each function that the template has.
    let said = account.done("stop.sh", &["cee-prod"]);
    assert!(said.contains("infra/recovery/resume.sh cee-prod all"), "{said}");
    for name in functions() {
        assert_eq!(reserved(name), "0", "{name}");
    }
    let said = account.done("resume.sh", &["cee-prod", "all"]);
    assert!(said.contains("Now: bash infra/recovery/redrive.sh cee-prod"), "{said}");
    assert_eq!((reserved("ImportFunction"), account.list("reserved").len()), ("5".to_owned(), 1));
    // If no concurrency is reserved for imports, none is reserved afterwards.
    account.write("parameters/ImportConcurrency", "0");
    account.done("stop.sh", &["cee-prod", "all"]);
    account.done("resume.sh", &["cee-prod"]);
    assert!(account.list("reserved").is_empty());

    // If one function cannot be stopped, the script still stops the others, and reports it.
    account.write("broken", &Account::function("RegisterFunction"));
    account.refused("stop.sh", &["cee-prod"], "!!! RegisterFunction IS NOT STOPPED");
    assert_eq!(account.list("reserved").len(), functions().len() - 1);
    account.write("down", "lambda delete-function-concurrency");
    account.refused("resume.sh", &["cee-prod"], "!!! SimulateFunction IS STILL STOPPED");
    account.refused("stop.sh", &["cee-prod", "everything"], "usage: bash infra/recovery/stop.sh STACK");
    account.refused("resume.sh", &["--all"], "usage: bash infra/recovery/resume.sh STACK");
}

#[test]
fn restored_tables_are_each_compared_with_their_own() {
    let account = Account::new();
    let moment = "2026-11-26T12:00:00Z";
    let beside = |table: &str| format!("cee-prod-{table}-20261126T120000Z");
    // `cargo run` as typed, with its arguments.
    account.program(
        "cargo",
        "echo \"$(env | grep '_TABLE=' | sort | tr '\\n' ' ')$*\" >>\"$FAKE_AWS/typed\"; echo compared",
    );
    let restore =
        |more: &[&str]| account.outcome(account.command("restore.sh", &[&["cee-prod", moment], more].concat()));
    // Interrupted after the first table, and run again.
    account.write("down", "dynamodb restore-table-to-point-in-time");
    assert!(!restore(&[]).0);
    account.write("down", "");
    account.write(&format!("tables/{}", beside("Claims")), "CREATING");
    // A large table takes longer than the command line waits.
    account.write("impatient", "2");
    let before = account.calls("dynamodb restore").len();
    let (done, said) = restore(&[]);
    assert!(done && said.contains("still being restored"), "{said}");
    let asked = account.calls("dynamodb restore").split_off(before);
    let expected = TABLES[1..].iter().map(|table| {
        let (from, to) = (Account::table(table), beside(table));
        format!(
            "dynamodb restore-table-to-point-in-time --source-table-name {from} --target-table-name {to} --restore-date-time {moment}"
        )
    });
    assert_eq!(asked, expected.collect::<Vec<_>>());
    assert_eq!(account.list("tables"), BTreeSet::from(TABLES.map(beside)));
    // The printed commands do what `--compare` does: each table in its own setting, and in no other.
    let typed = |more: &str| {
        TABLES.map(|table| {
            let (kind, setting) = (table.to_lowercase(), table.to_uppercase());
            let (to, from) = (Account::table(table), beside(table));
            format!("{setting}_TABLE={to} run -q -- restore --aws --table {kind} --from {from}{more}")
        })
    };
    for line in typed("") {
        assert!(said.contains(&line.replace(" run -q", " cargo run -q")), "{line}: {said}");
    }
    assert_eq!(account.read("typed"), "", "nothing is compared that nobody asked for");
    let (done, said) = restore(&["--compare"]);
    assert!(done && said.matches("compared").count() == 7 && said.contains("Nothing is changed"), "{said}");
    assert_eq!(account.read("typed").lines().collect::<Vec<_>>(), typed(""));
    assert_eq!(account.calls("dynamodb restore").len(), before + 6, "they are there already");

    // It writes only if it is asked to, and if everything is stopped.
    account.write("typed", "");
    let (done, said) = restore(&["--yes"]);
    assert!(!done && said.contains("first bash infra/recovery/stop.sh cee-prod all"), "{said}");
    account.done("stop.sh", &["cee-prod", "all"]);
    assert_eq!(account.read("typed"), "");
    let (done, said) = restore(&["--yes"]);
    assert!(done && said.contains("Now audit"), "{said}");
    let all = [typed(""), typed(" --yes")].concat();
    assert_eq!(account.read("typed").lines().collect::<Vec<_>>(), all, "all are compared before one is written");
    // If one table looks wrong, no table is written.
    account.write("typed", "");
    account.program(
        "cargo",
        "echo \"$(env | grep '_TABLE=' | sort | tr '\\n' ' ')$*\" >>\"$FAKE_AWS/typed\"; [[ $* != *archive* ]] || echo 'look again: it is empty'",
    );
    let (refused, why) = restore(&["--yes"]);
    assert!(!refused && why.contains("look again: it is empty") && why.contains("nothing was written"), "{why}");
    assert_eq!(account.read("typed").lines().collect::<Vec<_>>(), typed(""));
    for table in TABLES {
        assert!(said.contains(&format!("aws dynamodb delete-table --table-name {}", beside(table))), "{said}");
    }

    // Another second has tables of its own. An invalid UTC second is refused.
    account.done("restore.sh", &["cee-prod", "2026-11-26T12:00:01Z"]);
    assert_eq!(account.list("tables").len(), 14);
    for moment in ["2026-11-26T12:00:00+01:00", "2026-11-26 12:00:00Z", "noon"] {
        account.refused("restore.sh", &["cee-prod", moment], "usage: bash infra/recovery/restore.sh STACK MOMENT");
    }
    account.write("down", "dynamodb describe-table");
    account.refused("restore.sh", &["cee-prod", moment], "ServiceUnavailable");
}
