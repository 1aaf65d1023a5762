//! `/console/application`: one of the operator's own applications, by its UUID. `/console/delete`: whether to delete it.

use cee_edge::answer::OwnApplication;
use cee_eligibility::{JourneyStatus, JourneyType};
use maud::{Markup, html};

use super::applications::by_uuid;
use super::{Menu, alert, confirm, form_token, moment, page};
use crate::view::View;
use crate::words::{Text, journey_status, journey_type};

/// The result of the search.
pub(crate) enum Found<'a> {
    /// Nothing was searched for.
    Nothing,
    /// The application.
    Application(&'a OwnApplication),
    /// Why there is none.
    Refused(&'a str, &'a str),
    /// It was deleted just now.
    Deleted,
}

/// The form, and what was found.
pub(crate) fn application(view: &View, uuid: &str, found: &Found<'_>) -> String {
    let content = html! {
        (by_uuid(view, uuid))
        @match found {
            Found::Nothing => {}
            Found::Refused(title, detail) => (alert(title, detail)),
            Found::Deleted => div.good role="status" { strong { (view.t(Text::Deleted)) } },
            Found::Application(application) => {
                (details(view, application))
                form method="post" action="/console/proof" {
                    (form_token(view))
                    input type="hidden" name="token" value=(application.token);
                    p { button { (view.t(Text::CheckProof)) } }
                }
                p { a #delete href={ "/console/delete?uuid=" (application.uuid) } { (view.t(Text::Delete)) } }
            }
        }
    };
    page(view, Some(Menu::Applications), view.t(Text::Application), &content)
}

/// Whether to delete an application.
pub(crate) fn delete(view: &View, application: &OwnApplication) -> String {
    let back = format!("/console/application?uuid={}", application.uuid);
    let content = html! {
        p { (view.t(Text::DeleteAbout)) }
        (confirm(view, ("/console/delete", "uuid", &application.uuid), Text::DeleteYes, &back))
        (details(view, application))
    };
    page(view, Some(Menu::Applications), view.t(Text::Delete), &content)
}

fn details(view: &View, application: &OwnApplication) -> Markup {
    let kind = JourneyType::parse(application.journey_type).ok();
    let kind = kind.map_or(application.journey_type, |kind| journey_type(kind, view.language));
    html! {
        dl {
            dt { "uuid" } dd { code { (application.uuid) } }
            dt { (view.t(Text::JourneyTypeName)) } dd { (kind) }
            dt { (view.t(Text::ApplicationDate)) } dd { (moment(view, &application.datetime)) }
            @if let Some(journey) = application.journey_id { dt { (view.t(Text::JourneyNumber)) } dd { (journey) } }
            @if let Some(status) = application.status {
                dt { (view.t(Text::JourneyState)) }
                dd {
                    @if let Some(known) = JourneyStatus::parse(status) { (journey_status(known, view.language)) " " }
                    code { (status) }
                }
            }
            dt { (view.t(Text::ProofToken)) } dd { code.token { (application.token) } }
        }
    }
}
