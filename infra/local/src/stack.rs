//! The whole registry on one machine: the stand-in for AWS, and the functions that are deployed.
//!
//! [`Stack::start`] locks the data directory, makes the keys that are missing, takes all ports and starts the database. Then `Parts::start`
//! makes what is missing of tables, check value and bucket, starts the functions (each with its own settings) and admits the sample
//! operators, and connects the parts: S3 puts an event into the queue for each object under [`EVENT_PREFIXES`], the queue invokes the
//! import or the export function, and the gateway invokes the others. At last it imports the sample journeys through S3, writes
//! `local.json` and starts the schedule of the audit. The database has no streams, so the schedule alone invokes the audit.
//!
//! docs/architecture.md compares each part with AWS.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_stand_in::dynamo::{self, DynamoServer, Front};
use aws_stand_in::faults::{Plan, Proxy};
use aws_stand_in::gateway::{self, Gateway};
use aws_stand_in::queue::{self, AsyncQueue, QueueOptions};
use aws_stand_in::runtime_api::Process;
use aws_stand_in::s3::{self, CorsRule, Credentials, EventSink, S3Server, Scope};
use aws_stand_in::schedule::Schedule;
use cee_eligibility::Instant;
use cee_registry::{EXPORT_NOTES, Journeys, Operators, StoreError};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment};
use cee_tokens::TokenFormat;
use chrono::DateTime;
use http::Method;
use tokio::net::TcpListener;

use crate::data_dir::{DataDir, Lock, never_started};
pub use crate::data_dir::{known, running};
pub use crate::description::{BUCKET, Description, OperatorDescription, REGION, Store, tables};
use crate::endpoint::{Elsewhere, Endpoint};
use crate::error::Error;
use crate::functions::Starter;
pub use crate::functions::{
    AUDIT_EVERY, AUDIT_TIMEOUT, BINARIES, Functions, HTTP_TIMEOUT, IMPORT_TIMEOUT, PAGES, PREFLIGHT, REFERENCE,
};
use crate::operators::admit_samples;
use crate::pepper;
use crate::poll::{Poll, Poller, prepare_bucket};
use crate::refusals::refusal;
pub use crate::sam::{ForSam, for_sam};
use crate::samples;
use crate::secrets::{OperatorKeys, Secrets, write_private};
use crate::settings::Settings;
pub use crate::settings::{GIVEN, Given, not_for_all};

/// How long an application token in `local.json` is valid: a working day and the night after it.
const TOKEN_MINUTES: u32 = 24 * 60;

/// How long the import of the sample journeys may take before the stack reports that it is ready anyway.
const SAMPLES_TIME: Duration = Duration::from_secs(60);

/// The prefixes of the bucket that start the import function, and the one that starts the export function, as in the template.
pub const EVENT_PREFIXES: [&str; 5] = ["imports/", "journeys/", "continue/", "undo/", EXPORT_NOTES];

/// How a stack is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address on which it listens.
    pub host: IpAddr,
    /// The port of the interface; 0 takes a free one.
    pub port: u16,
    /// The port of DynamoDB.
    pub dynamodb_port: u16,
    /// The port of S3.
    pub s3_port: u16,
    /// The data directory.
    pub data_dir: PathBuf,
    /// Whether to remove the existing data first.
    pub fresh: bool,
    /// Pins the clock.
    pub now: Option<Instant>,
    /// Where the functions run.
    pub functions: Functions,
    /// Further settings of the functions, such as a changed rule.
    pub settings: Vec<(String, String)>,
    /// Origins whose pages may call the interface, with commas between; empty: none. As the template's parameter.
    pub api_origins: String,
    /// The faults between the functions and DynamoDB.
    pub faults: Option<Arc<dyn Plan>>,
    /// The services that the stack uses and does not run itself; their ports above are not used.
    pub elsewhere: Elsewhere,
}

impl Options {
    /// Free ports on this machine alone, the functions in this process.
    #[must_use]
    pub fn new(data_dir: &Path) -> Self {
        Self {
            host: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            dynamodb_port: 0,
            s3_port: 0,
            data_dir: data_dir.to_owned(),
            fresh: false,
            now: None,
            functions: Functions::InProcess,
            settings: Vec::new(),
            api_origins: String::new(),
            faults: None,
            elsewhere: Elsewhere::default(),
        }
    }

