//! What S3 tells the function.

pub mod event;
