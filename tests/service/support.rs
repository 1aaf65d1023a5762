//! A stack in a folder of its own, and a client that sends exactly what a test passes to it.

use std::collections::{BTreeMap, HashMap};
use std::ops::{ControlFlow, Deref};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{Instant, OperatorId, Rules, Siret};
use cee_local::secrets::{AUDIENCE, ISSUER, Secrets};
use cee_local::stack::{BUCKET, Description, Options, Stack, tables};
use cee_registry::{AuditPlace, Audited, Operator, Operators};
use cee_service::Environment;
use cee_service::aws::Aws;
use cee_tokens::{Caller, Scope, SigningKey, TokenIssuer};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::document;
use crate::leaks::Finding;
use crate::leaks::record::Record;
pub use crate::leaks::record::logs;

/// The pinned time of most tests.
pub const NOW: &str = "2024-05-01T00:00:00Z";

/// An address at which nothing answers: the system gives this port to nobody who asks for any port. The port of a service that has ended
/// may by now be another test's.
pub const NOWHERE: &str = "http://127.0.0.1:1";

pub fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

/// A running stack and the means to call it.
pub struct World {
    pub stack: Running,
    pub api: Api,
    pub secrets: Secrets,
    pub aws: Aws,
    now: Instant,
    data_dir: PathBuf,
    /// If the world has a folder of its own.
    folder: Option<TempDir>,
}

/// A stack that runs until its world ends.
pub struct Running(Option<Stack>);

impl Deref for Running {
    type Target = Stack;

    fn deref(&self) -> &Stack {
        self.0.as_ref().unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.stack.0.is_some() && !self.api.record.is_checked() && !std::thread::panicking() {
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(self.record_what_is_left()));
        }
    }
}

/// One answer over HTTP.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// The last part of a problem's type, after checking that it is a complete problem.
    pub fn problem(&self) -> String {
        let body = self.json();
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        assert_eq!(body["status"], self.status.as_u16(), "{self:?}");
        for member in ["title", "detail"] {
            assert!(body[member].as_str().is_some_and(|text| !text.is_empty()), "{self:?}");
        }
        let (page, name) = body["type"].as_str().unwrap().split_once('#').unwrap();
        assert!(page.ends_with("/docs/problems.md"), "{self:?}");
        name.to_owned()
    }

    /// The pointers of a problem's errors.
    pub fn pointers(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no errors: {body}"));
        errors.iter().map(|error| error["pointer"].as_str().unwrap().to_owned()).collect()
    }
}

/// The interface at one address. When the first of its kind is dropped, it fails the test if personal data appeared where it must
/// not; its clones do not, because a failure there might go unnoticed.
pub struct Api {
    pub url: String,
    client: Client<HttpConnector, Full<Bytes>>,
    /// The requests and the responses.
    pub record: Arc<Record>,
    checks: bool,
}

impl Clone for Api {
    fn clone(&self) -> Self {
        let Self { url, client, record, .. } = self;
        Self { url: url.clone(), client: client.clone(), record: Arc::clone(record), checks: false }
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        if self.checks {
            self.record.check();
        }
    }
}

impl Api {
    pub fn new(url: &str) -> Self {
        Self::with(Record::new(), url)
    }

    fn with(record: Arc<Record>, url: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { url: url.to_owned(), client, record, checks: true }
    }

    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Answer, hyper_util::client::legacy::Error> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        self.record.request(&request);
        let answer = self.client.request(request.map(|body| Full::new(Bytes::from(body)))).await?;
        let (head, body) = answer.into_parts();
        // A truncated response is not a response.
        let Ok(body) = body.collect().await else {
            return Ok(Answer { status: head.status, headers: head.headers, text: String::new() });
        };
        let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
        let answer = Answer { status: head.status, headers: head.headers, text };
        self.record.answer(&format!("{method} {}", uri.path()), answer.status, &answer.headers, &answer.text);
        document::check(&method, uri.path(), &answer);
        Ok(answer)
    }

    pub fn request(&self, method: Method, path: &str, token: Option<&str>, body: Vec<u8>) -> Request<Vec<u8>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(body).unwrap()
    }

    pub async fn post(&self, path: &str, token: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, path, Some(token), body.to_string().into_bytes());
        self.send(request).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path, None, Vec::new())).await.unwrap()
    }

    /// A call without a body on behalf of an operator.
    pub async fn call(&self, method: Method, path: &str, token: &str) -> Answer {
        self.send(self.request(method, path, Some(token), Vec::new())).await.unwrap()
    }

    pub async fn register(&self, token: &str, body: &Value) -> Answer {
        self.post("/policies/cee", token, body).await
    }

    /// Registers an application, and returns its UUID.
    pub async fn registered(&self, token: &str, body: &Value) -> String {
        let answer = self.register(token, body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        answer.json()["uuid"].as_str().unwrap().to_owned()
    }

    pub async fn simulate(&self, token: &str, body: &Value) -> Answer {
        self.post("/policies/cee/simulate", token, body).await
    }
}

