//! `/`: where things are.

use maud::html;

use super::{Menu, page};
use crate::view::View;
use crate::words::Text;

/// Where the guides are: the README says who starts with which.
const DOCUMENTATION: &str = "https://github.com/cee-registry/cee-registry/blob/main/README.md";

/// Where things are.
pub(crate) fn home(view: &View) -> String {
    let places = [
        ("/console", Text::Console, Text::HomeConsole),
        ("/console/proof", Text::CheckProof, Text::HomeProof),
        ("/docs", Text::Reference, Text::HomeReference),
        (DOCUMENTATION, Text::Documentation, Text::HomeDocumentation),
        ("/v3/openapi.json", Text::OpenApi, Text::HomeDocument),
        ("/v3/.well-known/jwks.json", Text::PublicKeys, Text::HomeKeys),
        ("/v3/health", Text::Health, Text::HomeHealth),
    ];
    let content = html! {
        p { (view.t(Text::HomeIntro)) }
        ul.places {
            @for (path, name, about) in places {
                li { a href=(path) { (view.t(name)) } p { (view.t(about)) } }
            }
        }
    };
    page(view, Some(Menu::Home), view.t(Text::Registry), &content)
}