    /// The format that the stack's own proof key must allow. If a test brings a key of its own, any format.
    fn token_format(&self) -> Result<TokenFormat, Error> {
        if self.settings.iter().any(|(name, _)| name == "PROOF_KEY") {
            return Ok(TokenFormat::default());
        }
        let settings = Environment::of(self.settings.iter().cloned());
        settings.token_format().map_err(|error| Error::Secrets(error.to_string()))
    }
}

/// Puts the events that the import function gave up back into the queue of the stack on a data directory, and returns their number;
/// the stack handles them at its next start.
///
/// # Errors
/// [`Error::InUse`] if the stack runs; [`Error::File`] if a file cannot be read or written.
pub fn redrive(data_dir: &Path) -> Result<usize, Error> {
    let data = DataDir(data_dir.to_owned());
    // Otherwise a mistyped directory would be created, without events.
    if !data.secrets().is_file() {
        return Err(never_started(data_dir));
    }
    let _lock = data.lock()?;
    Ok(queue::redrive(&data.queue())?)
}

/// A running stack.
pub struct Stack {
    description: Description,
    parts: Parts,
    dynamo: Option<DynamoServer>,
    _lock: Lock,
}

impl Stack {
    /// Starts everything, and returns when every port answers.
    ///
    /// # Errors
    /// [`Error`] with the part that could not be started, and why.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        // Before anything is written here.
        let elsewhere = &options.elsewhere;
        elsewhere.allow(options.fresh, options.faults.is_some())?;
        elsewhere.answer().await?;
        let data = DataDir(options.data_dir.clone());
        let lock = data.lock()?;
        if options.fresh {
            data.clear()?;
        }
        data.make_private()?;
        let secrets = Secrets::keep_for(&data.secrets(), options.token_format()?)?;
        // All ports before anything else: a port in use is reported at once and leaves nothing half started.
        let ports = Ports::take(options).await?;
        let description = describe(options, &secrets, &ports)?;
        let dynamo = match &ports.dynamodb {
            Some(_) => Some(dynamo::start(dynamo::hidden().await?, Some(&data.database())).await?),
            None => None,
        };
        match Parts::start(options, &data, &secrets, ports, &description, dynamo.as_ref()).await {
            Ok(parts) => Ok(Self { description, parts, dynamo, _lock: lock }),
            // Otherwise the directory would be unlocked while its database is still open.
            Err(error) => {
                if let Some(dynamo) = dynamo {
                    dynamo.shutdown().await;
                }
                Err(error)
            }
        }
    }

    /// How to reach everything.
    #[must_use]
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// The calls of the interface, as method and path.
    #[must_use]
    pub fn calls(&self) -> &[(Method, String)] {
        &self.parts.calls
    }

    /// The queue of S3 events.
    #[must_use]
    pub fn queue(&self) -> &AsyncQueue {
        &self.parts.queue
    }

    /// The audit, which runs by itself every quarter of an hour.
    #[must_use]
    pub const fn audit(&self) -> &Schedule {
        &self.parts.audit
    }

    /// The proxy between the functions and DynamoDB, if there is one.
    #[must_use]
    pub const fn proxy(&self) -> Option<&Proxy> {
        self.parts.proxy.as_ref()
    }

    /// The output of the functions, if they run as processes of their own.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        self.parts.processes.iter().flat_map(|process| process.lines()).collect()
    }

    /// The number of process starts, if the functions run as processes: higher than the number of functions if one was restarted.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.parts.processes.iter().map(|process| process.starts()).sum()
    }

    /// Accepts no more requests, answers those in progress and closes the files.
    pub async fn shutdown(self) {
        self.parts.shutdown().await;
        if let Some(dynamo) = self.dynamo {
            dynamo.shutdown().await;
        }
    }
}

/// The services that run beside the database.
struct Parts {
    calls: Vec<(Method, String)>,
    gateway: Gateway,
    s3: Option<S3Server>,
    poll: Option<Poll>,
    front: Option<Front>,
    proxy: Option<Proxy>,
    queue: Arc<AsyncQueue>,
    audit: Schedule,
    processes: Vec<Arc<Process>>,
}

