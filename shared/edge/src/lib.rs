//! The HTTP edge that the functions share: events in, answers out, and everything that is the same for each of them.
//!
//! | to find | look in |
//! |---|---|
//! | who calls, and whether they may | [`access`] |
//! | how a body is read, and how each of its faults is named | [`body`] |
//! | every refusal there is, and its problem type | [`problem`] |
//! | how calls and refusals are described in the OpenAPI document | [`openapi`] |
//! | where a call comes from | [`network`] |
//! | what happens around every call: panics, logs, time left | [`function`] |
//! | what the answers about applications hold | [`answer`] |
//! | how an application is looked up for an answer | [`application`] |
//!
//! Errors of the layers below are turned into refusals here and nowhere else. What is told outside is never what is
//! logged inside.

pub mod access;
pub mod answer;
pub mod application;
pub mod body;
pub mod function;
pub mod network;
pub mod openapi;
pub mod problem;
mod rate;
mod version;

pub use access::Gate;
pub use body::Fields;
pub use function::{Call, HttpFunction, Reply, run, service, to_json};
pub use network::Network;
pub use problem::{ProblemType, Refusal};
pub use version::VERSIONS;
