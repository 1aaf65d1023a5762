//! The steps around every call of every function: its id, deadline and span, the version in the path, panics, time left, headers, one log
//! line, the metrics. `respond` has them in their order.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cee_eligibility::OperatorId;
use cee_service::{Environment, Metric, Metrics, SettingError, telemetry};
use futures_util::FutureExt as _;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CONTENT_SECURITY_POLICY, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response};
use lambda_http::{Body, IntoResponse, Request, Service, service_fn};
use tokio::time::{Instant as Moment, timeout_at};
use tracing::Instrument as _;

use crate::call::Call;
use crate::cors;
use crate::problem::{InternalError, ProblemType, Refusal};
use crate::reply::Reply;

/// The time limit of [`HttpFunction::once_a_minute`].
const A_MOMENT: Duration = Duration::from_millis(500);

/// A Lambda function behind HTTP.
pub trait HttpFunction: Send + Sync + 'static {
    /// The function's name in the log.
    const NAME: &'static str;

    /// Whether a page of any site may read the responses. Only for calls that need no token.
    const IS_PUBLIC: bool = false;

    /// Whether the paths of its calls begin with a version of the interface.
    const IS_VERSIONED: bool = true;

    /// The paths of a versioned function that begin with none: its pages.
    const WITHOUT_VERSION: &'static [&'static str] = &[];

    /// The response to a call that is refused, or failed.
    fn refused(&self, call: &Call, refusal: Refusal) -> Response<Body> {
        refusal.into_response(call.id(), call.language())
    }

    /// Answers one call.
    fn answer(&self, call: &Call) -> impl Future<Output = Result<Reply, Refusal>> + Send;

    /// The metric that counts a call with this result, if any, beside those the call counted itself. A call that panicked also has
    /// a result.
    #[must_use]
    fn counts(_ended: Result<&Reply, ProblemType>) -> Option<Metric> {
        None
    }

    /// Work that can wait for a minute: it follows the answer to a call that has read its operator's status from the table, and so
    /// happens at most once a minute for each operator. It has a moment of time, and changes no answer.
    fn once_a_minute(&self, _operator: OperatorId) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// A response whose body lambda_http sends as it is. lambda_http 1.3.2 decodes the text of a plain [`Response`] first, which drops a byte
/// order mark and puts the tables of all encodings into the zip.
pub struct AsItIs(Response<Body>);

impl IntoResponse for AsItIs {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(std::future::ready(self.0))
    }
}

