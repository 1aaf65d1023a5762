//! Files in the console: checked, imported, replaced, corrected and undone, by forms that need no script.

use cee_eligibility::{Instant, OperatorId};
use cee_history::Report;
use cee_local::stack::tables;
use cee_registry::{Claimed, ImportId, ImportRecord, Imports, Wishes};
use cee_service::clock::machine_now;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::console::{Browser, Form, attribute};
use crate::support::{World, keys, world, world_with};

const HEADER: &str = "journey_type,last_name_trunc,phone_trunc,datetime\n";
const GOOD: &str = "long,DUP,+336010203,2021-02-15\n";

/// The state of an import and its counts, as the interface returns them.
async fn import(world: &World, id: &str) -> Value {
    let path = format!("/policies/cee/imports/{id}");
    world.api.call(Method::GET, &path, &world.token(1)).await.json()
}

async fn claims(world: &World) -> usize {
    world.scan(&tables().claims).await.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn file_is_checked_first_and_imported_if_the_form_says_so() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let page = browser.get("/console/upload").await.text;
    assert!(page.contains("name=\"check_only\" value=\"true\" checked"), "a check is what the form begins with");
    let content = format!("{HEADER}{GOOD}long,bad?,+336010204,2021-02-15\n");
    let id = browser.send("history.csv", &[], &content).await;
    // The page after the upload belongs to nobody, and leads to the import.
    let anonymous = Browser::new(&world);
    let sent = anonymous.get(&format!("/console/sent/{id}")).await;
    assert_eq!(sent.status, StatusCode::OK);
    let next = format!("content=\"0; url=/console/files/{id}?sent=yes\"");
    assert!(sent.text.contains("http-equiv=\"refresh\"") && sent.text.contains(&next), "{}", sent.text);
    world.imported().await;
    let page = browser.get(&format!("/console/files/{id}?sent=yes")).await.text;
    for shown in ["history.csv", "checked only", "Would be accepted", "The file was only checked", "bad?", "<svg"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("id=\"take-back\"") && page.contains("href=\"/console/upload?import=yes\""));
    assert_eq!(claims(&world).await, 0, "nothing was written");

    let page = browser.get("/console/upload?import=yes").await.text;
    assert!(page.contains("name=\"check_only\" value=\"false\" checked"), "{page}");
    let id = browser.send("history.csv", &[("check_only", "false")], &content).await;
    world.imported().await;
    let page = browser.get(&format!("/console/files/{id}")).await.text;
    for shown in
        ["completed", "id=\"replace\"", "id=\"take-back\"", "id=\"corrected\"", "id=\"rejected\"", "id=\"report\""]
    {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    let counts = import(&world, &id).await;
    assert_eq!((&counts["read"], &counts["imported"], &counts["rejected"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(claims(&world).await, 1);
    let list = browser.get("/console/files").await.text;
    assert!(list.contains(&id) && list.contains("href=\"/console/upload\""));
}

/// Such a file may come from a spreadsheet in English, whose person can still say so.
#[tokio::test(flavor = "multi_thread")]
async fn page_says_if_no_date_shows_which_number_is_the_day() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    for (date, is_said) in [("03/05/2021", true), ("13/05/2021", false), ("05/13/2021", false), ("2021-05-03", false)] {
        let id = browser.send("h.csv", &[], &format!("{HEADER}long,DUP,+336010203,{date}\n")).await;
        world.imported().await;
        let page = browser.get(&format!("/console/files/{id}")).await.text;
        assert_eq!(page.contains("were read with the day first"), is_said, "{date}: {page}");
    }
}

/// The columns that the registry adds are named in the language of the file; its page is read in both.
#[tokio::test(flavor = "multi_thread")]
async fn columns_of_rejected_rows_have_titles_in_the_language_of_the_page() {
    let world = world().await;
    let mut browser = Browser::signed_in(&world, 1).await;
    let content = format!("{HEADER}long,bad?,+336010204,2021-02-15\n");
    for sent in ["en", "fr"] {
        browser.language = sent;
        let id = browser.send("history.csv", &[], &content).await;
        world.imported().await;
        for (language, titles) in [("en", ["Line", "Column", "Reason"]), ("fr", ["Ligne", "Colonne", "Motif"])] {
            browser.language = language;
            let page = browser.get(&format!("/console/files/{id}")).await.text;
            let titles = titles.map(|title| format!("<th scope=\"col\">{title}</th>")).concat();
            assert!(page.contains(&titles), "{sent}, {language}: {page}");
        }
    }
}

/// Imports a file with one good row, and returns its id.
async fn good_import(world: &World, browser: &Browser<'_>) -> String {
    let id = browser.send("a.csv", &[("check_only", "false")], &format!("{HEADER}{GOOD}")).await;
    world.imported().await;
    id
}

#[tokio::test(flavor = "multi_thread")]
async fn corrected_file_replaces_an_earlier_one_and_is_taken_back() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let first = good_import(&world, &browser).await;
    let page = browser.get(&format!("/console/upload?replaces={first}")).await.text;
    let form = Form::of(&page, "upload").unwrap();
    assert!(form.fields.contains(&("replaces".to_owned(), first.clone())), "{form:?}");
    let other = format!("{HEADER}long,TO ,+336010299,2021-02-15\n");
    let second = browser.send("b.csv", &[("check_only", "false"), ("replaces", &first)], &other).await;
    world.imported().await;
    assert!(browser.get(&format!("/console/files/{first}")).await.text.contains("undone"));
    let page = browser.get(&format!("/console/files/{second}")).await.text;
    assert!(page.contains(&format!("href=\"/console/files/{first}\"")), "{page}");
    assert_eq!(claims(&world).await, 1);

    // The question changes nothing.
    let question = browser.get(&format!("/console/take-back?import_id={second}")).await;
    assert_eq!(question.status, StatusCode::OK);
    let form = Form::of(&question.text, "confirm").unwrap();
    assert_eq!(form.action, "/console/take-back");
    assert!(form.fields.contains(&("import_id".to_owned(), second.clone())));
    world.stack.queue().idle().await;
    assert_eq!(import(&world, &second).await["state"], "completed");
    let answer = browser.post("/console/take-back", &[("import_id", &second)]).await;
    let next = format!("/console/files/{second}");
    assert_eq!(answer.headers["location"], next, "{answer:?}");
    world.stack.queue().idle().await;
    let page = browser.get(&next).await.text;
    assert!(page.contains("undone") && !page.contains("id=\"take-back\"") && !page.contains("data-refresh"), "{page}");
    assert_eq!(claims(&world).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_a_file_that_replaced_nothing_says_so() {
    let world = world().await;
    let mut browser = Browser::signed_in(&world, 1).await;
    let first = good_import(&world, &browser).await;
    let bad = format!("{HEADER}long,bad?,+336010204,2021-02-15\n");
    let second = browser.send("b.csv", &[("check_only", "false"), ("replaces", &first)], &bad).await;
    world.imported().await;
    for (language, title) in
        [("en", "The earlier file was not taken back"), ("fr", "Le fichier précédent n'a pas été annulé")]
    {
        browser.language = language;
        let page = browser.get(&format!("/console/files/{second}")).await.text;
        assert!(page.contains(&format!("<strong>{title}</strong>")), "{page}");
    }
    assert_eq!(import(&world, &first).await["state"], "completed");
}

/// Where the link with this id leads.
fn link(page: &str, id: &str) -> Option<String> {
    let mut tags = page.split("<a").filter_map(|tag| tag.split('>').next());
    attribute(tags.find(|tag| attribute(tag, "id").as_deref() == Some(id))?, "href")
}

/// A page of as many files as fit leads to one with none.
#[tokio::test(flavor = "multi_thread")]
async fn empty_later_page_does_not_say_that_no_file_was_sent() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let nothing = "Your company has not sent a file yet.";
    assert!(browser.get("/console/files").await.text.contains(nothing));
    for _ in 0..25 {
        browser.place(&[]).await;
    }
    let after_all = format!("/console/files?cursor={}", "0".repeat(48));
    for path in ["/console/files", after_all.as_str()] {
        let page = browser.get(path).await.text;
        assert!(!page.contains(nothing), "{page}");
        assert_eq!(page.contains("There is no file on this page."), path == after_all, "{page}");
    }
}

/// A page may be open for longer than a link to S3 is valid.
#[tokio::test(flavor = "multi_thread")]
async fn links_of_a_page_are_signed_when_they_are_followed() {
    let world = world().await;
    let mut browser = Browser::signed_in(&world, 1).await;
    let id = browser.send("h.csv", &[], &format!("{HEADER}long,bad?,+336010204,2021-02-15\n")).await;
    world.imported().await;
    let path = format!("/console/files/{id}");
    let page = browser.get(&path).await.text;
    assert!(!page.contains("X-Amz-"), "{page}");
    let links = ["report", "rejected"].map(|name| link(&page, name).unwrap());
    for (link, text) in links.iter().zip(["\"rejected\": 1", "bad?"]) {
        let answer = browser.get(link).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{link}: {answer:?}");
        let file = world.plain(Method::GET, answer.headers["location"].to_str().unwrap(), &[], b"").await;
        assert!(file.status == StatusCode::OK && file.text.contains(text), "{link}: {file:?}");
    }
    assert_eq!(browser.get(&format!("{path}/answers")).await.status, StatusCode::NOT_FOUND, "it is no list");
    assert_eq!(browser.get(&format!("{path}/else")).await.status, StatusCode::NOT_FOUND);
    browser.sign_in(2).await;
    for link in links {
        assert_eq!(browser.get(&link).await.status, StatusCode::NOT_FOUND, "{link}");
    }
}

/// A file that was only checked, or refused, has replaced nothing: the next one still has to replace the same import.
#[tokio::test(flavor = "multi_thread")]
async fn next_file_replaces_the_import_that_the_last_one_left() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let old = good_import(&world, &browser).await;
    let replacing = format!("/console/upload?replaces={old}");
    let bad = format!("{HEADER}{GOOD}long,bad?,+336010204,2021-02-15\n");
    for (check_only, content, leads) in [
        ("true", bad.as_str(), "import"),
        ("false", "no header\n", "replace"),
        ("false", bad.as_str(), "replace-again"),
    ] {
        let id = browser.send("b.csv", &[("check_only", check_only), ("replaces", &old)], content).await;
        world.imported().await;
        let page = browser.get(&format!("/console/files/{id}")).await.text;
        assert_eq!(link(&page, leads).as_ref(), Some(&replacing), "{page}");
    }
    let form = Form::of(&browser.get(&replacing).await.text, "upload").unwrap();
    assert!(form.fields.contains(&("replaces".to_owned(), old.clone())), "{form:?}");
    let page = browser.get(&format!("/console/upload?replaces={old}&check=yes")).await.text;
    assert!(page.contains("name=\"check_only\" value=\"true\" checked") && page.contains(&old), "{page}");
}

/// The address of a page after a form was sent shows another page, or none.
#[tokio::test(flavor = "multi_thread")]
async fn switch_of_languages_leads_back_to_what_was_refused() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let old = good_import(&world, &browser).await;
    let awaited = browser.place(&[]).await.rsplit('/').next().unwrap().to_owned();
    let replacing = [("file_name", "a/b.csv"), ("replaces", old.as_str())];
    for (path, fields, leads) in [
        ("/console/upload", &replacing[..], format!("/console/upload?replaces={old}&check=yes")),
        ("/console/take-back", &[("import_id", awaited.as_str())], format!("/console/take-back?import_id={awaited}")),
    ] {
        let refused = browser.post(path, fields).await;
        assert!(refused.status.is_client_error(), "{refused:?}");
        let switch = format!("href=\"{}&amp;lang=fr\" hreflang=\"fr\"", leads.replace('&', "&amp;"));
        assert!(refused.text.contains(&switch), "{path}: {}", refused.text);
        let french = browser.get(&format!("{leads}&lang=fr")).await;
        assert!(french.status == StatusCode::OK && french.text.contains("<html lang=\"fr\">"), "{french:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn form_puts_one_file_under_one_key_until_it_expires() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let path = browser.place(&[("file_name", "h.csv")]).await;
    let page = browser.get(&path).await;
    let form = Form::of(&page.text, "send").unwrap();
    let id = path.rsplit('/').next().unwrap();
    assert!(form.fields.contains(&("key".to_owned(), format!("imports/1/{id}/h.csv"))), "{form:?}");
    // S3 learns nothing of the session.
    let token = browser.form_token().unwrap();
    assert!(!format!("{form:?}").contains(&token) && !form.fields.iter().any(|(name, _)| name == "form"));
    // The policy of the page lets the form and the script send to S3, and to no other host.
    let s3 = &world.stack.description().s3_url;
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains(&format!("form-action 'self' {s3};")), "{policy}");
    assert!(policy.contains(&format!("connect-src 'self' {s3};")), "{policy}");
    for (name, value) in [
        ("key", format!("imports/2/{id}/h.csv")),
        ("key", format!("reports/1/{id}.json")),
        ("key", "undo/2-1".to_owned()),
        ("success_action_redirect", "https://evil.example/".to_owned()),
        ("x-amz-date", "20200101T000000Z".to_owned()),
        ("x-amz-signature", "0".repeat(64)),
        ("policy", form.in_place[0].clone()),
    ] {
        let mut changed = form.clone();
        changed.set(name, &value);
        let answer = changed.send(&world, "x").await;
        assert!(answer.status.is_client_error(), "{name}: {answer:?}");
    }
    assert_eq!(keys(&world.aws, "imports/").await, [""; 0]);
    // A script stays on its page, which may read that S3 has the file.
    let answer = form.of_script().send(&world, &format!("{HEADER}{GOOD}")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
    assert_eq!(answer.headers["access-control-allow-origin"], browser.root);
    world.imported().await;
    assert_eq!(import(&world, id).await["accepted"], 1);
    assert!(Form::of(&browser.get(&path).await.text, "send").is_none(), "it has come");
}

/// The places and imports of operator 1.
async fn imports(world: &World) -> usize {
    let list = world.api.call(Method::GET, "/policies/cee/imports", &world.token(1)).await.json();
    list["imports"].as_array().unwrap().len()
}

/// A double click on *Continue*, or a second try after a connection was lost.
#[tokio::test(flavor = "multi_thread")]
async fn form_sent_twice_has_one_import() {
    let world = world().await;
    let mut browser = Browser::signed_in(&world, 1).await;
    let number = async || {
        let form = Form::of(&browser.get("/console/upload").await.text, "upload").unwrap();
        form.fields.into_iter().find(|(name, _)| name == "form_number").unwrap().1
    };
    let (first, second) = (number().await, number().await);
    assert_ne!(first, second, "each form has its own number");
    let fields = [("form_number", first.as_str()), ("file_name", "h.csv"), ("check_only", "false")];
    let (one, two) = tokio::join!(browser.place(&fields), browser.place(&fields));
    assert_eq!((&one, imports(&world).await), (&two, 1));
    // The same page is shown again by the browser, and used for something else.
    for (changed, count) in [
        ([fields[0], ("file_name", "other.csv"), fields[2]], 2),
        ([fields[0], fields[1], ("check_only", "true")], 3),
        ([("form_number", second.as_str()), fields[1], fields[2]], 4),
    ] {
        assert_ne!(browser.place(&changed).await, one);
        assert_eq!(imports(&world).await, count);
    }
    assert_eq!(browser.place(&fields).await, one);
    let form = Form::of(&browser.get(&one).await.text, "send").unwrap();
    assert_eq!(form.send(&world, &format!("{HEADER}{GOOD}")).await.status, StatusCode::SEE_OTHER);
    world.imported().await;
    assert_ne!(browser.place(&fields).await, one, "the file has come: this is the next one");
    assert_eq!(import(&world, one.rsplit('/').next().unwrap()).await["imported"], 1);
    // The number is worth nothing in another session.
    browser.sign_in(1).await;
    let count = imports(&world).await;
    browser.place(&fields).await;
    assert_eq!(imports(&world).await, count + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn file_that_waits_for_its_turn_is_not_asked_for_again() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let path = browser.place(&[("file_name", "h.csv")]).await;
    let page = browser.get(&path).await.text;
    let form = Form::of(&page, "send").unwrap();
    let key = &form.fields.iter().find(|(name, _)| name == "key").unwrap().1;
    // As the import function does when the file comes, before a slot is free.
    let (operator, id) = (OperatorId::new(1).unwrap(), ImportId::parse(path.rsplit('/').next().unwrap()).unwrap());
    let table = Imports::new(world.aws.dynamodb(), &tables());
    assert_eq!(table.claim_upload(operator, id, key, "v1").await.unwrap(), Claimed::Awaited);
    let page = browser.get(&path).await.text;
    assert!(Form::of(&page, "send").is_none(), "{page}");
    assert!(page.contains("The file has arrived") && page.contains("data-refresh=\"yes\""), "{page}");
    for page in [page, browser.get("/console/files").await.text] {
        assert!(page.contains("received, waits for its turn") && !page.contains("awaiting its file"), "{page}");
    }
}

/// A file may be sent for longer than its place is open, and the page that follows may be opened again when nothing was sent.
#[tokio::test(flavor = "multi_thread")]
async fn sent_file_that_does_not_come_is_not_said_to_have_arrived() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let (operator, id) = (OperatorId::new(1).unwrap(), ImportId::from_bytes([7; 16]));
    let record = ImportRecord { id, operator: Some(operator), key: format!("imports/1/{id}/h.csv") };
    let table = Imports::new(world.aws.dynamodb(), &tables());
    let now = machine_now();
    assert!(table.await_upload(&record, now, now, Wishes::default()).await.unwrap());
    let path = format!("/console/files/{id}?sent=yes");
    let page = browser.get(&path).await.text;
    for shown in ["has not received the file yet", "file not received", "id=\"again\"", "data-refresh=\"yes\""] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(page.contains(&format!("id=\"refresh\" href=\"{path}\"")), "{page}");
    assert!(!page.contains("The file has arrived"), "{page}");
    // The event of S3, at last.
    assert_eq!(table.claim_upload(operator, id, &record.key, "v1").await.unwrap(), Claimed::Awaited);
    let page = browser.get(&path).await.text;
    assert!(page.contains("The file has arrived") && !page.contains("id=\"again\""), "{page}");
}

/// Some of its rows may be imported.
#[tokio::test(flavor = "multi_thread")]
async fn batch_whose_call_got_no_response_is_not_said_to_be_refused() {
    let world = world().await;
    let mut browser = Browser::signed_in(&world, 1).await;
    let (operator, id) = (OperatorId::new(1).unwrap(), ImportId::from_bytes([8; 16]));
    let batch = ImportRecord { id, operator: Some(operator), key: ImportRecord::BATCH.to_owned() };
    // Long enough ago that its call writes no more.
    let began = Instant::from_millis(machine_now().millis() - 120_000).unwrap();
    let times = (began.to_string(), began.to_string());
    let unanswered = Err("some of its rows may have been imported".to_owned());
    let report = Report::of_batch((id.to_string(), 1), ImportRecord::BATCH, unanswered, times, 0);
    let table = Imports::new(world.aws.dynamodb(), &tables());
    table.begin_batch(&batch, &report, began, began).await.unwrap();
    for (language, state, title) in [
        ("en", "stopped early", "The import stopped before its end"),
        ("fr", "interrompu", "L'import s'est arrêté avant la fin"),
    ] {
        browser.language = language;
        let page = browser.get(&format!("/console/files/{id}")).await.text;
        assert!(page.contains(&format!("<strong>{title}</strong>")) && page.contains("id=\"take-back\""), "{page}");
        for page in [page, browser.get("/console/files").await.text] {
            assert!(page.contains(state) && !page.contains("refused") && !page.contains("refusé"), "{page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn second_file_at_one_place_is_not_imported() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let path = browser.place(&[("check_only", "false")]).await;
    let form = Form::of(&browser.get(&path).await.text, "send").unwrap().of_script();
    let file = format!("{HEADER}{GOOD}");
    // The response was lost, and the browser sends the file again.
    for _ in 0..2 {
        assert_eq!(form.send(&world, &file).await.status, StatusCode::NO_CONTENT);
        world.imported().await;
    }
    let page = browser.get(&path).await.text;
    assert!(page.contains("completed") && page.contains("nothing is missing"), "{page}");
    let counts = import(&world, path.rsplit('/').next().unwrap()).await;
    assert_eq!((&counts["read"], &counts["imported"]), (&json!(1), &json!(1)));
    assert_eq!((claims(&world).await, imports(&world).await), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn dollar_in_file_name_stays_out_of_form() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let path = browser.place(&[("file_name", "${filename} 5$.csv")]).await;
    let form = Form::of(&browser.get(&path).await.text, "send").unwrap();
    let id = path.rsplit('/').next().unwrap();
    let key = form.fields.iter().find(|(name, _)| name == "key").unwrap();
    assert_eq!(key.1, format!("imports/1/{id}/_{{filename}} 5_.csv"));
}

#[tokio::test(flavor = "multi_thread")]
async fn page_of_running_import_links_to_itself() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let path = browser.place(&[]).await;
    let awaiting = browser.get(&path).await.text;
    assert!(!awaiting.contains("http-equiv=\"refresh\""), "a file that was chosen would be forgotten");
    assert!(!awaiting.contains("data-refresh"));
    let sent = browser.get(&format!("{path}?sent=yes")).await.text;
    let again = format!("id=\"refresh\" href=\"{path}?sent=yes\"");
    assert!(sent.contains(&again) && sent.contains("data-refresh=\"yes\""), "{sent}");
    assert!(!sent.contains("http-equiv=\"refresh\""), "a page that is being read does not change by itself");
    let script = sent.split("<script src=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let script = browser.get(script).await;
    assert_eq!(script.headers["content-type"], "text/javascript; charset=utf-8");
    assert_eq!(script.headers["cache-control"], "public, max-age=31536000, immutable");
    assert_eq!(script.headers["x-content-type-options"], "nosniff");
    let form = Form::of(&awaiting, "send").unwrap();
    assert_eq!(form.send(&world, &format!("{HEADER}{GOOD}")).await.status, StatusCode::SEE_OTHER);
    world.imported().await;
    let done = browser.get(&format!("{path}?sent=yes")).await.text;
    assert!(!done.contains("id=\"refresh\"") && !done.contains("data-refresh"), "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_upload_says_why_and_keeps_what_was_typed() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let typed = [("file_name", "a/b.csv"), ("check_only", "false"), ("dates_confirmed", "true")];
    let answer = browser.post("/console/upload", &typed).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    for shown in
        ["file_name", "value=\"a/b.csv\"", "value=\"false\" checked", "name=\"dates_confirmed\" value=\"true\" checked"]
    {
        assert!(answer.text.contains(shown), "{shown}: {}", answer.text);
    }
    let list = [("file_name", "simulate-only.csv"), ("replaces", "00000000000000000000000000000000")];
    let answer = browser.post("/console/upload", &list).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.text.contains("does not belong to a list of drivers"), "{}", answer.text);
    let unknown = [("replaces", "00000000000000000000000000000000")];
    assert_eq!(browser.post("/console/upload", &unknown).await.status, StatusCode::NOT_FOUND);

    let closed = world_with(|options| {
        options.settings = vec![("IMPORT_ENABLED".to_owned(), "false".to_owned())];
    })
    .await;
    let browser = Browser::signed_in(&closed, 1).await;
    assert_eq!(browser.get("/console/upload").await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.post("/console/upload", &[]).await.status, StatusCode::FORBIDDEN);
    let taken = browser.post("/console/take-back", &[("import_id", "00000000000000000000000000000000")]).await;
    assert_eq!(taken.status, StatusCode::NOT_FOUND, "as an import that is unknown: {taken:?}");
}