impl Parts {
    async fn start(
        options: &Options,
        data: &DataDir,
        secrets: &Secrets,
        ports: Ports,
        description: &Description,
        dynamo: Option<&DynamoServer>,
    ) -> Result<Self, Error> {
        let elsewhere = &options.elsewhere;
        let mut settings = Settings::new(secrets, description, &elsewhere.signing)?;
        let mut front = None;
        if let (Some(port), Some(dynamo)) = (ports.dynamodb, dynamo) {
            front = Some(Front::start(port, dynamo.address())?);
            settings.set("AWS_ENDPOINT_URL_DYNAMODB", dynamo.url());
        }
        for (name, value) in &options.settings {
            settings.set(name, value.clone());
        }
        let aws = Aws::of_function(&settings.of_team());
        prepare_tables(&aws, elsewhere).await?;
        pepper::keep(&Store::of(&aws, secrets)?.pepper_keeper()).await?;
        match &elsewhere.s3 {
            None => s3::create_bucket(&data.s3(), BUCKET).await?,
            Some(endpoint) => prepare_bucket(&aws.s3(), endpoint, &description.region).await?,
        }

        // The start of the stack and the team's commands connect directly to the database; only the functions use the proxy.
        let mut proxy = None;
        if let (Some(plan), Some(dynamo)) = (&options.faults, dynamo) {
            let through = listen(Ipv4Addr::LOCALHOST.into(), 0, "--faults").await?;
            let started = Proxy::start(through, dynamo.address(), Arc::clone(plan))?;
            settings.set("AWS_ENDPOINT_URL_DYNAMODB", started.url());
            proxy = Some(started);
        }

        let clock = options.now.map_or(Clock::Machine, Clock::Pinned);
        let mut starter = Starter { functions: &options.functions, settings: &settings, processes: Vec::new() };
        // At the same time: the hashes of the credentials are slow on purpose, and no call needs them yet.
        let functions = async {
            let (routes, pages) = (starter.routes().await?, starter.pages().await?);
            Ok::<_, Error>((routes, pages, starter.of_bucket().await?, starter.audit().await?))
        };
        let ((mut routes, pages, of_bucket, audit), ()) =
            tokio::try_join!(functions, admit_samples(&aws, secrets, clock.now()))?;
        let no_calls = [PREFLIGHT, REFERENCE].map(|(_, path)| path);
        let calls = routes.iter().filter(|route| !no_calls.contains(&route.path.as_str()));
        let calls = calls.map(|route| (route.method.clone(), route.path.clone())).collect();
        routes.extend(pages);
        let processes = starter.processes;
        let queue = Arc::new(AsyncQueue::start(&data.queue(), of_bucket, QueueOptions::default())?);
        let mut s3 = None;
        if let Some(port) = ports.s3 {
            let accepting = Arc::clone(&queue);
            let region = &description.region;
            let events =
                EventSink::new(region, &EVENT_PREFIXES, move |event| accepting.accept(event).map_err(Into::into));
            s3 = Some(s3::start(port, &data.s3(), credentials(secrets, elsewhere), events, cors(options)).await?);
        }
        let gateway = gateway::start(ports.api, routes, gateway_options(options)).await?;
        let mut poller = elsewhere.s3.is_some().then(|| Poller::new(aws.s3(), &description.region, Arc::clone(&queue)));

        match tokio::time::timeout(SAMPLES_TIME, load_samples(&aws, clock.now(), &queue, poller.as_mut())).await {
            Ok(loaded) => loaded?,
            Err(_) => tracing::warn!("the sample journeys wait for imports of an earlier run"),
        }
        let json = serde_json::to_vec_pretty(description).map_err(|error| Error::Secrets(error.to_string()))?;
        write_private(&data.description(), &json)?;
        let audit = Schedule::start("audit", audit, AUDIT_EVERY);
        let poll = poller.map(Poll::start);
        Ok(Self { calls, gateway, s3, poll, front, proxy, queue, audit, processes })
    }

