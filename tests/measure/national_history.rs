//! A whole national history through the local stack, and its cost: `cargo bench --bench national_history`.
//!
//! Three operators put their files on S3, one after the other. The import function runs as a process of its own, as on Lambda, so
//! that its memory is measured without the database's. Then a plain HTTP client sends the same updates to an empty database: the
//! capacity of the local database alone.

#![allow(clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use aws_stand_in::dynamo;
use cee_eligibility::{OperatorId, Rules};
use cee_fn_access::Access;
use cee_fn_applications::OwnApplications;
use cee_fn_audit::AuditFunction;
use cee_fn_batches::Batches;
use cee_fn_console::Console;
use cee_fn_import::ImportFunction;
use cee_fn_public::Public;
use cee_fn_register::Register;
use cee_fn_simulate::Simulate;
use cee_fn_uploads::Uploads;
use cee_local::generate::{Expected, History};
use cee_local::stack::{BINARIES, BUCKET, Functions, Options, Stack, tables};
use cee_registry::{ClaimKeys, Deadline, HistoryApplication, HistoryWriter, ImportId, RowSource};
use cee_service::aws::Aws;
use cee_service::runtime;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tempfile::TempDir;

/// Drivers since 2012.
const ROWS: u64 = 3_150_000;
const SEED: u64 = 2012;
/// The number of updates that are prepared before they are sent to the database.
const CHUNK: u64 = 50_000;
/// Connections of the plain client: more connections do not make it faster.
const CONNECTIONS: usize = 32;

fn operator(id: u32) -> OperatorId {
    OperatorId::new(id).unwrap()
}

/// Each operator's share of this many rows.
fn shares(rows: u64) -> [(u32, u64); 3] {
    let (second, third) = (rows * 15 / 100, rows * 5 / 100);
    [(1, rows - second - third), (2, second), (3, third)]
}

fn main() -> ExitCode {
    // When the stack starts it, this program acts as the function whose name it has.
    if let Ok(name) = std::env::var("AWS_LAMBDA_FUNCTION_NAME") {
        return function(&name);
    }
    let rows = std::env::args().skip_while(|arg| arg != "--rows").nth(1);
    let rows = rows.map_or(ROWS, |rows| rows.replace('_', "").parse().expect("--rows takes a number"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("{} cores, profile bench", std::thread::available_parallelism().unwrap());
        let small = import(10_000.min(rows)).await;
        let whole = import(rows).await;
        println!(
            "peak memory of the import function over its start: {} KiB for {} rows, {} KiB for {rows} rows",
            small.memory,
            10_000.min(rows),
            whole.memory
        );
        let alone = database_alone(rows).await;
        println!("\nthe local database alone: {:.0} updates a second", alone.rate);
        println!("the import reaches {:.0} % of that", 100.0 * whole.rate / alone.rate);
        // On DynamoDB an update of an item of up to a kilobyte takes one write unit, even if its condition fails.
        println!(
            "{} updates, {} of them took another (an earlier date after a later one): {:.3} write units a row sent",
            alone.updates,
            alone.repeated,
            (alone.updates + alone.repeated) as f64 / rows as f64
        );
    });
    ExitCode::SUCCESS
}

/// The process of one function.
#[tokio::main]
async fn function(name: &str) -> ExitCode {
    match name {
        "cee-simulate" => cee_edge::run(Simulate::from_environment).await,
        "cee-register" => cee_edge::run(Register::from_environment).await,
        "cee-applications" => cee_edge::run(OwnApplications::from_environment).await,
        "cee-batches" => cee_edge::run(Batches::from_environment).await,
        "cee-access" => cee_edge::run(Access::from_environment).await,
        "cee-uploads" => cee_edge::run(Uploads::from_environment).await,
        "cee-console" => cee_edge::run(Console::from_environment).await,
        "cee-import" => {
            runtime::run(
                ImportFunction::from_environment,
                |function, event| async move { function.handle(event).await },
            )
            .await
        }
        "cee-audit" => {
            runtime::run(AuditFunction::from_environment, |function, event| async move { function.handle(event).await })
                .await
        }
        _ => cee_edge::run(async |environment| Public::from_environment(environment)).await,
    }
}

struct Measured {
    /// Rows a second.
    rate: f64,
    /// Peak over the start, in KiB.
    memory: u64,
}

