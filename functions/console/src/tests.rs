//! The content of pages: escaped values, one language, labels, and no foreign script.

use cee_edge::answer::OwnApplication;
use cee_eligibility::{ApplicationId, DrivingLicense, Instant, JourneyType, Language, Siret};
use cee_fn_applications::list::answer::Entry;
use cee_fn_uploads::{Import, List, UploadForm};
use cee_history::{Counts, RejectedTable, Repair};
use cee_registry::ProofState;
use cee_tokens::{ProofError, VerifiedProof};

use crate::assets::{SCRIPT, STYLE};
use crate::overview::tests::samples;
use crate::pages::application::{Found, application, delete};
use crate::pages::applications::{Filter, Listed, applications};
use crate::pages::file::{Place, file};
use crate::pages::files::files;
use crate::pages::home::home;
use crate::pages::overview::overview;
use crate::pages::proof::{Checked, proof};
use crate::pages::refused::refused;
use crate::pages::sent::sent;
use crate::pages::sign_in::sign_in;
use crate::pages::simulate::{Said, Typed, simulate};
use crate::pages::take_back::take_back;
use crate::pages::upload::{Chosen, upload};
use crate::view::{SignedIn, View};
use crate::words::Text;

/// A value with which an attacker would try to run a script in another person's page.
const HOSTILE: &str = r#"<script>alert(1)</script>"'><img src=x onerror=alert(1)>"#;

