//! An operator's own wrong history: batches that are imports, imports that are undone and replaced, and the list of all
//! imports.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use cee::undo::Team;
use cee_eligibility::OperatorId;
use cee_local::stack::{Description, Options, tables};
use cee_registry::ImportId;
use cee_service::aws::Aws;
use cee_service::clock::machine_now;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::{aws_of, serve};
use crate::resume::in_parts;
use crate::support::{Answer, NOW, World, at, audited, keys, reports, scan, world, world_on, world_with};
use crate::wire::{Fault, Wire};

const HEADER: &str = "journey_type,last_name_trunc,phone_trunc,datetime\n";
const IMPORT: &str = "/policies/cee/import";
const IMPORTS: &str = "/policies/cee/imports";

fn row(phone: &str, day: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone, "datetime": format!("{day}T00:00:00+01:00")})
}

fn id(of: &Value) -> ImportId {
    ImportId::parse(of["import_id"].as_str().unwrap()).unwrap()
}

async fn call(world: &World, operator: u32, method: Method, path: &str) -> Answer {
    world.api.call(method, path, &world.token(operator)).await
}

async fn import(world: &World, operator: u32, id: ImportId) -> Value {
    let answer = call(world, operator, Method::GET, &format!("{IMPORTS}/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()
}

/// Sends a batch, and returns its response.
async fn batch(world: &World, operator: u32, rows: &[Value]) -> Value {
    let answer = world.api.post(IMPORT, &world.token(operator), &json!(rows)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    answer.json()
}

/// The history in the table of claims: the days of all records, and the number of each.
async fn days(aws: &Aws) -> Vec<String> {
    let mut days = Vec::new();
    for item in scan(aws, &tables().claims).await {
        for name in item.keys().filter(|name| name.starts_with("h#")) {
            let (operator, millis) = name[2..].split_once('#').unwrap();
            let at = cee_eligibility::Instant::from_millis(millis.parse().unwrap()).unwrap();
            // Midnight in Paris is the evening before.
            let day = cee_eligibility::Instant::from_millis(at.millis() + 2 * 3_600_000).unwrap().to_string();
            days.push(format!("{operator}:{}", &day[..10]));
        }
    }
    days.sort();
    days
}

async fn is_clean(world: &World) {
    assert_eq!(world.audited().await, [""; 0]);
}

// ------------------------------------------------------------------------------------------------------------- batches

#[tokio::test(flavor = "multi_thread")]
async fn batch_is_listed_found_and_undone_like_file() {
    let world = world().await;
    let bad = json!({"journey_type": "long"});
    let answer = batch(&world, 1, &[row("+336010201", "2021-02-15"), row("+336010202", "2021-02-16"), bad]).await;
    let batch_id = id(&answer);
    world.upload("imports/1/h.csv", format!("{HEADER}long,DUP,+336010202,2021-02-16\n")).await;

    let listed = call(&world, 1, Method::GET, IMPORTS).await.json();
    let kinds: BTreeSet<&str> =
        listed["imports"].as_array().unwrap().iter().map(|import| import["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["batch", "file"].into());
    let found = import(&world, 1, batch_id).await;
    assert!(listed["imports"].as_array().unwrap().contains(&found), "{listed}");
    assert_eq!((&found["state"], &found["kind"]), (&json!("completed"), &json!("batch")));
    let counts = ["read", "imported", "already_known", "rejected"].map(|name| found[name].as_u64().unwrap());
    assert_eq!(counts, [3, 2, 0, 1]);
    for absent in ["key", "report_url", "rejected_rows_url", "links_expire_at", "bytes_total", "error", "undone"] {
        assert!(found.get(absent).is_none(), "{absent}: {found}");
    }
    let theirs = call(&world, 2, Method::GET, &format!("{IMPORTS}/{batch_id}")).await;
    assert_eq!((theirs.status, theirs.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_import"));
    is_clean(&world).await;

    let team = Team::local(world.stack.description());
    let undone = team.undo(OperatorId::new(1).unwrap(), batch_id, |_| {}).await.unwrap();
    assert_eq!((undone.removed, undone.kept), (1, 1), "the file brought the second row too");
    let found = import(&world, 1, batch_id).await;
    assert_eq!((&found["state"], &found["undone"]["removed"]), (&json!("undone"), &json!(1)));
    assert_eq!(days(&world.aws).await, ["1:2021-02-16"]);
    assert!(!keys(&world.aws, "reports/1/").await.iter().any(|key| key.contains(&batch_id.to_string())));
    is_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repeated_batch_keeps_row_until_both_are_undone() {
    let world = world().await;
    let rows = [row("+336010201", "2021-02-15")];
    let (first, again) = (batch(&world, 1, &rows).await, batch(&world, 1, &rows).await);
    assert_ne!(id(&first), id(&again));
    assert_eq!((&first["imported"], &again["already_known"]), (&json!(1), &json!(1)));
    let team = Team::local(world.stack.description());
    let one = OperatorId::new(1).unwrap();
    let undone = team.undo(one, id(&first), |_| {}).await.unwrap();
    assert_eq!((undone.removed, undone.kept), (0, 1));
    let undone = team.undo(one, id(&again), |_| {}).await.unwrap();
    assert_eq!((undone.removed, undone.kept), (1, 0));
    assert_eq!(world.scan(&tables().claims).await, []);
}

/// Identity keys add no row of history: there is nothing new to undo, and the copies are removed with the rows.
#[tokio::test(flavor = "multi_thread")]
async fn batch_of_identity_keys_is_not_an_import() {
    let world = world().await;
    let history = batch(&world, 1, &[row("+336010201", "2021-02-15")]).await;
    let mut key = row("+336010201", "2021-02-15");
    key["cee_application_type"] = json!("specific");
    key["identity_key"] = json!("a".repeat(64));
    let answer = world.api.post("/policies/cee/import/identity", &world.token(1), &json!([key])).await.json();
    assert_eq!((&answer["imported"], answer.get("import_id")), (&json!(1), None));
    let listed = call(&world, 1, Method::GET, IMPORTS).await.json();
    assert_eq!(listed["imports"].as_array().unwrap().len(), 1);
    Team::local(world.stack.description()).undo(OperatorId::new(1).unwrap(), id(&history), |_| {}).await.unwrap();
    assert_eq!(world.scan(&tables().claims).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_without_stored_end_succeeds_and_can_be_undone() {
    let (world, wire) = Wire::world().await;
    wire.always("fence = :zero AND #state = :failed", Fault::Reset);
    let answer = batch(&world, 1, &[row("+336010201", "2021-02-15")]).await;
    assert_eq!(answer["imported"], 1, "{answer}");
    let batch_id = id(&answer);
    // Its call may still write.
    let found = import(&world, 1, batch_id).await;
    assert_eq!((&found["state"], found.get("error"), &found["read"]), (&json!("running"), None, &json!(0)), "{found}");
    let path = format!("{IMPORTS}/{batch_id}");
    let refused = call(&world, 1, Method::DELETE, &path).await;
    assert_eq!((refused.status, refused.problem().as_str()), (StatusCode::CONFLICT, "import_stays"));
    // A minute later.
    set(&world, &batch_id.to_string(), "SET haunted_until = :moment", 1).await;
    let found = import(&world, 1, batch_id).await;
    assert_eq!(found["state"], "failed");
    assert!(found["error"].as_str().unwrap().contains("got no response"), "{found}");
    is_clean(&world).await;
    assert_eq!(call(&world, 1, Method::DELETE, &path).await.status, StatusCode::ACCEPTED);
    world.imported().await;
    assert_eq!(import(&world, 1, batch_id).await["state"], "undone");
    assert_eq!(world.scan(&tables().claims).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_whose_import_is_not_stored_writes_no_row() {
    let (world, wire) = Wire::world().await;
    wire.always("attribute_not_exists(import_id)", Fault::Reset);
    let answer = world.api.post(IMPORT, &world.token(1), &json!([row("+336010201", "2021-02-15")])).await;
    assert!(answer.status.is_server_error(), "{answer:?}");
    assert_eq!(world.scan(&tables().claims).await, []);
}

// ------------------------------------------------------------------------------------------------------------- replaces

/// Drivers whose files have day and month swapped, and the right files: fewer than thirty different days, which the registry would not
/// notice.
fn swapped_and_right(drivers: usize) -> (String, String) {
    let file = |right: bool| -> String {
        let rows = (0..drivers).map(|driver| {
            let (day, month) = (driver % 12 + 1, 1 + (driver / 12) % 2);
            let (month, day) = if right { (month, day) } else { (day, month) };
            format!("long,DUP,+336{driver:06},2021-{month:02}-{day:02}\n")
        });
        format!("{HEADER}{}", rows.collect::<String>())
    };
    (file(false), file(true))
}

fn sorted_days(file: &str, operator: u32) -> Vec<String> {
    let mut days: Vec<String> =
        file.lines().skip(1).map(|line| format!("{operator}:{}", line.rsplit(',').next().unwrap())).collect();
    days.sort();
    days
}

/// Uploads a file to a place of operator 1 that was requested with this body, and waits for its import.
async fn put(world: &World, body: Value, file: &str) -> Value {
    let place = world.place(1, body).await;
    assert_eq!(world.put(&place, file.as_bytes()).await, StatusCode::OK);
    world.imported().await;
    import(world, 1, id(&place)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn corrected_file_replaces_file_with_swapped_dates() {
    let world = world().await;
    let (wrong, right) = swapped_and_right(20);
    let old = put(&world, json!({}), &wrong).await;
    assert_eq!((&old["state"], &old["imported"]), (&json!("completed"), &json!(20)));
    assert_eq!(days(&world.aws).await, sorted_days(&wrong, 1));

    let new = put(&world, json!({"replaces": old["import_id"].as_str().unwrap().to_uppercase()}), &right).await;
    assert_eq!(new["state"], "completed", "{new}");
    assert_eq!(new["replaces"], old["import_id"]);
    // 1 January is 1 January either way.
    let same = wrong.lines().filter(|line| right.lines().any(|other| other == *line)).count() - 1;
    assert!(same > 0 && same < 20);
    assert_eq!((&new["imported"], &new["already_known"]), (&json!(20 - same), &json!(same)));
    let replaced = json!({"import_id": old["import_id"], "removed": 20 - same, "kept": same});
    assert_eq!(new["replaced"], replaced);
    assert_eq!(days(&world.aws).await, sorted_days(&right, 1), "the wrong dates are gone, the right ones are there");
    let old = import(&world, 1, id(&old)).await;
    assert_eq!((&old["state"], &old["undone"]["replaced_by"]), (&json!("undone"), &new["import_id"]), "{old}");
    assert_eq!(old["undone"]["removed"], 20 - same);
    let reports = reports(&world.aws, "reports/1/").await;
    assert_eq!(reports[new["key"].as_str().unwrap()]["replaced"], replaced);
    assert_eq!(reports[old["key"].as_str().unwrap()]["state"], "undone");
    is_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_import_keeps_rows_of_other_imports() {
    let world = world().await;
    let line = |phone: &str, day: &str| format!("long,DUP,{phone},{day}\n");
    let earlier = format!("{HEADER}{}", line("+336010201", "2021-01-01"));
    let wrong = format!("{HEADER}{}{}", line("+336010201", "2021-01-01"), line("+336010202", "2021-03-02"));
    world.upload("imports/1/earlier.csv", earlier.clone()).await;
    world.upload("imports/2/theirs.csv", wrong.clone()).await;
    world.upload("imports/1/wrong.csv", wrong).await;
    let old = &reports(&world.aws, "reports/1/").await["imports/1/wrong.csv"];
    assert_eq!((&old["imported"], &old["already_known"]), (&json!(1), &json!(1)));
    // By its name, as for a file in the operator's own folder.
    let key = format!("imports/1/right.Replaces_{}.csv", old["import_id"].as_str().unwrap());
    world.upload(&key, format!("{HEADER}{}", line("+336010202", "2021-02-03"))).await;
    let new = &reports(&world.aws, "reports/1/").await[&key];
    assert_eq!(new["replaced"], json!({"import_id": old["import_id"], "removed": 1, "kept": 1}), "{new}");
    assert_eq!(days(&world.aws).await, ["1:2021-01-01", "1:2021-02-03", "2:2021-01-01", "2:2021-03-02"]);
    // The file again, under another key: there is nothing left to undo.
    world.upload(&key.replace("right", "again"), format!("{HEADER}{}", line("+336010202", "2021-02-03"))).await;
    let again = &reports(&world.aws, "reports/1/").await[&key.replace("right", "again")];
    assert_eq!((&again["state"], &again["read"]), (&json!("failed"), &json!(0)));
    assert!(again["error"].as_str().unwrap().contains("already undone"), "{again}");
    is_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_is_replaced_by_file() {
    let world = world().await;
    let wrong = batch(&world, 1, &[row("+336010201", "2021-03-02")]).await;
    let body = json!({"replaces": wrong["import_id"]});
    let new = put(&world, body, &format!("{HEADER}long,DUP,+336010201,2021-02-03\n")).await;
    assert_eq!(new["replaced"]["removed"], 1, "{new}");
    assert_eq!(days(&world.aws).await, ["1:2021-02-03"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_file_takes_nothing_back() {
    let world = world().await;
    world.upload("imports/1/old.csv", format!("{HEADER}long,DUP,+336010201,2021-03-02\n")).await;
    let old = reports(&world.aws, "reports/1/").await["imports/1/old.csv"]["import_id"].clone();
    let refused = put(&world, json!({"replaces": old}), "no header at all\n").await;
    assert_eq!((&refused["state"], refused.get("replaced")), (&json!("failed"), None), "{refused}");
    // Nor does a file without an accepted row.
    for rows in ["", "long,Dup,+336010201,2021-02-03\n"] {
        let empty = put(&world, json!({"replaces": old}), &format!("{HEADER}{rows}")).await;
        assert_eq!((&empty["state"], empty.get("replaced")), (&json!("completed"), None), "{empty}");
        assert!(empty["not_replaced"].as_str().unwrap().contains("not undone"), "{empty}");
    }
    // Nor does a file that is only checked: its rows are not imported.
    let right = format!("{HEADER}long,DUP,+336010201,2021-02-03\n");
    let checked = put(&world, json!({"replaces": old, "check_only": true}), &right).await;
    assert_eq!((&checked["accepted"], checked.get("replaced")), (&json!(1), None), "{checked}");
    assert!(checked["not_replaced"].as_str().unwrap().contains("only checked"), "{checked}");
    assert_eq!(import(&world, 1, ImportId::parse(old.as_str().unwrap()).unwrap()).await["state"], "completed");
    assert_eq!(days(&world.aws).await, ["1:2021-03-02"]);
}

/// The driver of a rejected row would have neither its old date nor a new one.
#[tokio::test(flavor = "multi_thread")]
async fn replacement_with_rejected_row_undoes_nothing() {
    let world = world().await;
    let old = format!("{HEADER}long,DUP,+336010201,2021-03-02\nlong,MAR,+336010202,2021-03-02\n");
    world.upload("imports/1/old.csv", old).await;
    let old = reports(&world.aws, "reports/1/").await["imports/1/old.csv"]["import_id"].clone();
    let partly = format!("{HEADER}long,DUP,+336010201,2021-02-03\nlong,mar,+336010202,2021-02-03\n");
    let partly = put(&world, json!({"replaces": old}), &partly).await;
    assert_eq!((&partly["imported"], &partly["rejected"], partly.get("replaced")), (&json!(1), &json!(1), None));
    assert!(partly["not_replaced"].as_str().unwrap().starts_with("Rejected rows: 1."), "{partly}");
    assert_eq!(days(&world.aws).await, ["1:2021-02-03", "1:2021-03-02", "1:2021-03-02"]);
    // The rejected row alone, corrected, would take the other driver's date back.
    let rejected = format!("{}long,MAR,+336010202,2021-02-03\n", HEADER.replace('\n', ",ligne,colonne,motif\n"));
    let refused = put(&world, json!({"replaces": old}), &rejected).await;
    assert_eq!((&refused["state"], &refused["read"]), (&json!("failed"), &json!(0)), "{refused}");
    assert!(refused["error"].as_str().unwrap().contains("without `replaces`"), "{refused}");
    let whole = format!("{HEADER}long,DUP,+336010201,2021-02-03\nlong,MAR,+336010202,2021-02-03\n");
    let whole = put(&world, json!({"replaces": old}), &whole).await;
    assert_eq!(whole["replaced"], json!({"import_id": old, "removed": 2, "kept": 0}), "{whole}");
    assert_eq!(days(&world.aws).await, ["1:2021-02-03", "1:2021-02-03"]);
    is_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_replaces_is_refused_before_any_row() {
    let world = world().await;
    world.upload("imports/2/theirs.csv", format!("{HEADER}long,DUP,+336010201,2021-03-02\n")).await;
    let theirs =
        reports(&world.aws, "reports/2/").await["imports/2/theirs.csv"]["import_id"].as_str().unwrap().to_owned();
    let row = format!("{HEADER}long,DUP,+336010298,2021-02-03\n");
    let checked = put(&world, json!({"check_only": true}), &row).await["import_id"].as_str().unwrap().to_owned();
    let listed = put(&world, json!({"kind": "drivers"}), &row).await["import_id"].as_str().unwrap().to_owned();
    let undone = put(&world, json!({}), &row).await["import_id"].as_str().unwrap().to_owned();
    assert_eq!(call(&world, 1, Method::DELETE, &format!("{IMPORTS}/{undone}")).await.status, StatusCode::ACCEPTED);
    world.imported().await;
    let awaited = world.place(1, json!({})).await["import_id"].as_str().unwrap().to_owned();
    // In the call.
    let nobodys = "0".repeat(32);
    for (id, status, problem) in [
        (theirs.as_str(), StatusCode::NOT_FOUND, "unknown_import"),
        (nobodys.as_str(), StatusCode::NOT_FOUND, "unknown_import"),
        (awaited.as_str(), StatusCode::CONFLICT, "import_stays"),
        (checked.as_str(), StatusCode::CONFLICT, "import_stays"),
        (listed.as_str(), StatusCode::CONFLICT, "import_stays"),
        (undone.as_str(), StatusCode::CONFLICT, "import_stays"),
    ] {
        let answer = world.api.post(IMPORTS, &world.token(1), &json!({"replaces": id})).await;
        assert_eq!((answer.status, answer.problem().as_str()), (status, problem), "{answer:?}");
    }
    let answer = world.api.post(IMPORTS, &world.token(1), &json!({"replaces": "5".repeat(31)})).await;
    assert_eq!((answer.status, answer.pointers()), (StatusCode::BAD_REQUEST, vec!["/replaces".to_owned()]));
    // In the name of a file.
    let file = format!("{HEADER}long,DUP,+336010299,2021-02-03\n");
    for (name, why) in [
        (format!("replaces-{theirs}.csv"), "You have no import"),
        (format!("replaces-{nobodys}.csv"), "You have no import"),
        (format!("replaces-{}.csv", "5".repeat(31)), "32 hexadecimal digits"),
        (format!("replaces-{awaited}.csv"), "has not ended"),
        // The requested place is itself the import of this file.
        (format!("{awaited}/replaces-{awaited}.csv"), "has not ended"),
        (format!("replaces-{checked}.csv"), "imported nothing"),
        (format!("replaces-{listed}.csv"), "imported nothing"),
        (format!("replaces-{undone}.csv"), "is already undone"),
        (format!("replaces-{undone} language-fr.csv"), "est déjà annulé"),
    ] {
        let key = format!("imports/1/{name}");
        world.upload(&key, file.clone()).await;
        let report = &reports(&world.aws, "reports/1/").await[&key];
        assert_eq!((&report["state"], &report["read"]), (&json!("failed"), &json!(0)), "{name}: {report}");
        assert!(report["error"].as_str().unwrap().contains(why), "{name}: {report}");
    }
    assert_eq!(days(&world.aws).await, ["2:2021-03-02"]);
}

/// The test pauses at each step: another operator's driver is never free, and at each moment either the old or the new date exists.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn driver_is_blocked_at_every_step_of_replacement() {
    let (world, wire) = Wire::world_with(|options| options.settings = in_parts(2)).await;
    let (wrong, right) = swapped_and_right(6);
    world.upload("imports/1/old.csv", wrong).await;
    let old = reports(&world.aws, "reports/1/").await["imports/1/old.csv"]["import_id"].as_str().unwrap().to_owned();
    let mut held = wire.hold("undo_checkpoint = :checkpoint");
    world.put_file(&format!("imports/1/replaces-{old}.csv"), right.clone()).await;
    held.come().await;
    for driver in 0..6 {
        let question =
            json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": format!("+336{driver:06}")});
        let answer = world.api.simulate(&world.token(2), &question).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "history"), "{driver}");
    }
    let running = call(&world, 1, Method::GET, IMPORTS).await.json();
    let states: BTreeSet<&str> =
        running["imports"].as_array().unwrap().iter().map(|import| import["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["running", "undoing"].into(), "the new one is not done before the old one is gone: {running}");
    held.release();
    world.imported().await;
    assert_eq!(days(&world.aws).await, sorted_days(&right, 1));
    is_clean(&world).await;
}

/// An import once it has ended.
async fn ended(world: &World, id: ImportId) -> Value {
    loop {
        let import = import(world, 1, id).await;
        if matches!(import["state"].as_str(), Some("completed" | "failed")) {
            return import;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The first file is held after its last row, before the undo of the old import begins.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn second_file_that_replaces_same_import_is_refused() {
    let (world, wire) = Wire::world().await;
    let (wrong, right) = swapped_and_right(6);
    let old = put(&world, json!({}), &wrong).await["import_id"].as_str().unwrap().to_owned();
    let wish = json!({"replaces": old});
    let first = world.place(1, wish.clone()).await;
    let second = world.place(1, wish.clone()).await;
    let french = world.place(1, json!({"replaces": old, "language": "fr"})).await;
    let by = first["import_id"].as_str().unwrap();
    // Rows of another year would show.
    let other = right.replace(",2021-", ",2022-");
    let undo = "undo_started_at = if_not_exists(undo_started_at, :now)";
    let mut held = wire.hold(undo);
    // Its retries, too.
    wire.always(undo, Fault::Reset);
    assert_eq!(world.put(&first, right.as_bytes()).await, StatusCode::OK);
    held.come().await;
    for (place, why) in [(&second, "its file came first"), (&french, "son fichier est arrivé avant")] {
        assert_eq!(world.put(place, other.as_bytes()).await, StatusCode::OK);
        let refused = ended(&world, id(place)).await;
        assert_eq!((&refused["state"], &refused["read"]), (&json!("failed"), &json!(0)), "{refused}");
        let error = refused["error"].as_str().unwrap();
        assert!(error.contains(why) && error.contains(by), "{error}");
        assert!(refused.get("replaced").is_none(), "{refused}");
    }
    // The call for a place says so too.
    for (language, why) in [("en", "replaces it already"), ("fr", "le remplace déjà")] {
        let mut request =
            world.api.request(Method::POST, IMPORTS, Some(&world.token(1)), wish.to_string().into_bytes());
        request.headers_mut().insert("accept-language", language.parse().unwrap());
        let answer = world.api.send(request).await.unwrap();
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "import_stays"));
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(why) && detail.contains(by), "{detail}");
    }
    held.release();
    wire.calm();
    world.imported().await;
    let done = import(&world, 1, id(&first)).await;
    assert_eq!((&done["state"], &done["replaced"]["import_id"]), (&json!("completed"), &json!(old)), "{done}");
    assert!(done["replaced"]["removed"].as_u64() > Some(0), "{done}");
    assert_eq!(days(&world.aws).await, sorted_days(&right, 1), "no row of the others, and no row of the first is lost");
    // From then on the report names the import that has replaced the old one.
    for (name, why) in [("", "has replaced it"), (" language-fr", "l'a remplacé")] {
        let key = format!("imports/1/late replaces-{old}{name}.csv");
        world.upload(&key, other.clone()).await;
        let report = &reports(&world.aws, "reports/1/").await[&key];
        let error = report["error"].as_str().unwrap();
        assert!(error.contains(why) && error.contains(by), "{report}");
    }
    assert_eq!(days(&world.aws).await, sorted_days(&right, 1));
    is_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_files_that_replace_one_import_at_once_one_does() {
    let world = world().await;
    let mut expected = Vec::new();
    for round in 0..8 {
        let file = |day: &str| -> String {
            let rows = (0..10).map(|driver| format!("long,DUP,+336{:06},{day}\n", round * 10 + driver));
            format!("{HEADER}{}", rows.collect::<String>())
        };
        let key = format!("imports/1/{round}.csv");
        world.upload(&key, file("2021-03-02")).await;
        let old = reports(&world.aws, "reports/1/").await[&key]["import_id"].as_str().unwrap().to_owned();
        let files = ["2021-02-03", "2021-04-05", "2021-06-07"];
        let keys = ["a", "b", "c"].map(|name| format!("imports/1/{name}-replaces-{old}.csv"));
        let [one, two, three] = &keys;
        tokio::join!(
            world.put_file(one, file(files[0])),
            world.put_file(two, file(files[1])),
            world.put_file(three, file(files[2])),
        );
        world.imported().await;
        let reports = reports(&world.aws, "reports/1/").await;
        let done: Vec<usize> = (0..3).filter(|at| reports[&keys[*at]]["state"] == "completed").collect();
        let [winner] = done[..] else { panic!("{done:?} of three replace one import") };
        let replaced = json!({"import_id": old, "removed": 10, "kept": 0});
        assert_eq!(reports[&keys[winner]]["replaced"], replaced);
        for loser in (0..3).filter(|at| *at != winner) {
            let report = &reports[&keys[loser]];
            assert_eq!((&report["state"], &report["read"]), (&json!("failed"), &json!(0)), "{report}");
            let by = reports[&keys[winner]]["import_id"].as_str().unwrap();
            assert!(report["error"].as_str().unwrap().contains(by), "{report}");
        }
        expected.extend(std::iter::repeat_n(format!("1:{}", files[winner]), 10));
        expected.sort();
        assert_eq!(days(&world.aws).await, expected);
    }
    is_clean(&world).await;
}

/// Sets attributes of an import of operator 1 to a moment.
async fn set(world: &World, import: &str, expression: &str, moment: i64) {
    let update = world.aws.dynamodb().update_item().table_name(tables().imports);
    update
        .key("operator_id", AttributeValue::N("1".to_owned()))
        .key("import_id", AttributeValue::S(import.to_owned()))
        .update_expression(expression)
        .expression_attribute_values(":moment", AttributeValue::N(moment.to_string()))
        .send()
        .await
        .unwrap();
}

/// The first file fails each time after its last row. Seven hours later another file comes, and then the event of the first again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn given_up_replacement_gives_way_to_later_file() {
    let (world, wire) = Wire::world().await;
    let (wrong, right) = swapped_and_right(6);
    // Rows of another year would show.
    let other = right.replace(",2021-", ",2022-");
    let old = put(&world, json!({}), &wrong).await["import_id"].as_str().unwrap().to_owned();
    let wish = json!({"replaces": old});
    let place = world.place(1, wish.clone()).await;
    let first = place["import_id"].as_str().unwrap();
    let undo = "undo_started_at = if_not_exists(undo_started_at, :now)";
    let mut held = wire.hold(undo);
    // Its retries, too.
    wire.always(undo, Fault::Reset);
    assert_eq!(world.put(&place, other.as_bytes()).await, StatusCode::OK);
    held.come().await;
    // As long as an interrupted invocation may write to the old import, its undo cannot begin.
    set(&world, &old, "SET haunted_until = :moment", machine_now().millis() + 3_600_000).await;
    held.release();
    wire.calm();
    world.stack.queue().idle().await;
    let letters: Vec<_> =
        std::fs::read_dir(world.stack.queue().dead_letters()).unwrap().map(|letter| letter.unwrap().path()).collect();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    set(&world, &old, "SET haunted_until = :moment", 1).await;
    // It may still be tried.
    let answer = world.api.post(IMPORTS, &world.token(1), &wish).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "import_stays"));
    assert!(answer.json()["detail"].as_str().unwrap().contains(first), "{answer:?}");
    // Seven hours later.
    set(&world, first, "SET seen_at = :moment, leased_until = :moment", 1).await;
    let second = world.place(1, wish).await;
    assert_eq!(world.put(&second, right.as_bytes()).await, StatusCode::OK);
    world.stack.queue().idle().await;
    let done = import(&world, 1, id(&second)).await;
    assert_eq!((&done["state"], &done["replaced"]["import_id"]), (&json!("completed"), &json!(old)), "{done}");
    assert!(done["replaced"]["removed"].as_u64() > Some(0), "{done}");
    let failed = import(&world, 1, id(&place)).await;
    assert_eq!((&failed["state"], &failed["imported"]), (&json!("failed"), &json!(6)), "{failed}");
    assert!(failed["error"].as_str().unwrap().contains(second["import_id"].as_str().unwrap()), "{failed}");
    let mut both = [sorted_days(&right, 1), sorted_days(&other, 1)].concat();
    both.sort();
    assert_eq!(days(&world.aws).await, both);
    // Its event is sent again.
    let event: Value = serde_json::from_slice(&std::fs::read(letter).unwrap()).unwrap();
    std::fs::remove_file(letter).unwrap();
    world.stack.queue().accept(event["requestPayload"].clone()).unwrap();
    world.imported().await;
    let again = import(&world, 1, id(&place)).await;
    for same in ["state", "imported", "error"] {
        assert_eq!(again[same], failed[same], "{again}");
    }
    let undone = import(&world, 1, ImportId::parse(&old).unwrap()).await["undone"].clone();
    assert_eq!(undone["replaced_by"], second["import_id"], "{undone}");
    assert_eq!(days(&world.aws).await, both);
    // The operator undoes it, as its report says.
    assert_eq!(call(&world, 1, Method::DELETE, &format!("{IMPORTS}/{first}")).await.status, StatusCode::ACCEPTED);
    world.imported().await;
    assert_eq!(days(&world.aws).await, sorted_days(&right, 1));
    is_clean(&world).await;
}

/// The program is killed at moments throughout a replacement, and continues each time.
#[tokio::test(flavor = "multi_thread")]
async fn replacement_killed_at_twenty_moments_ends_complete() {
    const KILLS: usize = 20;
    let mut random = fastrand::Rng::with_seed(19);
    // The number of rows needed to outlive the kills depends on the machine.
    for drivers in [4_000, 16_000, 64_000] {
        let folder = TempDir::new().unwrap();
        let (wrong, right) = swapped_and_right(drivers);
        let options = ["--now", NOW, "--rows-per-invocation", "100"];
        let pending = folder.path().join("data/queue/pending");
        let given_up = || std::fs::read_dir(folder.path().join("data/queue/dead-letter")).unwrap().count();
        let idle = async || {
            while std::fs::read_dir(&pending).unwrap().count() > 0 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let put = async |aws: &Aws, key: &str, file: &str| {
            let put = aws.s3().put_object().bucket("cee-local").key(key);
            put.body(file.as_bytes().to_vec().into()).send().await.unwrap();
        };
        let (mut child, about) = serve(&folder, &["--now", NOW]).await;
        let aws = aws_of(&about);
        put(&aws, "imports/1/wrong.csv", &wrong).await;
        idle().await;
        let old = reports(&aws, "reports/1/").await["imports/1/wrong.csv"]["import_id"].as_str().unwrap().to_owned();
        child.kill().await.unwrap();
        let key = format!("imports/1/replaces-{old}.csv");
        let (mut seen, mut kills) = (BTreeSet::new(), 0);
        loop {
            let (mut child, about) = serve(&folder, &options).await;
            let aws = aws_of(&about);
            if kills == 0 {
                put(&aws, &key, &right).await;
            }
            // A slow machine does nothing in so short a life: later ones are longer.
            let longest = 60_u64 << (kills / (2 * KILLS));
            tokio::time::sleep(Duration::from_millis(random.u64(2..longest))).await;
            let states: BTreeSet<String> = scan(&aws, &tables().imports)
                .await
                .iter()
                .filter(|import| import["operator_id"].as_n().unwrap() == "1")
                .map(|import| import["state"].as_s().unwrap().clone())
                .collect();
            child.kill().await.unwrap();
            if kills > 0 && !states.contains("running") {
                break;
            }
            kills += 1;
            seen.insert(states);
        }
        // Killed while rows were written, and while the old rows were removed.
        let both: BTreeSet<String> = ["running", "undoing"].map(str::to_owned).into();
        if kills < KILLS || !seen.contains(&both) {
            continue;
        }
        let (mut child, about) = serve(&folder, &["--now", NOW]).await;
        let aws = aws_of(&about);
        idle().await;
        let description: Description = serde_json::from_value(about.clone()).unwrap();
        let secrets = cee_local::secrets::Secrets::keep(&folder.path().join("data/secrets.json")).unwrap();
        let report = &reports(&aws, "reports/1/").await[&key];
        assert_eq!(report["state"], "completed", "{report}");
        let same = wrong.lines().skip(1).zip(right.lines().skip(1)).filter(|(one, other)| one == other).count();
        let counts =
            ["read", "imported", "already_known", "rejected"].map(|name| report[name].as_u64().unwrap() as usize);
        assert_eq!(counts, [drivers, drivers - same, same, 0]);
        assert_eq!(report["replaced"], json!({"import_id": old, "removed": drivers - same, "kept": same}));
        assert_eq!(days(&aws).await, sorted_days(&right, 1));
        assert_eq!((given_up(), keys(&aws, "work/").await), (0, Vec::new()));
        assert_eq!(audited(&description, &secrets).await, [""; 0]);
        child.kill().await.unwrap();
        return;
    }
    panic!("the replacement was over before it could be killed twenty times");
}

/// Stopped in the middle of an undo; then the file is removed and the registry closes imports. Half of a replacement would leave
/// both dates.
#[tokio::test(flavor = "multi_thread")]
async fn replacement_completes_without_file_while_imports_closed() {
    let folder = TempDir::new().unwrap();
    let (wrong, right) = swapped_and_right(400);
    let mut key = String::new();
    for run in 0..2 {
        let wire = Wire::new();
        let mut settings = in_parts(100);
        if run == 1 {
            settings.push(("IMPORT_ENABLED".to_owned(), "false".to_owned()));
        }
        let options =
            Options { now: Some(at(NOW)), settings, faults: Some(wire.plan()), ..Options::new(folder.path()) };
        let world = world_on(&options).await;
        if run == 1 {
            world.imported().await;
            let report = &reports(&world.aws, "reports/1/").await[&key];
            assert_eq!((&report["state"], &report["read"]), (&json!("completed"), &json!(400)), "{report}");
            assert!(report["sha256"].is_string() && report["replaced"]["removed"].as_u64() > Some(0), "{report}");
            assert_eq!(days(&world.aws).await, sorted_days(&right, 1));
            is_clean(&world).await;
            world.end().await;
            continue;
        }
        world.upload("imports/1/old.csv", wrong.clone()).await;
        let old =
            reports(&world.aws, "reports/1/").await["imports/1/old.csv"]["import_id"].as_str().unwrap().to_owned();
        key = format!("imports/1/replaces-{old}.csv");
        let mut first = wire.hold("undo_checkpoint = :checkpoint");
        world.put_file(&key, right.clone()).await;
        first.come().await;
        let mut second = wire.hold("undo_checkpoint = :checkpoint");
        first.release();
        second.come().await;
        world.aws.s3().delete_object().bucket("cee-local").key(&key).send().await.unwrap();
        wire.next("undo_checkpoint = :checkpoint", [Fault::Reset; 3]);
        second.release();
        world.end().await;
    }
}

// ------------------------------------------------------------------------------------------------------------- delete

#[tokio::test(flavor = "multi_thread")]
async fn operator_undoes_only_its_own_import() {
    let world = world().await;
    world.upload("imports/1/wrong.csv", format!("{HEADER}long,DUP,+336010201,2021-03-02\n")).await;
    let wrong = id(&reports(&world.aws, "reports/1/").await["imports/1/wrong.csv"]);
    let path = format!("{IMPORTS}/{wrong}");
    let theirs = call(&world, 2, Method::DELETE, &path).await;
    assert_eq!((theirs.status, theirs.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_import"));
    assert_eq!(days(&world.aws).await, ["1:2021-03-02"]);
    let answer = call(&world, 1, Method::DELETE, &path).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert_eq!(answer.json()["import_id"], wrong.to_string());
    assert!(matches!(answer.json()["state"].as_str(), Some("undoing" | "undone")), "{answer:?}");
    world.imported().await;
    let undone = import(&world, 1, wrong).await;
    assert_eq!((&undone["state"], &undone["undone"]["removed"]), (&json!("undone"), &json!(1)));
    assert!(undone["undone"].get("replaced_by").is_none());
    assert_eq!(world.scan(&tables().claims).await, []);
    // Again: it is already done.
    let again = call(&world, 1, Method::DELETE, &path.to_uppercase().replace("/POLICIES/CEE/IMPORTS", IMPORTS)).await;
    assert_eq!((again.status, &again.json()["state"]), (StatusCode::ACCEPTED, &json!("undone")));
    assert_eq!(world.stack.queue().counts().dead, 0);
    is_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn check_or_list_has_nothing_to_undo() {
    let world = world().await;
    let rows = format!("{HEADER}long,DUP,+336010201,2021-03-02\n");
    for place in [json!({"check_only": true}), json!({"kind": "drivers"})] {
        let ended = id(&put(&world, place, &rows).await);
        let answer = call(&world, 1, Method::DELETE, &format!("{IMPORTS}/{ended}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "import_stays"), "{answer:?}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("imported nothing"), "{answer:?}");
        assert_eq!(import(&world, 1, ended).await["state"], "completed");
    }
    assert_eq!(keys(&world.aws, "undo/").await, [""; 0], "nobody is asked to undo it");
}

/// Before the import function has begun, and again when it has ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn deleted_import_is_undoing_at_once() {
    let (world, wire) = Wire::world().await;
    world.upload("imports/1/wrong.csv", format!("{HEADER}long,DUP,+336010201,2021-03-02\n")).await;
    let wrong = id(&reports(&world.aws, "reports/1/").await["imports/1/wrong.csv"]);
    let path = format!("{IMPORTS}/{wrong}");
    // What the import function writes first of an undo.
    let begin = "SET fence = fence + :one";
    let mut held = wire.hold(begin);
    wire.always(begin, Fault::Reset);
    for _ in 0..2 {
        let answer = call(&world, 1, Method::DELETE, &path).await;
        assert_eq!((answer.status, &answer.json()["state"]), (StatusCode::ACCEPTED, &json!("undoing")), "{answer:?}");
        let found = import(&world, 1, wrong).await;
        assert_eq!((&found["state"], &found["imported"]), (&json!("undoing"), &json!(1)), "{found}");
        let listed = call(&world, 1, Method::GET, IMPORTS).await.json();
        assert_eq!(listed["imports"][0]["state"], "undoing", "{listed}");
    }
    // A file for it would be one for an import that is undone by the time it comes.
    let answer = world.api.post(IMPORTS, &world.token(1), &json!({"replaces": wrong.to_string()})).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "import_stays"));
    let key = format!("imports/1/replaces-{wrong}.csv");
    world.put_file(&key, format!("{HEADER}long,DUP,+336010201,2021-02-03\n")).await;
    held.come().await;
    held.release();
    wire.calm();
    world.imported().await;
    let report = &reports(&world.aws, "reports/1/").await[&key];
    assert!(report["error"].as_str().unwrap().contains("is already undone"), "{report}");
    assert_eq!(import(&world, 1, wrong).await["undone"]["removed"], 1);
    let again = call(&world, 1, Method::DELETE, &path).await;
    assert_eq!((again.status, &again.json()["state"]), (StatusCode::ACCEPTED, &json!("undone")));
    assert_eq!(world.scan(&tables().claims).await, []);
    is_clean(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_unfinished_or_closed_import_is_not_undone() {
    let folder = TempDir::new().unwrap();
    let world_at = async |now: &str, settings: &[(&str, &str)]| {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        world_on(&Options { now: Some(at(now)), settings, ..Options::new(folder.path()) }).await
    };
    let world = world_at("2024-05-01T00:00:00Z", &[]).await;
    world.upload("imports/1/wrong.csv", format!("{HEADER}long,DUP,+336010201,2021-03-02\n")).await;
    let wrong = id(&reports(&world.aws, "reports/1/").await["imports/1/wrong.csv"]);
    let path = format!("{IMPORTS}/{wrong}");
    let place = world.place(1, json!({})).await;
    let refused = async |world: &World, path: &str, why: &str| {
        let answer = call(world, 1, Method::DELETE, path).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "import_stays"));
        assert!(answer.json()["detail"].as_str().unwrap().contains(why), "{answer:?}");
    };
    refused(&world, &format!("{IMPORTS}/{}", id(&place)), "has not ended: it is awaiting_upload").await;
    world.end().await;
    // Thirty days of 24 hours later, to the millisecond.
    let world = world_at("2024-05-31T00:00:00Z", &[]).await;
    refused(&world, &path, "30 days ago or more").await;
    let answer = world.api.post(IMPORTS, &world.token(1), &json!({"replaces": wrong.to_string()})).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "import_stays"));
    let key = format!("imports/1/replaces-{wrong}.csv");
    world.upload(&key, format!("{HEADER}long,DUP,+336010201,2021-02-03\n")).await;
    let report = &reports(&world.aws, "reports/1/").await[&key];
    assert!(report["error"].as_str().unwrap().contains("30 days ago or more"), "{report}");
    assert_eq!(days(&world.aws).await, ["1:2021-03-02"]);
    world.end().await;
    // As many days as the registry's team has set; 0: never.
    let world = world_at("2024-05-01T00:00:00Z", &[("TAKE_BACK_DAYS", "0")]).await;
    refused(&world, &path, "0 days ago or more").await;
    world.end().await;
    let world = world_at("2024-05-31T00:00:00Z", &[("TAKE_BACK_DAYS", "31"), ("IMPORT_ENABLED", "false")]).await;
    let answer = call(&world, 1, Method::DELETE, &path).await;
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "call_closed"));
    world.end().await;
    let world = world_at("2024-05-30T23:59:59.999Z", &[]).await;
    assert_eq!(call(&world, 1, Method::DELETE, &path).await.status, StatusCode::ACCEPTED);
    world.imported().await;
    assert_eq!(import(&world, 1, wrong).await["state"], "undone");
    world.end().await;
}

// ------------------------------------------------------------------------------------------------------------- the list

#[tokio::test(flavor = "multi_thread")]
async fn list_of_imports_is_paged_latest_first() {
    let world = world_with(|_| {}).await;
    let mut placed = Vec::new();
    for _ in 0..105 {
        placed.push(world.place(1, json!({})).await["import_id"].as_str().unwrap().to_owned());
    }
    world.place(2, json!({})).await;
    for (limit, sizes) in [(None, vec![100, 5]), (Some(40), vec![40, 40, 25])] {
        let (mut listed, mut pages, mut cursor) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let parameters =
                [limit.map(|limit: usize| format!("limit={limit}")), cursor.map(|at| format!("cursor={at}"))];
            let query: Vec<String> = parameters.into_iter().flatten().collect();
            let page = call(&world, 1, Method::GET, &format!("{IMPORTS}?{}", query.join("&"))).await.json();
            let ids: Vec<String> = page["imports"]
                .as_array()
                .unwrap()
                .iter()
                .map(|import| import["import_id"].as_str().unwrap().to_owned())
                .collect();
            pages.push(ids.len());
            listed.extend(ids);
            cursor = page["next_cursor"].as_str().map(str::to_owned);
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(pages, sizes);
        let (all, once): (BTreeSet<&String>, BTreeSet<&String>) = (placed.iter().collect(), listed.iter().collect());
        assert_eq!((all, listed.len()), (once, 105), "each of one's own once, and nobody else's");
        // The clock is the machine's: the place that was requested last comes first.
        assert_eq!(listed.first(), placed.last());
        assert_eq!(listed.last(), placed.first());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_list_parameter_returns_400_with_name() {
    let world = world().await;
    let id = world.place(1, json!({})).await["import_id"].as_str().unwrap().to_owned();
    for (query, what) in [
        ("limit=0", "limit must be"),
        ("limit=101", "limit must be"),
        ("limit=x", "limit must be"),
        ("limit=%2B1", "limit must be"),
        ("limit=", "limit must be"),
        ("limit=1&limit=2", "limit must be"),
        ("cursor=x", "cursor must be"),
        ("cursor=", "cursor must be"),
        (&format!("cursor=+000000000000001{id}"), "cursor must be"),
        ("page=2", "limit and cursor"),
    ] {
        let answer = call(&world, 1, Method::GET, &format!("{IMPORTS}?{query}")).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_query"), "{query}");
        assert!(answer.json()["detail"].as_str().unwrap().contains(what), "{query}: {answer:?}");
    }
    // A cursor is a position and does not name an operator: a made-up cursor, or another operator's, leads to the caller's own
    // imports.
    let later = format!("cursor=7fffffffffffffff{}", "f".repeat(32));
    let listed = call(&world, 2, Method::GET, &format!("{IMPORTS}?{later}")).await.json();
    assert_eq!(listed, json!({"imports": []}));
    let listed = call(&world, 1, Method::GET, &format!("{IMPORTS}?{later}&limit=1")).await.json();
    assert_eq!(listed["imports"][0]["import_id"], id);
}

#[tokio::test(flavor = "multi_thread")]
async fn unused_place_expires_and_used_place_does_not() {
    let world = world().await;
    let (unused, used) = (world.place(1, json!({})).await, world.place(1, json!({})).await);
    let forgotten_at = async |id: ImportId| {
        let imports = world.scan(&tables().imports).await;
        let item = imports.iter().find(|item| item["import_id"].as_s().unwrap() == &id.to_string()).unwrap();
        item.get("forgotten_at").map(|at| at.as_n().unwrap().parse::<i64>().unwrap())
    };
    let expires_at = at(unused["expires_at"].as_str().unwrap()).millis() / 1000;
    assert_eq!(forgotten_at(id(&unused)).await, Some(expires_at + 15 * 24 * 3600));
    assert_eq!(world.put(&used, format!("{HEADER}long,DUP,+336010201,2021-03-02\n").as_bytes()).await, StatusCode::OK);
    world.imported().await;
    assert_eq!(forgotten_at(id(&used)).await, None, "its file has come");
    // DynamoDB removes it some days after its time; until then calls treat it as removed.
    set(&world, &id(&unused).to_string(), "SET forgotten_at = :moment", 1).await;
    let path = format!("{IMPORTS}/{}", id(&unused));
    assert_eq!(call(&world, 1, Method::GET, &path).await.problem(), "unknown_import");
    let listed = call(&world, 1, Method::GET, IMPORTS).await.json();
    let listed: Vec<&Value> = listed["imports"].as_array().unwrap().iter().map(|import| &import["import_id"]).collect();
    assert_eq!(listed, [&used["import_id"]]);
}
