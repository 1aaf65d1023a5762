//! CSV bytes into validated rows on one core, beside the `csv` crate that reads the same bytes into one reused
//! `ByteRecord`: `cargo bench -p cee-history`.

#![allow(clippy::expect_used, clippy::print_stdout, clippy::unwrap_used, clippy::disallowed_methods)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use cee_history::{Dates, FileReader, HistoryRow, Line, Survey, Verdict};
use csv::{ByteRecord, ReaderBuilder};

const ROWS: u64 = 1_000_000;
const ROUNDS: usize = 9;
const NAMES: [&str; 8] = ["MAR", "LEF", "TO ", "D H", "NGU", "LE ", "HER", "PAY"];
/// As S3 hands a file out.
const CHUNK: usize = 64 * 1024;

/// A file of typical rows: one of two hundred is damaged.
fn file(separator: char, end: &str) -> (Vec<u8>, u64) {
    let mut random = fastrand::Rng::with_seed(2012);
    let mut text = ["journey_type", "last_name_trunc", "phone_trunc", "datetime"].join(&separator.to_string()) + end;
    let mut good = 0;
    for _ in 0..ROWS {
        let kind = random.u32(..200);
        good += u64::from(kind > 0);
        let journey_type = if random.u8(..3) == 0 { "long" } else { "short" };
        let name = if kind == 0 { "Her" } else { NAMES[random.usize(..NAMES.len())] };
        let phone = match kind % 10 {
            0..7 => format!("+336{:06}", random.u32(..1_000_000)),
            7 => format!("+262692{:04}", random.u32(..10_000)),
            _ => format!("06{:06}", random.u32(..1_000_000)),
        };
        let (year, month, day) = (random.u32(2012..2023), random.u32(1..13), random.u32(1..29));
        let date = match kind % 10 {
            0 => format!("{year}-{month:02}-{day:02}T08:30:00+01:00"),
            1..5 => format!("{year}-{month:02}-{day:02}"),
            _ => format!("{day:02}/{month:02}/{year}"),
        };
        text.push_str(&[journey_type, name, &phone, &date].join(&separator.to_string()));
        text.push_str(end);
    }
    (text.into_bytes(), good)
}

fn surveyed(file: &[u8]) -> Verdict {
    let mut survey = Survey::<HistoryRow>::new(Dates::Unconfirmed);
    for chunk in file.chunks(CHUNK) {
        survey.push(chunk);
        while survey.read().unwrap() {}
    }
    survey.verdict().unwrap()
}

fn ours(file: &[u8], verdict: &Verdict) -> u64 {
    let now = cee_eligibility::Instant::parse("2024-05-01T00:00:00Z").unwrap();
    let mut reader = FileReader::<HistoryRow>::new(verdict, now).unwrap();
    let (mut lines, mut rows) = (Vec::new(), 0);
    let mut read = |reader: &mut FileReader<HistoryRow>| {
        while reader.read(&mut lines).unwrap() {
            rows += black_box(&lines).iter().filter(|line| matches!(line, Line::Row { .. })).count() as u64;
            lines.clear();
        }
        rows += lines.len() as u64;
        lines.clear();
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
    for (separator, end, what) in [(',', "\n", "comma, LF"), (';', "\r\n", "semicolon, CRLF")] {
        let (file, good) = file(separator, end);
        let (mut survey_times, mut our_times, mut their_times) = (Vec::new(), Vec::new(), Vec::new());
        // In turn, so that whatever else the machine does hits both.
        for _ in 0..ROUNDS {
            let began = Instant::now();
            let verdict = surveyed(&file);
            survey_times.push(began.elapsed());
            let began = Instant::now();
            assert_eq!(ours(&file, &verdict), good);
            our_times.push(began.elapsed());
            let began = Instant::now();
            assert_eq!(theirs(&file, separator as u8), ROWS);
            their_times.push(began.elapsed());
        }
        let (our, their, megabytes) = (median(our_times), median(their_times), file.len() as f64 / 1e6);
        let survey = median(survey_times);
        println!(
            "{what}: validated rows {:.0} MB/s, {:.2} million rows/s; csv's records {:.0} MB/s; {:.2} times its time; \
             survey {:.2} million rows/s, both {:.2} times csv's time",
            megabytes / our,
            ROWS as f64 / our / 1e6,
            megabytes / their,
            our / their,
            ROWS as f64 / survey / 1e6,
            (our + survey) / their
        );
    }
}
