//! The tables: one type per table, which builds the expressions of its requests. The expressions on claims that state a rule are in
//! [`crate::protocol`].
//!
//! | to find | look in |
//! |---|---|
//! | registered applications | [`applications`] |
//! | deleted and erased applications | [`archive`] |
//! | claims | [`claims`] |
//! | the check value of the pepper, in the table of claims | [`pepper`] |
//! | credentials, and how wrong guesses are counted | [`credentials`] |
//! | idempotency records | [`idempotency`] |
//! | imports | [`imports`] |
//! | journeys | [`journeys`] |
//! | counts of calls, and slots of imports | [`limits`] |
//! | operators | [`operators`] |
//! | sessions of the console | [`sessions`] |

pub mod applications;
pub mod archive;
pub mod claims;
pub mod credentials;
pub mod idempotency;
pub mod imports;
pub mod journeys;
pub mod limits;
pub mod operators;
pub mod pepper;
pub mod sessions;
