//! Whole files: dialects, damage, hostility, and properties of any bytes at all.

use cee_eligibility::{Instant, Journey, Language, Rules};
use proptest::prelude::*;

use crate::cells::Cells;

use crate::column::Field;
use crate::file::FileReader;
use crate::history::HistoryRow;
use crate::lines::LOOKED_AT;
use crate::lines::MAX_LINE;
use crate::reader::{Line, Reader, ReaderState};
use crate::refusal::{FileError, FileRefusal, Form, SurveyError, UnpackError};
use crate::rejected::{Column, RejectedRow, RejectedWriter};
use crate::repair::Repair;
use crate::row::{Row, WordColumn};
use crate::split::split_all;
use crate::survey::{DateOrder, Dates, Survey, Verdict, survey};
use crate::text::Encoding;
use crate::unpack::Unpack;

const HEADER: &str = "journey_type;last_name_trunc;phone_trunc;datetime";

fn now() -> Instant {
    Instant::parse("2024-05-01T00:00:00Z").unwrap()
}

/// The verdict on a file that arrives in chunks.
fn survey_in<R: Row>(file: &[u8], chunk: usize, dates: Dates) -> Result<Verdict, FileRefusal> {
    let mut survey = Survey::<R>::new(dates);
    for chunk in file.chunks(chunk) {
        survey.push(chunk);
        while survey.read()? {}
    }
    survey.verdict()
}

/// The reader of a file.
fn reader<R: Row>(file: &[u8]) -> Reader<R> {
    Reader::new(&survey::<R>(file, Dates::Unconfirmed).unwrap(), now()).unwrap()
}

fn read_in<R: Row>(file: &[u8], chunk: usize) -> Result<Vec<Line<R>>, FileRefusal> {
    read_confirmed_in(file, chunk, Dates::Unconfirmed)
}

fn read_confirmed_in<R: Row>(file: &[u8], chunk: usize, dates: Dates) -> Result<Vec<Line<R>>, FileRefusal> {
    let mut reader = FileReader::new(&survey_in::<R>(file, chunk, dates)?, now())?;
    let mut lines = Vec::new();
    for chunk in file.chunks(chunk) {
        reader.push(chunk);
        while reader.read(&mut lines)? {}
    }
    reader.end();
    while reader.read(&mut lines)? {}
    Ok(lines)
}

/// Reads a file whole, and in several other cuts, which must make no difference.
fn read<R: Row + Clone + std::fmt::Debug + PartialEq>(file: &[u8]) -> Result<Vec<Line<R>>, FileRefusal> {
    let lines = read_in(file, usize::MAX);
    for chunk in [1, 2, 7] {
        assert_eq!(read_in(file, chunk), lines, "in chunks of {chunk}");
    }
    lines
}

fn history(file: impl AsRef<[u8]>) -> Result<Vec<Line<HistoryRow>>, FileRefusal> {
    read(file.as_ref())
}

/// A row as `line type name phone date`, and a rejected one as `line column`.
fn shown(line: &Line<HistoryRow>) -> String {
    match line {
        Line::Row { line, row, repairs, .. } => {
            let (name, phone) = (row.identity.last_name_trunc.as_str(), row.identity.phone_trunc.as_str());
            let repairs: String = repairs.iter().map(|repair| format!(" {}", repair.as_str())).collect();
            format!("{line} {} {name} {phone} {}{repairs}", row.journey_type, row.datetime)
        }
        Line::Rejected(row) => {
            format!("{} {}", row.line, row.column.map_or("-".to_owned(), |column| column.to_string()))
        }
    }
}

fn outcomes(file: impl AsRef<[u8]>) -> Vec<String> {
    history(file).unwrap().iter().map(shown).collect()
}

fn rejected<R>(lines: &[Line<R>]) -> Vec<&RejectedRow> {
    lines
        .iter()
        .filter_map(|line| match line {
            Line::Rejected(rejected) => Some(rejected.as_ref()),
            Line::Row { .. } => None,
        })
        .collect()
}

fn rejected_file(header: &str, lines: &[Line<HistoryRow>]) -> String {
    let header = crate::Header::read(header.as_bytes(), HistoryRow::FIELDS).unwrap();
    let writer = RejectedWriter::new(&header);
    let mut file = writer.header();
    rejected(lines).into_iter().for_each(|row| writer.row(row, &mut file));
    String::from_utf8(file).unwrap()
}

/// A kind of row whose reading panics at a word.
#[derive(Debug, PartialEq, Eq)]
struct Fragile(String);

impl Row for Fragile {
    const FIELDS: &'static [Field] = &[Field::required("word"), Field::required("more")];

    fn read(cells: &mut Cells<'_>) -> Option<Self> {
        let word = cells.read(0, |text, _| Ok(text.to_owned()))?;
        assert_ne!(word, "boom", "as the test wants");
        Some(Self(word))
    }
}

#[test]
fn panicking_row_is_rejected_alone() {
    let file = b"word;more\nfirst;1\n\"boom\";2\nlast;3\nboom\nboom;5";
    let mut reader = FileReader::<Fragile>::new(&survey::<Fragile>(file, Dates::Unconfirmed).unwrap(), now()).unwrap();
    reader.push(file);
    reader.end();
    let mut lines = Vec::new();
    while reader.read(&mut lines).unwrap() {}
    let shown: Vec<_> = lines
        .iter()
        .map(|line| match line {
            Line::Row { line, row, .. } => (*line, row.0.as_str(), ""),
            Line::Rejected(row) => {
                (row.line, std::str::from_utf8(&row.raw).unwrap(), row.reason.split(':').next().unwrap())
            }
        })
        .collect();
    let (cells, internal) = ("the row has 1 of the header's 2 cells", "internal error");
    let expected =
        [(2, "first", ""), (3, "\"boom\";2", internal), (4, "last", ""), (5, "boom", cells), (6, "boom;5", internal)];
    assert_eq!(shown, expected);
}

#[test]
fn panicking_row_of_several_lines_is_rejected_alone() {
    let file = b"word;more\nfirst;1\nboom;\"2\n2\"\nboom;\"3\nnext;4\nboom;\"5\r5\"";
    for chunk in [1, 4, usize::MAX] {
        let lines = read_in::<Fragile>(file, chunk).unwrap();
        let shown: Vec<_> = lines
            .iter()
            .map(|line| match line {
                Line::Row { line, row, .. } => (*line, row.0.clone()),
                Line::Rejected(row) => (row.line, String::from_utf8(row.raw.clone()).unwrap()),
            })
            .collect();
        let expected = [(2, "first"), (3, "boom;\"2\n2\""), (5, "boom;\"3"), (6, "next"), (7, "boom;\"5\r5\"")];
        assert_eq!(shown, expected.map(|(line, text)| (line, text.to_owned())), "in chunks of {chunk}");
    }
}

#[test]
fn given_up_rows_are_rejected_also_after_resume() {
    let file = b"journey_type,last_name_trunc,phone_trunc,datetime\nlong,DUP,+336010203,2021-02-01\n\nshort,TO,06010204,01/02/2021\n\
                 long,MAR,+336010205,2021-02-01\nlong,mar,+336010206,2021-02-01\n";
    let read = |reader: &mut FileReader<HistoryRow>| {
        reader.push(file);
        reader.end();
        let mut lines = Vec::new();
        while reader.read(&mut lines).unwrap() {}
        lines
    };
    let verdict = survey::<HistoryRow>(file, Dates::Unconfirmed).unwrap();
    let mut whole = FileReader::new(&verdict, now()).unwrap();
    // A blank line is not a row, and the last one is rejected for its own fault.
    whole.give_up([3, 4, 99]);
    let lines = read(&mut whole);
    assert_eq!(lines.iter().map(Line::line).collect::<Vec<_>>(), [2, 4, 5, 6]);
    let rejected = rejected(&lines);
    assert_eq!(rejected[0].raw, b"short,TO,06010204,01/02/2021");
    assert!(rejected[0].reason.starts_with("internal error: ") && rejected[0].column.is_none());
    assert!(rejected[1].reason.contains("lower-case"));

    let mut first = Reader::<HistoryRow>::new(&verdict, now()).unwrap();
    first.push(&file[..85], |_| {});
    assert_eq!(first.state().line(), 4);
    let mut rest = FileReader::resume(&verdict, &first.state(), now()).unwrap();
    rest.give_up([4]);
    assert_eq!(read(&mut rest), lines[1..]);
}

