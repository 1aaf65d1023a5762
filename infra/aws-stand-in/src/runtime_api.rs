//! Lambda's Runtime API for one machine: runs the compiled binary of a function as Lambda does.
//!
//! Each start of the process gets a port of its own, so that a process that was killed cannot take or answer an
//! invocation meant for its successor. One invocation at a time per process, as on Lambda; the next invocation waits
//! (Lambda would start another process instead).
//!
//! Not enforced: memory, the read-only file system, the freeze between two invocations. Not offered: extensions,
//! response streaming, `SnapStart`.
//!
//! The process is here; the HTTP side, what the process sees of Lambda, is in `host`.

mod host;

use std::collections::VecDeque;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use hyper::body::Bytes;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;

use self::host::{Host, Init, Work};
use crate::error::Error;
use crate::invoke::{Function, InvokeError, Invoker, PAYLOAD_LIMIT};
use crate::listen::Listening;

/// How long a process may take from its start to its first request for work: Lambda's limit.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);

/// How many lines of output are kept.
const KEPT_LINES: usize = 10_000;

/// A function that runs as its own process. Dropping it kills the process.
#[derive(Debug)]
pub struct Process {
    inner: Arc<Inner>,
}

struct Inner {
    bootstrap: PathBuf,
    environment: Vec<(String, String)>,
    function: Function,
    /// The one process; the holder of the lock has the only invocation. `None` after a crash or a timeout.
    instance: tokio::sync::Mutex<Option<Instance>>,
    lines: Arc<Mutex<VecDeque<String>>>,
    facts: Mutex<Facts>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("bootstrap", &self.bootstrap)
            .field("function", &self.function)
            .finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Facts {
    starts: u32,
    startup: Option<Duration>,
}

impl Process {
    /// Starts the binary at `bootstrap` as the function `function_name`, each of whose invocations may take `timeout`.
    ///
    /// Its environment is what Lambda sets, `PATH`, and `env`, which wins.
    ///
    /// # Errors
    /// When the binary cannot be started.
    pub async fn start(
        bootstrap: &Path,
        function_name: &str,
        env: Vec<(String, String)>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let bootstrap = std::fs::canonicalize(bootstrap).map_err(Error::file(bootstrap))?;
        let inner = Arc::new(Inner {
            bootstrap,
            environment: env,
            function: Function::new(function_name, timeout),
            instance: tokio::sync::Mutex::new(None),
            lines: Arc::default(),
            facts: Mutex::default(),
        });
        let instance = inner.spawn().await?;
        *inner.instance.lock().await = Some(instance);
        Ok(Self { inner })
    }

    /// Waits until the process asks for work.
    ///
    /// # Errors
    /// When it ends, reports an error, or takes longer than Lambda allows for its start.
    pub async fn ready(&self) -> Result<Duration, InvokeError> {
        let mut instance = self.inner.instance.lock().await;
        let Some(running) = instance.as_mut() else {
            return Err(InvokeError::Crash("the process is not running".to_owned()));
        };
        self.inner.wait_for_init(running).await
    }

    /// The time from the latest start of the process to its first request for work.
    #[must_use]
    pub fn startup(&self) -> Option<Duration> {
        self.inner.facts().startup
    }

    /// How often the process was started.
    #[must_use]
    pub fn starts(&self) -> u32 {
        self.inner.facts().starts
    }

    /// The output of the processes, standard output and standard error: the latest 10 000 lines, in the order of their arrival.
    /// Each also goes to `tracing` under the target `function`.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.inner.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Kills the process now; the next invocation starts another.
    pub async fn kill(&self) {
        if let Some(instance) = self.inner.instance.lock().await.take() {
            instance.kill().await;
        }
    }
}

impl Invoker for Process {
    fn invoke<'a>(&'a self, event: Value, request_id: &'a str) -> BoxFuture<'a, Result<Value, InvokeError>> {
        let inner = Arc::clone(&self.inner);
        let request_id = request_id.to_owned();
        Box::pin(async move {
            let text = event.to_string();
            drop(event);
            if text.len() > PAYLOAD_LIMIT {
                return Err(InvokeError::EventTooLarge(text.len()));
            }
            // A task of its own: the invocation continues when its caller stops waiting.
            let call = tokio::spawn(async move { inner.run(Bytes::from(text), request_id).await });
            call.await.unwrap_or_else(|error| Err(InvokeError::Crash(error.to_string())))
        })
    }
}

impl Inner {
    fn facts(&self) -> std::sync::MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn run(&self, event: Bytes, request_id: String) -> Result<Value, InvokeError> {
        let mut slot = self.instance.lock().await;
        if slot.as_ref().is_some_and(Instance::has_ended) {
            // It ended between two invocations, so no invocation failed.
            *slot = None;
        }
        if slot.is_none() {
            *slot = Some(self.spawn().await.map_err(|error| InvokeError::Crash(error.to_string()))?);
        }
        let Some(instance) = slot.as_mut() else { return Err(InvokeError::Crash("not started".to_owned())) };
        let result = match self.wait_for_init(instance).await {
            Ok(_) => self.run_on(instance, event, request_id).await,
            Err(error) => Err(error),
        };
        if matches!(result, Err(InvokeError::Crash(_) | InvokeError::Timeout(_)))
            && let Some(instance) = slot.take()
        {
            instance.kill().await;
        }
        result
    }

