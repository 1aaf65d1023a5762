//! No test is here. This file makes `cargo test` build the binary, which `tests/service/binaries.rs` starts.
