//! The answers about a list of drivers: the `.answers.csv` beside the report.

use std::fmt;

use cee_eligibility::{Instant, Reason};

use crate::dialect::Header;
use crate::encoding;
use crate::rejected::{RejectedRow, RejectedWriter};

/// The columns that the answers have in addition, in the words of the interface and in both languages the same: programs read them.
pub(crate) const COLUMNS: [&str; 7] =
    ["outcome", "datetime", "uuid", "journey_id", "journey_status", "token", "reason"];

/// The answer about one driver.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// No application blocks the driver.
    Eligible,
    /// An application blocks the driver.
    Blocked {
        /// Whether it is specific or standardized.
        reason: Reason,
        /// The date of the application.
        datetime: Instant,
        /// The application, if it is the asking operator's own.
        own: Option<Box<OwnApplication>>,
    },
}

impl fmt::Debug for Answer {
    /// Only which kind of answer it is: the application holds personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.outcome())
    }
}

impl Answer {
    /// The outcome, as a column shows it.
    #[must_use]
    pub const fn outcome(&self) -> &'static str {
        match self {
            Self::Eligible => "eligible",
            Self::Blocked { reason, .. } => reason.as_str(),
        }
    }
}

/// The asking operator's own application, with the members that a 409 of `simulate` has. Personal data.
#[derive(Clone, PartialEq, Eq)]
pub struct OwnApplication {
    /// Its UUID.
    pub uuid: String,
    /// The number of its journey, of a short application.
    pub journey_id: Option<u64>,
    /// The status of its journey, of a short application.
    pub journey_status: Option<&'static str>,
    /// The proof token of the application.
    pub token: String,
}

/// A row and the answer about it.
#[derive(Clone, PartialEq, Eq)]
pub struct AnsweredRow {
    /// The row's first line in the file, from 1, the header included.
    pub line: u64,
    /// The answer.
    pub answer: Answer,
    /// The row as it came, without its line end. Personal data.
    pub raw: Vec<u8>,
}

impl fmt::Debug for AnsweredRow {
    /// Everything but the line itself, which is personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnsweredRow").field("line", &self.line).field("answer", &self.answer).finish_non_exhaustive()
    }
}

/// Writes the answers about one list as CSV: the rows as they came, in the form of [`RejectedWriter`], and then the columns
/// `outcome`, `datetime`, `uuid`, `journey_id`, `journey_status`, `token` and `reason`.
///
/// ```
/// use cee_eligibility::{Instant, Reason};
/// use cee_history::{Answer, AnsweredRow, AnswersWriter, Dates, DriverRow, Reader, survey};
///
/// let file = b"journey_type,last_name_trunc,phone_trunc\nshort,DUP,06010203\n";
/// let verdict = survey::<DriverRow>(file, Dates::Unconfirmed)?;
/// let reader = Reader::<DriverRow>::new(&verdict, Instant::parse("2024-05-01T00:00:00Z").unwrap())?;
/// let writer = AnswersWriter::new(reader.header());
/// let datetime = Instant::parse("2021-02-15T00:00:00+01:00").unwrap();
/// let answer = Answer::Blocked { reason: Reason::History, datetime, own: None };
/// let mut csv = writer.header();
/// writer.row(&AnsweredRow { line: 2, answer, raw: b"short,DUP,06010203".to_vec() }, &mut csv);
/// assert_eq!(
///     String::from_utf8(csv).unwrap(),
///     "\u{feff}journey_type,last_name_trunc,phone_trunc,outcome,datetime,uuid,journey_id,journey_status,token,reason\n\
///      short,DUP,06010203,history,2021-02-14T23:00:00.000Z,,,,,\n"
/// );
/// # Ok::<(), cee_history::FileRefusal>(())
/// ```
#[derive(Clone, Debug)]
pub struct AnswersWriter(RejectedWriter);

impl AnswersWriter {
    /// A writer for the answers about a list with this header.
    #[must_use]
    pub fn new(header: &Header) -> Self {
        Self(RejectedWriter::new(header))
    }

    /// The byte order mark and the header line.
    #[must_use]
    pub fn header(&self) -> Vec<u8> {
        let mut line = String::from('\u{feff}');
        self.0.cells(self.0.header_text(), &mut line);
        for column in COLUMNS {
            self.0.cell(column, &mut line);
        }
        self.0.end(line)
    }

    /// Adds the answer about one row.
    pub fn row(&self, AnsweredRow { answer, raw, .. }: &AnsweredRow, out: &mut Vec<u8>) {
        let cells = match answer {
            Answer::Eligible => [const { String::new() }; 6],
            Answer::Blocked { datetime, own, .. } => {
                let own = own.as_deref();
                let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
                [
                    datetime.to_string(),
                    text(own.map(|own| own.uuid.as_str())),
                    own.and_then(|own| own.journey_id).map(|id| id.to_string()).unwrap_or_default(),
                    text(own.and_then(|own| own.journey_status)),
                    text(own.map(|own| own.token.as_str())),
                    String::new(),
                ]
            }
        };
        self.write(answer.outcome(), cells, raw, out);
    }

    /// Adds a row that the reader has rejected.
    pub fn rejected(&self, RejectedRow { column, reason, raw, .. }: &RejectedRow, out: &mut Vec<u8>) {
        let mut cells = [const { String::new() }; 6];
        // A reason follows the name of its column.
        cells[5] = column.map_or_else(|| reason.clone(), |column| format!("{column} {reason}"));
        self.write("rejected", cells, raw, out);
    }

    fn write(&self, outcome: &str, cells: [String; 6], raw: &[u8], out: &mut Vec<u8>) {
        let mut line = String::with_capacity(raw.len() + 64);
        self.0.cells(&encoding::text(raw), &mut line);
        self.0.cell(outcome, &mut line);
        for cell in cells {
            self.0.cell(&cell, &mut line);
        }
        out.append(&mut self.0.end(line));
    }
}
