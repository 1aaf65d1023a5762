//! The import function between an embedded S3 and DynamoDB, in one process: what operators and the registry's team see of
//! a file, and what S3 and Lambda may do to an event. `tests/service/history.rs` looks at files through the whole stack.

// A test stops at the first surprise; Clippy sees only the functions marked as tests as such.
#![allow(unreachable_pub, clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[path = "leaks/mod.rs"]
#[allow(dead_code)]
mod leaks;

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Select};
use aws_stand_in::dynamo::{self, DynamoServer};
use aws_stand_in::invoke::{Function, InProcess};
use aws_stand_in::queue::{AsyncQueue, QueueOptions};
use aws_stand_in::s3::{self, Credentials, EventSink, S3Server};
use cee_eligibility::{
    ApplicationId, Blocker, DrivingLicense, Identity, IdentityKeys, Instant, JourneyStatus, JourneyType, LastNameTrunc,
    OperatorId, OperatorJourneyId, PhoneTrunc, Reason, Rules, Siret, TruncatedIdentity,
};
use cee_fn_import::event::Event;
use cee_fn_import::{ImportError, ImportFunction};
use cee_registry::{
    Application, ApplicationJourney, Applications, ClaimKeys, Deadline, Journeys, Operator, Operators, PepperKeeper,
    Registrar, Registration, Simulated, Simulator, StoredJourney, Tables,
};
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use cee_service::{Environment, PepperError};
use lambda_runtime::{Context, LambdaEvent, service_fn};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::leaks::record::Record;

const BUCKET: &str = "cee-test";
const NOW: &str = "2024-05-01T00:00:00Z";
const HEADER: &str = "journey_type;last_name_trunc;phone_trunc;datetime\n";
const JOURNEYS: &str = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,\
                        start_insee,end_insee,driver_phone_trunc,acquisition_status,fraud_status,anomaly_status\n";

/// S3 and DynamoDB, the queue between S3 and the function, and every event that S3 has sent.
struct World {
    environment: HashMap<String, String>,
    aws: Aws,
    tables: Tables,
    function: ImportFunction,
    queue: AsyncQueue,
    events: Arc<Mutex<Vec<Value>>>,
    /// Whether events stay away from the queue.
    held: Arc<AtomicBool>,
    folder: TempDir,
    /// The uploaded objects, and how they are seen.
    record: Arc<Record>,
    _servers: (DynamoServer, S3Server),
}

/// The visible state of one object.
#[derive(Clone, Debug, PartialEq)]
struct Object {
    content: String,
    content_type: Option<String>,
    etag: Option<String>,
}

async fn world() -> World {
    let record = Record::new();
    let free = async || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let folder = TempDir::new().unwrap();
    let dynamo = dynamo::start(free().await, None).await.unwrap();
    let root = folder.path().join("s3");
    s3::create_bucket(&root, BUCKET).await.unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let held = Arc::new(AtomicBool::new(false));
    // The queue needs the function, which needs the address of S3, which sends to the queue.
    let queue = Arc::new(Mutex::new(None::<AsyncQueue>));
    let sink = {
        let (events, held, queue) = (Arc::clone(&events), Arc::clone(&held), Arc::clone(&queue));
        EventSink::new("eu-west-3", &["imports/", "journeys/"], move |event| {
            events.lock().unwrap().push(event.clone());
            match queue.lock().unwrap().as_ref() {
                Some(queue) if !held.load(Ordering::SeqCst) => Ok(queue.accept(event)?),
                _ => Ok(()),
            }
        })
    };
    let s3 = s3::start(free().await, &root, Credentials::root("key", "secret"), sink, Vec::new()).await.unwrap();
    let tables = Tables::with_prefix("test-");
    let settings = [
        ("AWS_REGION", "eu-west-3"),
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_ENDPOINT_URL_DYNAMODB", &dynamo.url()),
        ("AWS_ENDPOINT_URL_S3", &s3.url()),
        ("S3_PATH_STYLE", "true"),
        ("BUCKET", BUCKET),
        ("CLAIM_PEPPER", "a pepper for tests, 32 bytes or more"),
        ("NOW", NOW),
    ];
    let of_tables = Tables::SETTINGS.iter().copied().zip(tables.names());
    let environment: HashMap<_, _> =
        settings.into_iter().chain(of_tables).map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let aws = Aws::of_function(&Environment::of(environment.clone()));
    tables.create_missing(&aws.dynamodb()).await.unwrap();
    let keys = Environment::of(environment.clone()).claim_keys().unwrap();
    let keeper = PepperKeeper::new(aws.dynamodb(), &tables, keys);
    keeper.note_pepper(Instant::parse(NOW).unwrap(), soon()).await.unwrap();
    for (id, suspended) in [(1, false), (2, false), (3, true)] {
        let siret = Siret::parse(&id.to_string().repeat(14)).unwrap();
        let known = Operator { id: operator(id), name: format!("Operator {id}"), siret, suspended };
        Operators::new(aws.dynamodb(), &tables).put(&known).await.unwrap();
    }
    let function = ImportFunction::from_environment(&Environment::of(environment.clone())).await.unwrap();
    let handler = function.clone();
    let service = service_fn(move |event: LambdaEvent<Event>| {
        let function = handler.clone();
        async move { function.handle(event).await }
    });
    let invoker = Arc::new(InProcess::<_, Event>::new(service, Function::new("import", Duration::from_secs(900))));
    let options = QueueOptions { delay: Duration::from_millis(10), ..QueueOptions::default() };
    let started = AsyncQueue::start(&folder.path().join("queue"), invoker, options).unwrap();
    *queue.lock().unwrap() = Some(started.clone());
    World { environment, aws, tables, function, queue: started, events, held, folder, record, _servers: (dynamo, s3) }
}

/// Calls the function as Lambda does, without a queue.
async fn invoke(function: &ImportFunction, event: &Value) -> Result<(), ImportError> {
    invoke_as("request", function, event).await
}

/// The same, as the invocation of this name: a second try has the name of the first, a second delivery one of its own.
async fn invoke_as(request_id: &str, function: &ImportFunction, event: &Value) -> Result<(), ImportError> {
    let mut context = Context::default();
    context.request_id = request_id.to_owned();
    context.deadline = u64::try_from(machine_now().millis()).unwrap() + 900_000;
    function.handle(LambdaEvent::new(serde_json::from_value(event.clone()).unwrap(), context)).await
}