#[test]
fn bytes_in_json_are_those_of_its_escapes() {
    assert_eq!(crate::applications::bytes_in_json("a,\"b\"\\\né"), r#"a,\"b\"\\\né"#.len());
}

fn view(language: Language) -> View {
    let signed_in = SignedIn { operator: format!("Opérateur {HOSTILE}"), form_token: "f0".repeat(32) };
    View {
        language,
        is_chosen_now: false,
        other_language: format!("/console/files?cursor={HOSTILE}"),
        signed_in: Some(signed_in),
        bucket: None,
    }
}

fn import() -> Import {
    let mut import = Import::sample(true);
    import.key = Some(format!("imports/1/abc/{}", HOSTILE.replace('/', "")));
    import.counts.repairs = Repair::ALL.into_iter().zip(1..).collect();
    import.error = Some(HOSTILE.to_owned());
    import.not_replaced = Some(HOSTILE.to_owned());
    import.ignored_upload = Some(true);
    import.replaces = Some("0".repeat(32));
    import
}

fn form() -> UploadForm {
    UploadForm {
        url: "https://bucket.s3.eu-west-3.amazonaws.com/".to_owned(),
        fields: vec![
            ("key", HOSTILE.to_owned()),
            ("x-amz-security-token", "t".repeat(1_000)),
            ("policy", HOSTILE.to_owned()),
        ],
        in_place: [HOSTILE.to_owned(), HOSTILE.to_owned()],
    }
}

fn entry(status: &'static str) -> Entry {
    Entry {
        uuid: HOSTILE.to_owned(),
        journey_type: "short",
        datetime: HOSTILE.to_owned(),
        registered_at: "2024-03-15T07:30:00.000Z".to_owned(),
        journey_id: Some(1001),
        operator_journey_id: Some(HOSTILE.to_owned()),
        status: Some(status),
        driving_license: HOSTILE.to_owned(),
        token: "t".repeat(600),
    }
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
    let mut undoing = Import::sample(true);
    undoing.state = "undoing";
    let [mut undone, mut checked] = [Import::sample(true), Import::sample(true)];
    undone.state = "undone";
    checked.check_only = true;
    let chosen = Chosen {
        form_number: HOSTILE.to_owned(),
        replaces: Some(HOSTILE.to_owned()),
        is_import: true,
        dates_confirmed: true,
        file_name: HOSTILE.to_owned(),
    };
    let typed_filter = Filter {
        journey_type: "long".to_owned(),
        status: HOSTILE.to_owned(),
        from: HOSTILE.to_owned(),
        to: HOSTILE.to_owned(),
    };
    let listed = Listed {
        entries: (0..25).map(|row| entry(if row % 2 == 0 { "ok" } else { "else" })).collect(),
        query: HOSTILE.to_owned(),
        next: Some(HOSTILE.to_owned()),
    };
    let nothing = Listed { entries: Vec::new(), query: String::new(), next: None };
    let [short, long] = JourneyType::ALL.map(OwnApplication::sample);
    let proofs = [Some(ProofState::Granted), Some(ProofState::Deleted), None];
    let proofs = proofs.map(|state| Checked::Proof(Box::new(verified()), state));
    let errors = [ProofError::Malformed, ProofError::UnknownKey, ProofError::Signature].map(Checked::Not);
    let mut pages = vec![
        ("home", home(&anonymous)),
        ("sign_in", sign_in(&anonymous, None)),
        ("sign_in_refused", sign_in(&anonymous, Some((HOSTILE, HOSTILE)))),
        ("files", files(&view, &list, true)),
        ("no_files", files(&view, &List { imports: Vec::new(), next_cursor: None }, true)),
        ("no_more_files", files(&view, &List { imports: Vec::new(), next_cursor: None }, false)),
        ("file", file(&view, &import(), &Some((table(), true)), &Place::None)),
        ("file_running", file(&view, &running, &None, &Place::None)),
        ("file_awaited", file(&view, &Import::sample(false), &None, &Place::Open(form()))),
        ("file_late", file(&view, &Import::sample(false), &None, &Place::Over)),
        ("file_sent", file(&view, &Import::sample(false), &None, &Place::Sent)),
        ("file_missing", file(&view, &Import::sample(false), &None, &Place::Missing)),
        ("file_undoing", file(&view, &undoing, &None, &Place::None)),
        ("file_checked", file(&view, &checked, &None, &Place::None)),
        ("file_undone", file(&view, &undone, &None, &Place::None)),
        ("upload", upload(&view, &Chosen::default(), None)),
        ("upload_refused", upload(&view, &chosen, Some((HOSTILE, HOSTILE)))),
        ("sent", sent(&anonymous, &"0".repeat(32))),
        ("take_back", take_back(&view, &import(), None)),
        ("take_back_refused", take_back(&view, &import(), Some((HOSTILE, HOSTILE)))),
        ("applications", applications(&view, &typed_filter, Ok(&listed))),
        ("no_applications", applications(&view, &Filter::default(), Ok(&nothing))),
        ("applications_refused", applications(&view, &typed_filter, Err((HOSTILE, HOSTILE)))),
        ("application", application(&view, "", &Found::Nothing)),
        ("application_short", application(&view, HOSTILE, &Found::Application(&short))),
        ("application_long", application(&view, HOSTILE, &Found::Application(&long))),
        ("application_deleted", application(&view, "", &Found::Deleted)),
        ("delete", delete(&view, &short)),
        ("application_refused", application(&view, HOSTILE, &Found::Refused(HOSTILE, HOSTILE))),
        ("simulate", simulate(&view, &Typed::default(), &Said::Nothing)),
        ("simulate_eligible", simulate(&view, &typed, &Said::Eligible)),
        ("simulate_refused", simulate(&view, &typed, &Said::Refused(HOSTILE.to_owned(), HOSTILE.to_owned()))),
        ("proof", proof(&anonymous, &Checked::Nothing)),
        ("refused", refused(&view, HOSTILE, HOSTILE, Some(HOSTILE))),
    ];
    let under_way = |_| {
        let mut import = import();
        (import.state, import.rows_total) = ("running", Some(3));
        import
    };
    let list_under_way = List { imports: (0..25).map(under_way).collect(), next_cursor: Some(HOSTILE.to_owned()) };
    let overviews = samples().into_iter();
    pages.extend(overviews.map(|(name, sample)| (name, overview(&view, &sample, &list_under_way))));
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
        // Texts of the file or the API are the same in every language.
        let skipped = ["style", "code", "time"].iter().find(|name| tag.split(' ').next() == Some(**name));
        rest = skipped.and_then(|name| after.split_once(&format!("</{name}>"))).map_or(after, |(_, rest)| rest);
    }
    text
}

