//! The Lambda function `cee-audit`.

use std::process::ExitCode;

use cee_fn_audit::AuditFunction;
use cee_service::runtime;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    runtime::run(AuditFunction::from_environment, |function, event| async move { function.handle(event).await }).await
}
