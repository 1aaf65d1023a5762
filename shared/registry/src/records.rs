//! The items: encoding and decoding, no requests.
//!
//! | to find | look in |
//! |---|---|
//! | the UUIDs of imports and exports | [`ids`] |
//! | a registered application, and the marker that stays under its UUID when it is gone | [`application`] |
//! | a deleted or an erased application | [`archive`] |
//! | a change of an application, and the place where a feed of changes continues | [`change`] |
//! | a claim item | [`claim_item`] |
//! | the keys of claim items | [`claim_keys`] |
//! | a change of a claim item, on the condition that the item has not changed since it was read | [`rewrite`] |
//! | the check value of the pepper | [`pepper`] |
//! | a credential: access key, hashed secret, failed guesses | [`credential`] |
//! | an export of applications to a file | [`export`] |
//! | the stored response of a registration | [`idempotency`] |
//! | an import, and when it can be undone | [`import`] |
//! | a journey | [`journey`] |
//! | an application as a list shows it, and the place where a list continues | [`listed`] |
//! | a session of the console | [`session`] |
//! | the counts of an operator's week | [`statistics`] |

pub mod application;
pub mod archive;
pub mod change;
pub mod claim_item;
pub mod claim_keys;
pub mod credential;
pub mod export;
pub mod idempotency;
pub mod ids;
pub mod import;
pub mod journey;
pub mod listed;
pub mod pepper;
pub mod rewrite;
pub mod session;
pub mod statistics;
