//! What stands between the functions and DynamoDB in some tests: it writes down what goes through, and can do what a network
//! and a busy table do and the embedded database never does.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use crate::support::{NOW, World, at, world_with};

/// What DynamoDB says where another transaction holds the item.
const CONFLICT: &str = "TransactionConflictException";

/// Longer than any client waits.
const SILENCE: Duration = Duration::from_secs(10);

/// The wire.
#[derive(Clone)]
pub struct Wire(Arc<Inner>);

struct Inner {
    /// The operations that have gone over it since they were last looked at.
    operations: Mutex<Vec<String>>,
    /// The transactions among them, as they were sent.
    transactions: Mutex<Vec<Bytes>>,
    /// What was done to requests.
    faults: Mutex<Vec<Fault>>,
    /// How many of a hundred requests something happens to.
    percent: AtomicU32,
    random: Mutex<fastrand::Rng>,
    /// Requests that hold a text are refused with a code.
    refusal: Mutex<Option<Refusal>>,
}

/// What is done to requests that hold a text.
#[derive(Clone, Copy)]
struct Refusal {
    text: &'static str,
    code: &'static str,
    /// Not to the first one only.
    always: bool,
}

/// What may happen to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The table is short of throughput, in the words of one kind of table or the other.
    Throttled,
    /// Another transaction holds the item.
    Conflict,
    /// DynamoDB fails inside.
    Failure,
    /// The connection breaks before the request is heard.
    Lost,
    /// The request is carried out, and the connection breaks before the answer is heard.
    AnswerLost,
    /// Nothing comes back for longer than anybody waits; the request is carried out.
    Silence,
}

impl Fault {
    fn of(random: &mut fastrand::Rng) -> Self {
        // Who waits for silence waits for seconds: it is the rarest.
        match random.u32(..60) {
            0..24 => Self::Throttled,
            24..42 => Self::Conflict,
            42..48 => Self::Failure,
            48..53 => Self::Lost,
            53..58 => Self::AnswerLost,
            _ => Self::Silence,
        }
    }

    fn refusal(self, random: &mut fastrand::Rng) -> Option<(u16, &'static str)> {
        match self {
            Self::Throttled if random.bool() => Some((400, "ProvisionedThroughputExceededException")),
            Self::Throttled => Some((400, "ThrottlingException")),
            Self::Conflict => Some((400, CONFLICT)),
            Self::Failure => Some((500, "InternalServerError")),
            Self::Lost | Self::AnswerLost | Self::Silence => None,
        }
    }
}

impl Wire {
    /// A wire to a port of this machine, and its address.
    pub async fn to(target: u16) -> (String, Self) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let wire = Self(Arc::new(Inner {
            operations: Mutex::default(),
            transactions: Mutex::default(),
            faults: Mutex::default(),
            percent: AtomicU32::new(0),
            random: Mutex::new(fastrand::Rng::with_seed(30)),
            refusal: Mutex::default(),
        }));
        let client = Client::builder(TokioExecutor::new()).build_http();
        let accepting = wire.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (wire, client) = (accepting.clone(), client.clone());
                let pass = service_fn(move |request| {
                    let (wire, client) = (wire.clone(), client.clone());
                    async move { wire.pass(request, target, client).await }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), pass);
                tokio::spawn(connection);
            }
        });
        (url, wire)
    }

    /// A world whose functions reach DynamoDB over this wire, and whose tests do not.
    pub async fn world() -> (World, Self) {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let (url, wire) = Self::to(port).await;
        let world = world_with(|options| {
            options.now = Some(at(NOW));
            options.dynamodb_port = port;
            options.settings = vec![("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), url)];
        })
        .await;
        (world, wire)
    }

    /// Lets something happen to so many of a hundred requests from now on.
    pub fn disturb(&self, percent: u32) {
        self.0.percent.store(percent, Ordering::SeqCst);
    }

    /// Lets the next request that holds this text meet a transaction on its item.
    pub fn conflict_once(&self, text: &'static str) {
        self.refuse(text, CONFLICT, false);
    }

    /// Lets every request that holds this text meet a transaction on its item, until something else is to be refused.
    pub fn conflict_always(&self, text: &'static str) {
        self.refuse(text, CONFLICT, true);
    }

    /// Refuses the next request that holds this text for want of throughput.
    pub fn throttle_once(&self, text: &'static str) {
        self.refuse(text, "ThrottlingException", false);
    }

    fn refuse(&self, text: &'static str, code: &'static str, always: bool) {
        *self.0.refusal.lock().unwrap() = Some(Refusal { text, code, always });
    }

    /// What has gone over the wire since this was last asked.
    pub fn take_operations(&self) -> Vec<String> {
        std::mem::take(&mut self.0.operations.lock().unwrap())
    }

    /// The transactions that have gone over it since this was last asked.
    pub fn take_transactions(&self) -> Vec<Bytes> {
        std::mem::take(&mut self.0.transactions.lock().unwrap())
    }

    /// What was done to requests since this was last asked.
    pub fn take_faults(&self) -> Vec<Fault> {
        std::mem::take(&mut self.0.faults.lock().unwrap())
    }

    async fn pass(
        &self,
        request: Request<Incoming>,
        target: u16,
        client: Client<hyper_util::client::legacy::connect::HttpConnector, Full<Bytes>>,
    ) -> io::Result<Response<Full<Bytes>>> {
        let (mut head, body) = request.into_parts();
        let operation = head.headers["x-amz-target"].to_str().unwrap().split('.').nth(1).unwrap().to_owned();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if operation == "TransactWriteItems" {
            self.0.transactions.lock().unwrap().push(body.clone());
        }
        self.0.operations.lock().unwrap().push(operation);
        let wanted = {
            let mut refusal = self.0.refusal.lock().unwrap();
            let wanted = refusal.filter(|refusal| String::from_utf8_lossy(&body).contains(refusal.text));
            refusal.take_if(|refusal| wanted.is_some() && !refusal.always);
            wanted
        };
        let (fault, refusal) = if let Some(Refusal { code, .. }) = wanted {
            let fault = if code == CONFLICT { Fault::Conflict } else { Fault::Throttled };
            (Some(fault), Some((400, code)))
        } else {
            let mut random = self.0.random.lock().unwrap();
            let fault = (random.u32(..100) < self.0.percent.load(Ordering::SeqCst)).then(|| Fault::of(&mut random));
            (fault, fault.and_then(|fault| fault.refusal(&mut random)))
        };
        self.0.faults.lock().unwrap().extend(fault);
        if let Some((status, code)) = refusal {
            let body =
                format!(r#"{{"__type":"com.amazonaws.dynamodb.v20120810#{code}","message":"as the test wants"}}"#);
            let answer = Response::builder().status(status).header("content-type", "application/x-amz-json-1.0");
            return answer.body(Full::new(body.into())).map_err(io::Error::other);
        }
        if fault == Some(Fault::Lost) {
            return Err(io::Error::other("as the test wants"));
        }
        head.uri = format!("http://127.0.0.1:{target}/").parse().unwrap();
        let answer = client.request(Request::from_parts(head, Full::new(body))).await.map_err(io::Error::other)?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        match fault {
            Some(Fault::AnswerLost) => Err(io::Error::other("as the test wants")),
            Some(Fault::Silence) => {
                tokio::time::sleep(SILENCE).await;
                Err(io::Error::other("as the test wants"))
            }
            _ => Ok(Response::from_parts(head, Full::new(body))),
        }
    }
}
