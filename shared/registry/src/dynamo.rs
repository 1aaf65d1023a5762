//! What the store makes of DynamoDB. It knows nothing of carpooling.
//!
//! | to find | look in |
//! |---|---|
//! | what can go wrong, and which requests are worth sending again | [`error`] |
//! | until when, and after which pauses | [`retry`] |
//! | items, and attributes that several tables have | [`item`] |
//! | several writes, all or none of them | [`transaction`] |
//! | reading many items | [`read`] |
//! | requests to one table | [`table`] |
//! | table names and definitions | [`tables`] |

pub mod error;
pub mod item;
pub mod read;
pub mod retry;
pub mod table;
pub mod tables;
pub mod transaction;
