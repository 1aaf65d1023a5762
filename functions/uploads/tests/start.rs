//! Holds no test: that this file exists is why `cargo test` builds the binary, which `tests/service/binaries.rs` starts.
