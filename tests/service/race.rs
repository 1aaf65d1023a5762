//! One driver, one certificate, for any concurrent calls.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cee_local::stack::tables;
use cee_registry::Applications;
use cee_tokens::Scope;
use http::StatusCode;
use serde_json::{Value, json};

use crate::support::{Answer, World, world};

const OPERATORS: u32 = 8;
const CALLS: usize = 64;
/// In each of the four ways of being the same person: a hundred drivers in all.
const DRIVERS: u32 = 25;

/// The state that the calls for one driver share.
#[derive(Clone, Copy, Debug)]
enum Shape {
    AllKeys,
    OnlyLicense,
    OnlyIdentityKey,
    OnlyTruncatedIdentity,
}

/// One call for a driver; calls differ in everything that their shape does not share. Dates differ too, so that the winner's date
/// in a refusal identifies the winner.
fn call(shape: Shape, driver: u32, number: usize) -> Value {
    let shared = |is_shared: bool| if is_shared { 999 } else { number };
    let all = matches!(shape, Shape::AllKeys);
    let phone = shared(all || matches!(shape, Shape::OnlyTruncatedIdentity));
    let license = shared(all || matches!(shape, Shape::OnlyLicense));
    let key = shared(all || matches!(shape, Shape::OnlyIdentityKey));
    let mut body = json!({
        "journey_type": "long",
        "last_name_trunc": "DUP",
        "phone_trunc": format!("+336{driver:03}{phone:03}"),
        "driving_license": format!("{driver:08}{license:04}"),
        "datetime": format!("2024-03-15T08:{:02}:{:02}Z", number / 60, number % 60),
    });
    if !matches!(shape, Shape::OnlyTruncatedIdentity) {
        body["identity_key"] = json!(format!("{driver:032x}{key:032x}"));
    }
    body
}

async fn eight_operators(world: &World) -> Vec<String> {
    let mut tokens = Vec::new();
    for operator in 11..11 + OPERATORS {
        let siret = format!("{operator:014}");
        world.admit(operator, &siret, false).await;
        tokens.push(world.token_of(operator, &siret, &Scope::ALL));
    }
    tokens
}

/// Sends all calls at once.
async fn all_at_once(world: &World, tokens: &[String], bodies: Vec<Value>) -> Vec<Answer> {
    let start = Arc::new(tokio::sync::Barrier::new(bodies.len()));
    let calls = bodies.into_iter().enumerate().map(|(number, body)| {
        let (api, token, start) = (world.api.clone(), tokens[number % tokens.len()].clone(), Arc::clone(&start));
        tokio::spawn(async move {
            start.wait().await;
            api.register(&token, &body).await
        })
    });
    let mut answers = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        answers.push(call.await.unwrap());
    }
    answers
}

/// Races for all drivers of one shape. Returns the number of their claims.
async fn race(world: &World, tokens: &[String], shape: Shape, drivers: Range<u32>) -> usize {
    let applications = Applications::new(world.aws.dynamodb(), &tables());
    let mut granted = Vec::new();
    for driver in drivers {
        let bodies = (0..CALLS).map(|number| call(shape, driver, number)).collect();
        let answers = all_at_once(world, tokens, bodies).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == StatusCode::CREATED);
        assert_eq!(won.len(), 1, "{shape:?}, driver {driver}: {} certificates", won.len());
        let winner = won[0].json();
        for answer in lost {
            assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, "duplicate"), "{answer:?}");
            assert_eq!(answer.json()["datetime"], winner["datetime"], "{shape:?}, driver {driver}");
        }
        granted.push(winner["uuid"].as_str().unwrap().to_owned());
    }
    // Each certificate exists with all its claims, and there is nothing else.
    let claims = world.scan(&tables().claims).await;
    for uuid in &granted {
        let id = cee_eligibility::ApplicationId::parse(uuid).unwrap();
        let stored = applications.find(id).await.unwrap().expect("a certificate that was granted");
        let keys = 2 + stored.identity.identity_keys.iter().count();
        let holding = claims.iter().filter(|item| item.contains_key(&format!("a#{uuid}"))).count();
        assert_eq!(holding, keys, "{shape:?}: the claims of {uuid}");
    }
    let expected = if matches!(shape, Shape::OnlyTruncatedIdentity) { 2 } else { 3 };
    granted.len() * expected
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_calls_for_one_driver_grant_one_certificate() {
    let world = world().await;
    let tokens = eight_operators(&world).await;
    let shapes = [Shape::AllKeys, Shape::OnlyLicense, Shape::OnlyIdentityKey, Shape::OnlyTruncatedIdentity];
    let mut held = 0;
    for (number, shape) in (0..).zip(shapes) {
        held += race(&world, &tokens, shape, number * DRIVERS..(number + 1) * DRIVERS).await;
    }
    let claims = world.scan(&tables().claims).await;
    let records: usize =
        claims.iter().map(|item| item.keys().filter(|attribute| attribute.starts_with("a#")).count()).sum();
    assert_eq!(records, held, "no claim without its application");
    assert_eq!(world.applications().await.len(), shapes.len() * DRIVERS as usize);
}

/// Calls race with the import of a file that names their drivers. In any order: once the history is written it blocks, and no
/// certificate is granted after it.
#[tokio::test(flavor = "multi_thread")]
async fn register_during_import_respects_imported_rows() {
    let world = Arc::new(world().await);
    let tokens = eight_operators(&world).await;
    let phone = |driver: u32| format!("+336{driver:06}");
    let mut csv = "journey_type,last_name_trunc,phone_trunc,datetime\n".to_owned();
    for driver in 0..DRIVERS {
        csv.push_str(&format!("long,DUP,{},2022-06-01\n", phone(driver)));
    }
    let imported = Arc::new(AtomicBool::new(false));
    let upload = {
        let (world, imported) = (Arc::clone(&world), Arc::clone(&imported));
        tokio::spawn(async move {
            world.upload("imports/11/history.csv", csv).await;
            imported.store(true, Ordering::SeqCst);
        })
    };
    // From the last to the first: the import and the calls meet in the middle.
    let mut granted = 0;
    for driver in (0..DRIVERS).rev() {
        let known = imported.load(Ordering::SeqCst);
        let bodies = (0..8)
            .map(|number| {
                json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone(driver),
                       "driving_license": format!("{driver:08}{number:04}"), "datetime": "2024-03-15T08:30:00Z"})
            })
            .collect();
        let answers = all_at_once(&world, &tokens, bodies).await;
        let won = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
        assert!(won <= 1, "driver {driver}: {won} certificates");
        assert!(!(known && won > 0), "driver {driver}: granted after its history was known");
        for answer in answers.iter().filter(|answer| answer.status != StatusCode::CREATED) {
            let expected = if won == 1 { "duplicate" } else { "history" };
            assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::CONFLICT, expected));
        }
        granted += won;
    }
    upload.await.unwrap();
    let blocked = (0..DRIVERS).map(|driver| {
        let body = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": phone(driver)});
        let (world, token) = (Arc::clone(&world), tokens[0].clone());
        async move { world.api.simulate(&token, &body).await.status }
    });
    for status in futures_util::future::join_all(blocked).await {
        assert_eq!(status, StatusCode::CONFLICT, "every driver has a history now, or a certificate");
    }
    assert_eq!(world.applications().await.len(), granted);
    let with_history = world.scan(&tables().claims).await.iter().filter(|item| item.contains_key("sp")).count();
    assert_eq!(with_history, DRIVERS as usize, "history that comes late is imported all the same");
}
