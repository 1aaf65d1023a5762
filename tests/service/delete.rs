//! An operator's own applications: fetched, deleted, and the history that then counts again.

use std::collections::HashSet;
use std::sync::Arc;

use cee_local::stack::tables;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{Answer, Trip, World, world};

const HEADER: &str = "journey_type,last_name_trunc,phone_trunc,datetime\n";

fn long(name: &str, phone: &str, license: &str) -> Value {
    json!({"journey_type": "long", "last_name_trunc": name, "phone_trunc": phone, "driving_license": license,
           "datetime": "2024-03-15T07:30:00Z"})
}

fn path(granted: &Value) -> String {
    format!("/policies/cee/{}", granted["uuid"].as_str().unwrap())
}

async fn find(world: &World, operator: u32, granted: &Value) -> Answer {
    world.api.call(Method::GET, &path(granted), &world.token(operator)).await
}

async fn delete(world: &World, operator: u32, granted: &Value) -> Answer {
    world.api.call(Method::DELETE, &path(granted), &world.token(operator)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn get_returns_granted_body_to_own_operator_only() {
    let world = world().await;
    let mut trips = [Trip { id: 4242, ..Trip::new(1, "j", "+336010203") }];
    world.journeys(&trips).await;
    let body = json!({"journey_type": "short", "last_name_trunc": "DUP", "driving_license": "051227308989",
                      "operator_journey_id": "j"});
    let granted_short = world.api.register(&world.token(1), &body).await;
    let granted_long = world.api.register(&world.token(1), &long("DUP", "+336010203", "051227308989")).await;
    for granted in [&granted_short, &granted_long] {
        assert_eq!(granted.status, StatusCode::CREATED, "{granted:?}");
        let found = find(&world, 1, &granted.json()).await;
        assert_eq!((found.status, &found.text), (StatusCode::OK, &granted.text), "the body of the 201");
        let theirs = find(&world, 2, &granted.json()).await;
        assert_eq!((theirs.status, theirs.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_application"));
        let never = json!({"uuid": "00000000-0000-4000-8000-000000000000"});
        assert_eq!(find(&world, 2, &never).await.json()["detail"], theirs.json()["detail"], "as one that never was");
    }
    assert!(granted_long.json().get("journey_id").is_none(), "a long one has no journey");
    for name in ["x", "00000000-0000-4000-8000-00000000000", "%00", "a%2Fb"] {
        let answer = find(&world, 1, &json!({"uuid": name})).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
    }
    // It follows its journey's status.
    trips[0].statuses = "processed,failed,passed";
    world.journeys(&trips).await;
    assert_eq!(find(&world, 1, &granted_short.json()).await.json()["status"], "fraud_error");
}

#[tokio::test(flavor = "multi_thread")]
async fn delete_frees_driver_and_journey_and_restores_history() {
    let world = world().await;
    let (one, two) = (world.token(1), world.token(2));
    world.journeys(&[Trip::new(1, "j", "+336010203")]).await;
    let body = |name: &str, license: &str| json!({"journey_type": "short", "last_name_trunc": name, "driving_license": license, "operator_journey_id": "j"});
    let granted = world.api.register(&one, &body("DUP", "051227308989")).await.json();
    let theirs = delete(&world, 2, &granted).await;
    assert_eq!((theirs.status, theirs.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_application"));
    assert_eq!(find(&world, 1, &granted).await.status, StatusCode::OK, "nobody else deletes it");
    let deleted = delete(&world, 1, &granted).await;
    assert_eq!((deleted.status, deleted.text.as_str()), (StatusCode::NO_CONTENT, ""));
    for answer in [delete(&world, 1, &granted).await, find(&world, 1, &granted).await] {
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::NOT_FOUND, "unknown_application"));
    }
    assert_eq!(world.scan(&tables().claims).await, [], "no claim is left behind");
    let archive = world.scan(&tables().archive).await;
    assert_eq!(archive.len(), 1);
    assert_eq!(archive[0]["uuid"].as_s().unwrap(), granted["uuid"].as_str().unwrap());
    assert_eq!(archive[0]["deleted_at"].as_n().unwrap(), &crate::support::at(crate::support::NOW).millis().to_string());
    // Now the journey carries another driver's application, and the driver has another elsewhere.
    assert_eq!(world.api.register(&one, &body("MAR", "ANOTHER1234")).await.status, StatusCode::CREATED);
    world.journeys(&[Trip::new(2, "k", "+336010203")]).await;
    let mut elsewhere = body("DUP", "051227308989");
    elsewhere["operator_journey_id"] = json!("k");
    assert_eq!(world.api.register(&two, &elsewhere).await.status, StatusCode::CREATED);

    // History that arrived late was stored all the time, and blocks as soon as no application does.
    let driver = long("TO ", "+336010299", "LATE1234");
    let granted = world.api.register(&one, &driver).await.json();
    world.upload("imports/2/late.csv", format!("{HEADER}long,TO ,+336010299,2021-02-15\n")).await;
    let before = world
        .api
        .simulate(
            &two,
            &json!({"journey_type": "long", "last_name_trunc": "TO ",
                                                  "phone_trunc": "+336010299"}),
        )
        .await;
    assert_eq!(before.json()["reason"], "duplicate");
    assert_eq!(delete(&world, 1, &granted).await.status, StatusCode::NO_CONTENT);
    let after = world.api.register(&one, &driver).await;
    assert_eq!((after.status, after.problem().as_str()), (StatusCode::CONFLICT, "history"));
    assert_eq!(after.json()["datetime"], "2021-02-14T23:00:00.000Z");
}

/// Many clients register and delete one driver at once: never two live applications, and no claim without an application.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_deletes_leave_at_most_one_application() {
    let world = Arc::new(world().await);
    let mut granted_in_all = 0;
    for round in 0..6 {
        let body = long("DUP", &format!("+3360102{round:02}"), &format!("RACE{round:04}"));
        let seed = world.api.register(&world.token(1), &body).await;
        assert_eq!(seed.status, StatusCode::CREATED);
        let uuids = Arc::new(std::sync::Mutex::new(vec![(1, seed.json()["uuid"].as_str().unwrap().to_owned())]));
        let calls = (0..64_u32).map(|number| {
            let (world, body, uuids) = (Arc::clone(&world), body.clone(), Arc::clone(&uuids));
            tokio::spawn(async move {
                let mut deleted = 0;
                for turn in 0..4 {
                    let by = 1 + number % 3;
                    if (number + turn) % 2 == 0 {
                        let answer = world.api.register(&world.token(by), &body).await;
                        assert!(matches!(answer.status.as_u16(), 201 | 409), "{answer:?}");
                        if answer.status == StatusCode::CREATED {
                            let uuid = answer.json()["uuid"].as_str().unwrap().to_owned();
                            uuids.lock().unwrap().push((by, uuid));
                        }
                        continue;
                    }
                    // The last granted application, by its own operator.
                    let (by, uuid) = uuids.lock().unwrap().last().unwrap().clone();
                    let path = format!("/policies/cee/{uuid}");
                    let answer = world.api.call(Method::DELETE, &path, &world.token(by)).await;
                    assert!(matches!(answer.status.as_u16(), 204 | 404), "{answer:?}");
                    deleted += usize::from(answer.status == StatusCode::NO_CONTENT);
                }
                deleted
            })
        });
        let mut deleted = 0;
        for call in calls.collect::<Vec<_>>() {
            deleted += call.await.unwrap();
        }
        let granted = uuids.lock().unwrap().clone();
        granted_in_all += granted.len();
        assert!(granted.len() - deleted <= 1, "{} granted, {deleted} deleted", granted.len());
        let mut live = HashSet::new();
        for (by, uuid) in &granted {
            let found = world.api.call(Method::GET, &format!("/policies/cee/{uuid}"), &world.token(*by)).await;
            if found.status == StatusCode::OK {
                live.insert(uuid.clone());
            }
        }
        assert_eq!(live.len(), granted.len() - deleted);
        let archived = world.scan(&tables().archive).await;
        let archived =
            archived.iter().filter(|item| granted.iter().any(|(_, uuid)| item["uuid"].as_s().unwrap() == uuid));
        assert_eq!(archived.count(), deleted);
        // The claims of this round name the live one on each key, and nothing else.
        let mut named = Vec::new();
        for item in world.scan(&tables().claims).await {
            named.extend(item.keys().filter_map(|name| name.strip_prefix("a#")).map(str::to_owned));
        }
        named.retain(|uuid| granted.iter().any(|(_, known)| known == uuid));
        assert_eq!(named.len(), 2 * live.len());
        assert!(named.iter().all(|uuid| live.contains(uuid)));
        // Deletes the remaining application, so that the last scan finds nothing of this driver.
        for (by, uuid) in granted.iter().filter(|(_, uuid)| live.contains(uuid)) {
            let gone = world.api.call(Method::DELETE, &format!("/policies/cee/{uuid}"), &world.token(*by)).await;
            assert_eq!(gone.status, StatusCode::NO_CONTENT);
        }
    }
    assert_eq!(world.scan(&tables().claims).await, []);
    assert!(granted_in_all > 12, "nothing was granted after a delete: no race was seen");
}
