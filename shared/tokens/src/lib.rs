//! Tokens: the ones operators send, and the proofs the registry hands out.
//!
//! | to find | look in |
//! |---|---|
//! | application tokens: who calls, and what they may do | [`application`] |
//! | proof tokens: the registry's signature over a registered application | [`proof`] |
//! | keys: reading, making and publishing them | [`keys`] |

pub mod application;
pub mod keys;
pub mod proof;

pub use application::{ApplicationTokens, Caller, Scope, TokenError, TokenIssuer};
pub use keys::{KeyError, KeyKind, KeySet, SigningKey};
pub use proof::{Proof, ProofSigner, TokenFormat};
