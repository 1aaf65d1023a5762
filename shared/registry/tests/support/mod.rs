//! An embedded DynamoDB with the registry's tables, and a count of the requests that reach it.

// Each test binary uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::BeforeTransmitInterceptorContextRef;
use aws_sdk_dynamodb::config::{BehaviorVersion, ConfigBag, Credentials, Intercept, Region, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use cee_eligibility::*;
use cee_registry::{Applications, ClaimKeys, Claims, Deadline, Imports, Journeys, Operators, Tables};

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
    let keys = ClaimKeys::new(&[7; 32]).unwrap();
    Store {
        claims: Claims::new(db.clone(), tables.clone(), keys),
        applications: Applications::new(db.clone(), &tables),
        journeys: Journeys::new(db.clone(), &tables),
        imports: Imports::new(db.clone(), &tables),
        operators: Operators::new(db.clone(), &tables),
        db,
        tables,
        requests,
    }
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

pub fn key(letter: char) -> IdentityKey {
    IdentityKey::parse(&letter.to_string().repeat(64)).unwrap()
}
