//! Calls that read or write items of several tables, or many records of one item.
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
