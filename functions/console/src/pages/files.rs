//! `/console/files`: the history of imports.

use cee_fn_uploads::{FileKind, Import, List};
use maud::{Markup, html};

use super::{Menu, moment, page};
use crate::view::View;
use crate::words::{Text, number, state};

/// The list, or a later page of it.
pub(crate) fn files(view: &View, list: &List, is_first: bool) -> String {
    // A full page leads to another one, which may be empty, and uploads that nobody used leave gaps.
    let nothing = if is_first && list.next_cursor.is_none() { Text::NoFiles } else { Text::NoFilesHere };
    let content = html! {
        p { (view.t(Text::FilesIntro)) }
        p { a.button href="/console/upload" { (view.t(Text::SendFile)) } }
        @if list.imports.is_empty() {
            p { (view.t(nothing)) }
        } @else {
            div.wide role="region" aria-label=(view.t(Text::Files)) tabindex="0" {
                table.cards {
                    thead {
                        tr {
                            @for text in [Text::File, Text::Sent, Text::State] { th scope="col" { (view.t(text)) } }
                            @for text in [Text::RowsRead, Text::Imported, Text::AlreadyKnown, Text::Rejected] {
                                th.number scope="col" { (view.t(text)) }
                            }
                        }
                    }
                    tbody { @for import in &list.imports { (row(view, import)) } }
                }
            }
        }
        @if let Some(cursor) = &list.next_cursor {
            p { a href={ "/console/files?cursor=" (cursor) } { (view.t(Text::Older)) } }
        }
    };
    page(view, Some(Menu::Files), view.t(Text::Files), &content)
}

fn row(view: &View, import: &Import) -> Markup {
    let counts = &import.counts;
    html! {
        tr {
            th scope="row" { a href={ "/console/files/" (import.import_id) } { (name(view, import)) } }
            td data-label=(view.t(Text::Sent)) { (moment(view, &import.created_at)) }
            td data-label=(view.t(Text::State)) { (state_of(view, import)) }
            @for (text, count) in [
                (Text::RowsRead, counts.read),
                (Text::Imported, counts.imported),
                (Text::AlreadyKnown, counts.already_known),
                (Text::Rejected, counts.rejected),
            ] {
                td.number data-label=(view.t(text)) { (number(count, view.language)) }
            }
        }
    }
}

/// The name of the file, as its sender chose it.
pub(super) fn name(view: &View, import: &Import) -> String {
    let name = import.key.as_deref().and_then(|key| key.rsplit('/').next());
    name.unwrap_or(view.t(Text::Batch)).to_owned()
}

/// Whether an import that failed has left nothing. Another one may have: its operator was suspended after some rows of the file, or the call
/// of the batch got no response.
pub(super) fn is_refused_whole(import: &Import) -> bool {
    import.key.is_some() && import.counts.read == 0
}

/// The state in words.
pub(super) fn state_of(view: &View, import: &Import) -> String {
    let known = match import.state {
        _ if import.late => Some(Text::StateLate),
        _ if import.arrived => Some(Text::StateArrived),
        "failed" if !is_refused_whole(import) => Some(Text::StateStopped),
        other => state(other),
    };
    let words = known.map_or(import.state, |text| view.t(text));
    let only = match (import.check_only, import.kind == FileKind::Drivers.as_str()) {
        (true, _) => Text::CheckedOnly,
        (false, true) => Text::ListOfDrivers,
        (false, false) => return words.to_owned(),
    };
    format!("{words} ({})", view.t(only))
}
