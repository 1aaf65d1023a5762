//! Reads the first line of a file: separator and columns.

use cee_eligibility::Language;

use crate::catalogue;
use crate::column::Field;
use crate::encoding;
use crate::lines::Quoting;
use crate::refusal::{FileError, Form};
use crate::repair::Repairs;
use crate::split::{Span, split_all};
use crate::strip::{trim, unguard};

impl Form {
    /// The beginning of each form.
    const BEGINNINGS: [(&[u8], Self); 19] = [
        // Zip, the container of .xlsx and .ods: a zip that the function can read was unpacked before.
        (b"PK\x03\x04", Self::Twice),
        (b"PK\x05\x06", Self::Twice),
        (b"\x1f\x8b", Self::Twice),
        (b"\xd0\xcf\x11\xe0", Self::Workbook),
        (b"\x28\xb5\x2f\xfd", Self::Zstd),
        (b"\xfd7zXZ\0", Self::Xz),
        (b"BZh", Self::Bzip2),
        (b"\x04\x22\x4d\x18", Self::Lz4),
        (b"7z\xbc\xaf\x27\x1c", Self::SevenZip),
        (b"Rar!\x1a", Self::Rar),
        (b"PAR1", Self::Parquet),
        (b"ARROW1", Self::Arrow),
        (b"FEA1", Self::Arrow),
        (b"SQLite format 3\0", Self::Sqlite),
        (b"RDX", Self::R),
        (b"%PDF", Self::Pdf),
        (b"<", Self::Markup),
        (b"{", Self::Json),
        (b"[", Self::Json),
    ];

    /// The form of a file with this first line, if it is one of those that are not CSV.
    #[must_use]
    pub fn of(line: &[u8]) -> Option<Self> {
        let found = Self::BEGINNINGS.iter().find(|(beginning, _)| line.starts_with(beginning));
        found.map(|(_, form)| *form).or_else(|| is_boundary(line).then_some(Self::Multipart))
    }
}

/// Whether this is the boundary with which a form begins: `--`, then the client's text (RFC 2046: at most 70 characters).
fn is_boundary(line: &[u8]) -> bool {
    let Some(boundary) = line.strip_prefix(b"--") else { return false };
    (10..=70).contains(&boundary.len())
        && boundary.iter().all(|b| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(b))
}

/// The largest number of empty cells beyond those of the header in a row.
pub(crate) const MOST_EMPTY: usize = 16;

/// The separators a file may use.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];

/// The position of a column that the file does not have.
const NOWHERE: usize = usize::MAX;

/// The header of a file, once read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    text: String,
    separator: u8,
    /// The position of each field of the row type, or [`NOWHERE`].
    positions: Vec<usize>,
    /// The content of each column.
    columns: Vec<HeaderCell>,
    /// The number of columns with a name: all but empty ones at the end.
    named: usize,
}

