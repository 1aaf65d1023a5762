//! Checks the invariants of the claim protocol on the stored data.
//!
//! Findings contain UUIDs of applications and imports and hashed keys, but no personal data.
//!
//! | to find | look in |
//! |---|---|
//! | the kinds of findings | [`finding`] |
//! | how the tables are read | [`auditor`] |
//! | where a part begins, and its result | [`part`] |
//! | the checks of an item | `checks` |
//! | what a change may have damaged | `changes` |
//! | applications and claim items to check | [`affected`] |
//! | the stored data about the applications that a claim item refers to | `known` |
//! | how an orphaned claim is removed | [`repair`] |

pub mod affected;
pub mod auditor;
mod changes;
mod checks;
pub mod finding;
mod known;
pub mod part;
pub mod repair;
