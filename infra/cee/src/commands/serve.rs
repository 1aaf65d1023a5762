//! The command `serve`, which is also what the program does without a command.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use aws_stand_in::faults::{Plan, Seeded};
use cee_eligibility::Instant;
use cee_local::stack::{Functions, Options, Stack};
use cee_service::Environment;
use clap::Args;

use crate::output::{say, start_logging};
use crate::parse::moment;

/// How the service is started.
#[derive(Args, Clone, Debug)]
pub struct Command {
    /// Port of the interface; 0 takes a free one.
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Port of the embedded DynamoDB.
    #[arg(long, default_value_t = 8000)]
    dynamodb_port: u16,
    /// Port of the embedded S3.
    #[arg(long, default_value_t = 9000)]
    s3_port: u16,
    /// The data directory; `local.json` there lists addresses and keys.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
    /// Start empty: first remove what the service keeps there.
    #[arg(long)]
    fresh: bool,
    /// Where to listen; 0.0.0.0 for containers.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Pin the clock, such as 2024-05-01T00:00:00Z.
    #[arg(long, value_parser = moment)]
    now: Option<Instant>,
    /// At most this many rows in one invocation of the import function, then the next one goes on; 0: no limit but time.
    #[arg(long, default_value_t = 0)]
    rows_per_invocation: u64,
    /// At most this many calls a second of each operator, over ten seconds; 0: no limit.
    #[arg(long, default_value_t = 50)]
    calls_per_second: u32,
    /// The share of requests from the functions to DynamoDB that go wrong: throttled, in conflict, lost, late.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    faults: Option<u32>,
    /// Which requests go wrong, and how.
    #[arg(long, value_name = "SEED", default_value_t = 1, requires = "faults")]
    faults_seed: u64,
    /// Run the compiled binaries of this folder, each function in its own process, instead of all functions in this one.
    #[arg(long)]
    binaries: Option<PathBuf>,
}

/// Starts the service, and stops it at Ctrl-C.
///
/// # Errors
/// If a part of the service cannot be started.
pub fn run(command: Command) -> Result<()> {
    start_logging();
    // The service and its functions write names, phones and licences: no other user of this machine may read them.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(serve(command))
}

async fn serve(command: Command) -> Result<()> {
    let (host, data_dir, faults) = (command.host, command.data_dir.clone(), command.faults);
    let stack = Stack::start(&options(command)).await?;
    introduce(&stack, &data_dir, faults);
    if !host.is_loopback() {
        expose(&stack, host);
    }
    say("ready");
    stopped().await;
    report_faults(&stack);
    stack.shutdown().await;
    Ok(())
}

fn options(command: Command) -> Options {
    let token_format = Environment::of_process().optional("TOKEN_FORMAT");
    Options {
        host: command.host,
        port: command.port,
        dynamodb_port: command.dynamodb_port,
        s3_port: command.s3_port,
        data_dir: command.data_dir,
        fresh: command.fresh,
        now: command.now,
        functions: command.binaries.map_or(Functions::InProcess, Functions::Binaries),
        settings: [
            ("OPERATOR_CALLS_PER_SECOND".to_owned(), command.calls_per_second.to_string()),
            ("IMPORT_ROWS_PER_INVOCATION".to_owned(), command.rows_per_invocation.to_string()),
        ]
        .into_iter()
        .chain(token_format.map(|format| ("TOKEN_FORMAT".to_owned(), format)))
        .collect(),
        faults: command.faults.map(|percent| {
            let plan: Arc<dyn Plan> = Arc::new(Seeded { seed: command.faults_seed, percent });
            plan
        }),
    }
}

fn introduce(stack: &Stack, data_dir: &Path, faults: Option<u32>) {
    let about = stack.description();
    let data_dir = data_dir.display();
    say(&format!(
        "\
interface  {}
DynamoDB   {}
S3         {}  bucket {}
data       {data_dir}/  (survives a restart; --fresh starts empty; {data_dir}/local.json lists all of this for programs)
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

/// Warns about access by others if the stack listens beyond this machine.
fn expose(stack: &Stack, host: IpAddr) {
    let about = stack.description();
    let port = |url: &str| url.rsplit(':').next().unwrap_or_default().trim_end_matches("/v3").to_owned();
    say(&format!(
        "\
warning: the service listens on {host}: everyone who can reach that address can reach
  port {:<6} DynamoDB: to read and change every name, phone and licence. It checks no key and no signature
  port {:<6} S3: files and reports, with the keys of local.json or a presigned URL
  port {:<6} the interface: with a token, an access key or nothing for what is public
All of it unencrypted. Use a firewall, or the default --host 127.0.0.1.
",
        port(&about.dynamodb_url),
        port(&about.s3_url),
        port(&about.api_url)
    ));
}

/// The faults between the functions and DynamoDB that `--faults` caused.
fn report_faults(stack: &Stack) {
    let Some(proxy) = stack.proxy() else { return };
    let happened = proxy.happened();
    say(&format!("{} requests to DynamoDB, of which {} went wrong", proxy.requests(), happened.values().sum::<u64>()));
    for (fault, times) in happened {
        say(&format!("{times:>8}  {fault:?}"));
    }
}

/// Waits for Ctrl-C or SIGTERM.
async fn stopped() {
    let interrupted = tokio::signal::ctrl_c();
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! { _ = interrupted => {}, _ = terminated.recv() => {} }
        }
        Err(_) => drop(interrupted.await),
    }
}
