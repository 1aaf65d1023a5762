//! How often a caller may ask for a token: unknown callers do not keep the operators from their tokens.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use crate::support::{Answer, World};
use crate::wire::Wire;

const CALL: &str = "/auth/access_token";

async fn world() -> (World, Wire) {
    let limited = ("TOKEN_CALLS".to_owned(), "20".to_owned());
    Wire::world_with(|options| options.settings.push(limited)).await
}

fn sample(world: &World, operator: usize) -> Value {
    let about = &world.stack.description().operators[operator - 1];
    json!({"access_key": about.access_key, "secret_key": about.secret_key})
}

fn unknown(number: usize) -> Value {
    json!({"access_key": format!("NOBODY{number}"), "secret_key": "a guess"})
}

/// The answer to a call from another address of this machine.
async fn from(world: &World, address: &str, body: &Value) -> StatusCode {
    let mut connector = HttpConnector::new();
    connector.set_local_address(Some(address.parse::<IpAddr>().unwrap()));
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::post(format!("{}{CALL}", world.api.url)).header("content-type", "application/json");
    let answer = client.request(request.body(Full::from(body.to_string())).unwrap()).await.unwrap();
    let status = answer.status();
    answer.into_body().collect().await.unwrap();
    status
}

fn refused(answer: &Answer) {
    assert_eq!((answer.status, answer.problem().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_many_calls"));
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_access_keys_do_not_block_operator_tokens() {
    let (world, wire) = world().await;
    let began = tokio::time::Instant::now();
    wire.take_operations();
    let flood = (0..300).map(|number| {
        let world = &world;
        async move { world.api.post(CALL, "", &unknown(number)).await }
    });
    let operators = async {
        let mut statuses = Vec::new();
        for _ in 0..5 {
            for operator in 1..=3 {
                statuses.push(world.api.post(CALL, "", &sample(&world, operator)).await.status);
            }
        }
        statuses
    };
    // As many concurrent calls as a function may have instances.
    let flood = stream::iter(flood).buffer_unordered(16).collect::<Vec<_>>();
    let (answers, statuses) = tokio::join!(flood, operators);
    assert_eq!(statuses, [StatusCode::CREATED; 15], "each operator gets its tokens during the flood");
    let windows = usize::try_from(began.elapsed().as_secs() / 10 + 2).unwrap();
    let (looked_at, others): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::UNAUTHORIZED);
    assert!((20..=20 * windows).contains(&looked_at.len()), "{} were looked at", looked_at.len());
    others.into_iter().for_each(refused);
    // A refused call has cost one read.
    let operations = wire.take_operations();
    let written = operations.iter().filter(|operation| *operation == "UpdateItem").count();
    assert_eq!(written, looked_at.len() + 15, "{operations:?}");
    let wrong =
        world.api.post(CALL, "", &json!({"access_key": sample(&world, 1)["access_key"], "secret_key": "x"})).await;
    assert_eq!(wrong.problem(), "invalid_credentials", "a wrong secret of a known key is refused as such");
}

#[tokio::test(flavor = "multi_thread")]
async fn access_key_over_limit_gets_429_and_no_other_does() {
    let (world, _) = world().await;
    let began = tokio::time::Instant::now();
    let one = sample(&world, 1);
    let answers = join_all((0..60).map(|_| world.api.post(CALL, "", &one))).await;
    let windows = usize::try_from(began.elapsed().as_secs() / 10 + 2).unwrap();
    let got = answers.iter().filter(|answer| answer.status == StatusCode::CREATED).count();
    assert!((20..=20 * windows).contains(&got), "{got} of 60");
    answers.iter().filter(|answer| answer.status != StatusCode::CREATED).for_each(refused);
    assert_eq!(world.api.post(CALL, "", &sample(&world, 2)).await.status, StatusCode::CREATED);
    let longest =
        answers.iter().filter_map(|answer| answer.headers.get("retry-after")?.to_str().ok()?.parse().ok()).max();
    tokio::time::sleep(Duration::from_secs(longest.unwrap_or(0))).await;
    assert_eq!(world.api.post(CALL, "", &one).await.status, StatusCode::CREATED);
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_address_does_not_limit_other_address() {
    let (world, _) = world().await;
    // All at once, because a window ends after ten seconds. If it has ended among them: again, from an address without a guess.
    let mut host = 1;
    let address = loop {
        host += 1;
        let (address, guesses) = (format!("127.0.0.{host}"), (0..60).map(unknown).collect::<Vec<_>>());
        let statuses = join_all(guesses.iter().map(|guess| from(&world, &address, guess))).await;
        let looked_at = statuses.iter().filter(|status| **status == StatusCode::UNAUTHORIZED).count();
        if looked_at < statuses.len() {
            assert!(looked_at >= 20 && statuses.contains(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
            break address;
        }
    };
    assert_eq!(from(&world, "127.0.1.1", &unknown(0)).await, StatusCode::UNAUTHORIZED);
    assert_eq!(from(&world, &address, &sample(&world, 1)).await, StatusCode::CREATED, "from the same address");
    assert_eq!(world.api.call(Method::GET, "/health", "").await.status, StatusCode::OK);
}
