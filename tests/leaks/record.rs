//! Takes down what a test sends and what it gets to see, and compares the two when the test is over.
//!
//! Nobody has to ask: whoever speaks with the service in a test does so through something that holds a [`Record`].

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::secrets::Secrets;
use cee_service::aws::Aws;
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;

use super::{Finding, Kind, Scanner, Sent};

/// What everything in this process has logged.
static LOG: OnceLock<Arc<Mutex<Vec<u8>>>> = OnceLock::new();

struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps everything that is logged in this process, as much as could ever be switched on.
fn log() -> &'static Mutex<Vec<u8>> {
    LOG.get_or_init(|| {
        let log = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&log);
        let subscriber = tracing_subscriber::fmt()
            .json()
            .with_writer(move || Log(Arc::clone(&writer)))
            .with_env_filter(tracing_subscriber::EnvFilter::new("warn,cee=trace,s3s=off"))
            .finish();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        log
    })
}

/// What was logged in this process so far, by any test.
pub fn logs() -> String {
    logs_since(0)
}

fn logs_since(start: usize) -> String {
    let log = log().lock().unwrap();
    String::from_utf8_lossy(log.get(start..).unwrap_or_default()).into_owned()
}

/// What one test has sent, and what it got to see.
pub struct Record {
    /// Where the log was when the test began.
    start: usize,
    seen: Mutex<Seen>,
    checked: AtomicBool,
}

#[derive(Default)]
struct Seen {
    sent: Sent,
    /// Each with where it was seen.
    texts: Vec<(String, String)>,
}

impl Record {
    /// Begins to keep the log, too.
    pub fn new() -> Arc<Self> {
        let start = log().lock().unwrap().len();
        Arc::new(Self { start, seen: Mutex::default(), checked: AtomicBool::new(false) })
    }

    /// A file that is put on S3.
    pub fn file(&self, file: &[u8]) {
        let mut sent = Sent::default();
        sent.file(file);
        self.seen.lock().unwrap().sent.extend(sent);
    }

    /// The secrets of a stack.
    pub fn secrets(&self, secrets: &Secrets) {
        let mut sent = Sent::default();
        sent.add(Kind::Secret, &secrets.service.claim_pepper);
        for pem in [&secrets.service.proof_key, &secrets.service.application_token_key] {
            // The last line may be no more than an end.
            pem.lines().filter(|line| line.len() > 40).for_each(|line| sent.add(Kind::Secret, line));
        }
        for keys in secrets.operators.iter().map(|operator| &operator.keys).chain([&secrets.root]) {
            sent.add(Kind::Secret, &keys.secret_key);
        }
        self.seen.lock().unwrap().sent.extend(sent);
    }

    pub fn request(&self, request: &Request<Vec<u8>>) {
        let mut sent = Sent::default();
        sent.request(request);
        self.seen.lock().unwrap().sent.extend(sent);
    }

    /// An answer: of a refusal all of it, of a batch what is said of its rows. Tokens in it must not be seen elsewhere.
    pub fn answer(&self, place: &str, status: StatusCode, headers: &HeaderMap, body: &str) {
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let mut seen = self.seen.lock().unwrap();
        for name in ["token", "access_token"] {
            seen.sent.add(Kind::Token, json[name].as_str().unwrap_or_default());
        }
        if status.is_success() {
            for row in json["failed_details"].as_array().into_iter().flatten() {
                let place = format!("what {place} says of a row");
                seen.texts.push((place, row["error"].as_str().unwrap_or_default().to_owned()));
            }
            return;
        }
        let place = format!("a {} from {place}", status.as_u16());
        let drawn = |name: &str| ["apigw-requestid", "x-amzn-trace-id", "x-amzn-requestid"].contains(&name);
        for (name, value) in headers.iter().filter(|(name, _)| !drawn(name.as_str())) {
            seen.texts.push((
                format!("the header {name} of {place}"),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            ));
        }
        let mut json = json;
        // A conflict with one's own application brings all of it, its token too: the contract wants it so.
        let body = match json.as_object_mut() {
            Some(members) if members.contains_key("uuid") => {
                members.remove("token");
                json.to_string()
            }
            _ => body.to_owned(),
        };
        seen.texts.push((place, body));
    }

