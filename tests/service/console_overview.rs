//! The overview in the console: its numbers are those of the calls, of one operator alone, and it says how fresh they are.

use aws_sdk_dynamodb::types::AttributeValue;
use cee_eligibility::{JourneyType, OperatorId, Week};
use cee_local::stack::tables;
use cee_registry::{Added, Cell, Counts, Outcome, Statistics};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::console::{Browser, Form};
use crate::stats::stats;
use crate::support::{Trip, World, world};

const PAGE: &str = "/console/overview";
const FILE: &str = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,HIS,+336120001,2022-01-01\n\
                    long,HIS,+336120002,2022-01-01\nlong,bad?,+336120003,2022-01-01\n";

/// A value with which an attacker would try to run a script in another person's page, as a possible name of a file.
const HOSTILE: &str = "\"'><img src=x onerror=alert(1)>.csv";

fn long(number: u32) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "OVE", "phone_trunc": format!("+336{number:06}"),
           "driving_license": format!("OVERVIEW{number:04}"), "datetime": "2024-03-15T07:30:00Z"})
}

fn short(journey: &str) -> Value {
    json!({"journey_type": "short", "last_name_trunc": "OVE", "driving_license": "OVERVIEW9999",
           "operator_journey_id": journey})
}

/// The text of markup, without its tags.
fn text(markup: &str) -> String {
    let parts = markup.split('<').enumerate();
    parts
        .map(|(place, part)| if place == 0 { part } else { part.split_once('>').map_or("", |(_, text)| text) })
        .collect()
}

/// The rows of a table of a page, each with the texts of its cells. Empty if there is no such table.
fn table(page: &str, id: &str) -> Vec<Vec<String>> {
    let is_it = |table: &&str| table.split('>').next().unwrap().contains(&format!("id=\"{id}\""));
    let Some(rest) = page.split("<table").skip(1).find(is_it) else { return Vec::new() };
    let (_, body) = rest.split("</table>").next().unwrap().split_once("<tbody>").unwrap();
    let rows = body.split("<tr").skip(1).map(|row| row.split_once('>').unwrap().1.split("</tr>").next().unwrap());
    let cells = |row: &str| {
        let row = row.replace("</th>", "</td>");
        let mut cells: Vec<String> = row.split("</td>").map(text).collect();
        assert_eq!(cells.pop().as_deref(), Some(""), "{row}");
        cells
    };
    rows.map(cells).collect()
}