    async fn run_on(&self, instance: &mut Instance, event: Bytes, request_id: String) -> Result<Value, InvokeError> {
        let (answer, answered) = oneshot::channel();
        let (taken, was_taken) = oneshot::channel();
        let work = Work { request_id, event, answer, taken };
        if instance.work.send(work).await.is_err() {
            return Err(InvokeError::Crash("the Runtime API is closed".to_owned()));
        }
        let timeout = self.function.timeout;
        let waiting = async {
            // The time starts when the process has the event. It asks for work right after an answer.
            let _ = was_taken.await;
            tokio::time::timeout(timeout, answered).await
        };
        tokio::select! {
            // An answer that came before the end counts.
            biased;
            outcome = waiting => match outcome {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(InvokeError::Crash("the Runtime API is closed".to_owned())),
                Err(_) => Err(InvokeError::Timeout(timeout)),
            },
            ended = ended(&mut instance.ended) => Err(InvokeError::Crash(ended)),
        }
    }

    async fn wait_for_init(&self, instance: &mut Instance) -> Result<Duration, InvokeError> {
        let mut init = instance.init.clone();
        let waiting = init.wait_for(Option::is_some);
        let outcome = tokio::select! {
            biased;
            outcome = tokio::time::timeout(INIT_TIMEOUT, waiting) => outcome,
            ended = ended(&mut instance.ended) => return Err(InvokeError::Crash(ended)),
        };
        let outcome = match outcome {
            Ok(Ok(outcome)) => outcome.clone(),
            Ok(Err(_)) => None,
            Err(_) => return Err(InvokeError::Crash(format!("no request for work within {INIT_TIMEOUT:?}"))),
        };
        match outcome {
            Some(Ok(startup)) => {
                self.facts().startup = Some(startup);
                Ok(startup)
            }
            Some(Err(report)) => Err(InvokeError::Crash(format!("init error: {report}"))),
            None => Err(InvokeError::Crash("the Runtime API is closed".to_owned())),
        }
    }

    async fn spawn(&self) -> Result<Instance, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let host = Host::start(listener, self.function.clone())?;
        let mut command = Command::new(&self.bootstrap);
        let root = self.bootstrap.parent().unwrap_or_else(|| Path::new("/"));
        command.env_clear().current_dir(root).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Not a setting of the service: the process finds its own commands with it.
        #[allow(clippy::disallowed_methods)]
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let function = &self.function;
        command
            .env("AWS_LAMBDA_RUNTIME_API", host.listening.address().to_string())
            .env("AWS_LAMBDA_FUNCTION_NAME", &function.name)
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", function.memory_mb.to_string())
            .env("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{}", function.name))
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "local")
            .env("AWS_REGION", &function.region)
            .env("AWS_DEFAULT_REGION", &function.region)
            .env("LAMBDA_TASK_ROOT", root)
            .env("LAMBDA_RUNTIME_DIR", "/var/runtime")
            .env("LANG", "en_US.UTF-8")
            .env("TZ", ":UTC")
            .env("_HANDLER", "bootstrap")
            .envs(self.environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().map_err(Error::file(&self.bootstrap))?;
        self.facts().starts += 1;
        self.facts().startup = None;
        let mut output = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            output.spawn(collect(stdout, function.name.clone(), Arc::clone(&self.lines)));
        }
        if let Some(stderr) = child.stderr.take() {
            output.spawn(collect(stderr, function.name.clone(), Arc::clone(&self.lines)));
        }
        let (end, ended) = watch::channel(None);
        let (kill, killed) = oneshot::channel::<()>();
        tokio::spawn(async move {
            tokio::select! {
                status = child.wait() => {
                    let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
                    // When the end is announced, all of its output has been read.
                    output.join_all().await;
                    end.send_replace(Some(format!("Runtime exited with {how}")));
                }
                // Asked for, or the instance was dropped.
                _ = killed => {
                    // A process that it has started may keep its output open.
                    output.detach_all();
                    let _ = child.kill().await;
                    end.send_replace(Some("Runtime was killed".to_owned()));
                }
            }
        });
        Ok(Instance { work: host.work, init: host.init, ended, kill, _listening: host.listening })
    }
}

/// One run of the process.
struct Instance {
    work: mpsc::Sender<Work>,
    init: watch::Receiver<Init>,
    ended: watch::Receiver<Option<String>>,
    kill: oneshot::Sender<()>,
    _listening: Listening,
}

impl Instance {
    fn has_ended(&self) -> bool {
        self.ended.borrow().is_some()
    }

    /// Kills the process and waits until it is gone.
    async fn kill(mut self) {
        let _ = self.kill.send(());
        let _ = ended(&mut self.ended).await;
    }
}

async fn ended(watch: &mut watch::Receiver<Option<String>>) -> String {
    match watch.wait_for(Option::is_some).await {
        Ok(how) => how.clone().unwrap_or_default(),
        Err(_) => "Runtime is gone".to_owned(),
    }
}