/// The content of one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderCell {
    /// A field of the row type: its number and its name.
    Field(usize, &'static str),
    /// A column that we added to a rejected file, in either language, or to the answers about a list of drivers.
    Report(&'static str),
    /// A first column without a name, in which a program has put the name or number of each row.
    RowName,
    /// Nothing: an extra separator at the end of the header.
    Nothing,
}

impl HeaderCell {
    /// Whether it is a column that we added to a rejected file.
    pub(crate) const fn is_report(&self) -> bool {
        matches!(self, Self::Report(_))
    }
}

impl Header {
    /// The header line as it came, without byte order mark and line end.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// `,`, `;` or a tab.
    #[must_use]
    pub const fn separator(&self) -> char {
        self.separator as char
    }

    /// Reads a header line without its byte order mark.
    pub(crate) fn read(line: &[u8], fields: &'static [Field]) -> Result<Self, FileError> {
        let text = encoding::text(line);
        let known =
            |separator| names(&text, separator).iter().filter(|name| fields.iter().any(|field| field.is(name))).count();
        // `max_by_key` returns the last of several greatest: reversed, so that the comma wins.
        let separator = SEPARATORS.into_iter().rev().max_by_key(|separator| known(*separator)).unwrap_or(b',');
        if known(separator) == 0 {
            let required = fields.iter().filter(|field| field.is_required()).map(|field| field.name());
            return Err(FileError::NoHeader { expected: required.collect::<Vec<_>>().join(", ") });
        }
        if !split_all(text.as_bytes(), separator).1.well_formed {
            return Err(FileError::HeaderQuote);
        }
        let names = names(&text, separator);
        let named = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
        let mut positions = vec![NOWHERE; fields.len()];
        let mut columns = Vec::with_capacity(names.len());
        let (mut unknown, mut duplicate) = (Vec::new(), Vec::new());
        for (position, name) in names.iter().enumerate() {
            let mut reports = Language::ALL.into_iter().flat_map(catalogue::columns);
            let report = reports.find(|column| column.eq_ignore_ascii_case(name));
            let answer = fields.iter().find(|field| field.is_answer() && field.is(name)).map(Field::name);
            let field = |field: &Field| !field.is_answer() && field.is(name);
            columns.push(if let Some(number) = fields.iter().position(field) {
                if std::mem::replace(&mut positions[number], position) != NOWHERE
                    && !duplicate.contains(&fields[number].name())
                {
                    duplicate.push(fields[number].name());
                }
                HeaderCell::Field(number, fields[number].name())
            } else if let Some(report) = report.or(answer) {
                HeaderCell::Report(report)
            } else if position == 0 && position < named && (name.is_empty() || name == "Unnamed: 0") {
                HeaderCell::RowName
            } else {
                if position < named {
                    unknown.push(shown(name, position));
                }
                HeaderCell::Nothing
            });
        }
        let missing =
            |(field, position): (&Field, &usize)| (field.is_required() && *position == NOWHERE).then_some(field.name());
        let missing: Vec<_> = fields.iter().zip(&positions).filter_map(missing).collect();
        if missing.is_empty() && unknown.is_empty() && duplicate.is_empty() {
            Ok(Self { text: text.into_owned(), separator, positions, columns, named })
        } else {
            Err(FileError::Columns { missing, unknown, duplicate })
        }
    }

    /// The same header with a nameless column in front, if each row has one more cell there, and with this many nameless columns at
    /// the end.
    pub(crate) fn completed(&self, row_name: bool, empty: usize, fields: &'static [Field]) -> Result<Self, FileError> {
        if !row_name && empty == 0 {
            return Ok(self.clone());
        }
        let separator = self.separator().to_string();
        let front = if row_name { separator.as_str() } else { "" };
        Self::read(format!("{front}{}{}", self.text, separator.repeat(empty)).as_bytes(), fields)
    }

    /// Whether a first column holds names of rows.
    pub(crate) fn has_row_names(&self) -> bool {
        self.columns.first() == Some(&HeaderCell::RowName)
    }

    pub(crate) const fn separator_byte(&self) -> u8 {
        self.separator
    }

    /// The position of a field of the row type: beyond every cell if the file does not have it.
    pub(crate) fn position(&self, field: usize) -> usize {
        self.positions.get(field).copied().unwrap_or(NOWHERE)
    }

    /// The content of each column, including the nameless ones at the end.
    pub(crate) fn columns(&self) -> &[HeaderCell] {
        &self.columns
    }

    /// The number of columns with a name.
    pub(crate) const fn named(&self) -> usize {
        self.named
    }

    /// How a row of several lines is recognised. The same for a header and for its [`completed`](Self::completed) form.
    pub(crate) fn quoting(&self) -> Quoting {
        // Nameless columns at the end do not count, and there may be thousands.
        let named = self.columns.get(..self.named).unwrap_or_default();
        let fields = named.iter().filter(|column| matches!(column, HeaderCell::Field(..))).count();
        let ours = named.iter().filter(|column| column.is_report()).count();
        Quoting { separator: self.separator, least: fields, most: fields + ours + 1 + MOST_EMPTY }
    }

    /// Fills in the cells of our own columns if a row has none of them, or others than expected. If our columns stand at the end,
    /// every cell behind the file's own columns is replaced. If they stand elsewhere, the row must have exactly the cells of the
    /// file's own columns. `count` cells are in `spans`, which has room for those of all columns. Returns the new count.
    #[cold]
    pub(crate) fn fill(&self, line: &[u8], spans: &mut [Span], count: usize) -> usize {
        let named = self.columns.get(..self.named).unwrap_or_default();
        let missing = Span::missing(line);
        let own = named.iter().rposition(|column| !column.is_report()).map_or(0, |last| last + 1);
        if own < self.named && count >= own {
            if spans.iter().take(own).any(|span| span.fault().is_some()) {
                return count;
            }
            spans.iter_mut().skip(own).for_each(|span| *span = missing);
            return self.named;
        }
        let ours = named.iter().filter(|column| column.is_report()).count();
        if ours == 0 || count + ours != self.named {
            return count;
        }
        let mut own = spans.get(..count).unwrap_or_default().to_vec().into_iter();
        for (span, column) in spans.iter_mut().zip(named) {
            *span = if column.is_report() { missing } else { own.next().unwrap_or(missing) };
        }
        self.named
    }
}

/// The names in a header line, without quotes, guards (`="…"`), and the spaces around and within those.
fn names(text: &str, separator: u8) -> Vec<String> {
    let (spans, _) = split_all(text.as_bytes(), separator);
    let name = |text: &str| {
        let mut repairs = Repairs::NONE;
        trim(unguard(trim(text, &mut repairs), &mut repairs), &mut repairs).to_owned()
    };
    spans.into_iter().map(|span| name(&span.text(text))).collect()
}

/// How a message names an unknown column: by its name if it looks like one, and otherwise by its number, because the text may be
/// anything.
fn shown(name: &str, position: usize) -> String {
    let like_a_name = (1..=40).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b' '))
        && name.bytes().filter(u8::is_ascii_digit).count() < 4;
    if like_a_name { format!("\"{name}\"") } else { format!("column {}", position + 1) }
}

