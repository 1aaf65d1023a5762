//! Dates as people and programs write them.

use cee_eligibility::{Instant, JourneyType};
use chrono::{LocalResult, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Europe::Paris;

use crate::context::Context;
use crate::day::Day;
use crate::fault::Fault;
use crate::repair::Repair;
use crate::strip::bare;

/// The date of an application from before the scheme, of this journey type if that could be read: a day, with the year first or
/// last, and an optional time. A day alone is midnight in Paris; a time without an offset is Paris time, if that is unambiguous.
#[inline]
pub(crate) fn history(text: &str, context: &mut Context, journey_type: Option<JourneyType>) -> Result<Instant, Fault> {
    let text = bare(text, &mut context.repairs)?;
    let moment = read(text, context)?;
    context.rules.check_history(journey_type, moment, context.now)?;
    Ok(moment)
}

/// A moment in RFC 3339 and nothing else, as machines write it.
pub(crate) fn exact(text: &str, context: &mut Context) -> Result<Instant, Fault> {
    Ok(Instant::parse(bare(text, &mut context.repairs)?)?)
}

#[inline]
fn read(text: &str, context: &mut Context) -> Result<Instant, Fault> {
    let Some(written) = Written::of(text) else { return Err(diagnose(text)) };
    let day = written.day(context.month_first);
    if !written.year_first && context.month_first {
        context.repairs.insert(Repair::MonthFirst);
    }
    if written.rest.is_empty() {
        if let Some(midnight) = context.midnights.known(day) {
            return Ok(midnight);
        }
        let midnight = Instant::paris_midnight(day.date().ok_or(Fault::NoSuchDay)?).map_err(|_| Fault::Date)?;
        context.midnights.learn(day, midnight);
        return Ok(midnight);
    }
    if written.year_first
        && let Ok(moment) = Instant::parse(text)
    {
        return Ok(moment);
    }
    let date = day.date().ok_or(Fault::NoSuchDay)?;
    let (time, offset) = time(written.rest).ok_or(Fault::Date)?;
    if let Some(offset) = offset {
        return offset.moment(date.and_time(time)).ok_or(Fault::Date);
    }
    context.repairs.insert(Repair::ParisTime);
    match Paris.from_local_datetime(&date.and_time(time)) {
        LocalResult::Single(moment) => Instant::from_millis(moment.timestamp_millis()).ok_or(Fault::Date),
        LocalResult::Ambiguous(..) => Err(Fault::ClockTwice),
        LocalResult::None => Err(Fault::ClockNever),
    }
}

/// The beginning of a date, before it is decided which of its numbers is the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Written<'a> {
    pub(crate) year: u32,
    /// Whether the year comes first. Then the month and the day follow.
    pub(crate) year_first: bool,
    /// The other two numbers, in their order.
    pub(crate) first: u32,
    pub(crate) second: u32,
    /// The text behind it: a time, or nothing.
    pub(crate) rest: &'a str,
}

impl<'a> Written<'a> {
    #[inline]
    pub(crate) fn of(text: &'a str) -> Option<Self> {
        if let Some((year_first, year, first, second)) = text.as_bytes().first_chunk().and_then(ten)
            && let Some(rest) = text.get(10..)
        {
            return Some(Self { year, year_first, first, second, rest });
        }
        Self::of_other_length(text)
    }

    /// As [`Self::of`], but also for days and months of one digit, and for `.` and `-`, or `/` after the year.
    #[cold]
    fn of_other_length(text: &'a str) -> Option<Self> {
        let ([one, two, three], rest) = three_numbers(text)?;
        let day = |digits: &str| (1..=2).contains(&digits.len()).then(|| digits.parse().ok()).flatten();
        let year = |digits: &str| (digits.len() == 4).then(|| digits.parse().ok()).flatten();
        let year_first = one.len() == 4;
        let [year, first, second] =
            if year_first { [year(one)?, day(two)?, day(three)?] } else { [year(three)?, day(one)?, day(two)?] };
        Some(Self { year, year_first, first, second, rest })
    }

