//! The Lambda function `cee-register`.

use std::process::ExitCode;

use cee_fn_register::Register;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cee_edge::run(Register::from_environment).await
}
