//! What pages hold: escaped values, one language, labels, and nothing that a script could be.

use cee_edge::answer::OwnApplication;
use cee_eligibility::{ApplicationId, DrivingLicense, Instant, JourneyType, Language, Siret};
use cee_fn_uploads::{Import, List};
use cee_history::{RejectedTable, Repair};
use cee_registry::ProofState;
use cee_tokens::{ProofError, VerifiedProof};

use crate::pages::application::{Found, application};
use crate::pages::file::file;
use crate::pages::files::files;
use crate::pages::home::home;
use crate::pages::proof::{Checked, proof};
use crate::pages::refused::refused;
use crate::pages::sign_in::sign_in;
use crate::pages::simulate::{Said, Typed, simulate};
use crate::view::{SignedIn, View};
use crate::{POLICY, style};

/// What somebody would write who wants to run a script in another one's page.
const HOSTILE: &str = r#"<script>alert(1)</script>"'><img src=x onerror=alert(1)>"#;

fn view(language: Language) -> View {
    let signed_in = SignedIn { operator: format!("Opérateur {HOSTILE}"), form_token: "f0".repeat(32) };
    View {
        language,
        is_chosen_now: false,
        other_language: format!("/console/files?cursor={HOSTILE}"),
        signed_in: Some(signed_in),
    }
}

fn import() -> Import {
    let mut import = Import::sample(true);
    import.key = Some(format!("imports/1/abc/{}", HOSTILE.replace('/', "")));
    import.counts.repairs = Repair::ALL.into_iter().zip(1..).collect();
    import.error = Some(HOSTILE.to_owned());
    import.not_replaced = Some(HOSTILE.to_owned());
    import.ignored_upload = Some(true);
    import
}

fn table() -> RejectedTable {
    RejectedTable { header: vec![HOSTILE.to_owned(); 3], rows: vec![vec![HOSTILE.to_owned(); 3]; 50] }
}

fn verified() -> VerifiedProof {
    let datetime = Instant::parse("2024-03-15T07:30:00Z").unwrap();
    VerifiedProof {
        siret: Siret::parse("89248032800012").unwrap(),
        journey_type: JourneyType::Short,
        driving_license: DrivingLicense::parse("99-DE/B072RRE2I55").unwrap(),
        datetime,
        uuid: ApplicationId::parse("6a0b4f5e-8d3c-4f6a-9d55-0c1f0e6f2b11").unwrap(),
        issued_at: datetime,
    }
}

/// Every page, with hostile values wherever a value can be.
fn pages(language: Language) -> Vec<(&'static str, String)> {
    let view = view(language);
    let anonymous = View { signed_in: None, ..view.clone() };
    let typed = Typed {
        journey_type: "long".to_owned(),
        last_name_trunc: HOSTILE.to_owned(),
        phone_trunc: HOSTILE.to_owned(),
        driving_license: HOSTILE.to_owned(),
        identity_key: HOSTILE.to_owned(),
    };
    let list = List { imports: (0..25).map(|_| import()).collect(), next_cursor: Some(HOSTILE.to_owned()) };
    let mut running = Import::sample(true);
    running.state = "running";
    let [short, long] = JourneyType::ALL.map(OwnApplication::sample);
    let proofs = [Some(ProofState::Granted), Some(ProofState::Deleted), None];
    let proofs = proofs.map(|state| Checked::Proof(Box::new(verified()), state));
    let errors = [ProofError::Malformed, ProofError::UnknownKey, ProofError::Signature].map(Checked::Not);
    let mut pages = vec![
        ("home", home(&anonymous)),
        ("sign_in", sign_in(&anonymous, None)),
        ("sign_in_refused", sign_in(&anonymous, Some((HOSTILE, HOSTILE)))),
        ("files", files(&view, &list)),
        ("no_files", files(&view, &List { imports: Vec::new(), next_cursor: None })),
        ("file", file(&view, &import(), &Some((table(), true)))),
        ("file_running", file(&view, &running, &None)),
        ("file_awaited", file(&view, &Import::sample(false), &None)),
        ("application", application(&view, "", &Found::Nothing)),
        ("application_short", application(&view, HOSTILE, &Found::Application(&short))),
        ("application_long", application(&view, HOSTILE, &Found::Application(&long))),
        ("application_refused", application(&view, HOSTILE, &Found::Refused(HOSTILE, HOSTILE))),
        ("simulate", simulate(&view, &Typed::default(), &Said::Nothing)),
        ("simulate_eligible", simulate(&view, &typed, &Said::Eligible)),
        ("simulate_refused", simulate(&view, &typed, &Said::Refused(HOSTILE.to_owned(), HOSTILE.to_owned()))),
        ("proof", proof(&anonymous, &Checked::Nothing)),
        ("refused", refused(&view, HOSTILE, HOSTILE, Some(HOSTILE))),
    ];
    pages.extend(proofs.iter().chain(&errors).map(|checked| ("proof_checked", proof(&view, checked))));
    pages
}

