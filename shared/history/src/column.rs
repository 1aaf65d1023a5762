//! The columns of a file.

/// A column that a kind of file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    name: &'static str,
    required: bool,
}

impl Field {
    /// A column that every file must have.
    #[must_use]
    pub const fn required(name: &'static str) -> Self {
        Self { name, required: true }
    }

    /// A column that a file may have.
    #[must_use]
    pub const fn optional(name: &'static str) -> Self {
        Self { name, required: false }
    }

    /// The column's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether every file must have it.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        self.required
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}
