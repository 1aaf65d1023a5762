//! One HTTP server loop, shared by the gateway, S3, the two proxies of DynamoDB and the Runtime API: HTTP/1.1, and HTTP/2 with prior knowledge.
//!
//! A browser also sends the requests of any page it shows to this machine. It names the page in `Origin`, and the server refuses
//! the request unless the page is this machine's own: local data may be as private as the data on AWS.

use std::error::Error as StdError;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::header::{EXPECT, HOST, HeaderMap, ORIGIN};
use http::uri::Authority;
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

pub(crate) mod unreadable;

use self::unreadable::{Explaining, Unreadable};

/// How long requests that are under way may take once a stop was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// Room for the request line and the headers. Far more than API Gateway and S3 accept, so that they refuse a request, and not hyper,
/// whose refusals are empty.
const HEADER_BUFFER: usize = 512 * 1024;

/// How many headers hyper reads, for the same reason.
const MOST_HEADERS: usize = 4096;

/// How much of a refused body is still read, so that its sender can read the refusal.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;

/// How long that may last.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// The first bytes of a client that knows that the server speaks HTTP/2.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How often a client that has sent part of them is checked.
const LOOK: Duration = Duration::from_millis(5);

/// The response of a server to a page of another machine, by the headers of the request.
pub(crate) type ForeignOrigin = Arc<dyn Fn(&HeaderMap) -> Response<Full<Bytes>> + Send + Sync>;

/// A server's answers before its service gets the request.
#[derive(Clone)]
pub(crate) struct Refusals {
    /// To a page that is not this machine's.
    pub(crate) foreign: ForeignOrigin,
    /// To a request of HTTP/1.1 that cannot be read; `None`: an empty 400.
    pub(crate) unreadable: Option<Unreadable>,
}

impl Refusals {
    /// Empty responses: 403 to a page of another machine, 400 to a request that cannot be read.
    pub(crate) fn empty() -> Self {
        let forbidden = |_: &HeaderMap| {
            let mut response = Response::new(Full::default());
            *response.status_mut() = StatusCode::FORBIDDEN;
            response
        };
        Self { foreign: Arc::new(forbidden), unreadable: None }
    }
}

/// A running server. Dropping it closes its port and its connections at once.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    stop: Option<watch::Sender<()>>,
    task: JoinHandle<bool>,
}

impl Listening {
    /// Serves what `service_for` makes for each connection. A client that does not send a whole request head within
    /// `head_timeout` (or stays idle that long between requests) is disconnected.
    pub(crate) fn start<F, S, B>(
        listener: TcpListener,
        head_timeout: Duration,
        refusals: Refusals,
        service_for: F,
    ) -> io::Result<Self>
    where
        F: Fn(SocketAddr) -> S + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        let task = tokio::spawn(accept(listener, head_timeout, refusals, service_for, stopped));
        Ok(Self { address, stop: Some(stop), task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Accepts no more connections and waits until the requests in progress are answered, up to a limit. Returns whether all of
    /// them were.
    pub(crate) async fn shutdown(mut self) -> bool {
        // Without a sender the channel is closed, and all who wait for it see that.
        self.stop = None;
        (&mut self.task).await.unwrap_or(false)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // The connections live in a `JoinSet` of this task and end with it.
        self.task.abort();
    }
}

async fn accept<F, S, B>(
    listener: TcpListener,
    head_timeout: Duration,
    refusals: Refusals,
    service_for: F,
    mut stopped: watch::Receiver<()>,
) -> bool
where
    F: Fn(SocketAddr) -> S,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(head_timeout)
        .max_buf_size(HEADER_BUFFER)
        .max_headers(MOST_HEADERS);
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2
        .timer(TokioTimer::new())
        .keep_alive_interval(head_timeout)
        .max_header_list_size(u32::try_from(HEADER_BUFFER).unwrap_or(u32::MAX));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopped.changed() => break,
            // Forget the connections that have ended.
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Small answers must not wait for the acknowledgement of the previous packet.
                    let _ = stream.set_nodelay(true);
                    let (http, http2, watcher) = (http.clone(), http2.clone(), graceful.watcher());
                    let Refusals { foreign, unreadable } = refusals.clone();
                    let mut stopped = stopped.clone();
                    let service = Guarded { service: service_for(peer), foreign };
                    connections.spawn(async move {
                        // A client may open a connection that it never uses: a stop does not wait for its first byte.
                        let spoken = tokio::time::timeout(head_timeout, speaks_http2(&stream));
                        let is_http2 = tokio::select! {
                            spoken = spoken => spoken.ok(),
                            _ = stopped.changed() => None,
                        };
                        let Some(is_http2) = is_http2 else { return };
                        let ended = match unreadable {
                            _ if is_http2 => {
                                watcher.watch(http2.serve_connection(TokioIo::new(stream), service)).await
                            }
                            Some(unreadable) => {
                                let stream = TokioIo::new(Explaining::new(stream, unreadable));
                                watcher.watch(http.serve_connection(stream, service)).await
                            }
                            None => watcher.watch(http.serve_connection(TokioIo::new(stream), service)).await,
                        };
                        if let Err(error) = ended {
                            tracing::debug!(%peer, %error, "connection ended");
                        }
                    });
                }
                Err(error) => {
                    // Most likely too many open files: let some close before trying again.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            },
        }
    }
    drop(listener);
    let answered = tokio::time::timeout(GRACE, graceful.shutdown()).await.is_ok();
    if !answered {
        tracing::warn!("requests still under way after {GRACE:?} are dropped");
    }
    answered
}

