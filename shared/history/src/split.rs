//! Splits a line into cells.

use std::borrow::Cow;

use crate::encoding;
use crate::fault::Fault;

/// Whether a line is blank: only separators, spaces and tabs.
pub(crate) fn is_blank(line: &[u8], separator: u8) -> bool {
    line.iter().all(|b| *b == separator || matches!(b, b' ' | b'\t'))
}

/// The form in which a cell was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Without quotes. A later quote is a character like any other.
    #[default]
    Plain,
    /// In quotes.
    Quoted,
    /// In quotes, with doubled quotes within.
    Escaped,
    /// A quote opens and is not closed on this line: the cell takes the rest of it.
    Unclosed,
    /// Something follows the closing quote.
    Stray,
}

/// The range of a cell in its line, quotes included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    from: usize,
    to: usize,
    pub(crate) shape: Shape,
}

impl Span {
    /// A missing cell, at the end of its line.
    pub(crate) const fn missing(line: &[u8]) -> Self {
        Self { from: line.len(), to: line.len(), shape: Shape::Plain }
    }

    /// Whether the cell as it was written means the same to every reader of RFC 4180.
    pub(crate) fn is_strict(self, line: &str) -> bool {
        match self.shape {
            Shape::Plain => !self.raw(line).contains('"'),
            Shape::Quoted | Shape::Escaped => true,
            Shape::Unclosed | Shape::Stray => false,
        }
    }

    /// The cell as it was written, quotes included.
    pub(crate) fn raw(self, line: &str) -> &str {
        line.get(self.from..self.to).unwrap_or_default()
    }

    /// The rest of the line from this cell on.
    pub(crate) fn rest(self, line: &str) -> &str {
        line.get(self.from..).unwrap_or_default()
    }

    /// The cell's text, without quotes.
    pub(crate) fn text(self, line: &str) -> Cow<'_, str> {
        let content = self.content(line);
        if self.shape == Shape::Escaped { Cow::Owned(content.replace("\"\"", "\"")) } else { Cow::Borrowed(content) }
    }

    /// The bytes of the cell without the quotes around it. Doubled quotes within are still doubled.
    #[inline]
    pub(crate) fn bytes(self, line: &[u8]) -> &[u8] {
        let quote = usize::from(matches!(self.shape, Shape::Quoted | Shape::Escaped));
        line.get(self.from + quote..self.to - quote).unwrap_or_default()
    }

    /// The cell's text, of a line in either encoding.
    pub(crate) fn text_of(self, line: &[u8]) -> Cow<'_, str> {
        match (encoding::text(self.bytes(line)), self.shape) {
            (text, Shape::Escaped) => Cow::Owned(text.replace("\"\"", "\"")),
            (text, _) => text,
        }
    }

    /// The cell's range in its line, quotes included.
    pub(crate) const fn range(self) -> std::ops::Range<usize> {
        self.from..self.to
    }

    /// The cell without the quotes around it. Doubled quotes within are still doubled.
    #[inline]
    pub(crate) fn content(self, line: &str) -> &str {
        let quote = usize::from(matches!(self.shape, Shape::Quoted | Shape::Escaped));
        line.get(self.from + quote..self.to - quote).unwrap_or_default()
    }

    /// Why the cell cannot be read, if it cannot.
    pub(crate) const fn fault(self) -> Option<Fault> {
        match self.shape {
            Shape::Plain | Shape::Quoted | Shape::Escaped => None,
            Shape::Unclosed => Some(Fault::Unclosed),
            Shape::Stray => Some(Fault::Stray),
        }
    }
}

/// The result of [`split`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Split {
    /// The number of cells.
    pub(crate) count: usize,
    /// Whether the quotes of all cells are in order.
    pub(crate) well_formed: bool,
    /// Whether the last one opens a quote that is not closed.
    pub(crate) open: bool,
}

/// Splits a line. The first cells go into `spans` as far as there is room, and the others are counted, so that a line of separators
/// alone costs no memory.
///
/// The hottest loop of a file: eight bytes at a time, because cells are too short for a search designed for long texts.
#[inline]
pub(crate) fn split(line: &[u8], separator: u8, spans: &mut [Span]) -> Split {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let mut count = 0;
    let mut from = 0;
    let mut keep = |span: Span| {
        if let Some(place) = spans.get_mut(count) {
            *place = span;
        }
        count += 1;
    };
    let (words, tail) = line.as_chunks();
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    for (number, word) in words.iter().chain([&last]).enumerate() {
        let word = u64::from_le_bytes(*word);
        let quotes = word ^ u64::from_le_bytes([b'"'; 8]);
        if quotes.wrapping_sub(LOW) & !quotes & HIGH != 0 {
            return split_quoted(line, separator, spans);
        }
        // The highest bit of each byte that is a separator, and of no other.
        let others = word ^ u64::from_le_bytes([separator; 8]);
        let mut separators = !(((others & !HIGH) + !HIGH) | others | !HIGH);
        while separators != 0 {
            let at = number * 8 + separators.trailing_zeros() as usize / 8;
            keep(Span { from, to: at, shape: Shape::Plain });
            from = at + 1;
            separators &= separators - 1;
        }
    }
    keep(Span { from, to: line.len(), shape: Shape::Plain });
    Split { count, well_formed: true, open: false }
}

