//! The whole registry on one machine: the stand-in for AWS, and the functions that are deployed.
//!
//! | to find | look in |
//! |---|---|
//! | what is started, in which order, and stopped | here |
//! | how a stack is started | `options` |
//! | its ports, and `local.json` | `ports` |
//! | its tables, sample operators and journeys | `contents` |
//! | who reaches its bucket | `bucket` |
//!
//! [`Stack::start`] locks the data directory, makes the keys that are missing, takes all ports and starts the database. Then `Parts::start`
//! makes what is missing of tables, check value and bucket, starts the functions (each with its own settings) and admits the sample
//! operators, and connects the parts: S3 puts an event into the queue for each object under `EVENT_PREFIXES`, the queue invokes the
//! import or the export function, and the gateway invokes the others. At last it imports the sample journeys through S3, writes
//! `local.json` and starts the schedule of the audit. The database has no streams, so the schedule alone invokes the audit.
//!
//! docs/architecture.md compares each part with AWS.

mod bucket;
mod contents;
mod options;
mod ports;

use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_stand_in::dynamo::{self, DynamoServer, Front};
use aws_stand_in::faults::Proxy;
use aws_stand_in::gateway::{self, Gateway};
use aws_stand_in::queue::{self, AsyncQueue, QueueOptions};
use aws_stand_in::runtime_api::Process;
use aws_stand_in::s3::{self, EventSink, S3Server};
use aws_stand_in::schedule::Schedule;
use cee_service::Clock;
use cee_service::aws::Aws;
use chrono::DateTime;
use http::Method;

pub use self::bucket::CORS_METHODS;
use self::bucket::{cors, credentials};
use self::contents::{load_samples, prepare_tables};
pub use self::options::Options;
use self::ports::{Ports, describe, listen};
use crate::data_dir::{DataDir, Lock, never_started};
pub use crate::data_dir::{known, running};
pub use crate::description::{BUCKET, Description, EVENT_PREFIXES, OperatorDescription, REGION, Store, tables};
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
use crate::secrets::{Secrets, write_private};
use crate::settings::Settings;
pub use crate::settings::{GIVEN, Given, not_for_all};

/// How long the import of the sample journeys may take before the stack reports that it is ready anyway.
const SAMPLES_TIME: Duration = Duration::from_secs(60);

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
        let no_calls = [PREFLIGHT.1, REFERENCE[0].1];
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