/// The text of a page between its tags, and its hints and labels, without the hostile values.
fn text(page: &str) -> String {
    let mut text = String::new();
    let mut rest = page;
    while let Some((before, tag)) = rest.split_once('<') {
        text.push_str(before);
        text.push(' ');
        let (tag, after) = tag.split_once('>').unwrap();
        for attribute in ["aria-label=\"", "placeholder=\"", "title=\"", "alt=\""] {
            text.extend(tag.split_once(attribute).and_then(|(_, value)| value.split('"').next()));
        }
        // What the file or the interface says is the same in every language.
        let skipped = ["style", "code", "time"].iter().find(|name| tag.split(' ').next() == Some(**name));
        rest = skipped.and_then(|name| after.split_once(&format!("</{name}>"))).map_or(after, |(_, rest)| rest);
    }
    text
}

#[test]
fn no_value_becomes_markup() {
    for language in Language::ALL {
        for (name, page) in pages(language) {
            for bad in ["<script", "<img", "onerror=alert(1)>\"", "javascript:"] {
                assert!(!page.contains(bad), "{name} holds {bad}");
            }
            // Within a tag there is no quote or bracket of a value.
            assert!(!page.contains("\"'>"), "{name}");
        }
    }
    let view = view(Language::English);
    let shown = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;";
    assert!(files(&view, &List { imports: vec![import()], next_cursor: None }).contains("Opérateur &lt;script&gt;"));
    assert!(file(&view, &Import::sample(true), &Some((table(), false))).contains(shown), "a cell");
    assert!(file(&view, &import(), &None).contains("&lt;script&gt;alert(1)&lt;script&gt;"), "a file's name");
}

#[test]
fn pages_hold_no_script_and_no_style_of_their_own() {
    assert!(POLICY.starts_with("default-src 'none'; style-src 'self';"));
    assert!(!POLICY.contains("script-src") && !POLICY.contains("unsafe"));
    for directive in ["form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"] {
        assert!(POLICY.contains(directive), "{directive}");
    }
    for (name, page) in pages(Language::English) {
        let tags = page.split('<').filter_map(|part| part.split('>').next());
        for tag in tags {
            // Without the values of its attributes.
            let names: String = tag.split('"').step_by(2).collect();
            for bad in [" style=", " on", " src="] {
                assert!(!names.contains(bad), "{name}: {tag}");
            }
        }
        assert_eq!(page.matches("<link rel=\"stylesheet\"").count(), 1, "{name}");
        assert!(page.contains(style::path()), "{name}");
    }
    // Neither does the stylesheet.
    assert!(!style::CSS.contains("url(") && !style::CSS.contains("@import"));
}

#[test]
fn french_pages_hold_no_english() {
    for (name, page) in pages(Language::French) {
        assert!(page.contains("<html lang=\"fr\">"), "{name}");
        let text = text(&page).replace("&lt;", "«").replace("&gt;", "»").replace("&quot;", " ");
        assert_eq!(Language::english_left_in(&text), None, "{name}");
    }
}

#[test]
fn each_field_has_a_label_and_each_page_one_heading() {
    for (name, page) in pages(Language::English) {
        assert_eq!(page.matches("<h1>").count(), 1, "{name}");
        assert_eq!(page.matches("<main id=\"content\">").count(), 1, "{name}");
        for field in page.split("<input ").skip(1).chain(page.split("<textarea ").skip(1)) {
            let tag = field.split('>').next().unwrap();
            if tag.contains("type=\"hidden\"") || tag.contains("type=\"radio\"") {
                continue;
            }
            let id = tag.split_once("id=\"").and_then(|(_, id)| id.split('"').next()).unwrap();
            assert!(page.contains(&format!("<label for=\"{id}\">")), "{name}: {id}");
        }
    }
}

#[test]
fn every_form_of_a_session_holds_its_token() {
    for (name, page) in pages(Language::English) {
        let is_signed_in = page.contains("/console/sign-out");
        for form in page.split("<form ").skip(1) {
            let form = form.split("</form>").next().unwrap();
            if !form.contains("method=\"post\"") {
                continue;
            }
            let token = format!("name=\"form\" value=\"{}\"", "f0".repeat(32));
            assert_eq!(form.contains(&token), is_signed_in, "{name}: {form}");
        }
    }
}

#[test]
fn pages_are_small() {
    for (name, page) in pages(Language::French) {
        let whole = page.len() + style::CSS.len();
        assert!(whole <= 100_000, "{name}: {whole} bytes");
    }
}

#[test]
fn sign_in_repeats_nothing_that_was_typed() {
    let page = sign_in(&View { signed_in: None, ..view(Language::English) }, Some(("title", "detail")));
    let fields = page.split("<input ").skip(1).map(|field| field.split('>').next().unwrap());
    assert!(fields.clone().count() == 2 && fields.clone().all(|field| !field.contains("value=")));
    assert!(fields.last().unwrap().contains("type=\"password\""));
}

#[test]
fn bars_of_the_outcome_are_as_wide_as_their_rows() {
    let mut import = Import::sample(true);
    import.counts.read = 1_000_000;
    (import.counts.imported, import.counts.rejected) = (999_999, 1);
    let page = file(&view(Language::English), &import, &None);
    assert!(page.contains("<rect class=\"imported\" x=\"0\" y=\"0\" width=\"999\" height=\"40\">"), "{page}");
    assert!(page.contains("<rect class=\"rejected\" x=\"999\" y=\"0\" width=\"4\" height=\"40\">"), "{page}");
    assert!(page.contains("999,999"));
}
