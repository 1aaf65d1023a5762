//! Each function has the rights it needs on AWS, and no others: compares the policies of the template with every call that the
//! functions make while everything happens that makes them call, and with the tables that each function holds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

use aws_sdk_dynamodb::types::AttributeValue;
use cee::undo::Team;
use cee_eligibility::OperatorId;
use cee_fn_access::Access;
use cee_fn_applications::OwnApplications;
use cee_fn_audit::AuditFunction;
use cee_fn_batches::Batches;
use cee_fn_console::Console;
use cee_fn_export::ExportFunction;
use cee_fn_import::ImportFunction;
use cee_fn_public::Public;
use cee_fn_register::Register;
use cee_fn_simulate::Simulate;
use cee_fn_uploads::Uploads;
use cee_local::stack::{BUCKET, tables};
use cee_registry::{ExportId, ImportId, Tables};
use cee_service::Environment;
use cee_service::clock::machine_now;
use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::border::Border;
use crate::console::Browser;
use crate::exports::{EXPORTS, exported, large_applications};
use crate::pepper::variables;
use crate::support::{Trip, World, change, event, reports, world};
use crate::template::{Right, functions};

const HEADER: &str = "journey_type,last_name_trunc,phone_trunc,datetime\n";
const REGISTER: &str = "/policies/cee";
const SIMULATE: &str = "/policies/cee/simulate";
const IMPORT: &str = "/policies/cee/import";
const IDENTITY: &str = "/policies/cee/import/identity";
const IMPORTS: &str = "/policies/cee/imports";

fn short(name: &str, license: &str, journey: &str) -> Value {
    json!({"journey_type": "short", "last_name_trunc": name, "driving_license": license, "operator_journey_id": journey})
}

fn long(name: &str, phone: &str, license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "driving_license": license,
           "datetime": "2024-03-15T07:30:00Z"})
}

