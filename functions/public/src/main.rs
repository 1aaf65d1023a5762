//! The Lambda function `cee-public`.

use std::process::ExitCode;

use cee_fn_public::Public;
use cee_service::{Environment, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    cee_edge::run(&environment, Public::from_environment(&environment)).await
}
