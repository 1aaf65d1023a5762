//! The pages: functions from what is shown to HTML. `maud` escapes every value that is put into a page.

pub(crate) mod application;
pub(crate) mod applications;
pub(crate) mod chart;
pub(crate) mod file;
pub(crate) mod files;
pub(crate) mod home;
pub(crate) mod overview;
pub(crate) mod proof;
pub(crate) mod refused;
pub(crate) mod sent;
pub(crate) mod sign_in;
pub(crate) mod simulate;
pub(crate) mod take_back;
pub(crate) mod upload;

use cee_eligibility::Instant;
use maud::{DOCTYPE, Markup, html};

use crate::assets::{SCRIPT, STYLE};
use crate::view::{FORM_TOKEN, View};
use crate::words::Text;

/// The pages that the menu leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Menu {
    Home,
    Overview,
    Files,
    Applications,
    Simulate,
    Proof,
    SignIn,
}

/// The parts of a page that are not shown.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// Whether the script may help: on every page that a person uses.
    pub(crate) script: bool,
    /// The page that a browser loads instead, at once. Never later: a page must not change while a person reads it.
    pub(crate) refresh: Option<String>,
}

/// A whole page.
pub(crate) fn page(view: &View, here: Option<Menu>, title: &str, content: &Markup) -> String {
    page_with(view, here, title, content, &Head { script: true, refresh: None })
}

/// A whole page with more in its head.
pub(crate) fn page_with(view: &View, here: Option<Menu>, title: &str, content: &Markup, head: &Head) -> String {
    let t = |text| view.t(text);
    let link = |menu: Menu, path: &str, text: Text| {
        let current = (here == Some(menu)).then_some("page");
        html! { li { a href=(path) aria-current=[current] { (t(text)) } } }
    };
    let other = view.language.choose("fr", "en");
    let page = html! {
        (DOCTYPE)
        html lang=(view.language.as_str()) {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) @if title != t(Text::Registry) { " – " (t(Text::Registry)) } }
                link rel="stylesheet" href=(STYLE.address());
                @if head.script { script src=(SCRIPT.address()) defer {} }
                @if let Some(path) = &head.refresh { meta http-equiv="refresh" content={ "0; url=" (path) }; }
                link rel="icon" href="data:,";
            }
            body {
                a.skip href="#content" { (t(Text::SkipToContent)) }
                header {
                    p.name { a href="/" { (t(Text::Registry)) } }
                    nav aria-label=(t(Text::MainMenu)) {
                        ul {
                            @if view.signed_in.is_some() {
                                (link(Menu::Overview, "/console/overview", Text::Overview))
                                (link(Menu::Files, "/console/files", Text::Files))
                                (link(Menu::Applications, "/console/applications", Text::Applications))
                                (link(Menu::Simulate, "/console/simulate", Text::Simulate))
                            }
                            (link(Menu::Proof, "/console/proof", Text::CheckProof))
                            @if view.signed_in.is_none() {
                                (link(Menu::SignIn, "/console/sign-in", Text::SignIn))
                            }
                            li { a href=(view.other_language) hreflang=(other) lang=(other) { (t(Text::OtherLanguage)) } }
                        }
                    }
                    @if let Some(signed_in) = &view.signed_in {
                        form.who method="post" action="/console/sign-out" {
                            span { (t(Text::SignedInAs)) " " strong { (signed_in.operator) } }
                            (form_token(view))
                            button { (t(Text::SignOut)) }
                        }
                    }
                }
                main #content {
                    h1 { (title) }
                    (content)
                }
            }
        }
    };
    page.into_string()
}

/// The hidden field that shows that a form is one of this session's pages.
fn form_token(view: &View) -> Markup {
    html! {
        @if let Some(signed_in) = &view.signed_in {
            input type="hidden" name=(FORM_TOKEN) value=(signed_in.form_token);
        }
    }
}

/// A question that nothing but a form answers with yes, and a link with no.
fn confirm(view: &View, (action, name, value): (&str, &str, &str), yes: Text, back: &str) -> Markup {
    html! {
        form #confirm method="post" action=(action) {
            (form_token(view))
            input type="hidden" name=(name) value=(value);
            p { button.danger { (view.t(yes)) } " " a href=(back) { (view.t(Text::ChangeNothing)) } }
        }
    }
}

/// A field of a form with its label and a hint.
fn field(name: &str, label: &str, hint: Option<&str>, value: &str, required: bool) -> Markup {
    let hint_id = hint.map(|_| format!("{name}-hint"));
    html! {
        p.field {
            label for=(name) { (label) }
            input id=(name) name=(name) value=(value) required[required] autocomplete="off" spellcheck="false"
                aria-describedby=[hint_id.as_deref()];
            @if let Some(hint) = hint {
                small id=[hint_id.as_deref()] { (hint) }
            }
        }
    }
}

/// A message that a screen reader reads out at once.
fn alert(title: &str, detail: &str) -> Markup {
    html! { div.alert role="alert" { strong { (title) } @if !detail.is_empty() { p { (detail) } } } }
}

/// A moment that the interface wrote, as a person writes it.
fn moment(view: &View, text: &str) -> Markup {
    let shown = Instant::parse(text).map(|instant| instant.for_person(view.language));
    html! { time datetime=(text) { (shown.unwrap_or_else(|_| text.to_owned())) } }
}
