//! The UUIDs of imports.

use std::fmt;

use aws_lc_rs::digest;

/// The UUID of an import, which is the import of one version of an object on S3. The same version always has the same UUID, so a repeated
/// event is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImportId([u8; 16]);

impl ImportId {
    /// The import of this version of an object. If the bucket keeps no versions, `version` is another value that tells two uploads apart.
    #[must_use]
    pub fn of_object(bucket: &str, key: &str, version: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        for part in [bucket, key, version] {
            context.update(part.as_bytes());
            // No part contains a NUL, so two different triples never give the same bytes.
            context.update(b"\0");
        }
        let mut id = [0; 16];
        id.copy_from_slice(&context.finish().as_ref()[..16]);
        Self(id)
    }

    /// The import with this UUID.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The sixteen bytes of the UUID.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 32 || !bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for ImportId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