/// Why a first line (or as much of it as fits) cannot be a header, even if it names known columns.
pub(crate) fn not_a_header(line: &[u8]) -> Option<FileError> {
    if let Some(form) = Form::of(line) {
        return Some(FileError::Form(form));
    }
    // A NUL before or after each letter.
    let nuls = line.iter().filter(|b| **b == 0).count();
    if nuls > 0 && nuls.abs_diff(line.len() / 2) <= 1 && line.iter().any(u8::is_ascii_alphabetic) {
        return Some(FileError::Utf16);
    }
    line.iter().any(|b| *b < b' ' && *b != b'\t').then_some(FileError::NotText)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::HistoryRow;
    use crate::row::Row;
    use cee_eligibility::Journey;

    fn header(line: &str) -> Result<Header, FileError> {
        Header::read(line.as_bytes(), HistoryRow::FIELDS)
    }

    #[test]
    fn header_with_known_columns_is_accepted() {
        let table = [
            ("journey_type,last_name_trunc,phone_trunc,datetime", ',', [0, 1, 2, 3]),
            ("journey_type;last_name_trunc;phone_trunc;datetime", ';', [0, 1, 2, 3]),
            ("journey_type\tlast_name_trunc\tphone_trunc\tdatetime", '\t', [0, 1, 2, 3]),
            ("datetime;phone_trunc;last_name_trunc;journey_type", ';', [3, 2, 1, 0]),
            ("JOURNEY_TYPE; Last_Name_Trunc ;phone_trunc\u{a0};datetime", ';', [0, 1, 2, 3]),
            ("\"journey_type\",\"last_name_trunc\",\" phone_trunc\",datetime", ',', [0, 1, 2, 3]),
            ("journey_type;last_name_trunc;phone_trunc;datetime;;", ';', [0, 1, 2, 3]),
            ("journey_type;last_name_trunc;phone_trunc;datetime; ;\"\"", ';', [0, 1, 2, 3]),
            ("line;journey_type;last_name_trunc;phone_trunc;datetime;Column;reason", ';', [1, 2, 3, 4]),
            ("=\"journey_type\",=\"last_name_trunc\",\"=\"\"phone_trunc\"\"\",datetime", ',', [0, 1, 2, 3]),
            ("\"\",\"journey_type\",\"last_name_trunc\",\"phone_trunc\",\"datetime\"", ',', [1, 2, 3, 4]),
            ("Unnamed: 0,journey_type,last_name_trunc,phone_trunc,datetime", ',', [1, 2, 3, 4]),
        ];
        for (line, separator, positions) in table {
            let header = header(line).unwrap_or_else(|e| panic!("{line}: {e}"));
            assert_eq!(header.separator(), separator, "{line}");
            assert_eq!([0, 1, 2, 3].map(|field| header.position(field)), positions, "{line}");
            assert_eq!(header.text(), line);
        }
        let latin = Header::read(b"journey_type;last_name_trunc;phone_trunc\xa0;datetime", HistoryRow::FIELDS).unwrap();
        assert_eq!(latin.text(), "journey_type;last_name_trunc;phone_trunc\u{a0};datetime");
    }

    #[test]
    fn header_with_wrong_columns_is_rejected() {
        let columns = |missing: &[&'static str], unknown: &[&str], duplicate: &[&'static str]| FileError::Columns {
            missing: missing.to_vec(),
            unknown: unknown.iter().map(|name| (*name).to_owned()).collect(),
            duplicate: duplicate.to_vec(),
        };
        let none = FileError::NoHeader { expected: "journey_type, last_name_trunc, phone_trunc, datetime".to_owned() };
        let table = [
            ("short;DUP;+336010203;2021-03-15", none.clone()),
            ("journey_type|last_name_trunc|phone_trunc|datetime", none.clone()),
            ("line;column;reason", none),
            ("journey_type;last_name_trunc;phone_trunc", columns(&["datetime"], &[], &[])),
            ("journey_type;phone_trunc", columns(&["last_name_trunc", "datetime"], &[], &[])),
            ("journey_type;lastname;phone_trunc;datetime", columns(&["last_name_trunc"], &["\"lastname\""], &[])),
            ("journey_type;last_name_trunc;phone_trunc;datetime;email", columns(&[], &["\"email\""], &[])),
            ("journey_type;last_name_trunc;phone_trunc;datetime;+33601020304", columns(&[], &["column 5"], &[])),
            ("journey_type;last_name_trunc;phone_trunc;datetime;0601", columns(&[], &["column 5"], &[])),
            ("journey_type;last_name_trunc;phone_trunc;datetime;prénom", columns(&[], &["column 5"], &[])),
            ("journey_type;;last_name_trunc;phone_trunc;datetime", columns(&[], &["column 2"], &[])),
            (";;journey_type;last_name_trunc;phone_trunc;datetime", columns(&[], &["column 2"], &[])),
            ("journey_type;Unnamed: 1;last_name_trunc;phone_trunc;datetime", columns(&[], &["column 2"], &[])),
            ("datetime;journey_type;last_name_trunc;phone_trunc;DATETIME;datetime", columns(&[], &[], &["datetime"])),
            (
                "journey_type;last_name_trunc,phone_trunc,datetime",
                columns(&["journey_type", "last_name_trunc"], &["column 1"], &[]),
            ),
            ("journey_type;last_name_trunc;phone_trunc;\"datetime", FileError::HeaderQuote),
            ("\"journey_type\"x;last_name_trunc;phone_trunc;datetime", FileError::HeaderQuote),
        ];
        for (line, expected) in table {
            assert_eq!(header(line), Err(expected), "{line}");
        }
    }

    #[test]
    fn header_error_names_columns_and_no_data() {
        assert_eq!(
            header("journey_type;lastname;phone_trunc;phone_trunc").unwrap_err().to_string(),
            "has a wrong header: missing last_name_trunc, datetime; unknown \"lastname\"; repeated phone_trunc"
        );
        let wide = format!("journey_type;last_name_trunc;phone_trunc;datetime{}", ";x".repeat(30_000));
        let message = header(&wide).unwrap_err().to_string();
        assert!(
            message.ends_with(r#"unknown "x", "x", "x", "x", "x", "x", "x", "x", "x", "x" and 29990 more"#),
            "{message}"
        );
        let leak = header("short;DUP;+336010203;2021-03-15").unwrap_err();
        assert!(!format!("{leak} {leak:?}").contains("DUP"));
    }

    #[test]
    fn missing_optional_column_has_no_position() {
        let line = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,\
                    start_insee,end_insee,driver_phone_trunc,acquisition_status,anomaly_status";
        let header = Header::read(line.as_bytes(), Journey::FIELDS).unwrap();
        assert_eq!([10, 11, 12, 13].map(|field| header.position(field)), [NOWHERE, 10, NOWHERE, 11]);
    }

    #[test]
    fn file_that_is_not_text_is_rejected_by_format() {
        let form = |form| Some(FileError::Form(form));
        let table: [(&[u8], Option<FileError>); 30] = [
            (b"j\0o\0u\0", Some(FileError::Utf16)),
            (b"\0j\0o\0", Some(FileError::Utf16)),
            (b"\0\0\0\0", Some(FileError::NotText)),
            (b"j\0ourney_type", Some(FileError::NotText)),
            (b"PK\x03\x04\x14\0", form(Form::Twice)),
            (b"PK\x05\x06\0", form(Form::Twice)),
            (b"\x1f\x8b\x08", form(Form::Twice)),
            (b"\xd0\xcf\x11\xe0\xa1", form(Form::Workbook)),
            (b"\x28\xb5\x2f\xfd\x04", form(Form::Zstd)),
            (b"\xfd7zXZ\0\0", form(Form::Xz)),
            (b"BZh91AY", form(Form::Bzip2)),
            (b"\x04\x22\x4d\x18d", form(Form::Lz4)),
            (b"7z\xbc\xaf\x27\x1c\0", form(Form::SevenZip)),
            (b"Rar!\x1a\x07", form(Form::Rar)),
            (b"PAR1\x15", form(Form::Parquet)),
            (b"ARROW1\0\0", form(Form::Arrow)),
            (b"FEA1\0", form(Form::Arrow)),
            (b"SQLite format 3\0\x10", form(Form::Sqlite)),
            (b"RDX3", form(Form::R)),
            (b"%PDF-1.7", form(Form::Pdf)),
            (b"<html>", form(Form::Markup)),
            (b"{\"journey_type\":\"short\"}", form(Form::Json)),
            (b"[{", form(Form::Json)),
            (b"--------------------------d74496d66958873e", form(Form::Multipart)),
            (b"------WebKitFormBoundary7MA4YWxkTrZu0gW", form(Form::Multipart)),
            (b"-- a remark of SQL, with spaces", None),
            (b"--short", None),
            (b"\x89PNG\x1a", Some(FileError::NotText)),
            (b"PKW,a", None),
            (b"a\tb", None),
        ];
        for (line, expected) in table {
            assert_eq!(not_a_header(line), expected, "{line:?}");
        }
    }
}
