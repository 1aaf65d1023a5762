//! The counts of an operator's week: one item, with one attribute per count.
//!
//! ```text
//! pk                       {operator}#{week}: 12#2026-W48
//! {journey type}#{outcome} short#granted, long#duplicate; -#imported where nothing tells the journey type
//! counted_at               when the outcomes that the tables show were written last
//! ```
//!
//! One more item, with the key `recount`, has the `counted_at` of the last complete recount.
//!
//! The word of an outcome says where its count comes from ([`Outcome::source`]): a recount of the tables replaces the counts of what the
//! tables show, and the calls add to the others. So the attributes of an item are bounded, whatever an operator sends: its outcomes times
//! three.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{Criterion, JourneyType, OperatorId, Week, words};

use crate::dynamo::error::StoreError;
use crate::dynamo::item::{Item, PK, text};

/// The attribute that says when the tables were counted.
pub(crate) const COUNTED_AT: &str = "counted_at";

/// The key of the item of the last complete recount.
pub(crate) const RECOUNT: &str = "recount";

/// Stands for the journey type of an outcome without one.
const NO_TYPE: &str = "-";

words! {
    /// An outcome that is counted. Those from [`Self::Repeated`] on are counted when they happen; the tables show the others.
    pub enum Outcome {
        /// A registered application, also if it was deleted or erased later; in the week of its registration.
        Granted = "granted",
        /// A deleted application; in the week of its deletion.
        Deleted = "deleted",
        /// A row of history that added something; in the week in which its import began, as the following ones.
        Imported = "imported",
        /// A row of history that its operator had sent before.
        AlreadyKnown = "already_known",
        /// A row of history that was rejected.
        Rejected = "rejected",
        /// A specific application that went with an import that was undone.
        TakenBack = "taken_back",
        /// A registration that got the stored response of an earlier one, by its `Idempotency-Key`.
        Repeated = "repeated",
        /// Refused: a specific application blocks it.
        History = "history",
        /// Refused: a standardized application blocks it.
        Duplicate = "duplicate",
        /// Refused: another application uses the journey.
        JourneyUsed = "journey_used",
        /// Refused: too early.
        TooEarly = "too_early",
        /// Refused: the registry has no such journey.
        UnknownJourney = "unknown_journey",
        /// Refused: of the criteria, the journey fails the class of proof alone.
        OperatorClass = "operator_class",
        /// Refused: of the criteria, the journey fails the distance alone.
        Distance = "distance",
        /// Refused: of the criteria, the journey fails that it touches France alone.
        France = "france",
        /// Refused: of the criteria, the journey fails the period alone.
        Period = "period",
        /// Refused: the journey fails several criteria.
        SeveralCriteria = "several_criteria",
        /// Refused: the body or a header is invalid.
        Invalid = "invalid",
        /// Refused: the call is switched off.
        CallClosed = "call_closed",
        /// Refused: the `Idempotency-Key` has a record of another body, or of an application that was deleted.
        IdempotencyKey = "idempotency_key",
        /// Refused: the registry accepts no more applications of this driver.
        DriverRecordFull = "driver_record_full",
        /// Refused: the operator's calls were used up in the middle of a batch.
        TooManyCalls = "too_many_calls",
        /// Refused: other calls kept the tables busy.
        Busy = "busy",
        /// An internal error.
        Failed = "failed",
        /// Refused for another reason.
        Other = "other",
    }
}

/// The source of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A recount of the tables: exact.
    Tables,
    /// The calls, as they are answered: never more than there were.
    Calls,
}

impl Outcome {
    /// Where its count comes from.
    #[must_use]
    pub const fn source(self) -> Source {
        match self {
            Self::Granted | Self::Deleted | Self::Imported | Self::AlreadyKnown | Self::Rejected | Self::TakenBack => {
                Source::Tables
            }
            _ => Source::Calls,
        }
    }

