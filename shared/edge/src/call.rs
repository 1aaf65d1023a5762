//! One call as a function sees it: request, id, caller, language, time left; and the response to a part of it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cee_eligibility::{Language, OperatorId};
use cee_registry::Deadline;
use cee_service::clock::time_left;
use cee_service::metrics::Numbers;
use cee_service::{Metric, telemetry};
use http::StatusCode;
use http::header::RETRY_AFTER;
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _};
use tokio::time::Instant as Moment;

use crate::language::accepted;
use crate::network::Network;
use crate::problem::Refusal;
use crate::query::Query;
use crate::reply::Reply;
use crate::version::VERSIONS;

/// The part of an invocation's time that is reserved, so that a refusal can still be sent.
const MARGIN: Duration = Duration::from_millis(500);

/// How long before its end an invocation stops its call: a request to the store takes longer than [`MARGIN`] if there is no
/// response, and a 500 with a request id helps the caller more than a timeout of the gateway.
const LAST: Duration = Duration::from_millis(200);

/// The time limit of a call: a driver waits, and API Gateway gives up after 30 seconds.
const LONGEST: Duration = Duration::from_secs(8);

/// One call during its processing by a function.
#[derive(Debug)]
pub struct Call {
    request: Request,
    id: String,
    pub(crate) trace_id: Option<String>,
    pub(crate) caller: OnceLock<OperatorId>,
    /// Whether the call has read its operator's status from the table. A call does if none has for a minute.
    pub(crate) read_status: AtomicBool,
    deadline: Deadline,
    pub(crate) ends: Option<Moment>,
    pub(crate) numbers: Numbers,
}

impl Call {
    pub(crate) fn new(request: Request) -> Self {
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
    pub(crate) fn has_version(&self) -> bool {
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

    pub(crate) fn note_failure(&self, answer: &Result<Reply, Refusal>) {
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
