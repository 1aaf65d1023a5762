//! What reads or writes items of several tables.

pub mod delete;
pub mod give_key;
pub mod proofs;
pub mod register;
pub mod undo;
