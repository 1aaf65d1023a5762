//! The order of day and month, from all dates of a file.
//!
//! `03/05/2021` is 3 May or 5 March. One date of the file that has only one reading, because the other has a thirteenth month,
//! decides for all:
//!
//! | the file has | dates without the year in front are read |
//! |---|---|
//! | no date that decides | day first, as France writes them. With a 12-hour clock (AM, PM) the file is refused: France does not use it |
//! | some that can only be day first | day first |
//! | some that can only be month first | month first; the report counts them as repaired |
//! | both | not at all: the file is refused, with a line of each kind |
//!
//! # Days that were swapped before
//!
//! A program that guesses (pandas, csvkit, Gnumeric in English) reads `03/05/2021` as 5 March and writes `2021-03-05`. No row shows
//! that. But of all days of a year 0.39 lie between the 1st and the 12th of a month: thirty different days that all do are not a
//! coincidence (0.39 to the 30th). Such a file is refused, unless the sender confirms its dates. Dates with the year in front are
//! also checked by themselves, because such a program leaves a date that it cannot read unchanged (`25/05/2021`).

use std::collections::BTreeSet;

use super::verdict::{DateOrder, Dates};
use crate::date::{Written, is_half_day, is_month_first_without_century};
use crate::day::Day;
use crate::refusal::{FileRefusal, MANY, SurveyError};
use crate::repair::Repairs;
use crate::strip::bare;

/// No month has more days than the year has months.
const MONTHS: u32 = 12;

/// The forms of the dates of a file.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// The first line with a date that can only have the day first.
    day_first: Option<u64>,
    /// The first line with a date that can only have the month first.
    month_first: Option<u64>,
    /// The first line with a date that has the year in front and then can only have the day.
    day_before_month: Option<u64>,
    /// The first line with a clock of twelve hours behind a date that has the year last.
    half_day: Option<u64>,
    /// The days with the year in front.
    year_first: Days,
    /// The other days, as if the day came first.
    other: Days,
}

impl Found {
    /// Notes the date of a cell.
    #[cold]
    pub(super) fn note(&mut self, text: &str, line: u64) {
        let Ok(text) = bare(text, &mut Repairs::default()) else { return };
        let Some(written) = Written::of(text) else {
            if is_month_first_without_century(text) {
                self.month_first = self.month_first.or(Some(line));
            }
            return;
        };
        let Written { year_first, year, first, second, rest } = written;
        if !year_first && self.half_day.is_none() && is_half_day(rest) {
            self.half_day = Some(line);
        }
        if year_first && !rest.is_empty() && !self.year_first.is_decided() {
            let Day { year, month, day } = written.paris_day();
            self.note_day(true, (year, month, day), line);
        } else {
            self.note_day(year_first, (year, first, second), line);
        }
    }

    /// Notes a day: its year, and the other two numbers in their order.
    #[inline]
    pub(super) fn note_day(&mut self, year_first: bool, (year, first, second): (u32, u32, u32), line: u64) {
        const DAYS: std::ops::RangeInclusive<u32> = 1..=31;
        if !DAYS.contains(&first) || !DAYS.contains(&second) {
            return;
        }
        if year_first {
            if first <= MONTHS {
                self.year_first.note(year, first, second);
            } else if second <= MONTHS {
                self.day_before_month = self.day_before_month.or(Some(line));
            }
        } else if first > MONTHS {
            if second <= MONTHS {
                self.day_first = self.day_first.or(Some(line));
                self.other.note(year, second, first);
            }
        } else if second > MONTHS {
            self.month_first = self.month_first.or(Some(line));
            self.other.note(year, first, second);
        } else {
            self.other.note(year, second, first);
        }
    }

    pub(super) fn order(&self, dates: Dates) -> Result<DateOrder, FileRefusal> {
        let order = match (self.day_first, self.month_first) {
            (Some(day_first), Some(month_first)) => {
                return Err(SurveyError::BothOrders { day_first, month_first }.into());
            }
            (Some(_), None) => DateOrder::DayFirst,
            (None, Some(_)) => DateOrder::MonthFirst,
            (None, None) if self.other.is_empty() => DateOrder::YearFirst,
            (None, None) => DateOrder::Undecided,
        };
        // If other dates show that the month comes first, it is one bad row.
        if let Some(line) = self.day_before_month.filter(|_| !self.year_first.high) {
            return Err(SurveyError::DayBeforeMonth { line }.into());
        }
        if dates == Dates::Unconfirmed {
            if let Some(line) = self.half_day.filter(|_| order == DateOrder::Undecided) {
                return Err(SurveyError::HalfDays { line }.into());
            }
            if self.look_swapped() {
                return Err(SurveyError::SwappedDays.into());
            }
        }
        Ok(order)
    }

    /// Whether day and month look swapped, in the dates with the year in front, in the others, or in both together. A program that
    /// swaps the dates it can read, and leaves the others unchanged, leaves no date after the 12th with the year in front, and only
    /// such dates in the other form.
    fn look_swapped(&self) -> bool {
        let (one, two) = (&self.year_first, &self.other);
        let both = one.different.union(&two.different).count() >= MANY;
        let alone = [one, two].iter().any(|days| days.are_low() && days.different.len() >= MANY);
        alone || (both && one.are_low() && (two.are_low() || !two.low))
    }
}

/// Different days, until some lie after the 12th of a month and some do not, and [`MANY`] at most.
#[derive(Debug, Default)]
struct Days {
    different: BTreeSet<u32>,
    last: u32,
    /// Some lie between the 1st and the 12th.
    low: bool,
    /// Some lie after the 12th.
    high: bool,
}

impl Days {
    fn is_empty(&self) -> bool {
        self.different.is_empty()
    }

    /// Whether further days cannot change the result.
    const fn is_decided(&self) -> bool {
        self.low && self.high
    }

    /// Whether there are any days, and none after the 12th.
    const fn are_low(&self) -> bool {
        self.low && !self.high
    }

    #[inline]
    fn note(&mut self, year: u32, month: u32, day: u32) {
        if !self.is_decided() {
            self.learn(year, month, day);
        }
    }

    #[cold]
    fn learn(&mut self, year: u32, month: u32, day: u32) {
        if day > MONTHS {
            self.high = true;
        } else {
            self.low = true;
        }
        let number = (year * 16 + month) * 32 + day;
        if number != self.last && self.different.len() < MANY {
            self.last = number;
            self.different.insert(number);
        }
    }
}
