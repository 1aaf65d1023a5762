//! Engines and stores other than the embedded ones: what the conformance run finds, and a stack whose DynamoDB or S3 is elsewhere.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use aws_stand_in::dynamo::{self, DynamoServer};
use aws_stand_in::s3::{self, Credentials, EventSink, S3Server};
use cee_local::endpoint::Elsewhere;
use cee_local::error::Error;
use cee_local::secrets::Secrets;
use cee_local::stack::{Options, Stack, tables};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

use crate::crash::{aws_of, serve};
use crate::support::{NOW, NOWHERE, Trip, World, at, cee, reports, world_on};

/// The steps, the two races included.
const STEPS: usize = 41;

/// Runs the conformance run, and returns its exit code, its report and what it wrote for a person.
async fn conformance(place: &[&str]) -> (Option<i32>, Value, String) {
    let mut command = Command::new(cee());
    command.args(["conformance", "--format", "json", "--rounds", "2", "--clients", "8"]).args(place);
    for name in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL_DYNAMODB"] {
        command.env_remove(name);
    }
    let output = command.stdin(Stdio::null()).output().await.unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output.status.code(), report, String::from_utf8(output.stderr).unwrap())
}

fn differing(report: &Value) -> Vec<&str> {
    let steps = report["steps"].as_array().unwrap();
    steps.iter().filter(|step| step["holds"] != json!(true)).map(|step| step["name"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn embedded_engine_holds_every_step_and_keeps_no_table() {
    let folder = TempDir::new().unwrap();
    let (mut child, about) = serve(&folder, &[]).await;
    let data_dir = folder.path().join("data");
    let (code, report, said) = conformance(&["--data-dir", data_dir.to_str().unwrap()]).await;
    assert_eq!(code, Some(0), "{said} {report:#}");
    assert_eq!(differing(&report), [""; 0], "{report:#}");
    assert_eq!([&report["holds_the_promise"], &report["holds_everything"]], [&json!(true), &json!(true)]);
    assert_eq!(report["steps"].as_array().unwrap().len(), STEPS);
    assert_eq!(report["engine"], about["dynamodb_url"]);
    let left = aws_of(&about).dynamodb().list_tables().send().await.unwrap();
    assert!(left.table_names().iter().all(|name| !name.contains("conformance")), "{left:?}");
    assert!(said.contains("cee-conformance-"), "the tables are named before they are created: {said}");
    child.kill().await.unwrap();
}

/// A proxy before an engine that replaces a text in each request.
async fn replacing(target: SocketAddr, from: &'static str, to: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let client = client.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let client = client.clone();
                async move {
                    let (mut head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let body = String::from_utf8(body.to_vec()).unwrap().replace(from, to);
                    head.headers.remove("content-length");
                    head.uri = format!("http://{target}/").parse().unwrap();
                    let request = Request::from_parts(head, Full::new(Bytes::from(body)));
                    Ok::<_, Box<dyn std::error::Error + Send + Sync>>(client.request(request).await?)
                }
            });
            let connection = TokioIo::new(connection);
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(connection, service));
        }
    });
    url
}

async fn engine() -> DynamoServer {
    dynamo::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), None).await.unwrap()
}

/// An engine that does not compare dates grants twice.
#[tokio::test(flavor = "multi_thread")]
async fn engine_that_ignores_a_condition_fails_the_run() {
    let engine = engine().await;
    let url = replacing(engine.address(), "attribute_not_exists(sd) OR sd <", "attribute_not_exists(zz) OR zz <").await;
    let (code, report, said) = conformance(&["--dynamodb-url", &url]).await;
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(report["holds_the_promise"], json!(false), "{said}");
    let steps = report["steps"].as_array().unwrap();
    for race in ["race: UpdateItem", "race: TransactWriteItems"] {
        let step = steps.iter().find(|step| step["name"].as_str().unwrap().starts_with(race)).unwrap();
        assert_eq!(step["holds"], json!(false), "{step}");
    }
    let race = steps.iter().find(|step| step["name"].as_str().unwrap().starts_with("race: UpdateItem")).unwrap();
    let observed = race["observed"].as_str().unwrap();
    assert!(observed.contains("2 with more than one winner, at most 8"), "{observed}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn engine_without_transactions_fails_the_run_and_keeps_no_table() {
    let engine = engine().await;
    let url = replacing(engine.address(), "\"TransactItems\"", "\"NoSuchMember\"").await;
    let (code, report, said) = conformance(&["--dynamodb-url", &url]).await;
    assert_eq!(code, Some(1), "{said}");
    let differing = differing(&report);
    assert!(differing.iter().filter(|name| name.starts_with("TransactWriteItems")).count() >= 5, "{differing:?}");
    assert!(!differing.contains(&"race: UpdateItem lets one of many clients win"), "{differing:?}");
    let left = crate::support::aws(&engine.url(), "", "a", "s").dynamodb().list_tables().send().await.unwrap();
    assert!(left.table_names().is_empty(), "{left:?}");
    engine.shutdown().await;
}

#[tokio::test]
async fn conformance_says_that_nothing_answers() {
    let (code, _, said) = conformance(&["--dynamodb-url", NOWHERE]).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&format!("nothing answers at {NOWHERE}")), "{said}");
}

fn with_dynamodb(url: &str, data_dir: &Path) -> Options {
    let dynamodb = Some(url.parse().unwrap());
    let elsewhere = Elsewhere { dynamodb, ..Elsewhere::default() };
    Options { now: Some(at(NOW)), elsewhere, ..Options::new(data_dir) }
}

fn driver() -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203",
           "driving_license": "051227308989", "datetime": "2024-03-15T07:30:00Z"})
}

