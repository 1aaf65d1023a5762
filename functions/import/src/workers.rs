//! How rows are written: many at once, but never two of one driver.

pub mod lanes;
pub mod pace;
pub mod rows;

/// How many lanes there are, and at most how many rows are written at once.
pub const LANES: usize = 128;
