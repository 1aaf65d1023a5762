//! Looks through the tables for what the claim protocol says cannot be: the invariants of the design, on the data itself.
//!
//! Findings name applications, imports and hashed keys, no driver.
//!
//! | to find | look in |
//! |---|---|
//! | what may be found | [`finding`] |
//! | how the tables are gone through | [`auditor`] |
//! | where a part begins, and what came of it | [`part`] |
//! | what is wrong with an item | `checks` |
//! | what is known of the applications that an item names | `known` |
//! | how a claim that stands for nothing is removed | [`repair`] |

pub mod auditor;
mod checks;
pub mod finding;
mod known;
pub mod part;
pub mod repair;
