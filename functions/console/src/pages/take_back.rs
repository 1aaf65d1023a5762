//! `/console/take-back?import_id=…`: whether to undo an import.

use cee_fn_uploads::Import;
use maud::html;

use super::files::{name, state_of};
use super::{Menu, alert, confirm, moment, page};
use crate::view::View;
use crate::words::{Text, number};

/// The question, after a refusal with its texts.
pub(crate) fn take_back(view: &View, import: &Import, refused: Option<(&str, &str)>) -> String {
    let back = format!("/console/files/{}", import.import_id);
    let content = html! {
        @if let Some((title, detail)) = refused { (alert(title, detail)) }
        dl {
            dt { (view.t(Text::File)) } dd { (name(view, import)) }
            dt { (view.t(Text::Sent)) } dd { (moment(view, &import.created_at)) }
            dt { (view.t(Text::State)) } dd { (state_of(view, import)) }
            dt { (view.t(Text::Imported)) } dd { (number(import.counts.imported, view.language)) }
        }
        p { (view.t(Text::TakeBackAbout)) }
        (confirm(view, ("/console/take-back", "import_id", &import.import_id), Text::TakeBackYes, &back))
    };
    page(view, Some(Menu::Files), view.t(Text::TakeBack), &content)
}
