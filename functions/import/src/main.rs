//! The Lambda function `cee-import`.

use std::process::ExitCode;

use cee_fn_import::ImportFunction;
use cee_service::{Environment, runtime, telemetry};

#[tokio::main]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    let function = ImportFunction::from_environment(&environment).await;
    runtime::run(function, |function, event| async move { function.handle(event).await }).await
}