    /// The day, in a file that writes the month first or not.
    #[inline]
    pub(crate) const fn day(&self, month_first: bool) -> Day {
        if self.year_first || month_first {
            Day { year: self.year, month: self.first, day: self.second }
        } else {
            Day { year: self.year, month: self.second, day: self.first }
        }
    }

    /// The day in Paris.
    pub(crate) fn paris_day(&self) -> Day {
        let day = self.day(false);
        let moment = || {
            let (time, offset) = time(self.rest)?;
            offset?.moment(day.date()?.and_time(time))
        };
        let Some(moment) = moment() else { return day };
        let text = moment.paris_day().format("%Y-%m-%d").to_string();
        Written::of(&text).map_or(day, |written| written.day(false))
    }
}

/// The digits of a day, a month and a year in any order, with the same separator between them, and the rest of the text.
fn three_numbers(text: &str) -> Option<([&str; 3], &str)> {
    let (one, separator, rest) = number(text)?;
    let (two, again, rest) = number(rest.get(1..)?)?;
    let (three, _, rest) = number(rest.get(1..)?)?;
    (separator == again && matches!(separator, '/' | '-' | '.')).then_some(([one, two, three], rest))
}

/// The digits at the beginning, the character after them (a space at the end), and the rest from that character on.
fn number(text: &str) -> Option<(&str, char, &str)> {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end).filter(|(digits, _)| !digits.is_empty())?;
    Some((digits, rest.chars().next().unwrap_or(' '), rest))
}

/// `YYYY-MM-DD` or `DD/MM/YYYY`, as nearly every file writes its dates: whether the year comes first, the year, and the other two
/// numbers. `None` does not mean invalid: it may be another form.
#[inline]
pub(crate) fn ten(text: &[u8; 10]) -> Option<(bool, u32, u32, u32)> {
    let (day, year_first) = match *text {
        [d, e, b'/', m, n, b'/', y, z, a, b] => ([y, z, a, b, d, e, m, n], false),
        [y, z, a, b, b'-', m, n, b'-', d, e] => ([y, z, a, b, m, n, d, e], true),
        _ => return None,
    };
    let [y, z, a, b, m, n, d, e] = digits(day)?;
    Some((year_first, y * 1000 + z * 100 + a * 10 + b, m * 10 + n, d * 10 + e))
}

/// The values of these digits. Checks all of them before it returns: a branch for each costs more.
fn digits<const N: usize>(digits: [u8; N]) -> Option<[u32; N]> {
    let values = digits.map(|digit| u32::from(digit.wrapping_sub(b'0')));
    let all = values.iter().fold(true, |all, value| all & (*value <= 9));
    all.then_some(values)
}

/// The offset of a clock from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    minutes: i64,
}

impl Offset {
    /// `Z`, `UTC`, `+HH`, `+HHMM` or `+HH:MM`.
    fn of(text: &str) -> Option<Self> {
        if matches!(text, "Z" | "z" | "UTC") {
            return Some(Self { minutes: 0 });
        }
        let (sign, rest) = match text.as_bytes() {
            [b'+', rest @ ..] => (1, rest),
            [b'-', rest @ ..] => (-1, rest),
            _ => return None,
        };
        let [h, i, m, n] = match *rest {
            [h, i] => digits([h, i, b'0', b'0'])?,
            [h, i, m, n] | [h, i, b':', m, n] => digits([h, i, m, n])?,
            _ => return None,
        };
        let (hours, minutes) = (i64::from(h * 10 + i), i64::from(m * 10 + n));
        (hours <= 23 && minutes <= 59).then_some(Self { minutes: sign * (hours * 60 + minutes) })
    }

    fn moment(self, local: NaiveDateTime) -> Option<Instant> {
        Instant::from_millis(local.and_utc().timestamp_millis() - self.minutes * 60_000)
    }
}

