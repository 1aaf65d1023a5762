//! Lists of a hundred thousand applications, walked while others register and delete: `cargo bench --bench lists`.
//!
//! Three operators register, then each walks its list from the first page to the last: first alone, then while clients register and delete
//! applications of all three without a pause. No application may be on two pages or missing that existed throughout, and none may be another
//! operator's. The last tenth of the pages may take at most twice as long as the first tenth. Then the audit runs.
//!
//! `-- --binaries target/release` runs each function as a process of its own, after `cargo build --release`. Then operator 1 also exports three
//! days and its whole list in each format, and the memory of the functions is printed after each file.

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

use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::Parser;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use promise::drive::NOW;
use serde_json::{Value, json};
use server::Server;
use tokio::task::JoinSet;

const OPERATORS: [u32; 3] = [1, 2, 3];

#[derive(Parser)]
struct Options {
    /// Applications of the three operators together.
    #[arg(long, default_value_t = 100_000)]
    applications: u64,
    /// Clients that register and delete during the second walk.
    #[arg(long, default_value_t = 32)]
    clients: u64,
    /// Applications on a page.
    #[arg(long, default_value_t = 500)]
    limit: usize,
    /// The folder of the functions' binaries.
    #[arg(long)]
    binaries: Option<String>,
    /// An argument that cargo passes to a benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

/// The interface, and each operator's token.
struct Calls {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    tokens: BTreeMap<u32, String>,
    /// The number of the next driver.
    driver: AtomicU64,
}

impl Calls {
    async fn call(&self, operator: u32, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {}", self.tokens[&operator]))
            .header("content-type", "application/json");
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = self.client.request(request.body(Full::new(body.into())).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() })
    }

    /// Registers a driver that nobody has registered.
    async fn register(&self, operator: u32) -> String {
        let driver = self.driver.fetch_add(1, Ordering::SeqCst);
        let letter = |place: u32| char::from(b'A' + u8::try_from(driver / 26_u64.pow(place) % 26).unwrap());
        let name: String = [2, 1, 0].map(letter).iter().collect();
        let phone = promise::load::phone(driver / 17_576);
        let (day, hour) = (1 + driver % 28, driver / 28 % 24);
        let body = json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone,
                          "driving_license": format!("LIST{driver:08}"),
                          "datetime": format!("2024-03-{day:02}T{hour:02}:00:00Z")});
        let (status, granted) = self.call(operator, Method::POST, "/policies/cee", Some(&body)).await;
        assert_eq!(status, StatusCode::CREATED, "{granted}");
        granted["uuid"].as_str().unwrap().to_owned()
    }

    /// A whole list, and how long each page took.
    async fn walk(&self, operator: u32, query: &str) -> (Vec<String>, Vec<Duration>) {
        let (mut listed, mut took, mut cursor) = (Vec::new(), Vec::new(), String::new());
        loop {
            let began = Instant::now();
            let path = format!("/policies/cee?{query}{cursor}");
            let (status, page) = self.call(operator, Method::GET, &path, None).await;
            took.push(began.elapsed());
            assert_eq!(status, StatusCode::OK, "{page}");
            let page_of = page["applications"].as_array().unwrap().iter();
            listed.extend(page_of.map(|application| application["uuid"].as_str().unwrap().to_owned()));
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (listed, took),
            }
        }
    }
}

fn main() {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    println!("{} cores, profile bench", std::thread::available_parallelism().unwrap());
    runtime.block_on(measure(&options));
}

