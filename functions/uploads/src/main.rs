//! The Lambda function `cee-uploads`.

use std::process::ExitCode;

use cee_fn_uploads::Uploads;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    cee_edge::run(Uploads::from_environment).await
}
