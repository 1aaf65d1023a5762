//! The repairs made without asking, because only one reading is possible.

use serde::{Deserialize, Serialize};

/// One kind of damage that is repaired. The report counts, for each kind, the repaired rows.
///
/// What the contract accepts anyway (a phone in its national form, a date `DD/MM/YYYY`) is not damage and not listed.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Repair {
    /// Spaces around a value were removed. Not counted for `last_name_trunc`, whose spaces are significant.
    SurroundingSpaces,
    /// `Short` or `LONG` was read as `short` or `long`.
    LetterCase,
    /// `TO` or `TO   ` was read as `TO `, or a no-break space as a space: a spreadsheet had trimmed the name, or a database
    /// had padded it.
    NamePadded,
    /// `6010203` was read as `06010203`: a spreadsheet had taken the phone for a number.
    PhoneLostZero,
    /// `336010203` was read as `+336010203`: a spreadsheet had taken the phone for a number.
    PhoneLostPlus,
    /// `="06010203"` or `'06010203` was read as `06010203`: the value had been protected from a spreadsheet.
    TextGuard,
    /// `15/03/2021 08:30`, without an offset, was read as the time in Paris.
    ParisTime,
    /// `1001` was read as the INSEE code `01001`: a spreadsheet had taken it for a number.
    InseeLostZero,
    /// `03/15/2021` was read as 15 March 2021: the file writes the month first, as a spreadsheet in English does.
    MonthFirst,
    /// A first cell under no column was removed: a program had put the row's name or number there.
    RowName,
    /// Empty cells beyond the header's were removed: each row of the file ended in a separator.
    EmptyCell,
}

impl Repair {
    /// Every kind.
    pub const ALL: [Self; 11] = [
        Self::SurroundingSpaces,
        Self::LetterCase,
        Self::NamePadded,
        Self::PhoneLostZero,
        Self::PhoneLostPlus,
        Self::TextGuard,
        Self::ParisTime,
        Self::InseeLostZero,
        Self::MonthFirst,
        Self::RowName,
        Self::EmptyCell,
    ];

    /// The name of this kind in the report.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SurroundingSpaces => "surrounding_spaces",
            Self::LetterCase => "letter_case",
            Self::NamePadded => "name_padded",
            Self::PhoneLostZero => "phone_lost_zero",
            Self::PhoneLostPlus => "phone_lost_plus",
            Self::TextGuard => "text_guard",
            Self::ParisTime => "paris_time",
            Self::InseeLostZero => "insee_lost_zero",
            Self::MonthFirst => "month_first",
            Self::RowName => "row_name",
            Self::EmptyCell => "empty_cell",
        }
    }
}

/// The kinds of repair done in one row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Repairs(u16);

impl Repairs {
    /// No repair.
    pub const NONE: Self = Self(0);

    /// Adds a kind; once is enough.
    pub const fn insert(&mut self, repair: Repair) {
        self.0 |= 1 << repair as u8;
    }

    /// Whether this kind was done.
    #[must_use]
    pub const fn contains(self, repair: Repair) -> bool {
        self.0 & 1 << repair as u8 != 0
    }

    /// Whether the row needed no repair.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The number of kinds done.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The kinds done.
    pub fn iter(self) -> impl Iterator<Item = Repair> {
        Repair::ALL.into_iter().filter(move |repair| self.contains(*repair))
    }
}

impl FromIterator<Repair> for Repairs {
    fn from_iter<I: IntoIterator<Item = Repair>>(repairs: I) -> Self {
        let mut all = Self::NONE;
        repairs.into_iter().for_each(|repair| all.insert(repair));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repair_names_match_report() {
        for repair in Repair::ALL {
            assert_eq!(serde_json::to_value(repair).unwrap(), repair.as_str());
        }
    }

    #[test]
    fn repairs_hold_each_repair_once() {
        for repair in Repair::ALL {
            let one: Repairs = [repair, repair].into_iter().collect();
            assert_eq!(one.iter().collect::<Vec<_>>(), [repair]);
            assert_eq!((one.len(), one.is_empty(), one.contains(repair)), (1, false, true));
        }
        let all: Repairs = Repair::ALL.into_iter().collect();
        assert_eq!(all.len(), Repair::ALL.len());
        assert!(Repairs::NONE.is_empty());
    }
}
