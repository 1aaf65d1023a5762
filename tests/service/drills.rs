//! Rare tasks of the registry's team, some of them for emergencies: each step as docs/runbook.md describes it, on the program as
//! `cargo run` starts it.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::stack::{known, tables};
use cee_registry::Tables;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::applications::proof;
use crate::crash::serve;
use crate::support::{Answer, Api, cee, scan};

/// The program's output for these arguments, and whether it succeeded.
fn team(data_dir: &Path, words: &[&str]) -> (bool, String) {
    let output = Command::new(cee()).args(words).arg("--data-dir").arg(data_dir).output().unwrap();
    let [said, failed] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    let is_done = output.status.success();
    (is_done, if is_done { said } else { said + &failed })
}

fn done(data_dir: &Path, words: &[&str]) -> String {
    let (done, said) = team(data_dir, words);
    assert!(done, "{words:?}: {said}");
    said
}

/// The `kid` in an output.
fn kid(said: &str) -> String {
    said.split_whitespace().nth(2).unwrap().to_owned()
}

fn kid_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

/// A stack that runs until something has to change.
struct Running {
    child: tokio::process::Child,
    api: Api,
    token: String,
}

impl Running {
    async fn start(folder: &TempDir) -> Self {
        let (child, about) = serve(folder, &[]).await;
        let token = about["operators"][0]["token"].as_str().unwrap().to_owned();
        Self { child, api: Api::new(about["api_url"].as_str().unwrap()), token }
    }

    /// As a deployment does: calls in progress are answered, and the next stack starts on the same data.
    async fn again(mut self, folder: &TempDir) -> Self {
        self.child.kill().await.unwrap();
        Self::start(folder).await
    }

    async fn keys(&self) -> Value {
        self.api.get("/.well-known/jwks.json").await.json()
    }

    async fn kids(&self) -> Vec<String> {
        let keys = self.keys().await;
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    async fn register(&self, number: u32) -> Value {
        let answer = self.ask(number).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()
    }

    async fn ask(&self, number: u32) -> Answer {
        let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+3360000{number:02}"),
                          "driving_license": format!("{number:012}"), "datetime": "2024-03-15T08:30:00Z"});
        self.api.register(&self.token, &body).await
    }
}

fn token(application: &Value) -> &str {
    application["token"].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_proof_key_still_verifies_old_proofs() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    let before = Running::start(&folder).await;
    let old = before.register(1).await;
    let old_kid = kid_of(token(&old));
    assert_eq!(before.kids().await, [old_kid.as_str()]);
    let cached = before.keys().await;

    let new_kid = kid(&done(&data_dir, &["secret", "announce", "--signer", "proof"]));
    assert!(team(&data_dir, &["secret", "announce", "--signer", "proof"]).1.contains("announced already"));
    let announced = before.again(&folder).await;
    assert_eq!(announced.kids().await, [old_kid.as_str(), &new_kid], "known before it signs");
    let between = announced.register(2).await;
    assert_eq!(kid_of(token(&between)), old_kid);
    assert!(proof(token(&between), &cached).is_some(), "whoever has not looked yet loses nothing");

    assert_eq!(kid(&done(&data_dir, &["secret", "sign", "--signer", "proof"])), new_kid);
    let after = announced.again(&folder).await;
    let new = after.register(3).await;
    assert_eq!(kid_of(token(&new)), new_kid, "new ones carry the new kid");
    let keys = after.keys().await;
    for application in [&old, &between, &new] {
        assert!(proof(token(application), &keys).is_some());
        let path = format!("/policies/cee/{}", application["uuid"].as_str().unwrap());
        assert_eq!(after.api.call(Method::GET, &path, &after.token).await.json(), *application);
    }
    assert!(proof(token(&new), &cached).is_none(), "the test can tell");
    let (taken, why) = team(&data_dir, &["secret", "retire", "--signer", "proof", "--kid", &old_kid]);
    assert!(!taken && why.contains("no proof key is ever taken out"), "{why}");
    assert!(team(&data_dir, &["secret", "sign", "--signer", "proof"]).1.contains("announce one first"));
}

