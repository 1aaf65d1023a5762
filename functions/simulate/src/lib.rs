//! The simulate function.
