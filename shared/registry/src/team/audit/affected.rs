//! Applications, claim items and changes to check.

use std::collections::BTreeSet;

use cee_eligibility::OperatorId;
use serde::{Deserialize, Serialize};

/// Applications, claim items and changes in feeds that a write may have damaged, or in which an audit found damage. Holds no personal data:
/// the keys of claim items are hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affected {
    /// The UUIDs of applications.
    pub(super) applications: BTreeSet<String>,
    /// The keys of claim items.
    pub(super) claims: BTreeSet<String>,
    /// The keys of changes: the operator's number, and the number of the change. An earlier release stored none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) changes: BTreeSet<(u32, u64)>,
}

impl Affected {
    /// The number of applications, claim items and changes.
    #[must_use]
    pub fn items(&self) -> usize {
        self.applications.len() + self.claims.len() + self.changes.len()
    }

    /// The keys of the changes.
    pub(super) fn changes(&self) -> impl Iterator<Item = (OperatorId, u64)> {
        self.changes.iter().filter_map(|(operator, number)| Some((OperatorId::new(*operator).ok()?, *number)))
    }

    /// Adds a change and those before and after it: if it was removed, only they show that it is missing.
    pub(super) fn add_change(&mut self, operator: OperatorId, number: u64) {
        let around = [number.saturating_sub(1), number, number.saturating_add(1)];
        self.changes.extend(around.into_iter().filter(|number| *number > 0).map(|number| (operator.get(), number)));
    }

    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items() == 0
    }

    /// Adds those of the other.
    pub fn extend(&mut self, other: Self) {
        self.applications.extend(other.applications);
        self.claims.extend(other.claims);
        self.changes.extend(other.changes);
    }
}
