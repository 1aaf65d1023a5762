//! An engine with the tables of a run, a step, and what a step observed.

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use cee_registry::Tables;
use cee_service::aws::Aws;
use serde::Serialize;
use uuid::Uuid;

/// How long the tables of a run may take to disappear. DynamoDB deletes none while it still creates it.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// How long to wait between two tries to delete a table.
const PAUSE: Duration = Duration::from_millis(500);

/// The purpose for which a step is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Need {
    /// The promise: one driver, one certificate. With a difference here, do not use the engine.
    Promise,
    /// The rest of the service: history files, lists, audits, erasure, restore.
    Service,
}

/// One step, and what it observed.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The behaviour that the step expects.
    pub name: &'static str,
    /// The purpose for which the step is needed.
    pub needed_for: Need,
    /// What DynamoDB does.
    pub expected: String,
    /// The behaviour that the step observed.
    pub observed: String,
    /// Whether the two are the same.
    pub holds: bool,
}

impl Outcome {
    pub(super) fn new(name: &'static str, needed_for: Need, expected: String, observed: String) -> Self {
        let holds = expected == observed;
        Self { name, needed_for, expected, observed, holds }
    }
}

/// The action of a step.
pub(super) type Running<'a> = Pin<Box<dyn Future<Output = String> + 'a>>;

/// A step of the run.
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) needed_for: Need,
    pub(super) expected: &'static str,
    pub(super) run: for<'a> fn(&'a Bench) -> Running<'a>,
}

/// An engine, and the tables of a run on it.
#[derive(Clone)]
pub struct Bench {
    /// Sends each request once.
    pub(super) db: Client,
    /// Repeats a request that failed: for the tables themselves.
    patient: Client,
    pub(super) tables: Tables,
    pub(super) prefix: String,
}

impl Bench {
    /// Tables with a random prefix. Creates nothing yet.
    #[must_use]
    pub fn new(aws: &Aws) -> Self {
        let prefix = format!("cee-conformance-{}-", &Uuid::new_v4().simple().to_string()[..8]);
        let tables = Tables::with_prefix(&prefix);
        Self { db: aws.dynamodb_once(), patient: aws.dynamodb_patient(), tables, prefix }
    }

    /// The prefix of the tables' names.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Creates the tables.
    ///
    /// # Errors
    /// If the engine does not answer, or cannot create them.
    pub async fn create(&self) -> Result<()> {
        self.tables
            .create_missing(&self.patient)
            .await
            .map_err(|error| anyhow!("the tables cannot be created: {error}"))
    }

    /// Deletes the tables. May be called when only some were created.
    ///
    /// # Errors
    /// If a table is left.
    pub async fn remove(&self) -> Result<()> {
        let until = tokio::time::Instant::now() + GONE_WITHIN;
        for table in self.tables.names() {
            loop {
                let error = match self.patient.delete_table().table_name(table).send().await {
                    Ok(_) => break,
                    Err(error) if error.code() == Some("ResourceNotFoundException") => break,
                    Err(error) => error,
                };
                if tokio::time::Instant::now() >= until {
                    bail!("a table is left, delete it yourself: {table} ({})", error.code().unwrap_or("no answer"));
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }
}
