//! Cells of CSV that people open in a spreadsheet.

use std::borrow::Cow;

/// A cell that no spreadsheet takes for a formula: with an apostrophe before it if it begins like one. Not for a file that a program reads:
/// there the apostrophe would belong to the value.
///
/// ```
/// use cee_service::spreadsheet::unlike_a_formula;
/// assert_eq!(unlike_a_formula("=HYPERLINK(\"https://example.org\")"), "'=HYPERLINK(\"https://example.org\")");
/// assert_eq!(unlike_a_formula("-trip-1"), "'-trip-1");
/// assert_eq!(unlike_a_formula("trip-1"), "trip-1");
/// ```
#[must_use]
pub fn unlike_a_formula(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}").into() } else { cell.into() }
}
