//! The public file of a month: counts of each operator, which single nobody out.
//!
//! The file is made of the counts that reach the [`THRESHOLD`] and of nothing else: a smaller count changes no byte of it. So nobody can
//! compute a small count from it. That is also why the file holds no total: the total of the country less the named operators would give the
//! counts of the others, and each operator can subtract its own, too.

use std::collections::BTreeMap;

use anyhow::Result;
use cee_eligibility::{JourneyType, Month, OperatorId};
use cee_registry::{Cell, Outcome, Source, WeekCounts};
use cee_service::spreadsheet::unlike_a_formula;

/// The smallest count that is published. Source: docs/adr/0052.
pub const THRESHOLD: u64 = 10;

/// The columns of the file. docs/open-data.schema.json describes them.
const COLUMNS: [&str; 8] =
    ["month", "journey_type", "outcome", "reason", "operator_id", "operator_name", "count", "precision"];

/// The file of a month, as CSV: the weeks that belong to it. `names` are those of the operators.
///
/// # Errors
/// If it cannot be written, which does not happen in memory.
pub fn file(month: Month, weeks: &[WeekCounts], names: &BTreeMap<OperatorId, String>) -> Result<String> {
    let mut counts = BTreeMap::<Cell, BTreeMap<OperatorId, u64>>::new();
    for week in weeks.iter().filter(|week| week.week.month() == month) {
        for (cell, count) in &week.counts {
            *counts.entry(*cell).or_default().entry(week.operator).or_default() += count;
        }
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    for (Cell { journey_type, outcome }, counts) in counts {
        for (operator, count) in counts.into_iter().filter(|(_, count)| *count >= THRESHOLD) {
            writer.write_record([
                month.to_string().as_str(),
                journey_type.map_or("", JourneyType::as_str),
                outcome.group(),
                outcome.reason().unwrap_or(""),
                operator.to_string().as_str(),
                &*unlike_a_formula(names.get(&operator).map_or("", String::as_str)),
                count.to_string().as_str(),
                precision(outcome),
            ])?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// Whether a count is exact.
const fn precision(outcome: Outcome) -> &'static str {
    match outcome.source() {
        Source::Tables => "exact",
        Source::Calls => "at_least",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::tests::week;
    use proptest::prelude::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// A month of operators 1, 2, … with these counts.
    fn month(counts: &[(u64, u64)]) -> String {
        let weeks: Vec<WeekCounts> = (1..)
            .zip(counts)
            .map(|(operator, (granted, refused))| {
                let refused = (Some(JourneyType::Short), Outcome::Duplicate, *refused);
                week(operator, "2026-W47", &[(Some(JourneyType::Long), Outcome::Granted, *granted), refused])
            })
            .collect();
        file(Month::parse("2026-11").unwrap(), &weeks, &BTreeMap::new()).unwrap()
    }

    /// A count, and one that differs from it only if both are small.
    fn two_counts() -> impl Strategy<Value = [u64; 2]> {
        prop_oneof![proptest::array::uniform2(0..THRESHOLD), (0..3 * THRESHOLD).prop_map(|count| [count, count]),]
    }

    proptest! {
        /// A reader who knows every other count, the method, and any sum of published counts, cannot tell two small counts apart, because
        /// both give the same file.
        #[test]
        fn small_counts_change_nothing_in_the_file(given in proptest::collection::vec((two_counts(), two_counts()), 0..9)) {
            let [one, other] = [0, 1].map(|which| {
                month(&given.iter().map(|(granted, refused)| (granted[which], refused[which])).collect::<Vec<_>>())
            });
            prop_assert_eq!(&one, &other);
            // And every other count is in it.
            let large = given.iter().flat_map(|(granted, refused)| [granted[0], refused[0]]);
            prop_assert_eq!(one.lines().count() - 1, large.filter(|count| *count >= THRESHOLD).count());
        }
    }

    #[test]
    fn file_holds_weeks_of_its_month_and_columns_of_its_schema() {
        let short = Some(JourneyType::Short);
        let weeks = [
            week(1, "2026-W44", &[(short, Outcome::Granted, 100)]),
            week(1, "2026-W45", &[(short, Outcome::Granted, 8), (short, Outcome::Duplicate, 9)]),
            week(
                1,
                "2026-W48",
                &[(short, Outcome::Granted, 8), (short, Outcome::Duplicate, 9), (None, Outcome::Rejected, 3)],
            ),
            week(1, "2026-W49", &[(short, Outcome::Granted, 100)]),
        ];
        let names = BTreeMap::from([(OperatorId::new(1).unwrap(), "=A, \"B\"".to_owned())]);
        let csv = file(Month::parse("2026-11").unwrap(), &weeks, &names).unwrap();
        assert_eq!(
            csv,
            "month,journey_type,outcome,reason,operator_id,operator_name,count,precision\n\
             2026-11,short,granted,,1,\"'=A, \"\"B\"\"\",16,exact\n\
             2026-11,short,refused,duplicate,1,\"'=A, \"\"B\"\"\",18,at_least\n"
        );
        let schema: Value = serde_json::from_str(include_str!("../../../../docs/open-data.schema.json")).unwrap();
        let fields = schema["fields"].as_array().unwrap();
        let named = |name: &str| fields.iter().find(|field| field["name"] == name).unwrap();
        assert_eq!(fields.iter().map(|field| field["name"].as_str().unwrap()).collect::<Vec<_>>(), COLUMNS);
        assert_eq!(named("count")["constraints"]["minimum"], THRESHOLD);
        let words = |name: &str| -> BTreeSet<String> {
            let words = named(name)["constraints"]["enum"].as_array().unwrap();
            words.iter().map(|word| word.as_str().unwrap().to_owned()).collect()
        };
        let all = Outcome::ALL.iter();
        assert_eq!(words("outcome"), all.clone().map(|outcome| outcome.group().to_owned()).collect());
        assert_eq!(words("reason"), all.filter_map(|outcome| outcome.reason().map(str::to_owned)).collect());
    }
}
