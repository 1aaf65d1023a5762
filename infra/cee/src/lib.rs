//! The commands of the program `cee`.
//!
//! | to find | look in |
//! |---|---|
//! | the commands and their options | [`cli`], and a file for each in [`commands`] |
//! | what the team does with operators and their credentials | [`operators`] |
//! | how the team undoes an import | [`undo`] |
//! | counts of certificates and refusals, a chart of them, the public file of a month | [`statistics`] |
//! | whether another engine does what the registry relies on | [`conformance`] |
//! | what a command prints, and where | [`output`] |
//!
//! `serve`, `token`, `env`, `redrive` and `generate` work on this machine, with the local stack. `operator`, `driver`, `audit`, `pepper`,
//! `conformance`, `restore`, `stats`, `undo` and `secret` are the commands of the registry's team: on the local stack, or on AWS with the team's own rights. The
//! commands of an operator, such as `check`, are the crate `cee-check`, which is also a separate program.
//!
//! A command fails with an [`anyhow::Error`]: a person reads it, and no program decides by it. It repeats no personal data.

pub mod cli;
pub mod commands;
pub mod conformance;
pub mod operators;
pub mod output;
mod parse;
pub mod statistics;
pub mod undo;
