//! A function or a command notices a wrong pepper when it starts: with it, no driver would be found.

use std::path::Path;
use std::process::{Command, Stdio};

use aws_sdk_dynamodb::types::AttributeValue;
use aws_stand_in::runtime_api::Process;
use cee_local::stack::{GIVEN, Given, HTTP_TIMEOUT, Options, Stack, for_sam, not_for_all, tables};
use cee_service::aws::Aws;
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::binaries::binaries;
use crate::support::{NOW, World, at, cee, logs, scan_all, world, world_on, world_with};
use crate::wire::{Fault, Wire};

const OTHER: &str = "another pepper, of more than 32 bytes";

fn long(license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203", "driving_license": license,
           "datetime": "2024-03-15T07:30:00Z"})
}

/// The program's output for these arguments, and whether it succeeded.
fn team(data_dir: &Path, words: &[&str]) -> (bool, String) {
    let mut command = Command::new(cee());
    command.args(words).arg("--data-dir").arg(data_dir).stdin(Stdio::piped());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let driver = r#"{"driving_license": "051227308989"}"#;
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), driver.as_bytes());
    let output = child.wait_with_output().unwrap();
    let [said, failed] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.success(), said + &failed)
}

/// Writes another pepper into the file of secrets, and returns what the file held.
fn write_other_pepper(data_dir: &Path) -> String {
    let path = data_dir.join("secrets.json");
    let right = std::fs::read_to_string(&path).unwrap();
    let mut other: Value = serde_json::from_str(&right).unwrap();
    other["claim_pepper"] = json!(OTHER);
    std::fs::write(&path, other.to_string()).unwrap();
    right
}

async fn forget(aws: &Aws) {
    let delete = aws.dynamodb().delete_item().table_name(tables().claims);
    delete.key("pk", AttributeValue::S("pepper".to_owned())).send().await.unwrap();
}

/// The variables of a compiled function, except the pepper.
pub fn variables(world: &World, is_given: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let about = world.stack.description();
    let file = for_sam(world.data_dir()).unwrap().file;
    let all: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let all = all["Parameters"].as_object().unwrap();
    let mut variables: Vec<_> = all
        .iter()
        .filter(|(name, _)| is_given(name) || !not_for_all().any(|special| special == name.as_str()))
        .map(|(name, value)| (name.clone(), value.as_str().unwrap().replace("host.docker.internal", "127.0.0.1")))
        .filter(|(name, _)| name != "CLAIM_PEPPER")
        .collect();
    let access = [
        ("AWS_REGION", &about.region),
        ("AWS_ACCESS_KEY_ID", &about.aws_access_key_id),
        ("AWS_SECRET_ACCESS_KEY", &about.aws_secret_access_key),
    ];
    variables.extend(access.map(|(name, value)| (name.to_owned(), value.clone())));
    variables
}

/// Every compiled function that has a pepper, on the tables of a running stack.
#[tokio::test(flavor = "multi_thread")]
async fn function_with_wrong_pepper_fails_to_start() {
    let world = world().await;
    let folder = binaries();
    let started = async |given: &Given, pepper: &str| {
        let name = given.binary;
        let mut variables = variables(&world, |setting| given.has(setting));
        variables.push(("CLAIM_PEPPER".to_owned(), pepper.to_owned()));
        let process = Process::start(&folder.join(name), name, variables, HTTP_TIMEOUT).await.unwrap();
        let ready = process.ready().await;
        process.kill().await;
        (ready.is_ok(), process.lines().concat())
    };
    let peppered = GIVEN.into_iter().filter(|given| given.has("CLAIM_PEPPER")).collect::<Vec<_>>();
    assert_eq!(peppered.len(), 7, "simulate, register, applications, batches, import, audit, console");
    let right = world.secrets.service.claim_pepper.clone();
    for given in &peppered {
        let name = given.binary;
        let (ready, lines) = started(given, OTHER).await;
        assert!(!ready && lines.contains("cannot start"), "{name}: {lines}");
        assert!(lines.contains("CLAIM_PEPPER is not the pepper of these tables"), "{name}: {lines}");
        assert!(!lines.contains(OTHER), "{name}: {lines}");
        assert!(started(given, &right).await.0, "{name}");
    }
    forget(&world.aws).await;
    for given in &peppered {
        let name = given.binary;
        let (ready, lines) = started(given, &right).await;
        assert!(!ready && lines.contains("hold no check value") && lines.contains("cee pepper"), "{name}: {lines}");
    }
}

