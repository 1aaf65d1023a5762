//! One hostile operator, whose load must not affect the others: `cargo bench --bench hostile`.
//!
//! First the other operators call alone. Then operator 1 joins them, with valid credentials, at the stack's own limits:
//!
//! - more than its fifty calls a second: one placeholder driver, batches of a thousand rows on that driver, bodies of a megabyte, headers
//!   of 30,000 characters, lists, places for uploads that it never uses, one `Idempotency-Key` for all;
//! - files without a pause: many rows, one driver on thousands of dates, a column title of 60,000 characters, damaged zips, undone again;
//! - calls for tokens without a valid key, from an address of its own.
//!
//! On AWS each function and each table has capacity of its own. Here all share one machine and one database file, so the operator's
//! rows are limited (`--rows-per-second`): beyond the capacity of the database, every caller's calls wait.
//!
//! No answer to another operator may be a 5xx or a 429, every import of theirs must complete, and the 99th percentile of their
//! calls may be at most three times that of the first part. Then the audit runs.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    unreachable_pub
)]

#[path = "../promise/mod.rs"]
mod promise;
mod server;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use fastrand::Rng;
use http::{HeaderName, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use promise::load::phone;
use serde_json::{Value, json};
use server::Server;
use tokio::task::JoinSet;

/// Each of the other operators makes one call in this time, on average.
const GAP: Duration = Duration::from_millis(100);

/// Each of the other operators sends a file in this time.
const FILE_GAP: Duration = Duration::from_secs(30);

/// Rows of such a file.
const FILE_ROWS: u64 = 200;

/// How long a file may take until its import is completed.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How many calls a second the hostile operator makes. It may make fifty.
const HOSTILE_CALLS: f64 = 65.0;

/// Rows of a large file of the hostile operator.
const LARGE: u64 = 5_000;

const HOSTILE: u32 = 1;
const OTHERS: [u32; 2] = [2, 3];
const HEADER: &str = "journey_type,last_name_trunc,phone_trunc,datetime\n";

#[derive(Parser)]
struct Options {
    /// How long the hostile operator calls.
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// How long the others call alone before that.
    #[arg(long, default_value_t = 5.0)]
    quiet_minutes: f64,
    /// How many rows a second the hostile operator sends, on average: half in files, half in batches.
    #[arg(long, default_value_t = 400)]
    rows_per_second: u32,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The arguments that cargo passes to a benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// All callers.
struct World {
    api: String,
    tokens: BTreeMap<u32, String>,
    keys: BTreeMap<u32, Value>,
    /// 127.0.0.1 and the next ones: an operator's number, or 4 for a stranger.
    clients: Vec<Client<HttpConnector, Full<Bytes>>>,
    /// A date that is neither too early nor too late for a journey.
    datetime: String,
    drivers: AtomicU64,
    over: AtomicBool,
    quiet: Mutex<Seen>,
    loud: Mutex<Seen>,
    is_loud: AtomicBool,
    hostile: Mutex<BTreeMap<(&'static str, u16), u64>>,
}

/// The results of the other operators.
#[derive(Default)]
struct Seen {
    micros: Vec<u64>,
    statuses: BTreeMap<(&'static str, u16), u64>,
    /// From the end of an upload to its report.
    files: Vec<Duration>,
    rows: [u64; 2],
}

type Answer = (StatusCode, Bytes);

fn client(last: u8) -> Client<HttpConnector, Full<Bytes>> {
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(Ipv4Addr::new(127, 0, 0, last).into()));
    Client::builder(TokioExecutor::new()).build(connector)
}

impl World {
    fn new(server: &Server) -> Self {
        let operators = &server.about.operators;
        let keys = |operator: &cee_local::stack::OperatorDescription| {
            (operator.id, json!({"access_key": operator.access_key, "secret_key": operator.secret_key}))
        };
        Self {
            api: server.about.api_url.clone(),
            tokens: operators.iter().map(|operator| (operator.id, operator.token.clone())).collect(),
            keys: operators.iter().map(keys).collect(),
            clients: (1..=4).map(client).collect(),
            datetime: (chrono::Utc::now() - chrono::Days::new(10)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            drivers: AtomicU64::new(0),
            over: AtomicBool::new(false),
            quiet: Mutex::default(),
            loud: Mutex::default(),
            is_loud: AtomicBool::new(false),
            hostile: Mutex::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        if self.is_loud.load(Ordering::SeqCst) { &self.loud } else { &self.quiet }.lock().unwrap()
    }

    async fn send(&self, client: usize, request: http::request::Builder, body: impl Into<Bytes>) -> Option<Answer> {
        let answer = self.clients[client - 1].request(request.body(Full::new(body.into())).unwrap()).await.ok()?;
        let status = answer.status();
        Some((status, answer.into_body().collect().await.ok()?.to_bytes()))
    }

    fn request(&self, operator: u32, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api))
            .header("content-type", "application/json")
            .header("authorization", format!("Bearer {}", self.tokens[&operator]))
    }

    async fn call(&self, operator: u32, method: Method, path: &str, body: &Value) -> Option<Answer> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(operator as usize, self.request(operator, method, path), body).await
    }

    // ------------------------------------------------------------------------------------------------ the other operators

    /// A timed call of another operator.
    async fn timed(
        &self,
        name: &'static str,
        operator: u32,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Option<(StatusCode, Value)> {
        let began = Instant::now();
        let answer = self.call(operator, method, path, body).await;
        let micros = u64::try_from(began.elapsed().as_micros()).unwrap();
        let mut seen = self.seen();
        seen.micros.push(micros);
        let status = answer.as_ref().map_or(0, |(status, _)| status.as_u16());
        *seen.statuses.entry((name, status)).or_default() += 1;
        answer.map(|(status, body)| (status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
    }

    /// Another operator's calls, which come at random times.
    async fn other(self: Arc<Self>, operator: u32, mut random: Rng) {
        let uuids = Arc::new(Mutex::new(Vec::<String>::new()));
        let mut calls = JoinSet::new();
        while !self.is_over() {
            tokio::time::sleep(GAP.mul_f64(-(1.0 - random.f64()).ln())).await;
            let (world, uuids, mut random) = (Arc::clone(&self), Arc::clone(&uuids), random.fork());
            calls.spawn(async move { world.one_call(operator, &uuids, &mut random).await });
            while calls.try_join_next().is_some() {}
        }
        calls.join_all().await;
    }

    async fn one_call(&self, operator: u32, uuids: &Mutex<Vec<String>>, random: &mut Rng) {
        let driver = self.drivers.fetch_add(1, Ordering::SeqCst);
        let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone(driver),
                          "driving_license": format!("{driver:012}"), "datetime": self.datetime});
        match random.u32(..100) {
            0..40 => {
                let answer = self.timed("register", operator, Method::POST, "/policies/cee", &body).await;
                if let Some((StatusCode::CREATED, body)) = answer {
                    uuids.lock().unwrap().push(body["uuid"].as_str().unwrap().to_owned());
                }
            }
            // The driver whose item the hostile operator fills.
            40..45 => {
                let mut body = body;
                (body["phone_trunc"], body["last_name_trunc"]) = (PLACEHOLDER.1.into(), PLACEHOLDER.0.into());
                self.timed("register a common driver", operator, Method::POST, "/policies/cee", &body).await;
            }
            45..65 => {
                let mut body = body;
                body.as_object_mut().unwrap().remove("datetime");
                self.timed("simulate", operator, Method::POST, "/policies/cee/simulate", &body).await;
            }
            65..80 => {
                let uuid = random.choice(uuids.lock().unwrap().iter()).cloned();
                let Some(uuid) = uuid else { return };
                self.timed("find", operator, Method::GET, &format!("/policies/cee/{uuid}"), &Value::Null).await;
            }
            80..85 => {
                self.timed("imports", operator, Method::GET, "/policies/cee/imports?limit=20", &Value::Null).await;
            }
            85..95 => {
                let rows: Vec<Value> = (0..5)
                    .map(|row| {
                        json!({"journey_type": "long", "last_name_trunc": "MAR", "datetime": "2022-03-01T08:00:00Z",
                               "phone_trunc": phone(driver + 50_000_000 + row)})
                    })
                    .collect();
                self.timed("batch", operator, Method::POST, "/policies/cee/import", &rows.into()).await;
            }
            _ => {
                self.timed("token", operator, Method::POST, "/auth/access_token", &self.keys[&operator]).await;
            }
        }
    }

    /// Another operator's files, each with one row for the driver whose item the hostile operator fills.
    async fn other_files(self: Arc<Self>, operator: u32, mut random: Rng) {
        let mut files = JoinSet::new();
        while !self.is_over() {
            let world = Arc::clone(&self);
            files.spawn(async move { world.one_file(operator).await });
            tokio::time::sleep(FILE_GAP.mul_f64(0.5 + random.f64())).await;
        }
        files.join_all().await;
    }

    async fn one_file(&self, operator: u32) {
        let first = self.drivers.fetch_add(FILE_ROWS, Ordering::SeqCst) + 20_000_000;
        let mut file = format!("{HEADER}long,{},{},2021-06-01\n", PLACEHOLDER.0, PLACEHOLDER.1);
        for driver in first..first + FILE_ROWS - 1 {
            writeln!(file, "long,MAR,{},2021-06-02", phone(driver)).unwrap();
        }
        let asked = json!({"file_name": "history.csv"});
        let place = self.timed("upload", operator, Method::POST, "/policies/cee/imports", &asked).await;
        let Some((StatusCode::CREATED, place)) = place else { panic!("no place for a file: {place:?}") };
        let mut put = Request::builder().method(Method::PUT).uri(place["upload_url"].as_str().unwrap());
        for header in place["headers"].as_array().unwrap() {
            put = put.header(header["name"].as_str().unwrap(), header["value"].as_str().unwrap());
        }
        let put = self.send(operator as usize, put, file).await;
        assert!(matches!(put, Some((StatusCode::OK, _))), "{put:?}");
        let (began, path) = (Instant::now(), format!("/policies/cee/imports/{}", place["import_id"].as_str().unwrap()));
        while began.elapsed() < PATIENCE {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let answer = self.timed("import", operator, Method::GET, &path, &Value::Null).await;
            let Some((StatusCode::OK, import)) = answer else { continue };
            if import["state"] == "completed" {
                let mut seen = self.seen();
                seen.files.push(began.elapsed());
                seen.rows[0] += import["imported"].as_u64().unwrap() + import["already_known"].as_u64().unwrap();
                seen.rows[1] += import["rejected"].as_u64().unwrap();
                return;
            }
        }
        panic!("operator {operator}'s import is not completed after {PATIENCE:?}");
    }

    // ---------------------------------------------------------------------------------------------- the hostile operator

    fn note(&self, what: &'static str, answer: Option<&Answer>) {
        let status = answer.map_or(0, |(status, _)| status.as_u16());
        *self.hostile.lock().unwrap().entry((what, status)).or_default() += 1;
    }

    /// More calls than an operator may make.
    async fn worst_calls(self: Arc<Self>, mut random: Rng) {
        let mut calls = JoinSet::new();
        while !self.is_over() {
            tokio::time::sleep(Duration::from_secs_f64(-(1.0 - random.f64()).ln() / HOSTILE_CALLS)).await;
            let (world, mut random) = (Arc::clone(&self), random.fork());
            calls.spawn(async move { world.worst_call(&mut random).await });
            while calls.try_join_next().is_some() {}
        }
        calls.join_all().await;
    }

    async fn worst_call(&self, random: &mut Rng) {
        let (name, phone) = PLACEHOLDER;
        let body = json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone,
                          "driving_license": format!("{:012}", random.u64(..1000)), "datetime": self.datetime});
        let post = |path| self.request(HOSTILE, Method::POST, path);
        let (what, answer) = match random.u32(..100) {
            0..25 => ("register", self.call(HOSTILE, Method::POST, "/policies/cee", &body).await),
            25..35 => {
                let key = HeaderName::from_static("idempotency-key");
                let request = post("/policies/cee").header(key, "one-for-all");
                ("one key", self.send(1, request, body.to_string()).await)
            }
            35..50 => {
                let mut body = body;
                body.as_object_mut().unwrap().remove("datetime");
                ("simulate", self.call(HOSTILE, Method::POST, "/policies/cee/simulate", &body).await)
            }
            50..60 => {
                let text = "x".repeat(1_000_000);
                (
                    "megabyte",
                    self.call(HOSTILE, Method::POST, "/policies/cee", &json!({ "last_name_trunc": text })).await,
                )
            }
            60..65 => {
                let request = post("/policies/cee/simulate").header("x-anything", "y".repeat(30_000));
                ("long header", self.send(1, request, body.to_string()).await)
            }
            65..75 => ("list", self.call(HOSTILE, Method::GET, "/policies/cee/imports?limit=100", &Value::Null).await),
            75..90 => {
                let asked = json!({"file_name": "never.csv"});
                ("unused place", self.call(HOSTILE, Method::POST, "/policies/cee/imports", &asked).await)
            }
            _ => {
                let list = self.call(HOSTILE, Method::GET, "/policies/cee/imports?limit=20", &Value::Null).await;
                let list: Value =
                    list.map_or(Value::Null, |(_, list)| serde_json::from_slice(&list).unwrap_or_default());
                let listed = list["imports"].as_array().cloned().unwrap_or_default();
                let Some(id) = random.choice(&listed).and_then(|import| import["import_id"].as_str()) else { return };
                let path = format!("/policies/cee/imports/{id}");
                ("take back", self.call(HOSTILE, Method::DELETE, &path, &Value::Null).await)
            }
        };
        self.note(what, answer.as_ref());
    }

    /// Batches of a thousand rows on the placeholder driver.
    async fn worst_batches(self: Arc<Self>, rows_per_second: u32, mut random: Rng) {
        while !self.is_over() {
            let began = Instant::now();
            let rows: Vec<Value> = (0..1000)
                .map(|_| {
                    json!({"journey_type": "long", "last_name_trunc": PLACEHOLDER.0, "phone_trunc": PLACEHOLDER.1,
                           "datetime": date(&mut random)})
                })
                .collect();
            let answer = self.call(HOSTILE, Method::POST, "/policies/cee/import", &rows.into()).await;
            self.note("batch", answer.as_ref());
            tokio::time::sleep(pause(1000, rows_per_second, began)).await;
        }
    }

    /// Files, one after the other.
    async fn worst_files(self: Arc<Self>, aws: cee_service::aws::Aws, rows_per_second: u32, mut random: Rng) {
        let s3 = aws.s3();
        for number in 0.. {
            if self.is_over() {
                return;
            }
            let began = Instant::now();
            let (name, rows, content) = worst_file(&mut random, self.drivers.fetch_add(LARGE, Ordering::SeqCst));
            let key = format!("imports/1/{number}-{name}");
            s3.put_object().bucket("cee-local").key(key).body(content.into()).send().await.unwrap();
            *self.hostile.lock().unwrap().entry((name, 200)).or_default() += 1;
            tokio::time::sleep(pause(rows, rows_per_second, began)).await;
        }
    }

    /// Calls for tokens, 25 a second, without a valid key, and with the operator's access key and a wrong secret.
    async fn worst_tokens(self: Arc<Self>, mut random: Rng) {
        while !self.is_over() {
            tokio::time::sleep(Duration::from_millis(40)).await;
            let mut pair = self.keys[&HOSTILE].clone();
            pair["secret_key"] = "wrong".into();
            if random.bool() {
                pair["access_key"] = "A".repeat(20).into();
            }
            let request = Request::builder()
                .method(Method::POST)
                .uri(format!("{}/auth/access_token", self.api))
                .header("content-type", "application/json");
            let answer = self.send(4, request, pair.to_string()).await;
            self.note("token", answer.as_ref());
        }
    }
}

/// A driver that many operators have: a placeholder.
const PLACEHOLDER: (&str, &str) = ("TES", "+336000000");

fn date(random: &mut Rng) -> String {
    let day = chrono::NaiveDate::from_ymd_opt(2010, 1, 1).unwrap() + chrono::Days::new(random.u64(..5000));
    format!("{day}T08:00:00Z")
}

/// The time that is left of the time for this many rows.
fn pause(rows: u64, rows_per_second: u32, began: Instant) -> Duration {
    Duration::from_secs_f64(rows as f64 / f64::from(rows_per_second)).saturating_sub(began.elapsed())
}

/// A kind of file, its number of rows, and one such file.
fn worst_file(random: &mut Rng, first: u64) -> (&'static str, u64, Vec<u8>) {
    let mut file = HEADER.to_owned();
    match random.u32(..6) {
        0 => {
            for _ in 0..9_000 {
                writeln!(file, "long,{},{},{}", PLACEHOLDER.0, PLACEHOLDER.1, &date(random)[..10]).unwrap();
            }
            ("one-driver.csv", 9_000, file.into_bytes())
        }
        1 => (
            "long-title.csv",
            500,
            format!("journey_type,last_name_trunc,phone_trunc,datetime,{}\n", "t".repeat(60_000)).into_bytes(),
        ),
        2 => {
            for row in 0..20_000 {
                writeln!(file, "long,\"D\"\"{row},+33,yesterday").unwrap();
            }
            ("all-wrong.csv", 20_000, file.into_bytes())
        }
        3 => ("damaged.csv.gz", 500, b"\x1f\x8b\x08\0\0\0\0\0damaged".repeat(1000)),
        _ => {
            for driver in first..first + LARGE {
                writeln!(file, "long,DUP,{},2021-02-15", phone(driver)).unwrap();
            }
            ("large.csv", LARGE, file.into_bytes())
        }
    }
}

impl Seen {
    fn percentile(&self, share: f64) -> f64 {
        let mut micros = self.micros.clone();
        micros.sort_unstable();
        micros[(micros.len() as f64 * share) as usize] as f64 / 1000.0
    }

    fn print(&self, when: &str) {
        let (p50, p99) = (self.percentile(0.5), self.percentile(0.99));
        println!("\n{when}: {} calls of the other operators, p50 {p50:.1} ms, p99 {p99:.1} ms", self.micros.len());
        print(&self.statuses);
        let longest = self.files.iter().max().map_or(0.0, Duration::as_secs_f64);
        let [taken, rejected] = self.rows;
        println!(
            "{} imports completed, the slowest after {longest:.1} s; rows: {taken} taken, {rejected} rejected",
            self.files.len()
        );
    }

    /// A value that only the hostile operator may see.
    fn faults(&self) -> Vec<(&'static str, u16)> {
        self.statuses.keys().filter(|(_, status)| *status == 0 || *status == 429 || *status >= 500).copied().collect()
    }
}

fn print(statuses: &BTreeMap<(&'static str, u16), u64>) {
    for ((what, status), count) in statuses {
        println!("  {what}: {count} answered {status}");
    }
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{} cores, profile bench", std::thread::available_parallelism().unwrap());
    runtime.block_on(run(&options));
}

async fn run(options: &Options) {
    let server = Server::start(&[]);
    let world = Arc::new(World::new(&server));
    let mut random = Rng::with_seed(options.seed);
    let mut others = JoinSet::new();
    for operator in OTHERS {
        others.spawn(Arc::clone(&world).other(operator, random.fork()));
        others.spawn(Arc::clone(&world).other_files(operator, random.fork()));
    }
    tokio::time::sleep(Duration::from_secs_f64(options.quiet_minutes * 60.0)).await;
    world.is_loud.store(true, Ordering::SeqCst);
    let memory = server.memory("VmRSS");
    others.spawn(Arc::clone(&world).worst_calls(random.fork()));
    others.spawn(Arc::clone(&world).worst_files(
        server.about.aws(),
        options.rows_per_second.div_ceil(2),
        random.fork(),
    ));
    others.spawn(Arc::clone(&world).worst_batches(options.rows_per_second.div_ceil(2), random.fork()));
    others.spawn(Arc::clone(&world).worst_tokens(random.fork()));
    tokio::time::sleep(Duration::from_secs_f64(options.minutes * 60.0)).await;
    world.over.store(true, Ordering::SeqCst);
    others.join_all().await;
    let (quiet, loud) = (world.quiet.lock().unwrap(), world.loud.lock().unwrap());
    quiet.print(&format!("{} minutes alone", options.quiet_minutes));
    loud.print(&format!("{} minutes beside the hostile operator", options.minutes));
    println!("\nthe hostile operator:");
    print(&world.hostile.lock().unwrap());
    let ratio = loud.percentile(0.99) / quiet.percentile(0.99);
    println!("\np99 beside the hostile operator: {ratio:.2} times the quiet one");
    println!("memory: {memory} KiB before, {} KiB at its peak", server.memory("VmHWM"));
    server.audit_and_stop();
    assert_eq!((quiet.faults(), loud.faults()), (vec![], vec![]), "answers that other operators must not get");
    assert!(ratio <= 3.0, "other operators' calls are slower than three times the quiet ones");
}
