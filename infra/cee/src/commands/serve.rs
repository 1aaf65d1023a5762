//! The command `serve`, which is also what the program does without a command.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Result, anyhow};
use aws_stand_in::faults::{Plan, Seeded};
use cee_eligibility::Instant;
use cee_local::endpoint::{Elsewhere, Endpoint, Signing};
use cee_local::stack::{Functions, Options, Stack, known};
use cee_service::Environment;
use clap::Args;

use crate::output::{say, start_logging};
use crate::parse::{moment, origins};

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
    /// Use the DynamoDB, or another engine that speaks its protocol, at this address instead of the embedded one. Its tables cee-local-…
    /// are created if they are missing. Without this, the variable AWS_ENDPOINT_URL_DYNAMODB. AWS_ACCESS_KEY_ID,
    /// AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION sign for it.
    #[arg(long, value_name = "URL", conflicts_with = "dynamodb_port")]
    dynamodb_url: Option<Endpoint>,
    /// Use the S3 at this address instead of the embedded one. Without this, the variable AWS_ENDPOINT_URL_S3. Its bucket cee-local is
    /// created if it is missing, and listed every two seconds for new files.
    #[arg(long, value_name = "URL", conflicts_with = "s3_port")]
    s3_url: Option<Endpoint>,
    /// The data directory; `local.json` there lists addresses and keys.
    #[arg(long, default_value = ".local")]
    data_dir: PathBuf,
    /// Start empty: remove what the service keeps in the data directory.
    #[arg(long)]
    fresh: bool,
    /// The address to listen on; 0.0.0.0 for containers.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Stop the clock at this moment, such as 2024-05-01T00:00:00Z.
    #[arg(long, value_parser = moment)]
    now: Option<Instant>,
    /// At most this many rows in one invocation of the import or the export function; the next invocation continues. 0: no limit but
    /// time.
    #[arg(long, default_value_t = 0)]
    rows_per_invocation: u64,
    /// At most this many calls a second for each operator, averaged over ten seconds; 0: no limit.
    #[arg(long, default_value_t = 50)]
    calls_per_second: u32,
    /// Origins whose pages may call the interface and put files on S3 (CORS), with commas between, such as http://localhost:5173. Only
    /// pages of this machine: the service refuses all others.
    #[arg(long, value_name = "ORIGINS", default_value = "", hide_default_value = true, value_parser = origins)]
    api_origins: String,
    /// The percentage of requests from the functions to DynamoDB that fail: throttled, in conflict, lost or late.
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=100))]
    faults: Option<u32>,
    /// The seed that decides which requests fail, and how.
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
    let elsewhere = elsewhere(&command, &Environment::of_process())?;
    let stack = Stack::start(&options(command, elsewhere)).await?;
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

/// The services that the stack does not run itself: by its options, or by the SDK's variables.
fn elsewhere(command: &Command, environment: &Environment) -> Result<Elsewhere> {
    // `cee env` prints the variable of the embedded S3, for clients. In that terminal it does not name another S3.
    let own = known(&command.data_dir).ok().map(|(description, _)| description);
    let variable = |name: &str, port: u16, own: Option<&str>| -> Result<Option<Endpoint>> {
        let Some(text) = environment.optional(name) else { return Ok(None) };
        let endpoint: Endpoint =
            text.parse::<Endpoint>().map_err(|expected| anyhow!("the environment variable {name} {expected}"))?;
        let is_own = endpoint.is_here(port) || own.is_some_and(|own| own == endpoint.to_string());
        Ok((!is_own).then_some(endpoint))
    };
    let own_dynamodb = own.as_ref().filter(|own| !own.foreign.dynamodb).map(|own| own.dynamodb_url.as_str());
    let own_s3 = own.as_ref().filter(|own| !own.foreign.s3).map(|own| own.s3_url.as_str());
    let dynamodb = match &command.dynamodb_url {
        Some(endpoint) => Some(endpoint.clone()),
        None => variable("AWS_ENDPOINT_URL_DYNAMODB", command.dynamodb_port, own_dynamodb)?,
    };
    let s3 = match &command.s3_url {
        Some(endpoint) => Some(endpoint.clone()),
        None => variable("AWS_ENDPOINT_URL_S3", command.s3_port, own_s3)?,
    };
    // Keys of the environment may be anybody's: they are used only if a service is elsewhere.
    let signing = if dynamodb.is_some() || s3.is_some() { Signing::of(environment)? } else { Signing::default() };
    Ok(Elsewhere { dynamodb, s3, signing })
}

fn options(command: Command, elsewhere: Elsewhere) -> Options {
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
            ("EXPORT_ROWS_PER_INVOCATION".to_owned(), command.rows_per_invocation.to_string()),
        ]
        .into_iter()
        .chain(token_format.map(|format| ("TOKEN_FORMAT".to_owned(), format)))
        .collect(),
        api_origins: command.api_origins,
        faults: command.faults.map(|percent| {
            let plan: Arc<dyn Plan> = Arc::new(Seeded { seed: command.faults_seed, percent });
            plan
        }),
        elsewhere,
    }
}

