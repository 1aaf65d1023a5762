//! The stylesheet. Its address changes when its content does, so browsers keep it for a year.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};

/// The path of the stylesheet.
pub(crate) const ADDRESS: &str = "/console/style.css";

/// The stylesheet.
pub(crate) const CSS: &str = include_str!("style.css");

static PATH: LazyLock<String> = LazyLock::new(|| {
    let hash = digest(&SHA256, CSS.as_bytes());
    let version: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{ADDRESS}?v={version}")
});

/// Where the stylesheet is, in this version.
pub(crate) fn path() -> &'static str {
    &PATH
}
