//! Lambda's queue of asynchronous invocations, which S3 feeds: retries, and a dead letter for an event that failed every time.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::error::Error;
use crate::invoke::{InvokeError, Invoker, machine_now};

/// How an [`AsyncQueue`] handles its events.
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

/// The events of an [`AsyncQueue`] since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueCounts {
    /// Neither handled nor given up.
    pub waiting: usize,
    /// Handled.
    pub succeeded: usize,
    /// Given up, and written to `dead-letter/`.
    pub dead: usize,
}

/// Lambda's queue of asynchronous invocations: each event is handled at least once, tried again when that fails, and
/// written to `dead-letter/` when that fails too.
///
/// An accepted event is a file in `pending/` until it is handled or given up: neither a `kill -9` nor a restart loses one.
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
    /// Opens the queue in `folder`, and handles what an earlier process left in it.
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

    /// Waits until every accepted event is handled or given up.
    pub async fn idle(&self) {
        // `self` holds the sender: the channel cannot close.
        let _ = self.inner.counts.subscribe().wait_for(|counts| counts.waiting == 0).await;
    }

    /// The events so far.
    #[must_use]
    pub fn counts(&self) -> QueueCounts {
        *self.inner.counts.borrow()
    }

    /// The folder of the dead letters, a file each.
    #[must_use]
    pub fn dead_letters(&self) -> &Path {
        &self.inner.dead
    }

    /// Stops at once. Unhandled events stay in `pending/` for the next start, and so does every event that comes later.
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
                // The event stays in `pending/`: handling it twice is better than losing it.
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
            // A file that was not yet complete when the process died: its event was never accepted.
            let _ = std::fs::remove_file(&path);
            continue;
        }
        let bytes = std::fs::read(&path).map_err(Error::file(&path))?;
        match serde_json::from_slice(&bytes) {
            Ok(event) => found.push((name.to_owned(), event)),
            Err(error) => tracing::error!(path = %path.display(), %error, "not an event: the file stays"),
        }
    }
    found.sort_by(|(left, _), (right, _)| left.cmp(right));
    Ok(found)
}

/// Puts the dead letters of the queue in `folder` back into it, for its next start, and returns their number. It may be repeated
/// after a failure: Lambda, too, may deliver an event twice.
///
/// # Errors
/// If a file cannot be read or written; dead letters that were put back before that stay in the queue.
pub fn redrive(folder: &Path) -> Result<usize, Error> {
    let (pending, dead) = (folder.join("pending"), folder.join("dead-letter"));
    if !dead.exists() {
        return Ok(0);
    }
    std::fs::create_dir_all(&pending).map_err(Error::file(&pending))?;
    let mut count = 0;
    for (name, letter) in left_over(&dead)? {
        let Some(event) = letter.get("requestPayload") else {
            tracing::error!(name, "not a dead letter: the file stays");
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
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::invoke::testing::Answering;

    fn options() -> QueueOptions {
        QueueOptions { delay: Duration::from_millis(1), ..QueueOptions::default() }
    }

    fn failure() -> InvokeError {
        InvokeError::Crash("exit status 1".to_owned())
    }

    #[tokio::test]
    async fn event_is_tried_three_times_then_dead_lettered() {
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
    async fn redriven_dead_letters_are_handled() {
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
        assert_eq!(redrive(folder.path()).unwrap(), 0, "an event that was put back is no longer a dead letter");
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
        assert_eq!(left.count(), 1, "a file that is not a dead letter stays");
    }

    #[tokio::test]
    async fn pending_events_are_handled_after_restart() {
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
