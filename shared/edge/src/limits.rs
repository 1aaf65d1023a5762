//! The lengths of bodies.

/// The longest body of a call about one driver, in bytes. The body of a register call has some 400.
pub const BODY_LIMIT: usize = 64 * 1024;

/// The longest body of a call that takes many rows, in bytes: half a kilobyte for each.
pub const BATCH_LIMIT: usize = 512 * 1024;
