//! An embedded DynamoDB with the registry's tables, and a count of the requests that reach it.

// Each test binary uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::*;
use cee_registry::*;

pub type Item = HashMap<String, AttributeValue>;

/// Counts every attempt that goes over the wire.
#[derive(Clone, Debug, Default)]
pub struct Requests(Arc<AtomicUsize>);

impl Requests {
    /// How many since the last call.
    pub fn take(&self) -> usize {
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

/// The store under test.
#[derive(Clone)]
pub struct Store {
    pub db: Client,
    pub tables: Tables,
    pub requests: Requests,
    pub claims: Claims,
    pub applications: Applications,
    pub journeys: Journeys,
    pub imports: Imports,
    pub operators: Operators,
}

pub async fn store() -> Store {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let database = dynoxide::Database::memory().unwrap();
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    let requests = Requests::default();
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-west-3"))
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .endpoint_url(endpoint)
        .interceptor(requests.clone())
        .build();
    let db = Client::from_conf(config);
    let tables = Tables::with_prefix("test-");
    tables.create_missing(&db).await.unwrap();
    requests.take();
    Store {
        claims: Claims::new(db.clone(), tables.clone(), claim_keys()),
        applications: Applications::new(db.clone(), &tables),
        journeys: Journeys::new(db.clone(), &tables),
        imports: Imports::new(db.clone(), &tables),
        operators: Operators::new(db.clone(), &tables),
        db,
        tables,
        requests,
    }
}

impl Store {
    /// Registers under the rules of the contract.
    pub async fn register(&self, application: &Application, journey: Option<&StoredJourney>) -> Registration {
        let cutoffs = Rules::default().cutoffs(application.journey_type, application.datetime);
        self.claims.register(application, &cutoffs, journey, None, soon()).await.unwrap()
    }

    /// What is in the way of a driver at this moment, as `simulate` asks.
    pub async fn blocker(&self, scope: JourneyType, identity: &Identity, new: Instant, by: u32) -> Option<Blocker> {
        let cutoffs = Rules::default().cutoffs(scope, new);
        self.claims.find_blocker(scope, identity, &cutoffs, operator(by), soon()).await.unwrap()
    }

    pub async fn import(
        &self,
        scope: JourneyType,
        identity: &TruncatedIdentity,
        datetime: Instant,
        by: u32,
        source: RowSource,
    ) -> HistoryOutcome {
        let row = HistoryApplication { journey_type: scope, identity, datetime, operator: operator(by), source };
        self.claims.import_history(&row, &Rules::default(), soon()).await.unwrap().outcome
    }

    /// Every item of a table as it is stored, by its key. Not counted among the requests.
    pub async fn scan(&self, table: &str) -> HashMap<String, Item> {
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

    /// Everything that a registration may write.
    pub async fn written(&self) -> [HashMap<String, Item>; 3] {
        let Tables { claims, applications, journeys, .. } = &self.tables;
        [self.scan(claims).await, self.scan(applications).await, self.scan(journeys).await]
    }
}

pub fn claim_keys() -> ClaimKeys {
    ClaimKeys::new(&[7; 32]).unwrap()
}

pub fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(20))
}

pub fn at(text: &str) -> Instant {
    Instant::parse(text).unwrap()
}

pub fn operator(number: u32) -> OperatorId {
    OperatorId::new(number).unwrap()
}

pub fn truncated(name: &str, phone: &str) -> TruncatedIdentity {
    TruncatedIdentity {
        last_name_trunc: LastNameTrunc::parse(name).unwrap(),
        phone_trunc: PhoneTrunc::parse(phone).unwrap(),
    }
}

/// A driver with this name and the one phone of all tests.
pub fn driver(name: &str, license: &str, key: Option<char>) -> Identity {
    Identity {
        truncated: truncated(name, "+336010203"),
        driving_license: Some(DrivingLicense::parse(license).unwrap()),
        identity_key: key.map(|letter| IdentityKey::parse(&letter.to_string().repeat(64)).unwrap()),
    }
}

pub fn uuid(number: u64) -> ApplicationId {
    ApplicationId::new(uuid::Uuid::from_u64_pair(1, number))
}

/// An application without a journey.
pub fn application(number: u64, by: u32, scope: JourneyType, identity: &Identity, datetime: Instant) -> Application {
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
