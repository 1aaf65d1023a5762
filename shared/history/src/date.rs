//! Dates as people and spreadsheets write them.

use cee_eligibility::{Instant, JourneyType};
use chrono::{LocalResult, NaiveDate, NaiveTime, TimeZone};
use chrono_tz::Europe::Paris;

use crate::cells::{CellError, Context, bare};
use crate::repair::Repair;

/// The date of an application from before the scheme, of this journey type if that could be read: RFC 3339, `YYYY-MM-DD` or `DD/MM/YYYY` (midnight in Paris), and the latter
/// two with a time of day, which is the time in Paris where that leaves no doubt.
#[inline]
pub(crate) fn history(
    text: &str,
    context: &mut Context,
    journey_type: Option<JourneyType>,
) -> Result<Instant, CellError> {
    let text = bare(text, &mut context.repairs)?;
    let moment = read(text, context)?;
    context.rules.check_history(journey_type, moment, context.now)?;
    Ok(moment)
}

/// A moment in RFC 3339 and nothing else: what a machine writes.
pub(crate) fn exact(text: &str, context: &mut Context) -> Result<Instant, CellError> {
    Ok(Instant::parse(bare(text, &mut context.repairs)?)?)
}

#[inline]
fn read(text: &str, context: &mut Context) -> Result<Instant, CellError> {
    let Some((day, time, slashes)) = day_and_rest(text) else { return Err(diagnose(text)) };
    if !slashes && !time.is_empty() && local_time(time).is_none() {
        return Instant::parse(text).map_err(|_| CellError::Date);
    }
    if time.is_empty()
        && let Some(midnight) = context.midnights.known(day)
    {
        return Ok(midnight);
    }
    let Some(date) = day.date() else {
        let month_first = slashes && day.month > 12 && (1..=12).contains(&day.day);
        return Err(if month_first { CellError::MonthFirst } else { CellError::NoSuchDay });
    };
    if time.is_empty() {
        let midnight = Instant::paris_midnight(date).map_err(|_| CellError::Date)?;
        context.midnights.learn(day, midnight);
        return Ok(midnight);
    }
    let time = local_time(time).ok_or(CellError::Date)?;
    context.repairs.insert(Repair::ParisTime);
    match Paris.from_local_datetime(&date.and_time(time)) {
        LocalResult::Single(moment) => Instant::from_millis(moment.timestamp_millis()).ok_or(CellError::Date),
        LocalResult::Ambiguous(..) => Err(CellError::ClockTwice),
        LocalResult::None => Err(CellError::ClockNever),
    }
}

/// A day as written: perhaps one that no calendar has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Day {
    year: u32,
    month: u32,
    day: u32,
}

impl Day {
    fn date(&self) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(i32::try_from(self.year).ok()?, self.month, self.day)
    }
}

/// The day that `YYYY-MM-DD…` or `DD/MM/YYYY…` begins with, what follows it, and whether it has slashes.
#[inline]
fn day_and_rest(text: &str) -> Option<(Day, &str, bool)> {
    let (day, slashes) = match *text.as_bytes().first_chunk()? {
        [d, e, b'/', m, n, b'/', y, z, a, b] => ([y, z, a, b, m, n, d, e], true),
        [y, z, a, b, b'-', m, n, b'-', d, e] => ([y, z, a, b, m, n, d, e], false),
        _ => return None,
    };
    let [y, z, a, b, m, n, d, e] = digits(day)?;
    let day = Day { year: y * 1000 + z * 100 + a * 10 + b, month: m * 10 + n, day: d * 10 + e };
    Some((day, text.get(10..)?, slashes))
}

/// The values of these digits. Looks at all of them before it says no: a branch for each costs more.
fn digits<const N: usize>(digits: [u8; N]) -> Option<[u32; N]> {
    let values = digits.map(|digit| u32::from(digit.wrapping_sub(b'0')));
    let all = values.iter().fold(true, |all, value| all & (*value <= 9));
    all.then_some(values)
}

fn pair(tens: u8, ones: u8) -> Option<u32> {
    digits([tens, ones]).map(|[tens, ones]| tens * 10 + ones)
}

/// ` HH:MM` or ` HH:MM:SS`.
fn local_time(text: &str) -> Option<NaiveTime> {
    let (hour, minute, second) = match *text.trim_start_matches(' ').as_bytes() {
        [a, b, b':', c, d] if text.starts_with(' ') => (pair(a, b)?, pair(c, d)?, 0),
        [a, b, b':', c, d, b':', e, f] if text.starts_with(' ') => (pair(a, b)?, pair(c, d)?, pair(e, f)?),
        _ => return None,
    };
    NaiveTime::from_hms_opt(hour, minute, second)
}

/// What a text that begins with no day may have been.
fn diagnose(text: &str) -> CellError {
    let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())
    };
    let (whole, fraction) = text.split_once([',', '.']).unwrap_or((text, "0"));
    if digits(whole, 4..=6) && digits(fraction, 1..=20) {
        return CellError::DaySerial;
    }
    if text.bytes().all(|b| b == b'#') {
        return CellError::Hashes;
    }
    let date = text.split(' ').next().unwrap_or_default();
    let parts: Vec<&str> = date.split(['/', '-', '.']).take(4).collect();
    match parts[..] {
        [a, b, year] if digits(a, 1..=2) && digits(b, 1..=2) && digits(year, 2..=2) => CellError::ShortYear,
        [a, b, year] if digits(a, 1..=2) && digits(b, 1..=2) && digits(year, 4..=4) && (a.len() < 2 || b.len() < 2) => {
            CellError::ShortDay
        }
        _ => CellError::Date,
    }
}

