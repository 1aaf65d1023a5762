//! A kind of file: its columns, and how a row of it is read.

use crate::cells::Cells;
use crate::column::Field;

/// A kind of row, and with it a kind of file: [`HistoryRow`](crate::HistoryRow) or [`Journey`](cee_eligibility::Journey).
pub trait Row: Sized {
    /// The columns of the file.
    const FIELDS: &'static [Field];

    /// The column with dates written by people, if there is one: the survey determines their order.
    const DATE: Option<usize> = None;

    /// A column with a few fixed words: the survey uses it to recognise rows whose cells stand one place further than the header
    /// says.
    const WORD: Option<WordColumn> = None;

    /// Reads one row. `None`, or a fault noted in `cells`, rejects it.
    fn read(cells: &mut Cells<'_>) -> Option<Self>;
}

/// A column with a few fixed words: its number, and whether a cell holds one of them.
pub type WordColumn = (usize, fn(&str) -> bool);
