//! Access keys and secrets: what they allow, how guesses are slowed down, and how the registry's team manages operators.

use std::path::Path;
use std::process::Command;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cee_eligibility::OperatorId;
use cee_local::secrets::{AUDIENCE, ISSUER};
use cee_local::stack::{Description, Options, tables};
use cee_registry::{AccessKey, Credentials, Failures};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::{Answer, Api, NOW, World, at, cee, leave_port, logs, scan, world, world_on};
use crate::wire::Wire;

const CALL: &str = "/auth/access_token";

/// In seconds.
const HOUR: i64 = 3600;

fn question() -> Value {
    json!({"journey_type": "short", "last_name_trunc": "DUP", "phone_trunc": "+336010203"})
}

/// Asks for a token, without a token.
async fn ask(api: &Api, body: &Value) -> Answer {
    api.send(api.request(Method::POST, CALL, None, body.to_string().into_bytes())).await.unwrap()
}

fn pair(access_key: &str, secret_key: &str) -> Value {
    json!({"access_key": access_key, "secret_key": secret_key})
}

/// The credential of a sample operator, from `local.json`.
fn sample(about: &Description, operator: u32) -> Value {
    let operator = about.operator(OperatorId::new(operator).unwrap()).unwrap();
    pair(&operator.access_key, &operator.secret_key)
}

/// The same access key with another secret.
fn wrong(body: &Value) -> Value {
    pair(body["access_key"].as_str().unwrap(), "not-this-one")
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn refused(answer: &Answer) -> String {
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::UNAUTHORIZED, "invalid_credentials"));
    assert_eq!(answer.headers["www-authenticate"], "AccessKey");
    answer.json()["detail"].as_str().unwrap().to_owned()
}

