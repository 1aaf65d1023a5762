//! What a client prefers: the headers `Accept` and `Accept-Language` (RFC 9110).

use http::{HeaderMap, HeaderName};

/// The ranges that a header names, such as `text/csv` or `fr-FR`, each with its quality in thousandths. A range with a malformed parameter
/// is left out.
pub fn ranges<'a>(headers: &'a HeaderMap, header: &HeaderName) -> impl Iterator<Item = (&'a str, u16)> {
    let lines = headers.get_all(header).into_iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(range)
}

/// A range and its quality in thousandths; `None` if the quality is not one.
fn range(text: &str) -> Option<(&str, u16)> {
    let mut parts = text.split(';').map(str::trim);
    let range = parts.next()?;
    let mut quality = 1.0_f32;
    // RFC 9110 allows empty ones: `text/csv;`.
    for parameter in parts.filter(|parameter| !parameter.is_empty()) {
        let (name, value) = parameter.split_once('=')?;
        if name.trim().eq_ignore_ascii_case("q") {
            quality = value.trim().parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
        }
    }
    Some((range, (quality * 1000.0) as u16))
}
