//! What the store makes of DynamoDB: it knows nothing of carpooling.

pub mod error;
pub mod read;
pub mod tables;
