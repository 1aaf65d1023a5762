//! Why a file is refused whole, in English. [`crate::catalogue`] has the French.

use std::fmt::Write as _;

/// The largest file that is imported, in bytes as it is stored on S3: thirty times the history of all France, and the most that one
/// upload can hold.
pub const LARGEST_FILE: u64 = 5 * 1024 * 1024 * 1024;

/// The largest ratio of unpacked to packed size. A list of drivers shrinks to a fifth, a very repetitive one to a fiftieth; a
/// higher ratio is an attack.
pub(crate) const RATIO: u64 = 200;

/// With this many different days a coincidence is ruled out.
pub(crate) const MANY: usize = 30;

/// The largest number of unknown columns that are named.
pub(crate) const MOST_NAMED: usize = 10;

/// Why a whole file is refused. Its `Display` is a sentence for the sender of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileRefusal {
    /// It is compressed, and cannot be unpacked.
    #[error("The file {0}.")]
    Unpack(#[from] UnpackError),
    /// The file is not of this kind.
    #[error("The file {0}.")]
    Header(#[from] FileError),
    /// Its rows contradict each other, or look wrong together.
    #[error("The file {0}.")]
    Survey(#[from] SurveyError),
    /// It is larger than [`LARGEST_FILE`].
    #[error("The file is larger than 5 GiB: upload it in parts, each with its own header.")]
    TooLarge,
}

/// Why a file cannot be unpacked. Ends a sentence that begins with "The file".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    /// It is damaged, or ends too early.
    #[error("is a damaged or incomplete gzip or zip: compress it and upload it again")]
    Damaged,
    /// It unpacks to far more than a list of drivers would.
    #[error("unpacks to more than {RATIO} times its size, which no list of drivers does")]
    Bomb,
    /// It unpacks to more than [`LARGEST_FILE`].
    #[error("unpacks to more than 5 GiB: upload it in parts, each with its own header")]
    TooLarge,
    /// A zip with more than one file.
    #[error("is a zip with several files: send each file separately")]
    ZipOfSeveral,
    /// A zip without a file.
    #[error("is a zip without a file: put the CSV file into it, or send the CSV file as it is")]
    ZipOfNothing,
    /// A zip with a password.
    #[error("is a zip with a password: send it without a password, because the connection is encrypted")]
    ZipEncrypted,
    /// A zip that is not compressed by deflate.
    #[error("is a zip with a compression that the registry does not read: choose deflate, or use gzip")]
    ZipMethod,
    /// A workbook of Excel or another spreadsheet, which is a zip of many files.
    #[error("is a workbook (such as .xlsx or .ods), not a CSV file: open it and export it as \"CSV UTF-8\"")]
    Workbook,
}

/// Why a file cannot be read at all. It is refused before any of its rows. Its `Display` says what to do, in one sentence after the
/// file's name.
///
/// An unknown column is repeated only if it looks like a column name: a file without a header begins with a row, and a row holds
/// personal data.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The file is empty, or has only blank lines.
    #[error("is empty: it needs a header and at least one row")]
    Empty,
    /// UTF-16 without a byte order mark.
    #[error("was saved as UTF-16 without a byte order mark: save it as \"CSV UTF-8\"")]
    Utf16,
    /// A form that is not CSV.
    #[error("{0}")]
    Form(Form),
    /// Control characters instead of a header.
    #[error("is not a text file: it begins with control characters. Export it as \"CSV UTF-8\"")]
    NotText,
    /// The first line has no end.
    #[error("has no header: its first line is longer than {limit} bytes")]
    HeaderTooLong {
        /// The longest line there may be.
        limit: usize,
    },
    /// The header opens a quote and does not close it, or goes on after it.
    #[error("has a header with a quote that is not closed or is inside a name")]
    HeaderQuote,
    /// The first line names none of the columns.
    #[error("has no header: its first line must name the columns {expected}, separated by commas, semicolons or tabs")]
    NoHeader {
        /// The columns that a file of this kind must have.
        expected: String,
    },
    /// The header names other columns than a file of this kind has. Every fault is listed.
    #[error("has a wrong header: {}", faults(.missing, .unknown, .duplicate))]
    Columns {
        /// Columns that are not there.
        missing: Vec<&'static str>,
        /// Unknown columns: the name, or the number of the column if the text does not look like a name.
        unknown: Vec<String>,
        /// Columns that are there more than once.
        duplicate: Vec<&'static str>,
    },
}

