//! Replaces AWS's IAM between the functions and AWS: each function may do what its policies in the template allow, and nothing
//! else. It identifies a function by its access key, and records which rights were used.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use cee_local::stack::{BUCKET, tables};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::{NOW, World, at, world_with};
use crate::template::{Function, Right, functions};

type Body = BoxBody<Bytes, hyper::Error>;
type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// The border.
#[derive(Clone)]
pub struct Border(Arc<Inner>);

struct Inner {
    functions: Vec<Function>,
    /// The used rights, by the binary of the function.
    used: Mutex<BTreeMap<String, BTreeSet<Right>>>,
    /// Requests without a right to them.
    refused: Mutex<BTreeSet<String>>,
    /// How often S3 fails at the last step of completing an object, by the prefix of its key.
    failing: Mutex<BTreeMap<&'static str, usize>>,
    client: Client<HttpConnector, Body>,
}

/// One action on one resource, as a policy names them.
type Act = (String, String);

#[derive(Clone, Copy)]
enum Service {
    DynamoDb,
    S3,
}

impl Border {
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            functions: functions(),
            used: Mutex::default(),
            refused: Mutex::default(),
            failing: Mutex::default(),
            client: Client::builder(TokioExecutor::new()).build_http(),
        }))
    }

    /// A world whose functions reach AWS through this border, and whose tests do not.
    pub async fn world(&self, settings: &[(&str, &str)]) -> World {
        let (dynamodb_url, dynamodb_port) = self.before(Service::DynamoDb).await;
        let (s3_url, s3_port) = self.before(Service::S3).await;
        world_with(|options| {
            options.now = Some(at(NOW));
            (options.dynamodb_port, options.s3_port) = (dynamodb_port, s3_port);
            let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
            options.settings = settings.iter().copied().map(text).collect();
            let urls = [("AWS_ENDPOINT_URL_DYNAMODB", dynamodb_url.as_str()), ("AWS_ENDPOINT_URL_S3", s3_url.as_str())];
            options.settings.extend(urls.map(text));
        })
        .await
    }

    /// Makes S3 fail this often to complete an object under each of these prefixes.
    pub fn fail(&self, prefixes: &[&'static str], times: usize) {
        *self.0.failing.lock().unwrap() = prefixes.iter().map(|prefix| (*prefix, times)).collect();
    }

    fn fails(&self, method: &Method, uri: &Uri, key: &str) -> bool {
        if method != Method::POST || !query(uri).any(|(name, _)| name == "uploadId") {
            return false;
        }
        let mut failing = self.0.failing.lock().unwrap();
        let times = failing.iter_mut().find(|(prefix, _)| key.starts_with(&format!("DataBucket/{prefix}")));
        times.is_some_and(|(_, times)| std::mem::replace(times, times.saturating_sub(1)) > 0)
    }

    /// Whether a function has used a right.
    pub fn has_used(&self, binary: &str, action: &str, resource: &str) -> bool {
        let used = self.0.used.lock().unwrap();
        used.get(binary).is_some_and(|used| used.iter().any(|right| right.allows(action, resource)))
    }

    /// Requests without a right to them.
    pub fn refused(&self) -> BTreeSet<String> {
        self.0.refused.lock().unwrap().clone()
    }

    /// The unused rights.
    pub fn unused(&self) -> BTreeSet<String> {
        let used = self.0.used.lock().unwrap();
        let unused = self.0.functions.iter().flat_map(|function| {
            let used = used.get(&function.binary);
            // Lambda itself reads the streams and keeps what failed, with the function's role.
            let is_own = |right: &&Right| !right.resource.ends_with(".StreamArn") && right.action != "sqs:SendMessage";
            let own = function.rights.iter().filter(is_own);
            let unused = own.filter(move |right| used.is_none_or(|used| !used.contains(right)));
            unused.map(|Right { action, resource, .. }| format!("{} {action} {resource}", function.binary))
        });
        unused.collect()
    }

    /// A port to listen on for a service, and the port of the service itself.
    async fn before(&self, service: Service) -> (String, u16) {
        let target = free_port().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let border = self.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let border = border.clone();
                let pass = service_fn(move |request| {
                    let border = border.clone();
                    async move { border.pass(service, request, target).await }
                });
                let connection =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), pass);
                tokio::spawn(connection);
            }
        });
        (url, target)
    }

    async fn pass(&self, service: Service, request: Request<Incoming>, target: u16) -> Result<Response<Body>, Refusal> {
        let (mut head, body) = request.into_parts();
        let mut caller = caller(&head.headers, &head.uri);
        let (acts, asked, body) = match service {
            Service::DynamoDb => {
                let body = body.collect().await?.to_bytes();
                (on_tables(&head.headers, &body), projected(&body), whole(body))
            }
            // A browser's form: its fields say who signed it, and for which object.
            Service::S3 if is_form(&head.headers) => {
                let body = body.collect().await?.to_bytes();
                let field = |name: &str| form_field(&body, name).unwrap_or_default();
                caller = field("x-amz-credential").split('/').next().map(str::to_owned);
                let act = ("s3:PutObject".to_owned(), format!("DataBucket/{}", field("key")));
                (vec![act], None, whole(body))
            }
            Service::S3 => (vec![on_objects(&head.method, &head.uri)], None, body.boxed()),
        };
        // An access key that does not belong to a function belongs to the registry's team or to an operator.
        let function = self.0.functions.iter().find(|function| Some(&function.binary) == caller.as_ref());
        if let Some(function) = function {
            if !self.allow(function, &acts, asked.as_ref()) {
                return Ok(service.denies());
            }
            if self.fails(&head.method, &head.uri, &acts[0].1) {
                return Ok(Response::builder().status(503).body(whole(Bytes::new()))?);
            }
        }
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = format!("http://127.0.0.1:{target}{path}").parse()?;
        let answer = self.0.client.request(Request::from_parts(head, body)).await?;
        // S3 says that an object is missing only to a caller that may list the bucket.
        let list = match acts[0].0.as_str() {
            "s3:GetObject" => "s3:ListBucket",
            "s3:GetObjectVersion" => "s3:ListBucketVersions",
            _ => return Ok(answer.map(http_body_util::BodyExt::boxed)),
        };
        if let (Some(function), http::StatusCode::NOT_FOUND) = (function, answer.status())
            && !self.allow(function, &[(list.to_owned(), "DataBucket".to_owned())], None)
        {
            return Ok(service.denies());
        }
        Ok(answer.map(http_body_util::BodyExt::boxed))
    }

    /// Whether a function may do all of this with these attributes (`None`: all). Records it.
    fn allow(&self, function: &Function, acts: &[Act], asked: Option<&BTreeSet<String>>) -> bool {
        let mut allowed = true;
        for (action, resource) in acts {
            match function.rights.iter().find(|right| right.allows(action, resource) && right.is_for(asked)) {
                Some(right) => {
                    let mut used = self.0.used.lock().unwrap();
                    used.entry(function.binary.clone()).or_default().insert(right.clone());
                }
                None => {
                    allowed = false;
                    let what = format!("{} {action} {resource}", function.binary);
                    self.0.refused.lock().unwrap().insert(what);
                }
            }
        }
        allowed
    }
}