/// All cells of a line.
pub(crate) fn split_all(line: &[u8], separator: u8) -> (Vec<Span>, Split) {
    let most = line.iter().filter(|b| **b == separator).count() + 1;
    let mut spans = vec![Span::default(); most];
    let found = split(line, separator, &mut spans);
    spans.truncate(found.count);
    (spans, found)
}

/// As [`split`], for a line with a quote in it.
#[inline(never)]
fn split_quoted(line: &[u8], separator: u8, spans: &mut [Span]) -> Split {
    let mut found = Split { count: 0, well_formed: true, open: false };
    let mut from = 0;
    loop {
        let mut shape = Shape::Plain;
        let mut to = from;
        if line.get(from) == Some(&b'"') {
            shape = quoted(line, separator, &mut to);
            found.well_formed &= !matches!(shape, Shape::Unclosed | Shape::Stray);
            found.open = shape == Shape::Unclosed;
        }
        if matches!(shape, Shape::Plain | Shape::Stray) {
            to = line[to..].iter().position(|b| *b == separator).map_or(line.len(), |further| to + further);
        }
        if let Some(place) = spans.get_mut(found.count) {
            *place = Span { from, to, shape };
        }
        found.count += 1;
        if to == line.len() {
            return found;
        }
        from = to + 1;
    }
}

/// Reads a cell in quotes. `at` is its opening quote, and afterwards the position behind its closing one.
fn quoted(line: &[u8], separator: u8, at: &mut usize) -> Shape {
    let mut shape = Shape::Quoted;
    loop {
        *at += 1;
        let Some(further) = line[*at..].iter().position(|b| *b == b'"') else {
            *at = line.len();
            return Shape::Unclosed;
        };
        *at += further + 1;
        match line.get(*at) {
            Some(b'"') => shape = Shape::Escaped,
            None => return shape,
            Some(b) if *b == separator => return shape,
            Some(_) => return Shape::Stray,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cells(line: &str, separator: u8) -> Vec<(String, Shape)> {
        let (spans, found) = split_all(line.as_bytes(), separator);
        assert_eq!(found.count, spans.len());
        spans.iter().map(|span| (span.text(line).into_owned(), span.shape)).collect()
    }

    #[test]
    fn cells_are_split_by_separator_and_quotes() {
        use Shape::{Escaped, Plain, Quoted, Stray, Unclosed};
        let table: [(&str, &[(&str, Shape)]); 13] = [
            ("", &[("", Plain)]),
            ("a", &[("a", Plain)]),
            ("a;b", &[("a", Plain), ("b", Plain)]),
            (";", &[("", Plain), ("", Plain)]),
            ("\"a\";\"b;c\"", &[("a", Quoted), ("b;c", Quoted)]),
            ("\"\";x", &[("", Quoted), ("x", Plain)]),
            ("\"a\"\"b\"", &[("a\"b", Escaped)]),
            ("\"\"\"\"", &[("\"", Escaped)]),
            ("D\"H;x\"", &[("D\"H", Plain), ("x\"", Plain)]),
            ("\"a;b", &[("\"a;b", Unclosed)]),
            ("\"a\"\"", &[("\"a\"\"", Unclosed)]),
            ("x;\"", &[("x", Plain), ("\"", Unclosed)]),
            ("\"a\"b;c", &[("\"a\"b", Stray), ("c", Plain)]),
        ];
        for (line, expected) in table {
            let expected: Vec<_> = expected.iter().map(|(text, shape)| ((*text).to_owned(), *shape)).collect();
            assert_eq!(cells(line, b';'), expected, "{line}");
        }
    }

    #[test]
    fn cells_beyond_the_spans_are_only_counted() {
        let mut spans = [Span::default(); 5];
        for line in [",".repeat(100_000), "\"\",".repeat(100_000)] {
            assert_eq!(
                split(line.as_bytes(), b',', &mut spans),
                Split { count: 100_001, well_formed: true, open: false }
            );
        }
    }

    proptest! {
        /// If quotes are in order, our cells are those of the csv crate.
        #[test]
        fn cells_equal_those_of_csv_crate(line in "[a-c;,\" é]{0,12}[a-c;:é]{0,24}") {
            let ours = cells(&line, b';');
            prop_assume!(ours.iter().all(|(_, shape)| !matches!(shape, Shape::Unclosed | Shape::Stray)));
            let mut reader = csv::ReaderBuilder::new().has_headers(false).delimiter(b';').from_reader(line.as_bytes());
            if let Some(record) = reader.records().next() {
                let theirs: Vec<String> = record.unwrap().iter().map(str::to_owned).collect();
                prop_assert_eq!(ours.into_iter().map(|(text, _)| text).collect::<Vec<_>>(), theirs);
            } else {
                prop_assert_eq!(line, "");
            }
        }
    }
}
