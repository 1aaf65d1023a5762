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
//! | the checks of the feeds of changes | `feed` |
//! | the checks of an export, and what it says of S3 | [`exports`] |
//! | what a write may have damaged | `changes` |
//! | applications, claim items and changes to check | [`affected`] |
//! | the stored data about the applications that a claim item refers to | `known` |
//! | how an orphaned claim is removed | [`repair`] |

pub mod affected;
pub mod auditor;
mod changes;
mod checks;
pub mod exports;
mod feed;
pub mod finding;
mod known;
pub mod part;
pub mod repair;
