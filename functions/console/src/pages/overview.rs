//! `/console/overview`: what the operator got, what was refused, and what is being imported.

use cee_eligibility::{JourneyType, Week};
use cee_fn_uploads::{Import, List};
use cee_registry::Outcome;
use maud::{Markup, html};

use super::chart::{About, Column, bars, columns, key};
use super::files::{name, state_of};
use super::{Menu, alert, moment, page};
use crate::overview::{Certificates, Overview, Period, WEEKS};
use crate::view::View;
use crate::words::{Text, journey_type, labelled, number, outcome};

/// The overview.
pub(crate) fn overview(view: &View, overview: &Overview, list: &List) -> String {
    let content = html! {
        (counted(view, overview))
        (under_way(view, list))
        (choice(view, overview.period))
        (certificates(view, overview))
        (refusals(view, overview))
        (rows_of_history(view, overview))
    };
    page(view, Some(Menu::Overview), view.t(Text::Overview), &content)
}

/// How fresh the numbers are.
fn counted(view: &View, overview: &Overview) -> Markup {
    html! {
        @match overview.counted_at {
            None => (alert(view.t(Text::NeverCounted), view.t(Text::NeverCountedDetail))),
            Some(at) => {
                p #counted { (view.t(Text::CountedAt)) " " (moment(view, &at.to_string())) ". " (view.t(Text::CountedAfter)) }
                @if overview.is_old { (alert(view.t(Text::CountIsOld), "")) }
            }
        }
    }
}

fn under_way(view: &View, list: &List) -> Markup {
    let running: Vec<&Import> =
        list.imports.iter().filter(|import| matches!(import.state, "running" | "undoing")).collect();
    html! {
        h2 { (view.t(Text::UnderWay)) }
        @if running.is_empty() {
            p { (view.t(Text::NoneUnderWay)) }
        } @else {
            div.wide role="region" aria-label=(view.t(Text::UnderWay)) tabindex="0" {
                table #under-way .cards {
                    thead {
                        tr {
                            @for text in [Text::File, Text::Sent, Text::State] { th scope="col" { (view.t(text)) } }
                            th.number scope="col" { (view.t(Text::RowsRead)) }
                        }
                    }
                    tbody { @for import in running { (row_under_way(view, import)) } }
                }
            }
        }
        p { a href="/console/files" { (view.t(Text::AllFiles)) } }
    }
}

fn row_under_way(view: &View, import: &Import) -> Markup {
    html! {
        tr {
            th scope="row" { a href={ "/console/files/" (import.import_id) } { (name(view, import)) } }
            td data-label=(view.t(Text::Sent)) { (moment(view, &import.created_at)) }
            td data-label=(view.t(Text::State)) { (state_of(view, import)) }
            td.number data-label=(view.t(Text::RowsRead)) {
                (number(import.counts.read, view.language))
                @if let Some(total) = import.rows_total { " / " (number(total, view.language)) }
            }
        }
    }
}

/// The choice of a period.
fn choice(view: &View, period: Period) -> Markup {
    let to = |last: Week| format!("/console/overview?weeks={}&to={last}", period.weeks());
    html! {
        h2 { (view.t(Text::WeeksShown)) " " (week(period.first())) " – " (week(period.last())) }
        form #period .filter method="get" action="/console/overview" {
            @if let Some(last) = period.chosen_last() { input type="hidden" name="to" value=(last); }
            p.field {
                label for="weeks" { (view.t(Text::WeeksToShow)) }
                select #weeks name="weeks" {
                    @for weeks in WEEKS { option value=(weeks) selected[weeks == period.weeks()] { (weeks) } }
                }
            }
            p { button { (view.t(Text::ShowWeeks)) } }
        }
        p {
            a #earlier rel="prev" href=(to(period.earlier())) { (view.t(Text::EarlierWeeks)) }
            @if let Some(later) = period.later() { " · " a #later rel="next" href=(to(later)) { (view.t(Text::LaterWeeks)) } }
        }
    }
}

/// A week, as every language writes it.
fn week(week: Week) -> Markup {
    html! { time datetime=(week) { (week) } }
}

/// The year of a week and its number.
fn parts_of(week: Week) -> [String; 2] {
    let text = week.to_string();
    text.split_once("-W")
        .map(|(year, week)| [year.to_owned(), week.to_owned()])
        .unwrap_or([text.clone(), String::new()])
}

