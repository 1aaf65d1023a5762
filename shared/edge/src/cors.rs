//! Which pages of other sites may call the interface (CORS, Fetch standard).
//!
//! The stage of API Gateway names their origins in its variable `api_origins`, with commas between; an event holds the variables of its
//! stage. API Gateway can answer by itself too, but then it drops the headers of the functions, and the public calls would no longer be
//! open to every page (docs/adr/0056).

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN,
};
use lambda_http::{Request, RequestExt as _};

/// The variable of the stage.
const ORIGINS: &str = "api_origins";

/// The methods and headers that a call of the API may have.
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, accept, accept-language, idempotency-key");

/// The headers that a page may read beside those that every page may.
pub(crate) const EXPOSED: HeaderValue =
    HeaderValue::from_static("apigw-requestid, content-language, link, retry-after, www-authenticate");

/// How long a browser may keep the answer to a preflight, in seconds.
const KEPT: HeaderValue = HeaderValue::from_static("600");

/// Whether the stage names any origin: then a response depends on the one of the request.
pub(crate) fn are_any_named(request: &Request) -> bool {
    named(request).next().is_some()
}

fn named(request: &Request) -> impl Iterator<Item = &str> {
    let named = request.stage_variables_ref().and_then(|variables| variables.first(ORIGINS)).unwrap_or_default();
    named.split(',').filter(|origin| origin.contains("://"))
}

/// The origin of the page that sends the request, if it is one of those that may.
pub(crate) fn allowed_origin(request: &Request) -> Option<HeaderValue> {
    let mut origins = request.headers().get_all(ORIGIN).iter();
    let (origin, None) = (origins.next()?, origins.next()) else { return None };
    named(request).any(|named| origin == named).then(|| origin.clone())
}

/// The headers with which a browser lets a page of an allowed origin send its call.
pub(crate) fn preflight() -> HeaderMap {
    HeaderMap::from_iter([
        (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
        (ACCESS_CONTROL_ALLOW_HEADERS, HEADERS),
        (ACCESS_CONTROL_MAX_AGE, KEPT),
    ])
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use lambda_http::Body;

    use super::*;

    fn request(named: &str, origins: &[&str]) -> Request {
        let mut request = http::Request::get("/v3/health").body(Body::Empty).unwrap();
        for origin in origins {
            request.headers_mut().append(ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        request.with_stage_variables(HashMap::from([(ORIGINS.to_owned(), named.to_owned())]))
    }

    #[test]
    fn origin_is_allowed_if_it_is_named_whole() {
        let two = "https://app.example,http://localhost:5173";
        for (named, origins, is_allowed) in [
            (two, &["https://app.example"][..], true),
            (two, &["http://localhost:5173"], true),
            (two, &["http://localhost:51730"], false),
            (two, &["http://app.example"], false),
            (two, &["https://app.example.evil.example"], false),
            (two, &["https://app"], false),
            (two, &["null"], false),
            (two, &[""], false),
            (two, &["https://app.example", "https://app.example"], false),
            (two, &[], false),
            // What the template sets if there is no origin.
            ("none", &["none"], false),
            ("none", &["https://app.example"], false),
            ("", &[""], false),
        ] {
            let request = request(named, origins);
            assert_eq!(allowed_origin(&request).is_some(), is_allowed, "{named}: {origins:?}");
            assert_eq!(are_any_named(&request), named == two, "{named}");
        }
        let without = http::Request::get("/").header(ORIGIN, "https://app.example").body(Body::Empty).unwrap();
        assert!(allowed_origin(&without).is_none() && !are_any_named(&without));
    }
}
