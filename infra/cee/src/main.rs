//! `cargo run`: the whole certificate registry on this machine.

use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use cee_eligibility::{Instant, OperatorId};
use cee_history::{Counts, Undone};
use cee_local::audit_command::{self, Heard};
use cee_local::driver_command;
use cee_local::error::Error;
use cee_local::faults::{Plan, Seeded};
use cee_local::generate::History;
use cee_local::operator_command::{self, Told};
use cee_local::pepper_command;
use cee_local::restore_command;
use cee_local::samples;
use cee_local::secret_command;
use cee_local::stack::{ForSam, Functions, Options, Stack, for_sam, known, redrive, running};
use cee_local::undo::Team;
use cee_registry::ImportId;
use cee_service::Environment;
use cee_service::aws::Aws;
use cee_tokens::Scope;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

/// The certificate registry for carpooling, whole, on this machine.
#[derive(Parser)]
#[command(name = "cee", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Start the service (what happens without a command, too). TOKEN_FORMAT=rpc in its environment lets it sign proof tokens as the
    /// public registry did.
    Serve(Serve),
    #[command(flatten)]
    Before(cee_check::Command),
    /// Print a made-up history file, always the same one.
    Generate {
        /// How many rows.
        #[arg(long, default_value_t = 1000)]
        rows: u64,
        /// Which operator's habits.
        #[arg(long, default_value = "1", value_parser = operator)]
        operator: OperatorId,
        /// Another seed, another history.
        #[arg(long, default_value_t = 2012)]
        seed: u64,
    },
    /// Admit, suspend and remove operators, and hand out their credentials: for the registry's team, here or on AWS.
    Operator {
        /// What to do.
        #[command(subcommand)]
        command: operator_command::Command,
    },
    /// Tell what is held about a driver, or erase it: for the registry's team, here or on AWS.
    Driver {
        /// What to do.
        #[command(subcommand)]
        command: driver_command::Command,
    },
    /// Look whether the tables hold what cannot be, such as a certificate granted twice: for the registry's team, here or on
    /// AWS. Fails where anything is found.
    Audit(audit_command::Command),
    /// Compare the pepper with the tables, and write its check value, which every function compares when it starts: for the
    /// registry's team, here or on AWS.
    Pepper(pepper_command::Command),
    /// Put a table back to what another one beside it holds, such as DynamoDB restores to a moment: for the registry's team, here
    /// or on AWS.
    Restore(restore_command::Command),
    /// Take back what an import added: for the registry's team, here or on AWS.
    Undo(Undo),
    /// Put events that the import function of the stopped local stack gave up back into its queue (on AWS: docs/runbook.md).
    Redrive {
        /// Where the service keeps its data.
        #[arg(long, default_value = ".local")]
        data_dir: PathBuf,
    },
    /// Make a registry's secret, and replace its signing keys: for the registry's team, here or on AWS.
    Secret {
        /// What to do.
        #[command(subcommand)]
        command: secret_command::Command,
    },
    /// Print an application token of an operator of this machine.
    Token {
        /// The operator: 1, 2 or 3; or, while the service runs, one that was created.
        #[arg(long, value_parser = operator)]
        operator: OperatorId,
        /// For how long it is valid.
        #[arg(long, default_value_t = 60)]
        minutes: u32,
        /// What it allows, such as cee:simulate; may be repeated. Everything, if not given.
        #[arg(long = "scope", value_parser = scope)]
        scopes: Vec<Scope>,
        /// Where the service keeps its data.
        #[arg(long, default_value = ".local")]
        data_dir: PathBuf,
    },
    /// Print shell variables with which curl and the AWS tools reach the running service as a sample operator, or `sam local`
    /// its DynamoDB and S3.
    Env {
        /// The operator: 1, 2 or 3.
        #[arg(long, value_parser = operator, required_unless_present = "sam")]
        operator: Option<OperatorId>,
        /// For `sam local`; writes what its functions are given into `sam.json` beside the service's data, too.
        #[arg(long, conflicts_with = "operator")]
        sam: bool,
        /// Where the service keeps its data.
        #[arg(long, default_value = ".local")]
        data_dir: PathBuf,
    },
}

