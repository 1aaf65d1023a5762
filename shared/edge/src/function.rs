//! The steps around every call of every function: its id, deadline and span, the version in the path, panics, time left, headers, one log
//! line, the metrics. `respond` has them in their order.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cee_eligibility::{Language, OperatorId};
use cee_registry::Deadline;
use cee_service::clock::time_left;
use cee_service::metrics::Numbers;
use cee_service::{Environment, Metric, Metrics, SettingError, telemetry};
use futures_util::FutureExt as _;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONTENT_LANGUAGE,
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, LINK, LOCATION, REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY,
    VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _, Service, service_fn};
use serde::Serialize;
use tokio::time::{Instant as Moment, timeout_at};
use tracing::Instrument as _;

use crate::body::FAULTS_LIMIT;
use crate::cors;
use crate::language::accepted;
use crate::network::Network;
use crate::problem::{BrokenRule, FieldFault, InternalError, ProblemType, Refusal};
use crate::version::VERSIONS;

/// The part of an invocation's time that is reserved, so that a refusal can still be sent.
const MARGIN: Duration = Duration::from_millis(500);

/// How long before its end an invocation stops its call: a request to the store takes longer than [`MARGIN`] if there is no
/// response, and a 500 with a request id helps the caller more than a timeout of the gateway.
const LAST: Duration = Duration::from_millis(200);

/// The time limit of [`HttpFunction::once_a_minute`].
const A_MOMENT: Duration = Duration::from_millis(500);

/// The time limit of a call: a driver waits, and API Gateway gives up after 30 seconds.
const LONGEST: Duration = Duration::from_secs(8);

/// One call during its processing by a function.
#[derive(Debug)]
pub struct Call {
    request: Request,
    id: String,
    trace_id: Option<String>,
    caller: OnceLock<OperatorId>,
    /// Whether the call has read its operator's status from the table. A call does if none has for a minute.
    read_status: AtomicBool,
    deadline: Deadline,
    ends: Option<Moment>,
    numbers: Numbers,
}

impl Call {
    fn new(request: Request) -> Self {
        let gateway = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
            _ => None,
        };
        let context = request.lambda_context_ref();
        // Each call has an id, even if it came without a gateway.
        let id = gateway
            .or_else(|| context.map(|context| context.request_id.clone()))
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let trace_id =
            context.and_then(|context| telemetry::trace_id(context.xray_trace_id.as_deref()?)).map(str::to_owned);
        let left = context.map(|context| time_left(context.deadline()));
        let deadline = Deadline::after(left.map_or(LONGEST, |left| left.saturating_sub(MARGIN).min(LONGEST)));
        let ends = left.map(|left| Moment::now() + left.saturating_sub(LAST));
        Self {
            request,
            id,
            trace_id,
            caller: OnceLock::new(),
            read_status: AtomicBool::new(false),
            deadline,
            ends,
            numbers: Numbers::default(),
        }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The id of the call in the log.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The network that the request came from, if API Gateway reports it.
    #[must_use]
    pub fn source(&self) -> Option<Network> {
        match self.request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => Network::parse(context.http.source_ip.as_deref()?),
            _ => None,
        }
    }

    /// The language that the caller prefers for texts.
    #[must_use]
    pub fn language(&self) -> Language {
        accepted(self.request.headers())
    }

    /// The path as API Gateway decoded it, without the `/` that some clients put at its end: the public registry
    /// ignored it.
    #[must_use]
    pub fn path(&self) -> &str {
        // lambda_http makes its URI by the rules of browsers, which drop a control character at the end and resolve `..`.
        let path = match self.request.raw_http_path() {
            "" => self.request.uri().path(),
            path => path,
        };
        path.strip_suffix('/').unwrap_or(path)
    }

    /// The parameters of the query. A parameter that came more than once holds its values in order, separated by commas.
    #[must_use]
    pub fn query(&self) -> Query {
        let parameters = self.request.query_string_parameters();
        Query::new(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())))
    }

    /// Whether the path begins with a version of the interface. API Gateway's routes take any first segment.
    fn has_version(&self) -> bool {
        self.path().split('/').nth(1).is_some_and(|version| VERSIONS.contains(&version))
    }

    /// The moment at which the store must have answered.
    #[must_use]
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Counts something; the count is written when the call is answered.
    pub fn count(&self, metric: Metric, number: u64) {
        self.numbers.count(metric, number);
    }

    /// The response to a part of this call, such as a row of a batch. An internal error is logged and counted, as that of a whole call.
    #[must_use]
    pub fn part(&self, answer: Result<Reply, Refusal>) -> Part {
        self.note_failure(&answer);
        let response = match answer {
            Ok(reply) => reply.into_response(),
            Err(refusal) => refusal.into_response(&self.id, self.language()),
        };
        let (head, body) = response.into_parts();
        let retry_after = head.headers.get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let json = match body {
            Body::Text(text) => text,
            _ => String::new(),
        };
        Part { status: head.status, retry_after, json }
    }

    fn note_failure(&self, answer: &Result<Reply, Refusal>) {
        if let Err(Refusal::Internal(error)) = answer {
            tracing::error!(%error, "failed");
            self.count(Metric::Failures, 1);
        }
    }

    /// Notes that the call has read its operator's status from the table.
    pub(crate) fn note_status_read(&self) {
        self.read_status.store(true, Ordering::Relaxed);
    }

    /// Notes the caller, for the log.
    pub fn note_caller(&self, operator: OperatorId) {
        let _ = self.caller.set(operator);
    }
}

