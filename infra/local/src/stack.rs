//! The whole registry on one machine: the embedded AWS, and behind it the functions that are deployed.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_stand_in::dynamo::{self, DynamoServer, Front};
use aws_stand_in::faults::{Plan, Wire};
use aws_stand_in::gateway::{self, Gateway, GatewayRefusal, Route};
use aws_stand_in::invoke::{Function, InProcess, Invoker};
use aws_stand_in::queue::{self, AsyncQueue, QueueOptions};
use aws_stand_in::runtime_api::Process;
use aws_stand_in::s3::{self, Credentials, EventSink, S3Server, Scope};
use aws_stand_in::schedule::Schedule;
use cee_edge::{HttpFunction, ProblemType};
use cee_eligibility::{Instant, OperatorId, Rules};
use cee_fn_access::Access;
use cee_fn_applications::OwnApplications;
use cee_fn_audit::{AuditFunction, Auditor};
use cee_fn_batches::Batches;
use cee_fn_import::ImportFunction;
use cee_fn_import::event::Event;
use cee_fn_public::Public;
use cee_fn_register::Register;
use cee_fn_simulate::Simulate;
use cee_fn_uploads::Uploads;
use cee_registry::{ClaimKeys, Imports, Journeys, Operators, PepperCheck, PepperKeeper, TableAuditor, Tables};
use cee_service::aws::Aws;
use cee_service::{Clock, Environment, Metrics, SettingError};
use cee_tokens::TokenFormat;
use chrono::DateTime;
use http::{Method, Response};
use lambda_http::request::LambdaRequest;
use lambda_http::{Adapter, Body};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};
use tokio::net::{TcpListener, TcpStream};

use crate::error::Error;
use crate::operators::admit_samples;
use crate::pepper;
use crate::reference;
use crate::samples;
use crate::secrets::{AUDIENCE, ISSUER, OperatorKeys, Secrets, write_private};
use crate::service_secret::Signer;

/// The bucket of the local stack.
pub const BUCKET: &str = "cee-local";
/// The region it believes to be in.
pub const REGION: &str = "eu-west-3";

/// How long an application token in `local.json` is valid: a working day and the night after it.
const TOKEN_MINUTES: u32 = 24 * 60;

/// How long the sample journeys may take to be imported before the stack says that it is ready all the same.
const SAMPLES_TIME: Duration = Duration::from_secs(60);

/// As in the template.
pub const HTTP_TIMEOUT: Duration = Duration::from_secs(10);
/// As in the template.
pub const IMPORT_TIMEOUT: Duration = Duration::from_secs(900);

/// What of the bucket starts the import function, as in the template.
pub const EVENT_PREFIXES: [&str; 4] = ["imports/", "journeys/", "continue/", "undo/"];
/// As in the template.
pub const AUDIT_TIMEOUT: Duration = Duration::from_secs(180);
/// As in the template.
pub const AUDIT_EVERY: Duration = Duration::from_secs(15 * 60);

/// The binaries of all functions.
pub const BINARIES: [&str; 9] = [
    "cee-simulate",
    "cee-register",
    "cee-applications",
    "cee-batches",
    "cee-uploads",
    "cee-access",
    "cee-public",
    "cee-import",
    "cee-audit",
];

/// Where the functions run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Functions {
    /// In this process.
    #[default]
    InProcess,
    /// As the compiled binaries in this folder, each a process of its own behind a Lambda Runtime API.
    Binaries(PathBuf),
}

/// How a stack is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it listens.
    pub host: IpAddr,
    /// The port of the interface; 0 takes a free one.
    pub port: u16,
    /// The port of DynamoDB.
    pub dynamodb_port: u16,
    /// The port of S3.
    pub s3_port: u16,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Whether what is kept there is thrown away first.
    pub fresh: bool,
    /// Pins the clock.
    pub now: Option<Instant>,
    /// Where the functions run.
    pub functions: Functions,
    /// Further settings of the functions, such as a changed rule.
    pub settings: Vec<(String, String)>,
    /// What goes wrong between the functions and DynamoDB.
    pub faults: Option<Arc<dyn Plan>>,
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
            faults: None,
        }
    }

    /// The format that the stack's own proof key must allow. Where a test brings a key of its own, any.
    fn token_format(&self) -> Result<TokenFormat, Error> {
        if self.settings.iter().any(|(name, _)| name == "PROOF_KEY") {
            return Ok(TokenFormat::default());
        }
        let settings = Environment::of(self.settings.iter().cloned());
        settings.token_format().map_err(|error| Error::Secrets(error.to_string()))
    }
}

/// What `local.json` tells: how to reach everything. Holds the sample operators' credentials.
#[derive(Clone, Serialize, Deserialize)]
pub struct Description {
    /// The base of every call, `/v3` included.
    pub api_url: String,
    /// The DynamoDB endpoint.
    pub dynamodb_url: String,
    /// The S3 endpoint.
    pub s3_url: String,
    /// The bucket.
    pub bucket: String,
    /// The region to give to an SDK.
    pub region: String,
    /// Credentials that reach everything.
    pub aws_access_key_id: String,
    /// Credentials that reach everything.
    pub aws_secret_access_key: String,
    /// The moment at which the clock is pinned, if it is.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub now: Option<String>,
    /// The sample operators.
    pub operators: Vec<OperatorDescription>,
}

