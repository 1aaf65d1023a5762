//! CSV bytes into validated rows on one core, beside the `csv` crate that reads the same bytes into one reused
//! `ByteRecord`: `cargo bench --bench parse`.

#![allow(clippy::expect_used, clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use cee_eligibility::OperatorId;
use cee_history::{FileReader, HistoryRow, Line};
use cee_local::generate::History;
use csv::{ByteRecord, ReaderBuilder};

const ROWS: u64 = 1_000_000;
const ROUNDS: usize = 9;
/// As S3 hands a file out.
const CHUNK: usize = 64 * 1024;

fn ours(file: &[u8]) -> u64 {
    let now = cee_eligibility::Instant::parse("2024-05-01T00:00:00Z").unwrap();
    let mut reader = FileReader::<HistoryRow>::new(now);
    let (mut lines, mut rows) = (Vec::new(), 0);
    let mut read = |reader: &mut FileReader<HistoryRow>| {
        while reader.read(&mut lines).unwrap() {
            rows += lines.drain(..).map(black_box).filter(|line| matches!(line, Line::Row { .. })).count() as u64;
        }
        rows += lines.drain(..).count() as u64;
    };
    for chunk in file.chunks(CHUNK) {
        reader.push(chunk);
        read(&mut reader);
    }
    reader.end();
    read(&mut reader);
    rows
}

fn theirs(file: &[u8], separator: u8) -> u64 {
    let mut reader = ReaderBuilder::new().delimiter(separator).flexible(true).from_reader(file);
    let (mut record, mut rows) = (ByteRecord::new(), 0);
    while reader.read_byte_record(&mut record).unwrap() {
        black_box(&record);
        rows += 1;
    }
    rows
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

fn main() {
    let habits =
        [(1, b';', "a spreadsheet's: ; CRLF BOM"), (2, b',', "a program's: , LF"), (3, b'\t', "a database's: tabs")];
    for (id, separator, what) in habits {
        let history = History::new(2012, OperatorId::new(id).unwrap());
        let mut file = Vec::new();
        history.write(ROWS, &mut file).unwrap();
        let good = ROWS - history.expected(ROWS).rejected;
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        // In turn, so that whatever else the machine does hits both.
        for _ in 0..ROUNDS {
            let began = Instant::now();
            assert_eq!(ours(&file), good);
            our_times.push(began.elapsed());
            let began = Instant::now();
            assert_eq!(theirs(&file, separator), ROWS);
            their_times.push(began.elapsed());
        }
        let (our, their, megabytes) = (median(our_times), median(their_times), file.len() as f64 / 1e6);
        println!(
            "{what}: validated rows {:.0} MB/s, {:.2} million rows/s; csv's records {:.0} MB/s; {:.2} times its time",
            megabytes / our,
            ROWS as f64 / our / 1e6,
            megabytes / their,
            our / their
        );
    }
}
