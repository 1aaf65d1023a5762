#![doc = include_str!("../README.md")]

pub mod dynamo;
mod error;
pub mod faults;
pub mod gateway;
pub mod invoke;
mod listen;
pub mod queue;
pub mod runtime_api;
pub mod s3;
pub mod schedule;

pub use error::Error;
