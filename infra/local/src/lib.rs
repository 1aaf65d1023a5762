//! The certificate registry on one machine: [`stack`] puts together the functions that are deployed, sample data, and
//! stand-ins for the AWS services: DynamoDB, S3 with its notifications, Lambda (in this process, or as real processes over
//! the Runtime API) and API Gateway.

pub mod audit_command;
pub mod driver_command;
pub mod dynamo;
pub mod error;
pub mod faults;
mod front;
pub mod gateway;
pub mod generate;
pub mod invoke;
mod listen;
pub mod openapi;
pub mod operator_command;
pub mod operators;
pub mod pepper_command;
pub mod reference;
pub mod restore_command;
pub mod runtime_api;
pub mod s3;
mod s3_head;
pub mod samples;
pub mod schedule;
pub mod secret_command;
pub mod secrets;
pub mod service_secret;
pub mod stack;
pub mod undo;
mod unreadable;
