//! What reading a cell needs besides its text: the moment of the import, the rules, and the order of day and month in this file.

use cee_eligibility::{Instant, Rules};

use crate::day::Midnights;
use crate::repair::Repairs;

/// The context that reading a cell may need besides its text.
#[derive(Debug)]
pub(crate) struct Context {
    /// The moment of the import: no date of a history may lie after it.
    pub(crate) now: Instant,
    /// The rules in force: before which day history is dated, and which journey types are open for import.
    pub(crate) rules: Rules,
    /// The repairs done in this row so far.
    pub(crate) repairs: Repairs,
    /// Cached midnights in Paris.
    pub(crate) midnights: Midnights,
    /// Whether the file writes the month before the day, in dates that do not begin with the year.
    pub(crate) month_first: bool,
}
