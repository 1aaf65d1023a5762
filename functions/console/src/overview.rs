//! What the overview shows: an operator's counts of some weeks. No I/O and no HTML.
//!
//! Certificates and rows of history are those of the last recount of the tables (`cee stats`): a week that no recount has reached is not
//! counted yet, which is not 0. Refusals are counted by the calls themselves.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use cee_eligibility::{Instant, JourneyType, Week};
use cee_registry::{Cell, Outcome, Source, WeekCounts};

/// The numbers of weeks that a person can choose.
pub(crate) const WEEKS: [u16; 3] = [13, 26, 52];

/// The number of weeks that a page shows if none is chosen.
const USUAL: u16 = 26;

/// After how many milliseconds a recount is old: the team runs one each night (docs/statistics.md).
const OLD: i64 = 48 * 60 * 60 * 1000;

/// The outcomes of rows of history, in the order in which a page shows them.
const OF_ROWS: [Outcome; 4] = [Outcome::Imported, Outcome::AlreadyKnown, Outcome::Rejected, Outcome::TakenBack];

/// The weeks that a page shows. None is in the future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period {
    last: Week,
    weeks: u16,
    now: Week,
}

impl Period {
    /// Reads a query. A value that is not a choice of the page is ignored.
    pub(crate) fn read(weeks: Option<&str>, to: Option<&str>, now: Instant) -> Self {
        let now = Week::of(now);
        let weeks = weeks.and_then(|text| text.parse().ok()).filter(|weeks| WEEKS.contains(weeks));
        let last = to.and_then(Week::parse).filter(|to| *to <= now);
        Self { last: last.unwrap_or(now), weeks: weeks.unwrap_or(USUAL), now }
    }

    pub(crate) fn first(self) -> Week {
        self.last.back(self.weeks - 1)
    }

    pub(crate) const fn last(self) -> Week {
        self.last
    }

    pub(crate) const fn weeks(self) -> u16 {
        self.weeks
    }

    /// The last week, unless it is the current one.
    pub(crate) fn chosen_last(self) -> Option<Week> {
        (self.last < self.now).then_some(self.last)
    }

    /// The last week of the period before this one.
    pub(crate) fn earlier(self) -> Week {
        self.last.back(self.weeks)
    }

    /// The last week of the period after this one. `None`: this one is the latest.
    pub(crate) fn later(self) -> Option<Week> {
        self.chosen_last().map(|last| (0..self.weeks).fold(last, |week, _| week.next()).min(self.now))
    }
}

/// The certificates of a week.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Certificates {
    pub(crate) week: Week,
    /// Granted, in the order of [`JourneyType::ALL`].
    pub(crate) granted: [u64; 2],
    /// Deleted in this week, of this week or an earlier one.
    pub(crate) deleted: u64,
    /// Whether a recount has reached the week.
    pub(crate) is_counted: bool,
}

/// The content of the page.
#[derive(Clone, Debug)]
pub(crate) struct Overview {
    pub(crate) period: Period,
    /// One for each week of the period, the earliest first.
    pub(crate) certificates: Vec<Certificates>,
    /// For each reason the number of refusals for a short application, a long one, and one of unknown type; the most frequent first.
    pub(crate) refused: Vec<(Outcome, [u64; 3])>,
    /// The rows of history by what became of them. Empty if there are none.
    pub(crate) rows: Vec<(Outcome, u64)>,
    /// When the last recount began.
    pub(crate) counted_at: Option<Instant>,
    /// Whether the last recount is old.
    pub(crate) is_old: bool,
}

