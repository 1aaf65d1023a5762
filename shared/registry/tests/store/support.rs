//! An embedded DynamoDB with the registry's tables, a counter of its requests, and faults.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextMut, BeforeTransmitInterceptorContextMut,
    BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::config_bag::{Storable, StoreReplace};
use cee_eligibility::journey::Insee;
use cee_eligibility::*;
use cee_registry::*;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// Counts every attempt that is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Arc<AtomicUsize>);

impl Requests {
    /// The number of requests since the last call.
    pub(crate) fn take(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Intercept for Requests {
    fn name(&self) -> &'static str {
        "Requests"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

/// A fault of a request. The embedded database handles one request after the other and never fails, so the tests simulate a busy table,
/// network errors and other writers.
pub(crate) enum Fault {
    /// The request gets this status and body, and is not carried out.
    Refused(u16, String),
    /// The request is lost.
    Lost,
    /// The request is carried out, and its response is lost.
    AnswerLost,
    /// The request is carried out, and its response is a 500.
    FailedAfter,
    /// This happens before the request arrives.
    Meanwhile(Box<dyn FnOnce() -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> + Send>),
    /// No fault.
    None,
}

impl Fault {
    /// A refusal with this error code.
    pub(crate) fn code(code: &str) -> Self {
        Self::Refused(
            400,
            format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"as the test wants"}}"#),
        )
    }

    /// A transaction that is cancelled for these reasons: each has a code and, if there is one, the item in DynamoDB's JSON.
    pub(crate) fn cancelled(reasons: &[(&str, Option<&str>)]) -> Self {
        let reason = |(code, item): &(&str, Option<&str>)| match item {
            Some(item) => format!(r#"{{"Code":"{code}","Item":{item}}}"#),
            None => format!(r#"{{"Code":"{code}"}}"#),
        };
        let reasons: Vec<_> = reasons.iter().map(reason).collect();
        let name = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
        Self::Refused(400, format!(r#"{{"__type":"{name}","CancellationReasons":[{}]}}"#, reasons.join(",")))
    }

    /// This happens before the request arrives. It needs a runtime with several threads.
    pub(crate) fn meanwhile<F: Future<Output = ()> + Send + 'static>(what: F) -> Self {
        Self::Meanwhile(Box::new(|| Box::pin(what)))
    }
}

/// The faults of the next requests of each operation.
#[derive(Clone, Default)]
pub(crate) struct Faults(Arc<Mutex<Play>>);

#[derive(Default)]
struct Play {
    next: HashMap<&'static str, VecDeque<Fault>>,
    /// All requests of this operation are refused with this error code.
    always: Option<(&'static str, &'static str)>,
}

impl std::fmt::Debug for Faults {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Faults")
    }
}

impl Faults {
    /// Sets the faults of the next requests of an operation, one per request.
    pub(crate) fn to(&self, operation: &'static str, faults: impl IntoIterator<Item = Fault>) {
        self.0.lock().unwrap().next.entry(operation).or_default().extend(faults);
    }

    /// Makes all requests of an operation fail.
    pub(crate) fn always(&self, operation: &'static str, code: &'static str) {
        self.0.lock().unwrap().always = Some((operation, code));
    }

    /// Forgets the faults that have not happened.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().next.clear();
    }

    /// Whether all faults have happened.
    pub(crate) fn are_over(&self) -> bool {
        self.0.lock().unwrap().next.values().all(VecDeque::is_empty)
    }

    fn of(&self, operation: &str) -> Fault {
        let mut play = self.0.lock().unwrap();
        if let Some(next) = play.next.get_mut(operation).and_then(VecDeque::pop_front) {
            return next;
        }
        play.always.filter(|(always, _)| *always == operation).map_or(Fault::None, |(_, code)| Fault::code(code))
    }
}

/// The header with the operation of a request.
const TARGET: &str = "x-amz-target";

/// The replacement of a response: a status and a body, or a lost response.
#[derive(Clone, Debug)]
struct Becomes(Option<(u16, String)>);

impl Storable for Becomes {
    type Storer = StoreReplace<Self>;
}

impl Intercept for Faults {
    fn name(&self) -> &'static str {
        "Faults"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = context.request_mut();
        let operation = request.headers().get(TARGET).unwrap().split('.').nth(1).unwrap().to_owned();
        // Removes the replacement of an earlier try of the same request.
        state.interceptor_state().unset::<Becomes>();
        match self.of(&operation) {
            Fault::None => {}
            Fault::Lost => return Err("as the test wants".into()),
            Fault::AnswerLost => {
                state.interceptor_state().store_put(Becomes(None));
            }
            Fault::FailedAfter => {
                let body = r#"{"__type":"com.amazonaws.dynamodb.v20120810#InternalServerError","message":"as the test wants"}"#;
                state.interceptor_state().store_put(Becomes(Some((500, body.to_owned()))));
            }
            Fault::Refused(status, body) => {
                // A request must be sent. This one changes nothing.
                request.headers_mut().insert(TARGET, "DynamoDB_20120810.DescribeLimits");
                state.interceptor_state().store_put(Becomes(Some((status, body))));
            }
            Fault::Meanwhile(what) => {
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(what()));
            }
        }
        Ok(())
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        state: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(Becomes(answer)) = state.load::<Becomes>().cloned() else { return Ok(()) };
        let (status, body) = answer.ok_or("as the test wants")?;
        let response = context.response_mut();
        *response.status_mut() = status.try_into()?;
        *response.body_mut() = body.into();
        Ok(())
    }
}

