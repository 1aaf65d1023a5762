//! The UUIDs of imports and of exports.

use std::fmt;

use aws_lc_rs::digest;
use cee_eligibility::Instant;

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
        digits(text).map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for ImportId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The UUID of an export. A UUID of version 7: those of later exports are greater, so a table sorts them by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExportId(u128);

impl ExportId {
    /// The id of an export that is requested now, by the machine's clock. `random` are random bits.
    #[must_use]
    pub fn new(machine_now: Instant, random: u128) -> Self {
        const MILLIS: u128 = (1 << 48) - 1;
        const RANDOM: u128 = (0xfff << 64) | ((1 << 62) - 1);
        const VERSION_AND_VARIANT: u128 = (7 << 76) | (0b10 << 62);
        let millis = u128::from(machine_now.millis().cast_unsigned()) & MILLIS;
        Self((millis << 80) | VERSION_AND_VARIANT | (random & RANDOM))
    }

    /// When the export was requested.
    pub(crate) fn requested_at(self) -> Option<Instant> {
        i64::try_from(self.0 >> 80).ok().and_then(Instant::from_millis)
    }

    /// Reads what [`Display`](fmt::Display) writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        digits(text).map(Self)
    }
}

impl fmt::Display for ExportId {
    /// 32 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The number that 32 lower-case hexadecimal digits write.
fn digits(text: &str) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (text.len() == 32 && text.bytes().all(is_digit)).then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn export_ids_are_uuids_that_sort_by_age() {
        let at = |millis| Instant::from_millis(millis).unwrap();
        let ids = [
            ExportId::new(at(1_714_550_400_000), u128::MAX),
            ExportId::new(at(1_714_550_400_001), 0),
            ExportId::new(at(1_714_550_400_001), 1),
        ];
        let texts = ids.map(|id| id.to_string());
        assert_eq!(texts[0], "018f332ae400 7fff bfffffffffffffff".replace(' ', ""));
        assert_eq!(texts[1], "018f332ae401 7000 8000000000000000".replace(' ', ""));
        assert!(texts.is_sorted() && ids.is_sorted());
        assert_eq!(texts.map(|text| ExportId::parse(&text)), ids.map(Some));
        assert_eq!(ids[0].requested_at(), Some(at(1_714_550_400_000)));
        for bad in ["", "018F332AE40170008000000000000000", "018f332a-e401-7000-8000-000000000000", "x"] {
            assert_eq!(ExportId::parse(bad), None, "{bad}");
        }
    }
}
