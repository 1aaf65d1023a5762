//! The command `conformance`: does an engine that speaks DynamoDB's protocol do what the registry relies on? Its steps are in
//! [`crate::conformance`].

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use cee_local::endpoint::{Endpoint, Signing};
use cee_local::stack::{REGION, running};
use cee_service::Environment;
use cee_service::aws::Aws;
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::conformance::{Bench, Need, Outcome, Races};
use crate::output::{block_on, note, say};

/// Which engine, and how to report.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// The engine, such as http://127.0.0.1:8000. AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION sign the requests, if they are
    /// set.
    #[arg(long, value_name = "URL", conflicts_with_all = ["data_dir", "aws"])]
    dynamodb_url: Option<Endpoint>,
    /// DynamoDB on AWS, or the engine that AWS_ENDPOINT_URL_DYNAMODB names, with the credentials of the environment.
    #[arg(long)]
    aws: bool,
    /// The data directory of a running service, whose engine is checked if neither --dynamodb-url nor --aws is given.
    #[arg(long, default_value = ".local", conflicts_with = "aws")]
    data_dir: PathBuf,
    /// The format of the report.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// How many races of each kind to run.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// How many clients race for one driver.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    clients: u32,
}

/// The forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for each step, as soon as it has ended; if it differs, also what was expected.
    Table,
    /// One JSON object at the end.
    Json,
}

impl Command {
    /// The clients of the engine, and what to call it.
    async fn open(&self) -> Result<(Aws, String)> {
        if let Some(endpoint) = &self.dynamodb_url {
            if !endpoint.answers().await {
                bail!("nothing answers at {endpoint}");
            }
            return Ok((signed_for(endpoint, Signing::of(&Environment::of_process())?), endpoint.to_string()));
        }
        if self.aws {
            let place = Environment::of_process().optional("AWS_ENDPOINT_URL_DYNAMODB");
            return Ok((Aws::of_person().await, place.unwrap_or_else(|| "DynamoDB on AWS".to_owned())));
        }
        let (description, _) = running(&self.data_dir).await?;
        Ok((description.aws(), description.dynamodb_url.clone()))
    }
}

/// The clients of an endpoint. Without keys of the environment they sign with made-up ones, as emulators allow.
fn signed_for(endpoint: &Endpoint, signing: Signing) -> Aws {
    let mut settings = vec![
        ("AWS_ENDPOINT_URL_DYNAMODB", endpoint.to_string()),
        ("AWS_REGION", signing.region.unwrap_or_else(|| REGION.to_owned())),
    ];
    match signing.keys {
        Some(keys) => {
            settings.push(("AWS_ACCESS_KEY_ID", keys.access_key));
            settings.push(("AWS_SECRET_ACCESS_KEY", keys.secret_key));
            settings.extend(keys.session_token.map(|token| ("AWS_SESSION_TOKEN", token)));
        }
        None => {
            settings.push(("AWS_ACCESS_KEY_ID", "conformance".to_owned()));
            settings.push(("AWS_SECRET_ACCESS_KEY", "conformance".to_owned()));
        }
    }
    Aws::of_function(&Environment::of(settings.into_iter().map(|(name, value)| (name.to_owned(), value))))
}

/// Runs every step and both races on tables of its own, removes the tables, and reports. The exit code is 1 if a step differs.
///
/// # Errors
/// If the engine does not answer, or its tables cannot be created or removed.
pub fn run(command: Command) -> Result<ExitCode> {
    let holds = block_on(carry_out(command))?;
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn carry_out(command: Command) -> Result<bool> {
    let (aws, place) = command.open().await?;
    let bench = Bench::new(&aws);
    note(&format!("{place}: tables {}…, which are deleted at the end", bench.prefix()));
    let races = Races { rounds: command.rounds, clients: command.clients };
    let ran = tokio::select! {
        ran = steps(&bench, races, command.format) => ran,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    // Also after a failure: nothing of the run stays.
    let removed = bench.remove().await;
    let outcomes = ran?;
    let holds = report(&place, &outcomes, command.format);
    removed?;
    Ok(holds)
}

async fn steps(bench: &Bench, races: Races, format: Format) -> Result<Vec<Outcome>> {
    bench.create().await?;
    let tell = |outcome: &Outcome| {
        if format == Format::Table {
            say(&lines(outcome));
        }
    };
    Ok(bench.run(races, tell).await)
}

/// A step as a person reads it.
fn lines(outcome: &Outcome) -> String {
    let Outcome { name, expected, observed, holds, .. } = outcome;
    if *holds {
        return format!("holds    {name}");
    }
    format!("DIFFERS  {name}\n         expected: {expected}\n         observed: {observed}")
}

/// Reports the result, and returns whether everything holds.
fn report(place: &str, outcomes: &[Outcome], format: Format) -> bool {
    let differs = |need| outcomes.iter().filter(|outcome| !outcome.holds && outcome.needed_for == need).count();
    let (promise, service) = (differs(Need::Promise), differs(Need::Service));
    match format {
        Format::Table => say(&verdict(place, outcomes.len(), promise, service)),
        Format::Json => say(&json!({
            "engine": place,
            "version": env!("CARGO_PKG_VERSION"),
            "holds_the_promise": promise == 0,
            "holds_everything": promise + service == 0,
            "steps": outcomes,
        })
        .to_string()),
    }
    promise + service == 0
}

fn verdict(place: &str, steps: usize, promise: usize, service: usize) -> String {
    match (promise, service) {
        (0, 0) => format!("{place}: all {steps} hold"),
        (0, service) => format!(
            "{place}: {service} of {steps} differ, none of them needed for the promise: other calls of the service fail there"
        ),
        (promise, service) => format!(
            "{place}: {} of {steps} differ, {promise} of them needed for the promise: do not run a registry there",
            promise + service
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdict_tells_the_promise_from_the_rest() {
        assert_eq!(verdict("e", 3, 0, 0), "e: all 3 hold");
        assert!(verdict("e", 3, 0, 1).starts_with("e: 1 of 3 differ, none of them"));
        assert!(verdict("e", 3, 2, 1).starts_with("e: 3 of 3 differ, 2 of them"));
    }

    #[test]
    fn difference_is_shown_with_what_was_expected() {
        let mut outcome = Outcome {
            name: "a step",
            needed_for: Need::Promise,
            expected: "written".to_owned(),
            observed: "refused".to_owned(),
            holds: false,
        };
        assert_eq!(lines(&outcome), "DIFFERS  a step\n         expected: written\n         observed: refused");
        outcome.holds = true;
        assert_eq!(lines(&outcome), "holds    a step");
    }
}
