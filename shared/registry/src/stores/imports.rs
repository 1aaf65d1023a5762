//! The table of imports: files and batches of rows.
//!
//! | to find | look in |
//! |---|---|
//! | the table itself | [`table`] |
//! | uploads: how a file is awaited | [`uploads`] |
//! | the lease: how one invocation at a time works on an import, and how the import ends | [`hold`] |
//! | which import replaces another one, and why no second one does | [`replacement`] |
//! | a batch of rows, which is an import without a file | [`batch`] |
//! | how imports are looked up and listed | [`list`] |

pub mod batch;
pub mod hold;
pub mod list;
pub mod replacement;
pub mod table;
pub mod uploads;