#[derive(Args)]
struct Undo {
    /// Whose import.
    #[arg(long, value_parser = operator)]
    operator: OperatorId,
    /// Its name: the `import_id` of its report.
    #[arg(long, value_parser = import)]
    import: ImportId,
    /// Do it; without this, only tell what would be undone.
    #[arg(long)]
    yes: bool,
    /// Where the service on this machine keeps its data.
    #[arg(long, default_value = ".local", conflicts_with = "bucket")]
    data_dir: PathBuf,
    /// On AWS, with the credentials of the environment: the bucket, the output DataBucket of the stack.
    #[arg(long, requires = "imports_table")]
    bucket: Option<String>,
    /// On AWS: the output ImportsTable of the stack.
    #[arg(long, requires = "bucket")]
    imports_table: Option<String>,
}

#[derive(Args, Clone)]
struct Serve {
    /// Port of the interface; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of the embedded DynamoDB.
    #[arg(long, default_value_t = 8000)]
    dynamodb_port: u16,
    /// Port of the embedded S3.
    #[arg(long, default_value_t = 9000)]
    s3_port: u16,
    /// Where everything is kept; `local.json` there tells how to reach it.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
    /// Throw away what is kept there first.
    #[arg(long)]
    fresh: bool,
    /// Where to listen; 0.0.0.0 for containers.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Pin the clock, such as 2024-05-01T00:00:00Z.
    #[arg(long, value_parser = moment)]
    now: Option<Instant>,
    /// How many rows one invocation of the import function reads before the next one goes on; 0 is no limit but time.
    #[arg(long, default_value_t = 0)]
    rows_per_invocation: u64,
    /// How many calls a second each operator may make, over ten seconds; 0 is no limit.
    #[arg(long, default_value_t = 50)]
    calls_per_second: u32,
    /// Let so many of a hundred requests from the functions to DynamoDB go wrong: throttled, in conflict, lost, late.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    faults: Option<u32>,
    /// Which requests go wrong, and how.
    #[arg(long, value_name = "SEED", default_value_t = 1, requires = "faults")]
    faults_seed: u64,
    /// Run the functions as the compiled binaries in this folder, each its own process, instead of in this one.
    #[arg(long)]
    binaries: Option<PathBuf>,
}

fn operator(text: &str) -> Result<OperatorId, String> {
    OperatorId::parse(text).map_err(|error| error.to_string())
}

fn import(text: &str) -> Result<ImportId, String> {
    ImportId::parse(&text.to_ascii_lowercase()).ok_or_else(|| "an import's name has 32 hexadecimal digits".to_owned())
}

fn scope(text: &str) -> Result<Scope, String> {
    let known = Scope::ALL.into_iter().find(|scope| scope.as_str() == text);
    known.ok_or_else(|| format!("the scopes are {}", Scope::ALL.map(Scope::as_str).join(", ")))
}