impl Drop for World {
    /// Fails the test where personal data of its files is seen in the log, in a report, or in a key.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.record.disk(self.folder.path());
            let keys = self.record.tables(&self.aws);
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(keys));
            self.record.check();
        }
    }
}

impl World {
    async fn put(&self, key: &str, content: impl Into<Vec<u8>>) {
        let content = content.into();
        self.record.file(&content);
        let put = self.aws.s3().put_object().bucket(BUCKET).key(key).body(content.into());
        put.send().await.unwrap();
    }

    /// Uploads a file, waits for its import, and returns its report.
    async fn import(&self, key: &str, content: impl Into<Vec<u8>>) -> Value {
        self.put(key, content).await;
        self.settle().await;
        self.report(key).await
    }

    async fn settle(&self) {
        self.queue.idle().await;
        assert_eq!(self.queue.counts().dead, 0, "an event was given up");
    }

    /// Uploads a file whose event does not reach the function, and returns the event.
    async fn upload_held(&self, key: &str, content: impl Into<Vec<u8>>) -> Value {
        self.held.store(true, Ordering::SeqCst);
        self.put(key, content).await;
        self.held.store(false, Ordering::SeqCst);
        self.last_event()
    }

    fn last_event(&self) -> Value {
        self.events.lock().unwrap().last().unwrap().clone()
    }

    /// A function with a setting of its own.
    async fn function_with(&self, name: &str, value: &str) -> ImportFunction {
        let mut environment = self.environment.clone();
        environment.insert(name.to_owned(), value.to_owned());
        ImportFunction::from_environment(&Environment::of(environment)).await.unwrap()
    }

    async fn object(&self, key: &str) -> Object {
        let object = self.aws.s3().get_object().bucket(BUCKET).key(key).send().await.unwrap();
        let (content_type, etag) = (object.content_type, object.e_tag);
        let content = String::from_utf8(object.body.collect().await.unwrap().to_vec()).unwrap();
        Object { content, content_type, etag }
    }

    /// Everything beside files, by key.
    async fn beside(&self) -> BTreeMap<String, Object> {
        let listed = self.aws.s3().list_objects_v2().bucket(BUCKET).prefix("reports/").send().await.unwrap();
        assert_ne!(listed.is_truncated, Some(true));
        let mut objects = BTreeMap::new();
        for key in listed.contents().iter().map(|object| object.key().unwrap().to_owned()) {
            let object = self.object(&key).await;
            objects.insert(key, object);
        }
        objects
    }

    async fn reports(&self) -> Vec<(String, Value)> {
        let json = |(key, object): (String, Object)| {
            key.ends_with(".json").then(|| {
                assert_eq!(object.content_type.as_deref(), Some("application/json"));
                (key, serde_json::from_str::<Value>(&object.content).unwrap())
            })
        };
        self.beside().await.into_iter().filter_map(json).collect()
    }

    /// The one report on the file of this key, after checking what every report promises.
    async fn report(&self, key: &str) -> Value {
        let mut found: Vec<_> = self.reports().await.into_iter().filter(|(_, report)| report["key"] == key).collect();
        assert_eq!(found.len(), 1, "{key}: {found:?}");
        let (at, report) = found.remove(0);
        let [read, imported, known, rejected] = counts(&report);
        assert_eq!(read, imported + known + rejected, "{report}");
        let owner = report["operator_id"].as_u64().map_or_else(|| "journeys".to_owned(), |id| id.to_string());
        assert_eq!(at, format!("reports/{owner}/{}.json", report["import_id"].as_str().unwrap()));
        assert!(key.starts_with(&format!("imports/{owner}/")) || key.starts_with("journeys/"));
        assert_eq!(report.get("rejected_rows").is_some(), rejected > 0, "{report}");
        report
    }

    /// Every item of a table, in an order; not the check value of the pepper, which is nobody's claim.
    async fn items(&self, table: &str) -> Vec<BTreeMap<String, AttributeValue>> {
        let items = self.aws.dynamodb().scan().table_name(table).into_paginator().items().send();
        let mut items: Vec<BTreeMap<_, _>> = items
            .collect::<Result<Vec<_>, _>>()
            .await
            .unwrap()
            .into_iter()
            .map(|item| item.into_iter().collect())
            .collect();
        items.retain(|item| item.get("pk") != Some(&AttributeValue::S("pepper".to_owned())));
        items.sort_by_key(|item| format!("{item:?}"));
        items
    }

    /// How many drivers have a claim.
    async fn drivers(&self) -> i32 {
        let claims = self.aws.dynamodb().scan().table_name(&self.tables.claims).select(Select::Count);
        // All but the check value of the pepper.
        claims.send().await.unwrap().count - 1
    }

    /// All that an import may write to the tables.
    async fn written(&self) -> [Vec<BTreeMap<String, AttributeValue>>; 4] {
        let Tables { claims, applications, journeys, imports, .. } = &self.tables;
        [
            self.items(claims).await,
            self.items(applications).await,
            self.items(journeys).await,
            self.items(imports).await,
        ]
    }

    /// The stored state of the import of this report.
    async fn kept(&self, report: &Value) -> BTreeMap<String, AttributeValue> {
        let id = AttributeValue::S(report["import_id"].as_str().unwrap().to_owned());
        let kept = self.items(&self.tables.imports).await.into_iter().find(|item| item["import_id"] == id);
        kept.unwrap_or_else(|| panic!("no record of {report}"))
    }

    fn keys(&self) -> ClaimKeys {
        Environment::of(self.environment.clone()).claim_keys().unwrap()
    }

    /// The application that blocks a driver today.
    async fn blocker(&self, journey_type: JourneyType, identity: &Identity) -> Option<Blocker> {
        let cutoffs = Rules::default().cutoffs(journey_type, at(NOW));
        let simulator = Simulator::new(self.aws.dynamodb(), &self.tables, self.keys());
        match simulator.simulate(journey_type, identity, &cutoffs, operator(1), soon()).await.unwrap() {
            Simulated::Blocked(blocker) => Some(blocker),
            Simulated::Eligible => None,
            Simulated::NoRoom(why) => panic!("{why}"),
        }
    }
}

fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn operator(id: u32) -> OperatorId {
    OperatorId::new(id).unwrap()
}

/// A driver of this number, without licence and key.
fn driver(number: usize) -> Identity {
    let truncated = TruncatedIdentity {
        last_name_trunc: LastNameTrunc::parse(&name(number)).unwrap(),
        phone_trunc: PhoneTrunc::parse(&format!("+336{number:06}")).unwrap(),
    };
    Identity { truncated, driving_license: None, identity_keys: IdentityKeys::default() }
}

fn name(number: usize) -> String {
    [676, 26, 1].map(|power| char::from(b'A' + u8::try_from(number / power % 26).unwrap())).iter().collect()
}

/// A row of that driver.
fn row(journey_type: &str, number: usize, date: &str) -> String {
    format!("{journey_type};{};+336{number:06};{date}\n", name(number))
}

fn rows(numbers: std::ops::Range<usize>) -> String {
    HEADER.to_owned() + &numbers.map(|number| row("short", number, "2022-02-15")).collect::<String>()
}

fn counts(report: &Value) -> [u64; 4] {
    ["read", "imported", "already_known", "rejected"].map(|name| report[name].as_u64().unwrap())
}

/// A report without what differs from one run to the next.
fn timeless(mut report: Value) -> Value {
    for name in ["import_id", "started_at", "ended_at", "duration_ms", "work_ms", "rejected_rows"] {
        report.as_object_mut().unwrap().remove(name);
    }
    report
}

/// Malformed rows, each with the column that is reported. They are bytes because some are not text.
fn bad_rows() -> Vec<(Vec<u8>, &'static str)> {
    let mut bad: Vec<(Vec<u8>, &str)> = [
        ("courte;DUP;+336010203;2021-02-15", "journey_type"),
        (";DUP;+336010203;2021-02-15", "journey_type"),
        ("short;dup;+336010203;2021-02-15", "last_name_trunc"),
        ("short;HÉR;+336010203;2021-02-15", "last_name_trunc"),
        ("short;D-H;+336010203;2021-02-15", "last_name_trunc"),
        ("short;DUPO;+336010203;2021-02-15", "last_name_trunc"),
        ("short;;+336010203;2021-02-15", "last_name_trunc"),
        ("short; T;+336010203;2021-02-15", "last_name_trunc"),
        ("short;DUP;inconnu;2021-02-15", "phone_trunc"),
        ("short;DUP;3,36E+08;2021-02-15", "phone_trunc"),
        ("short;DUP;0601020304;2021-02-15", "phone_trunc"),
        ("short;DUP;601020304;2021-02-15", "phone_trunc"),
        ("short;DUP;;2021-02-15", "phone_trunc"),
        ("short;DUP;+336010203;hier", "datetime"),
        ("short;DUP;+336010203;30/02/2021", "datetime"),
        ("short;DUP;+336010203;2021-13-31", "datetime"),
        ("short;DUP;+336010203;15/02/21", "datetime"),
        ("short;DUP;+336010203;1/2/202", "datetime"),
        ("short;DUP;+336010203;44228", "datetime"),
        ("short;DUP;+336010203;########", "datetime"),
        ("short;DUP;+336010203;", "datetime"),
        ("short;DUP;+336010203;2024-05-02", "datetime"),
        ("short;DUP;+336010203;2023-01-01", "datetime"),
        ("short;DUP;+336010203;2022-12-31T23:00:00Z", "datetime"),
        ("short; TO;+336010203;2021-02-15", "last_name_trunc"),
        ("short;   ;+336010203;2021-02-15", "last_name_trunc"),
        ("short;DUP;+336010203;2124-01-01T00:00:00Z", "datetime"),
        ("short", "last_name_trunc"),
        ("short;DUP", "phone_trunc"),
        ("short;DUP;+336010203", "datetime"),
        ("short;DUP;+336010203;2021-02-15;more", "5"),
        ("short;DUP;+336010203;2021-02-15;;;", "5"),
        ("short;\"DUP;+336010203;2021-02-15", "last_name_trunc"),
        ("short;\"DU\"P;+336010203;2021-02-15", "last_name_trunc"),
        ("short;DU\0;+336010203;2021-02-15", "last_name_trunc"),
        ("\0\0\0\0", "last_name_trunc"),
        ("courte;dup;3,36E+08;hier", "journey_type"),
    ]
    .map(|(row, column)| (row.as_bytes().to_vec(), column))
    .into();
    bad.push((b"short;H\xc9R;+336010203;2021-02-15".to_vec(), "last_name_trunc"));
    bad.push((format!("short;DUP;+336010203;2021-02-15{}", " ".repeat(70_000)).into_bytes(), ""));
    bad
}

