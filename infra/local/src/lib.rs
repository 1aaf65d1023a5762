//! The certificate registry on one machine: [`stack`] wires the functions that are deployed to a stand-in for AWS
//! ([`aws_stand_in`]), with sample data.
//!
//! | to find | look in |
//! |---|---|
//! | what is started, in which order, and stopped | [`stack`] |
//! | the functions, their routes and time limits | `functions` |
//! | which function gets which setting | `settings` |
//! | what the data directory holds, and who may use it | `data_dir` |
//! | `local.json`: addresses and keys | `description` |
//! | another DynamoDB or S3, and how to sign for it | [`endpoint`], `poll` |
//! | keys, secrets, and the secret that a deployment shares | [`secrets`], [`service_secret`] |
//! | whether the pepper is the one that filled the tables | [`pepper`] |
//! | sample operators and journeys; made-up history files | [`samples`], [`generate`] |
//! | credentials of the sample operators | [`operators`] |
//! | the gateway's own refusals, as problem+json | `refusals` |
//! | what `sam local` needs | `sam` |
//! | the OpenAPI document, and the page that shows it | [`openapi`], [`mod@reference`] |

mod data_dir;
mod description;
pub mod endpoint;
pub mod error;
mod functions;
pub mod generate;
pub mod openapi;
pub mod operators;
pub mod pepper;
mod poll;
mod random;
pub mod reference;
mod refusals;
mod sam;
pub mod samples;
pub mod secrets;
pub mod service_secret;
mod settings;
pub mod stack;

/// The embedded database makes many small allocations: the system's allocator took a fifth of the local stack's processor time. Every
/// program that links this crate gets this allocator; the functions that are deployed do not link it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
