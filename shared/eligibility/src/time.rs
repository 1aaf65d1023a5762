//! Points in time: UTC, to the millisecond, as the contract stores and returns them.

use std::fmt;

use chrono::{DateTime, Days, FixedOffset, Months, NaiveDate, NaiveTime, SecondsFormat, TimeZone, Utc};
use chrono_tz::Europe::Paris;

use crate::error::FieldError;
use crate::language::Language;

/// A point in time in UTC, to the millisecond; finer digits are cut off.
///
/// What callers send lies between the years 1 and 9998, so that every date the rules derive from it can be written in RFC 3339. Only a
/// [bound](Self::parse_bound) may lie in the years 0 and 9999, too.
///
/// ```
/// use cee_eligibility::Instant;
/// let shared = Instant::parse("2024-03-15T08:30:00.123456+01:00").unwrap();
/// assert_eq!(shared.to_string(), "2024-03-15T07:30:00.123Z");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(DateTime<Utc>);

/// `YYYY-MM-DDTHH:MM:SS` and `Z` or an offset, with or without its colon, as machines write it: takes a tenth of the time of a
/// reader for every form of RFC 3339. `None` does not mean invalid: it may be another form.
fn usual(text: &[u8]) -> Option<Instant> {
    let (moment, offset) = text.split_at_checked(19)?;
    let &[y, z, a, b, b'-', m, n, b'-', d, e, b'T', h, i, b':', p, q, b':', s, t] = moment else { return None };
    let pair = |tens: u8, ones: u8| {
        (tens.is_ascii_digit() & ones.is_ascii_digit()).then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
    };
    let minutes = match *offset {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), h, i, b':', m, n] | [sign @ (b'+' | b'-'), h, i, m, n] => {
            let (hours, minutes) = (i64::from(pair(h, i)?), i64::from(pair(m, n)?));
            if hours > 23 || minutes > 59 {
                return None;
            }
            (hours * 60 + minutes) * if sign == b'+' { 1 } else { -1 }
        }
        _ => return None,
    };
    let year = i32::try_from(pair(y, z)? * 100 + pair(a, b)?).ok()?;
    let day = NaiveDate::from_ymd_opt(year, pair(m, n)?, pair(d, e)?)?;
    let local = day.and_hms_opt(pair(h, i)?, pair(p, q)?, pair(s, t)?)?.and_utc().timestamp_millis();
    Instant::from_millis(local - minutes * 60_000)
}

/// A text that ends in a sign and four characters, with a colon between them. It need not be a date.
fn with_colon(text: &str) -> Option<String> {
    let (rest, minutes) = text.split_at_checked(text.len().checked_sub(2)?)?;
    match rest.as_bytes() {
        [.., b'+' | b'-', _, _] => Some(format!("{rest}:{minutes}")),
        _ => None,
    }
}

/// Reads every form of RFC 3339, and those whose offset has no colon.
fn rfc_3339(text: &str) -> Option<DateTime<FixedOffset>> {
    DateTime::parse_from_rfc3339(text)
        .or_else(|error| {
            let colon = with_colon(text).ok_or(error)?;
            DateTime::parse_from_rfc3339(&colon)
        })
        .ok()
}

impl Instant {
    /// The first millisecond of the year 0 and the last one of the year 9999: the years that RFC 3339 can write.
    const WRITABLE: [i64; 2] = [-62_167_219_200_000, 253_402_300_799_999];

    /// Reads an RFC 3339 date and time, with any offset; and one whose offset has no colon (`+0200`), as PHP and `strftime`
    /// write it.
    ///
    /// # Errors
    /// [`FieldError::Years`] outside the years 1 to 9998, [`FieldError::Datetime`] for anything else.
    pub fn parse(text: &str) -> Result<Self, FieldError> {
        if let Some(instant) = usual(text.as_bytes()) {
            return Ok(instant);
        }
        let parsed = rfc_3339(text).ok_or(FieldError::Datetime)?;
        Self::from_millis(parsed.timestamp_millis()).ok_or(FieldError::Years)
    }

