//! The columns of a file.

/// A column that a kind of file has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    name: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Required,
    Optional,
    /// Added by the registry to a file that it returns, and skipped if the file comes back.
    Answer,
}

impl Field {
    /// A column that every file must have.
    #[must_use]
    pub const fn required(name: &'static str) -> Self {
        Self { name, kind: Kind::Required }
    }

    /// A column that a file may have.
    #[must_use]
    pub const fn optional(name: &'static str) -> Self {
        Self { name, kind: Kind::Optional }
    }

    /// A column that the registry adds to the file with its answers. In a file that is sent it is skipped.
    #[must_use]
    pub const fn answer(name: &'static str) -> Self {
        Self { name, kind: Kind::Answer }
    }

    /// The column's name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Whether every file must have it.
    #[must_use]
    pub const fn is_required(&self) -> bool {
        matches!(self.kind, Kind::Required)
    }

    /// Whether the registry adds it.
    pub(crate) const fn is_answer(&self) -> bool {
        matches!(self.kind, Kind::Answer)
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}
