//! The seam between what raises an event (the gateway, S3) and the function that handles it.
//!
//! [`Invoker`] is Lambda's `Invoke` call. [`InProcess`] runs a handler in this process; [`crate::runtime_api::Process`]
//! runs the compiled binary as Lambda does. [`AsyncQueue`] is Lambda's queue of asynchronous invocations, which S3 feeds.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use lambda_runtime::{Config, Context, Diagnostic, LambdaEvent, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::error::Error;

/// What Lambda takes and gives back in one synchronous invocation.
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// The account of the local stack, as in every example of AWS.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Why an invocation gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// The function ran and reported an error (a panic too: the runtime catches it and reports it).
    #[error("{error_type}: {error_message}")]
    Handler {
        /// `errorType`, as the function reported it.
        error_type: String,
        /// `errorMessage`, as the function reported it.
        error_message: String,
    },
    /// The process ended, or could not be started.
    #[error("Runtime.ExitError: {0}")]
    Crash(String),
    /// The function took longer than its timeout and was stopped.
    #[error("Sandbox.Timedout: task timed out after {:.2} seconds", .0.as_secs_f64())]
    Timeout(Duration),
    /// The event is larger than [`PAYLOAD_LIMIT`]: the function was not called.
    #[error("RequestTooLarge: an event of {0} bytes is above the limit of {PAYLOAD_LIMIT}")]
    EventTooLarge(usize),
}

impl InvokeError {
    /// The error as Lambda reports it: `errorType` and `errorMessage`.
    #[must_use]
    pub fn report(&self) -> Value {
        let (error_type, error_message) = match self {
            Self::Handler { error_type, error_message } => (error_type.clone(), error_message.clone()),
            other => {
                let text = other.to_string();
                let (kind, message) = text.split_once(": ").unwrap_or(("Unknown", &text));
                (kind.to_owned(), message.to_owned())
            }
        };
        json!({ "errorType": error_type, "errorMessage": error_message })
    }

    pub(crate) fn too_large(response: usize) -> Self {
        Self::Handler {
            error_type: "Function.ResponseSizeTooLarge".to_owned(),
            error_message: format!("a response of {response} bytes is above the limit of {PAYLOAD_LIMIT}"),
        }
    }
}

impl From<Diagnostic> for InvokeError {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Handler { error_type: diagnostic.error_type, error_message: diagnostic.error_message }
    }
}

/// Lambda's `Invoke`: hands one event to a function and waits for what it returns.
pub trait Invoker: Send + Sync + 'static {
    /// Invokes the function. The invocation goes on, as on Lambda, when the returned future is dropped.
    fn invoke<'a>(&'a self, event: Value, request_id: &'a str) -> BoxFuture<'a, Result<Value, InvokeError>>;
}

/// How a function is deployed, as far as the function itself can see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its name.
    pub name: String,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Its memory in MB: only told to the function, not enforced.
    pub memory_mb: u16,
    /// The region it believes to run in.
    pub region: String,
}

impl Function {
    /// A function with 512 MB in Paris.
    #[must_use]
    pub fn new(name: &str, timeout: Duration) -> Self {
        Self { name: name.to_owned(), timeout, memory_mb: 512, region: "eu-west-3".to_owned() }
    }

    /// Its ARN.
    #[must_use]
    pub fn arn(&self) -> String {
        format!("arn:aws:lambda:{}:{ACCOUNT}:function:{}", self.region, self.name)
    }
}

/// The machine's clock, by which the stand-ins of AWS run as AWS runs by its own: deadlines, names and ages of events.
/// `--now` pins the clock of the service, not this one.
#[allow(clippy::disallowed_methods)]
pub(crate) fn machine_now() -> DateTime<Utc> {
    Utc::now()
}

/// The moment, in milliseconds, at which Lambda stops an invocation that starts now.
pub(crate) fn deadline_ms(timeout: Duration) -> i64 {
    machine_now().timestamp_millis().saturating_add(i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX))
}

