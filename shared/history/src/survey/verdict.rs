//! What a survey decides about a file, and what the sender confirms.

use serde::{Deserialize, Serialize};

use crate::name;
use crate::text::Encoding;

/// Whether the sender confirms that the dates of a file are right, however they look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dates {
    /// Not confirmed.
    #[default]
    Unconfirmed,
    /// Confirmed.
    Confirmed,
}

impl Dates {
    /// The confirmation in the name of a file: `dates-confirmed` or `dates_confirmed` somewhere in it, in any case.
    ///
    /// ```
    /// use cee_history::Dates;
    /// assert_eq!(Dates::of_name("history 2021 dates-confirmed.csv"), Dates::Confirmed);
    /// assert_eq!(Dates::of_name("imports/dates-confirmed/history.csv"), Dates::Unconfirmed, "a folder is not the file");
    /// ```
    #[must_use]
    pub fn of_name(path: &str) -> Self {
        Self::confirmed_if(name::says(path, "dates-confirmed"))
    }

    /// Confirmed if `true`.
    #[must_use]
    pub const fn confirmed_if(confirmed: bool) -> Self {
        if confirmed { Self::Confirmed } else { Self::Unconfirmed }
    }

    /// Confirmed if one of the two is.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self::confirmed_if(self == Self::Confirmed || other == Self::Confirmed)
    }
}

/// How a file writes its dates.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DateOrder {
    /// All dates have the year first, or there are no dates.
    YearFirst,
    /// Day, month, year.
    DayFirst,
    /// Month, day, year.
    MonthFirst,
    /// Day and month before the year, and no date shows which is which. Read with the day first.
    Undecided,
}

/// What a survey found, as the report shows it.
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "openapi",
    schema(description = "What the file as a whole says, read before its first row was taken.")
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surveyed {
    /// The number of rows in the file.
    pub rows: u64,
    /// The encoding of the file.
    pub encoding: Encoding,
    /// The order of the dates in the file: `year_first`, `day_first`, `month_first`, or `undecided`, which is read with the day first.
    pub date_order: DateOrder,
}

/// The verdict of a survey. Only a survey makes one, or a checkpoint keeps one.
///
/// ```compile_fail
/// let verdict = cee_history::Verdict { header_line: 1 };
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The header, completed by columns without a name if the rows have them.
    pub(crate) header: String,
    /// The line of the header.
    pub(crate) header_line: u64,
    /// Whether each row has empty cells beyond those of the header as it came.
    pub(crate) empty_cells: bool,
    /// Whether the file has columns of a rejected file.
    #[serde(default)]
    pub(super) of_rejected_rows: bool,
    pub(super) surveyed: Surveyed,
}

impl Verdict {
    /// Whether the file looks like the rejected rows of an import: it has one of their columns.
    #[must_use]
    pub const fn is_of_rejected_rows(&self) -> bool {
        self.of_rejected_rows
    }

    /// The survey's result for the report.
    #[must_use]
    pub const fn surveyed(&self) -> Surveyed {
        self.surveyed
    }

    /// Whether dates without the year in front have the month first.
    pub(crate) fn is_month_first(&self) -> bool {
        self.surveyed.date_order == DateOrder::MonthFirst
    }
}
