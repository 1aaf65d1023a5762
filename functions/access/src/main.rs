//! The Lambda function `cee-access`.

use std::process::ExitCode;

use cee_fn_access::Access;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cee_edge::run(Access::from_environment).await
}
