//! The Lambda function `cee-batches`.

use std::process::ExitCode;

use cee_fn_batches::Batches;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cee_edge::run(Batches::from_environment).await
}
