//! Logs: one JSON object a line on standard output, which Lambda passes to CloudWatch.
//!
//! What is never logged: a licence, a name, a phone, an identity key, a token, a body, a query, or an item of a table.
//! The types that hold them show nothing of themselves, errors name places and never values, and of the libraries only
//! warnings are passed on: some of them log whole payloads further down.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::clock::Clock;
use crate::settings::{Environment, SettingError};

/// Starts logging, and makes a panic leave its place and nothing of what it said: that may hold anything.
///
/// Called once, when a process starts; a second call changes nothing.
pub fn start(environment: &Environment) {
    let level = environment
        .optional("LOG_LEVEL")
        .filter(|level| matches!(level.as_str(), "error" | "warn" | "info" | "debug" | "trace"))
        .unwrap_or_else(|| "info".to_owned());
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_span_events(FmtSpan::NONE)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(EnvFilter::new(format!("warn,cee={level}")))
        .finish();
    // Fails only where somebody has started logging before.
    let _ = tracing::subscriber::set_global_default(subscriber);
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panic");
    }));
    if let Ok(Clock::Pinned(now)) = environment.clock() {
        tracing::warn!(%now, "the clock is pinned by NOW: for demonstrations and tests only");
    }
}

/// What a `main` does with a setting it cannot start without: says so in the log, and stops.
#[must_use]
pub fn refuse_to_start(error: &SettingError) -> std::process::ExitCode {
    tracing::error!(%error, "cannot start");
    std::process::ExitCode::FAILURE
}
