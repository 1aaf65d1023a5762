//! `/console/sign-in`

use maud::html;

use super::{Menu, alert, page};
use crate::view::View;
use crate::words::Text;

/// The form, after a refusal with its text. It never repeats what was typed: a secret may stand in the wrong field.
pub(crate) fn sign_in(view: &View, refused: Option<(&str, &str)>) -> String {
    let content = html! {
        @if let Some((title, detail)) = refused { (alert(title, detail)) }
        p { (view.t(Text::SignInIntro)) }
        form method="post" action="/console/sign-in" {
            p.field {
                label for="access_key" { (view.t(Text::AccessKey)) }
                input #access_key name="access_key" required autocomplete="username" spellcheck="false";
            }
            p.field {
                label for="secret_key" { (view.t(Text::Secret)) }
                input #secret_key name="secret_key" type="password" required autocomplete="current-password";
            }
            p { button { (view.t(Text::SignIn)) } }
        }
        p { (view.t(Text::SessionEnds)) }
    };
    page(view, Some(Menu::SignIn), view.t(Text::SignIn), &content)
}
