//! The versions of the interface.

/// The versions of the interface, which are one: the public registry's clients hard-code `/v3.2` or `/v3.3`.
pub const VERSIONS: [&str; 3] = ["v3", "v3.2", "v3.3"];
