//! A rule of EventBridge that invokes a function at a fixed rate.

use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::invoke::{ACCOUNT, InvokeError, Invoker, machine_now};

/// A rule that invokes a function at a fixed rate; the first invocation comes when that time has passed once.
pub struct Schedule {
    rule: String,
    invoker: Arc<dyn Invoker>,
    ticking: JoinHandle<()>,
}

impl Schedule {
    /// Starts the rule of this name.
    #[must_use]
    pub fn start(rule: &str, invoker: Arc<dyn Invoker>, every: Duration) -> Self {
        let (name, invoked) = (rule.to_owned(), Arc::clone(&invoker));
        let ticking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = invoke(&name, invoked.as_ref()).await {
                    tracing::error!(%error, "a scheduled function failed");
                }
            }
        });
        Self { rule: rule.to_owned(), invoker, ticking }
    }

    /// Invokes the function now, beside the schedule, and returns the request ID.
    ///
    /// # Errors
    /// [`InvokeError`] if the function fails.
    pub async fn run_now(&self) -> Result<String, InvokeError> {
        invoke(&self.rule, self.invoker.as_ref()).await
    }

    /// Invokes the function with an event of another source, and returns the request ID.
    ///
    /// # Errors
    /// [`InvokeError`] if the function fails.
    pub async fn send(&self, event: Value) -> Result<String, InvokeError> {
        send(event, self.invoker.as_ref()).await
    }

    /// Stops the rule. An invocation under way goes on.
    pub fn stop(&self) {
        self.ticking.abort();
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn invoke(rule: &str, invoker: &dyn Invoker) -> Result<String, InvokeError> {
    send(event(rule), invoker).await
}

async fn send(event: Value, invoker: &dyn Invoker) -> Result<String, InvokeError> {
    let request_id = Uuid::new_v4().to_string();
    invoker.invoke(event, &request_id).await.map(|_| request_id)
}

/// The event as EventBridge sends it.
fn event(rule: &str) -> Value {
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": machine_now().to_rfc3339_opts(SecondsFormat::Secs, true),
        "region": "eu-west-3",
        "resources": [format!("arn:aws:events:eu-west-3:{ACCOUNT}:rule/{rule}")],
        "detail": {},
    })
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::invoke::testing::Answering;

    #[tokio::test]
    async fn schedule_invokes_function_on_time_and_on_demand() {
        let (sender, mut events) = mpsc::unbounded_channel();
        let invoker = Answering(move |event: Value| {
            sender.send(event).unwrap();
            Ok(Value::Null)
        });
        let schedule = Schedule::start("nightly", Arc::new(invoker), Duration::from_millis(1));
        let event = events.recv().await.unwrap();
        assert_eq!(event["detail-type"], "Scheduled Event");
        assert_eq!(event["resources"][0], "arn:aws:events:eu-west-3:123456789012:rule/nightly");
        schedule.stop();
        assert!(schedule.run_now().await.is_ok());
        assert!(events.recv().await.is_some());
    }
}
