//! The tables, one each.

pub mod imports;
pub mod limits;
pub mod operators;