/// Whether a client begins with the preface of HTTP/2. Returns as soon as the bytes differ, or no more bytes come.
async fn speaks_http2(stream: &TcpStream) -> bool {
    let mut begun = [0; HTTP2_PREFACE.len()];
    loop {
        match stream.peek(&mut begun).await {
            Ok(length) if length == HTTP2_PREFACE.len() => return begun == HTTP2_PREFACE,
            Ok(0) | Err(_) => return false,
            Ok(length) if begun.get(..length) != HTTP2_PREFACE.get(..length) => return false,
            Ok(_) => tokio::time::sleep(LOOK).await,
        }
    }
}

/// A service that pages of other sites cannot reach.
struct Guarded<S> {
    service: S,
    foreign: ForeignOrigin,
}

impl<S, B> Service<Request<Incoming>> for Guarded<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Send + 'static,
{
    type Response = Response<Either<B, Full<Bytes>>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        // HTTP/2 names the host beside the headers. Signatures cover it under its name in HTTP/1.1.
        let authority = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        if let Some(authority) = authority
            && !request.headers().contains_key(HOST)
        {
            request.headers_mut().insert(HOST, authority);
        }
        if comes_from_elsewhere(request.headers()) {
            let answer = (self.foreign)(request.headers()).map(Either::Right);
            return Box::pin(async move { Ok(answer) });
        }
        let answered = self.service.call(request);
        Box::pin(async move { answered.await.map(|answer| answer.map(Either::Left)) })
    }
}

/// Whether a browser says that another site's page sends the request: `Origin` is neither this machine nor the address from which
/// the page itself was loaded. An address, not a name: any name may resolve to this machine.
fn comes_from_elsewhere(headers: &HeaderMap) -> bool {
    let own = headers.get(HOST).and_then(|host| host.to_str().ok()?.parse::<Authority>().ok());
    let own = own.and_then(|own| address(own.host()));
    headers.get_all(ORIGIN).iter().any(|origin| {
        let host = origin.to_str().ok().and_then(|origin| origin.parse::<Uri>().ok());
        let host = host.as_ref().and_then(Uri::host);
        host.is_none_or(|host| match address(host) {
            Some(address) => !address.is_loopback() && Some(address) != own,
            None => !host.eq_ignore_ascii_case("localhost"),
        })
    })
}

fn address(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Reads and forgets what remains of a refused body: a connection closed on unread data is reset, and the refusal with it.
pub(crate) async fn drain(mut body: Incoming, headers: &HeaderMap) {
    if headers.contains_key(EXPECT) {
        // The client waits for permission to send, and gets the refusal instead.
        return;
    }
    let reading = async {
        let mut left = DRAIN_LIMIT;
        while let Some(Ok(frame)) = body.frame().await {
            let size = frame.data_ref().map_or(0, Bytes::len);
            let Some(rest) = left.checked_sub(size) else { break };
            left = rest;
        }
    };
    let _ = tokio::time::timeout(DRAIN_TIME, reading).await;
}

/// A client that shows every byte: the tests play the bootstrap, the browser and `curl` with it.
#[cfg(test)]
pub(crate) mod testing {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// A raw answer.
    #[derive(Debug)]
    pub(crate) struct Answer {
        pub(crate) status: u16,
        pub(crate) head: String,
        pub(crate) body: Vec<u8>,
    }

    impl Answer {
        pub(crate) fn header(&self, name: &str) -> Option<&str> {
            self.head.lines().skip(1).find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.body.clone()).unwrap()
        }
    }

    /// Sends one request on its own connection. `head` is the request line and the headers without the last blank line.
    pub(crate) async fn send(address: SocketAddr, head: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
        stream.write_all(head.as_bytes()).await.unwrap();
        // A server may refuse before it has read everything.
        let _ = stream.write_all(body).await;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).await.unwrap();
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: bytes[end + 4..].to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use http::Response;
    use http_body_util::Empty;
    use hyper::body::{Bytes, Incoming};
    use hyper::service::service_fn;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::{Listening, Refusals};

    /// An SDK opens a connection that it may never use.
    #[tokio::test]
    async fn shutdown_closes_idle_connection() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let answer = |_| {
            service_fn(|_: http::Request<Incoming>| async { Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new())) })
        };
        let server = Listening::start(listener, Duration::from_secs(3600), Refusals::empty(), answer).unwrap();
        let mut silent = TcpStream::connect(server.address()).await.unwrap();
        // Connections are accepted in order: once this one is answered, the silent one is known.
        let head = "GET / HTTP/1.1\r\nhost: localhost";
        assert_eq!(super::testing::send(server.address(), head, b"").await.status, 200);
        assert!(server.shutdown().await);
        assert_eq!(silent.read(&mut [0]).await.unwrap(), 0);
    }
}
