//! How rows are written: many at once, but never two of one driver.

pub mod lanes;
pub mod pace;
pub mod rows;

/// The number of workers, and the largest number of rows written at once.
pub const LANES: usize = 128;
