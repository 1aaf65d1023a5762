//! The page of a call that is refused, or failed.

use maud::html;

use super::{alert, page};
use crate::view::View;
use crate::words::Text;

/// Why nothing else is shown. `call` is the number of a call that failed inside, by which the registry's team finds it.
pub(crate) fn refused(view: &View, title: &str, detail: &str, call: Option<&str>) -> String {
    let content = html! {
        (alert(title, detail))
        @if let Some(call) = call { p { (view.t(Text::CallNumber)) " " code { (call) } } }
    };
    page(view, None, view.t(Text::Error), &content)
}
