//! The AWS services that the certificate registry stands on, for one machine: DynamoDB, S3 with its notifications,
//! Lambda (in this process, or as real processes over the Runtime API) and API Gateway.

pub mod dynamo;
pub mod error;
pub mod gateway;
pub mod invoke;
mod listen;
pub mod runtime_api;
pub mod s3;