#[tokio::test(flavor = "multi_thread")]
async fn application_token_is_valid_until_its_key_is_retired() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    let signer = ["--signer", "application-token"];
    let is_let_in = async |running: &Running, token: &str| {
        running.api.simulate(token, &json!({})).await.status == StatusCode::BAD_REQUEST
    };
    let before = Running::start(&folder).await;
    let old = before.token.clone();
    let new_kid = kid(&done(&data_dir, &[&["secret", "announce"], &signer[..]].concat()));
    let announced = before.again(&folder).await;
    assert!(is_let_in(&announced, &old).await && kid_of(&announced.token) == kid_of(&old));
    done(&data_dir, &[&["secret", "sign"], &signer[..]].concat());
    let after = announced.again(&folder).await;
    assert_eq!(kid_of(&after.token), new_kid);
    assert!(is_let_in(&after, &old).await, "the old one is valid until it ends");
    assert!(is_let_in(&after, &after.token).await);
    let retire = |kid: &str| team(&data_dir, &[&["secret", "retire", "--kid", kid], &signer[..]].concat());
    assert!(retire(&new_kid).1.contains("cannot be retired"));
    // A `kid` is made of the key's bytes, and one in 64 begins like an option.
    assert!(retire("-nobody").1.contains("no key -nobody"));
    assert!(retire(&kid_of(&old)).0);
    let last = after.again(&folder).await;
    assert_eq!(last.api.simulate(&old, &json!({})).await.status, StatusCode::UNAUTHORIZED);
    assert!(is_let_in(&last, &last.token).await);
}

/// Tables as DynamoDB restores them to a moment: new tables beside the others, with the content of that moment.
async fn restored_beside(aws: &cee_service::aws::Aws, restored: &Tables) {
    let db = aws.dynamodb();
    restored.create_missing(&db).await.unwrap();
    for (table, name) in [(tables().claims, &restored.claims), (tables().applications, &restored.applications)] {
        for item in scan(aws, &table).await {
            db.put_item().table_name(name).set_item(Some(item)).send().await.unwrap();
        }
    }
}

/// Empty tables with the key of claims.
async fn restored_empty(aws: &cee_service::aws::Aws, names: &[&str]) {
    for name in names {
        let others = tables();
        Tables { claims: (*name).to_owned(), ..others }.create_missing(&aws.dynamodb()).await.unwrap();
    }
}

