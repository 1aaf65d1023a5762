//! The Lambda function `cee-export`.

use std::process::ExitCode;

use cee_fn_export::ExportFunction;
use cee_service::runtime;

#[tokio::main]
async fn main() -> ExitCode {
    runtime::run(
        async |environment| ExportFunction::from_environment(environment),
        |function, event| async move { function.handle(event).await },
    )
    .await
}
