//! `/console/proof`: whether this registry signed a proof, for what, and whether its application is still valid. Public.

use cee_registry::ProofState;
use cee_tokens::{ProofError, VerifiedProof};
use maud::html;

use super::{Menu, alert, form_token, moment, page};
use crate::view::View;
use crate::words::{Text, journey_type, proof_error};

/// The result of the check.
pub(crate) enum Checked {
    /// Nothing was checked.
    Nothing,
    /// It is a proof; what has become of its application.
    Proof(Box<VerifiedProof>, Option<ProofState>),
    /// It is not a proof.
    Not(ProofError),
}

/// The form, and the result.
pub(crate) fn proof(view: &View, checked: &Checked) -> String {
    let content = html! {
        @match checked {
            Checked::Nothing => {}
            Checked::Not(error) => (alert(view.t(Text::ProofInvalid), proof_error(*error, view.language))),
            Checked::Proof(proof, state) => {
                @match state {
                    Some(ProofState::Granted) => div.good role="status" { strong { (view.t(Text::ProofValid)) } },
                    Some(ProofState::Deleted) => (alert(view.t(Text::ProofDeleted), "")),
                    None => (alert(view.t(Text::ProofUnknown), "")),
                }
                dl {
                    dt { (view.t(Text::Siret)) } dd { (proof.siret.as_str()) }
                    dt { (view.t(Text::JourneyTypeName)) } dd { (journey_type(proof.journey_type, view.language)) }
                    dt { (view.t(Text::LicenceOfDriver)) } dd { (proof.driving_license.as_str()) }
                    dt { (view.t(Text::ApplicationDate)) } dd { (moment(view, &proof.datetime.to_string())) }
                    dt { (view.t(Text::SignedAt)) } dd { (moment(view, &proof.issued_at.to_string())) }
                    dt { "uuid" } dd { code { (proof.uuid.to_string()) } }
                }
            }
        }
        p { (view.t(Text::ProofIntro)) }
        form method="post" action="/console/proof" {
            (form_token(view))
            p.field {
                label for="token" { (view.t(Text::ProofToken)) }
                textarea #token name="token" rows="6" required spellcheck="false" autocomplete="off" {}
            }
            p { button { (view.t(Text::Check)) } }
        }
    };
    page(view, Some(Menu::Proof), view.t(Text::CheckProof), &content)
}
