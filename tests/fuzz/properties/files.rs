//! Files of rows, whichever kind.
//!
//! - How the bytes arrive changes nothing, and neither does an interruption.
//! - Every line behind the header that is not blank is a row or rejected, once, in order, but for line breaks in quotes.
//! - A row that is written down and read again is the same, with nothing to repair.
//! - A rejected row stays one row of the list of rejected rows, and no reason repeats a value.
//!
//! The last byte says how the others are cut, so that any file is an input too.

use cee_history::{
    Dates, FileReader, FileRefusal, Header, Line, MAX_LINE, Reader, RejectedRow, RejectedWriter, Row, Survey, Verdict,
};

use super::{NOW, exchange, tells_nothing};

/// A row that can be written down.
pub(crate) trait Written: Row + Clone + PartialEq + std::fmt::Debug {
    /// The header above [`written`](Self::written).
    const HEADER: &'static str;

    /// As a line of a file with the same content.
    fn written(&self) -> String;
}

/// A cell between quotes.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

/// The result of a file.
#[derive(PartialEq, Debug)]
struct Outcome<R> {
    lines: Vec<Line<R>>,
    header: Option<Header>,
    refused: Option<String>,
}

impl<R> Outcome<R> {
    fn rejected(&self) -> impl Iterator<Item = &RejectedRow> {
        self.lines.iter().filter_map(|line| match line {
            Line::Rejected(row) => Some(&**row),
            Line::Row { .. } => None,
        })
    }
}

pub(crate) fn check<R: Written>(input: &[u8]) {
    let Some((cut, bytes)) = input.split_last() else { return };
    let cut = usize::from(*cut).max(1);
    let whole = read::<R>(bytes, bytes.len().max(1));
    assert!(whole == read::<R>(bytes, cut), "how it is cut makes a difference");
    assert!(whole.lines.is_sorted_by(|one, next| one.line() < next.line()), "a line twice, or out of order");
    for row in whole.rejected() {
        assert!(row.raw.len() <= MAX_LINE && !row.reason.is_empty());
    }
    again(&whole);
    // Unpacked and UTF-16 content is read at other positions than in the file.
    let elsewhere: [&[u8]; 5] = [b"\x1f\x8b", b"PK\x03\x04", b"PK\x05\x06", b"\xff\xfe", b"\xfe\xff"];
    if elsewhere.iter().any(|beginning| bytes.starts_with(beginning)) {
        return;
    }
    if let Some(refused) = &whole.refused {
        // A header's unknown names are repeated, but nothing that could be a number or a date.
        let sent = String::from_utf8_lossy(bytes).replace(|c: char| !c.is_ascii_digit(), " ");
        tells_nothing(&sent, refused, |piece, other| {
            let file = exchange(bytes, piece, other);
            read::<R>(&file, file.len()).refused.unwrap_or_default()
        });
        return;
    }
    assert!(interrupted::<R>(bytes, cut) == whole.lines, "a checkpoint makes a difference");
    let header = whole.header.as_ref().expect("a file that is not refused has a header");
    let (above, below) = below_header(bytes);
    let blank = |line: &[u8]| line.iter().all(|b| [b' ', b'\t', header.separator() as u8].contains(b));
    let rows = lines(below).filter(|line| !blank(line)).count();
    if lines(below).any(|line| leaves_a_quote_open(line, header.separator() as u8)) {
        // Such a row may have several lines.
        assert!(whole.lines.len() <= rows && (rows == 0) == whole.lines.is_empty(), "read = rows + rejected");
    } else {
        assert_eq!(rows, whole.lines.len(), "read = rows + rejected");
    }
    let reasons = |outcome: &Outcome<R>| outcome.rejected().map(|row| format!("{}\n", row.reason)).collect::<String>();
    tells_nothing(&String::from_utf8_lossy(below), &reasons(&whole), |piece, other| {
        let file = [above, &exchange(below, piece, other)].concat();
        reasons(&read::<R>(&file, file.len().max(1)))
    });
}

/// The result of a file that arrives in chunks of this size.
fn read<R: Row>(bytes: &[u8], size: usize) -> Outcome<R> {
    let verdict = match survey::<R>(bytes, size) {
        Ok(verdict) => verdict,
        Err(refusal) => return Outcome { lines: Vec::new(), header: None, refused: Some(refusal.to_string()) },
    };
    let mut file = FileReader::<R>::new(&verdict, *NOW).expect("a verdict on this kind of file");
    let mut lines = Vec::new();
    for chunk in bytes.chunks(size).map(Some).chain([None]) {
        match chunk {
            Some(chunk) => file.push(chunk),
            None => file.end(),
        }
        while file.read(&mut lines).expect("what was surveyed can be read") {}
    }
    assert_eq!(lines.len() as u64, verdict.surveyed().rows, "the survey counts what is read");
    Outcome { lines, header: Some(file.header().clone()), refused: None }
}