/// The format of a file that is not CSV, recognised by its beginning. Its `Display` says what to send instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Form {
    /// A workbook of Excel or another spreadsheet.
    #[error("is an Excel workbook, not a CSV file: open it and export it as \"CSV UTF-8\"")]
    Workbook,
    /// Compressed twice.
    #[error("is compressed twice: send it compressed once (gzip or zip), or uncompressed")]
    Twice,
    /// Compressed with Zstandard.
    #[error("is compressed with Zstandard (.zst): compress it with gzip, or send it uncompressed")]
    Zstd,
    /// Compressed with xz.
    #[error("is compressed with xz: compress it with gzip, or send it uncompressed")]
    Xz,
    /// Compressed with bzip2.
    #[error("is compressed with bzip2 (.bz2): compress it with gzip, or send it uncompressed")]
    Bzip2,
    /// Compressed with LZ4.
    #[error("is compressed with LZ4: compress it with gzip, or send it uncompressed")]
    Lz4,
    /// A 7-Zip archive.
    #[error("is a 7-Zip archive (.7z): send the CSV file itself, or a zip of it")]
    SevenZip,
    /// A RAR archive.
    #[error("is a RAR archive: send the CSV file itself, or a zip of it")]
    Rar,
    /// A Parquet file.
    #[error("is a Parquet file: write it as CSV (`copy … to 'history.csv'`, `to_csv`, `write_csv`)")]
    Parquet,
    /// An Arrow or Feather file.
    #[error("is an Arrow (Feather) file: write it as CSV (`to_csv`, `write_csv`)")]
    Arrow,
    /// An SQLite database.
    #[error("is an SQLite database: export the table as CSV (`sqlite3 -header -csv`)")]
    Sqlite,
    /// R's own format.
    #[error("is an R file (.rds or .RData): write it as CSV (`write.csv(…, row.names = FALSE)`)")]
    R,
    /// A PDF.
    #[error("is a PDF: export the table as \"CSV UTF-8\"")]
    Pdf,
    /// A web page or XML.
    #[error("is a web page or XML, not a CSV file: export the table as \"CSV UTF-8\"")]
    Markup,
    /// JSON.
    #[error("is JSON, not a CSV file: write it as CSV, or send its rows to POST /policies/cee/import")]
    Json,
    /// A body of a form.
    #[error(
        "is a form (multipart/form-data) that contains the file: upload the file itself, as `curl --upload-file` does, not `curl --form`"
    )]
    Multipart,
}

/// Why a file is refused for all its rows together. Ends a sentence that begins with "The file".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SurveyError {
    /// Some dates can only have the day first, others only the month.
    #[error(
        "writes some dates with the day first (line {day_first}) and others with the month first (line {month_first}), as programs do \
         that rewrite the dates they understand and leave the others (SheetJS, LibreOffice in English). Nobody can tell what a date such \
         as 03/05/2021 means in this file: write all dates as YYYY-MM-DD"
    )]
    BothOrders {
        /// The first line whose date can only have the day first.
        day_first: u64,
        /// The first line whose date can only have the month first.
        month_first: u64,
    },
    /// A date with the year in front has its day before its month, and no date has it after.
    #[error(
        "writes dates as year, day, month (line {line}), so a date such as 2021-05-03 means 5 March in it: write all dates as \
         YYYY-MM-DD, with the month in the middle"
    )]
    DayBeforeMonth {
        /// The first such line.
        line: u64,
    },
    /// Times of a 12-hour clock, and no date says whether the day or the month comes first.
    #[error(
        "writes times with AM or PM (line {line}), as programs in English do, and no date says whether the day or the month comes \
         first: write all dates as YYYY-MM-DD. If the day comes first, send the file with dates_confirmed, or with \
         \"dates-confirmed\" in its name"
    )]
    HalfDays {
        /// The first such line.
        line: u64,
    },
    /// Many different days, all up to the 12th of the month.
    #[error(
        "has {MANY} or more different days, but none after the 12th of a month among those that could be swapped, so day and month look \
         swapped. A program that guesses dates (pandas, csvkit, Gnumeric in English) reads 03/05/2021 as 5 March and writes 2021-03-05. \
         Write the dates again from their source, in pandas with format='%d/%m/%Y'. If the dates are right, send the file with \
         dates_confirmed, or with \"dates-confirmed\" in its name"
    )]
    SwappedDays,
}

fn faults(missing: &[&str], unknown: &[String], duplicate: &[&str]) -> String {
    let mut text = String::new();
    let mut say = |what: &str, columns: String| {
        if !columns.is_empty() {
            let _ = write!(text, "{}{what} {columns}", if text.is_empty() { "" } else { "; " });
        }
    };
    say("missing", missing.join(", "));
    // A header may have thousands of columns, and the operator reads this in each list of its imports.
    let (named, rest) = unknown.split_at(unknown.len().min(MOST_NAMED));
    let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    say("unknown", named.join(", ") + &more);
    say("repeated", duplicate.join(", "));
    text
}
