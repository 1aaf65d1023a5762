//! The certificate registry on one machine: [`stack`] puts together the functions that are deployed, sample data, and
//! stand-ins for the AWS services: DynamoDB, S3 with its notifications, Lambda (in this process, or as real processes over
//! the Runtime API) and API Gateway.

#[path = "../../cee/src/commands/audit.rs"]
pub mod audit_command;
#[path = "../../cee/src/commands/driver.rs"]
pub mod driver_command;
#[path = "../../aws-stand-in/src/dynamo.rs"]
pub mod dynamo;
pub mod error;
#[path = "../../aws-stand-in/src/faults.rs"]
pub mod faults;
#[path = "../../aws-stand-in/src/dynamo/front.rs"]
mod front;
#[path = "../../aws-stand-in/src/gateway.rs"]
pub mod gateway;
pub mod generate;
#[path = "../../aws-stand-in/src/invoke.rs"]
pub mod invoke;
#[path = "../../aws-stand-in/src/listen.rs"]
mod listen;
pub mod openapi;
#[path = "../../cee/src/commands/operator.rs"]
pub mod operator_command;
#[path = "../../cee/src/operators.rs"]
pub mod operators;
#[path = "../../cee/src/commands/pepper.rs"]
pub mod pepper_command;
pub mod reference;
#[path = "../../cee/src/commands/restore.rs"]
pub mod restore_command;
#[path = "../../aws-stand-in/src/runtime_api.rs"]
pub mod runtime_api;
#[path = "../../aws-stand-in/src/s3.rs"]
pub mod s3;
#[path = "../../aws-stand-in/src/s3/head.rs"]
mod s3_head;
pub mod samples;
#[path = "../../aws-stand-in/src/schedule.rs"]
pub mod schedule;
#[path = "../../cee/src/commands/secret.rs"]
pub mod secret_command;
pub mod secrets;
pub mod service_secret;
pub mod stack;
#[path = "../../cee/src/undo.rs"]
pub mod undo;
#[path = "../../aws-stand-in/src/listen/unreadable.rs"]
mod unreadable;
