//! What the items hold: encoding and decoding, no request.

pub mod application;
pub mod claim_item;
pub mod claim_keys;
pub mod credential;
pub mod idempotency;
pub mod journey;
pub mod rewrite;
