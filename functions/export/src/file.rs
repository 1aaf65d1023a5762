//! The file of an export, made piece by piece: a piece is rows of CSV without a header line.
//!
//! In Parquet each piece is one row group, so memory does not grow with the number of applications. Nothing is compressed: a file
//! consists mostly of proof tokens, which do not get smaller.

use std::sync::Arc;

use cee_eligibility::Instant;
use cee_registry::{ExportFormat, ListedApplication};
use csv::StringRecord;
use parquet::basic::Compression;
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedColumnWriter, SerializedFileWriter};
use parquet::schema::parser::parse_message_type;

use crate::context::ExportError;

/// The columns in Parquet: [`ListedApplication::COLUMNS`], in the same order.
const SCHEMA: &str = "
    message applications {
        required binary uuid (STRING);
        required binary journey_type (STRING);
        required int64 datetime (TIMESTAMP(MILLIS,true));
        required int64 registered_at (TIMESTAMP(MILLIS,true));
        optional int64 journey_id (INTEGER(64,false));
        optional binary operator_journey_id (STRING);
        optional binary status (STRING);
        required binary driving_license (STRING);
        required binary token (STRING);
    }
";

/// How a column is written in Parquet.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    OptionalText,
    Date,
    OptionalNumber,
}

/// The kinds of the columns of [`SCHEMA`].
const KINDS: [Kind; 9] = [
    Kind::Text,
    Kind::Text,
    Kind::Date,
    Kind::Date,
    Kind::OptionalNumber,
    Kind::OptionalText,
    Kind::OptionalText,
    Kind::Text,
    Kind::Text,
];

/// A file in the making.
pub enum File {
    /// CSV; whether its header line was written.
    Csv(bool),
    /// Parquet. It holds the metadata of the row groups so far, some hundred bytes each, and nothing of a row.
    Parquet(Box<SerializedFileWriter<Vec<u8>>>),
}

impl File {
    /// A file of this format, without a row so far.
    ///
    /// # Errors
    /// [`ExportError::Impossible`].
    pub fn new(format: ExportFormat) -> Result<Self, ExportError> {
        if format == ExportFormat::Csv {
            return Ok(Self::Csv(false));
        }
        let schema = parse_message_type(SCHEMA).map_err(|_| ExportError::Impossible("an invalid schema"))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::UNCOMPRESSED)
            .set_created_by("cee-registry".to_owned())
            .set_offset_index_disabled(true)
            .build();
        let writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties));
        Ok(Self::Parquet(Box::new(writer.map_err(|_| unwritten())?)))
    }

    /// The content type of a file of this format.
    #[must_use]
    pub const fn content_type(format: ExportFormat) -> &'static str {
        match format {
            ExportFormat::Csv => "text/csv; charset=utf-8",
            ExportFormat::Parquet => "application/vnd.apache.parquet",
        }
    }

    /// Adds a piece, and returns the next bytes of the file.
    ///
    /// # Errors
    /// [`ExportError::Impossible`] for a piece that [`append`] did not write.
    pub fn add(&mut self, piece: &[u8]) -> Result<Vec<u8>, ExportError> {
        match self {
            Self::Csv(has_header) => {
                let mut bytes = if std::mem::replace(has_header, true) { Vec::new() } else { header() };
                bytes.extend_from_slice(piece);
                Ok(bytes)
            }
            Self::Parquet(writer) => {
                let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(piece);
                let rows: Result<Vec<StringRecord>, _> = reader.records().collect();
                let rows = rows.map_err(|_| ExportError::Impossible("a piece that is not CSV"))?;
                let mut group = writer.next_row_group().map_err(|_| unwritten())?;
                for (column, kind) in KINDS.into_iter().enumerate() {
                    let mut writer = group.next_column().map_err(|_| unwritten())?.ok_or_else(unwritten)?;
                    let cells = rows.iter().map(|row| row.get(column).ok_or_else(unread));
                    write(&mut writer, kind, &cells.collect::<Result<Vec<&str>, _>>()?)?;
                    writer.close().map_err(|_| unwritten())?;
                }
                group.close().map_err(|_| unwritten())?;
                writer.flush().map_err(|_| unwritten())?;
                Ok(std::mem::take(writer.inner_mut()))
            }
        }
    }

    /// The last bytes of the file.
    ///
    /// # Errors
    /// [`ExportError::Impossible`].
    pub fn finish(self) -> Result<Vec<u8>, ExportError> {
        match self {
            Self::Csv(true) => Ok(Vec::new()),
            Self::Csv(false) => Ok(header()),
            Self::Parquet(writer) => writer.into_inner().map_err(|_| unwritten()),
        }
    }
}

/// The header line of a CSV file.
fn header() -> Vec<u8> {
    ListedApplication::csv_header().into_bytes()
}

/// Applications as a piece: rows of CSV, without a header line.
///
/// # Errors
/// [`ExportError::Impossible`].
pub fn append(applications: &[ListedApplication]) -> Result<Vec<u8>, ExportError> {
    let rows = ListedApplication::csv_rows(applications).map(String::into_bytes);
    rows.ok_or(ExportError::Impossible("applications that cannot be written as CSV"))
}

