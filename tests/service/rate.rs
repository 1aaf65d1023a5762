//! How many calls an operator may make.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::json;

use crate::support::{NOW, World, at, world_with};

/// This many a second, over ten seconds.
async fn world(calls_per_second: &str) -> World {
    world_with(|options| {
        options.now = Some(at(NOW));
        options.settings = vec![("OPERATOR_CALLS_PER_SECOND".to_owned(), calls_per_second.to_owned())];
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn operator_over_limit_gets_429_and_no_other_does() {
    let world = Arc::new(world("3").await);
    let question = json!({"journey_type": "long", "last_name_trunc": "DUP", "phone_trunc": "+336010203"});
    let began = tokio::time::Instant::now();
    let calls = (0..150).map(|_| {
        let (world, question) = (Arc::clone(&world), question.clone());
        tokio::spawn(async move { world.api.simulate(&world.token(1), &question).await })
    });
    let (mut answered, mut refused) = (0_u64, Vec::new());
    for call in calls.collect::<Vec<_>>() {
        let answer = call.await.unwrap();
        match answer.status {
            StatusCode::OK => answered += 1,
            _ => refused.push(answer),
        }
    }
    // Thirty in ten seconds, and a slice of three that this one function does not ask for, in each window of the test.
    let windows = began.elapsed().as_secs() / 10 + 2;
    assert!((33..=33 * windows).contains(&answered), "{answered} of 150 were answered");
    assert!(!refused.is_empty());
    let mut longest = 0;
    for answer in &refused {
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_calls"));
        let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=10).contains(&wait), "{answer:?}");
        longest = longest.max(wait);
    }
    // Other operators are not affected, and their tokens are checked as strictly as before.
    assert_eq!(world.api.simulate(&world.token(2), &question).await.status, StatusCode::OK);
    assert_eq!(world.api.simulate("x", &question).await.status, StatusCode::UNAUTHORIZED);
    // The promises still hold.
    tokio::time::sleep(Duration::from_secs(longest)).await;
    assert_eq!(world.api.simulate(&world.token(1), &question).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn functions_share_limit_of_operator_if_one_is_set() {
    let world = Arc::new(world("1").await);
    let (mut refused, began) = (0_u64, tokio::time::Instant::now());
    for number in 0..60 {
        let body = json!({});
        let path = ["/policies/cee/simulate", "/policies/cee", "/policies/cee/imports"][number % 3];
        let answer = world.api.post(path, &world.token(1), &body).await;
        refused += u64::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    // Ten for each window and one for each function, in each window of the test.
    let most = 13 * (began.elapsed().as_secs() / 10 + 2);
    let answered = 60 - refused;
    assert!((13..=most).contains(&answered), "{answered} of 60 were answered");
    let world = crate::support::world().await;
    for _ in 0..200 {
        let answer = world.api.post("/policies/cee/simulate", &world.token(1), &json!({})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}
