//! The store against an embedded DynamoDB. One program for all tests, because each program compiles the AWS SDK in.

// clippy.toml allows these in test functions, but not in their helpers.
#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod audit;
mod bounds;
mod calls;
mod changes;
mod credentials;
mod driver_lists;
mod drivers;
mod exports;
mod faults;
mod model;
mod pepper;
mod sessions;
mod statistics;
mod support;
mod types;
