//! A panic in a compiled function: what fails with it, and what does not. `cee_service::trap` describes how a test makes a function
//! panic. Each world checks by itself, when it ends, that no panic has leaked the data it was about.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::stack::{BUCKET, Functions, tables};
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::{Value, json};

use crate::binaries::binaries;
use crate::support::{NOW, World, at, keys, object, reports, world_with};

/// Starts the functions as processes that panic at these places.
async fn world(panics: &str) -> World {
    world_with(|options| {
        options.now = Some(at(NOW));
        options.functions = Functions::Binaries(binaries());
        options.settings = vec![("CEE_PANIC_ON".to_owned(), panics.to_owned())];
    })
    .await
}

fn parsed(lines: &[String]) -> impl Iterator<Item = Value> {
    lines.iter().map(|line| serde_json::from_str(line).expect("a line of JSON"))
}

/// The lines of the log with this message, once there are this many.
async fn lines(world: &World, message: &str, count: usize) -> Vec<Value> {
    let with_message = |lines: &[String]| parsed(lines).filter(|line| line["message"] == message).collect::<Vec<_>>();
    with_message(&world.output_with(|lines| with_message(lines).len() >= count).await)
}

/// A panic leaves its place in the log, and no part of its message.
async fn panics_are_logged(world: &World, count: usize) {
    let panics = lines(world, "panic", count).await;
    assert_eq!(panics.len(), count, "{panics:#?}");
    for panic in panics {
        assert!(panic["location"].as_str().unwrap().contains("trap.rs:"), "{panic}");
        let mut names: Vec<&String> = panic.as_object().unwrap().keys().filter(|name| *name != "span").collect();
        names.sort();
        assert_eq!(names, ["level", "location", "message", "target", "timestamp"]);
        // The operator, if it is known.
        for name in panic["span"].as_object().into_iter().flat_map(|span| span.keys()) {
            assert!(["function", "name", "request_id", "trace_id"].contains(&name.as_str()), "{panic}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_call_returns_500_and_affects_no_other() {
    let world = world("request:PNC").await;
    let (starts, one, two) = (world.stack.starts(), world.token(1), world.token(2));
    let body = |name: &str, number: usize| {
        json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": format!("+3391827{number:02}"),
               "driving_license": format!("7391827364{number:02}"), "datetime": "2024-03-15T08:30:00Z"})
    };
    // Concurrent calls, every third of which panics.
    let call = async |number: usize| {
        let panics = number % 3 == 1;
        let token = if number.is_multiple_of(2) { &one } else { &two };
        (panics, world.api.register(token, &body(if panics { "PNC" } else { "QXD" }, number)).await)
    };
    let mut ids = Vec::new();
    for (panics, answer) in join_all((0..12).map(call)).await {
        if !panics {
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            continue;
        }
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal"));
        let problem = answer.json();
        let mut names: Vec<&String> = problem.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, ["detail", "request_id", "status", "title", "type"]);
        ids.push(problem["request_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(ids.len(), 4);
    assert_eq!(world.applications().await.len(), 8, "what panicked is not granted");
    // The other functions behind the same API.
    for path in ["/policies/cee/simulate", "/policies/cee/imports", "/policies/cee/import"] {
        let answer = world.api.post(path, &one, &json!({"last_name_trunc": "PNC"})).await;
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal"));
        ids.push(answer.json()["request_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(world.api.register(&one, &body("QXD", 40)).await.status, StatusCode::CREATED);
    let question = json!({"journey_type": "long", "last_name_trunc": "QXD", "phone_trunc": "+339182700"});
    assert_eq!(world.api.simulate(&two, &question).await.problem(), "duplicate");
    assert_eq!(world.stack.starts(), starts, "no process was started again");

    panics_are_logged(&world, ids.len()).await;
    for id in &ids {
        for message in ["failed", "answered"] {
            let of_call = |lines: &[String]| {
                let of_call = parsed(lines).filter(|line| line["span"]["request_id"] == **id);
                of_call.filter(|line| line["message"] == message).count()
            };
            let lines = world.output_with(|lines| of_call(lines) > 0).await;
            assert_eq!(of_call(&lines), 1, "{message} {id}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_that_panics_fails_alone_in_its_batch() {
    let world = world("item:PNC").await;
    let (starts, token) = (world.stack.starts(), world.token(1));
    let body = |name: &str, number: usize| {
        json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": format!("+3391827{number:02}"),
               "driving_license": format!("7391827364{number:02}"), "datetime": "2024-03-15T08:30:00Z"})
    };
    let registrations = [body("QXD", 1), body("PNC", 2), body("QXD", 3)];
    let answer = world.api.post("/policies/cee/batch", &token, &json!(registrations)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let answers = answer.json()["answers"].clone();
    assert_eq!([0, 1, 2].map(|number| answers[number]["status"].as_u64().unwrap()), [201, 500, 201]);
    assert!(answers[1]["body"]["request_id"].is_string(), "{answers}");
    assert_eq!(world.applications().await.len(), 2);
    assert_eq!(world.stack.starts(), starts, "no process was started again");
    panics_are_logged(&world, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_row_is_rejected_and_import_continues() {
    let world = world("row:PNC").await;
    let starts = world.stack.starts();
    // Two lines in a hundred panic, and one is invalid by itself, in a spelling of its own.
    let row = |line: usize| match line {
        50 => "long;\"PNC\";06 30 00 50;15/02/2021\n".to_owned(),
        7 | 120 | 299 => format!("long;PNC;+3363{line:05};2021-02-15\n"),
        60 => "long;Pnc;+336300060;2021-02-15\n".to_owned(),
        _ => format!("long;QXD;+3363{line:05};2021-02-15\n"),
    };
    let file = format!("journey_type;last_name_trunc;phone_trunc;datetime\n{}", (2..=301).map(row).collect::<String>());
    let theirs = "journey_type,last_name_trunc,phone_trunc,datetime\nlong,QXE,+336399155,2021-02-15\n";
    let s3 = world.aws.s3();
    let put =
        |key: &str, body: &str| s3.put_object().bucket(BUCKET).key(key).body(body.as_bytes().to_vec().into()).send();
    let (one, two) = tokio::join!(put("imports/1/h.csv", &file), put("imports/2/h.csv", theirs));
    one.and(two).unwrap();
    world.stack.queue().idle().await;
    assert_eq!(world.stack.queue().counts().dead, 0);

    let counts =
        |report: &Value| ["read", "imported", "already_known", "rejected"].map(|name| report[name].as_u64().unwrap());
    let report = reports(&world.aws, "reports/1/").await["imports/1/h.csv"].clone();
    assert_eq!((report["state"].as_str(), counts(&report)), (Some("completed"), [300, 295, 0, 5]));
    let rejected = object(&world.aws, report["rejected_rows"].as_str().unwrap()).await;
    let rejected = String::from_utf8(rejected).unwrap();
    let rejected: Vec<Vec<&str>> = rejected.lines().skip(1).map(|line| line.split(';').collect()).collect();
    let ends: Vec<(&str, bool)> =
        rejected.iter().map(|cells| (cells[4], cells[6].starts_with("internal error: "))).collect();
    assert_eq!(ends, [("7", true), ("50", true), ("60", false), ("120", true), ("299", true)], "in the file's order");
    assert_eq!(rejected[1][..4].join(";") + "\n", row(50), "as it came");
    let report = &reports(&world.aws, "reports/2/").await["imports/2/h.csv"];
    assert_eq!(counts(report), [1, 1, 0, 0], "another operator's");
    assert_eq!(keys(&world.aws, "work/").await, [""; 0], "nothing is left of the first try");

    // Sent again it has the same result; and a file without such rows is not affected.
    world.upload("imports/1/again.csv", file).await;
    world
        .upload(
            "imports/1/good.csv",
            "journey_type,last_name_trunc,phone_trunc,datetime\nlong,QXF,+336399156,2021-02-15\n",
        )
        .await;
    let reports = reports(&world.aws, "reports/1/").await;
    assert_eq!(counts(&reports["imports/1/again.csv"]), [300, 0, 295, 5]);
    assert_eq!(counts(&reports["imports/1/good.csv"]), [1, 1, 0, 0]);
    assert_eq!(world.stack.starts(), starts, "no process was started again");
    panics_are_logged(&world, 8).await;
    let told = lines(&world, "rows panicked and are rejected", 2).await;
    assert_eq!(told.iter().map(|line| (&line["rows"], &line["line"])).collect::<Vec<_>>(), [(&json!(4), &json!(7)); 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_batch_row_fails_alone() {
    let world = world("row:PNC").await;
    let (starts, token) = (world.stack.starts(), world.token(1));
    let row = |name: &str, number: usize| {
        json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": format!("+3364{number:05}"),
               "datetime": "2021-02-15T00:00:00Z"})
    };
    let rows: Vec<Value> = (0..100).map(|number| row(if number % 40 == 9 { "PNC" } else { "QXD" }, number)).collect();
    let told = |answer: &Value, imported: usize| {
        assert_eq!([&answer["imported"], &answer["failed"]], [imported, 3], "{answer}");
        for (failed, index) in answer["failed_details"].as_array().unwrap().iter().zip([9, 49, 89]) {
            assert_eq!((&failed["index"], &failed["phone_trunc"]), (&json!(index), &rows[index]["phone_trunc"]));
            assert!(failed["error"].as_str().unwrap().starts_with("internal error: "), "{failed}");
        }
    };
    let answer = world.api.post("/policies/cee/import", &token, &json!(rows)).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    told(&answer.json(), 97);
    let keyed: Vec<Value> = rows
        .iter()
        .enumerate()
        .map(|(number, row)| {
            let mut row = row.clone();
            row["cee_application_type"] = json!("specific");
            row["identity_key"] = json!(format!("{number:064x}"));
            row
        })
        .collect();
    let answer = world.api.post("/policies/cee/import/identity", &token, &json!(keyed)).await;
    assert_eq!(answer.status, StatusCode::OK);
    told(&answer.json(), 97);
    assert_eq!(world.stack.starts(), starts, "no process was started again");
    panics_are_logged(&world, 6).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_event_goes_to_dead_letters_alone() {
    let world = world("event:QXDUPONT").await;
    let starts = world.stack.starts();
    let row = |number: usize| {
        format!("journey_type,last_name_trunc,phone_trunc,datetime\nlong,QXD,+3361993{number:02},2021-02-15\n")
            .into_bytes()
    };
    let s3 = world.aws.s3();
    let put = |key: String, number: usize| s3.put_object().bucket(BUCKET).key(key).body(row(number).into()).send();
    put("imports/1/QXDUPONT.csv".to_owned(), 0).await.unwrap();
    for number in 1..9 {
        put(format!("imports/{}/{number}.csv", number % 3 + 1), number).await.unwrap();
    }
    world.stack.queue().idle().await;
    let counts = world.stack.queue().counts();
    assert_eq!((counts.dead, counts.waiting), (1, 0), "{counts:?}");
    let mut imported = 0;
    for operator in 1..=3 {
        for report in reports(&world.aws, &format!("reports/{operator}/")).await.values() {
            assert_eq!((&report["imported"], report["state"].as_str()), (&json!(1), Some("completed")));
            imported += 1;
        }
    }
    assert_eq!(imported, 8, "every other one");
    put("imports/1/after.csv".to_owned(), 9).await.unwrap();
    world.stack.queue().idle().await;
    assert_eq!(
        reports(&world.aws, "reports/1/").await["imports/1/after.csv"]["imported"],
        1,
        "and its operator's next"
    );
    assert_eq!(world.stack.starts(), starts, "no process was started again");
    panics_are_logged(&world, 3).await;
    let letters: Vec<_> = std::fs::read_dir(world.stack.queue().dead_letters()).unwrap().collect();
    let letter = std::fs::read(letters[0].as_ref().unwrap().path()).unwrap();
    let letter: Value = serde_json::from_slice(&letter).unwrap();
    assert_eq!(letter["responsePayload"], json!({"errorType": "ImportError", "errorMessage": "it panicked"}));
    assert_eq!(letter["requestContext"]["approximateInvokeCount"], 3, "it was tried again");
}

/// What an invocation of the audit function wrote, by finding, once it includes these.
async fn findings(world: &World, request_id: &str, wanted: [&str; 3]) -> BTreeMap<String, f64> {
    let found = |lines: &[String]| -> BTreeMap<String, f64> {
        let of_call = parsed(lines).filter(|line| line["request_id"] == request_id);
        of_call.filter_map(|line| Some((line["Finding"].as_str()?.to_owned(), line["Findings"].as_f64()?))).collect()
    };
    found(&world.output_with(|lines| wanted.iter().all(|name| found(lines).contains_key(*name))).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_audit_part_is_skipped_and_reported() {
    // The applications, and the reports.
    let world = world("part:start part:reports:").await;
    let (starts, token) = (world.stack.starts(), world.token(1));
    let body = json!({"journey_type": "long", "last_name_trunc": "QXD", "phone_trunc": "+339182741",
                      "driving_license": "739182736441", "datetime": "2024-03-15T08:30:00Z"});
    let granted = world.api.register(&token, &body).await.json();
    let gone = world.aws.dynamodb().delete_item().table_name(&tables().applications);
    let uuid = AttributeValue::S(granted["uuid"].as_str().unwrap().to_owned());
    gone.key("uuid", uuid).send().await.unwrap();
    for rounds in 1..=2 {
        let request_id = world.stack.audit().run_now().await.unwrap();
        let found = findings(&world, &request_id, ["unreadable", "orphan", "foreign"]).await;
        assert_eq!((found["unreadable"], found["orphan"], found["foreign"]), (2.0, 2.0, 0.0), "{found:?}");
        let place: Value = serde_json::from_slice(&object(&world.aws, cee_fn_audit::PLACE).await).unwrap();
        assert_eq!(place["place"], "end", "{place}");
        panics_are_logged(&world, rounds * 2).await;
    }
    for place in ["start", "reports:"] {
        let told = lines(&world, &format!("unreadable: looking at the part after {place} panicked"), 2).await;
        assert_eq!(told.len(), 2, "{place}");
        assert!(
            told.iter().all(|line| line["kind"] == "unreadable" && line["span"]["function"] == "audit"),
            "{told:?}"
        );
    }
    assert_eq!(world.stack.starts(), starts, "no process was started again");
}

#[tokio::test(flavor = "multi_thread")]
async fn panicking_audit_hides_panic_message() {
    let world = world("event:audit").await;
    let starts = world.stack.starts();
    for invocations in 1..=2 {
        let error = world.stack.audit().run_now().await.unwrap_err();
        assert_eq!(error.report(), json!({"errorType": "AuditError", "errorMessage": "it panicked"}));
        panics_are_logged(&world, invocations).await;
        assert_eq!(lines(&world, "the audit stopped", invocations).await.len(), invocations);
    }
    assert_eq!(world.stack.starts(), starts, "no process was started again");
}