/// Runs a command of the registry's team. Returns whether it succeeded, the standard output and the standard error.
fn team(data_dir: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(cee()).arg("operator").args(arguments).arg("--data-dir").arg(data_dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

async fn world_at(folder: &TempDir, now: &str) -> World {
    world_on(&Options { now: Some(at(now)), ..Options::new(folder.path()) }).await
}

impl World {
    /// Moves the latest wrong guess this many seconds into the future, as if another machine's clock had recorded it. Its whole
    /// pause is still ahead: a test then sees the pause however slow it is.
    pub async fn move_failure(&self, body: &Value, seconds: i64) {
        let key = AttributeValue::S(body["access_key"].as_str().unwrap().to_owned());
        let update = self.aws.dynamodb().update_item().table_name(tables().credentials).key("access_key", key);
        let update = update.update_expression("SET failed_at = failed_at + :later");
        let later = AttributeValue::N((seconds * 1000).to_string());
        update.expression_attribute_values(":later", later).send().await.unwrap();
    }

    async fn failures(&self, body: &Value) -> Failures {
        let key = AccessKey::parse(body["access_key"].as_str().unwrap()).unwrap();
        Credentials::new(self.aws.dynamodb(), &tables()).find(&key).await.unwrap().unwrap().failures
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn token_of_credential_is_accepted_for_five_minutes() {
    let folder = TempDir::new().unwrap();
    let world = world_at(&folder, NOW).await;
    let (stack, api) = (&world.stack, &world.api);
    let mut tokens = Vec::new();
    for operator in 1..=3 {
        let answer = ask(api, &sample(stack.description(), operator)).await;
        assert_eq!(answer.headers["content-type"], "application/json");
        assert_eq!(answer.headers["cache-control"], "no-store");
        assert_eq!(answer.json().as_object().unwrap().len(), 1, "{answer:?}");
        tokens.push(token(&answer));
    }
    let issued = at(NOW).millis() / 1000;
    let claims = URL_SAFE_NO_PAD.decode(tokens[1].split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    let expected = json!({"iss": ISSUER, "aud": AUDIENCE, "iat": issued, "exp": issued + 300, "operator_id": 2,
                          "siret": "12000202200021", "scope": "cee:simulate cee:register cee:import"});
    assert_eq!(claims, expected);

    for token in &tokens {
        assert_eq!(api.simulate(token, &question()).await.status, StatusCode::OK);
        assert_eq!(api.register(token, &json!({})).await.problem(), "invalid_fields", "the token is let in");
        let place = api.post("/policies/cee/imports", token, &json!({})).await;
        assert_eq!(place.status, StatusCode::CREATED, "{place:?}");
    }
    // A credential may be used again at once.
    ask(api, &sample(stack.description(), 1)).await;
    world.end().await;

    for (now, status) in
        [("2024-05-01T00:04:59.999Z", StatusCode::OK), ("2024-05-01T00:05:00Z", StatusCode::UNAUTHORIZED)]
    {
        let world = world_at(&folder, now).await;
        let api = &world.api;
        let answer = api.simulate(&tokens[0], &question()).await;
        assert_eq!(answer.status, status, "{now}: {answer:?}");
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_or_retired_credential_gets_no_token() {
    let world = world().await;
    let (one, two) = (sample(world.stack.description(), 1), sample(world.stack.description(), 2));
    let (key, secret) = (one["access_key"].as_str().unwrap(), one["secret_key"].as_str().unwrap());
    let mut told = Vec::new();
    for body in [
        wrong(&one),
        pair(key, &secret[..39]),
        pair(key, &secret.to_lowercase()),
        pair(&key.to_lowercase(), secret),
        pair("nobody", secret),
        pair(secret, key),
        pair(key, two["secret_key"].as_str().unwrap()),
    ] {
        told.push(refused(&ask(&world.api, &body).await));
        // A right secret in between: this test is not about locks.
        token(&ask(&world.api, &one).await);
    }
    told.dedup();
    assert_eq!(told.len(), 1, "whoever does not know the secret learns nothing: {told:?}");

    // Known, but suspended or deleted. The response says so only for the right secret.
    world.admit(1, "12000101100010", true).await;
    assert!(refused(&ask(&world.api, &one).await).contains("suspended"));
    assert_eq!(refused(&ask(&world.api, &wrong(&one)).await), told[0]);
    world.admit(1, "12000101100010", false).await;
    token(&ask(&world.api, &one).await);
    let credentials = Credentials::new(world.aws.dynamodb(), &tables());
    assert!(credentials.retire(OperatorId::new(1).unwrap(), &AccessKey::parse(key).unwrap()).await.unwrap());
    assert_eq!(refused(&ask(&world.api, &one).await), told[0], "a retired one is as unknown as one that never was");
    token(&ask(&world.api, &two).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn token_call_refuses_invalid_bodies() {
    let world = world().await;
    let one = sample(world.stack.description(), 1);
    let faults = [
        (json!({}), vec!["/access_key", "/secret_key"]),
        (json!({"access_key": "a"}), vec!["/secret_key"]),
        (json!({"access_key": 1, "secret_key": null}), vec!["/access_key", "/secret_key"]),
        (json!({"access_key": "", "secret_key": "x".repeat(129)}), vec!["/access_key", "/secret_key"]),
        (json!({"access_key": "a\u{0}", "secret_key": ["s"]}), vec!["/access_key", "/secret_key"]),
        (json!({"access_key": "a", "secret_key": "b", "scope": "cee:simulate"}), vec!["/scope"]),
    ];
    for (body, pointers) in faults {
        let answer = ask(&world.api, &body).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_fields"), "{body}");
        assert_eq!(answer.pointers(), pointers, "{body}");
    }
    for body in ["", "[]", "null", "access_key=a", "{\"access_key\": \"a\"", "\u{0}"] {
        let answer = world.api.send(world.api.request(Method::POST, CALL, None, body.into())).await.unwrap();
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed_body"), "{body}");
    }
    let mut request = world.api.request(Method::POST, CALL, None, one.to_string().into_bytes());
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    assert_eq!(world.api.send(request).await.unwrap().problem(), "unsupported_media_type");
    assert_eq!(world.api.get(CALL).await.problem(), "not_found");
    // An invalid token changes nothing.
    token(&world.api.post(CALL, "not-a-token", &one).await);
    assert_eq!(world.failures(&one).await, Failures::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secrets_lock_access_key_for_growing_pauses() {
    let folder = TempDir::new().unwrap();
    let world = world_at(&folder, NOW).await;
    let (stack, api) = (&world.stack, &world.api);
    let (one, two) = (sample(stack.description(), 1), sample(stack.description(), 2));
    let locked = async |api: &Api, body: &Value, seconds: u64| {
        let answer = ask(api, body).await;
        let problem = answer.problem();
        assert_eq!((answer.status, problem.as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_attempts"));
        assert_eq!(answer.headers["retry-after"].to_str().unwrap(), seconds.to_string());
    };
    for _ in 0..4 {
        refused(&ask(api, &wrong(&one)).await);
    }
    token(&ask(api, &one).await);
    for _ in 0..5 {
        refused(&ask(api, &wrong(&one)).await);
    }
    world.move_failure(&one, HOUR).await;
    locked(api, &wrong(&one), 10).await;
    locked(api, &one, 10).await;
    token(&ask(api, &two).await);
    // Its tokens stay valid.
    let about = stack.description().operators[0].token.clone();
    assert_eq!(api.simulate(&about, &question()).await.status, StatusCode::OK);
    world.end().await;

    // The clock of the service stands still, and the pause ends anyway.
    let world = world_at(&folder, NOW).await;
    let api = &world.api;
    locked(api, &one, 10).await;
    // The pause is over: one more guess, and the next one is twice as long.
    world.move_failure(&one, -HOUR - 11).await;
    refused(&ask(api, &wrong(&one)).await);
    world.move_failure(&one, HOUR).await;
    locked(api, &one, 20).await;
    let (done, told, _) = team(folder.path(), &["show", "--id", "1"]);
    assert!(done && told.contains("6 wrong secrets in a row, locked for "), "{told}");
    world.move_failure(&one, -HOUR - 21).await;
    let (done, told, _) = team(folder.path(), &["show", "--id", "1"]);
    assert!(done && told.contains("6 wrong secrets in a row") && !told.contains("locked"), "{told}");
    token(&ask(api, &one).await);
    refused(&ask(api, &wrong(&one)).await);
    token(&ask(api, &one).await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_wrong_secrets_are_counted_right_ones_succeed() {
    let world = world().await;
    let (one, two) = (sample(world.stack.description(), 1), sample(world.stack.description(), 2));
    let mut asking = JoinSet::new();
    for number in 0..16 {
        let (api, body) = (world.api.clone(), if number % 2 == 0 { wrong(&one) } else { two.clone() });
        asking.spawn(async move { ask(&api, &body).await.status.as_u16() });
    }
    let statuses = asking.join_all().await;
    let count = |status: u16| statuses.iter().filter(|had| **had == status).count();
    // Guesses after the fifth were not checked; guesses in progress at that time were counted.
    assert_eq!((count(201), count(401) + count(429)), (8, 8), "{statuses:?}");
    let failures = world.failures(&one).await.in_a_row;
    assert!(failures >= Failures::FREE && failures as usize == count(401), "{failures} of {statuses:?}");
    world.move_failure(&one, HOUR).await;
    assert_eq!(ask(&world.api, &one).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_secret_costs_the_same_as_unknown_access_key() {
    let (world, wire) = Wire::world().await;
    let one = sample(world.stack.description(), 1);
    wire.take_operations();
    refused(&ask(&world.api, &wrong(&one)).await);
    let known = wire.take_operations();
    refused(&ask(&world.api, &pair("nobody", "not-this-one")).await);
    assert_eq!(
        (known.as_slice(), wire.take_operations()),
        (&["GetItem", "UpdateItem"].map(String::from)[..], known.clone())
    );
    assert_eq!(scan(&world.aws, &tables().credentials).await.len(), 3, "a guess leaves no item");
    token(&ask(&world.api, &one).await);
    assert_eq!(wire.take_operations(), ["GetItem", "UpdateItem", "GetItem"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_appear_in_neither_tables_nor_log() {
    let folder = TempDir::new().unwrap();
    let world = world_at(&folder, NOW).await;
    let one = sample(world.stack.description(), 1);
    let mut secrets: Vec<String> =
        world.stack.description().operators.iter().map(|operator| operator.secret_key.clone()).collect();
    let (_, admitted, said) =
        team(folder.path(), &["create", "--id", "4", "--name", "Dernier Rang", "--siret", "12000404400043"]);
    let admitted: Value = serde_json::from_str(&admitted).expect(&said);
    secrets.push(admitted["secret_key"].as_str().unwrap().to_owned());
    let got = token(&ask(&world.api, &one).await);
    refused(&ask(&world.api, &wrong(&one)).await);
    // Mistakes: the secret in the place of the access key, in a body that is not JSON, in the path.
    refused(&ask(&world.api, &pair(&secrets[0], "x")).await);
    let broken = format!("{{\"access_key\": \"{}", secrets[0]).into_bytes();
    let broken = world.api.send(world.api.request(Method::POST, CALL, None, broken)).await.unwrap();
    assert!(!broken.text.contains(&secrets[0]));
    world.api.get(&format!("{CALL}?secret_key={}", secrets[0])).await;

    let items = world.scan(&tables().credentials).await;
    assert_eq!(items.len(), 4);
    let mut salts = Vec::new();
    for item in &items {
        let shown = format!("{item:?}");
        let binary = |name: &str| item[name].as_b().unwrap().as_ref().to_vec();
        let stored = [binary("salt"), binary("hash")];
        salts.push(stored[0].clone());
        assert_eq!((stored[0].len(), stored[1].len()), (16, 64));
        // The samples' secrets stand in local.json, so a slow hash would not protect them.
        let iterations: u32 = item["iterations"].as_n().unwrap().parse().unwrap();
        let of_the_team = item["access_key"].as_s().unwrap() == admitted["access_key"].as_str().unwrap();
        assert!(iterations >= 210_000 || !of_the_team, "{iterations}");
        for secret in &secrets {
            assert!(!shown.contains(secret.as_str()), "a secret in clear");
            for algorithm in [&aws_lc_rs::digest::SHA256, &aws_lc_rs::digest::SHA512] {
                let bare = aws_lc_rs::digest::digest(algorithm, secret.as_bytes());
                for value in &stored {
                    assert!(!bare.as_ref().starts_with(value), "a hash without salt");
                }
            }
        }
    }
    salts.sort();
    salts.dedup();
    assert_eq!(salts.len(), 4, "each has a salt of its own");

    let logs = logs();
    assert!(logs.contains("wrong access key or secret"), "guesses leave no line");
    for value in secrets.iter().chain([&got[40..].to_owned()]) {
        let line = logs.lines().find(|line| line.contains(value.as_str()));
        assert!(line.is_none(), "a secret in the log: {line:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn team_creates_rotates_suspends_and_deletes_operators() {
    let folder = TempDir::new().unwrap();
    let world = world_at(&folder, NOW).await;
    let (stack, api) = (&world.stack, &world.api);
    let team = |arguments: &[&str]| team(folder.path(), arguments);
    let about = stack.description().clone();
    let refusal = |arguments: &[&str], why: &str| {
        let (done, told, said) = team(arguments);
        assert!(!done && told.is_empty() && said.contains(why), "{arguments:?}: {told} {said}");
    };
    let ran = |arguments: &[&str]| {
        let (done, told, said) = team(arguments);
        assert!(done, "{arguments:?}: {told} {said}");
        (told, said)
    };
    let create = ["create", "--id", "4", "--name", "Dernier Rang", "--siret", "12000404400043"];
    refusal(&["create", "--id", "4", "--name", "Dernier Rang", "--siret", "1"], "14 digits");
    refusal(&["create", "--id", "4", "--name", " ", "--siret", "12000404400043"], "1 to 100 characters");
    refusal(&["create", "--id", "0", "--name", "Dernier Rang", "--siret", "12000404400043"], "1 or more");
    refusal(&["create", "--id", "2", "--name", "Dernier Rang", "--siret", "12000404400043"], "already");
    let (first, said) = ran(&create);
    assert!(said.contains("shown only once"), "{said}");
    let first: Value = serde_json::from_str(&first).unwrap();
    let key = |body: &Value| body["access_key"].as_str().unwrap().to_owned();
    assert!(!said.contains(first["secret_key"].as_str().unwrap()));
    refusal(&create, "operator 4 already exists");

    // The output is the body of the call, and works at once.
    let got = token(&ask(api, &first).await);
    assert_eq!(api.simulate(&got, &question()).await.status, StatusCode::OK);
    let printed = Command::new(cee()).args(["token", "--operator", "4", "--data-dir"]).arg(folder.path()).output();
    let printed = printed.unwrap();
    assert!(printed.status.success(), "{printed:?}");
    let printed = String::from_utf8(printed.stdout).unwrap();
    assert_eq!(api.simulate(printed.trim(), &question()).await.status, StatusCode::OK);

    // Two credentials at a time, until the old one is retired.
    let second: Value = serde_json::from_str(&ran(&["rotate", "--id", "4"]).0).unwrap();
    assert_ne!(key(&first), key(&second));
    token(&ask(api, &first).await);
    let (told, _) = ran(&["show", "--id", "4"]);
    assert!(told.contains("Dernier Rang  SIRET 12000404400043  admitted  2 credentials"), "{told}");
    assert!(told.contains(&format!("{}  made 2024-05-01T00:00:00.000Z  last used 2024-05-01", key(&first))), "{told}");
    assert!(told.contains(&format!("{}  made 2024-05-01T00:00:00.000Z  never used", key(&second))), "{told}");
    assert!(!told.contains(second["secret_key"].as_str().unwrap()));
    refusal(&["rotate", "--id", "4", "--retire", "mistyped"], "no credential with this access key");
    refusal(&["retire", "--id", "3", "--access-key", &key(&first)], "no credential with this access key");
    let (told, _) = ran(&["retire", "--id", "4", "--access-key", &key(&first)]);
    assert!(told.contains("1 credential left"), "{told}");
    refused(&ask(api, &first).await);
    token(&ask(api, &second).await);
    let (third, said) = ran(&["rotate", "--id", "4", "--retire", &key(&second)]);
    assert!(said.contains("now has 1 credential"), "{said}");
    let third: Value = serde_json::from_str(&third).unwrap();
    refused(&ask(api, &second).await);
    token(&ask(api, &third).await);

    // Suspended: no new token. The functions still cache a call of the last minute: see shared/edge.
    let sample_two = sample(&about, 2);
    for id in ["2", "4"] {
        let (told, _) = ran(&["suspend", "--id", id]);
        assert!(told.contains("within 60 s"), "{told}");
    }
    assert!(refused(&ask(api, &third).await).contains("suspended"));
    assert!(refused(&ask(api, &sample_two).await).contains("suspended"));
    let answer = api.simulate(&about.operators[1].token, &question()).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "operator_not_admitted"));
    let (told, _) = ran(&["list"]);
    // The same tables by their names, as on AWS.
    let tables = tables();
    let named = Command::new(cee())
        .args(["operator", "list", "--operators-table", &tables.operators, "--credentials-table", &tables.credentials])
        .envs([("AWS_ENDPOINT_URL_DYNAMODB", about.dynamodb_url.as_str()), ("AWS_REGION", &about.region)])
        .envs([("AWS_ACCESS_KEY_ID", "team"), ("AWS_SECRET_ACCESS_KEY", "team")])
        .output();
    let named = named.unwrap();
    assert_eq!(String::from_utf8(named.stdout).unwrap(), told, "{}", String::from_utf8_lossy(&named.stderr));
    let states: Vec<bool> = told.lines().map(|line| line.contains("  suspended  ")).collect();
    assert_eq!(states, [false, true, false, true], "{told}");
    world.end().await;

    // A function that starts now has an empty cache, and a suspension outlives a restart.
    let world = world_at(&folder, NOW).await;
    let api = &world.api;
    for token in [&got, &about.operators[1].token] {
        let answer = api.simulate(token, &question()).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "operator_not_admitted"));
    }
    ran(&["resume", "--id", "4"]);
    let got = token(&ask(api, &third).await);
    let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
                      "driving_license": "051227308989", "datetime": "2024-03-15T08:30:00Z"});
    world.end().await;
    let world = world_at(&folder, NOW).await;
    let api = &world.api;
    assert_eq!(api.register(&got, &body).await.status, StatusCode::CREATED);

    // Deleted with its credentials; its registrations stay.
    let (told, said) = ran(&["delete", "--id", "4"]);
    assert!(told.contains(&key(&third)) && said.contains("add --yes"), "{told} {said}");
    token(&ask(api, &third).await);
    let (told, _) = ran(&["delete", "--id", "4", "--yes"]);
    assert!(told.contains("imports, files and reports stay"), "{told}");
    refused(&ask(api, &third).await);
    for arguments in [
        &["delete", "--id", "4", "--yes"][..],
        &["show", "--id", "4"],
        &["rotate", "--id", "4"],
        &["suspend", "--id", "4"],
        &["resume", "--id", "4"],
    ] {
        refusal(arguments, "there is no operator 4");
    }
    let blocked = api.register(&about.operators[0].token, &body).await;
    assert_eq!((blocked.status, blocked.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
    refusal(&create, "a former operator had this number");
    refusal(
        &["create", "--id", "4", "--name", "Another", "--siret", "12000505500056"],
        "choose a number that was never used",
    );
    world.end().await;

    // Without a stack, the command says so.
    leave_port(folder.path());
    let (done, _, said) = team(&["list"]);
    assert!(!done && said.contains("does not run"), "{said}");
    let (done, _, said) = crate::access::team(&folder.path().join("never"), &["list"]);
    assert!(!done && said.contains("cargo run"), "{said}");
}
