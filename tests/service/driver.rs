//! The law's requirements for the registry's team: show the stored data of a driver, and erase it.

use std::io::Write as _;
use std::process::{Command, Stdio};

use cee_local::stack::{Options, tables};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{NOW, at, cee, scan, world_on};

const LICENSE: &str = "918273645546";
const KEY: &str = "9182736455463728190a9182736455463728190a9182736455463728190abcde";
const PHONE: &str = "+336399801";

/// Whether it succeeded, the standard output, and the message for the person.
fn driver(folder: &TempDir, words: &[&str], sought: &Value) -> (bool, String, String) {
    let mut command = Command::new(cee());
    command.arg("driver").args(words).arg("--data-dir").arg(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(sought.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn driver_is_shown_in_full_and_erased() {
    let folder = TempDir::new().unwrap();
    let world = world_on(&Options { now: Some(at(NOW)), ..Options::new(folder.path()) }).await;
    let (stack, aws, api) = (&world.stack, &world.aws, &world.api);
    let (one, two) = (world.token(1), world.token(2));
    // A short application under an Idempotency-Key, a long one that is deleted, another operator's history, and an unrelated
    // driver.
    let short = json!({"journey_type": "short", "last_name_trunc": "WVQ", "driving_license": LICENSE,
                       "operator_journey_id": "ar:2024-03-15_0001", "identity_key": KEY});
    let mut named = api.request(Method::POST, "/policies/cee", Some(&one), short.to_string().into_bytes());
    named.headers_mut().insert("idempotency-key", "key-1".parse().unwrap());
    let granted = api.send(named).await.unwrap();
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    let long = |name: &str, license: &str| {
        json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": PHONE, "driving_license": license,
               "datetime": "2024-03-15T07:30:00Z"})
    };
    let deleted = api.register(&two, &long("WVQ", LICENSE)).await.json();
    let path = |granted: &Value| format!("/policies/cee/{}", granted["uuid"].as_str().unwrap());
    assert_eq!(api.call(Method::DELETE, &path(&deleted), &two).await.status, StatusCode::NO_CONTENT);
    // An unused journey with the driver's key.
    let unused = format!(
        "journey_id,operator_id,operator_journey_id,operator_class,start_datetime,end_datetime,distance,start_insee,end_insee,\
         driver_phone_trunc,driver_identity_key,acquisition_status,fraud_status,anomaly_status\n\
         77,3,unused,C,2024-03-20T07:00:00Z,2024-03-20T07:30:00Z,9000,75056,91377,{PHONE},{KEY},processed,passed,passed\n"
    );
    let put = aws.s3().put_object().bucket("cee-local").key("journeys/unused.csv").body(unused.into_bytes().into());
    put.send().await.unwrap();
    stack.queue().idle().await;
    let history = json!([{"journey_type": "long", "last_name_trunc": "WVQ", "phone_trunc": PHONE,
                          "datetime": "2014-06-01T00:00:00Z"}]);
    assert_eq!(api.post("/policies/cee/import", &two, &history).await.json()["imported"], 1);
    let stranger = api.register(&two, &long("ZZZ", "STRANGER1234")).await.json();

    let whole = json!({"driving_license": LICENSE, "identity_key": KEY, "last_name_trunc": "WVQ", "phone_trunc": "06 39 98 01"});
    let (done, told, said) = driver(&folder, &["show"], &whole);
    assert!(done, "{said}");
    let told: Value = serde_json::from_str(&told).unwrap();
    let applications = told["applications"].as_array().unwrap();
    assert_eq!(applications.len(), 1);
    for (name, value) in
        [("driving_license", LICENSE), ("identity_key", KEY), ("phone_trunc", PHONE), ("last_name_trunc", "WVQ")]
    {
        assert_eq!(applications[0][name], value);
    }
    assert_eq!(
        (&applications[0]["uuid"], &applications[0]["token"]),
        (&granted.json()["uuid"], &granted.json()["token"])
    );
    assert_eq!(told["archived"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&told["archived"][0]["uuid"], &told["archived"][0]["driving_license"]),
        (&deleted["uuid"], &json!(LICENSE))
    );
    assert_eq!(told["journeys"][0]["operator_journey_id"], "ar:2024-03-15_0001");
    let specific = told["claims"].as_array().unwrap().iter().filter(|claim| claim["kind"] == "specific");
    assert_eq!(
        specific.map(|claim| claim["datetime"].as_str().unwrap()).collect::<Vec<_>>(),
        ["2014-06-01T00:00:00.000Z"]
    );
    assert_eq!(told["claims"].as_array().unwrap().len(), 4, "three keys of the one application, and the history");
    // A driver who shares only the truncated identity appears with a date; nothing else of that driver is printed.
    let shared = json!({"driving_license": LICENSE, "last_name_trunc": "ZZZ", "phone_trunc": PHONE});
    let (done, told, said) = driver(&folder, &["show"], &shared);
    assert!(done && !told.contains("STRANGER1234") && !told.contains(stranger["token"].as_str().unwrap()), "{said}");
    assert!(told.contains(stranger["uuid"].as_str().unwrap()), "its existence is shown");

    // Nothing is erased by mistake.
    let (done, _, said) =
        driver(&folder, &["erase", "--reason", "r", "--yes"], &json!({"last_name_trunc": "WVQ", "phone_trunc": PHONE}));
    assert!(!done && said.contains("many drivers share a truncated identity"), "{said}");
    for bad in [
        json!({}),
        json!({"name": LICENSE}),
        json!({"driving_license": "x?y"}),
        json!({"last_name_trunc": "WVQ"}),
        json!([]),
    ] {
        let (done, out, said) = driver(&folder, &["show"], &bad);
        assert!(
            !done && out.is_empty() && said.contains("error") && !said.contains(LICENSE) && !said.contains("x?y"),
            "{said}"
        );
    }
    let (done, out, _) = driver(&folder, &["erase", "--reason", "request 7"], &whole);
    assert!(done && out.contains("2 applications would be erased"), "{out}");
    assert_eq!(api.call(Method::GET, &path(&granted.json()), &one).await.status, StatusCode::OK);

    let (done, out, said) = driver(&folder, &["erase", "--reason", "request 7", "--yes"], &whole);
    assert!(
        done && out.contains("erased: 2 applications, 1 idempotency records and the driver of 1 unused journeys"),
        "{out} {said}"
    );
    for value in [LICENSE, KEY, PHONE, "WVQ"] {
        assert!(!out.contains(value) && !said.contains(value), "the log repeats {value}");
    }
    assert!(said.contains(granted.json()["uuid"].as_str().unwrap()) && said.contains("request 7"), "{said}");
    // A second erasure finds nothing to erase.
    let (done, out, _) = driver(&folder, &["erase", "--reason", "request 7", "--yes"], &whole);
    assert!(
        done && out.contains("erased: 0 applications, 0 idempotency records and the driver of 0 unused journeys"),
        "{out}"
    );

    // No table names the driver any more; a trace of each application is left.
    let token = granted.json()["token"].as_str().unwrap().rsplit('.').next().unwrap().to_owned();
    let tables = tables();
    for table in
        [&tables.claims, &tables.applications, &tables.archive, &tables.changes, &tables.idempotency, &tables.journeys]
    {
        for item in scan(aws, table).await {
            let shown = format!("{item:?}");
            for value in [LICENSE, KEY, "WVQ", &token] {
                assert!(!shown.contains(value), "{table} still holds {value}: {shown}");
            }
        }
    }
    let mut traces = scan(aws, &tables.archive).await;
    traces.sort_by_key(|item| item.contains_key("was_deleted_at"));
    let names = |index: usize| {
        let mut names: Vec<&str> = traces[index].keys().map(String::as_str).collect();
        names.sort_unstable();
        names
    };
    assert_eq!(
        names(0),
        ["datetime", "erased_at", "journey_id", "journey_type", "operator_id", "reason", "registered_at", "uuid"]
    );
    assert_eq!(
        names(1),
        ["datetime", "erased_at", "journey_type", "operator_id", "reason", "registered_at", "uuid", "was_deleted_at"]
    );

    // The certificate is still granted, and nothing says to which driver.
    assert_eq!(api.call(Method::GET, &path(&granted.json()), &one).await.status, StatusCode::NOT_FOUND);
    let mut anew = short.clone();
    anew["operator_journey_id"] = json!("ar:2024-03-15_0002");
    let again = api.register(&one, &anew).await;
    assert_eq!((again.status, again.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));
    assert!(again.json().get("uuid").is_none(), "{again:?}");
    let used = api.register(&one, &short).await;
    assert_eq!((used.status, used.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_journey"));
    // No other driver is affected.
    assert_eq!(api.call(Method::GET, &path(&stranger), &two).await.status, StatusCode::OK);
    // And the audit finds the claims of the erased driver in order.
    let audit = |words: &[&str]| {
        let mut command = Command::new(cee());
        let output = command.arg("audit").args(words).arg("--data-dir").arg(folder.path()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.success(), text(output.stdout) + &text(output.stderr))
    };
    let (clean, said) = audit(&[]);
    assert!(clean && said.contains("1 applications, ") && said.contains(" 0 findings"), "{said}");
    // An application that somebody deletes by hand leaves orphans, which are shown before they are removed.
    let uuid = stranger["uuid"].as_str().unwrap();
    let gone = aws.dynamodb().delete_item().table_name(&tables.applications);
    gone.key("uuid", aws_sdk_dynamodb::types::AttributeValue::S(uuid.to_owned())).send().await.unwrap();
    let (clean, said) = audit(&[]);
    assert!(!clean && said.matches(&format!("names {uuid}, which there is not")).count() == 2, "{said}");
    let (clean, said) = audit(&["--repair"]);
    assert!(!clean && said.contains("would remove") && said.contains("2 findings are left"), "{said}");
    let (clean, said) = audit(&["--repair", "--yes"]);
    assert!(clean && said.matches("removed the claim").count() == 2, "{said}");
    let (clean, said) = audit(&[]);
    assert!(clean, "{said}");
    assert_eq!(api.register(&two, &long("ZZZ", "STRANGER1234")).await.status, StatusCode::CREATED);
    world.end().await;
}

/// Without a word, a person at a terminal would wait for the command, and the command for the person.
#[test]
fn person_at_a_terminal_is_asked_for_the_driver() {
    let folder = TempDir::new().unwrap();
    let command = format!("'{}' driver show --data-dir '{}'", cee().display(), folder.path().display());
    let mut script = Command::new("script");
    script.args(["-qec", &command, "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = script.spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"{}\n\x04").unwrap();
    let said = String::from_utf8_lossy(&child.wait_with_output().unwrap().stdout).into_owned();
    assert!(said.contains("Ctrl-D") && said.contains("name the driver"), "{said}");
}