/// The page without the one script that it may have.
fn without_our_script(page: &str) -> String {
    page.replacen(&format!("<script src=\"{}\" defer></script>", SCRIPT.address()), "", 1)
}

#[test]
fn no_value_becomes_markup() {
    for language in Language::ALL {
        for (name, page) in pages(language) {
            let page = without_our_script(&page);
            for bad in ["<script", "<img", "onerror=alert(1)>\"", "javascript:"] {
                assert!(!page.contains(bad), "{name} holds {bad}");
            }
            // Within a tag there is no quote or bracket of a value.
            assert!(!page.contains("\"'>"), "{name}");
        }
    }
    let view = view(Language::English);
    let shown = "&lt;script&gt;alert(1)&lt;/script&gt;&quot;";
    assert!(
        files(&view, &List { imports: vec![import()], next_cursor: None }, true).contains("Opérateur &lt;script&gt;")
    );
    assert!(file(&view, &Import::sample(true), &Some((table(), false)), &Place::None).contains(shown), "a cell");
    assert!(
        file(&view, &import(), &None, &Place::None).contains("&lt;script&gt;alert(1)&lt;script&gt;"),
        "a file's name"
    );
}

#[test]
fn pages_hold_no_script_and_no_style_of_their_own() {
    for (name, page) in pages(Language::English) {
        let page = without_our_script(&page);
        let tags = page.split('<').filter_map(|part| part.split('>').next());
        for tag in tags {
            // Without the values of its attributes.
            let names: String = tag.split('"').step_by(2).collect();
            for bad in [" style=", " on", " src="] {
                assert!(!names.contains(bad), "{name}: {tag}");
            }
        }
        assert_eq!(page.matches("<link rel=\"stylesheet\"").count(), 1, "{name}");
        assert!(page.contains(STYLE.address()), "{name}");
    }
    // Neither does the stylesheet.
    assert!(!STYLE.content.contains("url(") && !STYLE.content.contains("@import"));
    // The script makes no code and no markup of a text.
    for bad in ["eval", "innerHTML =", "outerHTML", "insertAdjacentHTML", "document.write", "Function(", "http"] {
        assert!(!SCRIPT.content.contains(bad), "{bad}");
    }
}

#[test]
fn french_pages_hold_no_english() {
    for (name, page) in pages(Language::French) {
        assert!(page.contains("<html lang=\"fr\">"), "{name}");
        let text = text(&page).replace("&lt;", "«").replace("&gt;", "»").replace("&quot;", " ");
        assert_eq!(Language::english_left_in(&text), None, "{name}");
        for words in Text::ALL {
            let [english, french] = Language::ALL.map(|language| words.to(language));
            // The name of the other language is written in that language.
            if english != french && *words != Text::OtherLanguage {
                assert!(!holds(&text, english), "{name}: {english}");
            }
        }
    }
}

/// Whether a text holds these words, and not only as a part of others.
fn holds(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + words.len()..].chars().next());
        [before, after].iter().all(|next| next.is_none_or(|next| !next.is_alphanumeric()))
    })
}

#[test]
fn words_are_found_whole() {
    assert!(holds("a File, b", "File") && holds("File", "File"));
    assert!(!holds("Files", "File") && !holds("aFile", "File") && !holds("", "File"));
}

