//! The Lambda function `cee-console`.

use std::process::ExitCode;

use cee_fn_console::Console;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cee_edge::run(Console::from_environment).await
}
