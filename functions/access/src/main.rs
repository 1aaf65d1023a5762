//! The Lambda function `cee-access`.

use std::process::ExitCode;

use cee_fn_access::Access;
use cee_service::{Environment, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    cee_edge::run(&environment, Access::from_environment(&environment).await).await
}