async fn collect(output: impl AsyncRead + Unpin, function: String, lines: Arc<Mutex<VecDeque<String>>>) {
    let mut reader = BufReader::new(output);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|read| read > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        line.clear();
        tracing::info!(target: "function", function, "{text}");
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == KEPT_LINES {
            lines.pop_front();
        }
        lines.push_back(text);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A function in the shell: what it answers depends on the event.
    const BOOTSTRAP: &str = r#"echo "region $AWS_REGION extra $EXTRA home ${HOME:-none}"
call() { # method path body
  exec 3<>"/dev/tcp/${AWS_LAMBDA_RUNTIME_API/://}"
  printf '%s /2018-06-01/runtime/%s HTTP/1.1\r\nconnection: close\r\ncontent-length: %s\r\n\r\n%s' "$1" "$2" "${#3}" "$3" >&3
  id=; answer=
  while IFS= read -r line <&3; do
    line=${line%$'\r'}
    [ -z "$line" ] && break
    case $line in lambda-runtime-aws-request-id:*) id=${line#*: };; esac
  done
  IFS= read -r answer <&3
  exec 3>&-
}
while true; do
  call GET invocation/next ''
  case $answer in
    *crash*) echo "going down" >&2; exit 7;;
    *sleep*) sleep 60;;
    *fail*) call POST "invocation/$id/error" '{"errorType":"Shell","errorMessage":"asked to"}';;
    *) call POST "invocation/$id/response" "{\"id\":\"$id\",\"pid\":$$}";;
  esac
done
"#;

    const BASH: &str = "/bin/bash";

    /// The variable with which bash runs this text first. A file that was just written cannot always be executed: a process that another
    /// test starts at this moment may still have it open.
    fn script(folder: &Path, text: &str) -> (String, String) {
        let path = folder.join("script");
        std::fs::write(&path, text).unwrap();
        ("BASH_ENV".to_owned(), path.display().to_string())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn process_restarts_after_crash_and_kill() {
        let folder = tempfile::tempdir().unwrap();
        let env = vec![script(folder.path(), BOOTSTRAP), ("EXTRA".to_owned(), "yes".to_owned())];
        let process = Process::start(Path::new(BASH), "register", env, Duration::from_secs(60)).await.unwrap();
        assert_eq!(process.ready().await.ok(), process.startup());
        assert!(process.startup().is_some());

        let invoke = |word: &'static str, id: &'static str| process.invoke(json!({ "do": word }), id);
        let first = invoke("answer", "id-1").await.unwrap();
        assert_eq!(first["id"], "id-1");
        let (left, right) = tokio::join!(invoke("answer", "id-2"), invoke("answer", "id-3"));
        assert_eq!((&left.unwrap()["id"], &right.unwrap()["id"]), (&json!("id-2"), &json!("id-3")));
        assert_eq!(invoke("fail", "id-4").await.unwrap_err().report()["errorMessage"], "asked to");
        assert_eq!(process.starts(), 1);

        let crash = invoke("crash", "id-5").await.unwrap_err();
        assert_eq!(crash, InvokeError::Crash("Runtime exited with exit status: 7".to_owned()));
        let second = invoke("answer", "id-6").await.unwrap();
        assert_ne!(first["pid"], second["pid"]);
        // A caller that disconnects neither stops the invocation nor affects the next.
        let _ = tokio::time::timeout(Duration::from_millis(1), invoke("answer", "id-8")).await;
        assert_eq!(invoke("answer", "id-9").await.unwrap()["id"], "id-9");
        process.kill().await;
        assert_eq!(invoke("answer", "id-10").await.unwrap()["id"], "id-10");
        assert_eq!(process.starts(), 3);
        let lines = process.lines();
        assert_eq!(lines[0], "region eu-west-3 extra yes home none");
        assert!(lines.contains(&"going down".to_owned()), "{lines:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn process_over_timeout_is_restarted() {
        let folder = tempfile::tempdir().unwrap();
        let env = vec![script(folder.path(), BOOTSTRAP)];
        let process = Process::start(Path::new(BASH), "register", env, Duration::from_secs(1)).await.unwrap();
        let timeout = process.invoke(json!({ "do": "sleep" }), "id-1").await.unwrap_err();
        assert_eq!(timeout, InvokeError::Timeout(Duration::from_secs(1)));
        // If a slow machine makes the invocation time out again, the next try succeeds.
        while process.invoke(json!({ "do": "answer" }), "id-2").await.is_err() {}
        assert!(process.starts() >= 2);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn process_that_cannot_start_reports_crash() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("none");
        assert!(Process::start(&missing, "register", Vec::new(), Duration::from_secs(1)).await.is_err());
        let env = vec![script(folder.path(), "exit 3")];
        let process = Process::start(Path::new(BASH), "register", env, Duration::from_secs(1)).await.unwrap();
        assert!(process.ready().await.is_err());
        let crash = process.invoke(Value::Null, "id").await.unwrap_err();
        assert_eq!(crash, InvokeError::Crash("Runtime exited with exit status: 3".to_owned()));
    }
}