/// The whole stack, on data of another stack: with a setting, and with another file of secrets.
#[tokio::test(flavor = "multi_thread")]
async fn service_with_wrong_pepper_fails_to_start() {
    let folder = TempDir::new().unwrap();
    let options = || Options { now: Some(at(NOW)), ..Options::new(folder.path()) };
    let before = world_on(&options()).await;
    let token = before.token(1);
    assert_eq!(before.api.register(&token, &long("L1")).await.status, StatusCode::CREATED);
    before.end().await;
    let settings = vec![("CLAIM_PEPPER".to_owned(), OTHER.to_owned())];
    let refused = Stack::start(&Options { settings, ..options() }).await.err().unwrap().to_string();
    assert!(refused.contains("a function cannot start") && refused.contains("is not the pepper of these"), "{refused}");
    let log = folder.path().join("dynamodb.sqlite-wal");
    assert!(!log.exists(), "a failed start closes the database before it unlocks the directory");
    let right = write_other_pepper(folder.path());
    let refused = Stack::start(&options()).await.err().unwrap().to_string();
    assert!(refused.starts_with("CLAIM_PEPPER is not the pepper of these tables"), "{refused}");
    std::fs::write(folder.path().join("secrets.json"), right).unwrap();
    let after = world_on(&options()).await;
    assert_eq!(after.api.register(&token, &long("L1")).await.status, StatusCode::CONFLICT);
}

/// Data of a release without a check value.
#[tokio::test(flavor = "multi_thread")]
async fn data_without_check_value_gets_it_from_right_pepper() {
    let folder = TempDir::new().unwrap();
    let options = || Options { now: Some(at(NOW)), ..Options::new(folder.path()) };
    let before = world_on(&options()).await;
    let token = before.token(1);
    assert_eq!(before.api.register(&token, &long("L1")).await.status, StatusCode::CREATED);
    forget(&before.aws).await;
    before.end().await;
    let right = write_other_pepper(folder.path());
    let refused = Stack::start(&options()).await.err().unwrap().to_string();
    assert!(refused.contains("none of 1 applications has its claims"), "{refused}");
    std::fs::write(folder.path().join("secrets.json"), right).unwrap();
    let after = world_on(&options()).await;
    assert_eq!(after.api.register(&token, &long("L1")).await.status, StatusCode::CONFLICT);
    assert_eq!(team(folder.path(), &["pepper"]), (true, "CLAIM_PEPPER is the pepper of these tables\n".to_owned()));
}

/// The tables did not answer when the functions started: the first call to which they answer compares the pepper.
#[tokio::test(flavor = "multi_thread")]
async fn call_before_pepper_is_verified_returns_500() {
    const CHECK: &str = r#""pepper""#;
    let wire = Wire::new();
    wire.always(CHECK, Fault::Unavailable);
    let world = world_with(|options| {
        options.now = Some(at(NOW));
        options.faults = Some(wire.plan());
    })
    .await;
    let token = world.token(1);
    wire.always("nothing holds this", Fault::Unavailable);
    let right =
        scan_all(&world.aws, &tables().claims).await.into_iter().find(|item| item["pk"].as_s().unwrap() == "pepper");
    let put = |check: AttributeValue| {
        let item = right.clone().unwrap().into_iter().chain([("check".to_owned(), check)]).collect();
        world.aws.dynamodb().put_item().table_name(tables().claims).set_item(Some(item)).send()
    };
    put(AttributeValue::S("another".to_owned())).await.unwrap();
    for _ in 0..2 {
        let refused = world.api.register(&token, &long("L1")).await;
        assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal"));
        let id = refused.json()["request_id"].as_str().unwrap().to_owned();
        let said = logs().lines().any(|line| line.contains(&id) && line.contains("CLAIM_PEPPER is not the pepper"));
        assert!(said, "the log does not say why");
    }
    assert_eq!(world.applications().await, [], "nothing is granted");
    put(right.clone().unwrap()["check"].clone()).await.unwrap();
    assert_eq!(world.api.register(&token, &long("L1")).await.status, StatusCode::CREATED);
    // From then on no call compares it.
    wire.take_operations();
    assert_eq!(world.api.register(&token, &long("L2")).await.status, StatusCode::CONFLICT);
    assert_eq!(wire.take_operations(), ["TransactWriteItems", "GetItem"]);
}

