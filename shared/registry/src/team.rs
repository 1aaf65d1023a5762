//! What the registry's team runs over the tables.

pub mod audit;
pub mod drivers;
pub mod numbers;
pub mod pepper;
pub mod restore;
