//! The answer to a request that hyper cannot read: two different lengths, a line without a colon. hyper answers such a request by
//! itself, with a 400 that is empty. [`Explaining`], between hyper and the connection, replaces it with an answer that has a body.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Makes a whole answer, as it is sent over the connection.
pub(crate) type Unreadable = Arc<dyn Fn() -> Vec<u8> + Send + Sync>;

/// A connection on which hyper's empty 400 becomes an answer with a body.
pub(crate) struct Explaining {
    stream: TcpStream,
    unreadable: Unreadable,
    /// The replacement: the answer, how much of it is written, and the length of hyper's answer.
    answer: Option<(Vec<u8>, usize, usize)>,
}

/// Whether hyper writes its own 400: no service of ours answers one without a body.
fn is_hypers(written: &[u8]) -> bool {
    let Some(head) = written.strip_prefix(b"HTTP/1.1 400 Bad Request\r\n") else { return false };
    let empty = b"content-length: 0\r\n";
    head.ends_with(b"\r\n\r\n") && head.windows(empty.len()).any(|part| part.eq_ignore_ascii_case(empty))
}

impl Explaining {
    pub(crate) fn new(stream: TcpStream, unreadable: Unreadable) -> Self {
        Self { stream, unreadable, answer: None }
    }

    /// Writes the replacement of what hyper writes, if there is one.
    fn poll_answer(&mut self, context: &mut Context<'_>, written: &[u8]) -> Poll<Option<io::Result<usize>>> {
        if self.answer.is_none() && is_hypers(written) {
            self.answer = Some(((self.unreadable)(), 0, written.len()));
        }
        let Some((answer, done, length)) = &mut self.answer else { return Poll::Ready(None) };
        while let Some(rest) = answer.get(*done..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.stream).poll_write(context, rest)) {
                Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::WriteZero.into()))),
                Ok(more) => *done += more,
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
        let length = *length;
        self.answer = None;
        Poll::Ready(Some(Ok(length)))
    }
}

impl AsyncRead for Explaining {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Explaining {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match ready!(self.poll_answer(context, from)) {
            Some(answered) => Poll::Ready(answered),
            None => Pin::new(&mut self.stream).poll_write(context, from),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = from.iter().find(|part| !part.is_empty()).map_or(&[][..], |part| part);
        match ready!(self.poll_answer(context, first)) {
            Some(answered) => Poll::Ready(answered),
            None => Pin::new(&mut self.stream).poll_write_vectored(context, from),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
