//! The HTTP edge that the functions share: events in, responses out, and everything that is the same for each function.
//!
//! | to find | look in |
//! |---|---|
//! | authentication and authorisation of the caller | [`access`] |
//! | how a body is read, and how its faults are reported | [`body`] |
//! | every refusal, and its problem type | [`problem`] |
//! | how calls and refusals are described in the OpenAPI document | [`openapi`] |
//! | what a caller prefers: how its headers are read, and which language it gets | [`accept`], [`language`] |
//! | which pages of other sites may call | `cors` |
//! | where a call comes from | [`network`] |
//! | how many calls an operator may make | `rate` |
//! | the versions in the path | `version` |
//! | what happens around every call: panics, logs, time left | [`function`] |
//! | what the responses about applications hold | [`answer`] |
//! | how an application is looked up for a response | [`application`] |
//!
//! A call passes [`run`] (the process), [`service`] (log, metrics, panics, time left) and [`Gate::admit`] (token, scope, admission, number
//! of calls) before [`HttpFunction::answer`] reads its [`Fields`] and returns a [`Reply`] or a [`Refusal`].
//!
//! Only this crate turns errors of the layers below into refusals. A response never repeats what the log says.

pub mod accept;
pub mod access;
pub mod answer;
pub mod application;
pub mod body;
mod cors;
pub mod function;
pub mod language;
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
