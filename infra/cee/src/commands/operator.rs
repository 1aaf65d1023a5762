//! The command `operator`: admits, suspends and removes operators, and hands out their credentials.

use std::path::PathBuf;

use anyhow::{Result, bail};
use cee_eligibility::{OperatorId, Siret};
use cee_local::stack::{running, tables};
use cee_registry::{AccessKey, Credential, KeyPair, Numbers, Operator, Tables};
use cee_service::Clock;
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::operators::{Account, Admissions};
use crate::output::{Output, block_on, said};
use crate::parse::{access_key, name, operator, siret};

/// The actions.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Admit an operator, and print its first credential: the body of POST /auth/access_token. The secret is shown only
    /// once.
    ///
    /// The credential is for the API. On AWS, IAM decides who may put files on S3. On this machine only the three sample
    /// operators may; every other operator gets an upload URL from POST /policies/cee/imports.
    Create {
        /// The operator's number. A number that was ever used is refused: the new operator would own what the former one registered.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// The operator's name.
        #[arg(long, value_parser = name)]
        name: String,
        /// The operator's SIRET: 14 digits. Every proof contains it.
        #[arg(long, value_parser = siret)]
        siret: Siret,
        /// Which registry.
        #[command(flatten)]
        place: Place,
        /// The tables that show whether the number was ever used.
        #[command(flatten)]
        traces: Traces,
    },
    /// List the operators.
    List {
        /// Which registry.
        #[command(flatten)]
        place: Place,
    },
    /// Show an operator and its credentials: when each was made and last used, and how many wrong secrets were tried.
    Show {
        /// The operator's number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Which registry.
        #[command(flatten)]
        place: Place,
    },
    /// Add a credential to an operator, and print it. The secret is shown only once. The older credentials work until
    /// they are retired.
    Rotate {
        /// The operator's number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Retire the credential with this access key at once.
        #[arg(long, value_name = "ACCESS_KEY", value_parser = access_key)]
        retire: Option<AccessKey>,
        /// Which registry.
        #[command(flatten)]
        place: Place,
    },
    /// Remove a credential of an operator. Tokens that it obtained stay valid for five minutes at most.
    Retire {
        /// The operator's number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// The access key of the credential.
        #[arg(long, value_parser = access_key)]
        access_key: AccessKey,
        /// Which registry.
        #[command(flatten)]
        place: Place,
    },
    /// Suspend an operator: no new tokens, and its calls are rejected within 60 s.
    Suspend {
        /// The operator's number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Which registry.
        #[command(flatten)]
        place: Place,
    },
    /// Admit a suspended operator again.
    Resume {
        /// The operator's number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Which registry.
        #[command(flatten)]
        place: Place,
    },
    /// Remove an operator and its credentials. Its applications, imports, files and reports stay.
    Delete {
        /// The operator's number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Apply the change. Without --yes, only show what would be removed.
        #[arg(long)]
        yes: bool,
        /// Which registry.
        #[command(flatten)]
        place: Place,
    },
}

/// Which registry: the running one on this machine, or one on AWS with the credentials of the environment.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// The data directory of the running service on this machine.
    #[arg(long, default_value = ".local", conflicts_with = "operators_table")]
    pub data_dir: PathBuf,
    /// On AWS, with the credentials of the environment: the output OperatorsTable of the stack.
    #[arg(long, requires = "credentials_table")]
    pub operators_table: Option<String>,
    /// On AWS: the output CredentialsTable of the stack.
    #[arg(long, requires = "operators_table")]
    pub credentials_table: Option<String>,
}

/// On AWS: the tables that show whether a number was ever used.
#[derive(Args, Clone, Debug)]
pub struct Traces {
    /// On AWS: the output ImportsTable of the stack.
    #[arg(long, requires_all = ["operators_table", "claims_table", "archive_table"])]
    imports_table: Option<String>,
    /// On AWS: the output ClaimsTable of the stack.
    #[arg(long, requires = "imports_table")]
    claims_table: Option<String>,
    /// On AWS: the output ArchiveTable of the stack.
    #[arg(long, requires = "imports_table")]
    archive_table: Option<String>,
}

impl Traces {
    async fn numbers(self, place: &Place) -> Result<Numbers> {
        let (Some(operators), Some(credentials)) = (place.operators_table.clone(), place.credentials_table.clone())
        else {
            let (description, _) = running(&place.data_dir).await?;
            return Ok(Numbers::new(description.aws().dynamodb(), &tables()));
        };
        let (Some(imports), Some(claims), Some(archive)) = (self.imports_table, self.claims_table, self.archive_table)
        else {
            bail!(
                "give --imports-table, --claims-table and --archive-table too (outputs of the stack): these tables show whether the \
                 number was ever used"
            );
        };
        let tables = Tables { operators, credentials, imports, claims, archive, ..Tables::default() };
        Ok(Numbers::new(Aws::of_person().await.dynamodb(), &tables))
    }
}

