//! Charts as SVG. Positions across are percentages and heights are pixels, so a text has the same size on a phone and on a wide screen.
//! Nothing depends on colour: the two parts of a column differ by their pattern too, and every bar has its label and its number as text.

use maud::{Markup, html};

use crate::view::View;
use crate::words::number;

/// The position of the first column: before it are the numbers of the scale.
const LEFT: u64 = 15;

/// The height of the columns' area, and of the highest column.
const AREA: u64 = 180;
const HIGHEST: u64 = 170;

/// The most labels below the columns of which none meets the next one on a screen of 390 pixels.
const MOST_LABELS: usize = 7;

/// The height of a bar with its label.
const BAR: u64 = 38;

/// The title and the description of a chart, for a screen reader.
pub(crate) struct About<'a> {
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    pub(crate) description: &'a str,
}

/// A column of two parts, one above the other.
pub(crate) struct Column {
    /// Two lines below it. The second is shown with the first label, and where it changes.
    pub(crate) label: [String; 2],
    /// The text that a browser shows under the mouse.
    pub(crate) hint: String,
    /// The lower part, and the upper one.
    pub(crate) parts: [u64; 2],
}

/// A part of a whole, in per cent with two decimals.
fn percent(part: u64, whole: u64) -> String {
    let hundredths = part.saturating_mul(10_000) / whole.max(1);
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// The end of the scale: the next 1, 2 or 5 with zeros.
fn end_of_scale(most: u64) -> u64 {
    let mut unit: u64 = 1;
    loop {
        if let Some(end) = [1, 2, 5].map(|step| unit.saturating_mul(step)).into_iter().find(|end| *end >= most) {
            return end;
        }
        unit = unit.saturating_mul(10);
    }
}

/// The height of a part of a column: at least a line if there is anything.
fn height(count: u64, end: u64) -> u64 {
    let height = u128::from(count) * u128::from(HIGHEST) / u128::from(end.max(1));
    u64::try_from(height).unwrap_or(HIGHEST).max(if count > 0 { 2 } else { 0 })
}

/// The pattern of the upper parts, which the page holds once.
fn hatch() -> Markup {
    html! {
        defs {
            pattern #hatch width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                rect.ground width="5" height="5" {}
                rect.upper width="2" height="5" {}
            }
        }
    }
}

/// The key of a chart of columns: what its two parts are.
pub(crate) fn key(names: [&str; 2]) -> Markup {
    let [lower, upper] = names;
    html! {
        ul.keys {
            li { svg.sample aria-hidden="true" focusable="false" { rect.lower width="100%" height="100%" {} } (lower) }
            li { svg.sample aria-hidden="true" focusable="false" { rect.hatched width="100%" height="100%" fill="url(#hatch)" {} } (upper) }
        }
    }
}

/// A column for each week. `columns` is not empty.
pub(crate) fn columns(view: &View, about: &About<'_>, columns: &[Column]) -> Markup {
    let most = columns.iter().map(|column| column.parts.iter().sum::<u64>()).max().unwrap_or(0);
    let end = end_of_scale(most);
    let marks: Vec<u64> = if end.is_multiple_of(2) { vec![0, end / 2, end] } else { vec![0, end] };
    let whole = columns.len() as u64;
    let step = columns.len().div_ceil(MOST_LABELS);
    let (title, desc) = (format!("{}-title", about.id), format!("{}-desc", about.id));
    let mut shown_line = "";
    let labels: Vec<_> = columns
        .iter()
        .zip(0_u64..)
        .step_by(step)
        .map(|(column, place)| {
            let [first, second] = &column.label;
            let is_new = shown_line != second;
            shown_line = second;
            // The middle of its column, of twice as many halves.
            (percent(2 * place + 1, 2 * whole), first, is_new.then_some(second))
        })
        .collect();
    let place = |left: u64| format!("{left}%");
    html! {
        svg.chart role="img" width="100%" height="225" aria-labelledby={ (title) " " (desc) } {
            title id=(title) { (about.title) }
            desc id=(desc) { (about.description) }
            (hatch())
            @for mark in &marks {
                @let y = 10 + AREA - height(*mark, end);
                line.scale x1=(place(LEFT)) x2="100%" y1=(y) y2=(y) {}
                text x=(place(LEFT - 1)) y=(y + 4) text-anchor="end" { (number(*mark, view.language)) }
            }
            svg x=(place(LEFT)) y="10" width=(place(100 - LEFT)) height=(AREA) {
                @for (column, place) in columns.iter().zip(0_u64..) {
                    @let [lower, upper] = column.parts.map(|count| height(count, end));
                    @if lower + upper > 0 {
                        // Four fifths of its place.
                        @let (x, width) = (percent(10 * place + 1, 10 * whole), percent(8, 10 * whole));
                        g {
                            title { (column.hint) }
                            @if lower > 0 { rect.lower x=(x) y=(AREA - lower) width=(width) height=(lower) {} }
                            @if upper > 0 {
                                rect.hatched x=(x) y=(AREA.saturating_sub(lower + upper)) width=(width) height=(upper) fill="url(#hatch)" {}
                            }
                        }
                    }
                }
            }
            svg.labels x=(place(LEFT)) y="190" width=(place(100 - LEFT)) height="35" {
                @for (x, first, second) in &labels {
                    text x=(x) y="14" text-anchor="middle" { (first) }
                    @if let Some(second) = second { text x=(x) y="30" text-anchor="middle" { (second) } }
                }
            }
        }
    }
}