impl Overview {
    /// The overview of these counts of the period's weeks.
    pub(crate) fn new(period: Period, found: &[WeekCounts], counted_at: Option<Instant>, now: Instant) -> Self {
        let by_week: BTreeMap<Week, &WeekCounts> = found.iter().map(|found| (found.week, found)).collect();
        let weeks = std::iter::successors(Some(period.first()), |week| Some(week.next()));
        let certificates = weeks.take(usize::from(period.weeks)).map(|week| {
            let found = by_week.get(&week);
            let of = |journey_type, outcome| {
                let cell = Cell { journey_type: Some(journey_type), outcome };
                found.and_then(|found| found.counts.get(&cell)).copied().unwrap_or(0)
            };
            // A recount that failed half-way has counted some weeks.
            let has_counts =
                found.is_some_and(|found| found.counts.keys().any(|cell| cell.outcome.source() == Source::Tables));
            Certificates {
                week,
                granted: JourneyType::ALL.map(|journey_type| of(journey_type, Outcome::Granted)),
                deleted: JourneyType::ALL.map(|journey_type| of(journey_type, Outcome::Deleted)).iter().sum(),
                is_counted: has_counts || counted_at.is_some_and(|at| week <= Week::of(at)),
            }
        });
        let certificates = certificates.collect();
        let mut refused: BTreeMap<Outcome, [u64; 3]> = BTreeMap::new();
        let mut rows = OF_ROWS.map(|outcome| (outcome, 0_u64));
        for (cell, count) in found.iter().flat_map(|found| &found.counts) {
            if cell.outcome.reason().is_some() {
                let [short, long, unknown] = refused.entry(cell.outcome).or_default();
                match cell.journey_type {
                    Some(JourneyType::Short) => *short += count,
                    Some(JourneyType::Long) => *long += count,
                    None => *unknown += count,
                }
            }
            rows.iter_mut().filter(|(outcome, _)| *outcome == cell.outcome).for_each(|(_, rows)| *rows += count);
        }
        let mut refused: Vec<_> = refused.into_iter().collect();
        refused.sort_by_key(|(_, counts)| Reverse(counts.iter().sum::<u64>()));
        let has_rows = rows.iter().any(|(_, rows)| *rows > 0);
        Self {
            period,
            certificates,
            refused,
            rows: if has_rows { rows.to_vec() } else { Vec::new() },
            counted_at,
            is_old: counted_at.is_some_and(|at| now.millis() - at.millis() > OLD),
        }
    }

