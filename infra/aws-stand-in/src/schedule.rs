//! A rule of EventBridge that invokes a function every so often.

use std::sync::Arc;
use std::time::Duration;

use chrono::SecondsFormat;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use uuid::Uuid;

use crate::invoke::{ACCOUNT, InvokeError, Invoker, machine_now};

/// A function that is invoked every so often, for the first time when that time has passed once.
pub struct Schedule {
    invoker: Arc<dyn Invoker>,
    ticking: JoinHandle<()>,
}

impl Schedule {
    /// Starts the schedule.
    #[must_use]
    pub fn start(invoker: Arc<dyn Invoker>, every: Duration) -> Self {
        let invoked = Arc::clone(&invoker);
        let ticking = tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                if let Err(error) = invoke(invoked.as_ref()).await {
                    tracing::error!(%error, "a scheduled function failed");
                }
            }
        });
        Self { invoker, ticking }
    }

    /// Invokes the function now, beside the schedule, and returns the invocation's name.
    ///
    /// # Errors
    /// [`InvokeError`] where the function fails.
    pub async fn run_now(&self) -> Result<String, InvokeError> {
        invoke(self.invoker.as_ref()).await
    }

    /// Invokes it no more.
    pub fn stop(&self) {
        self.ticking.abort();
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn invoke(invoker: &dyn Invoker) -> Result<String, InvokeError> {
    let request_id = Uuid::new_v4().to_string();
    invoker.invoke(event(), &request_id).await.map(|_| request_id)
}

/// The event as EventBridge sends it.
fn event() -> Value {
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": machine_now().to_rfc3339_opts(SecondsFormat::Secs, true),
        "region": "eu-west-3",
        "resources": [format!("arn:aws:events:eu-west-3:{ACCOUNT}:rule/audit")],
        "detail": {},
    })
}
