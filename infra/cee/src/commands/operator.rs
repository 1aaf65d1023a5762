//! The command `operator`, as the registry's team types it.

use std::path::PathBuf;

use cee_eligibility::{OperatorId, Siret};
use cee_registry::{AccessKey, Credential, KeyPair, Numbers, Operator, Tables};
use cee_service::Clock;
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use clap::{Args, Subcommand};
use serde_json::json;

use crate::error::Error;
use crate::operators::{Account, Admissions};
use crate::stack::{running, tables};

/// The longest name of an operator, in characters.
const LONGEST_NAME: usize = 100;

/// What is done with operators.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Admit an operator, and print its first credential: the body of POST /auth/access_token. Its secret is shown this
    /// once.
    ///
    /// The credential is the API's. Who may put files on S3 is a matter of IAM on AWS; on this machine only the three
    /// sample operators can, and everybody else asks POST /policies/cee/imports for a place.
    Create {
        /// Its number. A number that was ever used is refused: the new operator would own what the former one registered.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Its name.
        #[arg(long, value_parser = name)]
        name: String,
        /// Its business number: 14 digits. Every proof carries it.
        #[arg(long, value_parser = siret)]
        siret: Siret,
        /// Where.
        #[command(flatten)]
        place: Place,
        /// What tells whether the number was ever used.
        #[command(flatten)]
        traces: Traces,
    },
    /// List the operators.
    List {
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Show an operator and its credentials: when each was made and last used, and wrong guesses at its secret.
    Show {
        /// Its number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Print one more credential of an operator; its secret is shown this once. The older ones go on until they are
    /// retired.
    Rotate {
        /// The operator's number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Retire the credential of this access key at once.
        #[arg(long, value_name = "ACCESS_KEY", value_parser = access_key)]
        retire: Option<AccessKey>,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Take a credential from an operator. Tokens that were got with it are valid for five minutes at most.
    Retire {
        /// The operator's number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Which credential.
        #[arg(long, value_parser = access_key)]
        access_key: AccessKey,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Suspend an operator: it gets no further token, and within a minute every call of its is refused.
    Suspend {
        /// Its number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Let a suspended operator call again.
    Resume {
        /// Its number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
    /// Remove an operator and its credentials. What it registered and imported stays, and so do its files and reports.
    Delete {
        /// Its number.
        #[arg(long, value_parser = operator)]
        id: OperatorId,
        /// Do it; without this, only tell what would be removed.
        #[arg(long)]
        yes: bool,
        /// Where.
        #[command(flatten)]
        place: Place,
    },
}

/// Which registry: the running one on this machine, or one on AWS with the credentials of the environment.
#[derive(Args, Clone, Debug)]
pub struct Place {
    /// Where the running service on this machine keeps its data.
    #[arg(long, default_value = ".local", conflicts_with = "operators_table")]
    pub data_dir: PathBuf,
    /// On AWS, with the credentials of the environment: the output OperatorsTable of the stack.
    #[arg(long, requires = "credentials_table")]
    pub operators_table: Option<String>,
    /// On AWS: the output CredentialsTable of the stack.
    #[arg(long, requires = "operators_table")]
    pub credentials_table: Option<String>,
}

/// On AWS: the tables that tell whether a number was ever used.
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
    async fn numbers(self, place: &Place) -> Result<Numbers, Error> {
        let (Some(operators), Some(credentials)) = (place.operators_table.clone(), place.credentials_table.clone())
        else {
            let (description, _) = running(&place.data_dir).await?;
            return Ok(Numbers::new(description.aws().dynamodb(), &tables()));
        };
        let (Some(imports), Some(claims), Some(archive)) = (self.imports_table, self.claims_table, self.archive_table)
        else {
            let what = "whether the number was ever used is seen in three more tables: give --imports-table, --claims-table and \
                        --archive-table too, the outputs of the stack";
            return Err(Error::Operator(what.to_owned()));
        };
        let tables = Tables { operators, credentials, imports, claims, archive, ..Tables::default() };
        Ok(Numbers::new(Aws::of_person().await.dynamodb(), &tables))
    }
}

impl Place {
    async fn admissions(&self) -> Result<Admissions, Error> {
        match (&self.operators_table, &self.credentials_table) {
            (Some(operators), Some(credentials)) => {
                let (operators, credentials) = (operators.clone(), credentials.clone());
                let tables = Tables { operators, credentials, ..Tables::default() };
                let aws = Aws::of_person().await;
                Ok(Admissions::new(&aws, &tables, Clock::Machine))
            }
            _ => Ok(running(&self.data_dir).await?.0.admissions()),
        }
    }
}

/// What a command has to say.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// For whoever asked, a program perhaps: the standard output.
    pub lines: Vec<String>,
    /// For the person before the screen alone: the standard error.
    pub notes: Vec<String>,
}

impl Told {
    /// One line for whoever asked.
    pub(crate) fn said(line: String) -> Self {
        Self { lines: vec![line], notes: Vec::new() }
    }
}

fn operator(text: &str) -> Result<OperatorId, String> {
    OperatorId::parse(text).map_err(|error| error.to_string())
}

fn siret(text: &str) -> Result<Siret, String> {
    Siret::parse(text).map_err(|error| error.to_string())
}

fn access_key(text: &str) -> Result<AccessKey, String> {
    AccessKey::parse(text).map_err(|error| error.to_string())
}

fn name(text: &str) -> Result<String, String> {
    let fits = (1..=LONGEST_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    let trimmed = text.trim() == text;
    let expected = "must hold 1 to 100 characters, none of them a control character, and no space at either end";
    if fits && trimmed { Ok(text.to_owned()) } else { Err(expected.to_owned()) }
}

/// Carries a command out.
///
/// # Errors
/// [`Error::Operator`] where it cannot be done, [`Error::Secrets`] where no stack was ever started on the data directory.
pub async fn run(command: Command) -> Result<Told, Error> {
    match command {
        Command::Create { id, name, siret, place, traces } => {
            let operator = Operator { id, name, siret, suspended: false };
            let numbers = traces.numbers(&place).await?;
            let pair = place.admissions().await?.create(&operator, &numbers).await?;
            Ok(shown_once(&pair, format!("operator {id} is admitted")))
        }
        Command::List { place } => {
            let accounts = place.admissions().await?.list().await?;
            Ok(Told { lines: accounts.iter().map(line).collect(), notes: Vec::new() })
        }
        Command::Show { id, place } => {
            let admissions = place.admissions().await?;
            Ok(Told { lines: lines(&admissions.show(id).await?), notes: Vec::new() })
        }
        Command::Rotate { id, retire, place } => rotate(&place.admissions().await?, id, retire).await,
        Command::Retire { id, access_key, place } => {
            let left = place.admissions().await?.retire(id, &access_key).await?;
            Ok(Told::said(format!("retired: operator {id} has {} left", credentials(left))))
        }
        Command::Suspend { id, place } => {
            place.admissions().await?.suspend(id, true).await?;
            Ok(Told::said(format!(
                "operator {id} gets no further token, and within a minute every call of its is refused"
            )))
        }
        Command::Resume { id, place } => {
            place.admissions().await?.suspend(id, false).await?;
            Ok(Told::said(format!("operator {id} gets tokens again, and within a minute every call of its is let in")))
        }
        Command::Delete { id, yes, place } => delete(&place.admissions().await?, id, yes).await,
    }
}

async fn rotate(admissions: &Admissions, id: OperatorId, retire: Option<AccessKey>) -> Result<Told, Error> {
    if let Some(old) = &retire {
        // Before anything is made: a mistyped key should not leave a credential that nobody asked for.
        let has = admissions.show(id).await?.credentials.iter().any(|credential| credential.access_key == *old);
        if !has {
            return Err(Error::Operator(format!("operator {id} has no credential of this access key")));
        }
    }
    let pair = admissions.rotate(id).await?;
    let mut told = shown_once(&pair, format!("operator {id} has one more credential"));
    if let Some(old) = &retire {
        let left = admissions.retire(id, old).await?;
        told.notes.push(format!("the old one is retired: operator {id} has {} now", credentials(left)));
    }
    Ok(told)
}

async fn delete(admissions: &Admissions, id: OperatorId, yes: bool) -> Result<Told, Error> {
    let stays = format!(
        "what it registered and imported stays, and so do its files and reports; the number {id} is given to nobody else, who \
         would own them"
    );
    if yes {
        admissions.delete(id).await?;
        return Ok(Told::said(format!("operator {id} and its credentials are removed; {stays}")));
    }
    let account = admissions.show(id).await?;
    let notes = vec![format!("nothing was removed: add --yes to remove this; {stays}")];
    Ok(Told { lines: lines(&account), notes })
}

/// The pair as the body of the call that it is for.
fn shown_once(pair: &KeyPair, what: String) -> Told {
    let body = json!({"access_key": pair.access_key.as_str(), "secret_key": pair.secret_key.reveal()});
    let notes = vec![format!("{what}; its secret is shown this once: whoever loses it needs `operator rotate`")];
    Told { lines: vec![body.to_string()], notes }
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
