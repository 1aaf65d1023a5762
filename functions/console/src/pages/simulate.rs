//! `/console/simulate`: can this driver still get a certificate?

use cee_eligibility::JourneyType;
use maud::html;

use super::{Menu, alert, field, form_token, page};
use crate::view::View;
use crate::words::{Text, journey_type};

/// The values of the form, to be shown again to the person who typed them. Holds personal data.
#[derive(Clone, Default)]
pub(crate) struct Typed {
    pub(crate) journey_type: String,
    pub(crate) last_name_trunc: String,
    pub(crate) phone_trunc: String,
    pub(crate) driving_license: String,
    pub(crate) identity_key: String,
}

/// The registry's response.
pub(crate) enum Said {
    /// Nothing was asked.
    Nothing,
    /// No application blocks.
    Eligible,
    /// A refusal, with its texts.
    Refused(String, String),
}

/// The form, and the answer.
pub(crate) fn simulate(view: &View, typed: &Typed, said: &Said) -> String {
    let content = html! {
        @match said {
            Said::Nothing => {}
            Said::Eligible => div.good role="status" { strong { (view.t(Text::Eligible)) } },
            Said::Refused(title, detail) => (alert(title, detail)),
        }
        p { (view.t(Text::SimulateIntro)) }
        form method="post" action="/console/simulate" {
            (form_token(view))
            fieldset {
                legend { (view.t(Text::JourneyTypeName)) }
                @for kind in JourneyType::ALL {
                    label {
                        input type="radio" name="journey_type" value=(kind.as_str()) required
                            checked[typed.journey_type == kind.as_str()];
                        " " (journey_type(kind, view.language))
                    }
                }
            }
            (field("last_name_trunc", view.t(Text::LastName), Some(view.t(Text::LastNameHint)), &typed.last_name_trunc, true))
            (field("phone_trunc", view.t(Text::Phone), Some(view.t(Text::PhoneHint)), &typed.phone_trunc, true))
            (field("driving_license", view.t(Text::Licence), None, &typed.driving_license, false))
            (field("identity_key", view.t(Text::IdentityKeyName), None, &typed.identity_key, false))
            p { button { (view.t(Text::Simulate)) } }
        }
    };
    page(view, Some(Menu::Simulate), view.t(Text::Simulate), &content)
}
