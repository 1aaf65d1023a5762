//! `/console/files/{import_id}`: one import with its report.

use cee_fn_uploads::{FileKind, Import, UploadForm};
use cee_history::{DateOrder, RejectedTable};
use maud::{Markup, html};

use super::files::{is_refused_whole, name, state_of};
use super::upload::{address, place};
use super::{Menu, alert, moment, page};
use crate::view::View;
use crate::words::{Text, number, repair};

/// The rejected rows that a page shows, and whether there are more.
pub(crate) type Rejected = Option<(RejectedTable, bool)>;

/// The state of the upload of a file that has not arrived yet.
#[derive(Debug)]
pub(crate) enum Place {
    /// It awaits no file.
    None,
    /// It has this form.
    Open(UploadForm),
    /// The time to use it is over.
    Over,
    /// Its file was sent, and nobody has read it yet.
    Sent,
    /// The address says that its file was sent, but the time for that is over and S3 has reported none.
    Missing,
}

/// The import.
pub(crate) fn file(view: &View, import: &Import, rejected: &Rejected, file_place: &Place) -> String {
    let is_sent = matches!(file_place, Place::Sent | Place::Missing);
    let is_running = matches!(import.state, "running" | "undoing") || is_sent;
    let own = format!("/console/files/{}{}", import.import_id, if is_sent { "?sent=yes" } else { "" });
    let send_again = |why| html! { p { (view.t(why)) " " a #again href=(again(import)) { (view.t(Text::SendFile)) } } };
    let content = html! {
        div #live data-refresh=[is_running.then_some("yes")] {
            @match file_place {
                Place::None => {}
                Place::Open(form) => (place(view, &import.import_id, import.expires_at.as_deref(), form)),
                Place::Over => (send_again(Text::PlaceIsOver)),
                Place::Missing => (send_again(Text::NotReceived)),
                Place::Sent => div.good role="status" { strong { (view.t(Text::Arrived)) } p { (view.t(Text::ArrivedSoon)) } },
            }
            @if let Some(error) = &import.error {
                @let title = if is_refused_whole(import) { Text::RefusedWhole } else { Text::Stopped };
                (alert(view.t(title), error))
            }
            @if import.ignored_upload == Some(true) { (alert(view.t(Text::IgnoredUpload), "")) }
            @if let Some(why) = &import.not_replaced { (not_replaced(view, import, why)) }
            dl {
                dt { (view.t(Text::State)) } dd { (state_of(view, import)) }
                dt { (view.t(Text::Sent)) } dd { (moment(view, &import.created_at)) }
                @if let Some(began) = &import.started_at { dt { (view.t(Text::Began)) } dd { (moment(view, began)) } }
                @if let Some(ended) = &import.ended_at { dt { (view.t(Text::Ended)) } dd { (moment(view, ended)) } }
                @if let Some(old) = &import.replaces {
                    dt { (view.t(Text::Replaces)) } dd { a href={ "/console/files/" (old) } { code { (old) } } }
                }
            }
            @if is_running { (progress(view, import, &own)) } @else { (next_steps(view, import)) }
            @if import.state != "awaiting_upload" { (outcome(view, import)) }
            @if import.survey.is_some_and(|survey| survey.date_order == DateOrder::Undecided) {
                p { (view.t(Text::DayFirst)) }
            }
            (repairs(view, import))
            (rejected_rows(view, import, rejected))
            @if import.answers_url.is_some() { p { a #answers href=(left(import, "answers")) { (view.t(Text::DownloadAnswers)) } } }
            @if import.report_url.is_some() { p { a #report href=(left(import, "report")) { (view.t(Text::DownloadReport)) } } }
        }
    };
    page(view, Some(Menu::Files), &name(view, import), &content)
}

/// The address of a file that the import has left. No link to S3: it would expire while the page is open.
fn left(import: &Import, what: &str) -> String {
    format!("/console/files/{}/{what}", import.import_id)
}

/// The form for a new file, with what was chosen for this one.
fn again(import: &Import) -> String {
    address(import.replaces.as_deref(), !import.check_only && !is_list(import))
}

/// Why the earlier import stays, and the form for the file that replaces it after all.
fn not_replaced(view: &View, import: &Import, why: &str) -> Markup {
    html! {
        (alert(view.t(Text::NotReplaced), why))
        @if !import.check_only && import.replaces.is_some() {
            p { a #replace-again href=(address(import.replaces.as_deref(), true)) { (view.t(Text::ReplaceAgain)) } }
        }
    }
}

/// The import that a later file has to replace: this one, unless it has imported nothing. Then it has not replaced another one either.
fn to_replace(import: &Import) -> &str {
    let has_imported_nothing = import.state == "failed" && is_refused_whole(import);
    import.replaces.as_deref().filter(|_| has_imported_nothing).unwrap_or(&import.import_id)
}

/// Whether it is a list of drivers: it has added nothing that could be replaced or undone, and the form is one for history.
fn is_list(import: &Import) -> bool {
    import.kind == FileKind::Drivers.as_str()
}

/// The actions for an import that has ended.
fn next_steps(view: &View, import: &Import) -> Markup {
    let is_ended = matches!(import.state, "completed" | "failed") && !is_list(import);
    html! {
        @if is_ended && import.check_only {
            p { (view.t(Text::NotImported)) }
            p { a.button #import href=(address(import.replaces.as_deref(), true)) { (view.t(Text::ImportChecked)) } }
        } @else if is_ended {
            ul.steps {
                li { a #replace href=(address(Some(to_replace(import)), true)) { (view.t(Text::SendReplacement)) } }
                li { a #take-back href={ "/console/take-back?import_id=" (import.import_id) } { (view.t(Text::TakeBack)) } }
            }
        }
    }
}

/// How far an import is, and a link that shows it again: without the script the page does not change by itself.
fn progress(view: &View, import: &Import, own: &str) -> Markup {
    let read = import.counts.read;
    html! {
        h2 { (view.t(Text::Progress)) }
        @if let Some(total) = import.rows_total {
            p {
                progress aria-label=(view.t(Text::Progress)) max=(total) value=(read.min(total)) {}
                " " (number(read, view.language)) " / " (number(total, view.language))
            }
        }
        p { a.button #refresh href=(own) { (view.t(Text::Refresh)) } }
    }
}

/// A table of the outcome, and a picture of it.
fn outcome(view: &View, import: &Import) -> Markup {
    let counts = &import.counts;
    let rejected = (Text::Rejected, counts.rejected, "rejected");
    let parts = if counts.is_of_drivers() {
        vec![
            (Text::AnsweredEligible, counts.eligible.unwrap_or(0), "accepted"),
            (Text::AnsweredHistory, counts.history.unwrap_or(0), "known"),
            (Text::AnsweredDuplicate, counts.duplicate.unwrap_or(0), "known"),
            rejected,
        ]
    } else {
        let accepted = (Text::Accepted, counts.accepted.unwrap_or(0), "accepted");
        let imported = (Text::Imported, counts.imported, "imported");
        let known = (Text::AlreadyKnown, counts.already_known, "known");
        vec![imported, known, accepted, rejected]
    };
    let parts: Vec<_> = parts.into_iter().filter(|(text, rows, _)| *rows > 0 || *text != Text::Accepted).collect();
    // Widths in thousandths. A part with one row of a million is still a line.
    let width = |rows: u64| if rows == 0 { 0 } else { (rows.saturating_mul(1000) / counts.read.max(1)).max(4) };
    let mut x = 0;
    let bars: Vec<_> = parts
        .iter()
        .map(|(_, rows, class)| {
            let (left, width) = (x, width(*rows));
            x += width;
            (left, width, *class)
        })
        .collect();
    html! {
        h2 { (view.t(Text::Outcome)) }
        @if counts.read > 0 {
            svg.outcome viewBox={ "0 0 " (x.max(1)) " 40" } preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                @for (left, width, class) in bars { rect class=(class) x=(left) y="0" width=(width) height="40" {} }
            }
        }
        table {
            thead { tr { th scope="col" { (view.t(Text::Outcome)) } th.number scope="col" { (view.t(Text::Rows)) } } }
            tbody {
                @for (text, rows, class) in &parts {
                    tr { th scope="row" { span class={ "key " (class) } {} (view.t(*text)) } td.number { (number(*rows, view.language)) } }
                }
                tr.sum { th scope="row" { (view.t(Text::RowsRead)) } td.number { (number(counts.read, view.language)) } }
            }
        }
    }
}

fn repairs(view: &View, import: &Import) -> Markup {
    html! {
        @if !import.counts.repairs.is_empty() {
            h2 { (view.t(Text::RepairsTitle)) }
            p { (view.t(Text::RepairsIntro)) }
            table {
                thead { tr { th scope="col" { (view.t(Text::RepairsTitle)) } th.number scope="col" { (view.t(Text::Rows)) } } }
                tbody {
                    @for (kind, rows) in &import.counts.repairs {
                        tr { th scope="row" { (repair(*kind, view.language)) } td.number { (number(*rows, view.language)) } }
                    }
                }
            }
        }
    }
}

/// The title of a column of the rejected rows, and whether it is the name of a column of the file. The columns that the registry adds are
/// named in the language of the file, and have titles in that of the page.
fn title_of<'a>(view: &View, column: &'a str) -> (&'a str, bool) {
    match column {
        "line" | "ligne" => (view.t(Text::RejectedLine), false),
        "column" | "colonne" => (view.t(Text::RejectedColumn), false),
        "reason" | "motif" => (view.t(Text::RejectedReason), false),
        own => (own, true),
    }
}

fn rejected_rows(view: &View, import: &Import, rejected: &Rejected) -> Markup {
    html! {
        @if let Some((table, has_more)) = rejected {
            h2 { (view.t(Text::RejectedTitle)) }
            // Rows of a list that are sent here would be read as history.
            p { (view.t(Text::RejectedIntro)) @if !is_list(import) { " " (view.t(Text::RejectedSend)) } }
            @if *has_more { p { (view.t(Text::RejectedFirst)) } }
            @if import.rejected_rows_url.is_some() {
                p { a #rejected href=(left(import, "rejected")) { (view.t(Text::DownloadRejected)) } }
            }
            @if !is_list(import) { p { a #corrected href="/console/upload" { (view.t(Text::SendCorrected)) } } }
            div.wide role="region" aria-label=(view.t(Text::RejectedTitle)) tabindex="0" {
                @let titles: Vec<_> = table.header.iter().map(|column| title_of(view, column)).collect();
                table.cells.cards {
                    thead {
                        tr { @for (title, is_name) in &titles { th scope="col" { @if *is_name { code { (title) } } @else { (title) } } } }
                    }
                    tbody {
                        @for row in &table.rows {
                            tr {
                                @for (at, cell) in row.iter().enumerate() {
                                    td data-label=[titles.get(at).map(|(title, _)| title)] { (cell) }
                                }
                            }
                        }
                    }
                }
            }
        } @else if import.rejected_rows_url.is_some() {
            h2 { (view.t(Text::RejectedTitle)) }
            p { (view.t(Text::RejectedGone)) }
        }
    }
}