impl Description {
    /// The clock that the stack goes by.
    #[must_use]
    pub fn clock(&self) -> Clock {
        let pinned = self.now.as_ref().and_then(|now| Instant::parse(now).ok());
        pinned.map_or(Clock::Machine, Clock::Pinned)
    }

    /// How the registry's team reaches the tables.
    ///
    /// # Errors
    /// [`Error::Secrets`] where the pepper is none.
    pub fn store(&self, secrets: &Secrets) -> Result<Store, Error> {
        Store::of(&self.aws(), secrets)
    }

    /// How the registry's team looks for what cannot be.
    ///
    /// # Errors
    /// [`Error::Secrets`] where the pepper is none.
    pub fn auditor(&self, secrets: &Secrets, rules: Rules) -> Result<Auditor, Error> {
        let Store { db, tables, keys } = self.store(secrets)?;
        let imports = Imports::new(db.clone(), &tables);
        let auditor = TableAuditor::new(db, &tables, keys);
        Ok(Auditor::new(auditor, imports, rules, self.aws().s3(), self.bucket.clone()))
    }

    /// How everything is reached that the stack stands in for, past what goes wrong between the functions and DynamoDB.
    pub fn aws(&self) -> Aws {
        let settings = [
            ("AWS_REGION", &self.region),
            ("AWS_ACCESS_KEY_ID", &self.aws_access_key_id),
            ("AWS_SECRET_ACCESS_KEY", &self.aws_secret_access_key),
            ("AWS_ENDPOINT_URL_DYNAMODB", &self.dynamodb_url),
            ("AWS_ENDPOINT_URL_S3", &self.s3_url),
            ("S3_PATH_STYLE", &"true".to_owned()),
        ];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.clone()));
        Aws::of_function(&Environment::of(settings))
    }

    /// A sample operator.
    ///
    /// # Errors
    /// [`Error::Secrets`] where there is none of this number.
    pub fn operator(&self, id: OperatorId) -> Result<&OperatorDescription, Error> {
        let found = self.operators.iter().find(|operator| operator.id == id.get());
        found.ok_or_else(|| Error::Secrets(format!("no operator {id}: the samples are 1, 2 and 3")))
    }
}

/// How one sample operator reaches the service.
#[derive(Clone, Serialize, Deserialize)]
pub struct OperatorDescription {
    /// Its number.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// Its business number.
    pub siret: String,
    /// An application token with every scope.
    pub token: String,
    /// Gets application tokens; and reaches, on the local S3, its own files and reports and nothing else.
    pub access_key: String,
    /// The secret half.
    pub secret_key: String,
}

/// What lies in a data directory.
struct DataDir(PathBuf);

impl DataDir {
    fn database(&self) -> PathBuf {
        self.0.join("dynamodb.sqlite")
    }

    fn s3(&self) -> PathBuf {
        self.0.join("s3")
    }

    fn queue(&self) -> PathBuf {
        self.0.join("queue")
    }

    fn secrets(&self) -> PathBuf {
        self.0.join("secrets.json")
    }

    fn description(&self) -> PathBuf {
        self.0.join("local.json")
    }

    fn for_sam(&self) -> PathBuf {
        self.0.join("sam.json")
    }

    /// Takes the directory for this process alone: two on one set of data would not see one another's writes.
    fn lock(&self) -> Result<File, Error> {
        let made = DirBuilder::new().recursive(true).mode(PRIVATE_FOLDER).create(&self.0);
        made.map_err(Error::file(&self.0))?;
        let path = self.0.join("lock");
        let file = OpenOptions::new().write(true).create(true).truncate(false).mode(PRIVATE_FILE).open(&path);
        let file = file.map_err(Error::file(&path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(Error::InUse(self.0.clone())),
            Err(std::fs::TryLockError::Error(error)) => return Err(Error::file(&path)(error)),
        }
        self.check_owner()?;
        Ok(file)
    }

    /// Makes sure that the files with our names are a stack's, for we write over them: one of the two that name it must be. A stack's
    /// secrets are its first file, and the last that [`clear`](Self::clear) removes.
    fn check_owner(&self) -> Result<(), Error> {
        if std::fs::symlink_metadata(self.secrets()).is_ok() {
            return Secrets::read(&self.secrets()).map(drop);
        }
        let description = std::fs::read(self.description()).ok();
        if description.is_some_and(|json| serde_json::from_slice::<Description>(&json).is_ok()) {
            return Ok(());
        }
        let ours = [self.database(), self.s3(), self.queue(), self.description(), self.for_sam()];
        match ours.into_iter().find(|path| std::fs::symlink_metadata(path).is_ok()) {
            Some(path) => Err(Error::Foreign(path)),
            None => Ok(()),
        }
    }

    /// Lets nobody but the owner read what a stack keeps, also what an earlier release made. The directory itself stays as it is where
    /// others keep files in it, too.
    fn make_private(&self) -> Result<(), Error> {
        let mut is_ours_alone = true;
        for entry in std::fs::read_dir(&self.0).map_err(Error::file(&self.0))? {
            let entry = entry.map_err(Error::file(&self.0))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_ours = ["lock", "secrets.json", "local.json", "sam.json", "s3", "queue"].contains(&name.as_str())
                || name.starts_with("dynamodb.sqlite")
                || (name.starts_with(".cee-") && name.ends_with(".part"));
            if is_ours {
                narrow(&entry.path())?;
            } else {
                is_ours_alone = false;
            }
        }
        if is_ours_alone { narrow_one(&self.0, PRIVATE_FOLDER) } else { Ok(()) }
    }

    /// Throws away what a stack keeps, and nothing else that may lie in the directory.
    fn clear(&self) -> Result<(), Error> {
        let gone = |path: &Path, result: std::io::Result<()>| match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::file(path)(error)),
            _ => Ok(()),
        };
        let database = self.database();
        for suffix in ["", "-wal", "-shm"] {
            let mut name = database.clone().into_os_string();
            name.push(suffix);
            let path = PathBuf::from(name);
            gone(&path, std::fs::remove_file(&path))?;
        }
        for folder in [self.s3(), self.queue()] {
            gone(&folder, std::fs::remove_dir_all(&folder))?;
        }
        for file in [self.description(), self.for_sam(), self.secrets()] {
            gone(&file, std::fs::remove_file(&file))?;
        }
        Ok(())
    }
}

