//! Requests to DynamoDB. This module knows nothing of carpooling.
//!
//! | to find | look in |
//! |---|---|
//! | errors, and which requests are sent again | [`error`] |
//! | deadlines and pauses of retries | [`retry`] |
//! | items, and attributes that several tables share | [`item`] |
//! | several writes in one transaction | [`transaction`] |
//! | reading several items | [`read`] |
//! | conditional updates that return the item | [`update`] |
//! | requests to one table | [`table`] |
//! | table names and definitions | [`tables`] |

pub mod error;
pub mod item;
pub mod read;
pub mod retry;
pub mod table;
pub mod tables;
pub mod transaction;
pub mod update;
