//! Operator numbers: each belongs to one operator for ever.

use std::path::Path;
use std::process::Command;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::stack::{Options, tables};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Api, NOW, at, cee, world_on};

fn team(data_dir: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(cee()).arg("operator").args(arguments).arg("--data-dir").arg(data_dir).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// The token that this credential gets.
async fn token_for(api: &Api, key: &Value) -> String {
    let body = serde_json::to_vec(key).unwrap();
    let answer = api.send(api.request(Method::POST, "/auth/access_token", None, body)).await.unwrap();
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// Anything left of a former operator marks its number as used, even if the operator itself left no trace.
#[tokio::test(flavor = "multi_thread")]
async fn used_operator_number_is_not_given_again() {
    let folder = TempDir::new().unwrap();
    let world = world_on(&Options { now: Some(at(NOW)), ..Options::new(folder.path()) }).await;
    let (api, db) = (&world.api, world.aws.dynamodb());
    let create = |id: u32| {
        let (id, name) = (id.to_string(), "Dernier Rang");
        team(folder.path(), &["create", "--id", &id, "--name", name, "--siret", "12000404400043"])
    };
    let mut keys = Vec::new();
    for id in 11..=16 {
        let (done, body, said) = create(id);
        assert!(done, "{said}");
        keys.push(serde_json::from_str::<Value>(&body).unwrap());
    }
    let tokens = futures_util::future::join_all(keys.iter().map(|key| token_for(api, key))).await;
    let long = |name: &str| {
        json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": "+336010203",
               "driving_license": format!("05122730{name}1000"), "datetime": "2024-03-15T08:30:00Z"})
    };
    // 11 leaves a credential, 12 an import, 13 an application, 14 a deleted one, 15 a row of a batch, 16 nothing.
    let place = api.post("/policies/cee/imports", &tokens[1], &json!({})).await;
    assert_eq!(place.status, StatusCode::CREATED, "{place:?}");
    for (token, name) in [(&tokens[2], "ABC"), (&tokens[3], "DEF")] {
        let uuid = api.registered(token, &long(name)).await;
        if name == "DEF" {
            let path = format!("/policies/cee/{uuid}");
            assert_eq!(api.call(Method::DELETE, &path, token).await.status, StatusCode::NO_CONTENT);
        }
    }
    let row = json!([{"journey_type": "long", "last_name_trunc": "GHI", "phone_trunc": "+336010203",
                      "datetime": "2021-02-15T00:00:00Z"}]);
    let sent = api.post("/policies/cee/import", &tokens[4], &row).await;
    assert_eq!(sent.json()["imported"], 1, "{sent:?}");
    // Deleted by an earlier release, which left no trace.
    let tables = tables();
    for (id, key) in (11..=16).zip(&keys) {
        let number = AttributeValue::N(id.to_string());
        db.delete_item().table_name(&tables.operators).key("operator_id", number).send().await.unwrap();
        if id != 11 {
            let key = AttributeValue::S(key["access_key"].as_str().unwrap().to_owned());
            db.delete_item().table_name(&tables.credentials).key("access_key", key).send().await.unwrap();
        }
    }
    for (id, why) in [
        (11, "credentials of a former operator still exist"),
        (12, "files were imported with it"),
        (13, "applications were registered or imported with it"),
        (14, "applications were registered with it and deleted"),
        (15, "with it"),
    ] {
        let (done, told, said) = create(id);
        assert!(!done && told.is_empty() && said.contains(why), "{id}: {said}");
        assert!(said.contains(&format!("the number {id} was used before")) && said.contains("never used"), "{said}");
    }
    // A number that is part of another number is not used.
    for id in [1, 3, 16] {
        let (done, _, said) = create(id);
        assert!(done == (id == 16) && (done || said.contains("already")), "{id}: {said}");
    }
    // On AWS the command needs the names of these tables.
    let named = [
        "create",
        "--id",
        "16",
        "--name",
        "A",
        "--siret",
        "12000404400043",
        "--operators-table",
        "o",
        "--credentials-table",
        "c",
    ];
    let output = Command::new(cee()).arg("operator").args(named).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("--imports-table, --claims-table and --archive-table"), "{said}");
    world.end().await;
}