/// Somebody has changed the tables by hand: they are restored to their earlier content.
#[tokio::test(flavor = "multi_thread")]
async fn restore_returns_tables_to_earlier_moment() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    let running = Running::start(&folder).await;
    for number in 1..=60 {
        running.register(number).await;
    }
    assert!(done(&data_dir, &["audit"]).contains("60 applications, 120 claim items"));
    let (about, _) = known(&data_dir).unwrap();
    let aws = about.aws();
    let claims = tables().claims;
    let (claims_then, applications_then) = ("claims-at-noon".to_owned(), "applications-at-noon".to_owned());
    restored_beside(&aws, &Tables { claims: claims_then, applications: applications_then, ..tables() }).await;

    // One claim item is missing, one is changed, and one application was registered after that moment.
    let db = aws.dynamodb();
    let before = scan(&aws, &claims).await;
    let key = |item: &HashMap<String, AttributeValue>| HashMap::from([("pk".to_owned(), item["pk"].clone())]);
    db.delete_item().table_name(&claims).set_key(Some(key(&before[0]))).send().await.unwrap();
    let changed = db.update_item().table_name(&claims).set_key(Some(key(&before[1])));
    let changed = changed
        .update_expression("SET sd = :then")
        .expression_attribute_values(":then", AttributeValue::N("0".to_owned()));
    changed.send().await.unwrap();
    running.register(99).await;
    let (clean, found) = team(&data_dir, &["audit"]);
    assert!(!clean && found.contains("unclaimed") && found.contains("wrong date"), "{found}");

    let put_back = |table: &str, from: &str, more: &[&str]| {
        done(&data_dir, &[&["restore", "--table", table, "--from", from], more].concat())
    };
    let expected = "118 items as in claims-at-noon, 1 lost, 1 changed, 2 added since";
    assert!(put_back("claims", "claims-at-noon", &[]).contains(expected), "only told");
    assert!(put_back("claims", "claims-at-noon", &["--yes"]).contains(expected));
    assert!(
        put_back("claims", "claims-at-noon", &["--yes"])
            .contains("120 items as in claims-at-noon, 0 lost, 0 changed, 0 added")
    );
    let (clean, found) = team(&data_dir, &["audit"]);
    assert!(!clean && found.contains("unclaimed"), "one table without the others is not enough: {found}");
    assert!(
        put_back("applications", "applications-at-noon", &["--yes"])
            .contains("60 items as in applications-at-noon, 0 lost, 0 changed, 1 added")
    );
    assert!(done(&data_dir, &["audit"]).contains("60 applications, 120 claim items"));
    assert!(done(&data_dir, &["audit"]).contains("0 findings"));
    let all = |items: Vec<HashMap<String, AttributeValue>>| {
        items.into_iter().map(|item| (item["pk"].as_s().unwrap().clone(), item)).collect::<HashMap<_, _>>()
    };
    assert_eq!(all(scan(&aws, &claims).await), all(before));
    // A driver registered after that moment may register again, and an earlier driver may not.
    running.register(99).await;
    assert_eq!(running.ask(1).await.status, StatusCode::CONFLICT);

    // An empty table, one of another kind with the same key, and one whose name differs: confirmed twice.
    restored_empty(&aws, &["claims-empty", "journeys-at-noon", "something"]).await;
    let unrelated = HashMap::from([("pk".to_owned(), AttributeValue::S("1#a".to_owned()))]);
    db.put_item().table_name("journeys-at-noon").set_item(Some(unrelated)).send().await.unwrap();
    for item in scan(&aws, &claims).await {
        db.put_item().table_name("something").set_item(Some(item)).send().await.unwrap();
    }
    let gone = scan(&aws, "something").await.swap_remove(0);
    db.delete_item().table_name(&claims).set_key(Some(key(&gone))).send().await.unwrap();
    let held = all(scan(&aws, &claims).await);
    for (from, why, numbers, changing) in [
        (
            "claims-empty",
            "claims-empty is empty",
            "0 items would be put back, 0 replaced and 121 removed; 0 would stay",
            121,
        ),
        (
            "journeys-at-noon",
            "more items would be removed than would stay",
            "1 items would be put back, 0 replaced and 121",
            122,
        ),
        ("something", "does not contain claims", "1 items would be put back, 0 replaced and 0 removed; 121", 1),
    ] {
        let words = ["restore", "--table=claims", "--from", from];
        let compared = done(&data_dir, &words);
        assert!(compared.contains(numbers) && compared.contains("look again") && compared.contains(why), "{compared}");
        for more in [&["--yes"][..], &["--yes", "--changing", "7"]] {
            let (taken, said) = team(&data_dir, &[&words, more].concat());
            assert!(!taken && said.contains("nothing was written"), "{from}: {said}");
            assert!(said.contains(&format!("--changing {changing}")) || more.len() == 3, "{from}: {said}");
            assert!(said.contains(numbers) || more.len() == 3, "{from}: {said}");
            assert_eq!(all(scan(&aws, &claims).await), held, "{from}");
        }
    }
    let (taken, said) = team(&data_dir, &["restore", "--table=claims", "--from=something", "--changing", "1"]);
    assert!(!taken && said.contains("--yes"), "{said}");
    let words = ["restore", "--table=claims", "--from=something", "--yes", "--changing", "1"];
    assert!(done(&data_dir, &words).contains("121 items as in something, 1 lost"));
    assert_eq!(scan(&aws, &claims).await.len(), 122);

    let (taken, why) = team(&data_dir, &["restore", "--table=claims", "--from=applications-at-noon", "--yes"]);
    assert!(!taken && why.contains("have other keys"), "{why}");
    let (taken, why) = team(&data_dir, &["restore", "--table=claims", "--from", &claims, "--yes"]);
    assert!(!taken && why.contains("are one"), "{why}");
    let (taken, why) = team(&data_dir, &["restore", "--table=claims", "--from=nothing", "--yes"]);
    assert!(!taken && why.contains("one of the two does not exist (ResourceNotFoundException)"), "{why}");
    let (taken, why) = team(&data_dir, &["restore", "--table=claims", "--from=", "--yes"]);
    assert!(!taken && why.contains("a table's name has"), "{why}");
}