/// The response to a part of a call.
#[derive(Debug)]
pub struct Part {
    /// The HTTP status.
    pub status: StatusCode,
    /// After how many seconds the client may send the part again, if a refusal says so.
    pub retry_after: Option<u64>,
    /// The body. May hold personal data.
    pub json: String,
}

/// The parameters of a query on their way into types. A refusal names all faults at once and repeats no value.
#[derive(Debug)]
pub struct Query {
    parameters: Vec<(String, String)>,
    faults: Vec<FieldFault>,
}

impl Query {
    fn new(parameters: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { parameters: parameters.into_iter().collect(), faults: Vec::new() }
    }

    /// Every parameter with its value, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.parameters.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The query with these parameters alone.
    #[must_use]
    pub fn only(mut self, is_wanted: impl Fn(&str, &str) -> bool) -> Self {
        self.parameters.retain(|(name, value)| is_wanted(name, value));
        self
    }

    /// Notes a fault of a parameter.
    pub fn fault(&mut self, name: &str, rule: impl Into<BrokenRule>) {
        self.faults.push(FieldFault::of(name, rule));
    }

    /// Reads an optional parameter. `Some(None)`: the query lacks it. `None`: it has a fault, which is noted.
    pub fn optional<T, E: Into<BrokenRule>>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<Option<T>> {
        let mut values: Vec<String> =
            self.parameters.extract_if(.., |(n, _)| n == name).map(|(_, value)| value).collect();
        match (values.pop(), values.pop()) {
            (None, _) => Some(None),
            (Some(value), None) => match parse(&value) {
                Ok(value) => Some(Some(value)),
                Err(rule) => {
                    self.fault(name, rule);
                    None
                }
            },
            (Some(_), Some(_)) => {
                self.fault(name, BrokenRule::Repeated);
                None
            }
        }
    }

    /// Reads the optional parameter `limit`: a number of entries from 1 to `most`. `None`: it has a fault, which is noted.
    pub fn limit(&mut self, most: usize) -> Option<Option<usize>> {
        self.optional("limit", |text| {
            // A number is read with a sign, too.
            let digits = text.bytes().all(|byte| byte.is_ascii_digit());
            let number = text.parse().ok().filter(|number| digits && (1..=most).contains(number));
            number.ok_or(BrokenRule::Number(1, most))
        })
    }

    /// The values read, unless a parameter has a fault or is unknown; `known` lists the known ones.
    ///
    /// # Errors
    /// [`Refusal::InvalidQuery`] with every fault.
    pub fn finish<T>(mut self, known: &'static [&'static str], read: Option<T>) -> Result<T, Refusal> {
        let mut unknown: Vec<String> = std::mem::take(&mut self.parameters).into_iter().map(|(name, _)| name).collect();
        unknown.dedup();
        for name in unknown.iter().take(FAULTS_LIMIT) {
            // A name that no parameter could have may be a value that lacks its name: it is not repeated.
            let could_be = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            let shown = if could_be { name.as_str() } else { "" };
            self.fault(shown, BrokenRule::NoParameter(known));
        }
        match read {
            Some(read) if self.faults.is_empty() => Ok(read),
            _ => {
                self.faults.truncate(FAULTS_LIMIT);
                Err(Refusal::InvalidQuery(self.faults))
            }
        }
    }
}

