//! Weeks and months of the registry's statistics: ISO weeks in Paris, and the months that they belong to.

use std::fmt;

use chrono::{Datelike as _, Days, NaiveDate, Weekday};

use crate::time::Instant;

/// An ISO week in Paris: it begins with the midnight before its Monday. `2026-W53` is a week of 2026 whose last days are in January 2027.
///
/// ```
/// use cee_eligibility::{Instant, Week};
/// let late_on_sunday = Instant::parse("2026-11-29T22:59:59Z").unwrap();
/// let monday_in_paris = Instant::parse("2026-11-29T23:00:00Z").unwrap();
/// assert_eq!(Week::of(late_on_sunday).to_string(), "2026-W48");
/// assert_eq!(Week::of(monday_in_paris).to_string(), "2026-W49");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Week {
    monday: NaiveDate,
}

/// A month of the statistics: the weeks whose Thursday is in the calendar month. So each week belongs to exactly one month, as ISO 8601
/// gives each week to exactly one year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    month: u32,
}

impl Week {
    /// The week of a point in time.
    #[must_use]
    pub fn of(moment: Instant) -> Self {
        let day = moment.paris_day();
        // The first Monday of the calendar lies millennia before the first instant.
        let monday = day.checked_sub_days(Days::new(u64::from(day.weekday().num_days_from_monday())));
        Self { monday: monday.unwrap_or(day) }
    }

    /// Reads what [`Display`](fmt::Display) writes: `2026-W48`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, week) = text.split_once("-W").filter(|(year, week)| (year.len(), week.len()) == (4, 2))?;
        let digits = year.bytes().chain(week.bytes()).all(|byte| byte.is_ascii_digit());
        let monday = NaiveDate::from_isoywd_opt(year.parse().ok()?, week.parse().ok()?, Weekday::Mon)?;
        digits.then_some(Self { monday })
    }

    /// The week after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self { monday: self.monday.checked_add_days(Days::new(7)).unwrap_or(self.monday) }
    }

    /// The week this many weeks before this one.
    #[must_use]
    pub fn back(self, weeks: u16) -> Self {
        Self { monday: self.monday.checked_sub_days(Days::new(7 * u64::from(weeks))).unwrap_or(self.monday) }
    }

    /// The month that it belongs to.
    #[must_use]
    pub fn month(self) -> Month {
        let thursday = self.monday.checked_add_days(Days::new(3)).unwrap_or(self.monday);
        Month { year: thursday.year(), month: thursday.month() }
    }
}

impl fmt::Display for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let week = self.monday.iso_week();
        write!(f, "{:04}-W{:02}", week.year(), week.week())
    }
}

impl fmt::Debug for Week {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Month {
    /// Reads what [`Display`](fmt::Display) writes: `2026-11`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-').filter(|(year, month)| (year.len(), month.len()) == (4, 2))?;
        let digits = year.bytes().chain(month.bytes()).all(|byte| byte.is_ascii_digit());
        let first = NaiveDate::from_ymd_opt(year.parse().ok()?, month.parse().ok()?, 1)?;
        digits.then_some(Self { year: first.year(), month: first.month() })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn week(moment: &str) -> String {
        Week::of(Instant::parse(moment).unwrap()).to_string()
    }

    #[test]
    fn week_begins_at_midnight_in_paris() {
        for (moment, expected) in [
            // Summer time.
            ("2024-06-30T21:59:59.999Z", "2024-W26"),
            ("2024-06-30T22:00:00Z", "2024-W27"),
            // Weeks that two calendar years share.
            ("2026-12-31T12:00:00Z", "2026-W53"),
            ("2027-01-03T12:00:00Z", "2026-W53"),
            ("2027-01-04T12:00:00Z", "2027-W01"),
            ("2024-12-30T12:00:00Z", "2025-W01"),
        ] {
            assert_eq!(week(moment), expected, "{moment}");
        }
    }

    #[test]
    fn week_and_month_are_read_as_written() {
        assert_eq!(Week::parse("2026-W53").map(|week| week.next().to_string()).as_deref(), Some("2027-W01"));
        for bad in
            ["", "2026W48", "2026-w48", "2026-W54", "2025-W53", "2026-W00", "2026-W1", "+026-W01", "2026-W+1", "é"]
        {
            assert_eq!(Week::parse(bad), None, "{bad}");
        }
        for bad in ["", "2026", "2026-13", "2026-00", "2026-1", "2026-11-01", "+026-11", "2026-+1"] {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
        for (week, month) in
            [("2026-W40", "2026-10"), ("2026-W44", "2026-10"), ("2026-W45", "2026-11"), ("2026-W53", "2026-12")]
        {
            assert_eq!(Week::parse(week).unwrap().month(), Month::parse(month).unwrap(), "{week}");
        }
    }

    proptest! {
        #[test]
        fn weeks_are_ordered_as_their_text_and_moments(millis in proptest::array::uniform2(0..253_000_000_000_000_i64)) {
            let [one, two] = millis.map(|millis| Instant::from_millis(millis).unwrap());
            let (a, b) = (Week::of(one), Week::of(two));
            prop_assert_eq!(Week::parse(&a.to_string()), Some(a));
            prop_assert_eq!(Month::parse(&a.month().to_string()), Some(a.month()));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
            prop_assert!(a == b || (a < b) == (one < two));
            prop_assert!(a > b || a.month() <= b.month());
            let five_later = (0..5).fold(a, |week, _| week.next());
            prop_assert_eq!((five_later.back(5), a.back(0)), (a, a));
            // Eight days later it is the next week, or the one after it.
            let later = Week::of(one.days_after(8));
            prop_assert!(later == a.next() || later == a.next().next());
        }
    }
}
