//! Does an engine that speaks DynamoDB's protocol do what the claim protocol relies on?
//!
//! | to find | look in |
//! |---|---|
//! | every step, with what is expected | `steps` |
//! | the two races | `races` |
//! | how a step sends a write and what it reports | `request`, `show` |
//!
//! Each step uses keys of its own, so one difference does not cause the next. A step's observation is a text, and a step holds if that
//! text equals the expected one. The requests are those of `cee_registry`: the same expressions, sent once and without a token.
//!
//! The list is derived from the requests that `shared/registry/src` makes. It has no `ConditionCheck`, no `TransactGetItems` and no
//! PartiQL, because no function uses them.

mod races;
mod request;
mod show;
mod steps;

use std::pin::Pin;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use cee_registry::Tables;
use cee_service::aws::Aws;
use serde::Serialize;
use uuid::Uuid;

pub use races::Races;

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
    fn new(name: &'static str, needed_for: Need, expected: String, observed: String) -> Self {
        let holds = expected == observed;
        Self { name, needed_for, expected, observed, holds }
    }
}

/// The action of a step.
type Running<'a> = Pin<Box<dyn Future<Output = String> + 'a>>;

/// A step of the run.
struct Step {
    name: &'static str,
    needed_for: Need,
    expected: &'static str,
    run: for<'a> fn(&'a Bench) -> Running<'a>,
}

/// An engine, and the tables of a run on it.
#[derive(Clone)]
pub struct Bench {
    /// Sends each request once.
    db: Client,
    /// Repeats a request that failed: for the tables themselves.
    patient: Client,
    tables: Tables,
    prefix: String,
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

    /// Runs every step and both races, and returns what they observed. `tell` gets each as soon as it has ended.
    pub async fn run(&self, races: Races, mut tell: impl FnMut(&Outcome)) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let mut add = |outcome: Outcome| {
            tell(&outcome);
            outcomes.push(outcome);
        };
        for Step { name, needed_for, expected, run } in steps::STEPS {
            add(Outcome::new(name, *needed_for, (*expected).to_owned(), run(self).await));
        }
        add(races.of_updates(self).await);
        add(races.of_transactions(self).await);
        outcomes
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<_> = steps::STEPS.iter().map(|step| step.name).collect();
        assert_eq!(names.len(), steps::STEPS.len());
    }

    #[test]
    fn outcome_holds_only_if_it_is_as_expected() {
        let outcome = |observed: &str| Outcome::new("a", Need::Promise, "1 winner".to_owned(), observed.to_owned());
        assert!(outcome("1 winner").holds);
        assert!(!outcome("2 winners").holds);
    }
}
