//! History and identity keys in batches: an invalid row fails alone.

use cee_local::stack::{Options, tables};
use http::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{NOW, World, at, logs, metrics, world, world_on, world_set};
use crate::wire::Wire;

const IMPORT: &str = "/policies/cee/import";
const IDENTITY: &str = "/policies/cee/import/identity";

fn row(name: &str, phone: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "datetime": "2021-02-15T00:00:00Z"})
}

fn long(name: &str, phone: &str, license: &str, key: Option<&str>) -> Value {
    let mut body = json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone,
                          "driving_license": license, "datetime": "2024-03-15T07:30:00Z"});
    if let Some(key) = key {
        body["identity_key"] = json!(key.repeat(64));
    }
    body
}

/// The counts of a response: imported, already known, failed.
fn counts(answer: &Value) -> [u64; 3] {
    ["imported", "already_known", "failed"].map(|name| answer[name].as_u64().unwrap())
}

async fn simulate(world: &World, operator: u32, name: &str, phone: &str, key: Option<&str>) -> Value {
    let mut body = json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone});
    if let Some(key) = key {
        body["identity_key"] = json!(key.repeat(64));
    }
    world.api.simulate(&world.token(operator), &body).await.json()
}

/// Sends rows, then sends again the rows that the registry had no time for, as its response asks. Their number depends on the
/// machine.
async fn send_all(world: &World, operator: u32, rows: &[Value]) -> Value {
    let token = world.token(operator);
    let (mut left, mut imported, mut already_known, mut failed): (Vec<usize>, _, _, Vec<Value>) =
        ((0..rows.len()).collect(), 0, 0, Vec::new());
    while !left.is_empty() {
        let batch: Vec<&Value> = left.iter().map(|row| &rows[*row]).collect();
        let answer = world.api.post(IMPORT, &token, &json!(batch)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        let answer = answer.json();
        let [new, known, _] = counts(&answer);
        (imported, already_known) = (imported + new, already_known + known);
        let mut busy = Vec::new();
        for detail in answer["failed_details"].as_array().unwrap() {
            let row = left[usize::try_from(detail["index"].as_u64().unwrap()).unwrap()];
            if detail["error"] == "the registry was too busy: send this row again" {
                busy.push(row);
            } else {
                let mut detail = detail.clone();
                detail["index"] = json!(row);
                failed.push(detail);
            }
        }
        left = busy;
    }
    json!({"imported": imported, "already_known": already_known, "failed": failed.len(), "failed_details": failed})
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_row_fails_alone_and_repeated_row_is_known() {
    let world = world().await;
    let mut rows: Vec<Value> = (0..996).map(|n| row("DUP", &format!("+336020{n:03}"))).collect();
    rows.push(json!({"journey_type": "long", "last_name_trunc": "dup", "datetime": "2030-01-01T00:00:00Z", "x": 1}));
    rows.push(json!("no object"));
    rows.push(rows[0].clone());
    rows.push(row("TO ", "06010203"));
    let answer = send_all(&world, 1, &rows).await;
    assert_eq!(counts(&answer), [997, 1, 2]);
    let failed = answer["failed_details"].as_array().unwrap();
    assert_eq!(
        (&failed[0]["index"], &failed[0]["last_name_trunc"]),
        (&json!(996), &json!("dup")),
        "the row as it came"
    );
    let error = failed[0]["error"].as_str().unwrap();
    for pointer in
        ["/last_name_trunc ", "/phone_trunc is missing", "/datetime must be in the past", "/x is not a field"]
    {
        assert!(error.contains(pointer), "{error}");
    }
    assert_eq!(failed[1], json!({"index": 997, "error": "must be a JSON object"}));
    // Each valid row counts, for every operator.
    assert_eq!(simulate(&world, 2, "DUP", "+336020500", None).await["reason"], "history");
    assert_eq!(simulate(&world, 2, "TO ", "+336010203", None).await["datetime"], "2021-02-15T00:00:00.000Z");
    // The same batch again.
    let again = send_all(&world, 1, &rows).await;
    assert_eq!(counts(&again), [0, 998, 2]);
    // Another operator's history is separate.
    let theirs = world.api.post(IMPORT, &world.token(2), &json!([rows[0]])).await.json();
    assert_eq!(counts(&theirs), [1, 0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_batch_is_refused_whole() {
    let world = world().await;
    let token = world.token(1);
    for path in [IMPORT, IDENTITY] {
        for body in [json!([]), json!(vec![row("DUP", "+336010203"); 1001])] {
            let answer = world.api.post(path, &token, &body).await;
            assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "invalid_fields"));
            assert_eq!(answer.pointers(), [""]);
        }
        let answer = world.api.post(path, &token, &json!({})).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::BAD_REQUEST, "malformed_body"));
        let long = json!([{"x": "y".repeat(512 * 1024)}]);
        let answer = world.api.post(path, &token, &long).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
        let answer = world.api.post(path, "", &json!([{}])).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(world.scan(&tables().claims).await, []);
    let closed = world_set([("IMPORT_ENABLED", "false")]).await;
    for path in [IMPORT, IDENTITY] {
        let answer = closed.api.post(path, &closed.token(1), &json!([row("DUP", "+336010203")])).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::FORBIDDEN, "call_closed"));
    }
}