    /// Accepts no more requests, and answers those in progress.
    async fn shutdown(self) {
        self.audit.stop();
        self.gateway.shutdown().await;
        if let Some(poll) = self.poll {
            poll.stop();
        }
        // Before the services that an import needs: without S3 it would fail three times, and its event be given up.
        self.queue.shutdown().await;
        for process in self.processes {
            process.kill().await;
        }
        if let Some(s3) = self.s3 {
            s3.shutdown().await;
        }
        if let Some(proxy) = self.proxy {
            proxy.shutdown().await;
        }
        if let Some(front) = self.front {
            front.shutdown().await;
        }
    }
}

/// The ports on which the stack listens. A service that runs elsewhere has none.
struct Ports {
    api: TcpListener,
    dynamodb: Option<TcpListener>,
    s3: Option<TcpListener>,
}

impl Ports {
    async fn take(options: &Options) -> Result<Self, Error> {
        let Options { host, elsewhere, .. } = options;
        let mut ports = Self { api: listen(*host, options.port, "--port").await?, dynamodb: None, s3: None };
        if elsewhere.dynamodb.is_none() {
            ports.dynamodb = Some(listen(*host, options.dynamodb_port, "--dynamodb-port").await?);
        }
        if elsewhere.s3.is_none() {
            ports.s3 = Some(listen(*host, options.s3_port, "--s3-port").await?);
        }
        Ok(ports)
    }
}

async fn listen(host: IpAddr, port: u16, option: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind((host, port)).await.map_err(|source| Error::Port { option, port, source })
}

fn describe(options: &Options, secrets: &Secrets, ports: &Ports) -> Result<Description, Error> {
    let clock = options.now.map_or(Clock::Machine, Clock::Pinned);
    let url = |listener: &TcpListener| -> Result<String, Error> {
        let address = listener.local_addr()?;
        // A stack that listens everywhere is reached at this address too.
        let host = if address.ip().is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { address.ip() };
        Ok(format!("http://{}", SocketAddr::new(host, address.port())))
    };
    let operators = samples::operators()
        .into_iter()
        .map(|operator| {
            let keys = secrets.operators.iter().find(|keys| keys.operator_id == operator.id.get());
            let keys = &keys.ok_or_else(|| Error::Secrets(format!("no keys of operator {}", operator.id)))?.keys;
            Ok(OperatorDescription {
                id: operator.id.get(),
                token: secrets.token(operator.id, cee_tokens::Scope::ALL.to_vec(), clock.now(), TOKEN_MINUTES)?,
                name: operator.name,
                siret: operator.siret.as_str().to_owned(),
                access_key: keys.access_key.clone(),
                secret_key: keys.secret_key.clone(),
            })
        })
        .collect::<Result<_, Error>>()?;
    let elsewhere = &options.elsewhere;
    let own_or = |listener: Option<&TcpListener>, endpoint: &Option<Endpoint>| match (listener, endpoint) {
        (Some(listener), _) => url(listener),
        (None, Some(endpoint)) => Ok(endpoint.to_string()),
        (None, None) => Ok(String::new()),
    };
    Ok(Description {
        api_url: format!("{}/v3", url(&ports.api)?),
        dynamodb_url: own_or(ports.dynamodb.as_ref(), &elsewhere.dynamodb)?,
        s3_url: own_or(ports.s3.as_ref(), &elsewhere.s3)?,
        bucket: BUCKET.to_owned(),
        region: elsewhere.signing.region.clone().unwrap_or_else(|| REGION.to_owned()),
        foreign: elsewhere.which(),
        aws_access_key_id: secrets.root.access_key.clone(),
        aws_secret_access_key: secrets.root.secret_key.clone(),
        now: options.now.map(|now| now.to_string()),
        operators,
    })
}

/// Creates the tables and the sample operators; existing ones stay as they are.
async fn prepare_tables(aws: &Aws, elsewhere: &Elsewhere) -> Result<(), Error> {
    let store = |error: StoreError| {
        let place = elsewhere.dynamodb.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
        let is_unsigned = matches!(&error, StoreError::Request { code, .. } if NOT_SIGNED_FOR.contains(&code.as_str()));
        let hint = if is_unsigned {
            "; set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION as it expects them"
        } else {
            ""
        };
        Error::Tables(format!("{error}{place}{hint}"))
    };
    // Another engine may answer slowly at first.
    let (db, tables) = (aws.dynamodb_patient(), tables());
    tables.create_missing(&db).await.map_err(store)?;
    let operators = Operators::new(db, &tables);
    for operator in samples::operators() {
        operators.add(&operator).await.map_err(store)?;
    }
    Ok(())
}

