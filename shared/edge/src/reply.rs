//! A successful answer, and the response that it becomes.

use cee_eligibility::Language;
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_TYPE, LINK, LOCATION, VARY};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use lambda_http::Body;
use serde::Serialize;

use crate::problem::{InternalError, Refusal};

/// A successful answer.
#[derive(Debug)]
pub struct Reply {
    status: StatusCode,
    /// The body and its type, if there is one.
    content: Option<(String, &'static str)>,
    cache_control: &'static str,
    /// Whether an earlier call was answered with it.
    is_repeated: bool,
    /// The language of its texts, if it has any.
    language: Option<Language>,
    /// Headers beside those of every response.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Reply {
    /// JSON for the caller alone, not to be cached.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if the value cannot be written as JSON.
    pub fn json(status: StatusCode, value: &impl Serialize) -> Result<Self, Refusal> {
        Ok(Self::written(status, to_json(value)?))
    }

    /// Serialised JSON for the caller alone, not to be cached.
    #[must_use]
    pub const fn written(status: StatusCode, json: String) -> Self {
        Self::own(status, Some((json, "application/json")))
    }

    /// CSV for the caller alone, not to be cached.
    #[must_use]
    pub const fn csv(status: StatusCode, csv: String) -> Self {
        Self::own(status, Some((csv, "text/csv")))
    }

    const fn own(status: StatusCode, content: Option<(String, &'static str)>) -> Self {
        Self { status, content, cache_control: "no-store", is_repeated: false, language: None, headers: Vec::new() }
    }

    /// The reply with a link to the next page (RFC 8288): this call with the query `next`.
    ///
    /// # Errors
    /// [`Refusal::Internal`] if a header cannot hold the query.
    pub fn with_next(self, next: &str) -> Result<Self, Refusal> {
        let link = HeaderValue::from_str(&format!("<?{next}>; rel=\"next\""));
        let impossible = |_| Refusal::Internal(InternalError::Impossible("a query that is not a header value"));
        Ok(self.with_header(LINK, link.map_err(impossible)?))
    }

    /// Serialised JSON for a replay: an earlier call got this response.
    #[must_use]
    pub fn repeated(status: StatusCode, json: String) -> Self {
        Self { is_repeated: true, ..Self::written(status, json) }
    }

    /// A page for a browser, not to be cached.
    #[must_use]
    pub const fn page(status: StatusCode, html: String) -> Self {
        Self::own(status, Some((html, "text/html; charset=utf-8")))
    }

    /// Sends a browser to another page with `GET` (303).
    #[must_use]
    pub fn see_other(path: &'static str) -> Self {
        Self::see_other_at(HeaderValue::from_static(path))
    }

    /// Sends a browser to another page with `GET` (303).
    #[must_use]
    pub fn see_other_at(location: HeaderValue) -> Self {
        Self::own(StatusCode::SEE_OTHER, None).with_header(LOCATION, location)
    }

    /// The reply with one header more.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The reply, with texts in this language.
    #[must_use]
    pub fn in_language(self, language: Language) -> Self {
        Self { language: Some(language), ..self }
    }

    /// Whether an earlier call was answered with it.
    #[must_use]
    pub const fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    /// A response without a body: the call succeeded.
    #[must_use]
    pub const fn nothing() -> Self {
        Self::own(StatusCode::NO_CONTENT, None)
    }

    /// Text that any cache may keep for a while.
    #[must_use]
    pub const fn public(body: String, content_type: &'static str, cache_control: &'static str) -> Self {
        Self {
            status: StatusCode::OK,
            content: Some((body, content_type)),
            cache_control,
            is_repeated: false,
            language: None,
            headers: Vec::new(),
        }
    }

    /// The response.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        let (body, content_type) = match self.content {
            Some((body, content_type)) => (Body::Text(body), Some(content_type)),
            None => (Body::Empty, None),
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.extend(content_type.map(|content_type| (CONTENT_TYPE, HeaderValue::from_static(content_type))));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(self.cache_control));
        if let Some(language) = self.language {
            headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.as_str()));
            headers.insert(VARY, HeaderValue::from_static("accept-language"));
        }
        for (name, value) in self.headers {
            headers.append(name, value);
        }
        response
    }
}

/// A response body as text.
///
/// # Errors
/// [`Refusal::Internal`] if the value cannot be written as JSON.
pub fn to_json(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|_| Refusal::Internal(InternalError::Impossible("an answer that is no JSON")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reply_with_texts_names_their_language() {
        let reply = Reply::written(StatusCode::OK, "{}".to_owned());
        assert!(!Reply::nothing().into_response().headers().contains_key(CONTENT_LANGUAGE));
        let response = reply.in_language(Language::French).into_response();
        assert_eq!(response.headers()[CONTENT_LANGUAGE], "fr");
        assert_eq!(response.headers()[VARY], "accept-language");
    }
}
