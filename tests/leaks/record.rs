//! Records what a test sends and what it receives, and compares the two when the test ends.
//!
//! No test has to ask for it: a test calls the service through an object that holds a [`Record`].

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::secrets::Secrets;
use cee_service::aws::Aws;
use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderMap, Request, StatusCode};
use serde_json::Value;

use super::{Finding, Kind, Scanner, Sent};

/// Everything that this process has logged.
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

/// Keeps everything that this process logs, at the most verbose level.
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

/// The log of this process so far, of all tests.
pub fn logs() -> String {
    logs_since(0)
}

fn logs_since(start: usize) -> String {
    let log = log().lock().unwrap();
    String::from_utf8_lossy(log.get(start..).unwrap_or_default()).into_owned()
}

/// The values that one test has sent, and the texts that it has received.
pub struct Record {
    /// The position of the log when the test began.
    start: usize,
    seen: Mutex<Seen>,
    checked: AtomicBool,
}

#[derive(Default)]
struct Seen {
    sent: Sent,
    /// Each with its place.
    texts: Vec<(String, String)>,
}

impl Record {
    /// Also begins to keep the log.
    pub fn new() -> Arc<Self> {
        let start = log().lock().unwrap().len();
        Arc::new(Self { start, seen: Mutex::default(), checked: AtomicBool::new(false) })
    }

    /// A file on S3.
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
            // The last line may have only a few characters.
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

    /// A response: all of a refusal, the part about the rows of a batch. Its tokens must not appear elsewhere.
    pub fn answer(&self, place: &str, status: StatusCode, headers: &HeaderMap, body: &str) {
        let json: Value = serde_json::from_str(body).unwrap_or_default();
        let mut seen = self.seen.lock().unwrap();
        for name in ["token", "access_token"] {
            seen.sent.add(Kind::Token, json[name].as_str().unwrap_or_default());
        }
        // The id of a session is a secret of the browser. Its own header is the only place for it.
        for cookie in headers.get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok()) {
            let id = cookie.strip_prefix("__Host-session=").and_then(|cookie| cookie.split(';').next());
            seen.sent.add(Kind::Secret, id.unwrap_or_default());
        }
        // Each answer of a batch is one of its own.
        for answer in json["answers"].as_array().into_iter().flatten() {
            seen.sent.add(Kind::Token, answer["body"]["token"].as_str().unwrap_or_default());
            if answer["status"].as_u64().is_some_and(|status| status >= 400) {
                let mut body = answer["body"].clone();
                // As below.
                if body.get("uuid").is_some() {
                    body.as_object_mut().map(|members| members.remove("token"));
                }
                seen.texts.push((format!("an answer in a batch from {place}"), body.to_string()));
            }
        }
        if status.is_success() {
            for row in json["failed_details"].as_array().into_iter().flatten() {
                let place = format!("what {place} says of a row");
                seen.texts.push((place, row["error"].as_str().unwrap_or_default().to_owned()));
            }
            return;
        }
        let is_page = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        let a = if is_page { PAGE } else { "a" };
        let place = format!("{a} {} from {place}", status.as_u16());
        let drawn =
            |name: &str| ["apigw-requestid", "x-amzn-trace-id", "x-amzn-requestid", "set-cookie"].contains(&name);
        for (name, value) in headers.iter().filter(|(name, _)| !drawn(name.as_str())) {
            let value = String::from_utf8_lossy(value.as_bytes());
            // A signed link holds its signature and the moment of it.
            let value = value.split("&X-Amz-").next().unwrap_or_default();
            seen.texts.push((format!("the header {name} of {place}"), value.to_owned()));
        }
        let mut json = json;
        // A conflict with the caller's own application holds all of it, its token included, as the contract requires.
        let body = match json.as_object_mut() {
            Some(members) if members.contains_key("uuid") => {
                members.remove("token");
                json.to_string()
            }
            _ => body.to_owned(),
        };
        seen.texts.push((place, body));
    }

    /// A text that was written somewhere: by a process, under a key, in a report.
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

    /// The disk of a local stack: all files on its S3, and the objects that the service writes. The rejected rows belong to their
    /// sender.
    pub fn disk(&self, folder: &Path) {
        for path in files(folder) {
            let place = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
            let is = |part: &str| place.contains(part);
            let text = || String::from_utf8_lossy(&std::fs::read(&path).unwrap_or_default()).into_owned();
            // The answers about a list belong to its sender, as the rejected rows do; the tokens in them must be nowhere else.
            if is("/imports/") || is("/journeys/") || (is("/reports/") && place.ends_with(".answers.csv")) {
                self.file(&std::fs::read(&path).unwrap_or_default());
            } else if is("/contradictions/") {
                self.wrote(&place, &text());
            } else if is("/reports/") && place.ends_with(".json") {
                // The name of the reported file, which its sender chose.
                let mut report: Value = serde_json::from_str(&text()).unwrap_or_default();
                report.as_object_mut().map(|members| members.remove("key"));
                self.wrote(&place, &report.to_string());
            } else if is("dead-letter/") {
                let letter: Value = serde_json::from_str(&text()).unwrap_or_default();
                self.wrote(&place, &letter["responsePayload"].to_string());
            }
        }
    }

    /// All values that were sent and appear where they must not. Call it once; then the test's end does not search again.
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

    /// Whether a test has already called `findings`.
    pub fn is_checked(&self) -> bool {
        self.checked.load(Ordering::SeqCst)
    }

    /// Fails the test if anything is found, unless a test has already called `findings` or fails already.
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

const PAGE: &str = "a page,";

/// Values in their proper place: a journey is found by its operator's name for it, a credential by its access key. A page shows what the
/// person who reads it has typed, but nothing of a credential.
fn allowed(Finding { kind, place, .. }: &Finding) -> bool {
    if place.starts_with(PAGE) {
        return !matches!(kind, Kind::Secret | Kind::AccessKey | Kind::Token);
    }
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