/// A bar for each row, with its label and number above it.
pub(crate) fn bars(view: &View, about: &About<'_>, rows: &[(&str, u64)]) -> Markup {
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0);
    let (title, desc) = (format!("{}-title", about.id), format!("{}-desc", about.id));
    html! {
        svg.chart role="img" width="100%" height=(BAR * rows.len() as u64) aria-labelledby={ (title) " " (desc) } {
            title id=(title) { (about.title) }
            desc id=(desc) { (about.description) }
            @for ((label, count), place) in rows.iter().zip(0_u64..) {
                @let top = BAR * place;
                text x="0" y=(top + 15) { (label) }
                text x="100%" y=(top + 15) text-anchor="end" { (number(*count, view.language)) }
                line.scale x1="0" x2="100%" y1=(top + 32) y2=(top + 32) {}
                // One of a million is still a line.
                @let shown = if *count > 0 { (*count).max(most / 300) } else { 0 };
                @if shown > 0 { rect.lower x="0" y=(top + 22) width=(percent(shown, most)) height="10" {} }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cee_eligibility::Language;

    fn view() -> View {
        View {
            language: Language::English,
            is_chosen_now: false,
            other_language: String::new(),
            signed_in: None,
            bucket: None,
        }
    }

    fn column(week: usize, parts: [u64; 2]) -> Column {
        Column { label: [format!("W{week}"), "2024".to_owned()], hint: format!("week {week}"), parts }
    }

    const ABOUT: About<'_> = About { id: "one", title: "About <b>", description: "All of it" };

    #[test]
    fn scale_ends_at_a_round_number() {
        let ends = [(0, 1), (1, 1), (2, 2), (3, 5), (6, 10), (10, 10), (11, 20), (21, 50), (499, 500), (501, 1000)];
        for (most, end) in ends {
            assert_eq!(end_of_scale(most), end, "{most}");
        }
        assert_eq!(end_of_scale(u64::MAX), u64::MAX);
    }

    #[test]
    fn columns_are_as_high_as_their_numbers() {
        let weeks = [column(1, [5, 0]), column(2, [0, 0]), column(3, [5, 5]), column(4, [1_000_000, 0])];
        let chart = columns(&view(), &ABOUT, &weeks[..3]).into_string();
        assert_eq!(chart.matches("<g>").count(), 2, "{chart}");
        let rect = "<rect class=\"lower\" x=\"3.33%\" y=\"95\" width=\"26.66%\" height=\"85\">";
        assert!(chart.contains(rect), "{chart}");
        let upper =
            "<rect class=\"hatched\" x=\"70.00%\" y=\"10\" width=\"26.66%\" height=\"85\" fill=\"url(#hatch)\">";
        assert!(chart.contains(upper), "{chart}");
        for mark in ["0", "5", "10"] {
            assert!(chart.contains(&format!("text-anchor=\"end\">{mark}</text>")), "{chart}");
        }
        assert!(chart.contains("<title>week 3</title>") && chart.contains("About &lt;b&gt;</title>"), "{chart}");
        // One of a million is still a line, and no column is higher than the area.
        let chart = columns(&view(), &ABOUT, &weeks).into_string();
        assert!(chart.contains("height=\"2\"") && chart.contains("height=\"170\""), "{chart}");
    }

    #[test]
    fn labels_are_few_enough_for_a_phone() {
        for (weeks, labels) in [(1, 1), (7, 7), (13, 7), (26, 7), (52, 7)] {
            let weeks: Vec<Column> = (1..=weeks).map(|week| column(week, [1, 1])).collect();
            let chart = columns(&view(), &ABOUT, &weeks).into_string();
            assert_eq!(chart.matches(">W").count(), labels);
            assert_eq!(chart.matches(">2024<").count(), 1, "the year once, until it changes");
        }
    }

    #[test]
    fn bars_are_as_long_as_their_numbers() {
        let chart = bars(&view(), &ABOUT, &[("most", 1_000), ("some", 125), ("none", 0)]).into_string();
        for width in ["100.00%", "12.50%"] {
            assert!(chart.contains(&format!("width=\"{width}\" height=\"10\"")), "{chart}");
        }
        assert_eq!(chart.matches("<rect").count(), 2);
        let chart_of_one = bars(&view(), &ABOUT, &[("most", 1_000_000), ("one", 1)]).into_string();
        assert!(chart_of_one.contains("width=\"0.33%\""), "{chart_of_one}");
        assert!(chart.contains(">1,000</text>") && chart.contains(">none</text>"), "{chart}");
    }
}