/// The tables at the last audit, and its findings.
#[derive(Debug, Default)]
pub(crate) struct LastAudit {
    /// Claims, applications and journeys.
    pub written: [HashMap<String, Item>; 3],
    /// Changes, by operator and number.
    pub changes: HashMap<String, Item>,
    pub findings: BTreeSet<Finding>,
}

/// The store under test.
#[derive(Clone)]
pub(crate) struct Store {
    pub db: Client,
    pub tables: Tables,
    pub requests: Requests,
    pub simulator: Simulator,
    pub registrar: Registrar,
    pub writer: HistoryWriter,
    pub remover: HistoryRemover,
    pub key_giver: KeyGiver,
    pub deleter: Deleter,
    pub follower: JourneyFollower,
    pub changes: Changes,
    pub auditor: TableAuditor,
    pub last_audit: Arc<Mutex<LastAudit>>,
    pub stray_remover: StrayRemover,
    pub finder: DriverFinder,
    pub eraser: DriverEraser,
    pub keeper: PepperKeeper,
    pub applications: Applications,
    pub journeys: Journeys,
    pub imports: Imports,
    pub exports: Exports,
    pub operators: Operators,
}

pub(crate) async fn store() -> Store {
    store_at(&serve().await, |config| config).await
}

/// A store, and a second store on the same tables whose requests get faults. The SDK of the second store does not retry, as in an import.
pub(crate) async fn store_with_faults() -> (Store, Store, Faults) {
    let (endpoint, faults) = (serve().await, Faults::default());
    let calm = store_at(&endpoint, |config| config).await;
    let play = faults.clone();
    let disturbed = store_at(&endpoint, |config| config.retry_config(RetryConfig::disabled()).interceptor(play)).await;
    (calm, disturbed, faults)
}

/// A store whose requests get faults, one per try, and whose client retries like the client of a function.
pub(crate) async fn store_that_tries_again() -> (Store, Faults) {
    let faults = Faults::default();
    let play = faults.clone();
    let at_once = RetryConfig::standard().with_initial_backoff(std::time::Duration::from_millis(1));
    (store_at(&serve().await, |config| config.retry_config(at_once).interceptor(play)).await, faults)
}

/// Starts an embedded database and returns its endpoint.
async fn serve() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    endpoint
}

type Configure = aws_sdk_dynamodb::config::Builder;