/// The codes with which an endpoint refuses keys or a region that it does not know.
const NOT_SIGNED_FOR: [&str; 6] = [
    "AccessDeniedException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
    "ExpiredTokenException",
];

/// Uploads the sample journeys to S3 as the trip export would, and waits until they are imported. Or until the queue is empty,
/// because imports may be closed; but not for ever, because an import of an earlier run may take an hour.
async fn load_samples(aws: &Aws, now: Instant, queue: &AsyncQueue, poller: Option<&mut Poller>) -> Result<(), Error> {
    let store = |error: StoreError| Error::Tables(error.to_string());
    let file = samples::journeys(now);
    let journeys = Journeys::new(aws.dynamodb(), &tables());
    let names = samples::names(&file);
    let mut before = Vec::with_capacity(names.len());
    for (operator, name) in &names {
        before.push(journeys.find(*operator, name).await.map_err(store)?.map(|known| known.version));
    }
    let put = aws.s3().put_object().bucket(BUCKET).key("journeys/samples.csv").body(file.into_bytes().into());
    put.send().await.map_err(|error| Error::Samples(error.to_string()))?;
    if let Some(poller) = poller {
        poller.look().await;
    }
    let known = async {
        for ((operator, name), before) in names.iter().zip(before) {
            while journeys.find(*operator, name).await.map_err(store)?.map(|known| known.version) == before {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        Ok(())
    };
    tokio::select! {
        known = known => known,
        () = queue.idle() => Ok(()),
    }
}

/// The rights on the local S3: an operator reaches only its own prefix, as its IAM user on AWS. A function has an access key of its
/// own, as it has a role on AWS, so that a request shows which function sent it.
///
/// If DynamoDB is elsewhere, the functions sign for both services with the keys of that one.
fn credentials(secrets: &Secrets, elsewhere: &Elsewhere) -> Credentials {
    let root = Credentials::root(&secrets.root.access_key, &secrets.root.secret_key);
    let root = match &elsewhere.signing.keys {
        Some(keys) => root.with(&keys.access_key, &keys.secret_key, Scope::All),
        None => root,
    };
    let functions = BINARIES
        .iter()
        .fold(root, |credentials, function| credentials.with(function, &secrets.root.secret_key, Scope::All));
    secrets.operators.iter().fold(functions, |credentials, OperatorKeys { operator_id, keys }| {
        let (imports, reports) = (format!("imports/{operator_id}/"), format!("reports/{operator_id}/"));
        let scope =
            Scope::Prefixes { bucket: BUCKET.to_owned(), read: vec![imports.clone(), reports], write: vec![imports] };
        credentials.with(&keys.access_key, &keys.secret_key, scope)
    })
}

/// The methods of a page that puts or reads files, as in the template.
pub const CORS_METHODS: [&str; 3] = ["GET", "POST", "PUT"];

/// The rules of the bucket for pages: those of this machine, whose console puts files on S3, and those that may call the interface.
fn cors(options: &Options) -> Vec<CorsRule> {
    let own = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("http://{host}:*"));
    let host = match options.host {
        IpAddr::V4(host) => format!("http://{host}:*"),
        IpAddr::V6(host) => format!("http://[{host}]:*"),
    };
    let named = options.api_origins.split(',').filter(|origin| !origin.is_empty()).map(str::to_owned);
    vec![CorsRule {
        origins: own.into_iter().chain([host]).chain(named).collect(),
        methods: CORS_METHODS.map(str::to_owned).into(),
        headers: vec!["*".to_owned()],
        exposed: vec!["ETag".to_owned()],
        max_age_seconds: Some(600),
    }]
}

fn gateway_options(stack: &Options) -> gateway::Options {
    let mut options = gateway::Options { fallback: Arc::new(refusal), ..gateway::Options::default() };
    if !stack.api_origins.is_empty() {
        options.stage_variables.insert("api_origins".to_owned(), stack.api_origins.clone());
    }
    if let Some(pinned) = stack.now.and_then(|now| DateTime::from_timestamp_millis(now.millis())) {
        options.clock = Arc::new(move || pinned);
    }
    options
}
