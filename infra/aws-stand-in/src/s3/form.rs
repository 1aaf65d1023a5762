//! The body of a browser's form, in small pieces.
//!
//! `s3s` 0.14 keeps the end of a piece that may begin the form's boundary, as the end of a line of Windows may, and refuses the form if the next
//! piece makes that more than 64 KB. hyper's pieces have up to 512 KB.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::header::{CONTENT_TYPE, HeaderMap};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

/// The size of a piece at most.
const PIECE: usize = 32 * 1024;

/// The body of a request for `s3s`.
pub(crate) fn body(headers: &HeaderMap, body: Incoming) -> s3s::Body {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("multipart/form-data") {
        return s3s::Body::http_body_unsync(Pieces { body, rest: Bytes::new() });
    }
    s3s::Body::from(body)
}

/// A body that passes on at most [`PIECE`] bytes at once.
struct Pieces {
    body: Incoming,
    /// The bytes that have arrived and were not passed on.
    rest: Bytes,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
                },
                ended => return Poll::Ready(ended),
            }
        }
        let size = self.rest.len().min(PIECE);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(size)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, coming) = (self.rest.len() as u64, self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(coming.lower().saturating_add(rest));
        if let Some(upper) = coming.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}
