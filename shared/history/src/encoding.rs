//! The two encodings that spreadsheets write.

use std::borrow::Cow;

/// The characters of the bytes 0x80 to 0x9F in windows-1252, as in WHATWG's Encoding Standard: the five that Microsoft left
/// undefined are the control characters of their number. All other bytes are the characters of their number.
const FROM_0X80: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// A text: UTF-8 if it is valid UTF-8, windows-1252 if not. Every byte is defined in windows-1252, so this never fails.
// Without encoding_rs, which would add the tables of all East Asian encodings to a function: 130 kB that hardly compress.
#[must_use]
pub fn text(bytes: &[u8]) -> Cow<'_, str> {
    let character = |byte: &u8| match byte {
        0x80..=0x9F => FROM_0X80[usize::from(byte - 0x80)],
        other => char::from(*other),
    };
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => Cow::Owned(bytes.iter().map(character).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn invalid_utf_8_is_read_as_windows_1252() {
        // Before the rest, a byte that makes all of it invalid UTF-8.
        let bytes: Vec<u8> = std::iter::once(0xFF).chain(0..=0xFF).collect();
        assert_eq!(text(&bytes), encoding_rs::WINDOWS_1252.decode_without_bom_handling(&bytes).0);
        assert_eq!(text(b"plain"), "plain");
        assert_eq!(text("é€".as_bytes()), "é€");
        assert_eq!(text(b"\xe9 \x80\xa0"), "é €\u{a0}");
        assert_eq!(text(b"\xff\xfe\x81"), "ÿþ\u{81}", "no byte is without a meaning");
    }

    proptest! {
        #[test]
        fn any_bytes_are_utf_8_or_windows_1252(bytes: Vec<u8>) {
            let expected = match String::from_utf8(bytes.clone()) {
                Ok(text) => text,
                Err(_) => encoding_rs::WINDOWS_1252.decode_without_bom_handling(&bytes).0.into_owned(),
            };
            prop_assert_eq!(text(&bytes), expected);
        }
    }
}
