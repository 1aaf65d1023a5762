//! What the function reads from S3 beside a file, and what it puts there.

pub mod event;
pub(crate) mod objects;
