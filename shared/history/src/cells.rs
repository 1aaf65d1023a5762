//! The cells of one row.

use crate::context::Context;
use crate::dialect::Header;
use crate::fault::Fault;
use crate::repair::Repairs;
use crate::split::{Shape, Span};

/// The cells of one row, under the columns of its file.
#[derive(Debug)]
pub struct Cells<'a> {
    line: Redacted<'a>,
    spans: &'a [Span],
    header: &'a Header,
    context: &'a mut Context,
    faults: Vec<(usize, Fault)>,
}

/// A line. It holds personal data, so its `Debug` shows nothing.
struct Redacted<'a>(&'a str);

impl std::fmt::Debug for Redacted<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl<'a> Cells<'a> {
    pub(crate) fn new(line: &'a str, spans: &'a [Span], header: &'a Header, context: &'a mut Context) -> Self {
        context.repairs = Repairs::NONE;
        Self { line: Redacted(line), spans, header, context, faults: Vec::new() }
    }

    /// Reads the cell of a column (its number in `Row::COLUMNS`); `None` notes the fault. A column that the file does
    /// not have is read as an empty cell.
    // Always: a cell's value is then copied once, to its destination.
    #[inline(always)]
    pub(crate) fn read<T>(
        &mut self,
        column: usize,
        parse: impl FnOnce(&str, &mut Context) -> Result<T, Fault>,
    ) -> Option<T> {
        let outcome = match self.spans.get(self.header.position(column)) {
            Some(span) if span.shape != Shape::Escaped => parse(span.content(self.line.0), self.context),
            Some(span) => parse(&span.text(self.line.0), self.context),
            None => parse("", self.context),
        };
        match outcome {
            Ok(value) => Some(value),
            Err(fault) => {
                self.fault(column, fault);
                None
            }
        }
    }

    /// Notes a fault that only several cells together show.
    pub(crate) fn fault(&mut self, column: usize, fault: Fault) {
        self.faults.push((column, fault));
    }

    /// The faults found, by column number.
    pub(crate) fn into_faults(self) -> Vec<(usize, Fault)> {
        self.faults
    }
}
