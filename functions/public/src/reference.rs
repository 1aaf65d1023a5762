//! `/docs`: the reference page. It is generated from the OpenAPI document and committed (CONTRIBUTING.md). In English, as the document.

use cee_edge::Reply;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;

/// Where the page is. It explains every version, so its path has none.
pub(crate) const PATH: &str = "/docs";

/// Style and script are within the page, so this file is all of it.
const PAGE: &str = include_str!("../../../docs/reference/index.html");

/// The page. Every other response forbids a browser to run and to load anything; this one allows what the page itself names, the hashes of
/// its style and script. Only a header can forbid other pages to frame it.
pub(crate) fn page(cache_control: &'static str) -> Reply {
    let reply = Reply::public(PAGE.to_owned(), "text/html; charset=utf-8", cache_control);
    match policy(PAGE).and_then(|policy| HeaderValue::from_str(&format!("{policy}; frame-ancestors 'none'")).ok()) {
        Some(policy) => reply.with_header(CONTENT_SECURITY_POLICY, policy),
        None => reply,
    }
}

/// The policy that a page names for itself.
fn policy(page: &str) -> Option<&str> {
    let (_, policy) = page.split_once("<meta http-equiv=\"Content-Security-Policy\" content=\"")?;
    policy.split_once('"').map(|(policy, _)| policy)
}
