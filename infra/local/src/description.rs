//! How to reach a stack: what `local.json` says.

use cee_eligibility::{Instant, OperatorId, Rules};
use cee_fn_audit::Auditor;
use cee_registry::{ClaimKeys, Imports, PepperCheck, PepperKeeper, TableAuditor, Tables};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::secrets::Secrets;

/// The bucket of the local stack.
pub const BUCKET: &str = "cee-local";
/// The region of the local stack.
pub const REGION: &str = "eu-west-3";

/// The tables of the local stack.
#[must_use]
pub fn tables() -> Tables {
    Tables::with_prefix("cee-local-")
}

/// The content of `local.json`: addresses, and the sample operators' credentials.
#[derive(Clone, Serialize, Deserialize)]
pub struct Description {
    /// The base of every call, `/v3` included.
    pub api_url: String,
    /// The DynamoDB endpoint.
    pub dynamodb_url: String,
    /// The S3 endpoint.
    pub s3_url: String,
    /// The bucket.
    pub bucket: String,
    /// The region to give to an SDK.
    pub region: String,
    /// Credentials that reach everything.
    pub aws_access_key_id: String,
    /// Credentials that reach everything.
    pub aws_secret_access_key: String,
    /// The moment at which the clock is pinned, if it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub now: Option<String>,
    /// The sample operators.
    pub operators: Vec<OperatorDescription>,
}

impl Description {
    /// The stack's clock.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let pinned = self.now.as_ref().and_then(|now| Instant::parse(now).ok());
        pinned.map_or(Clock::Machine, Clock::Pinned)
    }

    /// How the registry's team reaches the tables.
    ///
    /// # Errors
    /// [`Error::Secrets`] if the pepper is not usable.
    pub fn store(&self, secrets: &Secrets) -> Result<Store, Error> {
        Store::of(&self.aws(), secrets)
    }

    /// The auditor of the registry's team.
    ///
    /// # Errors
    /// [`Error::Secrets`] if the pepper is not usable.
    pub fn auditor(&self, secrets: &Secrets, rules: Rules) -> Result<Auditor, Error> {
        let Store { db, tables, keys } = self.store(secrets)?;
        let imports = Imports::new(db.clone(), &tables);
        let auditor = TableAuditor::new(db, &tables, keys);
        Ok(Auditor::new(auditor, imports, rules, self.aws().s3(), self.bucket.clone()))
    }

    /// The clients of the stack's DynamoDB and S3. They do not go through the proxy that injects faults.
    pub fn aws(&self) -> Aws {
        let settings = [
            ("AWS_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", &self.aws_access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.aws_secret_access_key),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb_url),
            ("AWS_ENDPOINT_URL_S3", &self.s3_url),
            ("S3_PATH_STYLE", &"true".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.clone()));
        Aws::of_function(&Environment::of(settings))
    }

    /// A sample operator.
    ///
    /// # Errors
    /// [`Error::Secrets`] if no sample operator has this number.
    pub fn operator(&self, id: OperatorId) -> Result<&OperatorDescription, Error> {
        let found = self.operators.iter().find(|operator| operator.id == id.get());
        found.ok_or_else(|| Error::Secrets(format!("no operator {id}: the samples are 1, 2 and 3")))
    }
}

/// How one sample operator reaches the service.
#[derive(Clone, Serialize, Deserialize)]
pub struct OperatorDescription {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its business number.
    pub siret: String,
    /// An application token with every scope.
    pub token: String,
    /// The access key. It gets application tokens; on the local S3 it reaches only the operator's own files and reports.
    pub access_key: String,
    /// The secret half.
    pub secret_key: String,
}

/// The parts of the types of the store: a client, the names of the tables, the keys of claims.
#[derive(Clone, Debug)]
pub struct Store {
    /// The client.
    pub db: aws_sdk_dynamodb::Client,
    /// The names of the tables.
    pub tables: Tables,
    /// The keys of claims.
    pub keys: ClaimKeys,
}

impl Store {
    pub(crate) fn of(aws: &Aws, secrets: &Secrets) -> Result<Self, Error> {
        let keys = ClaimKeys::new(secrets.service.claim_pepper.as_bytes());
        let keys = keys.map_err(|error| Error::Secrets(error.to_string()))?;
        Ok(Self { db: aws.dynamodb_patient(), tables: tables(), keys })
    }

    pub(crate) fn pepper_check(&self) -> PepperCheck {
        PepperCheck::new(self.db.clone(), &self.tables, self.keys.clone())
    }

    /// For the pepper and its check value.
    #[must_use]
    pub fn pepper_keeper(&self) -> PepperKeeper {
        PepperKeeper::new(self.db.clone(), &self.tables, self.keys.clone())
    }
}