/// A row of a closed journey type fails alone, in both calls and of both kinds; the others are written.
#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_closed_journey_type_fail_alone() {
    let folder = TempDir::new().unwrap();
    let open_for = async |open_for: &str| {
        let mut options = Options { now: Some(at(NOW)), ..Options::new(folder.path()) };
        options.settings = vec![("IMPORT_ENABLED".to_owned(), open_for.to_owned())];
        world_on(&options).await
    };
    let world = open_for("true").await;
    let granted = world.api.register(&world.token(1), &long("STD", "+336010277", "CLOSED1234", None)).await.json();
    world.end().await;
    let world = open_for("short").await;
    let mut short = row("DUP", "+336010203");
    short["journey_type"] = json!("short");
    let rows = json!([short, row("DUP", "+336010203"), {"journey_type": "long", "last_name_trunc": "dup"}]);
    let answer = world.api.post(IMPORT, &world.token(1), &rows).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let answer = answer.json();
    assert_eq!(counts(&answer), [1, 0, 2]);
    let error = |answer: &Value, index: usize| answer["failed_details"][index]["error"].as_str().unwrap().to_owned();
    let closed = "/journey_type is closed: the registry accepts no history of this journey type for the time being";
    assert_eq!(error(&answer, 0), closed);
    assert!(error(&answer, 1).contains(closed) && error(&answer, 1).contains("/last_name_trunc "));
    let specific = |mut row: Value| {
        row["cee_application_type"] = json!("specific");
        row["identity_key"] = json!("a".repeat(64));
        row
    };
    let standardized = json!({"cee_application_type": "standardized", "cee_application_uuid": granted["uuid"],
                              "identity_key": "b".repeat(64)});
    let rows = json!([specific(short), specific(row("DUP", "+336010203")), standardized]);
    let answer = world.api.post(IDENTITY, &world.token(1), &rows).await.json();
    assert_eq!(counts(&answer), [1, 0, 2], "{answer}");
    assert_eq!(error(&answer, 0), closed);
    assert_eq!(error(&answer, 1), "the registry has closed this call for long applications for the time being");
    // Another operator learns nothing about it, and once the type is open the same row is written.
    let theirs = world.api.post(IDENTITY, &world.token(2), &json!([standardized])).await.json();
    assert_eq!(error(&theirs, 0), "you have no such application");
    world.end().await;
    let world = open_for("true").await;
    let answer = world.api.post(IDENTITY, &world.token(1), &json!([standardized])).await.json();
    assert_eq!(counts(&answer), [1, 0, 0]);
    world.end().await;
}

