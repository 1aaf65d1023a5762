//! The Lambda function `cee-simulate`.

use std::process::ExitCode;

use cee_fn_simulate::Simulate;
use cee_service::{Environment, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    cee_edge::run(&environment, Simulate::from_environment(&environment).await).await
}
