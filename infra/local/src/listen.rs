//! One HTTP/1 server loop, shared by the gateway, S3 and the Runtime API.

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

/// How long requests that are under way may take once a stop was asked for.
const GRACE: Duration = Duration::from_secs(10);

/// Room for the request line and the headers. Twice what API Gateway and S3 take, so that they, and not hyper, refuse.
const HEADER_BUFFER: usize = 32 * 1024;

/// A running server. Dropping it closes its port and its connections at once.
#[derive(Debug)]
pub(crate) struct Listening {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Listening {
    /// Serves what `service_for` makes for each connection. A client that does not send a whole request head within
    /// `head_timeout` (or stays idle that long between requests) is disconnected.
    pub(crate) fn start<F, S, B>(listener: TcpListener, head_timeout: Duration, service_for: F) -> io::Result<Self>
    where
        F: Fn(SocketAddr) -> S + Send + 'static,
        S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Into<Box<dyn StdError + Send + Sync>>,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn StdError + Send + Sync>>,
    {
        let address = listener.local_addr()?;
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(accept(listener, head_timeout, service_for, stopped));
        Ok(Self { address, stop: Some(stop), task })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Takes no more connections and waits until the requests under way are answered, but not for ever.
    pub(crate) async fn shutdown(mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means the loop has already ended.
            let _ = stop.send(());
        }
        let _ = (&mut self.task).await;
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
    service_for: F,
    mut stopped: oneshot::Receiver<()>,
) where
    F: Fn(SocketAddr) -> S,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn StdError + Send + Sync>>,
{
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(head_timeout).max_buf_size(HEADER_BUFFER);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            // Forget the connections that have ended.
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Small answers must not wait for the acknowledgement of the previous packet.
                    let _ = stream.set_nodelay(true);
                    let connection = graceful.watch(http.serve_connection(TokioIo::new(stream), service_for(peer)));
                    connections.spawn(async move {
                        if let Err(error) = connection.await {
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
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests still under way after {GRACE:?} are dropped");
    }
}

/// A client that shows every byte: the tests play the bootstrap, the browser and `curl` with it.
#[cfg(test)]
pub(crate) mod testing {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    /// An answer as it came.
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
