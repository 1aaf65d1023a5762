//! A chart of counts as SVG: a bar for each row of the table.
//!
//! Each bar has its label and its count as text beside it, so the chart means the same without colours, and the text of the picture holds
//! every number for a reader who does not see it.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use plotters::prelude::{BLACK, ChartBuilder, Color as _, IntoDrawingArea as _, IntoFont as _, RGBColor, Rectangle};
use plotters::prelude::{SVGBackend, Text, WHITE};
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::statistics::Sums;

/// The most bars of a chart: more cannot be read.
const MOST_BARS: usize = 120;

/// The height of a bar with its gap, in pixels.
const BAR: u32 = 24;

/// The gap above and below a bar.
const GAP: i32 = 4;

const WIDTH: u32 = 960;
const ABOVE: u32 = 48;
const BELOW: u32 = 36;
/// The space for the number beside the longest bar.
const RIGHT: u32 = 96;

/// The width of a character of a label, in pixels: text has no exact width in SVG.
const CHARACTER: u32 = 9;

/// A dark blue, with a contrast of 8 to 1 against white.
const FILL: RGBColor = RGBColor(28, 78, 128);
const GRID: RGBColor = RGBColor(200, 200, 200);

/// Draws the chart.
///
/// # Errors
/// If there are too many bars, or none.
pub fn draw(sums: &Sums, title: &str) -> Result<String> {
    let rows = sums.rows();
    if rows.is_empty() {
        bail!("there is nothing to draw");
    }
    if rows.len() > MOST_BARS {
        bail!(
            "a chart shows {MOST_BARS} bars at most, and these are {}: choose fewer with --by, --only or --from",
            rows.len()
        );
    }
    let labels: Vec<String> = rows.iter().map(|(labels, _)| label(labels)).collect();
    let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or(0);
    let left = 16 + CHARACTER * u32::try_from(longest)?;
    let bars = u32::try_from(rows.len())?;
    let most = rows.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1);
    let mut svg = String::new();
    {
        let root =
            SVGBackend::with_string(&mut svg, (WIDTH.max(left + 480), ABOVE + BAR * bars + BELOW)).into_drawing_area();
        root.fill(&WHITE)?;
        let font = |size: u32| ("sans-serif", size).into_font().color(&BLACK);
        root.draw(&Text::new(title.to_owned(), (16, 16), font(22)))?;
        let mut chart = ChartBuilder::on(&root)
            .margin_left(left)
            .margin_right(RIGHT)
            .margin_top(ABOVE)
            .x_label_area_size(BELOW)
            .build_cartesian_2d(0..most, 0..u64::from(bars))?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .light_line_style(WHITE)
            .bold_line_style(GRID)
            .draw()?;
        let area = chart.plotting_area();
        for (place, ((_, count), label)) in rows.iter().zip(labels).enumerate() {
            // The first row is at the top, and the axis counts from the bottom.
            let above = u64::from(bars) - u64::try_from(place)?;
            let (x, top) = area.map_coordinate(&(0, above));
            let (end, bottom) = area.map_coordinate(&(*count, above - 1));
            let middle = i32::midpoint(top, bottom);
            root.draw(&Rectangle::new([(x, top + GAP), (end, bottom - GAP)], FILL.filled()))?;
            root.draw(&Text::new(label, (x - 8, middle), font(17).pos(Pos::new(HPos::Right, VPos::Center))))?;
            let number = font(17).pos(Pos::new(HPos::Left, VPos::Center));
            root.draw(&Text::new(count.to_string(), (end + 6, middle), number))?;
        }
        root.present()?;
    }
    Ok(described(&svg, title, &description(sums)))
}

/// The label of a bar: what its row says, without empty cells.
fn label(labels: &[String]) -> String {
    let said: Vec<&str> = labels.iter().map(String::as_str).filter(|label| !label.is_empty()).collect();
    if said.is_empty() { "-".to_owned() } else { said.join(" · ") }
}

/// All labels and counts, as a sentence.
fn description(sums: &Sums) -> String {
    let mut text = String::new();
    for (place, (labels, count)) in sums.rows().iter().enumerate() {
        let between = if place == 0 { "" } else { "; " };
        let _ = write!(text, "{between}{}: {count}", label(labels));
    }
    text
}

/// The picture with a name and a description, which a screen reader reads.
fn described(svg: &str, title: &str, description: &str) -> String {
    let named = svg.replacen("<svg ", "<svg role=\"img\" aria-labelledby=\"title description\" ", 1);
    let (head, rest) = named.split_once('>').unwrap_or((named.as_str(), ""));
    let (title, description) = (escaped(title), escaped(description));
    format!("{head}>\n<title id=\"title\">{title}</title>\n<desc id=\"description\">{description}</desc>{rest}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::By;
    use crate::statistics::tests::week;
    use cee_eligibility::JourneyType;
    use cee_registry::Outcome;

    #[test]
    fn every_row_is_a_bar_with_its_label_and_count() {
        let (short, long) = (Some(JourneyType::Short), Some(JourneyType::Long));
        let weeks = [
            week(1, "2026-W47", &[(short, Outcome::Granted, 1234), (long, Outcome::Granted, 56)]),
            week(1, "2026-W48", &[(short, Outcome::Granted, 789)]),
        ];
        let sums = Sums::of(&weeks, &[By::Week, By::Type], &[]);
        let svg = draw(&sums, "Certificates < & >").unwrap();
        assert!(svg.starts_with("<svg role=\"img\" aria-labelledby=\"title description\" width="), "{svg}");
        assert!(svg.contains("<title id=\"title\">Certificates &lt; &amp; &gt;</title>"), "{svg}");
        let said = "2026-W47 · short: 1234; 2026-W47 · long: 56; 2026-W48 · short: 789</desc>";
        assert!(svg.contains(said), "{svg}");
        let texts: Vec<&str> = svg.lines().map(str::trim).collect();
        for text in ["2026-W47 · short", "2026-W47 · long", "2026-W48 · short", "1234", "56", "789"] {
            assert!(texts.contains(&text), "{text}: {svg}");
        }
        let bars: Vec<u32> = svg.lines().filter(|line| line.contains("#1C4E80")).map(width).collect();
        assert_eq!(bars.len(), 3, "{svg}");
        assert!(bars[0] > bars[2] && bars[2] > bars[1], "{bars:?}");
        assert_eq!(svg.matches("</svg>").count(), 1);
    }

    /// The width of a rectangle.
    fn width(line: &str) -> u32 {
        let (_, after) = line.split_once("width=\"").unwrap();
        after.split_once('"').unwrap().0.parse().unwrap()
    }

    #[test]
    fn chart_without_rows_or_with_too_many_is_refused() {
        assert!(draw(&Sums::of(&[], &[By::Week], &[]), "Nothing").is_err());
        let weeks: Vec<_> = (1..=121).map(|id| week(id, "2026-W47", &[(None, Outcome::Imported, 1)])).collect();
        let error = draw(&Sums::of(&weeks, &[By::Operator], &[]), "Many").unwrap_err().to_string();
        assert!(error.contains("121") && error.contains("--by"), "{error}");
        assert!(draw(&Sums::of(&weeks[..120], &[By::Operator], &[]), "Many").is_ok());
    }
}