/// The commands of the registry's team that use the pepper.
#[tokio::test(flavor = "multi_thread")]
async fn commands_with_wrong_pepper_fail_with_reason() {
    let folder = TempDir::new().unwrap();
    let world = world_on(&Options { now: Some(at(NOW)), ..Options::new(folder.path()) }).await;
    write_other_pepper(folder.path());
    let commands: [&[&str]; 5] = [
        &["audit"],
        &["driver", "show"],
        &["driver", "erase", "--reason", "asked", "--yes"],
        &["pepper"],
        &["pepper", "--yes"],
    ];
    for words in commands {
        let (done, said) = team(folder.path(), words);
        assert!(!done && said.contains("CLAIM_PEPPER is not the pepper of these tables"), "{words:?}: {said}");
        assert!(!said.contains(OTHER), "{words:?}: {said}");
    }
    forget(&world.aws).await;
    for words in &commands[..3] {
        let (done, said) = team(folder.path(), words);
        assert!(!done && said.contains("hold no check value") && said.contains("cee pepper"), "{words:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pepper_command_writes_check_value_unless_contradicted() {
    let folder = TempDir::new().unwrap();
    let world = world_on(&Options { now: Some(at(NOW)), ..Options::new(folder.path()) }).await;
    let pepper = |words: &[&str]| team(folder.path(), &[&["pepper"], words].concat());
    let is_noted =
        async || scan_all(&world.aws, &tables().claims).await.iter().any(|item| item["pk"].as_s().unwrap() == "pepper");
    forget(&world.aws).await;
    let (done, said) = pepper(&[]);
    assert!(done && said.contains("hold no check value") && said.contains("tables are empty"), "{said}");
    assert!(said.contains("add --yes") && !is_noted().await);
    let (done, said) = pepper(&["--yes"]);
    assert!(done && said.contains("the check value is written") && is_noted().await, "{said}");
    assert_eq!(pepper(&["--yes"]), (true, "CLAIM_PEPPER is the pepper of these tables\n".to_owned()));

    // History alone proves nothing: the team has to confirm it.
    world
        .upload(
            "imports/1/h.csv",
            "journey_type,last_name_trunc,phone_trunc,datetime\nlong,TO ,+336010203,2021-02-15\n",
        )
        .await;
    forget(&world.aws).await;
    let (done, said) = pepper(&["--yes"]);
    assert!(!done && said.contains("history alone") && said.contains("--unproven") && !is_noted().await, "{said}");
    let (done, said) = pepper(&["--yes", "--unproven"]);
    assert!(done && is_noted().await, "{said}");

    assert_eq!(world.api.register(&world.token(1), &long("L1")).await.status, StatusCode::CREATED);
    forget(&world.aws).await;
    let (done, said) = pepper(&["--yes"]);
    assert!(done && said.contains("1 applications have their claims") && is_noted().await, "{said}");
    // One application that another pepper granted: the tables are a mixture.
    let mut strange = world.applications().await.swap_remove(0);
    strange.insert("uuid".to_owned(), AttributeValue::S(uuid::Uuid::from_u128(1).to_string()));
    strange.insert("driving_license".to_owned(), AttributeValue::S("L9".to_owned()));
    let put = world.aws.dynamodb().put_item().table_name(tables().applications).set_item(Some(strange));
    put.send().await.unwrap();
    forget(&world.aws).await;
    let (done, said) = pepper(&["--yes"]);
    assert!(!done && said.contains("1 of 2 applications lack a claim") && !is_noted().await, "{said}");
    // No flag accepts a pepper that no application confirms.
    let right = write_other_pepper(folder.path());
    let (done, said) = pepper(&["--yes", "--unproven"]);
    assert!(!done && said.contains("none of 2 applications") && !is_noted().await, "{said}");
    std::fs::write(folder.path().join("secrets.json"), right).unwrap();
    assert!(pepper(&["--yes", "--unproven"]).0 && is_noted().await);
}