impl Place {
    async fn admissions(&self) -> Result<Admissions> {
        match (&self.operators_table, &self.credentials_table) {
            (Some(operators), Some(credentials)) => {
                let (operators, credentials) = (operators.clone(), credentials.clone());
                let tables = Tables { operators, credentials, ..Tables::default() };
                let aws = Aws::of_person().await;
                Ok(Admissions::new(&aws, &tables, Clock::Machine))
            }
            _ => {
                let (description, _) = running(&self.data_dir).await?;
                Ok(Admissions::new(&description.aws(), &tables(), description.clock()))
            }
        }
    }
}

/// Carries out the action, and prints the result.
///
/// # Errors
/// If it cannot be done, or no stack was ever started on the data directory.
pub fn run(command: Command) -> Result<()> {
    block_on(carry_out(command)).map(Output::print)
}

async fn carry_out(command: Command) -> Result<Output> {
    match command {
        Command::Create { id, name, siret, place, traces } => {
            let operator = Operator { id, name, siret, suspended: false };
            let numbers = traces.numbers(&place).await?;
            let pair = place.admissions().await?.create(&operator, &numbers).await?;
            Ok(shown_once(&pair, format!("operator {id} is admitted")))
        }
        Command::List { place } => {
            let accounts = place.admissions().await?.list().await?;
            Ok(Output { lines: accounts.iter().map(line).collect(), notes: Vec::new() })
        }
        Command::Show { id, place } => {
            let admissions = place.admissions().await?;
            Ok(Output { lines: lines(&admissions.show(id).await?), notes: Vec::new() })
        }
        Command::Rotate { id, retire, place } => rotate(&place.admissions().await?, id, retire).await,
        Command::Retire { id, access_key, place } => {
            let left = place.admissions().await?.retire(id, &access_key).await?;
            Ok(Output::line(format!("retired: operator {id} has {} left", credentials(left))))
        }
        Command::Suspend { id, place } => {
            place.admissions().await?.suspend(id, true).await?;
            Ok(Output::line(format!(
                "operator {id} is suspended: no new tokens, and its calls are rejected within 60 s"
            )))
        }
        Command::Resume { id, place } => {
            place.admissions().await?.suspend(id, false).await?;
            Ok(Output::line(format!("operator {id} is admitted again: its calls are accepted within 60 s")))
        }
        Command::Delete { id, yes, place } => delete(&place.admissions().await?, id, yes).await,
    }
}

async fn rotate(admissions: &Admissions, id: OperatorId, retire: Option<AccessKey>) -> Result<Output> {
    if let Some(old) = &retire {
        // First: a mistyped key must not leave a new credential behind.
        let has = admissions.show(id).await?.credentials.iter().any(|credential| credential.access_key == *old);
        if !has {
            bail!("operator {id} has no credential with this access key");
        }
    }
    let pair = admissions.rotate(id).await?;
    let mut output = shown_once(&pair, format!("operator {id} has one more credential"));
    if let Some(old) = &retire {
        // A new credential that nobody has seen replaces no old one.
        std::mem::take(&mut output).print();
        said()?;
        let left = admissions.retire(id, old).await?;
        output.notes.push(format!("the old credential is retired: operator {id} now has {}", credentials(left)));
    }
    Ok(output)
}

async fn delete(admissions: &Admissions, id: OperatorId, yes: bool) -> Result<Output> {
    let stays = format!(
        "its applications, imports, files and reports stay, and the number {id} is never given to another operator, which would own them"
    );
    if yes {
        admissions.delete(id).await?;
        return Ok(Output::line(format!("operator {id} and its credentials are removed; {stays}")));
    }
    let account = admissions.show(id).await?;
    let notes = vec![format!("nothing was removed: add --yes to remove this; {stays}")];
    Ok(Output { lines: lines(&account), notes })
}

/// The credential as the body of its call.
fn shown_once(pair: &KeyPair, what: String) -> Output {
    let body = json!({"access_key": pair.access_key.as_str(), "secret_key": pair.secret_key.reveal()});
    let notes = vec![format!("{what}; the secret is shown only once: `operator rotate` makes another one")];
    Output { lines: vec![body.to_string()], notes }
}

fn credentials(count: usize) -> String {
    match count {
        0 => "no credential".to_owned(),
        1 => "1 credential".to_owned(),
        more => format!("{more} credentials"),
    }
}

fn line(account: &Account) -> String {
    let Operator { id, name, siret, suspended } = &account.operator;
    let state = if *suspended { "suspended" } else { "admitted" };
    format!("operator {id}  {name}  SIRET {}  {state}  {}", siret.as_str(), credentials(account.credentials.len()))
}

fn lines(account: &Account) -> Vec<String> {
    let one = |credential: &Credential| {
        let Credential { access_key, created_at, used_at, failures, .. } = credential;
        let used = used_at.map_or_else(|| "never used".to_owned(), |at| format!("last used {at}"));
        let mut text = format!("  {}  made {created_at}  {used}", access_key.as_str());
        if failures.in_a_row > 0 {
            text.push_str(&format!("  {} wrong secrets in a row", failures.in_a_row));
        }
        if let Some(wait) = failures.locked_for(machine_now()) {
            text.push_str(&format!(", locked for {} s", wait.as_secs().max(1)));
        }
        text
    };
    std::iter::once(line(account)).chain(account.credentials.iter().map(one)).collect()
}