#[test]
fn each_field_has_a_label_and_each_page_one_heading() {
    for (name, page) in pages(Language::English) {
        assert_eq!(page.matches("<h1>").count(), 1, "{name}");
        assert_eq!(page.matches("<main id=\"content\">").count(), 1, "{name}");
        let tags = ["<input ", "<textarea ", "<select "].into_iter().flat_map(|tag| page.split(tag).skip(1));
        for field in tags {
            let tag = field.split('>').next().unwrap();
            let is_within_label = ["radio", "checkbox"].iter().any(|kind| tag.contains(&format!("type=\"{kind}\"")));
            if tag.contains("type=\"hidden\"")
                || is_within_label
                || !tag.contains("name=") && !tag.contains("type=\"file\"")
            {
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
            // S3 gets no token of the session.
            let is_ours = form.contains("action=\"/");
            assert_eq!(form.contains(&token), is_signed_in && is_ours, "{name}: {form}");
            assert_eq!(form.contains("enctype"), !is_ours, "{name}");
        }
    }
}

#[test]
fn pages_are_small() {
    for (name, page) in pages(Language::French) {
        let whole = page.len() + STYLE.content.len() + SCRIPT.content.len();
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
fn list_of_drivers_is_neither_replaced_nor_taken_back() {
    let links = ["id=\"replace\"", "id=\"take-back\"", "id=\"import\"", "id=\"corrected\"", "Correct the rows"];
    let shown = |import: &Import| {
        let page = file(&view(Language::English), import, &Some((table(), false)), &Place::None);
        links.map(|link| page.contains(link))
    };
    let mut import = Import::sample(true);
    assert_eq!(shown(&import), [true, true, false, true, true]);
    import.kind = "drivers";
    assert_eq!(shown(&import), [false; 5]);
    import.check_only = true;
    assert_eq!(shown(&import), [false; 5]);
}

#[test]
fn late_file_is_sent_again_with_what_was_chosen() {
    let again = |import: &Import| {
        let page = file(&view(Language::English), import, &None, &Place::Over);
        page.split_once("id=\"again\" href=\"").unwrap().1.split('"').next().unwrap().to_owned()
    };
    let mut import = Import::sample(false);
    assert_eq!(again(&import), "/console/upload?import=yes");
    import.replaces = Some("0".repeat(32));
    assert_eq!(again(&import), format!("/console/upload?replaces={}", "0".repeat(32)));
    import.check_only = true;
    assert_eq!(again(&import), format!("/console/upload?replaces={}&amp;check=yes", "0".repeat(32)));
    import.replaces = None;
    assert_eq!(again(&import), "/console/upload");
}

#[test]
fn list_says_that_a_file_did_not_come() {
    let list = |late| {
        let mut import = Import::sample(false);
        import.late = late;
        files(&view(Language::French), &List { imports: vec![import], next_cursor: None }, true)
    };
    assert!(list(false).contains("en attente du fichier") && !list(false).contains("fichier non reçu"));
    assert!(list(true).contains("fichier non reçu") && !list(true).contains("en attente du fichier"));
}

#[test]
fn import_that_stopped_after_some_rows_was_not_refused_whole() {
    let shown = |import: &Import| {
        let page = file(&view(Language::English), import, &None, &Place::None);
        ["The file was refused as a whole", "The import stopped before its end", "stopped early"]
            .map(|text| page.contains(text))
    };
    let mut import = Import::sample(true);
    (import.state, import.error) = ("failed", Some("The registry has suspended this operator.".to_owned()));
    assert_eq!(shown(&import), [false, true, true]);
    import.counts = Counts::default();
    assert_eq!(shown(&import), [true, false, false]);
}

#[test]
fn bars_of_the_outcome_are_as_wide_as_their_rows() {
    let mut import = Import::sample(true);
    import.counts.read = 1_000_000;
    (import.counts.imported, import.counts.rejected) = (999_999, 1);
    let page = file(&view(Language::English), &import, &None, &Place::None);
    assert!(page.contains("<rect class=\"imported\" x=\"0\" y=\"0\" width=\"999\" height=\"40\">"), "{page}");
    assert!(page.contains("<rect class=\"rejected\" x=\"999\" y=\"0\" width=\"4\" height=\"40\">"), "{page}");
    assert!(page.contains("999,999"));
}
