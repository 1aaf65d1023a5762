//! Requests that S3 refuses by their head alone, and that `s3s` accepts. Each is a mistake of a client that would otherwise first
//! fail on AWS.
//!
//! | request | answer | source |
//! |---|---|---|
//! | a presigned URL, and `Authorization` beside it | 400 `InvalidArgument` | seen on AWS by others ("Only one auth mechanism allowed"); not in the list of error codes |
//! | a presigned URL, and a header `x-amz-…` that its signature does not cover | 403 `AccessDenied`, `HeadersNotSigned` | seen on AWS by others ("There were headers present in the request which were not signed") |
//! | an object without `Content-Length` | 411 `MissingContentLength` | S3 API reference, "Error responses" |
//! | an ACL, but for `bucket-owner-full-control` | 400 `AccessControlListNotSupported` | S3 user guide, "Object Ownership": the bucket enforces its owner |
//!
//! Not certain: whether S3 requires a signature of `x-amz-content-sha256` with a presigned URL (here it does not), and which of two refusals
//! comes first, the one for a missing right or the one for the ACL.

use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap};
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, Version};
use http_body_util::Full;
use hyper::body::Bytes;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    TwoSignatures,
    Unsigned(String),
    NoLength,
    Acl,
}

/// The answer to a request that S3 would refuse.
pub(crate) fn refused(head: &Parts) -> Option<Response<Full<Bytes>>> {
    refusal(head).map(|refusal| refusal.answer())
}

fn refusal(head: &Parts) -> Option<Refusal> {
    let headers = &head.headers;
    if let Some(signed) = signed_headers(head.uri.query().unwrap_or_default()) {
        if headers.contains_key(AUTHORIZATION) {
            return Some(Refusal::TwoSignatures);
        }
        let is_signed = |name: &str| signed.iter().any(|signed| signed == name);
        let mut unsigned = headers
            .keys()
            .map(http::HeaderName::as_str)
            .filter(|name| name.starts_with("x-amz-") && *name != "x-amz-content-sha256" && !is_signed(name));
        if let Some(name) = unsigned.next() {
            return Some(Refusal::Unsigned(name.to_owned()));
        }
    }
    if has_foreign_acl(headers) {
        return Some(Refusal::Acl);
    }
    let is_object = head.method == Method::PUT && head.uri.path().trim_matches('/').contains('/');
    let has_length = ["x-amz-decoded-content-length", "x-amz-copy-source"].iter().any(|name| headers.contains_key(*name))
        || headers.contains_key(CONTENT_LENGTH)
        // The end of the body is known there without a length.
        || head.version == Version::HTTP_2;
    (is_object && !has_length).then_some(Refusal::NoLength)
}

/// The headers that a presigned URL's signature covers; `None` if the URL is not presigned.
fn signed_headers(query: &str) -> Option<Vec<String>> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, signed) = pairs.find(|(name, _)| *name == "X-Amz-SignedHeaders")?;
    let signed = percent_encoding::percent_decode_str(signed).decode_utf8_lossy().to_lowercase();
    Some(signed.split(';').map(str::to_owned).collect())
}

/// Whether a request sets other rights than those that the bucket's owner has anyway.
fn has_foreign_acl(headers: &HeaderMap) -> bool {
    let acl = headers.get("x-amz-acl");
    acl.is_some_and(|acl| acl != "bucket-owner-full-control")
        || headers.keys().any(|name| name.as_str().starts_with("x-amz-grant-"))
}

impl Refusal {
    fn answer(&self) -> Response<Full<Bytes>> {
        let (status, code, message, more) = match self {
            Self::TwoSignatures => (
                StatusCode::BAD_REQUEST,
                "InvalidArgument",
                "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the \
                 Authorization header should be specified",
                "<ArgumentName>Authorization</ArgumentName>".to_owned(),
            ),
            Self::Unsigned(name) => (
                StatusCode::FORBIDDEN,
                "AccessDenied",
                "There were headers present in the request which were not signed",
                format!("<HeadersNotSigned>{name}</HeadersNotSigned>"),
            ),
            Self::NoLength => (
                StatusCode::LENGTH_REQUIRED,
                "MissingContentLength",
                "You must provide the Content-Length HTTP header.",
                String::new(),
            ),
            Self::Acl => (
                StatusCode::BAD_REQUEST,
                "AccessControlListNotSupported",
                "The bucket does not allow ACLs",
                String::new(),
            ),
        };
        error(status, code, message, &more)
    }
}

/// An error as S3 answers it. `more` are further elements.
pub(super) fn error(status: StatusCode, code: &str, message: &str, more: &str) -> Response<Full<Bytes>> {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
    );
    let mut response = Response::new(Full::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: Method, uri: &str, headers: &[(&str, &str)]) -> Option<Refusal> {
        let mut request = http::Request::builder().method(method).uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        refusal(&request.body(()).unwrap().into_parts().0)
    }

    const URL: &str = "/bucket/imports/1/a.csv?X-Amz-Signature=0&X-Amz-SignedHeaders=host%3Bx-amz-checksum-sha256";
    const LENGTH: (&str, &str) = ("content-length", "1");

    #[test]
    fn presigned_url_rejects_second_signature_or_unsigned_header() {
        let put = |headers: &[(&str, &str)]| of(Method::PUT, URL, headers);
        assert_eq!(put(&[LENGTH]), None);
        assert_eq!(put(&[LENGTH, ("authorization", "Bearer x")]), Some(Refusal::TwoSignatures));
        assert_eq!(put(&[LENGTH, ("x-amz-checksum-sha256", "a"), ("x-amz-content-sha256", "b")]), None);
        assert_eq!(put(&[LENGTH, ("x-amz-acl", "private")]), Some(Refusal::Unsigned("x-amz-acl".to_owned())));
        assert_eq!(put(&[LENGTH, ("x-anything", "a")]), None);
        // Without a presigned URL both are accepted.
        assert_eq!(of(Method::PUT, "/b/k", &[LENGTH, ("authorization", "AWS4"), ("x-amz-meta-a", "b")]), None);
    }

    #[test]
    fn put_object_without_length_is_rejected() {
        let chunked = [("transfer-encoding", "chunked")];
        for (method, path, expected) in [
            (Method::PUT, "/b/k", Some(Refusal::NoLength)),
            (Method::PUT, "/b/k/l?uploadId=1&partNumber=1", Some(Refusal::NoLength)),
            (Method::PUT, "/b", None),
            (Method::POST, "/b/k?uploads", None),
            (Method::GET, "/b/k", None),
        ] {
            assert_eq!(of(method, path, &chunked), expected, "{path}");
        }
        for name in ["content-length", "x-amz-decoded-content-length", "x-amz-copy-source"] {
            assert_eq!(of(Method::PUT, "/b/k", &[(name, "1")]), None, "{name}");
        }
    }

    #[test]
    fn acl_other_than_bucket_owners_is_rejected() {
        let with = |name, value| of(Method::PUT, "/b/k", &[LENGTH, (name, value)]);
        assert_eq!(with("x-amz-acl", "bucket-owner-full-control"), None);
        assert_eq!(with("x-amz-acl", "public-read"), Some(Refusal::Acl));
        assert_eq!(with("x-amz-grant-read", "id=1"), Some(Refusal::Acl));
    }
}
