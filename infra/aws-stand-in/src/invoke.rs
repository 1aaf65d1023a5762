//! Lambda's `Invoke` call: what the gateway, the queue and the schedule use to hand an event to a function.
//!
//! [`Invoker`] is the call. [`InProcess`] runs a handler in this process; [`Process`](crate::runtime_api::Process) runs the
//! compiled binary as Lambda does.

use std::fmt;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use http::{HeaderMap, HeaderValue};
use lambda_runtime::{Config, Context, Diagnostic, LambdaEvent, Service};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

/// The largest event and the largest response of one synchronous invocation, in bytes.
pub const PAYLOAD_LIMIT: usize = 6 * 1024 * 1024;

/// The AWS account, as in every example of AWS.
pub(crate) const ACCOUNT: &str = "123456789012";

/// Why an invocation has no response.
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
    /// The function's name.
    pub name: String,
    /// How long one invocation may take.
    pub timeout: Duration,
    /// Its memory in MB: reported to the function, not enforced.
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

/// The machine's clock: deadlines, names and ages of events follow it, as on AWS, even if a program pins a clock of its own.
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
/// Unlike on Lambda, calls run concurrently in one process, and the handler stops only at its next `await` when its time is over.
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
            // The inner timeout ends a call whose caller has disconnected, the outer one a wait for a handler that never yields.
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
    use lambda_runtime::service_fn;

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
    async fn handler_gets_context_and_recovers_from_failure() {
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
}
