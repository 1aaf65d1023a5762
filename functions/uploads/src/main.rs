//! The Lambda function `cee-uploads`.

use std::process::ExitCode;

use cee_fn_uploads::Uploads;
use cee_service::{Environment, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    cee_edge::run(&environment, Uploads::from_environment(&environment).await).await
}