/// Imports this many rows into an empty registry.
async fn import(rows: u64) -> Measured {
    let folder = TempDir::new().unwrap();
    let binaries = folder.path().join("functions");
    std::fs::create_dir(&binaries).unwrap();
    for name in BINARIES {
        std::fs::hard_link(std::env::current_exe().unwrap(), binaries.join(name))
            .or_else(|_| std::fs::copy(std::env::current_exe().unwrap(), binaries.join(name)).map(drop))
            .unwrap();
    }
    let options = Options { functions: Functions::Binaries(binaries), ..Options::new(&folder.path().join("data")) };
    let stack = Stack::start(&options).await.unwrap();
    let about = stack.description();
    let aws = about.aws();
    let process = import_process();
    let at_start = status(process, "VmHWM");
    println!("\n{rows} rows");
    let mut spent = Duration::ZERO;
    for (id, rows) in shares(rows) {
        let history = History::new(SEED, operator(id));
        let file = folder.path().join("history.csv");
        let mut out = BufWriter::new(File::create(&file).unwrap());
        history.write(rows, &mut out).unwrap();
        out.flush().unwrap();
        drop(out);
        let body = aws_sdk_s3::primitives::ByteStream::from_path(&file).await.unwrap();
        let began = Instant::now();
        let put = aws.s3().put_object().bucket(BUCKET).key(format!("imports/{id}/history.csv")).body(body);
        put.send().await.unwrap();
        let marks = watch(&stack, &aws, id, began).await;
        let took = began.elapsed();
        spent += took;
        let report = report(&aws, id).await;
        let count = |name: &str| report[name].as_u64().unwrap();
        let counted = Expected {
            read: count("read"),
            imported: count("imported"),
            already_known: count("already_known"),
            rejected: count("rejected"),
        };
        assert_eq!(counted, history.expected(rows), "{report}");
        let rate = rows as f64 / took.as_secs_f64();
        println!("operator {id}: {counted:?} in {:.1} s, {rate:.0} rows a second", took.as_secs_f64());
        if let Some(flat) = flatness(&marks, rows) {
            println!("operator {id}: last tenth against first tenth: {flat:.2} times the time for a row");
        }
    }
    let memory = status(process, "VmHWM") - at_start;
    stack.shutdown().await;
    let rate = rows as f64 / spent.as_secs_f64();
    println!("all: {:.1} s, {rate:.0} rows a second", spent.as_secs_f64());
    Measured { rate, memory }
}

/// The times at which numbers of rows had been read, until the import ended.
async fn watch(stack: &Stack, aws: &Aws, id: u32, began: Instant) -> Vec<(Duration, u64)> {
    let mut marks = vec![(Duration::ZERO, 0)];
    let mut idle = std::pin::pin!(stack.queue().idle());
    loop {
        tokio::select! {
            () = &mut idle => return marks,
            () = tokio::time::sleep(Duration::from_millis(500)) => {}
        }
        let query = aws.dynamodb().query().table_name(tables().imports).key_condition_expression("operator_id = :o");
        let value = aws_sdk_dynamodb::types::AttributeValue::N(id.to_string());
        let found = query.expression_attribute_values(":o", value).send().await.unwrap();
        let read = found
            .items()
            .iter()
            .filter_map(|item| item.get("checkpoint")?.as_m().ok()?.get("read")?.as_n().ok()?.parse().ok())
            .max();
        if let Some(read) = read
            && marks.last().is_some_and(|(_, last)| read > *last)
        {
            marks.push((began.elapsed(), read));
        }
    }
}

/// The time for a row of the last tenth, divided by that of the first tenth.
fn flatness(marks: &[(Duration, u64)], rows: u64) -> Option<f64> {
    let at = |row: f64| {
        let after = marks.iter().position(|(_, read)| *read as f64 >= row)?;
        let ((t0, r0), (t1, r1)) = (marks.get(after.checked_sub(1)?)?, marks.get(after)?);
        let share = (row - *r0 as f64) / (*r1 - *r0) as f64;
        Some(t0.as_secs_f64() + share * (t1.as_secs_f64() - t0.as_secs_f64()))
    };
    let rows = rows as f64;
    let (_, last_mark) = marks.last()?;
    // Up to the last checkpoint: after it come the end of the file and the report.
    let end = (*last_mark as f64).min(rows);
    Some((at(end)? - at(end - rows / 10.0)?) / at(rows / 10.0)?)
}

async fn report(aws: &Aws, id: u32) -> serde_json::Value {
    let listed = aws.s3().list_objects_v2().bucket(BUCKET).prefix(format!("reports/{id}/")).send().await.unwrap();
    let key = listed.contents().iter().filter_map(|object| object.key()).find(|key| key.ends_with(".json")).unwrap();
    let object = aws.s3().get_object().bucket(BUCKET).key(key).send().await.unwrap();
    serde_json::from_slice(&object.body.collect().await.unwrap().into_bytes()).unwrap()
}

/// The process of the import function.
fn import_process() -> u32 {
    let own = std::process::id();
    let child = |pid: u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let name = b"AWS_LAMBDA_FUNCTION_NAME=cee-import";
        let parent = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let parent: u32 = parent.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
        (parent == own && environment.split(|byte| *byte == 0).any(|variable| variable == name)).then_some(pid)
    };
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    all.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find_map(child).expect("the import's process")
}

