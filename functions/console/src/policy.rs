//! What a page may load and send: the headers that a browser enforces.

use http::header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS};

/// Of every page: our stylesheet and our script and nothing else, nothing within the page runs, no other page frames it, and its forms go
/// to this host.
fn content(bucket: Option<&str>) -> String {
    // With a file, also to the bucket. The scheme and the host: a policy of a whole path would not hold for a redirect.
    let bucket = bucket.and_then(origin).map(|origin| format!(" {origin}")).unwrap_or_default();
    format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'{bucket}; img-src data:; \
         form-action 'self'{bucket}; base-uri 'none'; frame-ancestors 'none'"
    )
}

fn origin(url: &str) -> Option<&str> {
    let host = url.find("://")? + 3;
    let end = url.get(host..)?.find('/').map_or(url.len(), |end| host + end);
    url.get(..end)
}

/// The headers of a page that may send a file to this bucket.
pub(crate) fn headers(bucket: Option<&str>) -> Vec<(HeaderName, HeaderValue)> {
    let policy = HeaderValue::from_str(&content(bucket)).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    // With `no-referrer` a browser would send our own forms with `Origin: null`, with `same-origin` those to the bucket.
    let referrer = if bucket.is_some() { "strict-origin" } else { "same-origin" };
    vec![
        (CONTENT_SECURITY_POLICY, policy),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (REFERRER_POLICY, HeaderValue::from_static(referrer)),
        (HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
        (
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_runs_our_script_and_no_other() {
        let policy = content(None);
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.split("; ").any(|one| one == directive), "{directive}");
        }
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
    }

    #[test]
    fn page_with_a_file_may_also_send_to_its_bucket() {
        for (bucket, origin) in [
            ("https://bucket.s3.eu-west-3.amazonaws.com/", "https://bucket.s3.eu-west-3.amazonaws.com"),
            ("http://127.0.0.1:9000/bucket/", "http://127.0.0.1:9000"),
            ("https://bucket.example", "https://bucket.example"),
        ] {
            let policy = content(Some(bucket));
            for directive in ["connect-src", "form-action"] {
                let wanted = format!("{directive} 'self' {origin}");
                assert!(policy.split("; ").any(|one| one == wanted), "{policy}");
            }
            assert!(policy.contains("script-src 'self';"));
        }
        assert_eq!(content(Some("nonsense")), content(None));
    }
}
