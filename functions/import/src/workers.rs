//! How rows are written: many at once, but never two of one driver.
//!
//! | to find | look in |
//! |---|---|
//! | which worker writes a row: a *lane* is the queue of one worker | [`lanes`] |
//! | how many workers write at the same moment | [`pace`] |
//! | how one row is written: history, a journey, a question about a driver | [`rows`], `crate::drivers` |

pub mod lanes;
pub mod pace;
pub mod rows;

/// The number of workers, and the largest number of rows written at once.
pub const LANES: usize = 128;
