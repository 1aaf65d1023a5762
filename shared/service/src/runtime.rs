//! How Lambda runs a function that events invoke. `cee_edge::run` does it for a function that answers HTTP.

use std::fmt::Debug;
use std::process::ExitCode;

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde::de::DeserializeOwned;

use crate::settings::{Environment, SettingError};
use crate::telemetry;

/// The function as a process that Lambda starts: the complete body of its `main`. `handle` handles one event.
pub async fn run<F, A, H, E>(
    start: impl AsyncFnOnce(&Environment) -> Result<F, SettingError>,
    handle: impl Fn(F, LambdaEvent<A>) -> H,
) -> ExitCode
where
    F: Clone,
    A: DeserializeOwned,
    H: Future<Output = Result<(), E>>,
    E: Into<Diagnostic> + Debug,
{
    let environment = Environment::of_process();
    telemetry::start(&environment);
    let function = match start(&environment).await {
        Ok(function) => function,
        Err(error) => return telemetry::refuse_to_start(&error),
    };
    match lambda_runtime::run(service_fn(|event| handle(function.clone(), event))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}
