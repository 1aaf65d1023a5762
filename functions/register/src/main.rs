//! The Lambda function `cee-register`.

use std::process::ExitCode;

use cee_fn_register::Register;
use cee_service::{Environment, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    cee_edge::run(&environment, Register::from_environment(&environment).await).await
}
