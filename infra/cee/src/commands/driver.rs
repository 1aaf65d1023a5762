//! The command `driver`: what the law obliges the registry to show and to erase.
//!
//! It reads the driver from standard input: a shell keeps the command line, and every process of the machine can read it.

use std::collections::BTreeSet;
use std::io::{IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};
use cee_eligibility::{
    ApplicationId, DrivingLicense, FieldError, IdentityKey, LastNameTrunc, PhoneTrunc, TruncatedIdentity,
};
use cee_local::pepper::checked;
use cee_local::stack::{Store, running};
use cee_registry::{
    Application, Archived, Deadline, DriverData, DriverEraser, DriverFinder, DriverQuery, Erased, Recorded,
};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment};
use clap::{Args, Subcommand};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::output::{Output, block_on, note, start_logging};
use crate::parse::reason as parse_reason;

/// How long reading a few items, or one write, may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The actions.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print everything that the registry holds about a driver, as JSON.
    ///
    /// Reads one JSON object from the standard input, with any of the fields driving_license, identity_key, and
    /// last_name_trunc with phone_trunc, as the API takes them.
    Show {
        /// Which registry.
        #[command(flatten)]
        place: Place,
    },
    /// Erase a driver: of each application, only a record without personal data is left, with the reason. Keyed hashes still show that
    /// the driver has had the certificate.
    ///
    /// Reads the driver as `show` does, and needs the licence or the identity key: many drivers share a truncated identity.
    Erase {
        /// The reason, for a later check of the archive. No personal data.
        #[arg(long, value_parser = parse_reason)]
        reason: String,
        /// Apply the change. Without --yes, only show what would be erased.
        #[arg(long)]
        yes: bool,
        /// Which registry.
        #[command(flatten)]
        place: Place,
    },
}

/// Which registry.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// The data directory of the running service on this machine.
    #[arg(long, default_value = ".local", conflicts_with = "aws")]
    data_dir: PathBuf,
    /// On AWS: with the credentials and the settings of the environment, which are those of a function (CLAIMS_TABLE,
    /// APPLICATIONS_TABLE, ARCHIVE_TABLE, CHANGES_TABLE, IDEMPOTENCY_TABLE, JOURNEYS_TABLE, CLAIM_PEPPER).
    #[arg(long)]
    aws: bool,
}

impl Place {
    async fn open(&self) -> Result<(Store, Clock)> {
        if !self.aws {
            let (description, secrets) = running(&self.data_dir).await?;
            return Ok((checked(description.store(&secrets)?).await?, description.clock()));
        }
        let environment = Environment::of_process();
        let needed = [
            "CLAIMS_TABLE",
            "APPLICATIONS_TABLE",
            "ARCHIVE_TABLE",
            "CHANGES_TABLE",
            "IDEMPOTENCY_TABLE",
            "JOURNEYS_TABLE",
        ];
        let tables = environment.tables_with(&needed)?;
        let keys = environment.claim_keys()?;
        let store = Store { db: Aws::of_person().await.dynamodb_patient(), tables, keys };
        Ok((checked(store).await?, Clock::Machine))
    }
}

/// The driver as typed. Personal data.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    driving_license: Option<String>,
    identity_key: Option<String>,
    last_name_trunc: Option<String>,
    phone_trunc: Option<String>,
}

/// Reads a driver. An error names the field and repeats no value.
fn query(json: &str) -> Result<DriverQuery> {
    let typed: Typed = serde_json::from_str(json.trim_start_matches('\u{feff}')).map_err(|_| {
        let fields = "driving_license, identity_key, last_name_trunc with phone_trunc";
        anyhow!("the standard input must be one JSON object with any of {fields}, all of them strings")
    })?;
    let named = |name: &'static str| move |error: FieldError| anyhow!("{name} {error}");
    let license = typed.driving_license.map(|text| DrivingLicense::parse(&text).map_err(named("driving_license")));
    let key = typed.identity_key.map(|text| IdentityKey::parse(&text).map_err(named("identity_key")));
    let truncated = match (typed.last_name_trunc, typed.phone_trunc) {
        (Some(name), Some(phone)) => Some(TruncatedIdentity {
            last_name_trunc: LastNameTrunc::parse(&name).map_err(named("last_name_trunc"))?,
            phone_trunc: PhoneTrunc::parse(&phone).map_err(named("phone_trunc"))?,
        }),
        (None, None) => None,
        _ => bail!("last_name_trunc and phone_trunc belong together"),
    };
    let query = DriverQuery { driving_license: license.transpose()?, identity_key: key.transpose()?, truncated };
    if query.driving_license.is_none() && query.identity_key.is_none() && query.truncated.is_none() {
        bail!("no field is given: name the driver with at least one");
    }
    Ok(query)
}

/// Carries out the action, and prints the result.
///
/// # Errors
/// If it cannot be done, or no stack was ever started on the data directory.
pub fn run(command: Command) -> Result<()> {
    start_logging();
    block_on(carry_out(command)).map(Output::print)
}

