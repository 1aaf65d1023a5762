//! The Lambda function `cee-export`.

use std::process::ExitCode;

use cee_fn_export::ExportFunction;
use cee_service::{Environment, telemetry};
use lambda_runtime::service_fn;

#[tokio::main]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    let function = match ExportFunction::from_environment(&environment) {
        Ok(function) => function,
        Err(error) => return telemetry::refuse_to_start(&error),
    };
    let service = service_fn(move |event| {
        let function = function.clone();
        async move { function.handle(event).await }
    });
    match lambda_runtime::run(service).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}
