//! Applications in the console: listed, filtered, downloaded, shown and deleted.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::console::{Browser, Form};
use crate::exports::large_applications;
use crate::support::{Trip, World, world};

fn long(n: u32, datetime: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+3360{n:05}"),
           "driving_license": format!("LIST{n:06}"), "datetime": datetime})
}

async fn registered(world: &World, operator: u32, body: &Value) -> String {
    world.api.registered(&world.token(operator), body).await
}

/// The UUIDs of a page, in order.
fn uuids(page: &str) -> Vec<&str> {
    let links = page.split("<th scope=\"row\"><a href=\"/console/application?uuid=").skip(1);
    links.map(|link| link.split('"').next().unwrap()).collect()
}

/// Where a link of a page leads.
fn link(page: &str, begins: &str) -> Option<String> {
    let (_, rest) = page.split_once(begins)?;
    Some(rest.split('"').next()?.replace("&amp;", "&"))
}

#[tokio::test(flavor = "multi_thread")]
async fn list_is_paged_filtered_and_downloaded_whole() {
    let world = world().await;
    world.journeys(&[Trip::new(1, "j:1", "+336010203")]).await;
    let mut expected = Vec::new();
    for n in 0..28 {
        expected.push(registered(&world, 1, &long(n, &format!("2024-03-{:02}T08:00:00Z", 1 + n))).await);
    }
    expected.reverse();
    registered(&world, 2, &long(99, "2024-03-15T08:00:00Z")).await;
    let mut browser = Browser::signed_in(&world, 1).await;
    let first = browser.get("/console/applications").await.text;
    assert_eq!(uuids(&first), expected[..25]);
    let next = link(&first, "rel=\"next\" href=\"").unwrap();
    let second = browser.get(&next).await.text;
    assert_eq!(uuids(&second), expected[25..]);
    assert!(link(&second, "rel=\"next\" href=\"").is_none());

    let short = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "LIST999999",
                       "operator_journey_id": "j:1"});
    let short = registered(&world, 1, &short).await;
    // As a form sends it: with empty fields for what was left open, and with a language.
    for (query, wanted) in [
        ("journey_type=short&status=&from=&to=", vec![short.as_str()]),
        ("journey_type=&status=ok&from=&to=&lang=en", vec![&short]),
        ("journey_type=long&status=&from=2024-03-27&to=2024-03-28", vec![&expected[1]]),
        ("journey_type=long&from=2030-01-01", vec![]),
    ] {
        let page = browser.get(&format!("/console/applications?{query}")).await;
        assert_eq!((page.status, uuids(&page.text)), (StatusCode::OK, wanted), "{query}");
    }
    let refused = browser.get("/console/applications?journey_type=long&status=ok").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text.contains("role=\"alert\"") && Form::of(&refused.text, "filter").is_some(), "{}", refused.text);
    let chosen = browser.get("/console/applications?journey_type=long&from=2024-03-27").await.text;
    assert!(chosen.contains("value=\"long\" selected") && chosen.contains("type=\"date\" value=\"2024-03-27\""));

    // The whole list: what the call returns, after a byte order mark, and as Excel expects it in each language.
    let download = link(&chosen, "id=\"export\" href=\"").unwrap();
    assert_eq!(download, "/console/applications.csv?from=2024-03-27&journey_type=long");
    for (path, query) in [(download.as_str(), "journey_type=long&from=2024-03-27"), ("/console/applications.csv?", "")]
    {
        let file = browser.get(path).await;
        assert_eq!(file.status, StatusCode::OK, "{file:?}");
        assert_eq!(file.headers["content-type"], "text/csv");
        assert_eq!(file.headers["content-disposition"], "attachment; filename=\"applications.csv\"");
        assert_eq!(file.headers["cache-control"], "no-store");
        let call = format!("/policies/cee?limit=500&{query}");
        let mut request = world.api.request(Method::GET, &call, Some(&world.token(1)), Vec::new());
        request.headers_mut().insert("accept", "text/csv".parse().unwrap());
        let csv = format!("\u{feff}{}", world.api.send(request).await.unwrap().text);
        assert_eq!(file.text, csv);
        browser.language = "fr";
        assert_eq!(browser.get(path).await.text, csv.replace(',', ";"));
        browser.language = "en";
    }
}

/// People open the download in a spreadsheet; programs read the call.
#[tokio::test(flavor = "multi_thread")]
async fn download_holds_no_cell_like_a_formula() {
    let world = world().await;
    world.journeys(&[Trip::new(1, "=1+1", "+336010203")]).await;
    let short = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "LIST999999",
                       "operator_journey_id": "=1+1"});
    registered(&world, 1, &short).await;
    let browser = Browser::signed_in(&world, 1).await;
    let file = browser.get("/console/applications.csv?").await.text;
    assert!(file.contains(",'=1+1,") && !file.contains(",=1+1,"), "{file}");
    let mut request = world.api.request(Method::GET, "/policies/cee", Some(&world.token(1)), Vec::new());
    request.headers_mut().insert("accept", "text/csv".parse().unwrap());
    assert!(world.api.send(request).await.unwrap().text.contains(",=1+1,"));
}

#[tokio::test(flavor = "multi_thread")]
async fn download_larger_than_a_response_is_refused() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    // 300 KB each: a function can return 6 MB.
    for (number, status) in [(10, StatusCode::OK), (30, StatusCode::PAYLOAD_TOO_LARGE)] {
        large_applications(&world, 1, number).await;
        let file = browser.get("/console/applications.csv").await;
        assert_eq!(file.status, status, "{number}");
        assert_eq!(file.text.contains("too long to download"), status != StatusCode::OK);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn application_is_deleted_after_a_question() {
    let world = world().await;
    world.journeys(&[Trip::new(1, "one", "+336010203")]).await;
    let body = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "L1", "operator_journey_id": "one"});
    let uuid = registered(&world, 1, &body).await;
    let browser = Browser::signed_in(&world, 1).await;
    let path = format!("/console/application?uuid={uuid}");
    let page = browser.get(&path).await.text;
    let question = link(&page, "id=\"delete\" href=\"").unwrap();
    let asked = browser.get(&question).await;
    assert_eq!(asked.status, StatusCode::OK);
    let form = Form::of(&asked.text, "confirm").unwrap();
    assert_eq!(form.action, "/console/delete");
    assert!(form.fields.contains(&("uuid".to_owned(), uuid.clone())), "{form:?}");
    assert_eq!(browser.get(&path).await.status, StatusCode::OK, "the question deletes nothing");
    let deleted = browser.post("/console/delete", &[("uuid", &uuid)]).await;
    assert!(deleted.status == StatusCode::OK && deleted.text.contains("The application was deleted"), "{deleted:?}");
    let switch = "href=\"/console/application?lang=fr\" hreflang=\"fr\"";
    assert!(deleted.text.contains(switch), "in French there is no question any more: {}", deleted.text);
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(browser.post("/console/delete", &[("uuid", &uuid)]).await.status, StatusCode::NOT_FOUND);
    // The driver is free, its journey too.
    registered(&world, 1, &body).await;
}