/// The permissions of a folder that only its owner may enter.
const PRIVATE_FOLDER: u32 = 0o700;
/// The permissions of a file that only its owner may read.
const PRIVATE_FILE: u32 = 0o600;

/// Takes the rights of everybody but the owner from a file, or from a folder and all that lies in it. Follows no link.
fn narrow(path: &Path) -> Result<(), Error> {
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        let kind = std::fs::symlink_metadata(&path).map_err(Error::file(&path))?.file_type();
        if kind.is_dir() {
            narrow_one(&path, PRIVATE_FOLDER)?;
            for entry in std::fs::read_dir(&path).map_err(Error::file(&path))? {
                left.push(entry.map_err(Error::file(&path))?.path());
            }
        } else if kind.is_file() {
            narrow_one(&path, PRIVATE_FILE)?;
        }
    }
    Ok(())
}

fn narrow_one(path: &Path, permissions: u32) -> Result<(), Error> {
    let known = std::fs::metadata(path).map_err(Error::file(path))?.permissions();
    if known.mode() & 0o077 == 0 {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(permissions)).map_err(Error::file(path))
}

/// What the stack on a data directory has said of itself, and its secrets.
///
/// # Errors
/// [`Error::Secrets`] where no stack was ever started there. [`Error::File`] where its secrets are gone.
pub fn known(data_dir: &Path) -> Result<(Description, Secrets), Error> {
    let data = DataDir(data_dir.to_owned());
    let json = std::fs::read(data.description()).ok();
    let description =
        json.and_then(|json| serde_json::from_slice(&json).ok()).ok_or_else(|| never_started(data_dir))?;
    Ok((description, Secrets::read(&data.secrets())?))
}

/// The same of a stack that runs, for what reaches its tables.
///
/// # Errors
/// As [`known`], and [`Error::Stopped`] where nothing answers.
pub async fn running(data_dir: &Path) -> Result<(Description, Secrets), Error> {
    let (description, secrets) = known(data_dir)?;
    let address = description.dynamodb_url.trim_start_matches("http://");
    match tokio::time::timeout(KNOCK, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Ok((description, secrets)),
        _ => Err(Error::Stopped { data_dir: data_dir.to_owned(), url: description.dynamodb_url }),
    }
}

/// How long a running stack may take to accept a connection.
const KNOCK: Duration = Duration::from_secs(5);

fn never_started(data_dir: &Path) -> Error {
    Error::Secrets(format!(
        "no stack was started on {}: run `cargo run` first, or name another --data-dir",
        data_dir.display()
    ))
}