    /// Reads a bound of a period in a query: a date and time as [`Self::parse`] reads it, or a day, which means its midnight in Paris.
    ///
    /// A `+` that is not percent-encoded arrives as a space: a space before the offset is read as a `+`.
    ///
    /// Every day and every moment that RFC 3339 can write is a bound: callers send `9999-12-31` for "no end". Where an offset leads out of
    /// the years that can be written, it is the first or the last moment of these years.
    ///
    /// ```
    /// use cee_eligibility::Instant;
    /// let midnight = Instant::parse_bound("2024-07-01").unwrap();
    /// assert_eq!(midnight.to_string(), "2024-06-30T22:00:00.000Z");
    /// assert_eq!(Instant::parse_bound("2024-07-01T00:00:00 02:00"), Ok(midnight));
    /// ```
    ///
    /// # Errors
    /// [`FieldError::Bound`] for anything else.
    pub fn parse_bound(text: &str) -> Result<Self, FieldError> {
        // `NaiveDate` also reads `2024-7-1`, spaces within a day and a sign before the year.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if digits && text.len() == 10 && !text.starts_with('-') {
            let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map_err(|_| FieldError::Bound)?;
            let midnight = Paris.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest();
            return Self::bound(midnight.ok_or(FieldError::Bound)?.timestamp_millis());
        }
        let decoded = text.rsplit_once(' ').filter(|(moment, _)| moment.len() > "2024-07-01".len());
        let decoded = decoded.map(|(moment, offset)| format!("{moment}+{offset}"));
        let moment = rfc_3339(decoded.as_deref().unwrap_or(text)).ok_or(FieldError::Bound)?;
        Self::bound(moment.timestamp_millis())
    }

    fn bound(millis: i64) -> Result<Self, FieldError> {
        let [first, last] = Self::WRITABLE;
        Self::from_bound_millis(millis.clamp(first, last)).ok_or(FieldError::Bound)
    }

    /// Midnight in Paris at the beginning of a day: the meaning of a bound or a date without a time.
    ///
    /// # Errors
    /// [`FieldError::Datetime`] outside the years 1 to 9998.
    pub fn paris_midnight(day: NaiveDate) -> Result<Self, FieldError> {
        let midnight = Paris.from_local_datetime(&day.and_time(NaiveTime::MIN)).earliest();
        let millis = midnight.ok_or(FieldError::Datetime)?.timestamp_millis();
        Self::from_millis(millis).ok_or(FieldError::Datetime)
    }

    /// Day and time in Paris, as a person writes them in this language: with seconds only if they are not 0, and without milliseconds.
    ///
    /// ```
    /// use cee_eligibility::{Instant, Language};
    /// let moment = Instant::parse("2024-03-15T07:30:00Z").unwrap();
    /// assert_eq!(moment.for_person(Language::English), "15 March 2024, 08:30 (Paris time)");
    /// assert_eq!(moment.for_person(Language::French), "15/03/2024 à 08:30 (heure de Paris)");
    /// let moment = Instant::parse("2024-03-15T07:30:05.999Z").unwrap();
    /// assert_eq!(moment.for_person(Language::English), "15 March 2024, 08:30:05 (Paris time)");
    /// ```
    #[must_use]
    pub fn for_person(self, language: Language) -> String {
        let has_seconds = self.millis().rem_euclid(60_000) >= 1000;
        let form = match (language, has_seconds) {
            (Language::English, false) => "%-d %B %Y, %H:%M (Paris time)",
            (Language::English, true) => "%-d %B %Y, %H:%M:%S (Paris time)",
            (Language::French, false) => "%d/%m/%Y à %H:%M (heure de Paris)",
            (Language::French, true) => "%d/%m/%Y à %H:%M:%S (heure de Paris)",
        };
        self.0.with_timezone(&Paris).format(form).to_string()
    }

    /// The day of this point in Paris: the name of a bound that a day set.
    #[must_use]
    pub fn paris_day(self) -> NaiveDate {
        self.0.with_timezone(&Paris).date_naive()
    }

    /// The point this many milliseconds after 1970-01-01T00:00:00Z; `None` outside the years 1 to 9998.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        use chrono::Datelike;
        let datetime = DateTime::from_timestamp_millis(millis)?;
        (1..=9998).contains(&datetime.year()).then_some(Self(datetime))
    }

    /// The point this many milliseconds after 1970-01-01T00:00:00Z, which may be a bound.
    #[must_use]
    pub fn from_bound_millis(millis: i64) -> Option<Self> {
        let [first, last] = Self::WRITABLE;
        let datetime = DateTime::from_timestamp_millis(millis)?;
        (first..=last).contains(&millis).then_some(Self(datetime))
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0.timestamp_millis()
    }

    /// This point less a number of calendar years, in UTC: the same day and time of day; 29 February becomes 28 February in a year
    /// without it. Source: the rules table of the contract ("calendar years").
    ///
    /// ```
    /// use cee_eligibility::Instant;
    /// let leap = Instant::parse("2024-02-29T12:00:00Z").unwrap();
    /// assert_eq!(leap.years_before(5).to_string(), "2019-02-28T12:00:00.000Z");
    /// assert_eq!(leap.years_before(12).to_string(), "2012-02-29T12:00:00.000Z");
    /// ```
    #[must_use]
    pub fn years_before(self, years: u16) -> Self {
        // A date before the calendar's range becomes the earliest date.
        let earlier = self.0.checked_sub_months(Months::new(u32::from(years) * 12));
        Self(earlier.unwrap_or(DateTime::<Utc>::MIN_UTC))
    }

    /// This point plus a number of days of 24 hours.
    #[must_use]
    pub fn days_after(self, days: u16) -> Self {
        Self(self.0.checked_add_days(Days::new(u64::from(days))).unwrap_or(DateTime::<Utc>::MAX_UTC))
    }

    /// This point minus a number of days of 24 hours.
    #[must_use]
    pub fn days_before(self, days: u16) -> Self {
        Self(self.0.checked_sub_days(Days::new(u64::from(days))).unwrap_or(DateTime::<Utc>::MIN_UTC))
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC with milliseconds: `2024-03-15T07:30:00.000Z`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The fast path returns the same as the slow one, or nothing.
        #[test]
        fn fast_path_agrees_with_slow_path(
            moment in "[0-9]{3}[0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]",
            (offset, fraction, colon) in ("(Z|[+-][0-2][0-9]:[0-6][0-9]|z|)", "(\\.[0-9]{1,3}|)", any::<bool>()),
        ) {
            let rfc_3339 = format!("{moment}{fraction}{offset}");
            let long = DateTime::parse_from_rfc3339(&rfc_3339).ok();
            let long = long.and_then(|at| Instant::from_millis(at.timestamp_millis()));
            let text = if colon { rfc_3339 } else { format!("{moment}{fraction}{}", offset.replace(':', "")) };
            prop_assert!(usual(text.as_bytes()).is_none_or(|quick| Some(quick) == long), "{text}");
            prop_assert_eq!(Instant::parse(&text).ok(), long);
        }
    }

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    #[test]
    fn moment_must_be_rfc_3339() {
        assert_eq!(at("2024-07-01T00:00:00+02:00").to_string(), "2024-06-30T22:00:00.000Z");
        assert_eq!(at("2024-07-01T00:00:00.9999-11:30").to_string(), "2024-07-01T11:30:00.999Z");
        // As PHP's DATE_ISO8601, strftime's %z and polars write it.
        assert_eq!(at("2023-05-02T10:00:00+0200").to_string(), "2023-05-02T08:00:00.000Z");
        assert_eq!(at("2024-01-01T00:00:00.000000+0100").to_string(), "2023-12-31T23:00:00.000Z");
        assert_eq!(at("2024-01-01 00:00:00.25-0930").to_string(), "2024-01-01T09:30:00.250Z");
        for bad in [
            "",
            "2024-07-01",
            "2024-07-01T00:00:00",
            "2024-02-30T00:00:00Z",
            "2024-07-01T25:00:00Z",
            "01/07/2024",
            "2024-07-01T00:00Z",
            "2024-07-01T00:00:00+02",
            "2024-07-01T00:00:00+2:00",
            "2024-07-01T00:00:00+020",
            "2024-07-01T00:00:00+02000",
            "2024-07-01T00:00:00+2400",
            "2024-07-01T00:00:00.5+0260",
            "2024-07-01T00:00:000200",
            "2024-07-01T00:00:00.5+02é",
            "2024-07-01T00:00:00.5+a200",
            "2024-07-01T00:00:00.5+0a00",
            "2024-07-01T00:00:00.5\u{2212}0200",
            "+0200",
            "é",
            "2024-07-01-0200",
            "1719784800",
            "202x-07-01T00:00:00Z",
            "2x24-07-01T00:00:00Z",
            "2024-07-01T00:0::00Z",
            "2023-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2024-07-01T24:00:00Z",
            "2024-07-01T23:59:61Z",
        ] {
            assert_eq!(Instant::parse(bad), Err(FieldError::Datetime), "{bad}");
        }
        for other_year in [
            "9999-01-01T00:00:00Z",
            "9998-12-31T23:59:60Z",
            "9998-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+0001",
        ] {
            assert_eq!(Instant::parse(other_year), Err(FieldError::Years), "{other_year}");
        }
    }

    #[test]
    fn leap_days_and_leap_seconds_are_moments() {
        for (text, expected) in [
            ("2024-02-29T23:59:59Z", "2024-02-29T23:59:59.000Z"),
            ("2000-02-29T00:00:00+01:00", "2000-02-28T23:00:00.000Z"),
            // A leap second is the second after it, as clocks count.
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
            ("2017-01-01T00:59:60.5+01:00", "2017-01-01T00:00:00.500Z"),
            ("2016-12-31T23:59:60-0000", "2017-01-01T00:00:00.000Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z"),
            ("9998-12-31T23:59:59.999Z", "9998-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(at(text).to_string(), expected, "{text}");
        }
    }

    #[test]
    fn milliseconds_count_from_1970() {
        assert_eq!(at("1970-01-01T00:00:00.001Z").millis(), 1);
        assert_eq!(at("1969-12-31T23:59:58Z").millis(), -2000);
        assert_eq!(Instant::from_millis(1_710_491_459_123), Some(at("2024-03-15T08:30:59.123Z")));
    }

    /// The fast path reads most texts that machines write, including the extreme offsets.
    #[test]
    fn fast_path_reads_common_moments() {
        for (text, expected) in [
            ("2024-03-15T08:30:59Z", "2024-03-15T08:30:59.000Z"),
            ("2024-03-15T08:30:59+01:00", "2024-03-15T07:30:59.000Z"),
            ("2024-03-15T08:30:59-09:30", "2024-03-15T18:00:59.000Z"),
            ("2024-03-15T08:30:59+23:59", "2024-03-14T08:31:59.000Z"),
            ("2024-03-15T08:30:59+0100", "2024-03-15T07:30:59.000Z"),
            ("2024-03-15T08:30:59-0930", "2024-03-15T18:00:59.000Z"),
        ] {
            let read = usual(text.as_bytes()).map(|instant| format!("{instant:?}"));
            assert_eq!(read.as_deref(), Some(expected), "{text}");
        }
        for other in ["2024-03-15T08:30:59+24:00", "2024-03-15T08:30:59+01:60", "2024-03-15T08:30:59.1Z", ""] {
            assert_eq!(usual(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn paris_midnight_follows_summer_time() {
        let midnight =
            |y, m, d| Instant::paris_midnight(NaiveDate::from_ymd_opt(y, m, d).unwrap()).unwrap().to_string();
        assert_eq!(midnight(2023, 1, 1), "2022-12-31T23:00:00.000Z");
        assert_eq!(midnight(2023, 7, 1), "2023-06-30T22:00:00.000Z");
        let bound = Instant::paris_midnight(NaiveDate::from_ymd_opt(2023, 1, 1).unwrap()).unwrap();
        assert_eq!(bound.paris_day().to_string(), "2023-01-01");
        assert_eq!(Instant::from_millis(bound.millis() - 1).unwrap().paris_day().to_string(), "2022-12-31");
        // The days on which the clock changes, at two or three in the morning.
        assert_eq!(midnight(2024, 3, 31), "2024-03-30T23:00:00.000Z");
        assert_eq!(midnight(2024, 10, 27), "2024-10-26T22:00:00.000Z");
    }

    #[test]
    fn bound_is_a_moment_or_a_day_in_paris() {
        for (text, expected) in [
            ("2023-01-01", "2022-12-31T23:00:00.000Z"),
            ("2024-07-01", "2024-06-30T22:00:00.000Z"),
            ("2024-07-01T00:00:00Z", "2024-07-01T00:00:00.000Z"),
            ("2024-07-01T00:00:00+02:00", "2024-06-30T22:00:00.000Z"),
            // What remains of `+` in a query that does not encode it.
            ("2024-07-01T00:00:00 02:00", "2024-06-30T22:00:00.000Z"),
            ("2024-07-01T00:00:00.5 0200", "2024-06-30T22:00:00.500Z"),
            ("2024-07-01T00:00:00-02:00", "2024-07-01T02:00:00.000Z"),
            ("2024-07-01t00:00:00 02:00", "2024-06-30T22:00:00.000Z"),
            ("2024-07-01 00:00:00 02:00", "2024-06-30T22:00:00.000Z"),
            ("2024-02-29", "2024-02-28T23:00:00.000Z"),
            ("2016-12-31T23:59:60Z", "2017-01-01T00:00:00.000Z"),
            // The years that can be written, to their ends. Paris was nine minutes ahead then.
            ("9999-12-31", "9999-12-30T23:00:00.000Z"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z"),
            ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59.999Z"),
            ("9999-12-31T23:59:59-12:00", "9999-12-31T23:59:59.999Z"),
            ("0001-01-01", "0000-12-31T23:50:39.000Z"),
            ("0001-01-01T00:00:00+14:00", "0000-12-31T10:00:00.000Z"),
            ("0000-01-01", "0000-01-01T00:00:00.000Z"),
            ("0000-01-01T00:00:00+14:00", "0000-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(Instant::parse_bound(text).map(|bound| bound.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "2024",
            "2024-07",
            "2024-02-30",
            "2024-7-1",
            "2024-07-1 ",
            "2024-07- 1",
            "+024-07-01",
            "-024-07-01",
            "2024-07-01 02:00",
            "2024-07-01T00:00:00",
            "01/07/2024",
            "2023-02-29",
            "1900-02-29",
            "2024-04-31",
            "10000-01-01",
            "1719784800",
            "yesterday",
            "aujourd\u{e9}",
        ] {
            assert_eq!(Instant::parse_bound(bad), Err(FieldError::Bound), "{bad}");
        }
    }

    proptest! {
        /// Every day of the calendar is a bound, and every bound is one again as it is written.
        #[test]
        fn each_day_is_a_bound(days in 0..3_652_425_i64, hours in -23..=23_i64) {
            let first = NaiveDate::from_ymd_opt(0, 1, 1).unwrap();
            let day = first + chrono::TimeDelta::days(days);
            let offset = format!("{}{:02}:00", if hours < 0 { '-' } else { '+' }, hours.abs());
            for text in [day.to_string(), format!("{day}T23:59:60{offset}"), format!("{day}T00:00:00.000{offset}")] {
                let bound = Instant::parse_bound(&text).unwrap();
                prop_assert_eq!(Instant::parse_bound(&bound.to_string()), Ok(bound));
                prop_assert_eq!(Instant::from_bound_millis(bound.millis()), Some(bound));
            }
        }
    }

    #[test]
    fn years_before_counts_calendar_years_in_utc() {
        assert_eq!(at("2024-02-29T23:59:59.999Z").years_before(3), at("2021-02-28T23:59:59.999Z"));
        assert_eq!(at("2024-03-01T00:00:00Z").years_before(3), at("2021-03-01T00:00:00Z"));
        assert_eq!(at("2025-02-28T00:00:00Z").years_before(5), at("2020-02-28T00:00:00Z"));
        // Counted in UTC: summer time in one of the two years moves nothing.
        assert_eq!(at("2024-03-31T01:30:00Z").years_before(5), at("2019-03-31T01:30:00Z"));
        assert!(at("0001-01-01T00:00:00Z").years_before(u16::MAX) < at("0001-01-01T00:00:00Z"));
    }

    #[test]
    fn days_are_24_hours() {
        assert_eq!(at("2024-03-30T12:00:00+01:00").days_after(7), at("2024-04-06T11:00:00Z"));
        assert_eq!(at("2024-04-06T11:00:00Z").days_before(7), at("2024-03-30T12:00:00+01:00"));
        assert_eq!(at("9998-12-31T00:00:00Z").days_after(7).to_string(), "9999-01-07T00:00:00.000Z");
    }
}