/// The function as a process that Lambda starts: the complete body of its `main`.
pub async fn run<F: HttpFunction>(start: impl AsyncFnOnce(&Environment) -> Result<F, SettingError>) -> ExitCode {
    let environment = Environment::of_process();
    telemetry::start(&environment);
    let function = match start(&environment).await {
        Ok(function) => function,
        Err(error) => return telemetry::refuse_to_start(&error),
    };
    match lambda_http::run(service(Arc::new(function), environment.metrics())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}

/// The function as Lambda runs it: a panic is a 500 of that one call, and each call writes one log line, and one more for its
/// metrics. Every log line of a call carries the call's ids, [`telemetry::call`].
pub fn service<F: HttpFunction>(
    function: Arc<F>,
    metrics: Metrics,
) -> impl Service<Request, Response = AsItIs, Error = Infallible, Future: Send> + Clone + Send {
    service_fn(move |request| {
        let (function, metrics) = (Arc::clone(&function), metrics.clone());
        async move {
            let call = Call::new(request);
            let span = telemetry::call(F::NAME, call.id(), call.trace_id.as_deref());
            Ok(AsItIs(respond(function.as_ref(), &metrics, call).instrument(span).await))
        }
    })
}

async fn respond<F: HttpFunction>(function: &F, metrics: &Metrics, call: Call) -> Response<Body> {
    let began = Moment::now();
    let is_preflight = call.request().method() == Method::OPTIONS;
    // The pages of the console are for nobody else's scripts.
    let origin = cors::allowed_origin(call.request()).filter(|_| F::IS_VERSIONED);
    let answer = async {
        let lacks_version = F::IS_VERSIONED && !call.has_version() && !F::WITHOUT_VERSION.contains(&call.path());
        if lacks_version || (is_preflight && origin.is_none()) {
            return Err(Refusal::NotFound);
        }
        // A preflight names no token: it tells a page that it may send its call, and reads nothing.
        if is_preflight { Ok(Reply::nothing()) } else { function.answer(&call).await }
    };
    let answered = AssertUnwindSafe(answer).catch_unwind();
    let answer = match call.ends {
        Some(ends) => timeout_at(ends, answered).await.ok(),
        None => Some(answered.await),
    };
    let answer = match answer {
        Some(Ok(answer)) => answer,
        Some(Err(_)) => Err(Refusal::Internal(InternalError::Panic)),
        None => Err(Refusal::Internal(InternalError::OutOfTime)),
    };
    let ended = answer.as_ref().map_err(Refusal::problem_type);
    if let Some(metric) = F::counts(ended) {
        call.count(metric, 1);
    }
    let problem = ended.err().map(ProblemType::as_str);
    // Tables that did not respond would make the caller wait again.
    let has_failed = matches!(ended, Err(ProblemType::Internal | ProblemType::Busy));
    call.note_failure(&answer);
    if let Some(operator) = call.caller.get()
        && call.read_status.load(Ordering::Relaxed)
        && !has_failed
    {
        let until = call.ends.unwrap_or_else(|| Moment::now() + A_MOMENT).min(Moment::now() + A_MOMENT);
        let work = AssertUnwindSafe(function.once_a_minute(*operator)).catch_unwind();
        if !matches!(timeout_at(until, work).await, Ok(Ok(()))) {
            tracing::warn!("work of once a minute was not completed");
        }
    }
    let mut response = match answer {
        Ok(reply) => reply.into_response(),
        Err(refusal) => function.refused(&call, refusal),
    };
    let headers = response.headers_mut();
    // A browser must not guess that a response is a page. A browser that has used the API over TLS must stay on TLS.
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    // A response is not a page unless the function says so: nothing in it runs, and no page may frame it.
    let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(nothing);
    headers.entry(REFERRER_POLICY).or_insert(HeaderValue::from_static("no-referrer"));
    headers.entry(X_FRAME_OPTIONS).or_insert(HeaderValue::from_static("DENY"));
    if F::IS_PUBLIC && !is_preflight {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else if F::IS_VERSIONED && cors::are_any_named(call.request()) {
        // In one value: API Gateway sends one header of a name.
        let vary = if headers.contains_key(VARY) { "accept-language, origin" } else { "origin" };
        headers.insert(VARY, HeaderValue::from_static(vary));
        allow_origin(headers, origin, is_preflight);
    }
    tracing::info!(
        operator_id = call.caller.get().map(|operator| operator.get()),
        status = response.status().as_u16(),
        problem,
        duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    metrics.write(&call.numbers, F::NAME, call.id());
    response
}

/// Lets a page of this origin read the response.
fn allow_origin(headers: &mut HeaderMap, origin: Option<HeaderValue>, is_preflight: bool) {
    let Some(origin) = origin else { return };
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    if is_preflight {
        headers.extend(cors::preflight());
    } else {
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, cors::EXPOSED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_service::clock::machine_now;
    use http::StatusCode;
    use http::header::CONTENT_LANGUAGE;
    use lambda_http::{Context, RequestExt as _};

    struct Never;

    impl HttpFunction for Never {
        const NAME: &'static str = "never";

        async fn answer(&self, _: &Call) -> Result<Reply, Refusal> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn unfinished_call_is_answered_before_deadline() {
        let mut context = Context::default();
        context.deadline = u64::try_from(machine_now().millis()).unwrap() + 400;
        let call = Call::new(request("/v3/health").with_lambda_context(context));
        let response = respond(&Never, &Environment::of([]).metrics(), call).await;
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }

    /// Answers with the path that it sees.
    struct Echo;

    impl HttpFunction for Echo {
        const NAME: &'static str = "echo";

        async fn answer(&self, call: &Call) -> Result<Reply, Refusal> {
            Ok(Reply::written(StatusCode::OK, call.path().to_owned()))
        }
    }

    fn request(path: &str) -> Request {
        http::Request::get(path).body(Body::Empty).unwrap()
    }

    #[tokio::test]
    async fn refusal_is_in_the_language_that_the_caller_prefers() {
        for (header, language, title) in [
            (None, "en", "No such call"),
            (Some("fr-FR,fr;q=0.9,en;q=0.8"), "fr", "Appel inexistant"),
            (Some("de"), "en", "No such call"),
        ] {
            let mut request = request("/v2/health");
            if let Some(header) = header {
                request.headers_mut().insert("accept-language", HeaderValue::from_static(header));
            }
            let response = respond(&Never, &Environment::of([]).metrics(), Call::new(request)).await;
            assert_eq!(response.headers()[CONTENT_LANGUAGE], language);
            assert_eq!(response.headers()[VARY], "accept-language");
            let Body::Text(text) = response.body() else { panic!("a text") };
            assert!(text.contains(title), "{text}");
        }
    }

    #[tokio::test]
    async fn known_version_reaches_function_without_trailing_slash() {
        for (path, expected) in [
            ("/v3/a", Some("/v3/a")),
            ("/v3/a/", Some("/v3/a")),
            ("/v3/a//", Some("/v3/a/")),
            ("/v3.2/a?x=/", Some("/v3.2/a")),
            ("/v3.3", Some("/v3.3")),
            ("/", None),
            ("/v3.1/a", None),
            ("/v3.20/a", None),
            ("/V3/a", None),
            ("/a/v3", None),
            ("//v3/a", None),
        ] {
            let response = respond(&Echo, &Environment::of([]).metrics(), Call::new(request(path))).await;
            let status = if expected.is_some() { StatusCode::OK } else { StatusCode::NOT_FOUND };
            assert_eq!(response.status(), status, "{path}");
            let Body::Text(text) = response.body() else { panic!("{path}: a text") };
            match expected {
                Some(seen) => assert_eq!(text, seen, "{path}"),
                None => assert!(text.contains("#not_found") && text.contains("/v3, /v3.2, /v3.3"), "{path}: {text}"),
            }
        }
    }
}
