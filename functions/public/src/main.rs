//! The Lambda function `cee-public`.

use std::process::ExitCode;

use cee_fn_public::Public;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cee_edge::run(async |environment| Public::from_environment(environment)).await
}
