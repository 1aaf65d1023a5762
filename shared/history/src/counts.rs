//! The counts of an import's report.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::repair::{Repair, Repairs};

/// The number of rows with each outcome. Serialises as the report shows it.
///
/// `read` is counted where rows are read and the others where their outcome is known, so that [`Counts::adds_up`] is a
/// check and no tautology.
///
/// ```
/// use cee_history::{Counts, Repair};
/// let mut counts = Counts { read: 2, imported: 1, rejected: 1, ..Counts::default() };
/// counts.repaired([Repair::PhoneLostZero].into_iter().collect());
/// assert!(counts.adds_up());
/// assert_eq!(
///     serde_json::to_string(&counts).unwrap(),
///     r#"{"read":2,"imported":1,"already_known":0,"rejected":1,"repairs":{"phone_lost_zero":1}}"#
/// );
/// ```
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(description = "How many rows came to what."))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Rows read, without blank lines.
    pub read: u64,
    /// Rows that added something.
    pub imported: u64,
    /// Rows that this operator had sent before.
    pub already_known: u64,
    /// Rows rejected, all of which are in the rejected file.
    pub rejected: u64,
    /// For a file that was only checked: rows that would be accepted, judging by the file alone. The tables are not read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub accepted: Option<u64>,
    /// For a list of drivers: rows whose driver could get a certificate now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub eligible: Option<u64>,
    /// For a list of drivers: rows whose driver is blocked by a specific application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub history: Option<u64>,
    /// For a list of drivers: rows whose driver is blocked by a registered application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(nullable = false))]
    pub duplicate: Option<u64>,
    /// For each kind of repair, the number of rows that were repaired. Rejected rows are not counted.
    #[serde(default)]
    pub repairs: BTreeMap<Repair, u64>,
}

impl Counts {
    /// The invariant of every report: `read = imported + already_known + rejected`, `read = accepted + rejected` if the file was only
    /// checked, and `read = eligible + history + duplicate + rejected` for a list of drivers.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let certain = [self.imported, self.already_known, self.rejected];
        let others = [self.accepted, self.eligible, self.history, self.duplicate].map(Option::unwrap_or_default);
        certain.into_iter().chain(others).try_fold(0_u64, u64::checked_add) == Some(self.read)
    }

    /// Counts of a list of drivers of which no row has been answered.
    #[must_use]
    pub fn of_drivers() -> Self {
        Self { eligible: Some(0), history: Some(0), duplicate: Some(0), ..Self::default() }
    }

    /// Whether these are counts of a list of drivers that is answered, not only checked.
    #[must_use]
    pub const fn is_of_drivers(&self) -> bool {
        self.eligible.is_some()
    }

    /// Counts the repairs of one accepted row.
    pub fn repaired(&mut self, repairs: Repairs) {
        for repair in repairs.iter() {
            *self.repairs.entry(repair).or_default() += 1;
        }
    }
}

impl AddAssign<&Self> for Counts {
    /// Adds the counts of a further part of the same file.
    fn add_assign(&mut self, part: &Self) {
        self.read += part.read;
        self.imported += part.imported;
        self.already_known += part.already_known;
        self.rejected += part.rejected;
        for (whole, part) in [
            (&mut self.accepted, part.accepted),
            (&mut self.eligible, part.eligible),
            (&mut self.history, part.history),
            (&mut self.duplicate, part.duplicate),
        ] {
            if let Some(part) = part {
                *whole.get_or_insert(0) += part;
            }
        }
        for (repair, rows) in &part.repairs {
            *self.repairs.entry(*repair).or_default() += rows;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_parts_are_summed() {
        let mut whole = Counts { read: 3, imported: 1, already_known: 1, rejected: 1, ..Counts::default() };
        whole.repaired([Repair::NamePadded, Repair::LetterCase].into_iter().collect());
        let part = whole.clone();
        whole += &part;
        let repairs = BTreeMap::from([(Repair::NamePadded, 2), (Repair::LetterCase, 2)]);
        assert_eq!(whole, Counts { read: 6, imported: 2, already_known: 2, rejected: 2, repairs, ..Counts::default() });
        assert!(whole.adds_up());
        whole.read += 1;
        assert!(!whole.adds_up());
        assert!(!Counts { imported: u64::MAX, rejected: 1, ..Counts::default() }.adds_up(), "no overflow");
        let mut checked = Counts { read: 3, rejected: 1, accepted: Some(2), ..Counts::default() };
        assert!(checked.adds_up());
        checked += &checked.clone();
        assert_eq!((checked.read, checked.accepted), (6, Some(4)));
        let mut list = Counts { read: 4, rejected: 1, ..Counts::of_drivers() };
        (list.eligible, list.history, list.duplicate) = (Some(1), Some(1), Some(1));
        assert!(list.adds_up() && list.is_of_drivers() && !checked.is_of_drivers());
        list += &list.clone();
        assert_eq!((list.read, list.eligible, list.history, list.duplicate), (8, Some(2), Some(2), Some(2)));
        assert_eq!(serde_json::from_str::<Counts>(&serde_json::to_string(&list).unwrap()).unwrap(), list);
        let json = serde_json::to_string(&checked).unwrap();
        assert!(
            json.contains(r#""accepted":4"#) && serde_json::from_str::<Counts>(&json).unwrap() == checked,
            "{json}"
        );
        let json = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Counts>(&json).unwrap(), whole, "a checkpoint keeps them");
    }
}