/// A world at [`NOW`].
pub async fn world() -> World {
    world_with(|options| options.now = Some(at(NOW))).await
}

/// A stack with these settings of its functions.
pub async fn world_set(settings: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> World {
    let settings = settings.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
    world_with(|options| (options.now, options.settings) = (Some(at(NOW)), settings)).await
}

pub async fn world_with(change: impl FnOnce(&mut Options)) -> World {
    let folder = TempDir::new().unwrap();
    let mut options = Options::new(folder.path());
    change(&mut options);
    // Tests make as many calls as they can, unless they ask for a limit.
    for name in ["OPERATOR_CALLS_PER_SECOND", "TOKEN_CALLS"] {
        if !options.settings.iter().any(|(known, _)| known == name) {
            options.settings.push((name.to_owned(), "0".to_owned()));
        }
    }
    let mut world = world_on(&options).await;
    world.folder = Some(folder);
    world
}

/// A world on data that may already exist, and that stays when the world has ended.
pub async fn world_on(options: &Options) -> World {
    // Before the stack: its start is logged, too.
    let record = Record::new();
    let stack = Stack::start(options).await.unwrap();
    let about = stack.description();
    let secrets = Secrets::keep(&options.data_dir.join("secrets.json")).unwrap();
    record.secrets(&secrets);
    World {
        api: Api::with(record, &about.api_url),
        secrets,
        aws: about.aws(),
        now: options.now.unwrap_or_else(|| cee_service::Clock::Machine.now()),
        stack: Running(Some(stack)),
        data_dir: options.data_dir.clone(),
        folder: None,
    }
}

pub fn aws(dynamodb_url: &str, s3_url: &str, access_key: &str, secret_key: &str) -> Aws {
    let settings = [
        ("AWS_REGION", "eu-west-3"),
        ("AWS_ACCESS_KEY_ID", access_key),
        ("AWS_SECRET_ACCESS_KEY", secret_key),
        ("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url),
        ("AWS_ENDPOINT_URL_S3", s3_url),
        ("S3_PATH_STYLE", "true"),
    ];
    Aws::of_function(&Environment::of(settings.map(|(name, value)| (name.to_owned(), value.to_owned()))))
}

/// The findings of an audit of a stack.
pub async fn audited(about: &Description, secrets: &Secrets) -> Vec<String> {
    let auditor = about.auditor(secrets, Rules::default()).unwrap();
    let mut found = Vec::new();
    let told = |part: &Audited| {
        found.extend(part.findings.iter().map(ToString::to_string));
        ControlFlow::Continue(())
    };
    auditor.walk(AuditPlace::Start, 1000, told).await.unwrap();
    found
}

impl World {
    pub async fn audited(&self) -> Vec<String> {
        audited(self.stack.description(), &self.secrets).await
    }

    /// Stops the stack in good order. A world that is only dropped is like a machine that fails.
    pub async fn end(mut self) {
        self.record_what_is_left().await;
        self.stack.0.take().unwrap().shutdown().await;
    }

    /// Returns the personal data found where it must not be; otherwise it fails the test at its end.
    pub async fn findings(&self) -> Vec<Finding> {
        self.record_what_is_left().await;
        self.api.record.findings()
    }

    /// The output of the functions, once it holds what is wanted. A process's line is read a moment after its response, on a busy
    /// machine much later. After a minute it returns what there is.
    pub async fn output_with(&self, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        for _ in 0..6_000 {
            let lines = self.stack.output();
            if wanted(&lines) {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.stack.output()
    }

    /// Records all data that appears after the calls: the output of processes, the objects on S3, keys.
    async fn record_what_is_left(&self) {
        for line in self.stack.output() {
            self.api.record.wrote("what a function wrote", &line);
        }
        self.api.record.disk(&self.data_dir);
        self.api.record.tables(&self.aws).await;
    }

    /// The data directory of the stack.
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// A token of a sample operator.
    pub fn token(&self, operator: u32) -> String {
        self.secrets.token(OperatorId::new(operator).unwrap(), Scope::ALL.to_vec(), self.now, 60).unwrap()
    }

    /// A token with the given claims, signed under the stack's own key.
    pub fn token_of(&self, operator: u32, siret: &str, scopes: &[Scope]) -> String {
        let caller = Caller {
            operator: OperatorId::new(operator).unwrap(),
            siret: Siret::parse(siret).unwrap(),
            scopes: scopes.to_vec(),
        };
        self.issuer(ISSUER, AUDIENCE).issue(&caller, self.now, 60).unwrap()
    }

    pub fn issuer(&self, issuer: &str, audience: &str) -> TokenIssuer {
        let key = SigningKey::from_pem(&self.secrets.service.application_token_key).unwrap();
        TokenIssuer::new(key, issuer.to_owned(), audience.to_owned())
    }

    /// Admits an operator, or changes it.
    pub async fn admit(&self, id: u32, siret: &str, suspended: bool) {
        let operator = Operator {
            id: OperatorId::new(id).unwrap(),
            name: format!("Operator {id}"),
            siret: Siret::parse(siret).unwrap(),
            suspended,
        };
        Operators::new(self.aws.dynamodb(), &tables()).put(&operator).await.unwrap();
    }

    /// Puts a file on S3 and waits until it is imported.
    pub async fn upload(&self, key: &str, content: impl Into<Vec<u8>>) {
        self.put_file(key, content).await;
        self.imported().await;
    }

    /// Puts a file without waiting for its import.
    pub async fn put_file(&self, key: &str, content: impl Into<Vec<u8>>) {
        let (bucket, content) = (&self.stack.description().bucket, content.into());
        self.api.record.file(&content);
        self.aws.s3().put_object().bucket(bucket).key(key).body(content.into()).send().await.unwrap();
    }

    /// Waits until no import is running, and checks that none was given up.
    pub async fn imported(&self) {
        self.stack.queue().idle().await;
        assert_eq!(self.given_up(), [""; 0]);
    }

    /// Why imports were given up.
    pub fn given_up(&self) -> Vec<String> {
        let letters = std::fs::read_dir(self.stack.queue().dead_letters()).unwrap();
        let said = |path: &Path| {
            let letter: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
            letter["responsePayload"].to_string()
        };
        letters.map(|letter| said(&letter.unwrap().path())).collect()
    }

    /// Imports journeys.
    pub async fn journeys(&self, journeys: &[Trip]) {
        static FILES: AtomicU32 = AtomicU32::new(0);
        let mut csv = Trip::HEADER.to_owned();
        for journey in journeys {
            csv.push_str(&journey.line());
        }
        self.upload(&format!("journeys/{:05}.csv", FILES.fetch_add(1, Ordering::SeqCst)), csv).await;
    }

    /// Every application.
    pub async fn applications(&self) -> Vec<HashMap<String, AttributeValue>> {
        applications(&self.aws).await
    }

    /// Every item of a table.
    pub async fn scan(&self, table: &str) -> Vec<HashMap<String, AttributeValue>> {
        scan(&self.aws, table).await
    }
}

/// Every application, without the UUIDs of deleted and called-off applications in the same table.
pub async fn applications(aws: &Aws) -> Vec<HashMap<String, AttributeValue>> {
    let mut items = scan(aws, &tables().applications).await;
    items.retain(|item| !item.contains_key("name_taken"));
    items
}

/// Every item of a table except the check value of the pepper, which is not a claim.
pub async fn scan(aws: &Aws, table: &str) -> Vec<HashMap<String, AttributeValue>> {
    let mut items = scan_all(aws, table).await;
    items.retain(|item| item.get("pk") != Some(&AttributeValue::S("pepper".to_owned())));
    items
}

/// Every item of a table. Waits as long as necessary: on a busy machine a page of a megabyte takes longer than a function waits.
pub async fn scan_all(aws: &Aws, table: &str) -> Vec<HashMap<String, AttributeValue>> {
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let patient = aws_sdk_dynamodb::Config::builder().timeout_config(TimeoutConfig::disabled());
        let scan = aws.dynamodb().scan().table_name(table).set_exclusive_start_key(after);
        let page = scan.customize().config_override(patient).send().await.unwrap();
        items.extend(page.items.unwrap_or_default());
        after = page.last_evaluated_key;
        if after.is_none() {
            return items;
        }
    }
}

/// An object's content.
pub async fn object(aws: &Aws, key: &str) -> Vec<u8> {
    let object = aws.s3().get_object().bucket(BUCKET).key(key).send().await.unwrap();
    object.body.collect().await.unwrap().to_vec()
}

/// The keys of all objects under a prefix.
pub async fn keys(aws: &Aws, prefix: &str) -> Vec<String> {
    let listed = aws.s3().list_objects_v2().bucket(BUCKET).prefix(prefix).send().await.unwrap();
    listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
}

/// All reports under a prefix, by the key of their file.
pub async fn reports(aws: &Aws, prefix: &str) -> BTreeMap<String, Value> {
    let mut reports = BTreeMap::new();
    for key in keys(aws, prefix).await.iter().filter(|key| key.ends_with(".json")) {
        let report: Value = serde_json::from_slice(&object(aws, key).await).unwrap();
        reports.insert(report["key"].as_str().unwrap().to_owned(), report);
    }
    reports
}

/// Makes the team's commands look for a stack that has ended at [`NOWHERE`]: its port may be another test's by now.
pub fn leave_port(data_dir: &Path) {
    let path = data_dir.join("local.json");
    let mut about: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    about["dynamodb_url"] = json!(NOWHERE);
    std::fs::write(path, about.to_string()).unwrap();
}

/// The event of a put, as S3 sends it.
pub fn event(key: &str, etag: &str, sequencer: &str) -> Value {
    json!({"Records": [{
        "eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "eu-west-3",
        "eventTime": "2024-05-01T00:00:00.000Z", "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "x"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "r", "x-amz-id-2": "i"},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "c",
               "bucket": {"name": BUCKET, "ownerIdentity": {"principalId": "p"}, "arn": "a"},
               "object": {"key": key, "size": 1, "eTag": etag, "sequencer": sequencer}}}]})
}

/// A journey as the trip export writes it; by default one that may carry an application.
#[derive(Clone, Debug)]
pub struct Trip {
    pub id: u64,
    pub operator: u32,
    pub name: String,
    pub class: &'static str,
    pub start: String,
    pub end: String,
    pub metres: u32,
    pub from: &'static str,
    pub to: &'static str,
    pub phone: String,
    pub key: String,
    pub statuses: &'static str,
}

impl Trip {
    const HEADER: &str = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,\
                          start_insee,end_insee,driver_phone_trunc,driver_identity_key,acquisition_status,\
                          fraud_status,anomaly_status\n";

    pub fn new(operator: u32, name: &str, phone: &str) -> Self {
        Self {
            id: 7,
            operator,
            name: name.to_owned(),
            class: "C",
            start: "2024-03-20T07:00:00Z".to_owned(),
            end: "2024-03-20T07:30:00Z".to_owned(),
            metres: 80_000,
            from: "75056",
            to: "91377",
            phone: phone.to_owned(),
            key: String::new(),
            statuses: "processed,passed,passed",
        }
    }

    fn line(&self) -> String {
        let Self { id, operator, name, class, start, end, metres, from, to, phone, key, statuses } = self;
        format!("{id},{operator},{name},{class},{start},{end},{metres},{from},{to},{phone},{key},{statuses}\n")
    }
}

/// The metrics that the functions of this process have written so far, in this test and in all others.
pub fn metrics() -> Vec<Value> {
    let logs = logs();
    let lines = logs.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.filter_map(|line| serde_json::from_str(line["fields"]["emf"].as_str()?).ok()).collect()
}

/// The program as `cargo run` starts it.
pub fn cee() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_cee"))
}

type Item = HashMap<String, AttributeValue>;

/// An event of a table's stream about one change.
pub fn change(table: &str, before: Option<&Item>, after: Option<&Item>) -> Value {
    let image = |item: &Item| serde_json::to_value(serde_dynamo::Item::from(item.clone())).unwrap();
    let mut images = json!({"SequenceNumber": "1", "StreamViewType": "NEW_AND_OLD_IMAGES"});
    for (name, item) in [("OldImage", before), ("NewImage", after)] {
        if let Some(item) = item {
            images[name] = image(item);
        }
    }
    let arn = format!("arn:aws:dynamodb:eu-west-3:123456789012:table/{table}/stream/2026-11-28T00:00:00.000");
    json!({"Records": [{"eventSource": "aws:dynamodb", "eventSourceARN": arn, "dynamodb": images}]})
}