fn moment(text: &str) -> Result<Instant, String> {
    Instant::parse(text).map_err(|error| error.to_string())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.command {
        Some(Command::Before(command)) => return cee_check::run(&command),
        Some(Command::Generate { rows, operator, seed }) => generate(History::new(seed, operator), rows),
        Some(Command::Operator { command }) => team(operator_command::run(command)),
        Some(Command::Audit(command)) => audit(command),
        Some(Command::Driver { command }) => {
            start_logging();
            team(driver_command::run(command))
        }
        Some(Command::Secret { command }) => secret_command::run(command).map(|told| {
            // The secret alone on standard output, so that it can be handed on.
            if let Some(secret) = &told.secret {
                say(secret);
                let _ = writeln!(std::io::stderr(), "{}", told.done);
            } else {
                say(&told.done);
            }
        }),
        Some(Command::Pepper(command)) => {
            start_logging();
            team(pepper_command::run(command))
        }
        Some(Command::Restore(command)) => {
            start_logging();
            team(restore_command::run(command))
        }
        Some(Command::Undo(what)) => undo(what),
        Some(Command::Redrive { data_dir }) => {
            start_logging();
            redrive(&data_dir)
                .map(|count| say(&format!("{count} events are back in the queue: the next `cargo run` handles them")))
        }
        Some(Command::Token { operator, minutes, scopes, data_dir }) => {
            token(&data_dir, operator, minutes, scopes).map(|token| say(&token))
        }
        Some(Command::Env { operator, data_dir, .. }) => match operator {
            Some(operator) => environment(&data_dir, operator),
            None => environment_of_sam(&data_dir),
        }
        .map(|lines| say(&lines)),
        Some(Command::Serve(serve)) => run(serve),
        None => run(cli.serve),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints a line. Whoever has stopped reading, as `| head` does, has what it wanted.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Whoever has stopped reading has what it wanted.
fn generate(history: History, rows: u64) -> Result<(), Error> {
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    match history.write(rows, &mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Audits, with a line that tells how far it is and where to go on if it is stopped.
fn audit(command: audit_command::Command) -> Result<(), Error> {
    let bar = ProgressBar::no_length();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} items, --from {msg}") {
        bar.set_style(style);
    }
    let told = team(audit_command::run(command, |heard| match heard {
        Heard::Place(place, items) => {
            bar.set_position(items);
            bar.set_message(place.to_string());
        }
        Heard::Line(line) => bar.suspend(|| say(&line)),
    }));
    bar.finish_and_clear();
    told
}

/// Carries out what the registry's team asks for, and says what came of it.
fn team(command: impl Future<Output = Result<Told, Error>>) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let Told { lines, notes } = runtime.block_on(command)?;
    for note in notes {
        let _ = writeln!(std::io::stderr(), "{note}");
    }
    for line in lines {
        say(&line);
    }
    Ok(())
}

fn undo(what: Undo) -> Result<(), Error> {
    let Undo { operator, import, yes, data_dir, bucket, imports_table } = what;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let team = match (bucket, imports_table) {
            (Some(bucket), Some(table)) => Team::new(Aws::of_person().await, bucket, table),
            _ => running(&data_dir).await?.0.team(),
        };
        let status = team.undoable(operator, import).await?;
        if let Some(report) = &status.report {
            let Counts { read, imported, already_known, rejected, .. } = &report.counts;
            say(&format!(
                "import {import} of operator {operator}, {} {}: {read} rows read, {imported} imported, {already_known} already \
                 known, {rejected} rejected",
                report.state, report.ended_at
            ));
        }
        if !yes {
            say("nothing was undone: add --yes to take back what it added");
            return Ok(());
        }
        let bar = ProgressBar::no_length();
        let undone = team
            .undo(operator, import, |progress| {
                let style = if progress.counted {
                    bar.set_length(progress.removed + progress.kept);
                    bar.set_position(progress.done);
                    "{wide_bar} {pos} of {len} applications taken back, {eta} left"
                } else {
                    bar.set_position(progress.items);
                    "{spinner} counting: {pos} drivers looked at"
                };
                if let Ok(style) = ProgressStyle::with_template(style) {
                    bar.set_style(style);
                }
            })
            .await?;
        bar.finish_and_clear();
        let Undone { removed, kept, .. } = undone;
        say(&format!("undone: {removed} applications are gone; {kept} stay, for the operator sent them in another file too"));
        Ok(())
    })
}

