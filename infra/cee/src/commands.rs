//! The commands, a file each.

pub mod audit;
pub mod conformance;
pub mod driver;
pub mod env;
pub mod generate;
pub mod operator;
pub mod pepper;
pub mod redrive;
pub mod restore;
pub mod secret;
pub mod serve;
pub mod stats;
pub mod token;
pub mod undo;
