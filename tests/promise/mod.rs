//! Concurrent callers record their calls and the responses, and a judge decides whether the promise of this registry explains them:
//! some order of the calls on each driver, one at a time, must give every response according to `cee_oracle`, and must leave the
//! content of the tables.
//!
//! Drivers come in groups of a few that share names, phones, licences and identity keys with one another and with no other group.
//! Each group must be explained by itself, so that the search through all orders is short.
//!
//! The judge is less strict in two cases, because the contract leaves them open:
//!
//! - A refusal names a blocking application; only a run without faults requires the latest one (DynamoDB returns nothing about an
//!   item that another transaction holds).
//! - Of two calls that do the same harmless thing (a key given, an application deleted) both may report that they did it: on a busy
//!   machine a try may take effect and its response be lost.
//!
//! `simulate` reads up to three items, each at a different moment: it is judged key by key. It reserves nothing.
//!
//! A reader of a feed of changes keeps its cursor. All that it has read must be the feed at one moment of its call: each delete once, in
//! order, and none of another operator. Pages of a list are read at different moments, so a whole walk is judged, and an export too: each
//! application once that existed throughout.

// Each program uses its own part of this.
#![allow(dead_code)]

pub mod calls;
pub mod drive;
pub mod judge;
pub mod load;
