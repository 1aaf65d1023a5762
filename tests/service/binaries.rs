//! The compiled functions, each a process of its own behind a Lambda Runtime API, as Lambda starts them.

use std::path::PathBuf;
use std::process::Command;

use cee_local::stack::{BINARIES, Functions};
use http::StatusCode;
use serde_json::json;

use crate::support::{NOW, Trip, at, cee, world_with};

/// Where `cargo test` puts the functions' binaries: beside ours.
pub fn binaries() -> PathBuf {
    let folder = cee().parent().unwrap().to_owned();
    for name in BINARIES {
        assert!(folder.join(name).exists(), "{name} is not built: run `cargo test`, which builds every function");
    }
    folder
}

#[test]
fn missing_setting_stops_start_and_is_named() {
    for name in BINARIES {
        let output = Command::new(binaries().join(name)).env_clear().output().unwrap();
        let log = String::from_utf8(output.stdout).unwrap();
        assert!(!output.status.success(), "{name}");
        assert!(log.contains("the environment variable") && log.contains("is missing"), "{name}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn compiled_functions_serve_calls_and_events() {
    let world = world_with(|options| {
        options.now = Some(at(NOW));
        options.functions = Functions::Binaries(binaries());
    })
    .await;
    let (one, two) = (world.token(1), world.token(2));
    world.journeys(&[Trip::new(1, "process:1", "+336010203")]).await;
    let body = json!({"journey_type": "short", "last_name_trunc": "ZQX", "driving_license": "777227308989",
                      "operator_journey_id": "process:1"});
    let granted = world.api.register(&one, &body).await;
    assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
    let question = json!({"journey_type": "short", "last_name_trunc": "ZQX", "phone_trunc": "+336010203"});
    let blocked = world.api.simulate(&two, &question).await;
    assert_eq!((blocked.status, blocked.problem().as_str()), (StatusCode::CONFLICT, "duplicate"));

    world
        .upload(
            "imports/2/h.csv",
            "journey_type;last_name_trunc;phone_trunc;datetime\r\nlong;QZX;+336998877;2021-02-03\r\n",
        )
        .await;
    let question = json!({"journey_type": "long", "last_name_trunc": "QZX", "phone_trunc": "+336998877"});
    let blocked = world.api.simulate(&one, &question).await;
    assert_eq!((blocked.status, blocked.problem().as_str()), (StatusCode::CONFLICT, "history"));
    assert_eq!(world.api.get("/.well-known/jwks.json").await.status, StatusCode::OK);
    let keys = &world.stack.description().operators[0];
    let pair = json!({"access_key": keys.access_key, "secret_key": keys.secret_key});
    let got = world.api.post("/auth/access_token", "", &pair).await;
    assert_eq!(got.status, StatusCode::CREATED, "{got:?}");
    let got = got.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(world.api.simulate(&got, &question).await.status, StatusCode::CONFLICT);

    for bad in [&b"{"[..], b"\0", b"{\"journey_type\":\"\xff\"}"] {
        let request = world.api.request(http::Method::POST, "/policies/cee", Some(&one), bad.to_vec());
        assert_eq!(world.api.send(request).await.unwrap().problem(), "malformed_body");
    }

    world.stack.audit().run_now().await.unwrap();

    let counted = [("register", "Applications"), ("import", "HistoryRows"), ("audit", "AuditedItems")];
    let written = |lines: &[String], (function, metric): (&str, &str)| {
        let metrics = lines.iter().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        metrics
            .filter(|line| line["_aws"].is_object())
            .any(|line| line["function"] == function && line[metric].as_f64().is_some_and(|number| number > 0.0))
    };
    let lines = world.output_with(|lines| counted.iter().all(|metric| written(lines, *metric))).await;
    for metric in counted {
        assert!(written(&lines, metric), "{metric:?} is not written: {lines:#?}");
    }
    for function in ["simulate", "register", "access", "public", "import", "audit"] {
        assert!(lines.iter().any(|line| line.contains(function)), "{function} has logged nothing: {lines:#?}");
    }
    for line in &lines {
        let json: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        assert!(json["level"] != "ERROR", "{line}");
        for personal in [
            "ZQX",
            "QZX",
            "777227308989",
            "336010203",
            "336998877",
            &one[40..],
            &got[40..],
            &keys.secret_key,
            &granted.json()["token"].as_str().unwrap()[40..],
        ] {
            assert!(!line.contains(personal), "personal data in the log: {line}");
        }
    }
}

/// The description of the interface is compiled with the functions, but no function uses it: the linker leaves it out. The public
/// function holds the finished document, as one text.
#[test]
fn only_public_function_contains_document() {
    let words = "Asks whether a driver is eligible now (demande CEE";
    for name in BINARIES {
        let binary = std::fs::read(binaries().join(name)).unwrap();
        let holds = binary.windows(words.len()).any(|part| part == words.as_bytes());
        assert_eq!(holds, name == "cee-public", "{name}");
    }
}
