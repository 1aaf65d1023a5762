//! What S3 answers to pages of other origins (CORS), by the rules of the bucket.
//!
//! A browser asks first (a preflight: `OPTIONS`), or reads the headers of the answer. Source: S3 user guide, "Using cross-origin resource
//! sharing": the first rule counts that has the origin, the method and every header that the preflight names. A rule grants no access: the
//! request itself needs a signature as every other.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use super::head::error;

/// A rule of a bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsRule {
    /// The origins, such as `https://console.example`; each may hold one `*`.
    pub origins: Vec<String>,
    /// The methods.
    pub methods: Vec<String>,
    /// The headers that a request may have; each may hold one `*`.
    pub headers: Vec<String>,
    /// The headers of an answer that a page may read.
    pub exposed: Vec<String>,
    /// How long a browser may keep the answer to a preflight.
    pub max_age_seconds: Option<u32>,
}

/// Whether a text fits a pattern with at most one `*`, in either case.
fn fits(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    match pattern.split_once('*') {
        None => pattern == text,
        Some((begin, end)) => text.len() >= begin.len() + end.len() && text.starts_with(begin) && text.ends_with(end),
    }
}

/// The method and headers that a page requests.
struct Asked<'a> {
    origin: &'a str,
    method: &'a str,
    headers: Vec<&'a str>,
}

fn text(headers: &HeaderMap, name: http::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl CorsRule {
    fn allows(&self, asked: &Asked<'_>) -> bool {
        self.origins.iter().any(|origin| fits(origin, asked.origin))
            && self.methods.iter().any(|method| method == asked.method)
            && asked.headers.iter().all(|header| self.headers.iter().any(|allowed| fits(allowed, header)))
    }

    fn answer(&self, asked: &Asked<'_>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let mut set = |name, value: &str| {
            if let (false, Ok(value)) = (value.is_empty(), HeaderValue::from_str(value)) {
                headers.insert(name, value);
            }
        };
        if self.origins.iter().any(|origin| origin == "*") {
            set(ACCESS_CONTROL_ALLOW_ORIGIN, "*");
        } else {
            set(ACCESS_CONTROL_ALLOW_ORIGIN, asked.origin);
            set(ACCESS_CONTROL_ALLOW_CREDENTIALS, "true");
        }
        set(ACCESS_CONTROL_ALLOW_METHODS, &self.methods.join(", "));
        set(ACCESS_CONTROL_ALLOW_HEADERS, &asked.headers.join(", "));
        set(ACCESS_CONTROL_EXPOSE_HEADERS, &self.exposed.join(", "));
        set(ACCESS_CONTROL_MAX_AGE, &self.max_age_seconds.map(|seconds| seconds.to_string()).unwrap_or_default());
        set(VARY, "Origin, Access-Control-Request-Headers, Access-Control-Request-Method");
        headers
    }
}

/// The answer to a preflight; `None` if the request is none.
pub(super) fn preflight(head: &Parts, rules: &[CorsRule]) -> Option<Response<Full<Bytes>>> {
    if head.method != Method::OPTIONS {
        return None;
    }
    let headers = text(&head.headers, ACCESS_CONTROL_REQUEST_HEADERS).unwrap_or_default().split(',');
    let asked = text(&head.headers, ORIGIN).zip(text(&head.headers, ACCESS_CONTROL_REQUEST_METHOD));
    let Some((origin, method)) = asked else {
        let message = "Insufficient information. Origin request header needed.";
        return Some(error(StatusCode::BAD_REQUEST, "BadRequest", message, ""));
    };
    let headers = headers.map(str::trim).filter(|header| !header.is_empty()).collect();
    let asked = Asked { origin, method, headers };
    let Some(rule) = rules.iter().find(|rule| rule.allows(&asked)) else {
        let message = "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request \
                       method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the \
                       resource's CORS spec.";
        return Some(error(StatusCode::FORBIDDEN, "AccessForbidden", message, ""));
    };
    let mut response = Response::new(Full::default());
    response.headers_mut().extend(rule.answer(&asked));
    Some(response)
}

/// The headers that let a page read the answer to its request; none, if no rule allows it.
pub(super) fn readable(head: &Parts, rules: &[CorsRule]) -> HeaderMap {
    let Some(origin) = text(&head.headers, ORIGIN) else { return HeaderMap::new() };
    let asked = Asked { origin, method: head.method.as_str(), headers: Vec::new() };
    let rule = rules.iter().find(|rule| rule.allows(&asked));
    rule.map(|rule| rule.answer(&asked)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn head(method: &str, headers: &[(&'static str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri("/bucket/key");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn rules() -> Vec<CorsRule> {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let own = CorsRule {
            origins: texts(&["https://console.example", "http://127.0.0.1:*"]),
            methods: texts(&["PUT", "POST"]),
            headers: texts(&["*"]),
            exposed: texts(&["ETag"]),
            max_age_seconds: Some(600),
        };
        let all = CorsRule {
            origins: texts(&["*"]),
            methods: texts(&["GET"]),
            headers: texts(&["x-amz-*"]),
            ..CorsRule::default()
        };
        vec![own, all]
    }

    #[test]
    fn preflight_is_answered_by_the_first_rule_that_allows_everything() {
        let origin = ("origin", "https://console.example");
        let put = ("access-control-request-method", "PUT");
        let named = ("access-control-request-headers", "content-type, x-amz-date");
        for (headers, status, allowed) in [
            (&[origin, put][..], 200, Some("https://console.example")),
            (&[origin, put, named], 200, Some("https://console.example")),
            (&[("origin", "http://127.0.0.1:3000"), put], 200, Some("http://127.0.0.1:3000")),
            (&[origin, ("access-control-request-method", "GET")], 200, Some("*")),
            (&[origin, ("access-control-request-method", "DELETE")], 403, None),
            (&[origin, ("access-control-request-method", "GET"), named], 403, None),
            (&[("origin", "https://evil.example"), put], 403, None),
            (&[("origin", "https://console.example.evil.example"), put], 403, None),
            (&[("origin", "null"), put], 403, None),
            (&[put], 400, None),
            (&[origin], 400, None),
        ] {
            let response = preflight(&head("OPTIONS", headers), &rules()).unwrap();
            assert_eq!(response.status(), status, "{headers:?}");
            let origin = response.headers().get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap());
            assert_eq!(origin, allowed, "{headers:?}");
        }
        assert!(preflight(&head("PUT", &[origin]), &rules()).is_none());
        let response = preflight(&head("OPTIONS", &[origin, put, named]), &rules()).unwrap();
        for (name, value) in [
            ("access-control-allow-methods", "PUT, POST"),
            ("access-control-allow-headers", "content-type, x-amz-date"),
            ("access-control-expose-headers", "ETag"),
            ("access-control-max-age", "600"),
            ("access-control-allow-credentials", "true"),
            ("vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
    }

    #[test]
    fn answer_is_readable_for_the_origins_of_a_rule() {
        let origin = ("origin", "https://console.example");
        let allowed = |method: &str, headers: &[(&'static str, &str)]| {
            let headers = readable(&head(method, headers), &rules());
            headers.get(ACCESS_CONTROL_ALLOW_ORIGIN).map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(allowed("POST", &[origin]).as_deref(), Some("https://console.example"));
        assert_eq!(allowed("GET", &[origin]).as_deref(), Some("*"));
        assert_eq!(allowed("POST", &[("origin", "https://evil.example")]), None);
        assert_eq!(allowed("POST", &[]), None);
        assert!(readable(&head("POST", &[origin]), &[]).is_empty(), "a bucket without rules");
    }
}