/// The pepper moves unchanged to another secret. Under another pepper no granted application would be found: the service does not start.
#[tokio::test(flavor = "multi_thread")]
async fn moved_pepper_still_finds_each_driver() {
    let folder = TempDir::new().unwrap();
    let data_dir = folder.path().join("data");
    let before = Running::start(&folder).await;
    before.register(1).await;
    let old = std::fs::read_to_string(data_dir.join("secrets.json")).unwrap();
    // A secret of its own, as `secret new` creates one for a new registry.
    std::fs::remove_file(data_dir.join("secrets.json")).unwrap();
    let Running { mut child, .. } = before;
    child.kill().await.unwrap();
    let (started, said) = team(&data_dir, &["serve", "--port=0", "--dynamodb-port=0", "--s3-port=0"]);
    assert!(!started && said.contains("CLAIM_PEPPER is not the pepper of these tables"), "{said}");
    // Everything is new except the pepper.
    let new = std::fs::read_to_string(data_dir.join("secrets.json")).unwrap();
    let [mut new, old]: [Value; 2] = [&new, &old].map(|text| serde_json::from_str(text).unwrap());
    assert_ne!(new["claim_pepper"], old["claim_pepper"]);
    new["claim_pepper"] = old["claim_pepper"].clone();
    std::fs::write(data_dir.join("secrets.json"), new.to_string()).unwrap();
    let moved = Running::start(&folder).await;
    assert!(done(&data_dir, &["audit"]).contains("0 findings"));
    assert_eq!(moved.ask(1).await.status, StatusCode::CONFLICT);
}

/// On AWS the secret goes from Secrets Manager through the command and back.
#[test]
fn secret_is_created_and_rotated_through_pipe() {
    use std::io::Write as _;
    use std::process::Stdio;
    let run = |words: &[&str], secret: &str| {
        let mut child = Command::new(cee())
            .arg("secret")
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(secret.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (made, _) = run(&["new"], "");
    let secret: Value = serde_json::from_str(&made).unwrap();
    let members: Vec<&str> = secret.as_object().unwrap().iter().map(|(name, _)| name.as_str()).collect();
    // What the template requires.
    let template = include_str!("../../template.yaml");
    for name in &members {
        assert!(template.contains(&format!("SecretString:{name}:")), "{name}");
    }
    assert_eq!(members.len(), 5);
    let kids = |secret: &str| {
        let secret: Value = serde_json::from_str(secret).unwrap();
        let set: Value = serde_json::from_str(secret["proof_jwks"].as_str().unwrap()).unwrap();
        set["keys"].as_array().unwrap().len()
    };
    let (announced, said) = run(&["announce", "--signer=proof", "--pipe"], &made);
    assert_eq!((kids(&made), kids(&announced)), (1, 2));
    let (signs, _) = run(&["sign", "--signer=proof", "--pipe"], &announced);
    let signs: Value = serde_json::from_str(&signs).unwrap();
    assert_ne!(signs["proof_key"], secret["proof_key"]);
    assert_eq!(signs["claim_pepper"], secret["claim_pepper"], "it never changes");
    assert!(said.contains("verifies from now on") && !said.contains("PRIVATE"), "{said}");
    // For an invalid key the message names only its place.
    let (nothing, said) =
        run(&["announce", "--signer=proof", "--pipe"], "{\"claim_pepper\": \"a secret\", \"proof_key\": 7}");
    assert!(nothing.is_empty() && said.contains("line 1") && !said.contains("a secret"), "{said}");
}
