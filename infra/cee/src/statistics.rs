//! The statistics as the registry's team sees them.
//!
//! | to find | look in |
//! |---|---|
//! | counts added up by some columns, as a table or CSV | this file |
//! | a chart | [`chart`] |
//! | the public file of a month, and what it leaves out | [`open_data`] |

use std::collections::BTreeMap;

use anyhow::Result;
use cee_registry::{Outcome, WeekCounts};
use clap::ValueEnum;

pub mod chart;
pub mod open_data;

/// A column by which counts are added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The ISO week, in Paris.
    Week,
    /// The operator.
    Operator,
    /// The journey type.
    Type,
    /// What happened; `refused` for every refusal.
    Outcome,
    /// Why it was refused.
    Reason,
}

impl By {
    /// The name of the column.
    const fn column(self) -> &'static str {
        match self {
            Self::Week => "week",
            Self::Operator => "operator_id",
            Self::Type => "journey_type",
            Self::Outcome => "outcome",
            Self::Reason => "reason",
        }
    }
}

/// The groups of outcomes, in their order: `granted`, …, `refused`.
#[must_use]
pub fn groups() -> Vec<&'static str> {
    let mut groups: Vec<&str> = Outcome::ALL.iter().map(|outcome| outcome.group()).collect();
    groups.dedup();
    groups
}

/// Counts, added up by some columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    by: Vec<By>,
    rows: Vec<(Vec<String>, u64)>,
}

impl Sums {
    /// Adds up the counts of these weeks. Of the outcomes only those of these groups; none means all.
    #[must_use]
    pub fn of(weeks: &[WeekCounts], by: &[By], only: &[String]) -> Self {
        // The place in the order of a column, and the text.
        let mut sums = BTreeMap::<Vec<(u32, String)>, u64>::new();
        for WeekCounts { operator, week, counts } in weeks {
            for (cell, count) in counts {
                if !only.is_empty() && !only.iter().any(|group| group == cell.outcome.group()) {
                    continue;
                }
                let place = |outcome: Outcome| Outcome::ALL.iter().take_while(|other| **other != outcome).count();
                let place = |outcome| u32::try_from(place(outcome)).unwrap_or(u32::MAX);
                let first_of_group = |outcome: Outcome| {
                    let mut all = Outcome::ALL.iter().copied();
                    place(all.find(|other| other.group() == outcome.group()).unwrap_or(outcome))
                };
                let label = |by: &By| match by {
                    By::Week => (0, week.to_string()),
                    By::Operator => (operator.get(), operator.to_string()),
                    By::Type => match cell.journey_type {
                        Some(journey_type) => (journey_type as u32, journey_type.as_str().to_owned()),
                        None => (u32::MAX, String::new()),
                    },
                    By::Outcome => (first_of_group(cell.outcome), cell.outcome.group().to_owned()),
                    By::Reason => match cell.outcome.reason() {
                        Some(reason) => (place(cell.outcome) + 1, reason.to_owned()),
                        None => (0, String::new()),
                    },
                };
                *sums.entry(by.iter().map(label).collect()).or_default() += count;
            }
        }
        let texts = |labels: Vec<(u32, String)>| labels.into_iter().map(|(_, text)| text).collect();
        Self { by: by.to_vec(), rows: sums.into_iter().map(|(labels, sum)| (texts(labels), sum)).collect() }
    }

    /// The names of the columns, `count` included.
    fn columns(&self) -> Vec<&'static str> {
        self.by.iter().map(|by| by.column()).chain(["count"]).collect()
    }

    /// The labels of each row, and its count.
    #[must_use]
    pub fn rows(&self) -> &[(Vec<String>, u64)] {
        &self.rows
    }

    /// A line for each row under a line of the columns' names. `-` stands for an empty cell.
    #[must_use]
    pub fn table(&self) -> Vec<String> {
        let cell = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        let mut lines: Vec<Vec<String>> = vec![self.columns().into_iter().map(str::to_owned).collect()];
        lines.extend(self.rows.iter().map(|(labels, count)| {
            labels.iter().map(|label| cell(label)).chain([count.to_string()]).collect::<Vec<_>>()
        }));
        let last = self.by.len();
        let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..=last).map(width).collect();
        let aligned = |line: &Vec<String>| {
            let cells = line.iter().zip(&widths).enumerate().map(|(column, (text, width))| {
                if column == last { format!("{text:>width$}") } else { format!("{text:width$}") }
            });
            cells.collect::<Vec<_>>().join("  ")
        };
        lines.iter().map(aligned).collect()
    }

    /// CSV with a header.
    ///
    /// # Errors
    /// If it cannot be written, which does not happen in memory.
    pub fn csv(&self) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns())?;
        for (labels, count) in &self.rows {
            writer.write_record(labels.iter().cloned().chain([count.to_string()]))?;
        }
        Ok(String::from_utf8(writer.into_inner()?)?)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use cee_eligibility::{JourneyType, OperatorId, Week};
    use cee_registry::{Cell, Counts};

    /// An operator's week with these counts.
    pub(crate) fn week(operator: u32, week: &str, counts: &[(Option<JourneyType>, Outcome, u64)]) -> WeekCounts {
        let cell = |(journey_type, outcome, count): &(Option<JourneyType>, Outcome, u64)| {
            (Cell { journey_type: *journey_type, outcome: *outcome }, *count)
        };
        let counts: Counts = counts.iter().map(cell).collect();
        WeekCounts { operator: OperatorId::new(operator).unwrap(), week: Week::parse(week).unwrap(), counts }
    }

    fn weeks() -> Vec<WeekCounts> {
        let (short, long) = (Some(JourneyType::Short), Some(JourneyType::Long));
        vec![
            week(2, "2026-W47", &[(short, Outcome::Granted, 12), (None, Outcome::Imported, 1000)]),
            week(10, "2026-W47", &[(short, Outcome::Granted, 3), (long, Outcome::Duplicate, 2)]),
            week(
                2,
                "2026-W48",
                &[(short, Outcome::History, 5), (short, Outcome::Duplicate, 6), (None, Outcome::Invalid, 1)],
            ),
        ]
    }

    #[test]
    fn counts_are_added_up_by_columns() {
        let table = Sums::of(&weeks(), &[By::Type, By::Outcome], &[]).table();
        assert_eq!(
            table,
            [
                "journey_type  outcome   count",
                "short         granted      15",
                "short         refused      11",
                "long          refused       2",
                "-             imported   1000",
                "-             refused       1",
            ]
        );
        let csv = Sums::of(&weeks(), &[By::Operator, By::Reason], &["refused".to_owned()]).csv().unwrap();
        assert_eq!(csv, "operator_id,reason,count\n2,history,5\n2,duplicate,6\n2,invalid,1\n10,duplicate,2\n");
        let all: u64 = Sums::of(&weeks(), &[], &[]).rows().iter().map(|(_, count)| count).sum();
        assert_eq!(all, 1029);
        assert_eq!(Sums::of(&[], &[By::Week], &[]).table(), ["week  count"]);
    }

    #[test]
    fn groups_are_listed_once() {
        assert_eq!(
            groups(),
            ["granted", "deleted", "imported", "already_known", "rejected", "taken_back", "repeated", "refused"]
        );
    }
}
