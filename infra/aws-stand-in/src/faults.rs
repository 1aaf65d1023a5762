//! A fault-injecting proxy between a client and DynamoDB: it injects the faults of a network and a busy table, which the embedded
//! database never has.
//!
//! A [`Plan`] says which request gets which [`Fault`]. [`Seeded`] draws the faults from a seed and the request's number: the same seed
//! lets the same requests fail in the same way, as far as the requests come in the same order.
//!
//! The answers are those of DynamoDB wherever a program could see a difference: codes, reasons and their order, and which writes take
//! effect.
//!
//! | to find | look in |
//! |---|---|
//! | the faults, and which request gets which | `plan` |
//! | what DynamoDB answers to a request that fails | `answers` |
//! | the proxy, and what each fault does to a request | here |

mod answers;
mod plan;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::answers::{CONFLICT, broken, cancelled, conflict_among, forget_length, refused, throttled};
pub use self::plan::{Call, Fault, Plan, Seeded};
use crate::error::Error;
use crate::listen::{Listening, Refusals};

/// Longer than a client with a latency limit waits for one answer.
const SILENCE: Duration = Duration::from_secs(4);

/// The longest that a slow request is held up, before it is carried out and again after it.
const SLOWNESS: Duration = Duration::from_millis(250);

/// How long a connection may be idle: as long as DynamoDB lets it.
const IDLE: Duration = Duration::from_secs(180);

/// A running proxy. Dropping it closes its port at once.
#[derive(Debug)]
pub struct Proxy {
    inner: Arc<Inner>,
    listening: Listening,
}

#[derive(Debug)]
struct Inner {
    target: SocketAddr,
    plan: Arc<dyn Plan>,
    client: Client<HttpConnector, Full<Bytes>>,
    requests: AtomicU64,
    happened: Mutex<BTreeMap<Fault, u64>>,
    /// Requests in progress.
    late: Mutex<JoinSet<()>>,
}

impl Proxy {
    /// Passes requests on this port on to the DynamoDB at `target`.
    ///
    /// # Errors
    /// [`Error::Network`] if the port has no address.
    pub fn start(listener: TcpListener, target: SocketAddr, plan: Arc<dyn Plan>) -> Result<Self, Error> {
        let inner = Arc::new(Inner {
            target,
            plan,
            client: Client::builder(TokioExecutor::new()).build_http(),
            requests: AtomicU64::new(0),
            happened: Mutex::default(),
            late: Mutex::default(),
        });
        let serving = Arc::clone(&inner);
        let listening = Listening::start(listener, IDLE, Refusals::empty(), move |_| {
            let inner = Arc::clone(&serving);
            service_fn(move |request| {
                let inner = Arc::clone(&inner);
                async move { inner.pass(request).await.map(|answer| answer.map(Full::new)) }
            })
        })?;
        Ok(Self { inner, listening })
    }

    /// The endpoint to give to an SDK.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.listening.address())
    }

    /// How many requests have come so far.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.inner.requests.load(Ordering::SeqCst)
    }

    /// The faults so far, with the number of each.
    #[must_use]
    pub fn happened(&self) -> BTreeMap<Fault, u64> {
        self.inner.happened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until every request that was [`Fault::Late`] is carried out.
    pub async fn settled(&self) {
        let late = std::mem::take(&mut *self.inner.late.lock().unwrap_or_else(PoisonError::into_inner));
        late.join_all().await;
    }

    /// Waits until late requests are carried out, takes no more requests and answers those under way.
    pub async fn shutdown(self) {
        self.settled().await;
        self.listening.shutdown().await;
    }
}