async fn carry_out(command: Command) -> Result<Output> {
    let mut typed = String::new();
    let mut input = std::io::stdin();
    if input.is_terminal() {
        note("type the driver as one JSON object, such as {\"driving_license\": \"…\"}, then Enter and Ctrl-D");
    }
    input.read_to_string(&mut typed)?;
    let query = query(&typed)?;
    match command {
        Command::Show { place } => {
            let (Store { db, tables, keys }, _) = place.open().await?;
            let data = DriverFinder::new(db, &tables, keys).find(&query, Deadline::after(PATIENCE)).await?;
            Ok(Output::line(serde_json::to_string_pretty(&shown(&data))?))
        }
        Command::Erase { reason, yes, place } => {
            if query.driving_license.is_none() && query.identity_key.is_none() {
                bail!("an erasure needs driving_license or identity_key: many drivers share a truncated identity");
            }
            // An application that only shares the truncated identity may be another driver's.
            let query = DriverQuery { truncated: None, ..query };
            let (Store { db, tables, keys }, clock) = place.open().await?;
            let finder = DriverFinder::new(db.clone(), &tables, keys);
            let data = finder.find(&query, Deadline::after(PATIENCE)).await?;
            let found: BTreeSet<ApplicationId> = data.applications.iter().map(|application| application.uuid).collect();
            let count = found.len() + data.archived.len();
            if !yes {
                let journeys = data.journeys.len();
                let would = format!("{count} applications would be erased, and the driver of {journeys} journeys");
                return Ok(Output::line(format!("{would}: add --yes")));
            }
            let eraser = DriverEraser::new(db, &tables);
            let Erased { applications, answers, journeys, missed } =
                eraser.erase(&data, &reason, clock.now(), Deadline::after(PATIENCE)).await?;
            let mut notes = Vec::with_capacity(applications.len());
            for uuid in &applications {
                tracing::info!(application_uuid = %uuid, reason, "an application was erased");
                notes.push(format!("erased: {uuid}"));
            }
            let mut lines = vec![format!(
                "erased: {} applications, {answers} idempotency records and the driver of {journeys} unused journeys",
                applications.len()
            )];
            lines.extend(
                missed.iter().map(|uuid| format!("{uuid} was deleted during the erasure: run the command again")),
            );
            Ok(Output { lines, notes })
        }
    }
}

fn shown(data: &DriverData) -> Value {
    let DriverData { recorded, applications, archived, journeys } = data;
    json!({
        "claims": recorded.iter().map(claim).collect::<Vec<_>>(),
        "applications": applications.iter().map(application).collect::<Vec<_>>(),
        "archived": archived.iter().map(|Archived { application: archived, deleted_at }| {
            let mut shown = application(archived);
            shown.insert("deleted_at".to_owned(), json!(deleted_at.to_string()));
            shown
        }).collect::<Vec<_>>(),
        "journeys": journeys.iter().map(|journey| {
            let (operator, name) = journey.key.split_once('#').unwrap_or(("", &journey.key));
            json!({"operator_id": operator, "operator_journey_id": name, "journey_id": journey.journey_id})
        }).collect::<Vec<_>>(),
    })
}

fn claim(recorded: &Recorded) -> Value {
    let Recorded { journey_type, kind, datetime, operator, uuid } = recorded;
    json!({
        "journey_type": journey_type.as_str(),
        "found_by": kind.as_str(),
        "kind": if uuid.is_some() { "standardized" } else { "specific" },
        "datetime": datetime.to_string(),
        "operator_id": operator.get(),
        "uuid": uuid.map(|uuid| uuid.to_string()),
    })
}

fn application(application: &Application) -> Map<String, Value> {
    let identity = &application.identity;
    let journey = application.journey.as_ref();
    let fields = [
        ("uuid", json!(application.uuid.to_string())),
        ("operator_id", json!(application.operator.get())),
        ("journey_type", json!(application.journey_type.as_str())),
        ("last_name_trunc", json!(identity.truncated.last_name_trunc.as_str())),
        ("phone_trunc", json!(identity.truncated.phone_trunc.as_str())),
        ("driving_license", json!(identity.driving_license.as_ref().map(DrivingLicense::as_str))),
        ("identity_key", json!(identity.identity_keys.callers().map(IdentityKey::to_hex))),
        ("driver_identity_key", json!(identity.identity_keys.journeys().map(IdentityKey::to_hex))),
        ("datetime", json!(application.datetime.to_string())),
        ("application_timestamp", json!(application.application_timestamp.to_string())),
        ("registered_at", json!(application.registered_at.to_string())),
        ("operator_journey_id", json!(journey.map(|journey| journey.operator_journey_id.as_str()))),
        ("journey_id", json!(journey.map(|journey| journey.journey_id))),
        ("status", json!(journey.map(|journey| journey.status.as_str()))),
        ("token", json!(application.token)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
