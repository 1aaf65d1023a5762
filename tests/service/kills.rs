//! `kill -9` during a delete, a batch, an undo and an erasure: each is then complete or untouched, or completes when its caller tries
//! again.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::crash::{aws_of, serve};
use crate::support::{Answer, Api, NOW, cee, reports};

/// The number of kills.
const KILLS: u64 = 20;

/// The number of rows of the batch and of the undone file.
const ROWS: usize = 60;

/// Starts a command of the registry's team. It is killed with its holder.
async fn start(data: &Path, words: &[&str], input: &Value) -> Child {
    let mut command = Command::new(cee());
    command.args(words).arg("--data-dir").arg(data).kill_on_drop(true);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ended before it read reports that by itself.
    let _ = child.stdin.take().unwrap().write_all(input.to_string().as_bytes()).await;
    child
}

/// Runs a command to its end, and returns its output.
async fn done(data: &Path, words: &[&str], input: &Value) -> String {
    let Output { status, stdout, stderr } = start(data, words, input).await.wait_with_output().await.unwrap();
    let said = String::from_utf8([stdout, stderr].concat()).unwrap();
    assert!(status.success(), "{words:?}: {said}");
    said
}

/// One driver of a round, by a letter that says what happens to the driver.
fn driver(round: u64, what: char) -> Value {
    json!({"journey_type": "long", "last_name_trunc": format!("{what}XQ"), "phone_trunc": format!("+336{round:06}"),
           "driving_license": format!("KILL{what}{round:04}"), "datetime": "2024-03-15T07:30:00Z"})
}

fn batch(round: u64) -> Value {
    (0..ROWS)
        .map(|row| {
            json!({"journey_type": "long", "last_name_trunc": "BXQ", "phone_trunc": format!("+337{round:03}{row:03}"),
                   "datetime": "2021-02-15T00:00:00Z"})
        })
        .collect()
}

async fn call(api: &Api, method: Method, path: &str, token: &str, body: &Value) -> Option<Answer> {
    api.send(api.request(method, path, Some(token), body.to_string().into_bytes())).await.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_killed_at_twenty_moments_end_complete_or_untouched() {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    let mut random = fastrand::Rng::with_seed(4);
    let (mut deleted, mut unfinished) = (0_u64, 0);
    let (mut child, mut about) = serve(&folder, &["--now", NOW]).await;
    for round in 0..KILLS {
        let api = Api::new(about["api_url"].as_str().unwrap());
        let token = about["operators"][0]["token"].as_str().unwrap().to_owned();
        let mut granted = Vec::new();
        for what in ['D', 'E'] {
            granted.push(api.registered(&token, &driver(round, what)).await);
        }
        let delete = format!("/policies/cee/{}", granted[0]);
        let rows: String = (0..ROWS).map(|row| format!("long,UXQ,+336{round:03}{row:03},2021-02-15\n")).collect();
        let key = format!("imports/1/{round}.csv");
        let put = aws_of(&about).s3().put_object().bucket("cee-local").key(&key);
        put.body(format!("journey_type,last_name_trunc,phone_trunc,datetime\n{rows}").into_bytes().into())
            .send()
            .await
            .unwrap();
        let import = loop {
            if let Some(report) = reports(&aws_of(&about), "reports/1/").await.get(&key) {
                break report["import_id"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let undo = ["undo", "--operator", "1", "--yes", "--import", &import];
        let erase = ["driver", "erase", "--reason", "asked", "--yes"];
        let whom = json!({"driving_license": format!("KILLE{round:04}"), "last_name_trunc": "EXQ",
                          "phone_trunc": format!("+336{round:06}")});

        // All four at once, killed at a moment that no other round has.
        let (undoing, erasing) = (start(&data, &undo, &json!(null)).await, start(&data, &erase, &whom).await);
        let calls = [
            (Method::DELETE, delete.clone(), json!(null)),
            (Method::POST, "/policies/cee/import".into(), batch(round)),
        ];
        let calls = calls.map(|(method, path, body)| {
            let (api, token) = (api.clone(), token.clone());
            tokio::spawn(async move { call(&api, method, &path, &token, &body).await })
        });
        tokio::time::sleep(Duration::from_millis(random.u64(0..40))).await;
        child.kill().await.unwrap();
        drop((undoing, erasing));
        for call in calls {
            unfinished += usize::from(call.await.unwrap().is_none());
        }

        (child, about) = serve(&folder, &["--now", NOW]).await;
        let api = Api::new(about["api_url"].as_str().unwrap());
        let token = about["operators"][0]["token"].as_str().unwrap().to_owned();
        // The delete: the application is complete, or the driver is free.
        let found = api.call(Method::GET, &delete, &token).await.status;
        let mut question = driver(round, 'D');
        question.as_object_mut().unwrap().remove("datetime");
        let free = api.simulate(&token, &question).await.status;
        assert!(
            matches!((found, free), (StatusCode::OK, StatusCode::CONFLICT) | (StatusCode::NOT_FOUND, StatusCode::OK)),
            "round {round}: {found} {free}"
        );
        deleted += u64::from(found == StatusCode::NOT_FOUND);
        // The batch: after a retry every row is imported.
        let again = api.post("/policies/cee/import", &token, &batch(round)).await.json();
        let sum = ["imported", "already_known"].map(|name| again[name].as_u64().unwrap()).iter().sum::<u64>();
        assert_eq!((sum, &again["failed"]), (ROWS as u64, &json!(0)), "round {round}: {again}");
        // The undo continues by itself if it had begun; asked again, it reports what was removed.
        let said = done(&data, &undo, &json!(null)).await;
        assert!(said.contains(&format!("{ROWS} applications removed")), "round {round}: {said}");
        // The erasure: asked again, no application names the driver. The claims, which are keyed hashes, stay.
        done(&data, &erase, &whom).await;
        let told = done(&data, &["driver", "show"], &whom).await;
        assert!(told.contains(r#""applications": []"#), "round {round}: {told}");
    }
    println!("{unfinished} of {} calls had no answer, {deleted} of {KILLS} deletes were complete", 2 * KILLS);
    // Each application that is gone is in the feed of changes as deleted, once, and no other.
    let api = Api::new(about["api_url"].as_str().unwrap());
    let token = about["operators"][0]["token"].as_str().unwrap().to_owned();
    let feed = crate::changes::replayed(&api, &token).await;
    let told = crate::changes::deleted_in(&feed);
    assert_eq!(told.len() as u64, deleted + KILLS, "{feed:?}");
    let said = done(&data, &["audit", "--parts-per-second", "1000"], &json!(null)).await;
    assert!(said.contains("0 findings"), "{said}");
    child.kill().await.unwrap();
}
