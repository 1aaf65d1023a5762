//! The commands, a file each. [`crate::cli`] names them. The commands of the registry's team run on the local stack or on AWS: with
//! `--aws` and the settings of the environment, or (`operator`, `undo`) with the names of tables and bucket as options.

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
