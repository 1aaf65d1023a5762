//! Concurrent callers who write down what they asked and what they were told, and a judge who says whether the promise of
//! this registry explains it: some order of the calls on each driver, one at a time, in which every answer is what
//! `cee_oracle` would have said; and tables that hold in the end what that order leaves.
//!
//! Drivers come in groups of a few that share names, phones, licences and identity keys with one another and with nobody
//! else. What happens in one group has to be explained by itself, so that a search through all orders is short.
//!
//! Two things are asked for less strictly, for the contract leaves them open:
//!
//! - A refusal names an application that stands in the way; whether it is the latest is asked only where no request is made
//!   to go wrong (DynamoDB tells nothing of an item that another transaction holds).
//! - Of two calls that do the same harmless thing (a key given, an application deleted) both may hear that they did it: a
//!   busy machine is enough for a try that is carried out and not heard of.
//!
//! `simulate` reads up to three items, each at a moment of its own: it is judged key by key. It reserves nothing.

// Each program uses its own part of this.
#![allow(dead_code)]

pub mod calls;
pub mod drive;
pub mod judge;
pub mod load;
