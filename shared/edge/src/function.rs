//! What happens around every call, whichever function answers it.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use cee_eligibility::OperatorId;
use cee_registry::Deadline;
use cee_service::clock::time_left;
use cee_service::{SettingError, telemetry};
use futures_util::FutureExt as _;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use lambda_http::request::RequestContext;
use lambda_http::{Body, Request, RequestExt as _, Service, service_fn};
use serde::Serialize;
use tokio::time::Instant as Moment;

use crate::problem::{InternalError, Refusal};

/// Kept back of an invocation's time, so that a refusal still gets out.
const MARGIN: Duration = Duration::from_millis(500);

/// The longest that a call tries: a driver waits, and API Gateway gives up after 30 seconds.
const LONGEST: Duration = Duration::from_secs(8);

/// One call on its way through a function.
#[derive(Debug)]
pub struct Call {
    request: Request,
    id: String,
    caller: OnceLock<OperatorId>,
    deadline: Deadline,
}

impl Call {
    fn new(request: Request) -> Self {
        let gateway = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
            _ => None,
        };
        let context = request.lambda_context_ref();
        // Each call has a name, even one that came by no gateway.
        let id = gateway
            .or_else(|| context.map(|context| context.request_id.clone()))
            .unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
        let left = context.map_or(LONGEST, |context| time_left(context.deadline()).saturating_sub(MARGIN));
        Self { request, id, caller: OnceLock::new(), deadline: Deadline::after(left.min(LONGEST)) }
    }

    /// The request.
    #[must_use]
    pub const fn request(&self) -> &Request {
        &self.request
    }

    /// The moment at which the store must have answered.
    #[must_use]
    pub const fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Notes whose call it is, for the log.
    pub fn note_caller(&self, operator: OperatorId) {
        let _ = self.caller.set(operator);
    }
}

/// A successful answer.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    /// The body and its type, where there is one.
    content: Option<(String, &'static str)>,
    cache_control: &'static str,
}

impl Reply {
    /// JSON that is for the caller alone, and now.
    ///
    /// # Errors
    /// [`Refusal::Internal`] where the value cannot be written as JSON.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self, Refusal> {
        Ok(Self::written(status, to_json(value)?))
    }

    /// JSON that is written already, for the caller alone, and now.
    #[must_use]
    pub const fn written(status: StatusCode, json: String) -> Self {
        Self { status, content: Some((json, "application/json")), cache_control: "no-store" }
    }

    /// That it is done, and nothing else.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { status: StatusCode::NO_CONTENT, content: None, cache_control: "no-store" }
    }

    /// Text that anybody may keep for a while.
    #[must_use]
    pub const fn public(body: String, content_type: &'static str, cache_control: &'static str) -> Self {
        Self { status: StatusCode::OK, content: Some((body, content_type)), cache_control }
    }

    fn into_response(self) -> Response<Body> {
        let (body, content_type) = match self.content {
            Some((body, content_type)) => (Body::Text(body), Some(content_type)),
            None => (Body::Empty, None),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(content_type.map(|content_type| (CONTENT_TYPE, HeaderValue::from_static(content_type))));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        response
    }
}

/// An answer as text.
///
/// # Errors
/// [`Refusal::Internal`] where the value cannot be written as JSON.
pub fn to_json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|_| Refusal::Internal(InternalError::Impossible("an answer that is no JSON")))
}

/// A Lambda function behind HTTP.
pub trait HttpFunction: Send + Sync + 'static {
    /// Its name in the log.
    const NAME: &'static str;

    /// Answers one call.
    fn answer(&self, call: &Call) -> impl Future<Output = Result<Reply, Refusal>> + Send;
}

/// The function as a process that Lambda starts: the whole of its `main`.
pub async fn run<F: HttpFunction>(function: Result<F, SettingError>) -> ExitCode {
    let function = match function {
        Ok(function) => function,
        Err(error) => return telemetry::refuse_to_start(&error),
    };
    match lambda_http::run(service(Arc::new(function))).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the runtime stopped");
            ExitCode::FAILURE
        }
    }
}

/// The function as Lambda runs it: a panic is a 500 of that one call, and each call leaves one line in the log.
pub fn service<F: HttpFunction>(
    function: Arc<F>,
) -> impl Service<Request, Response = Response<Body>, Error = Infallible, Future: Send> + Clone + Send {
    service_fn(move |request| {
        let function = Arc::clone(&function);
        async move { Ok(respond(function.as_ref(), request).await) }
    })
}

async fn respond<F: HttpFunction>(function: &F, request: Request) -> Response<Body> {
    let began = Moment::now();
    let call = Call::new(request);
    let answer = AssertUnwindSafe(function.answer(&call))
        .catch_unwind()
        .await
        .unwrap_or(Err(Refusal::Internal(InternalError::Panic)));
    let problem = answer.as_ref().err().map(|refusal| refusal.problem_type().as_str());
    if let Err(Refusal::Internal(error)) = &answer {
        tracing::error!(function = F::NAME, request_id = call.id, %error, "failed");
    }
    let response = match answer {
        Ok(reply) => reply.into_response(),
        Err(refusal) => refusal.into_response(&call.id),
    };
    tracing::info!(
        function = F::NAME,
        request_id = call.id,
        operator_id = call.caller.get().map(|operator| operator.get()),
        status = response.status().as_u16(),
        problem,
        duration_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered"
    );
    response
}