async fn store_at(endpoint: &str, configure: impl FnOnce(Configure) -> Configure) -> Store {
    let requests = Requests::default();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-3"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .interceptor(requests.clone());
    let db = Client::from_conf(configure(config).build());
    let tables = Tables::with_prefix("test-");
    tables.create_missing(&db).await.unwrap();
    requests.take();
    Store {
        simulator: Simulator::new(db.clone(), &tables, claim_keys()),
        registrar: Registrar::new(db.clone(), &tables, claim_keys()),
        writer: HistoryWriter::new(db.clone(), &tables, claim_keys()),
        remover: HistoryRemover::new(db.clone(), &tables),
        key_giver: KeyGiver::new(db.clone(), &tables, claim_keys()),
        deleter: Deleter::new(db.clone(), &tables, claim_keys()),
        follower: JourneyFollower::new(db.clone(), &tables),
        changes: Changes::new(db.clone(), &tables),
        last_audit: Arc::default(),
        auditor: TableAuditor::new(db.clone(), &tables, claim_keys()),
        stray_remover: StrayRemover::new(db.clone(), &tables, claim_keys()),
        finder: DriverFinder::new(db.clone(), &tables, claim_keys()),
        eraser: DriverEraser::new(db.clone(), &tables),
        keeper: PepperKeeper::new(db.clone(), &tables, claim_keys()),
        applications: Applications::new(db.clone(), &tables),
        journeys: Journeys::new(db.clone(), &tables),
        imports: Imports::new(db.clone(), &tables),
        exports: Exports::new(db.clone(), &tables),
        operators: Operators::new(db.clone(), &tables),
        db,
        tables,
        requests,
    }
}

impl Store {
    /// Registers under the rules of the contract.
    pub(crate) async fn register(&self, application: &Application, journey: Option<&StoredJourney>) -> Registration {
        let cutoffs = Rules::default().cutoffs(application.journey_type, application.datetime);
        self.registrar.register(application, &cutoffs, journey, None, soon()).await.unwrap()
    }

    /// The application that blocks a driver at this moment, found by `simulate`.
    pub(crate) async fn blocker(
        &self,
        scope: JourneyType,
        identity: &Identity,
        new: Instant,
        by: u32,
    ) -> Option<Blocker> {
        let cutoffs = Rules::default().cutoffs(scope, new);
        match self.simulator.simulate(scope, identity, &cutoffs, operator(by), soon()).await.unwrap() {
            Simulated::Blocked(blocker) => Some(blocker),
            Simulated::Eligible => None,
            Simulated::NoRoom(why) => panic!("{why}"),
        }
    }

    pub(crate) async fn import(
        &self,
        scope: JourneyType,
        identity: &TruncatedIdentity,
        datetime: Instant,
        by: u32,
        source: RowSource,
    ) -> HistoryOutcome {
        let row = HistoryApplication { journey_type: scope, identity, datetime, operator: operator(by), source };
        self.writer.import_history(&row, &Rules::default(), soon()).await.unwrap().outcome
    }

    /// All items of a table, by key. It does not count as a request.
    pub(crate) async fn scan(&self, table: &str) -> HashMap<String, Item> {
        let counted = self.requests.take();
        let answer = self.db.scan().table_name(table).consistent_read(true).send().await.unwrap();
        assert!(answer.last_evaluated_key.is_none(), "one page holds the whole table");
        self.requests.0.store(counted, Ordering::SeqCst);
        let key = |item: &Item| {
            let key = item.get("pk").or_else(|| item.get("uuid")).or_else(|| item.get("import_id")).unwrap();
            key.as_s().unwrap().clone()
        };
        answer.items.unwrap_or_default().into_iter().map(|item| (key(&item), item)).collect()
    }

    /// All changes, by operator and number. It does not count as a request.
    pub(crate) async fn feeds(&self) -> HashMap<String, Item> {
        let counted = self.requests.take();
        let answer = self.db.scan().table_name(&self.tables.changes).consistent_read(true).send().await.unwrap();
        assert!(answer.last_evaluated_key.is_none(), "one page holds the whole table");
        self.requests.0.store(counted, Ordering::SeqCst);
        let key = |item: &Item| format!("{:?}/{:?}", item["operator_id"], item["number"]);
        answer.items.unwrap_or_default().into_iter().map(|item| (key(&item), item)).collect()
    }

    /// Gives an application its journey's status.
    pub(crate) async fn follow(&self, uuid: ApplicationId, status: JourneyStatus, version: &JourneyVersion) -> bool {
        self.follower.follow(uuid, status, version, at("2024-05-01T00:00:00Z"), soon()).await.unwrap()
    }

    /// All items that a registration may write.
    pub(crate) async fn written(&self) -> [HashMap<String, Item>; 3] {
        let Tables { claims, applications, journeys, .. } = &self.tables;
        [self.scan(claims).await, self.scan(applications).await, self.scan(journeys).await]
    }
}

