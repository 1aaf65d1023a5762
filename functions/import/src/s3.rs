//! The events of S3 and the notes between invocations.

pub mod event;
