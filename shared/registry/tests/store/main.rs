//! The store against an embedded DynamoDB. One program for all of it: the AWS SDK is compiled into each.

// clippy.toml allows these in test functions, but not in the helpers around them.
#![allow(clippy::panic, clippy::print_stdout, clippy::unwrap_used)]

mod audit;
mod bounds;
mod calls;
mod credentials;
mod drivers;
mod faults;
mod model;
mod pepper;
mod support;
mod types;