impl Inner {
    async fn pass(self: Arc<Self>, request: Request<Incoming>) -> io::Result<Response<Bytes>> {
        let (head, body) = request.into_parts();
        let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        let number = self.requests.fetch_add(1, Ordering::SeqCst);
        let mut random = Rng::with_seed(self.plan.seed().wrapping_add(number));
        let call = Call { number, operation: &operation, body: &body };
        let Some(fault) = self.plan.fault(&call, &mut random).map(|fault| fault.on(&operation)) else {
            if self.plan.meters() {
                return self.meter(head, &call).await;
            }
            return self.carry_out(Request::from_parts(head, Full::new(body))).await;
        };
        let request = Request::from_parts(head, Full::new(body.clone()));
        if fault == Fault::ConflictAmong {
            let answer = self.carry_out(request).await?;
            return match conflict_among(&answer, &mut random) {
                Some(worse) => {
                    self.note(fault);
                    Ok(worse)
                }
                None => Ok(answer),
            };
        }
        self.note(fault);
        match fault {
            Fault::Throttled => Ok(throttled(&mut random)),
            Fault::ItemThrottled if operation == "BatchGetItem" => {
                self.one_unread(request.into_parts().0, &body, &mut random).await
            }
            Fault::ItemThrottled => Ok(cancelled(&body, "ThrottlingError", &mut random)),
            Fault::Conflict if operation == "TransactWriteItems" => Ok(cancelled(&body, CONFLICT, &mut random)),
            Fault::Conflict => Ok(refused(StatusCode::BAD_REQUEST, "TransactionConflictException")),
            Fault::Failure => Ok(refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError")),
            Fault::Unavailable => Ok(refused(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable")),
            Fault::UnavailableException => Ok(refused(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailableException")),
            Fault::ReplicatedWriteConflict => Ok(refused(StatusCode::BAD_REQUEST, "ReplicatedWriteConflictException")),
            Fault::InternalFailure => {
                self.carry_out(request).await?;
                Ok(refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure"))
            }
            Fault::RequestTimeout => {
                self.carry_out(request).await?;
                Ok(refused(StatusCode::BAD_REQUEST, "RequestTimeout"))
            }
            Fault::GatewayTimeout => {
                self.carry_out(request).await?;
                let mut answer = Response::new(Bytes::from_static(b"<html><body>504 Gateway Timeout</body></html>"));
                *answer.status_mut() = StatusCode::GATEWAY_TIMEOUT;
                Ok(answer)
            }
            Fault::HalfAnswer => {
                let mut answer = self.carry_out(request).await?;
                forget_length(answer.headers_mut());
                // At least its first character: without it, it would not be an answer at all.
                let half = (answer.body().len() / 2).max(1);
                Ok(answer.map(|body| body.slice(..half.min(body.len()))))
            }
            Fault::Reset => Err(broken()),
            Fault::Slow | Fault::ConflictAmong => {
                tokio::time::sleep(SLOWNESS.mul_f64(random.f64())).await;
                let answer = self.carry_out(request).await;
                tokio::time::sleep(SLOWNESS.mul_f64(random.f64())).await;
                answer
            }
            Fault::InProgress => {
                self.carry_out(request).await?;
                Ok(refused(StatusCode::BAD_REQUEST, "TransactionInProgressException"))
            }
            Fault::FailureAfter => {
                self.carry_out(request).await?;
                Ok(refused(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError"))
            }
            Fault::AnswerLost => {
                self.carry_out(request).await?;
                Err(broken())
            }
            Fault::Silence => {
                self.carry_out(request).await?;
                tokio::time::sleep(SILENCE).await;
                Err(broken())
            }
            Fault::Late => {
                self.send_late(request);
                tokio::time::sleep(SILENCE).await;
                Err(broken())
            }
        }
    }

    /// In a task of its own: its client disconnects long before, and the request must still arrive.
    fn send_late(self: &Arc<Self>, request: Request<Full<Bytes>>) {
        let inner = Arc::clone(self);
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have arrived are forgotten.
        while late.try_join_next().is_some() {}
        late.spawn(async move {
            tokio::time::sleep(SILENCE).await;
            let _ = inner.carry_out(request).await;
        });
    }

    fn note(&self, fault: Fault) {
        *self.happened.lock().unwrap_or_else(PoisonError::into_inner).entry(fault).or_default() += 1;
    }

    async fn carry_out(&self, mut request: Request<Full<Bytes>>) -> io::Result<Response<Bytes>> {
        *request.uri_mut() = format!("http://{}/", self.target).parse().map_err(io::Error::other)?;
        let (head, body) = self.client.request(request).await.map_err(io::Error::other)?.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Response::from_parts(head, body))
    }

    /// Carries out a request with another body.
    async fn carry_out_changed(&self, mut head: http::request::Parts, asked: &Value) -> io::Result<Response<Bytes>> {
        head.headers.remove(http::header::CONTENT_LENGTH);
        self.carry_out(Request::from_parts(head, Full::new(asked.to_string().into()))).await
    }

    /// Carries out a request, and asks DynamoDB for its capacity.
    async fn meter(&self, head: http::request::Parts, call: &Call<'_>) -> io::Result<Response<Bytes>> {
        let mut asked: Value = serde_json::from_slice(call.body)?;
        asked["ReturnConsumedCapacity"] = "TOTAL".into();
        let answer = self.carry_out_changed(head, &asked).await?;
        let told: Value = serde_json::from_slice(answer.body())?;
        // Of one table, or of each table that it went to.
        let taken = &told["ConsumedCapacity"];
        let tables = taken.as_array().map_or(std::slice::from_ref(taken), Vec::as_slice);
        self.plan.took(call, tables.iter().map(|table| table["CapacityUnits"].as_f64()).sum());
        Ok(answer)
    }

    /// A batch of reads that comes back without one of its items.
    async fn one_unread(
        &self,
        head: http::request::Parts,
        body: &Bytes,
        random: &mut Rng,
    ) -> io::Result<Response<Bytes>> {
        let mut asked: Value = serde_json::from_slice(body)?;
        let keys = asked["RequestItems"].as_object_mut().and_then(|tables| tables.iter_mut().next());
        let Some((table, keys)) = keys.and_then(|(name, of)| Some((name.clone(), of["Keys"].as_array_mut()?))) else {
            return Ok(throttled(random));
        };
        // A batch of one would have nothing left to ask for: DynamoDB then refuses the batch as a whole.
        if keys.len() < 2 {
            return Ok(throttled(random));
        }
        let unread = keys.swap_remove(random.usize(..keys.len()));
        let mut left = asked["RequestItems"][&table].clone();
        left["Keys"] = json!([unread]);
        let answer = self.carry_out_changed(head, &asked).await?;
        let (mut head, body) = answer.into_parts();
        let mut told: Value = serde_json::from_slice(&body)?;
        told["UnprocessedKeys"] = json!({ table: left });
        forget_length(&mut head.headers);
        Ok(Response::from_parts(head, told.to_string().into()))
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::Client;
    use aws_sdk_dynamodb::config::retry::RetryConfig;
    use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
    use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
    use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
    use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
    use aws_sdk_dynamodb::types::{
        AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, KeysAndAttributes, Put,
        ReturnValuesOnConditionCheckFailure, ScalarAttributeType, TransactWriteItem,
    };

    use super::*;
    use crate::dynamo::{self, DynamoServer};

    /// One fault on every request.
    #[derive(Debug)]
    struct Always(Fault);

    impl Plan for Always {
        fn fault(&self, _: &Call<'_>, _: &mut Rng) -> Option<Fault> {
            Some(self.0)
        }

        fn seed(&self) -> u64 {
            7
        }
    }

    /// A database with a table, a client for it, and a client through a proxy with one fault.
    struct Ways {
        server: DynamoServer,
        proxy: Proxy,
        straight: Client,
        through: Client,
    }

    fn client(url: String) -> Client {
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-west-3"))
            .credentials_provider(Credentials::new("local", "local", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(2)).build())
            .endpoint_url(url);
        Client::from_conf(config.build())
    }

    async fn ways(fault: Fault) -> Ways {
        let listener = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = dynamo::start(listener().await, None).await.unwrap();
        let proxy = Proxy::start(listener().await, server.address(), Arc::new(Always(fault))).unwrap();
        let straight = client(server.url());
        let (name, kind) = ("pk", ScalarAttributeType::S);
        let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build().unwrap();
        let key = KeySchemaElement::builder().attribute_name(name).key_type(KeyType::Hash).build().unwrap();
        let table = straight.create_table().table_name("faults").billing_mode(BillingMode::PayPerRequest);
        table.attribute_definitions(attribute).key_schema(key).send().await.unwrap();
        Ways { through: client(proxy.url()), straight, server, proxy }
    }

    fn put(pk: &str, only_new: bool) -> TransactWriteItem {
        let put = Put::builder()
            .table_name("faults")
            .item("pk", AttributeValue::S(pk.to_owned()))
            .set_condition_expression(only_new.then(|| "attribute_not_exists(pk)".to_owned()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    }

    impl Ways {
        /// Writes `a` and `b`: the code of the error, if any, and the reasons.
        async fn transaction(&self, only_new: bool) -> (Option<String>, Vec<String>) {
            let both = self.through.transact_write_items().transact_items(put("a", only_new));
            let Err(error) = both.transact_items(put("b", only_new)).send().await else { return (None, Vec::new()) };
            let code = error.code().unwrap_or("no answer").to_owned();
            let reasons = match error.into_service_error() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled
                    .cancellation_reasons()
                    .iter()
                    .map(|reason| {
                        let item = if reason.item().is_some() { " with its item" } else { "" };
                        format!("{}{item}", reason.code().unwrap())
                    })
                    .collect(),
                _ => Vec::new(),
            };
            (Some(code), reasons)
        }

        async fn written(&self) -> i32 {
            self.straight.scan().table_name("faults").send().await.unwrap().count()
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn each_fault_answers_and_writes_as_defined() {
        let cancelled = "TransactionCanceledException";
        // The code, one of the reasons, and whether the transaction is carried out: at once, later, or never.
        let expected = [
            (Fault::ItemThrottled, Some(cancelled), "ThrottlingError", 0, 0),
            (Fault::Conflict, Some(cancelled), "TransactionConflict", 0, 0),
            (Fault::ConflictAmong, None, "", 2, 2),
            (Fault::InProgress, Some("TransactionInProgressException"), "", 2, 2),
            (Fault::Failure, Some("InternalServerError"), "", 0, 0),
            (Fault::FailureAfter, Some("InternalServerError"), "", 2, 2),
            (Fault::Unavailable, Some("ServiceUnavailable"), "", 0, 0),
            (Fault::InternalFailure, Some("InternalFailure"), "", 2, 2),
            (Fault::UnavailableException, Some("ServiceUnavailableException"), "", 0, 0),
            (Fault::RequestTimeout, Some("RequestTimeout"), "", 2, 2),
            (Fault::GatewayTimeout, Some("no answer"), "", 2, 2),
            (Fault::ReplicatedWriteConflict, Some("ReplicatedWriteConflictException"), "", 0, 0),
            (Fault::HalfAnswer, Some("no answer"), "", 2, 2),
            (Fault::Reset, Some("no answer"), "", 0, 0),
            (Fault::AnswerLost, Some("no answer"), "", 2, 2),
            (Fault::Slow, None, "", 2, 2),
            (Fault::Silence, Some("no answer"), "", 2, 2),
            (Fault::Late, Some("no answer"), "", 0, 2),
        ];
        for (fault, code, reason, at_once, in_the_end) in expected {
            let ways = ways(fault).await;
            let (told, reasons) = ways.transaction(true).await;
            assert_eq!(told.as_deref(), code, "{fault:?}");
            if !reason.is_empty() {
                let mut sorted = reasons.clone();
                sorted.sort();
                assert_eq!(sorted, ["None", reason], "{fault:?}");
            }
            assert_eq!(ways.written().await, at_once, "{fault:?}");
            ways.proxy.settled().await;
            assert_eq!(ways.written().await, in_the_end, "{fault:?}, in the end");
            let counted = ways.proxy.happened().get(&fault).copied().unwrap_or_default();
            assert_eq!(counted, u64::from(fault != Fault::ConflictAmong), "{fault:?}");
            ways.proxy.shutdown().await;
            ways.server.shutdown().await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn throttled_request_gets_one_of_three_codes() {
        let ways = ways(Fault::Throttled).await;
        let mut codes = std::collections::BTreeSet::new();
        for _ in 0..20 {
            codes.extend(ways.transaction(true).await.0);
        }
        let known = ["ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"];
        assert_eq!(codes.into_iter().collect::<Vec<_>>(), known);
        assert_eq!(ways.written().await, 0);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn conflict_is_added_to_failed_conditions() {
        let ways = ways(Fault::ConflictAmong).await;
        assert_eq!(ways.transaction(true).await.0, None);
        let (code, mut reasons) = ways.transaction(true).await;
        reasons.sort();
        assert_eq!(code.as_deref(), Some("TransactionCanceledException"));
        assert_eq!(reasons, ["ConditionalCheckFailed with its item", "TransactionConflict"]);
        assert_eq!(ways.proxy.happened()[&Fault::ConflictAmong], 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn batch_read_leaves_throttled_item_unprocessed() {
        let ways = ways(Fault::ItemThrottled).await;
        for pk in ["a", "b", "c"] {
            let item = ways.straight.put_item().table_name("faults").item("pk", AttributeValue::S(pk.to_owned()));
            item.send().await.unwrap();
        }
        let keys = ["a", "b", "c"].map(|pk| [("pk".to_owned(), AttributeValue::S(pk.to_owned()))].into());
        let wanted = KeysAndAttributes::builder().set_keys(Some(keys.to_vec())).consistent_read(true).build().unwrap();
        let got = ways.through.batch_get_item().request_items("faults", wanted).send().await.unwrap();
        let left = &got.unprocessed_keys.unwrap()["faults"];
        assert_eq!((got.responses.unwrap()["faults"].len(), left.keys.len(), left.consistent_read), (2, 1, Some(true)));
    }
}
