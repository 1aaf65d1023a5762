//! Refusals and their texts: `application/problem+json` (RFC 9457).
//!
//! | to find | look in |
//! |---|---|
//! | the kinds of refusal: name, status, titles, what each means, what to do | [`ProblemType`], `types` |
//! | why one call is refused, and the sentence about it | [`Refusal`], `refusal` |
//! | what is wrong with a body, a field or a parameter | `detail` |
//! | the response of a refusal | `response` |
//! | the page `docs/problems.md` | [`page()`] |
//!
//! A new refusal is an entry in `types` and a variant in `refusal`; neither compiles without its texts in both languages.

pub(crate) mod detail;
mod page;
pub(crate) mod refusal;
mod response;
mod types;

pub use detail::{ApplicationKind, BrokenRule, Fault, FieldFault, Malformed, NoToken, NotAdmitted, Shape};
pub use page::page;
pub use refusal::{InternalError, Refusal};
pub use response::TYPE_BASE;
pub use types::ProblemType;
