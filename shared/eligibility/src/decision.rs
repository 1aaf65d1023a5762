//! Whether an earlier application blocks a new one, and which of several a refusal names: the latest by date; of equal dates `duplicate`
//! before `history`, and the caller's own before another operator's. Source: the contract, "409".

use crate::fields::{ApplicationId, OperatorId};
use crate::rules::Cutoffs;
use crate::time::Instant;

/// Why an earlier application blocks a new one. Ordered: of equal dates the greater reason is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// A *specific* application, imported from before the scheme.
    History,
    /// A *standardized* application, registered through this API.
    Duplicate,
}

impl Reason {
    /// The word the contract uses: `history` or `duplicate`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::History => "history",
            Self::Duplicate => "duplicate",
        }
    }
}

/// An earlier application of the same person and journey type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EarlierApplication {
    /// Imported history.
    Specific {
        /// The day of commitment.
        datetime: Instant,
        /// The operator that imported it.
        operator: OperatorId,
    },
    /// Registered through this API.
    Standardized {
        /// The journey's end (short) or the day the costs were shared (long).
        datetime: Instant,
        /// The operator that registered it.
        operator: OperatorId,
        /// The application's UUID.
        uuid: ApplicationId,
    },
}

impl EarlierApplication {
    /// The application's date.
    #[must_use]
    pub const fn datetime(&self) -> Instant {
        match self {
            Self::Specific { datetime, .. } | Self::Standardized { datetime, .. } => *datetime,
        }
    }

    /// The application's operator.
    #[must_use]
    pub const fn operator(&self) -> OperatorId {
        match self {
            Self::Specific { operator, .. } | Self::Standardized { operator, .. } => *operator,
        }
    }

    /// The reason if this application blocks.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Specific { .. } => Reason::History,
            Self::Standardized { .. } => Reason::Duplicate,
        }
    }

    /// Whether it blocks: its date is at or after the cut-off of its kind. An application dated after the new one blocks too.
    /// Source: the rules table of the contract, "blocked when `earlier.datetime >= new.datetime − N years`".
    #[must_use]
    pub fn blocks(&self, cutoffs: &Cutoffs) -> bool {
        let cutoff = match self {
            Self::Specific { .. } => cutoffs.specific,
            Self::Standardized { .. } => cutoffs.standardized,
        };
        self.datetime() >= cutoff
    }
}

/// The application named in a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// The application's date.
    pub datetime: Instant,
    /// Why it blocks.
    pub reason: Reason,
    /// The operator of the application. Shown to no other operator.
    pub operator: OperatorId,
    /// The UUID of a standardized application. Shown to its own operator only.
    pub uuid: Option<ApplicationId>,
}

/// The application that a refusal names, of all earlier applications of the same person: the latest by date that blocks; at equal
/// dates `duplicate` before `history`, then the caller's own before another's. Source: the contract, "409".
#[must_use]
pub fn latest_blocker(
    earlier: impl IntoIterator<Item = EarlierApplication>,
    cutoffs: &Cutoffs,
    caller: OperatorId,
) -> Option<Blocker> {
    earlier
        .into_iter()
        .filter(|application| application.blocks(cutoffs))
        .map(|application| Blocker {
            datetime: application.datetime(),
            reason: application.reason(),
            operator: application.operator(),
            uuid: match application {
                EarlierApplication::Standardized { uuid, .. } => Some(uuid),
                EarlierApplication::Specific { .. } => None,
            },
        })
        // The UUID comes last, so that the order in which the applications were read does not change the result.
        .max_by_key(|b| (b.datetime, b.reason, b.operator == caller, b.uuid, b.operator))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant::parse(text).unwrap()
    }

    fn cutoffs() -> Cutoffs {
        Cutoffs { standardized: at("2019-06-01T00:00:00Z"), specific: at("2021-06-01T00:00:00Z") }
    }

    fn operator(number: u32) -> OperatorId {
        OperatorId::new(number).unwrap()
    }

    fn specific(datetime: &str, by: u32) -> EarlierApplication {
        EarlierApplication::Specific { datetime: at(datetime), operator: operator(by) }
    }

    fn standardized(datetime: &str, by: u32, name: u128) -> EarlierApplication {
        let uuid = ApplicationId::new(uuid::Uuid::from_u128(name));
        EarlierApplication::Standardized { datetime: at(datetime), operator: operator(by), uuid }
    }

    #[test]
    fn application_at_cutoff_blocks_and_earlier_does_not() {
        assert!(standardized("2019-06-01T00:00:00Z", 1, 1).blocks(&cutoffs()));
        assert!(!standardized("2019-05-31T23:59:59.999Z", 1, 1).blocks(&cutoffs()));
        assert!(specific("2021-06-01T00:00:00Z", 1).blocks(&cutoffs()));
        assert!(!specific("2021-05-31T23:59:59.999Z", 1).blocks(&cutoffs()));
    }

    #[test]
    fn reasons_have_the_words_of_the_contract() {
        assert_eq!([Reason::History, Reason::Duplicate].map(Reason::as_str), ["history", "duplicate"]);
    }

    #[test]
    fn latest_blocking_application_is_named() {
        let named = |earlier: Vec<EarlierApplication>| {
            latest_blocker(earlier, &cutoffs(), operator(2))
                .map(|b| (b.datetime.to_string(), b.reason, b.operator.get()))
        };
        assert_eq!(named(vec![]), None);
        assert_eq!(named(vec![specific("2020-01-01T00:00:00Z", 1)]), None);
        let day = "2024-01-01T00:00:00.000Z".to_owned();
        let other = "2023-01-01T00:00:00Z";
        assert_eq!(
            named(vec![specific(&day, 1), standardized(other, 2, 1)]),
            Some((day.clone(), Reason::History, 1)),
            "the later date, whatever its kind"
        );
        assert_eq!(
            named(vec![standardized(&day, 1, 1), specific(&day, 2)]),
            Some((day.clone(), Reason::Duplicate, 1)),
            "at equal dates duplicate before history, even one's own"
        );
        assert_eq!(
            named(vec![standardized(&day, 3, 9), standardized(&day, 2, 1), standardized(&day, 1, 5)]),
            Some((day, Reason::Duplicate, 2)),
            "at equal dates and reasons one's own"
        );
    }
}