/// A trace id in the form of X-Ray, not sampled.
pub(crate) fn trace_id() -> String {
    let random = Uuid::new_v4().simple().to_string();
    format!("Root=1-{:08x}-{};Parent={:016x};Sampled=0", machine_now().timestamp(), &random[..24], fastrand::u64(1..))
}

/// Runs a Lambda handler in this process: any `Service<LambdaEvent<T>>`, so also the `lambda_http::Adapter` of one.
///
/// The event goes through JSON text as on Lambda. Each call has its own task: a panic fails that call and nothing else.
/// What is not as on Lambda: calls run side by side in one process, and the handler stops only at its next `await` when
/// its time is over.
pub struct InProcess<S, T> {
    // Behind a lock because a service is `Clone` and `Send`, seldom `Sync`.
    service: Mutex<S>,
    function: Function,
    config: Arc<Config>,
    event: PhantomData<fn(T)>,
}

impl<S, T> fmt::Debug for InProcess<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").field("function", &self.function).finish_non_exhaustive()
    }
}

impl<S, T> InProcess<S, T> {
    /// Wraps the handler of `function`.
    pub fn new(service: S, function: Function) -> Self {
        let config = Config {
            function_name: function.name.clone(),
            memory: i32::from(function.memory_mb),
            version: "$LATEST".to_owned(),
            log_stream: "local".to_owned(),
            log_group: format!("/aws/lambda/{}", function.name),
        };
        Self { service: Mutex::new(service), function, config: Arc::new(config), event: PhantomData }
    }

    fn context(&self, request_id: &str) -> Result<Context, InvokeError> {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("lambda-runtime-deadline-ms", deadline_ms(self.function.timeout).to_string()),
            ("lambda-runtime-invoked-function-arn", self.function.arn()),
            ("lambda-runtime-trace-id", trace_id()),
        ] {
            let value = HeaderValue::from_str(&value).map_err(|error| handler_error("Runtime.Context", &error))?;
            headers.insert(name, value);
        }
        Context::new(request_id, Arc::clone(&self.config), &headers)
            .map_err(|error| handler_error("Runtime.Context", &error))
    }
}

fn handler_error(error_type: &str, message: &dyn fmt::Display) -> InvokeError {
    InvokeError::Handler { error_type: error_type.to_owned(), error_message: message.to_string() }
}

impl<S, T> Invoker for InProcess<S, T>
where
    S: Service<LambdaEvent<T>> + Clone + Send + 'static,
    S::Response: Serialize + Send + 'static,
    S::Error: Into<Diagnostic> + Send + 'static,
    S::Future: Send + 'static,
    T: DeserializeOwned + Send + 'static,
{
    fn invoke<'a>(&'a self, event: Value, request_id: &'a str) -> BoxFuture<'a, Result<Value, InvokeError>> {
        Box::pin(async move {
            let text = event.to_string();
            drop(event);
            if text.len() > PAYLOAD_LIMIT {
                return Err(InvokeError::EventTooLarge(text.len()));
            }
            // The type of error is the one `lambda_runtime` reports.
            let payload: T = serde_json::from_str(&text)
                .map_err(|error| handler_error("lambda_runtime::deserializer::DeserializeError", &error))?;
            drop(text);
            let context = self.context(request_id)?;
            let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
            let timeout = self.function.timeout;
            // The inner timeout ends a call whose caller has gone, the outer one a wait for a handler that never yields.
            let call = tokio::spawn(tokio::time::timeout(timeout, async move {
                poll_fn(|task| service.poll_ready(task)).await.map_err(Into::into)?;
                service.call(LambdaEvent::new(payload, context)).await.map_err(Into::into)
            }));
            match tokio::time::timeout(timeout, call).await {
                Ok(Ok(Ok(Ok(response)))) => {
                    let response =
                        serde_json::to_vec(&response).map_err(|error| handler_error("Runtime.MarshalError", &error))?;
                    if response.len() > PAYLOAD_LIMIT {
                        return Err(InvokeError::too_large(response.len()));
                    }
                    serde_json::from_slice(&response).map_err(|error| handler_error("Runtime.MarshalError", &error))
                }
                Ok(Ok(Ok(Err(diagnostic)))) => Err(InvokeError::from(diagnostic)),
                Ok(Err(join)) => Err(panicked(join)),
                Ok(Ok(Err(_))) | Err(_) => Err(InvokeError::Timeout(timeout)),
            }
        })
    }
}

