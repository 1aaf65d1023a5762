//! How many calls an operator may make.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use cee_local::stack::tables;
use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;

use crate::support::{Answer, World, world_set};

const IMPORT: &str = "/policies/cee/import";
const IDENTITY: &str = "/policies/cee/import/identity";

/// This many a second, over ten seconds.
async fn world(calls_per_second: &str) -> World {
    world_set([("OPERATOR_CALLS_PER_SECOND", calls_per_second)]).await
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

/// Ten rows are a call. A batch counts before its first row: all of it is processed or nothing, and none is too large for the limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn batch_counts_by_its_rows_and_is_refused_whole() {
    let world = world("3").await;
    let rows = |number: usize| json!(vec![json!({}); number]);
    let seconds = |answer: &Answer| {
        assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_calls"));
        answer.headers["retry-after"].to_str().unwrap().parse::<u64>().unwrap()
    };
    for (operator, path, success) in [(1, IMPORT, StatusCode::CREATED), (2, IDENTITY, StatusCode::OK)] {
        let (token, body, began) = (world.token(operator), rows(400), tokio::time::Instant::now());
        let answers = join_all((0..10).map(|_| world.api.post(path, &token, &body))).await;
        let windows = usize::try_from(began.elapsed().as_secs() / 10 + 2).unwrap();
        let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == success);
        // Forty calls each, of thirty in ten seconds: the first takes the window.
        assert!((1..=windows).contains(&answered.len()), "{} of 10 were answered", answered.len());
        if operator == 1 {
            let mut imports = world.scan(&tables().imports).await;
            imports.retain(|import| import["operator_id"] == AttributeValue::N("1".to_owned()));
            assert_eq!(imports.len(), answered.len(), "a refused batch is no import");
        }
        let mut wait = refused.iter().map(&seconds).max().unwrap();
        // The last of the ten may have begun another window, and used it up.
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_secs(wait)).await;
            let large = world.api.post(path, &token, &rows(1000)).await;
            wait = if large.status == success { 0 } else { seconds(&large) };
            if wait == 0 {
                break;
            }
        }
        assert_eq!(wait, 0, "a batch of more than a window's calls was refused in a new window");
        assert_eq!(world.api.post(path, &world.token(3), &rows(10)).await.status, success);
    }
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
