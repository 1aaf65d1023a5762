//! The Lambda function `cee-console`.

use std::process::ExitCode;

use cee_fn_console::Console;
use cee_service::{Environment, telemetry};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    cee_edge::run(&environment, Console::from_environment(&environment).await).await
}
