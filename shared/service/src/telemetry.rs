//! Logs: one JSON object per line on standard output, which Lambda passes to CloudWatch.
//!
//! Every line that belongs to a call or an event has these members under `span`: the `function`, the `request_id` that the caller gets
//! from API Gateway (in the header `apigw-requestid`, and in the body of a 500), and the `trace_id` of AWS X-Ray.
//!
//! Never logged: a licence, a name, a phone, an identity key, a token, a body, a query, or an item of a table. The types that hold them
//! have no readable `Debug`, and errors contain places and never values. Only warnings of libraries are logged, because some libraries
//! log whole payloads at lower levels.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::SubscriberExt as _;

use crate::clock::Clock;
use crate::settings::{Environment, SettingError};

/// Starts logging. Also makes a panic log its location without its message, which may contain personal data.
///
/// Call it once, when a process starts; a second call changes nothing.
pub fn start(environment: &Environment) {
    let level = match environment.optional("LOG_LEVEL").as_deref() {
        Some("error") => LevelFilter::ERROR,
        Some("warn") => LevelFilter::WARN,
        Some("debug") => LevelFilter::DEBUG,
        Some("trace") => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    };
    // Not an `EnvFilter`, which would add a regular expression engine to each zip.
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target("cee", level);
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_events(FmtSpan::NONE)
        .with_current_span(true)
        .with_span_list(false);
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    // Fails only if logging was started before.
    let _ = tracing::subscriber::set_global_default(subscriber);
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panic");
    }));
    if let Ok(Clock::Pinned(now)) = environment.clock() {
        tracing::warn!(%now, "the clock is pinned by NOW: for demonstrations and tests only");
    }
}

/// The span of one call or event.
#[must_use]
pub fn call(function: &'static str, request_id: &str, trace_id: Option<&str>) -> tracing::Span {
    tracing::info_span!("call", function, request_id, trace_id)
}

/// The trace's own ID in Lambda's trace header, `Root=1-…;Parent=…;Sampled=0`; `None` if it is not a valid ID of X-Ray. A caller may have
/// sent the header, so only a valid ID gets into the log.
#[must_use]
pub fn trace_id(header: &str) -> Option<&str> {
    let root = header.split(';').find_map(|part| part.trim().strip_prefix("Root="))?;
    let digits =
        |text: &str, number| text.len() == number && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let (epoch, unique) = root.strip_prefix("1-")?.split_once('-')?;
    (digits(epoch, 8) && digits(unique, 24)).then_some(root)
}

/// Logs that a setting prevents the start, and returns the exit code of a `main`.
#[must_use]
pub fn refuse_to_start(error: &SettingError) -> std::process::ExitCode {
    tracing::error!(%error, "cannot start");
    std::process::ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trace_id_is_read_from_valid_root_only() {
        let root = "1-67891233-abcdef012345678912345678";
        for header in [format!("Root={root}"), format!("Self=1-x;Root={root};Parent=53995c3f42cd8ad8;Sampled=1")] {
            assert_eq!(trace_id(&header), Some(root));
        }
        for header in ["", "Root=", "Root=1-67891233-+33601020304", "Root=2-67891233-abcdef012345678912345678", root] {
            assert_eq!(trace_id(header), None, "{header}");
        }
    }
}