    /// The refusal of a journey that fails these criteria.
    #[must_use]
    pub const fn of_criteria(failed: &[Criterion]) -> Self {
        match failed {
            [Criterion::OperatorClass] => Self::OperatorClass,
            [Criterion::Distance] => Self::Distance,
            [Criterion::France] => Self::France,
            [Criterion::Period] => Self::Period,
            _ => Self::SeveralCriteria,
        }
    }

    /// `refused` for every refusal, and otherwise its own word.
    #[must_use]
    pub const fn group(self) -> &'static str {
        match self.reason() {
            Some(_) => "refused",
            None => self.as_str(),
        }
    }

    /// Why it was refused, if it was.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match (self.source(), self) {
            (Source::Tables, _) | (_, Self::Repeated) => None,
            _ => Some(self.as_str()),
        }
    }
}

/// The journey type and the outcome of a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// The journey type. `None` for rows of history, whose reports do not tell it, and for a call refused before it was read.
    pub journey_type: Option<JourneyType>,
    /// What happened.
    pub outcome: Outcome,
}

impl Cell {
    pub(crate) fn attribute(self) -> String {
        format!("{}#{}", self.journey_type.map_or(NO_TYPE, JourneyType::as_str), self.outcome.as_str())
    }

    fn of_attribute(name: &str) -> Option<Self> {
        let (journey_type, outcome) = name.split_once('#')?;
        let journey_type = match journey_type {
            NO_TYPE => None,
            word => Some(JourneyType::parse(word).ok()?),
        };
        Some(Self { journey_type, outcome: Outcome::parse(outcome)? })
    }
}

/// Counts of a week.
pub type Counts = BTreeMap<Cell, u64>;

/// An operator's week.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeekCounts {
    /// The operator.
    pub operator: OperatorId,
    /// The week.
    pub week: Week,
    /// The counts above 0.
    pub counts: Counts,
}

/// The partition key of an operator's week.
pub(crate) fn week_key(operator: OperatorId, week: Week) -> String {
    format!("{operator}#{week}")
}

impl WeekCounts {
    /// Reads an item. Skips a count that this release does not know.
    pub(crate) fn from_item(item: &Item) -> Result<Self, StoreError> {
        let corrupt = |what| StoreError::Corrupt { table: "statistics", what };
        let (operator, week) = text(item, PK).and_then(|pk| pk.split_once('#')).ok_or(corrupt("pk"))?;
        let operator = OperatorId::parse(operator).map_err(|_| corrupt("an operator"))?;
        let week = Week::parse(week).ok_or(corrupt("a week"))?;
        let mut counts = Counts::new();
        for (name, value) in item {
            if let Some(cell) = Cell::of_attribute(name) {
                let count = value.as_n().ok().and_then(|digits| digits.parse().ok()).ok_or(corrupt("a count"))?;
                if count > 0 {
                    counts.insert(cell, count);
                }
            }
        }
        Ok(Self { operator, week, counts })
    }
}

/// A count as an attribute value.
pub(crate) fn count(number: u64) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_is_read_as_written() {
        for outcome in Outcome::ALL {
            for journey_type in [None, Some(JourneyType::Short), Some(JourneyType::Long)] {
                let cell = Cell { journey_type, outcome: *outcome };
                assert_eq!(Cell::of_attribute(&cell.attribute()), Some(cell));
            }
        }
        for other in [PK, COUNTED_AT, RECOUNT, "#granted", "short#", "short#lost", "middle#granted"] {
            assert_eq!(Cell::of_attribute(other), None, "{other}");
        }
    }

    #[test]
    fn refusal_has_reason_and_nothing_else_has() {
        let with_reason = Outcome::ALL.iter().filter(|outcome| outcome.reason().is_some());
        assert!(with_reason.clone().all(|outcome| outcome.group() == "refused" && outcome.source() == Source::Calls));
        assert_eq!(with_reason.count(), Outcome::ALL.len() - 7);
        for criterion in Criterion::ALL {
            assert_eq!(Outcome::of_criteria(&[criterion]).as_str(), criterion.as_str());
        }
        assert_eq!(Outcome::of_criteria(&Criterion::ALL), Outcome::SeveralCriteria);
    }
}
