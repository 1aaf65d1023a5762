//! How to reach a stack: what `local.json` says.

use cee_eligibility::{Instant, OperatorId, Rules};
use cee_fn_audit::Auditor;
use cee_registry::{ClaimKeys, EXPORT_NOTES, Exports, Imports, PepperCheck, PepperKeeper, TableAuditor, Tables};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment};
use serde::{Deserialize, Serialize};

use crate::endpoint::{Endpoint, Foreign, Signing};
use crate::error::Error;
use crate::secrets::Secrets;

/// The bucket of the local stack.
pub const BUCKET: &str = "cee-local";
/// The region of the local stack.
pub const REGION: &str = "eu-west-3";

/// The prefixes of the bucket that start the import function, and the one that starts the export function, as in the template.
pub const EVENT_PREFIXES: [&str; 5] = ["imports/", "journeys/", "continue/", "undo/", EXPORT_NOTES];

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
    /// Credentials that reach everything that the stack runs itself.
    pub aws_access_key_id: String,
    /// Their secret half.
    pub aws_secret_access_key: String,
    /// Which services the stack does not run itself. Their keys are in no file: programs take them from their environment.
    #[serde(default, skip_serializing_if = "Foreign::is_none")]
    pub foreign: Foreign,
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
        let of_s3 = (Imports::new(db.clone(), &tables), Exports::new(db.clone(), &tables));
        let auditor = TableAuditor::new(db, &tables, keys);
        Ok(Auditor::new(auditor, of_s3, (rules, self.clock()), self.aws().s3(), self.bucket.clone()))
    }

    /// The clients of the stack's DynamoDB and S3. They do not go through the proxy that injects faults.
    #[must_use]
    pub fn aws(&self) -> Aws {
        let mut settings = self.signing(&self.signing_elsewhere());
        settings.extend([
            ("AWS_ENDPOINT_URL_DYNAMODB", self.dynamodb_url.clone()),
            ("AWS_ENDPOINT_URL_S3", self.s3_url.clone()),
            ("S3_PATH_STYLE", "true".to_owned()),
        ]);
        Aws::of_function(&Environment::of(settings.into_iter().map(|(name, value)| (name.to_owned(), value))))
    }

    /// How this process signs for the services that are elsewhere. Half a key counts as none: the endpoint then refuses the request.
    fn signing_elsewhere(&self) -> Signing {
        if self.foreign.any() {
            Signing::of(&Environment::of_process()).unwrap_or_default()
        } else {
            Signing::default()
        }
    }

    /// Whether this process has keys of its own for the services that are elsewhere.
    #[must_use]
    pub fn has_own_keys(&self) -> bool {
        self.signing_elsewhere().keys.is_some()
    }

    /// The variables with which an SDK signs: the given keys, or else the stack's own.
    pub(crate) fn signing(&self, signing: &Signing) -> Vec<(&'static str, String)> {
        let mut variables = vec![("AWS_REGION", self.region.clone())];
        match &signing.keys {
            Some(keys) => {
                variables.push(("AWS_ACCESS_KEY_ID", keys.access_key.clone()));
                variables.push(("AWS_SECRET_ACCESS_KEY", keys.secret_key.clone()));
                variables.extend(keys.session_token.clone().map(|token| ("AWS_SESSION_TOKEN", token)));
            }
            None => {
                variables.push(("AWS_ACCESS_KEY_ID", self.aws_access_key_id.clone()));
                variables.push(("AWS_SECRET_ACCESS_KEY", self.aws_secret_access_key.clone()));
            }
        }
        variables
    }

    /// Whether the tables can be reached.
    pub(crate) async fn has_tables(&self) -> bool {
        match self.dynamodb_url.parse::<Endpoint>() {
            Ok(endpoint) => endpoint.answers().await,
            Err(_) => false,
        }
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
    /// The operator's number.
    pub id: u32,
    /// The operator's name.
    pub name: String,
    /// The operator's business number (SIRET), 14 digits.
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
