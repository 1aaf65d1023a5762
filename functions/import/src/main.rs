//! The Lambda function `cee-import`.

use std::process::ExitCode;

use cee_fn_import::ImportFunction;
use cee_service::runtime;

#[tokio::main]
async fn main() -> ExitCode {
    runtime::run(ImportFunction::from_environment, |function, event| async move { function.handle(event).await }).await
}