    /// The certificates of the period, in the order of [`JourneyType::ALL`].
    pub(crate) fn granted(&self) -> [u64; 2] {
        self.certificates.iter().fold([0; 2], |[short, long], week| {
            let [more_short, more_long] = week.granted;
            [short + more_short, long + more_long]
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use cee_eligibility::OperatorId;
    use cee_registry::Counts;

    const NOW: &str = "2024-05-01T00:00:00Z";

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn week(text: &str, counts: &[(Option<JourneyType>, Outcome, u64)]) -> WeekCounts {
        let cell = |(journey_type, outcome, count): &(Option<JourneyType>, Outcome, u64)| {
            (Cell { journey_type: *journey_type, outcome: *outcome }, *count)
        };
        let counts: Counts = counts.iter().map(cell).collect();
        WeekCounts { operator: OperatorId::new(1).unwrap(), week: Week::parse(text).unwrap(), counts }
    }

    /// Overviews as large as they can be, and empty ones.
    pub(crate) fn samples() -> Vec<(&'static str, Overview)> {
        let types = [None, Some(JourneyType::Short), Some(JourneyType::Long)];
        let every: Vec<_> =
            types.iter().flat_map(|kind| Outcome::ALL.iter().map(|outcome| (*kind, *outcome, 1_234_567))).collect();
        let now = at(NOW);
        let year = Period::read(Some("52"), Some("2024-W10"), now);
        let weeks: Vec<WeekCounts> = std::iter::successors(Some(year.first()), |week| Some(week.next()))
            .take(52)
            .map(|one| week(&one.to_string(), &every))
            .collect();
        let usual = Period::read(None, None, now);
        vec![
            ("overview_full", Overview::new(year, &weeks, Some(now), now)),
            ("overview_old", Overview::new(usual, &weeks[50..], Some(at("2024-04-01T00:00:00Z")), now)),
            ("overview_never", Overview::new(usual, &[], None, now)),
        ]
    }

    #[test]
    fn query_chooses_weeks_that_are_not_in_the_future() {
        for (weeks, to, first, last) in [
            (None, None, "2023-W45", "2024-W18"),
            (Some("13"), None, "2024-W06", "2024-W18"),
            (Some("52"), Some("2024-W01"), "2023-W02", "2024-W01"),
            (Some("27"), Some("2024-W19"), "2023-W45", "2024-W18"),
            (Some("-1"), Some("<script>"), "2023-W45", "2024-W18"),
        ] {
            let period = Period::read(weeks, to, at(NOW));
            assert_eq!((period.first().to_string(), period.last().to_string()), (first.to_owned(), last.to_owned()));
        }
    }

    #[test]
    fn periods_follow_one_another_without_gap() {
        let latest = Period::read(Some("13"), None, at(NOW));
        assert_eq!((latest.later(), latest.chosen_last()), (None, None));
        let before = Period::read(Some("13"), Some(&latest.earlier().to_string()), at(NOW));
        assert_eq!(before.last().next(), latest.first());
        assert_eq!(before.later(), Some(latest.last()));
        let part = Period::read(Some("52"), Some("2024-W17"), at(NOW));
        assert_eq!(part.later(), Some(latest.last()), "not beyond the current week");
    }

    #[test]
    fn counts_are_summed_by_week_reason_and_row() {
        let (short, long) = (Some(JourneyType::Short), Some(JourneyType::Long));
        let found = [
            week("2024-W16", &[(short, Outcome::Granted, 3), (long, Outcome::Granted, 4), (long, Outcome::Deleted, 1)]),
            week(
                "2024-W17",
                &[
                    (long, Outcome::Duplicate, 5),
                    (None, Outcome::Invalid, 7),
                    (short, Outcome::Duplicate, 1),
                    (long, Outcome::Repeated, 9),
                    (None, Outcome::Imported, 8),
                ],
            ),
            week(
                "2024-W18",
                &[(long, Outcome::Duplicate, 2), (None, Outcome::Imported, 1), (None, Outcome::Rejected, 2)],
            ),
        ];
        let overview =
            Overview::new(Period::read(Some("13"), None, at(NOW)), &found, Some(at("2024-04-23T00:00:00Z")), at(NOW));
        assert_eq!(overview.certificates.len(), 13);
        let one = |text: &str| *overview.certificates.iter().find(|week| week.week.to_string() == text).unwrap();
        assert_eq!((one("2024-W16").granted, one("2024-W16").deleted), ([3, 4], 1));
        assert_eq!(one("2024-W06").granted, [0, 0]);
        assert_eq!(overview.granted(), [3, 4]);
        assert_eq!(overview.refused, [(Outcome::Duplicate, [1, 7, 0]), (Outcome::Invalid, [0, 0, 7])]);
        let rows =
            [(Outcome::Imported, 9), (Outcome::AlreadyKnown, 0), (Outcome::Rejected, 2), (Outcome::TakenBack, 0)];
        assert_eq!(overview.rows, rows);
        assert!(overview.is_old, "eight days");
    }

    #[test]
    fn week_that_no_recount_has_reached_is_not_counted() {
        let long = Some(JourneyType::Long);
        let found =
            [week("2024-W17", &[(long, Outcome::Granted, 1)]), week("2024-W18", &[(long, Outcome::Duplicate, 1)])];
        for (counted_at, expected) in [
            (None, [false, true, false]),
            (Some("2024-04-17T00:00:00Z"), [true, true, false]),
            (Some("2024-04-29T00:00:00Z"), [true, true, true]),
        ] {
            let period = Period::read(Some("13"), None, at(NOW));
            let overview = Overview::new(period, &found, counted_at.map(at), at(NOW));
            let counted: Vec<bool> =
                overview.certificates.iter().rev().take(3).rev().map(|one| one.is_counted).collect();
            assert_eq!(counted, expected, "{counted_at:?}");
        }
    }
}