async fn register(world: &World) -> StatusCode {
    world.api.register(&world.token(1), &driver()).await.status
}

#[tokio::test(flavor = "multi_thread")]
async fn stack_keeps_its_tables_at_another_dynamodb() {
    let (engine, folder) = (engine().await, TempDir::new().unwrap());
    let options = with_dynamodb(&engine.url(), folder.path());
    let world = world_on(&options).await;
    assert_eq!(world.stack.description().dynamodb_url, engine.url());
    assert!(world.stack.description().foreign.dynamodb && !world.stack.description().foreign.s3);
    assert_eq!(register(&world).await, StatusCode::CREATED);
    // Files go through the embedded S3.
    world.journeys(&[Trip::new(1, "elsewhere", "+336399801")]).await;
    assert!(!folder.path().join("dynamodb.sqlite").exists());
    let applications = world.scan(&tables().applications).await;
    assert_eq!(applications.len(), 1);
    world.end().await;

    // Another stack on the same data finds it.
    let world = world_on(&options).await;
    assert_eq!(register(&world).await, StatusCode::CONFLICT);
    world.end().await;

    // A stack with another pepper does not.
    let other = TempDir::new().unwrap();
    let refused = Stack::start(&with_dynamodb(&engine.url(), other.path())).await.err().unwrap();
    assert!(matches!(refused, Error::Pepper(_)), "{refused}");
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stack_does_not_clear_another_dynamodb() {
    let (engine, folder) = (engine().await, TempDir::new().unwrap());
    let options = with_dynamodb(&engine.url(), folder.path());
    world_on(&options).await.end().await;
    let secrets = std::fs::read(folder.path().join("secrets.json")).unwrap();
    let refused = Stack::start(&Options { fresh: true, ..options.clone() }).await.err().unwrap().to_string();
    assert!(refused.contains("--fresh") && refused.contains(&engine.url()), "{refused}");
    assert_eq!(std::fs::read(folder.path().join("secrets.json")).unwrap(), secrets, "nothing here was cleared either");
    world_on(&options).await.end().await;
    engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stack_names_the_endpoint_that_does_not_answer() {
    let folder = TempDir::new().unwrap();
    let refused = Stack::start(&with_dynamodb(NOWHERE, folder.path())).await.err().unwrap().to_string();
    assert!(refused.contains(&format!("DynamoDB does not answer at {NOWHERE}")), "{refused}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "and has written nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn stack_refuses_a_table_with_another_key() {
    let (engine, folder) = (engine().await, TempDir::new().unwrap());
    let db = crate::support::aws(&engine.url(), "", "a", "s").dynamodb();
    let kind = aws_sdk_dynamodb::types::ScalarAttributeType::S;
    let attribute = aws_sdk_dynamodb::types::AttributeDefinition::builder().attribute_name("id").attribute_type(kind);
    let key = aws_sdk_dynamodb::types::KeySchemaElement::builder().attribute_name("id");
    let key = key.key_type(aws_sdk_dynamodb::types::KeyType::Hash).build().unwrap();
    let create = db.create_table().table_name(&tables().journeys).key_schema(key);
    let create = create.billing_mode(aws_sdk_dynamodb::types::BillingMode::PayPerRequest);
    create.attribute_definitions(attribute.build().unwrap()).send().await.unwrap();
    let refused = Stack::start(&with_dynamodb(&engine.url(), folder.path())).await.err().unwrap().to_string();
    assert!(refused.contains(&tables().journeys) && refused.contains("another key"), "{refused}");
    assert!(refused.contains(&engine.url()), "{refused}");
    let left = db.list_tables().send().await.unwrap();
    assert_eq!(left.table_names(), [tables().journeys], "no table was created beside it");
    engine.shutdown().await;
}

/// An S3 that sends no events, and knows the keys of the stack on a data directory.
async fn store(root: &Path, data_dir: &Path) -> S3Server {
    let keys = Secrets::keep(&data_dir.join("secrets.json")).unwrap().root;
    let credentials = Credentials::root(&keys.access_key, &keys.secret_key);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    s3::start(listener, root, credentials, EventSink::none(), Vec::new()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn stack_imports_what_is_put_into_another_s3() {
    let (folder, root) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = store(root.path(), folder.path()).await;
    let elsewhere = Elsewhere { s3: Some(store.url().parse().unwrap()), ..Elsewhere::default() };
    let options = Options { now: Some(at(NOW)), elsewhere, ..Options::new(folder.path()) };
    let world = world_on(&options).await;
    assert_eq!(world.stack.description().s3_url, store.url());
    // The sample journeys went the same way.
    let short = json!({"journey_type": "short", "last_name_trunc": "MAR", "driving_license": "051227308989",
                       "operator_journey_id": "ar:2024-03-15_0001"});
    assert_eq!(world.api.register(&world.token(1), &short).await.status, StatusCode::CREATED);
    let row = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,DUP,+336010203,2022-01-01\n";
    world.put_file("imports/1/history é.csv", row).await;
    let mut found = reports(&world.aws, "reports/1/").await;
    while found.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        found = reports(&world.aws, "reports/1/").await;
    }
    assert_eq!(found["imports/1/history é.csv"]["imported"], 1);
    assert_eq!(register(&world).await, StatusCode::CONFLICT, "the history blocks");
    world.end().await;

    // A restart offers every object again, and imports none twice.
    let world = world_on(&options).await;
    world.imported().await;
    let again = reports(&world.aws, "reports/1/").await;
    assert_eq!(again.len(), 1);
    assert_eq!(again["imports/1/history é.csv"]["import_id"], found["imports/1/history é.csv"]["import_id"]);
    world.end().await;
    store.shutdown().await;
}