async fn overview(world: &World, operator: usize, query: &str) -> String {
    let browser = Browser::signed_in(world, operator).await;
    let answer = browser.get(&format!("{PAGE}{query}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.text
}

#[tokio::test(flavor = "multi_thread")]
async fn numbers_are_those_of_the_calls_after_a_recount() {
    let world = world().await;
    world
        .journeys(&[Trip::new(1, "good", "+336110001"), Trip { class: "B", ..Trip::new(1, "class-b", "+336110002") }])
        .await;
    let [one, two] = [1, 2].map(|operator| world.token(operator));
    // The first refusal of each operator is written with its call.
    assert_eq!(world.api.register(&one, &short("class-b")).await.status, StatusCode::NOT_FOUND);
    let mut granted = Vec::new();
    for body in [long(1), long(2), long(3), short("good")] {
        let answer = world.api.register(&one, &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        granted.push(answer.json());
    }
    assert_eq!(world.api.register(&two, &long(1)).await.status, StatusCode::CONFLICT);
    for number in [4, 5] {
        assert_eq!(world.api.register(&two, &long(number)).await.status, StatusCode::CREATED);
    }
    let path = format!("/policies/cee/{}", granted[0]["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(Method::DELETE, &path, &one).await.status, StatusCode::NO_CONTENT);
    for name in ["one", "again"] {
        world
            .upload(&format!("imports/1/{name}.csv"), format!("{FILE}{}", if name == "one" { "" } else { "\n" }))
            .await;
    }

    let before = overview(&world, 1, "").await;
    assert!(before.contains("has not counted certificates"), "{before}");
    let weeks = table(&before, "certificates");
    assert_eq!(weeks.len(), 27, "26 weeks and their sum");
    assert!(weeks.iter().all(|week| week[1..] == ["not counted yet"]), "{weeks:?}");
    let refused = [["Journey without proof of class C", "1", "0", "0", "1"]];
    assert_eq!(table(&before, "refusals"), refused);
    assert_eq!(table(&before, "rows"), [[""; 0]; 0]);

    let (success, _, said) = stats(world.data_dir(), &[]);
    assert!(success, "{said}");
    let page = overview(&world, 1, "").await;
    assert!(page.contains("last counted: <time datetime=\"2024-05-01T00:00:00.000Z\">1 May 2024, 02:00"), "{page}");
    let weeks = table(&page, "certificates");
    assert_eq!(weeks[0], ["In total", "1", "3", "4", "1"], "the deleted one included");
    assert_eq!(weeks[1], ["2024-W18", "1", "3", "4", "1"]);
    assert_eq!(weeks[2], ["2024-W17", "0", "0", "0", "0"]);
    assert!(weeks[2..].iter().all(|week| week[1..] == ["0"; 4]), "{weeks:?}");
    assert_eq!(weeks[26][0], "2023-W45");
    // The chart says it too.
    assert!(page.contains("short distance: 1, long distance: 3. Highest week: 4 (2024-W18).</desc>"), "{page}");
    assert!(page.contains("<title>2024-W18 – short distance: 1, long distance: 3</title>"), "{page}");
    assert_eq!(table(&page, "refusals"), refused);
    let rows = [
        ["Rows imported", "2"],
        ["Rows already known", "2"],
        ["Rows rejected", "2"],
        ["Imported applications undone", "0"],
    ];
    assert_eq!(table(&page, "rows"), rows);

    // Another operator has its own numbers, and nothing of these.
    let theirs = overview(&world, 2, "").await;
    assert_eq!(table(&theirs, "certificates")[0], ["In total", "0", "2", "2", "0"]);
    assert_eq!(table(&theirs, "refusals"), [["Blocked by an application", "0", "1", "0", "1"]]);
    assert_eq!(table(&theirs, "rows"), [[""; 0]; 0]);
    let nothing = overview(&world, 3, "").await;
    for empty in ["No certificate was counted", "No refusal was counted", "No row of history was counted"] {
        assert!(nothing.contains(empty), "{nothing}");
    }
    assert!(!nothing.contains("<svg class=\"chart\""), "{nothing}");
}

#[tokio::test(flavor = "multi_thread")]
async fn weeks_are_chosen_with_a_form_and_links() {
    let world = world().await;
    let statistics = Statistics::new(world.aws.dynamodb(), &tables());
    let cell = Cell { journey_type: Some(JourneyType::Long), outcome: Outcome::Granted };
    for (operator, week, count) in [(1, "2024-W10", 7), (1, "2024-W03", 11), (2, "2024-W10", 987_654)] {
        let (operator, week) = (OperatorId::new(operator).unwrap(), Week::parse(week).unwrap());
        assert_eq!(statistics.add(operator, week, &Counts::from([(cell, count)])).await, Ok(Added::Done));
    }
    let page = overview(&world, 1, "?weeks=13&to=2024-W17").await;
    let weeks = table(&page, "certificates");
    assert_eq!((weeks.len(), weeks[1][0].as_str(), weeks[13][0].as_str()), (14, "2024-W17", "2024-W05"));
    assert_eq!(weeks[0], ["In total", "0", "7", "7", "0"]);
    // A recount that failed half-way: what is there is shown, and the rest is not 0.
    assert_eq!(weeks[8], ["2024-W10", "0", "7", "7", "0"]);
    assert_eq!(weeks[9], ["2024-W09", "not counted yet"]);
    assert!(page.contains("<option value=\"13\" selected>13</option>"), "{page}");
    let form = Form::of(&page, "period").unwrap();
    assert_eq!((form.action.as_str(), form.fields), (PAGE, vec![("to".to_owned(), "2024-W17".to_owned())]));
    for link in ["weeks=13&amp;to=2024-W04", "weeks=13&amp;to=2024-W18"] {
        assert!(page.contains(&format!("href=\"{PAGE}?{link}\"")), "{link}: {page}");
    }
    let earlier = overview(&world, 1, "?weeks=13&to=2024-W04").await;
    assert_eq!(table(&earlier, "certificates")[2], ["2024-W03", "0", "11", "11", "0"]);
    // A value that is not a choice of the page, or in the future, shows the default weeks.
    let usual = overview(&world, 1, "?weeks=1000000&to=2024-W19").await;
    assert_eq!(table(&usual, "certificates").len(), 27);
    assert!(!usual.contains("id=\"later\"") && !usual.contains("name=\"to\""), "{usual}");
    for page in [&page, &earlier, &usual] {
        assert!(!page.contains("987,654"), "another operator's");
    }
    let year = overview(&world, 1, "?weeks=52").await;
    assert_eq!(table(&year, "certificates").len(), 53);
    assert!(year.len() < 100_000, "{} bytes", year.len());

    let mut browser = Browser::signed_in(&world, 1).await;
    browser.language = "fr";
    let french = browser.get(PAGE).await.text;
    for words in ["Certificats par semaine", "courte distance", "Refus par motif", "pas encore compté", ">S17</text>"]
    {
        assert!(french.contains(words), "{words}: {french}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_under_way_lead_to_their_pages() {
    let world = world().await;
    let browser = Browser::signed_in(&world, 1).await;
    let import = browser.send(HOSTILE, &[("check_only", "false")], FILE).await;
    let done = browser.send("done.csv", &[("check_only", "false")], &format!("{FILE}\n")).await;
    world.imported().await;
    let idle = browser.get(PAGE).await.text;
    assert!(idle.contains("None of your latest files") && table(&idle, "under-way").is_empty(), "{idle}");
    for (state, words) in [("running", "in progress"), ("undoing", "being undone")] {
        let update = world.aws.dynamodb().update_item().table_name(tables().imports);
        let update = update
            .key("operator_id", AttributeValue::N("1".to_owned()))
            .key("import_id", AttributeValue::S(import.clone()))
            .update_expression("SET #state = :state")
            .expression_attribute_names("#state", "state")
            .expression_attribute_values(":state", AttributeValue::S(state.to_owned()));
        update.send().await.unwrap();
        let page = browser.get(PAGE).await.text;
        let rows = table(&page, "under-way");
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0][2], words);
        assert!(rows[0][3].starts_with('3'), "three rows were read: {rows:?}");
        assert!(page.contains(&format!("<a href=\"/console/files/{import}\">")), "{page}");
        assert!(!page.contains(&done), "{page}");
        assert!(page.contains("&lt;img src=x") && !page.contains("<img"), "{page}");
    }
    assert!(!overview(&world, 2, "").await.contains(&import));
}
