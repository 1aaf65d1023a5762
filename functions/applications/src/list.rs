//! `GET /v3/policies/cee`: a page of the operator's own applications, the latest date first, as JSON or as CSV. A page is one request to
//! DynamoDB, the last one as well as the first (docs/adr/0048).
//!
//! | to find | look in |
//! |---|---|
//! | how the query is read | [`query`] |
//! | what a page holds | [`answer`] |
//! | when a page is CSV, and how it is written | [`mod@format`] |

pub mod answer;
pub mod format;
pub mod query;
