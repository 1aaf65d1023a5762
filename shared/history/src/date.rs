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
mod tests;