    /// What was written somewhere: by a process, under a key, in a report.
    pub fn wrote(&self, place: &str, text: &str) {
        self.seen.lock().unwrap().texts.push((place.to_owned(), text.to_owned()));
    }

    /// The keys of every item of every table.
    pub async fn tables(&self, aws: &Aws) {
        let db = aws.dynamodb();
        for table in db.list_tables().send().await.unwrap().table_names() {
            let about = db.describe_table().table_name(table).send().await.unwrap();
            let mut scan = db.scan().table_name(table);
            let mut names = Vec::new();
            for (number, key) in about.table().unwrap().key_schema().iter().enumerate() {
                names.push(format!("#{number}"));
                scan = scan.expression_attribute_names(format!("#{number}"), key.attribute_name());
            }
            let pages = scan.projection_expression(names.join(",")).into_paginator().items().send();
            self.keys(table, &pages.collect::<Result<Vec<_>, _>>().await.unwrap());
        }
    }

    fn keys(&self, table: &str, items: &[HashMap<String, AttributeValue>]) {
        let mut seen = self.seen.lock().unwrap();
        for (name, value) in items.iter().flatten() {
            let text = match value {
                AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
                AttributeValue::B(bytes) => bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect(),
                other => format!("{other:?}"),
            };
            seen.texts.push((format!("{KEY} {name} of {table}"), text));
        }
    }

    /// What lies on the disk of a local stack: the files that were put on its S3, whoever put them, and what the service
    /// says beside them. The rejected rows are their sender's own.
    pub fn disk(&self, folder: &Path) {
        for path in files(folder) {
            let place = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            let is = |part: &str| place.contains(part);
            let text = || String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
            if is("/imports/") || is("/journeys/") {
                self.file(&std::fs::read(&path).unwrap_or_default());
            } else if is("/contradictions/") {
                self.wrote(&place, &text());
            } else if is("/reports/") && place.ends_with(".json") {
                // Whose file it is about: it has its name from its sender.
                let mut report: Value = serde_json::from_str(&text()).unwrap_or_default();
                report.as_object_mut().map(|members| members.remove("key"));
                self.wrote(&place, &report.to_string());
            } else if is("dead-letter/") {
                let letter: Value = serde_json::from_str(&text()).unwrap_or_default();
                self.wrote(&place, &letter["responsePayload"].to_string());
            }
        }
    }

    /// Everything that was sent and is seen where it may not be. To be called once; then nobody else asks.
    pub fn findings(&self) -> Vec<Finding> {
        self.checked.store(true, Ordering::SeqCst);
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let scanner = Scanner::new(&seen.sent);
        let log = logs_since(self.start);
        let texts = seen.texts.iter().map(|(place, text)| (place.as_str(), text.as_str()));
        texts
            .chain(log.lines().map(|line| ("the log", line)))
            .flat_map(|(place, text)| scanner.scan(place, text))
            .filter(|finding| !allowed(finding))
            .collect()
    }

    /// Whether somebody has asked.
    pub fn is_checked(&self) -> bool {
        self.checked.load(Ordering::SeqCst)
    }

    /// Fails the test where anything is found, unless somebody has asked before or the test fails already.
    pub fn check(&self) {
        if self.is_checked() || std::thread::panicking() {
            return;
        }
        let findings = self.findings();
        let shown: Vec<String> = findings.iter().take(20).map(ToString::to_string).collect();
        assert!(findings.is_empty(), "personal data, {} times:\n{}", findings.len(), shown.join("\n"));
    }
}

const KEY: &str = "the key";

/// What stands where it must: a journey is found by its operator's name for it, a credential by its public half.
fn allowed(Finding { kind, place, .. }: &Finding) -> bool {
    place.starts_with(KEY)
        && match kind {
            Kind::Journey => place.ends_with("journeys"),
            Kind::AccessKey => place.ends_with("credentials"),
            _ => false,
        }
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