/// The verdict on a file that arrives in chunks of this size, whose dates are said to be right.
fn survey<R: Row>(bytes: &[u8], size: usize) -> Result<Verdict, FileRefusal> {
    let mut survey = Survey::<R>::new(Dates::Confirmed);
    for chunk in bytes.chunks(size) {
        survey.push(chunk);
        while survey.read()? {}
    }
    survey.verdict()
}

/// The rows of a plain file whose reading is broken off after `at` bytes and taken up from the checkpoint.
fn interrupted<R: Row>(bytes: &[u8], at: usize) -> Vec<Line<R>> {
    let mut lines = Vec::new();
    let verdict = survey::<R>(bytes, bytes.len().max(1)).expect("a file that is not refused");
    let mut first = Reader::<R>::new(&verdict, *NOW).expect("its own verdict");
    first.push(&bytes[..at.min(bytes.len())], |line| lines.push(line));
    let state = first.state();
    let mut second = Reader::<R>::resume(&verdict, &state, *NOW).expect("its own verdict");
    let rest = usize::try_from(state.offset()).expect("a place in the file");
    second.push(&bytes[rest..], |line| lines.push(line));
    second.finish(|line| lines.push(line));
    lines
}

/// Reads the rows again from what is written of them, and the rejected ones from their list.
fn again<R: Written>(outcome: &Outcome<R>) {
    let mut file = R::HEADER.to_owned();
    let mut rows = Vec::new();
    for line in &outcome.lines {
        if let Line::Row { row, .. } = line {
            file.push('\n');
            file.push_str(&row.written());
            rows.push(row);
        }
    }
    let read_again = read::<R>(file.as_bytes(), file.len());
    assert_eq!(read_again.lines.len(), rows.len(), "a row is lost on the way");
    for (line, expected) in read_again.lines.iter().zip(rows) {
        match line {
            Line::Row { row, repairs, .. } => assert!(row == expected && repairs.is_empty(), "it reads otherwise"),
            Line::Rejected(rejected) => panic!("what was accepted is refused: {}", rejected.reason),
        }
    }
    let Some(header) = &outcome.header else { return };
    let writer = RejectedWriter::new(header);
    let mut list = writer.header();
    outcome.rejected().for_each(|row| writer.row(row, &mut list));
    let list = read::<R>(&list, list.len());
    assert_eq!(list.refused, None, "the list of rejected rows is a file of the same kind");
    assert_eq!(list.lines.len(), outcome.rejected().count(), "a rejected row is one row");
}

/// The lines of a file, each ended by LF, CRLF or CR. Written otherwise than the reader does it: in one go.
fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (line, tail) = cut_line(rest)?;
        rest = tail;
        Some(line)
    })
}

/// Whether the last cell of a line begins with a quote that is not closed.
fn leaves_a_quote_open(line: &[u8], separator: u8) -> bool {
    let (mut begins, mut quoted) = (true, false);
    let mut bytes = line.iter().peekable();
    while let Some(byte) = bytes.next() {
        match (*byte, quoted) {
            (b'"', true) if bytes.peek() == Some(&&b'"') => drop(bytes.next()),
            (b'"', true) => quoted = false,
            (b'"', false) if begins => quoted = true,
            _ => {}
        }
        begins = !quoted && *byte == separator;
    }
    quoted
}

/// The first line, and what follows its end.
fn cut_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    if bytes.is_empty() {
        return None;
    }
    let end = bytes.iter().position(|b| b"\r\n".contains(b)).unwrap_or(bytes.len());
    let (line, tail) = bytes.split_at(end);
    Some((line, tail.strip_prefix(b"\r\n").or(tail.get(1..)).unwrap_or_default()))
}

/// A file up to the end of its header, which is the first line that is neither blank nor tells the separator, and the rest.
fn below_header(bytes: &[u8]) -> (&[u8], &[u8]) {
    let mut rest = bytes;
    while let Some((line, tail)) = cut_line(rest) {
        let first = rest.len() == bytes.len();
        rest = tail;
        let line = if first { line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line) } else { line };
        let tells_separator = first && line.len() == 5 && line[..4].eq_ignore_ascii_case(b"sep=");
        if !tells_separator && !line.iter().all(|b| b" \t,;".contains(b)) {
            break;
        }
    }
    bytes.split_at(bytes.len() - rest.len())
}
