//! Tests of the messages in both languages.

use super::*;
use cee_eligibility::{NoRoom, Rules};

const CELLS: [Fault; 17] = [
    Fault::Empty,
    Fault::NameEmpty,
    Fault::Unclosed,
    Fault::Stray,
    Fault::NameAccent,
    Fault::NameLowerCase,
    Fault::NameHyphen,
    Fault::NameTooLong,
    Fault::NameTrimmed,
    Fault::Date,
    Fault::NoSuchDay,
    Fault::ShortYear,
    Fault::InWords,
    Fault::DaySerial,
    Fault::Hashes,
    Fault::ClockTwice,
    Fault::ClockNever,
];

fn fields() -> Vec<FieldError> {
    let before = Rules::default().short.history_before.paris_day();
    vec![
        FieldError::JourneyType,
        FieldError::LastNameTrunc,
        FieldError::LastNameSpace,
        FieldError::PhoneTrunc,
        FieldError::PhoneCountry,
        FieldError::PhoneLength,
        FieldError::PhoneWhole,
        FieldError::PhoneInvisible('\u{200b}'),
        FieldError::PhoneAmbiguous,
        FieldError::PhoneRounded,
        FieldError::InTheFuture,
        FieldError::NotHistory { before },
        FieldError::ImportClosed,
        FieldError::SimulateClosed,
        FieldError::DrivingLicense,
        FieldError::ForeignLicense,
    ]
}

fn of_journeys() -> [FieldError; 12] {
    [
        FieldError::IdentityKey,
        FieldError::OperatorJourneyId,
        FieldError::OperatorId,
        FieldError::Datetime,
        FieldError::Years,
        FieldError::Insee,
        FieldError::Distance,
        FieldError::WholeNumber,
        FieldError::OperatorClass,
        FieldError::AcquisitionStatus,
        FieldError::CheckStatus,
        FieldError::EndBeforeStart,
    ]
}

fn all() -> Vec<(&'static str, Vec<(Words, Words)>)> {
    let rows = [
        RowFault::CellsMissing { count: 3, named: 4 },
        RowFault::CellBeyond { named: 4 },
        RowFault::TooLong,
        RowFault::Unreadable,
        RowFault::GivenUp,
    ];
    vec![
        ("A cell", CELLS.into_iter().map(both_of_cell).collect()),
        ("A field of a history file or of a list of drivers", fields().into_iter().map(both_of_field).collect()),
        ("A field of a journeys file", of_journeys().into_iter().map(both_of_field).collect()),
        ("A row", rows.into_iter().map(both_of_row).collect()),
        ("A driver", [NoRoom::Dates, NoRoom::Record].map(both_of_no_room).into()),
        (
            "A file",
            files().iter().map(|refusal| (refusal.to_string().into(), french_of_file(refusal).into())).collect(),
        ),
        (
            "A list of drivers",
            [2_500, 0]
                .into_iter()
                .map(|left| -> (Words, Words) {
                    let (english, french) = both_of_too_many(TooManyDrivers { rows: 12_000, most: 10_000, left });
                    (english.into(), french.into())
                })
                .collect(),
        ),
        ("A file, whatever is in it", closed().map(|(english, french)| (english.into(), french.into())).collect()),
    ]
}

/// [`NoRoom::Applications`] concerns an application, never a row.
fn both_of_no_room(why: NoRoom) -> (Words, Words) {
    (why.message(Language::English), why.message(Language::French))
}

fn closed() -> impl Iterator<Item = (&'static str, &'static str)> {
    [
        Closed::Imports,
        Closed::Simulations,
        Closed::Suspended,
        Closed::Unknown,
        Closed::Gone,
        Closed::Replaced,
        Closed::Unnamed,
    ]
    .into_iter()
    .map(both_of_closed)
}

fn files() -> Vec<FileRefusal> {
    let unpack = [
        UnpackError::Damaged,
        UnpackError::Bomb,
        UnpackError::TooLarge,
        UnpackError::ZipOfSeveral,
        UnpackError::ZipOfNothing,
        UnpackError::ZipEncrypted,
        UnpackError::ZipMethod,
        UnpackError::Workbook,
    ];
    let survey = [
        SurveyError::BothOrders { day_first: 2, month_first: 7 },
        SurveyError::DayBeforeMonth { line: 4 },
        SurveyError::HalfDays { line: 5 },
        SurveyError::SwappedDays,
    ];
    let columns = FileError::Columns {
        missing: vec!["phone_trunc", "datetime"],
        unknown: (1..13).map(|number| format!("column {number}")).collect(),
        duplicate: vec!["journey_type"],
    };
    let header = [
        FileError::Empty,
        FileError::Utf16,
        FileError::NotText,
        FileError::HeaderTooLong { limit: MAX_LINE },
        FileError::HeaderQuote,
        FileError::NoHeader { expected: "journey_type, datetime".to_owned() },
        columns,
        FileError::Columns { missing: vec!["datetime"], unknown: Vec::new(), duplicate: Vec::new() },
    ];
    let forms = [
        Form::Workbook,
        Form::Twice,
        Form::Zstd,
        Form::Xz,
        Form::Bzip2,
        Form::Lz4,
        Form::SevenZip,
        Form::Rar,
        Form::Parquet,
        Form::Arrow,
        Form::Sqlite,
        Form::R,
        Form::Pdf,
        Form::Markup,
        Form::Json,
        Form::Multipart,
    ];
    let forms = forms.into_iter().map(FileError::Form);
    let unpack = unpack.into_iter().map(FileRefusal::from);
    let survey = survey.into_iter().map(FileRefusal::from);
    unpack
        .chain(survey)
        .chain(header.into_iter().chain(forms).map(FileRefusal::from))
        .chain([FileRefusal::TooLarge])
        .collect()
}

#[test]
fn french_reasons_differ_and_keep_numbers() {
    for (english, french) in all().into_iter().flat_map(|(_, sentences)| sentences) {
        assert_ne!(english, french);
        assert!(!french.contains('"'), "quotes are « »: {french}");
        assert_eq!(Language::english_left_in(&french), None, "{french}");
        assert_eq!(Language::loose_punctuation_in(&french), None, "{french}");
        let numbers = |text: &str| {
            let mut numbers: Vec<String> =
                text.split(|c: char| !c.is_ascii_digit()).filter(|n| !n.is_empty()).map(str::to_owned).collect();
            numbers.sort();
            numbers
        };
        // French writes the day first, and a decimal comma.
        assert_eq!(numbers(&english), numbers(&french), "{french}");
    }
}

/// `UPDATE=1` writes the page.
#[test]
#[allow(clippy::disallowed_methods)]
fn page_shows_every_reason() {
    let mut page = String::from(
        "# Reasons\n\nWhat the `reason` of a rejected row and the `error` of a refused file may say, and the same for a sender who \
         chose French. The sentence of a row follows the name of its column. `shared/history/src/catalogue.rs` holds them, and a \
         test writes this page.\n",
    );
    for (of, sentences) in all() {
        page.push_str(&format!("\n## {of}\n\n| English | Français |\n|---|---|\n"));
        for (english, french) in sentences {
            page.push_str(&format!("| {english} | {french} |\n"));
        }
    }
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reasons.md");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    assert!(std::fs::read_to_string(path).unwrap() == page, "UPDATE=1 writes docs/reasons.md again");
}
