//! The service as its users see it: over HTTP and S3, against the local stack.
//!
//! One binary and not one a file: each would link the whole stack again.

// A test stops at the first surprise; Clippy recognises only the functions marked as tests.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, unreachable_pub)]

mod border;
mod document;
#[path = "../leaks/mod.rs"]
mod leaks;
#[path = "../promise/mod.rs"]
mod promise;
mod schema;
mod support;
mod template;
mod wire;

mod access;
mod applications;
mod architecture;
mod audit;
mod batch;
mod batches;
mod binaries;
mod bounds;
mod changes;
mod cli;
mod console;
mod console_applications;
mod console_attacks;
mod console_files;
mod console_overview;
mod cors;
mod cost;
mod crash;
mod delete;
mod deployment;
mod differences;
mod drills;
mod driver;
mod driver_lists;
mod engines;
mod exports;
mod fair_imports;
mod faults;
mod files;
mod history;
mod idempotency;
mod journey_keys;
mod kills;
mod least_privilege;
mod linear;
mod list;
mod metrics;
mod numbers;
mod openapi;
mod panics;
mod pepper;
mod phones;
mod privacy;
mod private;
mod proofs;
mod race;
mod rate;
mod readme;
mod recovery;
mod refusals;
mod requests;
mod resume;
mod rpc_tokens;
mod shortcomings;
mod stats;
mod survey;
mod takeback;
mod token_calls;
mod undo;
mod uploads;
mod watch;
