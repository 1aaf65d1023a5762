//! `/console/applications`: the operator's own applications, with a filter.

use cee_eligibility::{JourneyStatus, JourneyType};
use cee_fn_applications::list::answer::Entry;
use maud::{Markup, html};

use super::{Menu, alert, field, moment, page};
use crate::view::View;
use crate::words::{Text, journey_status, journey_type};

/// The filter as it was typed, to be shown again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) journey_type: String,
    pub(crate) status: String,
    pub(crate) from: String,
    pub(crate) to: String,
}

/// A page of the list.
pub(crate) struct Listed {
    /// The applications.
    pub(crate) entries: Vec<Entry>,
    /// The query of the list as a whole, for its download.
    pub(crate) query: String,
    /// The query of the next page.
    pub(crate) next: Option<String>,
}

/// The list, or why there is none.
pub(crate) fn applications(view: &View, filter: &Filter, listed: Result<&Listed, (&str, &str)>) -> String {
    let content = html! {
        p { (view.t(Text::ApplicationsIntro)) }
        (by_uuid(view, ""))
        (form(view, filter))
        @match listed {
            Err((title, detail)) => (alert(title, detail)),
            Ok(listed) => {
                (table(view, &listed.entries))
                @if let Some(next) = &listed.next {
                    p { a rel="next" href={ "/console/applications?" (next) } { (view.t(Text::OlderApplications)) } }
                }
                p { a #export href={ "/console/applications.csv?" (listed.query) } { (view.t(Text::Export)) } }
            }
        }
    };
    page(view, Some(Menu::Applications), view.t(Text::Applications), &content)
}

/// The form that finds one application.
pub(super) fn by_uuid(view: &View, uuid: &str) -> Markup {
    html! {
        form #find method="get" action="/console/application" role="search" aria-label=(view.t(Text::ApplicationIntro)) {
            (field("uuid", view.t(Text::ApplicationIntro), None, uuid, true))
            p { button { (view.t(Text::Find)) } }
        }
    }
}

fn form(view: &View, filter: &Filter) -> Markup {
    html! {
        form #filter .filter method="get" action="/console/applications" {
            p.field {
                label for="journey_type" { (view.t(Text::JourneyTypeName)) }
                select #journey_type name="journey_type" {
                    option value="" { (view.t(Text::Any)) }
                    @for kind in JourneyType::ALL {
                        option value=(kind.as_str()) selected[filter.journey_type == kind.as_str()] { (journey_type(kind, view.language)) }
                    }
                }
            }
            p.field {
                label for="status" { (view.t(Text::JourneyState)) }
                select #status name="status" {
                    option value="" { (view.t(Text::Any)) }
                    @for (status, word) in JourneyStatus::ALL {
                        option value=(word) selected[filter.status == word] { (journey_status(status, view.language)) }
                    }
                }
            }
            @for (name, text, value) in [("from", Text::FromDay, &filter.from), ("to", Text::BeforeDay, &filter.to)] {
                p.field {
                    label for=(name) { (view.t(text)) }
                    input id=(name) name=(name) type="date" value=(value);
                }
            }
            p { button { (view.t(Text::ShowList)) } }
        }
    }
}

fn table(view: &View, entries: &[Entry]) -> Markup {
    let columns = [
        Text::ApplicationDate,
        Text::JourneyTypeName,
        Text::OwnJourney,
        Text::JourneyState,
        Text::LicenceOfDriver,
        Text::RegisteredAt,
    ];
    html! {
        @if entries.is_empty() {
            p { (view.t(Text::NoApplications)) }
        } @else {
            div.wide role="region" aria-label=(view.t(Text::Applications)) tabindex="0" {
                table.cards {
                    thead { tr { @for text in columns { th scope="col" { (view.t(text)) } } } }
                    tbody { @for entry in entries { (row(view, entry)) } }
                }
            }
        }
    }
}

fn row(view: &View, entry: &Entry) -> Markup {
    let kind = JourneyType::parse(entry.journey_type).ok();
    html! {
        tr {
            th scope="row" { a href={ "/console/application?uuid=" (entry.uuid) } { (moment(view, &entry.datetime)) } }
            td data-label=(view.t(Text::JourneyTypeName)) { (kind.map_or(entry.journey_type, |kind| journey_type(kind, view.language))) }
            td data-label=(view.t(Text::OwnJourney)) { @if let Some(journey) = &entry.operator_journey_id { code { (journey) } } }
            td data-label=(view.t(Text::JourneyState)) {
                @if let Some(status) = entry.status {
                    @match JourneyStatus::parse(status) {
                        Some(known) => (journey_status(known, view.language)),
                        None => code { (status) },
                    }
                }
            }
            td data-label=(view.t(Text::LicenceOfDriver)) { code { (entry.driving_license) } }
            td data-label=(view.t(Text::RegisteredAt)) { (moment(view, &entry.registered_at)) }
        }
    }
}
