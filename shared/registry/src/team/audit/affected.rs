//! Applications and claim items to check.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// Applications and claim items that a change may have damaged, or in which an audit found damage. Holds no personal data: the keys of
/// claim items are hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Affected {
    /// The UUIDs of applications.
    pub(super) applications: BTreeSet<String>,
    /// The keys of claim items.
    pub(super) claims: BTreeSet<String>,
}

impl Affected {
    /// The number of applications and claim items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.applications.len() + self.claims.len()
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
    }
}