pub(crate) fn claim_keys() -> ClaimKeys {
    ClaimKeys::new(&[7; 32]).unwrap()
}

pub(crate) fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

pub(crate) fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

pub(crate) fn operator(number: u32) -> OperatorId {
    OperatorId::new(number).unwrap()
}

pub(crate) fn truncated(name: &str, phone: &str) -> TruncatedIdentity {
    TruncatedIdentity {
        last_name_trunc: LastNameTrunc::parse(name).unwrap(),
        phone_trunc: PhoneTrunc::parse(phone).unwrap(),
    }
}

/// A driver with this name and the phone of all tests.
pub(crate) fn driver(name: &str, license: &str, key: Option<char>) -> Identity {
    Identity {
        truncated: truncated(name, "+336010203"),
        driving_license: Some(DrivingLicense::parse(license).unwrap()),
        identity_keys: IdentityKeys::of_caller(key.map(identity_key)),
    }
}

pub(crate) fn identity_key(letter: char) -> IdentityKey {
    IdentityKey::parse(&letter.to_string().repeat(64)).unwrap()
}

/// A driver with the caller's identity key and the journey's.
pub(crate) fn driver_with_keys(name: &str, license: &str, callers: Option<char>, journeys: Option<char>) -> Identity {
    let identity_keys = IdentityKeys::new(callers.map(identity_key), journeys.map(identity_key));
    Identity { identity_keys, ..driver(name, license, None) }
}

pub(crate) fn uuid(number: u64) -> ApplicationId {
    ApplicationId::new(uuid::Uuid::from_u64_pair(1, number))
}

/// An application without a journey.
pub(crate) fn application(
    number: u64,
    by: u32,
    scope: JourneyType,
    identity: &Identity,
    datetime: Instant,
) -> Application {
    Application {
        uuid: uuid(number),
        operator: operator(by),
        journey_type: scope,
        identity: identity.clone(),
        datetime,
        application_timestamp: datetime,
        registered_at: datetime.days_after(8),
        journey: None,
        token: "eyJhbGciOiJFUzI1NiJ9.eyJhIjoxfQ.AAEC".to_owned(),
    }
}

pub(crate) fn name(journey: &str) -> OperatorJourneyId {
    OperatorJourneyId::parse(journey).unwrap()
}

pub(crate) fn journey(by: u32, id: &str, end: Instant) -> Journey {
    Journey {
        journey_id: 4_294_967_296_123,
        operator: operator(by),
        operator_journey_id: name(id),
        operator_class: 'C',
        start: Instant::from_millis(end.millis() - 1_800_000).unwrap(),
        end,
        distance_metres: 79_999,
        start_insee: Insee::parse("2A004").unwrap(),
        end_insee: Insee::parse("91377").unwrap(),
        driver_phone_trunc: PhoneTrunc::parse("+336010203").unwrap(),
        driver_identity_key: Some(identity_key('a')),
        status: JourneyStatus::Pending,
    }
}

/// The version of a line in the file that was uploaded to S3 this number of minutes after the first file.
pub(crate) fn version(minute: i64, line: u64) -> JourneyVersion {
    let put_at = at("2024-04-01T00:00:00Z").millis() + minute * 60_000;
    JourneyVersion::new(Instant::from_millis(put_at).unwrap(), ImportId::from_bytes([minute as u8; 16]), line)
}

pub(crate) async fn put(
    store: &Store,
    journey: &Journey,
    version: &JourneyVersion,
) -> (JourneyOutcome, Option<ApplicationId>) {
    store.journeys.put(journey, version, soon()).await.unwrap()
}

pub(crate) async fn find(store: &Store, by: u32, journey: &str) -> Option<StoredJourney> {
    store.journeys.find(operator(by), &name(journey)).await.unwrap()
}

/// The application with the data of its journey.
pub(crate) fn using(mut application: Application, read: &StoredJourney) -> Application {
    application.datetime = read.journey.end;
    application.journey = Some(ApplicationJourney {
        operator_journey_id: read.journey.operator_journey_id.clone(),
        journey_id: read.journey.journey_id,
        status: read.journey.status,
        version: read.version.clone(),
    });
    application
}