/// A port for a service that starts later. The system chooses ports above it, so no other test gets it before. It depends on the process,
/// so that two runs of the tests have different ports.
async fn free_port() -> u16 {
    static NEXT: LazyLock<AtomicU16> =
        LazyLock::new(|| AtomicU16::new(u16::try_from(20_000 + std::process::id() % 10_000).unwrap()));
    loop {
        let port = NEXT.fetch_add(1, Ordering::SeqCst);
        if TcpListener::bind(("127.0.0.1", port)).await.is_ok() {
            return port;
        }
    }
}

impl Service {
    fn denies(self) -> Response<Body> {
        let (status, body) = match self {
            Self::DynamoDb => {
                (400, r#"{"__type":"com.amazon.coral.service#AccessDeniedException","Message":"by the template"}"#)
            }
            Self::S3 => (403, "<Error><Code>AccessDenied</Code><Message>by the template</Message></Error>"),
        };
        let mut response = Response::new(whole(Bytes::from_static(body.as_bytes())));
        *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
        response
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never| match never {}).boxed()
}

/// The access key that signed a request, or its URL.
fn caller(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let header = headers.get("authorization").and_then(|header| header.to_str().ok());
    let credential = match header {
        Some(header) => header.split_once("Credential=")?.1.to_owned(),
        None => query(uri).find(|(name, _)| name == "X-Amz-Credential")?.1,
    };
    Some(credential.split('/').next()?.to_owned())
}

fn query(uri: &Uri) -> impl Iterator<Item = (String, String)> {
    uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (name.to_owned(), percent_decode_str(value).decode_utf8_lossy().into_owned())
    })
}