/// The lines of a rejected file: line and column of each, and its own cells.
fn told(rejected: &str) -> Vec<(usize, String, Vec<String>)> {
    let text = rejected.strip_prefix('\u{feff}').expect("a byte order mark");
    let mut reader = csv::ReaderBuilder::new().delimiter(b';').from_reader(text.as_bytes());
    let header: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(
        header,
        ["journey_type", "last_name_trunc", "phone_trunc", "datetime", "line", "column", "reason"].map(str::to_owned)
    );
    let record = |record: Result<csv::StringRecord, csv::Error>| {
        let cells: Vec<String> = record.unwrap().iter().map(str::to_owned).collect();
        assert!(cells[6].len() > 10, "no reason: {}", cells[4]);
        (cells[4].parse().unwrap(), cells[5].clone(), cells[..4].to_vec())
    };
    reader.records().map(record).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_rows_of_each_kind_are_rejected_alone() {
    const ROWS: usize = 1000;
    let world = world().await;
    let bad = bad_rows();
    let mut file = "\u{feff}\"journey_type\";last_name_trunc;\"phone_trunc\";datetime\r\n".as_bytes().to_vec();
    let mut expected = Vec::new();
    let mut lost_zeros = 0;
    for number in 0..ROWS {
        if number % 20 == 13 {
            let (row, column) = &bad[number / 20 % bad.len()];
            expected.push((number + 2, (*column).to_owned()));
            file.extend_from_slice(row);
        } else {
            lost_zeros += u64::from(number % 4 == 3);
            let phone = ["+336", "06", "00336", "6"][number % 4];
            let date = ["2022-02-15", "15/02/2022", "2022-02-15T00:00:00+01:00"][number % 3];
            let quote = if number % 5 == 0 { "\"" } else { "" };
            let name = name(number);
            file.extend_from_slice(
                format!("short;{quote}{name}{quote};{phone}{number:06};{quote}{date}{quote}").as_bytes(),
            );
        }
        file.extend_from_slice(b"\r\n");
    }
    assert_eq!(expected.len(), 50);
    let report = world.import("imports/1/history.csv", file.clone()).await;
    assert_eq!(counts(&report), [1000, 950, 0, 50], "{report}");
    assert_eq!(report["repairs"], json!({"phone_lost_zero": lost_zeros}));
    assert_eq!((&report["state"], report.get("error")), (&json!("completed"), None));
    assert_eq!(report["bytes"].as_u64(), Some(file.len() as u64));
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &file);
    let sha256: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(report["sha256"], sha256);
    assert_eq!(report["started_at"], at(NOW).to_string());

    let rejected = world.object(report["rejected_rows"].as_str().unwrap()).await;
    assert_eq!(rejected.content_type.as_deref(), Some("text/csv; charset=utf-8"));
    let told = told(&rejected.content);
    assert_eq!(told.iter().map(|(line, column, _)| (*line, column.clone())).collect::<Vec<_>>(), expected);
    let (first, _, cells) = &told[0];
    assert_eq!((*first, cells.join(";").as_str()), (15, "courte;DUP;+336010203;2021-02-15"), "as it came");

    for number in [0, 1, 2, 3, 5, ROWS - 1] {
        let in_the_way = world.blocker(JourneyType::Short, &driver(number)).await.unwrap();
        assert_eq!((in_the_way.reason, in_the_way.operator), (Reason::History, operator(1)));
        assert_eq!(in_the_way.datetime, at("2022-02-15T00:00:00+01:00"));
        assert_eq!(world.blocker(JourneyType::Long, &driver(number)).await, None);
    }
    assert_eq!(world.items(&world.tables.claims).await.len(), 950, "a rejected row left something");
    assert_eq!(world.kept(&report).await["state"], AttributeValue::S("completed".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn event_delivered_again_changes_nothing() {
    let world = world().await;
    let file = rows(0..200) + "short;dup;+336010203;2022-02-15\n";
    let report = world.import("imports/1/history.csv", file).await;
    assert_eq!(counts(&report), [201, 200, 0, 1]);
    let (beside, written) = (world.beside().await, world.written().await);
    assert_eq!(beside.len(), 2);
    for _ in 0..2 {
        world.queue.accept(world.last_event()).unwrap();
        world.settle().await;
        assert_eq!(world.beside().await, beside);
        assert_eq!(world.written().await, written);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn event_delivered_twice_at_once_writes_one_report() {
    // Every driver twice, so that the second row of each is known already whichever of the two invocations is ahead.
    let file = rows(0..150) + &rows(0..150).replace(HEADER, "") + "short;dup;+336010203;2022-02-15\n";
    for names in [["one", "another"], ["one", "one"]] {
        let world = world().await;
        let event = world.upload_held("imports/1/history.csv", file.clone()).await;
        let call = |name| invoke_as(name, &world.function, &event);
        let calls = tokio::join!(call(names[0]), call(names[1]));
        assert!(calls.0.is_ok() && calls.1.is_ok(), "{calls:?}");
        let report = world.report("imports/1/history.csv").await;
        assert_eq!(counts(&report), [301, 150, 150, 1]);
        assert_eq!(world.beside().await.len(), 2, "one report and one list of rejected rows");
        assert_eq!(world.kept(&report).await["state"], AttributeValue::S("completed".to_owned()));
        assert_eq!(world.items(&world.tables.claims).await.len(), 150);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_imported_again_are_already_known() {
    let world = world().await;
    let file = rows(0..100) + "short;dup;+336010203;2022-02-15\n";
    let first = world.import("imports/1/history.csv", file.clone()).await;
    assert_eq!(counts(&first), [101, 100, 0, 1]);
    let dates = |items: Vec<BTreeMap<String, AttributeValue>>| -> Vec<Vec<String>> {
        let known = |item: BTreeMap<String, AttributeValue>| item.into_keys().filter(|name| name != "v").collect();
        items.into_iter().map(known).collect()
    };
    let claims = dates(world.items(&world.tables.claims).await);
    let other_key = world.import("imports/1/again.csv", file.clone()).await;
    assert_eq!(counts(&other_key), [101, 0, 100, 1]);
    assert_eq!(other_key["sha256"], first["sha256"]);
    // The same key again is another import, with its own report.
    world.put("imports/1/history.csv", file).await;
    world.settle().await;
    let reports = world.reports().await;
    assert_eq!(reports.len(), 3);
    let mut of_key: Vec<_> =
        reports.iter().filter(|(_, r)| r["key"] == "imports/1/history.csv").map(|(_, r)| counts(r)).collect();
    of_key.sort_unstable();
    assert_eq!(of_key, [[101, 0, 100, 1], [101, 100, 0, 1]]);
    assert!(dates(world.items(&world.tables.claims).await) == claims, "no date is added");
}

#[tokio::test(flavor = "multi_thread")]
async fn import_after_crashes_writes_the_same_report() {
    const ROWS: usize = 700;
    let mut file = rows(0..ROWS);
    for number in 0..ROWS {
        match number % 7 {
            0 => file.push_str(&row("short", number, "2022-02-15")), // known by then
            1 => file.push_str(&row("short", number, "2021-12-01")), // an older one
            2 => file.push_str("short;dup;+336010203;2022-02-15\n"), // bad
            // In the future at the time of the first try, and history never.
            3 => file.push_str(&row("short", number, "2024-05-15")),
            _ => {}
        }
    }
    let calm = world().await;
    let expected = calm.import("imports/1/history.csv", file.clone()).await;
    assert_eq!(counts(&expected), [1100, 800, 100, 200]);

    let world = world().await;
    let event = world.upload_held("imports/1/history.csv", file).await;
    let later = world.function_with("NOW", "2024-06-01T00:00:00Z").await;
    // Each try gets further than the one before and is then gone, as a process is that is killed.
    for (function, crash_at) in [(&world.function, 1), (&later, 250), (&later, 450)] {
        let (function, event) = (function.clone(), event.clone());
        let call = tokio::spawn(async move { invoke(&function, &event).await });
        while world.drivers().await < crash_at {
            assert!(!call.is_finished(), "it ended before it crashed");
        }
        call.abort();
        assert!(call.await.unwrap_err().is_cancelled());
        assert!(world.beside().await.is_empty(), "a report before the end");
        let imports = world.items(&world.tables.imports).await;
        assert_eq!(imports.len(), 1);
        assert_eq!(imports[0]["state"], AttributeValue::S("running".to_owned()));
    }
    invoke(&later, &event).await.unwrap();
    let report = world.report("imports/1/history.csv").await;
    assert_eq!(timeless(report.clone()), timeless(expected.clone()));
    assert_eq!(report["started_at"], at(NOW).to_string(), "begun once");
    let rejected =
        async |world: &World, report: &Value| world.object(report["rejected_rows"].as_str().unwrap()).await.content;
    assert_eq!(rejected(&world, &report).await, rejected(&calm, &expected).await);

    // And the claims are those of the calm import, but for the stamps and the name of the import in each.
    let claims = async |world: &World, report: &Value| {
        let mut items = world.items(&world.tables.claims).await;
        items.iter_mut().for_each(|item| drop(item.remove("v")));
        let shown = format!("{items:?}");
        shown.replace(report["import_id"].as_str().unwrap(), "import")
    };
    assert_eq!(claims(&world, &report).await, claims(&calm, &expected).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_follow_the_rules_of_their_journey_type() {
    let world = world().await;
    // Closed for long applications alone: their rows are rejected, the others imported, and journeys read.
    let half_closed = world.function_with("IMPORT_ENABLED", "short").await;
    let two = format!("{HEADER}{}{}", row("long", 0, "2022-02-15"), row("short", 1, "2022-02-15"));
    let event = world.upload_held("imports/1/half-closed.csv", two).await;
    invoke(&half_closed, &event).await.unwrap();
    let report = world.report("imports/1/half-closed.csv").await;
    assert_eq!(counts(&report), [2, 1, 0, 1]);
    let rejected = world.object(report["rejected_rows"].as_str().unwrap()).await.content;
    assert!(rejected.contains(";2;journey_type;") && rejected.contains("is closed: "), "{rejected}");
    let event = world.upload_held("journeys/half-closed.csv", JOURNEYS).await;
    invoke(&half_closed, &event).await.unwrap();
    assert_eq!(world.report("journeys/half-closed.csv").await["state"], "completed");

    // Each function goes by the day that history ends with for it.
    let later = world.function_with("LONG_HISTORY_BEFORE", "2023-02-01").await;
    let row_of = |journey_type| row(journey_type, 2, "2023-01-31");
    let event =
        world.upload_held("imports/1/bound.csv", format!("{HEADER}{}{}", row_of("long"), row_of("short"))).await;
    invoke(&later, &event).await.unwrap();
    assert_eq!(counts(&world.report("imports/1/bound.csv").await), [2, 1, 0, 1]);
    for number in [1, 2] {
        let kind = if number == 1 { JourneyType::Short } else { JourneyType::Long };
        assert!(world.blocker(kind, &driver(number)).await.is_some(), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_files_report_reason_and_import_no_row() {
    let world = world().await;
    let good = rows(0..3);
    let row = row("short", 0, "2022-02-15");
    let no_date = HEADER.replace(";datetime", "");
    let utf_16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let files: Vec<(&str, Vec<u8>, &str)> = vec![
        ("imports/1/empty.csv", vec![], "The file is empty"),
        ("imports/1/blank.csv", b"\r\n;;;\r\n".to_vec(), "The file is empty"),
        ("imports/1/utf-16.csv", utf_16(&good), "UTF-16"),
        ("imports/1/book.xlsx", include_bytes!("files/programs/openpyxl.xlsx").to_vec(), "is a workbook"),
        ("imports/1/history.csv.gz", b"\x1f\x8b\x08\0\0\0\0\0".to_vec(), "is a damaged or incomplete gzip"),
        ("imports/1/image.csv", b"\x89PNG\x1a\n\0\0".to_vec(), "not a text file"),
        ("imports/1/long.csv", "journey_type;".repeat(10_000).into(), "longer than 65536 bytes"),
        ("imports/1/quote.csv", good.replacen("datetime", "\"datetime", 1).into(), "a quote"),
        ("imports/1/no-header.csv", row.clone().into(), "has no header"),
        ("imports/1/column.csv", format!("{no_date}{row}").into(), "missing datetime"),
        ("imports/2/claimed.csv", format!("operator_id;{HEADER}1;{row}").into(), "unknown \"operator_id\""),
        ("imports/99/unknown.csv", good.clone().into(), "does not know this operator"),
        ("imports/3/suspended.csv", good.clone().into(), "suspended"),
        ("journeys/history.csv", good.clone().into(), "has no header"),
    ];
    for (key, content, why) in files {
        let report = world.import(key, content).await;
        assert_eq!((report["state"].as_str(), counts(&report)), (Some("failed"), [0; 4]), "{report}");
        let error = report["error"].as_str().unwrap();
        assert!(error.contains(why) && error.ends_with('.'), "{key}: {error}");
        assert!(!error.contains(key), "{error}");
        assert_eq!(world.kept(&report).await["state"], AttributeValue::S("failed".to_owned()));
    }

    let closed = world.function_with("IMPORT_ENABLED", "false").await;
    for (key, content) in [("imports/1/closed.csv", good.as_str()), ("journeys/closed.csv", JOURNEYS)] {
        let event = world.upload_held(key, content).await;
        invoke(&closed, &event).await.unwrap();
        assert!(world.report(key).await["error"].as_str().unwrap().contains("closed"));
    }

    let gone = world.upload_held("imports/1/gone.csv", good.clone()).await;
    world.aws.s3().delete_object().bucket(BUCKET).key("imports/1/gone.csv").send().await.unwrap();
    invoke(&world.function, &gone).await.unwrap();
    assert!(world.report("imports/1/gone.csv").await["error"].as_str().unwrap().contains("removed"));
    assert!(world.items(&world.tables.claims).await.is_empty(), "a row was imported");

    // Of two files under one key the first is refused and the second imported, in whatever order their events come.
    let first = world.upload_held("imports/1/replaced.csv", good.clone()).await;
    let second = world.upload_held("imports/1/replaced.csv", rows(0..5)).await;
    for event in [&second, &first] {
        invoke(&world.function, event).await.unwrap();
    }
    let reports = world.reports().await;
    let mut said: Vec<_> = reports
        .iter()
        .filter(|(_, report)| report["key"] == "imports/1/replaced.csv")
        .map(|(_, report)| (report["state"].as_str().unwrap(), counts(report)))
        .collect();
    said.sort_unstable();
    assert_eq!(said, [("completed", [5, 5, 0, 0]), ("failed", [0; 4])]);
}

#[tokio::test(flavor = "multi_thread")]
async fn key_prefix_decides_operator_of_file() {
    let world = world().await;
    for (key, number) in [
        ("imports/2/mes conducteurs été.csv", 0),
        ("imports/2/a+b %2B 100%.csv", 1),
        ("imports/2/2024/05/imports/1/x.csv", 2),
        ("imports/2/no extension", 3),
    ] {
        let report = world.import(key, rows(number..number + 1)).await;
        assert_eq!((counts(&report), report["operator_id"].as_u64()), ([1, 1, 0, 0], Some(2)), "{report}");
        let in_the_way = world.blocker(JourneyType::Short, &driver(number)).await.unwrap();
        assert_eq!(in_the_way.operator, operator(2), "{key}");
    }
    // Nobody's files have no report, and are not tried again.
    let before = world.beside().await;
    for key in ["imports/0/x.csv", "imports/02/x.csv", "imports/x/x.csv", "imports/x.csv"] {
        world.put(key, rows(9..10)).await;
    }
    world.put("imports/1/folder/", "").await;
    let mut other = world.last_event();
    other["Records"][0]["s3"]["bucket"]["name"] = json!("another");
    for key in ["reports/1/x.csv", "x.csv", "imports/1/%FF.csv", "imports/1/folder/"] {
        let mut event = world.last_event();
        event["Records"][0]["s3"]["object"]["key"] = json!(key);
        world.queue.accept(event).unwrap();
    }
    world.queue.accept(other).unwrap();
    world.settle().await;
    assert_eq!(world.beside().await, before);
    assert_eq!(world.blocker(JourneyType::Short, &driver(9)).await, None);
}

/// A line of a journeys file: the operator's journey of this name.
fn trip(name: &str, metres: u32, statuses: &str) -> String {
    format!("7,1,{name},C,2024-03-20T07:00:00Z,2024-03-20T07:30:00Z,{metres},75056,91377,+336010203,{statuses}\n")
}

const PASSED: &str = "processed,passed,passed";
const FRAUD: &str = "processed,failed,passed";

impl World {
    async fn journey(&self, name: &str) -> StoredJourney {
        let journeys = Journeys::new(self.aws.dynamodb(), &self.tables);
        journeys.find(operator(1), &OperatorJourneyId::parse(name).unwrap()).await.unwrap().unwrap()
    }

    async fn metres_and_status(&self, name: &str) -> (u32, JourneyStatus) {
        let journey = self.journey(name).await.journey;
        (journey.distance_metres, journey.status)
    }

    async fn application_status(&self, uuid: ApplicationId) -> JourneyStatus {
        let applications = Applications::new(self.aws.dynamodb(), &self.tables);
        applications.find(uuid).await.unwrap().unwrap().journey.unwrap().status
    }

    async fn register(&self, application: &Application, journey: Option<&StoredJourney>) {
        let cutoffs = Rules::default().cutoffs(application.journey_type, application.datetime);
        let registrar = Registrar::new(self.aws.dynamodb(), &self.tables, self.keys());
        let registered = registrar.register(application, &cutoffs, journey, None, soon()).await;
        assert_eq!(registered, Ok(Registration::Registered));
    }
}

/// An application of the driver of this number.
fn application(number: usize, journey_type: JourneyType) -> Application {
    let license = DrivingLicense::parse(&format!("{number:012}")).unwrap();
    Application {
        uuid: ApplicationId::new(uuid::Uuid::from_u128(number as u128)),
        operator: operator(1),
        journey_type,
        identity: Identity { driving_license: Some(license), ..driver(number) },
        datetime: at("2024-03-20T07:30:00Z"),
        application_timestamp: at("2024-03-20T07:30:00Z"),
        registered_at: at(NOW),
        journey: None,
        token: "a.b.c".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn journeys_follow_the_latest_file() {
    let world = world().await;
    let file = |lines: &[String]| JOURNEYS.to_owned() + &lines.concat();
    let older =
        world.upload_held("journeys/2024/older.csv", file(&[trip("a", 1, FRAUD), trip("c:1_2-3", 1, PASSED)])).await;
    tokio::time::sleep(Duration::from_millis(5)).await;

    let first = file(&[
        trip("a", 2, "processed,,"),
        trip("b", 2, PASSED),
        trip("a", 3, PASSED), // a later line of the same file
        trip("bad", 2, "perhaps,,"),
        trip("bad", 2, PASSED).replace("75056", "Paris"),
        "8,1,short\n".to_owned(),
    ]);
    let report = world.import("journeys/2024/first.csv", first).await;
    assert_eq!(counts(&report), [6, 3, 0, 3], "{report}");
    assert_eq!(report.get("operator_id"), None);
    let rejected = world.object(report["rejected_rows"].as_str().unwrap()).await.content;
    let columns: Vec<_> = [(5, "acquisition_status"), (6, "start_insee"), (7, "operator_class")]
        .map(|(l, c)| format!(",{l},{c},"))
        .into();
    for (line, expected) in rejected.lines().skip(1).zip(&columns) {
        assert!(line.contains(expected), "{line}");
    }
    assert_eq!(rejected.lines().count(), 1 + columns.len());
    assert_eq!(world.metres_and_status("a").await, (3, JourneyStatus::Ok));

    let stored = world.journey("a").await;
    let mut used = application(1, JourneyType::Short);
    used.journey = Some(ApplicationJourney {
        operator_journey_id: stored.journey.operator_journey_id.clone(),
        journey_id: stored.journey.journey_id,
        status: stored.journey.status,
        version: stored.version.clone(),
    });
    world.register(&used, Some(&stored)).await;

    // An older file that comes late brings what is not known, and replaces nothing.
    invoke(&world.function, &older).await.unwrap();
    assert_eq!(counts(&world.report("journeys/2024/older.csv").await), [2, 1, 1, 0]);
    assert_eq!(world.metres_and_status("a").await, (3, JourneyStatus::Ok));
    assert_eq!(world.metres_and_status("c:1_2-3").await, (1, JourneyStatus::Ok));
    assert_eq!(world.application_status(used.uuid).await, JourneyStatus::Ok);

    // A newer one replaces, and the application that uses the journey follows and keeps it.
    let newer = file(&[trip("a", 4, FRAUD)]);
    assert_eq!(counts(&world.import("journeys/2024/newer.csv", newer).await), [1, 1, 0, 0]);
    assert_eq!(world.metres_and_status("a").await, (4, JourneyStatus::FraudError));
    assert_eq!(world.metres_and_status("b").await, (2, JourneyStatus::Ok));
    assert_eq!(world.application_status(used.uuid).await, JourneyStatus::FraudError);
    assert_eq!(world.journey("a").await.used.map(|used| used.by), Some(used.uuid));

    // The same line again after a crash still brings the application along.
    let last = world.upload_held("journeys/2024/last.csv", file(&[trip("a", 5, "canceled,,")])).await;
    let without_applications = world.function_with("APPLICATIONS_TABLE", "no-such-table").await;
    assert!(invoke(&without_applications, &last).await.is_err());
    assert_eq!(world.metres_and_status("a").await, (5, JourneyStatus::Canceled));
    assert_eq!(world.application_status(used.uuid).await, JourneyStatus::FraudError);
    invoke(&world.function, &last).await.unwrap();
    assert_eq!(counts(&world.report("journeys/2024/last.csv").await), [1, 1, 0, 0]);
    assert_eq!(world.application_status(used.uuid).await, JourneyStatus::Canceled);

    // A damaged application does not stop the file: its journey and the other lines are imported.
    let damage = world.aws.dynamodb().update_item().table_name(&world.tables.applications);
    let damage =
        damage.key("uuid", AttributeValue::S(used.uuid.to_string())).update_expression("REMOVE driving_license");
    damage.send().await.unwrap();
    let file = file(&[trip("a", 6, PASSED), trip("b", 6, FRAUD)]);
    assert_eq!(counts(&world.import("journeys/2024/damaged.csv", file).await), [2, 2, 0, 0]);
    assert_eq!(world.metres_and_status("a").await, (6, JourneyStatus::Ok));
    assert_eq!(world.metres_and_status("b").await, (6, JourneyStatus::FraudError));
}

/// As emulators send it.
#[tokio::test(flavor = "multi_thread")]
async fn event_without_time_is_dated_by_last_modified() {
    let world = world().await;
    let file = |metres| JOURNEYS.to_owned() + &trip("a", metres, PASSED);
    let mut older = world.upload_held("journeys/older.csv", file(1)).await;
    older["Records"][0].as_object_mut().unwrap().remove("eventTime").unwrap();
    let stored = files_of(&world.folder.path().join("s3")).into_iter().find(|path| path.ends_with("/older.csv"));
    let long_ago = std::time::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    std::fs::File::options().write(true).open(stored.unwrap()).unwrap().set_modified(long_ago).unwrap();

    world.import("journeys/newer.csv", file(2)).await;
    invoke(&world.function, &older).await.unwrap();
    assert_eq!(counts(&world.report("journeys/older.csv").await), [1, 0, 1, 0]);
    assert_eq!(world.metres_and_status("a").await, (2, JourneyStatus::Ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn event_without_version_and_etag_fails_with_reason() {
    let world = world().await;
    let mut event = world.upload_held("imports/1/h.csv", rows(0..1)).await;
    event["Records"][0]["s3"]["object"].as_object_mut().unwrap().remove("eTag").unwrap();
    invoke(&world.function, &event).await.unwrap();
    let report = world.report("imports/1/h.csv").await;
    assert!(report["error"].as_str().unwrap().contains("without its version and its ETag"), "{report}");
}

/// All files under a folder, hidden ones too.
fn files_of(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = Vec::new();
    for path in entries {
        if path.is_dir() { files.extend(files_of(&path)) } else { files.push(path.display().to_string()) }
    }
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn many_rejected_rows_are_uploaded_in_parts() {
    // Long rows, so that ten megabytes are few of them.
    const ROWS: usize = 200;
    let world = world().await;
    let long = "x".repeat(50_000);
    let bad = |number: usize| format!("short;{};+336{number:06};{long}\n", name(number));
    let file = HEADER.to_owned() + &(0..ROWS).map(bad).collect::<String>() + &row("short", 0, "2022-02-15");

    // A first try fails in the middle: its parts are given up.
    let broken = world.function_with("CLAIMS_TABLE", "no-such-table").await;
    let event = world.upload_held("imports/1/bad.csv", file).await;
    assert!(invoke(&broken, &event).await.is_err());
    assert!(world.beside().await.is_empty());
    let left: Vec<_> = files_of(&world.folder.path().join("s3")).into_iter().filter(|f| f.contains("part")).collect();
    assert!(left.is_empty(), "parts are left behind: {left:?}");

    invoke(&world.function, &event).await.unwrap();
    let report = world.report("imports/1/bad.csv").await;
    assert_eq!(counts(&report), [ROWS as u64 + 1, 1, 0, ROWS as u64]);
    let rejected = world.object(report["rejected_rows"].as_str().unwrap()).await;
    assert!(rejected.content.len() > 8 << 20);
    assert!(rejected.etag.as_ref().is_some_and(|etag| etag.ends_with("-2\"")), "{:?}", rejected.etag);
    assert_eq!(rejected.content_type.as_deref(), Some("text/csv; charset=utf-8"));
    let told = told(&rejected.content);
    assert_eq!(told.len(), ROWS);
    for (number, (line, column, cells)) in told.iter().enumerate() {
        assert_eq!((*line, column.as_str()), (number + 2, "datetime"));
        assert!(cells[1] == name(number) && cells[3] == long, "line {line} is not as it came");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_driver_are_imported_in_file_order() {
    const DRIVERS: usize = 60;
    let world = world().await;
    // The rows of each driver, in this order, and how many of them are already known: two.
    let dates = ["2022-01-01", "2021-06-01", "2022-12-31", "01/01/2022", "2022-12-30T23:00:00Z", "2021-07-01"];
    let mut file = HEADER.to_owned();
    for date in dates {
        for number in 0..DRIVERS {
            file.push_str(&row("short", number, date));
        }
    }
    for number in 0..DRIVERS {
        file.push_str(&row("long", number, "2022-01-01"));
    }
    let drivers = DRIVERS as u64;
    let report = world.import("imports/1/history.csv", file).await;
    assert_eq!(counts(&report), [drivers * 7, drivers * 5, drivers * 2, 0], "{report}");
    for number in [0, DRIVERS - 1] {
        let short = world.blocker(JourneyType::Short, &driver(number)).await.unwrap();
        assert_eq!(short.datetime, at("2022-12-31T00:00:00+01:00"), "the latest is reported");
        let long = world.blocker(JourneyType::Long, &driver(number)).await.unwrap();
        assert_eq!(long.datetime, at("2022-01-01T00:00:00+01:00"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_operator_has_its_own_history() {
    let world = world().await;
    let file = rows(0..50);
    for operator in [1, 2] {
        let key = format!("imports/{operator}/history.csv");
        assert_eq!(counts(&world.import(&key, file.clone()).await), [50, 50, 0, 0]);
    }
    for operator in [1, 2] {
        let key = format!("imports/{operator}/again.csv");
        assert_eq!(counts(&world.import(&key, file.clone()).await), [50, 0, 50, 0]);
    }
    assert_eq!(world.items(&world.tables.claims).await.len(), 50, "one item a driver");
}

#[tokio::test(flavor = "multi_thread")]
async fn late_history_is_reported_to_team_only() {
    let world = world().await;
    for number in [4, 7] {
        world.register(&application(number, JourneyType::Long), None).await;
    }
    let mut file = HEADER.to_owned();
    for number in 0..10 {
        file.push_str(&row("long", number, "2016-02-15"));
    }
    file.push_str(&row("long", 4, "2014-02-15")); // too old to block anything
    file.push_str(&row("short", 7, "2022-02-15")); // the other certificate
    file.push_str(&row("long", 4, "2016-02-15")); // known by then
    let report = world.import("imports/2/late.csv", file).await;
    assert_eq!(counts(&report), [13, 12, 1, 0], "late history is still history: {report}");
    let everything = format!("{:?}", world.beside().await);
    assert!(!everything.contains("contradict"), "{everything}");
    let kept = world.kept(&report).await;
    let kept = kept["for_the_team"].as_m().unwrap();
    assert_eq!(kept["late_contradictions"], AttributeValue::N("2".to_owned()));
    let list = format!("contradictions/2/{}.csv", report["import_id"].as_str().unwrap());
    assert_eq!(kept["list"], AttributeValue::S(list.clone()));
    let granted = |number| application(number, JourneyType::Long);
    let line = |line: u32, granted: Application| {
        format!("{line},{},{},{}\n", granted.uuid, granted.operator, granted.datetime)
    };
    let header = "line,application_uuid,application_operator_id,application_datetime\n";
    let expected = format!("{header}{}{}", line(6, granted(4)), line(9, granted(7)));
    assert_eq!(world.object(&list).await.content, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_file_is_retried_and_stops_no_other_file() {
    let world = world().await;
    let history = world.upload_held("imports/1/history.csv", rows(0..40)).await;
    let nobodys = world.upload_held("imports/x/history.csv", rows(0..40)).await;
    let refused = world.upload_held("imports/1/empty.csv", "").await;
    let journeys = world.upload_held("journeys/j.csv", JOURNEYS.to_owned() + &trip("a", 1, PASSED)).await;
    let records: Vec<_> = [&nobodys, &history, &refused, &journeys].map(|event| event["Records"][0].clone()).into();
    let event = json!({ "Records": records });

    let broken = world.function_with("CLAIMS_TABLE", "no-such-table").await;
    let error = invoke(&broken, &event).await.unwrap_err();
    assert!(matches!(error, ImportError::Pepper(PepperError::Store(_))), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("history"), "a file's name in an error");
    let states = |reports: Vec<(String, Value)>| {
        let state = |(_, report): (String, Value)| {
            (report["key"].as_str().unwrap().to_owned(), report["state"].as_str().unwrap().to_owned())
        };
        reports.into_iter().map(state).collect::<BTreeMap<_, _>>()
    };
    let failed = ("imports/1/empty.csv".to_owned(), "failed".to_owned());
    let completed = |key: &str| (key.to_owned(), "completed".to_owned());
    assert_eq!(states(world.reports().await), BTreeMap::from([failed.clone(), completed("journeys/j.csv")]));

    invoke(&world.function, &event).await.unwrap();
    let all = BTreeMap::from([failed, completed("journeys/j.csv"), completed("imports/1/history.csv")]);
    assert_eq!(states(world.reports().await), all);
    assert_eq!(counts(&world.report("imports/1/history.csv").await), [40, 40, 0, 0]);

    // The bucket, too, may fail.
    let event = world.upload_held("imports/1/more.csv", rows(0..40)).await;
    let no_bucket = world.function_with("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9").await;
    let error = invoke(&no_bucket, &event).await.unwrap_err();
    assert!(matches!(error, ImportError::S3(ref failed) if failed.operation == "GetObject"), "{error:?}");
    invoke(&world.function, &event).await.unwrap();
    assert_eq!(counts(&world.report("imports/1/more.csv").await), [40, 0, 40, 0]);
}
