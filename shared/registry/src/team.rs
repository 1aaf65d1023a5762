//! Operations of the registry's team over whole tables.
//!
//! | to find | look in |
//! |---|---|
//! | whether the tables break an invariant | [`audit`] |
//! | the data about a driver | [`drivers`] |
//! | how a driver is erased | [`erase`] |
//! | whether an operator's number was ever used | [`numbers`] |
//! | how the check value of the pepper is written | [`pepper`] |
//! | how statistics are counted from the tables | [`recount`] |
//! | how a table is restored to an earlier moment | [`restore`] |

pub mod audit;
pub mod drivers;
pub mod erase;
pub mod numbers;
pub mod pepper;
pub mod recount;
pub mod restore;
