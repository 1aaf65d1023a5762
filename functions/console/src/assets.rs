//! The stylesheet and the script. Their addresses change when their contents do, so browsers keep them for a year.

use std::sync::LazyLock;

use aws_lc_rs::digest::{SHA256, digest};

/// A file that pages load.
pub(crate) struct Asset {
    /// The path of the asset.
    pub(crate) path: &'static str,
    /// The content of the asset.
    pub(crate) content: &'static str,
    /// The content type of the asset.
    pub(crate) content_type: &'static str,
    address: LazyLock<String>,
}

macro_rules! asset {
    ($(#[$about:meta])* $name:ident, $path:literal, $file:literal, $content_type:literal) => {
        $(#[$about])*
        pub(crate) static $name: Asset = Asset {
            path: $path,
            content: include_str!($file),
            content_type: $content_type,
            address: LazyLock::new(|| versioned($path, include_str!($file))),
        };
    };
}

asset!(
    /// The stylesheet.
    STYLE, "/console/style.css", "style.css", "text/css; charset=utf-8"
);
asset!(
    /// The script: it sends a file with its progress, and shows the progress of an import.
    SCRIPT, "/console/script.js", "script.js", "text/javascript; charset=utf-8"
);

impl Asset {
    /// The asset with this path.
    pub(crate) fn at(path: &str) -> Option<&'static Self> {
        [&STYLE, &SCRIPT].into_iter().find(|asset| asset.path == path)
    }

    /// The path of this version of the asset.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

fn versioned(path: &str, content: &str) -> String {
    let hash = digest(&SHA256, content.as_bytes());
    let version: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("{path}?v={version}")
}
