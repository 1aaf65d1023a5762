//! What each item holds: encoding and decoding, no request.
//!
//! | to find | look in |
//! |---|---|
//! | the UUIDs of imports | [`ids`] |
//! | a registered application, and what stays under the UUID of one that is gone | [`application`] |
//! | a deleted or an erased application | [`archive`] |
//! | a claim item | [`claim_item`] |
//! | the keys of claim items | [`claim_keys`] |
//! | a change of a claim item, on the condition that it is still what was read | [`rewrite`] |
//! | the check value of the pepper | [`pepper`] |
//! | a credential: access key, hashed secret, wrong guesses | [`credential`] |
//! | the stored response of a registration | [`idempotency`] |
//! | an import, and when it can be taken back | [`import`] |
//! | a journey | [`journey`] |

pub mod application;
pub mod archive;
pub mod claim_item;
pub mod claim_keys;
pub mod credential;
pub mod idempotency;
pub mod ids;
pub mod import;
pub mod journey;
pub mod pepper;
pub mod rewrite;
