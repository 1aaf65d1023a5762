//! The characters that programs and people put around a value, and the value without them.

use crate::fault::Fault;
use crate::repair::{Repair, Repairs};

/// Leaves out spaces, tabs and no-break spaces around a value, and notes it.
pub(crate) fn trim<'a>(text: &'a str, repairs: &mut Repairs) -> &'a str {
    let trimmed = text.trim_matches([' ', '\t', '\u{a0}', '\u{202f}']);
    if trimmed.len() != text.len() && !trimmed.is_empty() {
        repairs.insert(Repair::SurroundingSpaces);
    }
    trimmed
}

/// Strips `="…"`, which some exports put around a value so that spreadsheets leave it alone, and notes it.
pub(crate) fn unguard<'a>(text: &'a str, repairs: &mut Repairs) -> &'a str {
    match text.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')) {
        Some(value) if !value.is_empty() => {
            repairs.insert(Repair::TextGuard);
            value
        }
        _ => text,
    }
}

/// Also strips a leading apostrophe, with which people mark text in spreadsheets. Not for names, where an apostrophe may belong to
/// the name.
pub(crate) fn unguard_any<'a>(text: &'a str, repairs: &mut Repairs) -> &'a str {
    match text.strip_prefix('\'') {
        Some(value) => {
            repairs.insert(Repair::TextGuard);
            value
        }
        None => unguard(text, repairs),
    }
}

/// Strips both kinds of guard and the spaces around them from a value that must not be empty.
#[inline]
pub(crate) fn bare<'a>(text: &'a str, repairs: &mut Repairs) -> Result<&'a str, Fault> {
    // Nearly every cell: nothing to strip at either end.
    if let (Some(b'+' | b'0'..=b'9' | b'A'..=b'z'), Some(b'!'..=b'~')) =
        (text.as_bytes().first(), text.as_bytes().last())
    {
        return Ok(text);
    }
    stripped(text, repairs)
}

#[cold]
fn stripped<'a>(text: &'a str, repairs: &mut Repairs) -> Result<&'a str, Fault> {
    let text = trim(text, repairs);
    let text = unguard_any(text, repairs);
    let text = trim(text, repairs);
    if text.is_empty() { Err(Fault::Empty) } else { Ok(text) }
}
