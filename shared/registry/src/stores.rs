//! The tables: a type for each, which alone knows its expressions. Those of claims that state a rule are in [`crate::protocol`].
//!
//! | to find | look in |
//! |---|---|
//! | registered applications | [`applications`] |
//! | deleted and erased applications | [`archive`] |
//! | claims | [`claims`] |
//! | the check value of the pepper among the claims | [`pepper`] |
//! | credentials, and how guesses are counted | [`credentials`] |
//! | idempotency records | [`idempotency`] |
//! | imports | [`imports`] |
//! | journeys | [`journeys`] |
//! | counted calls, and slots of imports | [`limits`] |
//! | operators | [`operators`] |

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
