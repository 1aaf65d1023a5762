//! The Lambda function `cee-audit`.

use std::process::ExitCode;

use cee_fn_audit::AuditFunction;
use cee_service::{Environment, runtime, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    let function = AuditFunction::from_environment(&environment).await;
    runtime::run(function, |function, event| async move { function.handle(event).await }).await
}