#[test]
fn every_dialect_gives_same_rows() {
    let expected =
        ["2 short TO  +336010203 2021-03-14T23:00:00.000Z", "3 long D H +2626920102 2015-07-01T10:00:00.000Z"];
    let rows =
        [["short", "TO ", "06 01 02 03", "15/03/2021"], ["long", "D H", "+2626920102", "2015-07-01T12:00:00+02:00"]];
    for separator in [",", ";", "\t"] {
        for line_end in ["\n", "\r\n", "\r"] {
            for quote in ["", "\""] {
                for mark in ["", "\u{feff}"] {
                    for last in [line_end, ""] {
                        let line = |cells: [&str; 4]| cells.map(|cell| format!("{quote}{cell}{quote}")).join(separator);
                        let names = ["Journey_Type", "last_name_trunc", "phone_trunc", "DATETIME"];
                        let lines = [line(names), line(rows[0]), line(rows[1])].join(line_end);
                        let file = format!("{mark}{lines}{last}");
                        assert_eq!(outcomes(&file), expected, "{file:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn irregular_file_gives_expected_rows() {
    let good = "short;DUP;06010203;15/03/2021";
    let row = |line: u64| format!("{line} short DUP +336010203 2021-03-14T23:00:00.000Z");
    let table: Vec<(&str, String, Vec<String>)> = vec![
        ("only a header", HEADER.to_owned(), vec![]),
        ("only a header and its line end", format!("{HEADER}\r\n"), vec![]),
        ("only a header and blank lines", format!("{HEADER}\r\n\r\n;;;\n \t\n"), vec![]),
        ("blank lines are counted as lines and not as rows", format!("\n\u{20}\n{HEADER}\n\n;;;\n{good}\n\n"), vec![row(6)]),
        ("mixed line ends", format!("{HEADER}\r\n{good}\n{good}\r{good}\r\n"), vec![row(2), row(3), row(4)]),
        ("CR CR LF, as a file saved twice", format!("{HEADER}\r\r\n{good}\r\r\n{good}"), vec![row(3), row(5)]),
        ("separators too many", format!("{HEADER};;\n{good};;\n{good}\n{good};\n{good}; ;\"\""), (2..6).map(row).collect()),
        ("a cell below none", format!("{HEADER};;\n{good};x;\n{good};;x\n{good};;;"), vec![
            "2 5".into(), "3 6".into(), format!("{} empty_cell", row(4)),
        ]),
        ("too many cells", format!("{HEADER}\n{good};\n{good};x\n{good}"), vec!["2 5".into(), "3 5".into(), row(4)]),
        ("too few cells", format!("{HEADER}\nshort;DUP\nshort\nx;\n"), vec![
            "2 phone_trunc".into(), "3 last_name_trunc".into(), "4 phone_trunc".into(),
        ]),
        ("another separator", format!("{HEADER}\nshort,DUP,06010203,15/03/2021\n{good}"), vec!["2 last_name_trunc".into(), row(3)]),
        ("the header again", format!("{HEADER}\n{HEADER}\n{good}"), vec!["2 journey_type".into(), row(3)]),
        ("a quote never closed costs its own row", format!("{HEADER}\nshort;\"DUP;06010203;15/03/2021\n{good}\n{good}"), vec![
            "2 last_name_trunc".into(), row(3), row(4),
        ]),
        ("at the end too", format!("{HEADER}\n{good}\nshort;DUP;06010203;\"15/03/2021"), vec![row(2), "3 datetime".into()]),
        ("a line break in quotes", format!("{HEADER}\nshort;\"DU\nP\";06010203;15/03/2021\n{good}"), vec![
            "2 last_name_trunc".into(), row(4),
        ]),
        ("text after a quote", format!("{HEADER}\nshort;\"DUP\" ;06010203;15/03/2021\n{good}"), vec!["2 last_name_trunc".into(), row(3)]),
        ("NUL", format!("{HEADER}\nshort;DU\0;06010203;15/03/2021\n\0\n{good}"), vec![
            "2 last_name_trunc".into(), "3 last_name_trunc".into(), row(4),
        ]),
        ("one reading only", format!("{HEADER}\nSHORT ;TO; 6010203;15/03/2021 08:30"), vec![
            "2 short TO  +336010203 2021-03-15T07:30:00.000Z surrounding_spaces letter_case name_padded phone_lost_zero \
             paris_time".into(),
        ]),
        ("no reading", format!("{HEADER}\nshort;TO;3,36E+08;44259\n;;;x"), vec!["2 phone_trunc".into(), "3 journey_type".into()]),
    ];
    for (what, file, expected) in table {
        assert_eq!(outcomes(&file), expected, "{what}");
    }
}

#[test]
fn unreadable_file_is_rejected_whole() {
    let table: Vec<(&str, Vec<u8>, FileError)> = vec![
        ("nothing", vec![], FileError::Empty),
        ("a byte order mark", b"\xef\xbb\xbf".to_vec(), FileError::Empty),
        ("blank lines", b"\xef\xbb\xbf\r\n;;;\n \t".to_vec(), FileError::Empty),
        ("UTF-16 unmarked", HEADER.encode_utf16().flat_map(u16::to_be_bytes).collect(), FileError::Utf16),
        ("an old workbook", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1".to_vec(), FileError::Form(Form::Workbook)),
        ("Parquet", b"PAR1\x15\x04\x15\n".to_vec(), FileError::Form(Form::Parquet)),
        ("zeros", vec![0; 3 * MAX_LINE], FileError::NotText),
        ("a line without end", vec![b'a'; 3 * MAX_LINE], FileError::HeaderTooLong { limit: MAX_LINE }),
        (
            "a line with a late end",
            [vec![b'a'; MAX_LINE + 1], b"\n".to_vec()].concat(),
            FileError::HeaderTooLong { limit: MAX_LINE },
        ),
        ("a quote", format!("{HEADER};\"").into_bytes(), FileError::HeaderQuote),
    ];
    for (what, file, expected) in table {
        let chunks: &[usize] = if file.len() < 1000 { &[1, 2, 7, usize::MAX] } else { &[1000, MAX_LINE, usize::MAX] };
        for chunk in chunks {
            let expected = Err(FileRefusal::Header(expected.clone()));
            assert_eq!(read_in::<HistoryRow>(&file, *chunk), expected, "{what} in {chunk}");
        }
    }
    let missing = history("journey_type,phone_trunc\n").unwrap_err();
    assert_eq!(missing.to_string(), "The file has a wrong header: missing last_name_trunc, datetime.");
}

#[test]
fn refused_survey_stays_refused_and_gives_no_verdict() {
    let mut survey = Survey::<HistoryRow>::new(Dates::Unconfirmed);
    survey.push(b"x\n12345");
    let first = survey.read().unwrap_err();
    survey.push(HEADER.as_bytes());
    assert_eq!(survey.read(), Err(first.clone()));
    assert_eq!(survey.verdict(), Err(first));
}

/// The limit holds to the byte, however the file is cut, and a line beyond it costs its own row only.
#[test]
fn too_long_line_is_rejected_alone() {
    let good = "short;DUP;06010203;15/03/2021";
    for (length, is_too_long) in [(MAX_LINE, false), (MAX_LINE + 1, true), (5 * MAX_LINE, true)] {
        let long = format!("short;{}é", "x".repeat(length - 8));
        assert_eq!(long.len(), length);
        let file = format!("{HEADER}\n{long}\r\n{good}\n{long}");
        let whole = read_in::<HistoryRow>(file.as_bytes(), usize::MAX).unwrap();
        assert_eq!(whole.iter().map(Line::line).collect::<Vec<_>>(), [2, 3, 4]);
        let lengths: Vec<_> = rejected(&whole).iter().map(|row| row.raw.len()).collect();
        assert_eq!(lengths, [if is_too_long { 1024 } else { length }; 2], "{length}");
        assert_eq!(rejected(&whole)[0].column.is_none(), is_too_long);
        for chunk in [1000, MAX_LINE, MAX_LINE + 1] {
            assert_eq!(read_in(file.as_bytes(), chunk).unwrap(), whole, "{length} in {chunk}");
        }
    }
    // The cut never goes through a character.
    let file = format!("{HEADER}\n{}", "é€".repeat(MAX_LINE));
    let lines = read_in::<HistoryRow>(file.as_bytes(), 4096).unwrap();
    assert!(std::str::from_utf8(&rejected(&lines)[0].raw).is_ok());
}

#[test]
fn endless_line_uses_bounded_memory() {
    for byte in [b'x', b';', b'"', 0] {
        let mut reader = reader::<HistoryRow>(HEADER.as_bytes());
        let mut seen = 0;
        reader.push(format!("{HEADER}\n").as_bytes(), |_| seen += 1);
        let chunk = vec![byte; 1 << 20];
        for _ in 0..16 {
            reader.push(&chunk, |_| seen += 1);
            assert!(reader.held_capacity() <= 2 * MAX_LINE);
        }
        reader.finish(|_| seen += 1);
        assert_eq!((seen, reader.state().offset()), (1, HEADER.len() as u64 + 1 + (16 << 20)));
    }
}

/// Many separators in one line, within the limit.
#[test]
fn line_of_many_separators_is_rejected() {
    let file = format!("{HEADER}\nshort;{}\n", ";".repeat(60_000));
    assert_eq!(outcomes(&file), ["2 5"]);
    assert!(history(";".repeat(60_000) + HEADER).is_err());
}

#[test]
fn encoding_is_decided_line_by_line() {
    let mut file = format!("{HEADER}\nshort;H\u{c9}R;06010203;15/03/2021\n").into_bytes();
    file.extend(b"short;H\xc9R;06010203;15/03/2021\nshort;DUP;06\xa001 02 03;15/03/2021\n");
    let lines = history(&file).unwrap();
    assert_eq!(lines.iter().map(shown).collect::<Vec<_>>()[2], "4 short DUP +336010203 2021-03-14T23:00:00.000Z");
    for row in rejected(&lines) {
        assert_eq!(row.column, Some(Column::Name("last_name_trunc")));
        assert!(row.reason.starts_with("contains an accent"), "{}", row.reason);
    }
    assert_eq!(rejected_file(HEADER, &lines).matches(";HÉR;").count(), 2, "both in UTF-8");
}

#[test]
fn reason_names_all_faults_in_column_order() {
    let lines = history("datetime,phone_trunc,last_name_trunc,journey_type\n44259,3.36E+08,dup,medium\n").unwrap();
    let row = rejected(&lines)[0];
    assert_eq!(row.column, Some(Column::Name("datetime")));
    let parts: Vec<_> = row.reason.split("; ").collect();
    assert!(parts[0].starts_with("looks like an Excel day number"), "{}", row.reason);
    assert!(parts[1].starts_with("phone_trunc was rounded by Excel"), "{}", row.reason);
    assert!(parts[2].starts_with("last_name_trunc contains a lower-case letter"), "{}", row.reason);
    assert!(parts[3].starts_with("journey_type must be \"short\" or \"long\""), "{}", row.reason);
}

#[test]
fn debug_and_reasons_hide_personal_data() {
    let file = format!("{HEADER}\nshort;ZQX;+3369999;44259\nshort;ZQX;+336999999;15/03/2021\nshort;\"ZQX\n");
    let lines = history(&file).unwrap();
    let mut reader = reader::<HistoryRow>(file.as_bytes());
    reader.push(&file.as_bytes()[..70], |_| {});
    let beginning = &file.as_bytes()[..70];
    let mut surveying = Survey::<HistoryRow>::new(Dates::Unconfirmed);
    let verdict = survey::<HistoryRow>(file.as_bytes(), Dates::Unconfirmed).unwrap();
    let mut whole = FileReader::<HistoryRow>::new(&verdict, now()).unwrap();
    let mut unpack = Unpack::default();
    surveying.push(beginning);
    whole.push(beginning);
    unpack.push(beginning);
    while surveying.read().unwrap() {}
    let mut held = Vec::new();
    while whole.read(&mut held).unwrap() {}
    let shown = format!("{lines:?} {reader:?} {:?} {surveying:?} {whole:?} {unpack:?}", reader.state());
    assert!(!shown.contains("ZQX") && !shown.contains("6999"), "{shown}");
    for row in rejected(&lines) {
        assert!(!row.reason.contains("ZQX") && !row.reason.contains("6999"), "{}", row.reason);
    }
}

#[test]
fn rejected_rows_keep_their_cells_and_add_reason() {
    let header = "journey_type,last_name_trunc,phone_trunc,datetime";
    let file = format!(
        "{header}\nshort,dup,06010203,15/03/2021\n\"short\",DUP,\"3,36E+08\",15/03/2021\nshort,DUP\n\
         short,DUP,06010203,15/03/2021,x,\"y\"\nshort,\"DUP,06010203,15/03/2021\nshort,D\0P,06010203,15/03/2021\n\
         =1+1,DUP,06010203,15/03/2021\n"
    );
    let csv = rejected_file(header, &history(&file).unwrap());
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines[0], format!("\u{feff}{header},line,column,reason"));
    let beginnings = [
        "short,dup,06010203,15/03/2021,2,last_name_trunc,\"contains a lower-case",
        "\"short\",DUP,\"3,36E+08\",15/03/2021,3,phone_trunc,\"was rounded",
        "short,DUP,,,4,phone_trunc,the row has 2 of the header's 4 cells",
        "short,DUP,06010203,\"15/03/2021,x,\"\"y\"\"\",5,5,\"the row has more cells",
        "short,\"\"\"DUP,06010203,15/03/2021\",,,6,last_name_trunc,\"opens a quote",
        "short,D\u{fffd}P,06010203,15/03/2021,7,last_name_trunc,\"must be exactly",
        "=1+1,DUP,06010203,15/03/2021,8,journey_type,\"must be",
    ];
    for (line, beginning) in lines[1..].iter().zip(beginnings) {
        assert!(line.starts_with(beginning), "{line}\n{beginning}");
    }
    assert_eq!(lines.len(), 8);
}

/// An operator corrects a rejected file and sends it back.
#[test]
fn corrected_rejected_file_is_read_again() {
    let header = format!("{HEADER};;");
    let file = format!("{header}\r\nshort;dup;06010203;15/03/2021;;\r\nlong;to;06010203;15/03/2021\r\n");
    let first = rejected_file(&header, &history(&file).unwrap());
    // One corrected, the other forgotten: the latter is rejected again, with the line it now has.
    let corrected = first.replace("dup", "DUP");
    assert_eq!(outcomes(&corrected), ["2 short DUP +336010203 2021-03-14T23:00:00.000Z", "3 last_name_trunc"]);
    let header = corrected.lines().next().unwrap().trim_start_matches('\u{feff}');
    let second = rejected_file(header, &history(&corrected).unwrap());
    let [head, row] = second.lines().collect::<Vec<_>>()[..] else { panic!("{second}") };
    assert_eq!(head, format!("\u{feff}{HEADER};line;column;reason"));
    assert!(row.starts_with("long;to;06010203;15/03/2021;3;last_name_trunc;\"contains a lower-case"), "{row}");
}

#[test]
fn quoted_line_break_stays_in_row_if_quotes_match() {
    let good = "short;DUP;06010203;15/03/2021";
    let long = "x".repeat(MAX_LINE);
    let six = "\n".repeat(6);
    // The rows by their first lines.
    let table: Vec<(&str, String, Vec<u64>)> = vec![
        ("LF", format!("short;\"D\nP\";06010203;15/03/2021\n{good}"), vec![2, 4]),
        ("CRLF", format!("short;\"D\r\nP\";06010203;15/03/2021\r\n{good}"), vec![2, 4]),
        ("CR", format!("short;\"D\rP\";06010203;15/03/2021\r{good}"), vec![2, 4]),
        ("CRLF cut by a line break", format!("short;\"D\r\";06010203;15/03/2021\r\n{good}"), vec![2, 4]),
        ("two cells", format!("\"short\n\";\"D\n\n\nP\";06010203;15/03/2021\n{good}"), vec![2, 7]),
        ("the last cell", format!("short;DUP;06010203;\"15/03/2021\n\"\n{good}"), vec![2, 4]),
        ("the last cell of the file", format!("{good}\nshort;DUP;06010203;\"15/03/2021\n\""), vec![2, 3]),
        ("the last line of the file", format!("{good}\nshort;DUP;06010203;\"\n15/03/2021\""), vec![2, 3]),
        ("a doubled quote", format!("short;\"D\n\"\"P\"\";x\";06010203;15/03/2021\n{good}"), vec![2, 4]),
        ("a blank line", format!("short;\"D\n\n;\nP\";06010203;15/03/2021\n{good}"), vec![2, 6]),
        ("cells behind the header's", format!("short;\"D\nP\";06010203;15/03/2021;;x\n{good}"), vec![2, 4]),
        ("one after the other", format!("short;\"D\nP\";06;15\nshort;\"D\nP\";06;15\n{good}"), vec![2, 4, 6]),
        ("never closed", format!("short;\"DUP;06010203;15/03/2021\n{good}\n{good}"), vec![2, 3, 4]),
        ("never closed, twice", format!("short;\"DUP\nshort;\"DUP\n{good}"), vec![2, 3, 4]),
        ("never closed before one", format!("x;\"y\nshort;\"D\nP\";06;15\n{good}"), vec![2, 3, 5]),
        ("something behind the quote", format!("short;\"D\nP\"x;06010203;15/03/2021\n{good}"), vec![2, 3, 4]),
        ("a row within", format!("short;\"DUP\n{good}\nshort;DUP\";06010203;15/03/2021\n{good}"), vec![2, 3, 4, 5]),
        ("too few cells", format!("short;\"D\nP\";06010203\n{good}"), vec![2, 3, 4]),
        ("too many cells", format!("short;\"D\nP\";06{}\n{good}", ";".repeat(30)), vec![2, 3, 4]),
        ("too long", format!("short;\"D\n{long}\nP\";06010203;15/03/2021\n{good}"), vec![2, 3, 4, 5]),
        ("too long by its lines", format!("short;\"D\n{}P\";06;15\n{good}", "x\n".repeat(MAX_LINE / 2)), {
            (2..4 + MAX_LINE as u64 / 2 + 1).collect()
        }),
        ("open at the end", format!("{good}\nshort;\"D\nP;06010203;15/03/2021\nx"), vec![2, 3, 4, 5]),
        ("open at the end, line ends last", format!("{good}\nshort;\"D{six}"), vec![2, 3]),
        ("open at the end, CR last", format!("{good}\nshort;\"D\r"), vec![2, 3]),
        ("CR at the end of what is read again", format!("short;\"D\rx\";y\"z\r\n{good}"), vec![2, 3, 4]),
    ];
    for (what, rows, expected) in table {
        for more in ["", ";line;column;reason"] {
            let file = format!("{HEADER}{more}\n{rows}");
            let cuts = if file.len() > 1000 { &[usize::MAX, 8192][..] } else { &[usize::MAX, 1, 2, 3, 7, 53] };
            let mut outcomes = Vec::new();
            for cut in cuts {
                let lines = read_in::<HistoryRow>(file.as_bytes(), *cut).unwrap();
                assert_eq!(lines.iter().map(Line::line).collect::<Vec<_>>(), expected, "{what} in chunks of {cut}");
                let verdict = survey_in::<HistoryRow>(file.as_bytes(), *cut, Dates::Unconfirmed).unwrap();
                assert_eq!(verdict.surveyed().rows, expected.len() as u64, "{what}");
                outcomes.push(lines);
            }
            assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]), "{what}");
        }
    }
}

#[test]
fn row_of_several_lines_round_trips_as_one_row() {
    let file =
        format!("{HEADER}\nshort;\"dup\r\n;\"\"x\"\"\";06010203;15/03/2021\nshort;DUP;06010203;\"15/03/2021\n\"\n");
    let rejected = rejected_file(HEADER, &history(&file).unwrap());
    let lines = history(&rejected).unwrap();
    assert_eq!(lines.iter().map(shown).collect::<Vec<_>>(), ["2 last_name_trunc", "4 datetime"]);
    let again = rejected_file(&format!("{HEADER};line;column;reason"), &lines);
    let own = |file: &str| file.split(";2;last").next().unwrap().to_owned();
    assert_eq!(own(&again), own(&rejected), "as it came, and once more");
    assert_eq!(
        outcomes(rejected.replace("2021\n\"", "2021\"")).last().unwrap(),
        "4 short DUP +336010203 2021-03-14T23:00:00.000Z"
    );
}

/// Lines that leave quotes open, each within the search for the end of the one before it: in the worst case each would search
/// thousands of lines, the longest possible row.
#[test]
fn nested_open_quotes_are_searched_few_times() {
    let pieces = ["a\",\"b\n", ",\"x\n\n\n", "\"\"\n", "short,\"\n", ",\"\"\"\n", "x,\"\ny\n"];
    for piece in pieces {
        let header = format!("journey_type,last_name_trunc,phone_trunc,datetime{}\n", ",".repeat(1000));
        let file = [header.as_str(), "short,\"\n", &piece.repeat(400_000 / piece.len())].concat();
        let before = LOOKED_AT.get();
        let verdict = survey_in::<HistoryRow>(file.as_bytes(), 8192, Dates::Unconfirmed).unwrap();
        assert!(verdict.surveyed().rows > 0);
        let times = (LOOKED_AT.get() - before) / file.len() as u64;
        assert!(times < 100, "{piece:?}: each byte is looked at {times} times");
    }
}

#[test]
fn rejected_cells_are_quoted_by_rfc_4180() {
    let rows = [
        r#"short;D"H;06010203;44259"#,
        r#"short;"D""H";"06;01";44259"#,
        r#"short;"DUP"x;06010203;"44259"#,
        "short;\"D\nP\";\t06010203 ;44259",
        r#"="short";DUP;'06010203;44259"#,
        r#"short;"DUP"#,
        r#"short;DUP;06010203;44259;"a"b"#,
    ];
    let cells: [[&str; 4]; 7] = [
        ["short", "D\"H", "06010203", "44259"],
        ["short", "D\"H", "06;01", "44259"],
        ["short", "\"DUP\"x", "06010203", "\"44259"],
        ["short", "D\nP", "\t06010203 ", "44259"],
        ["=\"short\"", "DUP", "'06010203", "44259"],
        ["short", "\"DUP", "", ""],
        ["short", "DUP", "06010203", "44259;\"a\"b"],
    ];
    let file = format!("{HEADER}\n{}\n", rows.join("\n"));
    let rejected = rejected_file("=\"journey_type\";last_name_trunc;phone_trunc;datetime", &history(&file).unwrap());
    let mut csv =
        csv::ReaderBuilder::new().delimiter(b';').from_reader(rejected.trim_start_matches('\u{feff}').as_bytes());
    assert_eq!(csv.headers().unwrap().get(0), Some("=\"journey_type\""));
    let records: Vec<csv::StringRecord> = csv.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), rows.len(), "one row in, one row out");
    for (record, cells) in records.iter().zip(cells) {
        assert_eq!(record.iter().take(4).collect::<Vec<_>>(), cells);
        assert_eq!(record.len(), 7);
    }
    // R does not treat an out-of-order quote within a line as a quote and reads on: each of ours is in quotes.
    for line in rejected.lines().filter(|line| line.contains('"')) {
        assert!(!line.contains("D\"H"), "{line}");
    }
}

/// As people and programs send it back.
#[test]
fn rejected_file_columns_may_move_or_be_missing() {
    let row = |line: u64| format!("{line} short DUP +336010203 2021-03-14T23:00:00.000Z");
    let cells = "short;DUP;06010203;15/03/2021";
    let behind = format!("{HEADER};line;column;reason");
    let front = format!("line;column;reason;{HEADER}");
    let french = format!("{HEADER};Ligne;colonne;MOTIF");
    let between = "journey_type;line;last_name_trunc;phone_trunc;column;datetime;reason".to_owned();
    let table = [
        ("cut off", HEADER.to_owned(), vec![cells.to_owned()]),
        ("empty", behind.clone(), vec![format!("{cells};;;")]),
        ("missing", behind.clone(), vec![cells.to_owned()]),
        (
            "missing in part",
            behind.clone(),
            vec![format!("{cells};3"), format!("{cells};3;x"), format!("{cells};3;x;y")],
        ),
        ("translated", french, vec![format!("{cells};3;x;y"), cells.to_owned()]),
        ("in front", front.clone(), vec![format!("3;x;y;{cells}"), format!(";;;{cells}")]),
        ("in front, missing in some rows", front, vec![format!("3;x;y;{cells}"), cells.to_owned()]),
        ("between", between, vec!["short;3;DUP;06010203;x;15/03/2021;y".to_owned(), cells.to_owned()]),
        ("one of them", format!("{HEADER};motif"), vec![format!("{cells};y"), cells.to_owned()]),
        ("a quoted one", behind.clone(), vec![format!("{cells};3;x;\"y; \"\"z\"\"\"")]),
        (
            "out of order",
            behind.clone(),
            vec![format!(r#"{cells};3;x;"y \"z\"; y""#), format!("{cells};3;x;y \"; z;;"), format!("{cells};;;\"")],
        ),
        (
            "out of order, empty cells behind",
            format!("{behind};;"),
            vec![format!("{cells};3;x;\"y\"z;;;"), cells.to_owned()],
        ),
    ];
    for (what, header, rows) in table {
        let file = format!("{header}\n{}\n", rows.join("\n"));
        let expected: Vec<String> = (2..).take(rows.len()).map(row).collect();
        assert_eq!(outcomes(&file), expected, "{what}");
        // The dates of such rows are checked at their real position.
        let month_first = file.replace("15/03/2021", "03/15/2021");
        let order = survey::<HistoryRow>(month_first.as_bytes(), Dates::Unconfirmed).unwrap().surveyed().date_order;
        assert_eq!(order, DateOrder::MonthFirst, "{what}");
        // Rejected once more, the row has its own cells under their names.
        let bad = file.replace("DUP", "dup");
        let again = rejected_file(&header, &history(&bad).unwrap()).replace("dup", "DUP");
        assert_eq!(outcomes(&again), expected, "{what}");
    }
    let still_rejected = [
        (format!("{HEADER};line;column;reason"), "short;DUP;06010203", "datetime"),
        (format!("line;{HEADER}"), "short;DUP;06010203", "phone_trunc"),
        (format!("{HEADER};line"), "short;\"DUP\"x;06010203;15/03/2021;3;x", "last_name_trunc"),
        (format!("line;{HEADER}"), "3;short;DUP;06010203;15/03/2021;x", "6"),
    ];
    for (header, row, column) in still_rejected {
        assert_eq!(outcomes(format!("{header}\n{row}")), [format!("2 {column}")], "{header}");
    }
}

/// `write.table` names its rows, and its header does not say so.
#[test]
fn rejected_file_columns_are_found_after_row_names() {
    let cells = "short;DUP;06010203;15/03/2021";
    let file =
        format!("{HEADER};line;column;reason\n\"1\";{cells};3;x;\"y \\\"z\\\"; y\"\n2;{cells};3;x;y\n3;{cells}\n");
    let row = |line: u64| format!("{line} short DUP +336010203 2021-03-14T23:00:00.000Z row_name");
    assert_eq!(outcomes(&file), [row(2), row(3), row(4)]);
}

#[test]
fn rejected_rows_are_explained_in_french() {
    let file = format!(
        "{HEADER}\nshort;dup;0601020304;15/03/2021\nshort;DUP\n{}\nshort;DUP;06010203;15/03/2021;x\n",
        "x".repeat(MAX_LINE + 1)
    );
    let verdict = survey::<HistoryRow>(file.as_bytes(), Dates::Unconfirmed).unwrap();
    let mut reader = Reader::<HistoryRow>::new(&verdict, now()).unwrap().in_language(Language::French);
    let mut lines = Vec::new();
    reader.push(file.as_bytes(), |line| lines.push(line));
    let reasons: Vec<&str> = rejected(&lines).iter().map(|row| row.reason.as_str()).collect();
    assert!(reasons[0].starts_with("contient une lettre minuscule : doit compter"), "{reasons:?}");
    assert!(
        reasons[0].ends_with(" ; phone_trunc est un numéro de téléphone entier : retirez ses deux derniers chiffres")
    );
    assert!(reasons[1].starts_with("la ligne a 2 des 4 cellules"), "{reasons:?}");
    assert!(reasons[2].starts_with("la ligne compte plus de 65536 octets"), "{reasons:?}");
    assert!(reasons[3].starts_with("la ligne a plus de cellules"), "{reasons:?}");
    let header = RejectedWriter::new(reader.header()).in_language(Language::French).header();
    assert_eq!(String::from_utf8(header).unwrap(), format!("\u{feff}{HEADER};ligne;colonne;motif\n"));
}

/// A file of these dates.
fn dated(dates: &[&str]) -> String {
    let mut file = HEADER.to_owned();
    for (number, date) in dates.iter().enumerate() {
        file.push_str(&format!("\nshort;DUP;+3360102{number:02};{date}"));
    }
    file
}

fn verdict(file: &str) -> Result<Verdict, FileRefusal> {
    let verdict = survey_in::<HistoryRow>(file.as_bytes(), usize::MAX, Dates::Unconfirmed);
    for chunk in [1, 7] {
        assert_eq!(
            survey_in::<HistoryRow>(file.as_bytes(), chunk, Dates::Unconfirmed),
            verdict,
            "in chunks of {chunk}"
        );
    }
    verdict
}

fn order(dates: &[&str]) -> Result<DateOrder, FileRefusal> {
    verdict(&dated(dates)).map(|verdict| verdict.surveyed().date_order)
}

#[test]
fn date_order_is_decided_by_whole_file() {
    use DateOrder::{DayFirst, MonthFirst, Undecided, YearFirst};
    let both = |day_first, month_first| Err(SurveyError::BothOrders { day_first, month_first }.into());
    let half = |line| Err(SurveyError::HalfDays { line }.into());
    let table: Vec<(&[&str], Result<DateOrder, FileRefusal>)> = vec![
        (&[], Ok(YearFirst)),
        (&["2021-05-03", "2021/13/05", "x", "", "2021-05-13T00:00:00Z"], Ok(YearFirst)),
        (&["03/05/2021", "12/12/2021"], Ok(Undecided)),
        (&["03/05/2021", "13/05/2021"], Ok(DayFirst)),
        (&["13.5.2021"], Ok(DayFirst)),
        (&["31-12-2021 8:30"], Ok(DayFirst)),
        (&["03/05/2021", "05/13/2021"], Ok(MonthFirst)),
        (&["\"5/31/2021\"", "03/05/2021"], Ok(MonthFirst)),
        (&["=\"05/13/2021\""], Ok(MonthFirst)),
        (&["\"=\"\"05/13/2021\"\"\""], Ok(MonthFirst)),
        (&[" 05/13/2021"], Ok(MonthFirst)),
        (&["1/31/2021 12:00:00 AM"], Ok(MonthFirst)),
        (&["3/5/2021 12:05 PM", "3/5/2021 13:05"], half(2)),
        (&["3/5/2021 13:05", "3/5/2021 12:05:00\u{202f}pm"], half(3)),
        (&["3/5/2021 12:05 PM", "13/5/2021 12:05 PM"], Ok(DayFirst)),
        (&["3/5/2021 12:05 PM", "5/13/2021"], Ok(MonthFirst)),
        (&["2021-05-03 12:05 PM", "03/05/2021", "3/5/2021 PM", "3/5/2021 12:05 XPM"], Ok(Undecided)),
        // A year of two digits is rejected, but it says how the program writes dates.
        (&["05/13/21", "03/05/2021"], Ok(MonthFirst)),
        (&["13/05/21", "03/05/2021"], Ok(Undecided)),
        // A day that does not exist shows the order all the same; a thirteenth month twice, or a day 32, shows nothing.
        (&["02/30/2021"], Ok(MonthFirst)),
        (&["13/13/2021", "05/32/2021", "32/05/2021", "00/13/2021", "13/00/2021"], Ok(YearFirst)),
        (&["13/05/2021", "03/05/2021", "05/13/2021", "14/05/2021", "05/14/2021"], both(2, 4)),
        (&["05/13/2021", "2021-05-13", "13.05.2021"], both(4, 2)),
        (&["05/13/21", "13/05/2021"], both(3, 2)),
    ];
    for (dates, expected) in table {
        assert_eq!(order(dates), expected, "{dates:?}");
    }
    let refused = order(&["13/05/2021", "05/13/2021"]).unwrap_err().to_string();
    assert!(refused.contains("day first (line 2)") && refused.contains("month first (line 3)"), "{refused}");
}

#[test]
fn month_first_dates_are_swapped_and_counted() {
    assert_eq!(
        outcomes(dated(&["05/13/2021", "03/05/2021", "2021-03-05", "05/32/2021"])),
        [
            "2 short DUP +336010200 2021-05-12T22:00:00.000Z month_first",
            "3 short DUP +336010201 2021-03-04T23:00:00.000Z month_first",
            "4 short DUP +336010202 2021-03-04T23:00:00.000Z",
            "5 datetime",
        ]
    );
    assert_eq!(
        outcomes(dated(&["03/05/2021", "13/05/2021"])),
        ["2 short DUP +336010200 2021-05-02T22:00:00.000Z", "3 short DUP +336010201 2021-05-12T22:00:00.000Z"]
    );
}

/// Sent back alone, a rejected row would lose the order that its file had.
#[test]
fn rejected_rows_of_month_first_file_put_year_first() {
    let file = format!(
        "{HEADER}\nshort;DUP;06010203;05/13/2021\nshort;dup;06010203;3/5/2021 8:30\nshort;dup;06010203;\"03/05/2021\"\n\
         short;dup;06010203;44259\nshort;dup;06010203;2021-03-05\nshort;DUP\nshort;dup;06010203;03/05/2021x\"\n"
    );
    let rejected = rejected_file(HEADER, &history(&file).unwrap());
    let dates: Vec<&str> = rejected.lines().skip(1).map(|line| line.split(';').nth(3).unwrap()).collect();
    assert_eq!(dates, ["2021-03-05 8:30", "2021-03-05", "44259", "2021-03-05", "", "\"03/05/2021x\"\"\""]);
    let corrected = rejected.replace("dup", "DUP");
    assert_eq!(
        outcomes(corrected)[..2],
        [
            "2 short DUP +336010203 2021-03-05T07:30:00.000Z paris_time",
            "3 short DUP +336010203 2021-03-04T23:00:00.000Z"
        ]
    );
}

/// Different days, of each of which the day of the month is at most `most`.
fn days(count: usize, most: u32) -> Vec<(u32, u32, u32)> {
    let all =
        (2012..2023).flat_map(|year| (1..=12).flat_map(move |month| (1..=most).map(move |day| (year, month, day))));
    // Spread over the years.
    all.step_by(29).take(count).collect()
}

#[test]
fn file_with_year_day_month_dates_is_rejected() {
    let refused = Err(FileRefusal::Survey(SurveyError::DayBeforeMonth { line: 3 }));
    for dates in [["2021-05-03", "2021-25-03"], ["2021-05-03", "2021-13-12T08:30:00Z"], ["2021/05/03", "2021/31/01"]] {
        let file = dated(&dates);
        assert_eq!(verdict(&file), refused, "{dates:?}");
        assert_eq!(
            survey::<HistoryRow>(file.as_bytes(), Dates::Confirmed).map(drop),
            refused.clone().map(drop),
            "{dates:?}"
        );
    }
    // One bad row among dates that show their order, on either side of it.
    for dates in [
        ["2021-05-13", "2021-25-03"],
        ["2021-25-03", "2021-05-13"],
        ["2021-05-03", "2021-13-13"],
        ["2021-05-03", "2021-32-03"],
    ] {
        assert!(verdict(&dated(&dates)).is_ok(), "{dates:?}");
    }
}

#[test]
fn thirty_days_up_to_the_12th_need_confirmation() {
    let iso = |(year, month, day): (u32, u32, u32)| format!("{year}-{month:02}-{day:02}");
    let french = |(year, month, day): (u32, u32, u32)| format!("{day:02}/{month:02}/{year}");
    let utc = |day: (u32, u32, u32)| Instant::parse(&format!("{}T00:00:00+01:00", iso(day))).unwrap().to_string();
    let all = |days: Vec<(u32, u32, u32)>, write: &dyn Fn((u32, u32, u32)) -> String| -> Vec<String> {
        days.into_iter().map(write).collect()
    };
    let late = || "2021-05-13".to_owned();
    let swapped = Err(FileRefusal::Survey(SurveyError::SwappedDays));
    let table: Vec<(&str, Vec<String>, bool)> = vec![
        ("29 days", all(days(29, 12), &iso), true),
        ("30 days", all(days(30, 12), &iso), false),
        ("30 days, many times each", vec![all(days(30, 12), &iso); 3].concat(), false),
        ("29 days, many times each", vec![all(days(29, 12), &iso); 3].concat(), true),
        ("30 days and one late", [all(days(30, 12), &iso), vec![late()]].concat(), true),
        ("one late and 30 days", [vec![late()], all(days(30, 12), &iso)].concat(), true),
        ("a late day that no calendar has", [all(days(30, 12), &iso), vec!["2021-13-13".into()]].concat(), false),
        ("30 days day first", all(days(30, 12), &french), false),
        ("30 days in UTC, which begin the day before", all(days(30, 12), &utc), false),
        ("the same and a late one", [all(days(30, 12), &utc), vec!["2021-05-12T22:00:00Z".into()]].concat(), true),
        ("15 days each way", [all(days(15, 12), &iso), all(days(30, 12)[15..].to_vec(), &french)].concat(), false),
        ("20 days twice, each way", [all(days(20, 12), &iso), all(days(20, 12), &french)].concat(), true),
        (
            "swapped where a program could, left alone where not",
            [all(days(15, 12), &iso), (13..=28).map(|day| format!("{day}/05/2021")).collect()].concat(),
            false,
        ),
        (
            "the same with one that was left alone and could have been read",
            [all(days(15, 12), &iso), (12..=28).map(|day| format!("{day}/05/2021")).collect()].concat(),
            true,
        ),
        (
            "30 days swapped, among others that were left alone",
            [all(days(30, 12), &iso), (1..=28).map(|day| format!("{day}/05/2021")).collect()].concat(),
            false,
        ),
    ];
    for (what, dates, accepted) in table {
        let file = dated(&dates.iter().map(String::as_str).collect::<Vec<_>>());
        let verdict = verdict(&file);
        assert_eq!(verdict.is_ok(), accepted, "{what}");
        if !accepted {
            assert_eq!(verdict, swapped, "{what}");
        }
        let confirmed = read_confirmed_in::<HistoryRow>(file.as_bytes(), usize::MAX, Dates::Confirmed);
        assert_eq!(confirmed.unwrap().len(), dates.len(), "{what}");
    }
    let half_days = dated(&["3/5/2021 12:05 PM"]);
    let confirmed = survey::<HistoryRow>(half_days.as_bytes(), Dates::Confirmed).unwrap();
    assert_eq!(confirmed.surveyed().date_order, DateOrder::Undecided);
    assert_eq!(
        survey::<HistoryRow>(dated(&["13/05/2021", "05/13/2021"]).as_bytes(), Dates::Confirmed).unwrap_err(),
        SurveyError::BothOrders { day_first: 2, month_first: 3 }.into(),
        "what contradicts itself nobody can confirm"
    );
}

#[test]
fn survey_counts_the_rows_that_are_read() {
    let table = [
        (HEADER.to_owned(), 0),
        (format!("\n{HEADER}\n\n;;;\nx\nshort;DUP;06010203;15/03/2021\r\n\r\n\"\n"), 3),
        (format!("{HEADER}\n{}\nx", "y".repeat(2 * MAX_LINE)), 2),
    ];
    for (file, rows) in table {
        assert_eq!(verdict(&file).unwrap().surveyed().rows, rows);
        assert_eq!(history(&file).unwrap().len() as u64, rows);
    }
}

#[test]
fn survey_reports_encoding() {
    let of = |file: &[u8]| survey::<HistoryRow>(file, Dates::Unconfirmed).unwrap().surveyed().encoding;
    let utf_16: Vec<u8> =
        format!("\u{feff}{HEADER}\r\nshort;HÉR;06010203;15/03/2021\r\nlong;TO ;06\u{a0}010203;15/03/2021")
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
    assert_eq!(of(HEADER.as_bytes()), Encoding::Utf8);
    assert_eq!(of(format!("\u{feff}{HEADER}\nshort;HÉR;06010203;15/03/2021").as_bytes()), Encoding::Utf8);
    assert_eq!(of(&[HEADER.as_bytes(), b"\nshort;H\xc9R;06010203;15/03/2021"].concat()), Encoding::Windows1252);
    assert_eq!(of(&utf_16), Encoding::Utf16);
    assert_eq!(outcomes(&utf_16), ["2 last_name_trunc", "3 long TO  +336010203 2021-03-14T23:00:00.000Z"]);
}

#[test]
fn row_names_are_skipped_if_all_rows_have_one() {
    let row = "short;DUP;06010203;15/03/2021";
    let read = |line: u64| format!("{line} short DUP +336010203 2021-03-14T23:00:00.000Z row_name");
    let plain = |line: u64| format!("{line} short DUP +336010203 2021-03-14T23:00:00.000Z");
    let table: Vec<(&str, String, Vec<String>)> = vec![
        ("write.table", format!("{HEADER}\n\"1\";{row}\n2;{row}"), vec![read(2), read(3)]),
        ("write.csv, to_csv", format!(";{HEADER}\n1;{row}\n2;{row}"), vec![read(2), read(3)]),
        ("read_csv and to_csv again", format!("Unnamed: 0;{HEADER}\n1;{row}"), vec![read(2)]),
        (
            "one bad row among them",
            format!("{HEADER}\n1;{row}\n2;;DUP;06010203;15/03/2021\n3;x"),
            vec![read(2), "3 journey_type".into(), "4 last_name_trunc".into()],
        ),
        ("one row without", format!("{HEADER}\n1;{row}\n{row}"), vec!["2 5".into(), plain(3)]),
        ("one row with its cells in place", format!("{HEADER}\n1;{row}\n{row};x"), vec!["2 5".into(), "3 5".into()]),
        ("a decimal comma is not a name", format!("{HEADER}\nshort;DUP;33;6010203;15/03/2021"), vec!["2 5".into()]),
        ("two cells too many", format!("{HEADER}\n1;2;{row}"), vec!["2 5".into()]),
    ];
    for (what, file, expected) in table {
        assert_eq!(outcomes(file), expected, "{what}");
    }
    // The dates are read at their real position.
    let file = format!("{HEADER}\n1;short;DUP;06010203;05/13/2021\n2;short;DUP;06010203;03/05/2021");
    assert_eq!(verdict(&file).unwrap().surveyed().date_order, DateOrder::MonthFirst);
    let rejected = rejected_file(&format!(";{HEADER}"), &history(file.replace("DUP", "dup")).unwrap());
    assert!(rejected.contains("\n1;short;dup;06010203;2021-05-13;2;last_name_trunc;"), "{rejected}");
    assert_eq!(outcomes(rejected.replace("dup", "DUP"))[0], "2 short DUP +336010203 2021-05-12T22:00:00.000Z row_name");
}

#[test]
fn extra_cells_are_ignored_if_all_are_empty() {
    let row = "short;DUP;06010203;15/03/2021";
    let read = |line: u64| format!("{line} short DUP +336010203 2021-03-14T23:00:00.000Z empty_cell");
    let plain = |line: u64| format!("{line} short DUP +336010203 2021-03-14T23:00:00.000Z");
    let table: Vec<(&str, String, Vec<String>)> = vec![
        ("one in each row", format!("{HEADER}\n{row};\n{row};"), vec![read(2), read(3)]),
        ("one in one row", format!("{HEADER}\n{row}\n{row};"), vec![plain(2), read(3)]),
        ("three and one", format!("{HEADER}\n{row}; ;\"\";\n{row};"), vec![read(2), read(3)]),
        ("one that says something", format!("{HEADER}\n{row};\n{row};x"), vec!["2 5".into(), "3 5".into()]),
        ("as many as are looked at", format!("{HEADER}\n{row}{}", ";".repeat(16)), vec![read(2)]),
        ("more", format!("{HEADER}\n{row}{}\n{row};", ";".repeat(17)), vec!["2 5".into(), "3 5".into()]),
        (
            "windows-1252",
            format!("{HEADER}\n{row};\nshort;H\u{c9}R;06010203;15/03/2021;"),
            vec![read(2), "3 last_name_trunc".into()],
        ),
    ];
    for (what, file, expected) in table {
        let latin: Vec<u8> = file.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        assert_eq!(outcomes(latin), expected, "{what}");
    }
}

/// Damage is found before the first row, so no row of a damaged file is handed out.
#[test]
fn damaged_file_gives_no_verdict() {
    use std::io::Write as _;
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    for number in 0..20_000_u32 {
        let hash = number.wrapping_mul(2_654_435_761) % 1_000_000;
        let line = if number == 0 { format!("{HEADER}\n") } else { format!("short;DUP;+336{hash:06};2021-02-15\n") };
        packed.write_all(line.as_bytes()).unwrap();
    }
    let whole = packed.finish().unwrap();
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    assert_eq!(survey::<HistoryRow>(&whole, Dates::Unconfirmed).unwrap().surveyed().rows, 19_999);
    for damaged in [&whole[..whole.len() / 2], &flipped, &whole[..whole.len() - 1]] {
        assert_eq!(survey::<HistoryRow>(damaged, Dates::Unconfirmed), Err(UnpackError::Damaged.into()));
    }
}

/// A row at which the survey itself panics is counted once, and the reader decides on it.
#[test]
fn panic_in_survey_affects_no_other_row() {
    #[derive(Debug, PartialEq, Eq)]
    struct Explosive;
    impl Row for Explosive {
        const FIELDS: &'static [Field] = &[Field::required("word"), Field::required("date")];
        const WORD: Option<WordColumn> = Some((0, |word| {
            assert_ne!(word, "boom", "as the test wants");
            word == "word"
        }));
        const DATE: Option<usize> = Some(1);

        fn read(cells: &mut Cells<'_>) -> Option<Self> {
            cells.read(0, |_, _| Ok(())).map(|()| Self)
        }
    }
    let verdict =
        survey::<Explosive>(b"word;date\nboom;2021-05-13;\nword;05/13/2021;\nboom;2021-05-13;x", Dates::Unconfirmed);
    let surveyed = verdict.unwrap().surveyed();
    assert_eq!((surveyed.rows, surveyed.date_order), (3, DateOrder::MonthFirst));
}

const JOURNEYS: &str = "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,\
                        start_insee,end_insee,driver_phone_trunc,driver_identity_key,acquisition_status,fraud_status,\
                        anomaly_status";

#[test]
fn journey_row_is_read_with_all_fields() {
    let key = "ab".repeat(32);
    let file = format!(
        "{JOURNEYS}\n7,2, j-1_a:b,C,2024-03-15T08:00:00+01:00,2024-03-15T08:30:00+01:00,80000,75056,2A004,+336010203,\
         {key},processed,passed,passed\n8,2,j;2,A,2024-03-15T08:00:00Z,2024-03-15T08:00:00Z,0,1001,99100,6010203,,\
         canceled,,\n"
    );
    let lines = read::<Journey>(file.as_bytes()).unwrap();
    let [Line::Row { row: one, repairs, .. }, Line::Row { line: 3, row: two, repairs: more, .. }] = &lines[..] else {
        panic!("{lines:?}")
    };
    assert!(repairs.is_empty());
    assert_eq!((one.journey_id, one.operator.get(), one.operator_class, one.distance_metres), (7, 2, 'C', 80_000));
    assert_eq!(one.operator_journey_id.as_str(), " j-1_a:b", "an operator's name for it is never trimmed");
    assert_eq!(
        (one.start.to_string(), one.end.to_string()),
        ("2024-03-15T07:00:00.000Z".into(), "2024-03-15T07:30:00.000Z".into())
    );
    assert_eq!((one.start_insee.as_str(), one.end_insee.as_str()), ("75056", "2A004"));
    assert_eq!(one.driver_phone_trunc.as_str(), "+336010203");
    assert_eq!(one.driver_identity_key.as_ref().unwrap().as_bytes(), &[0xab; 32]);
    assert_eq!(one.status.as_str(), "ok");
    assert_eq!(
        (two.start_insee.as_str(), two.driver_identity_key.is_none(), two.status.as_str()),
        ("01001", true, "canceled")
    );
    assert_eq!(*more, [Repair::InseeLostZero, Repair::PhoneLostZero].into_iter().collect());
}

#[test]
fn journeys_without_optional_columns_are_read() {
    let file = "distance;journey_id;operator_id;operator_journey_id;operator_class;start_datetime;end_datetime;\
                start_insee;end_insee;driver_phone_trunc;acquisition_status\n\
                5;7;2;j;C;2024-03-15T08:00:00Z;2024-03-15T08:30:00Z;75056;75056;+336010203;processed";
    let lines = read::<Journey>(file.as_bytes()).unwrap();
    let [Line::Row { row, .. }] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((row.status.as_str(), row.driver_identity_key.is_none()), ("pending", true));
}

#[test]
fn invalid_journey_is_rejected_with_column() {
    let good = "7,2,j,C,2024-03-15T08:00:00Z,2024-03-15T08:30:00Z,5,75056,75056,+336010203,,processed,,";
    let table = [
        ("7,2", "+7,2", "journey_id", "must be a whole number"),
        ("7,2", ",2", "journey_id", "is empty"),
        ("7,2", "7,0", "operator_id", "must be an operator's number"),
        (",j,", ",,", "operator_journey_id", "must have 1 to 255"),
        (",C,", ",D,", "operator_class", "must be an operator class"),
        ("2024-03-15T08:00:00Z", "15/03/2024", "start_datetime", "must be an RFC 3339"),
        ("T08:30:00Z", "T07:30:00Z", "end_datetime", "must not be before start_datetime"),
        (",5,", ",5.0,", "distance", "must be a whole number of metres"),
        (",5,", ",-5,", "distance", "must be a whole number of metres"),
        (",5,", ",4294967296,", "distance", "must be a whole number of metres"),
        (",5,75056", ",5,7505X", "start_insee", "must be an INSEE code"),
        ("75056,+", ",+", "end_insee", "is empty"),
        ("+336010203", "601020304", "driver_phone_trunc", "may have lost"),
        (",,processed", ",abc,processed", "driver_identity_key", "must be a SHA-256"),
        ("processed", "", "acquisition_status", "is empty"),
        ("processed", "done", "acquisition_status", "must be \"received\", \"updated\", \"processed\""),
        ("processed,,", "processed,maybe,", "fraud_status", "must be \"passed\", \"failed\", \"pending\" or empty"),
        ("processed,,", "processed,,maybe", "anomaly_status", "must be \"passed\", \"failed\", \"pending\" or empty"),
    ];
    let file = |row: &str| format!("{JOURNEYS}\n{row}\n");
    assert!(matches!(read::<Journey>(file(good).as_bytes()).unwrap()[..], [Line::Row { .. }]));
    for (from, to, column, reason) in table {
        let lines = read::<Journey>(file(&good.replacen(from, to, 1)).as_bytes()).unwrap();
        let [Line::Rejected(row)] = &lines[..] else { panic!("{from} → {to}: {lines:?}") };
        assert_eq!(row.column.unwrap().to_string(), column, "{from} → {to}");
        assert!(row.reason.starts_with(reason), "{from} → {to}: {}", row.reason);
    }
}

/// A journey that the registry's database calls expired is, in the words of the interface, one that breaks the terms.
#[test]
fn expired_journey_becomes_terms_violation() {
    let row = "7,2,j,C,2024-03-15T08:00:00+0100,2024-03-15T08:30:00+0100,5,75056,99100,+336010203,,expired,,";
    let lines = read::<Journey>(format!("{JOURNEYS}\n{row}\n").as_bytes()).unwrap();
    let [Line::Row { row, .. }] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(row.status.as_str(), "terms_violation_error");
    assert_eq!(row.end.to_string(), "2024-03-15T07:30:00.000Z");
}

/// A reader goes by the rules that it is given, also after it was taken up again.
#[test]
fn reader_follows_the_rules_in_force() {
    let mut rules = Rules::default();
    rules.long.history_before = Instant::parse("2021-01-01T00:00:00+01:00").unwrap();
    rules.short.open.import = false;
    let file = format!(
        "{HEADER}\nlong;DUP;+336010203;2020-12-31\nlong;DUP;+336010203;2021-01-01\nshort;DUP;+336010203;2020-12-31\n\
         long;DUP;+336010203;2022-01-01\n"
    );
    let (half, expected) = (file.len() / 2, ["2", "3 datetime", "4 journey_type", "5 datetime"]);
    let verdict = survey::<HistoryRow>(file.as_bytes(), Dates::Unconfirmed).unwrap();
    let mut reader = FileReader::<HistoryRow>::new(&verdict, now()).unwrap().under(&rules);
    let mut lines = Vec::new();
    reader.push(&file.as_bytes()[..half]);
    while reader.read(&mut lines).unwrap() {}
    let mut reader = FileReader::<HistoryRow>::resume(&verdict, &reader.state(), now()).unwrap().under(&rules);
    reader.push(file.as_bytes());
    reader.end();
    while reader.read(&mut lines).unwrap() {}
    let shown: Vec<String> = lines.iter().map(shown).collect();
    assert!(shown.iter().zip(expected).all(|(shown, expected)| shown.starts_with(expected)), "{shown:?}");
    let reason = |line: &Line<HistoryRow>| match line {
        Line::Rejected(row) => row.reason.clone(),
        Line::Row { .. } => String::new(),
    };
    assert!(
        reason(&lines[1]).starts_with("must be dated before 2021-01-01 (midnight in Paris)"),
        "{}",
        reason(&lines[1])
    );
    assert!(reason(&lines[2]).starts_with("is closed: "), "{}", reason(&lines[2]));
}

#[test]
fn verdict_on_another_kind_of_file_is_refused() {
    let verdict = survey::<HistoryRow>(HEADER.as_bytes(), Dates::Unconfirmed).unwrap();
    assert!(Reader::<Journey>::new(&verdict, now()).is_err());
}

/// A stray quote that another one closes further down must not swallow the rows between them.
#[test]
fn rows_between_two_stray_quotes_are_not_lost() {
    let header = "journey_type,last_name_trunc,phone_trunc,datetime,line,column,reason";
    let rows = [
        "short,DUP,+336010203,2021-02-01,5,x,\"oops",
        "short,MAR,+336010204,2021-02-01,6,\"\",x",
        "short,TO ,+336010206,2021-02-01,8,,z\"",
    ];
    let read = |file: &str| read::<HistoryRow>(file.as_bytes()).unwrap().len();
    assert_eq!(read(&format!("{header}\n{}\n", rows.join("\n"))), 3);
    assert_eq!(read(&format!("{header}\n{}\n{}\n", rows[0], rows[2])), 2);
    let named = "\"\",journey_type,last_name_trunc,phone_trunc,datetime\n\"1,short,DUP,+336010203,2021-02-01\n2\",short,MAR,+336010204,2021-02-01\n";
    assert_eq!(read(named), 2);
    // A line break within a cell is one row, as before.
    assert_eq!(read(&format!("{header}\nshort,DUP,\"+336010203\n\",2021-02-01,5,x,\"a, b\nc, d\"\n")), 1);
}

/// Pieces that files are made of: good rows, damage of every kind, bytes of no kind.
fn piece() -> impl Strategy<Value = Vec<u8>> {
    let pieces: [&[u8]; 28] = [
        b"short;DUP;+336010203;2021-03-15",
        b"long;D H;06010203;15/03/2021",
        b"\"short\";\"TO \";\"06 01 02 03\";\"2021-03-15T08:30:00+01:00\"",
        b"short;TO;6010203;15/03/2021 08:30",
        b"short;H\xc9R;06010203;15/03/2021",
        "short;HÉR;06010203;15/03/2021".as_bytes(),
        b"short;\"DUP;06010203;15/03/2021",
        b"short;DUP;3,36E+08;44259",
        b"short;\"DU\nP\";06010203;15/03/2021",
        b"short;DUP;06010203;\"15\r\n;\"\"\"",
        b"short;\"",
        b"\";06010203;15/03/2021",
        b"\n",
        b"\r\n",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r",
        b"\n\n",
        b";;;",
        b";",
        b"\"",
        b" ",
        b"\0",
        b"=\"x\"",
        b"\xef\xbb\xbf",
        b"short,DUP",
        b"+",
    ];
    prop_oneof![
        20 => prop::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..8),
    ]
}

fn file() -> impl Strategy<Value = Vec<u8>> {
    let heads = ["", "\u{feff}", "\n\r\n", " \r"];
    let headers = ["", ";;", ";line;column;reason"];
    let ends = ["\n", "\r\n", "\r"];
    let head = (
        prop::sample::select(heads.to_vec()),
        prop::sample::select(headers.to_vec()),
        prop::sample::select(ends.to_vec()),
    );
    (head, prop::collection::vec(piece(), 0..40)).prop_map(|((head, more, end), pieces)| {
        [format!("{head}{HEADER}{more}{end}").into_bytes(), pieces.concat()].concat()
    })
}

/// Whether the quotes of a row of several lines hold, in one of these lines, as many cells as a row has.
fn has_row_within_quotes(row: &str) -> bool {
    let (mut quoted, mut closed, mut separators, mut spans, mut before, mut found) =
        (false, false, 0, false, ';', false);
    for char in row.chars() {
        let is_row = quoted && separators + 1 >= 4;
        match char {
            '"' if quoted => {
                found |= is_row && spans;
                (quoted, closed, before) = (false, true, char);
                continue;
            }
            '"' if closed => quoted = true,
            '"' if before == ';' => (quoted, separators, spans) = (true, 0, false),
            ';' if quoted => separators += 1,
            '\n' => {
                found |= is_row;
                (separators, spans) = (0, true);
            }
            _ => {}
        }
        (closed, before) = (false, char);
    }
    found
}

/// The rows after the header, found in the plainest way: each line that is not blank, or as many as make a row whose quotes are in
/// order.
fn rows_expected(file: &[u8]) -> usize {
    let text = String::from_utf8_lossy(file).replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = text.trim_start_matches('\u{feff}').split('\n').collect();
    let blank = |line: &str| line.chars().all(|c| " \t;".contains(c));
    let header = lines.iter().position(|line| !blank(line)).unwrap();
    let most = 4 + 1 + 16 + if lines[header].contains("reason") { 3 } else { 0 };
    let (mut at, mut rows) = (header + 1, 0);
    while at < lines.len() {
        if blank(lines[at]) {
            at += 1;
            continue;
        }
        rows += 1;
        let mut taken = 1;
        for count in 1..=lines.len() - at {
            let row = lines[at..at + count].join("\n");
            let (_, found) = split_all(row.as_bytes(), b';');
            let within = has_row_within_quotes(&row);
            let is_broken = !found.well_formed && !found.open || found.count > most || within;
            if found.well_formed && !is_broken && (count == 1 || found.count >= 4) {
                taken = count;
            }
            if found.well_formed || is_broken {
                break;
            }
        }
        at += taken;
    }
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// However a file is cut, and wherever reading stops and is taken up again: the same lines.
    #[test]
    fn chunks_and_resume_give_same_lines(
        file in file(),
        steps in prop::collection::vec((1_usize..60, any::<bool>()), 1..20),
    ) {
        let whole = read_in::<HistoryRow>(&file, usize::MAX).unwrap();
        prop_assert_eq!(whole.len(), rows_expected(&file));

        let verdict = survey::<HistoryRow>(&file, Dates::Unconfirmed).unwrap();
        let mut reader = Reader::<HistoryRow>::new(&verdict, now()).unwrap();
        let (mut lines, mut at) = (Vec::new(), 0);
        for (length, resume) in steps.into_iter().cycle() {
            let end = file.len().min(at + length);
            reader.push(&file[at..end], |line| lines.push(line));
            at = end;
            if at == file.len() {
                break;
            }
            // Only if the last step got beyond the state: otherwise it would restart at the same place for ever.
            let state = reader.state();
            if resume && state.offset() as usize + 60 > at {
                let json = serde_json::to_string(&(&verdict, &state)).unwrap();
                let (verdict, state): (Verdict, ReaderState) = serde_json::from_str(&json).unwrap();
                reader = Reader::resume(&verdict, &state, now()).unwrap();
                let from = state.offset() as usize;
                reader.push(&file[from..at], |line| lines.push(line));
            }
        }
        reader.finish(|line| lines.push(line));
        prop_assert_eq!(lines, whole);
        prop_assert_eq!(reader.state().offset() as usize, file.len());
    }

    /// Any bytes: no panic, little memory, and the same answer however they are cut.
    #[test]
    fn any_bytes_are_read_the_same_in_any_chunks(file in prop::collection::vec(any::<u8>(), 0..2000), chunk in 1_usize..300) {
        prop_assert_eq!(read_in::<HistoryRow>(&file, chunk), read_in(&file, usize::MAX));
        prop_assert_eq!(read_in::<Journey>(&file, chunk), read_in(&file, usize::MAX));
        let after_header = [format!("{HEADER}\n").into_bytes(), file].concat();
        prop_assert!(read_in::<HistoryRow>(&after_header, chunk).is_ok(), "a header read is a file read");
        let mut reader = reader::<HistoryRow>(&after_header);
        for chunk in after_header.chunks(chunk) {
            reader.push(chunk, |_| {});
            prop_assert!(reader.held_capacity() <= 2 * MAX_LINE);
        }
    }

    /// The reader reads the output of the csv crate as it was meant.
    #[test]
    fn csv_crate_output_is_read_as_written(
        rows in prop::collection::vec(("short|long", "[A-Z][A-Z ]{2}", r"\+336[0124-8][0-9]{5}|\+262692[0-9]{4}|\+687[1-9][0-9]{3}", 0_i64..1_672_527_600_000), 1..20),
        separator in prop::sample::select(vec![b',', b';', b'\t']),
        quotes in prop::sample::select(vec![csv::QuoteStyle::Always, csv::QuoteStyle::Necessary, csv::QuoteStyle::NonNumeric]),
        crlf in any::<bool>(),
    ) {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(separator)
            .quote_style(quotes)
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .from_writer(Vec::new());
        writer.write_record(["datetime", "phone_trunc", "last_name_trunc", "journey_type"]).unwrap();
        let mut expected = Vec::new();
        for (number, (kind, name, phone, millis)) in rows.iter().enumerate() {
            let moment = Instant::from_millis(*millis).unwrap().to_string();
            writer.write_record([&moment, phone, name, kind]).unwrap();
            expected.push(format!("{} {kind} {name} {phone} {moment}", number + 2));
        }
        prop_assert_eq!(outcomes(writer.into_inner().unwrap()), expected);
    }

    /// Whatever was rejected, the rejected file is well-formed, and line, column and reason stand under their names.
    #[test]
    fn rejected_files_are_well_formed(file in file()) {
        let mut reader = reader::<HistoryRow>(&file);
        let mut lines = Vec::new();
        reader.push(&file, |line| lines.push(line));
        reader.finish(|line| lines.push(line));
        let rejected = rejected(&lines);
        let writer = RejectedWriter::new(reader.header());
        let mut out = writer.header();
        rejected.iter().for_each(|row| writer.row(row, &mut out));

        let mut csv = csv::ReaderBuilder::new().delimiter(b';').from_reader(&out[..]);
        let names: Vec<String> = csv.headers().unwrap().iter().map(str::to_owned).collect();
        // If all rows have a name, the file has a column for it in front.
        let ours = names.len() - 3;
        prop_assert!(ours == 4 || (ours == 5 && names[0].is_empty()));
        prop_assert_eq!(&names[ours..], ["line", "column", "reason"]);
        let records: Vec<_> = csv.records().collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(records.len(), rejected.len());
        for (record, row) in records.iter().zip(rejected) {
            prop_assert_eq!(&record[ours], row.line.to_string());
            prop_assert_eq!(&record[ours + 1], row.column.map_or(String::new(), |column| column.to_string()));
            prop_assert_eq!(&record[ours + 2], &row.reason);
            let formula = |text: &str| text.starts_with(['=', '+', '-', '@']);
            prop_assert!(!formula(&record[ours + 1]) && !formula(&record[ours + 2]));
        }
    }
}
