//! The certificate registry on one machine: [`stack`] wires the functions that are deployed to a stand-in for AWS
//! ([`aws_stand_in`]), with sample data.

pub mod error;
pub mod generate;
pub mod openapi;
pub mod operators;
pub mod pepper;
pub mod reference;
pub mod samples;
pub mod secrets;
pub mod service_secret;
pub mod stack;