/// Applications: granted, blocked by the operator's own, with an Idempotency-Key, fetched, and deleted with history on the same
/// item.
async fn applications(world: &World) {
    let token = world.token(1);
    let trip = Trip::new(1, "one", "+336010203");
    world.journeys(std::slice::from_ref(&trip)).await;
    let granted = world.api.register(&token, &short("DUP", "L1", "one")).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    assert_eq!(world.api.register(&token, &short("DUP", "L1", "one")).await.status, StatusCode::CONFLICT);
    let question = json!({"journey_type": "short", "last_name_trunc": "DUP", "phone_trunc": "+336010203"});
    assert_eq!(world.api.simulate(&token, &question).await.status, StatusCode::CONFLICT);
    let body = long("NAM", "+336010204", "L2").to_string().into_bytes();
    let mut named = world.api.request(Method::POST, REGISTER, Some(&token), body);
    named.headers_mut().insert("idempotency-key", "one".parse().unwrap());
    assert_eq!(world.api.send(named).await.unwrap().status, StatusCode::CREATED);
    // Its journey's status changes, and its own status with it.
    world.journeys(&[Trip { statuses: "processed,failed,passed", ..trip }]).await;
    // History that arrived late stays on the item after the application is deleted.
    world.upload("imports/2/late.csv", format!("{HEADER}short,DUP,+336010203,2021-02-15\n")).await;
    let path = format!("{REGISTER}/{}", granted.json()["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(Method::GET, &path, &token).await.json()["status"], "fraud_error");
    let listed = world.api.call(Method::GET, REGISTER, &token).await.json();
    assert_eq!(listed["applications"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!(world.api.call(Method::DELETE, &path, &token).await.status, StatusCode::NO_CONTENT);
    // A second change of the operator: the one before it may expire from now on.
    world.journeys(&[Trip::new(1, "two-statuses", "+336010215")]).await;
    world.api.registered(&token, &short("DUP", "L9", "two-statuses")).await;
    world.journeys(&[Trip { statuses: "canceled,,", ..Trip::new(1, "two-statuses", "+336010215") }]).await;
    let changes = world.api.call(Method::GET, "/policies/cee/changes", &token).await.json();
    assert_eq!(changes["changes"].as_array().unwrap().len(), 3, "{changes}");
    let proof = format!("/proofs/{}", granted.json()["uuid"].as_str().unwrap());
    assert_eq!(world.api.get(&proof).await.json()["state"], "deleted");
}

/// Batches, and files whose rows hit items that a batch has changed.
async fn batches(world: &World) {
    let token = world.token(1);
    let granted = world.api.register(&token, &long("KEY", "+336010205", "L3")).await.json();
    let mut row = json!({"journey_type": "long", "last_name_trunc": "ROW", "phone_trunc": "+336010206",
                         "datetime": "2021-02-15T00:00:00+01:00"});
    assert_eq!(world.api.post(IMPORT, &token, &json!([row])).await.status, StatusCode::CREATED);
    row["cee_application_type"] = json!("specific");
    row["identity_key"] = json!("a".repeat(64));
    let keys = json!([row, {"cee_application_type": "standardized", "cee_application_uuid": granted["uuid"],
                            "identity_key": "b".repeat(64)}]);
    let answer = world.api.post(IDENTITY, &token, &keys).await.json();
    assert_eq!(answer["imported"], 2, "{answer}");
    world.upload("imports/1/again.csv", format!("{HEADER}long,ROW,+336010206,2021-02-15\n")).await;
}

/// A place is requested and used, its import polled, its report read; files that are missing, or of one version.
async fn files(world: &World) {
    let token = world.token(1);
    let place = world.place(1, json!({"file_name": "h.csv"})).await;
    let file = format!("{HEADER}long,TO ,+336010207,2021-02-15\nlong,bad?,+336010207,2021-02-15\n");
    assert_eq!(world.put(&place, file.as_bytes()).await, StatusCode::OK);
    world.stack.queue().idle().await;
    let path = format!("{IMPORTS}/{}", place["import_id"].as_str().unwrap());
    let done = world.api.call(Method::GET, &path, &token).await.json();
    let report = world.plain(Method::GET, done["report_url"].as_str().unwrap(), &[], b"").await;
    assert_eq!(report.status, StatusCode::OK, "{report:?}");
    assert_eq!(world.api.call(Method::GET, IMPORTS, &token).await.status, StatusCode::OK);
    // A list of drivers, one of whom has an application of this operator.
    let place = world.place(1, json!({"kind": "drivers"})).await;
    let list = "journey_type,last_name_trunc,phone_trunc\nlong,KEY,+336010205\nlong,bad?,+336010207\n";
    assert_eq!(world.put(&place, list.as_bytes()).await, StatusCode::OK);
    world.stack.queue().idle().await;
    let path = format!("{IMPORTS}/{}", place["import_id"].as_str().unwrap());
    let answered = world.api.call(Method::GET, &path, &token).await.json();
    let answers = world.plain(Method::GET, answered["answers_url"].as_str().unwrap(), &[], b"").await;
    assert!(answers.status == StatusCode::OK && answers.text.contains(",duplicate,"), "{answers:?}");
    // Replaced, and the replacement undone.
    let place = world.place(1, json!({"replaces": done["import_id"]})).await;
    let corrected = format!("{HEADER}long,TO ,+336010207,2021-02-15\n");
    assert_eq!(world.put(&place, corrected.as_bytes()).await, StatusCode::OK);
    world.stack.queue().idle().await;
    let path = format!("{IMPORTS}/{}", place["import_id"].as_str().unwrap());
    assert_eq!(world.api.call(Method::GET, &path, &token).await.json()["replaced"]["kept"], 1);
    assert_eq!(world.api.call(Method::DELETE, &path, &token).await.status, StatusCode::ACCEPTED);
    world.stack.queue().idle().await;
    for key in ["imports/1/gone.csv", "journeys/gone.csv"] {
        world.stack.queue().accept(event(key, "e", "1")).unwrap();
        let mut versioned = event(key, "e", "2");
        versioned["Records"][0]["s3"]["object"]["versionId"] = json!("v1");
        world.stack.queue().accept(versioned).unwrap();
    }
    world.stack.queue().idle().await;
    assert_eq!(world.given_up(), [""; 0]);
}

/// Exports: requested, listed, found, over the limit, of several invocations, and one whose parts S3 fails to complete at first.
async fn exports(world: &World, border: &Border) {
    let export = exported(world, 1, &json!({"format": "csv"})).await;
    let file = world.plain(Method::GET, export["download_url"].as_str().unwrap(), &[], b"").await;
    assert_eq!(file.status, StatusCode::OK, "{file:?}");
    assert_eq!(world.api.call(Method::GET, EXPORTS, &world.token(1)).await.status, StatusCode::OK);
    let (token, body) = (world.token(3), json!({"format": "csv"}));
    while !border.has_used("cee-applications", "dynamodb:DeleteItem", "ExportsTable") {
        join_all((0..5).map(|_| world.api.post(EXPORTS, &token, &body))).await;
        world.stack.queue().idle().await;
    }
    large_applications(world, 3, 40).await;
    border.fail(&["exports/"], 3);
    exported(world, 3, &body).await;
}

/// A token for an access key.
async fn access(world: &World) {
    let operator = &world.stack.description().operators[0];
    let pair = json!({"access_key": operator.access_key, "secret_key": operator.secret_key});
    assert_eq!(world.api.post("/auth/access_token", "", &pair).await.status, StatusCode::CREATED);
}

/// The pages of the console, as often as it takes to count them in the table.
async fn console(world: &World, border: &Border) {
    let token = world.token(1);
    let granted = world.api.register(&token, &long("CON", "+336010214", "L8")).await.json();
    let (uuid, proof) = (granted["uuid"].as_str().unwrap(), granted["token"].as_str().unwrap());
    let browser = Browser::signed_in(world, 1).await;
    assert_eq!(browser.get("/console/overview").await.status, StatusCode::OK);
    assert_eq!(browser.get("/console/files").await.status, StatusCode::OK);
    let reports = reports(&world.aws, "reports/1/").await;
    let rejected = reports.values().find(|report| report["rejected_rows"].is_string()).unwrap();
    let page = browser.get(&format!("/console/files/{}", rejected["import_id"].as_str().unwrap())).await;
    assert!(page.status == StatusCode::OK && page.text.contains("bad?"), "{page:?}");
    assert_eq!(browser.get(&format!("/console/application?uuid={uuid}")).await.status, StatusCode::OK);
    let question = [("journey_type", "long"), ("last_name_trunc", "CON"), ("phone_trunc", "+336010214")];
    assert_eq!(browser.post("/console/simulate", &question).await.status, StatusCode::CONFLICT);
    assert!(browser.get("/console/applications").await.text.contains(uuid));
    // Deleted here: a short application, whose journey becomes free, and whose claim items keep what others wrote there or disappear.
    world.journeys(&[Trip::new(1, "console", "+336010203")]).await;
    let uuids = [uuid.to_owned(), world.api.registered(&token, &short("DUP", "L10", "console")).await];
    for uuid in &uuids {
        let page = browser.post("/console/delete", &[("uuid", uuid)]).await;
        assert_eq!(page.status, StatusCode::OK, "{page:?}");
    }
    assert!(browser.post("/console/proof", &[("token", proof)]).await.text.contains("deleted"));
    // A file is sent, imported and undone.
    let import = browser
        .send("console.csv", &[("check_only", "false")], &format!("{HEADER}long,CON,+336010214,2021-02-15\n"))
        .await;
    world.stack.queue().idle().await;
    let page = browser.post("/console/take-back", &[("import_id", &import)]).await;
    assert_eq!(page.status, StatusCode::SEE_OTHER, "{page:?}");
    world.stack.queue().idle().await;
    while !border.has_used("cee-console", "dynamodb:UpdateItem", "LimitsTable") {
        join_all((0..40).map(|_| browser.get("/console/simulate"))).await;
        assert!(border.refused().is_empty(), "{:?}", border.refused());
    }
    browser.post("/console/sign-out", &[]).await;
}

/// Enough calls of each function at once that it reads how many calls an operator has made to all functions.
async fn many_calls(world: &World, border: &Border) {
    let token = world.token(3);
    let calls = [
        ("cee-simulate", Method::POST, SIMULATE),
        ("cee-register", Method::POST, REGISTER),
        ("cee-applications", Method::GET, "/policies/cee/nothing"),
        ("cee-batches", Method::POST, IMPORT),
        ("cee-uploads", Method::GET, "/policies/cee/imports/nothing"),
    ];
    for (function, method, path) in calls {
        // A window of ten seconds may end among them: then again.
        while !border.has_used(function, "dynamodb:UpdateItem", "LimitsTable") {
            let once = || world.api.call(method.clone(), path, &token);
            for answer in join_all((0..40).map(|_| once())).await {
                assert!(answer.status.is_client_error(), "{answer:?}");
            }
            assert!(border.refused().is_empty(), "{:?}", border.refused());
        }
    }
}

/// An import whose lists are too long for one piece, and which S3 fails to complete at first. Each of its rows contradicts 3,500
/// applications: more than operators can register for one name and phone, so all but one are written by hand.
async fn long_lists(world: &World, border: &Border) {
    let token = world.token(2);
    let phones = ["+336010208", "+336010213"];
    for (number, phone) in phones.into_iter().enumerate() {
        let mut body = long("SAM", phone, &format!("S{number:04}"));
        body["identity_key"] = json!(format!("{number:064x}"));
        let granted = world.api.register(&token, &body).await.json();
        let record = format!("a#{}", granted["uuid"].as_str().unwrap());
        let items = world.scan(&tables().claims).await;
        // The key of its truncated identity, whose records tell their keys.
        let is_its = |item: &&HashMap<String, AttributeValue>| {
            item.get(&record).is_some_and(|record| record.as_m().unwrap().contains_key("k"))
        };
        let mut item = items.iter().find(is_its).unwrap().clone();
        let one = item[&record].clone();
        item.extend((0..3_500_u128).map(|other| (format!("a#{}", uuid::Uuid::from_u128(other)), one.clone())));
        let put = world.aws.dynamodb().put_item().table_name(tables().claims).set_item(Some(item));
        put.send().await.unwrap();
    }
    let rows: String = phones.map(|phone| one_driver(phone, 20)).concat();
    let file = format!("{HEADER}{rows}{}", bad_rows(9_000));
    // Each as often as one invocation tries it, so that the upload is given up; an event is handled three times.
    border.fail(&["reports/", "contradictions/"], 3);
    world.upload("imports/2/long.csv", file).await;
}

/// One driver's rows, each with another day.
fn one_driver(phone: &str, rows: usize) -> String {
    let day = |row: usize| format!("{}-{:02}-{:02}", 2016 + row / 336, 1 + row / 28 % 12, 1 + row % 28);
    (0..rows).map(|row| format!("long,SAM,{phone},{}\n", day(row))).collect()
}

/// An audit of tables that somebody has damaged by hand: an application without a claim, claims without an application, a change
/// that did not happen, a file of no export.
async fn audit(world: &World) {
    let token = world.token(1);
    world.journeys(&[Trip::new(1, "two", "+336010211")]).await;
    assert_eq!(world.api.register(&token, &short("AUD", "L5", "two")).await.status, StatusCode::CREATED);
    let mut uuids = Vec::new();
    for (phone, license) in [("+336010212", "L6"), ("+336010213", "L7")] {
        let granted = world.api.register(&token, &long("AUD", phone, license)).await.json();
        uuids.push(granted["uuid"].as_str().unwrap().to_owned());
    }
    let remove = |table: String, name: &'static str, key: String| {
        let delete = world.aws.dynamodb().delete_item().table_name(table);
        delete.key(name, AttributeValue::S(key)).send()
    };
    let claims = world.scan(&tables().claims).await;
    let claim = claims.iter().find(|claim| claim.contains_key(&format!("a#{}", uuids[0]))).unwrap();
    remove(tables().claims, "pk", claim["pk"].as_s().unwrap().clone()).await.unwrap();
    remove(tables().applications, "uuid", uuids[1].clone()).await.unwrap();
    // A change that says of an application what is not so: the audit looks at the changes around it and after it.
    let number = |text: &str| AttributeValue::N(text.to_owned());
    let word = |text: &str| AttributeValue::S(text.to_owned());
    let astray = [
        ("operator_id", number("1")),
        ("number", number("900000")),
        ("uuid", word(&uuids[0])),
        ("journey_type", word("long")),
        ("changed_at", number("1714521600000")),
        ("deleted_by", word("operator")),
    ];
    let astray = astray.map(|(name, value)| (name.to_owned(), value)).into();
    world.aws.dynamodb().put_item().table_name(tables().changes).set_item(Some(astray)).send().await.unwrap();
    let file = format!("exports/3/{}.csv", ExportId::new(machine_now(), 7));
    world.aws.s3().put_object().bucket(BUCKET).key(file).body(b"x".to_vec().into()).send().await.unwrap();
    // The stream of claims tells of the first one: the next invocations check it again.
    world.stack.audit().send(change(&tables().claims, Some(claim), None)).await.unwrap();
    for _ in 0..3 {
        world.stack.audit().run_now().await.unwrap();
    }
}

/// Rejected rows of a kilobyte each.
fn bad_rows(rows: usize) -> String {
    (0..rows).map(|row| format!("long,{},+336010208,{row}\n", "?".repeat(1_000))).collect()
}

/// An import and an undo, each of which takes more than one invocation: each import invocation reads eight kilobytes, each undo
/// invocation removes one item.
async fn long_work(world: &World) {
    let long = format!("{HEADER}{}{}", one_driver("+336010209", 11), bad_rows(20));
    world.upload("imports/1/long.csv", long).await;
    world.upload("imports/1/wrong.csv", format!("{HEADER}{}", one_driver("+336010210", 1))).await;
    let reports = reports(&world.aws, "reports/1/").await;
    let id = ImportId::parse(reports["imports/1/wrong.csv"]["import_id"].as_str().unwrap()).unwrap();
    Team::local(world.stack.description()).undo(OperatorId::new(1).unwrap(), id, |_| {}).await.unwrap();
    world.stack.queue().idle().await;
    assert_eq!(world.given_up(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_allow_exactly_the_calls_of_functions() {
    let border = Border::new();
    let world = border.world(&[("OPERATOR_CALLS_PER_SECOND", "30")]).await;
    applications(&world).await;
    batches(&world).await;
    files(&world).await;
    access(&world).await;
    many_calls(&world, &border).await;
    console(&world, &border).await;
    audit(&world).await;
    long_lists(&world, &border).await;
    exports(&world, &border).await;
    let in_parts = border.world(&[("IMPORT_ROWS_PER_INVOCATION", "1"), ("EXPORT_ROWS_PER_INVOCATION", "1")]).await;
    long_work(&in_parts).await;
    large_applications(&in_parts, 1, 2).await;
    exported(&in_parts, 1, &json!({"format": "csv"})).await;
    let nothing = std::collections::BTreeSet::new();
    assert_eq!(border.refused(), nothing, "a function called what template.yaml does not allow it");
    assert_eq!(border.unused(), nothing, "template.yaml allows what no function ever calls");
}

/// The tables that a function holds, by their names in the template: each name that its fields show.
fn held(function: &impl Debug) -> BTreeSet<String> {
    let shown = format!("{function:?}");
    let tables = tables();
    let names = Tables::ALL.iter().zip(tables.names());
    let held = names.filter(|(_, name)| shown.contains(&format!("{name:?}")));
    held.map(|(table, _)| format!("{}{}Table", table[..1].to_uppercase(), &table[1..])).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn function_offered_every_table_holds_those_of_its_policies() {
    let world = world().await;
    let mut every: HashMap<String, String> = variables(&world, |_| true).into_iter().collect();
    every.insert("CLAIM_PEPPER".to_owned(), world.secrets.service.claim_pepper.clone());
    let env = Environment::of(every);
    let held = BTreeMap::from([
        ("cee-access", held(&Access::from_environment(&env).await.unwrap())),
        ("cee-applications", held(&OwnApplications::from_environment(&env).await.unwrap())),
        ("cee-audit", held(&AuditFunction::from_environment(&env).await.unwrap())),
        ("cee-batches", held(&Batches::from_environment(&env).await.unwrap())),
        ("cee-console", held(&Console::from_environment(&env).await.unwrap())),
        ("cee-export", held(&ExportFunction::from_environment(&env).unwrap())),
        ("cee-import", held(&ImportFunction::from_environment(&env).await.unwrap())),
        ("cee-public", held(&Public::from_environment(&env).unwrap())),
        ("cee-register", held(&Register::from_environment(&env).await.unwrap())),
        ("cee-simulate", held(&Simulate::from_environment(&env).await.unwrap())),
        ("cee-uploads", held(&Uploads::from_environment(&env).await.unwrap())),
    ]);
    let functions = functions();
    let allowed: BTreeMap<&str, BTreeSet<String>> = functions
        .iter()
        .map(|function| {
            // Lambda itself reads the streams.
            let is_on_table =
                |right: &&Right| right.action.starts_with("dynamodb:") && !right.resource.ends_with(".StreamArn");
            let on_tables = function.rights.iter().filter(is_on_table);
            let table = |resource: &str| resource.split('/').next().unwrap().to_owned();
            (function.binary.as_str(), on_tables.map(|right| table(&right.resource)).collect())
        })
        .collect();
    assert_eq!(held, allowed);
}