fn certificates(view: &View, overview: &Overview) -> Markup {
    let types = JourneyType::ALL.map(|kind| journey_type(kind, view.language));
    let granted = overview.granted();
    let of_types = |counts: [u64; 2]| {
        let texts =
            types.iter().zip(counts).map(|(name, count)| labelled(name, &number(count, view.language), view.language));
        texts.collect::<Vec<_>>().join(", ")
    };
    let weeks = overview.certificates.iter().map(|Certificates { week, granted, .. }| {
        let [year, number] = parts_of(*week);
        let label = [format!("{}{number}", view.t(Text::WeekLetter)), year];
        Column { label, hint: format!("{week} – {}", of_types(*granted)), parts: *granted }
    });
    let most = overview.certificates.iter().map(|week| (week.granted.iter().sum::<u64>(), week.week)).max();
    let most =
        most.map(|(most, week)| format!("{} {} ({week}).", view.t(Text::MostInAWeek), number(most, view.language)));
    let description = format!("{}. {}", of_types(granted), most.unwrap_or_default());
    let title = view.t(Text::CertificatesByWeek);
    html! {
        h2 { (title) }
        p { (view.t(Text::CertificatesAbout)) }
        @if granted == [0, 0] {
            p { (view.t(Text::NoCertificates)) }
        } @else {
            (key(types))
            (columns(view, &About { id: "chart-certificates", title, description: &description }, &weeks.collect::<Vec<_>>()))
        }
        (behind(view, title, &certificates_table(view, overview, types)))
    }
}

fn certificates_table(view: &View, overview: &Overview, types: [&str; 2]) -> Markup {
    let cells = |is_counted: bool, [short, long]: [u64; 2], deleted: u64| {
        html! {
            @if is_counted {
                @for count in [short, long, short + long, deleted] { td.number { (number(count, view.language)) } }
            } @else {
                td colspan="4" { (view.t(Text::NotCountedYet)) }
            }
        }
    };
    let deleted: u64 = overview.certificates.iter().map(|week| week.deleted).sum();
    let is_any_counted = overview.certificates.iter().any(|week| week.is_counted);
    html! {
        table #certificates {
            thead {
                tr {
                    th scope="col" { (view.t(Text::WeekName)) }
                    @for kind in types { th.number scope="col" { (kind) } }
                    @for text in [Text::InAll, Text::DeletedInWeek] { th.number scope="col" { (view.t(text)) } }
                }
            }
            tbody {
                tr.sum { th scope="row" { (view.t(Text::InAll)) } (cells(is_any_counted, overview.granted(), deleted)) }
                @for one in overview.certificates.iter().rev() {
                    tr {
                        th scope="row" { (week(one.week)) }
                        (cells(one.is_counted, one.granted, one.deleted))
                    }
                }
            }
        }
    }
}

fn refusals(view: &View, overview: &Overview) -> Markup {
    let rows: Vec<(Outcome, u64)> =
        overview.refused.iter().map(|(reason, counts)| (*reason, counts.iter().sum())).collect();
    let title = view.t(Text::RefusalsByReason);
    html! {
        h2 { (title) }
        p { (view.t(Text::RefusalsAbout)) }
        @if rows.is_empty() {
            p { (view.t(Text::NoRefusals)) }
        } @else {
            (bars_of(view, "chart-refusals", title, &rows))
            (behind(view, title, &refusals_table(view, overview)))
        }
    }
}

fn refusals_table(view: &View, overview: &Overview) -> Markup {
    let types = JourneyType::ALL.map(|kind| journey_type(kind, view.language));
    html! {
        table #refusals {
            thead {
                tr {
                    th scope="col" { (view.t(Text::Reason)) }
                    @for kind in types { th.number scope="col" { (kind) } }
                    @for text in [Text::TypeNotRead, Text::InAll] { th.number scope="col" { (view.t(text)) } }
                }
            }
            tbody {
                @for (reason, counts) in &overview.refused {
                    tr {
                        th scope="row" { (outcome(*reason, view.language)) }
                        @for count in counts { td.number { (number(*count, view.language)) } }
                        td.number { (number(counts.iter().sum(), view.language)) }
                    }
                }
            }
        }
    }
}

fn rows_of_history(view: &View, overview: &Overview) -> Markup {
    let title = view.t(Text::RowsOfHistory);
    html! {
        h2 { (title) }
        p { (view.t(Text::RowsOfHistoryAbout)) }
        @if overview.rows.is_empty() {
            p { (view.t(Text::NoRows)) }
        } @else {
            (bars_of(view, "chart-rows", title, &overview.rows))
            @let table = html! {
                table #rows {
                    thead { tr { th scope="col" { (view.t(Text::Outcome)) } th.number scope="col" { (view.t(Text::Rows)) } } }
                    tbody {
                        @for (kind, rows) in &overview.rows {
                            tr { th scope="row" { (outcome(*kind, view.language)) } td.number { (number(*rows, view.language)) } }
                        }
                    }
                }
            };
            (behind(view, title, &table))
        }
    }
}

/// Bars, whose description holds every number.
fn bars_of(view: &View, id: &str, title: &str, rows: &[(Outcome, u64)]) -> Markup {
    let rows: Vec<(&str, u64)> = rows.iter().map(|(kind, count)| (outcome(*kind, view.language), *count)).collect();
    let texts = rows.iter().map(|(label, count)| labelled(label, &number(*count, view.language), view.language));
    let description = texts.collect::<Vec<_>>().join(", ");
    bars(view, &About { id, title, description: &description }, &rows)
}

/// The table behind a chart.
fn behind(view: &View, title: &str, table: &Markup) -> Markup {
    html! {
        details {
            summary { (view.t(Text::ShowTable)) }
            div.wide role="region" aria-label=(title) tabindex="0" { (table) }
        }
    }
}