/// Midnights in Paris worked out before. A history names the same few thousand days millions of times, and a time zone's
/// rules cost more than all the rest of a row.
#[derive(Debug, Default)]
pub(crate) struct Midnights(Vec<Option<(u32, Instant)>>);

impl Midnights {
    /// Twenty-two years of days, each in a place of its own.
    const PLACES: u32 = 8192;

    fn place(day: Day) -> usize {
        ((day.year * 372 + day.month * 31 + day.day) % Self::PLACES) as usize
    }

    /// A number that no other day has, even one that no calendar has.
    const fn number(day: Day) -> u32 {
        (day.year * 100 + day.month) * 100 + day.day
    }

    fn known(&self, day: Day) -> Option<Instant> {
        let (number, midnight) = self.0.get(Self::place(day)).copied()??;
        (number == Self::number(day)).then_some(midnight)
    }

    #[cold]
    fn learn(&mut self, day: Day, midnight: Instant) {
        self.0.resize(Self::PLACES as usize, None);
        self.0[Self::place(day)] = Some((Self::number(day), midnight));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::Repairs;
    use cee_eligibility::Rules;
    use cee_eligibility::fields::FieldError;

    fn context() -> Context {
        let now = Instant::parse("2024-05-01T00:00:00Z").unwrap();
        let mut rules = Rules::default();
        rules.short.history_before = Instant::parse("2030-01-01T00:00:00Z").unwrap();
        Context { now, rules, repairs: Repairs::NONE, midnights: Midnights::default() }
    }

    fn past(text: &str, context: &mut Context) -> Result<Instant, CellError> {
        history(text, context, Some(JourneyType::Short))
    }

    #[test]
    fn accepted() {
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
    fn refused() {
        let future = CellError::Field(FieldError::InTheFuture);
        let table = [
            ("", CellError::Empty),
            (" ", CellError::Empty),
            ("2024-05-01T00:00:00.001Z", future),
            ("02/05/2024", future),
            ("44259", CellError::DaySerial),
            ("44259,354", CellError::DaySerial),
            ("44259.354166667", CellError::DaySerial),
            ("15/03/21", CellError::ShortYear),
            ("5/3/21", CellError::ShortYear),
            ("15-03-21", CellError::ShortYear),
            ("15/03/21 08:30", CellError::ShortYear),
            ("5/3/2021", CellError::ShortDay),
            ("05/3/2021", CellError::ShortDay),
            ("1/13/2021", CellError::ShortDay),
            ("12/31/2020", CellError::MonthFirst),
            ("31/02/2021", CellError::NoSuchDay),
            ("13/13/2021", CellError::NoSuchDay),
            ("00/01/2021", CellError::NoSuchDay),
            ("2021-02-29", CellError::NoSuchDay),
            ("2021-13-01", CellError::NoSuchDay),
            ("2021-31-12", CellError::NoSuchDay),
            ("29/10/2023 02:30", CellError::ClockTwice),
            ("2023-10-29 02:00:00", CellError::ClockTwice),
            ("26/03/2023 02:30", CellError::ClockNever),
            ("########", CellError::Hashes),
            ("15/03/2021 25:00", CellError::Date),
            ("15/03/2021 8:30", CellError::Date),
            ("15/03/2021T08:30:00Z", CellError::Date),
            ("15/03/2021 08:30:00+01:00", CellError::Date),
            ("2021-03-15T08:30:00", CellError::Date),
            ("2021-03-15T08:30", CellError::Date),
            ("2021-03-1508:30", CellError::Date),
            ("20210315", CellError::Date),
            ("15.03.2021", CellError::Date),
            ("15 mars 2021", CellError::Date),
            ("1615793400", CellError::Date),
            ("0000-01-01", CellError::Date),
            ("9999-01-02", CellError::Date),
            ("2021-03-1é", CellError::Date),
            ("+2021-03-15", CellError::Date),
            ("yesterday", CellError::Date),
        ];
        let mut context = context();
        for (text, expected) in table {
            assert_eq!(past(text, &mut context), Err(expected), "{text}");
        }
    }

    #[test]
    fn history_is_dated_before_the_scheme_of_its_journey_type() {
        let mut context = context();
        let before = Rules::default().long.history_before;
        let late = CellError::Field(FieldError::NotHistory { before });
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
        assert!(late.to_string().starts_with("must be dated before 2023-01-01 (midnight in Paris): "), "{late}");
        // A row whose journey type cannot be read: the later of the two bounds.
        assert!(history("2023-01-01", &mut context, None).is_ok());
    }

    /// Two days that share a place must not share a midnight, and a day that does not exist has none.
    #[test]
    fn days_in_one_place() {
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
    fn machines_write_rfc_3339() {
        assert!(exact("2021-03-15T08:30:00+01:00", &mut context()).is_ok());
        assert!(exact("2999-03-15T08:30:00+01:00", &mut context()).is_ok(), "the registry's own clock is believed");
        for bad in ["2021-03-15", "15/03/2021", "2021-03-15 08:30"] {
            assert_eq!(exact(bad, &mut context()), Err(CellError::Field(FieldError::Datetime)), "{bad}");
        }
        assert_eq!(exact("", &mut context()), Err(CellError::Empty));
    }
}
