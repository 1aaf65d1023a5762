//! The Lambda function `cee-simulate`.

use std::process::ExitCode;

use cee_fn_simulate::Simulate;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cee_edge::run(Simulate::from_environment).await
}
