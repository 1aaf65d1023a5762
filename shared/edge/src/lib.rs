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
//! | what happens around every call: panics, the end of the time, headers, log, metrics | [`function`] |
//! | the call itself: its request, id, caller, time left | [`call`] |
//! | how the parameters of a query are read | [`query`] |
//! | a successful answer, and its headers | [`reply`] |
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
pub mod call;
mod cors;
pub mod function;
pub mod language;
mod limits;
pub mod network;
pub mod openapi;
pub mod problem;
pub mod query;
mod rate;
pub mod reply;
mod version;

pub use access::Gate;
pub use body::Fields;
pub use call::Call;
pub use function::{HttpFunction, run, service};
pub use network::Network;
pub use problem::{ProblemType, Refusal};
pub use query::Query;
pub use reply::{Reply, to_json};
pub use version::VERSIONS;