/// The type and the words of `lambda_runtime`, which catches a panic and reports it as an error of the function.
fn panicked(join: tokio::task::JoinError) -> InvokeError {
    match join.try_into_panic() {
        Ok(panic) => {
            let said = panic.downcast_ref::<&str>().map(ToString::to_string);
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned());
            let message = said.map_or_else(|| "Lambda panicked".to_owned(), |text| format!("Lambda panicked: {text}"));
            handler_error("&alloc::boxed::Box<dyn core::any::Any + core::marker::Send>", &message)
        }
        Err(cancelled) => InvokeError::Crash(cancelled.to_string()),
    }
}

/// How an [`AsyncQueue`] treats its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueOptions {
    /// How often a failed event is tried again. Lambda: 2.
    pub retries: u32,
    /// How long to wait before the first retry, and twice as long before the next. Lambda: one minute.
    pub delay: Duration,
    /// How many events may be handled at the same time.
    pub concurrency: usize,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { retries: 2, delay: Duration::from_secs(1), concurrency: 4 }
    }
}

/// What became of the events of an [`AsyncQueue`] since it was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Not yet done with.
    pub waiting: usize,
    /// Handled.
    pub succeeded: usize,
    /// Given up, and written to `dead-letter/`.
    pub dead: usize,
}

/// Lambda's queue of asynchronous invocations: each event is handled at least once, tried again when that fails, and
/// written to `dead-letter/` when that fails too.
///
/// An accepted event is a file in `pending/` until it is done with, so that neither a `kill -9` nor a restart loses one.
/// Cloning gives another handle on the same queue.
#[derive(Clone)]
pub struct AsyncQueue {
    inner: Arc<Queue>,
}

struct Queue {
    pending: PathBuf,
    dead: PathBuf,
    invoker: Arc<dyn Invoker>,
    options: QueueOptions,
    permits: Semaphore,
    counts: watch::Sender<QueueCounts>,
    /// `None` once it is stopped.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl fmt::Debug for AsyncQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncQueue")
            .field("pending", &self.inner.pending)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl AsyncQueue {
    /// Opens the queue in `folder` and takes up what an earlier process left in it.
    ///
    /// # Errors
    /// When the folder cannot be made or read.
    pub fn start(folder: &Path, invoker: Arc<dyn Invoker>, options: QueueOptions) -> Result<Self, Error> {
        let pending = folder.join("pending");
        let dead = folder.join("dead-letter");
        for path in [&pending, &dead] {
            std::fs::create_dir_all(path).map_err(Error::file(path))?;
        }
        let permits = Semaphore::new(options.concurrency.max(1));
        let queue = Self {
            inner: Arc::new(Queue {
                pending,
                dead,
                invoker,
                options,
                permits,
                counts: watch::Sender::new(QueueCounts::default()),
                tasks: Mutex::new(Some(JoinSet::new())),
            }),
        };
        for (name, event) in left_over(&queue.inner.pending)? {
            queue.process(name, event);
        }
        Ok(queue)
    }

    /// Takes an event. When this returns, the event is on disk and [`idle`](Self::idle) waits for it.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn accept(&self, event: Value) -> Result<(), Error> {
        // Names sort by age; the identifier is that of the invocation, the same for each try as on Lambda.
        let name = format!("{:020}.{}.json", machine_now().timestamp_micros(), Uuid::new_v4());
        write_json(&self.inner.pending.join(&name), &event)?;
        self.process(name, event);
        Ok(())
    }

    /// Waits until every accepted event is done with.
    pub async fn idle(&self) {
        // The sender is in `self`: the channel cannot close meanwhile.
        let _ = self.inner.counts.subscribe().wait_for(|counts| counts.waiting == 0).await;
    }

    /// What became of the events so far.
    #[must_use]
    pub fn counts(&self) -> QueueCounts {
        *self.inner.counts.borrow()
    }

