//! `/console/sent/{import_id}`: where S3 sends a browser that has put a file there. Public, and says nothing about the import.
//!
//! Some browsers do not send the session's cookie after a redirect by another site, because it is `SameSite=Strict`. They send it with the
//! next page, to which this one leads.

use maud::html;

use super::{Head, Menu, page_with};
use crate::view::View;
use crate::words::Text;

/// That the file has arrived.
pub(crate) fn sent(view: &View, import_id: &str) -> String {
    let next = super::upload::arrived(import_id);
    let content = html! {
        div.good role="status" { strong { (view.t(Text::ArrivedSoon)) } }
        p { a href=(next) { (view.t(Text::SeeImport)) } }
    };
    let head = Head { script: false, refresh: Some(next.clone()) };
    page_with(view, Some(Menu::Files), view.t(Text::Arrived), &content, &head)
}