fn introduce(stack: &Stack, data_dir: &Path, faults: Option<u32>) {
    let about = stack.description();
    let data_dir = data_dir.display();
    let kept = match about.foreign.any() {
        false => "survives a restart; --fresh starts empty",
        true => "keys, and what the endpoints above do not keep",
    };
    let root = about.api_url.trim_end_matches("/v3");
    say(&format!(
        "\
interface  {}
reference  {root}/docs  every call, field and refusal, in a browser
console    {root}/console  in a browser; sign in with the access key and the secret that `cargo run -- env --operator 1` prints
DynamoDB   {}
S3         {}  bucket {}
data       {data_dir}/  ({kept}; {data_dir}/local.json lists all of this for programs)
",
        about.api_url,
        about.dynamodb_url,
        about.s3_url,
        about.bucket
    ));
    if let Some(percent) = faults {
        say(&format!(
            "faults     {percent} of 100 requests from the functions to DynamoDB go wrong: calls may be slow or return 503"
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

docs/tour.md continues from there.
");
}

/// Warns about access by others if the stack listens beyond this machine.
fn expose(stack: &Stack, host: IpAddr) {
    let about = stack.description();
    let port = |url: &str| url.rsplit(':').next().unwrap_or_default().trim_end_matches("/v3").to_owned();
    let mut open = Vec::new();
    if !about.foreign.dynamodb {
        let what = "DynamoDB: to read and change every name, phone and licence. It checks no key and no signature";
        open.push((port(&about.dynamodb_url), what));
    }
    if !about.foreign.s3 {
        open.push((port(&about.s3_url), "S3: files and reports, with the keys of local.json or a presigned URL"));
    }
    open.push((port(&about.api_url), "the API: with a token or an access key, or with neither for what is public"));
    let open: Vec<_> = open.into_iter().map(|(port, what)| format!("  port {port:<6} {what}\n")).collect();
    say(&format!(
        "\
warning: the service listens on {host}: everyone who can reach that address has access to
{}All of it unencrypted. Use a firewall, or the default --host 127.0.0.1.
",
        open.concat()
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: Command,
    }

    fn chosen(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Elsewhere> {
        let data_dir = ["serve", "--data-dir", "/nowhere"];
        let command = Line::parse_from(data_dir.iter().chain(arguments)).serve;
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        elsewhere(&command, &Environment::of(variables))
    }

    fn urls(elsewhere: &Elsewhere) -> [Option<String>; 2] {
        [&elsewhere.dynamodb, &elsewhere.s3].map(|endpoint| endpoint.as_ref().map(ToString::to_string))
    }

    #[test]
    fn option_comes_before_the_variable() {
        let variables = [("AWS_ENDPOINT_URL_DYNAMODB", "http://var:1"), ("AWS_ENDPOINT_URL_S3", "http://var:2")];
        let url = |text: &str| Some(text.to_owned());
        assert_eq!(urls(&chosen(&[], &[]).unwrap()), [None, None]);
        assert_eq!(urls(&chosen(&[], &variables).unwrap()), [url("http://var:1"), url("http://var:2")]);
        let options = ["--dynamodb-url", "http://option:1", "--s3-url", "http://option:2"];
        assert_eq!(urls(&chosen(&options, &variables).unwrap()), [url("http://option:1"), url("http://option:2")]);
        let said = chosen(&[], &[("AWS_ENDPOINT_URL_S3", "user:secret@host")]).unwrap_err().to_string();
        assert!(said.contains("AWS_ENDPOINT_URL_S3 must be") && !said.contains("secret"), "{said}");
    }

    #[test]
    fn variable_of_the_embedded_service_names_no_other() {
        for own in ["http://127.0.0.1:9000", "http://localhost:9000"] {
            assert_eq!(urls(&chosen(&[], &[("AWS_ENDPOINT_URL_S3", own)]).unwrap()), [None, None], "{own}");
        }
        let embedded = [("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:8000")];
        assert_eq!(urls(&chosen(&[], &embedded).unwrap()), [None, None]);
        assert!(chosen(&["--dynamodb-port", "1"], &embedded).unwrap().dynamodb.is_some());
        // An option names what it says.
        assert!(chosen(&["--s3-url", "http://127.0.0.1:9000"], &[]).unwrap().s3.is_some());
    }

    #[test]
    fn keys_of_the_environment_are_used_only_for_a_service_elsewhere() {
        let keys = [("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "s")];
        assert!(chosen(&[], &keys).unwrap().signing.keys.is_none());
        assert!(chosen(&["--s3-url", "http://s3:9000"], &keys).unwrap().signing.keys.is_some());
        assert!(chosen(&["--s3-url", "http://s3:9000"], &keys[..1]).is_err());
        assert!(chosen(&[], &keys[..1]).is_ok());
    }
}