    /// The folder in which given up events lie, one file each.
    #[must_use]
    pub fn dead_letters(&self) -> &Path {
        &self.inner.dead
    }

    /// Stops at once. What was not done with stays in `pending/` for the next start, and so does every event that comes later.
    pub async fn shutdown(&self) {
        let tasks = self.tasks().take();
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }

    /// Whether it was stopped.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.tasks().is_none()
    }

    fn tasks(&self) -> std::sync::MutexGuard<'_, Option<JoinSet<()>>> {
        self.inner.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn process(&self, name: String, event: Value) {
        self.inner.counts.send_modify(|counts| counts.waiting += 1);
        let queue = Arc::clone(&self.inner);
        let mut tasks = self.tasks();
        let Some(tasks) = tasks.as_mut() else { return };
        // Forget the tasks that have ended.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move { queue.handle(&name, event).await });
    }
}

impl Queue {
    async fn handle(&self, name: &str, event: Value) {
        let request_id = name.split('.').nth(1).unwrap_or(name);
        let mut delay = self.options.delay;
        let mut tries = 0;
        let outcome = loop {
            tries += 1;
            let result = {
                // Fair: events are begun in the order in which they came. An error means a closed semaphore: never.
                let _permit = self.permits.acquire().await;
                self.invoker.invoke(event.clone(), request_id).await
            };
            match result {
                Ok(_) => break Ok(()),
                Err(error) if tries > self.options.retries => break Err(error),
                Err(error) => {
                    tracing::warn!(request_id, tries, %error, "an event will be tried again");
                    tokio::time::sleep(delay).await;
                    delay = delay.saturating_mul(2);
                }
            }
        };
        let dead = outcome.is_err();
        if let Err(error) = outcome {
            tracing::error!(request_id, tries, %error, "an event is given up");
            let letter = dead_letter(request_id, &event, tries, &error);
            if let Err(error) = write_json(&self.dead.join(name), &letter) {
                // The event stays in `pending/`: better handled once more than lost.
                tracing::error!(%error, "a dead letter could not be written");
                self.counts.send_modify(|counts| counts.waiting -= 1);
                return;
            }
        }
        if let Err(error) = std::fs::remove_file(self.pending.join(name)) {
            tracing::error!(%error, name, "a handled event will be handled again at the next start");
        }
        self.counts.send_modify(|counts| {
            counts.waiting -= 1;
            if dead { counts.dead += 1 } else { counts.succeeded += 1 }
        });
    }
}

/// The record that Lambda sends to a destination on failure.
fn dead_letter(request_id: &str, event: &Value, tries: u32, error: &InvokeError) -> Value {
    json!({
        "version": "1.0",
        "timestamp": machine_now().to_rfc3339_opts(SecondsFormat::Millis, true),
        "requestContext": {
            "requestId": request_id,
            "condition": "RetriesExhausted",
            "approximateInvokeCount": tries,
        },
        "requestPayload": event,
        "responseContext": { "statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled" },
        "responsePayload": error.report(),
    })
}

/// The events an earlier process did not finish, oldest first.
fn left_over(pending: &Path) -> Result<Vec<(String, Value)>, Error> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(pending).map_err(Error::file(pending))? {
        let path = entry.map_err(Error::file(pending))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if !name.ends_with(".json") {
            // A file that was not yet complete when the process died: nobody was told that it was accepted.
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let bytes = std::fs::read(&path).map_err(Error::file(&path))?;
        match serde_json::from_slice(&bytes) {
            Ok(event) => found.push((name.to_owned(), event)),
            Err(error) => tracing::error!(path = %path.display(), %error, "not an event: left where it is"),
        }
    }
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(found)
}

