//! The objects that the function reads from S3 beside a file, and those that it puts there.

pub mod event;
pub(crate) mod objects;
