//! `/console/upload`: what to do with a new file. Its place, a form of S3, is on the page of its import.

use cee_fn_uploads::UploadForm;
use maud::{Markup, html};

use super::{Menu, alert, form_token, moment, page};
use crate::view::{FORM_NUMBER, View};
use crate::words::Text;

/// The address of the form with a choice: the import that the file replaces, and whether it is imported or only checked.
pub(crate) fn address(replaces: Option<&str>, is_import: bool) -> String {
    match (replaces, is_import) {
        (None, false) => "/console/upload".to_owned(),
        (None, true) => "/console/upload?import=yes".to_owned(),
        (Some(old), false) => format!("/console/upload?replaces={old}&check=yes"),
        (Some(old), true) => format!("/console/upload?replaces={old}"),
    }
}

/// The earlier choices, from a link or from a form that was refused.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chosen {
    /// The number of the form.
    pub(crate) form_number: String,
    /// The import that the new one replaces.
    pub(crate) replaces: Option<String>,
    /// Whether to import the file, and not only to check it.
    pub(crate) is_import: bool,
    /// Whether the dates were confirmed.
    pub(crate) dates_confirmed: bool,
    /// The name in the list.
    pub(crate) file_name: String,
}

/// The form, after a refusal with its texts.
pub(crate) fn upload(view: &View, chosen: &Chosen, refused: Option<(&str, &str)>) -> String {
    let import = if chosen.replaces.is_some() { Text::ReplaceIt } else { Text::ImportIt };
    let content = html! {
        @if let Some((title, detail)) = refused { (alert(title, detail)) }
        p { (view.t(Text::UploadIntro)) }
        form #upload method="post" action="/console/upload" {
            (form_token(view))
            input type="hidden" name=(FORM_NUMBER) value=(chosen.form_number);
            @if let Some(replaces) = &chosen.replaces {
                input type="hidden" name="replaces" value=(replaces);
                p { (view.t(Text::Replaces)) " " a href={ "/console/files/" (replaces) } { code { (replaces) } } }
            }
            // Only a script can send it together with the rest.
            p #choose .field.drop hidden {
                label for="file" { (view.t(Text::File)) }
                input #file type="file" aria-describedby="file-hint";
                small #file-hint { (view.t(Text::Drop)) }
            }
            fieldset {
                legend { (view.t(Text::WhatToDo)) }
                @for (value, text, is_checked) in [("true", Text::OnlyCheck, !chosen.is_import), ("false", import, chosen.is_import)] {
                    label.line { input type="radio" name="check_only" value=(value) checked[is_checked]; " " (view.t(text)) }
                }
            }
            p { label { input type="checkbox" name="dates_confirmed" value="true" checked[chosen.dates_confirmed]; " " (view.t(Text::DatesConfirmed)) } }
            p #name .field {
                label for="file_name" { (view.t(Text::NameInList)) }
                input #file_name name="file_name" value=(chosen.file_name) maxlength="200" autocomplete="off" spellcheck="false";
            }
            p { button data-script=(view.t(Text::Send)) { (view.t(Text::Continue)) } }
        }
        (progress(view))
    };
    page(view, Some(Menu::Files), view.t(Text::SendFile), &content)
}

/// The place of a file: a form that goes to S3. It holds nothing of the session.
pub(super) fn place(view: &View, import_id: &str, until: Option<&str>, form: &UploadForm) -> Markup {
    let [policy, signature] = &form.in_place;
    html! {
        form #send method="post" action=(form.url) enctype="multipart/form-data" data-policy=(policy) data-signature=(signature)
            data-then=(arrived(import_id)) {
            @for (name, value) in &form.fields { input type="hidden" name=(name) value=(value); }
            p #choose .field.drop {
                label for="file" { (view.t(Text::File)) }
                input #file name="file" type="file" required aria-describedby="file-hint";
                small #file-hint { (view.t(Text::SendNow)) @if let Some(until) = until { " " (moment(view, until)) } }
            }
            p { button { (view.t(Text::Send)) } }
        }
        (progress(view))
    }
}

/// The page of an import whose file has arrived.
pub(super) fn arrived(import_id: &str) -> String {
    format!("/console/files/{import_id}?sent=yes")
}

/// The texts that the script shows while it sends a file, and if sending fails.
fn progress(view: &View) -> Markup {
    html! {
        div #sending role="status" hidden {
            p #here { (view.t(Text::Sending)) }
            p #elsewhere hidden { (view.t(Text::SendingElsewhere)) }
            progress #bar aria-label=(view.t(Text::Progress)) value="0" max="1" {}
        }
        div #failed .alert role="alert" hidden { strong { (view.t(Text::SendFailed)) } }
    }
}