/// A time of day after a space or a T: `H:MM` or `HH:MM`, perhaps seconds and a fraction of them, perhaps AM or PM, perhaps an
/// offset.
#[cold]
fn time(text: &str) -> Option<(NaiveTime, Option<Offset>)> {
    let text = match text.as_bytes().first()? {
        b'T' | b't' => text.get(1..)?,
        b' ' => text.trim_start_matches(' '),
        _ => return None,
    };
    let (hour, _, rest) = number(text).filter(|(hour, ..)| hour.len() <= 2)?;
    let two = |rest: &'_ str| -> Option<(u32, usize)> {
        let (digits, ..) = number(rest.strip_prefix(':')?).filter(|(digits, ..)| digits.len() == 2)?;
        Some((digits.parse().ok()?, 3))
    };
    let (minute, length) = two(rest)?;
    let mut rest = rest.get(length..)?;
    let (mut second, mut nanos) = (0, 0);
    if let Some((seconds, length)) = two(rest) {
        second = seconds;
        rest = rest.get(length..)?;
        if let Some(fraction) = rest.strip_prefix('.') {
            let (digits, _, after) = number(fraction)?;
            // Digits finer than a nanosecond are cut off.
            let nine: String = digits.chars().chain("000000000".chars()).take(9).collect();
            nanos = nine.parse().ok()?;
            rest = after;
        }
    }
    let mut hour: u32 = hour.parse().ok()?;
    let rest = rest.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
    let half = match rest.as_bytes().first_chunk() {
        Some([b'A' | b'a', b'M' | b'm']) => Some(0),
        Some([b'P' | b'p', b'M' | b'm']) => Some(12),
        _ => None,
    };
    if let Some(half) = half {
        if !(1..=12).contains(&hour) || rest.len() > 2 {
            return None;
        }
        hour = hour % 12 + half;
    } else if !rest.is_empty() {
        let offset = Offset::of(rest)?;
        return Some((NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?, Some(offset)));
    }
    Some((NaiveTime::from_hms_nano_opt(hour, minute, second, nanos)?, None))
}

/// Whether this is a date with a year of two digits that can only have the month first. The opposite cannot be decided: `13/05/21`
/// begins with the day or with the year.
pub(crate) fn is_month_first_without_century(text: &str) -> bool {
    let Some((parts @ [one, two, year], _)) = three_numbers(text) else { return false };
    let short = parts.iter().all(|digits| digits.len() <= 2) && year.len() == 2;
    let value = |digits: &str| digits.parse::<u32>().unwrap_or(0);
    short && (1..=12).contains(&value(one)) && (13..=31).contains(&value(two))
}

/// Whether the text behind a day is a time of a 12-hour clock.
pub(crate) fn is_half_day(rest: &str) -> bool {
    time(rest).is_some() && matches!(rest.as_bytes().last_chunk(), Some([b'A' | b'a' | b'P' | b'p', b'M' | b'm']))
}

/// The probable cause if a text does not begin with a day.
#[cold]
fn diagnose(text: &str) -> Fault {
    let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let (whole, fraction) = text.split_once([',', '.']).unwrap_or((text, "0"));
    if digits(whole, 4..=6) && digits(fraction, 1..=20) {
        return Fault::DaySerial;
    }
    if text.bytes().all(|b| b == b'#') {
        return Fault::Hashes;
    }
    let date = text.split(' ').next().unwrap_or_default();
    let parts: Vec<&str> = date.split(['/', '-', '.']).take(4).collect();
    if let [a, b, year] = parts[..]
        && digits(a, 1..=2)
        && digits(b, 1..=2)
        && digits(year, 2..=2)
    {
        return Fault::ShortYear;
    }
    // `15 mars 2021`, `15-Mar-21`, `Mon Mar 15 2021 …`.
    let is_word = |word: &str| word.len() >= 3 && word.chars().all(char::is_alphabetic);
    let has_digit = text.bytes().any(|b| b.is_ascii_digit());
    if has_digit && text.split([' ', '-', '/', '.', ',']).any(is_word) { Fault::InWords } else { Fault::Date }
}

#[cfg(test)]
mod tests {
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
        for text in ["13/05/21", "21/05/13", "05/12/21", "05/32/21", "05/13/2021", "05/13-21", "05/13", "00/13/21", "x"]
        {
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
}
