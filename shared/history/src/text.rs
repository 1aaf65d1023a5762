//! UTF-16 to UTF-8. A stream without a UTF-16 byte order mark passes unchanged.

use serde::{Deserialize, Serialize};

/// In which encoding a file is written.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    #[serde(rename = "utf-8")]
    Utf8,
    /// windows-1252, in one line at least.
    #[serde(rename = "windows-1252")]
    Windows1252,
    /// UTF-16 with a byte order mark, which Excel calls "Unicode text".
    #[serde(rename = "utf-16")]
    Utf16,
}

/// Converts a stream that begins with a UTF-16 byte order mark to UTF-8.
#[derive(Default)]
pub(crate) struct Text {
    form: Form,
    /// A byte whose other half has not arrived, or too few bytes to recognise the form.
    odd: Vec<u8>,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Form {
    /// Too few bytes have arrived to recognise the form.
    #[default]
    Unknown,
    Other,
    LittleEndian,
    BigEndian,
}

impl Text {
    /// Whether it turned out to be UTF-16.
    pub(crate) const fn is_utf_16(&self) -> bool {
        matches!(self.form, Form::LittleEndian | Form::BigEndian)
    }

    /// The next piece as UTF-8.
    pub(crate) fn push(&mut self, piece: Vec<u8>) -> Vec<u8> {
        if self.form == Form::Other {
            return piece;
        }
        self.odd.extend_from_slice(&piece);
        if self.form == Form::Unknown {
            self.form = match self.odd[..] {
                [] | [_] => return Vec::new(),
                [0xff, 0xfe, ..] => Form::LittleEndian,
                [0xfe, 0xff, ..] => Form::BigEndian,
                _ => Form::Other,
            };
        }
        if self.form == Form::Other {
            return std::mem::take(&mut self.odd);
        }
        let units = std::mem::take(&mut self.odd);
        let (pairs, odd) = units.as_chunks::<2>();
        self.odd = odd.to_vec();
        if pairs.is_empty() {
            return Vec::new();
        }
        let read = if self.form == Form::LittleEndian { u16::from_le_bytes } else { u16::from_be_bytes };
        let mut out = String::with_capacity(pairs.len() + 4);
        let held = self.high.take();
        // A first half at the end waits for its second half.
        let (pairs, last) = match pairs {
            [pairs @ .., last] if (0xD800..0xDC00).contains(&read(*last)) => (pairs, Some(read(*last))),
            pairs => (pairs, None),
        };
        let units = held.into_iter().chain(pairs.iter().map(|pair| read(*pair)));
        out.extend(char::decode_utf16(units).map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER)));
        self.high = last;
        out.into_bytes()
    }

    /// The rest at the end of the stream.
    pub(crate) fn end(&mut self) -> Vec<u8> {
        let odd = std::mem::take(&mut self.odd);
        if !self.is_utf_16() {
            return odd;
        }
        let broken = usize::from(self.high.take().is_some()) + odd.len();
        char::REPLACEMENT_CHARACTER.to_string().repeat(broken).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8], chunk: usize) -> Vec<u8> {
        let mut text = Text::default();
        let mut out: Vec<u8> = bytes.chunks(chunk).flat_map(|chunk| text.push(chunk.to_vec())).collect();
        out.extend(text.end());
        out
    }

    fn units(text: &str, big: bool) -> Vec<u8> {
        let bytes = |unit: u16| if big { unit.to_be_bytes() } else { unit.to_le_bytes() };
        format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn broken_utf_16_becomes_replacement_characters() {
        let table: [(&[u8], &str); 6] = [
            (b"\xff\xfe", "\u{feff}"),
            (b"\xff\xfea", "\u{feff}\u{fffd}"),
            (b"\xff\xfe\x3d\xd8", "\u{feff}\u{fffd}"),
            (b"\xff\xfe\x3d\xd8a\0", "\u{feff}\u{fffd}a"),
            (b"\xff\xfe\x3d\xd8\x3d\xd8\x00\xde", "\u{feff}\u{fffd}😀"),
            (b"\xfe\xff\xde\x00\0a", "\u{feff}\u{fffd}a"),
        ];
        for (bytes, expected) in table {
            for chunk in 1..=4 {
                assert_eq!(String::from_utf8(decode(bytes, chunk)).unwrap(), expected, "{bytes:?} in {chunk}");
            }
        }
    }

    proptest! {
        #[test]
        fn utf_16_becomes_the_same_text(text: String, big: bool, chunk in 1_usize..9) {
            prop_assert_eq!(decode(&units(&text, big), chunk), format!("\u{feff}{text}").into_bytes());
        }

        #[test]
        fn bytes_without_mark_pass_unchanged(bytes: Vec<u8>, chunk in 1_usize..9) {
            prop_assume!(!bytes.starts_with(b"\xff\xfe") && !bytes.starts_with(b"\xfe\xff"));
            prop_assert_eq!(decode(&bytes, chunk), bytes);
        }
    }
}