/// Writes one column of a row group. An empty cell of an optional column is null.
fn write(column: &mut SerializedColumnWriter<'_>, kind: Kind, cells: &[&str]) -> Result<(), ExportError> {
    let levels: Vec<i16> = cells.iter().map(|cell| i16::from(!cell.is_empty())).collect();
    let present = || cells.iter().filter(|cell| !cell.is_empty());
    let bytes = |cell: &&str| ByteArray::from(cell.as_bytes().to_vec());
    let written = match kind {
        Kind::Text => {
            let values: Vec<ByteArray> = cells.iter().map(bytes).collect();
            column.typed::<ByteArrayType>().write_batch(&values, None, None)
        }
        Kind::OptionalText => {
            let values: Vec<ByteArray> = present().map(bytes).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None)
        }
        Kind::Date => {
            let values = cells.iter().map(|cell| Instant::parse(cell).map(Instant::millis).map_err(|_| unread()));
            column.typed::<Int64Type>().write_batch(&values.collect::<Result<Vec<i64>, _>>()?, None, None)
        }
        Kind::OptionalNumber => {
            let values = present().map(|cell| cell.parse().map(u64::cast_signed).map_err(|_| unread()));
            column.typed::<Int64Type>().write_batch(&values.collect::<Result<Vec<i64>, _>>()?, Some(&levels), None)
        }
    };
    written.map(drop).map_err(|_| unwritten())
}

const fn unread() -> ExportError {
    ExportError::Impossible("a piece with other cells")
}

const fn unwritten() -> ExportError {
    ExportError::Impossible("Parquet that cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_eligibility::{ApplicationId, DrivingLicense, JourneyStatus, JourneyType, OperatorJourneyId};
    use cee_registry::ListedJourney;
    use parquet::file::reader::{FileReader as _, SerializedFileReader};
    use parquet::record::Field;

    fn application(number: u128, journey: Option<(&str, u64)>) -> ListedApplication {
        let at = |text| Instant::parse(text).unwrap();
        ListedApplication {
            uuid: ApplicationId::from_bytes(number.to_be_bytes()),
            journey_type: if journey.is_some() { JourneyType::Short } else { JourneyType::Long },
            datetime: at("2024-03-15T07:30:00.123Z"),
            registered_at: at("1969-12-31T23:59:59.999Z"),
            driving_license: DrivingLicense::parse("99-\u{c9}TRANGER").unwrap(),
            journey: journey.map(|(id, journey_id)| ListedJourney {
                operator_journey_id: OperatorJourneyId::parse(id).unwrap(),
                journey_id,
                status: JourneyStatus::Ok,
            }),
            token: format!("a.b.{number}"),
        }
    }

    fn whole(format: ExportFormat, pieces: &[Vec<ListedApplication>]) -> Vec<u8> {
        let mut file = File::new(format).unwrap();
        let mut bytes = Vec::new();
        for piece in pieces {
            bytes.extend(file.add(&append(piece).unwrap()).unwrap());
        }
        bytes.extend(file.finish().unwrap());
        bytes
    }

    /// The value of a cell of Parquet, as CSV writes it.
    fn text(field: &Field) -> String {
        match field {
            Field::Null => String::new(),
            Field::Str(text) => text.clone(),
            Field::TimestampMillis(millis) => Instant::from_millis(*millis).unwrap().to_string(),
            Field::ULong(number) => number.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn parquet_holds_rows_of_csv() {
        let pieces = [
            vec![application(1, Some(("a,\"b\"\u{e9}", u64::MAX))), application(2, None)],
            vec![application(3, Some((" ", 0)))],
            (4..2_000).map(|number| application(number, (number % 3 > 0).then_some(("j", 7)))).collect(),
        ];
        let csv = whole(ExportFormat::Csv, &pieces);
        let mut csv = csv::Reader::from_reader(csv.as_slice());
        assert_eq!(csv.headers().unwrap(), ListedApplication::COLUMNS.as_slice());
        let parquet = SerializedFileReader::new(bytes::Bytes::from(whole(ExportFormat::Parquet, &pieces))).unwrap();
        assert_eq!(parquet.num_row_groups(), pieces.len());
        let mut rows = parquet.get_row_iter(None).unwrap();
        let mut number = 0;
        for record in csv.records() {
            let row = rows.next().unwrap().unwrap();
            let columns: Vec<(&String, String)> =
                row.get_column_iter().map(|(name, field)| (name, text(field))).collect();
            assert!(columns.iter().map(|(name, _)| name.as_str()).eq(ListedApplication::COLUMNS));
            assert!(columns.iter().map(|(_, text)| text.as_str()).eq(&record.unwrap()), "{columns:?}");
            number += 1;
        }
        assert_eq!((number, rows.next().is_none()), (pieces.concat().len(), true));
    }

    #[test]
    fn export_of_nothing_has_columns() {
        assert_eq!(whole(ExportFormat::Csv, &[]), header());
        let parquet = SerializedFileReader::new(bytes::Bytes::from(whole(ExportFormat::Parquet, &[]))).unwrap();
        let metadata = parquet.metadata().file_metadata();
        assert_eq!(metadata.num_rows(), 0);
        let columns = metadata.schema_descr().columns().iter().map(|column| column.name());
        assert!(columns.eq(ListedApplication::COLUMNS));
    }

    #[test]
    fn foreign_piece_is_an_error() {
        for piece in [
            "a,b\n",
            "a\nb,c\n",
            "u,short,yesterday,x,,,,l,t\n",
            "u,short,2024-01-01T00:00:00Z,2024-01-01T00:00:00Z,x,,,l,t\n",
        ] {
            let mut file = File::new(ExportFormat::Parquet).unwrap();
            assert!(matches!(file.add(piece.as_bytes()), Err(ExportError::Impossible(_))), "{piece}");
        }
    }
}