/// The rights that a request to DynamoDB needs. A transaction needs the rights of each of its writes.
fn on_tables(headers: &HeaderMap, body: &[u8]) -> Vec<Act> {
    let operation = headers["x-amz-target"].to_str().unwrap().split('.').nth(1).unwrap();
    let body: Value = serde_json::from_slice(body).unwrap();
    let act = |operation: &str, table: &Value| (format!("dynamodb:{operation}"), table_of(table.as_str().unwrap()));
    match operation {
        "BatchGetItem" => body["RequestItems"]
            .as_object()
            .unwrap()
            .keys()
            .map(|table| (format!("dynamodb:{operation}"), table_of(table)))
            .collect(),
        "TransactWriteItems" => {
            let writes = body["TransactItems"].as_array().unwrap().iter().flat_map(|item| item.as_object().unwrap());
            writes
                .map(|(kind, write)| match kind.as_str() {
                    "ConditionCheck" => act("ConditionCheckItem", &write["TableName"]),
                    kind => act(&format!("{kind}Item"), &write["TableName"]),
                })
                .collect()
        }
        _ => {
            let (action, table) = act(operation, &body["TableName"]);
            let index = body["IndexName"].as_str().map(|index| format!("{table}/index/{index}"));
            vec![(action, index.unwrap_or(table))]
        }
    }
}

/// The attributes that a request reads; `None`: all.
fn projected(body: &[u8]) -> Option<BTreeSet<String>> {
    let body: Value = serde_json::from_slice(body).unwrap();
    let names = body["ProjectionExpression"].as_str()?.split(',').map(str::trim);
    let real = |name: &str| body["ExpressionAttributeNames"][name].as_str().unwrap_or(name).to_owned();
    Some(names.map(real).collect())
}

/// The resource of the template for a table of the local stack: both have the same name.
fn table_of(name: &str) -> String {
    let prefix = tables().claims.strip_suffix("claims").unwrap().to_owned();
    let name = name.strip_prefix(&prefix).unwrap();
    format!("{}{}Table", name[..1].to_uppercase(), &name[1..])
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get("content-type").and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.starts_with("multipart/form-data"))
}

/// The value of a field of a form.
fn form_field(body: &[u8], name: &str) -> Option<String> {
    let body = String::from_utf8_lossy(body);
    let (_, rest) = body.split_once(&format!("name=\"{name}\"\r\n\r\n"))?;
    Some(rest.split_once("\r\n")?.0.to_owned())
}

/// The rights that a request to S3 needs.
fn on_objects(method: &Method, uri: &Uri) -> Act {
    let path = percent_decode_str(uri.path()).decode_utf8().unwrap();
    let (bucket, key) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    assert_eq!(bucket, BUCKET);
    let has = |wanted: &str| query(uri).any(|(name, _)| name == wanted);
    let action = match (method.as_str(), key) {
        ("GET", "") => "ListBucket",
        ("GET" | "HEAD", _) if has("versionId") => "GetObjectVersion",
        ("GET" | "HEAD", _) => "GetObject",
        ("PUT", _) => "PutObject",
        ("POST", _) if has("uploads") || has("uploadId") => "PutObject",
        ("DELETE", _) if has("uploadId") => "AbortMultipartUpload",
        ("DELETE", _) if has("versionId") => "DeleteObjectVersion",
        ("DELETE", _) => "DeleteObject",
        (method, _) => panic!("which right {method} {uri} needs is not known here"),
    };
    let resource = if key.is_empty() { "DataBucket".to_owned() } else { format!("DataBucket/{key}") };
    (format!("s3:{action}"), resource)
}