/// Puts the events that were given up back into the queue in `folder`, for its next start, and says how many. As often as
/// it takes: an event that is handled again does no harm.
///
/// # Errors
/// When a file cannot be read or written; what was put back before it stays so.
pub fn redrive(folder: &Path) -> Result<usize, Error> {
    let (pending, dead) = (folder.join("pending"), folder.join("dead-letter"));
    if !dead.exists() {
        return Ok(0);
    }
    std::fs::create_dir_all(&pending).map_err(Error::file(&pending))?;
    let mut count = 0;
    for (name, letter) in left_over(&dead)? {
        let Some(event) = letter.get("requestPayload") else {
            tracing::error!(name, "no dead letter: left where it is");
            continue;
        };
        write_json(&pending.join(&name), event)?;
        let path = dead.join(&name);
        std::fs::remove_file(&path).map_err(Error::file(&path))?;
        count += 1;
    }
    Ok(count)
}

/// Writes a whole file or none.
fn write_json(path: &Path, value: &Value) -> Result<(), Error> {
    let draft = path.with_extension("draft");
    let write = || -> io::Result<()> {
        std::fs::write(&draft, serde_json::to_vec_pretty(value)?)?;
        std::fs::rename(&draft, path)
    };
    write().map_err(Error::file(path))
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// An invoker made of a plain function.
    pub(crate) struct Answering<F>(pub(crate) F);

    impl<F> Invoker for Answering<F>
    where
        F: Fn(Value) -> Result<Value, InvokeError> + Send + Sync + 'static,
    {
        fn invoke<'a>(&'a self, event: Value, _: &'a str) -> BoxFuture<'a, Result<Value, InvokeError>> {
            Box::pin(async move { (self.0)(event) })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use lambda_runtime::service_fn;

    use super::testing::Answering;
    use super::*;

    async fn handler(event: LambdaEvent<Value>) -> Result<Value, lambda_runtime::Error> {
        match event.payload["do"].as_str() {
            Some("panic") => panic!("out of luck"),
            Some("fail") => Err("no such thing".into()),
            Some("sleep") => {
                tokio::time::sleep(Duration::from_secs(60)).await;
                Ok(Value::Null)
            }
            Some("large") => Ok(Value::String("x".repeat(PAYLOAD_LIMIT))),
            _ => Ok(json!({
                "id": event.context.request_id,
                "arn": event.context.invoked_function_arn,
                "left": i64::try_from(event.context.deadline).unwrap() - machine_now().timestamp_millis(),
            })),
        }
    }

    #[tokio::test]
    async fn a_handler_runs_with_a_context_and_its_failures_stay_its_own() {
        let limited = |timeout| -> Arc<dyn Invoker> {
            Arc::new(InProcess::<_, Value>::new(service_fn(handler), Function::new("register", timeout)))
        };
        let invoker = limited(Duration::from_secs(60));
        let answer = invoker.invoke(json!({}), "id-1").await.unwrap();
        assert_eq!(answer["id"], "id-1");
        assert_eq!(answer["arn"], "arn:aws:lambda:eu-west-3:123456789012:function:register");
        assert!((1..=60_000).contains(&answer["left"].as_i64().unwrap()), "{answer}");

        let error = invoker.invoke(json!({ "do": "panic" }), "id-2").await.unwrap_err();
        assert_eq!(error.report()["errorMessage"], "Lambda panicked: out of luck");
        let error = invoker.invoke(json!({ "do": "fail" }), "id-3").await.unwrap_err();
        assert_eq!(error.report()["errorMessage"], "no such thing");
        let shortly = Duration::from_millis(200);
        let error = limited(shortly).invoke(json!({ "do": "sleep" }), "id-4").await.unwrap_err();
        assert_eq!(error, InvokeError::Timeout(shortly));
        assert_eq!(error.report()["errorType"], "Sandbox.Timedout");
        let error = invoker.invoke(json!({ "do": "large" }), "id-5").await.unwrap_err();
        assert_eq!(error.report()["errorType"], "Function.ResponseSizeTooLarge");
        let event = Value::String("x".repeat(PAYLOAD_LIMIT));
        assert_eq!(invoker.invoke(event, "id-6").await, Err(InvokeError::EventTooLarge(PAYLOAD_LIMIT + 2)));
        assert!(invoker.invoke(json!({}), "id-7").await.is_ok());
    }

    fn options() -> QueueOptions {
        QueueOptions { delay: Duration::from_millis(1), ..QueueOptions::default() }
    }

    fn failure() -> InvokeError {
        InvokeError::Crash("exit status 1".to_owned())
    }

    #[tokio::test]
    async fn an_event_is_tried_three_times_then_kept_with_its_error() {
        let folder = tempfile::tempdir().unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let invoker = Answering(move |event: Value| {
            let call = counter.fetch_add(1, Ordering::SeqCst);
            if event["good"] == true && call > 0 { Ok(Value::Null) } else { Err(failure()) }
        });
        let queue = AsyncQueue::start(folder.path(), Arc::new(invoker), options()).unwrap();
        queue.accept(json!({ "good": true })).unwrap();
        queue.idle().await;
        assert_eq!(calls.load(Ordering::SeqCst), 2);

        queue.accept(json!({ "good": false })).unwrap();
        queue.idle().await;
        assert_eq!(calls.load(Ordering::SeqCst), 5);
        assert_eq!(queue.counts(), QueueCounts { waiting: 0, succeeded: 1, dead: 1 });

        let letters: Vec<_> = std::fs::read_dir(queue.dead_letters()).unwrap().collect();
        assert_eq!(letters.len(), 1);
        let letter: Value =
            serde_json::from_slice(&std::fs::read(letters[0].as_ref().unwrap().path()).unwrap()).unwrap();
        assert_eq!(letter["requestPayload"], json!({ "good": false }));
        assert_eq!(letter["requestContext"]["approximateInvokeCount"], 3);
        assert_eq!(letter["responsePayload"]["errorType"], "Runtime.ExitError");
        assert_eq!(std::fs::read_dir(folder.path().join("pending")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn what_was_given_up_is_handled_once_it_is_redriven() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(redrive(&folder.path().join("no-queue-yet")).unwrap(), 0);
        let queue = AsyncQueue::start(folder.path(), Arc::new(Answering(|_| Err(failure()))), options()).unwrap();
        queue.accept(json!({ "number": 1 })).unwrap();
        queue.accept(json!({ "number": 2 })).unwrap();
        queue.idle().await;
        assert_eq!(queue.counts().dead, 2);
        std::fs::write(queue.dead_letters().join("3.x.json"), "{}").unwrap();
        queue.shutdown().await;

        assert_eq!(redrive(folder.path()).unwrap(), 2);
        assert_eq!(redrive(folder.path()).unwrap(), 0, "what was put back is no dead letter any more");
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let invoker = Answering(move |event: Value| {
            sink.lock().unwrap().push(event["number"].as_i64().unwrap());
            Ok(Value::Null)
        });
        let queue = AsyncQueue::start(folder.path(), Arc::new(invoker), options()).unwrap();
        queue.idle().await;
        seen.lock().unwrap().sort_unstable();
        assert_eq!(*seen.lock().unwrap(), [1, 2]);
        let left = std::fs::read_dir(queue.dead_letters()).unwrap();
        assert_eq!(left.count(), 1, "what is no dead letter stays where it is");
    }

    #[tokio::test]
    async fn what_a_dead_process_left_is_handled_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let slow = QueueOptions { delay: Duration::from_secs(60), ..options() };
        let queue = AsyncQueue::start(folder.path(), Arc::new(Answering(|_| Err(failure()))), slow).unwrap();
        queue.accept(json!({ "number": 1 })).unwrap();
        queue.accept(json!({ "number": 2 })).unwrap();
        queue.shutdown().await;
        assert!(queue.is_stopped());
        queue.accept(json!({ "number": 3 })).unwrap();
        std::fs::write(folder.path().join("pending/1.half.draft"), "{").unwrap();

        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let invoker = Answering(move |event: Value| {
            sink.lock().unwrap().push(event["number"].as_i64().unwrap());
            Ok(Value::Null)
        });
        let one = QueueOptions { concurrency: 1, ..options() };
        let queue = AsyncQueue::start(folder.path(), Arc::new(invoker), one).unwrap();
        queue.idle().await;
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
        assert_eq!(std::fs::read_dir(folder.path().join("pending")).unwrap().count(), 0);
    }
}