/// A figure of a process's memory, in KiB.
fn status(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Records requests instead of sending them, and returns success.
#[derive(Clone, Debug, Default)]
struct Captured(Arc<Mutex<Vec<Bytes>>>);

impl HttpConnector for Captured {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.0.lock().unwrap().push(Bytes::copy_from_slice(request.body().bytes().expect("a body in memory")));
        HttpConnectorFuture::ready(Ok(HttpResponse::new(200.try_into().unwrap(), SdkBody::from("{}"))))
    }
}

/// The rate at which an empty database executes the same updates from a plain HTTP client.
struct Alone {
    /// Updates a second.
    rate: f64,
    updates: u64,
    /// Updates whose condition failed. The import sends each of them again, in another form.
    repeated: u64,
}

async fn database_alone(rows: u64) -> Alone {
    let folder = TempDir::new().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = dynamo::start(listener, Some(&folder.path().join("dynamodb.sqlite"))).await.unwrap();
    let url = server.url();
    let (config, captured) = (aws_sdk_dynamodb::Config::builder(), Captured::default());
    let base = config
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-3"))
        .credentials_provider(Credentials::new("local", "local", None, None, "measure"))
        .endpoint_url(&url);
    tables().create_missing(&aws_sdk_dynamodb::Client::from_conf(base.clone().build())).await.unwrap();
    let connector = SharedHttpConnector::new(captured.clone());
    let capturing = base.http_client(http_client_fn(move |_, _| connector.clone())).build();
    let capturing = aws_sdk_dynamodb::Client::from_conf(capturing);
    let writer = HistoryWriter::new(capturing, &tables(), ClaimKeys::new(&[7; 32]).unwrap());
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let (mut spent, mut done, repeated) = (Duration::ZERO, 0, Arc::new(AtomicU64::new(0)));
    for (id, rows) in shares(rows) {
        let (before, mut marks) = (spent, vec![(Duration::ZERO, 0)]);
        let history = History::new(SEED, operator(id));
        let source = |row: u64| RowSource { import: ImportId::of_object("b", "k", &id.to_string()), line: row + 2 };
        for first in (0..rows).step_by(usize::try_from(CHUNK).unwrap()) {
            for row in first..rows.min(first + CHUNK) {
                let application = history.application(row).unwrap();
                let application = HistoryApplication {
                    journey_type: application.journey_type,
                    identity: &application.identity,
                    datetime: cee_eligibility::Instant::paris_midnight(application.day).unwrap(),
                    operator: operator(id),
                    source: source(row),
                };
                let deadline = Deadline::after(Duration::from_secs(60));
                writer.import_history(&application, &Rules::default(), deadline).await.unwrap();
            }
            let updates = std::mem::take(&mut *captured.0.lock().unwrap());
            done += updates.len() as u64;
            let updates = Arc::new(Mutex::new(VecDeque::from(updates)));
            let began = Instant::now();
            let workers = (0..CONNECTIONS).map(|_| {
                let (updates, client, url) = (Arc::clone(&updates), client.clone(), url.clone());
                let repeated = Arc::clone(&repeated);
                tokio::spawn(async move {
                    loop {
                        let Some(update) = updates.lock().unwrap().pop_front() else { break };
                        let request = Request::post(&url)
                            .header("content-type", "application/x-amz-json-1.0")
                            .header("x-amz-target", "DynamoDB_20120810.UpdateItem")
                            .header("authorization", "AWS4-HMAC-SHA256 Credential=local/20260101/eu-west-3/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
                            .header("x-amz-date", "20260101T000000Z")
                            .body(Full::new(update))
                            .unwrap();
                        let answer = client.request(request).await.unwrap();
                        assert!(matches!(answer.status().as_u16(), 200 | 400), "{}", answer.status());
                        let refused = answer.status().as_u16() == 400;
                        let body = answer.into_body().collect().await.unwrap().to_bytes();
                        if refused {
                            assert!(String::from_utf8_lossy(&body).contains("ConditionalCheckFailed"), "{body:?}");
                            repeated.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                })
            });
            for worker in workers.collect::<Vec<_>>() {
                worker.await.unwrap();
            }
            spent += began.elapsed();
            marks.push((spent - before, rows.min(first + CHUNK)));
        }
        if let Some(flat) = flatness(&marks, rows) {
            println!("the database alone, operator {id}: last tenth against first tenth: {flat:.2} times");
        }
    }
    server.shutdown().await;
    Alone { rate: done as f64 / spent.as_secs_f64(), updates: done, repeated: repeated.load(Ordering::Relaxed) }
}
