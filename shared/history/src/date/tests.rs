//! Tests of the spellings of dates.

use super::*;
use crate::day::Midnights;
use crate::repair::Repairs;
use cee_eligibility::{FieldError, Rules};
use chrono::NaiveDate;

fn context() -> Context {
    let now = Instant::parse("2024-05-01T00:00:00Z").unwrap();
    let mut rules = Rules::default();
    rules.short.history_before = Instant::parse("2030-01-01T00:00:00Z").unwrap();
    Context { now, rules, repairs: Repairs::NONE, midnights: Midnights::default(), month_first: false }
}

fn past(text: &str, context: &mut Context) -> Result<Instant, Fault> {
    history(text, context, Some(JourneyType::Short))
}

#[test]
fn valid_date_gives_moment_and_repairs() {
    let table = [
        ("2021-03-15T08:30:00+01:00", "2021-03-15T07:30:00.000Z", Repairs::NONE),
        ("2021-03-15T08:30:00.5Z", "2021-03-15T08:30:00.500Z", Repairs::NONE),
        ("2021-03-15 08:30:00+01:00", "2021-03-15T07:30:00.000Z", Repairs::NONE),
        ("2021-03-15T08:30:00+0100", "2021-03-15T07:30:00.000Z", Repairs::NONE),
        ("2021-03-15T00:00:00.000000+0100", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("2021-03-15", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("15/03/2021", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("03/04/2021", "2021-04-02T22:00:00.000Z", Repairs::NONE),
        ("2020-02-29", "2020-02-28T23:00:00.000Z", Repairs::NONE),
        ("2024-05-01T00:00:00Z", "2024-05-01T00:00:00.000Z", Repairs::NONE),
        ("01/05/2024", "2024-04-30T22:00:00.000Z", Repairs::NONE),
        ("15/03/2021 08:30", "2021-03-15T07:30:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("15/07/2021 08:30:59", "2021-07-15T06:30:59.000Z", [Repair::ParisTime].into_iter().collect()),
        ("2021-07-15 08:30", "2021-07-15T06:30:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("2023-10-29 01:59:59", "2023-10-28T23:59:59.000Z", [Repair::ParisTime].into_iter().collect()),
        ("2023-10-29 03:00:00", "2023-10-29T02:00:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("5/3/2021", "2021-03-04T23:00:00.000Z", Repairs::NONE),
        ("05/3/2021", "2021-03-04T23:00:00.000Z", Repairs::NONE),
        ("15.03.2021", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("5-3-2021", "2021-03-04T23:00:00.000Z", Repairs::NONE),
        ("2021/03/15", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("2021-3-5", "2021-03-04T23:00:00.000Z", Repairs::NONE),
        ("2021.03.15", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("2021-03-15 00:00:00+01", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("2021-03-15 00:00:00-0130", "2021-03-15T01:30:00.000Z", Repairs::NONE),
        ("2021-03-15 00:00:00 +0100", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("2021-03-14 23:00:00 UTC", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("2021-03-14T23:00Z", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("2021-03-14t23:00z", "2021-03-14T23:00:00.000Z", Repairs::NONE),
        ("2021-03-14 23:00:00.1239999999+00", "2021-03-14T23:00:00.123Z", Repairs::NONE),
        ("15/03/2021 08:30:00+01:00", "2021-03-15T07:30:00.000Z", Repairs::NONE),
        ("15/03/2021T08:30:00Z", "2021-03-15T08:30:00.000Z", Repairs::NONE),
        ("15/03/2021 8:30", "2021-03-15T07:30:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("5/3/2021 0:00", "2021-03-04T23:00:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("5/3/2021 12:00:00 AM", "2021-03-04T23:00:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("5/3/2021 1:05 pm", "2021-03-05T12:05:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("5/3/2021 12:05\u{202f}PM", "2021-03-05T11:05:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("2021-03-15T08:30:00", "2021-03-15T07:30:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("2021-03-15T08:30", "2021-03-15T07:30:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("2021-03-15 00:00:00.000", "2021-03-14T23:00:00.000Z", [Repair::ParisTime].into_iter().collect()),
        ("2021-03-15T00:00:00.000000000", "2021-03-14T23:00:00.000Z", [Repair::ParisTime].into_iter().collect()),
        (" 15/03/2021\u{a0}", "2021-03-14T23:00:00.000Z", [Repair::SurroundingSpaces].into_iter().collect()),
        ("'15/03/2021", "2021-03-14T23:00:00.000Z", [Repair::TextGuard].into_iter().collect()),
        ("=\"15/03/2021\"", "2021-03-14T23:00:00.000Z", [Repair::TextGuard].into_iter().collect()),
    ];
    let mut context = context();
    for (text, expected, repairs) in table {
        for round in ["first", "from memory"] {
            context.repairs = Repairs::NONE;
            let moment = past(text, &mut context).map(|moment| moment.to_string());
            assert_eq!(moment.as_deref(), Ok(expected), "{text} {round}");
            assert_eq!(context.repairs, repairs, "{text} {round}");
        }
    }
}

#[test]
fn invalid_date_is_rejected_with_fault() {
    let future = Fault::Field(FieldError::InTheFuture);
    let table = [
        ("", Fault::Empty),
        (" ", Fault::Empty),
        ("2024-05-01T00:00:00.001Z", future),
        ("02/05/2024", future),
        ("44259", Fault::DaySerial),
        ("44259,354", Fault::DaySerial),
        ("44259.354166667", Fault::DaySerial),
        ("15/03/21", Fault::ShortYear),
        ("5/3/21", Fault::ShortYear),
        ("15-03-21", Fault::ShortYear),
        ("15/03/21 08:30", Fault::ShortYear),
        ("1/13/2021", Fault::NoSuchDay),
        ("12/31/2020", Fault::NoSuchDay),
        ("2021-02-30T00:00:00Z", Fault::NoSuchDay),
        ("31/02/2021", Fault::NoSuchDay),
        ("13/13/2021", Fault::NoSuchDay),
        ("00/01/2021", Fault::NoSuchDay),
        ("2021-02-29", Fault::NoSuchDay),
        ("2021-13-01", Fault::NoSuchDay),
        ("2021-31-12", Fault::NoSuchDay),
        ("29/10/2023 02:30", Fault::ClockTwice),
        ("2023-10-29 02:00:00", Fault::ClockTwice),
        ("26/03/2023 02:30", Fault::ClockNever),
        ("########", Fault::Hashes),
        ("15/03/2021 25:00", Fault::Date),
        ("2021-03-1508:30", Fault::Date),
        ("20210315", Fault::Date),
        ("15 mars 2021", Fault::InWords),
        ("15-Mar-21", Fault::InWords),
        ("lundi 15/03", Fault::InWords),
        ("Mon Mar 15 2021 00:00:00 GMT+0100", Fault::InWords),
        ("15/03-2021", Fault::Date),
        ("15/3/02021", Fault::Date),
        ("15/3/202", Fault::Date),
        ("155/3/2021", Fault::Date),
        ("15:3:2021", Fault::Date),
        ("15/3/", Fault::Date),
        ("5/3/2021x", Fault::Date),
        ("2021-03-15 8", Fault::Date),
        ("2021-03-15 8:3", Fault::Date),
        ("2021-03-15 008:30", Fault::Date),
        ("2021-03-15 08:30:0", Fault::Date),
        ("2021-03-15 08:30:60", Fault::Date),
        ("2021-03-15 08:30:00.", Fault::Date),
        ("2021-03-15 08:30:00+24", Fault::Date),
        ("2021-03-15 08:30:00+0160", Fault::Date),
        ("2021-03-15 08:30:00+1", Fault::Date),
        ("2021-03-15 08:30:00*01", Fault::Date),
        ("2021-03-15 08:30:00 CET", Fault::Date),
        ("2021-03-15 0:30 AM", Fault::Date),
        ("2021-03-15 13:30 PM", Fault::Date),
        ("2021-03-15 1:30 PM+01", Fault::Date),
        ("1615793400", Fault::Date),
        ("0000-01-01", Fault::Date),
        ("9999-01-02", Fault::Date),
        ("2021-03-1é", Fault::Date),
        ("+2021-03-15", Fault::Date),
        ("yesterday", Fault::Date),
    ];
    let mut context = context();
    for (text, expected) in table {
        assert_eq!(past(text, &mut context), Err(expected), "{text}");
    }
}

#[test]
fn history_must_predate_scheme_of_journey_type() {
    let mut context = context();
    let before = Rules::default().long.history_before;
    let late = Fault::Field(FieldError::NotHistory { before: before.paris_day() });
    let table = [
        ("31/12/2022", JourneyType::Long, None),
        ("2022-12-31T22:59:59.999Z", JourneyType::Long, None),
        ("2022-12-31T23:00:00Z", JourneyType::Long, Some(late)),
        ("01/01/2023", JourneyType::Long, Some(late)),
        ("2023-01-01", JourneyType::Short, None),
    ];
    for (text, journey_type, refused) in table {
        assert_eq!(history(text, &mut context, Some(journey_type)).err(), refused, "{text} {journey_type}");
    }
    let said = crate::catalogue::cell(late, cee_eligibility::Language::English);
    assert!(said.starts_with("must be dated before 2023-01-01 (midnight in Paris): "), "{said}");
    // A row whose journey type cannot be read: the later of the two bounds.
    assert!(history("2023-01-01", &mut context, None).is_ok());
}

/// Two days that share a place must not share a midnight, and a day that does not exist has no midnight.
#[test]
fn days_sharing_cache_slot_keep_own_midnight() {
    let mut context = context();
    for _ in 0..2 {
        for year in [0, 1, 1000, 2012, 2013, 2023] {
            for month in 0..=13 {
                for day in 0..=32 {
                    let date = NaiveDate::from_ymd_opt(year, month, day);
                    let expected = date.and_then(|date| Instant::paris_midnight(date).ok());
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    assert_eq!(past(&text, &mut context).ok(), expected, "{text}");
                }
            }
        }
    }
}

#[test]
fn month_first_file_swaps_dates_without_leading_year() {
    let mut context = context();
    context.month_first = true;
    for (text, expected, repaired) in [
        ("03/15/2021", "2021-03-14T23:00:00.000Z", true),
        ("3-5-2021", "2021-03-04T23:00:00.000Z", true),
        ("03/05/2021 13:00:00+01", "2021-03-05T12:00:00.000Z", true),
        ("2021-03-05", "2021-03-04T23:00:00.000Z", false),
        ("2021/3/5", "2021-03-04T23:00:00.000Z", false),
    ] {
        for _ in 0..2 {
            context.repairs = Repairs::NONE;
            assert_eq!(past(text, &mut context).unwrap().to_string(), expected, "{text}");
            assert_eq!(context.repairs.contains(Repair::MonthFirst), repaired, "{text}");
        }
    }
    assert_eq!(past("15/03/2021", &mut context), Err(Fault::NoSuchDay));
}

#[test]
fn paris_day_is_computed_from_moment() {
    let table = [
        ("2021-03-12T23:00Z", 13),
        ("2021-03-12T22:59:59.999Z", 12),
        ("2021-03-13T00:30:00+05:00", 12),
        ("2021-03-12 23:30", 12),
        ("2021-03-12", 12),
        ("2021-03-12Tx", 12),
    ];
    for (text, day) in table {
        assert_eq!(Written::of(text).unwrap().paris_day(), Day { year: 2021, month: 3, day }, "{text}");
    }
}

#[test]
fn short_year_shows_only_that_month_is_first() {
    for text in ["05/13/21", "5-31-21", "05/13/21 08:30"] {
        assert!(is_month_first_without_century(text), "{text}");
    }
    for text in ["13/05/21", "21/05/13", "05/12/21", "05/32/21", "05/13/2021", "05/13-21", "05/13", "00/13/21", "x"] {
        assert!(!is_month_first_without_century(text), "{text}");
    }
}

#[test]
fn exact_moment_must_be_rfc_3339() {
    assert!(exact("2021-03-15T08:30:00+01:00", &mut context()).is_ok());
    assert!(exact("2999-03-15T08:30:00+01:00", &mut context()).is_ok(), "the registry's own clock is believed");
    for bad in ["2021-03-15", "15/03/2021", "2021-03-15 08:30"] {
        assert_eq!(exact(bad, &mut context()), Err(Fault::Field(FieldError::Datetime)), "{bad}");
    }
    assert_eq!(exact("", &mut context()), Err(Fault::Empty));
}
