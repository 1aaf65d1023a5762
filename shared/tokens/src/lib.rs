//! Tokens: the application tokens of operators, and the proofs that the registry issues.
//!
//! | to find | look in |
//! |---|---|
//! | application tokens: the calling operator and its permissions | [`application`] |
//! | proof tokens: the registry's signature over a registered application | [`proof`] |
//! | keys: reading, generating and publishing them | [`keys`] |

pub mod application;
pub mod keys;
pub mod proof;

pub use application::{ApplicationTokens, Caller, Scope, TokenError, TokenIssuer};
pub use keys::{KeyError, KeyKind, KeySet, SigningKey};
pub use proof::{Proof, ProofError, ProofSigner, TokenFormat, VerifiedProof};