fn token(data_dir: &Path, operator: OperatorId, minutes: u32, scopes: Vec<Scope>) -> Result<String, Error> {
    let (description, secrets) = known(data_dir)?;
    let scopes = if scopes.is_empty() { Scope::ALL.to_vec() } else { scopes };
    let now = description.clock().now();
    // The samples are known without the service.
    if samples::operators().iter().any(|sample| sample.id == operator) {
        return secrets.token(operator, scopes, now, minutes);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let caller = runtime.block_on(async {
        running(data_dir).await?;
        description.admissions().caller(operator, scopes).await
    })?;
    secrets.token_for(&caller, now, minutes)
}

fn environment(data_dir: &Path, operator: OperatorId) -> Result<String, Error> {
    let (description, _) = known(data_dir)?;
    let about = description.operator(operator)?;
    let variables = [
        ("API", &description.api_url),
        ("TOKEN", &about.token),
        ("BUCKET", &description.bucket),
        ("AWS_ENDPOINT_URL_S3", &description.s3_url),
        ("AWS_REGION", &description.region),
        ("AWS_ACCESS_KEY_ID", &about.access_key),
        ("AWS_SECRET_ACCESS_KEY", &about.secret_key),
    ];
    Ok(variables.map(|(name, value)| format!("export {name}='{value}'")).join("\n"))
}

fn environment_of_sam(data_dir: &Path) -> Result<String, Error> {
    let ForSam { file, exported } = for_sam(data_dir)?;
    // Nobody's own session may go with the local stack's keys.
    let mut lines = vec!["unset AWS_PROFILE AWS_SESSION_TOKEN".to_owned()];
    lines.extend(exported.map(|(name, value)| format!("export {name}='{value}'")));
    lines.push(format!("# sam local … --env-vars {}", file.display()));
    Ok(lines.join("\n"))
}

fn run(serve: Serve) -> Result<(), Error> {
    start_logging();
    // What the service and its functions write holds names, phones and licences: nobody else on this machine reads it.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let token_format = Environment::of_process().optional("TOKEN_FORMAT");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = Options {
            host: serve.host,
            port: serve.port,
            dynamodb_port: serve.dynamodb_port,
            s3_port: serve.s3_port,
            data_dir: serve.data_dir.clone(),
            fresh: serve.fresh,
            now: serve.now,
            functions: serve.binaries.map_or(Functions::InProcess, Functions::Binaries),
            settings: [
                ("OPERATOR_CALLS_PER_SECOND".to_owned(), serve.calls_per_second.to_string()),
                ("IMPORT_ROWS_PER_INVOCATION".to_owned(), serve.rows_per_invocation.to_string()),
            ]
            .into_iter()
            .chain(token_format.map(|format| ("TOKEN_FORMAT".to_owned(), format)))
            .collect(),
            faults: serve.faults.map(|percent| {
                let plan: Arc<dyn Plan> = Arc::new(Seeded { seed: serve.faults_seed, percent });
                plan
            }),
        };
        let stack = Stack::start(&options).await?;
        introduce(&stack, &serve.data_dir, serve.faults);
        if !serve.host.is_loopback() {
            expose(&stack, serve.host);
        }
        say("ready");
        stopped().await;
        if let Some(wire) = stack.wire() {
            let happened = wire.happened();
            say(&format!(
                "{} requests to DynamoDB, of which went wrong {}",
                wire.requests(),
                happened.values().sum::<u64>()
            ));
            for (fault, often) in happened {
                say(&format!("{often:>8}  {fault:?}"));
            }
        }
        stack.shutdown().await;
        Ok(())
    })
}

fn introduce(stack: &Stack, data_dir: &Path, faults: Option<u32>) {
    let about = stack.description();
    let data_dir = data_dir.display();
    say(&format!(
        "\
interface  {}
DynamoDB   {}
S3         {}  bucket {}
data       {data_dir}/  (survives a restart; --fresh starts empty; {data_dir}/local.json tells all of this to programs)
",
        about.api_url, about.dynamodb_url, about.s3_url, about.bucket
    ));
    if let Some(percent) = faults {
        say(&format!(
            "faults     {percent} of 100 requests from the functions to DynamoDB go wrong: calls may be slow or answer 503"
        ));
    }
    for operator in &about.operators {
        say(&format!("operator {}  {}  SIRET {}", operator.id, operator.name, operator.siret));
    }
    say("
Try, in another terminal:

  eval \"$(cargo run -q -- env --operator 1)\"
  curl -s $API/policies/cee -H \"authorization: Bearer $TOKEN\" -H 'content-type: application/json' -d '{
    \"journey_type\": \"short\", \"last_name_trunc\": \"MAR\", \"driving_license\": \"051227308989\",
    \"operator_journey_id\": \"ar:2024-03-15_0001\"}'

docs/tour.md goes on from there.
");
}

/// What is open to others when the stack listens beyond this machine.
fn expose(stack: &Stack, host: IpAddr) {
    let about = stack.description();
    let port = |url: &str| url.rsplit(':').next().unwrap_or_default().trim_end_matches("/v3").to_owned();
    say(&format!(
        "\
warning: the service listens on {host}, and whoever reaches that address reaches
  port {:<6} DynamoDB: reads and changes everything, every name, phone and licence. It checks no key and no signature
  port {:<6} S3: files and reports, with the keys of local.json or a presigned URL
  port {:<6} the interface: with a token, an access key or nothing for what is public
All of it unencrypted. Use a firewall, or the default --host 127.0.0.1.
",
        port(&about.dynamodb_url),
        port(&about.s3_url),
        port(&about.api_url)
    ));
}

/// The functions' log, and warnings of everything else, on standard error.
fn start_logging() {
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_env_filter(tracing_subscriber::EnvFilter::new(
            "warn,cee=info,function=info,s3s=off,s3s_fs=warn,dynoxide=error",
        ))
        .finish();
    // Fails only where somebody has started logging before.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Waits for Ctrl-C or a polite kill.
async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! { _ = interrupted => {}, _ = terminated.recv() => {} }
        }
        Err(_) => drop(interrupted.await),
    }
}
