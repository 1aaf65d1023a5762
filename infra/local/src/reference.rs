//! The reference page of the interface at `/docs`: the files of `docs/reference` and the document, as they are committed. Any
//! host of static files serves the same two (docs/reference/README.md).

use std::sync::Arc;

use aws_stand_in::gateway::Route;
use aws_stand_in::invoke::{InvokeError, Invoker};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Method;
use serde_json::{Value, json};

/// Where each file lies, its content type, and what it holds.
const FILES: [(&str, &str, &str); 4] = [
    ("/docs/openapi.json", "application/json", cee_fn_public::DOCUMENT),
    ("/docs/reference/", "text/html; charset=utf-8", include_str!("../../../docs/reference/index.html")),
    ("/docs/reference/reference.js", "text/javascript", include_str!("../../../docs/reference/reference.js")),
    (
        "/docs/reference/redoc.standalone.js",
        "text/javascript",
        include_str!("../../../docs/reference/redoc.standalone.js"),
    ),
];

/// The routes of the page.
pub(crate) fn routes() -> Vec<Route> {
    let redirect = json!({"statusCode": 307, "headers": {"location": "/docs/reference/"}, "body": ""});
    let files = FILES.into_iter().map(|(path, content_type, body)| {
        let headers = json!({"content-type": content_type, "cache-control": "no-cache"});
        (path, json!({"statusCode": 200, "headers": headers, "body": body}))
    });
    [("/docs", redirect.clone()), ("/docs/", redirect)]
        .into_iter()
        .chain(files)
        .map(|(path, answer)| Route { method: Method::GET, path: path.to_owned(), invoker: Arc::new(Always(answer)) })
        .collect()
}

/// A function that always answers the same.
struct Always(Value);

impl Invoker for Always {
    fn invoke<'a>(&'a self, _event: Value, _request_id: &'a str) -> BoxFuture<'a, Result<Value, InvokeError>> {
        std::future::ready(Ok(self.0.clone())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};

    /// The one file that is not ours, as docs/reference/README.md says where it comes from.
    #[test]
    fn renderer_has_hash_named_in_docs() {
        let renderer = include_bytes!("../../../docs/reference/redoc.standalone.js");
        let hash: String = digest(&SHA256, renderer).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let notes = include_str!("../../../docs/reference/README.md");
        assert!(notes.contains(&hash), "docs/reference/README.md does not name this file: {hash}");
    }
}