/// History is dated before the scheme began: otherwise any operator could block any driver without a licence.
#[tokio::test(flavor = "multi_thread")]
async fn rows_dated_within_the_scheme_fail_alone() {
    let world = world().await;
    let dated = |datetime: &str| {
        let mut row = row("DUP", "+336010203");
        row["datetime"] = json!(datetime);
        row
    };
    let rows =
        json!([dated("2022-12-31T22:59:59.999Z"), dated("2022-12-31T23:00:00Z"), dated("2024-01-15T00:00:00+01:00")]);
    let answer = world.api.post(IMPORT, &world.token(1), &rows).await.json();
    assert_eq!(counts(&answer), [1, 0, 2]);
    let error = |index: usize| answer["failed_details"][index]["error"].as_str().unwrap();
    let late = "/datetime must be dated before 2023-01-01 (midnight in Paris): ";
    assert!(error(0).starts_with(late) && error(1).starts_with(late), "{answer}");
    assert_eq!(simulate(&world, 2, "DUP", "+336010203", None).await["datetime"], "2022-12-31T22:59:59.999Z");
    // The specific rows of the other call, with a journey type that can be read or not.
    let rows = ["long", "medium"].map(|journey_type| {
        let mut row = dated("2023-06-01T00:00:00Z");
        row["journey_type"] = json!(journey_type);
        row["cee_application_type"] = json!("specific");
        row["identity_key"] = json!("a".repeat(64));
        row
    });
    let answer = world.api.post(IDENTITY, &world.token(1), &json!(rows)).await.json();
    assert_eq!(counts(&answer), [0, 0, 2]);
    for index in [0, 1] {
        assert!(answer["failed_details"][index]["error"].as_str().unwrap().contains(late), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn late_history_in_batch_is_counted_for_team() {
    let world = world().await;
    let granted = world.api.register(&world.token(1), &long("LAT", "+336010277", "LATE1234", None)).await;
    assert_eq!(granted.status, StatusCode::CREATED);
    let answer = world.api.post(IMPORT, &world.token(2), &json!([row("LAT", "+336010277")])).await;
    assert_eq!(counts(&answer.json()), [1, 0, 0]);
    let uuid = granted.json()["uuid"].as_str().unwrap().to_owned();
    assert!(!answer.text.contains(&uuid), "not for an operator");
    let logs = logs();
    let line = logs.lines().find(|line| line.contains(&uuid) && line.contains("history contradicts"));
    assert!(line.is_some_and(|line| line.contains("\"application_operator_id\":1")), "{line:?}");
    assert!(metrics().iter().any(|line| line["LateContradictions"] == 1.0 && line["function"] == "batches"));
}

/// By rule 3 such a driver does not block an application with another key: the registry's team sees how many keys were given, and
/// by whom.
#[tokio::test(flavor = "multi_thread")]
async fn identity_keys_given_later_are_counted_for_team() {
    let world = world().await;
    let token = world.token(3);
    let rows = json!([row("KEY", "+336010281"), row("KEY", "+336010282")]);
    assert_eq!(counts(&world.api.post(IMPORT, &token, &rows).await.json()), [2, 0, 0]);
    let granted = world.api.register(&token, &long("KEY", "+336010283", "KEYS0001", None)).await.json();
    let specific = |phone: &str, key: &str| {
        let mut row = row("KEY", phone);
        row["cee_application_type"] = json!("specific");
        row["identity_key"] = json!(key.repeat(64));
        row
    };
    let standardized = json!({"cee_application_type": "standardized", "cee_application_uuid": granted["uuid"],
                              "identity_key": "c".repeat(64)});
    let batch =
        json!([specific("+336010281", "a"), specific("+336010282", "b"), standardized, specific("+336010299", "d")]);
    let before = metrics().len();
    let request_ids: Vec<String> = {
        let mut ids = Vec::new();
        for (expected, batch) in [([3, 0, 1], &batch), ([0, 3, 1], &batch)] {
            let answer = world.api.post(IDENTITY, &token, batch).await;
            assert_eq!(counts(&answer.json()), expected, "{answer:?}");
            ids.push(answer.headers["apigw-requestid"].to_str().unwrap().to_owned());
        }
        ids
    };
    let written = metrics().split_off(before);
    let late = |id: &str, to: &str| {
        let line = written.iter().find(|line| line["request_id"] == id && line["Application"] == to);
        line.map(|line| line["LateKeys"].as_f64().unwrap())
    };
    let [first, again] = &request_ids[..] else { panic!("two calls") };
    assert_eq!((late(first, "specific"), late(first, "standardized")), (Some(2.0), Some(1.0)));
    assert_eq!((late(again, "specific"), late(again, "standardized")), (None, None), "what has its key is given none");
    let logs = logs();
    let lines: Vec<&str> = logs.lines().filter(|line| line.contains("identity keys were given later")).collect();
    let line = lines.iter().find(|line| line.contains(first)).expect("the log says so");
    assert!(line.contains("\"operator_id\":3"), "{line}");
    assert!(line.contains("\"specific\":2") && line.contains("\"standardized\":1"), "{line}");
    assert!(!lines.iter().any(|line| line.contains(again)), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_key_moves_history_to_one_person() {
    let world = world().await;
    let token = world.token(1);
    let rows = json!([row("DUP", "+336010203"), row("MAR", "+336010204")]);
    assert_eq!(counts(&world.api.post(IMPORT, &token, &rows).await.json()), [2, 0, 0]);
    // Until then it blocks every driver with that name and phone, with any key.
    for key in [None, Some("a"), Some("b")] {
        assert_eq!(simulate(&world, 2, "DUP", "+336010203", key).await["reason"], "history", "{key:?}");
    }
    let specific = |name: &str, phone: &str, key: &str| {
        let mut row = row(name, phone);
        row["cee_application_type"] = json!("specific");
        row["identity_key"] = json!(key.repeat(64));
        row
    };
    let mut misplaced = specific("MAR", "+336010204", "c");
    misplaced["cee_application_uuid"] = json!("00000000-0000-4000-8000-000000000000");
    let batch = json!([
        specific("DUP", "+336010203", "a"),
        specific("DUP", "+336010299", "a"),
        specific("DUP", "+336010203", "a"),
        misplaced,
        {"cee_application_type": "other", "identity_key": "A", "datetime": "2021"},
    ]);
    let answer = world.api.post(IDENTITY, &token, &batch).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answer = answer.json();
    assert_eq!(counts(&answer), [1, 1, 3]);
    let errors: Vec<&str> =
        answer["failed_details"].as_array().unwrap().iter().map(|row| row["error"].as_str().unwrap()).collect();
    assert_eq!(errors[0], "you have no such application");
    assert_eq!(errors[1], "/cee_application_uuid does not belong to a specific application");
    for pointer in ["/cee_application_type ", "/identity_key ", "/datetime "] {
        assert!(errors[2].contains(pointer), "{}", errors[2]);
    }
    // Rule 3: another key on the same truncated identity is another person; a driver without a key may be anybody; the same key is
    // the same person, with any name and phone.
    assert_eq!(simulate(&world, 2, "DUP", "+336010203", Some("b")).await["eligible"], true);
    assert_eq!(simulate(&world, 2, "DUP", "+336010203", None).await["reason"], "history");
    assert_eq!(simulate(&world, 2, "DUP", "+336010203", Some("a")).await["reason"], "history");
    assert_eq!(simulate(&world, 2, "NEW", "+336019999", Some("a")).await["reason"], "history");
    assert_eq!(
        simulate(&world, 2, "MAR", "+336010204", Some("b")).await["reason"],
        "history",
        "the other row is as before"
    );
    // Register answers as simulate does.
    let same = world.api.register(&world.token(2), &long("NEW", "+336019999", "N1", Some("a"))).await;
    assert_eq!((same.status, same.problem().as_str()), (StatusCode::CONFLICT, "history"));
    let other = world.api.register(&world.token(2), &long("DUP", "+336010203", "N2", Some("b"))).await;
    assert_eq!(other.status, StatusCode::CREATED, "{other:?}");
    // No key is replaced. But another key shows that the record also stands for another driver, who had the same name, phone and
    // day: it blocks every driver again, and the key still finds its first driver.
    assert_eq!(simulate(&world, 2, "DUP", "+336010203", Some("d")).await["eligible"], true);
    let replaced = world.api.post(IDENTITY, &token, &json!([specific("DUP", "+336010203", "d")])).await.json();
    assert_eq!(
        replaced["failed_details"][0]["error"],
        "the application already has another identity key, and keeps it"
    );
    assert_eq!(simulate(&world, 2, "DUP", "+336010203", Some("d")).await["reason"], "history");
    assert_eq!(simulate(&world, 2, "NEW", "+336019999", Some("a")).await["reason"], "history");
    assert_eq!(simulate(&world, 2, "NEW", "+336019999", Some("d")).await["eligible"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_key_is_given_to_own_application_unless_duplicate() {
    let world = world().await;
    let (one, two) = (world.token(1), world.token(2));
    let granted = world.api.register(&one, &long("DUP", "+336010203", "K1", None)).await.json();
    let give = |uuid: &Value, key: &str| json!([{"cee_application_type": "standardized", "cee_application_uuid": uuid, "identity_key": key.repeat(64)}]);
    let theirs = world.api.post(IDENTITY, &two, &give(&granted["uuid"], "a")).await.json();
    assert_eq!(theirs["failed_details"][0]["error"], "you have no such application");
    assert_eq!(simulate(&world, 2, "DUP", "+336010203", Some("b")).await["reason"], "duplicate");
    assert_eq!(counts(&world.api.post(IDENTITY, &one, &give(&granted["uuid"], "a")).await.json()), [1, 0, 0]);
    assert_eq!(counts(&world.api.post(IDENTITY, &one, &give(&granted["uuid"], "a")).await.json()), [0, 1, 0]);
    assert_eq!(simulate(&world, 2, "DUP", "+336010203", Some("b")).await["eligible"], true);
    assert_eq!(simulate(&world, 2, "NEW", "+336019999", Some("a")).await["reason"], "duplicate");
    // A second application that could not be registered with the key cannot get it later.
    let second = world.api.register(&two, &long("SEC", "+336010255", "K2", None)).await.json();
    let refused = world.api.post(IDENTITY, &two, &give(&second["uuid"], "a")).await.json();
    let error = refused["failed_details"][0]["error"].as_str().unwrap();
    assert!(error.contains("second application") && error.contains("2024-03-15T07:30:00.000Z"), "{error}");
    assert_eq!(counts(&refused), [0, 0, 1]);
    // After the first one is deleted it can.
    let path = format!("/policies/cee/{}", granted["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(http::Method::DELETE, &path, &one).await.status, StatusCode::NO_CONTENT);
    assert_eq!(counts(&world.api.post(IDENTITY, &two, &give(&second["uuid"], "a")).await.json()), [1, 0, 0]);
    // A delete removes all three claims.
    let path = format!("/policies/cee/{}", second["uuid"].as_str().unwrap());
    assert_eq!(world.api.call(http::Method::DELETE, &path, &two).await.status, StatusCode::NO_CONTENT);
    assert_eq!(world.scan(&tables().claims).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn row_shared_by_two_drivers_blocks_both_after_key() {
    let world = world().await;
    let token = world.token(1);
    // Two of them in one file: one record, from which a key of the first must not exclude the second.
    let two = json!([row("DUP", "+336010203"), row("DUP", "+336010203")]);
    assert_eq!(counts(&world.api.post(IMPORT, &token, &two).await.json()), [1, 1, 0]);
    let mut first = row("DUP", "+336010203");
    first["cee_application_type"] = json!("specific");
    first["identity_key"] = json!("a".repeat(64));
    assert_eq!(counts(&world.api.post(IDENTITY, &token, &json!([first])).await.json()), [1, 0, 0]);
    for key in [Some("a"), Some("b"), None] {
        assert_eq!(simulate(&world, 2, "DUP", "+336010203", key).await["reason"], "history", "{key:?}");
    }
    let register = world.api.register(&world.token(2), &long("DUP", "+336010203", "P2", Some("b"))).await;
    assert_eq!((register.status, register.problem().as_str()), (StatusCode::CONFLICT, "history"));
    assert_eq!(
        simulate(&world, 2, "NEW", "+336019999", Some("a")).await["reason"],
        "history",
        "the first is known by the key"
    );
    // A failed row that is sent back as the response shows it is read in the same way.
    let mut told = world.api.post(IMPORT, &token, &json!([{"journey_type": "long"}])).await.json();
    let told = told["failed_details"][0].take();
    let again = world.api.post(IMPORT, &token, &json!([told])).await;
    let names: Vec<&str> =
        ["\"index\"", "\"error\""].into_iter().filter(|name| again.text.matches(name).count() == 1).collect();
    assert_eq!(names.len(), 2, "{again:?}");
}

/// Gives an application a key, and runs something between the read of the application and the read of the items under the key.
async fn given_late(world: &World, wire: &Wire, uuid: &Value, meanwhile: impl AsyncFnOnce(Value)) -> Value {
    let give = |uuid: &Value| json!([{"cee_application_type": "standardized", "cee_application_uuid": uuid, "identity_key": "a".repeat(64)}]);
    let mut held = wire.hold("RequestItems");
    let first = {
        let (api, token, give) = (world.api.clone(), world.token(1), give(uuid));
        tokio::spawn(async move { api.post(IDENTITY, &token, &give).await })
    };
    held.come().await;
    meanwhile(give(uuid)).await;
    held.release();
    first.await.unwrap().json()
}

#[tokio::test(flavor = "multi_thread")]
async fn identity_key_given_twice_at_once_is_already_known() {
    let (world, wire) = Wire::world().await;
    let token = world.token(1);
    let granted = world.api.register(&token, &long("DUP", "+336010203", "K1", None)).await.json();
    let late = given_late(&world, &wire, &granted["uuid"], async |give| {
        assert_eq!(counts(&world.api.post(IDENTITY, &token, &give).await.json()), [1, 0, 0]);
    });
    let late = late.await;
    assert_eq!(counts(&late), [0, 1, 0], "{late}");
}

#[tokio::test(flavor = "multi_thread")]
async fn application_deleted_while_given_key_is_unknown() {
    let (world, wire) = Wire::world().await;
    let token = world.token(1);
    let gone = world.api.register(&token, &long("DUP", "+336010203", "K1", None)).await.json();
    let other = world.api.register(&token, &long("MAR", "+336010204", "K2", None)).await.json();
    let late = given_late(&world, &wire, &gone["uuid"], async |mut give| {
        let path = format!("/policies/cee/{}", gone["uuid"].as_str().unwrap());
        assert_eq!(world.api.call(http::Method::DELETE, &path, &token).await.status, StatusCode::NO_CONTENT);
        give[0]["cee_application_uuid"] = other["uuid"].clone();
        assert_eq!(counts(&world.api.post(IDENTITY, &token, &give).await.json()), [1, 0, 0]);
    });
    let late = late.await;
    assert_eq!(late["failed_details"][0]["error"], "you have no such application", "{late}");
}
