//! History and journey files: CSV bytes in, validated rows out. Pure: no AWS, no async, no clock, no environment.
//!
//! | to find | look in |
//! |---|---|
//! | a file as it is stored, compressed or not | [`mod@file`] |
//! | what the survey decides from the whole file before its first row is read | [`mod@survey`] |
//! | the reader: chunks of bytes in, one [`Line`] a row out; where to continue after an interruption | [`reader`] |
//! | how a compressed file is unpacked, and what is refused | [`unpack`], `zip` |
//! | separator and header | [`dialect`] |
//! | why a whole file is refused | [`refusal`] |
//! | UTF-8 and windows-1252; UTF-16 | [`encoding`], `text` |
//! | how bytes become lines, and lines rows | `feed`, `lines` |
//! | how a line is split; why a cell is refused; what is stripped from a value | `split`, `fault`, `strip` |
//! | dates and truncated phones as people and programs write them | `date`, `day`, `phone` |
//! | the columns and fields of a history file | [`history`] |
//! | the columns and fields of a journey file | [`journeys`] |
//! | the columns and fields of a list of drivers; the `.answers.csv` beside the report | [`drivers`], [`answers`] |
//! | the repairs, and their names in the report | [`repair`] |
//! | the `.rejected.csv` beside the report | [`rejected`] |
//! | what the name of a file decides | [`name`] |
//! | the messages of a rejected row, in English and in French | [`catalogue`] |
//! | the counts of the report | [`counts`] |
//! | the report itself, and the progress of an import | [`report`] |
//!
//! # What a file may look like
//!
//! - The separator is `,`, `;` or a tab: the one under which the header names most known columns.
//! - The header comes first, in any column order, in any case, with or without spaces and quotes around the names.
//! - UTF-16 with a byte order mark; UTF-8 with or without one, or windows-1252. The choice between these two is made **line by
//!   line**: a line that is valid UTF-8 is UTF-8, any other is windows-1252. A stream can be read that way without looking ahead,
//!   and a file that mixes both is read correctly.
//! - Lines end in LF, CRLF or CR (Excel for Mac), also mixed. **A line is a row**, except a row with a line break in a quoted cell,
//!   if its quotes are in order (`lines`). A quote that is never closed costs its own row only.
//! - A first line `sep=;`, which some programs write to set the separator in Excel, is skipped.
//! - Blank lines (nothing but separators, spaces and tabs) are skipped and not counted.
//! - Extra separators at the end of the header (`a;b;c;d;;`, as Excel leaves them) are not columns, and the cells below them must
//!   be empty.
//! - The columns `line`, `column` and `reason`, or `ligne`, `colonne` and `motif`, are skipped, and their cells may be missing: a
//!   rejected file, once corrected, can be sent back as it is.
//!   A first column without a name holds the names of rows, and is skipped. Any other unknown column refuses the file.
//! - Each row may have one cell more than the header has names: in front, if a program put the name of the row there, or at the
//!   end, if it is empty in every row.
//!
//! **A file is refused by its survey or not at all.** After the survey a fault refuses one row at most: a NUL byte, an unclosed
//! quote, a line of a gigabyte. So no file is ever "refused whole" with half its rows imported.
//!
//! # Example
//!
//! ```
//! use cee_eligibility::Instant;
//! use cee_history::{Dates, HistoryRow, Line, Reader, RejectedWriter, survey};
//!
//! let now = Instant::parse("2024-05-01T00:00:00Z").unwrap();
//! let file = b"datetime;journey_type;last_name_trunc;phone_trunc\r\n\
//!     01/02/2021;short;TO;6010203\r\n\
//!     01/02/2021;short;DUP;3,36E+08\r\n";
//!
//! // Once through the whole file first: it may write the month before the day.
//! let verdict = survey::<HistoryRow>(file, Dates::Unconfirmed).unwrap();
//! let mut reader = Reader::<HistoryRow>::new(&verdict, now).unwrap();
//! let mut lines = Vec::new();
//! for chunk in file.chunks(7) {
//!     reader.push(chunk, |line| lines.push(line));
//! }
//! reader.finish(|line| lines.push(line));
//!
//! // Excel dropped the trailing space of the name and the leading zero of the phone: one reading each, so repaired.
//! let Line::Row { line: 2, row, repairs, .. } = &lines[0] else { panic!() };
//! assert_eq!(row.identity.last_name_trunc.as_str(), "TO ");
//! assert_eq!(row.identity.phone_trunc.as_str(), "+336010203");
//! assert_eq!(row.datetime.to_string(), "2021-01-31T23:00:00.000Z");
//! assert_eq!(repairs.len(), 2);
//!
//! // It also rounded a phone to 3.36E+08: lost for good, so refused.
//! let Line::Rejected(rejected) = &lines[1] else { panic!() };
//! let writer = RejectedWriter::new(reader.header());
//! let mut csv = writer.header();
//! writer.row(rejected, &mut csv);
//! let csv = String::from_utf8(csv).unwrap();
//! assert!(csv.contains("\n01/02/2021;short;DUP;3,36E+08;3;phone_trunc;\"was rounded by Excel"));
//! ```

pub mod answers;
pub mod catalogue;
pub mod counts;
pub mod dialect;
pub mod drivers;
pub mod encoding;
pub mod file;
pub mod history;
pub mod journeys;
pub mod name;
pub mod reader;
pub mod refusal;
pub mod rejected;
pub mod repair;
pub mod report;
pub mod survey;
pub mod unpack;

mod cells;
mod column;
mod context;
mod date;
mod day;
mod fault;
mod feed;
mod lines;
mod phone;
mod row;
mod split;
mod strip;
#[cfg(test)]
mod tests;
mod text;
mod zip;

pub use answers::{Answer, AnsweredRow, AnswersWriter, OwnApplication};
pub use column::Field;
pub use counts::Counts;
pub use dialect::Header;
pub use drivers::DriverRow;
pub use file::FileReader;
pub use history::HistoryRow;
pub use lines::MAX_LINE;
pub use reader::{Line, Reader, ReaderState};
pub use refusal::{FileError, FileRefusal, LARGEST_FILE, SurveyError, UnpackError};
pub use rejected::{Column, RejectedRow, RejectedTable, RejectedWriter};
pub use repair::{Repair, Repairs};
pub use report::{Progress, Replaced, Report, UndoProgress, Undone};
pub use row::{Row, WordColumn};
pub use survey::{DateOrder, Dates, Survey, Surveyed, Verdict, survey};
pub use text::Encoding;
pub use unpack::Unpack;
