//! The Lambda function `cee-export`.

use std::process::ExitCode;

use cee_fn_export::ExportFunction;
use cee_service::{Environment, runtime, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    let function = ExportFunction::from_environment(&environment);
    runtime::run(function, |function, event| async move { function.handle(event).await }).await
}
