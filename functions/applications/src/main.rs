//! The Lambda function `cee-applications`.

use std::process::ExitCode;

use cee_fn_applications::OwnApplications;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cee_edge::run(OwnApplications::from_environment).await
}