/// What `sam local` is told so that its containers find a stack: the file of `--env-vars`, which holds secrets and is written into
/// the data directory, and what its own environment must say of credentials, which that file cannot.
pub struct ForSam {
    /// The file.
    pub file: PathBuf,
    /// What is exported.
    pub exported: [(&'static str, String); 3],
}

/// Writes what `sam local` is told of the stack on a data directory. Its containers reach one that listens on this machine alone, or
/// everywhere, under Docker's name for this machine, and any other where it listens. Each function is handed what the template names
/// for it, and no more: `sam local` sees to that.
///
/// # Errors
/// [`Error::Secrets`] where no stack was ever started there; [`Error::File`] where the file cannot be written.
pub fn for_sam(data_dir: &Path) -> Result<ForSam, Error> {
    let (mut description, secrets) = known(data_dir)?;
    for url in [&mut description.dynamodb_url, &mut description.s3_url] {
        *url = ["//127.0.0.1:", "//[::1]:"]
            .iter()
            .fold(url.clone(), |url, here| url.replace(here, "//host.docker.internal:"));
    }
    let exported = [
        ("AWS_REGION", description.region.clone()),
        ("AWS_ACCESS_KEY_ID", description.aws_access_key_id.clone()),
        ("AWS_SECRET_ACCESS_KEY", description.aws_secret_access_key.clone()),
    ];
    let settings = Settings::new(&secrets, &description)?.0.into_iter();
    let in_file = settings.filter(|(name, _)| exported.iter().all(|(exported, _)| exported != name));
    let variables: Map<_, _> = in_file.map(|(name, value)| (name, json!(value))).collect();
    let json = serde_json::to_vec_pretty(&json!({ "Parameters": variables }))
        .map_err(|error| Error::Secrets(error.to_string()))?;
    let file = DataDir(data_dir.to_owned()).for_sam();
    write_private(&file, &json)?;
    Ok(ForSam { file, exported })
}

/// Puts the events that the import function gave up back into the queue of the stack on a data directory, and says how
/// many; the stack takes them up at its next start.
///
/// # Errors
/// [`Error::InUse`] where the stack runs; [`Error::File`] where a file cannot be read or written.
pub fn redrive(data_dir: &Path) -> Result<usize, Error> {
    let data = DataDir(data_dir.to_owned());
    // Else a mistyped directory would be made, and hold no events.
    if !data.secrets().is_file() {
        return Err(never_started(data_dir));
    }
    let _lock = data.lock()?;
    Ok(queue::redrive(&data.queue())?)
}

/// A running stack.
pub struct Stack {
    description: Description,
    calls: Vec<(Method, String)>,
    gateway: Gateway,
    s3: S3Server,
    dynamo: DynamoServer,
    front: Front,
    wire: Option<Wire>,
    queue: Arc<AsyncQueue>,
    audit: Schedule,
    processes: Vec<Arc<Process>>,
    _lock: File,
}

impl Stack {
    /// Starts everything, and returns when every port answers.
    ///
    /// # Errors
    /// [`Error`] that says what could not be started, and why.
    pub async fn start(options: &Options) -> Result<Self, Error> {
        let data = DataDir(options.data_dir.clone());
        let lock = data.lock()?;
        if options.fresh {
            data.clear()?;
        }
        data.make_private()?;
        let secrets = Secrets::keep_for(&data.secrets(), options.token_format()?)?;
        // All ports before anything else: a port in use is said at once and leaves nothing half started.
        let api_port = listen(options.host, options.port, "--port").await?;
        let dynamodb_port = listen(options.host, options.dynamodb_port, "--dynamodb-port").await?;
        let s3_port = listen(options.host, options.s3_port, "--s3-port").await?;
        let description = describe(options, &secrets, [&api_port, &dynamodb_port, &s3_port])?;

        let dynamo = dynamo::start(dynamo::hidden().await?, Some(&data.database())).await?;
        let front = Front::start(dynamodb_port, dynamo.address())?;
        let mut settings = Settings::new(&secrets, &description)?;
        settings.set("AWS_ENDPOINT_URL_DYNAMODB", dynamo.url());
        for (name, value) in &options.settings {
            settings.set(name, value.clone());
        }
        let aws = Aws::of_function(&settings.of_team());
        prepare_tables(&aws).await?;
        pepper::keep(&Store::of(&aws, &secrets)?.pepper_keeper()).await?;
        s3::create_bucket(&data.s3(), BUCKET).await?;

        // What prepares the stack and what its team does goes straight to the database, and only the functions over the wire.
        let mut wire = None;
        if let Some(plan) = &options.faults {
            let through = listen(Ipv4Addr::LOCALHOST.into(), 0, "--faults").await?;
            let started = Wire::start(through, dynamo.address(), Arc::clone(plan))?;
            settings.set("AWS_ENDPOINT_URL_DYNAMODB", started.url());
            wire = Some(started);
        }

        let clock = options.now.map_or(Clock::Machine, Clock::Pinned);
        let mut starter = Starter { options, settings: &settings, processes: Vec::new() };
        // At the same time: the credentials' hashes are slow by intent, and needed by nobody before the first call.
        let functions =
            async { Ok::<_, Error>((starter.routes().await?, starter.import().await?, starter.audit().await?)) };
        let ((mut routes, import, audit), ()) =
            tokio::try_join!(functions, admit_samples(&aws, &secrets, clock.now()))?;
        let calls = routes.iter().map(|route| (route.method.clone(), route.path.clone())).collect();
        routes.extend(reference::routes());
        let processes = starter.processes;
        let queue = Arc::new(AsyncQueue::start(&data.queue(), import, QueueOptions::default())?);
        let accepting = Arc::clone(&queue);
        let events = EventSink::new(REGION, &EVENT_PREFIXES, move |event| accepting.accept(event).map_err(Into::into));
        let s3 = s3::start(s3_port, &data.s3(), credentials(&secrets), events).await?;
        let gateway = gateway::start(api_port, routes, gateway_options(options.now)).await?;

        match tokio::time::timeout(SAMPLES_TIME, load_samples(&aws, clock.now(), &queue)).await {
            Ok(loaded) => loaded?,
            Err(_) => tracing::warn!("the sample journeys wait for imports of an earlier run"),
        }
        let json = serde_json::to_vec_pretty(&description).map_err(|error| Error::Secrets(error.to_string()))?;
        write_private(&data.description(), &json)?;
        let audit = Schedule::start("audit", audit, AUDIT_EVERY);
        Ok(Self { description, calls, gateway, s3, dynamo, front, wire, queue, audit, processes, _lock: lock })
    }

    /// How to reach everything.
    #[must_use]
    pub const fn description(&self) -> &Description {
        &self.description
    }

    /// The calls of the interface, as method and path.
    #[must_use]
    pub fn calls(&self) -> &[(Method, String)] {
        &self.calls
    }

    /// The queue of S3 events.
    #[must_use]
    pub fn queue(&self) -> &AsyncQueue {
        &self.queue
    }

    /// The audit, which runs by itself every quarter of an hour.
    #[must_use]
    pub const fn audit(&self) -> &Schedule {
        &self.audit
    }

    /// The way from the functions to DynamoDB, where something goes wrong on it.
    #[must_use]
    pub const fn wire(&self) -> Option<&Wire> {
        self.wire.as_ref()
    }

    /// What the functions wrote, where they run as processes of their own.
    #[must_use]
    pub fn output(&self) -> Vec<String> {
        self.processes.iter().flat_map(|process| process.lines()).collect()
    }

    /// How often processes were started, where the functions run as such: more often than there are functions where one had
    /// to be started again.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.processes.iter().map(|process| process.starts()).sum()
    }

    /// Takes no more requests, answers those under way and closes the files.
    pub async fn shutdown(self) {
        self.audit.stop();
        self.gateway.shutdown().await;
        // Before what an import needs: without S3 it would fail three times, and its event be given up.
        self.queue.shutdown().await;
        for process in self.processes {
            process.kill().await;
        }
        self.s3.shutdown().await;
        if let Some(wire) = self.wire {
            wire.shutdown().await;
        }
        self.front.shutdown().await;
        self.dynamo.shutdown().await;
    }
}

async fn listen(host: IpAddr, port: u16, option: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind((host, port)).await.map_err(|source| Error::Port { option, port, source })
}

fn describe(options: &Options, secrets: &Secrets, listeners: [&TcpListener; 3]) -> Result<Description, Error> {
    let clock = options.now.map_or(Clock::Machine, Clock::Pinned);
    let url = |listener: &TcpListener| -> Result<String, Error> {
        let address = listener.local_addr()?;
        // A stack that listens everywhere is reached here all the same.
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
    let [api, dynamodb, s3] = listeners;
    Ok(Description {
        api_url: format!("{}/v3", url(api)?),
        dynamodb_url: url(dynamodb)?,
        s3_url: url(s3)?,
        bucket: BUCKET.to_owned(),
        region: REGION.to_owned(),
        aws_access_key_id: secrets.root.access_key.clone(),
        aws_secret_access_key: secrets.root.secret_key.clone(),
        now: options.now.map(|now| now.to_string()),
        operators,
    })
}

/// What the types of the store are made of: a client, the names of the tables, the keys of claims.
#[derive(Clone, Debug)]
pub struct Store {
    /// The client.
    pub db: aws_sdk_dynamodb::Client,
    /// The names of the tables.
    pub tables: Tables,
    /// The keys of claims.
    pub keys: ClaimKeys,
}

impl Store {
    fn of(aws: &Aws, secrets: &Secrets) -> Result<Self, Error> {
        let keys = ClaimKeys::new(secrets.service.claim_pepper.as_bytes());
        let keys = keys.map_err(|error| Error::Secrets(error.to_string()))?;
        Ok(Self { db: aws.dynamodb_patient(), tables: tables(), keys })
    }

    pub(crate) fn pepper_check(&self) -> PepperCheck {
        PepperCheck::new(self.db.clone(), &self.tables, self.keys.clone())
    }

    /// For the pepper and its check value.
    #[must_use]
    pub fn pepper_keeper(&self) -> PepperKeeper {
        PepperKeeper::new(self.db.clone(), &self.tables, self.keys.clone())
    }
}

/// The tables and the sample operators; what is there already stays as it is.
async fn prepare_tables(aws: &Aws) -> Result<(), Error> {
    let store = |error: cee_registry::StoreError| Error::Tables(error.to_string());
    let (db, tables) = (aws.dynamodb(), tables());
    tables.create_missing(&db).await.map_err(store)?;
    let operators = Operators::new(db, &tables);
    for operator in samples::operators() {
        operators.add(&operator).await.map_err(store)?;
    }
    Ok(())
}

/// Drops the sample journeys on S3 as the trip export would, and waits until they are known. Or until the queue is empty,
/// for imports may be closed; not always for that, for an import that an earlier run has left may take an hour.
async fn load_samples(aws: &Aws, now: Instant, queue: &AsyncQueue) -> Result<(), Error> {
    let store = |error: cee_registry::StoreError| Error::Tables(error.to_string());
    let file = samples::journeys(now);
    let journeys = Journeys::new(aws.dynamodb(), &tables());
    let names = samples::names(&file);
    let mut before = Vec::with_capacity(names.len());
    for (operator, name) in &names {
        before.push(journeys.find(*operator, name).await.map_err(store)?.map(|known| known.version));
    }
    let put = aws.s3().put_object().bucket(BUCKET).key("journeys/samples.csv").body(file.into_bytes().into());
    put.send().await.map_err(|error| Error::Samples(error.to_string()))?;
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

/// The tables of the local stack.
#[must_use]
pub fn tables() -> Tables {
    Tables::with_prefix("cee-local-")
}

/// Who reaches what on the local S3: an operator its own prefix alone, as its IAM user on AWS. A function has an access key
/// of its own as it has a role there, so that whoever looks at its requests knows whose they are.
fn credentials(secrets: &Secrets) -> Credentials {
    let root = Credentials::root(&secrets.root.access_key, &secrets.root.secret_key);
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

fn gateway_options(now: Option<Instant>) -> gateway::Options {
    let mut options = gateway::Options { fallback: Arc::new(refusal), ..gateway::Options::default() };
    if let Some(pinned) = now.and_then(|now| DateTime::from_timestamp_millis(now.millis())) {
        options.clock = Arc::new(move || pinned);
    }
    options
}

/// The gateway's own refusals, in the words of the interface.
fn refusal(refusal: GatewayRefusal, request_id: &str) -> Response<String> {
    let problem = match refusal {
        GatewayRefusal::InvalidHeader | GatewayRefusal::UnreadableHead | GatewayRefusal::ForeignOrigin => {
            ProblemType::InvalidHeader
        }
        GatewayRefusal::BrokenBody => ProblemType::MalformedBody,
        GatewayRefusal::NotFound => ProblemType::NotFound,
        GatewayRefusal::RequestTimeout => ProblemType::RequestTimeout,
        GatewayRefusal::PayloadTooLarge => ProblemType::BodyTooLarge,
        GatewayRefusal::HeadersTooLarge => ProblemType::HeadersTooLarge,
        GatewayRefusal::FunctionFailed => ProblemType::Internal,
        GatewayRefusal::IntegrationTimeout => ProblemType::Busy,
    };
    let members = Map::from_iter([("request_id".to_owned(), json!(request_id))]);
    let detail = match refusal {
        GatewayRefusal::InvalidHeader => {
            "a header holds a character outside visible ASCII, or Host is not a host: send ASCII, or encode what is not"
        }
        GatewayRefusal::UnreadableHead => {
            "the request line or a header cannot be read, or two headers contradict each other (two values of Content-Length that \
             differ, a line without a colon)"
        }
        GatewayRefusal::ForeignOrigin => {
            "Origin names another site: no page of it may call the service on this machine"
        }
        GatewayRefusal::BrokenBody => {
            "the body is not framed as the headers say (a chunk is damaged), or ended before its length"
        }
        GatewayRefusal::HeadersTooLarge => "the request line and the headers are longer than 10,240 bytes together",
        GatewayRefusal::NotFound => "no call has this method and path: /v3/openapi.json lists the calls",
        other => other.message(),
    };
    problem.answer(detail, members).map(|body| match body {
        Body::Text(text) => text,
        _ => String::new(),
    })
}

/// Every setting that any function is given; each is then given its own.
struct Settings(Vec<(String, String)>);

impl Settings {
    fn new(secrets: &Secrets, description: &Description) -> Result<Self, Error> {
        let service = &secrets.service;
        let tables = tables();
        let mut settings: Vec<(&str, String)> = vec![
            ("AWS_REGION", REGION.to_owned()),
            ("AWS_ACCESS_KEY_ID", secrets.root.access_key.clone()),
            ("AWS_SECRET_ACCESS_KEY", secrets.root.secret_key.clone()),
            ("AWS_ENDPOINT_URL_DYNAMODB", description.dynamodb_url.clone()),
            ("AWS_ENDPOINT_URL_S3", description.s3_url.clone()),
            ("S3_PATH_STYLE", "true".to_owned()),
            ("CLAIMS_TABLE", tables.claims),
            ("APPLICATIONS_TABLE", tables.applications),
            ("ARCHIVE_TABLE", tables.archive),
            ("IDEMPOTENCY_TABLE", tables.idempotency),
            ("LIMITS_TABLE", tables.limits),
            ("JOURNEYS_TABLE", tables.journeys),
            ("IMPORTS_TABLE", tables.imports),
            ("OPERATORS_TABLE", tables.operators),
            ("CREDENTIALS_TABLE", tables.credentials),
            ("BUCKET", BUCKET.to_owned()),
            ("CLAIM_PEPPER", service.claim_pepper.clone()),
            ("PROOF_KEY", service.proof_key.clone()),
            ("PROOF_JWKS", service.key_set(Signer::Proof)?.to_json()),
            ("APPLICATION_TOKEN_KEY", service.application_token_key.clone()),
            ("APPLICATION_TOKEN_JWKS", service.key_set(Signer::ApplicationToken)?.to_json()),
            ("APPLICATION_TOKEN_ISSUER", ISSUER.to_owned()),
            ("APPLICATION_TOKEN_AUDIENCE", AUDIENCE.to_owned()),
        ];
        settings.extend(description.now.clone().map(|now| ("NOW", now)));
        Ok(Self(settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
    }

    fn set(&mut self, name: &str, value: String) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value));
    }

    /// What all functions are given, and of the rest only this; and an access key that is the function's name.
    fn of(&self, function: &str, given: &[&str]) -> Vec<(String, String)> {
        let is_given = |name: &str| given.contains(&name) || !NOT_FOR_ALL.contains(&name);
        let own = |(name, value): &(String, String)| {
            let value = if name == "AWS_ACCESS_KEY_ID" { function } else { value };
            (name.clone(), value.to_owned())
        };
        self.0.iter().filter(|(name, _)| is_given(name)).map(own).collect()
    }

    fn environment(&self, function: &str, given: &[&str]) -> Environment {
        Environment::of(self.of(function, given))
    }

    /// What it takes to reach everything, as the registry's team does.
    fn of_team(&self) -> Environment {
        Environment::of(self.0.clone())
    }
}

/// Starts functions, here or as processes.
struct Starter<'a> {
    options: &'a Options,
    settings: &'a Settings,
    processes: Vec<Arc<Process>>,
}

/// What only some functions hold on AWS: the others must not need it here either.
pub const NOT_FOR_ALL: [&str; 16] = [
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "IDEMPOTENCY_TABLE",
    "LIMITS_TABLE",
    "JOURNEYS_TABLE",
    "IMPORTS_TABLE",
    "OPERATORS_TABLE",
    "CREDENTIALS_TABLE",
    "BUCKET",
    "CLAIM_PEPPER",
    "PROOF_KEY",
    "PROOF_JWKS",
    "TOKEN_FORMAT",
    "APPLICATION_TOKEN_KEY",
    "APPLICATION_TOKEN_JWKS",
];

// What each function of the template holds of it.
const SIMULATE_HAS: [&str; 6] =
    ["CLAIMS_TABLE", "APPLICATIONS_TABLE", "LIMITS_TABLE", "OPERATORS_TABLE", "CLAIM_PEPPER", "APPLICATION_TOKEN_JWKS"];
const REGISTER_HAS: [&str; 10] = [
    "LIMITS_TABLE",
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "IDEMPOTENCY_TABLE",
    "JOURNEYS_TABLE",
    "OPERATORS_TABLE",
    "CLAIM_PEPPER",
    "PROOF_KEY",
    "TOKEN_FORMAT",
    "APPLICATION_TOKEN_JWKS",
];
const APPLICATIONS_HAS: [&str; 8] = [
    "LIMITS_TABLE",
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "JOURNEYS_TABLE",
    "OPERATORS_TABLE",
    "CLAIM_PEPPER",
    "APPLICATION_TOKEN_JWKS",
];
const BATCHES_HAS: [&str; 7] = [
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "IMPORTS_TABLE",
    "LIMITS_TABLE",
    "OPERATORS_TABLE",
    "CLAIM_PEPPER",
    "APPLICATION_TOKEN_JWKS",
];
const UPLOADS_HAS: [&str; 5] = ["LIMITS_TABLE", "IMPORTS_TABLE", "OPERATORS_TABLE", "BUCKET", "APPLICATION_TOKEN_JWKS"];
const ACCESS_HAS: [&str; 3] = ["OPERATORS_TABLE", "CREDENTIALS_TABLE", "APPLICATION_TOKEN_KEY"];
const PUBLIC_HAS: [&str; 3] = ["APPLICATIONS_TABLE", "ARCHIVE_TABLE", "PROOF_JWKS"];
const IMPORT_HAS: [&str; 8] = [
    "LIMITS_TABLE",
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "JOURNEYS_TABLE",
    "IMPORTS_TABLE",
    "OPERATORS_TABLE",
    "CLAIM_PEPPER",
    "BUCKET",
];

const AUDIT_HAS: [&str; 7] = [
    "CLAIMS_TABLE",
    "APPLICATIONS_TABLE",
    "ARCHIVE_TABLE",
    "JOURNEYS_TABLE",
    "IMPORTS_TABLE",
    "CLAIM_PEPPER",
    "BUCKET",
];

/// Each function's binary, and what it is given of [`NOT_FOR_ALL`], as in the template.
pub const GIVEN: [(&str, &[&str]); 9] = [
    ("cee-simulate", &SIMULATE_HAS),
    ("cee-register", &REGISTER_HAS),
    ("cee-applications", &APPLICATIONS_HAS),
    ("cee-batches", &BATCHES_HAS),
    ("cee-uploads", &UPLOADS_HAS),
    ("cee-access", &ACCESS_HAS),
    ("cee-public", &PUBLIC_HAS),
    ("cee-import", &IMPORT_HAS),
    ("cee-audit", &AUDIT_HAS),
];

impl Starter<'_> {
    /// The routes of the template.
    async fn routes(&mut self) -> Result<Vec<Route>, Error> {
        let simulate =
            self.http("cee-simulate", &SIMULATE_HAS, async |env| Simulate::from_environment(&env).await).await?;
        let register =
            self.http("cee-register", &REGISTER_HAS, async |env| Register::from_environment(&env).await).await?;
        let applications = self
            .http("cee-applications", &APPLICATIONS_HAS, async |env| OwnApplications::from_environment(&env).await)
            .await?;
        let batches = self.http("cee-batches", &BATCHES_HAS, async |env| Batches::from_environment(&env).await).await?;
        let uploads = self.http("cee-uploads", &UPLOADS_HAS, async |env| Uploads::from_environment(&env).await).await?;
        let access = self.http("cee-access", &ACCESS_HAS, async |env| Access::from_environment(&env).await).await?;
        let public = self.http("cee-public", &PUBLIC_HAS, async |env| Public::from_environment(&env)).await?;
        let route = |method, path: &str, invoker: &Arc<dyn Invoker>| Route {
            method,
            path: path.to_owned(),
            invoker: Arc::clone(invoker),
        };
        Ok(vec![
            route(Method::POST, "/{version}/policies/cee/simulate", &simulate),
            route(Method::POST, "/{version}/policies/cee", &register),
            route(Method::GET, "/{version}/policies/cee/{uuid}", &applications),
            route(Method::DELETE, "/{version}/policies/cee/{uuid}", &applications),
            route(Method::POST, "/{version}/policies/cee/import", &batches),
            route(Method::POST, "/{version}/policies/cee/import/identity", &batches),
            route(Method::POST, "/{version}/policies/cee/imports", &uploads),
            route(Method::GET, "/{version}/policies/cee/imports", &uploads),
            route(Method::GET, "/{version}/policies/cee/imports/{import_id}", &uploads),
            route(Method::DELETE, "/{version}/policies/cee/imports/{import_id}", &uploads),
            route(Method::POST, "/{version}/auth/access_token", &access),
            route(Method::GET, "/{version}/.well-known/jwks.json", &public),
            route(Method::GET, "/{version}/openapi.json", &public),
            route(Method::GET, "/{version}/health", &public),
            route(Method::GET, "/{version}/proofs/{uuid}", &public),
            route(Method::HEAD, "/{version}/.well-known/jwks.json", &public),
            route(Method::HEAD, "/{version}/openapi.json", &public),
            route(Method::HEAD, "/{version}/health", &public),
            route(Method::HEAD, "/{version}/proofs/{uuid}", &public),
        ])
    }

    /// A function behind HTTP with the settings that the template gives it: here or as a process.
    async fn http<F: HttpFunction>(
        &mut self,
        name: &str,
        given: &[&str],
        start: impl AsyncFnOnce(Environment) -> Result<F, SettingError>,
    ) -> Result<Arc<dyn Invoker>, Error> {
        if let Some(process) = self.binary(name, HTTP_TIMEOUT, given).await? {
            return Ok(process);
        }
        let environment = self.settings.environment(name, given);
        let metrics = environment.metrics();
        let function = start(environment).await.map_err(|error| Error::Function(error.to_string()))?;
        Ok(http_function(function, metrics))
    }

    async fn import(&mut self) -> Result<Arc<dyn Invoker>, Error> {
        if let Some(process) = self.binary("cee-import", IMPORT_TIMEOUT, &IMPORT_HAS).await? {
            return Ok(process);
        }
        let import = ImportFunction::from_environment(&self.settings.environment("cee-import", &IMPORT_HAS))
            .await
            .map_err(|error| Error::Function(error.to_string()))?;
        let service = lambda_runtime::service_fn(move |event| {
            let import = import.clone();
            async move { import.handle(event).await }
        });
        Ok(Arc::new(InProcess::<_, Event>::new(service, Function::new("cee-import", IMPORT_TIMEOUT))))
    }

    async fn audit(&mut self) -> Result<Arc<dyn Invoker>, Error> {
        if let Some(process) = self.binary("cee-audit", AUDIT_TIMEOUT, &AUDIT_HAS).await? {
            return Ok(process);
        }
        let audit = AuditFunction::from_environment(&self.settings.environment("cee-audit", &AUDIT_HAS))
            .await
            .map_err(|error| Error::Function(error.to_string()))?;
        let service = lambda_runtime::service_fn(move |event| {
            let audit = audit.clone();
            async move { audit.handle(event).await }
        });
        Ok(Arc::new(InProcess::<_, IgnoredAny>::new(service, Function::new("cee-audit", AUDIT_TIMEOUT))))
    }

    /// The function as a process, where that is how functions run.
    async fn binary(
        &mut self,
        name: &str,
        timeout: Duration,
        given: &[&str],
    ) -> Result<Option<Arc<dyn Invoker>>, Error> {
        let Functions::Binaries(folder) = &self.options.functions else { return Ok(None) };
        let process = Process::start(&folder.join(name), name, self.settings.of(name, given), timeout).await?;
        process.ready().await.map_err(|error| Error::Function(format!("{name}: {error}")))?;
        let process = Arc::new(process);
        self.processes.push(Arc::clone(&process));
        Ok(Some(process))
    }
}

fn http_function<F: HttpFunction>(function: F, metrics: Metrics) -> Arc<dyn Invoker> {
    let adapter = Adapter::from(cee_edge::service(Arc::new(function), metrics));
    Arc::new(InProcess::<_, LambdaRequest>::new(adapter, Function::new(F::NAME, HTTP_TIMEOUT)))
}
