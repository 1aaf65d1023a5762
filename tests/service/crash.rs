//! `kill -9` in the middle of a burst, and a restart on the same data.

use std::io::Seek as _;
use std::process::Stdio;
use std::sync::Arc;

use cee_local::stack::{Description, tables};
use cee_registry::Applications;
use cee_service::aws::Aws;
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use crate::support::{Api, cee, scan};

/// Starts the program on this data, and returns when it has printed `ready`.
pub async fn serve(folder: &TempDir, options: &[&str]) -> (Child, Value) {
    serve_in(folder, options, &[]).await
}

/// The same, with these variables in its environment.
pub async fn serve_in(folder: &TempDir, options: &[&str], environment: &[(&str, &str)]) -> (Child, Value) {
    let data_dir = folder.path().join("data");
    let said = tempfile::tempfile().unwrap();
    let mut child = Command::new(cee())
        .args([
            "serve",
            "--calls-per-second",
            "0",
            "--port",
            "0",
            "--dynamodb-port",
            "0",
            "--s3-port",
            "0",
            "--data-dir",
        ])
        .arg(&data_dir)
        .args(options)
        // The developer's own endpoints are not for tests.
        .env_remove("AWS_ENDPOINT_URL_DYNAMODB")
        .env_remove("AWS_ENDPOINT_URL_S3")
        .envs(environment.iter().copied())
        .stdout(Stdio::piped())
        .stderr(said.try_clone().unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    loop {
        let Some(line) = lines.next_line().await.unwrap() else {
            (&said).rewind().unwrap();
            panic!("the program ended before it was ready: {}", std::io::read_to_string(&said).unwrap());
        };
        if line == "ready" {
            break;
        }
    }
    // Writing to a closed pipe would be an error; nothing reads on.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    let description = std::fs::read(data_dir.join("local.json")).unwrap();
    (child, serde_json::from_slice(&description).unwrap())
}

/// The addresses that the program has printed.
pub fn aws_of(about: &Value) -> Aws {
    serde_json::from_value::<Description>(about.clone()).unwrap().aws()
}

fn driver(round: usize, number: usize) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+336{round}{number:05}"),
           "driving_license": format!("{round:04}{number:08}"), "identity_key": format!("{round:032x}{number:032x}"),
           "datetime": "2024-03-15T08:30:00Z"})
}

#[tokio::test(flavor = "multi_thread")]
async fn granted_application_survives_kill() {
    let folder = TempDir::new().unwrap();
    let mut granted: Vec<(String, String, Value)> = Vec::new();
    for round in 0..3 {
        let (mut child, about) = serve(&folder, &["--now", "2024-05-01T00:00:00Z"]).await;
        let api = Api::new(about["api_url"].as_str().unwrap());
        let token = about["operators"][round]["token"].as_str().unwrap().to_owned();
        // Sixteen clients call without a pause until the service is killed.
        let answered = Arc::new(Semaphore::new(0));
        let clients = (0..16).map(|client| {
            let (api, token, answered) = (api.clone(), token.clone(), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut answers = Vec::new();
                for call in 0.. {
                    let body = driver(round, client * 5_000 + call);
                    let request =
                        api.request(http::Method::POST, "/policies/cee", Some(&token), body.to_string().into_bytes());
                    match api.send(request).await {
                        // A response that did not arrive whole promises nothing.
                        Ok(answer) if serde_json::from_str::<Value>(&answer.text).is_ok() => {
                            answers.push((body, answer));
                            answered.add_permits(1);
                        }
                        _ => break,
                    }
                }
                answers
            })
        });
        let clients: Vec<_> = clients.collect();
        // Somewhere in the burst, each time at another place.
        drop(answered.acquire_many(100 + 73 * round as u32).await.unwrap());
        child.kill().await.unwrap();
        let before = granted.len();
        for client in clients {
            for (body, answer) in client.await.unwrap() {
                assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
                let answer = answer.json();
                let text = |name: &str| answer[name].as_str().unwrap().to_owned();
                granted.push((text("uuid"), text("token"), body));
            }
        }
        assert!(granted.len() > before, "the burst had not begun");
    }

    let (mut child, about) = serve(&folder, &["--now", "2024-05-01T00:00:00Z"]).await;
    let text = |name: &str| about[name].as_str().unwrap();
    let aws = aws_of(&about);
    let applications = Applications::new(aws.dynamodb(), &tables());
    for (uuid, token, _) in &granted {
        let id = cee_eligibility::ApplicationId::parse(uuid).unwrap();
        let stored = applications.find(id).await.unwrap().unwrap_or_else(|| panic!("{uuid} was granted and is gone"));
        assert_eq!(&stored.token, token);
    }
    // No application without its claims, no claim without its application.
    let claims = scan(&aws, &tables().claims).await;
    let stored = crate::support::applications(&aws).await;
    assert!(stored.len() >= granted.len(), "an answer may be lost, an application may not");
    let mut records = 0;
    for item in &stored {
        let attribute = format!("a#{}", item["uuid"].as_s().unwrap());
        let holding = claims.iter().filter(|claim| claim.contains_key(&attribute)).count();
        assert_eq!(holding, 3, "{attribute}");
        records += holding;
    }
    let all: usize = claims.iter().map(|item| item.keys().filter(|name| name.starts_with("a#")).count()).sum();
    assert_eq!(all, records);
    // It still counts.
    let api = Api::new(text("api_url"));
    let other = about["operators"][1]["token"].as_str().unwrap();
    let answer = api.register(other, &granted[0].2).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
    child.kill().await.unwrap();
}
