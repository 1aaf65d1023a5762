//! Calls that read or write items of several tables, or many records of one item.
//!
//! A call either only adds records ([`register`], [`history`]): then the condition of its write is the rule, and it reads nothing before.
//! Or it removes or changes records ([`delete`], [`give_key`], [`undo`]): then it reads the items, computes what remains and writes on the
//! condition that nothing has changed since ([`crate::records::rewrite`]).
//!
//! | to find | look in |
//! |---|---|
//! | how a registration claims a driver, and which applications block it | [`register`] |
//! | the same question without a write | [`simulate`] |
//! | how a row of history is written | [`history`] |
//! | how an import is undone | [`undo`] |
//! | how an application gets an identity key later | [`give_key`] |
//! | how an application is deleted | [`delete`] |
//! | how an application gets its journey's new status | [`follow`] |
//! | the current state of the application behind a proof | [`proofs`] |

pub mod delete;
pub mod follow;
pub mod give_key;
pub mod history;
pub mod proofs;
pub mod register;
pub mod simulate;
pub mod undo;