/// A successful answer.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    /// The body and its type, if there is one.
    content: Option<(String, &'static str)>,
    cache_control: &'static str,
    /// Whether an earlier call was answered with it.
    is_repeated: bool,
    /// The language of its texts, if it has any.
    language: Option<Language>,
    /// Headers beside those of every response.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// JSON for the caller alone, not to be cached.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the value cannot be written as JSON.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self, Refusal> {
        Ok(Self::written(status, to_json(value)?))
    }

    /// Serialised JSON for the caller alone, not to be cached.
    #[must_use]
    pub const fn written(status: StatusCode, json: String) -> Self {
        Self::own(status, Some((json, "application/json")))
    }

    /// CSV for the caller alone, not to be cached.
    #[must_use]
    pub const fn csv(status: StatusCode, csv: String) -> Self {
        Self::own(status, Some((csv, "text/csv")))
    }

    const fn own(status: StatusCode, content: Option<(String, &'static str)>) -> Self {
        Self { status, content, cache_control: "no-store", is_repeated: false, language: None, headers: Vec::new() }
    }

    /// The reply with a link to the next page (RFC 8288): this call with the query `next`.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if a header cannot hold the query.
    pub fn with_next(self, next: &str) -> Result<Self, Refusal> {
        let link = HeaderValue::from_str(&format!("<?{next}>; rel=\"next\""));
        let impossible = |_| Refusal::Internal(InternalError::Impossible("a query that is not a header value"));
        Ok(self.with_header(LINK, link.map_err(impossible)?))
    }

    /// Serialised JSON for a replay: an earlier call got this response.
    #[must_use]
    pub fn repeated(status: StatusCode, json: String) -> Self {
        Self { is_repeated: true, ..Self::written(status, json) }
    }

    /// A page for a browser, not to be cached.
    #[must_use]
    pub const fn page(status: StatusCode, html: String) -> Self {
        Self::own(status, Some((html, "text/html; charset=utf-8")))
    }

    /// Sends a browser to another page with `GET` (303).
    #[must_use]
    pub fn see_other(path: &'static str) -> Self {
        Self::see_other_at(HeaderValue::from_static(path))
    }

    /// Sends a browser to another page with `GET` (303).
    #[must_use]
    pub fn see_other_at(location: HeaderValue) -> Self {
        Self::own(StatusCode::SEE_OTHER, None).with_header(LOCATION, location)
    }

    /// The reply with one header more.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The reply, with texts in this language.
    #[must_use]
    pub fn in_language(self, language: Language) -> Self {
        Self { language: Some(language), ..self }
    }

    /// Whether an earlier call was answered with it.
    #[must_use]
    pub const fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    /// A response without a body: the call succeeded.
    #[must_use]
    pub const fn nothing() -> Self {
        Self::own(StatusCode::NO_CONTENT, None)
    }

    /// Text that any cache may keep for a while.
    #[must_use]
    pub const fn public(body: String, content_type: &'static str, cache_control: &'static str) -> Self {
        Self {
            status: StatusCode::OK,
            content: Some((body, content_type)),
            cache_control,
            is_repeated: false,
            language: None,
            headers: Vec::new(),
        }
    }

    /// The response.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let (body, content_type) = match self.content {
            Some((body, content_type)) => (Body::Text(body), Some(content_type)),
            None => (Body::Empty, None),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(content_type.map(|content_type| (CONTENT_TYPE, HeaderValue::from_static(content_type))));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        if let Some(language) = self.language {
            headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.as_str()));
            headers.insert(VARY, HeaderValue::from_static("accept-language"));
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}

/// A response body as text.
///
/// # Errors
/// [`Refusal::Internal`] if the value cannot be written as JSON.
pub fn to_json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|_| Refusal::Internal(InternalError::Impossible("an answer that is no JSON")))
}

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

/// The function as a process that Lambda starts: the complete body of its `main`.
pub async fn run<F: HttpFunction>(environment: &Environment, function: Result<F, SettingError>) -> ExitCode {
    let function = match function {
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
) -> impl Service<Request, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send {
    service_fn(move |request| {
        let (function, metrics) = (Arc::clone(&function), metrics.clone());
        async move {
            let call = Call::new(request);
            let span = telemetry::call(F::NAME, &call.id, call.trace_id.as_deref());
            Ok(respond(function.as_ref(), &metrics, call).instrument(span).await)
        }
    })
}

async fn respond<F: HttpFunction>(function: &F, metrics: &Metrics, call: Call) -> Response<Body> {
    let began = Moment::now();
    let is_preflight = call.request.method() == Method::OPTIONS;
    // The pages of the console are for nobody else's scripts.
    let origin = cors::allowed_origin(&call.request).filter(|_| F::IS_VERSIONED);
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
    } else if F::IS_VERSIONED && cors::are_any_named(&call.request) {
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
    metrics.write(&call.numbers, F::NAME, &call.id);
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
    use lambda_http::Context;

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

    #[test]
    fn reply_with_texts_names_their_language() {
        let reply = Reply::written(StatusCode::OK, "{}".to_owned());
        assert!(!Reply::nothing().into_response().headers().contains_key(CONTENT_LANGUAGE));
        let response = reply.in_language(Language::French).into_response();
        assert_eq!(response.headers()[CONTENT_LANGUAGE], "fr");
        assert_eq!(response.headers()[VARY], "accept-language");
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
