//! Why a cell is refused.

use cee_eligibility::FieldError;

/// Why a cell is refused. [`crate::catalogue`] has the sentences, in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// A rule of the field.
    Field(FieldError),
    /// The cell is empty, but every row needs a value.
    Empty,
    /// The name is empty, but every row needs one.
    NameEmpty,
    /// A quote that is not closed.
    Unclosed,
    /// More after the closing quote.
    Stray,

    /// A character outside `A` to `Z`.
    NameAccent,
    NameLowerCase,
    NameHyphen,
    NameTooLong,
    /// A space in front.
    NameTrimmed,

    /// Not a date at all.
    Date,
    NoSuchDay,
    ShortYear,
    InWords,
    /// `44270`, as Excel counts days.
    DaySerial,
    /// `####`.
    Hashes,
    ClockTwice,
    ClockNever,
}

impl From<FieldError> for Fault {
    fn from(fault: FieldError) -> Self {
        Self::Field(fault)
    }
}