async fn measure(options: &Options) {
    let binaries = options.binaries.as_ref().map(|folder| format!("--binaries={folder}"));
    let settings: Vec<&str> = ["--now", NOW, "--calls-per-second=0"].into_iter().chain(binaries.as_deref()).collect();
    let server = Server::start(&settings);
    let calls = Arc::new(Calls {
        client: Client::builder(TokioExecutor::new()).build_http(),
        url: server.about.api_url.clone(),
        tokens: server.about.operators.iter().map(|operator| (operator.id, operator.token.clone())).collect(),
        driver: AtomicU64::new(0),
    });
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for client in 0..options.clients {
        let (calls, mine) = (Arc::clone(&calls), options.applications.div_ceil(options.clients));
        let operator = OPERATORS[usize::try_from(client).unwrap() % OPERATORS.len()];
        clients.spawn(async move {
            let mut granted = Vec::new();
            for _ in 0..mine {
                granted.push(calls.register(operator).await);
            }
            (operator, granted)
        });
    }
    let mut stay: BTreeMap<u32, HashSet<String>> = BTreeMap::new();
    let mut go: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    while let Some(client) = clients.join_next().await {
        let (operator, mut granted) = client.unwrap();
        // A tenth is deleted during the second walk.
        go.entry(operator).or_default().extend(granted.split_off(granted.len() / 10 * 9));
        stay.entry(operator).or_default().extend(granted);
    }
    println!("registered in {:.0} s", began.elapsed().as_secs_f64());
    walks("alone", options, &calls, &stay).await;

    let (walked, changed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let go = Arc::new(Mutex::new(go));
    for client in 0..options.clients {
        let (calls, walked, changed, go) = (calls.clone(), walked.clone(), changed.clone(), go.clone());
        let operator = OPERATORS[usize::try_from(client).unwrap() % OPERATORS.len()];
        clients.spawn(async move {
            while !walked.load(Ordering::SeqCst) {
                calls.register(operator).await;
                let gone = go.lock().unwrap().get_mut(&operator).and_then(Vec::pop);
                if let Some(uuid) = gone {
                    let path = format!("/policies/cee/{uuid}");
                    let (status, _) = calls.call(operator, Method::DELETE, &path, None).await;
                    assert_eq!(status, StatusCode::NO_CONTENT);
                }
                changed.fetch_add(2, Ordering::SeqCst);
            }
            (operator, Vec::new())
        });
    }
    walks("while others register and delete", options, &calls, &stay).await;
    walked.store(true, Ordering::SeqCst);
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
    println!("registered and deleted meanwhile: {}", changed.load(Ordering::SeqCst));
    println!("memory of the stack: {} KiB at the most", server.memory("VmHWM"));
    if binaries.is_some() {
        exports(options, &calls, &server).await;
    }
    server.audit_and_stop();
}

/// Exports three days and then the whole list of operator 1, each as CSV and as Parquet.
async fn exports(options: &Options, calls: &Calls, server: &Server) {
    const EXPORTS: &str = "/policies/cee/exports";
    for (what, filter) in [("three days", json!({"to": "2024-03-04"})), ("all", json!({}))] {
        let query = filter["to"].as_str().map(|to| format!("&to={to}")).unwrap_or_default();
        let (listed, _) = calls.walk(1, &format!("limit={}{query}", options.limit)).await;
        for format in ["csv", "parquet"] {
            let began = Instant::now();
            let mut wish = filter.clone();
            wish["format"] = json!(format);
            let (status, mut export) = calls.call(1, Method::POST, EXPORTS, Some(&wish)).await;
            assert_eq!(status, StatusCode::ACCEPTED, "{export}");
            let path = format!("{EXPORTS}/{}", export["export_id"].as_str().unwrap());
            while export["state"] == "running" {
                tokio::time::sleep(Duration::from_millis(100)).await;
                export = calls.call(1, Method::GET, &path, None).await.1;
            }
            assert_eq!(
                (&export["state"], &export["applications"]),
                (&json!("ready"), &json!(listed.len())),
                "{export}"
            );
            println!(
                "export of {what} as {format}: {} applications, {} bytes in {:.1} s; most memory of cee-export {} KiB, of cee-applications {} \
                 KiB",
                export["applications"],
                export["bytes"],
                began.elapsed().as_secs_f64(),
                server.memory_of("cee-export", "VmHWM"),
                server.memory_of("cee-applications", "VmHWM"),
            );
        }
    }
}

/// Walks every operator's list, and checks what it holds.
async fn walks(what: &str, options: &Options, calls: &Calls, stay: &BTreeMap<u32, HashSet<String>>) {
    for operator in OPERATORS {
        let (listed, took) = calls.walk(operator, &format!("limit={}", options.limit)).await;
        let once: HashSet<&String> = listed.iter().collect();
        assert_eq!(once.len(), listed.len(), "an application is on two pages");
        let missing = stay[&operator].iter().filter(|uuid| !once.contains(uuid)).count();
        assert_eq!(missing, 0, "applications that existed throughout");
        for (other, theirs) in stay.iter().filter(|(other, _)| **other != operator) {
            assert!(theirs.iter().all(|uuid| !once.contains(uuid)), "an application of operator {other}");
        }
        let tenth = (took.len() / 10).max(1);
        let median = |some: &[Duration]| {
            let mut some = some.to_vec();
            some.sort_unstable();
            some[some.len() / 2].as_secs_f64() * 1e3
        };
        // The last page may hold few.
        let whole = &took[..took.len().saturating_sub(1).max(tenth)];
        let (first, last) = (median(&whole[..tenth]), median(&whole[whole.len() - tenth..]));
        println!(
            "operator {operator}, {what}: {} applications on {} pages; a page takes {first:.1} ms in the first tenth and {last:.1} ms in \
             the last, ratio {:.2}",
            listed.len(),
            took.len(),
            last / first
        );
        assert!(last <= 2.0 * first, "the last pages are slower");
    }
}
