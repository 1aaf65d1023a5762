//! A day as a file writes it, and its midnight in Paris.

use cee_eligibility::Instant;
use chrono::NaiveDate;

/// A day as written: it may not exist in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Day {
    pub(crate) year: u32,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

impl Day {
    pub(crate) fn date(&self) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(i32::try_from(self.year).ok()?, self.month, self.day)
    }
}

/// Cached midnights in Paris. A history names the same few thousand days millions of times, and a time zone's rules cost more than
/// the rest of a row.
#[derive(Debug, Default)]
pub(crate) struct Midnights(Vec<Option<(u32, Instant)>>);

impl Midnights {
    /// Twenty-two years of days, each at its own place.
    const PLACES: u32 = 8192;

    fn place(day: Day) -> usize {
        ((day.year * 372 + day.month * 31 + day.day) % Self::PLACES) as usize
    }

    /// A number that no other day has, even if the day does not exist in the calendar.
    const fn number(day: Day) -> u32 {
        (day.year * 100 + day.month) * 100 + day.day
    }

    pub(crate) fn known(&self, day: Day) -> Option<Instant> {
        let (number, midnight) = self.0.get(Self::place(day)).copied()??;
        (number == Self::number(day)).then_some(midnight)
    }

    #[cold]
    pub(crate) fn learn(&mut self, day: Day, midnight: Instant) {
        self.0.resize(Self::PLACES as usize, None);
        self.0[Self::place(day)] = Some((Self::number(day), midnight));
    }
}
